"""From what is said of meshes to meshes: captions, a frozen encoder, training, generation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from meshloom.cli import app
from model.meshgpt.config import MeshgptConfig
from model.meshgpt.system import SYSTEM, MeshgptGenerator
from model.meshgpt.text import read_text
from model.meshgpt.transformer import MeshTransformer
from model.systems import Sampling
from pipelines.storage import DataFolder, ShardKey, write_table
from tests.model.test_meshgpt_system import SIZES
from tests.training.conftest import make_samples, tiny_config, write_data
from training.batches import training_batches
from training.checkpoints import POSITION, WEIGHTS, RunError, load_generator
from training.conditions import conditions_of_split
from training.config import ConfigError, ExperimentConfig, dump_config, parse_config
from training.data import DataError, ShardDataset
from training.derivation import derivations
from training.evaluation.report import evaluate_run
from training.generation import Condition, generate_meshes
from training.launch import launch_training, prepare_run
from training.text import TextEncoder, Texts, read_captions

CPU = torch.device("cpu")
WIDTH = 8
WORDS = ("<pad>", "</s>", "<unk>", "a", "chair", "table", "lamp")
CAPTIONS = {"box/000": "a chair", "box/001": "a table", "box/002": "  ", "box/004": "a lamp"}


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 with random weights whose words are those above."""
    return write_t5(tmp_path_factory.mktemp("t5"))


def write_t5(folder: Path, seed: int = 0) -> Path:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {"d_model": WIDTH, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    T5EncoderModel(T5Config(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", make_samples(4, 2, 0))


def write_captions(path: Path, captions: Mapping[str, str | None] = CAPTIONS) -> Path:
    frame = pl.DataFrame(
        {"mesh_id": list(captions), "text": list(captions.values())}, schema_overrides={"text": pl.String}
    )
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return path


def config(t5: Path | None, captions: Path | None = None, **changes: Any) -> ExperimentConfig:
    sizes = {**SIZES["transformer"], "max_tokens": 72, "text_width": WIDTH, "fine_sees_text": True}
    content = {
        "system": "meshgpt",
        "stage": "transformer",
        "earlier": {"autoencoder": "NOWHERE"},
        "model": {**SIZES, "transformer": sizes},
        "data": {
            "augment": {"rotate": False, "scale": False},
            "text_encoder": None if t5 is None else str(t5),
            "captions": None if captions is None else str(captions),
        },
        "schedule": {"steps": 2, "warmup": 0},
        "batch_size": 4,
        "mixed_precision": "no",
        "threads": 1,
        "log_every": 1,
        "evaluate_every": 2,
    }
    return parse_config({**content, **changes})


def write_autoencoder_run(run: Path, settings: ExperimentConfig) -> Path:
    checkpoint = run / "checkpoints" / "step-000001"
    checkpoint.mkdir(parents=True)
    first = settings.model_dump(mode="json") | {"stage": "autoencoder", "earlier": {}}
    (run / "config.yaml").write_text(dump_config(parse_config(first)))
    (checkpoint / POSITION).write_text("{}")
    torch.manual_seed(0)
    save_file(SYSTEM.stages[0].build(settings.model).state_dict(), checkpoint / WEIGHTS)
    return run


def test_features_are_those_of_the_encoder(t5: Path) -> None:
    from transformers import T5EncoderModel

    encode = TextEncoder(t5, WIDTH, CPU)
    network = T5EncoderModel.from_pretrained(t5).eval()
    expected = network(input_ids=torch.tensor([[3, 4]])).last_hidden_state[0].detach().numpy()
    np.testing.assert_allclose(encode("a chair"), expected, atol=1e-6)
    np.testing.assert_allclose(encode(" a chair\n"), expected, atol=1e-6)
    assert encode("").shape == encode(" \n").shape == (0, WIDTH)
    assert encode("chair " * 1_000_000).shape == (256, WIDTH)


def test_texts_are_in_the_batches_and_computed_once(
    data: Path, t5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(t5, write_captions(tmp_path / "captions.parquet"))
    encode, said = TextEncoder.__call__, []
    monkeypatch.setattr(TextEncoder, "__call__", lambda self, text: said.append(text) or encode(self, text))
    earlier = {"autoencoder": SYSTEM.stages[0].build(settings.model).eval()}
    dataset = ShardDataset(data, "train", settings)
    for _ in range(2):
        derive = derivations(settings, earlier, CPU, data, tmp_path / "run")
        (batch,) = training_batches(dataset, 0, 1, derive=derive)
    assert sorted(said) == ["", "  ", "a chair", "a table"]
    assert batch.tensors.keys() == {"codes", "text"}
    text = read_text(batch.tensors["text"])
    n_words = dict(zip(batch.mesh_ids, text.is_token.sum(1).tolist(), strict=True))
    assert n_words == {"box/000": 2, "box/001": 2, "box/002": 0, "box/003": 0}
    row = batch.mesh_ids.index("box/001")
    np.testing.assert_allclose(text.features[row].numpy(), TextEncoder(t5, WIDTH, CPU)("a table"), atol=1e-6)


def test_another_encoder_never_meets_features_that_are_not_its_own(
    data: Path, tmp_path: Path, t5: Path
) -> None:
    captions = write_captions(tmp_path / "captions.csv")
    found = []
    for folder in (t5, write_t5(tmp_path / "other", seed=1)):
        texts = Texts.of(config(folder, captions), CPU, data, tmp_path)
        assert texts is not None
        found.append(texts.features("a chair"))
    assert not np.allclose(*found)
    assert len(list((data / "cache" / "derived").glob("text-*"))) == 2


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_captions_come_from_a_file(tmp_path: Path, suffix: str) -> None:
    path = write_captions(tmp_path / f"captions.{suffix}", {"1": "2", "b": 'a "quoted", thing', "c": None})
    assert read_captions(path, tmp_path) == {"1": "2", "b": 'a "quoted", thing'}
    assert read_captions(write_captions(path, {"007": "1.0"}), tmp_path) == {"007": "1.0"}


def test_captions_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    twice = tmp_path / "twice.parquet"
    pl.DataFrame({"mesh_id": ["a", "a"], "text": ["x", "y"]}).write_parquet(twice)
    with pytest.raises(DataError, match=r"twice\.parquet has several texts of a"):
        read_captions(twice, tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("mesh,caption\na,b\n")
    with pytest.raises(DataError, match=r"other\.csv cannot be read as Parquet or CSV with columns mesh_id"):
        read_captions(other, tmp_path)
    with pytest.raises(DataError, match=r"none\.parquet cannot be read"):
        read_captions(tmp_path / "none.parquet", tmp_path)
    with pytest.raises(DataError, match=r"no table that says what its meshes are; give data\.captions=FILE"):
        read_captions(None, tmp_path)


def test_without_a_file_a_mesh_is_its_category_or_its_name(tmp_path: Path) -> None:
    rows = {
        "mesh_id": ["a", "b", "c"],
        "category": ["office_chair", "04379243", None],
        "name": ["x1", "round_table", "lamp"],
    }
    write_table(DataFolder(tmp_path).table("curated", ShardKey("local", "0")), pl.DataFrame(rows))
    assert read_captions(None, tmp_path) == {"a": "office chair", "b": "round table", "c": "lamp"}


def test_what_does_not_fit_is_refused_before_anything_starts(data: Path, t5: Path, tmp_path: Path) -> None:
    captions = write_captions(tmp_path / "captions.parquet")
    with pytest.raises(ConfigError, match=r"the model reads texts; give data\.text_encoder=FOLDER"):
        config(None, captions)
    wide = config(t5, captions).model_dump(mode="json")
    wide["model"]["transformer"]["text_width"] = 16
    wide["earlier"] = {"autoencoder": str(write_autoencoder_run(tmp_path / "wide", parse_config(wide)))}
    with pytest.raises(ConfigError, match="gives 8 channels, and the model reads 16"):
        prepare_run(parse_config(wide), data, tmp_path / "run", resume=False)
    first = write_autoencoder_run(tmp_path / "first", config(t5, captions))
    earlier = {"autoencoder": str(first)}
    with pytest.raises(ConfigError, match=r"data\.text_encoder: .*first has no config\.json of a T5"):
        prepare_run(config(first, captions, earlier=earlier), data, tmp_path / "run", resume=False)
    silent = write_captions(tmp_path / "silent.parquet", {"box/000": "", "else": "a chair"})
    with pytest.raises(DataError, match=r"none of the 4 meshes of .* has a text"):
        prepare_run(config(t5, silent, earlier=earlier), data, tmp_path / "run", resume=False)
    settings = config(t5, captions, earlier=earlier)
    prepare_run(settings, data, tmp_path / "run", resume=False)
    prepare_run(settings, data, tmp_path / "run", resume=True)
    write_captions(captions, {**CAPTIONS, "box/001": "a lamp"})
    with pytest.raises(RunError, match=r"data\.captions or data\.text_encoder: other texts"):
        prepare_run(settings, data, tmp_path / "run", resume=True)


def codes_and_texts(t5: Path) -> dict[str, torch.Tensor]:
    encode = TextEncoder(t5, WIDTH, CPU)
    rows = [encode("a chair"), encode("a table"), encode("a lamp")]
    return {
        "codes": torch.arange(36).view(3, 12) * 5 % 16,
        "text": torch.from_numpy(np.stack(rows)),
    }


def test_in_training_some_texts_are_left_out(t5: Path) -> None:
    stage, batch = SYSTEM.stages[1], codes_and_texts(t5)
    network = stage.build(_drop(config(t5).model, 0.5))
    assert isinstance(network, MeshTransformer)
    text, nobody = read_text(batch["text"]), torch.tensor([False] * 3)
    losses = {}
    with torch.no_grad():
        for left_out in ([], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]):
            rows = nobody.clone()
            rows[left_out] = True
            losses[tuple(left_out)] = float(network.token_loss_sum(batch["codes"], text.without(rows))[0])
        assert float(stage.loss_sum(network.eval(), batch, {})[0]) == losses[()]
        network.train()
        found = set()
        for seed in range(40):
            torch.manual_seed(seed)
            loss = float(stage.loss_sum(network, batch, {})[0])
            found |= {rows for rows, known in losses.items() if known == pytest.approx(loss, abs=1e-4)}
    assert len(set(losses.values())) == 8
    assert found == set(losses)


def _drop(model: Any, share: float) -> MeshgptConfig:
    content = model.model_dump()
    content["transformer"]["text_drop"] = share
    return MeshgptConfig.model_validate(content)


def test_a_text_decides_which_mesh_is_written(t5: Path) -> None:
    stage, batch = SYSTEM.stages[1], codes_and_texts(t5)
    settings = _drop(config(t5).model, 0.2)
    torch.manual_seed(0)
    networks = {stage.name: stage.build(settings) for stage in SYSTEM.stages}
    network = networks["transformer"]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        total, count = stage.loss_sum(network, batch, {})
        (total / count).backward()
        optimizer.step()
    made = SYSTEM.generator(networks, None)
    assert isinstance(made, MeshgptGenerator)
    for guidance in (1.0, 2.0):
        sampling = Sampling(seed=0, temperature=0.0, max_tokens=72, guidance=guidance)
        rows = made.generate(None, 3, sampling, list(batch["text"].flip(0)))
        assert [row.tokens.tolist() for row in rows] == batch["codes"].flip(0).tolist()
    silent = made.generate(None, 2, Sampling(seed=0, temperature=0.0, max_tokens=72))
    assert silent[0].tokens.tolist() == silent[1].tokens.tolist()


def test_a_run_reads_texts_and_writes_from_them(data: Path, t5: Path, tmp_path: Path) -> None:
    captions = write_captions(tmp_path / "captions.parquet")
    first = write_autoencoder_run(tmp_path / "first", config(t5, captions))
    run, out = tmp_path / "run", tmp_path / "out"
    settings = config(t5, captions, earlier={"autoencoder": str(first)})
    assert launch_training(settings, data, run) == 0
    weights = load_file(run / "checkpoints" / "step-000002" / WEIGHTS)
    assert weights["coarse.layers.0.cross_attention.to_k.weight"].shape[1] == WIDTH
    arguments = [str(run), "--text", "a chair", "--text", "a chair", "--guidance", "2", "--out", str(out)]
    result = CliRunner().invoke(app, ["generate", *arguments, "--max-tokens", "12"], catch_exceptions=False)
    assert result.exit_code == 0
    table = pl.read_parquet(out / "generated.parquet")
    assert table["name"].to_list() == table["text"].to_list() == ["a chair", "a chair"]
    generator, resolved = load_generator(run)
    nothing = np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    fingerprints = set(table["fingerprint"])
    for text, guidance in (("a chair", 2.0), ("a table", 2.0), ("a chair", 1.0), (None, 1.0)):
        conditions = [Condition("a chair", f"text:{i}", *nothing, text) for i in range(2)]
        folder = tmp_path / f"{text}-{guidance}"
        again = generate_meshes(generator, resolved, conditions, folder, max_tokens=12, guidance=guidance)
        is_same = (text, guidance) == ("a chair", 2.0)
        assert again["tokens"].equals(table["tokens"]) or not is_same
        assert (set(again["fingerprint"]) == fingerprints) == is_same
    # meshes of a data set come with what is said of them, and nothing is said of the last
    said = {"box/004": "a lamp", "box/005": None}
    assert {given.name: given.text for given in conditions_of_split(data, "val", resolved)} == said
    evaluate_run(run, data, "val", tmp_path / "evaluation", protocol="paired-1k-self")
    generated = pl.read_parquet(tmp_path / "evaluation" / "generated" / "generated.parquet")
    assert dict(generated.select("name", "text").iter_rows()) == said


def test_a_run_that_reads_no_texts_refuses_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = {
        stage.name: stage.build(MeshgptConfig.model_validate(SIZES)).eval() for stage in SYSTEM.stages
    }
    made = SYSTEM.generator(networks, None)
    condition = Condition("x", "text:0", np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64), "a chair")
    settings = parse_config({"system": "meshgpt", "stage": "autoencoder", "model": SIZES})
    with pytest.raises(ValueError, match="this run of meshgpt reads no texts"):
        generate_meshes(made, settings, [condition], tmp_path)


def test_systems_without_texts_have_none(box_data: Path, tmp_path: Path) -> None:
    assert Texts.of(tiny_config(), CPU, box_data, tmp_path) is None
    assert derivations(tiny_config(), {}, CPU, box_data, tmp_path) is None
