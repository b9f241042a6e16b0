//! Sorted faces, nine coordinates each (MeshGPT, arXiv 2311.15475; MeshXL, arXiv 2405.20853).
