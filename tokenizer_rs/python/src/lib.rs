//! Python bindings: converts arrays, releases the GIL, maps errors; nothing else.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod arrays;
mod batch;
mod codecs;
mod columns;
mod edgerunner;
mod encoding;
mod error;
mod face_sequence;
mod files;
mod grammar;
mod loom;
mod measure;
mod merges;
mod quality;
mod read;
mod repair;
mod silksong;
mod tokenizer;

use pyo3::prelude::*;

/// Mesh tokenizers.
#[pymodule]
fn tokenizer_rs(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("MeshError", module.py().get_type::<error::MeshError>())?;
    module.add_class::<tokenizer::PyTokenizer>()?;
    module.add_class::<encoding::PyEncoding>()?;
    module.add_class::<grammar::PyGrammar>()?;
    module.add_class::<grammar::PyGrammarBatch>()?;
    module.add_class::<silksong::PySilksong>()?;
    module.add_class::<encoding::PySilksongEncoding>()?;
    module.add_class::<edgerunner::PyEdgeRunner>()?;
    module.add_class::<edgerunner::PyEdgeRunnerEncoding>()?;
    module.add_class::<face_sequence::PyFaceSequence>()?;
    module.add_function(wrap_pyfunction!(face_sequence::python_face_edges, module)?)?;
    module.add_class::<loom::PyLoom>()?;
    module.add_class::<loom::PySlotTable>()?;
    module.add_function(wrap_pyfunction!(loom::learn_slots, module)?)?;
    module.add_class::<merges::PyMerges>()?;
    module.add_class::<merges::PyMerged>()?;
    module.add_class::<repair::PyRepaired>()?;
    module.add_class::<read::PyLoadedMesh>()?;
    module.add_function(wrap_pyfunction!(measure::adaptive_bits, module)?)?;
    module.add_function(wrap_pyfunction!(measure::measure, module)?)?;
    module.add_function(wrap_pyfunction!(quality::measure_shape, module)?)?;
    module.add_function(wrap_pyfunction!(measure::edge_components, module)?)?;
    module.add_function(wrap_pyfunction!(repair::pre_clean, module)?)?;
    module.add_function(wrap_pyfunction!(quality::describe_shape, module)?)?;
    module.add_function(wrap_pyfunction!(quality::best_alignment, module)?)?;
    module.add_function(wrap_pyfunction!(quality::nearest_points, module)?)?;
    module.add_function(wrap_pyfunction!(quality::point_spacing, module)?)?;
    module.add_function(wrap_pyfunction!(quality::canonical_triangles, module)?)?;
    module.add_function(wrap_pyfunction!(quality::crossing_faces, module)?)?;
    module.add_function(wrap_pyfunction!(quality::quantization_damage, module)?)?;
    module.add_function(wrap_pyfunction!(quality::vertex_distance, module)?)?;
    module.add_function(wrap_pyfunction!(batch::encode_all, module)?)?;
    module.add_function(wrap_pyfunction!(files::tokenize_files, module)?)?;
    module.add_function(wrap_pyfunction!(repair::repair, module)?)?;
    module.add_function(wrap_pyfunction!(read::read_mesh, module)?)?;
    module.add_function(wrap_pyfunction!(read::gltf_side_files, module)?)?;
    module.add_function(wrap_pyfunction!(codecs::silksong_window_table, module)?)?;
    module.add_function(wrap_pyfunction!(codecs::silksong_encode_in_layer, module)?)?;
    module.add_function(wrap_pyfunction!(codecs::silksong_decode_in_layer, module)?)?;
    module.add_function(wrap_pyfunction!(
        codecs::silksong_encode_between_layers,
        module
    )?)?;
    module.add_function(wrap_pyfunction!(
        codecs::silksong_decode_between_layers,
        module
    )?)?;
    // `from .tokenizer_rs import *` leaves out names with underscores unless they are listed.
    module.add(
        "__all__",
        [
            "EdgeRunner",
            "EdgeRunnerEncoding",
            "Encoding",
            "FaceSequence",
            "Grammar",
            "GrammarBatch",
            "LoadedMesh",
            "Loom",
            "Merged",
            "Merges",
            "MeshError",
            "Repaired",
            "Silksong",
            "SilksongEncoding",
            "SlotTable",
            "Tokenizer",
            "__version__",
            "adaptive_bits",
            "best_alignment",
            "canonical_triangles",
            "crossing_faces",
            "describe_shape",
            "edge_components",
            "encode_all",
            "face_edges",
            "gltf_side_files",
            "learn_slots",
            "measure",
            "measure_shape",
            "nearest_points",
            "point_spacing",
            "pre_clean",
            "quantization_damage",
            "read_mesh",
            "repair",
            "silksong_decode_between_layers",
            "silksong_decode_in_layer",
            "silksong_encode_between_layers",
            "silksong_encode_in_layer",
            "silksong_window_table",
            "tokenize_files",
            "vertex_distance",
        ],
    )?;
    Ok(())
}
