"""Archives that mean harm give reasons, and never a file outside the store."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tracemalloc
import zipfile

import pytest

from pipelines.fetching import ContentStore, Fetched, Fetcher
from pipelines.fetching.archives import ArchiveError, list_zip, name_problem, read_members
from pipelines.reasons import Reason
from pipelines.settings import FetchSettings
from pipelines.sources import RawFile, Remote
from pipelines.sources.files import file_uri
from pipelines.storage import ShardKey

LIMITS = FetchSettings(archive_bytes_limit=64 << 20, archive_ratio_limit=100, archive_members_limit=50)


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def fetch(archive, members, tmp_path, size_limit=16 << 20, limits=LIMITS):
    files = [
        RawFile(
            str(i),
            f"x:{name}",
            "x",
            "y",
            name,
            None,
            "obj",
            None,
            remote=Remote(file_uri(archive), member=name),
        )
        for i, name in enumerate(members)
    ]
    store = ContentStore(tmp_path / "store")
    outcomes = Fetcher(store, limits, size_limit).fetch(ShardKey("x", "y"), files)
    return {uri.removeprefix("x:"): outcome for uri, outcome in outcomes.items()}


def reasons(outcomes):
    return {name: "found" if isinstance(found, Fetched) else found.reason for name, found in outcomes.items()}


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_names_that_lead_out(tmp_path, write):
    names = [
        "../up.obj",
        "/root.obj",
        "a/../../up.obj",
        "..\\up.obj",
        "C:\\up.obj",
        "a/fine.obj",
        "..fine.obj",
    ]
    archive = write(tmp_path / "a.archive", [(name, b"v 0 0 0") for name in names])
    outcomes = reasons(fetch(archive, ["a/fine.obj", "..fine.obj", "../up.obj", "/root.obj"], tmp_path))
    assert outcomes == {
        "a/fine.obj": "found",
        "..fine.obj": "found",
        "../up.obj": Reason.ARCHIVE_UNSAFE,
        "/root.obj": Reason.ARCHIVE_UNSAFE,
    }
    bad = {member.name for member in read_members(archive, LIMITS) if member.problem}
    assert len(bad) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"a.archive", "store"}


def test_name_problem():
    assert name_problem("a/..b/c..obj") is None
    assert all(name_problem(name) for name in ["..", "a/..", "\\a", "c:/a", "a\0b"])


def test_links_and_encrypted_members(tmp_path):
    link = zipfile.ZipInfo("link.obj")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = write_zip(tmp_path / "a.zip", [(link, b"/etc/passwd"), ("b.obj", b"v")])
    assert reasons(fetch(archive, ["link.obj", "b.obj"], tmp_path)) == {
        "link.obj": Reason.ARCHIVE_UNSAFE,
        "b.obj": "found",
    }
    symbolic, hard, device = (tarfile.TarInfo(f"{name}.obj") for name in ["symbolic", "hard", "device"])
    symbolic.type, hard.type, device.type = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE
    symbolic.linkname = hard.linkname = "/etc/passwd"
    archive = write_tar(tmp_path / "a.tar.gz", [(info, b"") for info in (symbolic, hard, device)])
    found = reasons(fetch(archive, ["symbolic.obj", "hard.obj", "device.obj"], tmp_path))
    assert set(found.values()) == {Reason.ARCHIVE_UNSAFE}


def test_bombs(tmp_path):
    bomb = write_zip(tmp_path / "ratio.zip", [("bomb.obj", bytes(8 << 20)), ("fine.obj", b"v")])
    assert reasons(fetch(bomb, ["bomb.obj", "fine.obj"], tmp_path)) == {
        "bomb.obj": Reason.ARCHIVE_UNSAFE,
        "fine.obj": "found",
    }
    tight = LIMITS.model_copy(update={"archive_bytes_limit": 48 << 20})
    large = write_zip(tmp_path / "large.zip", [(f"{i}.obj", bytes(1 << 20)) for i in range(49)])
    assert reasons(fetch(large, ["0.obj"], tmp_path, limits=tight)) == {"0.obj": Reason.ARCHIVE_UNSAFE}
    many = write_zip(tmp_path / "many.zip", [(f"{i}.obj", b"v") for i in range(51)])
    assert reasons(fetch(many, ["0.obj"], tmp_path)) == {"0.obj": Reason.ARCHIVE_UNSAFE}
    tar = write_tar(tmp_path / "bomb.tar.gz", [(f"{i}.obj", bytes(8 << 20)) for i in range(4)])
    assert reasons(fetch(tar, ["3.obj"], tmp_path)) == {"3.obj": Reason.ARCHIVE_UNSAFE}


def test_a_size_that_lies(tmp_path):
    path = write_zip(tmp_path / "lies.zip", [("a.obj", b"v 1 2 3\n" * 1000)])
    content = path.read_bytes()
    size = (8000).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (800).to_bytes(4, "little")))
    assert reasons(fetch(path, ["a.obj"], tmp_path)) == {"a.obj": Reason.ARCHIVE_UNSAFE}


def tar_of(*parts: bytes) -> bytes:
    return b"".join(parts) + bytes(2 * tarfile.BLOCKSIZE)


def tar_member(name: str, content: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_unpacks_to_gigabytes_is_not_read(tmp_path, kind):
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, 64 << 20
    path = tmp_path / "header.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(64):
            file.write(b"a" * (1 << 20))
        file.write(tar_of(tar_member("a.obj", b"v")))
    tracemalloc.start()
    found = reasons(fetch(path, ["a.obj"], tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == {"a.obj": Reason.ARCHIVE_UNSAFE}
    assert peak < 16 << 20


def test_a_size_below_nothing(tmp_path):
    header = bytearray(tar_member("a.obj", b"")[: tarfile.BLOCKSIZE])
    header[124:136] = tarfile.itn(-1024, 12, tarfile.GNU_FORMAT)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(tar_of(bytes(header)))
    assert reasons(fetch(tmp_path / "a.tar", ["a.obj"], tmp_path)) == {"a.obj": Reason.ARCHIVE_UNSAFE}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("damage", ["cut", "other bytes"])
def test_damaged_tars_of_every_packing(tmp_path, pack, damage):
    content = pack(tar_of(tar_member("a.obj", os.urandom(50_000)), tar_member("b.obj", os.urandom(50_000))))
    half = len(content) // 2
    content = content[:half] + (b"" if damage == "cut" else b"\xff" * 50 + content[half + 50 :])
    (tmp_path / "a.tgz").write_bytes(content)
    assert reasons(fetch(tmp_path / "a.tgz", ["b.obj"], tmp_path)) == {"b.obj": Reason.ARCHIVE_UNSAFE}
    plain = tar_of(tar_member("a.obj", b"v"), bytes(100) + b"\xff" * 412, tar_member("b.obj", b"v"))
    (tmp_path / "header.tgz").write_bytes(pack(plain))
    assert reasons(fetch(tmp_path / "header.tgz", ["b.obj"], tmp_path)) == {"b.obj": Reason.ARCHIVE_UNSAFE}
    (tmp_path / "whole.tgz").write_bytes(pack(tar_of(tar_member("b.obj", b"v"))))
    assert reasons(fetch(tmp_path / "whole.tgz", ["b.obj"], tmp_path)) == {"b.obj": "found"}


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_damaged_members_of_every_packing(tmp_path, packing):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("a.obj", os.urandom(3000))
        archive.writestr("b.obj", b"v")
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\xff" * 60 + content[260:])
    assert reasons(fetch(path, ["a.obj", "b.obj"], tmp_path)) == {
        "a.obj": Reason.ARCHIVE_UNSAFE,
        "b.obj": "found",
    }


def test_a_name_that_is_no_text(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("ä.obj", b"v")])
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xff\xfe"))
    assert reasons(fetch(path, ["ä.obj"], tmp_path)) == {"ä.obj": Reason.ARCHIVE_UNSAFE}


def test_members_that_are_absent_large_or_damaged(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("large.obj", b"l" * 2000)
        archive.writestr("bad.obj", b"unmistakable")
    path.write_bytes(path.read_bytes().replace(b"unmistakable", b"unmistakablE"))
    assert reasons(fetch(path, ["large.obj", "bad.obj", "absent.obj"], tmp_path, size_limit=1000)) == {
        "large.obj": Reason.TOO_LARGE,
        "bad.obj": Reason.ARCHIVE_UNSAFE,
        "absent.obj": Reason.FETCH_MISSING,
    }


def test_no_archive_at_all(tmp_path):
    (tmp_path / "page.zip").write_text("<html>log in</html>")
    assert reasons(fetch(tmp_path / "page.zip", ["a.obj"], tmp_path)) == {"a.obj": Reason.ARCHIVE_UNSAFE}
    assert reasons(fetch(tmp_path / "absent.zip", ["a.obj"], tmp_path)) == {"a.obj": Reason.FETCH_MISSING}
    with (tmp_path / "page.zip").open("rb") as file, pytest.raises(ArchiveError):
        list_zip(file, LIMITS)
