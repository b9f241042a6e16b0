"""Read and write checkpoints in the key layout of the published Silksong release.

    model = load_reference("release-100K/model.safetensors", SilksongConfig.release())
    save_reference(model, "again.safetensors")      # every key again, with equal values

Loading is loud: a key that is used and absent, a key nobody knows, a shape that does not fit are errors that
name them. The half of the published point encoder that no computation uses is carried along and written back.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.layers.weights import check_weights, read_weights
from model.silksong.config import SilksongConfig
from model.silksong.modules import SilksongModel

_ENCODER_ROOT = "conditioner.point_encoder."
_SHAPE_MODEL = _ENCODER_ROOT + "model.shape_model."
_UNUSED_PREFIXES = (
    _ENCODER_ROOT + "model.shape_projection",
    *(_SHAPE_MODEL + part for part in ("pre_kl.", "post_kl.", "transformer.", "geo_decoder.")),
)

# Own name (pattern) -> reference name; the first that matches the whole head of a name is taken. Where the
# pattern catches a block's number b, decoder sublayers are counted on: 3b self-attention, 3b+1
# cross-attention, 3b+2 feed-forward.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"token_embedding\.", "token_embed."),
    (r"position_embedding\.", "abs_pos_emb."),
    (r"start_vector", "sos_token"),
    (r"kind_vectors\.in_layer_one", "matrix_in0_embed"),
    (r"kind_vectors\.in_layer_zero", "matrix_in1_embed"),
    (r"kind_vectors\.between_layers", "matrix_out_embed"),
    (r"kind_vectors\.block", "block_embed"),
    (r"kind_vectors\.offset", "offset_embed"),
    (r"global_projection\.", "conditioner.cond_head_proj."),
    (r"latent_projection\.", "conditioner.cond_proj."),
    (r"blocks\.(\d+)\.self_norm\.", "decoder.layers.{0}.0.0."),
    (r"blocks\.(\d+)\.self_attention\.", "decoder.layers.{0}.1."),
    (r"blocks\.(\d+)\.cross_norm\.", "decoder.layers.{1}.0.0."),
    (r"blocks\.(\d+)\.cross_attention\.memory_keys", "decoder.layers.{1}.1.mem_k"),
    (r"blocks\.(\d+)\.cross_attention\.memory_values", "decoder.layers.{1}.1.mem_v"),
    (r"blocks\.(\d+)\.cross_attention\.", "decoder.layers.{1}.1."),
    (r"blocks\.(\d+)\.feed_forward_norm\.", "decoder.layers.{2}.0.0."),
    (r"blocks\.(\d+)\.feed_forward\.up\.", "decoder.layers.{2}.1.ff.0.proj."),
    (r"blocks\.(\d+)\.feed_forward\.down\.", "decoder.layers.{2}.1.ff.2."),
    (r"final_norm\.", "decoder.final_norm."),
    (r"head\.", "to_logits."),
)
_ENCODER_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^queries$", "query"),
    (r"^point_projection\.", "input_proj."),
    (r"^final_norm\.", "ln_post."),
    (r"^blocks\.", "self_attn.resblocks."),
    (r"^read_block\.query_norm\.", "cross_attn.ln_1."),
    (r"^read_block\.data_norm\.", "cross_attn.ln_2."),
    (r"^read_block\.feed_forward_norm\.", "cross_attn.ln_3."),
    (r"^read_block\.", "cross_attn."),
    (r"\.attention_norm\.", ".ln_1."),
    (r"\.feed_forward_norm\.", ".ln_2."),
    (r"\.attention\.to_qkv\.", ".attn.c_qkv."),
    (r"\.attention\.to_q\.", ".attn.c_q."),
    (r"\.attention\.to_kv\.", ".attn.c_kv."),
    (r"\.attention\.to_out\.", ".attn.c_proj."),
    (r"\.feed_forward\.up\.", ".mlp.c_fc."),
    (r"\.feed_forward\.down\.", ".mlp.c_proj."),
)


def reference_name(name: str) -> str:
    """The key under which the reference stores our parameter ``name``.

    >>> reference_name("blocks.2.cross_attention.memory_keys")
    'decoder.layers.7.1.mem_k'
    """
    if name.startswith("encoder."):
        tail = name.removeprefix("encoder.")
        for pattern, replacement in _ENCODER_RENAMES:
            tail = re.sub(pattern, replacement, tail)
        return _SHAPE_MODEL + "encoder." + tail
    for pattern, replacement in _RENAMES:
        if match := re.match(pattern, name):
            if match.groups():
                first = 3 * int(match[1])
                replacement = replacement.format(first, first + 1, first + 2)
            return replacement + name[match.end() :]
    raise KeyError(f"no reference key for {name}")


def _is_known(name: str) -> bool:
    """Whether the reference has this parameter of ours: it has no condition on counts."""
    return not name.startswith("counts.")


def reference_state_dict(model: SilksongModel) -> dict[str, Tensor]:
    """Parameters under their reference keys (not copied), and the carried tensors; no vectors of counts."""
    used = {reference_name(name): tensor for name, tensor in model.state_dict().items() if _is_known(name)}
    return {**used, **model.carried}


def load_reference(
    path_or_state_dict: str | Path | Mapping[str, Tensor],
    config: SilksongConfig | Mapping[str, Any],
    strict: bool = True,
) -> SilksongModel:
    """Build a model from a reference checkpoint, in float32 on the CPU.

    Args:
        path_or_state_dict: a ``.safetensors`` file, a torch pickle (read with ``weights_only=True``; its
            state dict at the top or under ``model`` or ``state_dict``), or the state dict itself, which is
            copied.
        config: our configuration, or a mapping with our or the reference's names.
        strict: ``False`` drops unknown keys instead of raising.

    Raises:
        KeyError: used keys are absent or, with ``strict``, keys are unknown; all are named.
        ValueError: a shape does not fit the configuration.
    """
    tensors = read_weights(path_or_state_dict)
    with torch.device("meta"):
        model = SilksongModel(SilksongConfig.parse(config))
    own_shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    expected = {reference_name(name): (name, own_shapes[name]) for name in own_shapes if _is_known(name)}
    carried = {key: tensor.clone() for key, tensor in tensors.items() if key.startswith(_UNUSED_PREFIXES)}
    shapes = {key: shape for key, (_, shape) in expected.items()}
    check_weights({key: tensor for key, tensor in tensors.items() if key not in carried}, shapes, strict)
    own = {name: tensors[key].to(torch.float32, copy=True) for key, (name, _) in expected.items()}
    own |= {name: torch.zeros(shape) for name, shape in own_shapes.items() if not _is_known(name)}
    model.load_state_dict(own, assign=True)
    model.carried = carried
    return model


def save_reference(model: SilksongModel, path: str | Path) -> None:
    """Write a safetensors file with the reference's keys, carried tensors included."""
    tensors = reference_state_dict(model)
    save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, str(path))


def load_point_encoder(model: SilksongModel, path_or_state_dict: str | Path | Mapping[str, Tensor]) -> None:
    """Copy the encoder of a Michelangelo checkpoint (``shapevae-256.ckpt``) into the model, in place.

    Only ``model.shape_model.encoder.*`` is read; the rest of that file is not needed.

    Raises:
        KeyError: an encoder key is absent.
        ValueError: a shape does not fit the configuration.
    """
    tensors = read_weights(path_or_state_dict)
    own = model.encoder.state_dict()
    keys = {name: reference_name("encoder." + name).removeprefix(_ENCODER_ROOT) for name in own}
    if missing := sorted(set(keys.values()) - tensors.keys()):
        raise KeyError(f"the checkpoint lacks {len(missing)} encoder keys: {', '.join(missing)}")
    for name, key in keys.items():
        if tensors[key].shape != own[name].shape:
            raise ValueError(f"{key} is {tuple(tensors[key].shape)}, the model has {tuple(own[name].shape)}")
    model.encoder.load_state_dict({name: tensors[key] for name, key in keys.items()})
