"""Every layer class against its PyTorch twin: output, gradient of the input, gradient of every parameter by name."""

from __future__ import annotations

import numpy as np
import pytest

import vitedu
import vitedu.layers.mlp
import vitedu.models.encoder
import vitedu_numpy as vn
import vitedu_numpy.layers.mlp
import vitedu_numpy.models.encoder

B, S, D, M = 2, 5, 6, 7
MASK = np.random.default_rng(5).random((S, S)) < 0.6
MASK[:, 0] = True

f64 = np.float64
LAST = "LastBlock"


def numpy_block(rng, kind="Block"):
    parts = vn.MultiHeadAttention(D, 3, rng, f64), vn.MLP(D, M, rng, "tanh", dtype=f64)
    return getattr(vn.models.encoder, kind)(*parts, D, dtype=f64)


def torch_block(kind="Block"):
    return getattr(vitedu.models.encoder, kind)(vitedu.MultiHeadAttention(D, 3), vitedu.MLP(D, M, gelu="tanh"), D)


# name: (NumPy layer, PyTorch layer, shape of the input, options of forward)
LAYERS = {
    "Linear": (lambda r: vn.Linear(D, 4, r, f64), lambda: vitedu.Linear(D, 4), (B, S, D), {}),
    "LayerNorm": (lambda r: vn.LayerNorm(D, 0.01, f64), lambda: vitedu.LayerNorm(D, 0.01), (B, S, D), {}),
    "Dropout": (lambda r: vn.Dropout(0.3, r), lambda: vitedu.Dropout(0.3), (B, S, D), {}),
    "Gelu": (lambda r: vn.layers.mlp.Gelu("erf"), lambda: vitedu.layers.mlp.Gelu("erf"), (B, S, D), {}),
    "Gelu, tanh": (lambda r: vn.layers.mlp.Gelu("tanh"), lambda: vitedu.layers.mlp.Gelu("tanh"), (B, S, D), {}),
    "MLP": (lambda r: vn.MLP(D, M, r, dtype=f64), lambda: vitedu.MLP(D, M), (B, S, D), {}),
    "MultiHeadAttention": (
        lambda r: vn.MultiHeadAttention(D, 3, r, f64), lambda: vitedu.MultiHeadAttention(D, 3), (B, S, D), {}
    ),
    "MultiHeadAttention, mask": (
        lambda r: vn.MultiHeadAttention(D, 3, r, f64), lambda: vitedu.MultiHeadAttention(D, 3), (B, S, D),
        dict(mask=MASK),
    ),
    "Block": (lambda r: numpy_block(r), lambda: torch_block(), (B, S, D), {}),
    "Block, mask": (lambda r: numpy_block(r), lambda: torch_block(), (B, S, D), dict(mask=MASK)),
    "LastBlock": (
        lambda r: numpy_block(r, LAST), lambda: torch_block(LAST), (B, S, D), dict(first_only=True)
    ),
    "Encoder": (
        lambda r: vn.Encoder([numpy_block(r), numpy_block(r)], D, dtype=f64),
        lambda: vitedu.Encoder([torch_block(), torch_block()], D), (B, S, D), dict(mask=MASK),
    ),
    "PatchEmbedding": (
        lambda r: vn.PatchEmbedding(3, 2, D, r, f64), lambda: vitedu.PatchEmbedding(3, 2, D), (B, 3, 4, 6), {}
    ),
    "ClassToken": (lambda r: vn.ClassToken(D, f64), lambda: vitedu.ClassToken(D), (B, S, D), {}),
    "PositionEmbedding": (
        lambda r: vn.PositionEmbedding(S, D, r, f64), lambda: vitedu.PositionEmbedding(S, D), (B, S, D), {}
    ),
    "PreLogits": (lambda r: vn.PreLogits(D, 4, r, f64), lambda: vitedu.PreLogits(D, 4), (B, D), {}),
}  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_layer(layer, rng, scramble, mirror):
    build_numpy, build_torch, shape, options = layer
    numpy_layer, torch_layer = mirror.share(scramble(build_numpy(rng)), build_torch())
    if isinstance(numpy_layer, vn.Dropout):
        numpy_layer.mask = rng.choice([0.0, 1.5, 2.5], shape)
        torch_layer.mask = mirror.tensor(numpy_layer.mask)
    torch_options = {k: mirror.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}

    x = rng.standard_normal(shape)
    torch_x = mirror.tensor(x, requires_grad=True)
    y, torch_y = numpy_layer(x, **options), torch_layer(torch_x, **torch_options)
    dy = rng.standard_normal(y.shape)
    torch_y.backward(mirror.tensor(dy))
    mirror.assert_equal(y, torch_y, "y")
    mirror.assert_equal(numpy_layer.backward(dy), torch_x.grad, "dx")
    mirror.assert_all_equal(numpy_layer.gradients(), torch_layer.gradients())


def test_no_layer_is_forgotten():
    classes = {name for name in vn.__all__ if isinstance(getattr(vn, name), type)}
    layers = {name for name in classes if issubclass(getattr(vn, name), vn.Module)} - {"Module"}
    # whole models: files of their own
    layers -= {"BiT", "EfficientNet", "Hybrid", "MaskedPatchViT", "Transformer", "VideoViT", "ViT"}
    assert layers | {"Gelu", "LastBlock"} == {name.split(",")[0] for name in LAYERS}


@pytest.mark.parametrize("masked", [False, True])
def test_the_fused_kernel_equals_the_explicit_lines(masked, rng, mirror):
    layer = vitedu.MultiHeadAttention(D, 3).double()
    z = mirror.tensor(rng.standard_normal((B, S, D)), requires_grad=True)
    dy = mirror.tensor(rng.standard_normal((B, S, D)))
    results = []
    for layer.fused in (True, False):
        z.grad = None
        layer.zero_grad()
        y = layer(z, mirror.tensor(MASK) if masked else None)
        y.backward(dy)
        results.append({"y": y, "dz": z.grad} | layer.gradients())
    fused, explicit = results
    mirror.assert_all_equal({name: value.detach().numpy() for name, value in fused.items()}, explicit)
