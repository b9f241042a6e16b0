"""Reading a published checkpoint: loud about every key that is absent, unknown or of another shape."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Size, Tensor


def read_weights(source: str | Path | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The state dict of a ``.safetensors`` file or of a torch pickle, or the one given.

    A pickle is read with ``weights_only=True``; its state dict is at the top, or under ``state_dict`` or
    ``model``.
    """
    if isinstance(source, Mapping):
        return source
    if Path(source).suffix == ".safetensors":
        return load_file(str(source))
    content = torch.load(source, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            return content[key]
    return content


def check_weights(tensors: Mapping[str, Tensor], expected: Mapping[str, Size], strict: bool = True) -> None:
    """Compare a state dict with the shapes that a configuration asks for.

    Raises:
        KeyError: keys are absent or, with ``strict``, unknown; all are named.
        ValueError: shapes differ; all are named.
    """
    if missing := sorted(expected.keys() - tensors.keys()):
        raise KeyError(f"the checkpoint lacks {len(missing)} keys: {', '.join(missing)}")
    unknown = sorted(tensors.keys() - expected.keys())
    if unknown and strict:
        raise KeyError(
            f"the checkpoint has {len(unknown)} unknown keys: {', '.join(unknown)}; strict=False drops them"
        )
    if wrong := [
        f"{key} is {tuple(tensors[key].shape)}, the configuration asks for {tuple(shape)}"
        for key, shape in expected.items()
        if tensors[key].shape != shape
    ]:
        raise ValueError("; ".join(wrong))
