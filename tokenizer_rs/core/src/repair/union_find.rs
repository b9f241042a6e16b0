//! Disjoint sets: union by rank, path compression.

/// Disjoint sets over `0..len`.
#[derive(Debug, Clone, Default)]
pub struct UnionFind {
    parent: Vec<u32>,
    rank: Vec<u32>,
}

impl UnionFind {
    /// `len` sets of one element.
    pub fn new(len: usize) -> Self {
        Self {
            parent: (0..len as u32).collect(),
            rank: vec![1; len],
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }

    /// Adds a set of one element and returns the element.
    pub fn push(&mut self) -> u32 {
        let element = self.parent.len() as u32;
        self.parent.push(element);
        self.rank.push(1);
        element
    }

    /// Representative of the set of `x`.
    pub fn find(&mut self, x: u32) -> u32 {
        let mut root = x;
        while self.parent[root as usize] != root {
            root = self.parent[root as usize];
        }
        let mut at = x;
        while at != root {
            at = std::mem::replace(&mut self.parent[at as usize], root);
        }
        root
    }

    /// Joins two sets; of equal ranks the first keeps its representative.
    pub fn union(&mut self, x: u32, y: u32) {
        let (x, y) = (self.find(x), self.find(y));
        if x == y {
            return;
        }
        let (high, low) = if self.rank[x as usize] >= self.rank[y as usize] {
            (x, y)
        } else {
            (y, x)
        };
        self.parent[low as usize] = high;
        if self.rank[x as usize] == self.rank[y as usize] {
            self.rank[high as usize] += 1;
        }
    }

    /// Joins all the sets of `elements` and returns the representative, or nothing for no elements.
    pub fn union_group(&mut self, elements: &[u32]) -> Option<u32> {
        for pair in elements.windows(2) {
            self.union(pair[0], pair[1]);
        }
        elements.first().map(|&x| self.find(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_ranks_the_first_root_stays() {
        let mut sets = UnionFind::new(5);
        sets.union(3, 1);
        assert_eq!(sets.find(1), 3);
        sets.union(0, 1);
        assert_eq!(sets.find(0), 3, "the higher rank wins");
        assert_eq!(sets.union_group(&[4, 2, 0]), Some(sets.find(1)));
        assert_eq!(sets.union_group(&[]), None);
    }

    #[test]
    fn a_pushed_element_is_alone() {
        let mut sets = UnionFind::new(2);
        let element = sets.push();
        assert_eq!((element, sets.find(element), sets.len()), (2, 2, 3));
    }
}
