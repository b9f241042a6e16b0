"""The page of one mesh in a real browser: it is drawn, can be turned, and asks nothing of the network."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.furniture import build
from pipelines.inspection import inspect_mesh, write_inspection
from pipelines.tokenizers import SilksongSettings

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic"]
HOSTILE = "</title><img src=x onerror=alert(1)><script>alert(2)</script>"

LOOK = """() => {
    const canvas = document.querySelector(".viewer canvas"), gl = canvas.getContext("webgl");
    const pixels = new Uint32Array(canvas.width * canvas.height);
    const bytes = new Uint8Array(pixels.buffer);
    gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    return [new Set(pixels).size, pixels.reduce((digest, pixel) => (Math.imul(digest, 31) + pixel) | 0, 0)];
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("tokenizer_rs")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    solid = build("chair", 3)
    faces = np.asarray(solid.faces, dtype=np.int32)
    inspection = inspect_mesh(HOSTILE, np.asarray(solid.vertices, dtype=float), faces, SilksongSettings())
    return write_inspection(inspection, tmp_path_factory.mktemp("inspection"))[1]


def test_the_viewer_draws_and_follows_slider_and_pointer(written: Path) -> None:
    requests: list[str] = []
    faults: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.goto(written.as_uri())
        assert page.title() == HOSTILE
        canvas, output = page.locator(".viewer canvas"), page.locator(".viewer output")
        canvas.scroll_into_view_if_needed()

        def look() -> tuple[int, int]:
            """Number of colours on the canvas, and a digest of its pixels."""
            return tuple(page.evaluate(LOOK))

        total = int(page.locator(".viewer input").get_attribute("max"))
        assert output.inner_text() == f"{total} of {total} faces"
        n_colours, whole = look()
        assert n_colours > 20

        page.locator(".viewer input").fill(str(total // 2))
        assert output.inner_text() == f"{total // 2} of {total} faces"
        half = look()[1]
        page.locator(".viewer input").fill("0")
        n_colours, nothing = look()
        assert n_colours == 1
        page.locator(".viewer input").fill(str(total))
        assert look()[1] == whole
        page.locator(".viewer select").select_option("layer")
        layers = look()[1]
        page.locator(".viewer select").select_option("order of visits")
        assert look()[1] == whole

        box = canvas.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 200, box["y"] + 200)
        page.mouse.down()
        page.mouse.move(box["x"] + 300, box["y"] + 220, steps=4)
        page.mouse.up()
        turned = look()[1]
        page.mouse.wheel(0, -500)
        nearer = look()[1]
        assert len({whole, half, nothing, layers, turned, nearer}) == 6

        page.locator(".viewer button").click()
        page.locator(".viewer button", has_text="play").wait_for(timeout=120_000)
        assert output.inner_text() == f"{total} of {total} faces"
        browser.close()
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert faults == []
