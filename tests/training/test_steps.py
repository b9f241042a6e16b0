"""What a step takes of a run's order, and how ranks share it; then runs of fixed token budgets."""

import shutil
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.systems import load_system
from tests.training.conftest import STEPS, TINY, assert_same_weights, make_samples, tiny_config
from training.batches import held_out_batches, step_rule, training_batches
from training.checkpoints import checkpoints_of, read_position
from training.config import ExperimentConfig, differences, parse_config
from training.data import ShardDataset
from training.launch import launch_training
from training.order import Place, SampleOrder
from training.reporting import read_metrics
from training.steps import FixedSize, SharesOfRank, StepRule, TokenBudget

BUDGET = 60
N_STEPS = 6
LENGTHS = [len(sample.tokens) + 1 for sample in make_samples() if sample.split == "train"]
some_lengths = st.lists(st.integers(1, 100), min_size=3, max_size=30)
some_budget = st.integers(1, 150)
some_ranks = st.integers(1, 5)
quickly = settings(max_examples=50, deadline=None)


def shares(
    rule: StepRule, n_samples: int, ranks: int, offset: int = 0, count: int = N_STEPS
) -> list[list[list[Place]]]:
    """Of each step, what each rank does."""
    order = SampleOrder(0, n_samples)
    of_ranks = [SharesOfRank(order.visits, rule, offset, count, rank) for rank in range(ranks)]
    return [list(step) for step in zip(*of_ranks, strict=True)]


def budgeted(
    lengths: list[int], budget: int, ranks: int, offset: int = 0, count: int = N_STEPS
) -> list[list[list[Place]]]:
    rule = TokenBudget(budget, np.array(lengths, dtype=np.int64), ranks)
    return shares(rule, len(lengths), ranks, offset, count)


@pytest.mark.parametrize("offset", [0, 4, 36, 48])
def test_two_ranks_see_what_one_with_twice_the_batch_sees(offset: int) -> None:
    one, two = shares(FixedSize(8, 1), 10, 1, offset), shares(FixedSize(4, 2), 10, 2, offset)
    for (whole,), (first, second) in zip(one, two, strict=True):
        assert whole[0::2] == first
        assert whole[1::2] == second


def test_every_sample_is_seen_once_per_epoch_also_when_steps_straddle() -> None:
    places = [place for (step,) in shares(FixedSize(4, 1), 10, 1, count=10) for place in step]
    assert len(places) == len(set(places)) == 40
    assert {place.epoch for place in places} == {0, 1, 2, 3}


@quickly
@given(some_lengths, some_budget, st.integers(0, 100))
def test_steps_follow_the_order_and_leave_nothing_out(lengths: list[int], budget: int, offset: int) -> None:
    seen = [place for (step,) in budgeted(lengths, budget, 1, offset) for place in step]
    assert seen == list(islice(SampleOrder(0, len(lengths)).visits(offset), len(seen)))
    assert len(set(seen)) == len(seen)
    of_epochs = Counter(place.epoch for place in seen)
    for epoch in range(seen[0].epoch + 1, seen[-1].epoch):
        assert of_epochs[epoch] == len(lengths)


@quickly
@given(some_lengths, some_budget)
@example([50, 50, 50], 100)
@example([101], 100)
def test_a_step_is_as_long_as_the_budget_allows(lengths: list[int], budget: int) -> None:
    steps = [step for (step,) in budgeted(lengths, budget, 1)]
    for step, following in pairwise(steps):
        n_tokens = sum(lengths[place.sample] for place in step)
        assert n_tokens <= budget or len(step) == 1
        assert n_tokens + lengths[following[0].sample] > budget


@quickly
@given(some_lengths, some_budget, some_ranks)
def test_what_a_step_sees_does_not_depend_on_the_ranks(lengths: list[int], budget: int, ranks: int) -> None:
    alone = [step for (step,) in budgeted(lengths, budget, 1)]
    for whole, parts in zip(alone, budgeted(lengths, budget, ranks), strict=True):
        assert Counter(whole) == Counter(place for part in parts for place in part)
        assert all(part == sorted(part, key=whole.index) for part in parts)


@quickly
@given(some_lengths, some_budget, some_ranks)
@example([9, 1, 1, 1, 1, 1, 1, 1, 1, 1], 300, 2)
def test_ranks_are_balanced_to_the_shortest_sample(lengths: list[int], budget: int, ranks: int) -> None:
    for parts in budgeted(lengths, budget, ranks):
        tokens = [[lengths[place.sample] for place in part] for part in parts]
        least = min(sum(part) for part in tokens)
        assert all(sum(part) - min(part) <= least for part in tokens if part)


@quickly
@given(some_lengths, some_budget, st.integers(0, N_STEPS - 1))
def test_a_step_follows_from_where_it_begins_alone(lengths: list[int], budget: int, done: int) -> None:
    steps = budgeted(lengths, budget, 1)
    offset = sum(len(step) for (step,) in steps[:done])
    assert budgeted(lengths, budget, 1, offset)[: N_STEPS - done] == steps[done:]


def test_lengths_are_tokens_with_their_end_or_labels_of_faces(box_data: Path) -> None:
    assert ShardDataset(box_data, "train", tiny_config()).lengths.tolist() == LENGTHS
    assert _lengths_of_meshgpt(box_data, "autoencoder") == {12 * 9}
    codes = load_system("meshgpt").config().transformer.tokens_per_face
    earlier = {"earlier": {"autoencoder": "anywhere"}}
    assert _lengths_of_meshgpt(box_data, "transformer", **earlier) == {12 * codes}


def test_batches_hold_the_budget_and_held_out_ones_too(box_data: Path) -> None:
    config = tiny_config(tokens_per_step=BUDGET)
    dataset = ShardDataset(box_data, "train", config)
    offset = 0
    for batch in training_batches(dataset, 0, 8):
        step = step_rule(dataset, 1).take(SampleOrder(config.seed, len(dataset)).visits(offset))
        assert batch.mesh_ids == [dataset.mesh_id(place.sample) for place in step]
        assert int((batch.tensors["tokens"] >= 0).sum()) + len(step) <= BUDGET
        offset += len(step)
    held_out = [list(held_out_batches(dataset, 7, rank, 2)) for rank in range(2)]
    assert len(held_out[0]) == len(held_out[1]) > 1
    names = [name for batches in held_out for batch in batches for name in batch.mesh_ids]
    assert sorted(names) == sorted(dataset.mesh_id(i) for i in range(7))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, box_data: Path) -> Path:
    """Twelve steps of a budget by one rank, without an interruption."""
    run = tmp_path_factory.mktemp("budget") / "run"
    assert launch_training(_budget_config(keep_checkpoints=9), box_data, run) == 0
    return run


def test_a_run_counts_samples_and_tokens_as_it_takes_them(alone: Path) -> None:
    metrics = read_metrics(alone)
    steps = [step for (step,) in budgeted(LENGTHS, BUDGET, 1, count=12)]
    assert len({len(step) for step in steps}) > 1
    assert metrics["samples"].to_list() == np.cumsum([len(step) for step in steps]).tolist()
    n_tokens = [sum(LENGTHS[place.sample] for place in step) for step in steps]
    assert metrics["tokens"].to_list() == np.cumsum(n_tokens).tolist()
    assert metrics["epoch"].to_list() == [n / 10 for n in metrics["samples"]]


def test_a_run_goes_on_in_the_middle_with_the_same_bits(alone: Path, box_data: Path, tmp_path: Path) -> None:
    run = _as_it_was_in_the_middle(alone, tmp_path)
    workers = {"num_workers": 1, **TINY["data"]}  # type: ignore[dict-item]
    assert launch_training(_budget_config(data=workers), box_data, run, resume=True) == 0
    assert_same_weights(run, alone)


def test_three_ranks_go_on_as_one_would(alone: Path, box_data: Path, tmp_path: Path) -> None:
    run = _as_it_was_in_the_middle(alone, tmp_path)
    later = budgeted(LENGTHS, BUDGET, 3, count=12)[4:]
    assert any(not part for parts in later for part in parts), "a rank without a sample takes part too"
    assert launch_training(_budget_config(processes=3), box_data, run, resume=True) == 0
    mine, theirs = read_metrics(run), read_metrics(alone)
    for column in ("loss", "validation_loss", "grad_norm"):
        assert (mine[column] - theirs[column]).drop_nulls().abs().max() < 1e-4, column
    for column in ("samples", "tokens"):
        assert mine[column].equals(theirs[column])
    assert_same_weights(run, alone, tolerance=1e-4)


def test_another_budget_is_another_run() -> None:
    assert differences(tiny_config(), _budget_config(schedule=TINY["schedule"])) == [
        f"tokens_per_step: None -> {BUDGET}"
    ]


def _budget_config(**changes: object) -> ExperimentConfig:
    return tiny_config(**{"schedule": STEPS, "checkpoint_every": 4, "tokens_per_step": BUDGET, **changes})


def _as_it_was_in_the_middle(whole: Path, folder: Path) -> Path:
    run = folder / "run"
    shutil.copytree(whole, run)
    first, *later = checkpoints_of(run)
    assert read_position(first).samples % 10 > 0  # of the ten meshes of an epoch
    for path in later:
        shutil.rmtree(path)
    return run


def _lengths_of_meshgpt(data: Path, stage: str, **changes: object) -> set[int]:
    config = parse_config({"system": "meshgpt", "stage": stage, **changes})
    return set(ShardDataset(data, "train", config).lengths.tolist())
