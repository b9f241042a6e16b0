"""Checkpoints in the reference's layout: the key list, the way there and back, loud errors."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.silksong import (
    SilksongConfig,
    SilksongModel,
    load_reference,
    reference_name,
    reference_state_dict,
    save_reference,
)
from tests.shared_data import shared_path

UNUSED = (".shape_projection", ".pre_kl.", ".post_kl.", ".transformer.", ".geo_decoder.")


@pytest.fixture(scope="module")
def golden_config() -> dict[str, int]:
    return json.loads(shared_path("golden", "silksong_model", "a_meta.json").read_text())["config"]


@pytest.fixture(scope="module")
def golden_file() -> Path:
    return shared_path("golden", "silksong_model", "a_model.safetensors")


def tiny_model() -> SilksongModel:
    torch.manual_seed(0)
    return SilksongModel(SilksongConfig.tiny())


def test_release_keys_and_shapes() -> None:
    expected = json.loads(shared_path("golden", "silksong_model", "keys_release.json").read_text())
    used = {key: shape for key, shape in expected.items() if not any(part in key for part in UNUSED)}
    assert (len(expected), len(used)) == (804, 603)
    with torch.device("meta"):
        model = SilksongModel(SilksongConfig.release())
    own = {key: list(tensor.shape) for key, tensor in reference_state_dict(model).items()}
    assert own == used
    assert sum(parameter.numel() for parameter in model.parameters()) == 722_241_182 - 121_236_609


def test_all_release_keys_are_accepted_and_kept() -> None:
    shapes = json.loads(shared_path("golden", "silksong_model", "keys_release.json").read_text())
    small = SilksongConfig.from_reference({**_tiny_reference_options(), "depth": 24, "enc_layers": 8})
    with torch.device("meta"):
        own = reference_state_dict(SilksongModel(small))
    unused = {key: torch.zeros(1) for key in shapes if key not in own}
    model = load_reference({**{key: torch.zeros(t.shape) for key, t in own.items()}, **unused}, small)
    assert reference_state_dict(model).keys() == shapes.keys()


def test_there_and_back(golden_config: dict[str, int], golden_file: Path, tmp_path: Path) -> None:
    model = load_reference(golden_file, golden_config)
    save_reference(model, tmp_path / "again.safetensors")
    before, after = load_file(golden_file), load_file(tmp_path / "again.safetensors")
    assert before.keys() == after.keys()
    for key, tensor in before.items():
        assert tensor.dtype == after[key].dtype
        assert torch.equal(tensor, after[key]), key


def test_carried_tensors_are_no_parameters(golden_config: dict[str, int], golden_file: Path) -> None:
    model = load_reference(golden_file, golden_config)
    own = {reference_name(name) for name, _ in model.named_parameters()}
    assert model.carried
    assert all(any(part in key for part in UNUSED) for key in model.carried)
    assert not own & model.carried.keys()
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
def test_torch_pickle(
    wrapper: str | None, golden_config: dict[str, int], golden_file: Path, tmp_path: Path
) -> None:
    tensors = load_file(golden_file)
    torch.save({wrapper: tensors} if wrapper else tensors, tmp_path / "model.pt")
    model = load_reference(tmp_path / "model.pt", SilksongConfig.from_reference(golden_config))
    assert torch.equal(model.start_vector, tensors["sos_token"])


def test_state_dict_is_copied(golden_config: dict[str, int], golden_file: Path) -> None:
    tensors = load_file(golden_file)
    model = load_reference(tensors, golden_config)
    with torch.no_grad():
        model.start_vector.zero_()
    assert tensors["sos_token"].any()


def test_missing_keys_are_named() -> None:
    model = tiny_model()
    tensors = dict(reference_state_dict(model))
    del tensors["sos_token"], tensors["decoder.layers.4.1.mem_k"]
    with pytest.raises(KeyError, match=r"lacks 2 keys: decoder\.layers\.4\.1\.mem_k, sos_token"):
        load_reference(tensors, model.config)
    with pytest.raises(KeyError, match="sos_token"):
        load_reference(tensors, model.config, strict=False)


def test_unknown_keys_are_named() -> None:
    model = tiny_model()
    tensors = {**reference_state_dict(model), "decoder.layers.0.1.surprise": torch.zeros(1)}
    with pytest.raises(KeyError, match=r"unknown keys: decoder\.layers\.0\.1\.surprise"):
        load_reference(tensors, model.config)
    loaded = load_reference(tensors, model.config, strict=False)
    assert "decoder.layers.0.1.surprise" not in reference_state_dict(loaded)


def test_wrong_shapes_are_named() -> None:
    model = tiny_model()
    tensors = {**reference_state_dict(model), "sos_token": torch.zeros(7)}
    with pytest.raises(ValueError, match=r"sos_token is \(7,\), the configuration asks for \(32,\)"):
        load_reference(tensors, model.config)


def test_configurations_in_either_language(golden_config: dict[str, int]) -> None:
    config = SilksongConfig.from_reference(golden_config)
    assert (config.width, config.max_tokens, config.encoder.heads) == (24, 256, 4)
    assert SilksongConfig.parse(golden_config) == config
    assert SilksongConfig.parse(config.model_dump()) == config
    assert SilksongConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValueError, match=r"unknown reference options.*colour"):
        SilksongConfig.from_reference({**golden_config, "colour": 1})


def test_configuration_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="give heads >= 2"):
        SilksongConfig(heads=1)
    with pytest.raises(ValueError, match="not a multiple of its 12 heads; give a width of 96"):
        SilksongConfig(encoder={"width": 100})
    with pytest.raises(ValueError, match="must rise within the vocabulary"):
        SilksongConfig(kind_bounds=(3, 2, 1, 4, 5, 6))
    assert SilksongConfig(vocab_size=500).kind_bounds == ()


def _tiny_reference_options() -> dict[str, int]:
    return {"dim": 8, "heads": 2, "max_seq_len": 8, "feature_dim": 8, "enc_width": 8, "enc_heads": 2}
