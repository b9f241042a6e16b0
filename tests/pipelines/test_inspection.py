"""The page and the picture of one mesh: what they show is what was found, whatever the file is called."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import tokenizer_rs
from PIL import Image

from pipelines.furniture import build
from pipelines.inspection import (
    SHOWN_TOKENS,
    inspect_mesh,
    inspection_page,
    inspection_picture,
    repairs_in_words,
    write_inspection,
)
from pipelines.tokenizers import FAMILIES, SilksongSettings, tokenizer_named

HOSTILE = "</title><script>alert(1)</script>\"'&{{ 7*7 }}.obj"
SILKSONG = SilksongSettings()

# three sheets on one edge, the third upside down against nothing, and a face that is there twice
FIN = (
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1.0]]),
    np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4], [1, 2, 0]], dtype=np.int32),
)


class Page(HTMLParser):
    """Tags, and texts by the tag around them."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open:
            self.texts.append((self._open[-1], data))


def chair():
    solid = build("chair", 3)
    return np.asarray(solid.vertices, dtype=float), np.asarray(solid.faces, dtype=np.int32)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_shown(name, tmp_path):
    vertices, faces = chair()
    inspection = inspect_mesh("chair.obj", vertices, faces, tokenizer_named(name))
    assert inspection.walk is not None
    assert inspection.walk.exact
    assert sorted(inspection.walk.order.tolist()) == list(range(len(inspection.walk.faces)))
    picture, page = write_inspection(inspection, tmp_path / "out")
    image = Image.open(picture)
    n_panels = 4 if name == "silksong" else 3
    assert (image.format, image.width, image.height) == ("PNG", 840, -(-n_panels // 2) * 460)
    assert image.getcolors(1 << 24) is not None
    assert page.read_text().count("<tr") > min(SHOWN_TOKENS, len(inspection.walk.tokens))


def test_what_the_viewer_gets_are_the_faces_in_order():
    vertices, faces = chair()
    inspection = inspect_mesh("chair.obj", vertices, faces, SILKSONG)
    walk = inspection.walk
    html = inspection_page(inspection, b"png")
    data = json.loads(re.search(r'id="viewer-data">(.*?)</script>', html, re.DOTALL)[1])
    corners = np.frombuffer(base64.b64decode(data["corners"]), dtype="<f4").reshape(-1, 3, 3)
    np.testing.assert_allclose(corners, walk.vertices[walk.faces[walk.order]], atol=1e-6)
    assert [name for name, _ in data["colours"]] == ["order of visits", "component", "layer"]
    colours = np.frombuffer(base64.b64decode(data["colours"][0][1]), dtype=np.uint8)
    brightness = colours.reshape(-1, 3) @ [0.3, 0.6, 0.1]
    assert brightness[-1] > 2 * brightness[0]


def test_defects_are_counted_as_the_measure_counts_them():
    inspection = inspect_mesh("fin.obj", *FIN, SILKSONG)
    assert len(inspection.defects.nonmanifold) == inspection.before["nonmanifold_edges"] > 0
    assert len(inspection.defects.boundary) == inspection.before["boundary_edges"] > 0
    assert inspection.after["nonmanifold_edges"] == 0
    assert inspection.repairs() == repairs_in_words(inspection.log)
    told = " ".join(inspection.repairs())
    assert "1 faces dropped that are there already" in told
    assert "1 edges of more than two faces cut open" in told
    assert all(line in inspection_page(inspection, b"") for line in inspection.repairs())


def test_the_picture_marks_what_was_found():
    colours = {
        name: {colour for _, colour in Image.open(io.BytesIO(png)).convert("RGB").getcolors(1 << 24)}
        for name, png in {
            "fin": inspection_picture(inspect_mesh("fin", *FIN, SILKSONG)),
            "chair": inspection_picture(inspect_mesh("chair", *chair(), SILKSONG)),
        }.items()
    }
    assert inspection_picture(inspect_mesh("fin", *FIN, SILKSONG)) == inspection_picture(
        inspect_mesh("fin", *FIN, SILKSONG)
    )
    for shade in ((214, 39, 40), (242, 142, 20)):
        assert shade in colours["fin"]


def test_a_hostile_name_stays_text():
    inspection = inspect_mesh(HOSTILE, *chair(), SILKSONG)
    html = inspection_page(inspection, inspection_picture(inspection))
    page = Page(html)
    assert [text for tag, text in page.texts if tag in ("title", "h1")] == [HOSTILE, HOSTILE]
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "alert(1)" not in "".join(text for tag, text in page.texts if tag == "script")
    links = [
        value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")
    ]
    assert len(links) == 1
    assert links[0].startswith("data:image/png;base64,")


def test_a_mesh_that_does_not_tokenise_is_still_shown(monkeypatch):
    def refuse(*_):
        error = tokenizer_rs.MeshError("<b>too many</b>")
        error.code = "TOKEN_LIMIT"
        raise error

    class Refusing:
        encode = staticmethod(refuse)

    monkeypatch.setattr("pipelines.inspection.build_tokenizer", lambda _: Refusing())
    inspection = inspect_mesh("fin.obj", *FIN, SILKSONG)
    assert inspection.walk is None
    html = inspection_page(inspection, inspection_picture(inspection))
    assert "refused. TOKEN_LIMIT: &lt;b&gt;too many&lt;/b&gt;" in html
    assert "<canvas" not in html
