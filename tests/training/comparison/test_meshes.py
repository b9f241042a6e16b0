"""Which meshes are common to data sets, and data sets of only some meshes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.storage import DataFolder
from tests.training.conftest import make_samples, tiny_config, write_data
from training.comparison.meshes import common_meshes, restrict
from training.data import DataError, ShardDataset, read_index
from training.launch import data_version


def test_a_mesh_that_one_data_set_lacks_splits_otherwise_or_writes_too_long_is_left_out(
    tmp_path: Path,
) -> None:
    samples = make_samples()
    others = [replace(samples[1], split="val"), *samples[2:]]
    others[1] = replace(others[1], tokens=np.zeros(26, dtype=np.uint16))
    first, second = write_data(tmp_path / "first", samples), write_data(tmp_path / "second", others)
    common = common_meshes({"first": first, "second": second}, 25)
    assert sorted(common["mesh_id"]) == [f"box/{i:03d}" for i in range(3, 14)]
    lengths = {sample.mesh_id: len(sample.tokens) for sample in samples}
    assert common["n_tokens_second"].to_list() == [lengths[mesh_id] for mesh_id in common["mesh_id"]]
    assert common["mesh_id"].to_list() == common_meshes({"b": second, "a": first}, 25)["mesh_id"].to_list()
    with pytest.raises(DataError, match=r"split train has no mesh.*within 3 tokens"):
        common_meshes({"first": first, "second": second}, 3)


def test_a_restricted_data_set_reads_the_same_samples_in_the_order_given(tmp_path: Path) -> None:
    samples = make_samples()
    data = write_data(tmp_path / "data", samples)
    manifest = json.loads((data / "manifest.json").read_text())
    (data / "manifest.json").write_text(json.dumps({**manifest, "version": "v"}))
    ids = pl.Series("mesh_id", ["box/007", "box/002", "box/011"])
    out = restrict(data, ids, tmp_path / "deep" / "out")
    assert read_index(DataFolder(out))["mesh_id"].to_list() == ids.to_list()
    train = ShardDataset(out, "train", tiny_config())
    assert len(train) == 2
    for i, sample in enumerate((samples[7], samples[2])):
        np.testing.assert_array_equal(train.tokens(i), sample.tokens)
        np.testing.assert_array_equal(train.mesh(i).vertices, sample.mesh.vertices)
    other = restrict(data, ids.reverse(), tmp_path / "deep" / "other")
    assert data_version(out) != data_version(other)
    with pytest.raises(DataError, match="lacks 1 of"):
        restrict(data, pl.Series("mesh_id", ["box/007", "box/999"]), tmp_path / "none")
