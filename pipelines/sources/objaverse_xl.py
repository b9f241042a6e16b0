"""Objaverse-XL by its index: `objaverse-xl:PATH`, the download root of the `objaverse` package.

    github/github.parquet, sketchfab/sketchfab.parquet, ...   fileIdentifier, license, fileType, sha256, ...
    github/repos/<org>/<repo>.zip (or .tar, .tar.gz, a folder)
    hf-objaverse-v1/glbs/<folder>/<uid>.glb                   Sketchfab's objects
    thingiverse/thing-<thing>-file-<file>.stl
    smithsonian/objects/<uid>.glb

The index is the list: what it names and is not there is FETCH_MISSING, what has another sha256 is
FETCH_MODIFIED, and a mesh of a repository that it does not name is FETCH_UNLISTED. A shard is a repository
of GitHub, or one of sixteen buckets of another origin. `origins=github,sketchfab` leaves the others out.
"""

import re
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import polars as pl

from pipelines.fetching.archives import ARCHIVE_ENDINGS, ArchiveError, read_members
from pipelines.reasons import Reason
from pipelines.settings import FetchSettings
from pipelines.sources import RawFile, Remote, SourceError
from pipelines.sources.files import READABLE_FORMATS, display_name, extension, file_uri, printable, text_hash
from pipelines.sources.local import plain_label
from pipelines.sources.objaverse_annotations import Json
from pipelines.sources.subsets import Subset, identity_of

ORIGINS = ("github", "sketchfab", "smithsonian", "thingiverse")
BUCKETS = 16
COLUMNS = ("fileIdentifier", "license", "fileType", "sha256")
_GITHUB = re.compile(r"https://github\.com/([^/]+)/([^/]+)/blob/([^/]+)/(.+)")
_THING = re.compile(r".*?thing[:-](\d+).*?(?:file|fileId)[-=/:](\d+).*|.*thingiverse\.com/download:(\d+)")
UNLISTED = "its repository holds it, but the index does not name it; give the folder as local:PATH to have it"


class ObjaverseXLSource:
    """Objects that an index names, as the package saved them."""

    name = "objaverse-xl"

    def __init__(self, root: Path, subset: Subset, origins: list[str] | None):
        self.root = root
        self.subset = subset
        unknown = sorted(set(origins or ()) - set(ORIGINS))
        if unknown:
            raise SourceError(f"{unknown[0]!r} is no origin; there are {', '.join(ORIGINS)}")
        self.origins = [name for name in origins or ORIGINS if self._index(name).is_file()]
        if not self.origins:
            raise SourceError(f"{root} holds no index such as github/github.parquet; download it first")

    def shards(self) -> list[str]:
        """`github-<org>-<repository>`, `sketchfab-00`, ...; from the index alone."""
        return sorted(self._rows_by_shard)

    def list_files(self, shard: str) -> list[RawFile]:
        """Files that the index names in one shard, and meshes beside them that it does not."""
        rows = self._rows_by_shard.get(shard, [])
        files = [self._file(row, shard) for row in rows]
        if shard.startswith("github-") and rows:
            files += self._unlisted(rows, shard)
        return sorted(files, key=lambda file: file.uri)

    def read_bytes(self, file: RawFile) -> bytes:
        """Not used: every file has a path or lies in an archive."""
        raise SourceError(f"{file.uri} is fetched; read it from the store")

    def _index(self, origin: str) -> Path:
        return self.root / origin / f"{origin}.parquet"

    @cached_property
    def _rows_by_shard(self) -> dict[str, list[Json]]:
        by_shard: dict[str, list[Json]] = {}
        for origin in self.origins:
            try:
                frame = pl.read_parquet(self._index(origin), columns=list(COLUMNS))
            except (OSError, pl.exceptions.PolarsError) as error:
                raise SourceError(
                    f"{self._index(origin)} is no index: {str(error).splitlines()[0]}"
                ) from None
            for row in frame.unique("fileIdentifier").sort("fileIdentifier").iter_rows(named=True):
                if self.subset.holds(identity_of(row["fileIdentifier"])):
                    by_shard.setdefault(_shard(origin, row["fileIdentifier"]), []).append(
                        {**row, "origin": origin}
                    )
        return by_shard

    @cached_property
    def _sketchfab_paths(self) -> dict[str, Path]:
        return {path.stem: path for path in self.root.glob("hf-objaverse-v1/glbs/*/*.glb")}

    def _file(self, row: Json, shard: str) -> RawFile:
        identifier = row["fileIdentifier"]
        path, remote = self._place(row)
        name = PurePosixPath(unquote(identifier)).name
        is_there = path is None or path.is_file()
        file = RawFile(
            mesh_id=f"xl-{text_hash(identifier)[:20]}",
            uri=printable(identifier),
            source=self.name,
            shard=shard,
            name=display_name(name),
            category=None,
            format=(row["fileType"] or extension(name)).lower(),
            path=path if is_there else None,
            licence=row["license"],
            problem=None if is_there else "the index names it, but it is not below the folder; download it",
            problem_reason=Reason.FETCH_MISSING,
            remote=remote,
        )
        return self.subset.add(file, identity_of(identifier))

    def _place(self, row: Json) -> tuple[Path | None, Remote]:
        """Path of an object, or the archive that it lies in."""
        identifier, origin, sha256 = row["fileIdentifier"], row["origin"], row["sha256"]
        github = _GITHUB.fullmatch(identifier)
        if github:
            organisation, repository, _, member = github.groups()
            archive = self._repository(organisation, repository)
            if archive.is_dir():
                path = archive / unquote(member)
                inside = path.resolve().is_relative_to(archive.resolve())
                return path if inside else archive / "absent", Remote(file_uri(path), None, sha256)
            return None, _member(archive, unquote(member), sha256)
        uid = PurePosixPath(identifier).stem
        if origin == "sketchfab":
            path = self._sketchfab_paths.get(uid, self.root / "hf-objaverse-v1" / "absent")
        elif origin == "thingiverse":
            found = _THING.fullmatch(identifier)
            thing, file = (found[1], found[2] or found[3]) if found else (None, None)
            pattern = f"thing-{thing or '*'}-file-{file}.stl"
            path = next(iter((self.root / "thingiverse").glob(pattern)), self.root / "thingiverse" / "absent")
        else:
            path = self.root / "smithsonian" / "objects" / f"{uid}.glb"
        return path, Remote(file_uri(path), None, sha256)

    def _repository(self, organisation: str, repository: str) -> Path:
        folder = self.root / "github" / "repos" / organisation
        if {organisation, repository} & {".", ".."}:
            return folder / "absent"
        found = (folder / f"{repository}{ending}" for ending in (*ARCHIVE_ENDINGS, ""))
        return next((path for path in found if path.exists()), folder / f"{repository}.zip")

    def _unlisted(self, rows: list[Json], shard: str) -> list[RawFile]:
        """Meshes that can be read, lie in the repository, and are not in the index."""
        match = _GITHUB.fullmatch(rows[0]["fileIdentifier"])
        assert match is not None
        organisation, repository, commit, _ = match.groups()
        listed = {
            unquote(found[4])
            for row in rows
            if (found := _GITHUB.fullmatch(row["fileIdentifier"])) is not None
        }
        names = _names(self._repository(organisation, repository))
        base = f"https://github.com/{organisation}/{repository}/blob/{commit}"
        return [
            RawFile(
                mesh_id=f"xl-{text_hash(f'{base}/{name}')[:20]}",
                uri=printable(f"{base}/{name}"),
                source=self.name,
                shard=shard,
                name=display_name(PurePosixPath(name).name),
                category=None,
                format=extension(name),
                path=None,
                problem=UNLISTED,
                problem_reason=Reason.FETCH_UNLISTED,
            )
            for name in names
            if name not in listed and extension(name) in READABLE_FORMATS
        ]


def _shard(origin: str, identifier: str) -> str:
    github = _GITHUB.fullmatch(identifier)
    if origin == "github" and github:
        return plain_label(f"github-{github[1]}-{github[2]}", f"{github[1]}/{github[2]}")
    return f"{origin}-{int(text_hash(identifier)[:8], 16) % BUCKETS:02d}"


def _member(archive: Path, member: str, sha256: str | None) -> Remote:
    if not archive.is_file():
        return Remote(file_uri(archive), None, sha256, member=member)
    status = archive.stat()
    return Remote(file_uri(archive), f"{status.st_size} {status.st_mtime_ns}", sha256, member=member)


def _names(repository: Path) -> list[str]:
    """Files of a repository; none where it is absent or damaged, which its listed files report."""
    if repository.is_dir():
        paths = (path for path in repository.rglob("*") if path.is_file() and not path.is_symlink())
        return sorted(path.relative_to(repository).as_posix() for path in paths)
    try:
        return sorted({member.name for member in read_members(repository, FetchSettings())})
    except (ArchiveError, OSError):
        return []
