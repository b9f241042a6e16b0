"""Shards hold what the tables hold, for the real WebDataset reader and for a reader by position."""

import io
import json
import os
import tarfile

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipelines.settings import CurationSettings, SplitSettings
from pipelines.stages.curated import build_curated
from pipelines.stages.partitions import UpstreamError
from pipelines.stages.shards import build_shards, index_path
from pipelines.storage import DataFolder, ShardKey
from pipelines.tables import ShardIndex, validate
from tests.pipelines.handmade import KEY, write_partition

SETTINGS = CurationSettings(samples_per_shard=7, split=SplitSettings(val=0.2, test=0.2))
OTHER = ShardKey("shapenet", "04379243")


@pytest.fixture
def data(tmp_path) -> DataFolder:
    data = DataFolder(tmp_path)
    write_partition(data, 41, changes={0: {"n_faces": 3}})
    write_partition(data, 5, OTHER)
    build_curated(data, SETTINGS)
    return data


def everything(data: DataFolder) -> dict[str, tuple[int, bytes]]:
    files = [*data.shards.iterdir(), *(data.tables / "shards").rglob("*.parquet")]
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def expected(data: DataFolder) -> dict[str, dict[str, np.ndarray]]:
    rows = data.scan("tokens").join(data.scan("curated").select("mesh_id", "split"), on="mesh_id").collect()
    return {
        row["mesh_id"]: {
            "tokens": np.array(row["tokens"], dtype=np.uint16),
            "vertices": np.array(row["vertices"], dtype=np.float32).reshape(-1, 3),
            "faces": np.array(row["faces"], dtype=np.int32).reshape(-1, 3),
        }
        for row in rows.iter_rows(named=True)
    }


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_webdataset_reads_what_the_tables_hold(data):
    import webdataset as wds

    results = build_shards(data, SETTINGS)
    assert [result.n_kept for result in results] == [40, 5]
    wanted = expected(data)
    tars = sorted(str(path) for path in data.shards.glob("*.tar"))
    seen = []
    for sample in wds.WebDataset(tars, shardshuffle=False).decode():
        seen.append(sample["__key__"])
        assert_same(
            {name: sample[f"{name}.npy"] for name in ("tokens", "vertices", "faces")}, wanted[seen[-1]]
        )
    assert sorted(seen) == sorted(wanted)


def test_the_index_reads_the_same_by_position(data):
    build_shards(data, SETTINGS)
    wanted = expected(data)
    index = validate(ShardIndex, pl.read_parquet(index_path(data)))
    assert sorted(index["mesh_id"]) == sorted(wanted)
    for row in index.iter_rows(named=True):
        descriptor = os.open(data.shards / row["shard_file"], os.O_RDONLY)
        members = {
            name: np.load(io.BytesIO(os.pread(descriptor, row[f"{name}_size"], row[f"{name}_offset"])))
            for name in ("tokens", "vertices", "faces")
        }
        os.close(descriptor)
        assert_same(members, wanted[row["mesh_id"]])
        assert row["shard_file"].startswith(f"{row['split']}-")


def test_polars_and_pyarrow_read_the_same_rows(data):
    build_shards(data, SETTINGS)
    paths = [path for path in data.root.rglob("*.parquet") if "cache" not in path.parts]
    assert len(paths) > 20
    for path in paths:
        assert pl.read_parquet(path).rows() == pl.from_arrow(pq.ParquetFile(path).read()).rows()


def test_tars_hold_at_most_the_asked_number_of_samples_of_one_split_and_partition(data):
    build_shards(data, SETTINGS)
    index = pl.read_parquet(index_path(data))
    for (name,), rows in index.group_by("shard_file"):
        assert rows.height <= 7
        assert rows["split"].n_unique() == 1
        assert sorted(rows["position"]) == list(range(rows.height))
        with tarfile.open(data.shards / name) as archive:
            members = archive.getmembers()
        assert len(members) == 4 * rows.height
        assert {(m.mtime, m.uname, m.gname, m.uid, m.gid) for m in members} == {
            (0, "meshloom", "meshloom", 0, 0)
        }
    names = sorted(set(index["shard_file"]))
    assert names == sorted(path.name for path in data.shards.glob("*.tar"))
    assert "train-local-hand-00-00000.tar" in names
    assert any(name.endswith("-shapenet-04379243-00000.tar") for name in names)


def test_the_description_carries_provenance(data):
    build_shards(data, SETTINGS)
    with tarfile.open(data.shards / "train-local-hand-00-00000.tar") as archive:
        name = next(name for name in archive.getnames() if name.endswith(".json"))
        about = json.load(archive.extractfile(name))
    assert about["mesh_id"] == name.removesuffix(".json")
    assert {"uri", "sha256", "licence", "author", "category", "split", "n_faces", "tokenizer"} <= set(about)


def test_bytes_are_reproducible_and_nothing_is_done_twice(data, tmp_path_factory):
    build_shards(data, SETTINGS)
    first = everything(data)
    results = build_shards(data, SETTINGS)
    assert all(result.was_current for result in results)
    assert everything(data) == first
    other = DataFolder(tmp_path_factory.mktemp("again"))
    write_partition(other, 41, changes={0: {"n_faces": 3}})
    write_partition(other, 5, OTHER)
    build_curated(other, SETTINGS)
    build_shards(other, SETTINGS)
    assert {name: content for name, (_, content) in everything(other).items()} == {
        name: content for name, (_, content) in first.items()
    }


@pytest.mark.parametrize("harm", ["remove", "cut", "remove index", "remove table"])
def test_damage_is_repaired(data, harm):
    build_shards(data, SETTINGS)
    first = {name: content for name, (_, content) in everything(data).items()}
    tar = data.shards / "train-local-hand-00-00001.tar"
    match harm:
        case "remove":
            tar.unlink()
        case "cut":
            tar.write_bytes(tar.read_bytes()[:-10240])
        case "remove index":
            index_path(data).unlink()
        case "remove table":
            data.table("shards", KEY).unlink()
    results = build_shards(data, SETTINGS)
    assert results[1].was_current
    assert {name: content for name, (_, content) in everything(data).items()} == first


def test_tars_that_are_no_longer_wanted_go(data):
    build_shards(data, SETTINGS)
    assert len(list(data.shards.glob("train-local-*.tar"))) > 2
    build_shards(data, SETTINGS.model_copy(update={"samples_per_shard": 1000}))
    assert len(list(data.shards.glob("train-local-*.tar"))) == 1
    write_partition(data, 41, changes={i: {"n_faces": 3} for i in range(41)})
    build_curated(data, SETTINGS)
    build_shards(data, SETTINGS)
    assert list(data.shards.glob("*-local-*.tar")) == []
    assert pl.read_parquet(index_path(data)).height == 5
    assert not list(data.root.rglob("*.partial"))


def test_one_partition_can_be_built_alone(data):
    (result,) = build_shards(data, SETTINGS, [OTHER])
    assert result.key == OTHER
    assert pl.read_parquet(index_path(data)).height == 5
    build_shards(data, SETTINGS, [KEY])
    assert pl.read_parquet(index_path(data)).height == 45


def test_no_index_lies_beside_tars_that_are_being_rewritten(data, monkeypatch):
    build_shards(data, SETTINGS)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("pipelines.stages.shards._SplitWriter._add", fail)
    with pytest.raises(OSError, match="disk full"):
        build_shards(data, SETTINGS.model_copy(update={"samples_per_shard": 3}))
    assert not index_path(data).exists()
    assert not list(data.root.rglob("*.partial"))
    monkeypatch.undo()
    build_shards(data, SETTINGS)
    assert pl.read_parquet(index_path(data)).height == 45


def test_an_absent_upstream_table_is_named(data):
    data.table("tokens", KEY).unlink()
    with pytest.raises(UpstreamError, match=r"local:hand-00: .*tokens.*is absent"):
        build_shards(data, SETTINGS)
