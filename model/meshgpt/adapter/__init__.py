"""The interface of meshgpt-pytorch over our networks, so that scripts written for it go on.

autoencoder = MeshAutoencoder(dim=512, encoder_depth=6, decoder_depth=6, num_discrete_coors=128)
autoencoder(vertices=vertices, faces=faces, face_edges=face_edges).backward()
transformer = MeshTransformer(autoencoder, dim=512, max_seq_len=768)
transformer(vertices=vertices, faces=faces, face_edges=face_edges).backward()
coordinates, face_mask = transformer.generate()

Names and meanings are those of release 1.7, and of the first public example where they differ. Its mistakes
are not repeated, unless `compat` asks for them; `docs/meshgpt.md` lists them. What is not offered is refused
by name. Batches are padded with -1, padding last. Shapes: b meshes, nv vertices, nf faces, k corners of a
face (3 or 4), e pairs of neighbouring faces, q codes of a corner.
"""

from model.meshgpt.adapter.autoencoder import MeshAutoencoder
from model.meshgpt.adapter.transformer import MeshTransformer

__all__ = ["MeshAutoencoder", "MeshTransformer"]
