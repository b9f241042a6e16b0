"""Memory of the context is counted where autograd and the slots take it, and is the same for each token."""

import pytest
import torch
from context_memory import (
    KINDS,
    SMALL,
    cache_bytes,
    cache_bytes_per_token,
    saved_bytes,
    straight_line,
    training_bytes,
)
from torch._subclasses import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel

from model.silksong import SilksongModel

LENGTHS = (64, 128, 320)
FLOAT32 = 4


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SilksongModel(SMALL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_training_memory_is_linear_in_the_context(model, kind, dtype):
    sizes = [KINDS[kind](model, n, dtype) for n in LENGTHS]
    per_token, _ = straight_line(LENGTHS, sizes)
    assert per_token >= SMALL.width * FLOAT32, "not even the input of a block is counted"
    with FakeTensorMode():
        fake = SilksongModel(SMALL)
        assert [KINDS[kind](fake, n, dtype) for n in LENGTHS] == sizes


def test_scores_of_all_pairs_of_tokens_would_be_seen(model):
    with sdpa_kernel(SDPBackend.MATH):
        sizes = [training_bytes(model, n, False, torch.float32) for n in LENGTHS]
    with pytest.raises(ValueError, match="not linear"):
        straight_line(LENGTHS, sizes)


def test_recomputation_keeps_the_input_of_each_block(model):
    sizes = [training_bytes(model, n, True, torch.float32) for n in LENGTHS]
    per_token, _ = straight_line(LENGTHS, sizes)
    of_inputs = SMALL.depth * SMALL.width * FLOAT32
    assert of_inputs <= per_token < of_inputs + 2 * SMALL.width * FLOAT32  # the final norm is not run again


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cache_has_the_size_of_its_formula(dtype):
    model = SilksongModel(SMALL).to(dtype)
    for n_slots, n_tokens in ((1, 1), (3, 100), (2, 1000)):
        wanted = n_slots * n_tokens * cache_bytes_per_token(SMALL, dtype)
        assert cache_bytes(model, n_slots, n_tokens) == wanted


def test_memory_saved_twice_is_counted_once():
    x, weight = torch.zeros(10, requires_grad=True), torch.zeros(10, requires_grad=True)

    def work():
        y = x.exp()  # which is saved, and again by the product
        return y * y[:] * weight

    assert saved_bytes(work) == 3 * 10 * FLOAT32
    assert saved_bytes(work, [weight]) == 2 * 10 * FLOAT32
