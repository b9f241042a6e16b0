"""Where the data comes from and where it goes: one resource that every asset shares.

Its defaults come from the environment, and a run's configuration may differ:

    resources: {data_set: {config: {sources: ["local:meshes"], folder: data/mine}}}
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from pydantic import Field

from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.sources import Source, parse_sources
from pipelines.sources.kinds import FOLDER_KINDS
from pipelines.storage import DataFolder, ShardKey
from pipelines.tokenizers import tokenizer_named

BESIDE_PACKAGE = Path(__file__).resolve().parents[1]
PROJECT = BESIDE_PACKAGE if (BESIDE_PACKAGE / "workspace.yaml").is_file() else Path.cwd()
"""Relative folders count from here: beside workspace.yaml, whatever the current directory of a run is."""
DEFAULT_SOURCES = PROJECT / "configs" / "sources" / "default.yaml"


def default_sources() -> list[str]:
    """MESHLOOM_SOURCES, separated by spaces; else what exists of configs/sources/default.yaml, or builtin."""
    given = os.environ.get("MESHLOOM_SOURCES", "").split()
    if given:
        return given
    shared = os.environ.get("MESHLOOM_SHARED") or str(PROJECT.parent / "shared")
    listed: Iterable[str] = yaml.safe_load(DEFAULT_SOURCES.read_text()) if DEFAULT_SOURCES.is_file() else []
    texts = [text.replace("${MESHLOOM_SHARED}", shared) for text in listed or []]
    return [text for text in texts if _exists(text)] or ["builtin:"]


def _exists(text: str) -> bool:
    kind, _, place = text.partition(":")
    return kind not in FOLDER_KINDS or Path(place.partition("?")[0]).expanduser().is_dir()


class DataSetResource(dg.ConfigurableResource):
    """One data set: its sources, its folder, its rules; and the folder of the runs trained on it."""

    sources: list[str] = Field(
        default_factory=default_sources,
        description="local:PATH, hf:OWNER/NAME, s3://..., ...: see docs/sources.md",
    )
    folder: str = Field(
        default_factory=lambda: os.environ.get("MESHLOOM_DATA", "data"), description="Folder of the data set."
    )
    runs: str = Field(
        default_factory=lambda: os.environ.get("MESHLOOM_RUNS", "runs"),
        description="Folder of all training runs.",
    )
    tokenizer: str = Field(
        default="silksong", description="Family: silksong, edgerunner, face_sequence or loom."
    )
    preset: str | None = Field(
        default=None,
        description="Filter rules: a name in configs/rules or a YAML file; by default the tokenizer's.",
    )
    licences: list[str] | None = Field(
        default=None, description="Only meshes under one of these, for example [cc0, by]; null keeps all."
    )
    workers: int = Field(default=0, ge=0, description="Processes; 0 = one per core.")
    engine: str = Field(default="local", description="local, or ray: see docs/scale.md.")
    volume_drop: float = Field(
        default=0.1, ge=0, le=1, description="Share by which a version may shrink before a check warns."
    )

    @property
    def data(self) -> DataFolder:
        """The data set's folder."""
        return DataFolder(PROJECT / Path(self.folder).expanduser())

    @contextmanager
    def writing(self) -> Iterator[DataFolder]:
        """Hold the data set's folder while a stage writes to it.

        Raises CurationError where another process, such as `meshloom curate`, holds it.
        """
        from pipelines.curation import exclusive

        with exclusive(self.data):
            yield self.data

    def version(self) -> str:
        """Version of the data set, as its manifest states it. Raises ManifestError where there is none."""
        from pipelines.manifest import read_manifest

        return str(read_manifest(self.data)["version"])

    @property
    def runs_folder(self) -> Path:
        """Folder of all training runs."""
        return PROJECT / Path(self.runs).expanduser()

    @property
    def settings(self) -> CurationSettings:
        """What decides the data set's bytes."""
        given = {"preset": self.preset, "licences": self.licences}
        return CurationSettings.model_validate(
            {
                "tokenizer": tokenizer_named(self.tokenizer),
                "limits": WorkerLimits(workers=self.workers),
                "engine": self.engine,
                **{name: value for name, value in given.items() if value is not None},
            }
        )

    def source_texts(self) -> list[str]:
        """The sources as texts, with whole paths: relative ones count from the project."""
        return [_beside_project(text) for text in self.sources]

    def parsed_sources(self) -> list[Source]:
        """The sources themselves."""
        return parse_sources(self.source_texts())

    def shard_keys(self) -> list[ShardKey]:
        """Every partition that the sources list."""
        return sorted(
            ShardKey(source.name, shard) for source in self.parsed_sources() for shard in source.shards()
        )


def _beside_project(text: str) -> str:
    kind, _, place = text.partition(":")
    if kind not in FOLDER_KINDS or not place:
        return text
    path, query, options = place.partition("?")
    return f"{kind}:{PROJECT / Path(path).expanduser()}{query}{options}"
