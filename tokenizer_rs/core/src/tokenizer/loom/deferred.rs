//! Scheme D: every face is announced when its turn comes (in the manner of Edgebreaker, Rossignac 1999).
//!
//! A ring edge on the boundary stays in the ring as a mark between its neighbours; a node between two of
//! them is complete and leaves the ring.

use super::operation::{Offset, Operation};
use super::ring::{self, Obstacle, Ring, Sheet};
use super::surface::Surface;

const ON_BOUNDARY: Obstacle = "the face would lie over an edge of the boundary";
const NO_NODE: Obstacle = "the ring has no such node";

/// Whether the third corner may be the successor of `f`.
fn check_ahead(surface: &Surface, ring: Ring) -> Result<(), Obstacle> {
    let (p, f) = surface.gate().ok_or("no ring is open")?;
    if f.is_boundary || ring.len < 3 {
        return Err(ON_BOUNDARY);
    }
    let s = surface.node(f.next);
    let closes = ring.len == 3 && !s.is_boundary;
    let is_possible = if closes {
        // The one face of a component has no other side.
        p.inner != s.vertex
    } else {
        surface.may_link(p.vertex, s.vertex)
    };
    if is_possible {
        return Ok(());
    }
    Err("the face needs an edge that cannot be added")
}

/// Whether the third corner may be the predecessor of `p`.
fn check_behind(surface: &Surface, ring: Ring) -> Result<(), Obstacle> {
    let (p, f) = surface.gate().ok_or("no ring is open")?;
    let q = surface.node(p.previous);
    if q.is_boundary || ring.len < 3 {
        return Err(ON_BOUNDARY);
    }
    if surface.may_link(q.vertex, f.vertex) {
        return Ok(());
    }
    Err("the face needs an edge that cannot be added")
}

/// Whether the gate may lie on the boundary: a vertex has one gap at most.
fn check_boundary(surface: &Surface) -> Result<(), Obstacle> {
    let (p, f) = surface.gate().ok_or("no ring is open")?;
    let before = surface.node(p.previous).is_boundary;
    if (surface.is_on_boundary(p.vertex) && !before)
        || (surface.is_on_boundary(f.vertex) && !f.is_boundary)
    {
        return Err("a vertex would lie on two boundary loops");
    }
    Ok(())
}

/// Where the third corner of a split or merge stands: ring, node, steps after `f`.
fn target(surface: &Surface, operation: Operation) -> Result<(usize, u32, u32), Obstacle> {
    let active = surface
        .rings
        .len()
        .checked_sub(1)
        .ok_or("no ring is open")?;
    let ring = surface.rings[active];
    let (index, node, ahead) = match operation {
        Operation::Split {
            offset: Offset::Ahead(steps),
            ..
        } if steps < ring.len => {
            let f = surface.node(ring.gate).next;
            (active, surface.step(f, steps, true), steps)
        }
        Operation::Split {
            offset: Offset::Behind(steps),
            ..
        } if steps < ring.len => {
            let ahead = ring.len - 1 - steps;
            (active, surface.step(ring.gate, steps, false), ahead)
        }
        Operation::Merge { depth, offset, .. } => {
            let index = active
                .checked_sub(depth as usize + 1)
                .ok_or("there is no such open ring")?;
            let other = surface.rings[index];
            if offset >= other.len {
                return Err(NO_NODE);
            }
            let f = surface.node(other.gate).next;
            (index, surface.step(f, offset, true), offset)
        }
        _ => return Err(NO_NODE),
    };
    Ok((index, node, ahead))
}

/// Whether an operation at the gate is possible.
pub fn check(surface: &Surface, operation: Operation) -> Result<(), Obstacle> {
    let ring = surface.active().ok_or("no ring is open")?;
    match operation {
        Operation::Vertex { .. } | Operation::Leave => Ok(()),
        Operation::CloseAhead => check_ahead(surface, ring),
        Operation::CloseBehind => check_behind(surface, ring),
        Operation::Boundary => check_boundary(surface),
        Operation::Split { .. } | Operation::Merge { .. } => {
            let (_, node, _) = target(surface, operation)?;
            let (p, f) = surface.gate().ok_or("no ring is open")?;
            let u = surface.node(node).vertex;
            if surface.may_link(p.vertex, u) && surface.may_link(f.vertex, u) {
                Ok(())
            } else {
                Err("the face needs an edge that cannot be added")
            }
        }
        Operation::Loop { .. } => Err("this scheme has no such operation"),
    }
}

/// Carries out an operation at the gate. After an error the surface is of no use.
pub fn apply(surface: &mut Surface, operation: Operation) -> Result<(), Obstacle> {
    let mut ring = surface.active().ok_or("no ring is open")?;
    match operation {
        Operation::Vertex { position, .. } => {
            ring::insert(surface, &mut ring, Some(position), 0)?;
        }
        Operation::CloseAhead => {
            check_ahead(surface, ring)?;
            let f = surface.node(ring.gate).next;
            ring::close_over(surface, &mut ring, f)?;
        }
        Operation::CloseBehind => {
            check_behind(surface, ring)?;
            let p = ring.gate;
            ring::close_over(surface, &mut ring, p)?;
        }
        Operation::Boundary => {
            check_boundary(surface)?;
            mark_boundary(surface, &mut ring);
        }
        Operation::Split { .. } => {
            let (_, node, ahead) = target(surface, operation)?;
            let (with_f, with_p) = ring::split(surface, ring, node, ahead)?;
            surface.rings.pop();
            surface.rings.extend([with_p, with_f]);
            return Ok(());
        }
        Operation::Merge { .. } => {
            let (index, node, _) = target(surface, operation)?;
            let other = surface.rings[index];
            ring = ring::merge(surface, ring, other, node)?;
            surface.rings.pop();
            surface.rings.remove(index);
            surface.rings.push(ring);
            return Ok(());
        }
        _ => return Err("this scheme has no such operation"),
    }
    surface.rings.pop();
    if ring.len > 1 {
        surface.rings.push(ring);
    }
    Ok(())
}

/// Marks the gate as boundary, takes out the nodes that are complete, and goes on to the next gate. The ring
/// is left with one node at most when no gate is left.
fn mark_boundary(surface: &mut Surface, ring: &mut Ring) {
    let p = ring.gate;
    let f = surface.node(p).next;
    for at in [p, f] {
        surface.set_on_boundary(surface.node(at).vertex);
    }
    surface.change(p, |node| node.is_boundary = true);
    let q = surface.node(p).previous;
    let mut before = p;
    if surface.node(q).is_boundary {
        ring::connect(surface, q, f);
        ring.len -= 1;
        before = q;
    }
    let mut next = f;
    if ring.len > 1 && surface.node(f).is_boundary {
        next = surface.node(f).next;
        ring::connect(surface, before, next);
        ring.len -= 1;
    }
    ring.gate = next;
}
