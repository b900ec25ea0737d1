"""Files that are not what their name says, and state dicts of trainers: named by what they are, with a way out."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shlex

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import vitedu_numpy
from vitedu import ViTConfig, from_pretrained
from vitedu.models import build
from vitedu.weights import save_huggingface, save_npz, save_safetensors, save_timm
from vitedu_numpy.weights.first_bytes import what_begins_so

BASE = dict(image_size=16, patch_size=4, width=12, depth=2, heads=3, mlp_dim=7, num_classes=5, gelu="erf")


def random_model(**changes):
    """Every number random, so that nothing can be mixed up."""
    model, rng = build(ViTConfig(**BASE | changes), 0), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=rng))
    return model


def assert_same(model, other):
    """The same arrays in the same places: the same bits come out."""
    images = torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)
    torch.testing.assert_close(other(images), model(images), rtol=0, atol=0)


def arrays_of(model, folder) -> dict:
    """By timm's names."""
    save_timm(model, folder / "timm.safetensors")
    return load_file(folder / "timm.safetensors")


# ---- what a file begins with -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "what"),
    [
        (b"", "empty"),
        (bytes(300), "zeros from its beginning on"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><Error>AccessDenied", "XML"),
        (b"\x1f\x8b\x08", "packed by gzip"),
        (b"\x28\xb5\x2f\xfd", "packed by zstd"),
        (b"PK\x03\x04", "a zip archive"),
        (b"a" + bytes(256) + b"ustar", "a tar file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x93NUMPY\x01", "a single array"),
        (b"\x80\x02}q\x00.", "a pickle"),
        (b"\x48\0\0\0\0\0\0\0{\"a\":", "a safetensors file"),
        (b'{"error": "quota"}', "a text in JSON"),
        (b"\0\0\0\x18ftypheic", "a picture in HEIC"),
        (b"iVBORw0KGgoAAAANSUhEUg", "a picture as text"),
    ],
)  # fmt: skip
def test_first_bytes_say_what_a_file_is(first, what):
    assert what_begins_so(first).startswith(what)


def test_first_bytes_that_say_nothing():
    assert what_begins_so(b"\x08\x07\x12\x07pytorch") is None


@pytest.mark.parametrize("name", ["x.npz", "x.safetensors", "weights"])
@pytest.mark.parametrize(
    ("data", "what"), [(b"<html>403</html>", "it is a web page"), (b"", "it is empty"), (bytes(80), "it is zeros")]
)
def test_downloads_that_failed(name, data, what, tmp_path):
    """By themselves the libraries say "header too large", or "no .npz file": nobody would think of a login page."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name} (is not an \.npz file|cannot be read as a safetensors).*; {what}"):
        from_pretrained(tmp_path / name)


def test_weights_that_are_packed(tmp_path):
    save_npz(random_model(gelu="tanh"), tmp_path / "a.npz")
    (tmp_path / "x.npz").write_bytes(gzip.compress((tmp_path / "a.npz").read_bytes()))
    for load in (from_pretrained, vitedu_numpy.from_npz):
        with pytest.raises(ValueError, match=r"x\.npz is not an \.npz file.*; it is packed by gzip: unpack it"):
            load(tmp_path / "x.npz")


def test_safetensors_under_the_name_of_a_pickle(tmp_path):
    """Nothing in it can run, whatever its name: it is read."""
    model = random_model()
    save_safetensors(model, tmp_path / "x.pth")
    assert_same(model, from_pretrained(tmp_path / "x.pth"))


def test_a_pickle_without_an_ending(tmp_path):
    (tmp_path / "model").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ValueError, match=r"model is a pickle, which can run anything.*To convert it: python -c"):
        from_pretrained(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("https://huggingface.co/google/vit-base-patch16-224/tree/main", "write 'google/vit-base-patch16-224'"),
        ("https://huggingface.co/google/vit-base-patch16-224", "write 'google/vit-base-patch16-224'"),
        ("gs://vit_models/imagenet21k/ViT-B_16.npz", "fetch it, and give the path of the file"),
    ],
)
def test_an_address(name, advice):
    with pytest.raises(FileNotFoundError, match=f"is an address, and none is opened; {advice}"):
        from_pretrained(name)


# ---- what trainers save ----------------------------------------------------------------------------------------------


def test_an_average_counts_its_models(tmp_path):
    """`torch.optim.swa_utils.AveragedModel` puts `module.` before every name, and a count beside them."""
    model = random_model()
    arrays = {f"module.{key}": array for key, array in arrays_of(model, tmp_path).items()}
    save_file(arrays | {"n_averaged": np.array(7)}, tmp_path / "x.safetensors")
    assert_same(model, from_pretrained(tmp_path / "x.safetensors", heads=3))


@pytest.mark.parametrize(
    ("before", "beside", "text"),
    [
        ("model.", "loss.weight", "a model's names under 'model.', and beside them 1 other keys: 'loss.weight'; save"),
        ("backbone.", "head.mlp.0.weight", "under 'backbone.', and beside them 1 other keys: 'head.mlp.0.weight'"),
        ("", "ema.{}", "holds more than one model, the second under 'ema.'; save one of them alone"),
    ],
)
def test_other_keys_beside_a_models(before, beside, text, tmp_path):
    """A head that stands beside its backbone must not be left out without a word."""
    arrays = arrays_of(random_model(), tmp_path)
    others = {beside.format(key): np.array(array) for key, array in arrays.items()}
    save_file({before + key: array for key, array in arrays.items()} | others, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=text):
        from_pretrained(tmp_path / "x.safetensors", heads=3)


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("norm_pre.weight", "a norm before its blocks"),  # CLIP
        ("blocks.0.attn.q_norm.weight", "normalised queries and keys"),
        ("blocks.0.attn.q_bias", "biases of queries and values alone"),  # BEiT
        ("attn_pool.latent", "a pooling by attention"),  # SigLIP
        ("rope.periods", "rotary positions"),
        ("blocks.0.attn.relative_position_bias_table", "biases of relative positions"),
        ("decoder_blocks.0.norm1.weight", "a decoder of hidden patches"),  # MAE
        ("blocks.0.attn.qkv.lora_A.default.weight", "an adapter that is not merged"),
    ],
)
def test_parts_of_other_models_have_names(key, part, tmp_path):
    save_file(arrays_of(random_model(), tmp_path) | {key: np.ones(12, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=f"has {part}.*'{key}'.*which our ViT has not"):
        from_pretrained(tmp_path / "x.safetensors", heads=3)


@pytest.mark.parametrize(
    ("key", "change", "text"),
    [
        ("patch_embed.proj.weight", lambda E: E.reshape(12, -1), r"has shape \(12, 48\); expected \(D, C, P, P\)"),
        ("patch_embed.proj.weight", lambda E: E.T, r"has shape \(4, 4, 3, 12\); expected \(D, C, P, P\)"),  # Flax
        ("pos_embed", lambda E: E[0], r"has shape \(17, 12\); expected \(1, T, D\)"),
        ("pos_embed", None, "key 'pos_embed' is missing"),
        ("norm.weight", None, r"key 'norm\.weight' is missing"),
    ],
)
def test_an_array_that_tells_sizes(key, change, text, tmp_path):
    """Taken apart without a look, such shapes make sizes of another model, and messages about those."""
    arrays = arrays_of(random_model(), tmp_path)
    array = arrays.pop(key)
    if change is not None:
        arrays[key] = np.ascontiguousarray(change(array))
    save_file(arrays, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=text):
        from_pretrained(tmp_path / "x.safetensors", heads=3)


@pytest.mark.parametrize("within", ["model_ema", "teacher", "state_dict"])
def test_the_line_that_converts_a_checkpoint_of_a_trainer(within, tmp_path):
    """An average alone, a teacher beside its student, settings as argparse has them (MAE, DINO, DeiT)."""
    model = random_model()
    arrays = {key: torch.from_numpy(array) for key, array in arrays_of(model, tmp_path).items()}
    torch.save({"student": {}, within: arrays, "args": argparse.Namespace(lr=0.1)}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="is a pickle") as info:
        from_pretrained(tmp_path / "net.pth")
    exec(shlex.split(str(info.value).partition("To convert it: ")[2])[2], {})
    assert_same(model, from_pretrained(tmp_path / "net.safetensors", heads=3))


# ---- folders of transformers -----------------------------------------------------------------------------------------


def test_a_pooler_that_nobody_reads(tmp_path, caplog):
    """A `ViTForImageClassification` begun from a `ViTModel` may keep its pooler in the file; its classifier reads the
    class token all the same.
    """
    model = random_model()
    save_huggingface(model, tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    pooler = {
        "vit.pooler.dense.weight": np.eye(12, dtype=np.float32),
        "vit.pooler.dense.bias": arrays["vit.layernorm.bias"],
    }
    save_file(arrays | pooler, tmp_path / "model.safetensors")
    assert_same(model, from_pretrained(tmp_path))
    assert "its pooler was left out: a ViTForImageClassification has none" in caplog.text
    settings = json.loads((tmp_path / "config.json").read_text()) | {"architectures": None}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert from_pretrained(tmp_path).config.representation_size == 12
    assert "its classifier was taken to read the pooler; drop_pre_logits=True leaves both out" in caplog.text


def test_an_index_whose_parts_are_not_whole(tmp_path):
    """One part is not there; then it is, without a key that the index says it has."""
    save_huggingface(random_model(), tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    os.remove(tmp_path / "model.safetensors")
    place = {key: "a.safetensors" for key in arrays} | {"classifier.bias": "b.safetensors", "vit.more": "b.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": place}))
    save_file({key: array for key, array in arrays.items() if key != "classifier.bias"}, tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match=r"b\.safetensors is not there; the index beside it names it"):
        from_pretrained(tmp_path)
    save_file({"classifier.bias": arrays["classifier.bias"]}, tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match=r"says that b\.safetensors has the key 'vit\.more', which it has not"):
        from_pretrained(tmp_path)


def test_an_adapter_alone(tmp_path):
    save_file({"lora_A.weight": np.ones((2, 12), np.float32)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(
        FileNotFoundError, match=r"but an adapter \(LoRA\), which is none; save the model after merging"
    ):
        from_pretrained(tmp_path)


def test_a_config_with_a_byte_order_mark(tmp_path):
    """Windows PowerShell writes one in front of every text."""
    model = random_model()
    save_huggingface(model, tmp_path)
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text, encoding="utf-8-sig")
    assert_same(model, from_pretrained(tmp_path))


def test_names_in_a_container_of_others(tmp_path):
    """timm's names in an .npz file, the authors' in .safetensors: the other ending is the way out."""
    np.savez(tmp_path / "x.npz", **arrays_of(random_model(), tmp_path))
    with pytest.raises(ValueError, match=r"names with dots are those of PyTorch, which are read from \.safetensors"):
        from_pretrained(tmp_path / "x.npz")
    save_file({"Transformer/encoder_norm/bias": np.ones(2, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"names with / are those of the authors, whose files are \.npz"):
        from_pretrained(tmp_path / "x.safetensors")


# ---- where weights are looked for ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "meant"), [("ViT-B/16", "ViT-B_16"), ("R50+ViT-B/16", "R50+ViT-B_16")])
def test_a_name_as_the_paper_has_it(name, meant):
    """It has the form of owner/name, and would be asked for on the hub."""
    with pytest.raises(FileNotFoundError, match=re.escape(f"did you mean {meant!r}?")):
        from_pretrained(name)


def test_a_path_that_is_nearly_one(tmp_path, monkeypatch):
    """No shell has expanded ~ between quotation marks; a space came along from a web page."""
    monkeypatch.setenv("HOME", str(tmp_path))
    save_safetensors(random_model(), tmp_path / "x.safetensors")
    for given in ("~/x.safetensors", f"{tmp_path}/x.safetensors "):
        with pytest.raises(FileNotFoundError, match=rf"did you mean '{tmp_path}/x\.safetensors'"):
            from_pretrained(given)


@pytest.mark.parametrize("below", ["checkpoint-500", "snapshots/ab12"])
def test_weights_one_folder_further_down(below, tmp_path):
    """The folder of a trainer, or of the hub's cache."""
    save_huggingface(random_model(), tmp_path / below)
    with pytest.raises(FileNotFoundError, match=rf"; there is one in {tmp_path}/{below}: give that folder"):
        from_pretrained(tmp_path)


def test_a_folder_with_weights_of_another_library(tmp_path):
    (tmp_path / "flax_model.msgpack").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=r"; it holds flax_model\.msgpack, which is not read"):
        from_pretrained(tmp_path)


def test_a_link_that_leads_nowhere(tmp_path):
    """What a hub's cache leaves where its blobs were deleted."""
    os.symlink(tmp_path / "blobs" / "x", tmp_path / "model.safetensors")
    with pytest.raises(
        FileNotFoundError, match=r"model\.safetensors is a link that leads nowhere, to .*blobs/x; fetch"
    ):
        from_pretrained(tmp_path)
