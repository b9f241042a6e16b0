"""Where the bytes of a listed file are: on disk, in the store of what was fetched, or made by its source."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pipelines.fetching import ContentStore, stored_paths
from pipelines.settings import CurationSettings
from pipelines.sources import RawFile, Source, shard_files
from pipelines.sources.files import uri_path
from pipelines.storage import DataFolder, ShardKey


class ShardContents:
    """Bytes of the files of one partition."""

    def __init__(
        self, data: DataFolder, settings: CurationSettings, sources: Sequence[Source], key: ShardKey
    ):
        store = ContentStore(Path(settings.fetch.store) if settings.fetch.store else data.store)
        self.stored = stored_paths(store, key)
        self.sources, self.key = sources, key

    def of(self, uri: str) -> Path | bytes | None:
        """The path of a file, or its bytes where it has none; None where they are gone or nobody has them."""
        if uri in self.stored:
            return self.stored[uri]
        if uri.startswith("file://"):
            return uri_path(uri)
        file = self._listed.get(uri)
        if file is None or file.remote is not None:
            return None
        return next(source for source in self.sources if source.name == self.key.source).read_bytes(file)

    @cached_property
    def _listed(self) -> dict[str, RawFile]:
        return {file.uri: file for file in shard_files(self.sources, self.key.source, self.key.shard)}
