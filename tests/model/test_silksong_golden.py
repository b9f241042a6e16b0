"""The Silksong model gives the reference's numbers: encoder, decoder, loss, generation, training steps."""

import json
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from model.layers.point_encoder import PointEncoder, fourier_features
from model.silksong import SilksongModel, load_point_encoder, load_reference, reference_name
from model.silksong.loss import labels_of
from tests.model.conftest import GoldenCase
from tests.model.golden_weights import golden_state_dict, golden_tensor, weights_sha256
from tests.shared_data import shared_path
from training.schedules import reference_schedule

TOLERANCE = 1e-4


def assert_near(actual: Tensor, expected: Tensor | np.ndarray, tolerance: float = TOLERANCE) -> None:
    expected = torch.as_tensor(expected)
    assert actual.shape == expected.shape
    torch.testing.assert_close(actual.detach(), expected, rtol=0, atol=tolerance)


def padded(rows: list[np.ndarray], length: int) -> np.ndarray:
    return np.stack([np.pad(row, (0, length - len(row)), constant_values=-1) for row in rows])


def test_generator_gives_the_stored_weights(golden_case: GoldenCase) -> None:
    assert weights_sha256(golden_case.weights) == golden_case.meta["weights_sha256"]
    for key, values in golden_case.meta["first_values"].items():
        assert golden_case.weights[key].flatten()[: len(values)].tolist() == values


def test_stored_checkpoint_is_the_generated_one(golden_case: GoldenCase) -> None:
    if golden_case.name != "a":
        return
    stored = load_file(shared_path("golden", "silksong_model", "a_model.safetensors"))
    assert stored.keys() == golden_case.weights.keys()
    assert all(torch.equal(tensor, golden_case.weights[key]) for key, tensor in stored.items())


@torch.no_grad()
def test_point_encoder(golden_case: GoldenCase) -> None:
    model, points = golden_case.model(), golden_case.tensor("pc")
    features = fourier_features(points[0, :4, :3], frequencies=8)
    assert_near(features, golden_case.arrays["enc_fourier_b0_p0_3"])
    projected = model.encoder.point_projection(torch.cat([features, points[0, :4, 3:]], dim=-1))
    assert_near(projected, golden_case.arrays["enc_proj_b0_p0_3"])
    after_reading: list[Tensor] = []
    model.encoder.read_block.register_forward_hook(lambda _, __, output: after_reading.append(output))
    assert_near(model.encoder(points), golden_case.arrays["enc_latents"])
    assert_near(after_reading[0][0], golden_case.arrays["enc_after_cross_b0"])


@torch.no_grad()
def test_condition(golden_case: GoldenCase) -> None:
    assert_near(golden_case.model().condition(golden_case.tensor("pc")), golden_case.arrays["cond_embeds"])


@torch.no_grad()
def test_decoder_and_loss(golden_case: GoldenCase) -> None:
    model, tokens = golden_case.model(), golden_case.tensor("codes")
    condition = model.condition(golden_case.tensor("pc"))
    labels = labels_of(tokens, model.config.eos_id)
    assert torch.equal(labels, golden_case.tensor("labels"))
    assert_near(model.hidden(labels[:, :-1], condition), golden_case.arrays["hidden"])

    logits = model(labels[:, :-1], condition)
    length = golden_case.arrays["lens"][0]
    assert_near(logits[0, [0, 1, length]], golden_case.arrays["logits_b0_first2_last1"])
    assert_near(logits[:, :, golden_case.arrays["logits_cols"]], golden_case.arrays["logits_at_cols"])
    assert_near(logits.logsumexp(-1), golden_case.arrays["logits_lse"])
    assert np.array_equal(logits.argmax(-1), golden_case.arrays["logits_argmax"])

    nll = functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-1, reduction="none")
    assert_near(nll, golden_case.arrays["nll"])
    assert_near(model.loss(tokens, condition), golden_case.arrays["loss"])
    total, count = model.token_loss_sum(tokens, condition)
    assert count == (labels != -1).sum()
    assert_near(total / count, golden_case.arrays["loss"])


@torch.no_grad()
def test_residual_stream(golden_case: GoldenCase) -> None:
    model, tokens = golden_case.model(), golden_case.tensor("codes")
    stream: list[Tensor] = []
    norms = [
        norm
        for block in model.decoder_blocks()
        for norm in (block.self_norm, block.cross_norm, block.feed_forward_norm)
    ]
    for norm in [*norms, model.final_norm]:
        norm.register_forward_pre_hook(lambda _, inputs: stream.append(inputs[0][0]))
    model(tokens, model.condition(golden_case.tensor("pc")))
    assert_near(torch.stack(stream), golden_case.arrays["layer_hiddens_b0"])


def test_greedy_generation(golden_case: GoldenCase) -> None:
    model = golden_case.model()
    condition = model.condition(golden_case.tensor("pc"))
    expected = golden_case.arrays["gen_greedy"]
    rows = model.generate(condition, max_tokens=expected.shape[1])
    assert np.array_equal(np.stack(rows), expected)
    prompt = golden_case.tensor("codes")[:, :6]
    assert np.array_equal(
        np.stack(model.generate(condition, max_tokens=18, prompt=prompt)),
        golden_case.arrays["gen_prompt6_max18"],
    )


def test_greedy_generation_that_ends(golden_case: GoldenCase) -> None:
    model = golden_case.model()
    with torch.no_grad():
        model.head.bias[model.config.eos_id] += golden_case.arrays["eos_bias_delta"].item()
    expected = golden_case.arrays["gen_eos"]
    rows = model.generate_with_status(model.condition(golden_case.tensor("pc")), max_tokens=expected.shape[1])
    assert all(row.ended for row in rows)
    assert np.array_equal(padded([row.tokens for row in rows], expected.shape[1]), expected)


def test_gradient_norm_of_every_parameter(golden_case: GoldenCase) -> None:
    model = golden_case.model()
    model.loss(golden_case.tensor("codes"), model.condition(golden_case.tensor("pc"))).backward()
    expected = dict(golden_case.meta["grad_norm_per_key"])
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        norm = parameter.grad.norm().item()
        assert norm == pytest.approx(expected.pop(reference_name(name)), abs=TOLERANCE), name
    assert not any(expected.values())


def test_six_training_steps(golden_case: GoldenCase) -> None:
    if golden_case.name != "a":
        return
    model, train = golden_case.model(), golden_case.meta["train"]
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=train["base_lr"], betas=(0.9, 0.99), eps=1e-8, weight_decay=0.01
    )
    for step in range(train["steps"]):
        rate = train["base_lr"] * reference_schedule(step, train["total_steps"], train["warmup_ratio"])
        assert rate == pytest.approx(train["lr"][step], abs=1e-12)
        optimizer.param_groups[0]["lr"] = rate
        loss = model.loss(golden_case.tensor("codes"), model.condition(golden_case.tensor("pc")))
        assert loss.item() == pytest.approx(train["loss"][step], abs=TOLERANCE)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, train["clip"])
        assert norm.item() == pytest.approx(train["grad_norm"][step], abs=TOLERANCE)
        optimizer.step()
        optimizer.zero_grad()
    own = {reference_name(name): parameter for name, parameter in model.named_parameters()}
    own.update(model.carried)
    with np.load(shared_path("golden", "silksong_model", "a_train.npz")) as after:
        for key in after.files:
            assert_near(own[key], after[key])


@torch.no_grad()
def test_full_size_point_encoder() -> None:
    meta = json.loads(shared_path("golden", "silksong_model", "enc_full_g_meta.json").read_text())
    keys = json.loads(shared_path("golden", "silksong_model", "keys_release.json").read_text())
    arrays = np.load(shared_path("golden", "silksong_model", "enc_full_g.npz"))
    encoder_keys = {key: shape for key, shape in keys.items() if ".shape_model.encoder." in key}
    weights = golden_state_dict(meta["seed"], encoder_keys)
    assert len(weights) == meta["keys"]
    assert weights_sha256(weights) == meta["weights_sha256_encoder_keys"]

    holder = SilksongModel.__new__(SilksongModel)
    nn.Module.__init__(holder)
    holder.encoder = PointEncoder(meta["width"], meta["heads"], meta["layers"], 256, 8)
    prefix = "conditioner.point_encoder."
    load_point_encoder(holder, {key.removeprefix(prefix): tensor for key, tensor in weights.items()})
    latents = holder.encoder(torch.from_numpy(arrays["pc"]).float().unsqueeze(0))[0]
    assert_near(latents[:4], arrays["latents_rows_0_3"])
    assert_near(latents[:, :8], arrays["latents_cols_0_7"])
    assert_near(latents.mean(-1), arrays["latents_mean"])
    assert_near(latents.std(-1, unbiased=False), arrays["latents_std"])


@pytest.mark.slow
@torch.no_grad()
def test_release_size_model() -> None:
    """601 M parameters, 2.4 GB of weights."""
    began = time.perf_counter()
    meta = json.loads(shared_path("golden", "silksong_model", "release_meta.json").read_text())
    keys = json.loads(shared_path("golden", "silksong_model", "keys_release.json").read_text())
    arrays = np.load(shared_path("golden", "silksong_model", "release_io.npz"))
    unused = (".shape_projection", ".pre_kl.", ".post_kl.", ".transformer.", ".geo_decoder.")
    weights = {
        key: golden_tensor(meta["seed"], key, shape)
        for key, shape in keys.items()
        if not any(part in key for part in unused)
    }
    for key, checksum in meta["checksums"].items():
        assert weights[key].double().sum().item() == pytest.approx(checksum, abs=1e-6), key
    model = load_reference(weights, meta["config"])
    del weights
    print(f"weights {time.perf_counter() - began:.1f} s")

    condition = model.condition(torch.from_numpy(arrays["pc"]).float())
    assert_near(condition[:, [0, 1, 100, 256], :32], arrays["cond_rows"])
    tokens = torch.from_numpy(arrays["codes"])
    labels = labels_of(tokens, model.config.eos_id)
    hidden = model.hidden(labels[:, :-1], condition)
    assert_near(hidden[..., :16], arrays["hidden_cols_0_15"])
    logits = model.head(hidden)
    assert_near(logits.logsumexp(-1), arrays["lse"])
    top = logits.topk(5, dim=-1)
    assert np.array_equal(top.indices, arrays["top5_ids"])
    assert_near(top.values, arrays["top5_logits"])
    loss = model.loss(tokens, condition).item()
    assert loss == pytest.approx(meta["loss"], abs=TOLERANCE)
    print(f"condition and loss {time.perf_counter() - began:.1f} s, loss off by {loss - meta['loss']:.1e}")
    rows = model.generate(condition, max_tokens=arrays["gen_greedy"].shape[1])
    assert np.array_equal(np.stack(rows), arrays["gen_greedy"])
    print(f"all {time.perf_counter() - began:.1f} s")
