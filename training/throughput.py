"""Model FLOP utilisation: the share of what its devices could do at most that a run's tokens needed.

    MFU = tokens/s * FLOPs per token / (devices * peak FLOP/s of one)        (arXiv 2204.02311, appendix B)

What a token needs says its stage (`Stage.flops_per_label`), whatever else the devices did.
"""

import torch
from torch import nn

from training.checkpoints import Position
from training.config import ExperimentConfig

# Dense bfloat16 FLOP/s by CUDA's names; a slice of a device (MIG) has a longer name, no entry.
PEAK_FLOPS = {
    "NVIDIA H200": 989e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA GeForce RTX 4090": 165e12,
}


def peak_flops(config: ExperimentConfig, device_name: str | None) -> float | None:
    """FLOP/s of one device at most; None where that is not known, as that of float32 is not.

    `device_name` is CUDA's; None for a CPU.
    """
    if config.peak_tflops is not None:
        return config.peak_tflops * 1e12
    return None if config.mixed_precision == "no" else PEAK_FLOPS.get(device_name or "")


class Throughput:
    """What the tokens of a run are measured by, on `n_devices` like `device`."""

    def __init__(
        self, module: nn.Module, config: ExperimentConfig, device: torch.device, n_devices: int
    ) -> None:
        self._module, self._config = module, config
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else None
        peak = peak_flops(config, name)
        self._peak = None if peak is None else peak * n_devices

    def utilisation_per_rate(self, position: Position) -> float | None:
        """The utilisation that one token a second is, with the mean length of the samples so far."""
        n_samples = position.samples - position.failed
        if self._peak is None or n_samples <= 0:
            return None
        mean_length = position.tokens / n_samples
        if mean_length == 0:
            return None
        flops = self._config.training_stage.flops_per_label(self._module, mean_length)
        return flops / self._peak
