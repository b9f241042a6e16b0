//! What a mesh is like, and how much information its tokens carry.

pub mod alignment;
pub mod bvh;
pub mod canonical;
pub mod descriptor;
pub mod distance;
pub mod entropy;
pub mod intersections;
pub mod neighbours;
pub mod nominal;
pub mod quantization;
pub mod shape;
pub mod topology;

pub use alignment::best_alignment;
pub use canonical::canonical_triangles;
pub use descriptor::{descriptor, Descriptor};
pub use distance::vertex_distance;
pub use entropy::AdaptiveCoder;
pub use intersections::crossing_faces;
pub use neighbours::{nearest_points, point_spacing};
pub use nominal::nominal_bits;
pub use quantization::{quantization_damage, Damage};
pub use shape::{shape, Shape};
pub use topology::{measure, Topology};
