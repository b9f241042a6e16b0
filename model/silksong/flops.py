"""Operations that training a Silksong model takes, counted as `model.layers.flops` says."""

from model.layers.flops import PER_PAIR, PER_WEIGHT, n_matrix_weights
from model.silksong.modules import SilksongModel


def flops_per_token(network: SilksongModel, mean_length: float) -> float:
    """For each label of rows with `mean_length` labels: the decoder's, and a share of the condition's.

    Only what is attended to counts: a causal row is half of a square.
    """
    blocks = network.decoder_blocks()
    of_context = [linear for b in blocks for linear in (b.cross_attention.to_k, b.cross_attention.to_v)]
    n_of_context, n_rows = n_matrix_weights(*of_context), 1 + network.config.encoder.num_latents
    weights = n_matrix_weights(*blocks, network.head) - n_of_context
    inner = sum(block.self_attention.to_q.out_features for block in blocks)  # channels of all heads
    seen = mean_length / 2 + n_rows
    of_row = _flops_of_encoder(network) + PER_WEIGHT * n_of_context * n_rows
    return PER_WEIGHT * weights + PER_PAIR * inner * seen + of_row / mean_length


def _flops_of_encoder(network: SilksongModel) -> float:
    """For one cloud, its projections to the decoder's channels included."""
    encoder, sizes = network.encoder, network.config.encoder
    n_rows = 1 + sizes.num_latents
    of_points = n_matrix_weights(encoder.point_projection, encoder.read_block.attention.to_kv)
    of_rows = n_matrix_weights(encoder, network.latent_projection) - of_points
    pairs = n_rows * sizes.points + sizes.layers * n_rows**2
    return PER_WEIGHT * (of_points * sizes.points + of_rows * n_rows) + PER_PAIR * sizes.width * pairs
