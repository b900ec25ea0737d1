"""Where files come from: here, the authors' store, the hub; and what is said when none can be had."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import torch

import vitedu
from vitedu import ViTConfig, from_pretrained
from vitedu.models import build
from vitedu.models.pretrained import released_url
from vitedu.weights import save_huggingface, save_npz, save_timm

STORE = "https://storage.googleapis.com"
CONFIG = ViTConfig(16, 4, 48, 1, 3, 96, 10)


@pytest.fixture
def model():
    return build(CONFIG, 0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Fetched files go to a folder of the test."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))


def assert_same(one, other):
    assert one.config == other.config
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_one_model_in_every_layout(model, tmp_path):
    """Files are told apart by what is in them, not by their names."""
    save_npz(model, tmp_path / "a.npz")
    save_npz(model, tmp_path / "b")
    save_timm(model, tmp_path / "c.safetensors")
    save_timm(model, tmp_path / "d")
    save_huggingface(model, tmp_path / "folder")
    shutil.copy(tmp_path / "folder" / "model.safetensors", tmp_path / "e")
    for name in ("a.npz", "b", "c.safetensors", "d", "e", "folder"):
        assert_same(from_pretrained(tmp_path / name), model)
        assert_same(from_pretrained(str(tmp_path / name)), model)


def test_training_goes_on(model, tmp_path):
    """What is built is a model like any other: its parameters learn."""
    save_npz(model, tmp_path / "a.npz")
    again = from_pretrained(tmp_path / "a.npz", num_classes=3)
    again(torch.zeros(1, 3, 16, 16)).sum().backward()
    assert again.head.bias.grad.tolist() == [1, 1, 1]
    assert all(p.requires_grad for p in again.parameters())


ADDRESSES = {
    "ViT-B_16": "vit_models/imagenet21k/ViT-B_16.npz",
    "ViT-H_14": "vit_models/imagenet21k/ViT-H_14.npz",
    "R50+ViT-B_16": "vit_models/imagenet21k/R50+ViT-B_16.npz",
    "imagenet21k/ViT-L_32": "vit_models/imagenet21k/ViT-L_32.npz",
    "imagenet21k+imagenet2012/ViT-B_16-224": "vit_models/imagenet21k+imagenet2012/ViT-B_16-224.npz",
    "augreg/Ti_16-i21k-300ep-lr_0.001-aug_none-wd_0.03-do_0.0-sd_0.0":
        "vit_models/augreg/Ti_16-i21k-300ep-lr_0.001-aug_none-wd_0.03-do_0.0-sd_0.0.npz",
    "BiT-M-R50x1": "bit_models/BiT-M-R50x1.npz",
    "BiT-S-R152x4": "bit_models/BiT-S-R152x4.npz",
    "BiT-M-R101x3-ILSVRC2012": "bit_models/BiT-M-R101x3-ILSVRC2012.npz",
}  # fmt: skip


def test_names_of_the_authors():
    """As in the READMEs of google-research/vision_transformer and google-research/big_transfer."""
    assert {name: released_url(name) for name in ADDRESSES} == {n: f"{STORE}/{path}" for n, path in ADDRESSES.items()}
    for name in (
        "ViT-B/16",
        "vit_b16",
        "google/vit-base-patch16-224",
        "augreg/../x",
        "imagenet21k/a/b",
        "BiT-L-R50x1",
        "",
    ):
        assert released_url(name) is None, name


def test_a_released_file_is_fetched_once(model, tmp_path, monkeypatch):
    asked = []

    def fetch(url, destination):
        asked.append(url)
        save_npz(model, destination)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    for _ in range(2):
        assert_same(from_pretrained("imagenet21k+imagenet2012/ViT-B_16"), model)
    assert asked == [f"{STORE}/vit_models/imagenet21k+imagenet2012/ViT-B_16.npz"]
    # pre-trained and fine-tuned files have the same name: their folders keep them apart
    assert (tmp_path / "cache/vitedu/vit_models/imagenet21k+imagenet2012/ViT-B_16.npz").is_file()


def test_without_a_network(tmp_path, monkeypatch):
    """What to fetch, from where, and where to put it."""

    def fails(url, destination):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fails)
    with pytest.raises(ConnectionError) as info:
        from_pretrained("ViT-B_16", num_classes=10)
    path = tmp_path / "cache" / "vitedu" / "vit_models" / "imagenet21k" / "ViT-B_16.npz"
    for text in (
        "ViT-B_16 could not be fetched: Name or service",
        f"{STORE}/vit_models/imagenet21k/ViT-B_16.npz",
        str(path),
    ):
        assert text in str(info.value)
    save_npz(build(CONFIG, 0), path)  # put there by hand
    assert from_pretrained("ViT-B_16").config == CONFIG


def test_a_download_that_stops_early_is_not_kept(model, tmp_path, monkeypatch):
    def fetch(url, destination):
        save_npz(model, tmp_path / "whole")
        with open(destination, "wb") as file:
            file.write((tmp_path / "whole").read_bytes()[:-100])

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.raises(ConnectionError, match="it came incomplete"):
        from_pretrained("ViT-B_16")
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_the_hub(model, tmp_path, monkeypatch):
    import huggingface_hub

    save_huggingface(model, tmp_path / "folder")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file: str(tmp_path / "folder" / file))
    assert_same(from_pretrained("owner/model"), model)

    def without_preprocessor(name, file):
        if file == "preprocessor_config.json":  # as in repositories of timm
            raise huggingface_hub.errors.LocalEntryNotFoundError(file)
        return str(tmp_path / "folder" / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", without_preprocessor)
    assert_same(from_pretrained("owner/model"), model)

    def fails(name, file):
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fails)
    with pytest.raises(ConnectionError) as info:
        from_pretrained("google/vit-base-patch16-224")
    address = "https://huggingface.co/google/vit-base-patch16-224"
    for text in (
        "is no folder here",
        "offline",
        "config.json and model.safetensors",
        address,
    ):  # or runs/typo was meant
        assert text in str(info.value)


@pytest.mark.parametrize("name", ["nothing.npz", "./nothing", "folder/nothing.safetensors", "ViT-B/16/x", "vit_b16"])
def test_what_is_not_there(name):
    with pytest.raises(FileNotFoundError, match="is no file or folder here"):
        from_pretrained(name)


def test_no_name_at_all():
    with pytest.raises(ValueError, match="path_or_id='' is not allowed; path_or_id must be a path or a name"):
        from_pretrained("")


@pytest.mark.parametrize("name", ["model.pth", "model.pt", "pytorch_model.bin", "last.ckpt", "m.pkl"])
def test_pickles_are_not_read(name, tmp_path):
    torch.save({"head.weight": torch.ones(3)}, tmp_path / name)
    with pytest.raises(ValueError, match="is a pickle, which can run anything"):
        from_pretrained(tmp_path / name)
    os.rename(tmp_path / name, tmp_path / "renamed")
    with pytest.raises(ValueError, match="is a pickle, which can run anything"):
        from_pretrained(tmp_path / "renamed")


@pytest.mark.parametrize("what", ["text", "cut", "empty", "NaN", "another layout"])
def test_broken_safetensors(what, model, tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "file.safetensors"
    save_timm(model, path)
    arrays = {"norm.weight": np.array([1, np.nan], np.float32)} if what == "NaN" else {"a": np.ones(2)}
    if what in ("NaN", "another layout"):
        save_file(arrays, path)
    else:
        path.write_bytes({"text": b"not a file of numbers", "cut": path.read_bytes()[:-7], "empty": b""}[what])
    with pytest.raises(ValueError, match=r"file\.safetensors") as info:
        from_pretrained(path)
    if what == "NaN":
        assert "key 'norm.weight'" in str(info.value)


def test_a_folder_of_something_else(model, tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ValueError, match="holds a list; expected an object"):
        from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        from_pretrained(tmp_path)
    save_npz(model, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="cannot be read as a safetensors file"):
        from_pretrained(tmp_path)


def test_the_package_exports_it():
    assert vitedu.from_pretrained is from_pretrained
