"""Pictures of data sets and meshes, as PNG bytes: the same input gives the same bytes.

from pipelines.pictures import render_mesh, to_png
Path("chair.png").write_bytes(to_png(render_mesh(vertices, faces)))
"""

from pipelines.pictures.plots import (
    as_markdown_image,
    bits_plot,
    curves_plot,
    funnel_plot,
    histogram,
    leakage_plot,
    ratio_plot,
)
from pipelines.pictures.rendering import Marks, render_mesh
from pipelines.pictures.sheets import Panel, contact_sheet, pairs_sheet, panels_sheet, to_png

__all__ = [
    "Marks",
    "Panel",
    "as_markdown_image",
    "bits_plot",
    "contact_sheet",
    "curves_plot",
    "funnel_plot",
    "histogram",
    "leakage_plot",
    "pairs_sheet",
    "panels_sheet",
    "ratio_plot",
    "render_mesh",
    "to_png",
]
