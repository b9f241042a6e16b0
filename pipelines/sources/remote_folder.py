"""Any place that fsspec can list: `s3://bucket/prefix`, `gs://…`, `https://host/folder/`, `fsspec:URL`.

Listed are all files below it that might be meshes, as for a local folder; a url that ends in the name of a
file is that one file. Files are spread over eight shards by a hash of their relative path.

Credentials and endpoints come from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...).
"""

from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipelines.credentials import public_uri
from pipelines.fetching.transfers import (
    DISTANT_SCHEMES,
    FetchError,
    TransientError,
    file_version,
    filesystem_of,
    fsspec_errors,
)
from pipelines.sources import RawFile, Remote, SourceError
from pipelines.sources.files import display_name, extension, printable, text_hash
from pipelines.sources.local import SHARDS_PER_FOLDER, may_be_mesh, plain_label

LISTING_ATTEMPTS = 4
LONGEST_WAIT_SECONDS = 8


class RemoteFolderSource:
    """All meshes below one url."""

    def __init__(self, url: str):
        scheme, separator, place = url.partition("://")
        if not separator or not place.strip("/"):
            raise SourceError("it is no url of a folder; write for example s3://bucket/prefix")
        self.url = url.rstrip("/") if urlsplit(url).query == "" else url
        shown = public_uri(url).partition("://")[2]
        self.name = {"gcs": "gs", "http": "https"}.get(scheme, plain_label(scheme))
        self.label = plain_label(shown.split("?")[0].strip("/").replace("/", "-"))

    def shards(self) -> list[str]:
        """`<place>-00` to `<place>-07`, without those that would be empty."""
        return sorted(self._files_by_shard)

    def list_files(self, shard: str) -> list[RawFile]:
        """Files of one shard, sorted by uri."""
        return sorted(self._files_by_shard.get(shard, []), key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file is fetched."""
        raise SourceError(f"{file.uri} is fetched; read it from the store")

    @cached_property
    def _files_by_shard(self) -> dict[str, list[RawFile]]:
        by_shard: dict[str, list[RawFile]] = {}
        found = self._find()
        if not found:  # as a refused listing may look; taken for empty, it would remove a whole data set
            raise SourceError(f"{public_uri(self.url)} lists no files; check the url, and who may list it")
        for url, details in found:
            relative = url.removeprefix(self.url).lstrip("/") or url.rpartition("/")[2]
            name = unquote(urlsplit(url).path if url.startswith(DISTANT_SCHEMES) else url).rpartition("/")[2]
            if not may_be_mesh(name):
                continue
            relative = public_uri(relative)
            shard = f"{self.label}-{int(text_hash(relative)[:8], 16) % SHARDS_PER_FOLDER:02d}"
            size = details.get("size")
            file = RawFile(
                mesh_id=f"{self.name}-{text_hash(f'{self.label}/{relative}')[:20]}",
                uri=printable(public_uri(url)),
                source=self.name,
                shard=shard,
                name=display_name(name),
                category=None,
                format=extension(name),
                path=None,
                remote=Remote(url, file_version(details), size_bytes=size if isinstance(size, int) else None),
            )
            by_shard.setdefault(shard, []).append(file)
        return by_shard

    def _find(self) -> list[tuple[str, dict[str, Any]]]:
        """Url and details of all files below. Raises SourceError."""
        attempts = Retrying(
            stop=stop_after_attempt(LISTING_ATTEMPTS),
            wait=wait_random_exponential(max=LONGEST_WAIT_SECONDS),
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            return attempts(self._find_once)
        except FetchError as error:
            raise SourceError(f"{public_uri(self.url)} cannot be listed: {error}") from None

    def _find_once(self) -> list[tuple[str, dict[str, Any]]]:
        with fsspec_errors():
            system, path = filesystem_of(self.url)
            system.invalidate_cache()
            if extension(urlsplit(self.url).path.rpartition("/")[2]) and system.isfile(path):
                return [(self.url, system.info(path))]
            found = system.find(path, detail=True)
            return [(_url(system, path), found[path]) for path in sorted(found)]


def _url(system: Any, path: str) -> str:
    return path if path.startswith(DISTANT_SCHEMES) else str(system.unstrip_protocol(path))
