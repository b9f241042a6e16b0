"""The hub's endpoints over folders: revision, tree (in pages), resolve; and gated repositories.

with HubServer({"allenai/objaverse": folder}) as hub:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
"""

import hashlib
import json
from pathlib import Path

from tests.servers.faults import Faults
from tests.servers.files import Answer, FileServer, Request

PAGE = 100


class HubServer(FileServer):
    """Data sets by name; files above 10 bytes are in large file storage, and so have a sha256."""

    def __init__(
        self,
        repositories: dict[str, Path],
        faults: Faults | None = None,
        token: str | None = None,
        port: int = 0,
    ):
        super().__init__(Path("/"), faults, port)
        self.repositories = repositories
        self.token = token
        """Asked for where given, as for a gated data set."""
        self.commits = {name: hashlib.sha1(name.encode()).hexdigest() for name in repositories}

    def answer(self, request: Request) -> Answer:
        if self.token and request.authorization != f"Bearer {self.token}":
            return Answer(status=401, headers={"X-Error-Code": "GatedRepo"})
        parts = request.path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"] and len(parts) >= 6 and parts[4] == "revision":
            return self._revision("/".join(parts[2:4]), parts[5])
        if parts[:2] == ["api", "datasets"] and len(parts) >= 6 and parts[4] == "tree":
            return self._tree("/".join(parts[2:4]), parts[5], "/".join(parts[6:]), request)
        if parts[0] == "datasets" and len(parts) >= 6 and parts[3] == "resolve":
            return self._resolve("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        return Answer(status=404)

    def _knows(self, name: str, revision: str) -> bool:
        return name in self.repositories and revision in {"main", self.commits[name]}

    def _revision(self, name: str, revision: str) -> Answer:
        if not self._knows(name, revision):
            return Answer(status=404, headers={"X-Error-Code": "RepoNotFound"})
        return _json({"id": name, "sha": self.commits[name], "private": False, "tags": [], "siblings": []})

    def _tree(self, name: str, revision: str, folder: str, request: Request) -> Answer:
        root = self.repositories.get(name)
        if root is None or not self._knows(name, revision) or not (root / folder).is_dir():
            return Answer(status=404, headers={"X-Error-Code": "EntryNotFound"})
        entries = sorted((root / folder).iterdir())
        first = request.query_number("cursor")
        page = [self._entry(path, root) for path in entries[first : first + PAGE]]
        answer = _json(page)
        if first + PAGE < len(entries):
            answer.headers["Link"] = f'<{self.url}{request.path}?cursor={first + PAGE}>; rel="next"'
        return answer

    def _entry(self, path: Path, root: Path) -> dict[str, object]:
        relative, oid = path.relative_to(root).as_posix(), hashlib.sha1(str(path).encode()).hexdigest()
        if path.is_dir():
            return {"type": "directory", "path": relative, "oid": oid, "size": 0}
        size, sha256 = path.stat().st_size, self.etag(path).strip('"')
        lfs = {"oid": sha256, "size": size, "pointerSize": 130}
        return {"type": "file", "path": relative, "oid": sha256[:40], "size": size, "lfs": lfs}

    def _resolve(self, name: str, revision: str, path: str) -> Answer:
        if not self._knows(name, revision):
            return Answer(status=404, headers={"X-Error-Code": "RevisionNotFound"})
        root = self.repositories[name]
        answer = (
            self.file(root / path)
            if (root / path).resolve().is_relative_to(root.resolve())
            else Answer(status=404)
        )
        if answer.status == 404:
            answer.headers["X-Error-Code"] = "EntryNotFound"
        answer.headers["X-Repo-Commit"] = self.commits[name]
        return answer


def _json(content: object) -> Answer:
    return Answer(json.dumps(content).encode(), {"Content-Type": "application/json"})
