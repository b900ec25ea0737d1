"""The same weights, the same numbers: both packages against the authors' forwards, written out in conftest.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy.weights import from_official, load_npz, save_npz, to_official

# Largest difference of logits of size 1.  float64: the same sums in another order, 1e-16 per rounding, through dozens
# of layers; float32 rounds 5e8 times more coarsely, and a group norm over few pixels amplifies it.
CLOSE64 = 1e-9
CLOSE32 = {"ViTConfig": 2e-5, "HybridConfig": 1e-4, "BiTConfig": 1e-4}


def written(path, file):
    with open(path, "wb") as out:
        np.savez(out, **file)
    return path


def loaded(case, path, dtype):
    """(NumPy model, PyTorch model), both loaded from the file."""
    numpy_model, torch_model = case.models(dtype)
    load_npz(numpy_model, path)
    vitedu.weights.load_npz(torch_model, path)
    return numpy_model, torch_model


def error(ours, theirs):
    return np.abs(np.asarray(ours) - np.asarray(theirs)).max()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_logits(case, dtype, tmp_path):
    file, images = case.file(dtype), case.images(dtype)
    expected = case.logits(file, images).numpy()
    assert np.abs(expected).max() > 0.5
    numpy_model, torch_model = loaded(case, written(tmp_path / "file.npz", file), dtype)
    tolerance = CLOSE64 if dtype == np.float64 else CLOSE32[type(case.config).__name__]
    assert error(numpy_model(images), expected) <= tolerance
    with torch.no_grad():
        assert error(torch_model(torch.as_tensor(images)), expected) <= tolerance


def test_gradients_in_the_authors_layout(case, tmp_path):
    """Every gradient, moved to their layout, is what autograd says of their forward."""
    file, images = case.file(np.float64), case.images(np.float64)
    theirs = {key: torch.tensor(array, requires_grad=True) for key, array in file.items()}
    dlogits = np.random.default_rng(3).standard_normal((2, case.config.num_classes))
    case.forward(theirs, torch.as_tensor(images)).backward(torch.as_tensor(dlogits))

    numpy_model, torch_model = loaded(case, written(tmp_path / "file.npz", file), np.float64)
    numpy_model(images)
    numpy_model.backward(dlogits)
    torch_model(torch.as_tensor(images)).backward(torch.as_tensor(dlogits))
    for model in (numpy_model, torch_model):
        ours = to_official(model.gradients(), case.config)
        assert set(ours) == set(file)
        for key, tensor in theirs.items():
            largest = tensor.grad.abs().max().item()
            assert ours[key].shape == tuple(tensor.shape), key
            # relative to the largest entry of the array; a key's bias has no influence, so its gradient is rounding
            assert error(ours[key], tensor.grad) <= CLOSE64 * max(largest, 1e-2), key


def test_from_a_file_to_a_model_and_back(case, package, tmp_path):
    """Nothing is computed: every array comes back bit for bit, under the same key, and nothing else."""
    file = case.file()
    model = package.models.build(case.config, 0)
    package.weights.load_npz(model, written(tmp_path / "in.npz", file))
    package.weights.save_npz(model, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as back:
        assert set(back.files) - {"vitedu/config"} == set(file)
        for key, array in file.items():
            assert back[key].dtype == np.float32
            assert np.array_equal(back[key], array), key


def test_from_a_model_to_a_file_and_back(case, package, tmp_path):
    model, other = package.models.build(case.config, 0), package.models.build(case.config, 1)
    for name in ("old", "new"):
        package.weights.save_npz(model, tmp_path / "file", name)  # no .npz is added to the name
        package.weights.load_npz(other, tmp_path / "file")
        for name, value in model.state_dict().items():
            assert np.array_equal(np.asarray(other.state_dict()[name]), np.asarray(value)), name
    assert other.config == model.config
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_anything_with_our_names(case, dtype):
    """Moments of Adam, say: any dict with the names of the state, in any precision, arrays or tensors."""
    rng = np.random.default_rng(0)
    shapes = {name: p.value.shape for name, p in vitedu_numpy.models.build(case.config, 0).named_parameters()}
    moments = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
    theirs = to_official(moments, case.config)
    assert {array.dtype for array in theirs.values()} == {np.dtype(dtype)}
    back = from_official(theirs, case.config)
    assert set(back) == set(moments)
    assert all(np.array_equal(back[name], moments[name]) and back[name].dtype == dtype for name in moments)
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in moments.items()}
    for key, array in vitedu.weights.to_official(tensors, case.config).items():
        assert np.array_equal(array, theirs[key]), key


def test_what_comes_out_is_a_copy(case):
    model = vitedu.models.build(case.config, 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for array in to_official(model.state_dict(), case.config).values():
        array += 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bfloat16_tensors_become_float32(case_of):
    config = case_of("ViT").config
    model = vitedu.models.build(config, 0).bfloat16()
    theirs = to_official(model.state_dict(), config)
    assert {array.dtype for array in theirs.values()} == {np.dtype(np.float32)}
    assert np.array_equal(theirs["embedding/bias"], model.state_dict()["patch_embedding.bias"].float().numpy())


# ---- other spellings of the same file ------------------------------------------------------------------------------

NEW_NAMES = {
    "LayerNorm_2": "LayerNorm_1", "MultiHeadDotProductAttention_1": "MultiHeadDotProductAttention_0",
    "MlpBlock_3": "MlpBlock_0",
}  # fmt: skip


def renamed(file):
    new = {}
    for key, array in file.items():
        for old, name in NEW_NAMES.items():
            key = key.replace(f"/{old}/", f"/{name}/")
        new[key] = array
    return new


def test_new_names_are_read_and_written(case_of, package, tmp_path):
    case = case_of("ViT")
    file = renamed(case.file())
    model = package.models.build(case.config, 0)
    package.weights.load_npz(model, written(tmp_path / "new.npz", file))
    again = package.weights.to_official(model.state_dict(), case.config, naming="new")
    assert set(again) == set(file)
    assert all(np.array_equal(again[key], file[key]) for key in file)


@pytest.mark.parametrize("prefix", ["", "params/", "opt/target/"])
@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize("stacked", [False, True])
def test_big_vision(prefix, token, stacked, case_of, package, tmp_path):
    """Positions are added before the class token, which has none; a checkpoint keeps the optimiser's numbers beside."""
    case = case_of("ViT, no pre-logits" if token else "ViT, gap")
    file = renamed(case.make(rows=16, R=None, token=token))
    file["pos_embedding"] = file.pop("Transformer/posembed_input/pos_embedding")
    images = case.images()
    tensors = {key: torch.as_tensor(array) for key, array in file.items()}
    expected = case.forward(tensors, torch.as_tensor(images), old=False).numpy()
    if stacked:  # one array for all blocks, as their scanned encoder has it
        first = [key for key in file if "/encoderblock_0/" in key]
        blocks = {k: np.stack([file.pop(k.replace("_0/", f"_{i}/", 1)) for i in range(2)]) for k in first}
        file |= {key.replace("encoderblock_0/", "encoderblock/"): array for key, array in blocks.items()}
    file = {prefix + key: array for key, array in file.items()}
    if prefix:
        file |= {"opt/state/0/count": np.array(3), "opt/state/0/mu/head/bias": np.full(10, np.nan, np.float32)}
    model = package.models.build(case.config, 0)
    package.weights.load_npz(model, written(tmp_path / "big_vision.npz", file))
    logits = model(images if package is vitedu_numpy else torch.as_tensor(images))
    assert error(logits.detach() if package is vitedu else logits, expected) <= CLOSE32["ViTConfig"]


def test_positions_inside_the_encoder(case_of):
    """big_vision before 2022: the same array as in the released files, one level higher."""
    case, file = case_of("ViT"), case_of("ViT").file()
    expected = from_official(file, case.config)
    file["Transformer/pos_embedding"] = file.pop("Transformer/posembed_input/pos_embedding")
    found = from_official(file, case.config)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_group_norms_as_plain_vectors(case_of):
    case, file = case_of("hybrid"), case_of("hybrid").file()
    plain = {key: array.reshape(-1) if "gn" in key else array for key, array in file.items()}
    assert plain["gn_root/scale"].shape == (32,)
    expected, found = from_official(file, case.config), from_official(plain, case.config)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_bfloat16_in_a_file(case_of, tmp_path):
    """NumPy does not know bfloat16 and stores two bytes of nothing in particular: the upper half of a float32."""
    case = case_of("ViT")
    file = case.file()
    halves = {key: (array.view(np.uint32) >> 16).astype(np.uint16).view("V2") for key, array in file.items()}
    model, _ = case.models()
    load_npz(model, written(tmp_path / "half.npz", halves))
    for key, array in to_official(model.state_dict(), case.config).items():
        truncated = (file[key].view(np.uint32) & 0xFFFF0000).view(np.float32)
        assert np.array_equal(array, truncated), key


# ---- positions that the authors' files have no place for -----------------------------------------------------------

OTHER_POSITIONS = {
    "2d": dict(position_embedding="2d"),
    "2d, gap": dict(position_embedding="2d", classifier="gap"),
    "relative": dict(position_embedding="relative"),
    "relative, shared": dict(position_embedding="relative", position_at="shared"),
    "1d, every block": dict(position_at="every"),
    "sines": dict(position_embedding="sincos2d"),
    "none": dict(position_embedding="none"),
    "not square": dict(image_size=(8, 24)),
}


@pytest.mark.parametrize("changes", OTHER_POSITIONS.values(), ids=OTHER_POSITIONS)
def test_other_positions_come_back_too(changes, case_of, package, tmp_path):
    sizes = dict(patch_size=4, width=48, depth=2, heads=3, mlp_dim=9, num_classes=10, layernorm_eps=1e-3)
    config = package.ViTConfig(**dict(image_size=16) | sizes | changes)
    model, other = package.models.build(config, 0), package.models.build(config, 1)
    state = {name: np.asarray(value) + 0.1 for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    save_npz(model, tmp_path / "file.npz")
    package.weights.load_npz(other, tmp_path / "file.npz")
    assert other.config == config
    assert set(other.state_dict()) == set(state)
    assert all(np.array_equal(np.asarray(value), np.asarray(state[n])) for n, value in other.state_dict().items())
    assert package.weights.config_of(tmp_path / "file.npz") == config
