"""Disks that fill up: a file system in memory where the tests may mount one, else a cap on every file."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LARGE = 1 << 30


@contextmanager
def small_disk(folder: Path) -> Iterator["SmallDisk | None"]:
    """A disk of its own at `folder`; None, and a plain folder, where none may be mounted."""
    folder.mkdir(parents=True)
    disk = SmallDisk(folder) if os.getuid() == 0 and shutil.which("mount") else None
    if disk is None or not disk.mount():
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class SmallDisk:
    """A tmpfs whose size can be changed while it is in use."""

    def __init__(self, folder: Path):
        self.folder = folder

    def mount(self) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", f"size={LARGE}", "meshloom-test", self.folder]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def fill(self, n_left: int) -> None:
        """Leave room for so many bytes more."""
        while not self._remount(f"size={self.n_used() + n_left}"):  # more came between the two calls
            n_left += 4096

    def free(self) -> None:
        assert self._remount(f"size={LARGE}")

    def set_read_only(self, is_read_only: bool) -> None:
        assert self._remount("ro" if is_read_only else "rw")

    def n_used(self) -> int:
        status = os.statvfs(self.folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def _remount(self, option: str) -> bool:
        command = ["mount", "-o", f"remount,{option}", self.folder]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def cap_files(pid: int, n_bytes: int) -> None:
    """Let no file that a process writes grow beyond so many bytes; the next write fails."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
