"""One data set from a hub, an S3 store and a folder, while all around it fails: the bytes are the same.

Runs are killed, their workers are killed, both servers are killed and started again, answers are cut off,
the disk fills up. What a seed decides is printed where a test fails; what the clock decides is not to
be repeated.
"""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from pipelines.curation import TargetError, curate
from pipelines.fetching.journal import Journal
from pipelines.settings import (
    CurationSettings,
    FetchSettings,
    QualitySettings,
    SplitSettings,
    WorkerLimits,
)
from pipelines.sources.builtin import BuiltinSource
from pipelines.storage import DataFolder
from tests.pipelines.disks import SmallDisk, cap_files, small_disk
from tests.pipelines.test_curation import contents, hashes, write_furniture
from tests.pipelines.test_kill import n_files
from tests.pipelines.test_reading import tetrahedron
from tests.pipelines.test_stages import sphere
from tests.servers.process import BUCKET, REPOSITORY, ServerProcess

pytest.importorskip("s3fs")

SETTINGS = CurationSettings(
    preset="silksong-v00",
    limits=WorkerLimits(workers=2),
    quality=QualitySettings(quantization=False, intersections=False, tokenizers=False),
    split=SplitSettings(val=0.2, test=0.2),
    fetch=FetchSettings(
        first_wait_seconds=0.02, longest_wait_seconds=1, requests_per_second=200, read_seconds=5, attempts=4
    ),
)
CHILD = "import sys; from tests.pipelines.test_faults import build; build(sys.argv[1], sys.argv[2])"
PATIENCE_SECONDS = 240
STARTED_SECONDS = 0.5
"""Of the processor, after which a worker has probably begun to work."""
ENDS = ("kill", "full disk", "capped files", "servers gone")
"""What a disturbed run ends by."""
TRIES = 3
"""For an end that does not strike, since the run had ended before."""


def build(meshes: str, out: str) -> None:
    """What the runs do."""
    sources = [f"local:{meshes}", "hf:allenai/objaverse", f"s3://{BUCKET}/models"]
    curate(sources, out, SETTINGS)


def write_hub(folder: Path) -> None:
    """A repository laid out as Objaverse, of eight made meshes in two folders."""
    source, paths = BuiltinSource(), {}
    for shard, family in (("000-000", "lamp"), ("000-001", "table")):
        (folder / "glbs" / shard).mkdir(parents=True)
        (folder / "metadata").mkdir(exist_ok=True)
        annotations = {}
        for i, file in enumerate(source.list_files(family)[:4]):
            uid = f"{family}{i:028d}"
            paths[uid] = f"glbs/{shard}/{uid}.glb"
            annotations[uid] = {"name": f"{family} {i}", "license": "by", "user": {"username": "somebody"}}
            (folder / paths[uid]).write_bytes(source.read_bytes(file))
        (folder / "metadata" / f"{shard}.json.gz").write_bytes(
            gzip.compress(json.dumps(annotations).encode())
        )
    for name, content in (("object-paths", paths), ("lvis-annotations", {})):
        (folder / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))


def write_bucket(folder: Path) -> None:
    """Meshes, one of which names a buffer beside it."""
    write_furniture(folder / "models", 3, ("bench", "mug"))
    content = tetrahedron([{"mesh": 0}])
    size = int.from_bytes(content[12:16], "little")
    document = json.loads(content[20 : 20 + size])
    document["buffers"][0]["uri"] = "buffers/data.bin"
    scene = folder / "models" / "scene"
    (scene / "buffers").mkdir(parents=True)
    (scene / "scene.gltf").write_text(json.dumps(document))
    (scene / "buffers" / "data.bin").write_bytes(content[28 + size :])


def write_folder(folder: Path) -> None:
    """Good meshes, some that take a while, and some that are rejected."""
    write_furniture(folder, 3, ("chair", "vase"))
    (folder / "empty.glb").touch()
    (folder / "page.obj").write_text("<!DOCTYPE html><html></html>")
    (folder / "points.obj").write_text("v 0 0 0\n")
    for n in (24, 26, 28):
        (folder / f"sphere{n}.obj").write_text(sphere(n))


@dataclass
class World:
    """Three sources, two of them served."""

    meshes: Path
    hub: ServerProcess
    s3: ServerProcess

    @property
    def servers(self) -> list[ServerProcess]:
        return [self.hub, self.s3]

    def environment(self, cache: Path) -> dict[str, str]:
        """What leads a run to the servers, with caches of its own."""
        return {
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(cache / "hub"),
            "HF_HUB_CACHE": str(cache / "hub"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "MESHLOOM_CACHE": str(cache / "meshloom"),
            "AWS_ENDPOINT_URL": self.s3.url,
            "AWS_ACCESS_KEY_ID": "access-of-the-test",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }


@dataclass
class Run:
    """A build in a process of its own."""

    world: World
    disk: Path
    log: Path
    process: subprocess.Popen = field(init=False)

    def __post_init__(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHILD, str(self.world.meshes), str(self.data)],
                cwd=REPOSITORY,
                env={**os.environ, **self.world.environment(self.disk / "caches")},
                stdout=log,
                stderr=log,
            )

    @property
    def data(self) -> Path:
        return self.disk / "data"

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_for_files(self, n_more: int) -> bool:
        """Wait until it made so many files; False where it ended before."""
        wanted, deadline = n_files(self.data) + n_more, time.monotonic() + PATIENCE_SECONDS
        while n_files(self.data) < wanted and self.is_running and time.monotonic() < deadline:
            time.sleep(0.002)
        return self.is_running

    def end(self) -> tuple[int, str]:
        """Wait for its end; exit code and what it said."""
        code = self.process.wait(PATIENCE_SECONDS)
        return code, self.log.read_text(errors="replace")

    def workers(self) -> list[int]:
        """Its workers that have probably begun to work."""
        found = []
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except OSError:
            return []
        for child in map(int, children):
            try:
                is_worker = b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            if is_worker and seconds > STARTED_SECONDS:
                found.append(child)
        return found


@contextmanager
def trouble(run: Run, generator: random.Random, counts: Counter[str]) -> Iterator[None]:
    """Kill workers, and servers to start them again, at random moments while the block runs."""
    is_over = threading.Event()

    def kill_workers(seed: int) -> None:
        chance = random.Random(seed)
        while not is_over.wait(chance.uniform(0.1, 0.8)):
            for worker in run.workers():
                if chance.random() < 0.5 and run.is_running:
                    os.kill(worker, signal.SIGKILL)
                    counts["worker killed"] += 1

    def restart_servers(seed: int) -> None:
        chance = random.Random(seed)
        while not is_over.wait(chance.uniform(0.5, 4)):
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
            for _ in range(TRIES):
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
