"""Whether the files of a partition are what they were, without reading them.

listing_sha256(source, "meshes-00")    # moves where a file is added, removed, renamed or written again
"""

import hashlib
import json

from pipelines.sources import RawFile, Source


def listing_sha256(source: Source, shard: str) -> str:
    """Hash of what the source tells of each file of a partition, with its size and time of change."""
    digest = hashlib.sha256()
    for file in source.list_files(shard):
        told = [file.uri, file.name, file.category, file.licence, file.author, file.problem]
        annotations = file.annotations.columns() if file.annotations else None
        digest.update(json.dumps([*told, annotations, _status(file)]).encode())
    return digest.hexdigest()


def _status(file: RawFile) -> list[int] | None:
    """Size and time of change; null where there is no file, or it cannot be looked at."""
    try:
        status = file.path.stat() if file.path is not None else None
    except OSError:
        return None
    return None if status is None else [status.st_size, status.st_mtime_ns]
