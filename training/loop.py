"""One rank of a training run.

    python -m torch.distributed.run --nproc_per_node 2 -m training.loop RUN

RUN holds config.yaml and run.json, which `training.launch` writes; the loop goes on from the newest complete
checkpoint in it, or begins. SIGTERM or SIGINT to any rank ends all of them after the same step, with a
checkpoint. On a CPU a run that was interrupted, however often, ends with the same bits as one that was not.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from training.batches import Batch, held_out_batches, training_batches
from training.checkpoints import (
    Position,
    build_module,
    earlier_networks,
    newest_checkpoint,
    read_position,
    register_plain_weights,
    run_config,
    save_checkpoint,
)
from training.config import ExperimentConfig, OptimizerSettings
from training.data import DataError, ShardDataset
from training.lifetime import StopWish, follow_parent
from training.reporting import QUARANTINE, MetricsRow, Reporter, open_reporter
from training.schedules import reference_schedule

STOP_WISH = StopWish()


class Objective(nn.Module):
    """A stage's loss in one forward pass, which is what data-parallel wrappers need."""

    def __init__(self, module: nn.Module, config: ExperimentConfig, earlier: dict[str, nn.Module]) -> None:
        super().__init__()
        self.module = module
        self.stage = config.training_stage
        self.earlier = earlier  # a plain dictionary: its networks are not this one's parameters

    def forward(self, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The loss summed over what is predicted, and how many that are; zeros for nothing at all."""
        if not tensors:  # the other ranks wait for this one's gradients: give zeros
            nothing = torch.stack([parameter.sum() for parameter in self.module.parameters()]).sum() * 0
            return nothing, torch.zeros((), device=nothing.device)
        return self.stage.loss_sum(self.module, tensors, self.earlier)


class Trainer:
    """The state of one rank; `run` is the whole loop."""

    def __init__(self, run: Path, data: Path, config: ExperimentConfig, accelerator: Accelerator) -> None:
        self.run_folder, self.config, self.accelerator = run, config, accelerator
        self.rank, self.world = accelerator.process_index, accelerator.num_processes
        self.train_set = ShardDataset(data, "train", config)
        self.validation_set = _validation_set(data, config)
        self.module = build_module(config)
        optimizer = build_optimizer(self.module, config.optimizer)
        earlier = {
            name: network.to(accelerator.device) for name, network in earlier_networks(run, config).items()
        }
        self.objective = Objective(self.module, config, earlier)
        self.loss, self.optimizer = accelerator.prepare(self.objective, optimizer)
        register_plain_weights(accelerator, self.module)
        self.position = Position()

    def run(self, reporter: Reporter) -> bool:
        """Train to the last step. False where a signal ended it before."""
        checkpoint = newest_checkpoint(self.run_folder)
        if checkpoint is not None:
            self.accelerator.load_state(str(checkpoint))
            self.position = read_position(checkpoint)
            reporter.say(f"going on from step {self.position.step}")
        reporter.forget_after(self.position.step)
        self._describe(reporter)
        position, config = self.position, self.config
        steps = config.schedule.steps
        batches = training_batches(
            self.train_set, position.samples, steps - position.step, self.rank, self.world
        )
        began = time.perf_counter()
        for batch in batches:
            lr, grad_norm, is_stopping = self._step(batch, reporter)
            elapsed = time.perf_counter() - began
            position.seconds += elapsed
            position.interval_seconds += elapsed
            is_last = position.step == steps
            is_validated = position.step % config.evaluate_every == 0 or is_last
            if position.step % config.log_every == 0 or is_validated:
                validation_loss = self._validation_loss() if is_validated else None
                reporter.add_row(self._take_row(lr, grad_norm, validation_loss))
            if position.step % config.checkpoint_every == 0 or is_last or is_stopping:
                save_checkpoint(self.accelerator, self.run_folder, position, config.keep_checkpoints)
            if is_stopping and not is_last:
                reporter.say(f"stopped after step {position.step}; start again with --resume to go on")
                return False
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
        loss_sum, n_labels = self.loss(self._on_device(batch))
        mine = [float(loss_sum.detach()), float(n_labels), len(batch.failed), STOP_WISH.is_made]
        all_loss, all_labels, all_failed, all_wishes = self._sum_over_ranks(mine)
        grad_norm, has_scaler = math.nan, self.accelerator.scaler is not None
        if math.isfinite(all_loss):
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
        position.samples += config.batch_size * self.world
        position.failed += int(all_failed)
        return lr, grad_norm, all_wishes > 0

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

    def _on_device(self, batch: Batch) -> dict[str, Tensor]:
        return {name: tensor.to(self.accelerator.device) for name, tensor in batch.tensors.items()}

    def _take_row(self, lr: float, grad_norm: float, validation_loss: float | None) -> MetricsRow:
        position = self.position
        n_tokens = position.interval_tokens
        row = MetricsRow(
            step=position.step,
            epoch=position.samples / len(self.train_set),
            samples=position.samples,
            tokens=position.tokens,
            loss=position.interval_loss / n_tokens if n_tokens else math.nan,
            validation_loss=validation_loss,
            lr=lr,
            grad_norm=grad_norm,
            tokens_per_second=n_tokens / max(position.interval_seconds, 1e-9),
            seconds=position.seconds,
            failed_samples=position.failed,
        )
        position.interval_loss, position.interval_tokens, position.interval_seconds = 0.0, 0, 0.0
        return row

    @torch.no_grad()
    def _validation_loss(self) -> float | None:
        """Nats per label over the first held-out meshes, with the same clouds every time."""
        if self.validation_set is None or self.config.evaluate_meshes == 0:
            return None
        self.module.eval()
        totals = [0.0, 0.0]
        batches = held_out_batches(self.validation_set, self.config.evaluate_meshes, self.rank, self.world)
        for batch in batches:
            if not batch.is_empty:
                with self.accelerator.autocast():
                    loss_sum, n_labels = self.objective(self._on_device(batch))
                totals[0] += float(loss_sum)
                totals[1] += float(n_labels)
        self.module.train()
        loss, count = self._sum_over_ranks(totals)
        return loss / count if count else None

    def _sum_over_ranks(self, values: Sequence[float]) -> list[float]:
        mine = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        return self.accelerator.reduce(mine, "sum").tolist()

    def _describe(self, reporter: Reporter) -> None:
        counts = self.train_set.counts
        n_parameters = sum(parameter.numel() for parameter in self.module.parameters())
        reporter.say(
            f"{n_parameters / 1e6:.1f} M parameters, {counts.n_used} meshes ({counts.n_too_long} too long), "
            f"{self.world} process(es) with {torch.get_num_threads()} thread(s) on {self.accelerator.device}"
        )


def build_optimizer(module: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW that decays matrices only: no norms, biases, embeddings or single vectors, unless `decay_all`."""
    embeddings = {
        id(parameter)
        for child in module.modules()
        if isinstance(child, nn.Embedding)
        for parameter in child.parameters()
    }
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for parameter in module.parameters():
        is_matrix = parameter.ndim >= 2 and min(parameter.shape) > 1 and id(parameter) not in embeddings
        (decayed if is_matrix or settings.decay_all else kept).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
    )


def run_rank(run: Path) -> bool:
    """Train the run in folder `run` as one rank of the world that the environment describes."""
    config = run_config(run)
    data = Path(json.loads((run / "run.json").read_text())["data"])
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # A debugging aid that determinism switches on, and that costs a sixth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(config.threads or max(1, cores // config.processes))
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=config.mixed_precision,
        log_with="tensorboard" if config.tensorboard else None,
        project_dir=str(run),
    )
    tracker = None
    if config.tensorboard:
        accelerator.init_trackers("tensorboard")
        tracker = accelerator
    try:
        with open_reporter(run, config.schedule.steps, accelerator.is_main_process, tracker) as reporter:
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
    if run_rank(run):
        return 0
    return 128 + (STOP_WISH.signal_number or 15)


if __name__ == "__main__":
    sys.exit(main())
