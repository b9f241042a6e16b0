//! The rings a vertex can have, given the edges and the faces of the vertices before it.
//!
//! Around a vertex `v` the faces known so far join its neighbours to arcs. An arc may grow at an end that was
//! not written before `v`; what was written before `v` has all its faces. A ring joins all arcs to one walk,
//! closed, or with one gap on a boundary:
//!
//! ```text
//!            c1 - c2          c1, c2: named first by this ring, in the order in which they are written
//!           /       \
//!          t    v    h        h .. p .. t: the arc around the parent p of v
//!           \       /
//!             - p -
//! ```
//!
//! The walk goes counter-clockwise from the parent. Which edges make a triangle is known; what is searched is an
//! order of the arcs. Most vertices have one.

use super::layered_graph::LayeredGraph;
use crate::mesh::half_edge::NONE;

/// What to do about a ring that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Take,
    /// Look for another.
    Next,
    /// Look no further.
    Stop,
}

/// Most alternatives the search may look at for each number of gaps: this many, and so many per neighbour.
const STEPS: usize = 4096;
const STEPS_PER_NEIGHBOUR: usize = 128;
/// Gaps tried beyond the one of a boundary. Only broken sequences need them.
const MORE_GAPS: usize = 2;

/// A longest chain of neighbours joined by known faces, counter-clockwise.
#[derive(Debug, Clone, Copy)]
struct Arc {
    head: u32,
    tail: u32,
}

#[derive(Debug, Clone, Copy)]
struct Choice {
    arc: usize,
    is_joined: bool,
}

/// The alternatives at one place of the walk: `choices[at..end]` are left, the first of them is being tried.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: usize,
    end: usize,
}

/// The search at one vertex after another; it keeps its memory.
#[derive(Debug, Default)]
pub struct RingSearch {
    vertex: u32,
    arcs: Vec<Arc>,
    is_used: Vec<bool>,
    /// Arc that begins with each neighbour, by the place of the neighbour among them.
    arc_of_head: Vec<u32>,
    /// Arcs whose order is given: neighbours that this ring is the first to name.
    new_arcs: Vec<usize>,
    /// The other arcs but the one the walk starts with.
    old_arcs: Vec<usize>,
    n_new_used: usize,
    n_used: usize,
    n_ring: usize,
    choices: Vec<Choice>,
    places: Vec<Place>,
    joins: Vec<(u32, u32)>,
    first: Option<Vec<(u32, u32)>>,
    n_steps_left: usize,
}

/// The faces known so far: for the slot of every directed edge the third corner of the face on its left.
pub type Thirds = [u32];

impl RingSearch {
    /// Pairs `(a, b)` of neighbours that the ring of `vertex` joins by the new faces `(vertex, a, b)`.
    ///
    /// `opposite` are the slots of [`LayeredGraph::opposite_slots`]. Shows rings to `judge`, the likeliest first,
    /// until it takes one; if it takes none the first stands. Where no ring with few gaps is found in bounded time, as many faces as fit are joined.
    pub fn find(
        &mut self,
        vertex: u32,
        graph: &LayeredGraph,
        opposite: &[u32],
        thirds: &Thirds,
        mut judge: impl FnMut(&[(u32, u32)]) -> Verdict,
    ) -> &[(u32, u32)] {
        self.vertex = vertex;
        self.find_arcs(graph, opposite, thirds);
        self.first = None;
        self.joins.clear();
        if self.arcs.is_empty() {
            return &self.joins;
        }
        let is_done = |v: u32| v < vertex;
        let n_ends = |end: fn(&Arc) -> u32| self.arcs.iter().filter(|a| is_done(end(a))).count();
        let fewest = n_ends(|a| a.head).max(n_ends(|a| a.tail));
        let usual = fewest.max(1);
        for n_gaps in fewest..=usual + MORE_GAPS {
            if n_gaps > usual && self.first.is_some() {
                break;
            }
            match self.try_gaps(n_gaps, graph, thirds, &mut judge) {
                Verdict::Take => return &self.joins,
                Verdict::Stop => break,
                Verdict::Next => {}
            }
        }
        match self.first.take() {
            Some(first) => self.joins = first,
            None => self.join_what_fits(graph, thirds),
        }
        &self.joins
    }

    fn find_arcs(&mut self, graph: &LayeredGraph, opposite: &[u32], thirds: &Thirds) {
        let vertex = self.vertex;
        let neighbours = graph.neighbours(vertex);
        let next = &thirds[graph.first_slot(vertex)..][..neighbours.len()];
        let opposite = &opposite[graph.first_slot(vertex)..][..neighbours.len()];
        let place = |v: u32| neighbours.binary_search(&v).unwrap_or(0);
        self.arcs.clear();
        self.new_arcs.clear();
        self.old_arcs.clear();
        self.arc_of_head.clear();
        self.arc_of_head.resize(neighbours.len(), NONE);
        self.n_ring = 0;
        // The walk starts with the arc of the first neighbour, which is the parent.
        let mut start = None;
        let mut lowest_of_start = NONE;
        for (i, &head) in neighbours.iter().enumerate() {
            let is_entered = thirds[opposite[i] as usize] != NONE;
            let has_no_face = next[i] == NONE && !is_entered;
            if is_entered || (has_no_face && head < vertex) {
                continue;
            }
            let mut tail = head;
            let mut lowest = head;
            self.n_ring += 1;
            let mut at = i;
            while next[at] != NONE {
                tail = next[at];
                at = place(tail);
                lowest = lowest.min(tail);
                self.n_ring += 1;
            }
            let arc = self.arcs.len();
            if lowest < lowest_of_start {
                lowest_of_start = lowest;
                start = Some(arc);
            }
            self.arc_of_head[i] = arc as u32;
            self.arcs.push(Arc { head, tail });
            let is_new = graph.parent(head) == vertex && graph.layer(head) > graph.layer(vertex);
            if is_new && has_no_face {
                self.new_arcs.push(arc);
            } else {
                self.old_arcs.push(arc);
            }
        }
        self.is_used.clear();
        self.is_used.resize(self.arcs.len(), false);
        self.n_new_used = 0;
        self.n_used = 0;
        if let Some(start) = start {
            self.new_arcs.retain(|&arc| arc != start);
            self.old_arcs.retain(|&arc| arc != start);
            self.is_used[start] = true;
            self.n_used = 1;
            self.places.clear();
            self.choices.clear();
            self.choices.push(Choice {
                arc: start,
                is_joined: true,
            });
        }
    }

    fn try_gaps(
        &mut self,
        n_gaps: usize,
        graph: &LayeredGraph,
        thirds: &Thirds,
        judge: &mut impl FnMut(&[(u32, u32)]) -> Verdict,
    ) -> Verdict {
        self.n_steps_left = STEPS + STEPS_PER_NEIGHBOUR * self.arcs.len();
        let start = self.choices[0].arc;
        let mut n_gaps_left = n_gaps;
        self.places.clear();
        self.places.push(Place { at: 0, end: 1 });
        loop {
            // Here the walk has just come to `arc`.
            let Some(place) = self.places.last() else {
                return Verdict::Next;
            };
            let arc = self.choices[place.at].arc;
            let tail = self.arcs[arc].tail;
            let mut is_open = self.n_used < self.arcs.len();
            if is_open {
                let at = self.choices.len();
                self.list_choices(tail, n_gaps_left > 0, graph, thirds);
                let end = self.choices.len();
                // What was looked at for the list counts as well.
                let n_steps = graph.neighbours(tail).len() + self.old_arcs.len();
                is_open = at < end && self.n_steps_left >= n_steps;
                if is_open {
                    self.n_steps_left -= n_steps;
                    self.places.push(Place { at, end });
                    self.take(&mut n_gaps_left);
                } else {
                    self.choices.truncate(at);
                }
            } else {
                let head = self.arcs[start].head;
                let closes = self.n_ring > 2 && self.can_join(tail, head, graph, thirds);
                if n_gaps_left == 1 || (n_gaps_left == 0 && closes) {
                    if n_gaps_left == 0 {
                        self.joins.push((tail, head));
                    }
                    match judge(&self.joins) {
                        Verdict::Next => {
                            if self.first.is_none() {
                                self.first = Some(self.joins.clone());
                            }
                        }
                        verdict => {
                            if verdict == Verdict::Stop && self.first.is_none() {
                                self.first = Some(self.joins.clone());
                            }
                            return verdict;
                        }
                    }
                    if n_gaps_left == 0 {
                        self.joins.pop();
                    }
                }
            }
            if !is_open && !self.go_back(&mut n_gaps_left) {
                return Verdict::Next;
            }
        }
    }

    /// Goes to the arc of the last place.
    fn take(&mut self, n_gaps_left: &mut usize) {
        let [.., before, place] = self.places[..] else {
            return;
        };
        let choice = self.choices[place.at];
        self.is_used[choice.arc] = true;
        self.n_used += 1;
        let expected = self.new_arcs.get(self.n_new_used);
        self.n_new_used += usize::from(expected == Some(&choice.arc));
        if choice.is_joined {
            let tail = self.arcs[self.choices[before.at].arc].tail;
            self.joins.push((tail, self.arcs[choice.arc].head));
        } else {
            *n_gaps_left -= 1;
        }
    }

    /// Leaves the arc of the last place for the next alternative, there or before; false if there is none.
    fn go_back(&mut self, n_gaps_left: &mut usize) -> bool {
        while self.places.len() > 1 {
            let Some(place) = self.places.last_mut() else {
                return false;
            };
            let choice = self.choices[place.at];
            self.is_used[choice.arc] = false;
            self.n_used -= 1;
            let last_new = self
                .n_new_used
                .checked_sub(1)
                .and_then(|i| self.new_arcs.get(i));
            self.n_new_used -= usize::from(last_new == Some(&choice.arc));
            if choice.is_joined {
                self.joins.pop();
            } else {
                *n_gaps_left += 1;
            }
            place.at += 1;
            if place.at < place.end {
                self.take(n_gaps_left);
                return true;
            }
            self.places.pop();
            let end = self.places.last().map_or(1, |p| p.end);
            self.choices.truncate(end);
        }
        false
    }

    fn list_choices(&mut self, tail: u32, with_gaps: bool, graph: &LayeredGraph, thirds: &Thirds) {
        let neighbours = graph.neighbours(self.vertex);
        let next_new = self.new_arcs.get(self.n_new_used).copied();
        let is_in_order = |arc: usize| {
            next_new.is_none_or(|next| arc <= next) || self.new_arcs.binary_search(&arc).is_err()
        };
        if tail > self.vertex {
            let first = graph.first_slot(tail);
            for (i, &head) in graph.neighbours(tail).iter().enumerate() {
                if head <= self.vertex || thirds[first + i] != NONE {
                    continue;
                }
                let Ok(place) = neighbours.binary_search(&head) else {
                    continue;
                };
                let arc = self.arc_of_head[place];
                if arc != NONE && !self.is_used[arc as usize] && is_in_order(arc as usize) {
                    self.choices.push(Choice {
                        arc: arc as usize,
                        is_joined: true,
                    });
                }
            }
        }
        if with_gaps {
            let next_new = next_new.into_iter();
            for arc in self.old_arcs.iter().copied().chain(next_new) {
                if !self.is_used[arc] {
                    self.choices.push(Choice {
                        arc,
                        is_joined: false,
                    });
                }
            }
        }
    }

    fn can_join(&self, tail: u32, head: u32, graph: &LayeredGraph, thirds: &Thirds) -> bool {
        tail > self.vertex
            && head > self.vertex
            && graph
                .slot(tail, head)
                .is_some_and(|slot| thirds[slot] == NONE)
    }

    /// Joins every arc to the first that it can be joined to, without closing a walk.
    fn join_what_fits(&mut self, graph: &LayeredGraph, thirds: &Thirds) {
        self.joins.clear();
        self.is_used.fill(false);
        // The other end of the walk that each arc begins or ends.
        let mut other_end: Vec<usize> = (0..self.arcs.len()).collect();
        for first in 0..self.arcs.len() {
            let tail = self.arcs[first].tail;
            let heads = graph.neighbours(tail);
            let neighbours = graph.neighbours(self.vertex);
            for &head in heads {
                let Ok(place) = neighbours.binary_search(&head) else {
                    continue;
                };
                let arc = self.arc_of_head[place] as usize;
                if arc >= self.arcs.len()
                    || self.is_used[arc]
                    || other_end[first] == arc
                    || !self.can_join(tail, head, graph, thirds)
                {
                    continue;
                }
                self.is_used[arc] = true;
                let (begin, end) = (other_end[first], other_end[arc]);
                other_end[begin] = end;
                other_end[end] = begin;
                self.joins.push((tail, head));
                break;
            }
        }
    }
}
