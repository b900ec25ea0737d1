"""The checks of notebooks/10_hybrid.ipynb: "same" padding, what an output sees, tokens of a map, the authors' unit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitedu_numpy.config import HybridConfig


def rect(x):
    return x * (x > 0)


def identity(x):
    return x


# ---- padding ---------------------------------------------------------------------------------------------------------


def padding_by_windows(size, kernel, stride, extra="after"):
    """Start a window at every `stride` pixels; how far does the last one reach beyond the end?"""
    starts = range(0, size, stride)
    missing = max(starts[-1] + kernel - size, 0)
    small, large = math.floor(missing / 2), math.ceil(missing / 2)
    return (small, large) if extra == "after" else (large, small)


def padding_in_words_of_a_library(size, kernel, stride):
    """The rule as TensorFlow's guide writes it, in two cases."""
    total = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
    return [total // 2, total - total // 2]


def rounded_down(size, kernel, stride):
    windows = size // stride
    missing = (windows - 1) * stride + kernel - size
    missing = missing if missing > 0 else 0
    return missing // 2, missing - missing // 2


def not_clipped(size, kernel, stride):
    missing = (math.ceil(size / stride) - 1) * stride + kernel - size
    return math.floor(missing / 2), math.ceil(missing / 2)


def one_window_more(size, kernel, stride):
    missing = max(math.ceil(size / stride) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


# ---- what an output sees ---------------------------------------------------------------------------------------------


def seen_by_sets(output, size, kernels, strides, before=lambda n, k, s: padding_by_windows(n, k, s)[0], back=True):
    """All pixels, window by window."""
    sizes = [size]
    for s in strides[:-1]:
        sizes.append(math.ceil(sizes[-1] / s))
    layers = list(zip(sizes, kernels, strides, strict=True))
    seen = {output}
    for n, k, s in layers[::-1] if back else layers:
        seen = {p * s - before(n, k, s) + i for p in seen for i in range(k)}
    return min(seen), max(seen)


def seen_by_gradient(output, size, kernels, strides):
    """PyTorch: pad a line of ones by plenty, convolve with ones, look where the gradient is not 0."""
    torch = pytest.importorskip("torch")
    more, n = 200, size
    x = torch.ones(1, 1, size + 2 * more, dtype=torch.float64, requires_grad=True)
    y, first = x, more  # `first`: where pixel 0 of the layer's input stands
    for k, s in zip(kernels, strides, strict=True):
        start = first - padding_by_windows(n, k, s)[0]
        offset = start % s
        y = torch.nn.functional.conv1d(y[:, :, offset:], torch.ones(1, 1, k, dtype=torch.float64) / k, stride=s)
        first, n = (start - offset) // s, math.ceil(n / s)
    y[0, 0, first + output].backward()
    seen = x.grad[0, 0].nonzero()[:, 0] - more
    return seen.min(), seen.max()


# ---- tokens ----------------------------------------------------------------------------------------------------------


def tokens_by_loops(features, weight, bias, columns_first=False):
    B, _, H, W = features.shape
    places = [(r, c) for r in range(H) for c in range(W)]
    if columns_first:
        places.sort(key=lambda place: place[::-1])
    return np.array([[weight @ features[b, :, r, c] + bias for r, c in places] for b in range(B)])


def tokens_by_convolution(features, weight, bias):
    torch = pytest.importorskip("torch")
    features, weight, bias = map(torch.from_numpy, (features, weight, bias))
    return torch.nn.functional.conv2d(features, weight[:, :, None, None], bias).flatten(2).mT


def tokens_still_a_map(features, weight, bias):
    return np.einsum("bchw,dc->bdhw", features, weight) + bias[:, None, None]


def count_by_halving(image_hw, blocks, patch_size, root=2, rounding=math.ceil):
    """Halve as often as the network does: twice in the root, once in every stage after the first."""
    H, W = image_hw
    for _ in range(root + len(blocks[1:])):
        H, W = rounding(H / 2), rounding(W / 2)
    return (H // patch_size) * (W // patch_size) + 1


def count_from_the_config(image_hw, blocks, patch_size):
    config = HybridConfig(image_hw, patch_size, 8, 2, 2, 8, 3, blocks=blocks, backbone_width=4, groups=2)
    return config.vit.num_tokens


# ---- the unit --------------------------------------------------------------------------------------------------------


def unit(
    x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj,
    r1=rect, r2=rect, s1=1, s2=None, s3=1, last=rect, join=lambda around, branch: around + branch,
):  # fmt: skip
    h = r1(norm1(conv1(x, s1)))
    h = r2(norm2(conv2(h, stride if s2 is None else s2)))
    branch = norm3(conv3(h, s3))
    around = norm_proj(conv_proj(x, stride)) if conv_proj else x
    return last(join(around, branch))


def unit_in_place(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj):
    out = norm3(conv3(np.maximum(norm2(conv2(np.maximum(norm1(conv1(x)), 0), stride)), 0)))
    out += x if conv_proj is None else norm_proj(conv_proj(x, stride))
    out[out < 0] = 0
    return out


def unit_without_norm_of_the_shortcut(*args):
    return unit(*args[:-1], identity)


def unit_norms_behind_rectifiers(x, s, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj):
    branch = norm3(conv3(norm2(rect(conv2(norm1(rect(conv1(x))), s)))))
    return rect(branch + (norm_proj(conv_proj(x, s)) if conv_proj else x))


def unit_that_rectifies_first(x, s, conv1, *rest):
    return unit(x, s, lambda x, stride=1: conv1(rect(x), stride), *rest)


# ---- right answers in other styles -----------------------------------------------------------------------------------

RIGHT = [
    ("same_padding", padding_by_windows),
    ("same_padding", padding_in_words_of_a_library),
    ("seen_pixels", seen_by_sets),
    ("seen_pixels", seen_by_gradient),
    ("feature_tokens", tokens_by_loops),
    ("feature_tokens", tokens_by_convolution),
    ("hybrid_tokens", count_by_halving),
    ("hybrid_tokens", count_from_the_config),
    ("postact_unit", unit),
    ("postact_unit", unit_in_place),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer"), [("feature_tokens", tokens_by_loops), ("postact_unit", unit)])
def test_right_answers_in_float32(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------

AGAIN = [
    ("same_padding", lambda *args: padding_by_windows(*args, extra="before"), "extra pixel comes first"),
    ("same_padding", lambda size, kernel, stride: [int(kernel / 2)] * 2, "symmetric"),
    ("same_padding", rounded_down, "rounded down"),
    ("same_padding", lambda size, kernel, stride: padding_by_windows(size, kernel, 1), "stride is not used"),
    (
        "same_padding",
        lambda size, k, s: (max(k - s, 0) // 2, math.ceil(max(k - s, 0) / 2)),
        "kernel - stride, whatever the size",
    ),
    ("same_padding", not_clipped, "may become negative"),
    ("same_padding", lambda *args: (0, sum(padding_by_windows(*args))), "comes at the end"),
    ("same_padding", lambda *args: (padding_by_windows(*args)[0],) * 2, "a pixel is lost"),
    ("same_padding", one_window_more, "one too many"),
    ("seen_pixels", lambda *args: seen_by_sets(*args, before=lambda n, k, s: k // 2), "symmetric"),
    ("seen_pixels", lambda *args: seen_by_sets(*args, before=lambda n, k, s: 0), "padding is not used"),
    ("seen_pixels", lambda *args: seen_by_sets(*args, before=lambda *n: padding_by_windows(*n)[1]), "padded after"),
    (
        "seen_pixels",
        lambda output, size, kernels, strides: (
            seen_by_sets(output, size, kernels, strides)[0],
            seen_by_sets(output, size, kernels, strides)[0]
            + sum(k * math.prod(strides[:n]) for n, k in enumerate(kernels)),
        ),
        "one too far",
    ),
    ("seen_pixels", lambda *args: seen_by_sets(*args, back=False), "from the image to the output"),
    (
        "seen_pixels",
        lambda output, size, *layers: seen_by_sets(
            output, size, *layers, before=lambda n, k, s: padding_by_windows(size, k, s)[0]
        ),
        "read the image itself",
    ),
    (
        "seen_pixels",
        lambda output, size, kernels, strides: seen_by_sets(
            output,
            size,
            [1 + sum((k - 1) * math.prod(strides[:n]) for n, k in enumerate(kernels))],
            [math.prod(strides)],
        ),
        "as if it were one layer",
    ),
    ("seen_pixels", lambda o, size, *rest: np.clip(seen_by_sets(o, size, *rest), 0, size - 1).tolist(), "cut off"),
    (
        "feature_tokens",
        lambda f, weight, bias: np.array([g.reshape(-1, len(g)) for g in f]) @ weight.T + bias,
        "a reshape alone",
    ),
    ("feature_tokens", lambda *args: tokens_by_loops(*args, columns_first=True), "down the columns"),
    ("feature_tokens", lambda f, weight, bias: tokens_by_loops(f, weight, 0 * bias), "the bias `bias` is not added"),
    ("feature_tokens", lambda *args: np.array([t.T for t in tokens_by_loops(*args)]), "before the tokens"),
    ("feature_tokens", tokens_still_a_map, "still a map"),
    ("feature_tokens", lambda f, weight, bias: (f.mean((2, 3)) @ weight.T + bias)[:, None], "averaged"),
    ("hybrid_tokens", lambda *args: count_by_halving(*args) - 1, "class token is not counted"),
    ("hybrid_tokens", lambda *args: count_by_halving(*args, root=1), "halve the image once"),
    ("hybrid_tokens", lambda hw, blocks, P: count_by_halving(hw, (1, *blocks) if blocks else (), P), "first one too"),
    ("hybrid_tokens", lambda hw, blocks, P: count_by_halving(hw, (1,) * sum(blocks), P), "every residual unit"),
    ("hybrid_tokens", lambda *args: count_by_halving(*args, rounding=math.floor), "rounded down"),
    ("hybrid_tokens", lambda hw, blocks, P: count_by_halving(hw, blocks, 1), "patch_size is not used"),
    ("hybrid_tokens", lambda hw, blocks, P: hw[0] * hw[1] // P**2 + 1, "ResNet is forgotten"),
    ("postact_unit", lambda *args: unit(*args, last=identity), "the last rectifier is missing"),
    (
        "postact_unit",
        lambda *args: unit(*args, last=identity, join=lambda around, branch: around + rect(branch)),
        "stands before the sum",
    ),
    ("postact_unit", lambda *args: unit(*args, join=lambda around, branch: around + rect(branch)), "once more after"),
    ("postact_unit", lambda *args: unit(*args, join=lambda around, branch: rect(around) + branch), "shortcut is rect"),
    ("postact_unit", unit_without_norm_of_the_shortcut, "projection is not normalised"),
    ("postact_unit", lambda *args: unit(*args[:7], identity, *args[8:]), "branch is not normalised"),
    ("postact_unit", lambda *args: unit(*args, join=lambda around, branch: branch), "not added"),
    ("postact_unit", lambda x, s, *rest: unit(x, s, *rest, s1=s, s2=1), "first convolution (1x1)"),
    ("postact_unit", lambda x, s, *rest: unit(x, s, *rest, s2=1, s3=s), "last convolution (1x1)"),
    ("postact_unit", unit_norms_behind_rectifiers, "before the norms"),
    ("postact_unit", lambda *args: unit(*args, r1=identity), "the first rectifier"),
    ("postact_unit", lambda *args: unit(*args, r2=identity), "the second rectifier"),
    ("postact_unit", unit_that_rectifies_first, "before the first convolution"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_a_padding_that_is_off_is_wrong(unknown):
    def my_same_padding(size, kernel, stride):
        before, after = padding_by_windows(size, kernel, stride)
        return before**2 + 7, after

    message = unknown("same_padding", my_same_padding)
    assert "before is 7; expected 0" in message
    assert "8, 3, 2" in message


def test_layers_and_a_missing_projection_are_shown(unknown):
    message = unknown("postact_unit", lambda x, *layers: np.sin(x))
    assert "<layer conv1>, <layer norm1>" in message
    assert message.endswith("<layer norm3>, None, None")


def test_a_crash_shows_the_line_and_the_shapes(unknown):
    def my_feature_tokens(features, weight, bias):
        return features @ weight.T + bias

    message = unknown("feature_tokens", my_feature_tokens)
    assert "it stopped at `return features @ weight.T + bias` with ValueError" in message
    assert "(1, 2, 3, 4), (3, 2), (3,)" in message
