"""Start a training run, watch it, and stop it without leaving a process behind.

    train("configs/experiments/demo.yaml", ["schedule.steps=200"], Path("data/demo"), Path("runs/demo"))

A run folder holds config.yaml (resolved), run.json (data set version, code, packages), metrics.parquet,
log.txt and checkpoints/.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pipelines.storage import DataFolder, atomic_path, file_sha256, write_bytes, write_json
from training.checkpoints import (
    WEIGHTS,
    OtherRunError,
    RunError,
    newest_checkpoint,
    run_config,
    weights_file,
)
from training.config import ExperimentConfig, differences, dump_config, flatten, load_config
from training.data import DataError, ShardDataset, with_tokenizer_of
from training.lifetime import stop_group
from training.nodes import NODE_FOLDER, Node
from training.progress import ProgressLines
from training.text import check_texts
from training.tracking import check_trackers

ONLY_NODE = Node()
GRACE_SECONDS = 45.0  # torch.distributed.run itself gives its ranks 30
PACKAGES = ("meshloom", "meshloom-tokenizer", "torch", "accelerate", "numpy", "polars", "safetensors")


def train(
    config_path: Path | str | None,
    overrides: Sequence[str],
    data: Path,
    run: Path,
    resume: bool = False,
    node: Node = ONLY_NODE,
) -> int:
    """Train with a progress bar on the terminal; what the command line calls.

    Returns what `launch_training` returns. Raises ConfigError, DataError or RunError before anything starts.
    """
    config = load_config(config_path, overrides)
    with ProgressLines(config.schedule.steps) as lines:
        return launch_training(config, data, run, resume, on_line=lines.take, node=node)


def launch_training(
    config: ExperimentConfig,
    data: Path,
    run: Path,
    resume: bool = False,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = print,
    node: Node = ONLY_NODE,
) -> int:
    """Run all ranks of one training on this machine to their end; 0 is a finished run.

    `env` is added to the environment; `on_line` gets each line of the ranks' output. `node` says which of
    several machines this is (see `training.nodes`). Where this process is
    told to stop (Ctrl-C, SIGTERM, or any exception raised here while waiting), the ranks save a checkpoint
    and end, and the exception goes on. With `resume`, a run folder is gone on with; it may also be new.
    Raises ConfigError, DataError or RunError before anything starts.
    """
    arguments, folder = node.arguments(config), node.folder(Path(run))
    prepare_run(config, data, folder, resume or node.rank > 0)
    command = [
        *(sys.executable, "-m", "training.agent", *arguments),
        *("-m", "training.loop", str(folder.resolve())),
    ]
    environment = {**os.environ, **_variables_for_ranks(), **(env or {})}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    # A thread reads, so that this one can be interrupted, and so that the ranks never block on a full pipe.
    reader = threading.Thread(target=_pass_lines, args=(process, on_line), daemon=True)
    reader.start()
    try:
        with _terminate_as_exception():
            return process.wait()
    finally:
        stop_group(process, GRACE_SECONDS)
        reader.join(timeout=5)


def prepare_run(config: ExperimentConfig, data: Path, run: Path, resume: bool) -> None:
    """Check that `run` may be trained, and write its config.yaml and run.json, with the data's tokenizer.

    Raises DataError where there is nothing to train on, RunError where the folder is in use or differs, and
    ConfigError where the package of a tracker is absent.
    """
    data, run = Path(data), Path(run)
    check_trackers(config)
    config = with_tokenizer_of(config, data)
    earlier = {name: _checked_earlier(name, folder, config) for name, folder in config.earlier.items()}
    samples = ShardDataset(data, "train", config)
    counts = samples.counts
    description = {
        "data": str(data.resolve()),
        "data_version": data_version(data),
        "n_train": counts.n_used,
        "n_train_too_long": counts.n_too_long,
        "max_tokens": config.max_tokens,
        "earlier": {name: digest for name, (_, digest) in earlier.items()},
        "texts": check_texts(config, data, samples.index["mesh_id"].to_list()),
        "git_revision": git_revision(),
        "packages": package_versions(),
        "python": sys.version.split()[0],
    }
    # Other machines may be faster to come, and have their folders in it.
    if run.is_dir() and any(not path.name.startswith(NODE_FOLDER) for path in run.iterdir()):
        if not resume:
            raise RunError(f"{run} is not empty; give --resume to go on with it, or another folder")
        _check_same_run(config, description, run)
    for name, (weights, _) in earlier.items():
        for source, copy in ((config.earlier[name] / "config.yaml", "config.yaml"), (weights, WEIGHTS)):
            with atomic_path(run / "earlier" / name / copy) as temporary:
                shutil.copyfile(source, temporary)
    run.mkdir(parents=True, exist_ok=True)
    write_bytes(run / "config.yaml", dump_config(config).encode())
    write_json(run / "run.json", description)


def _checked_earlier(name: str, run: Path, config: ExperimentConfig) -> tuple[Path, str]:
    """Newest weights of an earlier stage's run, a file, and its sha256. Raises RunError."""
    theirs, checkpoint = run_config(run), newest_checkpoint(run)
    if (theirs.system, theirs.stage) != (config.system, name):
        raise RunError(
            f"earlier.{name}: {run} trains {theirs.system} {theirs.stage}, not {config.system} {name}"
        )
    if checkpoint is None:
        raise RunError(f"earlier.{name}: {run} has no complete checkpoint; let `meshloom train` reach one")
    stage = theirs.training_stage
    before, after = (flatten(stage.settings(c.model).model_dump(mode="json")) for c in (theirs, config))
    if changed := [f"{key}: {before[key]} -> {after[key]}" for key in before if before[key] != after[key]]:
        raise RunError(f"earlier.{name}: {run} was trained with other settings: {'; '.join(changed)}")
    weights = weights_file(checkpoint, config.earlier_weights == "raw")
    return weights, f"sha256:{file_sha256(weights)}"


def data_version(data: Path) -> str:
    """sha256 of the data set's manifest, or of its shard index where it has no manifest."""
    folder = DataFolder(data)
    for path in (folder.manifest, folder.shards / "index.parquet"):
        if path.is_file():
            return f"sha256:{file_sha256(path)}"
    raise DataError(f"{data} has neither manifest.json nor shards/index.parquet")


def git_revision() -> str | None:
    """Commit of the source tree this runs from, with a + where files differ; None outside a checkout."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that decide the numbers."""
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def _check_same_run(config: ExperimentConfig, description: dict[str, Any], run: Path) -> None:
    try:
        before = json.loads((run / "run.json").read_text())
        changed = differences(run_config(run), config)
    except (OSError, ValueError, RunError) as error:
        raise RunError(f"{run} is not empty and not a run that can be gone on with: {error}") from error
    for name, weights in description["earlier"].items():
        if before.get("earlier", {}).get(name) != weights:
            changed.append(f"earlier.{name}: other weights than those that the run was begun with")
    if before.get("texts") != description["texts"]:
        changed.append("data.captions or data.text_encoder: other texts, or another encoder")
    if before.get("data_version") != description["data_version"]:
        changed.append(f"data: {before.get('data_version')} -> {description['data_version']}")
    if changed:
        at = newest_checkpoint(run)
        raise OtherRunError(
            f"{run} ({at.name if at else 'no checkpoint yet'}) was begun with another configuration: "
            f"{'; '.join(changed)}. Give the same, or a new folder"
        )


def _variables_for_ranks() -> dict[str, str]:
    return {
        # The agent would set one thread per rank and say so at length; the loop sets its own number.
        "OMP_NUM_THREADS": "1",
        # Threads that spin while they wait make a rank ten times slower where something else uses a core.
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONUNBUFFERED": "1",
        "MESHLOOM_LAUNCHER_PID": str(os.getpid()),
    }


def _pass_lines(process: subprocess.Popen[str], on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    is_heard = True
    for line in process.stdout:
        if is_heard:
            try:
                on_line(line.rstrip("\n"))
            except Exception:  # such as a closed terminal; the ranks must still get rid of their lines
                is_heard = False


@contextlib.contextmanager
def _terminate_as_exception() -> Iterator[None]:
    """SIGTERM raises SystemExit, unless someone else (such as Dagster) has taken it over."""
    is_free = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if not is_free:
        yield
        return
    signal.signal(signal.SIGTERM, _raise_exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
