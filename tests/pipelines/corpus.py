"""The development corpus as its users have it: on a hub, in a bucket, in folders and in archives."""

import gzip
import hashlib
import json
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources.builtin import BuiltinSource
from tests.servers.hub import HubServer
from tests.servers.s3 import S3Server

OBJAVERSE, SHAPENET, BUCKET = "allenai/objaverse", "ShapeNet/ShapeNetCore", "meshes-of-the-test"
TOKEN = "hf_hush"
NEW = {"objaverse": 4, "s3": 3, "local": 3}
"""How many files `add_files` adds to each source."""


@dataclass
class Corpus:
    """Where the corpus lies, and what is asked for of it."""

    folder: Path
    sources: list[str]
    uris: set[str]
    """Of every mesh file that the manifest of the corpus and the index of its archives name."""
    hub: HubServer
    s3: S3Server

    def forget_requests(self) -> None:
        self.hub.requests.clear()
        self.s3.requests.clear()

    @property
    def bodies(self) -> list[str]:
        """Files of the hub and objects of the bucket whose bytes were asked for."""
        return [*(path for path in self.hub.bodies if "/resolve/" in path), *self.s3.bodies]

    def add_files(self) -> set[str]:
        """Put ten meshes that the corpus has not into three of its places; returns their sha256."""
        contents = _furniture(sum(NEW.values()))
        hub, bucket, local = contents[:4], contents[4:7], contents[7:]
        objects = self.hub.repositories[OBJAVERSE]
        paths = json.loads(gzip.decompress((objects / "object-paths.json.gz").read_bytes()))
        for i, content in enumerate(hub):
            uid = hashlib.sha256(content).hexdigest()[:32]
            paths[uid] = f"glbs/00{i % 2}-00{1 + i % 2}/{uid}.glb"  # a folder there was, and a new one
            (objects / paths[uid]).parent.mkdir(exist_ok=True)
            (objects / paths[uid]).write_bytes(content)
        _write_paths(objects, paths)
        self.hub.commits[OBJAVERSE] = hashlib.sha1(b"ten more").hexdigest()
        for i, content in enumerate(bucket):
            self.s3.put(BUCKET, f"messy/more/new {i}.glb", content)
        for i, content in enumerate(local):
            (self.folder / "local" / f"new {i}.glb").write_bytes(content)
        return {hashlib.sha256(content).hexdigest() for content in contents}


@contextmanager
def served(root: Path, folder: Path, every: int) -> Iterator[Corpus]:
    """Stage every so many-th file of each set of the corpus at `root`, and start the servers."""
    manifest = pl.read_parquet(root / "manifest.parquet").sort("path")
    sets = {name: manifest.filter(set=name)["path"] for name in ("objaverse", "shapenet", "local", "messy")}
    chosen = {name: set(paths.gather_every(every)) for name, paths in sets.items()}
    uris = _stage_objaverse(root, folder / OBJAVERSE, chosen["objaverse"])
    uris |= _stage_shapenet(root, folder / SHAPENET, chosen["shapenet"])
    uris |= _stage_archives(root, folder / "archives", is_whole=every == 1)
    _copy_chosen(root / "local", folder / "local", set(sets["local"]) - chosen["local"])
    uris |= {f"file://{folder / path}" for path in chosen["local"]}
    with tarfile.open(root / "messy" / "odd_names.tar") as archive:
        archive.extractall(folder / "odd names", filter="data")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        names = {name: folder / name for name in (OBJAVERSE, SHAPENET)}
        hub = stack.enter_context(HubServer(names, token=TOKEN))
        s3 = stack.enter_context(S3Server())
        _lead_to(patch, hub, s3, folder / "caches")
        _fill_bucket(s3, root, set(sets["messy"]) - chosen["messy"])
        uris |= {f"s3://{BUCKET}/{path}" for path in chosen["messy"]}
        sources = [
            *(f"hf:{OBJAVERSE}", f"hf:{SHAPENET}", f"s3://{BUCKET}/messy"),
            *(f"local:{folder / 'local'}", f"local:{folder / 'odd names'}"),
            f"objaverse-xl:{folder / 'archives'}",
        ]
        yield Corpus(folder, sources, uris, hub, s3)


def _lead_to(patch: pytest.MonkeyPatch, hub: HubServer, s3: S3Server, caches: Path) -> None:
    """Point the clients at the servers, with caches of their own."""
    import huggingface_hub.constants
    import s3fs

    patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(caches / "hub"))
    patch.setenv("MESHLOOM_CACHE", str(caches / "own"))
    patch.setenv("HF_ENDPOINT", hub.url)
    patch.setenv("HF_TOKEN", TOKEN)
    for name, value in s3.environment.items():
        patch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()


def _stage_objaverse(root: Path, repository: Path, chosen: set[str]) -> set[str]:
    held = root / "objaverse" / "hf-objaverse-v1"
    shutil.copytree(held / "metadata", repository / "metadata")
    shutil.copy(held / "lvis-annotations.json.gz", repository)
    paths = {Path(path).stem: path.removeprefix("objaverse/hf-objaverse-v1/") for path in chosen}
    for path in paths.values():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(held / path, repository / path)
    _write_paths(repository, paths)
    return {f"hf://datasets/{OBJAVERSE}/{path}" for path in paths.values()}


def _write_paths(repository: Path, paths: dict[str, str]) -> None:
    (repository / "object-paths.json.gz").write_bytes(gzip.compress(json.dumps(paths).encode()))


def _stage_shapenet(root: Path, repository: Path, chosen: set[str]) -> set[str]:
    """One archive for each synset, as the hub has them."""
    repository.mkdir(parents=True)
    uris = set()
    for path in sorted(chosen):
        synset, model = Path(path).parts[2:4]
        with zipfile.ZipFile(repository / f"{synset}.zip", "a") as archive:
            for file in sorted((root / path).parents[1].rglob("*")):
                archive.write(file, file.relative_to(root / "shapenet" / "ShapeNetCore.v2"))
        member = f"{synset}/{model}/models/model_normalized.obj"
        uris.add(f"hf://datasets/{SHAPENET}/{synset}.zip/{member}")
    return uris


def _stage_archives(root: Path, folder: Path, is_whole: bool) -> set[str]:
    """The repositories of GitHub as Objaverse-XL keeps them: all, or the smallest."""
    held = root / "objaverse" / "github"
    index = pl.read_parquet(held / "github.parquet")
    if not is_whole:
        index = index.filter(pl.col("fileIdentifier").str.contains("KenneyNL"))
    shutil.copytree(held, folder / "github")
    index.write_parquet(folder / "github" / "github.parquet")
    return set(index["fileIdentifier"])


def _copy_chosen(source: Path, target: Path, left_out: set[str]) -> None:
    def ignored(folder: str, names: list[str]) -> set[str]:
        within = Path(folder).relative_to(source.parent)
        return {name for name in names if (within / name).as_posix() in left_out}

    shutil.copytree(source, target, ignore=ignored)


def _fill_bucket(s3: S3Server, root: Path, left_out: set[str]) -> None:
    s3.client.create_bucket(Bucket=BUCKET)
    for path in sorted((root / "messy").rglob("*")):
        key = path.relative_to(root).as_posix()
        if path.is_file() and key not in left_out:
            s3.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())


def _furniture(n: int) -> list[bytes]:
    """Meshes of as many families."""
    source = BuiltinSource()
    return [source.read_bytes(source.list_files(family)[7]) for family in source.shards()[:n]]
