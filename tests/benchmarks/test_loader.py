"""The baseline of the loader's benchmark makes the samples that the trainer's loader makes, its own way."""

import loader
import numpy as np
import pytest
import torch

from pipelines.sources.builtin import BuiltinSource
from pipelines.tokenizers import SilksongSettings, build_tokenizer


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    source, folder = BuiltinSource(), tmp_path_factory.mktemp("files")
    for family in source.shards()[:4]:
        file = source.list_files(family)[0]
        (folder / f"{file.mesh_id}.glb").write_bytes(source.read_bytes(file))
    return sorted(folder.iterdir())


def test_plain_samples_are_silksong_tokens_and_a_cloud(files):
    tokenizer = build_tokenizer(SilksongSettings())
    np.random.seed(0)
    for file in files:
        arrays = loader.plain_sample(file).arrays
        vertices, faces = tokenizer.decode(arrays["tokens"].astype(np.int32))
        points, normals = arrays["points"][:, :3], arrays["points"][:, 3:]
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        assert len(faces) >= 8
        assert arrays["points"].shape == (4096, 6)
        within = np.quantile(points, 0.99, axis=0) <= high + 0.05  # noise, half a bin
        assert within.all()
        assert (points >= low - 0.1).all()
        assert 0.73 < np.abs(vertices).max() < 0.97
        assert np.abs(points).max() == pytest.approx(np.abs(vertices).max(), abs=0.06)
        assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(4096), abs=2e-3)


def test_reading_counts_what_it_read(files):
    np.random.seed(0)
    reading = loader.read(lambda: loader.plain_batches(files, 0))
    (batch,) = loader.plain_batches(files, 0)
    assert reading.n_samples == len(files) == len(batch.mesh_ids)
    assert batch.tensors["points"].shape == (len(files), 4096, 6)
    n_in_batch = int((batch.tensors["tokens"] >= 0).sum())
    assert reading.n_tokens == pytest.approx(n_in_batch, rel=0.1)
    assert reading.processor > 0


def test_a_refused_mesh_is_replaced_by_another(files, monkeypatch):
    encode, calls = loader.encode_silksong, []

    def refuses_once(mesh):
        calls.append(mesh)
        if len(calls) == 1:
            raise loader.RefusedError("once")
        return encode(mesh)

    monkeypatch.setattr(loader, "encode_silksong", refuses_once)
    sample = loader.PlainDataset(files)[0]
    assert len(calls) == 2
    assert sample.arrays["tokens"].dtype == np.int64
    assert torch.from_numpy(sample.arrays["points"]).isfinite().all()
