"""Conditioning on the numbers of faces and components; where nothing is said it changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.silksong import SilksongConfig, SilksongModel, load_reference, save_reference
from model.silksong.counts import COMPONENT_BINS, FACE_BINS, bins
from model.silksong.system import DecoderStage
from model.systems import Counts, Sample

PLAIN = SilksongConfig.tiny()
COUNTING = PLAIN.model_copy(update={"count_condition": True})
STAGE = DecoderStage()


def model_of(config: SilksongConfig) -> SilksongModel:
    torch.manual_seed(3)
    return SilksongModel(config)


def batch_of(*counts: tuple[int, int]) -> dict[str, Tensor]:
    """The same cloud again and again, with tokens that differ."""
    random = torch.Generator().manual_seed(5)
    points_1P6 = torch.randn(1, 256, 6, generator=random)
    n_rows = len(counts)
    tokens_BN = torch.randint(0, PLAIN.vocab_size, (n_rows, 12), generator=random)
    return {
        "tokens": tokens_BN,
        "points": points_1P6.repeat(n_rows, 1, 1),
        "counts": torch.tensor(counts),
    }


def train(model: SilksongModel) -> None:
    """A few steps; both counts tell which tokens come."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    for _ in range(5):
        optimizer.zero_grad()
        total, n_labels = STAGE.loss_sum(model, batch_of((800, 2), (800, 1), (40, 1)), {})
        (total / n_labels).backward()
        optimizer.step()


@pytest.fixture(scope="module")
def trained() -> SilksongModel:
    model = model_of(COUNTING.model_copy(update={"count_drop": 0.4}))
    train(model)
    return model.eval()


def logits_of(model: SilksongModel, counts: tuple[int, int] | None) -> Tensor:
    batch = batch_of((0, 0))
    with torch.no_grad():
        said = None if counts is None else torch.tensor([counts])
        return model(batch["tokens"], model.condition(batch["points"], said))


def test_without_it_a_model_has_the_same_weights_and_names() -> None:
    plain, counting = model_of(PLAIN).state_dict(), model_of(COUNTING).state_dict()
    assert counting.keys() - plain.keys() == {"counts.faces.weight", "counts.components.weight"}
    assert all(torch.equal(tensor, counting[name]) for name, tensor in plain.items())


def test_a_new_model_is_the_one_without_whatever_is_said() -> None:
    expected = logits_of(model_of(PLAIN), None)
    for counts in [None, (0, 0), (800, 0), (0, 2), (800, 2)]:
        assert torch.equal(logits_of(model_of(COUNTING), counts), expected)


def test_after_training_what_is_said_matters_and_nothing_said_says_nothing(trained: SilksongModel) -> None:
    silent = logits_of(trained, None)
    assert torch.equal(logits_of(trained, (0, 0)), silent)
    assert torch.equal(logits_of(trained, (-1, -1)), silent)
    said = [logits_of(trained, counts) for counts in [(800, 0), (0, 2), (800, 2), (40, 1)]]
    for i, mine in enumerate(said):
        assert not torch.allclose(mine, silent, atol=1e-4)
        assert not any(torch.allclose(mine, other, atol=1e-4) for other in said[:i])
    # A bin that no mesh of the training was in.
    assert torch.equal(logits_of(trained, (5000, 0)), silent)


def test_bins_grow_by_a_quarter_of_a_power_of_two() -> None:
    counts = torch.arange(1, 70_000)
    of_faces = bins(counts, FACE_BINS)
    assert of_faces[0] == 1
    assert of_faces[-1] == len(FACE_BINS)
    firsts = counts[torch.cat([torch.tensor([True]), of_faces.diff() > 0])]
    assert firsts.tolist() == list(FACE_BINS)
    assert {2**power for power in range(17)} <= set(FACE_BINS)
    ratios = firsts[1:] / firsts[:-1]
    assert ((ratios - 2**0.25).abs() < 2 / firsts[:-1]).all()
    few = torch.tensor([-1, 0, 1, 2, 3, 4, 5, 8, 9, 512, 513, 10_000])
    assert bins(few, COMPONENT_BINS).tolist() == [0, 0, 1, 2, 3, 3, 4, 4, 5, 10, 11, 11]


def test_in_training_each_count_is_left_out_by_the_random_numbers_of_the_step(trained: SilksongModel) -> None:
    dropping = model_of(COUNTING.model_copy(update={"count_drop": 0.5}))
    dropping.load_state_dict(trained.state_dict())
    batch, both = batch_of((800, 2)), [(0, 0), (800, 0), (0, 2), (800, 2)]
    with torch.no_grad():
        known = {said: float(STAGE.loss_sum(trained, batch_of(said), {})[0]) for said in both}
        assert len(set(known.values())) == 4
        dropping.eval()
        assert float(STAGE.loss_sum(dropping, batch, {})[0]) == known[800, 2]
        dropping.train()

        def losses() -> list[float]:
            torch.manual_seed(0)
            return [float(STAGE.loss_sum(dropping, batch, {})[0]) for _ in range(40)]

        found = losses()
        assert set(found) == set(known.values())
        assert losses() == found


def test_a_sample_brings_its_counts_only_where_they_are_read() -> None:
    nothing = np.zeros((0, 3))
    tokens, points = np.zeros(4, dtype=np.int32), np.zeros((256, 6), dtype=np.float32)
    sample = Sample("a", nothing, nothing.astype(int), tokens, points, Counts(12, 3))
    assert STAGE.prepare(sample, COUNTING)["counts"].tolist() == [12, 3]
    assert set(STAGE.prepare(sample, PLAIN)) == {"tokens", "points"}
    assert (STAGE.needs(COUNTING).counts, STAGE.needs(PLAIN).counts) == (True, False)


def test_counts_are_refused_by_a_model_that_reads_none() -> None:
    with pytest.raises(ValueError, match="reads no counts"):
        logits_of(model_of(PLAIN), (800, 2))


def test_settings_of_before_are_written_as_before() -> None:
    assert not {"count_condition", "count_drop"} & PLAIN.model_dump().keys()
    changed = COUNTING.model_copy(update={"count_drop": 0.1})
    assert SilksongConfig.model_validate(changed.model_dump(mode="json")) == changed


def test_reference_checkpoints_have_no_counts_and_are_read_all_the_same(
    trained: SilksongModel, tmp_path: Path
) -> None:
    first, again = tmp_path / "first.safetensors", tmp_path / "again.safetensors"
    save_reference(model_of(PLAIN), first)
    model = load_reference(first, COUNTING)
    assert torch.equal(logits_of(model, (800, 2)), logits_of(model_of(PLAIN), None))
    train(model)
    assert not torch.equal(logits_of(model, (800, 2)), logits_of(model, None))
    save_reference(trained, again)
    assert load_file(again).keys() == load_file(first).keys()
    assert torch.equal(logits_of(load_reference(again, PLAIN), None), logits_of(trained, None))
