"""The transformer computes no padding, and the rows of a batch know nothing of each other."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.layers.packing import Packing
from model.meshgpt.config import TransformerConfig
from model.meshgpt.gate_loop import GateLoop, gated_sums
from model.meshgpt.text import Text
from model.meshgpt.transformer import PADDING, MeshTransformer

LENGTHS = (24, 6, 0, 13, 48)
SIZES: dict[str, Any] = {
    "codebook_size": 16,
    "width": 16,
    "depth": 2,
    "fine_depth": 2,
    "heads": 2,
    "head_width": 8,
    "max_tokens": 48,
}
WITH_TEXT = {"text_width": 8, "fine_sees_text": True, "has_film": True, "n_start_vectors": 4}


def transformer(**options: Any) -> MeshTransformer:
    torch.manual_seed(0)
    model = MeshTransformer(TransformerConfig.model_validate({**SIZES, **options})).double()
    with torch.no_grad():
        for parameter in model.parameters():  # those that start at zero would hide what they do
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def token_rows() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randint(0, SIZES["codebook_size"], (length,)) for length in LENGTHS]


def texts() -> Text:
    torch.manual_seed(2)
    n_words = torch.tensor([3, 5, 1, 0, 4])  # one is left out
    is_token = torch.arange(5) < n_words.unsqueeze(1)
    return Text(torch.randn(len(LENGTHS), 5, 8, dtype=torch.float64), is_token)


@pytest.mark.parametrize("options", [{}, {"n_start_vectors": 3}, WITH_TEXT], ids=["plain", "starts", "text"])
def test_a_batch_has_the_loss_and_the_gradients_of_its_rows_alone(options: dict[str, Any]) -> None:
    model, rows = transformer(**options), token_rows()
    text = texts() if "text_width" in options else None
    total, count = model.token_loss_sum(pad_sequence(rows, batch_first=True, padding_value=PADDING), text)
    total.backward()
    together = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient is not None for gradient in together.values())
    model.zero_grad(set_to_none=True)
    summed, counted = 0.0, 0
    for i, row in enumerate(rows):
        of_row = None if text is None else Text(text.features[i : i + 1], text.is_token[i : i + 1])
        loss, n_labels = model.token_loss_sum(row.unsqueeze(0), of_row)
        loss.backward()
        summed, counted = summed + float(loss.detach()), counted + int(n_labels)
    assert int(count) == counted == sum(LENGTHS) + len(LENGTHS)
    assert float(total.detach()) == pytest.approx(summed, rel=1e-6)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(together[name], parameter.grad, atol=2e-5, rtol=0, msg=name)


@torch.no_grad()
def test_a_packed_row_has_the_hidden_states_of_the_padded_form() -> None:
    model, rows = transformer(), token_rows()
    tokens = pad_sequence(rows, batch_first=True, padding_value=PADDING)
    packed = model.head(model.hidden(tokens, LENGTHS))[0].split([length + 1 for length in LENGTHS])
    padded = model(tokens)
    assert padded.shape == (len(LENGTHS), max(LENGTHS) + 1, SIZES["codebook_size"] + 1)
    for logits, row, length in zip(packed, padded, LENGTHS, strict=True):
        torch.testing.assert_close(logits, row[: length + 1])


def test_nothing_of_a_row_reaches_another() -> None:
    model, rows = transformer(), token_rows()
    changed = [*rows[:-1], (rows[-1] + 1) % SIZES["codebook_size"]]
    changed[0] = (rows[0] + 3) % SIZES["codebook_size"]
    before, after = (
        model.hidden(pad_sequence(batch, batch_first=True, padding_value=PADDING), LENGTHS)[0].split(
            [length + 1 for length in LENGTHS]
        )
        for batch in (rows, changed)
    )
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [False, True, True, True, False]


def test_padding_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = transformer(), {}
    for name in ("coarse", "fine", "head"):
        stage = getattr(model, name)
        stage.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0].shape[:2]}))
    model.token_loss_sum(pad_sequence(token_rows(), batch_first=True, padding_value=PADDING))
    n_rows = sum(length // 6 + 1 for length in LENGTHS)
    assert seen == {"coarse": (1, n_rows), "fine": (n_rows, 6), "head": (1, sum(LENGTHS) + len(LENGTHS))}


@torch.no_grad()
def test_a_packed_gate_loop_is_each_row_alone() -> None:
    torch.manual_seed(0)
    layer = GateLoop(8).double()
    rows = [torch.randn(length, 8, dtype=torch.float64) for length in (5, 1, 9)]
    packing = Packing.of_lengths([5, 1, 9], torch.device("cpu"))
    found = layer(torch.cat(rows).unsqueeze(0), packing)[0].split(packing.lengths)
    for row, alone in zip(found, rows, strict=True):
        torch.testing.assert_close(row, layer(alone.unsqueeze(0))[0])


def test_sums_end_at_the_longest_row() -> None:
    gates, inputs = torch.ones(1, 8, 1), torch.ones(1, 8, 1)
    assert gated_sums(gates, inputs).flatten().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert gated_sums(gates, inputs, longest=4).flatten().tolist() == [1, 2, 3, 4, 4, 4, 4, 4]


def test_a_packing_says_where_everything_is() -> None:
    packing = Packing.of_lengths([2, 0, 3], torch.device("cpu"))
    assert packing.is_read.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert packing.places.tolist() == [0, 1, 0, 1, 2]
    assert packing.spread(torch.tensor([7, 8, 9])).tolist() == [[7, 7, 9, 9, 9]]
    assert Packing.of(packing.is_read).lengths == packing.lengths
