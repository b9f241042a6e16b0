"""Politeness: how often each host is asked, the pauses it asks for, and when it is given up."""

import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class _Host:
    next_request: float = 0.0
    failures: int = 0


class Hosts:
    """Shared by all threads of a fetch."""

    def __init__(self, requests_per_second: float, failures_until_down: int):
        self._interval = 1 / requests_per_second
        self._failures_until_down = failures_until_down
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def wait(self, url: str) -> None:
        """Return when the next request to the url's host may be sent."""
        with self._lock:
            host = self._host(url)
            turn = max(time.monotonic(), host.next_request)
            host.next_request = turn + self._interval
        time.sleep(max(0.0, turn - time.monotonic()))

    def pause(self, url: str, seconds: float) -> None:
        """Let nobody ask the url's host for so long: it said so."""
        with self._lock:
            host = self._host(url)
            host.next_request = max(host.next_request, time.monotonic() + seconds)

    def answered(self, url: str) -> None:
        """Note that the host works."""
        with self._lock:
            self._host(url).failures = 0

    def gave_up(self, url: str) -> None:
        """Note that all attempts for one file failed."""
        with self._lock:
            self._host(url).failures += 1

    def is_down(self, url: str) -> bool:
        """Whether so many files in a row failed that the rest need not be tried."""
        with self._lock:
            return self._host(url).failures >= self._failures_until_down

    def _host(self, url: str) -> _Host:
        parts = urlsplit(url)
        return self._hosts.setdefault(f"{parts.scheme}://{parts.hostname}:{parts.port}", _Host())
