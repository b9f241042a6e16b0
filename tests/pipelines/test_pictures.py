"""Pictures are PNG, show what they should, and are the same bytes each time."""

import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pipelines.furniture import FAMILIES, build
from pipelines.pictures import (
    Marks,
    Panel,
    as_markdown_image,
    bits_plot,
    contact_sheet,
    curves_plot,
    funnel_plot,
    histogram,
    pairs_sheet,
    panels_sheet,
    ratio_plot,
    render_mesh,
    to_png,
)

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=float)
FACES = np.array([[0, 1, 2], [0, 2, 3]])
FUNNEL = pl.DataFrame({"step": ["files", "tokens", "RULE_FACES"], "kept": [9, 7, 7], "rejected": [0, 2, 0]})


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image


def test_a_square_seen_from_the_front_is_a_square():
    image = render_mesh(SQUARE, FACES, 100, azimuth_degrees=0, elevation_degrees=0)
    assert (image.shape, image.dtype) == ((100, 100, 3), np.uint8)
    is_drawn = (image != 255).any(axis=2)
    assert is_drawn.sum() == 88 * 88
    assert is_drawn[6:94, 6:94].all()


def test_both_sides_of_a_face_look_alike():
    front = render_mesh(SQUARE, FACES, 64)
    back = render_mesh(SQUARE, FACES[:, ::-1], 64)
    np.testing.assert_array_equal(front, back)


def test_y_is_up_and_the_nearer_face_hides_the_farther():
    low = np.array([[-1, -1, 0], [1, -1, 0], [0, -0.5, 0]], dtype=float)
    high = np.array([[-0.1, 1, 0], [0.1, 1, 0], [0, 0.9, 0]], dtype=float)
    image = render_mesh(np.concatenate([low, high]), [[0, 1, 2], [3, 4, 5]], 64, 0, 0)
    is_drawn = (image != 255).any(axis=2)
    assert is_drawn[40:].sum() > 10 * is_drawn[:20].sum() > 0
    # a small square before a large one that is tilted, so that their colours differ
    large = SQUARE * 4 - 2 + np.column_stack([np.zeros(4), np.zeros(4), [0, 0, -6, -6]])
    small = SQUARE - 0.5 + np.array([0, 0, 5])
    for order in (1, -1):
        faces = np.concatenate([FACES, FACES + 4][::order])
        image = render_mesh(np.concatenate([large, small]), faces, 64, 0, 0)
        assert not (image[32, 32] == image[10, 32]).all()


def test_what_cannot_be_drawn_draws_nothing():
    blank = render_mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=int), 32)
    assert (blank == 255).all()
    assert (render_mesh(np.zeros((3, 3)), [[0, 1, 2]], 32) == 255).all()
    broken = np.concatenate([SQUARE, [[np.nan, 0, 0], [np.inf, 0, 0]]])
    with_broken = render_mesh(broken, [*FACES, [0, 4, 5]], 32)
    np.testing.assert_array_equal(with_broken, render_mesh(SQUARE, FACES, 32))


def test_faces_have_colours_of_their_own():
    image = render_mesh(SQUARE, FACES, 100, 0, 0, colour=[(200, 0, 0), (0, 0, 200)])
    lower_right, upper_left = image[70, 70].astype(int), image[30, 30].astype(int)
    assert lower_right[0] > 0 == lower_right[2]
    assert upper_left[2] > 0 == upper_left[0]


def test_marks_lie_on_the_surface_and_behind_what_is_before_them():
    red, edge, dot = (255, 0, 0), SQUARE[[[0, 1]]], SQUARE[[[2, 2]]]
    image = render_mesh(SQUARE, FACES, 100, 0, 0, marks=[Marks(edge, red, 0.03), Marks(dot, red, 0.05)])
    is_red = (image == red).all(axis=2)
    assert is_red[93:95, 10:90].any(axis=0).all()
    assert is_red[5:8, 92:95].all()
    assert not is_red[20:80].any()
    behind = render_mesh(
        SQUARE, FACES, 100, 0, 0, marks=[Marks(np.array([[[0, 0.5, -1], [1, 0.5, -1]]]), red)]
    )
    assert not (behind == red).all(axis=2).any()


def test_panels_have_titles_and_legends():
    panel = Panel("a", SQUARE, FACES, legend=(("edges", (200, 10, 10)), ("faces", (10, 10, 200))))
    png = panels_sheet([panel, panel, panel], size=200)
    assert opened(png).size == (400, 2 * 240)
    below = np.asarray(opened(png).convert("RGB"))[220:240, :200]
    assert (below == (200, 10, 10)).all(axis=2).any()
    assert opened(panels_sheet([])).size[0] > 0


def test_png_of_an_image_has_its_pixels():
    image = render_mesh(SQUARE, FACES, 40)
    np.testing.assert_array_equal(np.asarray(opened(to_png(image))), image)


def test_a_sheet_of_24_fits_an_event_log():
    solids = [(family, build(family, i)) for family in FAMILIES for i in (1, 2)][:24]
    meshes = [(f"{name} with a rather long title", solid.vertices, solid.faces) for name, solid in solids]
    png = contact_sheet(meshes)
    assert opened(png).size == (6 * 128, 4 * 148)
    assert len(png) < 100_000
    assert contact_sheet(meshes) == png
    assert opened(contact_sheet(meshes[:2])).size == (256, 148)
    assert opened(contact_sheet([])).size[1] > 0


def test_pairs_show_what_is_missing():
    mesh = (SQUARE, FACES)
    png = pairs_sheet(
        [("a", mesh, mesh), ("b", mesh, None), ("c", mesh, (SQUARE, FACES[:0])), ("d", mesh, mesh)]
    )
    assert opened(png).size == (3 * 2 * 192, 2 * 212)
    assert pairs_sheet([("b", mesh, None)]) == pairs_sheet([("b", mesh, (SQUARE, FACES[:0]))])
    assert pairs_sheet([("b", mesh, None)]) != pairs_sheet([("b", mesh, mesh)])


def test_funnels():
    assert funnel_plot(FUNNEL) == funnel_plot(FUNNEL)
    assert opened(funnel_plot(FUNNEL)).width == 700
    assert opened(funnel_plot(FUNNEL.clear())).width == 700


@pytest.mark.parametrize("values", [[1, 2, 3, 1000], [5], [0, 0], [-3, 4], [], [np.nan, np.inf, 1]])
@pytest.mark.parametrize("log", [False, True])
def test_histograms_of_anything(values, log):
    png = histogram(values, "faces per mesh", log=log)
    assert opened(png).size == (600, 300)
    assert histogram(np.array(values), "faces per mesh", log=log) == png


TRIALS = pl.DataFrame(
    {"tokenizer": ["b", "a", "b"], "n_faces": [10, 10, 900], "ratio": [0.2, None, 0.1]},
    schema_overrides={"ratio": pl.Float64},
)
SUMMARY = pl.DataFrame(
    {
        "tokenizer": ["b", "a"],
        "vocabulary_bits_per_face": [30.0, None],
        "nominal_bits_per_face": [None, None],
        "order_0_bits_per_face": [20.0, 1.0],
        "order_2_bits_per_face": [19.0, 2.0],
    },
    schema_overrides={"nominal_bits_per_face": pl.Float64},
)


@pytest.mark.parametrize(("plot", "frame"), [(ratio_plot, TRIALS), (bits_plot, SUMMARY)])
def test_plots_of_a_comparison_of_tokenizers(plot, frame):
    png = plot(frame)
    assert opened(png).width == 700
    assert plot(frame) == png
    assert plot(frame[:1]) != png
    assert opened(plot(frame.clear())).width == 700
    assert opened(plot(frame[1:2])).width == 700


def test_a_markdown_image_holds_the_picture():
    text = as_markdown_image(b"\x89PNG", "alt text")
    assert text.startswith("![alt text](data:image/png;base64,")
    assert base64.b64decode(text.split(",")[1][:-1]) == b"\x89PNG"


def test_curves_have_a_panel_for_each_axis_and_every_line_is_drawn():
    rows = {
        "group": ["a", "a", "b", "b", "b"],
        "part": ["held out", "held out", "held out", "held out", "training"],
        "line": ["a", "a", "b", "b", "b"],
        "y": [3.0, 1.0, 2.5, 1.5, 2.0],
        "step": [0, 10, 0, 10, 5],
        "seconds": [0.0, 4.0, 0.0, 9.0, 5.0],
    }
    curves = pl.DataFrame(rows)
    one = opened(curves_plot(curves, "nats", {"step": "steps"}))
    two = opened(curves_plot(curves, "nats", {"step": "steps", "seconds": "seconds of training"}))
    assert two.width > 1.5 * one.width
    whole = curves_plot(curves, "nats", {"step": "steps"})
    assert whole == curves_plot(curves, "nats", {"step": "steps"})
    for i in range(curves.height):  # a point that moves moves its line; the single one of `training` as well
        moved = curves.with_columns(pl.when(pl.int_range(pl.len()) == i).then(2.2).otherwise("y").alias("y"))
        assert curves_plot(moved, "nats", {"step": "steps"}) != whole
