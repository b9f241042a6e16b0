"""The kinds of sources, and how each is made from its text: `KIND:PLACE?OPTION=VALUE&…`."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.sources import Source, SourceError
from pipelines.sources.options import FilteredSource, Options, split_options

if TYPE_CHECKING:  # the hub's client takes a second to import
    from pipelines.sources.hub import HubRepository

URL_KINDS = ("s3", "gs", "gcs", "https", "http")
"""Schemes that are sources without `fsspec:` before them."""


def source_of(text: str) -> Source:
    """Source of a text. Raises SourceError."""
    kind, colon, argument = text.partition(":")
    if kind == "builtin":
        if argument:
            raise SourceError("builtin takes no path; write `builtin:`")
        from pipelines.sources.builtin import BuiltinSource

        return BuiltinSource()
    if not colon or (kind not in FOLDER_KINDS and kind not in URL_KINDS and kind not in {"hf", "fsspec"}):
        kinds = ", ".join(f"{name}:PATH" for name in FOLDER_KINDS)
        raise SourceError(
            f"unknown kind {kind!r}; write {kinds}, hf:OWNER/NAME, s3://, gs://, https://, "
            "fsspec:URL or builtin:"
        )
    if kind in FOLDER_KINDS:
        return _of_folder(kind, argument)
    if kind == "hf":
        place, options = split_options(argument)
        return _finish(_hub(place, options), options)
    url, options = _split_url(text if kind in URL_KINDS else argument)
    from pipelines.sources.remote_folder import RemoteFolderSource

    return _finish(RemoteFolderSource(url), options)


def _of_folder(kind: str, argument: str) -> Source:
    if not argument:
        raise SourceError(f"no path; write {kind}:PATH")
    is_path = Path(argument).expanduser().exists()  # a folder may have ? in its name
    place, options = (argument, Options({})) if is_path else split_options(argument)
    path = Path(place).expanduser()
    if not path.exists():
        raise SourceError(f"{path} does not exist; check the path, or mount the disk that holds it")
    if not path.is_dir():
        raise SourceError(f"{path} is not a folder; give the folder that holds the files")
    return _finish(FOLDER_KINDS[kind](path.resolve(), options), options)


def _split_url(url: str) -> tuple[str, Options]:
    """A url, its own query left alone, and `where`, which is ours."""
    place, query, text = url.rpartition("?where=")
    if not query:
        place, query, text = url.rpartition("&where=")
    return (place, split_options(f"?where={text}")[1]) if query else (url, Options({}))


def _finish(source: Source, options: Options) -> Source:
    where = options.take("where")
    options.refuse_others()
    return source if where is None else FilteredSource(source, where)


def _local(path: Path, options: Options) -> Source:
    from pipelines.sources.local import LocalSource

    return LocalSource(path)


def _objaverse(path: Path, options: Options) -> Source:
    from pipelines.sources.objaverse import ObjaverseSource
    from pipelines.sources.subsets import take_subset

    return ObjaverseSource(path, take_subset(options))


def _objaverse_xl(path: Path, options: Options) -> Source:
    from pipelines.sources.objaverse_xl import ObjaverseXLSource
    from pipelines.sources.subsets import take_subset

    origins = options.take("origins")
    return ObjaverseXLSource(path, take_subset(options), origins.split(",") if origins else None)


def _shapenet(path: Path, options: Options) -> Source:
    from pipelines.sources.shapenet import ShapeNetSource

    return ShapeNetSource(path)


def _layout(module: str, layout: str) -> Callable[[Path, Options], Source]:
    """Maker of a source from the layout of that name in a module of this package."""

    def make(path: Path, options: Options) -> Source:
        from pipelines.sources.layouts import LayoutSource

        found = getattr(import_module(f"pipelines.sources.{module}"), layout)
        return LayoutSource(path, found())

    return make


FOLDER_KINDS: dict[str, Callable[[Path, Options], Source]] = {
    "local": _local,
    "objaverse": _objaverse,
    "objaverse-xl": _objaverse_xl,
    "shapenet": _shapenet,
    "3d-future": _layout("future_3d", "Future3D"),
    "toys4k": _layout("toys4k", "Toys4K"),
    "abo": _layout("abo", "ABO"),
    "gso": _layout("gso", "GSO"),
    "thingi10k": _layout("thingi10k", "Thingi10K"),
}
"""Kinds whose place is a folder."""


def _hub(place: str, options: Options) -> Source:
    """Source of a data set on the hub, by its layout: that of its name, or that of `layout=`."""
    from pipelines.sources.hub import HubRepository

    name, _, revision = place.partition("@")
    layout = options.take("layout") or HUB_LAYOUTS.get(name)
    if layout is None or layout not in HUB_KINDS:
        known = ", ".join(sorted(HUB_LAYOUTS))
        raise SourceError(
            f"{name!r} has no known layout; write one of {known}, or add layout={'|'.join(sorted(HUB_KINDS))}"
        )
    return HUB_KINDS[layout](HubRepository(name, revision or "main"), options)


def _objaverse_hub(repository: "HubRepository", options: Options) -> Source:
    from pipelines.sources.objaverse_hub import ObjaverseHubSource
    from pipelines.sources.subsets import take_subset

    return ObjaverseHubSource(repository, take_subset(options))


def _shapenet_hub(repository: "HubRepository", options: Options) -> Source:
    from pipelines.sources.shapenet_hub import ShapeNetHubSource

    synsets = options.take("synsets")
    return ShapeNetHubSource(repository, synsets.split(",") if synsets else None)


HUB_KINDS: dict[str, Callable[["HubRepository", Options], Source]] = {
    "objaverse": _objaverse_hub,
    "shapenet": _shapenet_hub,
}
"""Layouts of data sets on the hub."""
HUB_LAYOUTS = {"allenai/objaverse": "objaverse", "ShapeNet/ShapeNetCore": "shapenet"}
"""Layout of a data set by its name; a mirror names it with `layout=`."""
