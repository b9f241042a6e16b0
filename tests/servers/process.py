"""A server in a process of its own, to be killed at any moment and started again at the same address.

with ServerProcess("hub", folder, seed=3) as hub:
    hub.url
    hub.kill()
    hub.start()

A hub serves the folder as allenai/objaverse, and a share of its answers is cut off or damaged; an S3 server
holds the folder's files in the bucket `meshes`.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BUCKET = "meshes"
PATIENCE_SECONDS = 60


class ServerProcess:
    """A process that serves a folder at one address, whenever it runs."""

    def __init__(self, kind: str, folder: Path, seed: int = 0):
        self.kind, self.folder, self.seed = kind, folder, seed
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it listens; faults differ from those of earlier starts."""
        self.seed += 1
        command = [sys.executable, "-m", __name__, self.kind, self.folder, self.port, self.seed]
        self._process = subprocess.Popen([str(part) for part in command], cwd=REPOSITORY)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the {self.kind} server ended of itself"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError(self.kind)

    def kill(self) -> None:
        """End it at once; its connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def serve_hub(folder: Path, port: int, seed: int) -> None:
    from tests.servers.faults import Fault, Faults
    from tests.servers.hub import HubServer

    kinds = [Fault.DROP, Fault.TRUNCATE, Fault.CORRUPT, Fault.ERROR]
    faults = Faults(seed, rate=0.3, kinds=kinds, only=".glb")
    with HubServer({"allenai/objaverse": folder}, faults, port=port):
        threading.Event().wait()


def serve_s3(folder: Path, port: int, seed: int) -> None:
    import boto3
    from moto import mock_aws
    from moto.server import ThreadedMotoServer

    os.environ.pop("AWS_ENDPOINT_URL", None)
    mock_aws().start()  # fills what the server then serves
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.put_object(Bucket=BUCKET, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
    ThreadedMotoServer("127.0.0.1", port, verbose=False).start()
    threading.Event().wait()


if __name__ == "__main__":
    kind, folder, port, seed = sys.argv[1:]
    {"hub": serve_hub, "s3": serve_s3}[kind](Path(folder), int(port), int(seed))
