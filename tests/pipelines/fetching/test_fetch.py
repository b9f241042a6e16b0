"""Files of a partition come whole or with a reason, whatever the host does, and come once."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.fetching import ContentStore, Fetched, Fetcher, stored_paths
from pipelines.reasons import Reason
from pipelines.settings import FetchSettings
from pipelines.sources import RawFile, Remote
from pipelines.storage import ShardKey
from pipelines.worker_process import Failed
from tests.servers.faults import Fault, Faults
from tests.servers.files import FileServer

SETTINGS = FetchSettings(
    first_wait_seconds=0.01, longest_wait_seconds=3, requests_per_second=1000, attempts=4, read_seconds=1
)
KEY = ShardKey("web", "one")
LIMIT = 1 << 22
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def site(tmp_path):
    generator = np.random.default_rng(7)
    folder = tmp_path / "site"
    folder.mkdir()
    for i in range(12):
        (folder / f"{i}.glb").write_bytes(generator.bytes(40_000 + 100_000 * i))
    with FileServer(folder) as server:
        yield server


@pytest.fixture
def store(tmp_path):
    return ContentStore(tmp_path / "store")


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def listed(site: FileServer, name: str, **known) -> RawFile:
    """File of the site; its sha256 is known to the source unless said otherwise."""
    path = site.root / name
    known.setdefault("sha256", sha256_of(path) if path.is_file() else None)
    remote = Remote(f"{site.url}/{name}", **known)
    return RawFile(
        mesh_id=name.partition(".")[0],
        uri=f"https://host/{name}",
        source=KEY.source,
        shard=KEY.shard,
        name=name,
        category=None,
        format=name.rpartition(".")[2],
        path=None,
        remote=remote,
    )


def fetch(store: ContentStore, files: list[RawFile], **settings) -> dict[str, Fetched | Failed]:
    outcomes = Fetcher(store, SETTINGS.model_copy(update=settings), LIMIT).fetch(KEY, files)
    return {uri.rpartition("/")[2]: outcome for uri, outcome in outcomes.items()}


def assert_whole(site: FileServer, outcomes: dict[str, Fetched | Failed]) -> None:
    for name, outcome in outcomes.items():
        assert isinstance(outcome, Fetched), outcome
        content = (site.root / name).read_bytes()
        assert outcome.path.read_bytes() == content
        assert (outcome.sha256, outcome.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def reason_of(outcome: Fetched | Failed) -> Reason:
    assert isinstance(outcome, Failed), outcome
    return outcome.reason


def test_bytes_are_stored_once_under_their_sum(site, store):
    (site.root / "copy.glb").write_bytes((site.root / "3.glb").read_bytes())
    names = ["3.glb", "copy.glb", "4.glb"]
    outcomes = fetch(store, [listed(site, name, sha256=None) for name in names])
    assert_whole(site, outcomes)
    stored = [path for path in store.root.rglob("*") if path.is_file() and "journal" not in path.parts]
    assert sorted(path.name for path in stored) == sorted({sha256_of(site.root / name) for name in names})
    assert {path.parent.name for path in stored} == {path.name[:2] for path in stored}


@pytest.mark.parametrize("has_sums", [True, False])
def test_second_run_asks_for_nothing(site, store, has_sums):
    known = {} if has_sums else {"sha256": None}
    files = [listed(site, f"{i}.glb", **known) for i in range(12)]
    first = fetch(store, files)
    assert len(site.requests) == 12
    assert fetch(store, files) == first
    assert len(site.requests) == 12
    assert set(stored_paths(store, KEY).values()) == {outcome.path for outcome in first.values()}


def test_only_what_changed_is_fetched_again(site, store):
    def files():
        versions = [str((site.root / f"{i}.glb").stat().st_size) for i in range(3)]
        return [listed(site, f"{i}.glb", sha256=None, validator=versions[i]) for i in range(3)]

    fetch(store, files())
    (site.root / "1.glb").write_bytes(b"other")
    site.requests.clear()
    assert_whole(site, fetch(store, files()))
    assert [request.path for request in site.requests] == ["/1.glb"]


def test_bytes_lost_from_the_store_come_again(site, store):
    files = [listed(site, f"{i}.glb") for i in range(3)]
    fetch(store, files)
    store.path(files[1].remote.sha256).unlink()
    site.requests.clear()
    assert_whole(site, fetch(store, files))
    assert site.bodies == ["/1.glb"]


@pytest.mark.parametrize("has_sum", [True, False])
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.STALL, Fault.ERROR, Fault.TOO_MANY])
def test_faults_that_pass(site, store, fault, has_sum):
    site.faults.plan("/5.glb", fault, *([fault] if fault is not Fault.STALL else []))
    known = {} if has_sum else {"sha256": None}
    assert_whole(site, fetch(store, [listed(site, "5.glb", **known)]))


@pytest.mark.parametrize("fault", [Fault.TRUNCATE, Fault.CORRUPT])
def test_damage_that_only_the_sum_shows(site, store, fault):
    site.faults.plan("/5.glb", fault)
    assert_whole(site, fetch(store, [listed(site, "5.glb")]))
    assert len(site.bodies) == 2


def test_a_cut_connection_is_resumed_where_it_broke(site, store):
    site.faults.plan("/11.glb", Fault.DROP, Fault.DROP)
    assert_whole(site, fetch(store, [listed(site, "11.glb")]))
    ranges = [request.range for request in site.requests]
    size = (site.root / "11.glb").stat().st_size
    assert ranges == [None, f"bytes={size // 2}-", f"bytes={size // 2 + (size - size // 2) // 2}-"]


def test_a_later_run_resumes_what_an_earlier_one_could_not_finish(site, store):
    site.faults.plan("/11.glb", Fault.DROP)
    outcome = fetch(store, [listed(site, "11.glb")], attempts=1)["11.glb"]
    assert reason_of(outcome) is Reason.FETCH_FAILED
    assert_whole(site, fetch(store, [listed(site, "11.glb")]))
    assert site.requests[-1].range == f"bytes={(site.root / '11.glb').stat().st_size // 2}-"


@pytest.mark.parametrize("has_etags", [True, False])
def test_parts_of_two_versions_are_never_joined(site, store, has_etags):
    site.has_etags = has_etags
    site.faults.plan("/11.glb", Fault.DROP)
    fetch(store, [listed(site, "11.glb", sha256=None)], attempts=1)
    (site.root / "11.glb").write_bytes(np.random.default_rng(8).bytes(900_000))
    assert_whole(site, fetch(store, [listed(site, "11.glb", sha256=None)]))


def test_retry_after_is_kept_by_all_threads(site, store):
    files = [listed(site, f"{i}.glb") for i in range(12)]
    for i in range(12):
        site.faults.plan(f"/{i}.glb", Fault.TOO_MANY)
    assert_whole(site, fetch(store, files, parallel=6))
    assert sum(request.status == 429 for request in site.requests) == 12
    assert site.n_impatient == 0


def test_gone_modified_forbidden_and_broken(site, store):
    site.faults.always("/1.glb", Fault.GONE)
    site.faults.always("/3.glb", Fault.FORBIDDEN)
    site.faults.always("/4.glb", Fault.ERROR)
    names = ["1.glb", "3.glb", "4.glb", "absent.glb", "6.glb"]
    files = [*(listed(site, name) for name in names), listed(site, "2.glb", sha256="0" * 64, validator="v1")]
    outcomes = fetch(store, files)
    assert_whole(site, {"6.glb": outcomes.pop("6.glb")})
    assert {name: reason_of(outcome) for name, outcome in outcomes.items()} == {
        "1.glb": Reason.FETCH_MISSING,
        "absent.glb": Reason.FETCH_MISSING,
        "2.glb": Reason.FETCH_MODIFIED,
        "3.glb": Reason.FETCH_FAILED,
        "4.glb": Reason.FETCH_FAILED,
    }
    assert sha256_of(site.root / "2.glb") in outcomes["2.glb"].detail
    assert "HF_TOKEN" in outcomes["3.glb"].detail
    asked = {
        name: sum(request.path == f"/{name}" for request in site.requests) for name in ["2.glb", "4.glb"]
    }
    assert asked == {"2.glb": 2, "4.glb": SETTINGS.attempts}
    site.requests.clear()
    fetch(store, files)  # a modified file whose version is known is not asked for again, the others are
    assert {request.path for request in site.requests} == {"/1.glb", "/3.glb", "/4.glb", "/absent.glb"}


def test_a_host_that_is_down_is_not_asked_for_ever(site, store):
    for i in range(12):
        site.faults.always(f"/{i}.glb", Fault.ERROR)
    files = [listed(site, f"{i}.glb") for i in range(12)]
    outcomes = fetch(store, files, parallel=1, attempts=2, failures_until_down=3)
    assert {reason_of(outcome) for outcome in outcomes.values()} == {Reason.FETCH_FAILED}
    assert len(site.requests) == 6


@pytest.mark.parametrize("says_size", [True, False])
def test_large_files_are_left_alone(site, store, says_size):
    (site.root / "large.glb").write_bytes(bytes(LIMIT + 1))
    (site.root / "fits.glb").write_bytes(bytes(LIMIT))
    known = {"size_bytes": LIMIT + 1} if says_size else {}
    outcomes = fetch(store, [listed(site, "large.glb", **known), listed(site, "fits.glb")])
    assert reason_of(outcomes["large.glb"]) is Reason.TOO_LARGE
    assert str(LIMIT + 1) in outcomes["large.glb"].detail
    assert_whole(site, {"fits.glb": outcomes["fits.glb"]})
    assert ("/large.glb" in site.bodies) is not says_size
    assert not list(store.root.glob("partial/*"))


def test_side_files_lie_beside_their_gltf(site, store):
    folder = site.root / "sub dir"
    folder.mkdir()
    for name, buffer in [("a", b"first"), ("b", b"other")]:
        (folder / name).mkdir()
        buffers = [{"uri": uri, "byteLength": 5} for uri in ("data/buffer.bin", "absent.bin")]
        (folder / name / "scene.gltf").write_text(
            json.dumps({"asset": {"version": "2.0"}, "buffers": buffers})
        )
        (folder / name / "data").mkdir()
        (folder / name / "data" / "buffer.bin").write_bytes(buffer)
    fetcher = Fetcher(store, SETTINGS, LIMIT)
    outcomes = fetcher.fetch(KEY, [listed(site, f"sub dir/{name}/scene.gltf") for name in "ab"])
    a, b = (outcomes[f"https://host/sub dir/{name}/scene.gltf"] for name in "ab")
    assert a.sha256 == b.sha256
    assert (a.path.parent / "data" / "buffer.bin").read_bytes() == b"first"
    assert (b.path.parent / "data" / "buffer.bin").read_bytes() == b"other"
    assert a.side_files == {"absent.bin": None, "data/buffer.bin": hashlib.sha256(b"first").hexdigest()}
    assert not (a.path.parent / "absent.bin").exists()
    assert os.path.samefile(a.path, store.path(a.sha256))


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_faults_gives_the_same_bytes(site, store, seed):
    kinds = [Fault.DROP, Fault.TRUNCATE, Fault.CORRUPT, Fault.ERROR, Fault.TOO_MANY]
    site.faults = Faults(seed, rate=0.6, kinds=kinds)
    assert_whole(site, fetch(store, [listed(site, f"{i}.glb") for i in range(12)]))
    assert len(site.requests) > 12
    assert site.n_impatient == 0
    assert not list(store.root.glob("partial/*"))


CHILD = """
import pickle, sys
from pathlib import Path
from pipelines.fetching import ContentStore, Fetcher
from tests.pipelines.fetching.test_fetch import KEY, LIMIT, SETTINGS
files = pickle.load(sys.stdin.buffer)
Fetcher(ContentStore(Path(sys.argv[1])), SETTINGS, LIMIT).fetch(KEY, files)
"""


@pytest.mark.parametrize("kill_at", [3, 16, 22])
def test_a_killed_fetch_goes_on_where_it_was(site, store, kill_at):
    import pickle

    files = [listed(site, f"{i}.glb", sha256=None) for i in range(12)]
    for i in range(12):
        site.faults.plan(f"/{i}.glb", Fault.DROP)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store.root)], stdin=subprocess.PIPE, cwd=REPOSITORY
    )

    def kill(_) -> None:
        if len(site.bodies) == kill_at:
            child.send_signal(signal.SIGKILL)

    site.on_request = kill
    child.communicate(pickle.dumps(files))
    assert child.returncode == -signal.SIGKILL
    assert kill_at < 22 or store.journal(KEY).exists()
    finished = {path.name for path in store.root.glob("sha256/*/*")}
    with store.journal(KEY).open("a") if store.journal(KEY).exists() else open(os.devnull, "a") as journal:
        journal.write('{"uri": "half a li')
    site.on_request = lambda _: None
    assert_whole(site, fetch(store, files))
    assert {path.name for path in store.root.glob("sha256/*/*")} == {
        sha256_of(site.root / f"{i}.glb") for i in range(12)
    }
    assert finished <= {path.name for path in store.root.glob("sha256/*/*")}
    site.requests.clear()
    assert_whole(site, fetch(store, files))
    assert site.requests == []


def test_the_hubs_token_goes_to_the_hub_alone(site, store, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_hush")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    fetch(store, [listed(site, "1.glb")])
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    fetch(store, [listed(site, "2.glb")])
    assert [request.authorization for request in site.requests] == [None, "Bearer hf_hush"]
