//! Which merged tokens may follow: those whose symbols may follow one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use super::Merges;
use crate::tokenizer::grammar::{not_allowed, Grammar, TokenMask};
use crate::{MeshError, Result};

/// The expansions of all merged tokens, those with a common beginning on a common path.
#[derive(Debug, Default)]
struct Node {
    /// Next symbols, and the nodes they lead to.
    children: Vec<(i32, usize)>,
    /// Merged tokens that stand for the symbols on the way here.
    tokens: Vec<i32>,
}

/// Merges with their expansions as a tree; shared by all states of a tokenizer.
#[derive(Debug)]
pub struct MergeTree {
    merges: Arc<Merges>,
    nodes: Vec<Node>,
    longest_expansion: usize,
}

impl MergeTree {
    /// The tree of all merged tokens.
    pub fn new(merges: Arc<Merges>) -> Self {
        let mut nodes = vec![Node::default()];
        let mut paths: HashMap<(usize, i32), usize> = HashMap::new();
        let mut longest_expansion = 1;
        for token in merges.base_vocab_size() as i32..merges.vocab_size() as i32 {
            let mut at = 0;
            longest_expansion = longest_expansion.max(merges.expand(token).len());
            for &symbol in merges.expand(token) {
                at = *paths.entry((at, symbol)).or_insert_with(|| {
                    nodes.push(Node::default());
                    let child = nodes.len() - 1;
                    nodes[at].children.push((symbol, child));
                    child
                });
            }
            nodes[at].tokens.push(token);
        }
        Self {
            merges,
            nodes,
            longest_expansion,
        }
    }

    /// The merges.
    pub fn merges(&self) -> &Merges {
        &self.merges
    }
}

/// The state of a sequence with merged tokens, over the grammar of the tokenizer below.
pub struct MergedGrammar {
    base: Box<dyn Grammar>,
    tree: Arc<MergeTree>,
    n_read: usize,
}

impl MergedGrammar {
    /// The state before the first token, over that of the tokenizer below.
    pub fn new(base: Box<dyn Grammar>, tree: Arc<MergeTree>) -> Self {
        Self {
            base,
            tree,
            n_read: 0,
        }
    }

    /// Adds to `mask` the merged tokens that end one symbol after `node`; returns the states further down.
    fn follow(
        &self,
        node: usize,
        state: &dyn Grammar,
        may_follow: &TokenMask,
        mask: &mut TokenMask,
    ) -> Vec<(usize, Box<dyn Grammar>)> {
        let mut further = Vec::new();
        for &(symbol, child) in &self.tree.nodes[node].children {
            if !may_follow.contains(symbol) {
                continue;
            }
            let Node { children, tokens } = &self.tree.nodes[child];
            tokens.iter().for_each(|&token| mask.insert(token));
            if children.is_empty() {
                continue;
            }
            let mut next = state.boxed_clone();
            if next.advance(symbol).is_ok() {
                further.push((child, next));
            }
        }
        further
    }
}

impl Grammar for MergedGrammar {
    fn allowed(&self, mask: &mut TokenMask) {
        let mut symbols = TokenMask::new(self.tree.merges.base_vocab_size() as usize);
        self.base.allowed(&mut symbols);
        mask.insert_all(&symbols);
        let mut waiting = self.follow(0, self.base.as_ref(), &symbols, mask);
        while let Some((node, state)) = waiting.pop() {
            symbols.clear();
            state.allowed(&mut symbols);
            waiting.extend(self.follow(node, state.as_ref(), &symbols, mask));
        }
    }

    fn advance(&mut self, token: i32) -> Result<()> {
        let refused = |error| match error {
            MeshError::InvalidTokens { reason, .. } => not_allowed(self.n_read, reason),
            other => other,
        };
        match self.tree.merges.expand(token) {
            [] => return Err(not_allowed(self.n_read, "there is no such token")),
            [symbol] => self.base.advance(*symbol).map_err(refused)?,
            symbols => {
                let mut next = self.base.boxed_clone();
                for &symbol in symbols {
                    next.advance(symbol).map_err(refused)?;
                }
                self.base = next;
            }
        }
        self.n_read += 1;
        Ok(())
    }

    fn can_end(&self) -> bool {
        self.base.can_end()
    }

    fn closing_token(&self) -> Option<i32> {
        self.base.closing_token()
    }

    fn boxed_clone(&self) -> Box<dyn Grammar> {
        Box::new(Self {
            base: self.base.boxed_clone(),
            tree: Arc::clone(&self.tree),
            n_read: self.n_read,
        })
    }

    fn longest_detour(&self) -> usize {
        self.base
            .longest_detour()
            .saturating_mul(self.tree.longest_expansion)
    }

    fn tokens_to_end(&self) -> usize {
        self.base.tokens_to_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digits that never fall, below 4; a sequence may end after a 3.
    #[derive(Clone)]
    struct Rising(i32);

    impl Grammar for Rising {
        fn allowed(&self, mask: &mut TokenMask) {
            mask.insert_range(self.0, 4);
        }

        fn advance(&mut self, token: i32) -> Result<()> {
            if !(self.0..4).contains(&token) {
                return Err(not_allowed(77, "it falls"));
            }
            self.0 = token;
            Ok(())
        }

        fn can_end(&self) -> bool {
            self.0 == 3
        }

        fn closing_token(&self) -> Option<i32> {
            (self.0 < 3).then_some(3)
        }

        fn boxed_clone(&self) -> Box<dyn Grammar> {
            Box::new(self.clone())
        }
    }

    fn state() -> MergedGrammar {
        // 4: 1 2, 5: 2 1, 6: 1 2 3, 7: 0 0, 8: 1 2 2 1, 9: 1 2 3 with other parts.
        let pairs = vec![[1, 2], [2, 1], [4, 3], [0, 0], [4, 5], [2, 3], [1, 9]];
        let merges = Arc::new(Merges::new(4, pairs).unwrap());
        MergedGrammar::new(Box::new(Rising(0)), Arc::new(MergeTree::new(merges)))
    }

    fn allowed(state: &MergedGrammar) -> Vec<i32> {
        let mut mask = TokenMask::new(11);
        state.allowed(&mut mask);
        mask.iter().collect()
    }

    #[test]
    fn a_merged_token_may_follow_where_all_its_symbols_may() {
        let mut state = state();
        assert_eq!(allowed(&state), [0, 1, 2, 3, 4, 6, 7, 9, 10]);
        state.advance(1).unwrap();
        assert_eq!(allowed(&state), [1, 2, 3, 4, 6, 9, 10]);
        state.advance(4).unwrap();
        assert_eq!(allowed(&state), [2, 3, 9]);
        assert_eq!((state.can_end(), state.closing_token()), (false, Some(3)));
        assert_eq!(state.tokens_to_end(), 1);
    }

    #[test]
    fn what_is_allowed_can_be_taken_and_nothing_else() {
        let mut state = state();
        for next in [1, 4, 9] {
            let allowed = allowed(&state);
            for token in -1..13 {
                let mut copy = state.boxed_clone();
                assert_eq!(copy.advance(token).is_ok(), allowed.contains(&token));
            }
            state.advance(next).unwrap();
        }
        assert!(state.can_end());
    }

    #[test]
    fn a_refused_token_changes_nothing_and_is_named_by_its_own_position() {
        let mut state = state();
        state.advance(4).unwrap();
        let before = allowed(&state);
        let error = state.advance(5).unwrap_err();
        assert_eq!(error, not_allowed(1, "it falls"));
        assert_eq!(allowed(&state), before);
    }
}
