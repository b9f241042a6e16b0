"""Rules and splits over hand-made tables, and the account of every file."""

import hashlib

import polars as pl
import pytest

from pipelines.ledger import LedgerError, build_ledger
from pipelines.reasons import Stage
from pipelines.rules import PresetError
from pipelines.settings import CurationSettings, SplitSettings
from pipelines.stages.curated import build_curated, split_of
from pipelines.stages.partitions import UpstreamError
from pipelines.storage import DataFolder, ShardKey, write_table
from pipelines.tables import Curated, Ledger, Rejected, validate
from tests.pipelines.handmade import KEY, write_partition

SETTINGS = CurationSettings()


@pytest.fixture
def data(tmp_path) -> DataFolder:
    return DataFolder(tmp_path)


def test_rows_are_kept_or_rejected_with_a_reason_and_a_detail(data):
    write_partition(data, 20, changes={3: {"n_faces": 39}, 5: {"n_tokens": 10001}, 6: {"n_tokens": 10000}})
    (result,) = build_curated(data, SETTINGS)
    assert (result.n_kept, result.reasons) == (18, {"RULE_FACES": 1, "RULE_TOKENS": 1})
    validate(Curated, pl.read_parquet(data.table("curated", KEY)))
    rejected = validate(Rejected, pl.read_parquet(data.rejected("curated", KEY)))
    assert rejected["detail"].to_list() == [
        "n_faces = 39; silksong-v11 keeps n_faces >= 40",
        "n_tokens = 10001; silksong-v11 keeps n_tokens <= 10000",
    ]


@pytest.mark.parametrize(("preset", "n_kept"), [("silksong-v00", 20), ("silksong-v01", 0)])
def test_presets_that_keep_all_or_nothing(data, preset, n_kept):
    write_partition(data, 20)
    (result,) = build_curated(data, SETTINGS.model_copy(update={"preset": preset}))
    assert result.n_kept == n_kept
    assert data.scan("ledger").collect().height == 20


def test_an_empty_partition_stays_empty(data):
    write_partition(data, 2, n_rejected={Stage.RAW_MESHES: 2})
    (result,) = build_curated(data, SETTINGS)
    assert (result.n_kept, result.n_rejected) == (0, 0)
    assert data.scan("ledger").collect().height == 2


def test_nothing_is_done_twice_and_changes_are_seen(data):
    write_partition(data, 20)
    paths = [data.table("curated", KEY), data.rejected("curated", KEY), data.table("ledger", KEY)]

    def build(settings: CurationSettings) -> tuple[bool, list[tuple[int, bytes]]]:
        (result,) = build_curated(data, settings)
        return result.was_current, [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths]

    first, second = build(SETTINGS), build(SETTINGS)
    assert (first[0], second[0]) == (False, True)
    assert first[1] == second[1]
    assert not build(SETTINGS.model_copy(update={"preset": "silksong-v12"}))[0]
    assert not build(SETTINGS.model_copy(update={"split": SplitSettings(val=0.5)}))[0]
    paths[1].unlink()
    assert not build(SETTINGS.model_copy(update={"split": SplitSettings(val=0.5)}))[0]


def test_an_absent_upstream_table_and_an_unknown_preset_are_named(data):
    write_partition(data, 3)
    data.table("tokens", KEY).unlink()
    with pytest.raises(UpstreamError, match=r"local:hand-00: .*tokens.*is absent; run the earlier stages"):
        build_curated(data, SETTINGS)
    with pytest.raises(PresetError, match="no preset 'mine'"):
        build_curated(data, SETTINGS.model_copy(update={"preset": "mine"}))


def test_shares_of_splits_are_as_asked():
    split = SplitSettings(val=0.1, test=0.2)
    names = [split_of(hashlib.sha256(str(i).encode()).hexdigest(), split) for i in range(20_000)]
    shares = {name: names.count(name) / len(names) for name in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.01)


def test_borders_of_splits():
    split = SplitSettings(val=0.25, test=0.25)
    first = {"00": "test", "3f": "test", "40": "val", "7f": "val", "80": "train", "ff": "train"}
    assert {start: split_of(start + "0" * 62, split) for start in first} == first
    assert split_of("0" * 64, SplitSettings(val=0, test=0)) == "train"
    assert split_of("0" * 64, SplitSettings(val=0.1, test=0)) == "val"


def test_splits_do_not_move_when_the_data_set_grows(data):
    settings = SETTINGS.model_copy(update={"split": SplitSettings(val=0.3, test=0.3)})

    def splits() -> dict[str, str]:
        build_curated(data, settings)
        return dict(data.scan("curated").select("mesh_id", "split").collect().iter_rows())

    write_partition(data, 20)
    before = splits()
    write_partition(data, 60)
    write_partition(data, 30, ShardKey("local", "more-01"))
    after = splits()
    assert len(after) == 90
    assert set(before.values()) == {"train", "val", "test"}
    assert before.items() <= after.items()


def test_the_ledger_has_one_row_for_each_file(data):
    lost = {Stage.RAW_MESHES: 2, Stage.MESH_TABLE: 3, Stage.TOKENS: 1}
    write_partition(data, 20, n_rejected=lost, changes={0: {"n_faces": 1}})
    build_curated(data, SETTINGS)
    ledger = validate(Ledger, data.scan("ledger").collect())
    assert ledger.height == ledger["uri"].n_unique() == 20
    stages = dict(ledger["stage"].value_counts().iter_rows())
    assert stages == {None: 13, "raw_meshes": 2, "mesh_table": 3, "tokens": 1, "curated": 1}
    assert (ledger.filter(status="kept")["reason"].null_count()) == 13
    assert ledger["uri"].is_sorted()


@pytest.mark.parametrize("stage", [Stage.MESH_TABLE, Stage.TOKENS, Stage.CURATED])
def test_a_lost_row_is_an_error(data, stage):
    write_partition(data, 20, n_rejected={Stage.MESH_TABLE: 2, Stage.TOKENS: 2}, changes={0: {"n_faces": 1}})
    build_curated(data, SETTINGS)
    path = data.rejected(stage, KEY)
    write_table(path, pl.read_parquet(path).tail(-1), "by hand")
    with pytest.raises(LedgerError, match=r"1 of 20 files are in no table, for example file:///hand-00"):
        build_ledger(data)


def test_a_row_counted_twice_and_an_unknown_row_are_errors(data):
    write_partition(data, 20, n_rejected={Stage.TOKENS: 2}, changes={0: {"n_faces": 1}})
    build_curated(data, SETTINGS)
    path = data.rejected("tokens", KEY)
    rows = pl.read_parquet(path)
    write_table(path, pl.concat([rows, pl.read_parquet(data.rejected("curated", KEY))]), "by hand")
    with pytest.raises(LedgerError, match=r"1 of 20 files are in several tables"):
        build_ledger(data)
    write_table(path, pl.concat([rows, rows.head(1).with_columns(uri=pl.lit("file:///x"))]), "by hand")
    with pytest.raises(LedgerError, match=r"are not listed by the source, for example file:///x"):
        build_ledger(data)
    path.unlink()
    with pytest.raises(LedgerError, match=r"tokens.*is absent"):
        build_ledger(data)


LICENCES = {
    0: "CC0-1.0",
    1: "by",
    2: "CC BY-NC 4.0",
    3: None,
    4: "free\nto use",
    5: "Creative Commons Attribution",
}


def write_licences(data: DataFolder) -> None:
    write_partition(data, 6, changes={2: {"n_faces": 1}})
    path = data.table(Stage.RAW_MESHES, KEY)
    licences = pl.Series("licence", list(LICENCES.values()), dtype=pl.String)
    write_table(path, pl.read_parquet(path).with_columns(licences), "by hand")


def test_a_licence_policy_keeps_what_it_names_and_says_why_not(data):
    write_licences(data)
    (result,) = build_curated(data, CurationSettings(licences=("Attribution", "cc0", "by")))
    assert (result.n_kept, result.reasons) == (3, {"LICENCE": 3})
    kept = pl.read_parquet(data.table("curated", KEY))
    assert kept["licence"].to_list() == [LICENCES[0], LICENCES[1], LICENCES[5]]
    assert pl.read_parquet(data.rejected("curated", KEY))["detail"].to_list() == [
        "licence 'CC BY-NC 4.0', which is by-nc; the settings keep by, cc0",
        "no licence is stated; the settings keep by, cc0",
        r"licence 'free\nto use', which is none that is known; the settings keep by, cc0",
    ]


def test_a_changed_policy_is_seen_and_without_one_licences_do_not_matter(data):
    write_licences(data)
    assert build_curated(data, SETTINGS)[0].reasons == {"RULE_FACES": 1}
    before = data.table("curated", KEY).read_bytes()
    assert build_curated(data, CurationSettings(licences=("by-nc",)))[0].reasons == {
        "LICENCE": 5,
        "RULE_FACES": 1,
    }
    build_curated(data, SETTINGS)
    assert data.table("curated", KEY).read_bytes() == before


@pytest.mark.parametrize("licences", [(), ("free",), ("cc0", "CC BY or so")])
def test_a_policy_that_nobody_can_ask_for_is_refused(licences):
    with pytest.raises(ValueError, match="take some of cc0, "):
        CurationSettings(licences=licences)
