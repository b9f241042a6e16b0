"""Loss over steps as a picture."""

import io

import polars as pl


def loss_curve(metrics: pl.DataFrame) -> bytes:
    """PNG of the training and validation loss in nats per token; `metrics` is RUN/metrics.parquet."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    few = "." if metrics.height < 50 else ""
    for column, label, colour in (
        ("loss", "training", "#4477aa"),
        ("validation_loss", "validation", "#ee7733"),
    ):
        rows = metrics.select("step", column).drop_nulls()
        if rows.height:
            marker = "o" if column == "validation_loss" else few
            axes.plot(rows["step"], rows[column], color=colour, marker=marker, markersize=4, label=label)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("loss (nats per token)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
