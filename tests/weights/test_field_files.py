"""Files as people have them: wrapped, in parts, of other shapes, without a word on what they were trained with."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import vitedu_numpy
from vitedu import ViTConfig, from_pretrained, load
from vitedu.models import build
from vitedu.weights import save_huggingface, save_npz, save_safetensors, save_timm, to_huggingface
from vitedu_numpy.weights import save_npz as save_npz_of_numpy

BASE = dict(image_size=16, patch_size=4, width=12, depth=2, heads=3, mlp_dim=7, num_classes=5, gelu="erf")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def random_model(**changes):
    """Every number random, so that nothing can be mixed up."""
    model, rng = build(ViTConfig(**BASE | changes), 0), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=rng))
    return model


def assert_same(model, other, exact=True):
    images = torch.linspace(-1, 1, 2 * 3 * int(np.prod(model.config.image_hw))).reshape(2, 3, *model.config.image_hw)
    torch.testing.assert_close(other(images), model(images), **(dict(rtol=0, atol=0) if exact else {}))


def renamed(path, change, metadata=True):
    """The same arrays under other keys."""
    with safe_open(path, "np") as file:
        texts = file.metadata() if metadata else None
    save_file({change(key): array for key, array in load_file(path).items()}, path, texts)
    return path


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [save_safetensors, save_timm])
@pytest.mark.parametrize("before", ["module.", "model.", "_orig_mod.module."])
def test_what_wrappers_put_before_every_key(save, before, tmp_path, caplog):
    model = random_model()
    save(model, tmp_path / "x.safetensors")
    renamed(tmp_path / "x.safetensors", lambda key: before + key)
    assert_same(model, from_pretrained(tmp_path / "x.safetensors"))
    assert f"what wrappers put into its keys was left out ({before.replace('_orig_mod.', '')}" in caplog.text


def test_what_compiling_puts_into_keys(tmp_path):
    model = random_model()
    save_safetensors(model, tmp_path / "x.safetensors")
    renamed(tmp_path / "x.safetensors", lambda key: re.sub(r"(blocks\.\d+)\.", r"\1._orig_mod.", key))
    assert_same(model, from_pretrained(tmp_path / "x.safetensors"))


def test_wrapped_arrays_of_the_authors(tmp_path):
    model = random_model(gelu="tanh")
    save_npz(model, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        arrays = {f"module.{key}": file[key] for key in file.files}
    np.savez(tmp_path / "x.npz", **arrays)
    assert_same(model, from_pretrained(tmp_path / "x.npz"))
    vitedu_numpy.from_npz(tmp_path / "x.npz")


def test_a_layout_that_is_not_known_is_named_by_its_own_keys(tmp_path):
    save_file({"trunk.weight": np.ones(2, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=re.escape("its keys begin ['trunk.weight']")):
        from_pretrained(tmp_path / "x.safetensors")


@pytest.mark.parametrize("before", ["teacher.backbone.", "ema_model.module.", "visual.trunk."])
def test_what_others_put_before_every_key(before, tmp_path, caplog):
    """Of students and teachers, of averages, of towers for pictures: where all names have it, it says nothing."""
    model = random_model()
    save_timm(model, tmp_path / "x.safetensors")
    renamed(tmp_path / "x.safetensors", lambda key: before + key)
    assert_same(model, from_pretrained(tmp_path / "x.safetensors"))
    assert f"{before!r}, which stands before all of its keys, was left out" in caplog.text


def test_weights_and_their_average_in_one_file(tmp_path):
    """Which is meant cannot be told."""
    save_timm(random_model(), tmp_path / "x.safetensors")
    arrays = load_file(tmp_path / "x.safetensors")
    both = {f"model.{key}": a for key, a in arrays.items()} | {f"ema.{key}": a / 2 for key, a in arrays.items()}
    save_file(both, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"holds more than one model, under 'ema\.' and 'model\.'; save the one"):
        from_pretrained(tmp_path / "x.safetensors")


# ---- numbers that are no weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [save_safetensors, save_timm, save_npz])
def test_quantised_weights(save, tmp_path):
    """Whole numbers from -127 to 127, whose scales were left behind, were taken as they are."""
    path = tmp_path / ("x.npz" if save is save_npz else "x.safetensors")
    save(random_model(gelu="tanh" if save is save_npz else "erf"), path)
    if save is save_npz:
        with np.load(path) as file:
            np.savez(path, **{key: quantised(file[key]) for key in file.files})
    else:
        with safe_open(path, "np") as file:
            texts = file.metadata()
        save_file({key: quantised(array) for key, array in load_file(path).items()}, path, texts)
    with pytest.raises(ValueError, match=r"key '.*' is of int8; expected floats, not quantised ones"):
        from_pretrained(path)


def quantised(array):
    return array if array.ndim < 2 else np.round(127 * array / np.abs(array).max()).astype(np.int8)


def test_matrices_of_zeros_are_said(tmp_path, caplog):
    """The end of a file that was reserved on the disk and never came."""
    save_timm(random_model(), tmp_path / "x.safetensors")
    arrays = load_file(tmp_path / "x.safetensors")
    save_file({key: a * (not key.startswith("blocks.1.mlp")) for key, a in arrays.items()}, tmp_path / "x.safetensors")
    from_pretrained(tmp_path / "x.safetensors", heads=3)
    assert "2 of its matrices are zero everywhere, the first is 'encoder.blocks.1.mlp.fc1.weight'" in caplog.text


def test_a_pointer_in_place_of_weights(tmp_path):
    """What Git LFS leaves where nobody fetched the files."""
    for name in ("x.safetensors", "x.npz"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")
        with pytest.raises(ValueError, match=f"{name} cannot be read: it is a pointer of Git LFS, not the file"):
            from_pretrained(tmp_path / name)


# ---- parts -----------------------------------------------------------------------------------------------------------


def in_parts(folder, count=2):
    """The file of a folder, cut as transformers cuts large ones."""
    arrays = load_file(folder / "model.safetensors")
    os.remove(folder / "model.safetensors")
    names = [f"model-{k + 1:05d}-of-{count:05d}.safetensors" for k in range(count)]
    place = {key: names[k % count] for k, key in enumerate(sorted(arrays))}
    for name in names:
        save_file({key: array for key, array in arrays.items() if place[key] == name}, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": place}))


def test_a_model_in_parts(tmp_path):
    model = random_model()
    save_huggingface(model, tmp_path)
    in_parts(tmp_path)
    assert_same(model, from_pretrained(tmp_path))
    assert_same(model, from_pretrained(tmp_path / "model.safetensors.index.json"))
    assert load(tmp_path).classes is None
    os.remove(tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(FileNotFoundError, match=r"model-00002-of-00002\.safetensors"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "sub/x.safetensors", "x.bin", 3])
def test_an_index_that_leads_elsewhere(name, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ValueError, match=r"index\.json: 'weight_map' must give each key the name of a file beside it"):
        from_pretrained(tmp_path)


def test_a_folder_without_weights_says_what_it_holds(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    save_safetensors(random_model(), tmp_path / "vit.safetensors")
    with pytest.raises(
        FileNotFoundError, match=r"holds no model\.safetensors.*it holds vit\.safetensors: give the path"
    ):
        from_pretrained(tmp_path)


# ---- what a file does not say ----------------------------------------------------------------------------------------


def test_heads_are_said(tmp_path, caplog):
    """384 wide with 12 heads is none of the paper's models; the arrays are those of 6 heads."""
    model = random_model(width=384, heads=12)
    save_timm(model, tmp_path / "x.safetensors")
    assert_same(model, from_pretrained(tmp_path / "x.safetensors"))  # our own file tells
    renamed(tmp_path / "x.safetensors", str, metadata=False)
    assert from_pretrained(tmp_path / "x.safetensors").config.heads == 6
    assert "the number of heads was taken to be 6, as models of width 384 mostly have; heads= chooses" in caplog.text
    assert_same(model, from_pretrained(tmp_path / "x.safetensors", heads=12))


def test_a_grid_of_n_minus_1_times_n_plus_1(tmp_path, caplog):
    """3 x 5 patches and a class token are 16 rows, as are 4 x 4 patches: (n - 1)(n + 1) + 1 = n²."""
    model = random_model(image_size=(12, 20))
    save_timm(model, tmp_path / "x.safetensors")
    assert_same(model, from_pretrained(tmp_path / "x.safetensors"))
    assert caplog.messages == []
    renamed(tmp_path / "x.safetensors", str, metadata=False)
    assert_same(model, from_pretrained(tmp_path / "x.safetensors", image_size=(12, 20), heads=3))
    assert from_pretrained(tmp_path / "x.safetensors", heads=3).config.image_size == 16
    assert (
        "16 positions were taken for 4 x 4 patches and none for the class token; for another grid of 15" in caplog.text
    )


def test_normalisation_that_nobody_tells_is_said(tmp_path, caplog):
    save_timm(random_model(), tmp_path / "x.safetensors")
    renamed(tmp_path / "x.safetensors", str, metadata=False)
    from_pretrained(tmp_path / "x.safetensors", heads=3)
    assert "nothing here says how its images were normalised; taken to be in [-1, 1]" in caplog.text


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"image_mean": MEAN, "image_std": STD}, MEAN, STD),
        ({"do_normalize": False}, [0.0] * 3, [1.0] * 3),  # images in [0, 1]
        ({"image_mean": [0.0] * 3, "image_std": [1.0] * 3, "rescale_factor": 1 / 127.5}, [0.0] * 3, [0.5] * 3),
    ],
)
@pytest.mark.parametrize("place", ["preprocessor_config.json", "processor_config.json"])
def test_pixels_as_a_folder_of_transformers_says(settings, mean, std, place, tmp_path):
    """x in [0, 1], theirs (x - mean) / std, ours 2 x - 1."""
    model = random_model()
    save_huggingface(model, tmp_path)
    renamed(tmp_path / "model.safetensors", str, metadata=False)
    text = settings if place.startswith("pre") else {"image_processor": settings}
    (tmp_path / place).write_text(json.dumps(text))
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    theirs = (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    # float32: the folded projection sums in another order
    torch.testing.assert_close(from_pretrained(tmp_path)(2 * x - 1), model(theirs), rtol=1e-4, atol=1e-5)


def test_timms_mean_and_std(tmp_path, caplog):
    """All deit_* have ImageNet's; also where they stand beside `architecture`, as older versions wrote them."""
    model = random_model()
    save_timm(model, tmp_path / "model.safetensors")
    renamed(tmp_path / "model.safetensors", str, metadata=False)
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    theirs = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    base = {"architecture": "deit_tiny_patch16_224", "model_args": {"num_heads": 3}}
    for settings in (base | {"pretrained_cfg": {"mean": MEAN, "std": STD}}, base | {"mean": MEAN, "std": STD}):
        (tmp_path / "config.json").write_text(json.dumps(settings))
        torch.testing.assert_close(from_pretrained(tmp_path)(2 * x - 1), model(theirs), rtol=1e-4, atol=1e-5)
    assert caplog.text.count("folded into the projection") == 2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"do_flip_channel_order": True}, "prepared with do_flip_channel_order=True; expected none"),  # blue before red
        ({"rescale_offset": True, "rescale_factor": 1 / 127.5}, "prepared with rescale_offset=True"),
        ({"image_mean": MEAN}, "has image_mean and no image_std; expected both"),
        ({"image_std": STD}, "has image_std and no image_mean; expected both"),
        ({"image_mean": [123.7, 116.3, 103.5], "image_std": [58.4, 57.1, 57.4]}, r"3 numbers each, .* in \[0, 1\]"),
    ],
)
def test_pixels_that_our_models_do_not_take(settings, text, tmp_path):
    save_huggingface(random_model(), tmp_path)
    renamed(tmp_path / "model.safetensors", str, metadata=False)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=text):
        from_pretrained(tmp_path)


def test_one_number_for_all_channels(tmp_path):
    model = random_model()
    save_huggingface(model, tmp_path)
    renamed(tmp_path / "model.safetensors", str, metadata=False)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": 0.5, "image_std": 0.5}))
    assert_same(model, from_pretrained(tmp_path))


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (dict(enumerate(["crane", "crane", "c", "d", "e"])), "two of them are the same"),  # ImageNet has such
        ({k + 1: name for k, name in enumerate("abcde")}, "they are not one for each of 0 to 4"),
        ({0: "a", 1: "b"}, "they are not one for each of 0 to 4"),
    ],
)
def test_names_of_classes_that_are_not_taken_are_said(names, why, tmp_path, caplog):
    save_huggingface(random_model(), tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"id2label": names}))
    assert load(tmp_path).classes is None
    assert f"the names of its classes in config.json are not taken: {why}" in caplog.text


@pytest.mark.parametrize(
    ("settings", "resized", "text"),
    [
        ({"do_center_crop": True, "size": 18, "crop_size": 16}, 18, ""),  # as older versions wrote it
        ({"do_center_crop": True, "size": {"shortest_edge": 18}}, 18, ""),
        ({"do_center_crop": True, "size": {"height": 18, "width": 18}}, None, "cropped from size={'height': 18"),
    ],
)
def test_crops_as_a_folder_says(settings, resized, text, tmp_path, caplog):
    save_huggingface(random_model(), tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    assert load(tmp_path).transform.eval_resize == resized
    assert text in caplog.text
    assert bool(text) == ("not done here" in caplog.text)


def test_settings_of_transformers_for_other_arrays(tmp_path):
    """A config.json from another folder: its heads would be used."""
    save_huggingface(random_model(), tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"intermediate_size": 3072}))
    with pytest.raises(ValueError, match="intermediate_size=3072; expected 7"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"model_args": {"embed_dim": 768, "num_heads": 12}}, "model_args has embed_dim=768; the arrays are of 12"),
        ({"model_args": {"num_heads": 3, "depth": 3}}, "model_args has depth=3; the arrays are of 2"),  # one was lost
        ({"model_args": {"num_heads": 3, "qk_norm": True}}, "model_args has qk_norm=True; expected False"),
        ({"model_args": {"num_heads": 3, "mlp_layer": "glu"}}, "mlp_layer='glu', which is not known to compute"),
        ({"model_args": {"num_heads": 3, "global_pool": "avg"}}, "global_pool='avg'; expected 'token'"),
        ({"model_args": {"num_heads": 3}, "global_pool": "map"}, "global_pool='map'; expected 'token'"),
    ],
)
def test_settings_of_timm_that_compute_something_else(settings, text, tmp_path):
    save_timm(random_model(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=text):
        from_pretrained(tmp_path)


def test_a_mean_over_patches_with_its_norm_before(tmp_path):
    """timm's `fc_norm=False`: what our models do.  A norm after the mean computes something else."""
    model = random_model(classifier="gap")
    save_timm(model, tmp_path / "model.safetensors")
    renamed(tmp_path / "model.safetensors", str, metadata=False)
    settings = {"model_args": {"num_heads": 3, "class_token": False, "global_pool": "avg", "fc_norm": False}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert_same(model, from_pretrained(tmp_path))
    renamed(tmp_path / "model.safetensors", lambda key: re.sub(r"^norm\.", "fc_norm.", key), metadata=False)
    with pytest.raises(ValueError, match=r"has a norm after the pooling \('fc_norm\.bias'\), which our ViT has not"):
        from_pretrained(tmp_path)


def test_the_poolers_activation(tmp_path):
    """A `ViTModel` with another one than tanh computes something that our pre-logits layer does not."""
    model = random_model(representation_size=12)
    arrays = to_huggingface(model.state_dict(), model.config)
    save_file({k: a for k, a in arrays.items() if not k.startswith("classifier")}, tmp_path / "model.safetensors")
    settings = {"model_type": "vit", "num_attention_heads": 3, "image_size": 16, "layer_norm_eps": 1e-6}
    (tmp_path / "config.json").write_text(json.dumps(settings | {"pooler_act": "tanh"}))
    assert from_pretrained(tmp_path, num_classes=5).config.representation_size == 12
    (tmp_path / "config.json").write_text(json.dumps(settings | {"pooler_act": "gelu"}))
    with pytest.raises(ValueError, match="pooler_act='gelu'; expected 'tanh'"):
        from_pretrained(tmp_path, num_classes=5)


def test_a_file_of_the_authors_without_positions(tmp_path, caplog):
    """big_vision's sincos2d models have none in the file: `image_size=` alone would make a model without any."""
    model = random_model(position_embedding="sincos2d", classifier="gap", gelu="tanh")
    save_npz(model, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        np.savez(tmp_path / "y.npz", **{key: file[key] for key in file.files if not key.startswith("vitedu/")})
    with pytest.raises(ValueError, match='say image_size=, and position_embedding="sincos2d"'):
        from_pretrained(tmp_path / "y.npz")
    from_pretrained(tmp_path / "y.npz", image_size=16)
    assert 'has no positions; the model has none either.  position_embedding="sincos2d" adds' in caplog.text
    caplog.clear()
    assert_same(model, from_pretrained(tmp_path / "y.npz", image_size=16, position_embedding="sincos2d"))
    assert caplog.messages == []


# ---- pickles ---------------------------------------------------------------------------------------------------------


def test_the_line_that_converts_a_pickle(tmp_path):
    """The refusal ends in a command; what it writes is read."""
    model = random_model()
    save_timm(model, tmp_path / "x.safetensors")
    arrays = {f"module.{key}": torch.from_numpy(array) for key, array in load_file(tmp_path / "x.safetensors").items()}
    torch.save({"state_dict": arrays, "epoch": 3}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="is a pickle, which can run anything") as info:
        from_pretrained(tmp_path / "net.pth")
    command = shlex.split(str(info.value).partition("To convert it: ")[2])
    assert command[:2] == ["python", "-c"]
    subprocess.run([sys.executable, *command[1:]], check=True)
    assert_same(model, from_pretrained(tmp_path / "net.safetensors", heads=3))


# ---- what is written can be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [save_npz, save_safetensors, save_timm, save_huggingface])
def test_numbers_that_no_reader_would_take_are_not_written(save, tmp_path):
    model = random_model()
    with torch.no_grad():
        model.head.bias[3] = float("nan")
    with pytest.raises(ValueError, match=r"'\w+[./]bias' holds NaN or infinity"):
        save(model, tmp_path / "x")
    assert not (tmp_path / "x").is_file()


def test_the_numpy_twin_does_not_either(tmp_path):
    model = vitedu_numpy.ViT(ViTConfig(**BASE), 0)
    model.head.bias.value[3] = np.inf
    with pytest.raises(ValueError, match="'head/bias' holds NaN or infinity"):
        save_npz_of_numpy(model, tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("dtype", [np.int8, bool, np.complex64, "bfloat16", None])
def test_dtypes_that_would_cut_numbers(dtype, tmp_path):
    with pytest.raises(ValueError, match=r"dtype=.* is not allowed; dtype must be one of \('float16', 'float32'"):
        save_safetensors(random_model(), tmp_path / "x.safetensors", dtype)
    assert not (tmp_path / "x.safetensors").exists()
