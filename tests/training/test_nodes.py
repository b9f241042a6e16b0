"""Two machines as two launchers on this one."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import STEPS, assert_same_weights, tiny_config
from training.checkpoints import RunError, newest_checkpoint, read_position
from training.config import dump_config
from training.launch import launch_training
from training.nodes import Node
from training.reporting import read_metrics

ROOT = Path(__file__).parents[2]
TWO_NODES = {"batch_size": 2, "nodes": 2}


def test_two_nodes_end_where_two_ranks_do_though_one_was_lost(
    two_ranks: Path, box_data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "mortal.yaml"
    settings = {**TWO_NODES, "system": "tests.training.mortal", "schedule": STEPS, "checkpoint_every": 4}
    config.write_text(dump_config(tiny_config(**settings)))
    run = tmp_path / "run"
    lost = {"MORTAL_STEP": "6", "MORTAL_WHOM": "node"}
    codes, said = _train_on_two_nodes(config, box_data, [run, run], [{}, lost])
    assert codes[0] not in (0, None)
    assert codes[1] == -9
    assert "lost touch with another rank" in said[0]
    assert "Traceback" not in said[0]
    assert "another machine may have ended before it" in said[0]
    at = newest_checkpoint(run)
    assert at is not None
    assert read_position(at).step == 4
    # The second machine is replaced by one that has never seen the run.
    codes, said = _train_on_two_nodes(config, box_data, [run, tmp_path / "fresh"], [{}, {}], "--resume")
    assert codes == [0, 0], said
    assert "going on from step 4" in said[0]
    assert_same_weights(run, two_ranks)
    assert read_metrics(run)["step"].to_list() == list(range(1, 13))
    assert not (tmp_path / "fresh" / "node-1" / "checkpoints").exists()


@pytest.mark.slow
def test_machines_that_disagree_end_at_once(box_data: Path, tmp_path: Path) -> None:
    configs = [tmp_path / f"{seed}.yaml" for seed in (0, 1)]
    for seed, path in enumerate(configs):
        path.write_text(dump_config(tiny_config(**TWO_NODES, seed=seed)))
    codes, said = _train_on_two_nodes(configs, box_data, [tmp_path / "run"] * 2, [{}, {}])
    assert 0 not in codes
    assert "the first machine trains something else: seed: 0 there, 1 here" in said[1]


@pytest.mark.parametrize(
    ("nodes", "node", "message"),
    [
        (1, Node(1), "the experiment has nodes: 1; give nodes=N"),
        (1, Node(0, "localhost:29500"), "the experiment has nodes: 1; give nodes=N"),
        (2, Node(0), "--rendezvous is None; give HOST:PORT"),
        (2, Node(0, "localhost"), "--rendezvous is localhost; give HOST:PORT"),
        (2, Node(2, "localhost:29500"), "--node-rank 2 is none of 0 to 1"),
    ],
)
def test_a_machine_that_cannot_meet_the_others_is_refused(
    nodes: int, node: Node, message: str, box_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=re.escape(message)):
        launch_training(tiny_config(nodes=nodes), box_data, tmp_path / "run", node=node)
    assert not (tmp_path / "run").exists()


def _train_on_two_nodes(
    configs: Path | list[Path], data: Path, runs: list[Path], added: list[dict[str, str]], *options: str
) -> tuple[list[int | None], list[str]]:
    """Exit codes and output of both launchers."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    launchers = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "meshloom", "train"),
                *(str(configs if isinstance(configs, Path) else configs[rank]), "--data", str(data)),
                *("--out", str(runs[rank]), "--node-rank", str(rank)),
                *("--rendezvous", f"localhost:{port}", *options),
            ],
            env={**os.environ, "PYTHONPATH": path, **added[rank]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [launcher.communicate(timeout=300)[0] for launcher in launchers]
    finally:
        for launcher in launchers:
            launcher.kill()
    return [launcher.returncode for launcher in launchers], said
