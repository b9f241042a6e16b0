"""Finite scalar quantisation: codes stand for levels, all can occur, and the network learns through them."""

import math

import pytest
import torch

from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.modules import MeshAutoencoder
from model.meshgpt.reference import reference_state_dict
from model.meshgpt.residual_fsq import ResidualFsq
from tests.model.meshgpt_meshes import TETRAHEDRON, all_pairs

LEVELS = (5, 4, 3)
SMALL = AutoencoderConfig(
    quantizer="fsq",
    levels=LEVELS,
    codebook_size=60,
    n_quantizers=2,
    code_width=8,
    encoder_widths=(16, 16),
    decoder_widths=(16, 16),
    coordinate_width=4,
    normal_width=4,
)


def plain_quantizer(n_quantizers: int = 2) -> ResidualFsq:
    """Its input is what is bounded, its output the levels."""
    quantizer = ResidualFsq(SMALL.model_copy(update={"code_width": 3, "n_quantizers": n_quantizers}))
    for projection in (quantizer.project_in, quantizer.project_out):
        torch.nn.init.eye_(projection.weight)
        torch.nn.init.zeros_(projection.bias)
    return quantizer


@torch.no_grad()
def test_all_codes_return() -> None:
    quantizer = plain_quantizer(1)
    codes = torch.arange(60).unsqueeze(-1)
    vectors = quantizer.vectors(codes)
    assert len(vectors.unique(dim=0)) == 60
    for i, n in enumerate(LEVELS):
        torch.testing.assert_close(vectors[:, i].unique(), torch.linspace(-1, 1, n))
    again = quantizer(vectors.clamp(-0.999999, 0.999999).atanh())
    assert torch.equal(again.codes, codes)
    torch.testing.assert_close(again.vectors, vectors)


@torch.no_grad()
def test_the_first_number_is_the_most_significant_digit() -> None:
    digits = torch.tensor([[4, 0, 0], [0, 3, 0], [0, 0, 2], [1, 2, 1]])
    numbers = digits / torch.tensor([4, 3, 2]) * 2 - 1
    codes = plain_quantizer(1)(numbers.clamp(-0.99999, 0.99999).atanh()).codes[:, 0]
    assert codes.tolist() == [4 * 12, 3 * 3, 2, 1 * 12 + 2 * 3 + 1]


@torch.no_grad()
def test_every_layer_reaches_every_code_and_halves_the_step() -> None:
    torch.manual_seed(0)
    numbers = torch.rand(20_000, 3) * 2 - 1
    quantizer = plain_quantizer(3)
    found = quantizer(numbers.atanh())
    for layer in range(3):
        assert len(found.codes[:, layer].unique()) == 60
    torch.testing.assert_close(quantizer.vectors(found.codes), found.vectors)
    for n_layers in (1, 2, 3):
        padded = found.codes.clone()
        padded[:, n_layers:] = -1
        error = (quantizer.vectors(padded) - numbers).abs().amax(0)
        assert (error <= (1 / (torch.tensor(LEVELS) - 1)) ** n_layers + 1e-5).all()


def test_the_gradient_is_that_of_the_bound_alone() -> None:
    x = torch.randn(7, 3, requires_grad=True)
    plain_quantizer()(x).vectors.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, 1 - x.detach().tanh() ** 2)


def test_far_inputs_stay_within_the_codes() -> None:
    far = torch.tensor([[1e6, -1e6, 1e6], [-1e6, 1e6, -1e6], [0.0, 0.0, 0.0]])
    codes = plain_quantizer()(far).codes
    assert codes.min() >= 0
    assert codes.max() < 60
    assert codes[0, 0] == 4 * 12 + 2


def test_the_autoencoder_learns_tokenizes_and_decodes() -> None:
    torch.manual_seed(0)
    model = MeshAutoencoder(SMALL)
    vertices, faces = (part.unsqueeze(0) for part in TETRAHEDRON)
    batch = vertices, faces, all_pairs(faces)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = model.loss(*batch)
        assert not loss.quantization.any()
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
    assert losses[-1] < losses[0] / 2
    assert all(parameter.grad is not None for parameter in model.parameters())
    codes = model.tokenize(*batch)
    assert codes.shape == (1, 4, 6)
    assert codes.min() >= 0
    assert codes.max() < 60
    with torch.no_grad():
        model.eval()
        quantized = model.quantize(model.encode(*batch), faces)
        logits = model.decode(quantized.vectors, torch.ones(1, 4, dtype=torch.bool))
    expected = (logits.argmax(-1) + 0.5) / 128 * 2 - 1
    torch.testing.assert_close(model.coordinates(codes), expected.unflatten(-1, (3, 3)))
    padded = torch.cat([codes, torch.full((1, 1, 6), -1)], dim=1)
    assert model.coordinates(padded)[:, -1].isnan().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebook_size": 64}, r"codebook_size is 64, but levels 5 x 4 x 3 make 60; give the product"),
        ({"levels": ()}, "levels"),
        ({"levels": (30, 2)}, r"levels\.1"),
    ],
)
def test_levels_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoencoderConfig.model_validate({**SMALL.model_dump(), **changes})


def test_the_default_levels_fit_the_default_codebook() -> None:
    assert math.prod(AutoencoderConfig(quantizer="fsq").levels) == 16_384


def test_the_reference_has_no_such_weights() -> None:
    with pytest.raises(ValueError, match="the reference has no fsq"):
        reference_state_dict(MeshAutoencoder(SMALL))
