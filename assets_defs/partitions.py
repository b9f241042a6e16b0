"""Partitions by source and source shard, such as `objaverse:000-001`.

An asset may run on one partition, on a range of them in one run, or in a run without any partition, as
`dagster job launch -j rebuild` starts it. In a run without partitions Dagster executes a partitioned asset,
but raises at the next one below it. So the first asset of such a run lists the sources, registers what they
list, and turns the run into one over the range of all partitions. From there on it is an ordinary range run:
every stage works on all partitions in one call, with one pool of workers, and Dagster reports each partition.
"""

from typing import TYPE_CHECKING

import dagster as dg

from pipelines.storage import ShardKey

if TYPE_CHECKING:
    from assets_defs.resources import DataSetResource

SOURCE_SHARDS = "source_shards"
source_shards = dg.DynamicPartitionsDefinition(name=SOURCE_SHARDS)
one_run_for_all = dg.BackfillPolicy.single_run()

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def shard_keys_of(context: dg.AssetExecutionContext, data_set: "DataSetResource") -> list[ShardKey]:
    """Partitions that this run works on, in order; in a run without partitions it becomes a run over all."""
    if not context.has_partition_key and not context.has_partition_key_range:
        _become_run_over_all(context, register_shards(context.instance, data_set))
    return sorted(ShardKey.parse(key) for key in context.partition_keys)


def register_shards(instance: dg.DagsterInstance, data_set: "DataSetResource") -> list[str]:
    """Make Dagster's partitions what the sources list, and return them in Dagster's order.

    A range has no gaps, so a shard that no source lists any more must not lie within it: its partition is
    removed. Its files and its history stay.
    """
    listed = [str(key) for key in data_set.shard_keys()]
    if not listed:
        raise dg.Failure(
            f"the sources {' '.join(data_set.sources)} list no shard; check the folders they name",
            allow_retries=False,
        )
    for key in set(instance.get_dynamic_partitions(SOURCE_SHARDS)).difference(listed):
        instance.delete_dynamic_partition(SOURCE_SHARDS, key)
    instance.add_dynamic_partitions(SOURCE_SHARDS, listed)
    return list(instance.get_dynamic_partitions(SOURCE_SHARDS))


def _become_run_over_all(context: dg.AssetExecutionContext, keys: list[str]) -> None:
    # Both are needed: the instance's copy is what the UI shows, the one in memory is what the steps of this
    # process read. This is why the assets run with the in-process executor.
    tags = {RANGE_START: keys[0], RANGE_END: keys[-1]}
    context.instance.add_run_tags(context.run.run_id, tags)
    in_memory = context.run.tags
    assert isinstance(in_memory, dict)
    in_memory.update(tags)
