//! Divides the faces around a non-manifold vertex into fans.
//!
//! The link graph is peeled: the best cycle, or else the longest path, of every connected piece is taken
//! out until nothing is left. Each becomes a fan; an edge that joins two of them becomes a fan of its own, or
//! lengthens a path.

use super::cycles::{best_cycle, longest_path, Adjacency, Budget, Cycle};
use super::link::Link;

/// The edges of a link, divided: cycles (each with its chords behind it), chains, single edges.
///
/// `label` is the surface label of each edge's face; fans with few labels are preferred, so that surfaces
/// that were apart stay apart. Fails if an edge would belong to two fans or to none.
pub fn partition(
    link: &Link,
    label: &[Option<u32>],
    budget: &mut Budget,
) -> Result<Vec<Vec<u32>>, &'static str> {
    let adjacency = link.adjacency();
    let (cycles, chains) = peel(&adjacency, label, budget);
    let mut out = Singles::new(link.edges.len());
    let mut groups = Vec::new();
    for cycle in &cycles {
        let mut inside = vec![false; link.nodes.len()];
        cycle
            .nodes
            .iter()
            .for_each(|&node| inside[node as usize] = true);
        groups.push(cycle.edges.clone());
        for (e, edge) in link.edges.iter().enumerate() {
            let e = e as u32;
            match (inside[edge.a as usize], inside[edge.b as usize]) {
                (true, true) if !cycle.edges.contains(&e) => groups.push(vec![e]),
                (true, false) | (false, true) => out.insert(e),
                _ => {}
            }
        }
    }

    let mut chain_groups: Vec<Vec<u32>> = chains
        .iter()
        .map(|chain| path_edges(&adjacency, chain))
        .collect();
    for (chain, edges) in chains.iter().zip(&chain_groups) {
        for &node in chain {
            for &(_, e) in &adjacency[node as usize] {
                if !edges.contains(&e) {
                    out.insert(e);
                }
            }
        }
    }
    for (chain, edges) in chains.iter().zip(&mut chain_groups) {
        let own = edges.clone();
        for end in [chain.first(), chain.last()].into_iter().flatten() {
            let free = adjacency[*end as usize]
                .iter()
                .find(|(_, e)| !own.contains(e));
            if let Some(&(_, e)) = free {
                edges.push(e);
                out.remove(e);
            }
        }
    }
    groups.append(&mut chain_groups);
    groups.extend(out.into_vec().into_iter().map(|e| vec![e]));

    let mut times = vec![0_u32; link.edges.len()];
    groups
        .iter()
        .flatten()
        .for_each(|&e| times[e as usize] += 1);
    match times.iter().find(|&&n| n != 1) {
        None => Ok(groups),
        Some(0) => Err("a face belongs to no fan"),
        Some(_) => Err("two fans claim the same face"),
    }
}

fn peel(
    adjacency: &Adjacency,
    label: &[Option<u32>],
    budget: &mut Budget,
) -> (Vec<Cycle>, Vec<Vec<u32>>) {
    let mut alive = vec![true; adjacency.len()];
    let (mut cycles, mut chains) = (Vec::new(), Vec::new());
    loop {
        let pieces = pieces(adjacency, &alive);
        if pieces.is_empty() {
            return (cycles, chains);
        }
        for members in pieces {
            if members.len() == 1 {
                alive[members[0] as usize] = false;
                continue;
            }
            let mut only = vec![false; alive.len()];
            members.iter().for_each(|&node| only[node as usize] = true);
            if let Some(cycle) = best_cycle(adjacency, &only, label, budget) {
                cycle
                    .nodes
                    .iter()
                    .for_each(|&node| alive[node as usize] = false);
                cycles.push(cycle);
            } else {
                let chain = longest_path(adjacency, &only, &members);
                chain.iter().for_each(|&node| alive[node as usize] = false);
                chains.push(chain);
            }
        }
    }
}

/// The connected pieces of the alive nodes, each in ascending order, by first node.
fn pieces(adjacency: &Adjacency, alive: &[bool]) -> Vec<Vec<u32>> {
    let mut seen = vec![false; alive.len()];
    let mut pieces = Vec::new();
    for start in 0..alive.len() {
        if !alive[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut members = vec![start as u32];
        let mut at = 0;
        while let Some(&node) = members.get(at) {
            at += 1;
            for &(next, _) in &adjacency[node as usize] {
                if alive[next as usize] && !seen[next as usize] {
                    seen[next as usize] = true;
                    members.push(next);
                }
            }
        }
        members.sort_unstable();
        pieces.push(members);
    }
    pieces
}

fn path_edges(adjacency: &Adjacency, path: &[u32]) -> Vec<u32> {
    path.windows(2)
        .filter_map(|pair| {
            adjacency[pair[0] as usize]
                .iter()
                .find(|(next, _)| *next == pair[1])
                .map(|&(_, e)| e)
        })
        .collect()
}

/// A set of edges that remembers the order of insertion.
struct Singles {
    order: Vec<u32>,
    inside: Vec<bool>,
}

impl Singles {
    fn new(n_edges: usize) -> Self {
        Self {
            order: Vec::new(),
            inside: vec![false; n_edges],
        }
    }

    fn insert(&mut self, e: u32) {
        if !self.inside[e as usize] {
            self.inside[e as usize] = true;
            self.order.push(e);
        }
    }

    fn remove(&mut self, e: u32) {
        self.inside[e as usize] = false;
    }

    fn into_vec(self) -> Vec<u32> {
        self.order
            .into_iter()
            .filter(|&e| self.inside[e as usize])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::LinkBuilder;
    use super::*;
    use crate::mesh::Face;

    fn divide(others: &[(u32, u32)]) -> Result<Vec<Vec<u32>>, &'static str> {
        let faces: Vec<Face> = others.iter().map(|&(a, b)| [0, a, b]).collect();
        let incident: Vec<u32> = (0..faces.len() as u32).collect();
        let link = LinkBuilder::default().build(0, &incident, &faces);
        partition(&link, &vec![None; faces.len()], &mut Budget::new(10_000))
    }

    #[test]
    fn a_flap_on_a_ring_becomes_a_fan_of_its_own() {
        let groups = divide(&[(1, 2), (2, 3), (3, 1), (3, 4)]).unwrap();
        assert_eq!(groups, [vec![0, 1, 2], vec![3]]);
    }

    #[test]
    fn a_chord_stands_behind_its_cycle() {
        let groups = divide(&[(1, 2), (2, 3), (3, 4), (4, 1), (1, 3)]).unwrap();
        assert_eq!(groups, [vec![0, 1, 2, 3], vec![4]]);
    }

    #[test]
    fn a_star_is_a_path_and_a_single() {
        let groups = divide(&[(1, 2), (2, 3), (2, 4)]).unwrap();
        assert_eq!(groups, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn cycles_come_first_and_a_tail_takes_the_edge_that_joins_it() {
        let groups = divide(&[(4, 5), (5, 6), (1, 2), (2, 3), (3, 1), (3, 4)]).unwrap();
        assert_eq!(groups, [vec![2, 3, 4], vec![0, 1, 5]]);
    }
}
