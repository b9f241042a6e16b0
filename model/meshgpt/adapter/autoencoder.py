"""The autoencoder behind the interface of meshgpt-pytorch.

Shapes: b meshes, nv vertices, nf faces, k corners of a face, e pairs of neighbouring faces, q codes of a
corner.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from model.meshgpt import modules
from model.meshgpt.adapter.options import Compat, own_options
from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.features import discretize
from model.meshgpt.graph import neighbour_pairs
from model.meshgpt.modules import PADDING, valid_faces
from model.meshgpt.reference import load_autoencoder, save_autoencoder


class MeshAutoencoder(nn.Module):
    """Faces to codes and back.

    Args:
        compat: the release whose mistakes are kept, for its weights; none by default.
        fsq_levels: quantise by finite scalars with so many levels each; the codebook is their product.
        options: those of meshgpt-pytorch.

    Raises:
        ValueError: an option is unknown, or none of ours; all such are named.
    """

    def __init__(
        self, *, compat: Compat | None = None, fsq_levels: Sequence[int] | None = None, **options: Any
    ) -> None:
        super().__init__()
        config = AutoencoderConfig.from_reference(
            own_options(options, is_autoencoder=True), has_quirks=compat is not None
        )
        if fsq_levels is not None:
            size = options.get("codebook_size", math.prod(fsq_levels))
            fsq = {"quantizer": "fsq", "levels": tuple(fsq_levels), "codebook_size": size}
            config = AutoencoderConfig.model_validate({**config.model_dump(), **fsq})
        self.network = modules.MeshAutoencoder(config)

    @property
    def config(self) -> AutoencoderConfig:
        """Of the network."""
        return self.network.config

    def forward(
        self,
        vertices: Tensor,
        faces: Tensor,
        face_edges: Tensor | None = None,
        return_codes: bool = False,
        return_loss_breakdown: bool = False,
        return_recon_faces: bool = False,
        only_return_recon_faces: bool = False,
        rvq_sample_codebook_temp: float = 1.0,
    ) -> Any:
        """The loss, a scalar; or what is asked for.

        Args:
            vertices: float (b, nv, 3).
            faces: int64 (b, nf, k).
            face_edges: int64 (b, e, 2) or (b, 2, e); found out from the faces where there are none.
            return_codes: the codes alone, int64 (b, nf k, q).
            return_loss_breakdown: the loss, and the pair of the reconstruction's and the quantiser's (q,).
            return_recon_faces: the faces (b, nf, k, 3) as the decoder sees them, in front of all that.
            only_return_recon_faces: these alone.
        """
        if rvq_sample_codebook_temp != 1:
            raise ValueError(
                f"rvq_sample_codebook_temp is {rvq_sample_codebook_temp}; only 1 is offered, "
                "or rvq_stochastic_sample_codes=False for no noise"
            )
        if return_codes:
            return self.tokenize(vertices, faces, face_edges)
        found = self.network.reconstruct(vertices, faces, _pairs(face_edges, faces))
        recon_faces = self.network.corners(found.logits, valid_faces(faces))
        if only_return_recon_faces:
            return recon_faces
        loss = self.network.loss_of(found, vertices, faces)
        results: list[Any] = [recon_faces] if return_recon_faces else []
        results.append(loss.total)
        if return_loss_breakdown:
            results.append((loss.reconstruction, loss.quantization))
        return results[0] if len(results) == 1 else tuple(results)

    def tokenize(self, vertices: Tensor, faces: Tensor, face_edges: Tensor | None = None) -> Tensor:
        """Codes (b, nf k, q), -1 for padding; or of one mesh without the first axis."""
        if vertices.ndim == 2:
            edges = face_edges.unsqueeze(0) if face_edges is not None else None
            return self.tokenize(vertices.unsqueeze(0), faces.unsqueeze(0), edges)[0]
        codes = self.network.tokenize(vertices, faces, _pairs(face_edges, faces))
        return codes.unflatten(-1, (self.config.n_corners, -1)).flatten(1, 2)

    def decode_from_codes_to_faces(
        self, codes: Tensor, face_mask: Tensor | None = None, return_discrete_codes: bool = False
    ) -> tuple[Tensor, ...]:
        """Coordinates (b, nf, k, 3), NaN for padding; their bins where asked for; and which faces are valid.

        Args:
            codes: (b, nf k, q) or (b, nf k q); a face is valid if none of its codes is -1.
            face_mask: bool (b, nf), false for further faces to be left out.
        """
        config = self.config
        codes = codes.flatten(1).unflatten(-1, (-1, config.tokens_per_face))
        if face_mask is not None:
            codes = codes.masked_fill(~face_mask.unsqueeze(-1), PADDING)
        coordinates, face_mask = self.network.coordinates(codes), (codes >= 0).all(-1)
        if not return_discrete_codes:
            return coordinates, face_mask
        bins = discretize(coordinates.nan_to_num(), *config.coordinate_range, config.n_coordinate_bins)
        return coordinates, bins.masked_fill(~face_mask[..., None, None], PADDING), face_mask

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors, with the reference's keys."""
        save_autoencoder(self.network, path)

    def load(self, path: str | Path) -> None:
        """Take the reference's weights, of a network of the same options.

        Raises KeyError or ValueError where they do not fit.
        """
        self.network.load_state_dict(load_autoencoder(path, self.config).state_dict())


def _pairs(face_edges: Tensor | None, faces: Tensor) -> Tensor:
    """Pairs (b, e, 2); the first example had them as (b, 2, e)."""
    if face_edges is None:
        return neighbour_pairs(faces)
    return face_edges if face_edges.shape[-1] == 2 else face_edges.transpose(1, 2)
