"""The MeshGPT transformer gives the reference's numbers: logits, losses, guidance, greedy generation."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.meshgpt.config import AutoencoderConfig, TransformerConfig
from model.meshgpt.gate_loop import GateLoop
from model.meshgpt.generate import GeneratedCodes, Guidance, generate, greedy
from model.meshgpt.reference import load_transformer, transformer_state_dict
from model.meshgpt.text import Text, read_text
from model.meshgpt.transformer import PADDING, MeshTransformer
from tests.model.test_meshgpt_autoencoder_golden import assert_near, primitives
from tests.shared_data import shared_path

TEXT_WIDTH = 24


def read_meta() -> dict[str, Any]:
    return json.loads(shared_path("golden", "meshgpt", "meta.json").read_text())


def read_config(variant: str) -> TransformerConfig:
    meta = read_meta()
    options = dict(meta["transformer_config"][variant])
    if variant == "text":
        options["dim_text"] = TEXT_WIDTH
    autoencoder = AutoencoderConfig.from_reference(meta["ae_config"]["lfq"])
    return TransformerConfig.from_reference(options, autoencoder)


def weights_path(variant: str):
    return shared_path("golden", "meshgpt", f"tr_{variant}.safetensors")


def read_model(variant: str) -> MeshTransformer:
    return load_transformer(weights_path(variant), read_config(variant)).eval()


def read_vectors(variant: str) -> dict[str, Tensor]:
    return load_file(shared_path("golden", "meshgpt", f"transformer_{variant}.safetensors"))


def read_codes() -> Tensor:
    return read_vectors("uncond")["codes_flat"].long()


def assert_codes(rows: list[GeneratedCodes], expected: Tensor) -> None:
    assert len(rows) == len(expected)
    for row, codes in zip(rows, expected, strict=True):
        assert torch.equal(row.codes.reshape(-1, 2), codes[codes[:, 0] != PADDING].long())


@pytest.mark.parametrize("length", [0, 1, 5, 6, 7, 12, 17, 18, 36])
@torch.no_grad()
def test_logits_of_prefixes(length: int) -> None:
    expected = read_vectors("uncond")[f"logits_prefix_{length}"]
    assert_near(read_model("uncond")(read_codes()[: len(expected), :length]), expected)


@torch.no_grad()
def test_labels_and_loss() -> None:
    model, vectors = read_model("uncond"), read_vectors("uncond")
    assert torch.equal(model.labels(read_codes()), vectors["labels_with_eos"].long())
    assert_near(model.loss(read_codes()), vectors["loss"][0])
    assert_near(model.loss(read_codes()), vectors["loss_from_codes"][0])


def test_by_default_a_shorter_row_has_no_label_behind_its_end() -> None:
    config = read_config("uncond").model_copy(update={"labels_padding": False})
    codes = torch.tensor([[5, 6, 7, 8, 9, 10, *[PADDING] * 6], [1] * 12])
    labels = MeshTransformer(config).labels(codes)
    assert labels[0].tolist() == [5, 6, 7, 8, 9, 10, config.end_id, *[PADDING] * 6]
    assert labels[1].tolist() == [*[1] * 12, config.end_id]


def test_greedy_generation() -> None:
    model, vectors = read_model("uncond").train(), read_vectors("uncond")
    rows = generate(model, 48, greedy)
    assert_codes(rows, vectors["greedy_cache"])
    assert {row.stopped for row in rows} == {"length"}
    assert_codes(
        generate(model, 48, greedy, prompt_BL=read_codes()[:, :12]), vectors["greedy_prompt12_cache"]
    )
    assert model.training


def test_generation_stops_at_the_end_of_a_face() -> None:
    model, vectors = read_model("uncond"), read_vectors("uncond")
    with torch.no_grad():
        model.head.bias[-1] += 20
    rows = generate(model, 48, greedy, prompt_BL=read_codes()[:, :7])
    assert_codes(rows, vectors["greedy_eosbias_prompt7"])
    assert {row.stopped for row in rows} == {"end"}
    assert_codes(generate(model, 48, greedy), vectors["greedy_eosbias_empty"])


def text_of(vectors: dict[str, Tensor]) -> tuple[Text, Text]:
    text = read_text(vectors["text_embeds"])
    return text, text.without(torch.ones(len(text.features), dtype=torch.bool))


@torch.no_grad()
def test_text_and_guidance() -> None:
    model, vectors = read_model("text"), read_vectors("text")
    text, nothing = text_of(vectors)
    codes = read_codes()[:, :12]
    with_text, without = model(codes, text), model(codes, nothing)
    assert_near(with_text, vectors["logits_cs1_prefix_12"])
    assert_near(without, vectors["logits_null_prefix_12"])
    for guidance, name in [
        (Guidance(3), "cs3"),
        (Guidance(3, parallel_share=0), "cs3_noparallel"),
        (Guidance(3, rescale=0.7), "cs3_rescale0.7"),
    ]:
        assert_near(guidance.apply(with_text, without), vectors[f"logits_{name}_prefix_12"])
    assert_near(model.loss(read_codes(), text), vectors["loss_cond"][0])


@pytest.mark.parametrize("scale", [1, 3])
def test_greedy_generation_with_text(scale: int) -> None:
    model, vectors = read_model("text"), read_vectors("text")
    text, _ = text_of(vectors)
    rows = generate(model, 24, greedy, text=text, guidance=Guidance(scale), batch_size=2)
    assert_codes(rows, vectors[f"greedy_cs{scale}_cache"])


@pytest.mark.parametrize("variant", ["uncond", "text"])
def test_checkpoints_return_whole(variant: str) -> None:
    stored, found = load_file(weights_path(variant)), transformer_state_dict(read_model(variant))
    assert found.keys() == stored.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in stored.items())
    listed = read_meta()["state_dict_keys"][f"tr_{variant}"]
    own = {key for key in listed if not key.startswith("autoencoder.")}
    assert found.keys() == own


def test_a_model_without_text_refuses_one() -> None:
    text, _ = text_of(read_vectors("text"))
    with pytest.raises(ValueError, match="no text"):
        read_model("uncond")(read_codes()[:, :6], text)
    with pytest.raises(ValueError, match="a text"):
        read_model("text")(read_codes()[:, :6])
    with pytest.raises(ValueError, match="guidance needs a text"):
        generate(read_model("uncond"), 6, greedy, guidance=Guidance(2))


def test_too_long_a_sequence_is_refused() -> None:
    model = read_model("uncond")
    with pytest.raises(
        ValueError, match=r"606 tokens exceed max_tokens 600; leave out meshes of more than 100"
    ):
        model(torch.zeros(1, 606, dtype=torch.int64))
    with pytest.raises(ValueError, match="positions for 600"):
        generate(model, 601, greedy)


@torch.no_grad()
def test_gate_loop_alone() -> None:
    arrays = primitives()
    layer = GateLoop(arrays["gateloop_x"].shape[-1])
    layer.norm.gain.copy_(arrays["gateloop_w/norm.gamma"])
    layer.to_qua.weight.copy_(arrays["gateloop_w/to_qkva.0.weight"])
    # The record is of the layer without its residual.
    expected = arrays["gateloop_x"] + arrays["gateloop_y"]
    assert_near(layer(arrays["gateloop_x"]), expected)
    state, steps = None, []
    for token in arrays["gateloop_x"].split(1, dim=1):
        step, state = layer.step(token, state)
        steps.append(step)
    assert_near(torch.cat(steps, dim=1), expected)
