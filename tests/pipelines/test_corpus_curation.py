"""The corpus through a hub, a bucket, archives and folders: one version; then nothing, ten files, one rule.

Every twelfth file runs always; all of them with `pytest -m slow`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines.curation import CurationReport, curate
from pipelines.manifest import read_manifest
from pipelines.rules import load_preset
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.stages import descriptors, partitions
from pipelines.storage import DataFolder
from tests.pipelines.corpus import NEW, OBJAVERSE, SHAPENET, Corpus, served
from tests.pipelines.test_curation import contents
from tests.pipelines.test_objaverse_hub import FETCH
from tests.shared_data import shared_path

pytest.importorskip("s3fs")
PER_MESH = ["mesh_table", "quality", "tokens", "descriptors"]
"""Stages that ask a worker about every mesh."""
STAGES = ["raw_meshes", *PER_MESH, "duplicates", "curated", "shards"]
FEWER_FACES = 2000
"""What the changed rule allows at most."""


@dataclass(frozen=True)
class Run:
    """One call of `curate`, and what it left behind."""

    report: CurationReport
    files: dict[str, tuple[int, str]]
    """mtime and sha256 of every file of the data set."""
    n_asked: dict[str, int]
    """Meshes that workers were asked about, by function."""
    bodies: list[str]
    pieces: list[tuple[str, str]]
    """Of the bucket's objects."""
    index: pl.DataFrame
    ledger: pl.DataFrame

    def n_redone(self, stage: str) -> int:
        [report] = [report for report in self.report.stages if report.stage == stage]
        return report.n_partitions - report.n_current


@pytest.fixture(
    scope="module", params=[12, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    root = shared_path("corpus")
    with served(root, tmp_path_factory.mktemp("corpus"), every=request.param) as staged:
        yield staged


@pytest.fixture(scope="module")
def first(corpus: Corpus) -> Run:
    write_rules(corpus.folder, [])
    return run(corpus)


@pytest.fixture(scope="module")
def again(corpus: Corpus, first: Run) -> Run:
    return run(corpus)


@pytest.fixture(scope="module")
def added(corpus: Corpus, again: Run) -> set[str]:
    return corpus.add_files()


@pytest.fixture(scope="module")
def grown(corpus: Corpus, added: set[str]) -> Run:
    return run(corpus)


@pytest.fixture(scope="module")
def stricter(corpus: Corpus, grown: Run) -> Run:
    rule = {"keep": f"n_faces <= {FEWER_FACES}", "reason": "RULE_FACES", "description": "not too many faces"}
    write_rules(corpus.folder, [rule])
    return run(corpus)


def write_rules(folder: Path, more: list[dict[str, str]]) -> None:
    """The default rules as a file of the user's, and more of them."""
    preset = load_preset("silksong-v11").model_dump(mode="json", exclude_unset=True, exclude={"name"})
    preset["rules"] += more
    (folder / "mine.yaml").write_text(yaml.safe_dump(preset))


def run(corpus: Corpus) -> Run:
    settings = CurationSettings(
        preset=str(corpus.folder / "mine.yaml"), limits=WorkerLimits(workers=2), fetch=FETCH
    )
    corpus.forget_requests()
    n_asked: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for module in (partitions, descriptors):
            patch.setattr(module, "map_capped", counting(module.map_capped, n_asked))
        report = curate(corpus.sources, corpus.folder / "data", settings)
    data = DataFolder(report.root)
    index, ledger = pl.read_parquet(data.shards / "index.parquet"), data.scan("ledger").collect()
    return Run(report, contents(data.root), dict(n_asked), corpus.bodies, corpus.s3.pieces, index, ledger)


def counting(map_capped, n_asked: Counter[str]):
    def counted(function, tasks, *options):
        def count():
            for task in tasks:
                n_asked[function.__name__] += 1
                yield task

        return map_capped(function, count(), *options)

    return counted


def changed(before: Run, after: Run) -> set[str]:
    """Files that are new, gone, or were written again."""
    names = {*before.files, *after.files}
    return {name for name in names if before.files.get(name) != after.files.get(name)}


def other_bytes(before: Run, after: Run) -> set[str]:
    hashes = [{name: sha256 for name, (_, sha256) in each.files.items()} for each in (before, after)]
    return {name for name in changed(before, after) if hashes[0].get(name) != hashes[1].get(name)}


def test_all_places_give_one_version(corpus: Corpus, first: Run) -> None:
    manifest = read_manifest(DataFolder(first.report.root))
    assert manifest["version"] == first.report.version
    assert len(manifest["sources"]) == len(corpus.sources)
    assert [name for name in first.files if name.startswith("versions/")] == [
        f"versions/{first.report.version}.{ending}" for ending in ("json", "parquet")
    ]
    kept = first.ledger.filter(status="kept")
    assert set(kept["source"]) == {"objaverse", "shapenet", "s3", "local", "objaverse-xl"}
    assert first.index.height == kept.height == first.report.n_kept > 0
    assert set(first.index["mesh_id"]) == set(kept["mesh_id"])
    tars = {name.removeprefix("shards/") for name in first.files if name.endswith(".tar")}
    assert set(first.index["shard_file"]) == tars


def test_every_file_is_one_row_of_the_ledger(corpus: Corpus, first: Run) -> None:
    uris = first.ledger["uri"]
    assert uris.n_unique() == len(uris) == first.report.n_files
    assert corpus.uris - set(uris) == set()
    beyond = first.ledger.filter(~pl.col("uri").is_in(list(corpus.uris)))
    odd = beyond.filter(pl.col("uri").str.contains("/odd names/"))
    assert odd.height == 10
    unlisted = beyond.filter(~pl.col("uri").is_in(odd["uri"].to_list()))
    assert set(unlisted["reason"]) <= {"FETCH_UNLISTED"}
    rejected = first.ledger.filter(status="rejected")
    assert rejected.height == sum(first.report.reasons.values()) == len(uris) - first.report.n_kept
    assert rejected.select("stage", "reason", "detail").null_count().sum_horizontal().item() == 0


def test_bytes_are_asked_for_once(corpus: Corpus, first: Run) -> None:
    asked = Counter(first.bodies)
    assert {path for path in asked if path.endswith(".zip")} == {
        f"/datasets/{SHAPENET}/resolve/{corpus.hub.commits[SHAPENET]}/{path.name}"
        for path in corpus.hub.repositories[SHAPENET].iterdir()
    }
    meshes = {path: n for path, n in asked.items() if path.endswith(".glb") and OBJAVERSE in path}
    assert set(meshes.values()) == {1}
    contents = first.ledger.filter(source="objaverse")["sha256"]
    assert contents.n_unique() <= len(meshes) <= len(contents)
    listed = {uri.removeprefix("s3://") for uri in corpus.uris if uri.startswith("s3://")}
    unread = first.ledger.filter(pl.col("reason").is_in(["UNSUPPORTED_FORMAT", "EMPTY_FILE"]))["uri"]
    pieces = Counter((path, span) for path, span in first.pieces if path in listed)
    assert set(pieces.values()) == {1}
    assert listed - set(asked) <= {uri.removeprefix("s3://") for uri in unread}


def test_a_second_run_does_nothing(first: Run, again: Run) -> None:
    assert again.report.version == first.report.version
    assert {stage: again.n_redone(stage) for stage in STAGES} == dict.fromkeys(STAGES, 0)
    assert changed(first, again) == set()
    assert again.n_asked == {}
    assert again.bodies == []


def test_ten_files_touch_their_partitions_and_shards(again: Run, added: set[str], grown: Run) -> None:
    new = grown.ledger.filter(pl.col("sha256").is_in(list(added)))
    assert Counter(new["source"]) == NEW
    assert new["status"].to_list() == ["kept"] * len(added)
    assert grown.report.n_files == again.report.n_files + len(added)
    keys = set(new.select("source", "shard").iter_rows())
    tars = set(grown.index.filter(pl.col("mesh_id").is_in(new["mesh_id"].to_list()))["shard_file"])
    assert {stage: grown.n_redone(stage) for stage in STAGES} == dict.fromkeys(STAGES, len(keys))
    n_partitions = len(set(grown.ledger.select("source", "shard").iter_rows()))
    assert len(keys) < n_partitions / 2

    of_partitions = {
        name
        for name in grown.files
        if any(name.endswith(f"/{source}/{shard}.parquet") for source, shard in keys)
    }
    of_journals = {f"store/journal/{source}/{shard}.jsonl" for source, shard in keys if source != "local"}
    of_store = {f"store/sha256/{sha256[:2]}/{sha256}" for sha256 in added}
    of_local = set(new.filter(source="local")["sha256"])
    of_store -= {f"store/sha256/{sha256[:2]}/{sha256}" for sha256 in of_local}
    of_shards = {f"shards/{tar}" for tar in tars}
    of_all = {"manifest.json", "shards/index.parquet", "shards/attribution.parquet", "shards/ATTRIBUTION.md"}
    of_all |= {f"versions/{grown.report.version}.{ending}" for ending in ("json", "parquet")}
    of_all |= {"tables/duplicate_pairs.parquet"}
    allowed = of_partitions | of_journals | of_store | of_shards | of_all
    assert other_bytes(again, grown) <= allowed
    assert of_store | of_shards | of_journals <= other_bytes(again, grown)
    beside = {
        name for name in grown.files for source, shard in keys if name.startswith(_tar_names(source, shard))
    }
    assert changed(again, grown) <= allowed | beside  # other tars of these partitions are written again


def _tar_names(source: str, shard: str) -> tuple[str, ...]:
    return tuple(f"shards/{split}-{source}-{shard}-" for split in ("train", "val", "test"))


def test_only_the_new_files_are_asked_for(grown: Run) -> None:
    meshes = [path for path in grown.bodies if not path.endswith(".json.gz")]
    assert len(meshes) == NEW["objaverse"] + NEW["s3"]


def test_a_changed_rule_tokenises_nothing_again(grown: Run, stricter: Run) -> None:
    assert {stage: stricter.n_redone(stage) for stage in ["raw_meshes", *PER_MESH]} == dict.fromkeys(
        ["raw_meshes", *PER_MESH], 0
    )
    assert stricter.n_asked == {}
    assert stricter.bodies == []
    touched = {name.split("/")[1] for name in changed(grown, stricter) if name.startswith("tables/")}
    assert touched <= {"duplicates", "duplicate_pairs.parquet", "curated", "rejected", "ledger", "shards"}
    assert not any(name.startswith(("geometry/", "store/")) for name in changed(grown, stricter))

    faces = dict(grown.index.select("mesh_id", "n_faces").iter_rows())
    allowed = {mesh_id for mesh_id, n_faces in faces.items() if n_faces <= FEWER_FACES}
    assert 0 < len(allowed) < len(faces)
    assert allowed <= set(stricter.index["mesh_id"])
    assert stricter.index["n_faces"].max() <= FEWER_FACES
    assert stricter.report.version != grown.report.version
