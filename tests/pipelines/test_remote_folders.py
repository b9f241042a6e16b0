"""Meshes below a url: S3 by moto's server, plain HTTP by a web server, anything else that fsspec knows."""

import hashlib

import pytest

from pipelines.curation import curate
from pipelines.fetching import ContentStore, Fetched, Fetcher
from pipelines.manifest import read_manifest
from pipelines.sources import SourceError, parse_source, parse_sources
from pipelines.storage import DataFolder, ShardKey
from tests.pipelines.fetching.test_fetch import LIMIT
from tests.pipelines.test_curation import hashes, write_furniture
from tests.pipelines.test_objaverse_hub import FAST, FETCH
from tests.servers.faults import Fault
from tests.servers.files import FileServer
from tests.servers.s3 import S3Server

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.fixture(scope="module")
def s3():
    pytest.importorskip("s3fs")
    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3, monkeypatch, tmp_path):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    write_furniture(tmp_path / "meshes", 2)
    name = f"bucket-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]}"
    for path in (tmp_path / "meshes").iterdir():
        s3.put(name, f"models/{path.stem[-3:]}/{path.name}", path.read_bytes())
    s3.put(name, "models/read me.txt", b"no mesh")
    s3.put(name, "models/a b&c.obj", TRIANGLE.encode())
    s3.put(name, "elsewhere/other.glb", b"not below the prefix")
    return name


@pytest.fixture
def site(tmp_path):
    write_furniture(tmp_path / "site" / "models", 2)
    (tmp_path / "site" / "models" / "deep").mkdir()
    (tmp_path / "site" / "models" / "deep" / "tri.obj").write_text(TRIANGLE)
    with FileServer(tmp_path / "site") as server:
        yield server


def listed(text):
    source = parse_source(text)
    return [file for shard in source.shards() for file in source.list_files(shard)]


def test_s3_prefix_is_curated_and_asked_for_once(bucket, s3, tmp_path):
    text = f"s3://{bucket}/models"
    files = listed(text)
    assert {file.name for file in files} == {path.name for path in (tmp_path / "meshes").iterdir()} | {
        "a b&c.obj"
    }
    assert all(file.uri.startswith(f"s3://{bucket}/models/") for file in files)
    report = curate([text], tmp_path / "data", FAST)
    assert (report.n_files, report.n_kept) == (7, 7)
    sums = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "meshes").iterdir()
    }
    rows = DataFolder(tmp_path / "data").scan("raw_meshes").collect()
    assert sums.items() <= dict(rows.select("name", "sha256").iter_rows()).items()
    before = hashes(tmp_path / "data")
    s3.put(bucket, "models/more.obj", TRIANGLE.encode())
    key = files[0].uri.removeprefix(f"s3://{bucket}/")
    s3.put(bucket, key, TRIANGLE.replace("1", "2", 1).encode() + b"# changed\n")
    assert curate([text], tmp_path / "data", FAST).n_files == 8
    after = hashes(tmp_path / "data")
    assert {name for name in after if name.startswith("store/sha256/")} > {
        name for name in before if name.startswith("store/sha256/")
    }
    assert not any("hush" in text or "secret-of-the-test" in text for text in _texts(tmp_path / "data"))


def _texts(root):
    return [path.read_bytes().decode(errors="replace") for path in root.rglob("*") if path.is_file()]


def test_web_folder_is_walked(site, tmp_path):
    files = listed(f"{site.url}/models/")
    assert {file.name for file in files} == {path.name for path in (tmp_path / "site").rglob("*.*")}
    single = listed(f"{site.url}/models/deep/tri.obj")
    assert [file.name for file in single] == ["tri.obj"]
    filtered = listed(f"{site.url}/models/?where=format = 'obj'")
    assert [file.name for file in filtered if file.problem is None] == ["tri.obj"]


def test_fsspec_takes_any_url(site, tmp_path):
    by_path = listed(f"fsspec:file://{tmp_path}/site/models")
    assert {file.name for file in by_path} == {path.name for path in (tmp_path / "site").rglob("*.*")}
    key = ShardKey(by_path[0].source, by_path[0].shard)
    outcomes = Fetcher(ContentStore(tmp_path / "store"), FETCH, LIMIT).fetch(key, by_path)
    assert len(outcomes) == len(by_path)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes.values())


def test_no_credential_is_written_or_shown(site, tmp_path):
    url = site.url.replace("://", "://user:hush-password@") + "/models/deep/tri.obj?X-Amz-Signature=hush&v=1"
    report = curate([url], tmp_path / "data", FAST)
    assert report.n_files == 1
    (uri,) = DataFolder(tmp_path / "data").scan("ledger").collect()["uri"]
    assert uri == f"{site.url}/models/deep/tri.obj?v=1"
    assert read_manifest(DataFolder(tmp_path / "data"))["sources"] == [uri]
    site.faults.always("/tri.obj", Fault.DROP)
    curate(
        [url.replace("v=1", "v=2")],
        tmp_path / "data2",
        FAST.model_copy(update={"fetch": FETCH.model_copy(update={"attempts": 1})}),
    )
    assert not any("hush" in text for folder in ["data", "data2"] for text in _texts(tmp_path / folder))
    for text in [
        "s3://user:hush@",
        f"{url}&where=nothing <",
        url.replace("http", "ftp"),
        url.replace("/models", "/absent"),
        "hf:x?token=hush&uids=https://hush@x",
    ]:
        with pytest.raises(SourceError) as error:
            [source.shards() for source in parse_sources([text])]
        assert "hush" not in str(error.value)


def test_a_place_that_cannot_be_listed(bucket, monkeypatch):
    with pytest.raises(SourceError, match="cannot be listed"):
        listed(f"s3://{bucket}-absent/models")
    with pytest.raises(SourceError, match="Protocol not known: nosuch"):
        listed("fsspec:nosuch://a/b")
