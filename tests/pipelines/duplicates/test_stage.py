"""Clusters over partitions: who stands for them, what is done again, and what the data set keeps."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.curation import curate
from pipelines.duplicates.report import duplicate_report
from pipelines.furniture import build
from pipelines.settings import CurationSettings, SplitSettings, WorkerLimits
from pipelines.sources.local import LocalSource
from pipelines.stages import duplicates as stage
from pipelines.stages.descriptors import build_descriptors
from pipelines.stages.duplicates import build_duplicates
from pipelines.stages.mesh_table import build_mesh_table
from pipelines.stages.raw_meshes import build_raw_meshes
from pipelines.storage import DataFolder
from pipelines.tables import Descriptors, DuplicatePairs, Duplicates, validate
from tests.pipelines.duplicates.copies import Mesh, decimated, moved
from tests.pipelines.test_curation import hashes
from tests.shared_data import shared_path

SETTINGS = CurationSettings(limits=WorkerLimits(workers=2), split=SplitSettings(val=0.3, test=0.3))


def furniture(family: str, index: int = 0) -> Mesh:
    solid = build(family, index)
    return np.asarray(solid.vertices, dtype=np.float64), np.asarray(solid.faces, dtype=np.int64)


def write_obj(path: Path, mesh: Mesh) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    vertices, faces = mesh
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
    path.write_text("\n".join([*lines, *(f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist())]))


def write_copies(folder: Path) -> None:
    """Six files of one chair, a mug and a stool."""
    chair, generator = furniture("chair"), np.random.default_rng(0)
    write_obj(folder / "a" / "chair.obj", chair)
    (folder / "b").mkdir()
    (folder / "b" / "again.obj").write_bytes((folder / "a" / "chair.obj").read_bytes())
    write_obj(folder / "b" / "larger.obj", (chair[0] * 7, chair[1]))
    write_obj(folder / "c" / "turned.obj", moved(chair, generator))
    write_obj(folder / "c" / "thinner.obj", moved(decimated(chair, 0.06), generator))
    write_obj(folder / "d" / "mug.obj", furniture("mug"))
    write_obj(folder / "e" / "stool.obj", furniture("stool"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, DataFolder]:
    folder = tmp_path_factory.mktemp("copies")
    write_copies(folder / "meshes")
    curate([f"local:{folder / 'meshes'}"], folder / "data", SETTINGS)
    return folder, DataFolder(folder / "data")


def by_name(data: DataFolder, table: str) -> dict[str, dict]:
    rows = data.scan(table).collect().rows(named=True)
    return {row["uri"].rsplit("/", 1)[1].removesuffix(".obj"): row for row in rows}


def test_copies_form_one_cluster_and_say_how_they_are_alike(made):
    _, data = made
    for table, schema in (("descriptors", Descriptors), ("duplicates", Duplicates)):
        validate(schema, data.scan(table).collect())
    validate(DuplicatePairs, pl.read_parquet(data.duplicate_pairs))
    rows = by_name(data, "duplicates")
    chairs = {name: row for name, row in rows.items() if name not in {"mug", "stool"}}
    assert {row["cluster"] for row in chairs.values()} == {min(row["sha256"] for row in chairs.values())}
    assert {row["n_meshes"] for row in chairs.values()} == {5}
    assert {rows[name]["n_meshes"] for name in ("mug", "stool")} == {1}
    assert rows["mug"]["cluster"] == rows["mug"]["sha256"]
    [kept] = [name for name, row in chairs.items() if row["match"] is None]
    assert kept != "thinner"  # it has fewer faces
    assert rows["thinner"]["match"] == rows["turned"]["match"] == "near" or kept == "turned"
    if kept in {"chair", "again"}:
        other = ({"chair", "again"} - {kept}).pop()
        assert (rows[other]["match"], rows["larger"]["match"]) == ("file", "geometry")


def test_one_of_them_is_kept_and_the_rest_name_it(made):
    _, data = made
    ledger, clusters = by_name(data, "ledger"), by_name(data, "duplicates")
    kept = [name for name, row in ledger.items() if row["status"] == "kept"]
    assert len(kept) == 3
    assert {"mug", "stool"} < set(kept)
    [chair] = set(kept) - {"mug", "stool"}
    for name, row in ledger.items():
        if name not in kept:
            assert (row["stage"], row["reason"]) == ("curated", "DUPLICATE")
            assert clusters[chair]["mesh_id"] in row["detail"]
            assert ledger[chair]["uri"] in row["detail"]


def test_all_of_them_may_be_kept_on_one_side_of_the_split(made, tmp_path):
    folder, _ = made
    everything = SETTINGS.model_copy(update={"duplicates": "keep_all"})
    report = curate([f"local:{folder / 'meshes'}"], tmp_path, everything)
    assert report.n_kept == 7
    data = DataFolder(tmp_path)
    curated = by_name(data, "curated")
    assert len({row["split"] for name, row in curated.items() if name not in {"mug", "stool"}}) == 1
    found = duplicate_report(data, SETTINGS.split)
    assert (found.n_meshes, found.n_copies, found.n_clusters, found.n_leaks) == (7, 4, 1, 0)
    assert sum(found.matches.values()) == 4
    files = [row["sha256"] for name, row in curated.items() if name not in {"mug", "stool"}]
    sides = {stage_split(sha256) for sha256 in files}
    assert found.n_leaks_by_file == (len(sides) > 1)
    assert found.sources.rows() == [("local", "local", 1, int(len(sides) > 1))]


def stage_split(sha256: str) -> str:
    share = int(sha256[:16], 16) / 2**64
    return "test" if share < 0.3 else "val" if share < 0.6 else "train"


def test_the_bytes_depend_on_no_number_of_workers(made, tmp_path):
    folder, data = made
    one = SETTINGS.model_copy(update={"limits": WorkerLimits(workers=1)})
    curate([f"local:{folder / 'meshes'}"], tmp_path, one)
    assert hashes(tmp_path) == hashes(data.root)


def test_a_new_copy_touches_its_own_partition_and_those_of_its_cluster(tmp_path, monkeypatch):
    meshes, data = tmp_path / "meshes", DataFolder(tmp_path / "data")
    for i, family in enumerate(["chair", "mug", "stool", "bed"]):
        write_obj(meshes / f"{family}-{i}" / f"{family}.obj", furniture(family))
    curate([f"local:{meshes}"], data.root, SETTINGS)
    before = hashes(data.root)
    compared = count_comparisons(monkeypatch)
    turned = moved(furniture("mug"), np.random.default_rng(1))
    write_obj(meshes / "new" / "turned.obj", turned)
    report = curate([f"local:{meshes}"], data.root, SETTINGS)
    touched = {
        name
        for name, sha256 in hashes(data.root).items()
        if before.get(name) != sha256 and "tables/duplicates/" in name
    }
    clusters = by_name(data, "duplicates")
    expected = {data.table("duplicates", key_of(clusters[name])) for name in ("mug", "turned")}
    assert {data.root / name for name in touched} == expected
    stages = {stage.stage: stage.n_partitions - stage.n_current for stage in report.stages}
    assert stages["descriptors"] == 1
    assert stages["duplicates"] == stages["curated"] == len(expected)
    assert len(compared) == 1  # of the new mesh with the mug; what was compared before is remembered
    (meshes / "new" / "turned.obj").unlink()
    curate([f"local:{meshes}"], data.root, SETTINGS)
    after = hashes(data.root)
    assert {name: after[name] for name in after if name in before} == before
    assert all(name.startswith("versions/") for name in after.keys() - before.keys())


def key_of(row: dict):
    from pipelines.storage import ShardKey

    return ShardKey(row["source"], row["shard"])


def count_comparisons(monkeypatch) -> list:
    compared: list = []
    original = stage.map_capped

    def counting(function, tasks, *rest):
        tasks = list(tasks)
        compared.extend(tasks)
        return original(function, tasks, *rest)

    monkeypatch.setattr(stage, "map_capped", counting)
    return compared


def test_a_second_look_changes_nothing_and_a_lost_table_comes_back(made):
    _, data = made
    before = hashes(data.root)
    assert all(result.was_current for result in build_duplicates(data, SETTINGS))
    data.table("duplicates", data.partitions("duplicates")[0]).unlink()
    assert sum(not result.was_current for result in build_duplicates(data, SETTINGS)) == 1
    after = hashes(data.root)
    assert {name: after[name] for name in after if name in before} == before
    assert all(name.startswith("versions/") for name in after.keys() - before.keys())


def test_a_mesh_without_surface_is_a_copy_of_the_same_file_only(tmp_path):
    line = "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n"
    for name, text in {"one": line, "two": line, "three": line + "# other\n"}.items():
        (tmp_path / "meshes").mkdir(exist_ok=True)
        (tmp_path / "meshes" / f"{name}.obj").write_text(text)
    data = describe_folder(tmp_path / "meshes", tmp_path / "data")
    described, clusters = by_name(data, "descriptors"), by_name(data, "duplicates")
    assert all("ZERO_EXTENT" in row["problem"] for row in described.values())
    assert clusters["one"]["cluster"] == clusters["two"]["cluster"] != clusters["three"]["cluster"]


def describe_folder(folder: Path, out: Path) -> DataFolder:
    data, source = DataFolder(out), LocalSource(folder)
    build_raw_meshes(data, [source], SETTINGS)
    build_mesh_table(data, SETTINGS, [source])
    build_descriptors(data, SETTINGS)
    build_duplicates(data, SETTINGS)
    return data


def test_the_planted_uploads_of_the_corpus_are_all_found(tmp_path):
    corpus = shared_path("corpus")
    rows = pl.read_parquet(corpus / "manifest.parquet").filter(
        (pl.col("copies") > 1) & (pl.col("set") != "messy")
    )
    assert (rows.height, rows["sha256"].n_unique()) == (52, 26)
    for i, path in enumerate(rows["path"]):
        target = tmp_path / "meshes" / f"{i:02d}{Path(path).suffix}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((corpus / path).read_bytes())
    clusters = describe_folder(tmp_path / "meshes", tmp_path / "data").scan("duplicates").collect()
    per_file = clusters.group_by("sha256").agg(pl.col("cluster").n_unique(), pl.len())
    assert per_file.height == 26
    assert per_file["cluster"].to_list() == [1] * 26
    assert clusters["match"].count() == 52 - clusters["cluster"].n_unique()
