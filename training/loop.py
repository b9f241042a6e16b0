"""One rank of a training run.

    python -m torch.distributed.run --nproc_per_node 2 -m training.loop RUN

RUN holds config.yaml and run.json, which `training.launch` writes; the loop goes on from the newest complete
checkpoint in it, or begins. SIGTERM or SIGINT to any rank ends all of them after the same step, with a
checkpoint. On a CPU a run that was interrupted, however often, ends with the same bits as one that was not.
"""

import argparse
import functools
import json
import math
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from training.averaging import WeightAverage
from training.batches import Batch, held_out_batches, stand_in, training_batches
from training.checkpoints import (
    Position,
    build_module,
    earlier_networks,
    run_config,
)
from training.config import ExperimentConfig
from training.data import DataError, ShardDataset
from training.derivation import derivations
from training.lifetime import StopWish, follow_parent
from training.optimizers import build_optimizer
from training.parallel import (
    Objective,
    check_agreement,
    forget_forward,
    n_local_parameters,
    shard,
    share_buffers,
)
from training.reporting import QUARANTINE, Reporter, open_reporter, take_row
from training.samples import SampleSheets
from training.saving import load_checkpoint, save_checkpoint
from training.schedules import reference_schedule
from training.throughput import Throughput
from training.tracking import begin_tracking, open_accelerator

STOP_WISH = StopWish()
# What gloo and NCCL say when a process at the other end is gone; a traceback would tell nothing more.
LOST_TOUCH = re.compile(
    r"closed by peer|reset by peer|broken pipe|remote process exited|timed out", re.IGNORECASE
)


class Trainer:
    """The state of one rank; `run` is the whole loop."""

    def __init__(self, run: Path, data: Path, config: ExperimentConfig, accelerator: Accelerator) -> None:
        self.run_folder, self.config, self.accelerator = run, config, accelerator
        self.rank, self.world = accelerator.process_index, accelerator.num_processes
        self.train_set = ShardDataset(data, "train", config)
        self.validation_set = _validation_set(data, config)
        self.module = build_module(config)
        earlier = {
            name: network.to(accelerator.device) for name, network in earlier_networks(run, config).items()
        }
        self.derive = derivations(config, earlier, accelerator.device, data, run)
        self.objective = Objective(self.module, config, earlier).to(accelerator.device)
        self.is_sharded = config.parallel == "fsdp" and self.world > 1
        if self.is_sharded:
            shard(self.objective, accelerator)
        self.plain_optimizer = build_optimizer(self.module, config.optimizer)
        self.optimizer = accelerator.prepare_optimizer(self.plain_optimizer)
        self.loss = self.objective if self.is_sharded else accelerator.prepare_model(self.objective)
        self.average = WeightAverage(self.module, config.average) if config.average is not None else None
        networks = {**earlier, config.stage: self.module}
        self.sheets = SampleSheets(run, config, self.validation_set, networks, self.average)
        self.position = Position()
        self.throughput = Throughput(self.module, config, accelerator.device, self.world)

    def run(self, reporter: Reporter) -> bool:
        """Train to the last step. False where a signal ended it before."""
        position = load_checkpoint(
            self.accelerator, self.run_folder, self.module, self.plain_optimizer, self.average
        )
        if position is not None:
            self.position = position
            reporter.say(f"going on from step {position.step}")
        reporter.forget_after(self.position.step)
        self._describe(reporter)
        position, config = self.position, self.config
        steps = config.schedule.steps
        batches = training_batches(
            self.train_set, position.samples, steps - position.step, self.rank, self.world, self.derive
        )
        began = time.perf_counter()
        for batch in batches:
            lr, grad_norm, is_stopping = self._step(batch, reporter)
            self._update_average()
            elapsed = time.perf_counter() - began
            position.seconds += elapsed
            position.interval_seconds += elapsed
            is_last = position.step == steps
            is_validated = position.step % config.evaluate_every == 0 or is_last
            if position.step % config.log_every == 0 or is_validated:
                held_out = self._held_out_losses() if is_validated else (None, None)
                per_rate = self.throughput.utilisation_per_rate(position)
                reporter.add_row(take_row(position, len(self.train_set), lr, grad_norm, *held_out, per_rate))
            if position.step % config.checkpoint_every == 0 or is_last or is_stopping:
                self._save()
            if is_stopping and not is_last:
                reporter.say(f"stopped after step {position.step}; start again with --resume to go on")
                return False
            if self.rank == 0 and not self.is_sharded:
                self.sheets.draw_if_due(position.step, reporter.say)
            began = time.perf_counter()
        reporter.say(f"finished {position.step} steps on {position.tokens} tokens")
        return True

    def _step(self, batch: Batch, reporter: Reporter) -> tuple[float, float, bool]:
        """Learning rate, gradient norm, and whether any rank was told to stop."""
        config, position = self.config, self.position
        lr = config.optimizer.lr * reference_schedule(
            position.step, config.schedule.steps, config.schedule.warmup
        )
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        # What is random within a step depends on nothing before it, so that no state of it is to be saved.
        seed = np.random.SeedSequence([config.seed, position.step, self.rank]).generate_state(1)
        torch.manual_seed(int(seed[0]))
        if self.is_sharded:
            share_buffers(self.objective)
        with self.accelerator.autocast():
            loss_sum, n_labels = self.loss(*self._inputs(batch))
        samples = [batch.n_visited, len(batch.failed)]
        mine = [float(loss_sum.detach()), float(n_labels), *samples, STOP_WISH.is_made]
        all_loss, all_labels, all_visited, all_failed, all_wishes = self._sum_over_ranks(mine)
        grad_norm, has_scaler = math.nan, self.accelerator.scaler is not None
        if not math.isfinite(all_loss):
            forget_forward(self.objective)
        else:
            # Data parallelism averages over ranks; this makes it the mean over all labels of the step.
            self.accelerator.backward(loss_sum * (self.world / max(all_labels, 1)))
            clipped = self.accelerator.clip_grad_norm_(self.module.parameters(), config.gradient_clip)
            grad_norm = float(clipped)
        # A scaler (fp16) meets such gradients as a matter of course, and skips those steps itself.
        if math.isfinite(grad_norm) or (math.isfinite(all_loss) and has_scaler):
            self.optimizer.step()
            position.interval_loss += all_loss
            position.interval_tokens += int(all_labels)
            position.tokens += int(all_labels)
        else:
            position.failed += self._leave_out(batch, all_loss, reporter)
        self.optimizer.zero_grad(set_to_none=True)
        for failed in batch.failed:
            reporter.warn(f"sample {failed.mesh_id} left out: {failed.failure}: {failed.detail}")
        position.step += 1
        position.samples += int(all_visited)
        position.failed += int(all_failed)
        return lr, grad_norm, all_wishes > 0

    def _update_average(self) -> None:
        if self.average is not None and self.average.is_due(self.position.step):
            if self.world > 1:
                share_buffers(self.objective)
            self.average.update(self.position.step)

    def _leave_out(self, batch: Batch, loss: float, reporter: Reporter) -> int:
        """Put the meshes of a step without finite loss and gradient into quarantine; how many they are.

        Raises FloatingPointError where the configuration does not allow it. Collective.
        """
        step = self.position.step + 1
        meshes = sorted(gather_object(batch.mesh_ids))
        found = f"step {step} has a loss of {loss}, or a gradient that is not finite"
        if self.config.bad_steps == "stop":
            raise FloatingPointError(
                f"{found}; lower optimizer.lr, use bf16, or give bad_steps=skip. "
                f"Its meshes: {', '.join(meshes)}"
            )
        reporter.quarantine(step, meshes)
        reporter.say(f"{found}; it is left out, and its {len(meshes)} meshes are in {QUARANTINE}")
        return len(meshes)

    def _inputs(self, batch: Batch) -> tuple[dict[str, Tensor], bool]:
        """Tensors for the loss, and whether it counts."""
        tensors = self._stand_in.tensors if batch.is_empty else batch.tensors
        moved = {name: tensor.to(self.accelerator.device) for name, tensor in tensors.items()}
        return moved, not batch.is_empty

    @functools.cached_property
    def _stand_in(self) -> Batch:
        return stand_in(self.train_set, self.derive)

    def _save(self) -> None:
        keep = self.config.keep_checkpoints
        training = self.module, self.plain_optimizer, self.position
        save_checkpoint(self.accelerator, self.run_folder, *training, keep, self.average)

    def _held_out_losses(self) -> tuple[float | None, float | None]:
        """The loss that the run is judged by, and that of the raw weights where it is of their average."""
        if self.average is None:
            return self._validation_loss(), None
        raw = self._validation_loss()
        with self.average.in_place():
            return self._validation_loss(), raw

    @torch.no_grad()
    def _validation_loss(self) -> float | None:
        """Nats per label over the first held-out meshes, with the same clouds every time."""
        if self.validation_set is None or self.config.evaluate_meshes == 0:
            return None
        self.module.eval()
        totals = [0.0, 0.0]
        batches = held_out_batches(
            self.validation_set, self.config.evaluate_meshes, self.rank, self.world, self.derive
        )
        for batch in batches:
            with self.accelerator.autocast():
                loss_sum, n_labels = self.objective(*self._inputs(batch))
            totals[0] += float(loss_sum)
            totals[1] += float(n_labels)
        forget_forward(self.objective)
        self.module.train()
        loss, count = self._sum_over_ranks(totals)
        return loss / count if count else None

    def _sum_over_ranks(self, values: Sequence[float]) -> list[float]:
        mine = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        return self.accelerator.reduce(mine, "sum").tolist()

    def _describe(self, reporter: Reporter) -> None:
        counts = self.train_set.counts
        n_parameters = sum(parameter.numel() for parameter in self.module.parameters())
        here = n_local_parameters(self.module) / n_parameters
        reporter.say(
            f"{n_parameters / 1e6:.1f} M parameters, {counts.n_used} meshes ({counts.n_too_long} too long), "
            f"{self.world} process(es) with {torch.get_num_threads()} threads on {self.accelerator.device}; "
            f"this one has {here:.0%} of the parameters"
        )


def run_rank(run: Path) -> bool:
    """Train the run in folder `run` as one rank of the world that the environment describes."""
    config = run_config(run)
    description = json.loads((run / "run.json").read_text())
    data = Path(description["data"])
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # A debugging aid that determinism switches on, and that costs a sixth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(config.threads or max(1, cores // config.processes))
    is_on_cpu = not torch.cuda.is_available()
    accelerator = open_accelerator(config, run, cpu=is_on_cpu, mixed_precision=config.mixed_precision)
    check_agreement(config, description)
    begin_tracking(accelerator, config, run)
    try:
        with open_reporter(run, config.schedule.steps, accelerator.is_main_process, accelerator) as reporter:
            return Trainer(run, data, config, accelerator).run(reporter)
    finally:
        accelerator.end_training()


def _validation_set(data: Path, config: ExperimentConfig) -> ShardDataset | None:
    try:
        return ShardDataset(data, "val", config)
    except DataError:
        return None


def main() -> int:
    """Run one rank; the status is 0 when the run is finished, 128 + signal when a signal ended it."""
    follow_parent(int(os.environ.get("MESHLOOM_AGENT_PID", os.getppid())))
    STOP_WISH.listen()
    parser = argparse.ArgumentParser(description="One rank of a training run.")
    parser.add_argument("run", type=Path, help="folder with config.yaml and run.json")
    run = parser.parse_args().run
    try:
        is_finished = run_rank(run)
    except RuntimeError as error:
        if not LOST_TOUCH.search(str(error)):
            raise
        print(f"lost touch with another rank: {error}", file=sys.stderr)
        return 1
    return 0 if is_finished else 128 + (STOP_WISH.signal_number or 15)


if __name__ == "__main__":
    sys.exit(main())
