"""Sheets of samples as a real run writes them, and that a run is the same with them."""

import io
from pathlib import Path

import torch
from accelerate import Accelerator
from PIL import Image

from tests.training.conftest import STEPS, assert_same_weights, tiny_config
from training.config import parse_config
from training.launch import launch_training
from training.loop import Trainer
from training.reporting import open_reporter
from training.samples import SampleSheets, draw_samples, newest_sheet

AVERAGE = {"update_after": 1, "update_every": 1}


def test_weights_are_the_same_bits_with_samples_and_without(
    long_run: Path, box_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    config = tiny_config(schedule=STEPS, checkpoint_every=4, samples_every=5, samples_meshes=2)
    assert launch_training(config, box_data, run) == 0
    assert "no samples" not in (run / "log.txt").read_text()
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["step-000005.png", "step-000010.png", "step-000012.png"]
    assert newest_sheet(run) == run / "samples" / "step-000012.png"
    assert_same_weights(run, long_run)
    assert not (long_run / "samples").exists()
    assert newest_sheet(long_run) is None


def test_a_sheet_has_the_conditions_and_moves_nothing(box_data: Path, tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, box_data, tiny_config(samples_meshes=2), Accelerator(cpu=True))
    assert trainer.validation_set is not None
    networks = {"decoder": trainer.module}
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    path = draw_samples(tmp_path, 7, trainer.config, trainer.validation_set, networks)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(module.training for module in trainer.module.modules())
    assert path == tmp_path / "samples" / "step-000007.png"
    image = Image.open(io.BytesIO(path.read_bytes())).convert("L")
    assert image.size == (4 * 128, 128 + 20)  # two pairs side by side, with their titles
    for left in (0, 256):
        given = image.crop((left + 4, 4, left + 124, 124))
        assert len(given.getcolors() or []) > 5, "the condition is drawn"
    again = draw_samples(tmp_path, 8, trainer.config, trainer.validation_set, networks)
    assert again.read_bytes() == path.read_bytes()


def test_samples_are_of_the_average_where_there_is_one(box_data: Path, tmp_path: Path) -> None:
    config = tiny_config(samples_every=1, samples_meshes=1, average=AVERAGE)
    trainer = Trainer(tmp_path, box_data, config, Accelerator(cpu=True))
    weights = {name: tensor.clone() for name, tensor in trainer.module.state_dict().items()}
    with torch.no_grad():
        for parameter in trainer.module.parameters():
            parameter.fill_(torch.nan)  # with these, nothing is generated; the average is still the first one
    with open_reporter(tmp_path, 1, is_main=True) as reporter:
        trainer.sheets.draw_if_due(1, reporter.say)
    assert newest_sheet(tmp_path) is not None
    assert all(parameter.isnan().all() for parameter in trainer.module.parameters())
    assert trainer.average is not None
    with trainer.average.in_place():
        assert all(torch.equal(tensor, weights[name]) for name, tensor in trainer.module.state_dict().items())


def test_what_cannot_be_generated_is_a_line_of_the_log(box_data: Path, tmp_path: Path) -> None:
    config = tiny_config(samples_every=1, samples_meshes=1)
    trainer = Trainer(tmp_path, box_data, config, Accelerator(cpu=True))
    with torch.no_grad():
        for parameter in trainer.module.parameters():
            parameter.fill_(torch.nan)
    with open_reporter(tmp_path, 1, is_main=True) as reporter:
        trainer.sheets.draw_if_due(1, reporter.say)
    assert "no samples after step 1: FloatingPointError" in (tmp_path / "log.txt").read_text()
    assert all(module.training for module in trainer.module.modules())
    assert newest_sheet(tmp_path) is None


def test_when_a_sheet_is_due(tmp_path: Path) -> None:
    sheets = SampleSheets(tmp_path, tiny_config(samples_every=4), None, {})
    assert [step for step in range(1, 7) if sheets.is_due(step)] == [4, 6]  # of six steps
    assert not SampleSheets(tmp_path, tiny_config(), None, {}).is_due(6)
    no_meshes = parse_config({"system": "meshgpt", "samples_every": 1})
    assert no_meshes.stage == "autoencoder"
    assert not SampleSheets(tmp_path, no_meshes, None, {}).is_due(1)


def test_without_held_out_meshes_the_log_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    SampleSheets(tmp_path, tiny_config(samples_every=1), None, {}).draw_if_due(1, lines.append)
    assert lines == ["no samples after step 1: DataError: there is no held-out mesh"]
