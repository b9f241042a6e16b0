"""What can be launched by name, and the weekly rebuild."""

import dagster as dg

curate = dg.define_asset_job(
    "curate",
    selection=dg.AssetSelection.groups("ingest", "tokenize", "curate"),
    description="Raw files to a data set with a version; only what changed is done again.",
)
curate_partitions = dg.define_asset_job(
    "curate_partitions",
    selection=dg.AssetSelection.assets(
        *("raw_meshes", "mesh_table", "quality", "tokens", "descriptors", "duplicates", "curated", "shards")
    ),
    description="Some partitions, from raw files to shards; ledger and data set follow by their conditions.",
)
train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.groups("train"),
    description="The checkpoint of one experiment on the data set as it is.",
)
evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.groups("evaluate"),
    description="Meshes generated from held-out ones, and how good they are.",
)
generate = dg.define_asset_job(
    "generate",
    selection=dg.AssetSelection.groups("generate"),
    description="Meshes from the conditions of a split, thousands at a time; goes on after a kill.",
)
rebuild = dg.define_asset_job(
    "rebuild",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("generate"),
    description="Everything, from raw files to the evaluation.",
)

JOBS = [curate, curate_partitions, train, evaluate, generate, rebuild]

weekly_rebuild = dg.ScheduleDefinition(
    name="weekly_rebuild",
    job=rebuild,
    cron_schedule="0 3 * * 1",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Mondays at 3: list the sources again and rebuild what changed. Stopped until switched on.",
)
