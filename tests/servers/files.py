"""A web server of files: ETag, HEAD, Range with If-Range; it counts, and does what the faults say.

with FileServer(folder) as server:
    server.url, server.requests, server.bodies
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.faults import Fault, Faults

RETRY_AFTER_SECONDS = 1


@dataclass
class Request:
    """What was asked, and answered."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    query: str = ""
    status: int = 0

    def query_number(self, name: str) -> int:
        """Value of a parameter; 0 where it is absent."""
        return int(parse_qs(self.query).get(name, ["0"])[0])


@dataclass
class Answer:
    """A body with its headers, or a status alone."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


class FileServer:
    """Serves the files below a folder; subclasses serve other things."""

    def __init__(self, root: Path, faults: Faults | None = None, port: int = 0):
        self.root = root
        self.faults = faults or Faults()
        self.requests: list[Request] = []
        self.has_etags = True
        self.on_request: Callable[[Request], None] = lambda request: None
        self.n_impatient = 0
        """Requests that came before Retry-After allowed them."""
        self._not_before: dict[str, float] = {}
        self._etags: dict[tuple[Path, int], str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"site": self}))
        self._server.daemon_threads = True

    def __enter__(self) -> "FileServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bodies(self) -> list[str]:
        """Paths whose bytes were asked for."""
        return [request.path for request in self.requests if request.method == "GET" and request.status < 300]

    def answer(self, request: Request) -> Answer:
        """What is at a path, without faults."""
        path = self.root / request.path.lstrip("/")
        if path.is_dir():
            links = "".join(
                f'<a href="/{entry.relative_to(self.root).as_posix()}{"/" if entry.is_dir() else ""}">x</a>'
                for entry in sorted(path.iterdir())
            )
            return Answer(links.encode(), {"Content-Type": "text/html"})
        return self.file(path)

    def file(self, path: Path) -> Answer:
        if not path.is_file() or not path.resolve().is_relative_to(self.root.resolve()):
            return Answer(status=404)
        headers = {"ETag": self.etag(path)} if self.has_etags else {}
        return Answer(path.read_bytes(), headers)

    def etag(self, path: Path) -> str:
        key = path, path.stat().st_mtime_ns
        if key not in self._etags:
            self._etags[key] = f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"'
        return self._etags[key]

    def is_too_early(self, path: str) -> bool:
        return time.monotonic() < self._not_before.get(path, 0)

    def ask_to_wait(self, path: str) -> None:
        self._not_before[path] = time.monotonic() + RETRY_AFTER_SECONDS


class _Handler(BaseHTTPRequestHandler):
    site: FileServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self, with_body: bool) -> None:
        path, query, headers = unquote(urlsplit(self.path).path), urlsplit(self.path).query, self.headers
        request = Request(self.command, path, headers.get("Range"), headers.get("Authorization"), query)
        self.site.requests.append(request)
        self.site.on_request(request)
        answer = self.site.answer(request)
        fault = self.site.faults.next(path) if with_body and answer.status == 200 else None
        if self.site.is_too_early(path):
            self.site.n_impatient += 1
        refused = {Fault.ERROR: 500, Fault.GONE: 404, Fault.TOO_MANY: 429, Fault.FORBIDDEN: 403}
        if fault in refused:
            answer = Answer(status=refused[fault])
        if fault is Fault.TOO_MANY:
            answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            self.site.ask_to_wait(path)
        self._send(request, answer, fault, with_body)

    def _send(self, request: Request, answer: Answer, fault: Fault | None, with_body: bool) -> None:
        body, status, headers = answer.body, answer.status, dict(answer.headers)
        if status == 200 and request.range and self.headers.get("If-Range") in {None, headers.get("ETag")}:
            first, _, last = request.range.removeprefix("bytes=").partition("-")
            start, end = (
                (int(first), int(last or len(body) - 1)) if first else (len(body) - int(last), len(body) - 1)
            )
            status = 206 if start < len(body) else 416
            headers["Content-Range"] = f"bytes {start}-{min(end, len(body) - 1)}/{len(body)}"
            body = body[start : end + 1]
        n_before = sum(
            other.path == request.path for other in self.site.requests
        )  # never twice the same damage
        cut = len(body) * n_before // (n_before + 1)
        if fault is Fault.CORRUPT and body:
            body = body[:cut] + bytes([body[cut] ^ 1]) + body[cut + 1 :]
        if fault is Fault.TRUNCATE:
            body = body[:cut]
            headers.pop("Content-Range", None)
            status = 200 if status == 206 else status
        request.status = status
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not with_body:
            return
        if fault in {Fault.DROP, Fault.STALL}:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            if fault is Fault.STALL:
                time.sleep(5)
            return
        try:
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True
