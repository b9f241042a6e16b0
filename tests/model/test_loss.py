"""Labels, chunks, recomputation, mixed precision."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.silksong import SilksongConfig, SilksongModel
from model.silksong.loss import chunked_cross_entropy, labels_of


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(10267, (3, 20), generator=generator)
    tokens[0, 12:] = -1
    tokens[1, 1:] = -1
    return tokens, torch.randn(3, 64, 6, generator=generator)


def tiny_model() -> SilksongModel:
    torch.manual_seed(0)
    return SilksongModel(SilksongConfig.tiny())


def gradients(model: SilksongModel, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


def test_labels_put_the_end_behind_the_tokens() -> None:
    tokens = torch.tensor([[5, 6, 7], [5, -1, -1], [-1, -1, -1]])
    assert labels_of(tokens, 9).tolist() == [[5, 6, 7, 9], [5, 9, -1, -1], [9, -1, -1, -1]]
    with pytest.raises(ValueError, match="pad on the right only"):
        labels_of(torch.tensor([[-1, 5]]), 9)


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_chunks_change_nothing(chunk: int) -> None:
    torch.manual_seed(0)
    hidden, head = torch.randn(2, 11, 8, requires_grad=True), nn.Linear(8, 30)
    labels = torch.randint(-1, 30, (2, 11))
    total, count = chunked_cross_entropy(hidden, head, labels, chunk)
    expected = functional.cross_entropy(head(hidden).transpose(1, 2), labels, ignore_index=-1)
    torch.testing.assert_close(total / count, expected)
    inputs = [hidden, head.weight, head.bias]
    for actual, wanted in zip(
        torch.autograd.grad(total / count, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(actual, wanted)


def test_padding_has_no_influence(batch: tuple[Tensor, Tensor]) -> None:
    model, (tokens, points) = tiny_model(), batch
    with torch.no_grad():
        condition = model.condition(points)
        total, count = model.token_loss_sum(tokens, condition)
        alone = [
            model.token_loss_sum(row[row >= 0].unsqueeze(0), condition[i : i + 1])
            for i, row in enumerate(tokens)
        ]
    torch.testing.assert_close(total, sum(part for part, _ in alone))
    assert count == sum(part for _, part in alone) == 12 + 1 + 1 + 1 + 20 + 1


def test_packed_rows_learn_what_padded_ones_do(batch: tuple[Tensor, Tensor]) -> None:
    model, (tokens, points) = tiny_model(), batch
    shapes: list[torch.Size] = []
    model.final_norm.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    packed = gradients(model, model.loss(tokens, model.condition(points)))
    labels = labels_of(tokens, model.config.eos_id)
    logits = model(labels[:, :-1], model.condition(points))
    loss = functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-1)
    for actual, wanted in zip(packed, gradients(model, loss), strict=True):
        torch.testing.assert_close(actual, wanted)
    assert [tuple(shape[:2]) for shape in shapes] == [(1, 13 + 2 + 21), (3, 21)]


def test_recomputation_changes_nothing(batch: tuple[Tensor, Tensor]) -> None:
    model, (tokens, points) = tiny_model(), batch
    plain = gradients(model, model.loss(tokens, model.condition(points)))
    model.recompute_activations = True
    for actual, wanted in zip(
        gradients(model, model.loss(tokens, model.condition(points))), plain, strict=True
    ):
        torch.testing.assert_close(actual, wanted)


def test_bfloat16_autocast(batch: tuple[Tensor, Tensor]) -> None:
    model, (tokens, points) = tiny_model(), batch
    exact = model.loss(tokens, model.condition(points))
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(tokens, model.condition(points))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), abs=0.05)
    assert all(gradient.isfinite().all() for gradient in gradients(model, loss))


def test_too_long_and_not_a_number(batch: tuple[Tensor, Tensor]) -> None:
    model, (_, points) = tiny_model(), batch
    condition = model.condition(points)
    with pytest.raises(ValueError, match="257 tokens exceed max_tokens 256"):
        model(torch.zeros(3, 257, dtype=torch.int64), condition)
    with pytest.raises(FloatingPointError, match="NaN"):
        model.condition(points * torch.nan)
