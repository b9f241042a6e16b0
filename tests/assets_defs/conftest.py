"""A small data set, and instances as this repository ships them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets_defs.resources import DataSetResource
from tests.assets_defs.tiny import PROJECT, write_three_meshes


@pytest.fixture
def data_set(tmp_path: Path) -> DataSetResource:
    meshes = write_three_meshes(tmp_path / "meshes")
    return DataSetResource(
        sources=[f"local:{meshes}"],
        folder=str(tmp_path / "data"),
        runs=str(tmp_path / "runs"),
        workers=1,
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(scope="session")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the instance configuration of this repository."""
    home = tmp_path_factory.mktemp("dagster_home")
    shutil.copy(PROJECT / ".dagster" / "dagster.yaml", home)
    return home


@pytest.fixture
def home_instance(dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        yield instance
