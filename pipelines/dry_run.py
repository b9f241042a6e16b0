"""What a preset would keep of a data set, without writing anything.

print(dry_run(DataFolder(Path("data")), load_preset("default")))
"""

import polars as pl

from pipelines.manifest import ManifestError, read_manifest
from pipelines.reasons import Stage
from pipelines.rule_columns import with_rule_columns
from pipelines.rules import Preset, check_fits, dry_run_funnel
from pipelines.settings import CurationSettings
from pipelines.stages.partitions import n_rows_on_disk
from pipelines.storage import DataFolder
from pipelines.tables import Tokens, polars_schema


def dry_run(data: DataFolder, preset: Preset) -> pl.DataFrame:
    """Funnel of all files of a data set: the stages as they are on disk, then the rules of `preset`.

    Columns as of `dry_run_funnel`. Raises FileNotFoundError where no stage has run, PresetError where a rule
    asks for what the data set does not measure, MissingTableError where a table is absent.
    """
    try:
        settings = CurationSettings.model_validate(read_manifest(data)["settings"])
        check_fits(preset, settings.tokenizer, settings.quality)
    except ManifestError:
        pass  # not finished: its tables may be asked all the same
    data.scan(Stage.TOKENS)  # says what to do where there is none
    own = polars_schema(Tokens)
    columns = ["mesh_id", *(name for name in preset.columns if name in own and name != "mesh_id")]
    frames = []
    for key in data.partitions(Stage.TOKENS):
        tokens = pl.read_parquet(data.table(Stage.TOKENS, key), columns=columns)
        frames.append(with_rule_columns(tokens, data, key, preset.columns))
    rules = dry_run_funnel(preset, pl.concat(frames))
    return pl.concat([_stages(data, rules.schema), rules.slice(1)])


def _stages(data: DataFolder, schema: pl.Schema) -> pl.DataFrame:
    """One row for all files, and one for each stage before the rules."""
    lost = {
        stage: sum(n_rows_on_disk(data.rejected(stage, key)) for key in data.partitions(stage))
        for stage in (Stage.RAW_MESHES, Stage.MESH_TABLE, Stage.TOKENS)
    }
    kept = sum(n_rows_on_disk(data.table(Stage.TOKENS, key)) for key in data.partitions(Stage.TOKENS))
    left = kept + sum(lost.values())
    rows = [("files", None, left, 0, 0)]
    for stage, n_lost in lost.items():
        left -= n_lost
        rows.append((stage.value, None, left, n_lost, n_lost))
    return pl.DataFrame(rows, schema=schema, orient="row")
