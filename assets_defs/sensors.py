"""New, changed and removed files in the folders of the sources start runs of just their partitions.

The cursor holds a hash of each partition's listing. What no folder shows (sources that are reached over the
network) is the weekly rebuild's to find.
"""

import json
from collections.abc import Iterator, Sequence

import dagster as dg

from assets_defs.jobs import curate, curate_partitions
from assets_defs.partitions import RANGE_END, RANGE_START, SOURCE_SHARDS, source_shards
from assets_defs.resources import DataSetResource
from pipelines.storage import ShardKey

RANGES_LIMIT = 8
"""More ranges of changed partitions than this become one, which also visits what lies between."""
HASH_LENGTH = 16
"""Characters kept of a listing's hash: the cursor of 100 000 partitions stays below 5 MB."""
_EVENT = "meshloom/new_files"


@dg.sensor(
    name="new_files",
    jobs=[curate_partitions, curate],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Looks at the folders of the sources; curates the partitions whose files changed.",
)
def new_files(
    context: dg.SensorEvaluationContext, data_set: DataSetResource
) -> dg.SensorResult | dg.SkipReason:
    """Compare every listing with the last one seen."""
    before: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    now = listings(data_set)
    known = context.instance.get_dynamic_partitions(SOURCE_SHARDS)
    changed = [key for key in now if before.get(key) != now[key]]
    gone = [key for key in before if key not in now]
    cursor = json.dumps(now, sort_keys=True)
    if not changed and not gone:
        return dg.SkipReason(f"no file changed in {len(now)} partitions")
    if gone:  # a run over everything takes out what no source lists any more
        tags = {_EVENT: f"{len(changed)} changed, {len(gone)} gone"}
        return dg.SensorResult(run_requests=[dg.RunRequest(job_name=curate.name, tags=tags)], cursor=cursor)
    new = [key for key in changed if key not in known]
    ordered = [*known, *new]
    return dg.SensorResult(
        run_requests=list(_requests(ordered, set(changed))),
        dynamic_partitions_requests=[source_shards.build_add_request(new)] if new else [],
        cursor=cursor,
    )


def listings(data_set: DataSetResource) -> dict[str, str]:
    """Hash of the listing of each partition of the sources that are folders."""
    from pipelines.sources.listing import listing_sha256

    return {
        str(ShardKey(source.name, shard)): listing_sha256(source, shard)[:HASH_LENGTH]
        for source in data_set.parsed_sources()
        if getattr(source, "root", None) is not None
        for shard in source.shards()
    }


def _requests(ordered: Sequence[str], changed: set[str]) -> Iterator[dg.RunRequest]:
    """One run for each stretch of changed partitions, in Dagster's order of all."""
    stretches: list[list[str]] = []
    previous = None
    for i, key in enumerate(ordered):
        if key not in changed:
            continue
        if previous is not None and previous == i - 1:
            stretches[-1].append(key)
        else:
            stretches.append([key])
        previous = i
    if len(stretches) > RANGES_LIMIT:
        stretches = [[stretches[0][0], stretches[-1][-1]]]
    for stretch in stretches:
        tags = {_EVENT: f"{len(changed)} changed", RANGE_START: stretch[0], RANGE_END: stretch[-1]}
        yield dg.RunRequest(job_name=curate_partitions.name, tags=tags)
