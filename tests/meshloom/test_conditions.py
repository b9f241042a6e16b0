"""Meshes, folders, lists and tables on the command line."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import trimesh

from meshloom.conditions import conditions_of_paths, mesh_files


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    """Three meshes in two folders, and a file that is none."""
    folder = tmp_path / "meshes"
    (folder / "more").mkdir(parents=True)
    for name in ("b.obj", "a.STL", "more/c.ply"):
        trimesh.creation.box((1, 2, 4)).export(folder / name, file_type=name[-3:].lower())
    (folder / "notes.txt").write_text("no mesh")
    return folder


def names(*paths: Path) -> list[str]:
    return [condition.name for condition in conditions_of_paths(paths)]


def test_folders_lists_and_tables_name_the_same_meshes(meshes: Path, tmp_path: Path) -> None:
    files = [meshes / "a.STL", meshes / "b.obj", meshes / "more" / "c.ply"]
    assert list(mesh_files(meshes)) == files
    listed = tmp_path / "list.txt"
    listed.write_text(f"meshes/a.STL\n\n{files[1]}\nmeshes/more/c.ply\n")
    assert list(mesh_files(listed)) == files
    table = tmp_path / "table.parquet"
    pl.DataFrame({"other": [1, 2, 3], "path": [str(file) for file in files]}).write_parquet(table)
    assert list(mesh_files(table)) == files
    assert names(meshes, listed, table, files[0]) == ["a", "b", "c"]


def test_a_mesh_is_read_when_it_is_asked_for(meshes: Path) -> None:
    [condition] = conditions_of_paths([meshes / "b.obj"])
    assert np.ptp(condition.mesh().vertices, axis=0).tolist() == pytest.approx([0.475, 0.95, 1.9])
    (meshes / "b.obj").unlink()
    with pytest.raises((OSError, ValueError)):
        condition.mesh()


def test_what_names_no_mesh_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n")
    pl.DataFrame({"uri": ["a"]}).write_parquet(tmp_path / "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    for name, message in (
        ("absent", "does not exist"),
        ("empty", "names no mesh"),
        ("empty.txt", "names no mesh"),
        ("other.parquet", "column `path`"),
        ("broken.parquet", "column `path`"),
    ):
        with pytest.raises(ValueError, match=message):
            conditions_of_paths([tmp_path / name])
