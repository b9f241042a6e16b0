"""One network on several ranks: whole on each of them (DDP), or a share of it on each (FSDP2).

Under FSDP2 every child of an `nn.ModuleList` that has a `forward` is gathered when it is called and given up
behind it; what is left of the network is gathered for the whole step. This is torch's own `fully_shard`:
accelerate calls the same, but on GPUs only, and tests have to run it on a CPU. Weights and gradients stay in
the precision that DDP keeps them in (autocast does the rest), so that both give the same numbers.
"""

from typing import Any, TypeVar

import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from model.layers.ranks import absent
from training.checkpoints import RunError
from training.config import ExperimentConfig, flatten

Value = TypeVar("Value")
# What machines may differ in: none of it changes a result.
_OF_ONE_NODE = frozenset({"data.num_workers", "threads"})
# Inputs are positions and indices: a cast of them to bfloat16 would move vertices.
_PRECISION = MixedPrecisionPolicy(cast_forward_inputs=False)


class Objective(nn.Module):
    """A stage's loss in one forward pass, which is what data-parallel wrappers need."""

    def __init__(self, module: nn.Module, config: ExperimentConfig, earlier: dict[str, nn.Module]) -> None:
        super().__init__()
        self.module = module
        self.stage = config.training_stage
        self.earlier = earlier  # a plain dictionary: its networks are not this one's parameters

    def forward(self, tensors: dict[str, Tensor], counts: bool = True) -> tuple[Tensor, Tensor]:
        """The loss summed over what is predicted, and how many that are.

        Where it does not count, both are zero, so are the gradients, and nothing else is learned: a rank that
        has no sample still has to do what the others wait for.
        """
        if counts:
            return self.stage.loss_sum(self.module, tensors, self.earlier)
        was_training = self.module.training
        self.module.eval()
        with absent():
            loss_sum, n_labels = self.stage.loss_sum(self.module, tensors, self.earlier)
        self.module.train(was_training)
        return loss_sum * 0, n_labels * 0


def shard(objective: Objective, accelerator: Accelerator) -> None:
    """Leave each rank its share of the parameters, in place; before the optimiser is made."""
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for block in reversed(blocks_of(objective.module)):
        fully_shard(block, mesh=mesh, mp_policy=_PRECISION)
    fully_shard(objective, mesh=mesh, mp_policy=_PRECISION)


def n_local_parameters(module: nn.Module) -> int:
    """Parameters that this rank holds."""
    parameters = module.parameters()
    return sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in parameters)


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """What is gathered alone, outer ones first: children of lists that are called as modules."""
    lists = (child for child in module.modules() if isinstance(child, nn.ModuleList))
    blocks = (block for children in lists for block in children)
    return [block for block in blocks if type(block).forward is not nn.Module.forward]


def forget_forward(objective: nn.Module) -> None:
    """Give up what a forward pass without a backward one has left gathered."""
    for module in objective.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def share_buffers(objective: nn.Module) -> None:
    """Give all ranks the buffers of rank 0, as DDP does before each forward pass. Collective."""
    for buffer in objective.buffers():
        dist.broadcast(buffer, src=0)


def from_first_rank(value: Value) -> Value:
    """The value that rank 0 gives, on every rank. Collective."""
    values: list[Value] = [value]
    if dist.is_initialized():
        dist.broadcast_object_list(values, src=0)
    return values[0]


def check_agreement(config: ExperimentConfig, description: dict[str, Any]) -> None:
    """Raise RunError where this rank's experiment or data is not that of rank 0. Collective."""
    mine = {
        key: value
        for key, value in flatten(config.model_dump(mode="json")).items()
        if key not in _OF_ONE_NODE and not key.startswith("earlier.")  # paths; their weights are compared
    }
    mine |= {"data": description["data_version"], "texts": description.get("texts")}
    mine |= flatten(description["earlier"], "earlier.")
    theirs = from_first_rank(mine)
    if changed := [
        f"{key}: {theirs.get(key)} there, {mine.get(key)} here"
        for key in sorted(mine.keys() | theirs.keys())
        if mine.get(key) != theirs.get(key)
    ]:
        raise RunError(f"the first machine trains something else: {'; '.join(changed)}")
