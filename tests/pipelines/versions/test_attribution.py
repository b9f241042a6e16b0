"""Who is named, how, and what a hostile name can do: nothing."""

import re

import polars as pl
import pytest

from pipelines.settings import CurationSettings
from pipelines.stages.curated import build_curated
from pipelines.storage import DataFolder, write_table
from pipelines.versions.attribution import attribution_paths, plain, write_attribution
from pipelines.versions.places import Places
from tests.pipelines.handmade import KEY, write_partition

ROWS = {
    "name": ["Chair", "<script>alert(1)</script>", "a\n# b\u202e", "[x](javascript:y)", "", "Lamp"],
    "author": ["Ann", "Ann", "*Bob*", None, "Ann", "Zoe"],
    "licence": ["CC BY 4.0", "by", "cc0", "house rules", None, "by-nc"],
}


@pytest.fixture
def data(tmp_path) -> DataFolder:
    data = DataFolder(tmp_path)
    write_partition(data, 6)
    path = data.table("raw_meshes", KEY)
    columns = [pl.Series(name, values, dtype=pl.String) for name, values in ROWS.items()]
    write_table(path, pl.read_parquet(path).with_columns(*columns), "by hand")
    build_curated(data, CurationSettings(licences=None))
    return data


def test_every_work_stands_under_its_licence_and_author(data):
    write_attribution(data, Places(["local:/hand-00"]))
    text, table = attribution_paths(data)
    lines = text.read_text().splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## by (https://creativecommons.org/licenses/by/4.0/)",
        "## by-nc (https://creativecommons.org/licenses/by-nc/4.0/)",
        "## cc0 (https://creativecommons.org/publicdomain/zero/1.0/)",
        "## No licence that is known",
    ]
    start = lines.index("By Ann:")
    assert lines[start + 2 : start + 4] == [
        r"- \<script\>alert(1)\</script\> (local:hand-00/0001.glb)",
        "- Chair (local:hand-00/0000.glb)",
    ]
    assert r"- \[x\](javascript:y) (local:hand-00/0003.glb), stated as “house rules”" in lines
    assert lines.count("By an author that is not stated:") == 1
    frame = pl.read_parquet(table)
    assert dict(frame.select("uri", "licence").iter_rows())["local:hand-00/0000.glb"] == "by"
    assert sum(line.startswith("- ") for line in lines) == frame.height == 6
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text.read_text())


def test_nothing_is_written_twice_and_a_lost_text_comes_back(data):
    places = Places([])
    write_attribution(data, places)
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in attribution_paths(data)]
    write_attribution(data, places)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in attribution_paths(data)] == before
    attribution_paths(data)[0].unlink()
    write_attribution(data, places)
    assert [path.read_bytes() for path in attribution_paths(data)] == [content for _, content in before]


def test_a_long_name_is_cut_and_an_empty_one_said():
    assert len(plain("a" * 1000)) == 200
    assert plain(" \x00 ") == "without a name"
