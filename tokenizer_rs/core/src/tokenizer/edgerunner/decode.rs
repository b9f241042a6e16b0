//! Tokens to mesh.
//!
//! The last face written is the state: a step replaces one of its corners by a new vertex. A sequence that
//! breaks off, or meets a coordinate where an operation belongs, keeps what was decoded so far.

use super::vocabulary::{Engine, Operation, Vocabulary, END_TYPE};
use crate::mesh::Face;
use crate::{MeshError, Result};

/// A decoded grid position; damaged sequences may leave the grid far behind.
pub type FarPoint = [i64; 3];

/// Faces in token order, each with new vertices of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Bins of each vertex; equal positions are not merged.
    pub points: Vec<FarPoint>,
    /// Corners of each face.
    pub faces: Vec<Face>,
    /// Operation after each face.
    pub face_types: Vec<i32>,
}

/// Indices of the corners of the last face.
type Corners = [u32; 3];

/// Reads a sequence.
///
/// # Errors
///
/// `INVALID_TOKENS` for a step before the first sub-mesh, an E with no face left to return to, and an E as
/// the very last token.
pub fn decode(vocabulary: &Vocabulary, tokens: &[i32]) -> Result<Decoded> {
    let mut decoder = Decoder {
        vocabulary: *vocabulary,
        tokens,
        at: 0,
        decoded: Decoded {
            points: Vec::with_capacity(tokens.len() / 10 * 3 + 3),
            faces: Vec::with_capacity(tokens.len() / 4),
            face_types: Vec::with_capacity(tokens.len() / 4),
        },
        last: None,
        waiting: Vec::new(),
    };
    while decoder.read()? {}
    decoder.decoded.face_types.push(END_TYPE);
    Ok(decoder.decoded)
}

struct Decoder<'a> {
    vocabulary: Vocabulary,
    tokens: &'a [i32],
    at: usize,
    decoded: Decoded,
    last: Option<Corners>,
    waiting: Vec<Corners>,
}

impl Decoder<'_> {
    /// Reads one operation with what belongs to it; false at the end.
    fn read(&mut self) -> Result<bool> {
        let Some((&id, behind)) = self.tokens[self.at..].split_first() else {
            return Ok(false);
        };
        if id < 0 {
            return Ok(self.skip(id, behind.len()));
        }
        let Some(operation) = self.vocabulary.operation_of(id) else {
            return Ok(false);
        };
        match operation {
            Operation::Begin => Ok(self.begin(behind)),
            Operation::EndMesh => {
                self.at += 1;
                Ok(true)
            }
            Operation::End => self.end(behind),
            Operation::Create | Operation::Left | Operation::Split | Operation::Right => {
                let corners = self
                    .last
                    .ok_or_else(|| self.fail("no sub-mesh has begun"))?;
                if operation == Operation::Split {
                    self.waiting.push(corners);
                }
                Ok(self.step(operation == Operation::Right, corners, id, behind))
            }
        }
    }

    fn fail(&self, reason: &'static str) -> MeshError {
        MeshError::InvalidTokens {
            position: self.at,
            reason,
        }
    }

    /// An id below zero stands for a step that could not be written.
    fn skip(&mut self, id: i32, n_behind: usize) -> bool {
        if n_behind < 3 {
            return false;
        }
        self.decoded.face_types.push(id);
        self.at += 4;
        true
    }

    fn begin(&mut self, behind: &[i32]) -> bool {
        let Some(&[x0, y0, z0, x1, y1, z1, x2, y2, z2]) = behind.first_chunk() else {
            return false;
        };
        if !self.decoded.faces.is_empty() {
            self.decoded.face_types.push(END_TYPE);
        }
        let first = self.decoded.points.len() as u32;
        let mut base = FarPoint::default();
        for ids in [[x0, y0, z0], [x1, y1, z1], [x2, y2, z2]] {
            let point = self.point(ids, &base);
            self.decoded.points.push(point);
            if self.vocabulary.engine().is_relative() {
                base = point;
            }
        }
        let corners = [first, first + 1, first + 2];
        self.decoded.faces.push(corners);
        self.last = Some(corners);
        self.at += 10;
        true
    }

    /// E: a chain ends; unless the sub-mesh does too, a step to the right follows from what waits.
    fn end(&mut self, behind: &[i32]) -> Result<bool> {
        match behind.first() {
            None => Err(self.fail("nothing follows the end of a chain")),
            Some(&id) if self.vocabulary.operation_of(id) == Some(Operation::EndMesh) => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => {
                let corners = self.waiting.pop();
                let corners = corners.ok_or_else(|| self.fail("no face is left to return to"))?;
                Ok(self.step(true, corners, END_TYPE, behind))
            }
        }
    }

    fn step(
        &mut self,
        is_right: bool,
        [v0, v1, v2]: Corners,
        face_type: i32,
        behind: &[i32],
    ) -> bool {
        let Some(&ids) = behind.first_chunk() else {
            return false;
        };
        let base = if self.vocabulary.engine().is_relative() {
            let (kept, opposite) = if is_right { (v1, v2) } else { (v2, v1) };
            let [p, q, across] = [v0, kept, opposite].map(|v| self.decoded.points[v as usize]);
            // Saturating: sums of hostile tokens have no bound.
            [0, 1, 2].map(|axis| p[axis].saturating_add(q[axis]).saturating_sub(across[axis]))
        } else {
            FarPoint::default()
        };
        let point = self.point(ids, &base);
        let v = self.decoded.points.len() as u32;
        self.decoded.points.push(point);
        let face = if is_right { [v, v1, v0] } else { [v, v0, v2] };
        self.decoded.faces.push(face);
        self.decoded.face_types.push(face_type);
        self.last = Some(face);
        self.at += 4;
        true
    }

    fn point(&self, ids: [i32; 3], base: &FarPoint) -> FarPoint {
        let offset = i64::from(self.vocabulary.offset());
        let value = |id: i32| match self.vocabulary.engine() {
            // The one id without a value stands for a residual of -1.
            Engine::Lr if id == -1 => -1,
            _ => i64::from(id) - offset,
        };
        [0, 1, 2].map(|axis| base[axis].saturating_add(value(ids[axis])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(engine: Engine, tokens: &[i32]) -> Result<Decoded> {
        decode(&Vocabulary::new(engine, 512)?, tokens)
    }

    const FACE: [i32; 10] = [2, 3, 3, 3, 4, 4, 4, 5, 5, 5];

    #[test]
    fn what_ends_early_keeps_what_was_decoded() {
        let n_faces = |tail: &[i32]| {
            let tokens = [&FACE, tail].concat();
            decoded(Engine::LrAbsco, &tokens).unwrap().faces.len()
        };
        assert_eq!(n_faces(&[]), 1);
        assert_eq!(n_faces(&[0, 6, 6]), 1);
        assert_eq!(n_faces(&[0, 6, 6, 6]), 2);
        assert_eq!(n_faces(&[9, 6, 6, 6, 0, 7, 7, 7]), 1);
        assert_eq!(n_faces(&[-1, 6, 6, 6, 0, 7, 7, 7]), 2);
        assert_eq!(n_faces(&FACE[..9]), 1);
        assert_eq!(decoded(Engine::LrAbsco, &[]).unwrap().face_types, [2]);
    }

    #[test]
    fn what_has_no_meaning_is_an_error() {
        for (engine, tokens) in [
            (Engine::LrAbsco, vec![0, 10, 10, 10]),
            (Engine::Lr, vec![1, 4, 4, 4]),
            (Engine::Clers, vec![4, 9, 9, 9]),
            (Engine::Clers, vec![2]),
            (Engine::Clers, vec![2, 9, 9, 9]),
        ] {
            let error = decoded(engine, &tokens).unwrap_err();
            assert_eq!(error.code(), "INVALID_TOKENS", "{tokens:?}");
        }
    }

    #[test]
    fn ids_without_bounds_do_not_overflow() {
        for engine in [Engine::Lr, Engine::Clers] {
            for id in [i32::MAX, i32::MIN] {
                let begin = if engine == Engine::Lr { 2 } else { 5 };
                let mut tokens = vec![begin];
                tokens.extend([id; 9]);
                for _ in 0..50 {
                    tokens.extend([1, id, id, id]);
                }
                assert_eq!(decoded(engine, &tokens).unwrap().faces.len(), 51);
            }
        }
    }
}
