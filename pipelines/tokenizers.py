"""Which tokenizer a data set is written with: the options of each family as data, and the tokenizer itself.

settings = SilksongSettings(conformance="reference")
tokens = build_tokenizer(settings).encode(vertices, faces).tokens

The training and the generation read the settings from the data set's manifest, so that what is decoded is
what was encoded.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

if TYPE_CHECKING:
    import tokenizer_rs

TOKEN_DTYPE = np.uint16
"""Of token ids in tables and shards."""


class TokenizerError(ValueError):
    """A tokenizer that cannot be made with these options: which, and what to change."""


class _Family(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def label(self) -> str:
        """What the `tokenizer` column says: the name and every option."""
        values = self.model_dump()
        return "/".join(
            f"{name}={value}" if isinstance(value, bool) else str(value) for name, value in values.items()
        )


class SilksongSettings(_Family):
    """Mesh Silksong (arXiv 2507.02477)."""

    name: Literal["silksong"] = "silksong"
    vertex_mode: Literal["block_offset", "xyz"] = "block_offset"
    resolution: int = Field(default=128, ge=2)
    conformance: Literal["reference", "extended"] = Field(
        default="extended",
        description="extended writes every mesh so that it decodes exactly; reference gives the published "
        "tokens, also where those lose faces.",
    )


class EdgeRunnerSettings(_Family):
    """EdgeRunner (arXiv 2409.18114)."""

    name: Literal["edgerunner"] = "edgerunner"
    resolution: int = Field(default=512, ge=2)
    engine: Literal["lr_absco"] = Field(
        default="lr_absco",
        description="With absolute coordinates; the published `lr` writes ids of -1, which lose vertices.",
    )
    sort: Literal["stable", "reference"] = "stable"
    repair: bool = Field(default=True, description="Repair first; without, the mesh is taken as it is.")


class FaceSequenceSettings(_Family):
    """Nine coordinates a face, in sorted order (MeshGPT, arXiv 2311.15475; MeshXL, arXiv 2405.20853)."""

    name: Literal["face_sequence"] = "face_sequence"
    resolution: int = Field(default=128, ge=2)
    order: Literal["meshgpt", "meshxl"] = "meshgpt"
    repair: bool = Field(default=True, description="Repair first; without, the mesh is taken as it is.")


class LoomSettings(_Family):
    """Loom, this project's own: about one token a vertex."""

    name: Literal["loom"] = "loom"
    resolution: int = Field(default=128, ge=2)
    scheme: Literal["valence", "deferred"] = "valence"
    slots: Literal["structured"] = "structured"


def _name_of(value: Any) -> str:
    """Family of settings or of a mapping; a mapping without a name is Silksong's."""
    name = value.get("name", "silksong") if isinstance(value, dict) else getattr(value, "name", None)
    return str(name)


TokenizerSettings = Annotated[
    Annotated[SilksongSettings, Tag("silksong")]
    | Annotated[EdgeRunnerSettings, Tag("edgerunner")]
    | Annotated[FaceSequenceSettings, Tag("face_sequence")]
    | Annotated[LoomSettings, Tag("loom")],
    Discriminator(_name_of),
]
FAMILIES: dict[str, type[BaseModel]] = {
    "silksong": SilksongSettings,
    "edgerunner": EdgeRunnerSettings,
    "face_sequence": FaceSequenceSettings,
    "loom": LoomSettings,
}
_CLASSES = {
    "silksong": "Silksong",
    "edgerunner": "EdgeRunner",
    "face_sequence": "FaceSequence",
    "loom": "Loom",
}
_ADAPTER: TypeAdapter[TokenizerSettings] = TypeAdapter(TokenizerSettings)


def parse_tokenizer(content: Any) -> TokenizerSettings:
    """Settings from a mapping with `name` and options. Raises pydantic.ValidationError."""
    return _ADAPTER.validate_python(content)


def tokenizer_named(name: str, resolution: int | None = None) -> TokenizerSettings:
    """A family's default settings, with another resolution where one is given.

    Raises TokenizerError for a name that is not of a family, or a resolution that it does not take.
    """
    if name not in FAMILIES:
        raise TokenizerError(f"there is no tokenizer {name!r}; choose one of {', '.join(FAMILIES)}")
    options: dict[str, Any] = {} if resolution is None else {"resolution": resolution}
    if name == "silksong" and resolution not in (None, SilksongSettings().resolution):
        options["vertex_mode"] = "xyz"  # block_offset has 128 bins
    try:
        return parse_tokenizer({"name": name, **options})
    except ValueError as error:
        raise TokenizerError(f"{name} with resolution {resolution}: {error}") from None


@lru_cache(maxsize=8)
def build_tokenizer(settings: TokenizerSettings) -> "tokenizer_rs.Tokenizer":
    """The tokenizer itself; the same object for the same settings.

    Raises TokenizerError for options that do not go together, or a family that is not installed.
    """
    import tokenizer_rs

    family = getattr(tokenizer_rs, _CLASSES[settings.name], None)
    if family is None:
        raise TokenizerError(f"the installed meshloom-tokenizer has no {settings.name}; install a newer one")
    try:
        tokenizer: tokenizer_rs.Tokenizer = family(**settings.model_dump(exclude={"name"}))
    except (ValueError, OverflowError) as error:
        raise TokenizerError(f"tokenizer {settings.label}: {error}") from None
    return tokenizer


def check_storable(settings: TokenizerSettings) -> None:
    """Raise TokenizerError where the tokenizer cannot be made, or its ids do not fit the shards' uint16."""
    size, most = build_tokenizer(settings).vocab_size, int(np.iinfo(TOKEN_DTYPE).max) + 1
    if size > most:
        raise TokenizerError(
            f"tokenizer {settings.label} has {size} ids, and shards hold {most}; lower the resolution"
        )
