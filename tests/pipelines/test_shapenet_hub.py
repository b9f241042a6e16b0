"""ShapeNet's archives on the hub: listed from their end, fetched once, opened with a token alone."""

import zipfile

import pytest

from pipelines.fetching import ContentStore, Fetched, Fetcher
from pipelines.sources import SourceError, parse_source
from pipelines.storage import ShardKey
from tests.pipelines.fetching.test_fetch import LIMIT
from tests.pipelines.test_objaverse_hub import FETCH
from tests.servers.faults import Fault
from tests.shared_data import shared_path

NAME = "ShapeNet/ShapeNetCore"
SYNSETS = ["02818832", "04379243"]


@pytest.fixture
def hub(tmp_path, start_hub, monkeypatch):
    root = shared_path("corpus", "shapenet", "ShapeNetCore.v2")
    (tmp_path / "repository").mkdir()
    for synset in SYNSETS:
        with zipfile.ZipFile(tmp_path / "repository" / f"{synset}.zip", "w") as archive:
            for path in sorted((root / synset).rglob("*")):
                archive.write(path, path.relative_to(root))
            archive.writestr(f"{synset}/padding.bin", bytes(3 << 20))
    (tmp_path / "repository" / "README.md").write_text("terms")
    monkeypatch.setenv("HF_TOKEN", "hf_hush")
    return start_hub({NAME: tmp_path / "repository"}, token="hf_hush")


def test_models_as_on_disk_and_one_download_each(hub, tmp_path):
    on_disk = parse_source(f"shapenet:{shared_path('corpus', 'shapenet')}")
    source = parse_source(f"hf:{NAME}")
    assert source.shards() == SYNSETS
    fetcher = Fetcher(ContentStore(tmp_path / "store"), FETCH, LIMIT)
    hub.faults.plan(".zip", Fault.ERROR, Fault.DROP)
    for synset in SYNSETS:
        files, expected = source.list_files(synset), on_disk.list_files(synset)
        assert [file.mesh_id for file in files] == [file.mesh_id for file in expected]
        outcomes = fetcher.fetch(ShardKey("shapenet", synset), files)
        for file, other in zip(files, expected, strict=True):
            outcome = outcomes[file.uri]
            assert isinstance(outcome, Fetched), outcome
            assert outcome.path.read_bytes() == other.path.read_bytes()
    hub.requests.clear()
    for synset in SYNSETS:
        fetcher.fetch(ShardKey("shapenet", synset), source.list_files(synset))
    assert hub.requests == []


def test_listing_reads_the_end_of_an_archive_alone(hub):
    source = parse_source(f"hf:{NAME}?synsets=02818832")
    assert source.shards() == ["02818832"]
    assert source.list_files("02818832")
    asked = [request for request in hub.requests if request.path.endswith(".zip") and request.method == "GET"]
    assert asked
    assert all(request.range for request in asked)
    read = 0
    for request in asked:
        first, _, last = request.range.removeprefix("bytes=").partition("-")
        read += int(last) - int(first) + 1
    assert read < 2 << 20


def test_without_a_token_it_is_closed(hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SourceError, match=r"gated.*HF_TOKEN"):
        parse_source(f"hf:{NAME}").shards()


def test_an_unknown_synset(hub):
    with pytest.raises(SourceError, match=r"no 00000000\.zip"):
        parse_source(f"hf:{NAME}?synsets=00000000").shards()
