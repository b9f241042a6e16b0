"""The loop as it really runs: `torch.distributed.run`, gloo, one or two ranks on a CPU."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn

from model.silksong import SilksongModel
from tests.training.conftest import STEPS, assert_same_weights, make_samples, tiny_config, write_data
from training.checkpoints import checkpoints_of, newest_checkpoint, read_position
from training.launch import launch_training, prepare_run
from training.loop import Trainer
from training.optimizers import build_optimizer
from training.reporting import METRICS_SCHEMA, read_metrics
from training.settings import OptimizerSettings


def test_a_run_leaves_what_it_promises(long_run: Path) -> None:
    metrics = read_metrics(long_run)
    assert dict(metrics.schema) == METRICS_SCHEMA
    assert metrics["step"].to_list() == list(range(1, 13))
    assert metrics["samples"].to_list() == list(range(4, 52, 4))
    assert metrics["loss"][-1] < metrics["loss"][0] - 0.5
    assert metrics["validation_loss"].is_not_null().to_list() == [step % 3 == 0 for step in range(1, 13)]
    assert metrics["lr"][0] == 0
    lengths = {s.mesh_id: len(s.tokens) + 1 for s in make_samples() if s.split == "train"}
    assert metrics.filter(pl.col("samples") == 20)["tokens"].item() == 2 * sum(lengths.values())
    checkpoint = newest_checkpoint(long_run)
    assert checkpoint is not None
    assert checkpoint.name == "step-000012"
    assert [path.name for path in checkpoints_of(long_run)] == ["step-000008", "step-000012"]
    assert "finished 12 steps" in (long_run / "log.txt").read_text()
    SilksongModel(tiny_config().model).load_state_dict(load_file(checkpoint / "model.safetensors"))


def test_stopped_and_resumed_ends_with_the_same_bits(long_run: Path, box_data: Path, tmp_path: Path) -> None:
    config = tiny_config(schedule=STEPS, checkpoint_every=4)
    run = tmp_path / "run"
    assert launch_training(config, box_data, run, on_line=_signal_at_step(signal.SIGTERM, 3)) != 0
    at = newest_checkpoint(run)
    assert at is not None
    assert 3 <= read_position(at).step < 12
    assert launch_training(config, box_data, run, resume=True) == 0
    assert "going on from step" in (run / "log.txt").read_text()
    assert_same_weights(run, long_run)
    columns = ["step", "epoch", "samples", "tokens", "loss", "validation_loss", "lr", "grad_norm"]
    assert read_metrics(run).select(columns).equals(read_metrics(long_run).select(columns))


def test_two_ranks_follow_one_with_twice_the_batch(long_run: Path, two_ranks: Path) -> None:
    alone, together = read_metrics(long_run), read_metrics(two_ranks)
    for column in ("loss", "validation_loss", "grad_norm"):
        difference = (alone[column] - together[column]).drop_nulls().abs()
        assert difference.max() < 1e-4, column
    assert alone["tokens"].equals(together["tokens"])
    assert_same_weights(two_ranks, long_run, tolerance=1e-4)


def test_failing_samples_are_counted_and_named(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", make_samples(4, 1, 0))
    index = data / "shards" / "index.parquet"
    frame = pl.read_parquet(index)
    is_broken = pl.col("mesh_id").is_in(["box/001", "box/003"])
    frame.with_columns(
        tokens_offset=pl.when(is_broken).then(pl.col("tokens_offset") + 7).otherwise("tokens_offset")
    ).write_parquet(index)
    run = tmp_path / "run"
    # Sharing a network, a rank has to take part in each pass, though it has no sample; nor one to hold out.
    config = tiny_config(schedule={"steps": 3, "warmup": 0}, batch_size=1, processes=2, parallel="fsdp")
    assert launch_training(config, data, run) == 0
    assert read_metrics(run)["failed_samples"][-1] in (2, 3, 4)
    log = (run / "log.txt").read_text()
    assert "sample box/001 left out: UNREADABLE" in log
    assert "sample box/003 left out: UNREADABLE" in log


def test_dagster_reads_the_rows(box_data: Path, tmp_path: Path) -> None:
    from dagster_pipes import PipesDefaultMessageWriter, encode_param

    messages = tmp_path / "messages"
    messages.touch()
    context = {
        "asset_keys": ["run"],
        "code_version_by_asset_key": {"run": None},
        "data_version_by_asset_key": {"run": None},
        "run_id": "1",
        "extras": {},
    }
    context_file = tmp_path / "context.json"
    context_file.write_text(json.dumps(context))
    env = {
        "DAGSTER_PIPES_CONTEXT": encode_param({"path": str(context_file)}),
        "DAGSTER_PIPES_MESSAGES": encode_param({PipesDefaultMessageWriter.FILE_PATH_KEY: str(messages)}),
    }
    config = tiny_config(schedule={"steps": 2, "warmup": 0}, processes=2)
    assert launch_training(config, box_data, tmp_path / "run", env=env) == 0
    text = messages.read_text()
    assert text.count('"report_custom_message"') == 2
    assert '"validation_loss"' in text


def test_the_loop_starts_by_hand_too(box_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    prepare_run(tiny_config(schedule={"steps": 1, "warmup": 0}), box_data, run, resume=False)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "1"]
    subprocess.run([*command, "-m", "training.loop", str(run)], check=True, timeout=120)
    assert read_metrics(run).height == 1


def test_only_matrices_decay() -> None:
    module = SilksongModel(tiny_config().model)
    decayed, kept = build_optimizer(module, OptimizerSettings()).param_groups
    assert decayed["weight_decay"] == 0.01
    assert kept["weight_decay"] == 0
    decayed_ids = {id(parameter) for parameter in decayed["params"]}
    named = {name for name, parameter in module.named_parameters() if id(parameter) in decayed_ids}
    assert "head.weight" in named
    assert not {name for name in named if name.endswith("bias") or "norm" in name or "embedding" in name}
    assert not {name for name in named if "kind_vectors" in name or "start_vector" in name}
    assert len(build_optimizer(nn.Linear(2, 2), OptimizerSettings(decay_all=True)).param_groups) == 1


def _signal_at_step(number: signal.Signals, step: int) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        if line.startswith(f"step {step}/"):
            for pid in _ranks():
                os.kill(pid, number)

    return on_line


def _ranks() -> list[int]:
    """Processes of the loop below this one, the agent not included."""
    own = os.getpid()
    return [
        pid
        for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        if own in _ancestors(pid)
        and "training.agent" not in _command(pid)
        and "training.loop" in _command(pid)
    ]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _ancestors(pid: int) -> list[int]:
    ancestors = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        ancestors.append(pid)
    return ancestors


def test_validation_leaves_the_network_in_training(box_data: Path, tmp_path: Path) -> None:
    """Or what is dropped in training would not be any more."""
    trainer = Trainer(tmp_path, box_data, tiny_config(), Accelerator(cpu=True))
    assert trainer.module.training
    assert trainer._validation_loss() is not None
    assert all(module.training for module in trainer.module.modules())
