"""Read and write autoencoder weights in the key layout of meshgpt-pytorch 1.7.

autoencoder = load_autoencoder("mesh-autoencoder.safetensors", AutoencoderConfig.compatible())
save_autoencoder(autoencoder, "again.safetensors")      # every key again, with equal values
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.layers.weights import check_weights, read_weights
from model.meshgpt.attention import ROTARY_BASE
from model.meshgpt.config import AutoencoderConfig, TransformerConfig
from model.meshgpt.modules import MeshAutoencoder
from model.meshgpt.transformer import MeshTransformer

AUTOENCODER = "autoencoder."
_UNUSED = "conditioner."
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^coordinate_embedding\.", "coor_embed."),
    (r"^(angle|area|normal)_embedding\.", r"\1_embed."),
    (r"^first_layer\.", "init_sage_conv."),
    (r"^first_norm\.", "init_encoder_act_and_norm.1."),
    (r"^layers\.", "encoders."),
    (r"^to_corners\.", "project_dim_codebook."),
    (r"^decoder\.first\.", "init_decoder_conv.0."),
    (r"^decoder\.first_norm\.", "init_decoder_conv.3."),
    (r"^decoder\.blocks\.", "decoders."),
    (r"^head\.", "to_coor_logits.0."),
    (r"^(encoder|decoder)_attention\.", r"\1_attn_blocks."),
    (r"\.neighbour\.", ".lin."),
    (r"\.aggregated\.", ".lin_l."),
    (r"\.own\.", ".lin_r."),
    (r"\.first\.convolution\.", ".block1.proj."),
    (r"\.second\.convolution\.", ".block2.proj."),
    (r"\.squeeze_excite\.squeeze\.", ".excite.net.0."),
    (r"\.squeeze_excite\.excite\.", ".excite.net.2."),
    (r"\.shortcut\.", ".residual_conv."),
    (r"\.linear_attention\.norm\.gain", ".0.norm.gamma"),
    (r"\.linear_attention\.(to_q|to_kv|to_out)\.", r".0.\1.0."),
    (r"\.local_attention\.", ".1."),
    (r"\.feed_forward_norm\.gain", ".2.0.g"),
    (r"\.feed_forward\.up\.", ".2.1.ff.0.proj."),
    (r"\.feed_forward\.down\.", ".2.1.ff.2."),
)
_TRANSFORMER_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^start_vectors$", "sos_token"),
    (r"^token_embedding\.", "token_embed."),
    (r"^position_embedding\.", "abs_pos_emb."),
    (r"^level_vectors$", "quantize_level_embed"),
    (r"^corner_vectors$", "vertex_embed"),
    (r"^to_face\.", "to_face_tokens.0."),
    (r"^face_norm\.", "to_face_tokens.1."),
    (r"^(coarse|fine)_gates\.(\d+)\.norm\.gain$", r"\1_gateloop_block.gateloops.\2.norm.gamma"),
    (r"^(coarse|fine)_gates\.(\d+)\.to_qua\.", r"\1_gateloop_block.gateloops.\2.to_qkva.0."),
    (r"^(coarse|fine)_film\.scale_gain$", r"text_\1_film_cond.gamma_mult"),
    (r"^(coarse|fine)_film\.shift_gain$", r"text_\1_film_cond.beta_mult"),
    (r"^(coarse|fine)_film\.to_scale\.", r"text_\1_film_cond.to_gamma."),
    (r"^(coarse|fine)_film\.to_shift\.", r"text_\1_film_cond.to_beta."),
    (r"^head\.", "to_logits."),
    (r"^coarse\.", "decoder."),
    (r"^fine\.", "fine_decoder."),
    (r"\.gain_minus_one$", ".gamma"),
    (r"\.memory_keys$", ".mem_k"),
    (r"\.memory_values$", ".mem_v"),
    (r"\.to_mix\.", ".to_value_residual_mix.0."),
    (r"\.feed_forward\.up\.", ".feed_forward.ff.0.proj."),
    (r"\.feed_forward\.down\.", ".feed_forward.ff.2."),
)
_CODEBOOK = {
    "quantizer.codebook": "embed",
    "quantizer.sums": "embed_avg",
    "quantizer.counts": "cluster_size",
    "quantizer.is_initialized": "initted",
}


def reference_name(name: str) -> str:
    """The key under which the reference stores our parameter ``name``, but for a learned codebook.

    >>> reference_name("decoder.blocks.3.second.convolution.bias")
    'decoders.3.block2.proj.bias'
    """
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def transformer_reference_name(name: str, has_text: bool) -> str:
    """The key under which the reference stores our parameter ``name`` of the transformer.

    It counts sublayers through: two for each of our layers, three where the layers attend to text.

    >>> transformer_reference_name("coarse.layers.1.self_attention.to_mix.bias", has_text=True)
    'decoder.layers.3.1.to_value_residual_mix.0.bias'
    """
    for pattern, replacement in _TRANSFORMER_RENAMES:
        name = re.sub(pattern, replacement, name)
    sublayers = ["self_attention", *(["cross_attention"] if has_text else []), "feed_forward"]
    if match := re.match(r"(.*\.layers)\.(\d+)\.(\w+)\.(.*)", name):
        head, layer, part, tail = match.groups()
        is_norm = part.endswith("_norm")
        kind = part.replace("self_norm", "self_attention").replace("cross_norm", "cross_attention")
        kind = kind.removesuffix("_norm")
        number = len(sublayers) * int(layer) + sublayers.index(kind)
        return f"{head}.{number}.0.0.{tail}" if is_norm else f"{head}.{number}.1.{tail}"
    return name


def reference_state_dict(model: MeshAutoencoder) -> dict[str, Tensor]:
    """Parameters under their reference keys, with what the reference stores and computes from its options.

    Raises:
        ValueError: the reference has no such quantiser.
    """
    config, found = model.config, {}
    if config.quantizer == "fsq":
        raise ValueError("the reference has no fsq quantiser; store the state_dict of this model itself")
    for name, tensor in model.state_dict().items():
        if name in _CODEBOOK:
            # One codebook, stored once for each layer.
            for i in range(config.n_quantizers):
                found[_codebook_key(i, name)] = tensor.unsqueeze(0).float()
        else:
            found[reference_name(name)] = tensor
    return {**found, **_derived(config)}


def load_autoencoder(
    path_or_state_dict: str | Path | Mapping[str, Tensor], config: AutoencoderConfig
) -> MeshAutoencoder:
    """Build an autoencoder from the reference's weights, in float32 on the CPU.

    Args:
        path_or_state_dict: a ``.safetensors`` file, a torch pickle (read with ``weights_only=True``; its
            state dict at the top or under ``model``), or the state dict itself, which is copied.
        config: sizes; `AutoencoderConfig.compatible` keeps the quirks that the weights were trained with.

    Raises:
        KeyError: keys are absent or unknown; all are named.
        ValueError: a shape does not fit the configuration, or the layers have different codebooks.
    """
    tensors = read_weights(path_or_state_dict)
    model = MeshAutoencoder(config)
    check_weights(tensors, {key: tensor.shape for key, tensor in reference_state_dict(model).items()})
    own = {}
    for name, tensor in model.state_dict().items():
        if name in _CODEBOOK:
            layers = [tensors[_codebook_key(i, name)] for i in range(config.n_quantizers)]
            if not all(torch.equal(layer, layers[0]) for layer in layers):
                raise ValueError(f"the layers differ in {_CODEBOOK[name]}; give weights of a shared codebook")
            own[name] = layers[0].reshape(tensor.shape).to(tensor.dtype)
        else:
            own[name] = tensors[reference_name(name)].to(torch.float32, copy=True)
    model.load_state_dict(own)
    return model


def load_transformer(
    path_or_state_dict: str | Path | Mapping[str, Tensor], config: TransformerConfig
) -> MeshTransformer:
    """Build a transformer from the reference's weights, in float32 on the CPU.

    The autoencoder that the reference stores beside it, under ``autoencoder.``, is left to
    `load_autoencoder`.

    Raises:
        KeyError: keys are absent or unknown; all are named.
        ValueError: a shape does not fit the configuration.
    """
    found = read_weights(path_or_state_dict)
    carried = {key: tensor.clone() for key, tensor in found.items() if key.startswith(_UNUSED)}
    tensors = {key: tensor for key, tensor in found.items() if not key.startswith((AUTOENCODER, _UNUSED))}
    model = MeshTransformer(config)
    names = {name: _name_in(config, name) for name in model.state_dict()}
    check_weights(tensors, {names[name]: tensor.shape for name, tensor in model.state_dict().items()})
    model.load_state_dict({name: tensors[key].to(torch.float32, copy=True) for name, key in names.items()})
    model.carried = carried
    return model


def transformer_state_dict(model: MeshTransformer) -> dict[str, Tensor]:
    """Parameters under their reference keys (not copied), and the carried tensors."""
    used = {_name_in(model.config, name): tensor for name, tensor in model.state_dict().items()}
    return {**used, **model.carried}


def _name_in(config: TransformerConfig, name: str) -> str:
    sees_text = config.fine_sees_text if name.startswith("fine.") else True
    return transformer_reference_name(name, has_text=config.text_width is not None and sees_text)


def save_autoencoder(model: MeshAutoencoder, path: str | Path) -> None:
    """Write a safetensors file with the reference's keys."""
    tensors = reference_state_dict(model)
    save_file({key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()}, str(path))


def _codebook_key(layer: int, name: str) -> str:
    return f"quantizer.layers.{layer}._codebook.{_CODEBOOK[name]}"


def _derived(config: AutoencoderConfig) -> dict[str, Tensor]:
    """Constants that the reference stores among its weights."""
    found: dict[str, Tensor] = {}
    if config.quantizer == "lfq":
        n_bits = config.codebook_size.bit_length() - 1
        for i in range(config.n_quantizers):
            found[f"quantizer.layers.{i}.mask"] = 2 ** torch.arange(n_bits).flip(0)
    half = config.local_head_width // 2
    frequencies = 1.0 / ROTARY_BASE ** (torch.arange(half) / half)
    for part, n in (
        ("encoder", config.encoder_attention_blocks),
        ("decoder", config.decoder_attention_blocks),
    ):
        for i in range(n):
            found[f"{part}_attn_blocks.{i}.1.attn_fn.rel_pos.inv_freq"] = frequencies
    return found
