"""Every preset of the reference keeps and drops what its table says, at the borders."""

import polars as pl
import pytest

from pipelines.reasons import Reason
from pipelines.rule_columns import COLUMNS
from pipelines.rules import (
    PresetError,
    check_fits,
    dry_run_funnel,
    first_failure,
    load_preset,
    preset_names,
)
from pipelines.settings import CurationSettings
from pipelines.tokenizers import FAMILIES

GOOD = {
    "n_faces": 500,
    "n_components": 4,
    "n_valid_components": 3,
    "exact": True,
    "n_tokens": 2000,
    "max_layer_vertices": 50,
    "compression_ratio": 0.25,
    "licence": "by",
    "loaded_n_faces": 510,
    "dropped_faces_7bit": 10,
    "quantization_distance_7bit": 0.004,
    "sliver_share": 0.1,
    "duplicate_share": 0.0,
    "degenerate_share": 0.0,
    "winding_consistency": 1.0,
    "middle_extent_ratio": 0.5,
}


def rows(*changes: dict) -> pl.DataFrame:
    """Rows of the tokens table that every preset but v01 keeps, with some columns changed."""
    schema = {name: COLUMNS[name].dtype for name in GOOD}
    return pl.DataFrame([{**GOOD, **change} for change in changes], schema=schema)


def reasons(name: str, frame: pl.DataFrame) -> list[str | None]:
    preset = load_preset(name)
    indices = frame.with_columns(first_failure(preset))["rule"].to_list()
    return [None if i is None else preset.rules[i].reason.value for i in indices]


FAMILY_PRESETS = ["edgerunner-default", "face-sequence-default", "loom-default"]
OTHER_PRESETS = ["default", "edgerunner", "licence-cc0-by", "meshgpt"]


def test_every_family_has_its_preset_and_the_reference_all_of_its_own():
    of_reference = [f"silksong-v{i:02d}" for i in range(13)]
    assert preset_names() == sorted([*FAMILY_PRESETS, *OTHER_PRESETS, *of_reference])
    for family in FAMILIES:
        settings = CurationSettings(tokenizer={"name": family})
        check_fits(load_preset(settings.preset), settings.tokenizer)


@pytest.mark.parametrize("name", preset_names())
def test_a_good_mesh_passes_every_preset_but_the_impossible_one(name):
    assert reasons(name, rows({})) == (["RULE_NEVER"] if name == "silksong-v01" else [None])


BORDERS = [
    # preset, column, last value kept, first value rejected, reason
    ("silksong-v01", "n_valid_components", None, 31, Reason.RULE_COMPONENTS),
    ("silksong-v03", "compression_ratio", 0.65, 0.6501, Reason.RULE_COMPRESSION),
    ("silksong-v03", "compression_ratio", 0.650049, 0.650051, Reason.RULE_COMPRESSION),
    ("silksong-v03", "n_valid_components", 100, 101, Reason.RULE_COMPONENTS),
    ("silksong-v03", "n_tokens", 20000, 20001, Reason.RULE_TOKENS),
    ("silksong-v04", "n_faces", 4000, 4001, Reason.RULE_FACES),
    ("silksong-v04", "n_valid_components", 5, 6, Reason.RULE_COMPONENTS),
    ("silksong-v04", "n_tokens", 40960, 40961, Reason.RULE_TOKENS),
    ("silksong-v05", "n_faces", 8000, 8001, Reason.RULE_FACES),
    ("silksong-v05", "n_valid_components", 20, 21, Reason.RULE_COMPONENTS),
    ("silksong-v05", "n_tokens", 40960, 40961, Reason.RULE_TOKENS),
    ("silksong-v06", "n_faces", 12000, 12001, Reason.RULE_FACES),
    ("silksong-v06", "n_valid_components", 100, 101, Reason.RULE_COMPONENTS),
    ("silksong-v06", "n_tokens", 40960, 40961, Reason.RULE_TOKENS),
    ("silksong-v07", "n_faces", 100, 99, Reason.RULE_FACES),
    ("silksong-v07", "n_faces", 4000, 4001, Reason.RULE_FACES),
    ("silksong-v07", "n_valid_components", 10, 11, Reason.RULE_COMPONENTS),
    ("silksong-v07", "n_tokens", 20480, 20481, Reason.RULE_TOKENS),
    ("silksong-v08", "n_faces", 8000, 8001, Reason.RULE_FACES),
    ("silksong-v08", "max_layer_vertices", 200, 201, Reason.RULE_LAYER_VERTICES),
    ("silksong-v08", "n_valid_components", 20, 21, Reason.RULE_COMPONENTS),
    ("silksong-v08", "n_tokens", 20480, 20481, Reason.RULE_TOKENS),
    ("silksong-v09", "n_faces", 80, 79, Reason.RULE_FACES),
    ("silksong-v09", "n_faces", 8000, 8001, Reason.RULE_FACES),
    ("silksong-v09", "max_layer_vertices", 200, 201, Reason.RULE_LAYER_VERTICES),
    ("silksong-v09", "n_valid_components", 30, 31, Reason.RULE_COMPONENTS),
    ("silksong-v09", "n_tokens", 10000, 10001, Reason.RULE_TOKENS),
    ("silksong-v10", "max_layer_vertices", 200, 201, Reason.RULE_LAYER_VERTICES),
    ("silksong-v10", "n_valid_components", 100, 101, Reason.RULE_COMPONENTS),
    ("silksong-v10", "n_tokens", 40960, 40961, Reason.RULE_TOKENS),
    ("silksong-v11", "max_layer_vertices", 200, 201, Reason.RULE_LAYER_VERTICES),
    ("silksong-v11", "n_faces", 40, 39, Reason.RULE_FACES),
    ("silksong-v11", "n_valid_components", 50, 51, Reason.RULE_COMPONENTS),
    ("silksong-v11", "n_tokens", 10000, 10001, Reason.RULE_TOKENS),
    ("silksong-v12", "max_layer_vertices", 200, 201, Reason.RULE_LAYER_VERTICES),
    ("silksong-v12", "n_faces", 40, 39, Reason.RULE_FACES),
    ("silksong-v12", "n_valid_components", 100, 101, Reason.RULE_COMPONENTS),
    ("silksong-v12", "n_tokens", 20000, 20001, Reason.RULE_TOKENS),
    ("edgerunner-default", "exact", True, False, Reason.RULE_EXACT),
    ("edgerunner-default", "n_faces", 4000, 4001, Reason.RULE_FACES),
    ("edgerunner-default", "n_components", 100, 101, Reason.RULE_COMPONENTS),
    ("edgerunner-default", "n_tokens", 20000, 20001, Reason.RULE_TOKENS),
    ("face-sequence-default", "exact", True, False, Reason.RULE_EXACT),
    ("face-sequence-default", "n_faces", 40, 39, Reason.RULE_FACES),
    ("face-sequence-default", "n_faces", 800, 801, Reason.RULE_FACES),
    ("face-sequence-default", "n_components", 100, 101, Reason.RULE_COMPONENTS),
    ("loom-default", "exact", True, False, Reason.RULE_EXACT),
    ("loom-default", "n_faces", 40, 39, Reason.RULE_FACES),
    ("loom-default", "n_components", 100, 101, Reason.RULE_COMPONENTS),
    ("loom-default", "n_tokens", 10000, 10001, Reason.RULE_TOKENS),
    ("default", "exact", True, False, Reason.RULE_EXACT),
    ("default", "n_faces", 40, 39, Reason.RULE_FACES),
    ("default", "n_components", 100, 101, Reason.RULE_COMPONENTS),
    ("default", "n_tokens", 10000, 10001, Reason.RULE_TOKENS),
    ("default", "quantization_distance_7bit", 0.02, 0.0201, Reason.RULE_QUANTIZATION),
    ("default", "dropped_faces_7bit", 170, 171, Reason.RULE_QUANTIZATION),
    ("default", "sliver_share", 0.5, 0.51, Reason.RULE_SLIVERS),
    ("default", "duplicate_share", 0.25, 0.26, Reason.RULE_SURFACE),
    ("default", "degenerate_share", 0.25, 0.26, Reason.RULE_SURFACE),
    ("default", "winding_consistency", 0.9, 0.89, Reason.RULE_SURFACE),
    ("default", "middle_extent_ratio", 0.02, 0.019, Reason.RULE_EXTENT),
    ("meshgpt", "exact", True, False, Reason.RULE_EXACT),
    ("meshgpt", "n_faces", 800, 801, Reason.RULE_FACES),
    ("edgerunner", "exact", True, False, Reason.RULE_EXACT),
    ("edgerunner", "n_faces", 3999, 4000, Reason.RULE_FACES),
    ("edgerunner", "n_tokens", 40960, 40961, Reason.RULE_TOKENS),
    ("licence-cc0-by", "licence", "CC0-1.0", "by-sa", Reason.RULE_LICENCE),
    ("licence-cc0-by", "licence", "CC_BY_4.0", "by-nc", Reason.RULE_LICENCE),
    ("licence-cc0-by", "licence", "by", None, Reason.RULE_LICENCE),
]


@pytest.mark.parametrize(("name", "column", "kept", "rejected", "reason"), BORDERS)
def test_borders(name, column, kept, rejected, reason):
    assert reasons(name, rows({column: rejected})) == [reason.value]
    if kept is not None:
        assert reasons(name, rows({column: kept})) == [None]


@pytest.mark.parametrize("name", ["silksong-v00", "silksong-v02"])
def test_two_presets_keep_everything(name):
    extreme = {"n_faces": 1, "n_valid_components": 10**6, "n_tokens": 10**9, "max_layer_vertices": 10**6}
    assert reasons(name, rows({}, extreme)) == [None, None]
    assert reasons(name, rows({}).clear()) == []


def test_the_first_rule_in_file_order_gives_the_reason():
    assert reasons("silksong-v11", rows({"n_faces": 1, "n_tokens": 10**6})) == ["RULE_FACES"]


def test_the_funnel_counts_what_is_left_and_what_each_rule_alone_would_drop():
    frame = rows({}, {"n_faces": 1, "n_tokens": 10**6}, {"n_tokens": 10**6})
    funnel = dry_run_funnel(load_preset("silksong-v11"), frame)
    assert funnel["kept"].to_list() == [3, 3, 2, 2, 1]
    assert funnel["rejected"].to_list() == [0, 0, 1, 0, 1]
    assert funnel["rejected_alone"].to_list() == [0, 0, 1, 0, 2]
    assert dry_run_funnel(load_preset("silksong-v01"), frame)["kept"].to_list() == [3, 3, 0]
    assert dry_run_funnel(load_preset("silksong-v00"), frame)["kept"].to_list() == [3]
    assert dry_run_funnel(load_preset("silksong-v01"), frame.clear())["kept"].to_list() == [0, 0, 0]


def test_a_condition_that_is_null_does_not_keep():
    assert reasons("silksong-v11", rows({"n_tokens": None})) == ["RULE_TOKENS"]


@pytest.mark.parametrize("family", ["edgerunner", "face_sequence", "loom"])
def test_rules_over_columns_that_a_family_lacks_are_refused(family):
    settings = CurationSettings(tokenizer={"name": family}, preset="silksong-v11")
    with pytest.raises(PresetError, match=f"max_layer_vertices.*only silksong counts.*of {family}"):
        check_fits(load_preset(settings.preset), settings.tokenizer)
    check_fits(load_preset("loom-default"), settings.tokenizer)


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(PresetError, match=r"no preset 'silksong-v99'.*silksong-v11"):
        load_preset("silksong-v99")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("rules: [{keep: 'n_face > 3', reason: RULE_FACES, description: d}]", "asks for n_face"),
        ("rules: [{keep: 'n_faces > > 3', reason: RULE_FACES, description: d}]", "not an SQL expression"),
        ("rules: [{keep: 'n_faces', reason: RULE_FACES, description: d}]", "not a condition"),
        ("rules: [{keep: 'n_faces > 3', reason: LOAD, description: d}]", "no reason of a rule"),
        ("rules: [{keep: 'n_faces > 3', reason: RULE_FACE, description: d}]", "reason"),
        ("rules: [{keep: 'n_faces > 3', reason: RULE_FACES, description: d, extra: 1}]", "extra"),
        ("rules: [{keep: 'tokens = 3', reason: RULE_FACES, description: d}]", "asks for tokens"),
        ("rules: [", "cannot be read as YAML"),
    ],
)
def test_a_preset_that_cannot_be_used_says_why(tmp_path, rules, message):
    path = tmp_path / "mine.yaml"
    path.write_text(f"description: mine\n{rules}\n")
    with pytest.raises(PresetError, match=message):
        load_preset(str(path))


def test_a_preset_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("description: mine\nrules: [{keep: 'n_faces < 3', reason: RULE_FACES, description: d}]\n")
    assert load_preset(str(path)).name == "mine"
    assert reasons(str(path), rows({"n_faces": 2}, {})) == [None, "RULE_FACES"]
