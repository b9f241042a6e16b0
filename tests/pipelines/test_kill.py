"""A curation that is killed at any moment, and started again, ends in the same bytes as one that was not."""

import os
import signal
import subprocess
import sys
import time
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from pipelines.curation import curate
from tests.pipelines.test_curation import SETTINGS, contents, hashes, write_furniture

CHILD = """
import sys
from pipelines.curation import curate
from tests.pipelines.test_curation import SETTINGS
curate([f"local:{sys.argv[1]}"], sys.argv[2], SETTINGS)
"""
REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    write_furniture(folder / "meshes", 10, ("bench", "cabinet", "mug", "stairs"))
    curate([f"local:{folder / 'meshes'}"], folder / "data", SETTINGS)
    return folder / "meshes", hashes(folder / "data")


def n_files(root: Path) -> int:
    """Files that lie in the folder, temporary ones too."""
    return sum(len(names) for _, _, names in os.walk(root))


def kill_after(n_more: int, pause_seconds: float, meshes: Path, data: Path) -> bool:
    """Start a curation, kill it a moment after it made so many files; False where it ended before."""
    wanted = n_files(data) + n_more
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(meshes), str(data)], cwd=REPOSITORY)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while n_files(data) < wanted and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(pause_seconds)
    was_running = child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    return was_running


@pytest.mark.parametrize(
    ("seed", "n_kills"), [(1, 3), pytest.param(2, 25, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_kills_leave_no_trace(undisturbed, tmp_path, seed, n_kills):
    meshes, expected = undisturbed
    data = tmp_path / "data"
    generator = np.random.default_rng(seed)
    n_more = generator.integers(1, 2 * len(expected) // (n_kills + 1), n_kills)
    pauses = generator.uniform(0, 0.05, n_kills)
    n_killed = sum(map(kill_after, n_more.tolist(), pauses, repeat(meshes), repeat(data)))
    assert n_killed >= n_kills // 2
    curate([f"local:{meshes}"], data, SETTINGS)
    assert hashes(data) == expected
    assert not list(data.rglob("*.partial"))
    before = contents(data)
    curate([f"local:{meshes}"], data, SETTINGS)
    assert contents(data) == before
