"""Objaverse from the hub gives what Objaverse from the disk gives, once, and only what was asked for."""

import gzip
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from pipelines.curation import curate
from pipelines.reasons import Reason
from pipelines.settings import FetchSettings
from pipelines.sources import SourceError, parse_source
from pipelines.storage import DataFolder
from tests.pipelines.test_curation import SETTINGS, hashes
from tests.servers.faults import Fault, Faults
from tests.shared_data import shared_path

FETCH = FetchSettings(first_wait_seconds=0.01, longest_wait_seconds=3, requests_per_second=1000)
FAST = SETTINGS.model_copy(update={"fetch": FETCH, "preset": "silksong-v00"})
NAME = "allenai/objaverse"


@pytest.fixture
def root():
    return shared_path("corpus", "objaverse", "hf-objaverse-v1")


def listed(text: str) -> list:
    source = parse_source(text)
    return [file for shard in source.shards() for file in source.list_files(shard)]


def small(root: Path, folder: Path, n_per_shard: int = 6) -> Path:
    """Some objects of the corpus as a repository of their own, two folders, the first objects of each."""
    paths = {}
    for shard in ["000-000", "000-002"]:
        (folder / "glbs" / shard).mkdir(parents=True)
        for path in sorted((root / "glbs" / shard).iterdir())[:n_per_shard]:
            shutil.copy(path, folder / "glbs" / shard)
            paths[path.stem] = f"glbs/{shard}/{path.name}"
        (folder / "metadata").mkdir(exist_ok=True)
        shutil.copy(root / "metadata" / f"{shard}.json.gz", folder / "metadata")
    (folder / "object-paths.json.gz").write_bytes(gzip.compress(json.dumps(paths).encode()))
    shutil.copy(root / "lvis-annotations.json.gz", folder)
    return folder


def test_hub_lists_what_the_disk_holds(root, start_hub):
    hub = start_hub({NAME: root})
    ours, theirs = listed(f"hf:{NAME}"), listed(f"objaverse:{root}")
    strip = {"uri": "", "path": None, "remote": None, "problem_reason": Reason.UNREADABLE_FILE}
    assert [replace(file, **strip) for file in ours] == [replace(file, **strip) for file in theirs]
    index = pl.read_parquet(root.parent / "sketchfab" / "sketchfab.parquet")
    sums = {row["fileIdentifier"][-32:]: row["sha256"] for row in index.iter_rows(named=True)}
    assert {file.mesh_id: file.remote.sha256 for file in ours} == sums
    assert {file.remote.size_bytes for file in ours} == {file.path.stat().st_size for file in theirs}
    assert not any(".glb" in path for path in hub.bodies)
    some = next(file for file in ours if file.mesh_id == "1b8f1b6f11e22b027bc22bf4bcfba22b")
    assert (some.annotations.face_count, some.annotations.vertex_count) == (198, 312)
    assert (some.annotations.texture_count, some.annotations.animation_count) == (0, 0)
    assert some.annotations.tags[:2] == ("kaykit", "dungeon")


def test_a_commit_is_asked_for_once(root, start_hub):
    hub = start_hub({NAME: root})
    listed(f"hf:{NAME}@{hub.commits[NAME]}?lvis=chair")
    hub.requests.clear()
    listed(f"hf:{NAME}@{hub.commits[NAME]}?lvis=chair")
    assert hub.requests == []
    listed(f"hf:{NAME}?lvis=chair")
    assert [request.path for request in hub.requests] == [f"/api/datasets/{NAME}/revision/main"]


def test_lists_choose_objects(root, start_hub, tmp_path):
    start_hub({NAME: root})
    chairs = listed(f"hf:{NAME}?lvis=chair")
    assert chairs
    assert {file.category for file in chairs} == {"chair"}
    uids = [file.mesh_id for file in chairs[:3]]
    (tmp_path / "uids.txt").write_text("\n".join(uids) + "\n")
    (tmp_path / "uids.json").write_text(json.dumps(uids))
    mapping = {str(i): f"000-000/{uid}.glb" for i, uid in enumerate(uids)}
    (tmp_path / "gobjaverse_280k_index_to_objaverse.json").write_text(json.dumps(mapping))
    for option in ["uids=uids.txt", "uids=uids.json", "subset=gobjaverse_280k_index_to_objaverse.json"]:
        name, _, file = option.partition("=")
        for kind in [f"hf:{NAME}", f"objaverse:{root}"]:
            found = listed(f"{kind}?{name}={tmp_path / file}")
            assert sorted(file.mesh_id for file in found) == sorted(uids)


def test_trellis_scores_and_sums(root, start_hub, tmp_path):
    start_hub({NAME: root})
    files = listed(f"hf:{NAME}?lvis=chair")[:4]
    rows = [
        (file.remote.sha256, f"https://sketchfab.com/3d-models/{file.mesh_id}", score, '["a chair"]')
        for file, score in zip(files, [4.0, 5.5, 6.25, 7.0], strict=True)
    ]
    columns = ["sha256", "file_identifier", "aesthetic_score", "captions"]
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(tmp_path / "ObjaverseXL_sketchfab.csv")
    found = listed(f"hf:{NAME}?subset={tmp_path}/ObjaverseXL_sketchfab.csv&where=aesthetic_score >= 5.5")
    scores = {
        file.mesh_id: (file.annotations.aesthetic_score, file.problem_reason, file.problem) for file in found
    }
    low = scores.pop(files[0].mesh_id)
    assert (low[0], low[1], bool(low[2])) == (4.0, Reason.FILTERED_BEFORE_FETCH, True)
    assert {uid: score for uid, (score, _, _) in scores.items()} == {
        file.mesh_id: score for file, score in zip(files[1:], [5.5, 6.25, 7.0], strict=True)
    }
    assert not any(problem for _, _, problem in scores.values())
    assert found[0].annotations.caption == '["a chair"]'


def test_filter_is_applied_before_anything_is_fetched(root, start_hub, tmp_path):
    hub = start_hub({NAME: small(root, tmp_path / "repository")})
    where = "face_count < 300 and licence in ('cc0', 'by') and size_bytes < 100000 and tags is not null"
    text = f"hf:{NAME}?where={where}"
    report = curate([text], tmp_path / "data", FAST)
    wanted = {file.mesh_id for file in listed(text) if file.problem is None}
    assert 0 < len(wanted) < 12
    assert {Path(path).stem for path in hub.bodies if path.endswith(".glb")} == wanted
    assert report.reasons["FILTERED_BEFORE_FETCH"] == 12 - len(wanted)
    ledger = DataFolder(tmp_path / "data").scan("ledger").collect()
    assert ledger.height == 12
    assert set(ledger.filter(reason="FILTERED_BEFORE_FETCH")["sha256"]) == {None}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("where=faces < 3", "face_count"),
        ("where=face_count <", "is no condition"),
        ("lvis=chair&lvis=mug", "once"),
        ("lvis=no such category", "no such category"),
        ("colour=red", "unknown option 'colour'"),
        ("uids=/no/such/file", "is no file"),
        ("uids=a&subset=b", "not both"),
    ],
)
def test_options_that_cannot_be_used(root, start_hub, option, said):
    start_hub({NAME: root})
    with pytest.raises(SourceError, match=said):
        listed(f"hf:{NAME}?{option}")


def test_hub_errors_say_what_to_do(root, start_hub, monkeypatch):
    hub = start_hub({NAME: root}, token="hf_hush")
    with pytest.raises(SourceError, match="HF_TOKEN") as refused:
        listed(f"hf:{NAME}")
    monkeypatch.setenv("HF_TOKEN", "hf_hush")
    assert listed(f"hf:{NAME}?lvis=chair")
    assert "hush" not in str(refused.value)
    with pytest.raises(SourceError, match="no known layout"):
        parse_source("hf:somebody/else")
    with pytest.raises(SourceError, match="not on the hub"):
        parse_source("hf:somebody/else?layout=objaverse").shards()
    assert all(request.authorization == "Bearer hf_hush" for request in hub.requests[-1:])


def test_curated_from_the_hub_as_from_the_disk(root, start_hub, tmp_path):
    repository = small(root, tmp_path / "repository")
    hub = start_hub({NAME: repository})
    kinds = [Fault.DROP, Fault.TRUNCATE, Fault.CORRUPT, Fault.ERROR]
    disk = curate([f"objaverse:{repository}"], tmp_path / "disk", FAST)
    shutil.move(tmp_path / "disk", tmp_path / "from_disk")
    hub.faults = Faults(3, rate=0.5, kinds=kinds, only=".glb")
    hub.faults.plan("/revision/main", Fault.ERROR)
    hub.faults.plan("/object-paths.json.gz", Fault.ERROR, Fault.DROP, Fault.TRUNCATE)
    report = curate([f"hf:{NAME}"], tmp_path / "hub", FAST)
    assert (report.n_files, report.n_kept, report.reasons) == (disk.n_files, disk.n_kept, disk.reasons)
    columns = ["mesh_id", "shard", "name", "category", "licence", "author", "size_bytes", "sha256", "format"]
    ours, theirs = (
        DataFolder(tmp_path / name).scan("raw_meshes").select(columns).sort("mesh_id").collect()
        for name in ["hub", "from_disk"]
    )
    assert ours.equals(theirs)
    before = hashes(tmp_path / "hub")
    hub.requests.clear()
    curate([f"hf:{NAME}"], tmp_path / "hub", FAST)
    assert [request.path for request in hub.requests] == [f"/api/datasets/{NAME}/revision/main"]
    assert hashes(tmp_path / "hub") == before


def test_objects_that_are_gone_or_changed_are_rows_of_the_ledger(root, start_hub, tmp_path):
    repository = small(root, tmp_path / "repository")
    gone, changed, broken = [path.name for path in sorted(repository.glob("glbs/000-000/*"))[:3]]
    (repository / "glbs" / "000-000" / gone).unlink()
    hub = start_hub({NAME: repository})
    hub.etag(repository / "glbs" / "000-000" / changed)  # the sum that the hub goes on to state
    content = (repository / "glbs" / "000-000" / changed).read_bytes()
    path = repository / "glbs" / "000-000" / changed
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(content[:-1] + b"x")
    os.utime(path, ns=times)
    hub.faults.always(broken, Fault.ERROR)
    report = curate([f"hf:{NAME}"], tmp_path / "data", FAST)
    assert report.n_files == 12
    ledger = DataFolder(tmp_path / "data").scan("ledger").collect()
    reasons = dict(ledger.filter(stage="raw_meshes").select("mesh_id", "reason").iter_rows())
    assert reasons == {
        Path(gone).stem: "FETCH_MISSING",
        Path(changed).stem: "FETCH_MODIFIED",
        Path(broken).stem: "FETCH_FAILED",
    }
