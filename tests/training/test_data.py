import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
import torch

from tests.training.conftest import ShardedMesh, make_samples, tiny_config, write_data
from training.batches import held_out_batches, training_batches
from training.data import DataError, Failed, Prepared, SampleFailure, ShardDataset
from training.order import Place, SampleOrder
from training.surface import Mesh


def test_the_order_is_a_pure_function_of_seed_and_epoch() -> None:
    first, second = SampleOrder(3, 50), SampleOrder(3, 50)
    late = second.epoch(7)
    np.testing.assert_array_equal(first.epoch(0), second.epoch(0))
    np.testing.assert_array_equal(first.epoch(7), late)
    np.testing.assert_array_equal(np.sort(late), np.arange(50))
    assert (first.epoch(0) != first.epoch(1)).any()
    assert (SampleOrder(4, 50).epoch(0) != first.epoch(0)).any()


def test_a_batch_may_be_larger_than_the_data_set(box_data: Path) -> None:
    dataset = ShardDataset(box_data, "train", tiny_config(batch_size=16))
    assert len(dataset) == 10
    sizes = [len(batch.mesh_ids) for batch in training_batches(dataset, 0, 3)]
    assert sizes == [16] * 3


def test_balanced_epochs_visit_rare_sizes_more_often() -> None:
    faces = np.array([50] * 90 + [550] * 10)
    order = SampleOrder(0, 100, faces, balanced_epochs=2)
    shares = [np.mean([faces[order.epoch(e)] > 500 for e in [epoch]]) for epoch in (0, 1)]
    assert shares[0] < 0.25
    assert shares[1] > 0.3


def test_samples_come_from_the_tars_by_position(box_data: Path) -> None:
    samples = make_samples()
    dataset = ShardDataset(box_data, "test", tiny_config())
    expected = [sample for sample in samples if sample.split == "test"]
    assert len(dataset) == len(expected) == 2
    for i, sample in enumerate(expected):
        read = dataset[Place(0, i)]
        assert isinstance(read, Prepared)
        assert read.mesh_id == sample.mesh_id
        np.testing.assert_array_equal(read.arrays["tokens"], sample.tokens)
        np.testing.assert_array_equal(dataset.mesh(i).vertices, sample.mesh.vertices)


def test_held_out_clouds_are_the_same_on_every_visit_and_training_clouds_are_not(box_data: Path) -> None:
    held_out = ShardDataset(box_data, "val", tiny_config())
    np.testing.assert_array_equal(_points(held_out, 0, 1), _points(held_out, 5, 1))
    trained = ShardDataset(box_data, "train", tiny_config())
    assert (_points(trained, 0, 1) != _points(trained, 1, 1)).any()
    np.testing.assert_array_equal(_points(trained, 1, 1), _points(trained, 1, 1))


def test_too_long_sequences_are_left_out_and_counted(box_data: Path) -> None:
    config = tiny_config(data={"max_tokens": 15, "augment": {"rotate": False, "scale": False}})
    dataset = ShardDataset(box_data, "train", config)
    lengths = [len(s.tokens) for s in make_samples() if s.split == "train"]
    assert dataset.counts.n_indexed == 10
    assert dataset.counts.n_too_long == sum(length > 15 for length in lengths) > 0
    assert len(dataset) == dataset.counts.n_used == sum(length <= 15 for length in lengths)


def test_an_empty_split_says_which_have_samples(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", make_samples(3, 0, 0))
    with pytest.raises(DataError, match=r"split test .* has 0 samples.*\{'train': 3\}"):
        ShardDataset(data, "test", tiny_config())


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `meshloom curate` first"):
        ShardDataset(tmp_path, "train", tiny_config())


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_do_not_depend_on_the_workers(box_data: Path, workers: int) -> None:
    settings = {"augment": {"rotate": False, "scale": False}}
    alone = ShardDataset(box_data, "train", tiny_config(data=settings))
    helped = ShardDataset(box_data, "train", tiny_config(data={**settings, "num_workers": workers}))
    batches = list(training_batches(helped, 4, 3))
    for expected, batch in zip(training_batches(alone, 4, 3), batches, strict=True):
        assert torch.equal(expected.tensors["tokens"], batch.tensors["tokens"])
        assert torch.equal(expected.tensors["points"], batch.tensors["points"])
    assert batches[0].tensors["tokens"].dtype == torch.int64
    assert batches[0].tensors["points"].shape == (4, 64, 6)


def test_ranks_share_the_held_out_samples(box_data: Path) -> None:
    dataset = ShardDataset(box_data, "val", tiny_config())
    counts = [
        sum(len(b.tensors["tokens"]) for b in held_out_batches(dataset, 64, rank, 2)) for rank in range(2)
    ]
    assert counts == [1, 1]


def test_an_unreadable_sample_fails_by_name_and_the_others_go_on(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", make_samples(4, 0, 0))
    index = data / "shards" / "index.parquet"
    broken = pl.read_parquet(index).with_columns(
        tokens_offset=pl.when(pl.col("mesh_id") == "box/002")
        .then(pl.col("tokens_offset") + 7)
        .otherwise("tokens_offset")
    )
    broken.write_parquet(index)
    (batch,) = training_batches(ShardDataset(data, "train", tiny_config()), 0, 1)
    assert len(batch.tensors["tokens"]) == 3
    assert [(f.mesh_id, f.failure) for f in batch.failed] == [("box/002", SampleFailure.UNREADABLE)]


def test_a_batch_of_failures_is_empty(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", make_samples(4, 0, 0))
    os.truncate(data / "shards" / "shard-000000.tar", 0)
    (batch,) = training_batches(ShardDataset(data, "train", tiny_config()), 0, 1)
    assert batch.is_empty
    assert len(batch.failed) == 4


def test_augmented_meshes_are_encoded_anew(box_data: Path) -> None:
    dataset = ShardDataset(box_data, "train", tiny_config(data={"augment": {}}))
    first, second = dataset[Place(0, 0)], dataset[Place(1, 0)]
    assert isinstance(first, Prepared)
    assert isinstance(second, Prepared)
    assert first.arrays["tokens"].tolist() != second.arrays["tokens"].tolist()
    assert np.abs(first.arrays["points"][:, :3]).max() < 0.95 + 0.05
    tokenizer = tokenizer_rs.Silksong(resolution=128, vertex_mode="block_offset")
    vertices, faces = tokenizer.decode(first.arrays["tokens"])
    assert len(faces) == 12
    assert 2 * 0.74 < np.ptp(vertices, axis=0).max() < 2 * 0.96


def test_a_mesh_that_does_not_tokenise_is_counted_not_replaced(tmp_path: Path) -> None:
    samples = make_samples(2, 0, 0)
    empty = Mesh(samples[0].mesh.vertices, np.zeros_like(samples[0].mesh.faces[:1]))
    broken = ShardedMesh("empty", "train", empty, samples[0].tokens)
    dataset = ShardDataset(write_data(tmp_path / "data", [broken]), "train", tiny_config(data={}))
    failed = dataset[Place(0, 0)]
    assert isinstance(failed, Failed)
    assert failed.failure is SampleFailure.TOKENIZER


def _points(dataset: ShardDataset, epoch: int, index: int) -> np.ndarray:
    sample = dataset[Place(epoch, index)]
    assert not isinstance(sample, Failed)
    return sample.arrays["points"]
