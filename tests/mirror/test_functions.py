"""Every function pair against its PyTorch twin: forward against forward, backward against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import rooms
import torch

B, h, T, S, Dh, K, V = 2, 3, 5, 7, 4, 6, 9


def normal(*shape):
    return lambda rng: rng.standard_normal(shape)


def uniform(*shape):
    return lambda rng: rng.uniform(0.1, 0.9, shape)


def allowed(rng):
    mask = rng.random((B, 1, T, S)) < 0.6
    mask[..., 0] = True
    return mask


def dropped(rng):
    return rng.choice([0.0, 1.5, 2.5], (B, h, T, S))


def two(rng):
    return 2


def same(rng):
    return "same"


def symbols(rng):
    return rng.integers(0, V, (B, T))


QKV = dict(q=normal(B, h, T, Dh), k=normal(B, h, S, Dh), v=normal(B, h, S, Dh))
TARGETS = dict(targets=uniform(B, K))

# (module, function, inputs with a gradient, other arguments)
CASES = [
    ("linear", "linear", dict(x=normal(2, 5, 3), weight=normal(4, 3), bias=normal(4)), {}),
    ("softmax", "softmax", dict(x=normal(2, 5, 3)), {}),
    ("gelu", "gelu", dict(x=normal(2, 5, 3)), {}),
    ("gelu", "gelu_tanh", dict(x=normal(2, 5, 3)), {}),
    ("layernorm", "layernorm", dict(x=normal(2, 5, 7), weight=uniform(7), bias=normal(7)), {}),
    ("layernorm", "layernorm", dict(x=normal(2, 5, 7), weight=uniform(7), bias=normal(7)), dict(eps=lambda rng: 0.3)),
    ("dropout", "dropout", dict(x=normal(B, h, T, S)), dict(mask=dropped)),
    ("attention", "attention", QKV, {}),
    ("attention", "attention", QKV, dict(mask=allowed)),
    ("attention_variants", "general_attention", QKV, dict(mask=allowed, drop=dropped)),
    (
        "attention_variants", "general_attention", QKV | dict(bias=normal(B, h, T, S)),
        dict(mask=allowed, drop=dropped),
    ),
    ("positions", "grid_positions", dict(E_x=normal(3, 4), E_y=normal(2, 4)), {}),
    ("positions", "relative_scores", dict(q=normal(B, h, T, Dh), R=normal(2 * S - 1, Dh)), {}),
    ("conv", "conv2d", dict(x=normal(2, 3, 7, 6), weight=normal(4, 3, 3, 2)), {}),
    ("conv", "conv2d", dict(x=normal(2, 3, 7, 6), weight=normal(4, 3, 3, 3)), dict(stride=two, padding=same)),
    ("conv", "standardize", dict(weight=normal(4, 3, 3, 2)), dict(eps=lambda rng: 0.1)),
    ("conv", "standardize", dict(weight=normal(4, 3, 3, 2)), dict(eps=lambda rng: 0.1, form=lambda rng: "std")),
    ("groupnorm", "groupnorm", dict(x=normal(2, 6, 3, 4), weight=uniform(6), bias=normal(6)), dict(groups=two)),
    ("pool", "max_pool", dict(x=normal(2, 3, 7, 6)), {}),
    ("pool", "max_pool", dict(x=normal(2, 3, 7, 6)), dict(padding=same, border=lambda rng: -np.inf)),
    ("relu", "relu", dict(x=normal(2, 3, 4)), {}),
    ("swish", "swish", dict(x=normal(2, 3, 4)), {}),
    ("swish", "sigmoid", dict(x=normal(2, 3, 4)), {}),
    ("depthwise", "depthwise_conv2d", dict(x=normal(2, 3, 7, 6), weight=normal(3, 1, 3, 2)), {}),
    (
        "depthwise", "depthwise_conv2d", dict(x=normal(2, 3, 7, 6), weight=normal(3, 1, 5, 5)),
        dict(stride=two, padding=same),
    ),
    ("batchnorm", "batchnorm", dict(x=normal(4, 3, 5, 2), weight=uniform(3), bias=normal(3)), {}),
    (
        "batchnorm", "batchnorm_inference", dict(x=normal(4, 3, 5, 2), weight=uniform(3), bias=normal(3)),
        dict(mean=normal(3), var=uniform(3)),
    ),
    ("symbols", "embed", dict(weight=normal(V, 4)), dict(ids=symbols)),
    ("sequence_loss", "token_cross_entropy", dict(logits=normal(B, T, V)), dict(targets=symbols, pad=lambda rng: 0)),
    ("patches", "patchify", dict(images=normal(2, 3, 4, 6)), dict(patch_size=lambda rng: 2)),
    ("tubelets", "tubeletify", dict(videos=normal(2, 4, 3, 4, 6)), dict(tubelet_length=two, patch_size=two)),
    ("losses", "cross_entropy", dict(p=uniform(B, K)), TARGETS),
    ("losses", "binary_cross_entropy", dict(p=uniform(B, K)), TARGETS),
    ("losses", "sigmoid", dict(x=normal(B, K)), {}),
    ("losses", "softmax_cross_entropy", dict(logits=normal(B, K)), TARGETS),
    ("losses", "sigmoid_cross_entropy", dict(logits=normal(B, K)), TARGETS),
]  # fmt: skip


def name_of(case):
    return case[1] if isinstance(case, tuple) else None


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_forward_and_backward(case, rng, mirror):
    module, name, inputs, options = case
    pair, twin = (rooms.load(package, module) for package in ("vitedu_numpy", "vitedu"))
    inputs = {key: draw(rng) for key, draw in inputs.items()}
    options = {key: draw(rng) for key, draw in options.items()}

    y, cache = getattr(pair, name)(**inputs, **options)
    dy = rng.standard_normal(np.shape(y))
    gradients = getattr(pair, f"{name}_backward")(dy, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)

    tensors = {key: mirror.tensor(value, requires_grad=True) for key, value in inputs.items()}
    constants = {key: mirror.tensor(v) if isinstance(v, np.ndarray) else v for key, v in options.items()}
    torch_y = getattr(twin, name)(**tensors, **constants)
    torch_y.backward(torch.tensor(dy))

    mirror.assert_equal(y, torch_y, "y")
    mirror.assert_all_equal(
        dict(zip(inputs, gradients, strict=True)), {key: tensor.grad for key, tensor in tensors.items()}
    )


def test_no_pair_is_forgotten():
    """Every public `f_backward` of the NumPy package has a case above."""
    public = set()
    for file in rooms.files("vitedu_numpy"):
        module = rooms.load("vitedu_numpy", file.stem)
        public |= {(file.stem, name) for name in module.__all__ if name.endswith("_backward")}
    public = {pair for pair in public if pair[0] != "masked"}  # test_masked.py
    public -= {("conv", "im2col_backward")}  # a step of conv2d, which PyTorch does not show
    public -= {("probe", "logistic_loss_backward")}  # tests/mirror/transfer/test_probe.py
    public -= {("conv_chunked", "conv2d_chunked_backward")}  # tests/mirror/layers/test_conv.py
    assert public == {(module, f"{name}_backward") for module, name, *_ in CASES}


def test_functions_without_a_backward(rng, mirror):
    numpy_gelu, torch_gelu = (rooms.load(p, "gelu") for p in ("vitedu_numpy", "vitedu"))
    x = np.linspace(-8, 8, 161)
    mirror.assert_equal(numpy_gelu.normal_cdf(x), torch_gelu.normal_cdf(mirror.tensor(x)))

    numpy_patches, torch_patches = (rooms.load(p, "patches") for p in ("vitedu_numpy", "vitedu"))
    patches, shape = rng.standard_normal((2, 6, 12)), (2, 3, 4, 6)
    mirror.assert_equal(
        numpy_patches.unpatchify(patches, shape, 2), torch_patches.unpatchify(mirror.tensor(patches), shape, 2)
    )

    numpy_attention, torch_attention = (rooms.load(p, "attention") for p in ("vitedu_numpy", "vitedu"))
    x = rng.standard_normal((2, 5, 6))
    split = numpy_attention.split_heads(x, 3)
    mirror.assert_equal(split, torch_attention.split_heads(mirror.tensor(x), 3))
    mirror.assert_equal(numpy_attention.merge_heads(split), torch_attention.merge_heads(mirror.tensor(split)))
    q, k, v = (draw(rng) for draw in QKV.values())
    mask = allowed(rng)
    _, cache = numpy_attention.attention(q, k, v, mask)
    q, k, mask = map(mirror.tensor, (q, k, mask))
    mirror.assert_equal(cache.A, torch_attention.attention_weights(q, k, mask))

    numpy_losses, torch_losses = (rooms.load(p, "losses") for p in ("vitedu_numpy", "vitedu"))
    ours = numpy_losses.one_hot([2, 0, 5], K, 0.1, np.float64)
    mirror.assert_equal(ours, torch_losses.one_hot([2, 0, 5], K, 0.1, torch.float64))
