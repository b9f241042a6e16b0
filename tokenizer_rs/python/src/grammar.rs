//! Grammar states as Python classes.

use meshloom_tokenizer_core::tokenizer::{Grammar, TokenMask};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::tokens_from;
use crate::error::{guarded, Failure};

/// The grammar state of one sequence.
#[pyclass(name = "Grammar", module = "tokenizer_rs")]
pub struct PyGrammar {
    state: Box<dyn Grammar>,
    vocab_size: usize,
}

impl PyGrammar {
    /// A state over `vocab_size` ids.
    pub fn new(state: Box<dyn Grammar>, vocab_size: u32) -> Self {
        Self {
            state,
            vocab_size: vocab_size as usize,
        }
    }
}

#[pymethods]
impl PyGrammar {
    /// Which ids may follow, bool (vocab_size + 1,); the last entry is the end.
    fn allowed<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        let mut row = vec![false; self.vocab_size + 1];
        py.detach(|| write_mask(self.state.as_ref(), &mut row));
        PyArray1::from_vec(py, row)
    }

    /// Takes the next token; raises MeshError, and changes nothing, if it may not follow.
    fn advance(&mut self, py: Python<'_>, token: i64) -> PyResult<()> {
        let token = i32::try_from(token).unwrap_or(-1);
        guarded(py, || self.state.advance(token)).map_err(|f| f.into_error(py))
    }

    /// Whether the sequence may end here.
    fn can_end(&self) -> bool {
        self.state.can_end()
    }

    /// The next token on a short way to an end; None where the sequence may end here.
    fn closing_token(&self) -> Option<i32> {
        self.state.closing_token()
    }

    /// Number of tokens on that way.
    fn tokens_to_end(&self, py: Python<'_>) -> usize {
        py.detach(|| self.state.tokens_to_end())
    }

    /// An independent copy.
    fn copy(&self) -> Self {
        Self {
            state: self.state.boxed_clone(),
            vocab_size: self.vocab_size,
        }
    }
}

/// One sequence of a batch; once ended, only the end may follow.
struct Row {
    state: Box<dyn Grammar>,
    has_ended: bool,
    /// At least as many tokens as the way to an end has; walking it again and again would cost more than
    /// everything else.
    way_at_most: usize,
}

/// The grammar states of sequences that are written side by side.
#[pyclass(name = "GrammarBatch", module = "tokenizer_rs")]
pub struct PyGrammarBatch {
    rows: Vec<Row>,
    vocab_size: usize,
}

impl PyGrammarBatch {
    /// States over `vocab_size` ids.
    pub fn new(states: Vec<Box<dyn Grammar>>, vocab_size: u32) -> Self {
        let row = |state| Row {
            state,
            has_ended: false,
            way_at_most: usize::MAX,
        };
        Self {
            rows: states.into_iter().map(row).collect(),
            vocab_size: vocab_size as usize,
        }
    }
}

#[pymethods]
impl PyGrammarBatch {
    /// Which ids may follow in each row, bool (size, vocab_size + 1); the last column is the end.
    ///
    /// With `remaining`, the tokens that may still be written to a row, the end among them, a row that could
    /// miss its end with one more token of its choice is held to a short way there.
    #[pyo3(signature = (remaining=None))]
    fn allowed<'py>(
        &mut self,
        py: Python<'py>,
        remaining: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let width = self.vocab_size + 1;
        let mut flat = vec![false; self.rows.len() * width];
        py.detach(|| {
            flat.par_chunks_mut(width)
                .zip(&mut self.rows)
                .for_each(|(mask, row)| row.write_mask(remaining, mask));
        });
        PyArray1::from_vec(py, flat).reshape([self.rows.len(), width])
    }

    /// Takes the next token of each row, (size,); the end id ends a row, and after it anything is taken.
    ///
    /// Raises MeshError naming the first row whose token may not follow; the rows before it have advanced.
    fn advance(&mut self, py: Python<'_>, tokens: &Bound<'_, PyAny>) -> PyResult<()> {
        let tokens = tokens_from(tokens)?;
        if tokens.len() != self.rows.len() {
            let message = format!(
                "{} tokens for {} rows; give one per row",
                tokens.len(),
                self.rows.len()
            );
            return Err(Failure::invalid_input(message).into_error(py));
        }
        let end = self.vocab_size as i32;
        for (r, (row, &token)) in self.rows.iter_mut().zip(&tokens).enumerate() {
            if row.has_ended {
                continue;
            }
            if token == end && row.state.can_end() {
                row.has_ended = true;
                continue;
            }
            let detour = row.state.detour();
            row.state.advance(token).map_err(|error| {
                let mut failure = Failure::from(error);
                failure.message = format!("row {r}: {}", failure.message);
                failure.into_error(py)
            })?;
            row.way_at_most = row.way_at_most.saturating_add(detour);
        }
        Ok(())
    }

    /// Which rows may end here or have ended, bool (size,).
    fn can_end<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        let ends = self
            .rows
            .iter()
            .map(|row| row.has_ended || row.state.can_end());
        PyArray1::from_iter(py, ends)
    }

    /// Tokens on a short way to an end in each row, int64 (size,).
    fn tokens_to_end<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let counts: Vec<i64> = py.detach(|| {
            self.rows
                .par_iter()
                .map(|row| {
                    if row.has_ended {
                        0
                    } else {
                        row.state.tokens_to_end() as i64
                    }
                })
                .collect()
        });
        PyArray1::from_vec(py, counts)
    }

    /// An independent copy.
    fn copy(&self) -> Self {
        let copied = |row: &Row| Row {
            state: row.state.boxed_clone(),
            has_ended: row.has_ended,
            way_at_most: row.way_at_most,
        };
        Self {
            rows: self.rows.iter().map(copied).collect(),
            vocab_size: self.vocab_size,
        }
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }
}

impl Row {
    /// Whether a token of free choice could leave too few places for the way to the end.
    fn could_miss_its_end(&mut self, remaining: usize) -> bool {
        // The end takes a place as well.
        let spare = remaining.saturating_sub(1);
        let detour = self.state.detour();
        self.way_at_most = self.way_at_most.min(self.state.most_tokens_to_end());
        if spare > self.way_at_most.saturating_add(detour) {
            return false;
        }
        self.way_at_most = self.state.tokens_to_end();
        spare <= self.way_at_most.saturating_add(detour)
    }

    fn write_mask(&mut self, remaining: Option<usize>, mask: &mut [bool]) {
        if self.has_ended {
            if let Some(end) = mask.last_mut() {
                *end = true;
            }
            return;
        }
        let must_close = remaining.is_some_and(|n| self.could_miss_its_end(n));
        if !must_close {
            return write_mask(self.state.as_ref(), mask);
        }
        let end = mask.len() - 1;
        mask[self.state.closing_token().map_or(end, |id| id as usize)] = true;
    }
}

/// Writes the tokens that may follow, and last whether the sequence may end, into an all-false row.
fn write_mask(state: &dyn Grammar, row: &mut [bool]) {
    let Some((end, ids)) = row.split_last_mut() else {
        return;
    };
    let mut mask = TokenMask::new(ids.len());
    state.allowed(&mut mask);
    for token in mask.iter() {
        ids[token as usize] = true;
    }
    *end = state.can_end();
}
