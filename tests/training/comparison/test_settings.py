"""A comparison as data: what is refused, and what every run of it shares."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from training.comparison import load_comparison
from training.comparison.settings import COMPARISONS
from training.config import ConfigError, ExperimentConfig, differences

GIVEN = {
    "tokenizers": {"silksong": {"name": "silksong"}, "loom": {"name": "loom"}},
    "curation": {"preset": "loom-default"},
    "experiment": "corpus-silksong",
    "meshes": 80,
    "evaluations": 5,
}


def loaded(tmp_path: Path, **changes: Any) -> Any:
    path = tmp_path / "comparison.yaml"
    path.write_text(yaml.safe_dump({**GIVEN, **changes}))
    return load_comparison(path)


@pytest.mark.parametrize("path", sorted(COMPARISONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_comparison_that_is_there_can_be_run(path: Path) -> None:
    settings = load_comparison(path.stem)
    for name in settings.tokenizers:
        assert settings.config(name, 0).schedule.steps > settings.evaluations


def test_runs_differ_in_tokenizer_vocabulary_and_seed_alone(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    silksong, loom, other = (
        settings.config(name, seed) for name, seed in (("silksong", 0), ("loom", 0), ("loom", 1))
    )
    assert isinstance(loom, ExperimentConfig)
    assert (loom.schedule.steps, loom.evaluate_every, loom.checkpoint_every) == (10, 2, 2)
    keys = {line.split(":")[0].split(".")[0:2][-1] for line in differences(silksong, loom)}
    assert keys == {"tokenizer", "vocab_size", "kind_bounds"}
    assert differences(loom, other) == ["seed: 0 -> 1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"curation": {}}, "must have a preset"),
        ({"curation": {"preset": "loom-default", "tokenizer": {"name": "loom"}}}, "no tokenizer"),
        ({"seeds": [1, 1]}, "name one twice"),
        ({"tokenizers": {"../up": {"name": "loom"}, "loom": {"name": "loom"}}}, "names of folders"),
        ({"tokenizers": {"loom": {"name": "loom"}}}, "at least 2"),
        ({"mesh": 3}, "mesh: Extra inputs"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, **changes)


def test_turning_meshes_and_stages_without_tokens_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"augment\.rotate=false"):
        loaded(tmp_path, overrides=["data.augment.rotate=true"]).config("loom", 0)
    with pytest.raises(ConfigError, match="reads no tokens"):
        loaded(tmp_path, experiment="overfit-meshgpt-autoencoder").config("loom", 0)


def test_steps_of_a_token_budget_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tokens_per_step=null"):
        loaded(tmp_path, overrides=["tokens_per_step=1000"]).config("loom", 0)
