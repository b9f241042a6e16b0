"""What an operator does in the web UI: partitions, why one failed, its second run, the weekly schedule."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType

from pipelines.storage import DataFolder
from tests.assets_defs.browser import needs_browser, opened, picture_of_failure, web_ui
from tests.assets_defs.tiny import PROJECT, launch, wait_for_end, wait_until, write_three_meshes

pytestmark = needs_browser
playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("tokenizer_rs")

OPENINGS = 12


@dataclass(frozen=True)
class Platform:
    """An instance with a data set, as the environment of its processes names it."""

    home: Path
    meshes: Path
    data: DataFolder

    @property
    def partitions(self) -> list[str]:
        return [str(key) for key in self.data.partitions("curated")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An instance on which the job `curate` has run once."""
    folder = tmp_path_factory.mktemp("walk")
    home = folder / "home"
    home.mkdir()
    shutil.copy(PROJECT / ".dagster" / "dagster.yaml", home)
    made = Platform(home, write_three_meshes(folder / "meshes"), DataFolder(folder / "data"))
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.from_config(str(home)) as instance:
        patch.setenv("MESHLOOM_SOURCES", f"local:{made.meshes}")
        patch.setenv("MESHLOOM_DATA", str(made.data.root))
        assert wait_for_end(instance, launch("curate", "{}", home), 600) is dg.DagsterRunStatus.SUCCESS
        yield made


@pytest.fixture(scope="module")
def base(platform: Platform) -> Iterator[str]:
    with web_ui(platform.home) as address:
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


@pytest.mark.parametrize("asset", ["raw_meshes", "quality", "tokens", "descriptors", "curated", "shards"])
def test_every_partition_of_an_asset_is_there(
    page: "playwright.Page", base: str, platform: Platform, asset: str
) -> None:
    page.goto(f"{base}/assets/{asset}?view=partitions")
    for key in platform.partitions:
        page.get_by_text(key, exact=True).first.wait_for()
    page.get_by_text(f"Materialized ({len(platform.partitions)})").wait_for()
    page.get_by_text("Failed (0)").wait_for()


def test_a_failed_partition_says_why_and_is_run_again(
    page: "playwright.Page", base: str, platform: Platform
) -> None:
    key = platform.partitions[1]
    away = platform.meshes.with_name("not mounted")
    platform.meshes.rename(away)
    try:
        failed = materialize(page, base, platform, key)
    finally:
        away.rename(platform.meshes)
    assert failed.status is dg.DagsterRunStatus.FAILURE

    page.goto(f"{base}/assets/raw_meshes?view=partitions")
    page.get_by_text("Failed (1)").wait_for()
    page.get_by_text(key, exact=True).first.click()
    page.get_by_text("failed, and did not materialize this asset").wait_for()
    page.get_by_role("link", name=failed.run_id[:8]).first.click()
    page.get_by_text(f"{platform.meshes} does not exist; check the path").first.wait_for()
    page.get_by_role("button", name="View full message").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("failure class", exact=True).wait_for()
    dialog.get_by_text(re.compile("^lasting: .*mend the cause, then re-execute$")).wait_for()
    dialog.get_by_role("button", name="Done").click()

    run_again_from_failure(page)
    page.wait_for_url(lambda url: "/runs/" in url and failed.run_id not in url)
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    with dg.DagsterInstance.from_config(str(platform.home)) as instance:
        again = instance.get_run_by_id(page.url.rpartition("/runs/")[2][:36])
    assert again is not None
    assert again.parent_run_id == failed.run_id
    assert again.tags["dagster/partition"] == key
    page.goto(f"{base}/assets/raw_meshes?view=partitions")
    page.get_by_text("Failed (0)").wait_for()
    page.get_by_text(f"Materialized ({len(platform.partitions)})").wait_for()


def run_again_from_failure(page: "playwright.Page") -> None:
    """Choose it from the menu, which closes where the page draws itself anew before the click arrives."""
    opener = page.get_by_role("button", name="Re-execute all").locator("xpath=..").locator("button").last
    choice = page.get_by_role("menuitem", name="From failure")
    for _ in range(OPENINGS):
        if not choice.is_visible():
            opener.click()
        with contextlib.suppress(playwright.TimeoutError):
            choice.click(timeout=10_000)
            return
    raise AssertionError("the menu of re-executions does not stay open")


def materialize(page: "playwright.Page", base: str, platform: Platform, key: str) -> dg.DagsterRun:
    """Ask for one partition of raw_meshes by the dialog; returns the run when it has ended."""
    with dg.DagsterInstance.from_config(str(platform.home)) as instance:
        before = {run.run_id for run in instance.get_runs()}
        page.goto(f"{base}/assets/raw_meshes?view=partitions")
        page.get_by_text(key, exact=True).first.wait_for()
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_text("Select a partition or create one").click()
        page.get_by_text(key, exact=True).locator("visible=true").last.click()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Launch 1 run").click()

        def ended() -> list[dg.DagsterRun]:
            return [run for run in instance.get_runs() if run.run_id not in before and run.is_finished]

        wait_until(lambda: bool(ended()), 300)
        [run] = ended()
    return run


def test_the_schedule_is_switched_on_and_off(page: "playwright.Page", base: str, platform: Platform) -> None:
    page.goto(f"{base}/automation")
    page.get_by_role("link", name="weekly_rebuild").first.click()
    page.get_by_text("Mondays at 3").first.wait_for()
    row = page.locator("tr", has=page.get_by_text("Running", exact=True))
    switch = row.get_by_role("checkbox")
    assert not switch.is_checked()
    row.locator("label").click()
    page.get_by_text("Next tick").first.wait_for()
    playwright.expect(switch).to_be_checked()
    assert status_of_the_schedule(platform) is InstigatorStatus.RUNNING
    page.reload()
    playwright.expect(switch).to_be_checked()
    row.locator("label").click()
    playwright.expect(switch).not_to_be_checked()
    wait_until(lambda: status_of_the_schedule(platform) is InstigatorStatus.STOPPED, 60)


def status_of_the_schedule(platform: Platform) -> InstigatorStatus:
    with dg.DagsterInstance.from_config(str(platform.home)) as instance:
        states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    [status] = [state.status for state in states if state.instigator_name == "weekly_rebuild"]
    return status
