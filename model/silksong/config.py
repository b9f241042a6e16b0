"""Sizes of a Silksong model, checked when made.

SilksongConfig.release()                                  # the published 601 M parameter model
SilksongConfig.small()                                    # one GPU
SilksongConfig(width=192, depth=4, heads=3)               # anything between
SilksongConfig.from_reference({"dim": 1024, "depth": 24}) # the reference's own names
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SILKSONG_VOCAB_SIZE = 10267
SILKSONG_KIND_BOUNDS = (3, 203, 459, 5659, 6171, 10267)

_REFERENCE_NAMES = {
    "dim": "width",
    "depth": "depth",
    "heads": "heads",
    "attn_heads": "heads",
    "max_seq_len": "max_tokens",
    "max_seq_length": "max_tokens",
    "vocab_size": "vocab_size",
    "feature_dim": "context_width",
}
_REFERENCE_ENCODER_NAMES = {
    "enc_width": "width",
    "enc_heads": "heads",
    "enc_layers": "layers",
    "num_freqs": "frequencies",
}
_REFERENCE_WITHOUT_EFFECT = {
    "dim_head",
    "attn_dim_head",
    "dropout",
    "dec_layers",
    "embed_dim",
    "pad_token_id",
}


class PointEncoderConfig(BaseModel):
    """Sizes of the point encoder (Michelangelo "shapevae-256" by default)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=768, ge=1)
    heads: int = Field(default=12, ge=1)
    layers: int = Field(default=8, ge=0)
    num_latents: int = Field(default=256, ge=1, description="local latents; one global vector comes on top")
    frequencies: int = Field(default=8, ge=1, description="Fourier frequencies 2^0 .. 2^(n-1) per coordinate")
    points: int = Field(
        default=4096, ge=1, description="points per shape that training and generation sample"
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"encoder width {self.width} is not a multiple of its {self.heads} heads; "
                f"give a width of {self.width - self.width % self.heads or self.heads} or other heads"
            )
        return self


class SilksongConfig(BaseModel):
    """Sizes of the whole model; the defaults are the published release (arXiv 2507.02477)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=1024, ge=1, description="channels of the token decoder")
    depth: int = Field(default=24, ge=1, description="decoder blocks")
    heads: int = Field(default=16, description="attention heads of 64 channels each, whatever the width")
    max_tokens: int = Field(default=10240, ge=1, description="longest token row; size of the position table")
    vocab_size: int = Field(
        default=SILKSONG_VOCAB_SIZE, ge=1, description="ids of the tokenizer; EOS and padding come on top"
    )
    context_width: int = Field(default=1024, ge=1, description="channels of the shape condition")
    kind_bounds: tuple[int, ...] = Field(
        default_factory=lambda data: (
            SILKSONG_KIND_BOUNDS if data.get("vocab_size") == SILKSONG_VOCAB_SIZE else ()
        ),
        description="first ids of the five token kinds and the end of the last; () for no kind vectors",
    )
    encoder: PointEncoderConfig = PointEncoderConfig()
    initialization: Literal["reference", "scaled"] = Field(
        default="scaled",
        description="embeddings from N(0, 1) as published, or N(0, 0.02^2): faster for rates below 1e-3",
    )
    packed_attention: Literal["rows", "document_mask"] = Field(
        default="rows",
        description="in training on CUDA: one sequence after the other, or all at once under a document mask "
        "(FlexAttention); elsewhere always rows; the same result up to rounding",
    )
    # Both are named only where they say something, as in configurations and fingerprints of before.
    count_condition: bool = Field(
        default=False,
        exclude_if=lambda value: value is False,
        description="also condition on the numbers of faces and of connected components",
    )
    count_drop: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        exclude_if=lambda value: value == 0.2,
        description="how often each of them is left unsaid in training",
    )

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.heads < 2:
            raise ValueError(
                f"heads is {self.heads}: the reference cannot run with one head; give heads >= 2"
            )
        bounds = self.kind_bounds
        if bounds:
            if len(bounds) != 6:
                raise ValueError(f"kind_bounds has {len(bounds)} numbers; give 6 (five kinds) or none")
            if list(bounds) != sorted(bounds) or bounds[0] < 0 or bounds[-1] > self.vocab_size:
                raise ValueError(
                    f"kind_bounds {bounds} must rise within the vocabulary of {self.vocab_size}; "
                    "give () for a vocabulary without these kinds"
                )
        return self

    @property
    def eos_id(self) -> int:
        """Id of the end of the sequence: the first one after the vocabulary."""
        return self.vocab_size

    @property
    def pad_row(self) -> int:
        """Embedding row that stands in for padding (-1 in token arrays)."""
        return self.vocab_size + 1

    @classmethod
    def release(cls) -> Self:
        """The published model: 601 M parameters in use, 10,240 tokens."""
        return cls(initialization="reference")

    @classmethod
    def small(cls) -> Self:
        """About 50 M parameters: trains on one GPU."""
        return cls(
            width=512,
            depth=8,
            heads=8,
            context_width=512,
            encoder=PointEncoderConfig(width=384, heads=6, layers=4),
        )

    @classmethod
    def tiny(cls) -> Self:
        """About 0.8 M parameters, most of them embeddings: for tests, on a CPU."""
        return cls(
            width=32,
            depth=2,
            heads=2,
            max_tokens=256,
            context_width=32,
            encoder=PointEncoderConfig(width=32, heads=2, layers=1, num_latents=16, points=256),
        )

    @classmethod
    def from_reference(cls, options: Mapping[str, Any]) -> Self:
        """Read the reference's option names (``dim``, ``max_seq_len`` ..); absent ones keep our defaults.

        Options without effect in the reference (such as ``dim_head``: heads are always 64 wide) and those of
        its unused encoder half are accepted and dropped.

        Raises:
            ValueError: an option is not known; all such are named.
        """
        known = {*_REFERENCE_NAMES, *_REFERENCE_ENCODER_NAMES, *_REFERENCE_WITHOUT_EFFECT}
        if unknown := sorted(set(options) - known):
            raise ValueError(f"unknown reference options {unknown}; known are {sorted(known)}")
        own = {_REFERENCE_NAMES[name]: value for name, value in options.items() if name in _REFERENCE_NAMES}
        encoder = {
            _REFERENCE_ENCODER_NAMES[name]: value
            for name, value in options.items()
            if name in _REFERENCE_ENCODER_NAMES
        }
        return cls(initialization="reference", encoder=PointEncoderConfig(**encoder), **own)

    @classmethod
    def parse(cls, config: "SilksongConfig | Mapping[str, Any]") -> "SilksongConfig":
        """Take a configuration as it is, or read a mapping with our names or the reference's (``dim`` ..).

        Raises:
            ValueError: a name or a value is not accepted.
        """
        if isinstance(config, SilksongConfig):
            return config
        if "dim" in config:
            return cls.from_reference(config)
        return cls.model_validate(dict(config))
