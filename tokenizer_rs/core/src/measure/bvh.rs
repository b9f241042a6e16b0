//! A tree of boxes around the triangles of a mesh: what lies near a point, what overlaps a box.

/// Most triangles in a leaf.
const LEAF_SIZE: usize = 4;

/// An axis-aligned box, its borders included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aabb {
    /// Lowest corner.
    pub low: [f64; 3],
    /// Highest corner.
    pub high: [f64; 3],
}

impl Aabb {
    /// A box without points.
    pub const EMPTY: Self = Self {
        low: [f64::INFINITY; 3],
        high: [f64::NEG_INFINITY; 3],
    };

    /// The smallest box around points.
    pub fn around<'a>(points: impl IntoIterator<Item = &'a [f64; 3]>) -> Self {
        let mut bounds = Self::EMPTY;
        for point in points {
            bounds.extend(&Self {
                low: *point,
                high: *point,
            });
        }
        bounds
    }

    fn extend(&mut self, other: &Self) {
        for axis in 0..3 {
            self.low[axis] = self.low[axis].min(other.low[axis]);
            self.high[axis] = self.high[axis].max(other.high[axis]);
        }
    }

    /// Whether the boxes have more in common than a part of their borders; a flat box must lie inside the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        // All six at once: which of them fails first cannot be predicted.
        (0..3).fold(true, |all, axis| {
            all & (self.low[axis] < other.high[axis]) & (other.low[axis] < self.high[axis])
        })
    }

    /// Length of each side.
    pub fn extents(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| (self.high[axis] - self.low[axis]).max(0.0))
    }

    /// Length of the longest side.
    pub fn longest(&self) -> f64 {
        self.extents().into_iter().fold(0.0, f64::max)
    }

    /// Its centre; halves first, so that the sum of two large numbers cannot overflow.
    pub fn centre(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| self.low[axis] / 2.0 + self.high[axis] / 2.0)
    }

    /// Squared length of the diagonal.
    pub fn squared_diagonal(&self) -> f64 {
        self.extents().iter().map(|x| x * x).sum()
    }

    fn squared_distance(&self, point: &[f64; 3]) -> f64 {
        let outside = |axis: usize| {
            (self.low[axis] - point[axis])
                .max(point[axis] - self.high[axis])
                .max(0.0)
        };
        (0..3).map(|axis| outside(axis).powi(2)).sum()
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    bounds: Aabb,
    /// First item of a leaf, or index of the second child; the first child follows its parent.
    start: u32,
    /// Items of a leaf, 0 of an inner node.
    n_items: u32,
}

/// A bounding-volume hierarchy over boxes.
#[derive(Debug, Clone, Default)]
pub struct Bvh {
    nodes: Vec<Node>,
    items: Vec<u32>,
}

impl Bvh {
    /// Builds the tree by splitting at the median along the longest side. Cost O(n log^2 n).
    pub fn new(boxes: &[Aabb]) -> Self {
        let mut tree = Self {
            nodes: Vec::with_capacity(boxes.len()),
            items: (0..boxes.len() as u32).collect(),
        };
        if !boxes.is_empty() {
            tree.split(boxes, 0, boxes.len());
        }
        tree
    }

    /// The same tree over boxes that have moved a little: an empty box is never near anything. Cost O(n).
    pub fn refitted(&self, boxes: &[Aabb]) -> Self {
        let mut tree = self.clone();
        for at in (0..tree.nodes.len()).rev() {
            let node = tree.nodes[at];
            let mut bounds = Aabb::EMPTY;
            if node.n_items > 0 {
                let items = tree.leaf(&node);
                items
                    .iter()
                    .for_each(|&item| bounds.extend(&boxes[item as usize]));
            } else {
                bounds.extend(&tree.nodes[at + 1].bounds);
                bounds.extend(&tree.nodes[node.start as usize].bounds);
            }
            tree.nodes[at].bounds = bounds;
        }
        tree
    }

    fn split(&mut self, boxes: &[Aabb], start: usize, end: usize) {
        let mut bounds = Aabb::EMPTY;
        for &item in &self.items[start..end] {
            bounds.extend(&boxes[item as usize]);
        }
        let at = self.nodes.len();
        self.nodes.push(Node {
            bounds,
            start: start as u32,
            n_items: (end - start) as u32,
        });
        if end - start <= LEAF_SIZE {
            return;
        }
        let extents = bounds.extents();
        let longest = (1..3).fold(0, |best, axis| {
            if extents[axis] > extents[best] {
                axis
            } else {
                best
            }
        });
        let center = |item: &u32| {
            let item = &boxes[*item as usize];
            item.low[longest] + item.high[longest]
        };
        let middle = (start + end) / 2;
        self.items[start..end].select_nth_unstable_by(middle - start, |a, b| {
            center(a).total_cmp(&center(b)).then(a.cmp(b))
        });
        self.split(boxes, start, middle);
        let second = self.nodes.len() as u32;
        self.split(boxes, middle, end);
        self.nodes[at].start = second;
        self.nodes[at].n_items = 0;
    }

    /// Calls `visit` once with each two items whose boxes overlap, the smaller first, until it returns false.
    ///
    /// `boxes` are those that the tree was built over.
    pub fn overlapping_pairs(&self, boxes: &[Aabb], mut visit: impl FnMut(u32, u32) -> bool) {
        let do_overlap = |&(first, second): &(u32, u32)| {
            let bounds = |at: u32| &self.nodes[at as usize].bounds;
            bounds(first).overlaps(bounds(second))
        };
        let mut stack: Vec<(u32, u32)> = Vec::new();
        stack.extend((!self.nodes.is_empty()).then_some((0, 0)));
        while let Some((first, second)) = stack.pop() {
            let (a, b) = (&self.nodes[first as usize], &self.nodes[second as usize]);
            if first == second && a.n_items == 0 {
                let children = (first + 1, a.start);
                let pairs = [(children.0, children.0), children, (children.1, children.1)];
                stack.extend(pairs.into_iter().filter(do_overlap));
            } else if a.n_items == 0 && (b.n_items > 0 || second < first) {
                let pairs = [(first + 1, second), (a.start, second)];
                stack.extend(pairs.into_iter().filter(do_overlap));
            } else if b.n_items == 0 {
                let pairs = [(first, second + 1), (first, b.start)];
                stack.extend(pairs.into_iter().filter(do_overlap));
            } else {
                for (i, &f) in self.leaf(a).iter().enumerate() {
                    let others = if first == second {
                        &self.leaf(b)[i + 1..]
                    } else {
                        self.leaf(b)
                    };
                    for &g in others {
                        if boxes[f as usize].overlaps(&boxes[g as usize])
                            && !visit(f.min(g), f.max(g))
                        {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Least of `bound` and of `squared_distance` over all items; no more is looked for once it is at most
    /// `enough`.
    pub fn nearest(
        &self,
        point: &[f64; 3],
        bound: f64,
        enough: f64,
        mut squared_distance: impl FnMut(u32) -> f64,
    ) -> f64 {
        let mut best = bound;
        let mut stack = vec![(0_u32, 0.0)];
        while let Some((at, distance)) = stack.pop() {
            if best <= enough {
                break;
            }
            let Some(node) = self.nodes.get(at as usize) else {
                break;
            };
            if distance >= best {
                continue;
            }
            if node.n_items > 0 {
                for &item in self.leaf(node) {
                    best = best.min(squared_distance(item));
                }
                continue;
            }
            let of = |child: u32| {
                let bounds = &self.nodes[child as usize].bounds;
                (child, bounds.squared_distance(point))
            };
            let (first, second) = (of(at + 1), of(node.start));
            // The nearer one is taken first.
            if first.1 <= second.1 {
                stack.extend([second, first]);
            } else {
                stack.extend([first, second]);
            }
        }
        best
    }

    fn leaf(&self, node: &Node) -> &[u32] {
        &self.items[node.start as usize..(node.start + node.n_items) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_overlap_is_visited_once() {
        let at = |i: u32| {
            let x = f64::from(i * 7919 % 101);
            let y = f64::from(i * 104_729 % 97);
            let z = f64::from(i % 4);
            Aabb {
                low: [x, y, z],
                high: [x + 20.0, y + 20.0, z + f64::from(i % 3)], // a third of them is flat
            }
        };
        let boxes: Vec<Aabb> = (0..200).map(at).collect();
        let tree = Bvh::new(&boxes);
        let mut found = Vec::new();
        tree.overlapping_pairs(&boxes, |a, b| {
            found.push((a, b));
            true
        });
        found.sort_unstable();
        let pairs = (0..200).flat_map(|a| (a + 1..200).map(move |b| (a, b)));
        let expected: Vec<(u32, u32)> = pairs
            .filter(|&(a, b)| boxes[a as usize].overlaps(&boxes[b as usize]))
            .collect();
        assert_eq!(found, expected);
        assert!(expected.len() > 100);
        let mut n_visited = 0;
        tree.overlapping_pairs(&boxes, |_, _| {
            n_visited += 1;
            n_visited < 5
        });
        assert_eq!(n_visited, 5);
    }

    #[test]
    fn the_nearest_is_that_of_all() {
        let points: Vec<[f64; 3]> = (0..300_u32)
            .map(|i| [i * 7919 % 101, i * 104_729 % 97, i * 31 % 89].map(f64::from))
            .collect();
        let boxes: Vec<Aabb> = points.iter().map(|p| Aabb::around([p])).collect();
        let tree = Bvh::new(&boxes);
        let squared = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum();
        for i in 0..50 {
            let point = [f64::from(i) * 2.3, f64::from(i), 100.0 - f64::from(i)];
            let expected = points
                .iter()
                .map(|p| squared(p, &point))
                .fold(f64::INFINITY, f64::min);
            let of = |item: u32| squared(&points[item as usize], &point);
            assert_eq!(
                tree.nearest(&point, f64::INFINITY, 0.0, of),
                expected,
                "point {i}"
            );
        }
        assert_eq!(Bvh::new(&[]).nearest(&[0.0; 3], 2.0, 0.0, |_| 0.0), 2.0);
    }

    #[test]
    fn a_refitted_tree_knows_where_all_boxes_went() {
        let at = |i: u32, shift: u32| Aabb::around([&[f64::from((i * 7919 + shift * i) % 101); 3]]);
        let before: Vec<Aabb> = (0..90).map(|i| at(i, 0)).collect();
        let mut after: Vec<Aabb> = (0..90).map(|i| at(i, 13)).collect();
        after[17] = Aabb::EMPTY;
        let tree = Bvh::new(&before).refitted(&after);
        for x in 0..101 {
            let point = [f64::from(x); 3];
            let expected = after
                .iter()
                .map(|of| of.squared_distance(&point))
                .fold(f64::INFINITY, f64::min);
            let found = tree.nearest(&point, f64::INFINITY, 0.0, |item| {
                after[item as usize].squared_distance(&point)
            });
            assert_eq!(found, expected, "{x}");
        }
        assert!(Bvh::new(&[]).refitted(&[]).nodes.is_empty());
    }
}
