"""Files, names and clocks that mean harm are handled, or refused with a reason: docs/hostile-input.md."""

import ast
import errno
import itertools
import json
import os
import resource
import socket
import stat
import struct
import tarfile
import time
import unicodedata
from pathlib import Path

import polars as pl
import pytest

from pipelines import fetching
from pipelines.curation import curate, remove_leftovers
from pipelines.fetching.hosts import Hosts
from pipelines.reasons import Reason, Stage
from pipelines.settings import CurationSettings, QualitySettings, WorkerLimits
from pipelines.sources import SourceError, parse_source, parse_sources
from pipelines.sources.files import uri_path
from pipelines.stages.file_hashes import FileHashes
from pipelines.stages.mesh_table import build_mesh_table
from pipelines.stages.raw_meshes import build_raw_meshes
from pipelines.storage import DISK_ERRNO, DataFolder, write_table
from pipelines.workers import Ok, map_capped
from tests.pipelines.reason_files import gltf, many_instances
from tests.pipelines.test_reading import glb, ply, tetrahedron
from tests.pipelines.test_stages import sphere
from tests.pipelines.worker_functions import act

SETTINGS = CurationSettings(
    preset="silksong-v00",
    quality=QualitySettings(quantization=False, intersections=False, tokenizers=False),
    limits=WorkerLimits(workers=2, seconds_per_item=30),
)
PACKAGE = Path(fetching.__file__).parents[1]
NAMES = [
    b"new\nline.obj",
    b"\r\x1b[2J\x07.obj",
    "\u202egpj.obj".encode(),
    "\u2028\u2029.obj".encode(),
    "e\u0301.obj".encode(),
    "é.obj".encode(),
    b"not utf-8 \xff\xfe.obj",
    b"per%0Acent%.obj",
    b"-rf --no-preserve-root.obj",
    b"$(reboot) `reboot` ; & | ' \" <b>.obj",
    b"..\\..\\up.obj",
    b"...obj.obj",
    b"  .obj",
    b"CON.obj",
    "椅子🪑.obj".encode(),
    b"n" * 251 + b".obj",
]


def rejects(source: str, folder: Path, settings: CurationSettings = SETTINGS) -> dict[str, str]:
    """Reasons by file name after reading; the rest was read."""
    data, sources = DataFolder(folder), parse_sources([source])
    build_raw_meshes(data, sources, settings)
    build_mesh_table(data, settings, sources)
    paths = [
        data.rejected(stage, key)
        for stage in (Stage.RAW_MESHES, Stage.MESH_TABLE)
        for key in data.partitions(stage)
    ]
    rows = pl.concat(pl.read_parquet(path, columns=["uri", "reason"]) for path in paths)
    return {uri_path(uri).name: reason for uri, reason in rows.iter_rows()}


def test_names_of_every_kind_reach_the_end(tmp_path):
    folder, data = tmp_path / "meshes", DataFolder(tmp_path / "data")
    folder.mkdir()
    for n, name in enumerate(NAMES, start=4):
        (folder / os.fsdecode(name)).write_text(sphere(n))
    report = curate([f"local:{folder}"], data.root, SETTINGS)
    assert (report.n_files, report.n_kept) == (len(NAMES), len(NAMES))
    ledger = data.scan("ledger").collect()
    assert {os.fsencode(uri_path(uri).name) for uri in ledger["uri"]} == set(NAMES)
    assert all(len(uri.splitlines()) == 1 for uri in ledger["uri"])
    attribution = (data.shards / "ATTRIBUTION.md").read_text()
    assert not {unicodedata.category(character) for character in attribution if character != "\n"} & {
        "Cc",
        "Cf",
    }
    members = []
    for path in data.shards.glob("*.tar"):
        with tarfile.open(path) as archive:
            members += archive.getnames()
    assert len(members) == 4 * len(NAMES)
    assert all(member.isascii() and "/" not in member and ".." not in member for member in members)


def test_what_is_no_file_is_never_waited_for(tmp_path):
    folder, outside = tmp_path / "meshes", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret.obj").write_text(sphere(5))
    (folder / "good.obj").write_text(sphere(5))
    os.mkfifo(folder / "pipe.obj")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket.obj"))
    if os.getuid() == 0:
        os.mknod(folder / "device.obj", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    else:
        (folder / "device.obj").symlink_to("/dev/zero")
    (folder / "folder.obj").mkdir()
    (folder / "folder.obj" / "inner.obj").write_text(sphere(6))
    (folder / "zeros.obj").symlink_to("/dev/zero")
    (folder / "out.obj").symlink_to(outside / "secret.obj")
    (folder / "loop.obj").symlink_to("loop.obj")
    (folder / "ping.obj").symlink_to("pong.obj")
    (folder / "pong.obj").symlink_to("ping.obj")
    (folder / "up").symlink_to(folder)  # a link to a folder is not followed
    with (folder / "sparse.obj").open("wb") as file:
        file.truncate(1 << 40)
    assert rejects(f"local:{folder}", tmp_path / "data") == {
        **dict.fromkeys(["pipe.obj", "socket.obj", "device.obj", "zeros.obj"], Reason.UNREADABLE_FILE),
        **dict.fromkeys(["out.obj", "loop.obj", "ping.obj", "pong.obj"], Reason.UNREADABLE_FILE),
        "sparse.obj": Reason.TOO_LARGE,
    }
    rows = DataFolder(tmp_path / "data").scan(Stage.MESH_TABLE).collect()
    assert sorted(uri_path(uri).name for uri in rows["uri"]) == ["good.obj", "inner.obj"]


def test_side_files_that_are_none(tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    for name in ("pipe", "zeros", "folder", "loop"):
        (folder / f"{name}.gltf").write_bytes(gltf(buffers=[{"byteLength": 72, "uri": f"{name}.bin"}]))
    os.mkfifo(folder / "pipe.bin")
    (folder / "zeros.bin").symlink_to("/dev/zero")
    (folder / "folder.bin").mkdir()
    (folder / "loop.bin").symlink_to("loop.bin")
    found = rejects(f"local:{folder}", tmp_path / "data")
    assert found == dict.fromkeys(
        ["pipe.gltf", "zeros.gltf", "folder.gltf", "loop.gltf"], Reason.MISSING_SIDE_FILE
    )


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(tmp_path, monkeypatch):
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "good.obj").write_text(sphere(5))
    before = Path.cwd()
    monkeypatch.chdir(tmp_path / "meshes")
    for _ in range(20):  # a path longer than the system takes
        os.mkdir("n" * 250)
        os.chdir("n" * 250)
    os.chdir(before)
    with pytest.raises(SourceError, match=r"folder .* cannot be listed \(File name too long\)"):
        parse_source(f"local:{tmp_path / 'meshes'}").shards()


NESTED = b'{"asset": {"version": "2.0"}, "nodes": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
FLOATS = "property float x\nproperty float y\nproperty float z\n"
FACES = "property list uchar int vertex_indices\n"
ABSURD = {
    "ply_vertices.ply": ply(f"element vertex {10**18}\n{FLOATS}element face 1\n{FACES}", bytes(100)),
    "ply_faces.ply": ply(f"element vertex 1\n{FLOATS}element face {2**63}\n{FACES}", bytes(100)),
    "ply_negative.ply": ply(f"element vertex -1\n{FLOATS}element face 1\n{FACES}", bytes(100)),
    "ply_elements.ply": ply("element x 1\nproperty int y\n" * 50_000, bytes(100)),
    "ply_list.ply": ply(
        f"element vertex 1\n{FLOATS}element face 1\nproperty list uint int vertex_indices\n",
        bytes(12) + b"\xff" * 8,
    ),
    "off.off": f"OFF\n{10**18} {10**18} 0\n0 0 0\n".encode(),
    "stl.stl": bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(500),
    "glb_length.glb": b"glTF" + struct.pack("<II", 2, 2**32 - 1) + struct.pack("<I", 2**32 - 1) + b"JSON{}",
    "json_nested.gltf": NESTED,
    "accessor.glb": tetrahedron(
        [{"mesh": 0}],
        accessors=[
            {"componentType": 5126, "count": 4_000_000_000, "type": "VEC3"},
            {"componentType": 5125, "count": 4_000_000_000, "type": "SCALAR"},
        ],
    ),
    "stride.glb": tetrahedron(
        [{"mesh": 0}],
        bufferViews=[{"buffer": 0, "byteLength": 72, "byteStride": 2**62}] * 2,
    ),
    "offset.glb": tetrahedron(
        [{"mesh": 0}],
        bufferViews=[{"buffer": 0, "byteLength": 48, "byteOffset": 2**63}] * 2,
    ),
    "own_ancestor.glb": tetrahedron([{"children": [1]}, {"children": [2]}, {"children": [1], "mesh": 0}]),
    "obj_index.obj": b"v 0 0 0\nf 1 1 99999999999999999999999999\n",
    "obj_number.obj": b"v 0 0 " + b"9" * 1_000_000 + b"\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "data_uri.gltf": json.dumps(
        {"asset": {"version": "2.0"}, "buffers": [{"byteLength": 9, "uri": "data:;base64," + "!" * 999_999}]}
    ).encode(),
    "exponents.off": b"OFF\n3 1 0\n1e999 0 0\n0 1e999 0\n0 0 1e-999\n3 0 1 2\n",
}
HANDLED = {
    "deep.glb": tetrahedron([{"children": [i + 1]} for i in range(100_000)] + [{"mesh": 0}]),
    "instances.glb": many_instances(20_000),
    "polygon.obj": b"".join(b"v %d %d 0\n" % (i, i * i % 1009) for i in range(50_000))
    + b"f " + b" ".join(b"%d" % (i + 1) for i in range(50_000)) + b"\n",
    "long_line.obj": sphere(5).encode() + b"# " + b"x" * (8 << 20) + b"\n",
}  # fmt: skip


def test_absurd_headers_and_deep_scenes(tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    for name, content in {**ABSURD, **HANDLED}.items():
        (folder / name).write_bytes(content)
    (folder / "empty_scene.glb").write_bytes(glb({"asset": {"version": "2.0"}}, b""))
    found = rejects(f"local:{folder}", tmp_path / "data")
    refused = {Reason.LOAD, Reason.NON_FINITE, Reason.NO_TRIANGLES}
    assert {name: reason for name, reason in found.items() if reason not in refused} == {}
    assert set(found) == {*ABSURD, "empty_scene.glb"}


TIMES = [-(2**62), -1, 0, 2**31 * 10**9, 2**63 - 1, 2**63, 15_000_000_000 * 10**9]
"""1823, the end of 1969, 2038, 2262 and a moment later, 2445."""


def test_times_of_files_may_be_anything(tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    for i, moment in enumerate(TIMES):
        (folder / f"{i}.obj").write_text(sphere(5 + i))
        os.utime(folder / f"{i}.obj", ns=(moment, moment))
    assert rejects(f"local:{folder}", tmp_path / "data") == {}
    sums = DataFolder(tmp_path / "data").scan(Stage.RAW_MESHES).collect()
    content = (folder / "3.obj").read_text()
    times = (folder / "3.obj").stat().st_mtime_ns
    (folder / "3.obj").write_text(content.replace("0", "1", 1))  # as large and as old as before
    os.utime(folder / "3.obj", ns=(times, times))
    assert rejects(f"local:{folder}", tmp_path / "data") == {}
    changed = sums.join(
        DataFolder(tmp_path / "data").scan(Stage.RAW_MESHES).collect(), on=["uri", "sha256"], how="anti"
    )
    assert [uri_path(uri).name for uri in changed["uri"]] == ["3.obj"]


def test_files_of_any_time_are_hashed_once(tmp_path, monkeypatch):
    path = tmp_path / "a.obj"
    path.write_text("x")
    os.utime(path, ns=(TIMES[-1], TIMES[-1]))
    first = FileHashes(tmp_path / "cache.parquet")
    first.update([path], 100, 1)
    first.save()
    monkeypatch.setattr("pipelines.stages.file_hashes.hash_regular", lambda path: pytest.fail("hashed again"))
    second = FileHashes(tmp_path / "cache.parquet")
    second.update([path], 100, 1)
    assert second.of(path) == first.of(path)


def test_a_clock_that_jumps_ends_no_item_and_no_pause(monkeypatch):
    jumps = itertools.cycle([0.0, 4e9, -4e9, 1e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    tasks = [str(i) for i in range(30)]
    assert [outcome for _, outcome in map_capped(act, tasks, SETTINGS.limits)] == [Ok(task) for task in tasks]
    hosts = Hosts(1000, 3)
    hosts.pause("http://a/", 0.2)
    started = time.monotonic()
    hosts.wait("http://a/")
    assert 0.15 < time.monotonic() - started < 10


def test_nothing_asks_for_the_time_of_day():
    """Limits and waits are counted by time.monotonic, and no table holds a time."""
    asking = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime", "ctime"}
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in asking
        and isinstance(node.value, ast.Name)
        and node.value.id in {"time", "datetime", "date"}
    ]
    assert found == []


def test_leftovers_of_every_kind_are_removed_and_no_link_is_followed(tmp_path):
    data = DataFolder(tmp_path / "data")
    view = data.store / "views" / "ab" / ".abcd.0123.partial"
    (view / "textures").mkdir(parents=True)
    (view / "textures" / "a.bin").touch()
    (data.store / "partial").mkdir()
    (data.store / "partial" / ".0123.partial").touch()
    resumable = data.store / "partial" / "0123.partial"
    resumable.touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    (data.root / ".link.partial").symlink_to(tmp_path / "mine")
    remove_leftovers(data)
    assert [path for path in data.root.rglob("*") if not path.is_dir()] == [resumable]
    assert not view.exists()
    assert (tmp_path / "mine" / "precious").exists()


def test_a_table_that_does_not_fit_says_so_and_leaves_nothing(tmp_path):
    frame = pl.DataFrame({"a": list(range(10_000))})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as error:
            write_table(tmp_path / "a.parquet", frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    assert error.value.errno in DISK_ERRNO
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_taken_for_the_hubs_failure():
    from pipelines.sources.hub import HubRepository

    def ask() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        HubRepository("a/b")._ask("a list", ask)
