//! The limits that keep one bad mesh from costing more than a good one.

use crate::{MeshError, Result};

/// Limits of the repair and of the Silksong tokenizer (Mesh Silksong, arXiv 2507.02477).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `max_face_num_raw`: most input faces; 0 accepts any number.
    pub max_raw_faces: usize,
    /// `max_face_num_p`: most faces in valid components.
    pub max_faces: usize,
    /// `NM_max_nonmani_verts`: most non-manifold vertices to repair.
    pub max_non_manifold_vertices: usize,
    /// `NM_max_edge_graph`: most link edges of one vertex.
    pub max_link_edges: usize,
    /// `min_CC_face`: fewest faces of a component that is tokenised.
    pub min_component_faces: usize,
    /// `layer_vertex_limit`: most vertices in a layer; it also sets the id ranges of the vocabulary.
    pub layer_vertices: usize,
    /// `layer_number_limit`: index of the last layer that may be looked for.
    pub layer_number: usize,
    /// `ring_length_limit`: most faces around a vertex when its ring is walked.
    pub ring_length: usize,
    /// `cycle_search_steps`: work the repair may spend on a mesh looking for the best cycles; beyond it,
    /// the best cycle found so far is taken.
    pub cycle_search_steps: usize,
    /// `token_limit`: most tokens of a sequence; 0 accepts any number.
    pub max_tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_raw_faces: 0,
            max_faces: 12_000,
            max_non_manifold_vertices: 300,
            max_link_edges: 50,
            min_component_faces: 3,
            layer_vertices: 200,
            layer_number: 200,
            ring_length: 100,
            cycle_search_steps: 5_000_000,
            max_tokens: 0,
        }
    }
}

/// Names accepted by [`Limits::set`], each with its smallest and largest value.
pub const LIMIT_NAMES: [(&str, usize, usize); 10] = [
    ("max_face_num_raw", 0, MAX_COUNT),
    ("max_face_num_p", 1, MAX_COUNT),
    ("NM_max_nonmani_verts", 0, 100_000),
    // Longest paths are searched from every node of a link, so a link costs the square of its size.
    ("NM_max_edge_graph", 1, 1_000),
    ("min_CC_face", 1, MAX_COUNT),
    ("layer_vertex_limit", 8, 4_096),
    ("layer_number_limit", 1, MAX_COUNT),
    ("ring_length_limit", 3, 1_000),
    ("cycle_search_steps", 0, 1_000_000_000),
    ("token_limit", 0, MAX_COUNT),
];

const MAX_COUNT: usize = i32::MAX as usize;

impl Limits {
    /// Sets one limit by name; unknown names and values out of range are refused.
    pub fn set(&mut self, name: &str, value: i64) -> Result<()> {
        let known = LIMIT_NAMES.iter().find(|(known, _, _)| *known == name);
        let Some(&(_, low, high)) = known else {
            let names: Vec<&str> = LIMIT_NAMES.iter().map(|(known, _, _)| *known).collect();
            return Err(MeshError::InvalidInput(format!(
                "unknown limit {name:?}; the limits are {}",
                names.join(", ")
            )));
        };
        let value = usize::try_from(value)
            .ok()
            .filter(|value| (low..=high).contains(value))
            .ok_or_else(|| {
                MeshError::InvalidInput(format!(
                    "limit {name} = {value}; give a value from {low} to {high}"
                ))
            })?;
        let slot = match name {
            "max_face_num_raw" => &mut self.max_raw_faces,
            "max_face_num_p" => &mut self.max_faces,
            "NM_max_nonmani_verts" => &mut self.max_non_manifold_vertices,
            "NM_max_edge_graph" => &mut self.max_link_edges,
            "min_CC_face" => &mut self.min_component_faces,
            "layer_vertex_limit" => &mut self.layer_vertices,
            "layer_number_limit" => &mut self.layer_number,
            "ring_length_limit" => &mut self.ring_length,
            "cycle_search_steps" => &mut self.cycle_search_steps,
            _ => &mut self.max_tokens,
        };
        *slot = value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_sets_its_own_limit() {
        for (name, low, _) in LIMIT_NAMES {
            let mut limits = Limits::default();
            limits.set(name, (low + 3) as i64).unwrap();
            assert_ne!(limits, Limits::default().clone(), "{name}");
            limits.set(name, -1).unwrap_err();
        }
    }

    #[test]
    fn an_unknown_name_is_refused_by_name() {
        let error = Limits::default().set("max_faces_p", 3).unwrap_err();
        assert!(error.to_string().contains("max_faces_p"));
        assert_eq!(error.code(), "INVALID_INPUT");
    }
}
