"""Sizes of MeshGPT's models, checked when made, and which of the reference's quirks they keep.

AutoencoderConfig()                                  # the published defaults, quirks fixed
AutoencoderConfig.compatible()                       # the same with the quirks of meshgpt-pytorch 1.7
AutoencoderConfig.from_reference({"dim_codebook": 192, "quads": True})   # the reference's own names
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_REFERENCE_NAMES = {
    "num_discrete_coors": "n_coordinate_bins",
    "coor_continuous_range": "coordinate_range",
    "dim_coor_embed": "coordinate_width",
    "num_discrete_area": "n_area_bins",
    "dim_area_embed": "area_width",
    "num_discrete_normals": "n_normal_bins",
    "dim_normal_embed": "normal_width",
    "num_discrete_angle": "n_angle_bins",
    "dim_angle_embed": "angle_width",
    "encoder_dims_through_depth": "encoder_widths",
    "init_decoder_conv_kernel": "first_kernel",
    "decoder_dims_through_depth": "decoder_widths",
    "dim_codebook": "code_width",
    "num_quantizers": "n_quantizers",
    "codebook_size": "codebook_size",
    "attn_encoder_depth": "encoder_attention_blocks",
    "attn_decoder_depth": "decoder_attention_blocks",
    "local_attn_window_size": "attention_window",
    "bin_smooth_blur_sigma": "blur_sigma",
    "commit_loss_weight": "commitment_weight",
}
_REFERENCE_GROUPS = {
    "local_attn_kwargs": {"dim_head": "local_head_width", "heads": "local_heads"},
    "linear_attn_kwargs": {"dim_head": "linear_head_width", "heads": "linear_heads"},
    "rvq_kwargs": {"kmeans_init": "kmeans_initialization", "threshold_ema_dead_code": "least_cluster_size"},
    "rq_kwargs": {},
}
_REFERENCE_FLAGS = ("quads", "use_residual_lfq", "rvq_stochastic_sample_codes", "use_linear_attn")

_TRANSFORMER_NAMES = {
    "dim": "width",
    "max_seq_len": "max_tokens",
    "attn_depth": "depth",
    "attn_heads": "heads",
    "attn_dim_head": "head_width",
    "cross_attn_num_mem_kv": "n_memories",
    "coarse_pre_gateloop_depth": "coarse_gate_loops",
    "fine_pre_gateloop_depth": "fine_gate_loops",
    "fine_attn_depth": "fine_depth",
    "num_sos_tokens": "n_start_vectors",
    "fine_cross_attend_text": "fine_sees_text",
    "text_cond_with_film": "has_film",
    "cond_drop_prob": "text_drop",
}
# Accepted by the reference, and ignored.
_TRANSFORMER_WITHOUT_EFFECT = {"fine_attn_heads": "fine_heads", "fine_attn_dim_head": "fine_head_width"}

DEFAULT_DECODER_WIDTHS = (128,) * 4 + (192,) * 4 + (256,) * 6 + (384,) * 3


class AutoencoderConfig(BaseModel):
    """The autoencoder of faces; the defaults are the published sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_corners: Literal[3, 4] = Field(default=3, description="corners of a face: triangles or quads")
    coordinate_range: tuple[float, float] = Field(default=(-1.0, 1.0), description="of the vertices")
    n_coordinate_bins: int = Field(default=128, ge=2)
    coordinate_width: int = Field(default=64, ge=1, description="channels of a coordinate's embedding")
    n_angle_bins: int = Field(default=128, ge=2)
    angle_width: int = Field(default=16, ge=1)
    n_area_bins: int = Field(default=128, ge=2)
    area_width: int = Field(default=16, ge=1)
    n_normal_bins: int = Field(default=128, ge=2)
    normal_width: int = Field(default=64, ge=1)
    encoder_widths: tuple[int, ...] = Field(
        default=(64, 128, 256, 256, 576), min_length=1, description="of the graph layers; the first is normed"
    )
    decoder_widths: tuple[int, ...] = Field(
        default=DEFAULT_DECODER_WIDTHS, min_length=1, description="of the first convolution and the blocks"
    )
    first_kernel: int = Field(default=7, ge=1, description="faces that the first convolution sees; odd")
    code_width: int = Field(default=192, ge=1, description="channels of a vertex before quantisation")
    quantizer: Literal["lfq", "vq", "fsq"] = Field(
        default="lfq", description="residual, one code after the other"
    )
    n_quantizers: int = Field(default=2, ge=1, description="codes of a vertex")
    codebook_size: int = Field(
        default=16_384, ge=2, description="a power of two for lfq, the product of the levels for fsq"
    )
    # Rounding to two levels leaves a second layer nothing: what that is for is lfq.
    levels: tuple[Annotated[int, Field(ge=3)], ...] = Field(
        default=(8, 8, 8, 8, 4), min_length=1, description="fsq: of each number that a code stands for"
    )
    clamp: float = Field(default=10.0, gt=0, description="lfq: inputs are softly kept below this")
    entropy_weight: float = Field(default=0.1, ge=0, description="lfq: of confident and varied codes")
    decay: float = Field(default=0.8, gt=0, lt=1, description="vq: of the running means of the codes")
    kmeans_initialization: bool = Field(default=True, description="vq: first codes from the first batch")
    least_cluster_size: float = Field(default=2.0, ge=0, description="vq: rarer codes are replaced")
    samples_codes: bool = Field(default=True, description="vq: draw codes while training")
    encoder_attention_blocks: int = Field(default=0, ge=0)
    decoder_attention_blocks: int = Field(default=0, ge=0)
    attention_window: int = Field(default=64, ge=1, description="faces; one window to each side is seen")
    has_linear_attention: bool = True
    local_heads: int = Field(default=8, ge=1)
    local_head_width: int = Field(default=32, ge=2)
    linear_heads: int = Field(default=16, ge=1)
    linear_head_width: int = Field(default=8, ge=1)
    blur_sigma: float = Field(default=0.4, gt=0, description="of the targets over neighbouring bins")
    commitment_weight: float = Field(default=0.1, ge=0)
    angles: Literal["interior", "position"] = Field(
        default="interior", description="of the face, or between the corners seen from the origin (quirk)"
    )
    area_scale: Literal["logarithmic", "linear"] = Field(
        default="logarithmic", description="linear puts nearly all faces into the first bin (quirk)"
    )
    rotary_queries: Literal["middle", "last"] = Field(
        default="middle", description="third of the window that queries count their place in; last is a quirk"
    )
    lfq_loss: Literal["per_token", "all_pairs"] = Field(
        default="per_token", description="commitment of a token to its own code, or to all codes (quirk)"
    )

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.quantizer == "lfq" and self.codebook_size & (self.codebook_size - 1):
            raise ValueError(f"codebook_size is {self.codebook_size}; lfq needs a power of two")
        if self.quantizer == "fsq" and self.codebook_size != math.prod(self.levels):
            levels = " x ".join(str(n) for n in self.levels)
            raise ValueError(
                f"codebook_size is {self.codebook_size}, but levels {levels} make {math.prod(self.levels)}; "
                "give the product of the levels"
            )
        if self.first_kernel % 2 == 0:
            raise ValueError(f"first_kernel is {self.first_kernel}; give an odd number of faces")
        if self.local_head_width % 2:
            raise ValueError(f"local_head_width is {self.local_head_width}; give an even number")
        low, high = self.coordinate_range
        if not low < high:
            raise ValueError(f"coordinate_range is {low} to {high}; give the lower bound first")
        return self

    @property
    def tokens_per_face(self) -> int:
        """Codes of a face."""
        return self.n_corners * self.n_quantizers

    @property
    def feature_width(self) -> int:
        """Channels of all embedded features of a face."""
        coordinates = 3 * self.n_corners * self.coordinate_width
        return coordinates + self.n_corners * self.angle_width + self.area_width + 3 * self.normal_width

    @classmethod
    def compatible(cls, **options: Any) -> Self:
        """With the quirks of meshgpt-pytorch 1.7, for its weights."""
        quirks = {
            "angles": "position",
            "area_scale": "linear",
            "rotary_queries": "last",
            "lfq_loss": "all_pairs",
        }
        return cls.model_validate({**quirks, **options})

    @classmethod
    def from_reference(cls, options: Mapping[str, Any], has_quirks: bool = True) -> Self:
        """Read the reference's option names; absent ones keep the published defaults.

        Its quirks come with them, unless `has_quirks` is false.

        Raises:
            ValueError: an option is not known; all such are named.
        """
        known = {*_REFERENCE_NAMES, *_REFERENCE_GROUPS, *_REFERENCE_FLAGS}
        if unknown := sorted(set(options) - known):
            raise ValueError(f"unknown options {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        # Dropping layers starts behind the second, so with two layers the option has no effect.
        has_no_effect = {("rq_kwargs", "quantize_dropout", False)}
        if options.get("num_quantizers", 2) <= 2:
            has_no_effect.add(("rq_kwargs", "quantize_dropout", True))
        own = {_REFERENCE_NAMES[name]: value for name, value in options.items() if name in _REFERENCE_NAMES}
        for group, names in _REFERENCE_GROUPS.items():
            for name, value in options.get(group, {}).items():
                if name in names:
                    own[names[name]] = value
                elif (group, name, value) not in has_no_effect:
                    raise ValueError(f"unknown option {group}.{name}; known are {', '.join(names) or 'none'}")
        own["n_corners"] = 4 if options.get("quads", False) else 3
        own["quantizer"] = "lfq" if options.get("use_residual_lfq", True) else "vq"
        own["samples_codes"] = options.get("rvq_stochastic_sample_codes", True)
        own["has_linear_attention"] = options.get("use_linear_attn", True)
        return cls.compatible(**own) if has_quirks else cls.model_validate(own)


class TransformerConfig(BaseModel):
    """The generator over the codes; the defaults are the published sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codebook_size: int = Field(default=16_384, ge=2, description="codes; the end comes on top")
    n_corners: Literal[3, 4] = Field(default=3, description="of a face, as in the autoencoder")
    n_quantizers: int = Field(default=2, ge=1, description="codes of a corner, as in the autoencoder")
    width: int = Field(default=512, ge=1, description="channels of the stage over faces")
    fine_width: int | None = Field(default=None, ge=1, description="of the other stage; none for the same")
    max_tokens: int = Field(default=8190, ge=1, description="longest sequence; size of the position table")
    depth: int = Field(default=12, ge=1, description="layers of the stage over faces")
    fine_depth: int = Field(default=2, ge=1, description="layers of the stage over the tokens of a face")
    heads: int = Field(default=16, ge=1)
    head_width: int = Field(default=64, ge=1)
    fine_heads: int | None = Field(default=None, ge=1, description="none for the same")
    fine_head_width: int | None = Field(default=None, ge=1, description="none for the same")
    n_memories: int = Field(default=4, ge=0, description="learned keys and values of each attention")
    coarse_gate_loops: int = Field(default=2, ge=0)
    fine_gate_loops: int = Field(default=2, ge=0)
    n_start_vectors: int = Field(default=1, ge=1)
    text_width: int | None = Field(default=None, ge=1, description="channels of the text; none for no text")
    fine_sees_text: bool = Field(default=False, description="whether the fine stage attends to the text too")
    has_film: bool = Field(default=False, description="whether the text scales and shifts the channels")
    text_drop: float = Field(default=0.25, ge=0, lt=1, description="share of texts left out in training")
    labels_padding: bool = Field(
        default=False, description="train the last position of shorter rows to predict code 0 (quirk)"
    )

    @property
    def tokens_per_face(self) -> int:
        """Codes of a face."""
        return self.n_corners * self.n_quantizers

    @property
    def end_id(self) -> int:
        """Id of the end of the sequence: the first one after the codebook."""
        return self.codebook_size

    @classmethod
    def from_reference(
        cls, options: Mapping[str, Any], autoencoder: AutoencoderConfig, has_quirks: bool = True
    ) -> Self:
        """Read the reference's option names; absent ones keep the published defaults.

        Its quirks come with them, unless `has_quirks` is false.

        Raises:
            ValueError: an option is not known; all such are named.
        """
        known = {
            *_TRANSFORMER_NAMES,
            *_TRANSFORMER_WITHOUT_EFFECT,
            "condition_on_text",
            "dim_text",
            "coarse_adaptive_rmsnorm",
        }
        if unknown := sorted(set(options) - known):
            raise ValueError(f"unknown options {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        if options.get("coarse_adaptive_rmsnorm", False):
            raise ValueError("coarse_adaptive_rmsnorm is not offered; give text_cond_with_film")
        own = {own: options[name] for name, own in _TRANSFORMER_NAMES.items() if name in options}
        if not isinstance(width := options.get("dim", 512), int):
            own["width"], own["fine_width"] = width
        if not has_quirks:
            own |= {
                own: options[name] for name, own in _TRANSFORMER_WITHOUT_EFFECT.items() if name in options
            }
        has_text = options.get("condition_on_text", False)
        return cls.model_validate(
            {
                "codebook_size": autoencoder.codebook_size,
                "n_corners": autoencoder.n_corners,
                "n_quantizers": autoencoder.n_quantizers,
                "n_start_vectors": 4 if has_text else 1,
                "text_width": options.get("dim_text", 768) if has_text else None,
                "max_tokens": 8192,
                "labels_padding": has_quirks,
                **own,
            }
        )


class MeshgptConfig(BaseModel):
    """Both networks; the defaults are the published sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    autoencoder: AutoencoderConfig = AutoencoderConfig()
    transformer: TransformerConfig = TransformerConfig()

    @model_validator(mode="after")
    def _codes_agree(self) -> Self:
        for name in ("codebook_size", "n_corners", "n_quantizers"):
            ours, theirs = getattr(self.transformer, name), getattr(self.autoencoder, name)
            if ours != theirs:
                raise ValueError(
                    f"transformer.{name} is {ours}, but the autoencoder's is {theirs}; give both the same"
                )
        return self
