"""A PostgreSQL server of its own in a temporary folder, from Debian's package."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "nobody"
"""The server refuses to run as root; then it runs as this user."""


def binaries() -> Path | None:
    """Folder of initdb and postgres, of the newest version; None where the package is absent."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


@contextmanager
def postgres(log: Path) -> Iterator[str]:
    """Run a server in a folder of its own and give the address of its database; `log` takes what it says."""
    programs = binaries()
    assert programs is not None
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="meshloom-postgres-") as folder:
        data = Path(folder)
        if is_root:
            shutil.chown(data, USER)
        with _server(programs, data, log, is_root) as address:
            yield address


@contextmanager
def _server(programs: Path, data: Path, log: Path, is_root: bool) -> Iterator[str]:
    identity = {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []} if is_root else {}
    options = {"cwd": data, "env": {**os.environ, "LC_ALL": "C.UTF-8"}, **identity}
    command = [programs / "initdb", "-D", data, "-U", "dagster", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(command, check=True, capture_output=True, timeout=120, **options)  # type: ignore[call-overload]
    port = _free_port()
    settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
    with log.open("wb") as output:
        server = subprocess.Popen(  # type: ignore[call-overload]
            [programs / "postgres", "-D", data, *(f"--{setting}" for setting in settings)],
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,
        )
        try:
            address = f"postgresql+psycopg2://dagster@127.0.0.1:{port}/postgres"
            _wait_for(programs, port, server)
            yield address
        finally:
            server.send_signal(2)  # fast shutdown
            server.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(programs: Path, port: int, server: "subprocess.Popen[bytes]") -> None:
    command = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
    deadline = time.monotonic() + 60
    while subprocess.run(command, check=False).returncode != 0:
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server takes too long"
        time.sleep(0.1)
