"""Diagrams of a data set, drawn by matplotlib without its global state."""

import base64
import io

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

_KEPT, _REJECTED, _INK = "#7494c4", "#d79a77", "#282c34"
_DOTS_PER_INCH = 100


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


def as_markdown_image(png: bytes, alt: str) -> str:
    """Markdown that holds the picture itself, for metadata and notebooks."""
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _figure(width_inches: float, height_inches: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_inches, height_inches), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=_INK)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
