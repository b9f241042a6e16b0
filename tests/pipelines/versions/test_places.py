"""Files named apart from where they lie on this machine."""

import polars as pl
import pytest

from pipelines.sources import parse_sources
from pipelines.sources.files import file_uri
from pipelines.versions.places import Places


def both_ways(places: Places, uri: str) -> str:
    [found] = pl.DataFrame({"uri": [uri]}).with_columns(places.expression())["uri"]
    assert found == places.of(uri)
    return found


@pytest.fixture
def folders(tmp_path):
    for name in ("one/meshes", "two/meshes", "objaverse/hf-objaverse-v1/glbs/000-000", "a b%\n"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_places_of_every_kind_of_source(folders):
    texts = [
        f"local:{folders}/one/meshes",
        f"objaverse:{folders}/objaverse",
        "builtin:",
        f"local:{folders}/two/meshes",
    ]
    places = Places(texts)
    assert places.names == ["local:meshes", "objaverse:", "builtin:", "local:meshes~2"]
    for path, place in {
        "one/meshes/sub/x.glb": "local:meshes/sub/x.glb",
        "two/meshes/sub/x.glb": "local:meshes~2/sub/x.glb",
        "objaverse/hf-objaverse-v1/glbs/000-000/u.glb": "objaverse:glbs/000-000/u.glb",
    }.items():
        assert both_ways(places, file_uri(folders / path)) == place
    assert both_ways(places, "builtin:chair-000") == "builtin:chair-000"


def test_a_source_that_is_gone_still_has_places(tmp_path):
    places = Places([f"local:{tmp_path}/gone"])
    assert both_ways(places, file_uri(tmp_path / "gone" / "x.glb")) == "local:gone/x.glb"


def test_a_folder_of_an_odd_name(folders):
    text = f"local:{folders}/a b%\n"
    parse_sources([text])
    places = Places([text])
    assert both_ways(places, file_uri(folders / "a b%\n" / "x.glb")) == "local:a b%25%0A/x.glb"


def test_a_sibling_that_begins_alike_is_not_within(tmp_path):
    (tmp_path / "meshes").mkdir()
    places = Places([f"local:{tmp_path}/meshes"])
    found = both_ways(places, file_uri(tmp_path / "meshes-old" / "x.glb"))
    assert found.startswith("file:")
    assert found.endswith("/x.glb")
    assert str(tmp_path) not in found


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("https://host.example/a/b.glb", "https://host.example/a/b.glb"),
        ("https://user:secret@host.example/b.glb", "https://host.example/b.glb"),
        ("s3://key@bucket/b.glb", "s3://bucket/b.glb"),
        ("https://host.example/@scope/b.glb", "https://host.example/@scope/b.glb"),
    ],
)
def test_addresses_stay_and_credentials_go(uri, place):
    assert both_ways(Places([]), uri) == place


def test_signatures_go_and_the_files_stay_apart():
    places = [
        both_ways(Places([]), f"https://host.example/b.glb?id={i}&X-Amz-Signature=secret") for i in (1, 2)
    ]
    assert len(set(places)) == 2
    assert not any("secret" in place or "id=" in place for place in places)
