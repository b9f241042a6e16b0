"""One bad item costs itself only, whatever it does to its process."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.kept_workers import workers_kept
from pipelines.reasons import Reason
from pipelines.settings import WorkerLimits
from pipelines.workers import Ok, WorkerStartError, map_capped
from tests.pipelines.worker_functions import act, environment, process

ROOT = Path(__file__).parents[2]


def limits(workers: int = 2, seconds: float = 30.0) -> WorkerLimits:
    return WorkerLimits(workers=workers, seconds_per_item=seconds, bytes_per_item=1 << 30)


def outcomes(tasks: list[str], **settings: float) -> list:
    found = list(map_capped(act, tasks, limits(**settings)))
    assert [index for index, _ in found] == list(range(len(tasks)))
    return [outcome for _, outcome in found]


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("sleep", Reason.TIME_LIMIT),
        ("allocate", Reason.MEMORY_LIMIT),
        ("abort", Reason.WORKER_DIED),
        ("exit", Reason.WORKER_DIED),
        ("raise", Reason.LOAD),
        ("reject", Reason.NO_TRIANGLES),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_item_leaves_its_neighbours_alone(task, reason, workers):
    found = outcomes(["a", task, "b", "c", task, "d"], workers=workers, seconds=2.0)
    assert [outcome.value for outcome in found if isinstance(outcome, Ok)] == ["a", "b", "c", "d"]
    assert [found[1].reason, found[4].reason] == [reason, reason]
    assert "\n" not in found[1].detail


def test_items_that_travel_together_have_their_time_each():
    tasks = ["a", "b", *["nap"] * 6, "sleep", "c"]
    found = outcomes(tasks, workers=1, seconds=1.0)
    assert found[:8] == [Ok(task) for task in tasks[:8]]
    assert (found[8].reason, found[9]) == (Reason.TIME_LIMIT, Ok("c"))


def test_what_a_dead_worker_had_not_answered_is_begun_anew(tmp_path):
    tasks = [f"quick {tmp_path}", f"crash {tmp_path}", "c"]
    found = outcomes(tasks, workers=1)
    assert (found[0], found[1].reason, found[2]) == (Ok(tasks[0]), Reason.WORKER_DIED, Ok("c"))
    assert len(times(tmp_path, "ended")) == 2  # the neighbour's; before and after the crash


def times(folder: Path, what: str) -> list[int]:
    return sorted(int(path.name.partition("-")[2]) for path in folder.glob(f"{what}-*"))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("n_kills", [1, 2])
def test_an_item_whose_worker_was_killed_is_tried_again_alone(tmp_path, workers, n_kills):
    neighbour, killed = f"neighbour {tmp_path}", f"killed {tmp_path} {n_kills}"
    tasks = [neighbour, neighbour, killed, *[neighbour] * 12]
    found = outcomes(tasks, workers=workers)
    assert found == [Ok(task) for task in tasks]
    *_, began = times(tmp_path, "killed")
    (ended,) = times(tmp_path, "alone")
    assert not any(began < time < ended for what in ("begun", "ended") for time in times(tmp_path, what))
    assert sum(time < began for time in times(tmp_path, "begun")) == sum(
        time < began for time in times(tmp_path, "ended")
    )


def test_an_item_whose_worker_is_killed_each_time_is_given_up(tmp_path):
    found = outcomes(["a", f"killed {tmp_path} 99", "b"])
    assert [found[0], found[2]] == [Ok("a"), Ok("b")]
    assert found[1].reason == Reason.WORKER_DIED
    assert "killed 3 times (SIGKILL)" in found[1].detail
    assert len(times(tmp_path, "killed")) == 3


def test_a_crash_is_the_items_own_doing_and_not_tried_again(tmp_path):
    found = outcomes([f"crash {tmp_path}"])
    assert "SIGABRT" in found[0].detail
    assert len(times(tmp_path, "begun")) == 1


def test_workers_that_are_killed_while_they_rest_cost_nothing():
    def items():
        for i in range(40):
            yield str(i)
            if i % 3 == 0:  # whoever is idle or at work just now
                for child in multiprocessing.active_children():
                    child.kill()

    assert [outcome for _, outcome in map_capped(act, items(), limits())] == [Ok(str(i)) for i in range(40)]


def test_outcomes_do_not_depend_on_the_number_of_workers():
    tasks = [f"task{i}" for i in range(100)] + ["reject", "raise"] + [f"task{i}" for i in range(100)]
    assert outcomes(tasks, workers=1) == outcomes(tasks, workers=3)


def test_no_items_start_no_worker():
    assert list(map_capped(act, [], limits())) == []


def test_items_are_taken_only_a_few_ahead():
    taken = []

    def items():
        for i in range(10_000):
            taken.append(i)
            yield str(i)

    for index, _ in map_capped(act, items(), limits()):
        assert len(taken) <= index + 100
        if index == 50:
            break


def test_workers_are_single_threaded_and_the_parent_is_not_changed(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert list(map_capped(environment, ["OMP_NUM_THREADS"], limits())) == [(0, Ok("1"))]
    assert "OMP_NUM_THREADS" not in os.environ


def processes() -> set[int]:
    """Numbers of the processes that worked on a few items."""
    found = list(map_capped(process, [""] * 20, limits()))
    return {outcome.value for _, outcome in found if isinstance(outcome, Ok)}


def alive() -> set[int]:
    return {child.pid for child in multiprocessing.active_children()}


def two_meet(folder: Path) -> None:
    """Let two workers have an item each: one that is not ready when its job is done is not kept."""
    folder.mkdir()
    task = f"meet {folder} 2"
    assert outcomes([task, task]) == [Ok(task), Ok(task)]


def test_workers_are_kept_for_the_next_job_where_that_is_asked_for(tmp_path):
    with workers_kept():
        two_meet(tmp_path / "first")
        first = alive()
        assert len(first) == 2
        two_meet(tmp_path / "second")
        assert alive() == first
        # what another job does, and how long it may take, is its own
        found = list(map_capped(act, ["a", "sleep", "b"], limits(seconds=1.0)))
        assert [getattr(outcome, "reason", outcome) for _, outcome in found] == [
            Ok("a"),
            Reason.TIME_LIMIT,
            Ok("b"),
        ]
        assert len(alive() & first) == 1  # the other was ended
    assert not multiprocessing.active_children()
    assert processes().isdisjoint(first)
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_while_it_waits_costs_no_item():
    with workers_kept():
        for pid in processes():
            os.kill(pid, signal.SIGKILL)
        assert processes() > set()
        for pid in processes():
            os.kill(pid, signal.SIGSTOP)  # dies only after the next job was sent to it
            threading.Timer(0.5, kill, [pid]).start()
        assert outcomes(["a", "b", "c"]) == [Ok("a"), Ok("b"), Ok("c")]


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_workers_that_cannot_start_are_reported():
    with pytest.raises(WorkerStartError, match="died before their first item"):
        list(map_capped(act, ["a"], limits(), imports=("no_such_module",)))


def test_a_script_without_a_guard_does_not_start_over(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from pipelines.settings import WorkerLimits\n"
        "from pipelines.workers import map_capped\n"
        "from tests.pipelines.worker_functions import act\n"
        "print('begun')\n"
        "print(list(map_capped(act, ['a'], WorkerLimits(workers=1))))\n"
    )
    run = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    assert run.stdout.splitlines() == ["begun", "[(0, Ok(value='a'))]"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for it")
def test_workers_die_with_a_killed_parent(tmp_path):
    program = (
        "from pipelines.settings import WorkerLimits\n"
        "from pipelines.workers import map_capped\n"
        "from tests.pipelines.worker_functions import act\n"
        f"list(map_capped(act, ['pid {tmp_path}'] * 2, WorkerLimits(workers=2)))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
