"""Every reason of the closed list has a file that is rejected for it."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import tokenizer_rs

from pipelines import mesh_steps
from pipelines.curation import curate
from pipelines.mesh_steps import TokenizeTask, clean_and_tokenize
from pipelines.reasons import Reason, Stage
from pipelines.settings import (
    CurationSettings,
    DecimationSettings,
    FetchSettings,
    QualitySettings,
    WorkerLimits,
)
from pipelines.sources import parse_sources
from pipelines.stages.mesh_table import build_mesh_table
from pipelines.stages.raw_meshes import build_raw_meshes
from pipelines.stages.tokens import build_tokens
from pipelines.storage import DataFolder
from pipelines.tokenizers import SilksongSettings
from pipelines.worker_process import ItemError
from tests.pipelines import quality_meshes, reason_files
from tests.pipelines.test_stages import sphere
from tests.servers.faults import Fault
from tests.servers.files import FileServer
from tests.tokenizer_rs.meshes import box

LIMITS = WorkerLimits(workers=2)


def reasons_of(source: str, folder, until: Stage = Stage.TOKENS, **changes: object) -> dict[str, str]:
    """Reason of each file that the first stages reject, by its name without extension."""
    settings = CurationSettings(**{"limits": LIMITS, **changes})
    data, sources = DataFolder(folder), parse_sources([source])
    build_raw_meshes(data, sources, settings)
    build_mesh_table(data, settings, sources)
    if until is Stage.TOKENS:
        build_tokens(data, settings)
    frames = [
        pl.read_parquet(data.rejected(stage, key))
        for stage in (Stage.RAW_MESHES, Stage.MESH_TABLE, Stage.TOKENS)
        for key in data.partitions(stage)
    ]
    rows = pl.concat(frames)
    assert rows["detail"].str.len_chars().min() > 0
    return {
        uri.rpartition("/")[2].partition(".")[0]: reason
        for uri, reason in rows.select("uri", "reason").iter_rows()
    }


def test_every_reason_has_a_file():
    tables = [
        set(reason_files.IN_A_FOLDER),
        set(reason_files.COSTLY),
        set(reason_files.FROM_AN_INDEX),
        {Reason.TIME_LIMIT, Reason.DECIMATION, Reason.FETCH_FAILED},
        {Reason(name) for name in quality_meshes.RULES},  # each tried in test_quality.py
        {Reason.INTERNAL},
    ]
    assert set().union(*tables) == set(Reason)
    assert sum(map(len, tables)) == len(Reason)


def test_files_of_a_folder(tmp_path):
    reason_files.write_folder(tmp_path / "files", reason_files.IN_A_FOLDER)
    (tmp_path / "files" / "kept.obj").write_text(sphere(6))
    found = reasons_of(
        f"local:{tmp_path / 'files'}",
        tmp_path / "data",
        tokenizer=SilksongSettings(conformance="reference"),
        size_bytes_limit=reason_files.SIZE_LIMIT,
        faces_limit=reason_files.FACES_LIMIT,
    )
    assert found == {reason: reason for reason in reason_files.IN_A_FOLDER}


def test_files_that_cost_too_much_memory(tmp_path):
    reason_files.write_folder(tmp_path / "files", reason_files.COSTLY)
    (tmp_path / "files" / "kept.obj").write_text(sphere(6))
    limits = LIMITS.model_copy(update={"bytes_per_item": reason_files.BYTES_PER_ITEM})
    found = reasons_of(f"local:{tmp_path / 'files'}", tmp_path / "data", Stage.MESH_TABLE, limits=limits)
    assert found == {reason: reason for reason in reason_files.COSTLY}


def test_a_file_that_costs_too_much_time(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "TIME_LIMIT.obj").write_text(sphere(250))
    limits = LIMITS.model_copy(update={"seconds_per_item": 0.01})
    found = reasons_of(f"local:{tmp_path / 'files'}", tmp_path / "data", Stage.MESH_TABLE, limits=limits)
    assert found == {"TIME_LIMIT": Reason.TIME_LIMIT}


def test_a_mesh_that_cannot_be_decimated(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "DECIMATION.obj").write_text(sphere(20))
    decimate = DecimationSettings(faces=4, distance=1e-6)
    found = reasons_of(f"local:{tmp_path / 'files'}", tmp_path / "data", decimate=decimate)
    assert found == {"DECIMATION": Reason.DECIMATION}


def test_a_file_that_its_host_does_not_give(tmp_path):
    (tmp_path / "site").mkdir()
    for name in ("FETCH_FAILED", "kept"):
        (tmp_path / "site" / f"{name}.obj").write_text(sphere(6))
    with FileServer(tmp_path / "site") as site:
        site.faults.always("FETCH_FAILED.obj", Fault.ERROR)
        fetch = FetchSettings(attempts=1, first_wait_seconds=0)
        found = reasons_of(f"{site.url}/", tmp_path / "data", Stage.MESH_TABLE, fetch=fetch)
    assert found == {"FETCH_FAILED": Reason.FETCH_FAILED}


def test_files_of_an_index(tmp_path):
    reason_files.write_index(tmp_path / "xl")
    settings = CurationSettings(
        preset="silksong-v00",
        licences=("by",),
        quality=QualitySettings(quantization=False, intersections=False, tokenizers=False),
        limits=LIMITS,
    )
    source = f"objaverse-xl:{tmp_path / 'xl'}?where=licence is null or licence != 'filtered'"
    curate([source], tmp_path / "data", settings)
    ledger = DataFolder(tmp_path / "data").scan("ledger").collect()
    found = {row["uri"].rpartition("/")[2][:-4]: row["reason"] for row in ledger.iter_rows(named=True)}
    # of two files that are the same, either may be the copy
    kept = next(name for name in ("KEPT", "DUPLICATE") if found[name] is None)
    found["KEPT"], found["DUPLICATE"] = found.pop(kept), found[{"KEPT": "DUPLICATE"}.get(kept, "KEPT")]
    assert found == {"KEPT": None, **{reason: reason for reason in reason_files.FROM_AN_INDEX}}


DEFECTS = (
    "INVALID_INPUT", "NM_PARTITION", "NM_LABEL", "EDGE_STILL_NONMANIFOLD", "VERTEX_IN_TWO_COMPONENTS",
    "RING", "TOKEN_LIMIT", "REPAIR_DEFECT",
)  # fmt: skip
"""Codes that no file is known to meet; a tokenizer that says so of a box stands for one."""


@pytest.mark.parametrize("code", [*DEFECTS, "INTERNAL", "VALENCE_LIMIT"])
def test_what_a_tokenizer_says_is_the_reason(monkeypatch, code):
    def refuse(vertices: np.ndarray, faces: np.ndarray) -> None:
        error = tokenizer_rs.MeshError("made by hand")
        error.code = code
        raise error

    monkeypatch.setattr(mesh_steps, "build_tokenizer", lambda settings: SimpleNamespace(encode=refuse))
    with pytest.raises(ItemError) as caught:
        clean_and_tokenize(TokenizeTask(*box(), SilksongSettings()))
    if code in DEFECTS:
        assert (caught.value.reason, caught.value.detail) == (Reason.INTERNAL, f"{code}: made by hand")
    else:
        assert (caught.value.reason, caught.value.detail) == (Reason(code), "made by hand")
