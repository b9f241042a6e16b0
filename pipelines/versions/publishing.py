"""A version without its meshes: what it was made from, how, and whom it is owed to.

Holds no geometry, no tokens, and no path of the machine it was made on; whoever has the source files makes
the data set again from it.
"""

from pathlib import Path
from typing import Any

from pipelines.storage import DataFolder, file_sha256, write_bytes, write_json
from pipelines.versions.attribution import attribution_paths
from pipelines.versions.record import VersionRecord, find_record

_PUBLISHED = (
    *("schema_version", "version", "content", "meshloom", "tokenizer", "code", "places", "settings", "rules"),
    *("counts", "inputs", "files"),
)
"""What goes out: nothing that is not named here."""


def publish(reference: str | Path, out: Path, data: Path | None = None) -> list[Path]:
    """Copy a version's record into `out`, and its attribution where the data set lies in a folder.

    `reference` is what `find_record` takes. Returns the paths written. Raises ManifestError.
    """
    record = find_record(reference, data)
    content, table = out / f"{record.version}.json", out / f"{record.version}.parquet"
    folder = Path(reference) if Path(reference).is_dir() else data
    attribution = _attribution(DataFolder(folder), record) if folder is not None else []
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(table, record.table.read_bytes())
    for path in attribution:
        write_bytes(out / path.name, path.read_bytes())
    write_json(content, published_content(record.content))
    return [content, table, *(out / path.name for path in attribution)]


def published_content(content: dict[str, Any]) -> dict[str, Any]:
    """The manifest without what only its own machine can use."""
    published = {name: content[name] for name in _PUBLISHED if name in content}
    # a preset may be a file of this machine; its rules are in the record
    published["settings"] = {**content["settings"], "preset": content["rules"]["name"]}
    return published


def _attribution(data: DataFolder, record: VersionRecord) -> list[Path]:
    """The attribution files of the version, where they still are those of this version."""
    listed = {entry["path"]: entry["sha256"] for entry in record.content["files"]}
    return [
        path
        for path in attribution_paths(data)
        if path.is_file() and file_sha256(path) == listed.get(path.relative_to(data.root).as_posix())
    ]
