"""What is wrong in meshgpt-pytorch 1.7 is right here by default; docs/meshgpt.md has the whole list."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.layers.attention import merge_heads, split_heads
from model.meshgpt.attention import LocalAttention, rotate
from model.meshgpt.config import AutoencoderConfig, MeshgptConfig, TransformerConfig
from model.meshgpt.generate import generate, greedy
from model.meshgpt.graph import neighbour_pairs
from model.meshgpt.modules import MeshAutoencoder
from model.meshgpt.system import SYSTEM
from model.meshgpt.transformer import MeshTransformer
from model.systems import Sample
from tests.model.meshgpt_meshes import TETRAHEDRON
from training.batches import collate
from training.data import Prepared

SMALL: dict[str, Any] = {
    "encoder_widths": (16, 16),
    "decoder_widths": (16, 16),
    "code_width": 8,
    "codebook_size": 16,
    "coordinate_width": 4,
    "normal_width": 4,
    "attention_window": 4,
    "local_heads": 2,
    "local_head_width": 8,
}
CODES: dict[str, Any] = {
    **{"codebook_size": 16, "width": 32, "heads": 2, "head_width": 16, "depth": 2, "fine_depth": 1},
    "max_tokens": 60,
}


def autoencoder(**options: Any) -> MeshAutoencoder:
    torch.manual_seed(0)
    return MeshAutoencoder(AutoencoderConfig.model_validate({**SMALL, **options}))


def padded(meshes: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    vertices, faces = (
        torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True, padding_value=-1)
        for parts in zip(*meshes, strict=True)
    )
    return vertices, faces, neighbour_pairs(faces)


def test_vertices_that_no_face_uses_take_no_part_in_the_quantisers_loss() -> None:
    vertices, faces = TETRAHEDRON
    unused = torch.cat([vertices[:1], vertices]), faces + 1
    plain, more = padded([TETRAHEDRON]), padded([unused])
    network = autoencoder()
    torch.testing.assert_close(network.loss(*more).quantization, network.loss(*plain).quantization)
    kept = autoencoder(lfq_loss="all_pairs")
    difference = kept.loss(*more).quantization - kept.loss(*plain).quantization
    assert difference.abs().max() > 1e-3


def test_the_entropy_of_the_codes_is_not_that_of_the_tokens() -> None:
    network = autoencoder()
    tokens = torch.randn(64, SMALL["code_width"])
    mended = network.quantizer(tokens).losses
    network.quantizer.config = network.config.model_copy(update={"lfq_loss": "all_pairs"})
    weighed = network.quantizer(tokens).losses
    assert not torch.allclose(mended, weighed)
    network.quantizer.config = network.config.model_copy(update={"entropy_weight": 0.0})
    assert (mended - network.quantizer(tokens).losses > 0.05).all()


def test_a_ragged_batch_is_its_meshes_alone() -> None:
    network = autoencoder(encoder_attention_blocks=1, decoder_attention_blocks=1).eval()
    meshes = [(TETRAHEDRON[0], TETRAHEDRON[1][:n]) for n in (4, 1, 3)]
    together = network.reconstruct(*padded(meshes))
    for i, mesh in enumerate(meshes):
        alone = network.reconstruct(*padded([mesh]))
        n = len(mesh[1])
        assert torch.equal(together.quantized.codes[i, :n], alone.quantized.codes[0])
        torch.testing.assert_close(together.logits[i, :n], alone.logits[0], rtol=0, atol=1e-5)


def test_quads_are_decoded_with_attention() -> None:
    network = autoencoder(n_corners=4, encoder_attention_blocks=1, decoder_attention_blocks=1)
    faces = torch.tensor([[[0, 1, 2, 3], [0, 1, 3, 2]]])
    loss = network.loss(TETRAHEDRON[0].unsqueeze(0), faces, neighbour_pairs(faces))
    loss.total.backward()
    attention = network.decoder_attention[0]
    assert all(p.grad is not None and p.grad.any() for p in attention.parameters())


def test_attention_counts_places_from_the_face_itself() -> None:
    torch.manual_seed(0)
    config = AutoencoderConfig.model_validate(SMALL)
    layer = LocalAttention(16, config)
    x, places = torch.randn(1, 3, 16), torch.arange(3)
    q, k, v = (split_heads(part, layer.heads) for part in layer.to_qkv(layer.norm(x)).chunk(3, dim=-1))
    y = functional.scaled_dot_product_attention(rotate(q, places), rotate(k, places), v)
    expected, is_face = layer.to_out(merge_heads(y)), torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(layer(x, is_face), expected)
    kept = LocalAttention(16, config.model_copy(update={"rotary_queries": "last"}))
    kept.load_state_dict(layer.state_dict())
    assert not torch.allclose(kept(x, is_face), expected, atol=1e-3)


def test_edges_of_a_batch_are_indices() -> None:
    vertices, faces = (part.numpy() for part in TETRAHEDRON)
    stage = SYSTEM.stages[0]
    whole = stage.prepare(Sample("a", vertices, faces, None, None), MeshgptConfig())
    part = stage.prepare(Sample("b", vertices, faces[:1], None, None), MeshgptConfig())
    pairs = collate([Prepared("a", whole), Prepared("b", part)]).tensors["pairs"]
    assert pairs.dtype == torch.int64
    assert pairs.shape == (2, 16, 2)
    assert pairs[1].tolist() == [[0, 0], *[[-1, -1]] * 15]


def test_a_blur_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="blur_sigma"):
        autoencoder(blur_sigma=0)


def test_layers_that_cannot_be_dropped_are_not_asked_for() -> None:
    options = {"num_quantizers": 3, "rq_kwargs": {"quantize_dropout": True}}
    with pytest.raises(ValueError, match=r"rq_kwargs\.quantize_dropout"):
        AutoencoderConfig.from_reference(options)


def test_padding_is_no_label() -> None:
    model = MeshTransformer(TransformerConfig(**CODES))
    rows = torch.tensor([[*range(6), *[-1] * 6], [3] * 12])
    alone = [model.token_loss_sum(rows[:1, :6]), model.token_loss_sum(rows[1:])]
    total, count = model.token_loss_sum(rows)
    torch.testing.assert_close(total, alone[0][0] + alone[1][0])
    assert count == 7 + 13


@pytest.mark.parametrize("max_tokens", [20, 23])
def test_generated_rows_are_cut_to_whole_faces(max_tokens: int) -> None:
    torch.manual_seed(0)
    model = MeshTransformer(TransformerConfig(**CODES))
    with torch.no_grad():
        model.head.bias[-1] -= 100
    (row,) = generate(model, max_tokens, greedy)
    assert row.codes.shape == (3, 6)
    assert autoencoder().coordinates(row.codes.unsqueeze(0)).isfinite().all()


@pytest.mark.parametrize("fine", [{"fine_width": 24}, {"fine_heads": 1, "fine_head_width": 8}])
def test_the_fine_stage_may_have_its_own_sizes(fine: dict[str, int]) -> None:
    torch.manual_seed(0)
    model = MeshTransformer(TransformerConfig(**CODES, **fine))
    rows = torch.randint(0, 16, (2, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = model.loss(rows)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in model.parameters())
    (row,) = generate(model, 18, greedy)
    with torch.no_grad():
        again = model(row.codes.flatten().unsqueeze(0))[0, :-1, :-1].argmax(-1)
    assert torch.equal(again, row.codes.flatten())


def test_sizes_of_the_fine_stage_are_read_from_the_references_options() -> None:
    options = {"dim": (64, 32), "fine_attn_heads": 2, "fine_attn_dim_head": 8}
    mended = TransformerConfig.from_reference(options, AutoencoderConfig(), has_quirks=False)
    assert (mended.width, mended.fine_width, mended.fine_heads, mended.fine_head_width) == (64, 32, 2, 8)
    kept = TransformerConfig.from_reference(options, AutoencoderConfig())
    assert (kept.fine_heads, kept.fine_head_width) == (None, None)
