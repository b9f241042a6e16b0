"""MeshGPT (arXiv 2311.15475): an autoencoder of faces, and a transformer over its codes.

    from model.meshgpt import MeshAutoencoder, MeshTransformer

are the two networks behind the interface of meshgpt-pytorch (`model.meshgpt.adapter`). Those of
`model.meshgpt.modules` and `model.meshgpt.transformer`, which they wrap, are what the trainer trains.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.meshgpt.adapter import MeshAutoencoder, MeshTransformer

__all__ = ["MeshAutoencoder", "MeshTransformer"]


def __getattr__(name: str) -> Any:
    # Only when asked for: every import of a module in this folder passes here.
    if name in __all__:
        from model.meshgpt import adapter

        return getattr(adapter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
