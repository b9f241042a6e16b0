"""All rows under a document mask against one row after the other."""

import pytest
import torch
from torch import Tensor
from torch.nn.attention import flex_attention as torch_flex_attention
from torch.nn.functional import normalize

from model.layers.document_mask import MaskedPacking
from model.layers.packing import Packing
from model.silksong import SilksongConfig, SilksongModel

HEADS, WIDTH, CONTEXT, SCALE = 2, 64, 13, 10.0
some_rows = pytest.mark.parametrize("lengths", [[5, 150, 1, 40], [128, 128], [1]], ids=str)
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


def is_read(lengths: list[int], device: str = "cpu") -> Tensor:
    ends = torch.tensor(lengths, device=device).unsqueeze(1)
    return torch.arange(max(lengths), device=device) < ends


def inputs(lengths: list[int], device: str = "cpu") -> list[Tensor]:
    """Queries, keys and values of all positions; keys and values of contexts."""
    torch.manual_seed(0)
    shapes = [(1, HEADS, sum(lengths), WIDTH)] * 3 + [(len(lengths), HEADS, CONTEXT, WIDTH)] * 2
    return [normalize(torch.randn(shape, device=device), dim=-1) for shape in shapes]


def attended(packing: Packing, given: list[Tensor]) -> tuple[Tensor, Tensor]:
    queries, keys, values, context_keys, context_values = given
    return (
        packing.attend_causally(queries, keys, values, SCALE),
        packing.attend_to_contexts(queries, context_keys, context_values, SCALE),
    )


def gradients(packing: Packing, given: list[Tensor]) -> tuple[Tensor, ...]:
    leaves = [x.clone().requires_grad_() for x in given]
    torch.manual_seed(1)
    loss = sum(((y * torch.randn_like(y)).sum() for y in attended(packing, leaves)), torch.zeros(()))
    return torch.autograd.grad(loss, leaves)


@some_rows
def test_all_rows_at_once_give_what_one_after_the_other_gives(lengths: list[int]) -> None:
    given = inputs(lengths)
    rows, masked = (attended(kind.of(is_read(lengths)), given) for kind in (Packing, MaskedPacking))
    for actual, wanted in zip(masked, rows, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-5)


@some_rows
def test_the_gradients_too(lengths: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    # Torch has them on a CPU, but refuses to give them, for those who train there.
    monkeypatch.setattr(torch_flex_attention, "_validate_device", lambda *tensors: None)
    given = inputs(lengths)
    rows, masked = (gradients(kind.of(is_read(lengths)), given) for kind in (Packing, MaskedPacking))
    for actual, wanted in zip(masked, rows, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-5)


def test_blocks_that_no_row_reaches_are_skipped() -> None:
    packing = MaskedPacking.of(is_read([256, 256]))
    causal, contexts = packing.mask(None), packing.mask(256)
    for mask, blocks in ((causal, [1, 2, 1, 2]), (contexts, [2, 2, 2, 2])):
        computed = mask.kv_num_blocks + (0 if mask.full_kv_num_blocks is None else mask.full_kv_num_blocks)
        assert computed.flatten().tolist() == blocks
    assert packing.mask(None) is causal
    assert packing.mask(256) is contexts


@torch.no_grad()
def test_the_decoder_reads_the_same_under_a_mask() -> None:
    torch.manual_seed(0)
    model = SilksongModel(SilksongConfig.tiny()).eval()
    tokens = torch.randint(0, 200, (3, 40))
    lengths = [41, 3, 20]
    condition = torch.randn(3, 17, 32)
    rows, masked = (
        model.hidden(tokens, condition, kind.of(is_read(lengths))) for kind in (Packing, MaskedPacking)
    )
    torch.testing.assert_close(masked, rows, rtol=0, atol=1e-5)


def test_where_there_is_no_cuda_the_setting_changes_nothing() -> None:
    losses = []
    for kind in ("rows", "document_mask"):
        torch.manual_seed(0)
        config = SilksongConfig.tiny().model_copy(update={"packed_attention": kind})
        model = SilksongModel(config)
        loss = model.loss(torch.randint(0, 200, (2, 30)), torch.randn(2, 17, 32))
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@some_rows
def test_compiled_on_cuda(lengths: list[int]) -> None:
    given = inputs(lengths, "cuda")
    mask = is_read(lengths, "cuda")
    both = [
        (*attended(kind.of(mask), given), *gradients(kind.of(mask), given))
        for kind in (Packing, MaskedPacking)
    ]
    for wanted, actual in zip(*both, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-3)
