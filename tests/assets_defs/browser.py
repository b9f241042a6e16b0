"""Dagster's web UI of an instance, in Chromium, for a test to walk through."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.assets_defs.tiny import PROJECT

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MILLISECONDS = 120_000
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


@contextmanager
def web_ui(home: Path) -> Iterator[str]:
    """Address of `dagster dev` on the instance at `home`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(PROJECT / "workspace.yaml"), "-p", str(port)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "DAGSTER_HOME": str(home)},
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/server_info", process)
        yield address
    finally:
        # Its code servers, which are in the same group, take half a minute to end by SIGTERM, or do not.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def opened(base: str) -> Iterator["playwright.Page"]:
    """A page of the UI at `base`, wide enough that nothing is folded away."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1800, "height": 900}, device_scale_factor=1.5)
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        playwright.expect.set_options(timeout=PATIENCE_MILLISECONDS)
        page.goto(base)
        page.get_by_text("Hide navigation").click()
        yield page
        browser.close()


@contextmanager
def picture_of_failure(
    page: "playwright.Page", request: pytest.FixtureRequest, folder: Path
) -> Iterator[None]:
    """Keep what the page shows when the test that runs within fails."""
    n_failed = request.session.testsfailed
    yield
    if request.session.testsfailed > n_failed:
        page.screenshot(path=folder / "failure.png")


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, "dagster dev ended"
        assert time.monotonic() < deadline, "dagster dev takes too long"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
