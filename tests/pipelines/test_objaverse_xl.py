"""Objaverse-XL by its index: found, modified, missing and unlisted objects are told apart."""

import shutil
import zipfile

import polars as pl
import pytest

from pipelines.fetching import ContentStore, Fetched, Fetcher
from pipelines.settings import FetchSettings
from pipelines.sources import SourceError, parse_source
from pipelines.stages.raw_meshes import build_raw_meshes
from pipelines.storage import DataFolder, ShardKey
from tests.pipelines.fetching.test_fetch import LIMIT
from tests.pipelines.test_curation import SETTINGS
from tests.shared_data import shared_path


@pytest.fixture
def root():
    return shared_path("corpus", "objaverse")


def ledger_of(text, folder):
    """Reasons by uri, None for what was kept, after the first stage."""
    data = DataFolder(folder)
    source = parse_source(text)
    build_raw_meshes(data, [source], SETTINGS)
    kept = [pl.read_parquet(path) for path in data.tables.glob("raw_meshes/*/*")]
    refused = [pl.read_parquet(path) for path in data.tables.glob("rejected/raw_meshes/*/*")]
    rows = dict.fromkeys(pl.concat(kept)["uri"].to_list())
    return rows | dict(pl.concat(refused).select("uri", "reason").iter_rows())


def test_planted_faults_of_the_corpus_are_found(root, tmp_path):
    index = pl.read_parquet(root / "github" / "github.parquet")
    outcomes = ledger_of(f"objaverse-xl:{root}?origins=github", tmp_path)
    listed = {uri: reason for uri, reason in outcomes.items() if reason != "FETCH_UNLISTED"}
    assert set(listed) == set(index["fileIdentifier"])
    faults = [reason for reason in listed.values() if reason is not None]
    assert sorted(faults) == ["FETCH_MISSING", "FETCH_MODIFIED"]
    names = {
        f"https://github.com/{path.parent.name}/{path.stem}": {
            info.filename
            for info in zipfile.ZipFile(path).infolist()
            if info.filename.endswith((".glb", ".gltf", ".obj", ".stl"))
        }
        for path in (root / "github" / "repos").glob("*/*.zip")
    }
    n_in_archives = sum(map(len, names.values()))
    n_there = len(outcomes) - faults.count("FETCH_MISSING")
    assert n_there == n_in_archives


def test_sketchfab_objects_are_checked_where_they_lie(root, tmp_path):
    outcomes = ledger_of(f"objaverse-xl:{root}?origins=sketchfab", tmp_path)
    assert len(outcomes) == 1637
    assert set(outcomes.values()) == {None}
    assert not (tmp_path / "store" / "sha256").exists()


@pytest.mark.parametrize("form", ["zip", "tar", "gztar", "folder"])
def test_a_repository_in_any_form(root, tmp_path, form):
    repository = "github/repos/KenneyNL/Starter-Kit-FPS"
    copy = tmp_path / "root" / repository
    copy.parent.mkdir(parents=True)
    with zipfile.ZipFile(root / f"{repository}.zip") as archive:
        archive.extractall(copy)
    (copy / "models" / "new.obj").write_text("v 0 0 0")
    (copy / "models" / "changed.glb").write_bytes(b"other bytes")
    base = "https://github.com/KenneyNL/Starter-Kit-FPS/blob/c0ffee/models"
    index = pl.read_parquet(root / "github" / "github.parquet").filter(
        pl.col("fileIdentifier").str.contains("KenneyNL")
    )
    extra = [
        {**index.row(0, named=True), "fileIdentifier": f"{base}/{name}", "sha256": "0" * 64}
        for name in ["changed.glb", "absent.glb", "../../../../secret.glb"]
    ]
    pl.concat([index, pl.DataFrame(extra, schema=index.schema)]).write_parquet(
        copy.parents[2] / "github.parquet"
    )
    (tmp_path / "root" / "github" / "secret.glb").write_bytes(b"secret")
    if form != "folder":
        shutil.make_archive(str(copy), form, copy)
        shutil.rmtree(copy)
    outcomes = ledger_of(f"objaverse-xl:{tmp_path / 'root'}", tmp_path / "data")
    reasons = {uri.rpartition("/")[2]: reason for uri, reason in outcomes.items() if reason is not None}
    assert reasons == {
        "new.obj": "FETCH_UNLISTED",
        "changed.glb": "FETCH_MODIFIED",
        "absent.glb": "FETCH_MISSING",
        "secret.glb": "FETCH_MISSING",
    }
    assert sum(reason is None for reason in outcomes.values()) == len(index)


def test_gltf_of_an_archive_lies_beside_its_buffer(root, tmp_path):
    source = parse_source(f"objaverse-xl:{root}?origins=github")
    shard = next(shard for shard in source.shards() if "KayKit-Furn" in shard)
    files = [file for file in source.list_files(shard) if file.format == "gltf" and file.problem is None]
    store = ContentStore(tmp_path)
    outcomes = Fetcher(store, FetchSettings(), LIMIT).fetch(ShardKey(source.name, shard), files)
    found = [outcome for outcome in outcomes.values() if isinstance(outcome, Fetched)]
    assert len(found) >= len(files) - 2
    for outcome in found:
        assert outcome.side_files
        for name, sha256 in outcome.side_files.items():
            assert sha256 is not None
            assert (outcome.path.parent / name).read_bytes() == store.path(sha256).read_bytes()


def test_what_cannot_be_an_index(root, tmp_path):
    with pytest.raises(SourceError, match="no origin"):
        parse_source(f"objaverse-xl:{root}?origins=polycam")
    with pytest.raises(SourceError, match="holds no index"):
        parse_source(f"objaverse-xl:{tmp_path}")
    (tmp_path / "github").mkdir()
    (tmp_path / "github" / "github.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match="is no index"):
        parse_source(f"objaverse-xl:{tmp_path}").shards()
