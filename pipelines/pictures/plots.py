"""Diagrams of a data set, drawn by matplotlib without its global state."""

import base64
import io
from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

_KEPT, _REJECTED, _INK = "#7494c4", "#d79a77", "#282c34"
_SERIES = ("#7494c4", "#d79a77", "#7fae8a", "#b58fbf", "#c9b458", "#8a8f99", "#5fa8b0", "#b06a6a")
_DOTS_PER_INCH = 100

BITS = {
    "vocabulary_bits_per_face": "tokens x log2(vocabulary)",
    "nominal_bits_per_face": "log2 of the legal tokens",
    "order_0_bits_per_face": "adaptive coder, no context",
    "order_2_bits_per_face": "adaptive coder, two tokens of context",
}
"""Columns of a comparison's summary, and what they are called."""


def funnel_plot(frame: pl.DataFrame) -> bytes:
    """PNG of a funnel: one bar per step with what is left after it, what it rejected behind.

    `frame` has columns step (text), kept and rejected (counts), in order.
    """
    steps, kept, rejected = (frame[name].to_list() for name in ("step", "kept", "rejected"))
    figure, axes = _figure(7, 0.8 + 0.36 * max(len(steps), 1))
    places = [float(i) for i in range(len(steps))]
    axes.barh(places, kept, color=_KEPT, height=0.72)
    axes.barh(places, rejected, left=kept, color=_REJECTED, height=0.72)
    most = max([1, *(k + r for k, r in zip(kept, rejected, strict=True))])
    for place, k, r in zip(places, kept, rejected, strict=True):
        label = f"{k:,}" + (f"  −{r:,}" if r else "")
        axes.text(k + r + most * 0.012, place, label, va="center", color=_INK, fontsize=9)
    axes.set_yticks(places, steps)
    axes.set_xlim(0, most * 1.2)
    axes.invert_yaxis()
    axes.set_xlabel("meshes")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _png(figure)


def histogram(values: ArrayLike, label: str, log: bool = False, bins: int = 40) -> bytes:
    """PNG of how many meshes have which value; `log` spaces the bins, and the axis, by powers of ten.

    Values that are not finite, and with `log` those below or at 0, are left out.
    """
    data = np.asarray(values, dtype=float).ravel()
    data = data[np.isfinite(data) & ((data > 0) if log else True)]
    figure, axes = _figure(6, 3)
    if len(data):
        low, high = float(data.min()), float(data.max())
        if low == high:
            low, high = low * 0.9, high * 1.1 or 1.0
        borders = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
        borders[[0, -1]] = low, high  # rounding in geomspace must not lose the largest value
        axes.hist(data, borders.tolist(), color=_KEPT)
        middle = float(np.median(data))
        axes.axvline(middle, color=_REJECTED, linewidth=1.5)
        axes.set_title(f"{len(data):,} meshes, median {middle:,.4g}", fontsize=9, color=_INK, loc="left")
        if log:
            axes.set_xscale("log")
    else:
        axes.text(0.5, 0.5, "no values", ha="center", va="center", transform=axes.transAxes, color=_INK)
    axes.set_xlabel(label)
    axes.set_ylabel("meshes")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return _png(figure)


def ratio_plot(trials: pl.DataFrame) -> bytes:
    """PNG of tokens / (9 faces) against faces: one dot per mesh and tokenizer, by their order in the table.

    `trials` has columns tokenizer, n_faces and ratio; rows without a ratio are left out.
    """
    figure, axes = _figure(7, 4)
    for i, name in enumerate(trials["tokenizer"].unique(maintain_order=True)):
        of_one = trials.filter(pl.col("tokenizer") == name).drop_nulls("ratio")
        colour = _SERIES[i % len(_SERIES)]
        axes.scatter(of_one["n_faces"], of_one["ratio"], s=9, color=colour, alpha=0.6, lw=0, label=name)
    if trials["ratio"].count():
        axes.set_xscale("log")
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1), markerscale=2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("faces")
    axes.set_ylabel("tokens / (9 faces)")
    return _png(figure)


def bits_plot(summary: pl.DataFrame) -> bytes:
    """PNG of bars: bits per face of each tokenizer, counted in four ways.

    `summary` has a column tokenizer and the columns of BITS; what is null has no bar.
    """
    names = summary["tokenizer"].to_list()
    figure, axes = _figure(7, 0.9 + 0.6 * max(len(names), 1))
    height = 0.8 / len(BITS)
    for i, (column, label) in enumerate(BITS.items()):
        places = [row + (i - (len(BITS) - 1) / 2) * height for row in range(len(names))]
        values = summary[column].fill_null(0).to_list()
        axes.barh(places, values, height=height, color=_SERIES[i], label=label)
        for place, value in zip(places, values, strict=True):
            if value:
                axes.text(value, place, f" {value:.1f}", va="center", color=_INK, fontsize=7)
    axes.set_yticks([float(row) for row in range(len(names))], names)
    axes.invert_yaxis()
    axes.set_xlabel("bits per face")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _png(figure)


def leakage_plot(sources: pl.DataFrame) -> bytes:
    """PNG of clusters of copies between sources, and how many of them a split file by file would separate.

    `sources` has columns first, second (names), clusters and leaks (counts).
    """
    rows = sources.rows(named=True)
    figure, axes = _figure(7, 1.0 + 0.36 * max(len(rows), 1))
    places = [float(i) for i in range(len(rows))]
    for column, colour, label in (
        ("clusters", _KEPT, "clusters of copies"),
        ("leaks", _REJECTED, "in several splits, if each file decided alone"),
    ):
        axes.barh(places, [row[column] for row in rows], color=colour, height=0.72, label=label)
    names = [
        row["first"] if row["first"] == row["second"] else f"{row['first']}, {row['second']}" for row in rows
    ]
    axes.set_yticks(places, [f"within {name}" if "," not in name else f"between {name}" for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("clusters")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return _png(figure)


def curves_plot(curves: pl.DataFrame, y_label: str, x_labels: Mapping[str, str]) -> bytes:
    """PNG of lines: a panel for each column of `x_labels` (and what it is called), a colour for each group.

    `curves` has columns group, part and line (texts), y, and those of `x_labels`; rows that share group, part
    and line are joined in their order. The first part is drawn solid, the others dashed and faint.
    """
    figure = Figure(figsize=(1.5 + 4.5 * len(x_labels), 3.6), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(x_labels), sharey=True, squeeze=False)[0]
    groups, parts = (curves[name].unique(maintain_order=True).to_list() for name in ("group", "part"))
    for axes, (column, label) in zip(panels, x_labels.items(), strict=True):
        _plain(axes)
        axes.set_xlabel(label)
        for (group, part, _), line in curves.group_by("group", "part", "line", maintain_order=True):
            is_first = part == parts[0]
            axes.plot(
                line[column],
                line["y"],
                color=_SERIES[groups.index(group) % len(_SERIES)],
                linestyle="-" if is_first else "--",
                marker="." if line.height == 1 else None,  # which a line alone would not show
                linewidth=1.4 if is_first else 0.9,
                alpha=0.9 if is_first else 0.6,
            )
    panels[0].set_ylabel(y_label)
    handles = [Line2D([], [], color=_SERIES[i % len(_SERIES)], label=name) for i, name in enumerate(groups)]
    for part in parts:
        handles.append(Line2D([], [], color=_INK, linestyle="-" if part == parts[0] else "--", label=part))
    panels[-1].legend(handles=handles, fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _png(figure)


def as_markdown_image(png: bytes, alt: str) -> str:
    """Markdown that holds the picture itself, for metadata and notebooks."""
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _figure(width_inches: float, height_inches: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_inches, height_inches), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=_INK)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
