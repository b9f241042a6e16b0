//! Mesh to tokens: the walk over the faces.
//!
//! A sub-mesh begins with a face of its own and goes on across one edge after the other. Where both edges of a
//! new tip lead to unvisited faces the walk branches: one side waits on a stack.

use super::boundary_loops::{is_right_loop_shorter, BoundaryLoops};
use super::half_edges::HalfEdges;
use super::order::{face_order, Sort};
use super::vocabulary::{Engine, Operation, Vocabulary, END_TYPE};
use crate::mesh::half_edge::NONE;
use crate::mesh::{GridMesh, GridPoint};

/// Enough for every published vector and all but large meshes full of both holes and turned faces.
const STEPS_PER_FACE: usize = 1000;

/// What the walk writes and counts.
#[derive(Debug, Clone, Default)]
pub struct Walked {
    /// Token ids.
    pub tokens: Vec<i32>,
    /// Faces in the order of their visits; the relative engines visit some faces twice.
    pub face_order: Vec<u32>,
    /// Operation after each visit.
    pub face_types: Vec<i8>,
    /// Counts under their names.
    pub counts: Counts,
}

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Parts connected over edges.
    pub n_components: usize,
    /// Faces that were written with three vertices of their own.
    pub n_submeshes: usize,
    /// Visits of a face that had been visited.
    pub n_repeated_visits: usize,
    /// Places where the walk went two ways.
    pub n_branches: usize,
    /// Edges without a second face.
    pub n_boundary_edges: usize,
    /// Times a face was turned over to agree with the one before it.
    pub n_turned: usize,
    /// Residuals the `lr` engine has no id for, written as -1.
    pub n_lost_residuals: usize,
}

/// Writes the tokens of a mesh whose coordinates are on the grid.
///
/// Iterative, in O(F log F) for consistently oriented faces that form few handles: at a branch both boundary
/// loops are followed no further than the shorter one is long. Where neighbours run in the same direction, the
/// walk spends up to 1000 steps a face on that and then no longer looks for the shorter loop.
pub fn walk(mesh: &GridMesh, vocabulary: &Vocabulary, sort: Sort) -> Walked {
    let half_edges = HalfEdges::new(&mesh.faces, mesh.vertices.len());
    let is_uniform = half_edges.is_uniform();
    walk_half_edges(mesh, half_edges, is_uniform, vocabulary, sort)
}

fn walk_half_edges(
    mesh: &GridMesh,
    half_edges: HalfEdges,
    is_uniform: bool,
    vocabulary: &Vocabulary,
    sort: Sort,
) -> Walked {
    let (points, faces) = (&mesh.vertices, &mesh.faces);
    let order = face_order(points, faces, &half_edges, sort);
    let mut visited_vertices = vec![false; points.len()];
    let mut counts = Counts {
        n_components: order.n_components,
        ..Counts::default()
    };
    for h in (0..half_edges.len() as u32).filter(|&h| half_edges.twin(h) == NONE) {
        let (start, end) = half_edges.ends(h);
        visited_vertices[start as usize] = true;
        visited_vertices[end as usize] = true;
        counts.n_boundary_edges += 1;
    }
    let visited_faces = vec![false; faces.len()];
    let loops = (is_uniform && vocabulary.engine() == Engine::LrAbsco)
        .then(|| BoundaryLoops::new(&half_edges, &visited_faces));
    let mut walk = Walk {
        vocabulary: *vocabulary,
        points,
        half_edges,
        is_uniform,
        visited_vertices,
        visited_faces,
        loops,
        n_steps: STEPS_PER_FACE * faces.len(),
        waiting: Vec::new(),
        out: Walked {
            tokens: Vec::with_capacity(4 * faces.len() + 64),
            face_order: Vec::with_capacity(faces.len()),
            face_types: Vec::with_capacity(faces.len()),
            counts,
        },
    };
    for f in order.faces {
        if !walk.visited_faces[f as usize] {
            walk.component(f);
        }
    }
    walk.out
}

/// Where the walk goes on.
#[derive(Clone, Copy)]
enum Step {
    /// To the face of this half-edge, across its edge.
    Visit(u32),
    /// To the face of this half-edge, as the first of a sub-mesh.
    Begin(u32),
    /// To what waits.
    End,
}

/// The side of a branch that waits, seen from the half-edge where it was met: the walk may turn that face
/// over before it comes back.
enum Waiting {
    Left(u32),
    Right(u32),
}

struct Walk<'a> {
    vocabulary: Vocabulary,
    points: &'a [GridPoint],
    half_edges: HalfEdges<'a>,
    /// Whether no face will have to be turned over.
    is_uniform: bool,
    visited_vertices: Vec<bool>,
    visited_faces: Vec<bool>,
    loops: Option<BoundaryLoops>,
    /// What is left to spend on following loops that are not linked.
    n_steps: usize,
    waiting: Vec<Waiting>,
    out: Walked,
}

impl Walk<'_> {
    /// Walks all faces that can be reached from a face.
    fn component(&mut self, face: u32) {
        let first = self.first_half_edge(face);
        if let Some(loops) = &mut self.loops {
            if self.half_edges.twin(first) != NONE {
                loops.cut(&self.half_edges, &self.visited_faces, first);
            }
        }
        let mut step = Step::Begin(first);
        loop {
            step = match step {
                Step::Begin(h) => self.begin(h),
                Step::Visit(h) => self.visit(h),
                Step::End => match self.waiting.pop() {
                    Some(waiting) => self.go_back(&waiting),
                    None => break,
                },
            };
        }
        if self.vocabulary.engine() == Engine::Clers {
            self.push_operation(Operation::EndMesh);
        }
    }

    /// The last half-edge on the boundary, or the one whose two tips are nearest to each other.
    fn first_half_edge(&self, face: u32) -> u32 {
        let own = 3 * face..3 * face + 3;
        let on_boundary = |&h: &u32| self.half_edges.twin(h) == NONE;
        if let Some(h) = own.clone().rev().find(on_boundary) {
            return h;
        }
        let mut nearest = (f32::INFINITY, 3 * face);
        for h in own {
            let distance = self.tip_distance(h);
            if distance < nearest.0 {
                nearest = (distance, h);
            }
        }
        nearest.1
    }

    /// In single precision, as published: on fine grids different distances can be equal.
    fn tip_distance(&self, h: u32) -> f32 {
        let (p, q) = (self.tip(h), self.tip(self.half_edges.twin(h)));
        let [x, y, z] = [0, 1, 2].map(|axis| (p[axis] - q[axis]) as f32);
        (x * x + y * y + z * z).sqrt()
    }

    fn tip(&self, h: u32) -> GridPoint {
        self.points[self.half_edges.tip(h) as usize]
    }

    fn go_back(&mut self, waiting: &Waiting) -> Step {
        let h = match *waiting {
            Waiting::Left(c) => self.half_edges.twin(self.half_edges.previous(c)),
            Waiting::Right(c) => self.half_edges.twin(self.half_edges.next(c)),
        };
        match self.vocabulary.engine() {
            Engine::Clers => Step::Visit(h),
            Engine::Lr => Step::Begin(h),
            // A handle or hole may have led there.
            Engine::LrAbsco if self.visited_faces[h as usize / 3] => Step::End,
            Engine::LrAbsco => Step::Begin(h),
        }
    }

    /// Writes all three corners of a face.
    fn begin(&mut self, c: u32) -> Step {
        self.out.counts.n_submeshes += 1;
        self.push_operation(Operation::Begin);
        let (start, end) = self.half_edges.ends(c);
        let corners = [
            self.tip(c),
            self.points[start as usize],
            self.points[end as usize],
        ];
        let is_relative = self.vocabulary.engine().is_relative();
        for (i, corner) in corners.iter().enumerate() {
            let base = if is_relative && i > 0 {
                corners[i - 1]
            } else {
                [0; 3]
            };
            self.push_point(corner, &base);
        }
        self.visited_vertices[start as usize] = true;
        self.visited_vertices[end as usize] = true;
        self.mark(c);
        self.go_on(c)
    }

    /// Writes the tip of a face that is met across the edge of `c`.
    fn visit(&mut self, c: u32) -> Step {
        self.mark(c);
        if !self.is_uniform && self.half_edges.agree_with_twin(c) {
            self.out.counts.n_turned += 1;
        }
        let tip = self.tip(c);
        let base = if self.vocabulary.engine().is_relative() {
            self.parallelogram(c)
        } else {
            [0; 3]
        };
        self.push_point(&tip, &base);
        self.go_on(c)
    }

    /// The corner that would complete a parallelogram over the edge of `c`.
    fn parallelogram(&self, c: u32) -> GridPoint {
        let (start, end) = self.half_edges.ends(c);
        let (p, q) = (self.points[start as usize], self.points[end as usize]);
        let across = self.tip(self.half_edges.twin(c));
        [0, 1, 2].map(|axis| p[axis] + q[axis] - across[axis])
    }

    /// Chooses the way on from a face that was just written.
    fn go_on(&mut self, c: u32) -> Step {
        let left = self.half_edges.twin(self.half_edges.previous(c));
        let right = self.half_edges.twin(self.half_edges.next(c));
        let is_done = |h: u32| h == NONE || self.visited_faces[h as usize / 3];
        let (no_left, no_right) = (is_done(left), is_done(right));
        let is_clers = self.vocabulary.engine() == Engine::Clers;
        let tip = self.half_edges.tip(c) as usize;
        if !self.visited_vertices[tip] {
            self.visited_vertices[tip] = true;
            if let Some(loops) = &mut self.loops {
                loops.grow(c, left, right);
            }
            let create = if is_clers {
                Operation::Create
            } else {
                Operation::Left
            };
            return self.go(create, right);
        }
        match (no_left, no_right) {
            (true, true) => {
                if is_clers {
                    self.push_operation(Operation::End);
                }
                self.out.face_types.push(END_TYPE as i8);
                Step::End
            }
            (true, false) => {
                if let Some(loops) = &mut self.loops {
                    loops.close_left(c, right);
                }
                self.go(Operation::Left, right)
            }
            (false, true) => {
                if let Some(loops) = &mut self.loops {
                    loops.close_right(c, left);
                }
                self.go(Operation::Right, left)
            }
            (false, false) => self.branch(c, left, right),
        }
    }

    fn branch(&mut self, c: u32, left: u32, right: u32) -> Step {
        self.out.counts.n_branches += 1;
        match self.vocabulary.engine() {
            Engine::Clers => {
                self.waiting.push(Waiting::Left(c));
                self.go(Operation::Split, right)
            }
            Engine::Lr => {
                self.waiting.push(Waiting::Left(c));
                self.go(Operation::Left, right)
            }
            Engine::LrAbsco if self.is_right_shorter(c, left, right) => {
                self.waiting.push(Waiting::Left(c));
                self.go(Operation::Left, right)
            }
            Engine::LrAbsco => {
                self.waiting.push(Waiting::Right(c));
                self.go(Operation::Right, left)
            }
        }
    }

    fn is_right_shorter(&mut self, c: u32, left: u32, right: u32) -> bool {
        match &mut self.loops {
            Some(loops) => loops.branch(&self.half_edges, &self.visited_faces, c, left, right),
            None => is_right_loop_shorter(
                &self.half_edges,
                &self.visited_faces,
                left,
                right,
                &mut self.n_steps,
            ),
        }
    }

    fn go(&mut self, operation: Operation, to: u32) -> Step {
        let id = self.push_operation(operation);
        self.out.face_types.push(id as i8);
        Step::Visit(to)
    }

    fn mark(&mut self, c: u32) {
        let face = c / 3;
        let is_repeated = std::mem::replace(&mut self.visited_faces[face as usize], true);
        self.out.counts.n_repeated_visits += usize::from(is_repeated);
        self.out.face_order.push(face);
    }

    fn push_operation(&mut self, operation: Operation) -> i32 {
        let id = self.vocabulary.operation(operation);
        self.out.tokens.push(id);
        id
    }

    fn push_point(&mut self, point: &GridPoint, base: &GridPoint) {
        let ids = [0, 1, 2].map(|axis| self.vocabulary.value(point[axis] - base[axis]));
        self.out.counts.n_lost_residuals += ids.iter().filter(|&&id| id < 0).count();
        self.out.tokens.extend(ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(faces: &[[u32; 3]], n_vertices: i32, engine: Engine) -> Walked {
        let mesh = GridMesh {
            vertices: (0..n_vertices).map(|i| [i, i * i % 7, 2 * i % 5]).collect(),
            faces: faces.to_vec(),
        };
        let vocabulary = Vocabulary::new(engine, 64).unwrap();
        walk(&mesh, &vocabulary, Sort::Stable)
    }

    /// A torus, or a sheet if it is open, of which some squares are missing.
    fn holed(n: u32, is_open: bool, seed: u64) -> GridMesh {
        let mut state = seed;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u32
        };
        let one_in = 2 + random() % 12;
        let n_squares = n - u32::from(is_open);
        let at = |i: u32, j: u32| i % n * n + j % n;
        let mut faces = Vec::new();
        for i in 0..n_squares {
            for j in 0..n_squares {
                let corners = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
                for face in [[0, 1, 2], [0, 2, 3]] {
                    if random() % one_in > 0 {
                        faces.push(face.map(|k: usize| corners[k]));
                    }
                }
            }
        }
        let vertices = (0..n * n).map(|_| [random(), random(), random()].map(|x| x as i32 & 63));
        GridMesh {
            vertices: vertices.collect(),
            faces,
        }
    }

    #[test]
    fn linked_loops_and_loops_followed_face_by_face_agree() {
        let vocabulary = Vocabulary::new(Engine::LrAbsco, 64).unwrap();
        let mut n_branches = 0;
        for seed in 0..400 {
            let mesh = holed(4 + seed as u32 % 17, seed % 2 == 0, seed);
            let half_edges = || HalfEdges::new(&mesh.faces, mesh.vertices.len());
            assert!(half_edges().is_uniform());
            let walked = [true, false].map(|linked| {
                walk_half_edges(&mesh, half_edges(), linked, &vocabulary, Sort::Stable)
            });
            assert_eq!(walked[0].tokens, walked[1].tokens, "seed {seed}");
            n_branches += walked[0].counts.n_branches;
        }
        assert!(n_branches > 5000, "{n_branches} branches");
    }

    #[test]
    fn a_strip_costs_four_tokens_a_face_and_six_a_submesh() {
        let strip: Vec<[u32; 3]> = (0..8)
            .map(|i| [[i, i + 1, i + 2], [i + 1, i, i + 2]][i as usize % 2])
            .collect();
        for engine in [Engine::LrAbsco, Engine::Lr] {
            let walked = tokens(&strip, 10, engine);
            let n_submeshes = walked.counts.n_submeshes;
            assert_eq!(walked.tokens.len(), 4 * 8 + 6 * n_submeshes);
            let mut order = walked.face_order.clone();
            order.sort_unstable();
            assert!(order.into_iter().eq(0..8));
        }
        let walked = tokens(&strip, 10, Engine::Clers);
        assert_eq!(walked.tokens.len(), 4 * 8 + 8 * walked.counts.n_submeshes);
    }

    #[test]
    fn faces_with_repeated_corners_end() {
        let mut faces = Vec::new();
        for a in 0..4 {
            for b in 0..4 {
                faces.extend((0..4).map(|c| [a, b, c]));
            }
        }
        for engine in [Engine::LrAbsco, Engine::Lr, Engine::Clers] {
            let walked = tokens(&faces, 4, engine);
            assert!(walked.face_order.len() >= faces.len());
            assert_eq!(walked.face_order.len(), walked.face_types.len());
        }
    }

    #[test]
    fn a_turned_neighbour_is_turned_back() {
        let walked = tokens(&[[0, 1, 2], [0, 1, 3]], 4, Engine::LrAbsco);
        assert_eq!(walked.counts.n_turned, 1);
        assert_eq!(walked.counts.n_components, 1);
    }
}
