"""Scripts written for meshgpt-pytorch run on our networks, and get its numbers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.layers.sampling import keep_top_k
from model.meshgpt import MeshAutoencoder, MeshTransformer
from tests.model.meshgpt_meshes import TETRAHEDRON
from tests.model.test_meshgpt_autoencoder_golden import assert_near, primitives
from tests.shared_data import shared_path

COMPAT = "meshgpt-pytorch-1.7"
SMALL = {"dim_coor_embed": 8, "dim_normal_embed": 8, "dim_codebook": 16, "codebook_size": 64}


def golden(name: str) -> dict[str, Tensor]:
    return load_file(shared_path("golden", "meshgpt", f"{name}.safetensors"))


def golden_meta() -> dict[str, Any]:
    return json.loads(shared_path("golden", "meshgpt", "meta.json").read_text())


def golden_autoencoder(variant: str) -> MeshAutoencoder:
    autoencoder = MeshAutoencoder(compat=COMPAT, **golden_meta()["ae_config"][variant])
    autoencoder.load(shared_path("golden", "meshgpt", f"ae_{variant}.safetensors"))
    return autoencoder


def golden_transformer(variant: str, **more: Any) -> MeshTransformer:
    options = {**golden_meta()["transformer_config"][variant], **more}
    made = MeshTransformer(golden_autoencoder("lfq"), compat=COMPAT, **options)
    made.load(shared_path("golden", "meshgpt", f"tr_{variant}.safetensors"))
    return made


def golden_inputs(name: str, edges: str) -> dict[str, Tensor]:
    case = golden(name)
    stored = case["face_edges"].long()
    found = {"vertices": case["vertices"], "faces": case["faces"].long()}
    if edges == "source and target":
        return {**found, "face_edges": stored.transpose(1, 2)}
    return {**found, "face_edges": stored} if edges == "pairs" else found


def small_networks(**options: Any) -> tuple[MeshAutoencoder, MeshTransformer]:
    torch.manual_seed(0)
    autoencoder = MeshAutoencoder(dim=16, encoder_depth=2, decoder_depth=2, **{**SMALL, **options})
    sizes = {"dim": 32, "max_seq_len": 768, "attn_depth": 1, "attn_heads": 2, "attn_dim_head": 16}
    return autoencoder, MeshTransformer(autoencoder, **sizes, fine_attn_depth=1)


def test_the_first_public_example_runs_from_start_to_end() -> None:
    autoencoder, transformer = small_networks(num_discrete_coors=128)
    vertices = torch.randn((2, 121, 3))
    faces = torch.randint(0, 121, (2, 64, 3))
    face_edges = torch.randint(0, 64, (2, 2, 96))
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=1e-2)
    losses = []
    for _ in range(4):
        loss = autoencoder(vertices=vertices, faces=faces, face_edges=face_edges)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]

    codes = autoencoder(vertices=vertices, faces=faces, face_edges=face_edges, return_codes=True)
    assert codes.shape == (2, 64 * 3, 2)
    assert torch.equal(codes, autoencoder.tokenize(vertices, faces, face_edges))
    before = {name: parameter.clone() for name, parameter in autoencoder.named_parameters()}
    optimizer = torch.optim.Adam(transformer.parameters(), lr=1e-3)
    optimizer.zero_grad()
    loss = transformer(vertices=vertices, faces=faces, face_edges=face_edges)
    assert_near(transformer(codes), loss)
    loss.backward()
    optimizer.step()
    assert transformer(codes).item() < loss.item()
    assert all(torch.equal(parameter, before[name]) for name, parameter in autoencoder.named_parameters())

    coordinates, face_mask = transformer.generate(max_seq_len=60)
    assert coordinates.shape[1:] == (face_mask.shape[1], 3, 3)
    assert coordinates[face_mask].isfinite().all()


@pytest.mark.parametrize("edges", ["pairs", "source and target", "none"])
@pytest.mark.parametrize("name", ["lfq_b2", "lfq_attn_b2", "quad_q1"])
def test_the_autoencoder_gives_the_references_numbers(name: str, edges: str) -> None:
    case, inputs = golden(f"case_{name}"), golden_inputs(f"case_{name}", edges)
    autoencoder = golden_autoencoder(name.rpartition("_")[0]).eval()
    codes = autoencoder.tokenize(**inputs)
    assert torch.equal(codes, case["codes"].long())
    recon, total, (recon_loss, commit) = autoencoder(
        **inputs, return_recon_faces=True, return_loss_breakdown=True
    )
    assert_near(total, case["total_loss_eval"][0])
    assert_near(recon_loss, case["recon_loss"][0])
    assert_near(commit, case["commit_loss_eval"])
    is_face = case["face_mask"]
    assert recon[~is_face].isnan().all()
    assert_near(recon[is_face], case["recon_faces"][is_face])
    assert_near(autoencoder(**inputs, only_return_recon_faces=True)[is_face], recon[is_face])
    coordinates, bins, mask = autoencoder.decode_from_codes_to_faces(codes, return_discrete_codes=True)
    assert torch.equal(mask, case["decode_from_codes_mask"])
    assert_near(coordinates[mask], case["decode_from_codes_coords"][mask])
    assert torch.equal(bins[mask], case["decode_from_codes_discrete"][mask].long())


def test_training_losses_are_the_references() -> None:
    expected = golden_meta()["train"]["lfq/b2"]
    loss = golden_autoencoder("lfq").train()(**golden_inputs("case_lfq_b2", "none"))
    assert loss.item() == pytest.approx(expected["total"], abs=1e-4)


def test_one_mesh_is_tokenized_without_a_batch() -> None:
    autoencoder, _ = small_networks()
    vertices, faces = TETRAHEDRON
    alone = autoencoder.tokenize(vertices, faces)
    assert alone.shape == (12, 2)
    assert torch.equal(alone, autoencoder.tokenize(vertices.unsqueeze(0), faces.unsqueeze(0))[0])


def test_masked_faces_are_not_decoded() -> None:
    autoencoder, _ = small_networks()
    codes = torch.randint(0, 64, (1, 12, 2))
    mask = torch.tensor([[True, True, False, True]])
    coordinates, found = autoencoder.decode_from_codes_to_faces(codes, face_mask=mask)
    assert torch.equal(found, mask)
    assert torch.equal(coordinates.isnan().all(-1).all(-1), ~mask)


@torch.no_grad()
def test_the_transformer_gives_the_references_numbers() -> None:
    model, vectors = golden_transformer("uncond"), golden("transformer_uncond")
    codes = vectors["codes_flat"].long()
    assert_near(model(codes), vectors["loss"][0])
    assert_near(model(codes.unflatten(1, (-1, 2))), vectors["loss"][0])
    assert_near(model(**golden_inputs("case_lfq_b2", "none")), vectors["loss"][0])
    assert_near(model(codes[:, :12], return_loss=False), vectors["logits_prefix_12"])
    greedy = {"temperature": 0, "return_codes": True, "max_seq_len": 48}
    assert torch.equal(model.generate(**greedy), vectors["greedy_cache"].long())
    prompted = model.generate(prompt=codes[:, :12].unflatten(1, (-1, 2)), cache_kv=False, **greedy)
    assert torch.equal(prompted, vectors["greedy_prompt12_nocache"].long())
    coordinates, mask = model.generate(temperature=0, max_seq_len=48)
    decoded, _ = model.autoencoder.decode_from_codes_to_faces(vectors["greedy_cache"].long())
    torch.testing.assert_close(coordinates, decoded)
    assert mask.all()


@torch.no_grad()
def test_text_and_guidance_give_the_references_numbers() -> None:
    vectors = golden("transformer_text")
    embeds = vectors["text_embeds"]
    model = golden_transformer("text", dim_text=24, cond_drop_prob=0.0)
    model.text_encoder = {("a chair", "a table"): embeds}.__getitem__
    codes = golden("transformer_uncond")["codes_flat"].long()
    assert_near(model(codes, text_embeds=embeds), vectors["loss_cond"][0])
    assert_near(model(codes, texts=("a chair", "a table")), vectors["loss_cond"][0])
    null = model(codes[:, :12], text_embeds=embeds, cond_drop_prob=1.0, return_loss=False)
    assert_near(null, vectors["logits_null_prefix_12"])
    greedy = {"temperature": 0, "return_codes": True, "max_seq_len": 24, "text_embeds": embeds}
    assert torch.equal(model.generate(**greedy), vectors["greedy_cs1_cache"].long())
    assert torch.equal(model.generate(cond_scale=3.0, **greedy), vectors["greedy_cs3_cache"].long())


@torch.no_grad()
def test_guidance_without_its_parallel_part_generates() -> None:
    model = golden_transformer("text", dim_text=24)
    embeds = golden("transformer_text")["text_embeds"]
    greedy = {"temperature": 0, "return_codes": True, "max_seq_len": 24, "text_embeds": embeds}
    kept = model.generate(cond_scale=3.0, **greedy)
    whole = {"remove_parallel_component": True, "keep_parallel_frac": 1.0}
    assert torch.equal(model.generate(cond_scale=3.0, **whole, **greedy), kept)
    # Without it the guided logits are others: at a scale this large, so are the codes.
    removed = model.generate(cond_scale=50.0, remove_parallel_component=True, **greedy)
    assert not torch.equal(removed, model.generate(cond_scale=50.0, **greedy))


def test_texts_are_left_out_in_training_only() -> None:
    model = golden_transformer("text", dim_text=24, cond_drop_prob=0.5)
    embeds = golden("transformer_text")["text_embeds"]
    codes = golden("transformer_uncond")["codes_flat"].long()[:, :12]
    torch.manual_seed(0)
    assert len({model.train()(codes, text_embeds=embeds).item() for _ in range(12)}) > 1
    assert len({model.eval()(codes, text_embeds=embeds).item() for _ in range(4)}) == 1


def test_rows_are_drawn_from_the_tenth_of_largest_logits() -> None:
    _, model = small_networks()
    seen = []

    def keep(logits: Tensor, thres: float) -> Tensor:
        seen.append(thres)
        return logits.masked_fill(logits < logits.amax(-1, keepdim=True), -torch.inf)

    greedy = model.generate(temperature=0, return_codes=True, max_seq_len=18, batch_size=2)
    filtered = {"filter_logits_fn": keep, "filter_kwargs": {"thres": 0.5}}
    drawn = model.generate(return_codes=True, max_seq_len=18, batch_size=2, **filtered)
    assert set(seen) == {0.5}
    assert torch.equal(drawn, greedy)
    first = {int(model.generate(return_codes=True, max_seq_len=6)[0, 0, 0]) for _ in range(60)}
    logits = model(torch.empty(1, 0, dtype=torch.int64), return_loss=False)[0, 0, :-1]
    assert first <= set(logits.topk(7).indices.tolist())
    assert len(first) > 1


def test_the_default_filter_is_the_references() -> None:
    arrays = primitives()
    torch.testing.assert_close(keep_top_k(arrays["logits11"], 2), arrays["top_k_default"])


def test_each_mesh_goes_to_a_file() -> None:
    _, model = small_networks()
    shapes = model.generate(batch_size=2, max_seq_len=18, face_coords_to_file=lambda mesh: mesh.shape[1:])
    assert shapes == [(3, 3), (3, 3)]


def test_weights_return_in_the_references_layout(tmp_path: Path) -> None:
    model = golden_transformer("text", dim_text=24)
    model.save(tmp_path / "transformer.safetensors")
    saved = load_file(tmp_path / "transformer.safetensors")
    listed = golden_meta()["state_dict_keys"]
    beside = {f"autoencoder.{key}" for key in listed["ae_lfq"]}
    assert saved.keys() == listed["tr_text"].keys() | beside
    again = MeshTransformer(
        golden_autoencoder("lfq"), **golden_meta()["transformer_config"]["text"], dim_text=24
    )
    again.load(tmp_path / "transformer.safetensors")
    assert all(torch.equal(again.state_dict()[key], t) for key, t in model.state_dict().items())


def test_mistakes_are_kept_only_for_compat() -> None:
    kept = MeshAutoencoder(compat=COMPAT, **SMALL)
    mended = MeshAutoencoder(**SMALL)
    assert (kept.config.angles, mended.config.angles) == ("position", "interior")
    assert (kept.config.lfq_loss, mended.config.lfq_loss) == ("all_pairs", "per_token")
    assert MeshTransformer(mended, compat=COMPAT, attn_depth=1).config.labels_padding
    assert not MeshTransformer(mended, attn_depth=1).config.labels_padding


def test_finite_scalars_by_their_levels() -> None:
    autoencoder = MeshAutoencoder(fsq_levels=(5, 4, 3))
    assert (autoencoder.config.quantizer, autoencoder.config.codebook_size) == ("fsq", 60)
    with pytest.raises(ValueError, match="codebook_size is 64, but levels 5 x 4 x 3 make 60"):
        MeshAutoencoder(fsq_levels=(5, 4, 3), codebook_size=64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coarse_post_gateloop_depth": 1}, "its result was never used; give coarse_pre_gateloop_depth"),
        ({"coarse_adaptive_rmsnorm": True}, "coarse_adaptive_rmsnorm: give text_cond_with_film"),
    ],
)
def test_what_the_transformer_does_not_offer_is_named(options: dict[str, Any], message: str) -> None:
    autoencoder, _ = small_networks()
    with pytest.raises(ValueError, match=message):
        MeshTransformer(autoencoder, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sideways": 1, "upside": 2}, "unknown options sideways, upside; known are"),
        ({"attn_dropout": 0.1}, "not offered: attn_dropout: these networks have no dropout"),
        ({"dim": 64}, "dim is the width of encoder_depth and decoder_depth layers"),
        ({"encoder_depth": 2}, "give either dim and encoder_depth, or encoder_dims_through_depth"),
        ({"dim": 8, "decoder_depth": 2, "decoder_dims_through_depth": [8]}, "decoder_dims_through_depth"),
    ],
)
def test_what_is_not_offered_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MeshAutoencoder(**options)


def test_calls_that_make_no_sense_are_refused() -> None:
    autoencoder, model = small_networks()
    vertices, faces = (part.unsqueeze(0) for part in TETRAHEDRON)
    with pytest.raises(ValueError, match="either codes, or vertices and faces"):
        model()
    with pytest.raises(ValueError, match="texts need text_encoder"):
        model(torch.zeros(1, 6, dtype=torch.int64), texts=["a chair"])
    with pytest.raises(ValueError, match="guidance needs a text"):
        model.generate(cond_scale=3.0)
    with pytest.raises(ValueError, match="rvq_stochastic_sample_codes"):
        autoencoder(vertices, faces, rvq_sample_codebook_temp=0.1)
    with pytest.raises(ValueError, match="gateloop_use_heinsen: gates are summed by doubling"):
        MeshTransformer(autoencoder, gateloop_use_heinsen=True)


def test_a_configuration_alone_is_read_without_the_networks() -> None:
    script = "import model.meshgpt.config, sys; sys.exit('model.meshgpt.adapter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
