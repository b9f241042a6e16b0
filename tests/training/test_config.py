from pathlib import Path

import pytest

from model.silksong import SilksongConfig
from tests.training.conftest import TINY
from training.checkpoints import build_module
from training.config import EXPERIMENTS, ConfigError, differences, dump_config, load_config, parse_config

REPOSITORY = Path(__file__).parents[2]


def test_defaults_need_no_file() -> None:
    config = load_config(None)
    assert (config.system, config.stage, config.model) == ("silksong", "decoder", SilksongConfig())


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_of_the_repository_loads(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    copy = tmp_path / "config.yaml"
    copy.write_text(dump_config(config))
    assert load_config(copy) == config
    assert load_config(path.stem) == config


def test_an_override_is_parsed_as_yaml_and_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("optimizer: {lr: 1.0e-3}\nbatch_size: 2\n")
    overrides = ["optimizer.lr=2.5e-4", "data.augment.rotate=false", "optimizer.betas=[0.8, 0.9]"]
    config = load_config(path, overrides)
    assert config.optimizer.lr == 2.5e-4
    assert config.data.augment.rotate is False
    assert config.optimizer.betas == (0.8, 0.9)
    assert config.batch_size == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lrr=1", r"optimizer\.lrr: unknown key; did you mean lr\?"),
        ("lr=1", r"lr: unknown key; did you mean optimizer\.lr\?"),
        ("model.encoder.point=1", r"model\.encoder\.point: unknown key; did you mean points\?"),
        ("qqq=1", r"qqq: unknown key; known here: system, stage, earlier, model, .*"),
        ("batch_size=0", r"batch_size: Input should be greater than or equal to 1"),
        ("system=other", r"system: .*Known are meshgpt, silksong"),
        ("data.max_tokens=20000", r"data\.max_tokens 20000 exceeds the model's 10240; lower it"),
        ("data.point_pool=10", r"data\.point_pool 10 is below the model's 4096 points"),
        ("batch_size", r"'batch_size' is not of the form key\.sub=value"),
        (
            "data.tokenizer.name=runes",
            r"data\.tokenizer: .*'silksong', 'edgerunner', 'face_sequence', 'loom'",
        ),
        ("data.tokenizer.resolutio=2", r"resolutio: unknown key; did you mean resolution\?"),
        (
            "data.tokenizer={name: loom, engine: 1}",
            r"engine: unknown key; known here: name, resolution, scheme",
        ),
        ("data.tokenizer={name: edgerunner, engine: lr}", r"engine: Input should be 'lr_absco'"),
        ("seed.x=1\n: [", r"is not YAML"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, [override])


def test_the_tokenizer_has_to_come_from_somewhere() -> None:
    with pytest.raises(ConfigError, match=r"no data set has filled it in"):
        _ = load_config(None).tokenizer
    assert load_config(None, ["data.tokenizer.conformance=reference"]).tokenizer.label == (
        "silksong/block_offset/128/reference"
    )


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml cannot be read"):
        load_config(tmp_path / "absent.yaml")


def test_only_what_changes_the_run_is_a_difference() -> None:
    before = parse_config({})
    after = parse_config({"processes": 2, "log_every": 1, "optimizer": {"lr": 1.0}})
    assert differences(before, after) == ["optimizer.lr: 0.0001 -> 1.0"]


def test_a_folder_does_not_hide_the_experiment_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_config("demo") == load_config(EXPERIMENTS / "demo.yaml")


def test_activations_are_recomputed_where_the_network_can() -> None:
    silksong = parse_config({**TINY, "recompute_activations": True})
    assert build_module(silksong).recompute_activations is True
    assert build_module(parse_config(TINY)).recompute_activations is False
    meshgpt = load_config("meshgpt-autoencoder", ["recompute_activations=true"])
    with pytest.raises(ConfigError, match="stage autoencoder cannot"):
        build_module(meshgpt)
