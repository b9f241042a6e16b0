"""Data sets on the Hugging Face hub: one commit of one repository.

    repository = HubRepository("allenai/objaverse", "main")
    repository.download("object-paths.json.gz")      small files, in the hub's own cache (HF_HOME)
    repository.files("glbs/000-000")                 names, sizes and sums of a folder
    repository.remote("glbs/000-000/<uid>.glb")      where a file's bytes can be had

HF_ENDPOINT names another server that speaks the hub's protocol, HF_TOKEN opens gated data sets. A revision
that is a whole commit is never asked for again; another one (main) is asked for once a run.
"""

import json
import os
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipelines.fetching.transfers import hub_endpoint
from pipelines.sources import Remote, SourceError
from pipelines.sources.files import text_hash
from pipelines.storage import DISK_ERRNO, write_json

Answer = TypeVar("Answer")

ATTEMPTS = 6
LONGEST_WAIT_SECONDS = 30
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubRepository:
    """One data set on the hub at one revision."""

    def __init__(self, name: str, revision: str = "main"):
        self.name = name
        self.revision = revision
        self._api = HfApi(endpoint=hub_endpoint(), library_name="meshloom")

    @cached_property
    def commit(self) -> str:
        """The revision's commit; all files are read at this one."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        commit = self._ask(
            f"revision {self.revision!r}",
            lambda: self._api.dataset_info(self.name, revision=self.revision).sha,
        )
        if not commit:
            raise SourceError(f"{self.name}: the hub names no commit for revision {self.revision!r}")
        return commit

    def download(self, path: str) -> Path | None:
        """Local copy of an index or annotation file; None where the repository holds no such file."""
        commit = self.commit
        try:
            found = self._ask(
                path,
                lambda: hf_hub_download(
                    self.name,
                    path,
                    repo_type="dataset",
                    revision=commit,
                    endpoint=hub_endpoint(),
                    library_name="meshloom",
                ),
            )
        except RemoteEntryNotFoundError:
            return None
        return Path(found)

    def files(self, folder: str) -> dict[str, RepoFile]:
        """Files of a folder by path, with size, blob and sha256 (of those in large file storage).

        The list of a commit never changes, and is kept in the cache.
        """
        cache = self._cache / f"{text_hash(folder)[:20]}.json"
        listed = _read_listing(cache)
        if listed is None:
            try:
                listed = self._ask(folder, lambda: self._list(folder))
            except RemoteEntryNotFoundError:
                listed = []
            write_json(cache, listed)
        return {str(entry["path"]): RepoFile(**entry) for entry in listed}

    def remembered(self, what: str, ask: Callable[[], list[str]]) -> list[str]:
        """A list of texts that follows from this commit, from the cache or else from `ask`."""
        cache = self._cache / f"{text_hash(what)[:20]}.json"
        known = _read_listing(cache)
        if known is not None:
            return [str(text) for text in known]
        texts = ask()
        write_json(cache, texts)
        return texts

    def remote(self, path: str, file: RepoFile | None = None, member: str | None = None) -> Remote:
        """Where a file can be had, or a member of the archive that it is; `file` is its listing."""
        url = hf_hub_url(self.name, path, repo_type="dataset", revision=self.commit, endpoint=hub_endpoint())
        sha256 = file.lfs.sha256 if file and file.lfs else None
        size_bytes = file.size if file else None
        validator = file.blob_id if file else self.commit
        if member is None:
            return Remote(url, validator, sha256, size_bytes)
        return Remote(url, validator, member=member, archive_sha256=sha256)

    def uri(self, path: str) -> str:
        """Public name of a file: the same for every commit."""
        return f"hf://datasets/{self.name}/{path}"

    @property
    def _cache(self) -> Path:
        return cache_folder() / "hub" / text_hash(hub_endpoint())[:8] / self.name / self.commit

    def _list(self, folder: str) -> list[dict[str, object]]:
        entries = self._api.list_repo_tree(
            self.name, folder or None, revision=self.commit, repo_type="dataset"
        )
        return [_listing(entry) for entry in entries if isinstance(entry, RepoFile)]

    def _ask(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """Ask the hub, again where that may help.

        Raises RemoteEntryNotFoundError, and SourceError for all else that goes wrong.
        """
        attempts = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT_SECONDS),
            retry=retry_if_exception_type(_TransientError),
            reraise=True,
        )
        return attempts(self._ask_once, what, ask)

    def _ask_once(self, what: str, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except (RemoteEntryNotFoundError, SourceError):
            raise
        except GatedRepoError:
            raise SourceError(
                f"{self.name} is gated: ask for access on its page, then set HF_TOKEN to your token"
            ) from None
        except RevisionNotFoundError:
            raise SourceError(f"{self.name} has no {what}; name a branch, a tag or a commit") from None
        except RepositoryNotFoundError:
            raise SourceError(
                f"{self.name} is not on the hub, or private; check the name, or set HF_TOKEN"
            ) from None
        except Exception as error:  # whatever the hub's client and its transport raise
            if isinstance(error, OSError) and error.errno in DISK_ERRNO:
                raise  # our own disk's, which keeps what the hub gives
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            said = f"says {status}" if status else f"could not be asked ({type(error).__name__})"
            text = f"{self.name}: the hub {said} to {what}; check the connection, and run again"
            is_final = status is not None and status < 500 and status not in {408, 425, 429}
            raise (SourceError if is_final else _TransientError)(text) from None


class _TransientError(SourceError):
    """Worth another attempt."""


def cache_folder() -> Path:
    """Lists of what lies elsewhere: MESHLOOM_CACHE, or meshloom below the user's cache folder."""
    given = os.environ.get("MESHLOOM_CACHE")
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "meshloom"


def _listing(file: RepoFile) -> dict[str, object]:
    """What `RepoFile` is made of."""
    lfs = (
        {"size": file.lfs.size, "oid": file.lfs.sha256, "pointerSize": file.lfs.pointer_size}
        if file.lfs
        else None
    )
    return {"path": file.path, "size": file.size, "oid": file.blob_id, "lfs": lfs}


def _read_listing(path: Path) -> list[Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, list) else None
