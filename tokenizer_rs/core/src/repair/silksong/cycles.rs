//! Simple cycles and longest paths in a link graph, with a bound on the work.
//!
//! A link of fifty edges can have more simple cycles than can be listed (the complete graph on ten nodes
//! has half a million). Every step of the search is paid from a [`Budget`]; when it is spent, the best cycle
//! so far is taken, which is still a valid choice.

/// Search steps allowed and taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    limit: usize,
    spent: usize,
}

impl Budget {
    /// A budget of `limit` steps.
    pub fn new(limit: usize) -> Self {
        Self { limit, spent: 0 }
    }

    /// Steps taken, the one that went over the limit included.
    pub fn spent(&self) -> usize {
        self.spent
    }

    /// Takes steps; false once more than the limit were taken.
    fn spend(&mut self, steps: usize) -> bool {
        self.spent = self.spent.saturating_add(steps);
        self.spent <= self.limit
    }
}

/// Neighbours of each node as (node, edge).
pub type Adjacency = [Vec<(u32, u32)>];

/// A closed walk: `edges[i]` joins `nodes[i]` and the node after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Nodes in walking order.
    pub nodes: Vec<u32>,
    /// Edges in walking order.
    pub edges: Vec<u32>,
}

/// The cycle with the fewest distinct labels on its edges, then the longest, then the first found.
///
/// Searches the nodes marked `alive`, depth first from nodes in ascending order, neighbours in adjacency
/// order. `label` gives the label of an edge, if it has one. Returns nothing where there is no cycle.
pub fn best_cycle(
    adjacency: &Adjacency,
    alive: &[bool],
    label: &[Option<u32>],
    budget: &mut Budget,
) -> Option<Cycle> {
    let core = two_core(adjacency, alive);
    let core_size = core.iter().filter(|&&inside| inside).count();
    if core_size < 3 {
        return None;
    }
    let fewest_possible = fewest_possible_labels(adjacency, &core, label);
    let mut search = Search {
        adjacency,
        label,
        best: None,
        best_labels: usize::MAX,
    };
    let mut open = core.clone();
    'starts: for start in 0..core.len() as u32 {
        if !core[start as usize] {
            continue;
        }
        // Cycles are found from their lowest node, so lower nodes are closed.
        if !search.from(start, &mut open, budget, |labels, n| {
            labels <= fewest_possible && n == core_size
        }) {
            break 'starts;
        }
        open[start as usize] = false;
    }
    search.best.or_else(|| any_cycle(adjacency, &core))
}

struct Search<'a> {
    adjacency: &'a Adjacency,
    label: &'a [Option<u32>],
    best: Option<Cycle>,
    best_labels: usize,
}

impl Search<'_> {
    /// Looks at the cycles through `start` and `open` nodes; false to end the whole search.
    fn from(
        &mut self,
        start: u32,
        open: &mut [bool],
        budget: &mut Budget,
        cannot_be_beaten: impl Fn(usize, usize) -> bool,
    ) -> bool {
        let mut nodes = vec![start];
        let mut edges: Vec<u32> = Vec::new();
        let mut cursors = vec![0_usize];
        open[start as usize] = false;
        let mut go_on = true;
        while let (Some(&node), Some(cursor)) = (nodes.last(), cursors.last_mut()) {
            let Some(&(next, edge)) = self.adjacency[node as usize].get(*cursor).filter(|_| go_on)
            else {
                nodes.pop();
                cursors.pop();
                edges.pop();
                open[node as usize] = true;
                continue;
            };
            *cursor += 1;
            go_on = budget.spend(1);
            if next == start && nodes.len() >= 3 {
                edges.push(edge);
                go_on = go_on && budget.spend(edges.len());
                let labels = self.offer(&nodes, &edges);
                go_on = go_on && !cannot_be_beaten(labels, edges.len());
                edges.pop();
            } else if open[next as usize] {
                open[next as usize] = false;
                nodes.push(next);
                edges.push(edge);
                cursors.push(0);
            }
        }
        go_on
    }

    fn offer(&mut self, nodes: &[u32], edges: &[u32]) -> usize {
        let mut labels: Vec<u32> = edges
            .iter()
            .filter_map(|&edge| self.label[edge as usize])
            .collect();
        labels.sort_unstable();
        labels.dedup();
        let longest = self.best.as_ref().map_or(0, |best| best.nodes.len());
        if labels.len() < self.best_labels
            || (labels.len() == self.best_labels && nodes.len() > longest)
        {
            self.best = Some(Cycle {
                nodes: nodes.to_vec(),
                edges: edges.to_vec(),
            });
            self.best_labels = labels.len();
        }
        labels.len()
    }
}

/// No cycle can do with fewer labels than this.
fn fewest_possible_labels(adjacency: &Adjacency, core: &[bool], label: &[Option<u32>]) -> usize {
    let unlabelled = |node: &usize| {
        adjacency[*node]
            .iter()
            .any(|&(next, edge)| core[next as usize] && label[edge as usize].is_none())
    };
    usize::from(
        !(0..core.len())
            .filter(|&node| core[node])
            .any(|node| unlabelled(&node)),
    )
}

/// The nodes left after removing nodes with fewer than two neighbours until none is left: no other node
/// lies on a cycle.
fn two_core(adjacency: &Adjacency, alive: &[bool]) -> Vec<bool> {
    let mut core = alive.to_vec();
    let mut degree: Vec<usize> = adjacency
        .iter()
        .map(|neighbours| {
            neighbours
                .iter()
                .filter(|&&(next, _)| alive[next as usize])
                .count()
        })
        .collect();
    let mut stack: Vec<usize> = (0..core.len())
        .filter(|&n| core[n] && degree[n] < 2)
        .collect();
    while let Some(node) = stack.pop() {
        if !core[node] {
            continue;
        }
        core[node] = false;
        for &(next, _) in &adjacency[node] {
            let next = next as usize;
            degree[next] = degree[next].saturating_sub(1);
            if core[next] && degree[next] < 2 {
                stack.push(next);
            }
        }
    }
    core
}

/// The first cycle a depth-first walk closes; linear in the size of the graph.
fn any_cycle(adjacency: &Adjacency, core: &[bool]) -> Option<Cycle> {
    let mut seen = vec![false; core.len()];
    for start in 0..core.len() as u32 {
        if !core[start as usize] || seen[start as usize] {
            continue;
        }
        let mut nodes = vec![start];
        let mut edges: Vec<u32> = Vec::new();
        let mut cursors = vec![0_usize];
        seen[start as usize] = true;
        while let (Some(&node), Some(cursor)) = (nodes.last(), cursors.last_mut()) {
            let Some(&(next, edge)) = adjacency[node as usize].get(*cursor) else {
                nodes.pop();
                cursors.pop();
                edges.pop();
                continue;
            };
            *cursor += 1;
            if !core[next as usize] || edges.last() == Some(&edge) {
                continue;
            }
            if !seen[next as usize] {
                seen[next as usize] = true;
                nodes.push(next);
                edges.push(edge);
                cursors.push(0);
            } else if let Some(at) = nodes.iter().position(|&n| n == next) {
                let mut cycle = Cycle {
                    nodes: nodes[at..].to_vec(),
                    edges: edges[at..].to_vec(),
                };
                cycle.edges.push(edge);
                return Some(cycle);
            }
        }
    }
    None
}

/// A longest path among the `members` of a tree: breadth first from each member in order; a later path
/// must be strictly longer to win.
pub fn longest_path(adjacency: &Adjacency, alive: &[bool], members: &[u32]) -> Vec<u32> {
    let mut best: Vec<u32> = Vec::new();
    let mut parent = vec![u32::MAX; adjacency.len()];
    let mut depth = vec![0_usize; adjacency.len()];
    for &start in members {
        let mut queue = vec![start];
        parent[start as usize] = start;
        depth[start as usize] = 1;
        let mut at = 0;
        while let Some(&node) = queue.get(at) {
            at += 1;
            for &(next, _) in &adjacency[node as usize] {
                if alive[next as usize] && next != parent[node as usize] {
                    parent[next as usize] = node;
                    depth[next as usize] = depth[node as usize] + 1;
                    queue.push(next);
                }
            }
        }
        let mut end = None;
        let mut longest = best.len();
        for &node in &queue {
            if depth[node as usize] > longest {
                longest = depth[node as usize];
                end = Some(node);
            }
        }
        if let Some(mut node) = end {
            best.clear();
            best.push(node);
            while node != start {
                node = parent[node as usize];
                best.push(node);
            }
            best.reverse();
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(n: usize, edges: &[(u32, u32)]) -> Vec<Vec<(u32, u32)>> {
        let mut adjacency = vec![Vec::new(); n];
        for (e, &(a, b)) in edges.iter().enumerate() {
            adjacency[a as usize].push((b, e as u32));
            adjacency[b as usize].push((a, e as u32));
        }
        adjacency
    }

    fn complete(n: u32) -> Vec<(u32, u32)> {
        (0..n)
            .flat_map(|a| (a + 1..n).map(move |b| (a, b)))
            .collect()
    }

    #[test]
    fn fewest_labels_come_before_length() {
        // A square 0-1-2-3 with the diagonal 0-2; the triangle 0-1-2 carries one label.
        let adjacency = graph(4, &[(0, 1), (1, 2), (2, 3), (0, 3), (0, 2)]);
        let one = [Some(1), Some(1), Some(1), Some(2), Some(1)];
        let cycle = best_cycle(&adjacency, &[true; 4], &one, &mut Budget::new(1000)).unwrap();
        assert_eq!(cycle.nodes, [0, 1, 2]);
        let cycle = best_cycle(&adjacency, &[true; 4], &[None; 5], &mut Budget::new(1000)).unwrap();
        assert_eq!(cycle.nodes, [0, 1, 2, 3]);
    }

    #[test]
    fn a_spent_budget_still_gives_a_cycle() {
        let edges = complete(10);
        let adjacency = graph(10, &edges);
        // Alternating labels: no early end, so only the budget stops the search.
        let labels: Vec<Option<u32>> = (0..edges.len() as u32).map(|e| Some(e % 7)).collect();
        for steps in [0, 10, 20_000] {
            let mut budget = Budget::new(steps);
            let cycle = best_cycle(&adjacency, &[true; 10], &labels, &mut budget).unwrap();
            assert!(
                (steps..steps + 20).contains(&budget.spent()),
                "{}",
                budget.spent()
            );
            assert!(cycle.nodes.len() >= 3 && cycle.nodes.len() == cycle.edges.len());
        }
    }

    #[test]
    fn a_tree_has_no_cycle_and_a_longest_path() {
        let adjacency = graph(5, &[(0, 1), (1, 2), (1, 3), (3, 4)]);
        assert_eq!(
            best_cycle(&adjacency, &[true; 5], &[None; 4], &mut Budget::new(99)),
            None
        );
        assert_eq!(
            longest_path(&adjacency, &[true; 5], &[0, 1, 2, 3, 4]),
            [0, 1, 3, 4]
        );
    }
}
