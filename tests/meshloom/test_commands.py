"""What the command line makes of its arguments."""

import json
from pathlib import Path

import pytest

from meshloom.commands import curation_settings
from pipelines.settings import CurationSettings
from pipelines.tokenizers import LoomSettings, SilksongSettings, TokenizerError
from pipelines.yaml_files import YamlFileError


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        "tokenizer: {conformance: reference}\nsamples_per_shard: 7\nlimits: {seconds_per_item: 3}\n"
    )
    assert curation_settings(None, None, None) == CurationSettings()
    settings = curation_settings(None, 2, path)
    assert settings.tokenizer == SilksongSettings(conformance="reference")
    assert (settings.preset, settings.limits.workers, settings.limits.seconds_per_item) == (
        "silksong-v11",
        2,
        3,
    )
    settings = curation_settings(None, None, path, "loom")
    assert (settings.tokenizer, settings.preset, settings.samples_per_shard) == (
        LoomSettings(),
        "loom-default",
        7,
    )
    assert curation_settings("silksong-v00", None, path, "loom").preset == "silksong-v00"
    path.write_text("")
    assert curation_settings(None, None, path) == CurationSettings()


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("tokenizer: {name: loom, conformance: reference}\n")
    with pytest.raises(YamlFileError) as caught:
        curation_settings(None, None, path)
    assert str(caught.value) == f"{path}: tokenizer.loom.conformance: Extra inputs are not permitted"
    with pytest.raises(TokenizerError, match="no tokenizer 'runes'"):
        curation_settings(None, None, None, "runes")


def test_settings_read_back_from_a_manifest_are_the_same_text() -> None:
    """What decides a fingerprint is a text: 60 and 60.0 would make everything again."""
    text = json.dumps(CurationSettings().model_dump())
    assert json.dumps(CurationSettings.model_validate(json.loads(text)).model_dump()) == text
