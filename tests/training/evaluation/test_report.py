import json
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tokenizer_rs

from model.silksong.system import SilksongGenerator
from model.systems import GeneratedRow, RowRequest
from tests.training.conftest import ShardedMesh, make_box, make_samples, tiny_config, write_data
from training.checkpoints import build_module
from training.data import DataError
from training.evaluation.protocol import PROTOCOLS
from training.evaluation.report import evaluate_run
from training.evaluation.scoring import metrics_schema
from training.launch import prepare_run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Boxes with their real tokens; a name that HTML must not take for its own."""
    samples = []
    for i, sample in enumerate(make_samples(2, 0, 4)):
        box = make_box([1, 0.4 + 0.1 * i, 0.5])
        tokens = tokenizer_rs.Silksong().encode(box.vertices.astype(np.float64), box.faces).tokens
        samples.append(ShardedMesh(f"<b>box</b> {i}", sample.split, box, tokens.astype(np.uint16)))
    return write_data(tmp_path / "data", samples)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    """A run folder with one checkpoint of random weights."""
    from safetensors.torch import save_file

    config = tiny_config()
    prepare_run(config, data, tmp_path / "run", resume=False)
    checkpoint = tmp_path / "run" / "checkpoints" / "step-000001"
    checkpoint.mkdir(parents=True)
    save_file(build_module(config).state_dict(), checkpoint / "model.safetensors")
    (checkpoint / "position.json").write_text(json.dumps({"step": 1}))
    return tmp_path / "run"


def test_random_weights_give_a_full_account(run: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = evaluate_run(run, data, "test", out, temperature=1.0)
    metrics = pl.read_parquet(out / "metrics.parquet")
    assert dict(metrics.schema) == metrics_schema(PROTOCOLS["paired-10k"])
    assert metrics.height == summary["requested"] == 4
    assert sum(summary["status_counts"].values()) == 4
    assert summary["valid"] == metrics.filter(pl.col("status") == "valid").height
    assert metrics["cd_l2_sum_penalised"].is_not_null().all()
    assert summary["scores"]["cd_l2_sum"]["penalised"] > 0
    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(summary))
    _check_html((out / "report.html").read_text())


def test_a_perfect_model_scores_at_the_floor(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SilksongGenerator, "generate_each", _answers(data, fail_last=True))
    summary = evaluate_run(run, data, "test", tmp_path / "out", batch_size=8)
    scores = summary["scores"]
    assert (summary["requested"], summary["valid"]) == (4, 3)
    assert summary["status_counts"] == {"not_ended": 1, "valid": 3}
    assert scores["cd_l2_sum"]["valid"] == pytest.approx(scores["cd_l2_sum"]["floor"], rel=0.5)
    assert scores["cd_l2_sum"]["penalised"] > 10 * scores["cd_l2_sum"]["valid"]
    low, high = scores["cd_l2_sum"]["valid_interval"]
    assert low <= scores["cd_l2_sum"]["valid"] <= high
    assert summary["rates"]["watertight"] == summary["rates"]["manifold"] == 1
    assert summary["rates"]["consistent"] == summary["face_ratio"] == 1
    assert summary["rates"]["ended"] == 0.75
    assert 0 < summary["compression_ratio"] < 1
    html = (tmp_path / "out" / "report.html").read_text()
    assert "3 of 4 meshes are valid" in html
    _check_html(html)


def test_the_other_protocol_and_a_limit(run: Path, data: Path, tmp_path: Path) -> None:
    summary = evaluate_run(run, data, "test", tmp_path / "out", limit=2, protocol="paired-1k-self")
    assert summary["requested"] == 2
    assert set(summary["scores"]) == {"cd_l2_sum", "hd"}
    assert summary["n_split"] == 4


def test_an_empty_split_is_an_error_that_says_which_are_not(run: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"split val .* has 0 samples.*'test': 4, 'train': 2"):
        evaluate_run(run, data, "val", tmp_path / "out")


def test_an_unknown_protocol_is_named(run: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'set-2048' is not one of paired-10k, paired-1k-self"):
        evaluate_run(run, data, "test", tmp_path / "out", protocol="set-2048")


def _answers(data: Path, fail_last: bool) -> Any:
    from training.data import ShardDataset

    held_out = ShardDataset(data, "test", tiny_config())

    def generate_each(
        _: SilksongGenerator, requests: Iterable[RowRequest], *__: Any
    ) -> Iterator[tuple[int, GeneratedRow]]:
        for request in requests:
            i = request.index
            ended = not (fail_last and i == len(held_out) - 1)
            yield i, GeneratedRow(held_out.tokens(i), ended, 0.1)

    return generate_each


def _check_html(html: str) -> None:
    assert "<b>box</b>" not in html
    assert "&lt;b&gt;box&lt;/b&gt;" in html
    assert html.lstrip().startswith("<!doctype html>")
    assert "http" not in html.replace("http-equiv", "")
    sources = [dict(attributes)["src"] for tag, attributes in _tags(html) if tag == "img"]
    assert sources
    assert all(source is not None and source.startswith("data:image/png;base64,") for source in sources)


def _tags(html: str) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    found: list[tuple[str, list[tuple[str, str | None]]]] = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, attrs))

    Collector().feed(html)
    return iter(found)
