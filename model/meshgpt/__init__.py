"""MeshGPT (arXiv 2311.15475): an autoencoder of faces, and a transformer over its codes."""
