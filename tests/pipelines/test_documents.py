"""The pages of quality name every column and preset, and the outcomes of damaged files are those of today."""

import re
from pathlib import Path

import pytest

from benchmarks.messy_outcomes import PAGE, outcomes, page
from pipelines.quality import QUANTIZATION_BITS
from pipelines.rule_columns import COLUMNS
from pipelines.rules import load_preset, preset_names
from pipelines.settings import CurationSettings
from pipelines.tables import Quality, polars_schema
from pipelines.tokenizers import FAMILIES
from tests.shared_data import shared_path

DOCS = Path(__file__).parents[2] / "docs"


def marked(name: str) -> list[str]:
    """What a page has in code marks within its lines."""
    text = re.sub(r"```.*?```", "", (DOCS / name).read_text(), flags=re.DOTALL)
    return re.findall(r"`([^`]+)`", text)


def named_in(name: str) -> set[str]:
    """Words in code marks of a page, with B and FAMILY filled in, and `-vNN` as Silksong's presets."""
    words = {word for code in marked(name) for word in re.findall(r"[\w-]+", code)}
    words |= {word.replace("Bbit", f"{bits}bit") for word in words for bits in QUANTIZATION_BITS}
    return words | {word.replace("FAMILY", family) for word in words for family in FAMILIES}


def test_every_column_of_quality_is_defined():
    named = named_in("quality.md")
    identity = {"mesh_id", "uri", "source", "shard", "sha256"}
    assert set(polars_schema(Quality)) - identity <= named
    of_mesh_table = {name for name, column in COLUMNS.items() if column.table == "mesh_table"}
    assert of_mesh_table <= named


def test_every_preset_is_listed_and_can_be_read():
    named = named_in("quality.md")
    of_silksong = {f"silksong-v{i:02d}" for i in range(13)}
    assert set(preset_names()) - of_silksong <= named
    alone = {rule.keep for rule in load_preset("default").rules if "AND" not in rule.keep}
    assert alone <= set(marked("quality.md"))


def test_the_settings_of_configs_can_be_read():
    import yaml

    files = list((DOCS.parent / "configs" / "curation").glob("*.yaml"))
    assert files
    for path in files:
        settings = CurationSettings.model_validate(yaml.safe_load(path.read_text()))
        assert load_preset(settings.preset)


@pytest.mark.slow
def test_every_damaged_file_ends_as_the_page_says(tmp_path):
    messy = shared_path("corpus", "messy")
    assert PAGE.read_text() == page(outcomes(messy, tmp_path))


def test_an_outcome_that_nobody_explained_is_no_page():
    with pytest.raises(ValueError, match="outcomes to review"):
        page([])
