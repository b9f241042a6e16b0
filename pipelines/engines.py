"""Where the work on partitions is done: by this process and its workers, or by the nodes of a Ray cluster.

    engine: ray                                   # in the settings; the default is local
    engine: {name: ray, address: HOST:6379}

A task on Ray is one partition of one stage, done by the same function as on one machine, with the same caps
per mesh. It reads and writes the data set's folder, which all nodes share; only counts travel back. A task
whose node is lost is done again elsewhere, with the same bytes. Ray is imported where it is asked for only.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pipelines.settings import CurationSettings, EngineSettings, WorkerLimits
from pipelines.sources import Source, whole
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.storage import DataFolder, ShardKey

Build = Callable[[list[ShardKey], WorkerLimits, Progress], list[PartitionResult]]
"""Brings partitions of one stage up to date; pickled to the nodes."""
ATTEMPTS_AFTER_A_LOSS = 10
_POLL_SECONDS = 1.0
_CANCEL_SECONDS = 30.0


class EngineError(RuntimeError):
    """A cluster that cannot be used: what is wrong with it, and what to do."""


def over_partitions(
    build: Build,
    keys: Sequence[ShardKey],
    settings: CurationSettings,
    progress: tuple[str, Progress],
    folders: Sequence[Path],
) -> list[PartitionResult]:
    """Bring partitions up to date where the settings say; results in the order of `keys`.

    `progress` is told of the stage it is given with; on Ray it counts partitions. `folders` must lie on every
    node. Raises EngineError, and what `build` raises.
    """
    stage, tell = progress
    if settings.engine.name == "local":
        return build(list(keys), settings.limits, tell)
    with connected(settings.engine) as ray:
        return _over_nodes(ray, build, keys, settings.limits, stage, tell, folders)


def folders_needed(
    data: DataFolder, settings: CurationSettings, sources: Sequence[Source] = ()
) -> list[Path]:
    """Folders that a node must see: the data set's, that of fetched bytes, those of sources."""
    store = [Path(settings.fetch.store)] if settings.fetch.store else []
    roots = [getattr(whole(source), "root", None) for source in sources]
    found = [data.root, *store, *(root for root in roots if isinstance(root, Path))]
    return [folder.absolute() for folder in found]


@contextmanager
def connected(engine: EngineSettings) -> Iterator[Any]:
    """Hold a connection to the cluster, or use the one that is held; None where the engine needs none.

    Without an address: the one of RAY_ADDRESS, a cluster that runs on this machine, or one started for the
    time being. Raises EngineError where Ray is not installed, or does not answer.
    """
    if engine.name == "local":
        yield None
        return
    ray = _import_ray()
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here reports to nobody
    try:
        ray.init(engine.address, log_to_driver=False, logging_level="warning", include_dashboard=None)
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = engine.address or os.environ.get("RAY_ADDRESS") or "this machine"
        raise EngineError(
            f"no Ray cluster answers at {where} ({error}); start one with `ray start --head`, "
            "run this on one of its nodes, or set engine: local"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _import_ray() -> Any:
    try:
        return import_module("ray")
    except ImportError:
        raise EngineError(
            "engine ray: Ray is not installed; pip install 'meshloom[ray]' on every node, or set "
            "engine: local"
        ) from None


def _over_nodes(
    ray: Any,
    build: Build,
    keys: Sequence[ShardKey],
    limits: WorkerLimits,
    stage: str,
    progress: Progress,
    folders: Sequence[Path],
) -> list[PartitionResult]:
    limits = limits.model_copy(update={"workers": limits.workers or 1})  # many partitions share a node
    task = ray.remote(
        num_cpus=limits.workers, max_retries=ATTEMPTS_AFTER_A_LOSS, scheduling_strategy="SPREAD"
    )(_on_a_node)
    shared = ray.put((build, limits, list(folders), _software()))
    key_of = {task.options(name=f"{stage} {key}").remote(shared, key): key for key in keys}
    results: dict[ShardKey, PartitionResult] = {}
    waiting = list(key_of)
    try:
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=_POLL_SECONDS)
            for reference in done:
                results[key_of[reference]] = _result(ray, reference, key_of[reference])
                progress(stage, len(results), len(key_of))
    except BaseException:
        _cancel(ray, waiting)
        raise
    return [results[key] for key in keys]


def _on_a_node(shared: tuple[Build, WorkerLimits, list[Path], dict[str, Any]], key: ShardKey) -> Any:
    """One task: one partition of one stage."""
    build, limits, folders, software = shared
    node = socket.gethostname()
    for folder in folders:
        if not folder.is_dir():
            raise EngineError(f"node {node} does not see {folder}; mount it there at the same path")
    own = _software()
    if own != software:
        differ = [name for name in software if own.get(name) != software[name]]
        raise EngineError(
            f"node {node} has other software than where the run began ({', '.join(differ)} differ); "
            "install the same on every node"
        )
    (result,) = build([key], limits, no_progress)
    return result


def _software() -> dict[str, Any]:
    """What must be the same on all nodes for the same bytes."""
    from pipelines.versions.code import code_record  # which imports the stages, and they this module

    record = code_record()
    return {**record["packages"], "meshloom": record["sources"]}


def _result(ray: Any, reference: Any, key: ShardKey) -> PartitionResult:
    try:
        result = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise EngineError(
            f"{key}: lost {ATTEMPTS_AFTER_A_LOSS + 1} times with its node ({type(error).__name__}); see "
            "Ray's logs for why nodes die, and run again: what is done stays done"
        ) from error
    assert isinstance(result, PartitionResult)
    return result


def _cancel(ray: Any, references: list[Any]) -> None:
    """End tasks and wait for it: none may write when another run holds the folder."""
    for reference in references:
        ray.cancel(reference, force=True)
    if references:
        ray.wait(references, num_returns=len(references), timeout=_CANCEL_SECONDS)
