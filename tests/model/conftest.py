"""Golden cases of the Silksong model, each read once per run of the tests."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.silksong import SilksongModel, load_reference
from tests.model.golden_weights import golden_state_dict
from tests.shared_data import shared_path


@dataclass(frozen=True)
class GoldenCase:
    """Metadata, arrays and reference weights of one case."""

    name: str
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]
    weights: dict[str, Tensor]

    def model(self) -> SilksongModel:
        return load_reference(self.weights, self.meta["config"])

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])


@pytest.fixture(scope="session", params=["a", "b"])
def golden_case(request: pytest.FixtureRequest) -> GoldenCase:
    name = request.param
    meta = json.loads(shared_path("golden", "silksong_model", f"{name}_meta.json").read_text())
    arrays = dict(np.load(shared_path("golden", "silksong_model", f"{name}_io.npz")))
    return GoldenCase(name, meta, arrays, golden_state_dict(meta["seed"], meta["keys"]))
