"""Options of meshgpt-pytorch that are spelled otherwise here, do nothing here, or are not offered."""

from collections.abc import Mapping
from typing import Any, Literal

Compat = Literal["meshgpt-pytorch-1.7"]

_DEPTHS = {
    "encoder_depth": "encoder_dims_through_depth",
    "decoder_depth": "decoder_dims_through_depth",
}
_NOT_OFFERED: dict[str, tuple[tuple[Any, ...], str]] = {
    "dropout": ((0, None), "these networks have no dropout"),
    "attn_dropout": ((0, None), "these networks have no dropout"),
    "ff_dropout": ((0, None), "these networks have no dropout"),
    "flash_attn": ((True, False), "torch chooses the kernel"),
    "gateloop_use_heinsen": ((False,), "gates are summed by doubling, as fast and without complex numbers"),
    "pad_id": ((-1,), "padding is -1"),
    "coarse_post_gateloop_depth": ((0,), "its result was never used; give coarse_pre_gateloop_depth"),
    "coarse_adaptive_rmsnorm": ((False,), "give text_cond_with_film"),
    "text_condition_model_types": ((), "give text_encoder, or text_embeds to each call, and dim_text"),
}
"""Values that change nothing here, and what to say of others."""


def own_options(options: Mapping[str, Any], is_autoencoder: bool) -> dict[str, Any]:
    """Options by the names of release 1.7, those left out that change nothing.

    The first public example gave an autoencoder one width, `dim`, and how many layers of it.

    Raises:
        ValueError: an option is not offered, with what to do instead; or both spellings are given.
    """
    found = dict(options)
    refused = []
    for name, (harmless, remedy) in _NOT_OFFERED.items():
        if name in found and found.pop(name) not in harmless:
            refused.append(f"{name}: {remedy}")
    if refused:
        raise ValueError(f"not offered: {'; '.join(refused)}")
    return _with_widths(found) if is_autoencoder else found


def _with_widths(options: dict[str, Any]) -> dict[str, Any]:
    dim = options.pop("dim", None)
    if dim is not None and not _DEPTHS.keys() & options.keys():
        raise ValueError("dim is the width of encoder_depth and decoder_depth layers; give these too")
    for depth, widths in _DEPTHS.items():
        n = options.pop(depth, None)
        if n is None:
            continue
        if dim is None or widths in options:
            raise ValueError(f"give either dim and {depth}, or {widths}")
        options[widths] = (dim,) * n
    return options
