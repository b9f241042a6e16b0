"""Rules read every table; what they name wrongly is answered with what is meant; a dry run writes nothing."""

import polars as pl
import pytest

from pipelines.dry_run import dry_run
from pipelines.manifest import read_manifest
from pipelines.rule_columns import COLUMNS, MissingTableError, with_rule_columns
from pipelines.rules import PresetError, check_fits, load_preset, preset_names
from pipelines.settings import CurationSettings, QualitySettings
from pipelines.stages.curated import build_curated
from pipelines.stages.partitions import UpstreamError
from pipelines.storage import DataFolder
from pipelines.tables import Curated
from tests.pipelines.handmade import KEY, write_partition
from tests.pipelines.test_curation import SETTINGS, contents, write_furniture


def preset_file(folder, *rules):
    """Path of a preset with these conditions."""
    lines = [f"  - {{keep: {keep!r}, reason: RULE_FACES, description: d}}" for keep in rules]
    path = folder / "mine.yaml"
    path.write_text("\n".join(["description: mine", "rules:", *lines]) + "\n")
    return str(path)


def test_columns_of_every_table_have_one_name():
    assert {column.table for column in COLUMNS.values()} == {"tokens", "raw_meshes", "mesh_table", "quality"}
    assert COLUMNS["n_faces"].table == "tokens"
    assert (COLUMNS["loaded_n_faces"].table, COLUMNS["loaded_n_faces"].name) == ("mesh_table", "n_faces")
    assert COLUMNS["n_boundary_edges"].table == "mesh_table"
    assert COLUMNS["licence"].table == "raw_meshes"
    assert COLUMNS["sliver_share"].table == "quality"
    assert [name for name, column in COLUMNS.items() if column.dtype.is_nested()] == ["tags"]


def test_a_rule_reads_the_tables_it_names(tmp_path):
    data = DataFolder(tmp_path)
    tokens = write_partition(data, 6)
    path = data.table("mesh_table", KEY)
    pl.read_parquet(path).with_columns(n_faces=pl.lit(7, pl.Int64)).write_parquet(path)
    names = ["size_bytes", "loaded_n_faces", "n_faces", "is_watertight", "licence"]
    joined = with_rule_columns(tokens, data, KEY, names)
    assert joined["mesh_id"].to_list() == tokens["mesh_id"].to_list()
    assert joined["size_bytes"].to_list() == [1000] * 6
    assert joined["n_faces"].to_list() == tokens["n_faces"].to_list()
    assert joined["loaded_n_faces"].to_list() == [7] * 6
    assert joined["licence"].to_list() == [None, "CC0-1.0"] * 3
    settings = CurationSettings(preset=preset_file(tmp_path, "licence = 'CC0-1.0'", "size_bytes >= 1000"))
    (result,) = build_curated(data, settings)
    assert (result.n_kept, result.reasons) == (3, {"RULE_FACES": 3})
    assert list(pl.read_parquet(data.table("curated", KEY)).columns) == list(Curated.to_schema().columns)
    rejected = pl.read_parquet(data.rejected("curated", KEY))
    assert rejected["detail"][0] == "licence = None; mine keeps licence = 'CC0-1.0'"


def test_a_table_that_was_not_made_or_lacks_rows_is_named(tmp_path):
    data = DataFolder(tmp_path)
    tokens = write_partition(data, 6)
    settings = CurationSettings(preset=preset_file(tmp_path, "sliver_share < 1"))
    with pytest.raises(UpstreamError, match=r"quality.*is absent; run the earlier stages first"):
        build_curated(data, settings)
    path = data.table("mesh_table", KEY)
    pl.read_parquet(path).head(4).write_parquet(path)
    with pytest.raises(MissingTableError, match="lacks 2 meshes"):
        with_rule_columns(tokens, data, KEY, ["n_edges"])


def test_only_the_tables_that_are_asked_for_decide_whether_the_rules_are_asked_again(tmp_path):
    data = DataFolder(tmp_path)
    write_partition(data, 6)
    settings = CurationSettings(preset=preset_file(tmp_path, "n_tokens > 0"))
    build_curated(data, settings)
    path = data.table("mesh_table", KEY)
    changed = pl.read_parquet(path).with_columns(n_edges=pl.lit(7, pl.Int64))
    changed.write_parquet(path)
    assert build_curated(data, settings)[0].was_current
    settings = CurationSettings(preset=preset_file(tmp_path, "n_edges > 0"))
    build_curated(data, settings)
    changed.with_columns(n_edges=pl.lit(0, pl.Int64)).write_parquet(path)
    (result,) = build_curated(data, settings)
    assert (result.was_current, result.n_kept) == (False, 0)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("n_face > 3", r"asks for n_face \(perhaps n_faces"),
        ("sliver_shares < 1", r"asks for sliver_shares \(perhaps sliver_share"),
        ("watertight", r"asks for watertight \(perhaps is_watertight"),
        ("zzz > 3", r"asks for zzz, which is no column; docs/quality.md lists them"),
        ("valence_histogram > 3", r"asks for valence_histogram"),
    ],
)
def test_unknown_columns_are_answered_with_close_ones(tmp_path, keep, message):
    with pytest.raises(PresetError, match=message):
        load_preset(preset_file(tmp_path, keep))


@pytest.mark.parametrize("group", ["quantization", "tokenizers", "intersections"])
def test_columns_that_the_settings_do_not_measure_are_refused(tmp_path, group):
    keep = {
        "quantization": "dropped_faces_7bit = 0",
        "tokenizers": "loom_exact",
        "intersections": "n_intersecting_faces = 0",
    }[group]
    preset = load_preset(preset_file(tmp_path, keep))
    settings = CurationSettings()
    check_fits(preset, settings.tokenizer, settings.quality)
    with pytest.raises(PresetError, match=rf"do not measure; set quality.{group} to true"):
        check_fits(preset, settings.tokenizer, QualitySettings(**{group: False}))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small data set, and a file that is none."""
    from pipelines.curation import curate

    folder = tmp_path_factory.mktemp("dry")
    write_furniture(folder / "meshes", 4)
    (folder / "meshes" / "empty.glb").write_bytes(b"")
    curate([f"local:{folder / 'meshes'}"], folder / "data", SETTINGS)
    return DataFolder(folder / "data")


@pytest.mark.parametrize("name", preset_names())
def test_a_dry_run_tells_what_a_curation_keeps_and_writes_nothing(made, name):
    before = contents(made.root)
    funnel = dry_run(made, load_preset(name))
    assert contents(made.root) == before
    assert funnel["step"].to_list()[:4] == ["files", "raw_meshes", "mesh_table", "tokens"]
    assert funnel["kept"].to_list()[:4] == [13, 12, 12, 12]
    expected = dict(
        funnel.filter(pl.col("rejected") > 0).group_by("reason").agg(pl.col("rejected").sum()).iter_rows()
    )
    expected.pop(None, None)
    settings = SETTINGS.model_copy(update={"preset": name})
    results = build_curated(made, settings)
    reasons: dict[str, int] = {}
    for result in results:
        for reason, count in result.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    assert reasons == expected
    assert sum(result.n_kept for result in results) == funnel["kept"][-1]
    build_curated(made, SETTINGS)


def test_a_dry_run_of_what_the_data_set_lacks_is_refused(made, tmp_path):
    assert read_manifest(made)["settings"]["quality"]["tokenizers"]
    with pytest.raises(FileNotFoundError, match="run `meshloom curate` first"):
        dry_run(DataFolder(tmp_path), load_preset("default"))


def test_the_command_prints_the_funnel_and_draws_it(made, tmp_path, capsys):
    from meshloom import commands

    before = contents(made.root)
    commands.rules("silksong-v01", made.root, tmp_path / "funnel.png")
    printed = capsys.readouterr().out
    assert "RULE_NEVER" in printed
    assert "13" in printed
    assert (tmp_path / "funnel.png").read_bytes().startswith(b"\x89PNG")
    assert contents(made.root) == before
