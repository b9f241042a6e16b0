"""ShapeNetCore.v2 on the hub, gated: `hf:ShapeNet/ShapeNetCore`, with `synsets=02818832,04379243`.

    <synset>.zip      <synset>/<model>/models/model_normalized.obj

Set HF_TOKEN after access was granted. A synset is one archive: it is fetched whole when its partition is
built. Which models it holds is read from its end, so that listing a synset costs a few hundred kilobytes.
"""

import re
from functools import cached_property
from typing import Any

import fsspec
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipelines.fetching.archives import list_zip
from pipelines.fetching.transfers import FetchError, TransientError, fsspec_errors, hub_headers
from pipelines.settings import FetchSettings
from pipelines.sources import RawFile, Remote, SourceError
from pipelines.sources.files import display_name, mesh_id
from pipelines.sources.hub import HubRepository

_ARCHIVE = re.compile(r"([0-9]{8})\.zip")
_MODEL = re.compile(r"(?:[^/]+/)*?([0-9]{8})/([^/]+)/models/model_normalized\.obj")
ATTEMPTS = 5


class ShapeNetHubSource:
    """Models of a repository that holds an archive per synset."""

    name = "shapenet"

    def __init__(self, repository: HubRepository, synsets: list[str] | None):
        self.repository = repository
        self.synsets = synsets

    def shards(self) -> list[str]:
        """Synsets: archives named by eight digits."""
        if self.synsets is None:
            return self._held
        unknown = sorted(set(self.synsets) - set(self._held))
        if unknown:
            raise SourceError(f"{self.repository.name} holds no {unknown[0]}.zip; leave the synset out")
        return sorted(self.synsets)

    def list_files(self, shard: str) -> list[RawFile]:
        """Normalised models of one synset, sorted by uri."""
        archive = self._archives[f"{shard}.zip"]
        files = []
        for member in self._members(shard):
            found = _MODEL.fullmatch(member)
            if found is None or found[1] != shard:
                continue
            file = RawFile(
                mesh_id=mesh_id(f"{shard}_{found[2]}", self.name, f"{shard}/{found[2]}"),
                uri=f"{self.repository.uri(f'{shard}.zip')}/{member}",
                source=self.name,
                shard=shard,
                name=f"{shard} {display_name(found[2])[:8]}",
                category=shard,
                format="obj",
                path=None,
                remote=self.repository.remote(f"{shard}.zip", archive, member),
            )
            files.append(file)
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file is fetched."""
        raise SourceError(f"{file.uri} is fetched; read it from the store")

    @cached_property
    def _archives(self) -> dict[str, Any]:
        return self.repository.files("")

    @property
    def _held(self) -> list[str]:
        matches = (_ARCHIVE.fullmatch(name) for name in self._archives)
        return sorted(match[1] for match in matches if match)

    def _members(self, shard: str) -> list[str]:
        """Names in a synset's archive, from its directory; kept in the cache."""
        return self.repository.remembered(f"{shard}.zip members", lambda: self._read_directory(shard))

    def _read_directory(self, shard: str) -> list[str]:
        attempts = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.2, max=30),
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            return attempts(self._read_directory_once, self.repository.remote(f"{shard}.zip"))
        except FetchError as error:
            raise SourceError(f"{self.repository.name}: {shard}.zip cannot be listed: {error}") from None

    def _read_directory_once(self, remote: Remote) -> list[str]:
        with fsspec_errors():
            system = fsspec.filesystem("http", headers=hub_headers(remote.url), skip_instance_cache=True)
            with system.open(remote.url, block_size=1 << 18) as file:
                return [member.name for member in list_zip(file, FetchSettings())]
