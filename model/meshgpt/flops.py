"""Operations that training MeshGPT's networks takes, counted as `model.layers.flops` says."""

from torch import nn

from model.layers.flops import PER_PAIR, PER_WEIGHT, n_matrix_weights
from model.meshgpt.decoder import Decoder
from model.meshgpt.modules import MeshAutoencoder
from model.meshgpt.transformer import MeshTransformer


def flops_per_coordinate(network: MeshAutoencoder) -> float:
    """For each of the coordinates of a face: every layer works once on each face. Quantising is left out."""
    weights = n_matrix_weights(network) - n_matrix_weights(network.quantizer)
    return PER_WEIGHT * weights / (3 * network.config.n_corners)


def flops_per_code(network: MeshTransformer, mean_length: float) -> float:
    """For each code of meshes with `mean_length` codes: the fine stage's, and a share of its face's.

    Only what is attended to counts: a causal row is half of a square. Texts are left out.
    """
    n_codes = network.config.tokens_per_face
    of_face = n_matrix_weights(network.to_face, network.coarse_gates) + _weights(network.coarse)
    of_code = n_matrix_weights(network.fine_gates, network.head) + _weights(network.fine)
    pairs = _channels(network.coarse) * mean_length / n_codes / 2 / n_codes
    pairs += _channels(network.fine) * n_codes / 2
    return PER_WEIGHT * (of_face / n_codes + of_code) + PER_PAIR * pairs


def _weights(decoder: Decoder) -> int:
    texts = [m for name, m in decoder.named_modules() if name.endswith("cross_attention")]
    return n_matrix_weights(decoder) - n_matrix_weights(*texts)


def _channels(decoder: Decoder) -> int:
    """Of all heads of all layers' attention to earlier positions."""
    attentions = [m.to_q for name, m in decoder.named_modules() if name.endswith("self_attention")]
    return sum(linear.out_features for linear in attentions if isinstance(linear, nn.Linear))
