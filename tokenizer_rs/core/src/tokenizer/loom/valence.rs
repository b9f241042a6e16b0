//! Scheme V: a vertex brings its number of edges, and a node without free edges closes by itself
//! (valence coding: Touma and Gotsman 1998; Alliez and Desbrun 2001).
//!
//! A boundary loop is closed by one dummy vertex, so that every vertex is surrounded by faces.

use super::operation::{Offset, Operation};
use super::ring::{self, Obstacle, Ring, Sheet, NONE};
use super::surface::Surface;
use super::trial::Trial;

/// Fewest edges of a vertex; a loop of fewer edges would have two edges between two vertices.
pub const LEAST_VALENCE: u32 = 3;

/// The rings that an operation leaves of the active one: what is to be stacked, and what goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remains {
    /// The part to be stacked.
    pub stacked: Option<Ring>,
    /// The part with the gate.
    pub active: Option<Ring>,
}

/// A new vertex over the gate, or a dummy where there is no position.
pub fn add_vertex<S: Sheet>(
    sheet: &mut S,
    mut ring: Ring,
    position: Option<crate::mesh::GridPoint>,
    valence: u32,
) -> Result<Remains, Obstacle> {
    let n_free = valence
        .checked_sub(2)
        .filter(|_| valence >= LEAST_VALENCE)
        .ok_or("a vertex or loop has fewer than three edges")?;
    let p = ring.gate;
    let f = sheet.node(p).next;
    ring::insert(sheet, &mut ring, position, n_free)?;
    let u = ring.gate;
    for end in [p, f] {
        take_edge(sheet, end, 1)?;
    }
    Ok(Remains {
        stacked: None,
        active: settle(sheet, ring, vec![u, f, p])?,
    })
}

/// The gate's face goes to a node of the same ring, `offset` steps after `f`.
pub fn split<S: Sheet>(
    sheet: &mut S,
    ring: Ring,
    target: u32,
    offset: u32,
    n_free: u32,
) -> Result<Remains, Obstacle> {
    let (p, f) = prepare(sheet, ring, target, n_free)?;
    let (with_f, with_p) = ring::split(sheet, ring, target, offset)?;
    sheet.change(with_f.gate, |node| node.n_free = n_free);
    Ok(Remains {
        stacked: settle(sheet, with_p, vec![target, p])?,
        active: settle(sheet, with_f, vec![with_f.gate, f])?,
    })
}

/// The gate's face goes to a node of another ring.
pub fn merge<S: Sheet>(
    sheet: &mut S,
    ring: Ring,
    other: Ring,
    target: u32,
    n_free: u32,
) -> Result<Remains, Obstacle> {
    let (p, f) = prepare(sheet, ring, target, n_free)?;
    let merged = ring::merge(sheet, ring, other, target)?;
    sheet.change(merged.gate, |node| node.n_free = n_free);
    Ok(Remains {
        stacked: None,
        active: settle(sheet, merged, vec![merged.gate, target, f, p])?,
    })
}

/// Takes the two new edges, and the free edges of the side of `f`, from the target, and one from each end of
/// the gate.
fn prepare<S: Sheet>(
    sheet: &mut S,
    ring: Ring,
    target: u32,
    n_free: u32,
) -> Result<(u32, u32), Obstacle> {
    let p = ring.gate;
    let f = sheet.node(p).next;
    let taken = n_free
        .checked_add(2)
        .ok_or("a vertex has fewer free edges than are taken")?;
    take_edge(sheet, target, taken)?;
    for end in [p, f] {
        take_edge(sheet, end, 1)?;
    }
    Ok((p, f))
}

fn take_edge<S: Sheet>(sheet: &mut S, at: u32, n_edges: u32) -> Result<(), Obstacle> {
    let mut node = sheet.node(at);
    node.n_free = node
        .n_free
        .checked_sub(n_edges)
        .ok_or("a vertex has fewer free edges than are taken")?;
    sheet.set_node(at, node);
    Ok(())
}

/// Closes over every node without free edges; `touched` are those that may have none. Nothing is returned
/// when the whole ring closes.
fn settle<S: Sheet>(
    sheet: &mut S,
    mut ring: Ring,
    mut touched: Vec<u32>,
) -> Result<Option<Ring>, Obstacle> {
    while let Some(at) = touched.pop() {
        let node = sheet.node(at);
        // A node that has left its ring is marked by a neighbour that is none.
        if node.n_free > 0 || node.previous == NONE {
            continue;
        }
        let (before, after) = (node.previous, node.next);
        let n_free = [before, after].map(|at| sheet.node(at).n_free);
        let closes = ring.len == 3;
        if n_free.iter().any(|&n| (n == 0) != closes) {
            return Err("the free edges around a vertex do not fit together");
        }
        ring::close_over(sheet, &mut ring, at)?;
        if ring.len == 0 {
            return Ok(None);
        }
        sheet.change(at, |node| node.previous = NONE);
        for end in [before, after] {
            take_edge(sheet, end, 1)?;
            touched.push(end);
        }
    }
    Ok(Some(ring))
}

/// The gate to go on with: the first without a dummy, or the given one where every gate has one.
pub fn real_gate(surface: &Surface, ring: Ring) -> Ring {
    let is_real = |at: u32| {
        let node = surface.node(at);
        !surface.is_dummy(node.vertex) && !surface.is_dummy(surface.node(node.next).vertex)
    };
    let mut at = ring.gate;
    for _ in 0..ring.len {
        if is_real(at) {
            return Ring {
                gate: at,
                len: ring.len,
            };
        }
        at = surface.node(at).next;
    }
    ring
}

/// What an operation needs of the rings: the active one, and where its target stands.
fn place(
    surface: &Surface,
    operation: Operation,
) -> Result<(Ring, Option<(usize, u32, u32)>), Obstacle> {
    let ring = surface.active().ok_or("no ring is open")?;
    let target = match operation {
        Operation::Split { offset, .. } => {
            let (steps, forward) = match offset {
                Offset::Ahead(steps) => (steps, true),
                Offset::Behind(steps) => (steps, false),
            };
            if steps >= ring.len {
                return Err("the ring has no such node");
            }
            let f = surface.node(ring.gate).next;
            let from = if forward { f } else { ring.gate };
            let ahead = if forward { steps } else { ring.len - 1 - steps };
            Some((0, surface.step(from, steps, forward), ahead))
        }
        Operation::Merge { depth, offset, .. } => {
            let index = (surface.rings.len() - 1)
                .checked_sub(depth as usize + 1)
                .ok_or("there is no such open ring")?;
            let other = surface.rings[index];
            if offset >= other.len {
                return Err("the ring has no such node");
            }
            let f = surface.node(other.gate).next;
            Some((index, surface.step(f, offset, true), offset))
        }
        _ => None,
    };
    Ok((ring, target))
}

fn run<S: Sheet>(
    sheet: &mut S,
    operation: Operation,
    ring: Ring,
    other: Option<Ring>,
    target: Option<(usize, u32, u32)>,
) -> Result<Remains, Obstacle> {
    match (operation, target, other) {
        (Operation::Vertex { position, valence }, ..) => {
            add_vertex(sheet, ring, Some(position), valence)
        }
        (Operation::Loop { length }, ..) => add_vertex(sheet, ring, None, length),
        (Operation::Split { n_free, .. }, Some((_, target, offset)), _) => {
            split(sheet, ring, target, offset, n_free)
        }
        (Operation::Merge { n_free, .. }, Some((_, target, _)), Some(other)) => {
            merge(sheet, ring, other, target, n_free)
        }
        _ => Err("this scheme has no such operation"),
    }
}

/// The valences of a new vertex that fit, or the lengths of a new loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitting {
    /// The one with which everything around the vertex closes.
    exact: Option<u32>,
    /// The least of all others.
    least: Option<u32>,
}

impl Fitting {
    /// All from the least possible on.
    pub const ANY: Self = Self {
        exact: None,
        least: Some(LEAST_VALENCE),
    };

    /// Whether a valence fits.
    pub fn contains(&self, valence: u32) -> bool {
        self.exact == Some(valence) || self.least.is_some_and(|least| least <= valence)
    }

    /// Whether a valence fits that is not below this one.
    pub fn reaches(&self, valence: u32) -> bool {
        self.least.is_some() || self.exact.is_some_and(|exact| exact >= valence)
    }
}

/// The valences that a new vertex over the gate may have, or the lengths of a loop that the gate may lie on.
pub fn fitting(surface: &Surface, is_loop: bool) -> Fitting {
    // More edges than the new vertex can be made to take.
    const MANY: u32 = 1 << 30;
    let position = (!is_loop).then_some([0; 3]);
    let none = Fitting {
        exact: None,
        least: None,
    };
    let (Some(ring), Some((p, f))) = (surface.active(), surface.gate()) else {
        return none;
    };
    // The common case: nothing closes by itself.
    if !is_loop && p.n_free > 1 && f.n_free > 1 {
        return Fitting::ANY;
    }
    let added = surface.n_nodes() as u32;
    let mut trial = Trial::new(surface);
    let fits = add_vertex(&mut trial, ring, position, MANY).is_ok();
    if !trial.has_node(added) {
        return none;
    }
    let n_taken = MANY - trial.node(added).n_free;
    let is_exact = n_taken >= LEAST_VALENCE
        && add_vertex(&mut Trial::new(surface), ring, position, n_taken).is_ok();
    Fitting {
        exact: is_exact.then_some(n_taken),
        least: fits.then_some(n_taken + 1),
    }
}

/// Whether nothing closes by itself after an operation, so that it is possible without a trial.
fn is_plain(surface: &Surface, operation: Operation, target: Option<(usize, u32, u32)>) -> bool {
    let (Some((p, f)), Some((_, target, _))) = (surface.gate(), target) else {
        return false;
    };
    let (Operation::Split { n_free, .. } | Operation::Merge { n_free, .. }) = operation else {
        return false;
    };
    let u = surface.node(target);
    p.n_free > 1
        && f.n_free > 1
        && n_free > 0
        && u.n_free > n_free + 2
        && surface.may_link(f.vertex, u.vertex)
        && surface.may_link(p.vertex, u.vertex)
}

/// Whether an operation at the gate is possible.
pub fn check(surface: &Surface, operation: Operation) -> Result<(), Obstacle> {
    let (ring, target) = place(surface, operation)?;
    if is_plain(surface, operation, target) {
        return Ok(());
    }
    let other = target.map(|(index, ..)| surface.rings[index]);
    run(&mut Trial::new(surface), operation, ring, other, target).map(|_| ())
}

/// Carries out an operation at the gate. After an error the surface is of no use.
pub fn apply(surface: &mut Surface, operation: Operation) -> Result<(), Obstacle> {
    let (ring, target) = place(surface, operation)?;
    let other = target.map(|(index, ..)| surface.rings[index]);
    let remains = run(surface, operation, ring, other, target)?;
    surface.rings.pop();
    if let (Operation::Merge { .. }, Some((index, ..))) = (operation, target) {
        surface.rings.remove(index);
    }
    surface.rings.extend(remains.stacked);
    surface.rings.extend(remains.active);
    if let Some(ring) = surface.rings.pop() {
        let ring = real_gate(surface, ring);
        surface.rings.push(ring);
    }
    Ok(())
}
