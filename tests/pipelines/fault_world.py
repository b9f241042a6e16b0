"""Three sources, two of them served by processes that can be killed, and builds of one data set from them."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.curation import curate
from pipelines.settings import (
    CurationSettings,
    FetchSettings,
    QualitySettings,
    SplitSettings,
    WorkerLimits,
)
from pipelines.sources.builtin import BuiltinSource
from tests.pipelines.test_curation import write_furniture
from tests.pipelines.test_kill import n_files
from tests.pipelines.test_reading import tetrahedron
from tests.pipelines.test_stages import sphere
from tests.servers.process import BUCKET, REPOSITORY, ServerProcess

SETTINGS = CurationSettings(
    preset="silksong-v00",
    limits=WorkerLimits(workers=2),
    quality=QualitySettings(quantization=False, intersections=False, tokenizers=False),
    split=SplitSettings(val=0.2, test=0.2),
    fetch=FetchSettings(
        first_wait_seconds=0.02, longest_wait_seconds=1, requests_per_second=200, read_seconds=5, attempts=4
    ),
)
CHILD = "import sys; from tests.pipelines.fault_world import build; build(sys.argv[1], sys.argv[2])"
PATIENCE_SECONDS = 240
LOADED = "tokenizer_rs.abi3.so"
"""What a worker has loaded before it begins to work."""


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
    _listener: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self.world.meshes), str(self.data)],
            cwd=REPOSITORY,
            env={**os.environ, **self.world.environment(self.disk / "caches")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        # By a pipe: a cap on the files that the process writes would be one on its last words, too.
        assert self.process.stdout is not None
        with self.log.open("wb") as log:
            shutil.copyfileobj(self.process.stdout, log)

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
        self._listener.join(PATIENCE_SECONDS)
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
                has_loaded = LOADED in Path(f"/proc/{child}/maps").read_text()
            except OSError:
                continue
            if is_worker and has_loaded:
                found.append(child)
        return found
