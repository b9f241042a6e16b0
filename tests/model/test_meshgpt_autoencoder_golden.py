"""The MeshGPT autoencoder gives the reference's numbers: codes, logits, losses, gradients, steps."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.features import (
    discretize,
    discretize_features,
    face_features,
    undiscretize,
)
from model.meshgpt.loss import blurred_targets
from model.meshgpt.modules import MeshAutoencoder, corners_of, valid_faces
from model.meshgpt.reference import load_autoencoder, reference_name, reference_state_dict, save_autoencoder
from model.meshgpt.residual_lfq import ResidualLfq
from tests.shared_data import shared_path

TOLERANCE = 1e-4
STEPPED = ["lfq/b2", "rvq/b2"]
"""Cases with the losses of some steps on record."""
CASES = ["lfq/b1", "lfq/b2", "lfq/b2b", "lfq_attn/b1", "lfq_attn/b2", "rvq/b1", "rvq/b2", "quad/q1"]


@dataclass(frozen=True)
class Case:
    """One batch through one set of weights."""

    name: str
    variant: str
    meta: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def config(self) -> AutoencoderConfig:
        return AutoencoderConfig.from_reference(self.meta["ae_config"][self.variant])

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.tensors["vertices"], self.tensors["faces"].long(), self.tensors["face_edges"].long()

    def model(self) -> MeshAutoencoder:
        return load_autoencoder(
            shared_path("golden", "meshgpt", f"ae_{self.variant}.safetensors"), self.config
        )


def read_meta() -> dict[str, Any]:
    return json.loads(shared_path("golden", "meshgpt", "meta.json").read_text())


def primitives() -> dict[str, Tensor]:
    arrays = np.load(shared_path("golden", "meshgpt", "primitives.npz"))
    return {name: torch.from_numpy(arrays[name]) for name in arrays}


def read_case(name: str) -> Case:
    variant, batch = name.split("/")
    tensors = load_file(shared_path("golden", "meshgpt", f"case_{variant}_{batch}.safetensors"))
    return Case(name, variant, read_meta(), tensors)


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return read_case(request.param)


def assert_near(actual: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(actual.detach(), expected.to(actual.dtype), rtol=0, atol=tolerance)


def test_features_and_their_bins(case: Case) -> None:
    vertices, faces, _ = case.inputs
    features = face_features(corners_of(vertices, faces), case.config)
    bins = discretize_features(features, case.config)
    valid = valid_faces(faces)
    assert torch.equal(valid, case.tensors["face_mask"])
    for found, name in [
        (features.angles, "angles"),
        (features.area, "area"),
        (features.normals, "normals"),
    ]:
        assert_near(found[valid], case.tensors[name][valid])
    for found, name in [
        (bins.angles, "angles_discrete"),
        (bins.area, "area_discrete"),
        (bins.normals, "normals_discrete"),
        (bins.coordinates.flatten(-2), "face_coords_discrete"),
    ]:
        assert torch.equal(found[valid], case.tensors[name][valid].long())


@torch.no_grad()
def test_codes_and_logits(case: Case) -> None:
    model = case.model().eval()
    vertices, faces, pairs = case.inputs
    valid = valid_faces(faces)
    encoded = model.encode(vertices, faces, pairs)
    assert_near(encoded[valid], case.tensors["encoded"][valid])
    assert not encoded[~valid].any()
    quantized = model.quantize(encoded, faces)
    # The reference keeps one more row, for the vertices of padded faces.
    assert_near(quantized.vertex_means, case.tensors["vertex_mean"][:, :-1])
    assert torch.equal(quantized.codes.reshape(case.tensors["codes"].shape), case.tensors["codes"].long())
    assert_near(quantized.vectors[valid], case.tensors["quantized"][valid])
    logits = model.decode(quantized.vectors, valid)
    assert_near(logits[:, :8][valid[:, :8]], case.tensors["logits_first8"][valid[:, :8]])
    assert_near(logits.logsumexp(-1)[valid], case.tensors["logits_logsumexp"][valid])
    top = logits.topk(2).values
    is_clear = valid.unsqueeze(-1) & (top[..., 0] - top[..., 1] > 1e-3)
    assert torch.equal(logits.argmax(-1)[is_clear], case.tensors["logits_argmax"].long()[is_clear])


@torch.no_grad()
def test_losses_in_evaluation(case: Case) -> None:
    loss = case.model().eval().loss(*case.inputs)
    assert_near(loss.reconstruction, case.tensors["recon_loss"][0])
    assert_near(loss.total, case.tensors["total_loss_eval"][0])
    assert_near(loss.quantization, case.tensors["commit_loss_eval"])


def test_tokens_and_back(case: Case) -> None:
    model = case.model().train()
    codes = model.tokenize(*case.inputs)
    assert torch.equal(codes.reshape(case.tensors["codes"].shape), case.tensors["codes"].long())
    corners = model.coordinates(codes)
    valid = case.tensors["decode_from_codes_mask"]
    assert_near(corners[valid], case.tensors["decode_from_codes_coords"][valid])
    assert corners[~valid].isnan().all()
    assert model.training


def test_loss_and_gradients_in_training(case: Case) -> None:
    expected = case.meta["train"][case.name]
    model = case.model().train()
    loss = model.loss(*case.inputs)
    loss.total.backward()
    assert loss.total.item() == pytest.approx(expected["total"], abs=TOLERANCE)
    assert loss.reconstruction.item() == pytest.approx(expected["recon"], abs=TOLERANCE)
    assert loss.quantization.tolist() == pytest.approx(expected["commit"], abs=TOLERANCE)
    norms = {
        reference_name(name): p.grad.norm().item()
        for name, p in model.named_parameters()
        if p.grad is not None
    }
    assert norms == pytest.approx(expected["grad_norms"], abs=TOLERANCE, rel=TOLERANCE)


@pytest.mark.parametrize("name", STEPPED)
def test_six_steps_of_adam(name: str) -> None:
    case = read_case(name)
    expected = case.meta["train"][name]["adam_lr1e-3_losses"]
    model = case.model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99))
    found = []
    for _ in expected:
        loss = model.loss(*case.inputs).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert found == pytest.approx(expected, abs=2e-4)


def test_learned_codebook_after_a_step() -> None:
    case = read_case("rvq/b1")
    model = case.model().train()
    model.loss(*case.inputs)
    stored = load_file(shared_path("golden", "meshgpt", "rvq_b1_buffers_after_train_forward.safetensors"))
    found = reference_state_dict(model)
    for key, tensor in stored.items():
        assert_near(found[key], tensor)


def test_checkpoints_return_whole(case: Case, tmp_path) -> None:
    save_autoencoder(case.model(), tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    stored = load_file(shared_path("golden", "meshgpt", f"ae_{case.variant}.safetensors"))
    assert again.keys() == stored.keys()
    for key, tensor in stored.items():
        assert again[key].dtype == tensor.dtype
        assert_near(again[key], tensor, 0 if "inv_freq" not in key else 1e-7)


def test_loading_names_what_does_not_fit(case: Case) -> None:
    weights = reference_state_dict(case.model())
    with pytest.raises(KeyError, match=r"lacks 1 keys: project_in.bias"):
        load_autoencoder({k: v for k, v in weights.items() if k != "project_in.bias"}, case.config)
    with pytest.raises(KeyError, match="1 unknown keys: more"):
        load_autoencoder({**weights, "more": torch.zeros(1)}, case.config)
    with pytest.raises(ValueError, match=r"project_in.bias is \(7,\)"):
        load_autoencoder({**weights, "project_in.bias": torch.zeros(7)}, case.config)


def test_all_published_keys_and_shapes(case: Case) -> None:
    listed = case.meta["state_dict_keys"][f"ae_{case.variant}"]
    found = reference_state_dict(MeshAutoencoder(case.config))
    assert found.keys() == listed.keys()
    for key, tensor in found.items():
        assert list(tensor.shape) == listed[key][0]


def test_discretisation() -> None:
    arrays = primitives()
    values = arrays["discretize_in"]
    assert torch.equal(discretize(values, -1, 1, 128), arrays["discretize_128_m1_1"])
    assert_near(undiscretize(torch.arange(128), -1, 1, 128), arrays["undiscretize_128"], 1e-6)
    assert torch.equal(discretize(arrays["undiscretize_128"], -1, 1, 128), torch.arange(128))


@pytest.mark.parametrize("sigma", [0.4, 1.0])
def test_blurred_targets(sigma: float) -> None:
    expected = primitives()[f"blur_sigma{sigma}"]
    assert expected.shape == (128, 4)
    bins = expected.argmax(0)
    bins[expected.max(0).values == 0] = 0
    assert_near(blurred_targets(bins, 128, sigma).T, expected, 1e-6)


def test_lfq_alone() -> None:
    arrays = primitives()
    prefix = "lfq_w/"
    config = AutoencoderConfig(code_width=12, codebook_size=2**6, lfq_loss="per_token")
    lfq = ResidualLfq(config)
    lfq.load_state_dict(
        {name.removeprefix(prefix): t for name, t in arrays.items() if name.startswith(prefix + "project")}
    )
    tokens = arrays["lfq_x"][arrays["lfq_mask"]]
    found = lfq.eval()(tokens)
    assert_near(found.vectors, arrays["lfq_quantized"][arrays["lfq_mask"]])
    assert torch.equal(found.codes, arrays["lfq_indices"][arrays["lfq_mask"]])
    assert_near(lfq.vectors(found.codes), found.vectors, 1e-6)
    intended = arrays["lfq_intended_[per_sample_entropy,codebook_entropy,commit,aux]"]
    assert_near(lfq.train()(tokens).losses, intended[:, 3])
