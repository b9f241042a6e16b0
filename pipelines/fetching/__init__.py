"""Bytes from elsewhere, once: into a store that names them by their sha256.

fetcher = Fetcher(ContentStore(data.store), settings.fetch, settings.size_bytes_limit)
outcomes = fetcher.fetch(key, source.list_files(key.shard))

store            the bytes: DIR/store/sha256/ab/abcd..., and views of them where a file needs its neighbours
journal          what came of each file, one line when it is done: a killed run goes on from there
transfers        one request, in one protocol each: HTTP, the local disk, whatever fsspec knows
hosts            politeness: so many requests a second, pauses that a host asks for, hosts that are down
downloads        one url: resumed, retried, capped, checked
archives         members of zip and tar files, read as if they were meant to harm
single_files, archived_files   a mesh with a url of its own, and meshes within an archive
fetch            all files of a partition
"""

from pipelines.fetching.fetch import Fetched, Fetcher, modified, stored_paths
from pipelines.fetching.store import ContentStore

__all__ = ["ContentStore", "Fetched", "Fetcher", "modified", "stored_paths"]
