"""A whole comparison: what every run saw, what is measured of it, and what a second call does."""

import numpy as np
import polars as pl
import torch
from polars.testing import assert_frame_equal

from pipelines.storage import DataFolder
from tests.training.comparison.conftest import Compared
from training.batches import training_batches
from training.checkpoints import checkpoints_of, load_network, read_position
from training.comparison import compare_training
from training.comparison.study import prepare_trials
from training.data import Prepared, ShardDataset, read_index
from training.order import Place
from training.reporting import read_metrics

N_STEPS = 6


def test_every_run_sees_the_same_meshes_and_clouds_in_the_same_order(compared: Compared) -> None:
    seen: dict[int, list] = {}
    for trial in prepare_trials(compared.settings, compared.curated, compared.out):
        dataset = ShardDataset(trial.data, "train", trial.config)
        batches = list(training_batches(dataset, 0, N_STEPS))
        assert not any(batch.failed for batch in batches)
        first = seen.setdefault(trial.seed, batches)
        assert [batch.mesh_ids for batch in batches] == [batch.mesh_ids for batch in first]
        for batch, other in zip(batches, first, strict=True):
            assert torch.equal(batch.tensors["points"], other.tensors["points"])
        held_out = [ShardDataset(trial.data, split, trial.config).index for split in ("val", "test")]
        for index, split in zip(held_out, ("val", "test"), strict=True):
            meshes = pl.read_parquet(compared.out / "meshes.parquet").filter(pl.col("split") == split)
            assert_frame_equal(index.select("mesh_id", "n_faces"), meshes.select("mesh_id", "n_faces"))
    three, five = ([batch.mesh_ids for batch in seen[seed]] for seed in (3, 5))
    assert three != five


def test_what_some_tokenizer_cannot_take_is_trained_on_by_none(compared: Compared) -> None:
    """320 tokens leave out some meshes in Silksong's tokens, and none in Loom's."""
    silksong, loom = (read_index(DataFolder(compared.curated[name])) for name in ("silksong", "loom"))
    is_long = pl.col("n_tokens") > 320
    assert 0 < silksong.filter(is_long).height < silksong.height
    assert loom.filter(is_long).height == 0
    common = set(pl.read_parquet(compared.out / "meshes.parquet")["mesh_id"])
    assert common == set(silksong.filter(~is_long)["mesh_id"]) & set(loom["mesh_id"])


def test_nats_per_face_are_those_of_the_model(compared: Compared) -> None:
    """Mesh by mesh, unpacked, from the logits of the last weights."""
    trial = prepare_trials(compared.settings, compared.curated, compared.out)[1]
    network, config = load_network(trial.run)
    held_out = ShardDataset(trial.data, "val", config)
    nats, faces = 0.0, 0
    for i in range(4):
        sample = held_out[Place(0, i)]
        assert isinstance(sample, Prepared)
        tokens = torch.from_numpy(sample.arrays["tokens"].astype(np.int64))[None]
        with torch.no_grad():
            logits = network(tokens, network.condition(torch.from_numpy(sample.arrays["points"])[None]))
        labels = torch.cat([tokens[0], torch.tensor([config.needs.vocab_size])])
        nats -= float(torch.log_softmax(logits[0], 1)[torch.arange(len(labels)), labels].double().sum())
        faces += len(held_out.mesh(i).faces)
    row = compared.runs.row(
        by_predicate=(pl.col("tokenizer") == trial.tokenizer)
        & (pl.col("seed") == trial.seed)
        & (pl.col("point") == "meshes"),
        named=True,
    )
    np.testing.assert_allclose(row["nats_per_face"], nats / faces, rtol=1e-4)


def test_the_table_is_complete_and_says_what_lies_in_the_folders(compared: Compared) -> None:
    runs, out = compared.runs, compared.out
    assert runs.select("seed", "tokenizer", "point").rows() == [
        (seed, name, point)
        for seed in (3, 5)
        for name in ("silksong", "loom")
        for point in ("meshes", "seconds")
    ]
    assert runs.drop("valid_free").null_count().sum_horizontal().item() == 0
    ends = runs.filter(pl.col("point") == "meshes")
    assert (ends["meshes"] == 24).all()
    assert ends["valid_free"].null_count() == 0
    fastest = ends["seconds"].min()
    curves = pl.read_parquet(out / "curves.parquet")
    early = runs.filter(pl.col("point") == "seconds")
    for row in early.rows(named=True):
        checkpoints = checkpoints_of(out / "runs" / f"{row['tokenizer']}-{row['seed']}")
        positions = [read_position(path) for path in checkpoints]
        within = [position for position in positions if position.seconds <= fastest] or positions[:1]
        assert (row["step"], row["seconds"]) == (within[-1].step, within[-1].seconds)
        curve = curves.filter(pl.col("tokenizer") == row["tokenizer"], pl.col("seed") == row["seed"])
        loss = np.interp(fastest, curve["seconds"], curve["nats_per_face"])
        np.testing.assert_allclose(row["nats_per_face"], loss)
    for row in runs.rows(named=True):
        folder = (
            out / "points" / f"{row['tokenizer']}-{row['seed']}" / f"step-{row['step']:06d}" / "evaluation"
        )
        generated = pl.read_parquet(folder / "generated" / "generated.parquet")
        assert generated.height == row["n_generated"] == 2
        assert row["valid"] == (generated["status"] == "valid").mean()
        assert row["within_100"] == row["valid"]
        distances = pl.read_parquet(folder / "metrics.parquet")["cd_l2_sum"].drop_nulls()
        assert row["within_0.5"] == (distances <= 0.5).sum() / 2
        assert row["seconds_per_mesh"] > 0


def test_the_curves_are_those_of_the_runs(compared: Compared) -> None:
    curves = pl.read_parquet(compared.out / "curves.parquet")
    assert curves["step"].to_list() == [2, 4, 6] * 4
    for (name, seed), rows in curves.group_by("tokenizer", "seed"):
        metrics = read_metrics(compared.out / "runs" / f"{name}-{seed}")
        assert rows["seconds"].to_list() == metrics["seconds"].to_list()
        ratio = (rows["nats_per_face"] / metrics["validation_loss"]).to_numpy()
        np.testing.assert_allclose(ratio, ratio[0])  # labels per face of the same meshes
    assert (compared.out / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_the_mean_and_the_spread_over_the_seeds(compared: Compared) -> None:
    page = (compared.out / "comparison.md").read_text()
    ends = compared.runs.filter(pl.col("point") == "meshes", pl.col("tokenizer") == "loom")["nats_per_face"]
    assert f"{ends.mean():.3f} ({ends.min():.3f} to {ends.max():.3f})" in page
    assert page.index("equal meshes") < page.index("equal seconds")


def test_a_second_call_makes_nothing_again(compared: Compared) -> None:
    kept = [
        path
        for folder in ("runs", "points")
        for path in (compared.out / folder).rglob("*")
        if path.is_file() and path.name != "config.yaml"
    ]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert len(before) > 50
    again = compare_training(compared.settings, compared.curated, compared.out, say=lambda _: None)
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert_frame_equal(again, compared.runs)
