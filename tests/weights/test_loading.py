"""Constants, another task, and files that are whole or not there."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy import from_npz
from vitedu_numpy.drawing import without_drawing
from vitedu_numpy.weights import from_official, save_npz
from vitedu_numpy.weights.files import replacing
from vitedu_numpy.weights.resize import resize_positions

WRONG = {
    "gelu": "erf", "layernorm_eps": 0.1, "groupnorm_eps": 0.2, "standardize_eps": 0.3,
}  # fmt: skip


def written(path, file):
    with open(path, "wb") as out:
        np.savez(out, **file)
    return path


def as_input(package, images):
    return images if package is vitedu_numpy else torch.as_tensor(images)


def as_numpy(logits):
    return logits.detach().numpy() if isinstance(logits, torch.Tensor) else logits


# ---- constants -----------------------------------------------------------------------------------------------------


def test_a_file_of_the_authors_brings_their_constants(case, package, tmp_path):
    """A model built with all constants wrong computes, after loading, exactly what one with the right ones does."""
    path, images = written(tmp_path / "file.npz", case.file()), as_input(package, case.images())
    wrong = {name: value for name, value in WRONG.items() if hasattr(case.config, name)}
    model, right = package.models.build(replace(case.config, **wrong), 0), package.models.build(case.config, 0)
    package.weights.load_npz(right, path)
    model.load_state_dict(right.state_dict())
    assert np.abs(as_numpy(model(images)) - as_numpy(right(images))).max() > 1e-3
    package.weights.load_npz(model, path)
    assert np.array_equal(as_numpy(model(images)), as_numpy(right(images)))
    assert model.config == case.config
    for (_, module), (_, other) in zip(model.named_modules(), right.named_modules(), strict=True):
        assert getattr(module, "config", None) == getattr(other, "config", None)
        if type(module).__name__ in ("LayerNorm", "GroupNorm", "StdConv", "FrugalStdConv"):
            assert module.eps == other.eps


def test_our_own_file_brings_our_own_constants(case, package, tmp_path):
    wrong = {name: value for name, value in WRONG.items() if hasattr(case.config, name)}
    ours = package.models.build(replace(case.config, **wrong), 0)
    save_npz(ours, tmp_path / "file.npz")
    model = package.models.build(case.config, 1)
    package.weights.load_npz(model, tmp_path / "file.npz")
    images = as_input(package, case.images())
    assert model.config == ours.config
    assert np.array_equal(as_numpy(model(images)), as_numpy(ours(images)))


def test_dropout_and_head_bias_stay_the_models(case_of, package, tmp_path):
    """They belong to a training run; a file of the authors does not know them, and one of ours does not impose them."""
    config = case_of("ViT").config
    save_npz(package.models.build(replace(config, dropout=0.3), 0), tmp_path / "file.npz")
    model = package.models.build(replace(config, dropout=0.1, head_bias=-3.0), 0)
    package.weights.load_npz(model, tmp_path / "file.npz")
    assert (model.config.dropout, model.config.head_bias) == (0.1, -3.0)


@pytest.mark.parametrize("border", ["zero", "-inf"])
def test_the_border_of_bits_pool(border, case_of, package, tmp_path):
    """The authors' two codes read the same files and differ in it: theirs leave it, ours bring it."""
    case, images = case_of("BiT"), as_input(package, case_of("BiT").images())
    right = package.models.build(replace(case.config, pool_padding=border), 0)
    right.load_state_dict(from_official(case.file(), case.config))
    other = {"zero": "-inf", "-inf": "zero"}[border]
    theirs, ours = (package.models.build(replace(case.config, pool_padding=p), 0) for p in (border, other))
    package.weights.load_npz(theirs, written(tmp_path / "theirs.npz", case.file()))
    save_npz(theirs, tmp_path / "ours.npz")
    package.weights.load_npz(ours, tmp_path / "ours.npz")
    for model in (theirs, ours):
        assert model.config.pool_padding == border
        assert np.array_equal(as_numpy(model(images)), as_numpy(right(images)))


def test_models_have_the_two_methods(case, package, tmp_path):
    model, other = package.models.build(case.config, 0), package.models.build(case.config, 1)
    model.save_npz(tmp_path / "file.npz", naming="new")
    other.load_npz(tmp_path / "file.npz")
    for name, value in model.state_dict().items():
        assert np.array_equal(np.asarray(value), np.asarray(other.state_dict()[name]))


# ---- another task --------------------------------------------------------------------------------------------------


def opened(package, path, **arguments):
    """The model in a file, by either package's door."""
    return from_npz(path, rng=0, **arguments) if package is vitedu_numpy else vitedu.from_pretrained(path, **arguments)


def test_a_model_is_built_from_a_file(case, package, tmp_path, caplog):
    path, images = written(tmp_path / "file.npz", case.file()), case.images()
    model = opened(package, path, image_size=case.config.image_size)
    expected = case.logits(case.file(), images).numpy()
    # float32: see test_official.py
    assert np.abs(as_numpy(model(as_input(package, images))) - expected).max() <= 1e-4
    assert caplog.messages == []  # nothing was changed, so there is nothing to say


def test_another_number_of_classes(case, package, tmp_path, caplog):
    path, images = written(tmp_path / "file.npz", case.file()), as_input(package, case.images())
    model = opened(package, path, num_classes=13, image_size=case.config.image_size)
    same, record = opened(package, path, image_size=case.config.image_size), [{}, {}]
    logits = as_numpy(model(images, record[0]))
    same(images, record[1])
    assert logits.shape == (2, 13)
    assert not logits.any()  # a new head has no opinion
    assert np.array_equal(as_numpy(record[0]["pre_logits"]), as_numpy(record[1]["pre_logits"]))
    (message,) = caplog.messages
    assert f"the head for {case.config.num_classes} classes was left out; a new one for 13 classes" in message
    assert str(path) in message


@pytest.mark.parametrize("method", ["linear", "cubic"])
@pytest.mark.parametrize("kind", ["ViT", "ViT, gap", "hybrid"])
def test_another_resolution(kind, method, case_of, package, tmp_path, caplog):
    case = case_of(kind)
    path = written(tmp_path / "file.npz", case.file())
    size = tuple(3 * side // 2 for side in case.config.image_hw)
    model = opened(package, path, image_size=size, method=method)
    name = next(n for n in model.state_dict() if n.endswith("E_pos"))
    expected = resize_positions(
        from_official(case.file(), case.config)[name], (4, 4), (6, 6), case.config.classifier == "token", method
    )
    assert model.config.grid == (6, 6)
    # interpolated by another library in one of the packages, float32
    assert np.abs(np.asarray(model.state_dict()[name]) - expected).max() <= 1e-6
    (message,) = caplog.messages
    assert f"positions were interpolated from 4 x 4 to 6 x 6 patches ({method})" in message


def test_positions_that_were_interpolated_to_other_sides(case_of, package, tmp_path):
    """36 rows are 6 x 6, whatever is asked for: for 4 x 9 patches they are interpolated, not taken as they are."""
    file = case_of("ViT").make(rows=37)
    model = opened(package, written(tmp_path / "file.npz", file), image_size=(16, 36))
    assert model.config.grid == (4, 9)
    E_pos = np.asarray(model.state_dict()["position_embedding.E_pos"])
    assert not np.allclose(E_pos, file["Transformer/posembed_input/pos_embedding"][0])


def test_without_the_pre_logits_layer(case_of, package, tmp_path, caplog):
    """Only if asked: with it goes the head, which reads its 64 numbers."""
    path = written(tmp_path / "file.npz", case_of("ViT").file())
    assert opened(package, path).config.representation_size == 64
    model = opened(package, path, drop_pre_logits=True)
    assert model.config.representation_size is None
    assert np.asarray(model.state_dict()["head.weight"]).shape == (10, 48)
    assert not np.asarray(model.state_dict()["head.weight"]).any()
    assert [m.partition(": ")[2][:18] for m in caplog.messages] == ["the pre-logits lay", "the head for 10 cl"]


def test_settings_that_leave_the_weights_alone(case_of, package, tmp_path):
    path = written(tmp_path / "file.npz", case_of("ViT").file())
    model = opened(package, path, dropout=0.1, gelu="erf", head_bias=-2.0, num_classes=3)
    assert (model.config.dropout, model.config.gelu) == (0.1, "erf")
    assert np.array_equal(np.asarray(model.state_dict()["head.bias"]), [-2, -2, -2])
    with pytest.raises(TypeError, match=r"'depth'.*cannot be changed"):
        opened(package, path, depth=3)
    with pytest.raises(ValueError, match="dropout=2"):
        opened(package, path, dropout=2)


def test_a_file_with_fixed_positions(case_of, package, tmp_path):
    """Sines and cosines are not in a file: that they are meant must be said."""
    file = case_of("ViT, gap").file()
    del file["Transformer/posembed_input/pos_embedding"]
    path = written(tmp_path / "file.npz", file)
    assert opened(package, path, image_size=16).config.position_embedding == "none"
    model = opened(package, path, image_size=16, position_embedding="sincos2d")
    assert model.config.position_embedding == "sincos2d"
    with pytest.raises(ValueError, match="missing"):
        opened(package, path, image_size=16, position_embedding="2d")


def test_a_file_without_a_head(case, package, tmp_path, caplog):
    file = {key: array for key, array in case.file().items() if "head/" not in key}
    path = written(tmp_path / "file.npz", file)
    model = opened(package, path, num_classes=4, image_size=case.config.image_size)
    assert model.config.num_classes == 4
    assert not np.asarray(next(v for n, v in model.state_dict().items() if n.endswith("head.weight"))).any()
    assert "has no head; a new one starts at zero" in caplog.messages[0]


@pytest.mark.parametrize(("kind", "least", "size"), [("hybrid", 25, 32), ("hybrid, root alone", 29, 32)])
def test_sizes_that_share_a_grid(kind, least, size, case_of, package, tmp_path, caplog):
    """A ResNet rounds odd sides up, so 25 to 32 pixels all come to 4 x 4 patches; a file holds the grid alone."""
    path = written(tmp_path / "file.npz", case_of(kind).file())
    assert opened(package, path).config.image_size == size
    (message,) = caplog.messages
    gh, _ = case_of(kind).config.grid
    assert f"the image size was taken to be {size}; all from {least} on have its {gh} x {gh} patches" in message
    caplog.clear()
    for told in (least, size):  # of one grid: nothing is interpolated, and there is nothing to say
        model = opened(package, path, image_size=told)
        assert (model.config.image_size, model.config.grid) == (told, (gh, gh))
    assert caplog.messages == []
    ours = package.models.build(replace(case_of(kind).config, image_size=least), 0)
    save_npz(ours, tmp_path / "ours.npz")  # which tells: its settings go with it
    caplog.clear()
    assert opened(package, tmp_path / "ours.npz").config.image_size == least
    assert caplog.messages == []


# ---- without first values ------------------------------------------------------------------------------------------


def test_nothing_is_drawn_that_a_file_brings(case, package, tmp_path, monkeypatch):
    """No random number is asked for, and every parameter is the file's."""
    path, size = written(tmp_path / "file.npz", case.file()), case.config.image_size
    right = package.models.build(replace(case.config, image_size=size), 0)
    right.load_state_dict(from_official(case.file(), case.config))
    if package is vitedu_numpy:
        rng = np.random.default_rng(5)
        state = rng.bit_generator.state
        model = from_npz(path, image_size=size, rng=rng)
        assert rng.bit_generator.state == state
    else:
        state = torch.get_rng_state()
        model = vitedu.from_pretrained(path, image_size=size)
        assert torch.equal(torch.get_rng_state(), state)
    for name, value in right.state_dict().items():
        assert np.array_equal(np.asarray(model.state_dict()[name]), np.asarray(value)), name
    images = as_input(package, case.images())
    assert np.array_equal(as_numpy(model(images)), as_numpy(right(images)))


def test_what_no_file_brings_is_there_too(case_of, package, tmp_path):
    """Fixed positions and dropout's generator are none of the file's."""
    file, images = case_of("ViT, gap").file(), as_input(package, case_of("ViT, gap").images())
    del file["Transformer/posembed_input/pos_embedding"]
    path = written(tmp_path / "file.npz", file)
    model = opened(package, path, image_size=16, position_embedding="sincos2d", dropout=0.3)
    right = package.models.build(model.config, 0)
    right.load_state_dict(model.state_dict())
    assert np.array_equal(as_numpy(model.eval()(images)), as_numpy(right.eval()(images)))
    model.train()
    assert not np.array_equal(as_numpy(model(images)), as_numpy(model(images)))


def test_a_parameter_that_nothing_brings_is_an_error(case_of, package, tmp_path, monkeypatch):
    """Undrawn memory never gets out: a state without one of the names is refused, and there is no model."""
    path = written(tmp_path / "file.npz", case_of("ViT").file())
    door = package.models.pretrained

    def without_head_bias(*args, adapt=door.adapt, **changes):
        state, config = adapt(*args, **changes)
        return {name: value for name, value in state.items() if name != "head.bias"}, config

    monkeypatch.setattr(door, "adapt", without_head_bias)
    with pytest.raises(ValueError, match=r"does not fit the model.*missing \['head.bias'\]"):
        opened(package, path)


def test_models_are_drawn_again_afterwards(case_of, package):
    """Also after an error, and meanwhile in another thread."""
    config = case_of("ViT").config

    def weights():
        return np.asarray(package.ViT(config, 0).state_dict()["patch_embedding.weight"])

    expected = weights()
    with without_drawing(), ThreadPoolExecutor(1) as pool:
        assert np.array_equal(pool.submit(weights).result(), expected)
    with pytest.raises(ZeroDivisionError), without_drawing():
        1 / 0  # noqa: B018
    assert np.array_equal(weights(), expected)


def test_messages_reach_a_student(case_of, package, tmp_path, capfd):
    """Without any setting up: a warning of `logging`, which Python prints if nobody has said otherwise."""
    path = written(tmp_path / "file.npz", case_of("ViT").file())
    logging.getLogger().handlers, handlers = [], logging.getLogger().handlers  # as outside of pytest
    try:
        opened(package, path, num_classes=3)
    finally:
        logging.getLogger().handlers = handlers
    assert "a new one for 3 classes starts at zero" in capfd.readouterr().err


# ---- whole files, or none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.npz", "model", "model.tar", "ViT-B_16.v2"])
def test_the_path_is_the_path(name, case_of, tmp_path):
    save_npz(vitedu_numpy.models.build(case_of("ViT").config, 0), str(tmp_path / name))
    assert os.listdir(tmp_path) == [name]


def test_a_write_that_fails_leaves_the_old_file(case_of, tmp_path, monkeypatch):
    model = vitedu_numpy.models.build(case_of("ViT").config, 0)
    save_npz(model, tmp_path / "model.npz")
    before = (tmp_path / "model.npz").read_bytes()

    def breaks(file, **arrays):
        file.write(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", breaks)
    with pytest.raises(OSError, match="No space left"):
        save_npz(model, tmp_path / "model.npz")
    assert os.listdir(tmp_path) == ["model.npz"]
    assert (tmp_path / "model.npz").read_bytes() == before


def test_the_file_is_on_the_disk_before_it_gets_its_name(case_of, tmp_path, monkeypatch):
    """A machine that stops in between must not leave an empty file under the old name."""
    events = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (events.append("on the disk"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (events.append("named"), rename(*paths)))
    save_npz(vitedu_numpy.models.build(case_of("ViT").config, 0), tmp_path / "file.npz")
    assert events == ["on the disk", "named"]


def test_the_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as temporary:
        assert os.path.dirname(temporary) == str(tmp_path)  # the same disk: a rename, not a copy
        with open(temporary, "w") as file:
            file.write("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]
