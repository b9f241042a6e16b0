import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.tokenizers import SilksongSettings
from tests.training.conftest import make_samples, tiny_config, write_data
from training.checkpoints import RunError, load_generator, newest_checkpoint, run_config
from training.config import dump_config
from training.data import DataError
from training.launch import launch_training, prepare_run, train

LAUNCHER = """
import signal, sys
from pathlib import Path
from training.launch import train
# Whatever started this process may have had them ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
sys.exit(train(sys.argv[1], [], Path(sys.argv[2]), Path(sys.argv[3])))
"""


def test_a_run_folder_in_use_is_refused(box_data: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty; give --resume"):
        launch_training(tiny_config(), box_data, tmp_path)
    with pytest.raises(RunError, match="not a run that can be gone on with"):
        launch_training(tiny_config(), box_data, tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_resumed_run_must_be_the_same_run(box_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    prepare_run(tiny_config(), box_data, run, resume=True)
    prepare_run(tiny_config(processes=2, batch_size=2), box_data, run, resume=True)
    with pytest.raises(RunError, match=r"seed: 0 -> 1"):
        prepare_run(tiny_config(seed=1), box_data, run, resume=True)
    other = write_data(tmp_path / "other", make_samples(3, 1, 1))
    with pytest.raises(RunError, match=r"data: sha256:\w+ -> sha256:"):
        prepare_run(tiny_config(), other, run, resume=True)


def test_a_run_names_its_data_and_code(box_data: Path, tmp_path: Path) -> None:
    prepare_run(tiny_config(), box_data, tmp_path / "run", resume=False)
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    assert description["data_version"].startswith("sha256:")
    assert description["n_train"] == 10
    assert description["n_train_too_long"] == 0
    assert "torch" in description["packages"]
    assert run_config(tmp_path / "run") == tiny_config()


def test_a_run_takes_the_tokenizer_of_its_data(box_data: Path, tmp_path: Path) -> None:
    config = tiny_config(data={"tokenizer": None, "augment": {}})
    prepare_run(config, box_data, tmp_path / "run", resume=False)
    assert run_config(tmp_path / "run").tokenizer == SilksongSettings(conformance="extended")
    prepare_run(config, box_data, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": {"tokenizer": {"conformance": "reference"}}},
            r"/reference, but .* was made with .*/extended",
        ),
        ({"model": {"vocab_size": 500}}, r"10267 ids, and the model 500; give model\.vocab_size=10267"),
    ],
)
def test_a_run_with_another_tokenizer_is_refused(
    changes: dict[str, Any], message: str, box_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        prepare_run(tiny_config(**changes), box_data, tmp_path / "run", resume=False)
    assert not (tmp_path / "run").exists()


def test_data_that_names_no_tokenizer_needs_one_given(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", make_samples(2, 0, 0))
    (data / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match=r"names no tokenizer; give data\.tokenizer\.name"):
        prepare_run(tiny_config(data={"tokenizer": None}), data, tmp_path / "run", resume=False)
    prepare_run(tiny_config(), data, tmp_path / "run", resume=False)
    (data / "manifest.json").write_text('{"settings": {"tokenizer": {"name": "runes"}}}')
    with pytest.raises(DataError, match="not known here"):
        prepare_run(tiny_config(), data, tmp_path / "other", resume=False)


def test_nothing_starts_without_samples(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", make_samples(0, 1, 1))
    with pytest.raises(DataError, match="split train"):
        launch_training(tiny_config(), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_checkpoint_cannot_be_loaded(box_data: Path, tmp_path: Path) -> None:
    prepare_run(tiny_config(), box_data, tmp_path / "run", resume=False)
    with pytest.raises(RunError, match="no complete checkpoint"):
        load_generator(tmp_path / "run")
    with pytest.raises(RunError, match="is not a run"):
        load_generator(tmp_path / "absent")


def test_a_rank_that_fails_gives_a_status(box_data: Path, tmp_path: Path) -> None:
    config = tiny_config(optimizer={"lr": 1e30}, schedule={"steps": 50, "warmup": 0})
    lines: list[str] = []
    assert launch_training(config, box_data, tmp_path / "run", on_line=lines.append) != 0
    assert any("lower optimizer.lr" in line or "shape condition has NaN" in line for line in lines)


def test_train_reads_a_file_and_prints_steps(
    box_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_config(tiny_config()))
    assert train(path, ["schedule.steps=2"], box_data, tmp_path / "run") == 0
    assert "step 2/2  loss" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_launcher_leaves_no_process_and_a_checkpoint(
    number: signal.Signals, box_data: Path, tmp_path: Path
) -> None:
    path, run = tmp_path / "endless.yaml", tmp_path / "run"
    path.write_text(dump_config(tiny_config(schedule={"steps": 100_000, "warmup": 0}, processes=2)))
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(path), str(box_data), str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert launcher.stdout is not None
    while not launcher.stdout.readline().startswith("step 2/"):
        assert launcher.poll() is None
    assert len(_processes_of(run)) >= 3
    launcher.send_signal(number)
    launcher.stdout.close()
    try:
        launcher.wait(timeout=60)
    finally:
        launcher.kill()  # and its ranks follow it
    deadline = time.monotonic() + (45 if number == signal.SIGKILL else 2)
    while _processes_of(run) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _processes_of(run) == []
    assert newest_checkpoint(run) is not None


def _processes_of(run: Path) -> list[str]:
    commands = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(run) in command and "training.loop" in command and state != "Z":
            commands.append(command)
    return commands
