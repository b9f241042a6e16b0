"""One data set from a hub, an S3 store and a folder, while all around it fails: the bytes are the same.

Runs are killed, their workers are killed, both servers are killed and started again, answers are cut off,
the disk fills up. What a seed decides is printed where a test fails; what the clock decides is not to
be repeated.
"""

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import polars as pl
import pytest

from pipelines.curation import TargetError, curate
from pipelines.fetching.journal import Journal
from pipelines.storage import DataFolder
from tests.pipelines.disks import SmallDisk, cap_files, small_disk
from tests.pipelines.fault_world import (
    PATIENCE_SECONDS,
    SETTINGS,
    Run,
    World,
    write_bucket,
    write_folder,
    write_hub,
)
from tests.pipelines.test_curation import contents, hashes
from tests.servers.process import ServerProcess

pytest.importorskip("s3fs")

ENDS = ("kill", "full disk", "capped files", "servers gone")
"""What a disturbed run ends by."""
WORKERS_KILLED, SERVER_RESTARTS = 4, 1
"""In one run, at most: it must get on, however slow the machine."""
TRIES = 3
"""For an end that does not strike, since the run had ended before."""


@contextmanager
def trouble(run: Run, generator: random.Random, counts: Counter[str]) -> Iterator[None]:
    """Kill workers, and servers to start them again, at random moments while the block runs."""
    is_over = threading.Event()

    def kill_workers(seed: int) -> None:
        chance = random.Random(seed)
        n_left = WORKERS_KILLED
        while n_left and not is_over.wait(chance.uniform(0.1, 0.8)):
            workers = run.workers()
            if workers and run.is_running:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
                    counts["worker killed"] += 1
                    n_left -= 1

    def restart_servers(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(SERVER_RESTARTS):
            if is_over.wait(chance.uniform(0.5, 4)):
                return
            server = chance.choices(run.world.servers, weights=[4, 1])[0]
            server.kill()
            is_over.wait(chance.uniform(0, 0.5))
            server.start()
            counts[f"{server.kind} restarted"] += 1

    threads = [
        threading.Thread(target=target, args=(generator.getrandbits(32),))
        for target in (kill_workers, restart_servers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def end_by(end: str, run: Run, disk: SmallDisk | None, generator: random.Random) -> bool:
    """Bring a run to its end; False where it had ended before."""
    if end == "kill":
        time.sleep(generator.uniform(0, 0.05))
        was_running = run.is_running
        run.process.kill()
        run.end()
        return was_running
    if end == "servers gone":
        for server in run.world.servers:
            server.kill()
        with suppress(subprocess.TimeoutExpired):
            run.process.wait(generator.uniform(1, 4))
        was_running = run.is_running
        run.process.kill()
        code, said = run.end()
        for server in run.world.servers:
            server.start()
        assert was_running or code == 0 or "SourceError" in said, said
        return True
    if end == "full disk" and disk is not None:
        disk.fill(generator.randrange(0, 16_384, 4096))
    else:
        cap_files(run.process.pid, 1)
    code, said = run.end()
    if disk is not None:
        disk.free()
    assert code == 0 or "cannot be written (" in said, said
    return code != 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The world, and the data set that comes of it when nothing fails."""
    folder = tmp_path_factory.mktemp("faults")
    write_folder(folder / "meshes")
    write_hub(folder / "hub")
    write_bucket(folder / "bucket")
    with ExitStack() as stack:
        servers = [stack.enter_context(ServerProcess(kind, folder / where)) for kind, where in SERVED]
        world = World(folder / "meshes", *servers)
        run = Run(world, folder / "calm", folder / "calm.log")
        code, said = run.end()
        assert code == 0, said
        yield world, run.data


SERVED = (("hub", "hub"), ("s3", "bucket"))


@pytest.mark.parametrize(
    ("seed", "ends"),
    [(1, ENDS[:2]), pytest.param(2, ENDS * 6, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_a_build_among_faults_ends_in_the_same_bytes(undisturbed, tmp_path, seed, ends):
    world, calm = undisturbed
    generator, counts = random.Random(seed), Counter()
    n_each = len(hashes(calm)) // (len(ends) + 2)
    with small_disk(tmp_path / "disk") as disk:
        # first the servers, while files are on their way
        plan = [("servers gone", generator.randint(1, 12))]
        plan += [(end, generator.randint(1, n_each)) for end in generator.sample(ends, len(ends))]
        for end, n_more in plan:
            print(f"seed {seed}: {end} after {n_more} more files")
            for attempt in range(TRIES):
                if attempt:  # it had ended before: begin from nothing, where much is left to do
                    shutil.rmtree(tmp_path / "disk" / "data", ignore_errors=True)
                    n_more = 1
                run = Run(world, tmp_path / "disk", tmp_path / "run.log")
                with trouble(run, generator, counts):
                    is_running = run.wait_for_files(n_more)
                if is_running and end_by(end, run, disk, generator):
                    counts[end] += 1
                    break
        run = Run(world, tmp_path / "disk", tmp_path / "last.log")
        with trouble(run, generator, counts):
            run.process.wait(PATIENCE_SECONDS)
        run = Run(world, tmp_path / "disk", tmp_path / "last.log")
        code, said = run.end()
        print(dict(counts))
        assert code == 0, said
        assert_same(run.data, calm)
    assert min(counts[what] for what in ("servers gone", *ends, "worker killed")) > 0, counts
    assert counts["hub restarted"] + counts["s3 restarted"] > 0


def assert_same(data: Path, calm: Path) -> None:
    """The same data set; runs that ended with files that could not be had left versions of their own."""
    found, expected = hashes(data), hashes(calm)
    journals = {name for name in expected if name.startswith("store/journal/")}
    others = {name for name in found if name not in expected}
    assert {name: found.get(name) for name in expected if name not in journals} == {
        name: sha256 for name, sha256 in expected.items() if name not in journals
    }
    assert all(name.startswith("versions/") for name in others)
    for name in journals:  # in the order in which the files came
        ours, theirs = (
            sorted(Journal(root / name).entries(), key=lambda entry: entry.uri) for root in (data, calm)
        )
        assert ours == theirs
    assert not [path for path in data.rglob("*") if ".partial" in path.name or path.suffix == ".version"]
    ledger = DataFolder(data).scan("ledger").collect()
    listed = pl.concat(
        pl.read_parquet(path, columns=["uri"])
        for stage in ("raw_meshes", "rejected/raw_meshes")
        for path in (calm / "tables" / stage).rglob("*.parquet")
    )
    assert sorted(ledger["uri"]) == sorted(listed["uri"])
    assert ledger["uri"].n_unique() == ledger.height == 12 + 8 + 7
    reasons = Counter(ledger["reason"].drop_nulls())
    assert reasons == {"EMPTY_FILE": 1, "NOT_A_MESH": 1, "NO_TRIANGLES": 1}


def test_a_target_that_cannot_be_written_is_said_and_left_as_it_was(undisturbed, tmp_path, monkeypatch):
    world, _ = undisturbed
    with small_disk(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("may not mount a file system that can be made read-only")
        sources = [f"local:{world.meshes}"]
        curate(sources, tmp_path / "disk" / "data", SETTINGS)
        before = contents(tmp_path / "disk" / "data")
        disk.set_read_only(True)
        for out in ("data", "new"):
            with pytest.raises(TargetError, match=r"Read-only file system.*writable"):
                curate(sources, tmp_path / "disk" / out, SETTINGS)
        disk.set_read_only(False)
        assert contents(tmp_path / "disk" / "data") == before
        assert not (tmp_path / "disk" / "new").exists()
