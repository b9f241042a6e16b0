"""What a person sees in the web UI after everything was made once, from raw files to the evaluation.

MESHLOOM_SCREENSHOTS names a folder that keeps the pictures; MESHLOOM_SCREENSHOT_HOME the DAGSTER_HOME of an
instance on which `rebuild` has run already, to take them of a larger data set.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from assets_defs.definitions import defs
from assets_defs.resources import DataSetResource
from tests.assets_defs.browser import needs_browser, opened, picture_of_failure, web_ui
from tests.assets_defs.tiny import TINY_MODEL, as_config, launch, wait_for_end, write_three_meshes

GROUPS = ["ingest", "tokenize", "curate", "train", "generate", "evaluate"]

pytestmark = needs_browser
playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("tokenizer_rs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, dagster_home: Path) -> Path:
    """An instance on which the job `rebuild` has run; returns its folder."""
    if home := os.environ.get("MESHLOOM_SCREENSHOT_HOME"):
        return Path(home).resolve()
    folder = tmp_path_factory.mktemp("browser")
    meshes = write_three_meshes(folder / "meshes")
    (meshes / "broken.glb").write_bytes(b"<html>404</html>")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY_MODEL))
    data_set = DataSetResource(
        sources=[f"local:{meshes}"],
        folder=str(folder / "data"),
        runs=str(folder / "runs"),
        workers=1,
    )
    config = {
        "ops": {
            "checkpoint": {"config": {"experiment": str(folder / "tiny.yaml")}},
            "evaluate_checkpoint": {"config": {"split": "train", "limit": 3}},
        },
        "resources": as_config(data_set),
    }
    run_id = launch("rebuild", json.dumps(config), dagster_home)
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        assert wait_for_end(instance, run_id, 600) is dg.DagsterRunStatus.SUCCESS
    return dagster_home


@pytest.fixture(scope="module")
def base(made: Path) -> Iterator[str]:
    with web_ui(made) as address:
        yield address


@pytest.fixture(scope="module")
def opened_page(base: str) -> Iterator["playwright.Page"]:
    with opened(base) as page:
        yield page


@pytest.fixture
def page(
    opened_page: "playwright.Page", request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator["playwright.Page"]:
    with picture_of_failure(opened_page, request, tmp_path):
        yield opened_page


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("MESHLOOM_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_the_lineage(page: "playwright.Page", base: str, screenshots: Path) -> None:
    expanded = "%2C".join(f"global%40global%3A{group}" for group in GROUPS)
    page.set_viewport_size({"width": 1800, "height": 1500})  # what lies outside is not drawn
    page.goto(f"{base}/asset-groups?expanded={expanded}")
    for key in defs.resolve_asset_graph().get_all_asset_keys():
        page.get_by_text(key.to_user_string(), exact=True).first.wait_for()
    page.wait_for_timeout(3000)  # the graph moves to its place, and takes the colours of what is materialised
    page.screenshot(path=screenshots / "lineage.png")
    page.set_viewport_size({"width": 1800, "height": 900})


@pytest.mark.parametrize(
    ("asset", "pictures"),
    [
        ("dataset", ["faces per mesh", "tokens per mesh", "kept meshes"]),
        ("ledger", ["funnel"]),
        ("checkpoint", ["loss curve"]),
        ("evaluation", ["input beside output"]),
    ],
)
def test_the_latest_materialisation_shows_its_pictures(
    page: "playwright.Page", base: str, screenshots: Path, asset: str, pictures: list[str]
) -> None:
    page.goto(f"{base}/assets/{asset}?view=overview")
    page.get_by_text("Latest materialization", exact=True).first.wait_for()
    for name in pictures:
        # the UI keeps Markdown of more than a few lines behind a link
        page.locator("tr", has=page.get_by_text(name, exact=True)).get_by_text("[Show Markdown]").click()
        image = page.locator(f'img[alt="{name}"]')
        image.wait_for()
        assert image.evaluate("image => image.naturalWidth") > 100
        page.wait_for_timeout(500)  # the dialog fades in
        page.screenshot(path=screenshots / f"{asset}-{name.replace(' ', '-')}.png")
        page.keyboard.press("Escape")
        image.wait_for(state="detached")


def test_a_partition_of_the_tokens(page: "playwright.Page", base: str, screenshots: Path) -> None:
    page.goto(f"{base}/assets/tokens?view=partitions")
    page.get_by_text(re.compile(r"^\w+:\S+$")).first.click()
    page.get_by_text("meshes per second", exact=True).first.wait_for()
    page.get_by_text("reasons", exact=True).first.wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=screenshots / "partition.png")


def test_checks_of_the_ledger(page: "playwright.Page", base: str, screenshots: Path) -> None:
    page.goto(f"{base}/assets/ledger?view=checks")
    page.get_by_text("complete", exact=True).first.wait_for()
    page.get_by_text("schema", exact=True).first.wait_for()
    page.get_by_text("Passed", exact=True).first.wait_for()
    page.screenshot(path=screenshots / "checks.png")
