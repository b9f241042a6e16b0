"""Every cause of a difference, on records made by hand."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.tables import VersionChanges, validate
from pipelines.tables.versions import CAUSES, CHANGES
from pipelines.versions.code import code_record
from pipelines.versions.difference import PAGE_ROWS, VersionDifference, compare, render, write_difference
from pipelines.versions.rebuilding import code_changes
from tests.pipelines.versions.handmade import CONTENT, changed, file_row, write_record

TOKENIZER = changed(**{"tokenizer.name": "loom/128"})
NEW_WHEEL = changed(**{"tokenizer.version": "0.2.0"})
NEW_STAGE = changed(**{"code.stages": {"tokens": 3, "curated": 2}})
RULES = changed(**{"rules.rules": [{"keep": "n_faces >= 1"}]})
LICENCES = changed(**{"settings.licences": ["by"]})
LIMITS = changed(**{"settings.limits": {"seconds_per_item": 1.0}})
CODE = changed(**{"code.sources": "11"})
EVERYTHING = changed(
    **{"tokenizer.name": "loom/128", "rules.rules": [], "settings.licences": ["by"], "code.sources": "11"}
)


def difference(
    folder: Path,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    content: dict[str, Any] = CONTENT,
) -> VersionDifference:
    return compare(
        write_record(folder, [before] if before else []),
        write_record(folder, [after] if after else [], content, version="1" * 64),
    )


def row(end: str = "kept", **columns: Any) -> dict[str, Any]:
    return file_row("local:meshes/a.glb", end=end, **columns)


CASES = {
    "a new file": (None, row(), CONTENT, "added", "NEW_FILE"),
    "a new file that is rejected": (None, row("mesh_table/LOAD"), CONTENT, "rejected", "NEW_FILE"),
    "a file gone": (row(), None, EVERYTHING, "removed", "FILE_GONE"),
    "a rejected file gone": (row("tokens/LAYER_VERTEX_LIMIT"), None, CONTENT, "rejected", "FILE_GONE"),
    "new bytes": (row(), row(sha256="bb"), EVERYTHING, "changed", "BYTES_CHANGED"),
    "new bytes that do not load": (
        row(),
        row("mesh_table/LOAD", sha256="bb"),
        CONTENT,
        "removed",
        "BYTES_CHANGED",
    ),
    "read at last": (
        row("raw_meshes/UNREADABLE_FILE", sha256=None),
        row(),
        CONTENT,
        "added",
        "BYTES_CHANGED",
    ),
    "another tokenizer": (row(), row(), TOKENIZER, "changed", "TOKENIZER_CHANGED"),
    "a newer tokenizer": (row(), row(), NEW_WHEEL, "changed", "TOKENIZER_CHANGED"),
    "a newer stage of tokens": (row(), row(), NEW_STAGE, "changed", "TOKENIZER_CHANGED"),
    "a tokenizer that takes it": (
        row("tokens/LAYER_VERTEX_LIMIT"),
        row(),
        EVERYTHING,
        "added",
        "TOKENIZER_CHANGED",
    ),
    "a tokenizer by which a rule drops it": (
        *(row(), row("curated/RULE_TOKENS"), EVERYTHING, "removed", "TOKENIZER_CHANGED"),
    ),
    "a rule that keeps it": (row("curated/RULE_FACES"), row(), RULES, "added", "RULE_CHANGED"),
    "a rule that drops it": (row(), row("curated/RULE_FACES"), RULES, "removed", "RULE_CHANGED"),
    "another rule that drops it": (
        *(row("curated/RULE_TOKENS"), row("curated/RULE_FACES"), RULES, "rejected", "RULE_CHANGED"),
    ),
    "a policy that drops it": (row(), row("curated/LICENCE"), LICENCES, "removed", "LICENCE_CHANGED"),
    "a policy that keeps it": (row("curated/LICENCE"), row(), EVERYTHING, "added", "LICENCE_CHANGED"),
    "a licence that is now stated": (
        *(row("curated/LICENCE"), row(licence="by"), CONTENT, "added", "LICENCE_CHANGED"),
    ),
    "other limits": (row("mesh_table/TIME_LIMIT"), row(), LIMITS, "added", "SETTINGS_CHANGED"),
    "limits have no say in rules": (*(row("curated/RULE_FACES"), row(), LIMITS, "added", "REASON_CHANGED"),),
    "another reader": (row("mesh_table/LOAD"), row(), CODE, "added", "CODE_CHANGED"),
    "rules have no say in reading": (row("mesh_table/LOAD"), row(), RULES, "added", "REASON_CHANGED"),
    "tokenizers have no say in reading": (
        *(row("mesh_table/LOAD"), row(), TOKENIZER, "added", "REASON_CHANGED"),
    ),
    "another split": (row(), row(split="val"), CONTENT, "changed", "SPLIT_CHANGED"),
    "another author": (row(author="a"), row(author="b"), CONTENT, "changed", "PROVENANCE_CHANGED"),
    "a slow day": (row(), row("tokens/TIME_LIMIT"), CONTENT, "removed", "REASON_CHANGED"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_difference_has_its_cause(tmp_path, name):
    before, after, content, change, cause = CASES[name]
    found = difference(tmp_path, before, after, content)
    assert found.changes.select("change", "cause").rows() == [(change, cause)]
    assert found.n_unchanged == 0


def test_every_cause_and_every_change_has_its_case():
    assert {case[4] for case in CASES.values()} == set(CAUSES)
    assert {case[3] for case in CASES.values()} == set(CHANGES)


@pytest.mark.parametrize(
    ("end", "content"),
    [("kept", RULES), ("kept", CODE), ("kept", LICENCES), ("mesh_table/LOAD", EVERYTHING), ("kept", CONTENT)],
)
def test_what_ends_the_same_is_no_difference(tmp_path, end, content):
    found = difference(tmp_path, row(end), row(end), content)
    assert found.changes.is_empty()
    assert found.n_unchanged == 1


def test_other_code_is_said_before_a_version_is_made_again(tmp_path):
    then = write_record(tmp_path, [], changed(code={**code_record(), "packages": {"polars": "0.1"}}))
    assert [line.partition(" ")[0] for line in code_changes(then)][-1] == "code.packages.webdataset:"
    assert any(line.startswith("code.packages.polars: 0.1 then, ") for line in code_changes(then))
    assert code_changes(write_record(tmp_path, [], changed(code=code_record()), version="1" * 64)) == []


def test_the_text_says_what_and_why(tmp_path):
    before = write_record(tmp_path, [file_row(f"local:meshes/{i}.glb") for i in range(9)])
    rows = [file_row(f"local:meshes/{i}.glb", end="curated/RULE_FACES") for i in range(8)]
    after = write_record(tmp_path, [*rows, file_row("local:meshes/8.glb")], RULES, version="1" * 64)
    lines = list(compare(before, after).lines())
    assert lines[0] == f"{'0' * 16} -> {'1' * 16}"
    assert "removed           8  RULE_CHANGED 8" in lines
    assert "unchanged         1" in lines
    assert "rules.rules: [{'keep': 'n_faces >= 40'}] -> [{'keep': 'n_faces >= 1'}]" in lines
    assert "removed kept -> RULE_FACES, RULE_CHANGED: local:meshes/0.glb" in lines
    assert lines[-1] == "removed, RULE_CHANGED: and 3 more"


def test_the_files_are_deterministic_and_the_page_takes_nothing_from_names(tmp_path):
    uri = "local:meshes/<script>alert(1)</script>\u202e\x1b.glb"
    before = write_record(tmp_path / "records", [file_row(uri)])
    after = write_record(tmp_path / "records", [], version="1" * 64)
    paths = write_difference(compare(before, after), tmp_path / "out")
    assert [path.name for path in paths] == ["changes.parquet", "changes.html"]
    contents = [path.read_bytes() for path in paths]
    assert [
        path.read_bytes() for path in write_difference(compare(before, after), tmp_path / "again")
    ] == contents
    assert validate(VersionChanges, pl.read_parquet(paths[0]))["uri"].to_list() == [uri]
    page = contents[1].decode()
    assert "&lt;script&gt;alert(1)" in page
    assert not {"<script", "\u202e", "\x1b"} & {page[i : i + n] for n in (1, 7) for i in range(len(page))}


def test_the_page_is_bounded_and_says_so(tmp_path):
    before = write_record(tmp_path, [])
    rows = [file_row(f"local:meshes/{i:05d}.glb") for i in range(PAGE_ROWS + 1)]
    page = render(compare(before, write_record(tmp_path, rows, version="1" * 64)))
    assert f"The first {PAGE_ROWS}; the table holds all." in page
    assert page.count('class="uri"') == PAGE_ROWS
