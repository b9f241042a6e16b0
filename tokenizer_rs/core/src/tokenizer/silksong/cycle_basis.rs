//! Triangles in a cycle basis of the in-layer graph.
//!
//! The published decoder closes layers with the 3-cycles of one particular cycle basis (K. Paton, "An
//! algorithm for finding a fundamental set of cycles of a graph", 1969), so the order in which the graph is
//! walked is part of the format. It finds neither all triangles of a layer nor only real ones.

use super::in_layer::InLayer;

const NONE: u32 = u32::MAX;

/// The 3-cycles as ascending positions, in the order they are found.
pub fn triangles(graph: &InLayer) -> Vec<[u32; 3]> {
    let n = graph.len();
    let mut parent = vec![NONE; n];
    let mut used: Vec<Vec<u32>> = vec![Vec::new(); n];
    let mut found = Vec::new();
    // Each tree starts at the last inserted node not reached yet.
    for root in insertion_order(graph).into_iter().rev() {
        if parent[root as usize] != NONE {
            continue;
        }
        parent[root as usize] = root;
        let mut stack = vec![root];
        while let Some(z) = stack.pop() {
            for &w in graph.row(z as usize) {
                if w == z {
                    continue;
                }
                if parent[w as usize] == NONE {
                    parent[w as usize] = z;
                    used[w as usize].push(z);
                    stack.push(w);
                } else if !used[z as usize].contains(&w) {
                    let up = parent[z as usize];
                    // The cycle is w, z, up, .. until a node from which w was used: three nodes only if `up`
                    // closes it.
                    if used[w as usize].contains(&up) {
                        let mut triangle = [w, z, up];
                        triangle.sort_unstable();
                        found.push(triangle);
                    }
                    used[w as usize].push(z);
                }
            }
        }
    }
    found
}

/// Nodes in order of first appearance when edges are listed row by row.
fn insertion_order(graph: &InLayer) -> Vec<u32> {
    let mut seen = vec![false; graph.len()];
    let mut order = Vec::with_capacity(graph.len());
    for i in 0..graph.len() as u32 {
        for &j in graph.row(i as usize).iter().filter(|&&j| j > i) {
            for node in [i, j] {
                if !std::mem::replace(&mut seen[node as usize], true) {
                    order.push(node);
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_of_three_is_a_triangle_and_of_four_is_none() {
        let ring = |n: usize| InLayer::decode(&vec![vec![201]; n], 200).unwrap();
        assert_eq!(triangles(&ring(3)), [[0, 1, 2]]);
        assert_eq!(triangles(&ring(4)), [[0_u32; 3]; 0]);
    }
}
