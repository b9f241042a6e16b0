"""Settings of the tokenizer families: read back as written, refused by name, built as asked."""

import pytest
from pydantic import ValidationError

from pipelines.curation import curate
from pipelines.settings import CurationSettings
from pipelines.tokenizers import (
    FAMILIES,
    EdgeRunnerSettings,
    LoomSettings,
    SilksongSettings,
    TokenizerError,
    build_tokenizer,
    check_storable,
    parse_tokenizer,
    tokenizer_named,
)


@pytest.mark.parametrize("name", FAMILIES)
def test_settings_of_a_family_survive_a_manifest(name):
    settings = tokenizer_named(name)
    assert settings.name == name
    assert type(settings) is FAMILIES[name]
    assert parse_tokenizer(settings.model_dump(mode="json")) == settings
    whole = CurationSettings(tokenizer=settings)
    assert CurationSettings.model_validate(whole.model_dump(mode="json")) == whole


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_built_as_its_settings_say(name):
    settings = tokenizer_named(name)
    tokenizer = build_tokenizer(settings)
    assert tokenizer.resolution == settings.resolution
    assert tokenizer is build_tokenizer(tokenizer_named(name))
    check_storable(settings)


def test_labels_name_every_option():
    assert SilksongSettings().label == "silksong/block_offset/128/extended"
    assert EdgeRunnerSettings(repair=False).label == "edgerunner/512/lr_absco/stable/repair=False"
    assert LoomSettings(scheme="deferred").label == "loom/128/deferred/structured"


def test_settings_without_a_name_are_silksongs():
    assert parse_tokenizer({"conformance": "reference"}) == SilksongSettings(conformance="reference")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "runes"}, "'silksong', 'edgerunner', 'face_sequence', 'loom'"),
        ({"name": "edgerunner", "engine": "lr"}, "Input should be 'lr_absco'"),
        ({"name": "face_sequence", "drop_duplicates": True}, "Extra inputs are not permitted"),
        ({"name": "loom", "conformance": "extended"}, "Extra inputs are not permitted"),
        ({"conformance": "loose"}, "'reference' or 'extended'"),
        ("silksong", "silksong"),
    ],
)
def test_options_that_a_family_does_not_have_are_refused(content, message):
    with pytest.raises(ValidationError, match=message):
        parse_tokenizer(content)


def test_names_from_a_command_line():
    assert tokenizer_named("silksong", 128) == SilksongSettings()
    assert tokenizer_named("silksong", 1024) == SilksongSettings(vertex_mode="xyz", resolution=1024)
    assert tokenizer_named("loom", 256) == LoomSettings(resolution=256)
    with pytest.raises(TokenizerError, match="no tokenizer 'runes'; choose one of silksong, edgerunner"):
        tokenizer_named("runes")
    with pytest.raises(TokenizerError, match="resolution -1"):
        tokenizer_named("loom", -1)


def test_what_cannot_be_written_is_said_before_anything_is(tmp_path):
    with pytest.raises(TokenizerError, match="silksong/block_offset/64/extended"):
        build_tokenizer(SilksongSettings(resolution=64))
    too_fine = SilksongSettings(vertex_mode="xyz", resolution=65_000)
    with pytest.raises(TokenizerError, match=r"has \d+ ids, and shards hold 65536; lower the resolution"):
        curate(["builtin:"], tmp_path / "data", CurationSettings(tokenizer=too_fine))
    assert not (tmp_path / "data").exists()
