"""The checks of notebooks/09_bit.ipynb: convolution, its gradients, weight standardisation, receptive field."""

from __future__ import annotations

import math

import numpy as np
import pytest


def conv_loops(x, weight, stride, padding, pick=lambda window, filt: (window * filt).sum()):
    """Number by number; `pick` makes one number of a window and a filter, both (C, kh, kw)."""
    (B, _, H, W), (O, _, kh, kw) = x.shape, weight.shape
    padded = np.zeros((*x.shape[:2], H + 2 * padding, W + 2 * padding))
    padded[:, :, padding : padding + H, padding : padding + W] = x
    y = np.zeros((B, O, (H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw) // stride + 1))
    for b, o, p, q in np.ndindex(y.shape):
        y[b, o, p, q] = pick(padded[b, :, p * stride : p * stride + kh, q * stride : q * stride + kw], weight[o])
    return y


def conv_torch(x, weight, stride, padding):
    torch = pytest.importorskip("torch")
    return torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weight), stride=stride, padding=padding)


def conv_shifts(x, weight, stride, padding):
    """A sum of shifted images, one for each place in the kernel."""
    (_, _, H, W), (_, _, kh, kw) = x.shape, weight.shape
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    rows, columns = H + 2 * padding - kh + 1, W + 2 * padding - kw + 1
    shifted = (
        np.einsum("oc,bchw->bohw", weight[:, :, i, j], padded[:, :, i : i + rows, j : j + columns])
        for i, j in np.ndindex(kh, kw)
    )
    return sum(shifted)[:, :, ::stride, ::stride]


def back_loops(dy, x, weight, stride, padding, step=None, read=lambda padded: padded):
    """dx with its border, and dweight."""
    _, _, kh, kw = weight.shape
    padded = read(np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)]))
    dpadded, dweight, step = np.zeros_like(padded), np.zeros_like(weight), step or stride
    for b, o, p, q in np.ndindex(dy.shape):
        rows, columns = slice(p * step, p * step + kh), slice(q * step, q * step + kw)
        dpadded[b, :, rows, columns] += dy[b, o, p, q] * weight[o]
        rows, columns = slice(p * stride, p * stride + kh), slice(q * stride, q * stride + kw)
        dweight[o] += dy[b, o, p, q] * padded[b, :, rows, columns]
    return dpadded, dweight


def inside(dpadded, x, padding):
    return dpadded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def back(dy, x, weight, stride, padding, **options):
    dpadded, dweight = back_loops(dy, x, weight, stride, padding, **options)
    return inside(dpadded, x, padding), dweight


def back_autograd(dy, x, weight, stride, padding):
    torch = pytest.importorskip("torch")
    x, weight = (torch.tensor(a, requires_grad=True) for a in (x, weight))
    y = torch.nn.functional.conv2d(x, weight, stride=stride, padding=padding)
    return torch.autograd.grad(y, [x, weight], torch.from_numpy(dy))


def standardize_loops(weight, eps):
    out = np.empty_like(weight)
    for o, filt in enumerate(weight):
        numbers = filt.ravel().tolist()
        mean = sum(numbers) / len(numbers)
        var = sum((n - mean) ** 2 for n in numbers) / len(numbers)
        out[o] = (filt - mean) / math.sqrt(var + eps)
    return out


def standardize_torch(weight, eps):
    torch = pytest.importorskip("torch")
    return torch.nn.functional.layer_norm(torch.from_numpy(weight), weight.shape[1:], eps=eps)


def field_by_windows(kernels, strides):
    """Open the window of output 0, then the windows of all that stands in it, and so on; count the pixels."""
    seen = {0}
    for k, s in zip(reversed(kernels), reversed(strides), strict=True):
        seen = {n * s + i for n in seen for i in range(k)}
    return max(seen) - min(seen) + 1


def field_by_steps(kernels, strides):
    return 1 + sum((k - 1) * math.prod(strides[:n]) for n, k in enumerate(kernels))


# ---- right answers in other styles -----------------------------------------------------------------------------------

RIGHT = [
    ("conv2d", conv_loops),
    ("conv2d", conv_shifts),
    ("conv2d", conv_torch),
    ("conv2d_backward", back),
    ("conv2d_backward", lambda *args: list(back(*args))),
    ("conv2d_backward", back_autograd),
    ("standardize", standardize_loops),
    ("standardize", standardize_torch),
    ("receptive_field", field_by_windows),
    ("receptive_field", field_by_steps),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(
    ("name", "answer"), [("conv2d", conv_loops), ("conv2d_backward", back), ("standardize", standardize_loops)]
)
def test_right_answers_in_float32(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def conv_scipy_style(x, weight, stride, padding):
    """What a signal-processing library calls a convolution."""
    return conv_loops(x, weight, stride, padding, lambda window, filt: (window * np.flip(filt, (1, 2))).sum())


def cropped(down, across):
    """The stride by slicing afterwards, along the wrong axes."""

    def answer(x, weight, stride, padding):
        return conv_loops(x, weight, 1, padding)[:, :, :: stride if down else 1, :: stride if across else 1]

    return answer


def conv_with_border(x, weight, stride, padding, before, after, mode="constant"):
    pads = [(0, 0), (0, 0), (before[0], after[0]), (before[1], after[1])]
    return conv_loops(np.pad(x, pads, mode=mode), weight, stride, 0)


def window_by_window(x, weight, stride, padding):
    """Windows with the channels moved to the end, and filters that were not."""

    def pick(window, filt):
        return np.moveaxis(window, 0, -1).ravel() @ filt.ravel()

    return conv_loops(x, weight, stride, padding, pick)


def last_window_wins(dy, x, weight, stride, padding):
    dpadded, dweight = back_loops(dy, x, weight, stride, padding)
    for p, q in np.ndindex(dy.shape[2:]):
        rows = slice(p * stride, p * stride + weight.shape[2])
        columns = slice(q * stride, q * stride + weight.shape[3])
        dpadded[:, :, rows, columns] = np.tensordot(dy[:, :, p, q], weight, 1)
    # where no window came, the zeros stay
    return inside(dpadded, x, padding), dweight


def normal(w, eps, axis, ddof=0):
    return (w - np.mean(w, axis, keepdims=True)) * (np.var(w, axis, ddof=ddof, keepdims=True) + eps) ** -0.5


def per_filter(w, function):
    return np.array([function(filt - filt.mean()) for filt in w])


AGAIN = [
    ("conv2d", conv_scipy_style, "kernel is flipped"),
    ("conv2d", lambda x, w, s, p: conv_loops(x, w, s, 0), "padding is forgotten"),
    ("conv2d", lambda x, w, s, p: conv_with_border(x, w, s, p, (0, 0), (p, p)), "bottom and right only"),
    ("conv2d", lambda x, w, s, p: conv_with_border(x, w, s, p, (0, 0), (2 * p, 2 * p)), "all of the padding"),
    ("conv2d", lambda x, w, s, p: conv_with_border(x, w, s, p, (p, 0), (p, 0)), "only rows"),
    ("conv2d", lambda x, w, s, p: conv_with_border(x, w, s, p, (p, p), (p, p), "edge"), "nearest pixels"),
    ("conv2d", lambda x, w, s, p: conv_shifts(x, w, 1, p), "stride is not used"),
    ("conv2d", cropped(True, False), "down, but not across"),
    ("conv2d", cropped(False, True), "across, but not on the way down"),
    ("conv2d", lambda x, w, s, p: conv_loops(x, w, s, p, lambda a, f: (a[0] * f[0]).sum()), "only the first channel"),
    ("conv2d", lambda x, w, s, p: conv_loops(x, w, s, p, lambda a, f: (a * f).sum((1, 2)).mean()), "averaged"),
    ("conv2d", lambda x, w, s, p: conv_loops(x.sum(1, keepdims=True), w[:, :1], s, p), "first slice of the filter"),
    (
        "conv2d",
        lambda x, w, s, p: conv_torch(x, w.reshape(-1, len(w), *w.shape[2:]).transpose(1, 0, 2, 3).copy(), s, p),
        "first two axes are exchanged",
    ),
    ("conv2d", window_by_window, "laid flat as (kh, kw, C)"),
    ("conv2d", lambda *args: np.moveaxis(conv_loops(*args), 1, 3), "outputs stand last"),
    ("conv2d_backward", last_window_wins, "overwrites"),
    ("conv2d_backward", back_loops, "still has the border"),
    (
        "conv2d_backward",
        lambda dy, x, w, s, p: (inside(back_loops(dy, x, w, s, p)[0], x, 0), back(dy, x, w, s, p)[1]),
        "top left corner",
    ),
    (
        "conv2d_backward",
        lambda dy, x, w, s, p: (back(dy, x, np.flip(w, (2, 3)), s, p)[0], back(dy, x, w, s, p)[1]),
        "flipped once too often",
    ),
    ("conv2d_backward", lambda *args: back(*args, step=1), "the stride is forgotten"),
    ("conv2d_backward", lambda dy, x, *a: (back(dy, x, *a)[0], back(dy, x, *a)[1] / x.shape[0]), "over the images"),
    (
        "conv2d_backward",
        lambda dy, x, *a: (back(dy, x, *a)[0], back(dy / dy[0, 0].size, x, *a)[1]),
        "over the places",
    ),
    (
        "conv2d_backward",
        lambda dy, x, *a: (back(dy, x, *a)[0], [back(dy[b : b + 1], x[b : b + 1], *a)[1] for b in range(len(x))][-1]),
        "last image alone",
    ),
    ("conv2d_backward", lambda *args: (back(*args)[0], np.flip(back(*args)[1], (2, 3))), "dweight is flipped"),
    (
        "conv2d_backward",
        lambda *args: (
            back(*args)[0],
            back(*args, read=lambda padded: np.roll(padded, (-args[-1], -args[-1]), (2, 3)))[1],
        ),
        "without the zeros above",
    ),
    ("conv2d_backward", lambda *args: tuple(reversed(back(*args))), "each other's place"),
    ("standardize", lambda w, eps: normal(w, eps, (0, 1, 2, 3)), "whole tensor"),
    ("standardize", lambda w, eps: normal(w.reshape(len(w), -1), eps, 0).reshape(w.shape), "over the filters"),
    ("standardize", lambda w, eps: normal(w, eps, (-2, -1)), "every kernel"),
    ("standardize", lambda w, eps: normal(w, eps, -3), "over the channels only"),
    ("standardize", lambda w, eps: normal(w.swapaxes(0, 1), eps, (1, 2, 3)).swapaxes(0, 1), "input channel"),
    ("standardize", lambda w, eps: per_filter(w, lambda f: f / (f.std() + eps)), "added to the standard deviation"),
    ("standardize", lambda w, eps: per_filter(w, lambda f: f / f.std()), "eps is not used"),
    ("standardize", lambda w, eps: normal(w, eps, (1, 2, 3), ddof=1), "unbiased"),
    (
        "standardize",
        lambda w, eps: per_filter(w, lambda f: f / math.sqrt((f * f).sum() + eps)),
        "not divided by their number",
    ),
    ("standardize", lambda w, eps: per_filter(w, lambda f: f / (f.var() + eps)), "without the root"),
    ("standardize", lambda w, eps: np.array([f / math.sqrt(f.var() + eps) for f in w]), "mean is not subtracted"),
    ("standardize", lambda w, eps: per_filter(w, lambda f: f), "only the mean"),
    ("receptive_field", lambda kernels, strides: field_by_steps(kernels, [1] * len(kernels)), "strides are not used"),
    ("receptive_field", lambda kernels, strides: int(np.sum(kernels)), "added up whole"),
    ("receptive_field", lambda kernels, strides: int(np.prod(kernels)), "multiplied"),
    (
        "receptive_field",
        lambda kernels, strides: 1 + sum((k - 1) * math.prod(strides[: n + 1]) for n, k in enumerate(kernels)),
        "own stride",
    ),
    (
        "receptive_field",
        lambda kernels, strides: 1 + sum(k * math.prod(strides[:n]) for n, k in enumerate(kernels)),
        "its whole kernel",
    ),
    ("receptive_field", lambda *args: field_by_steps(*args) - 1, "itself is not counted"),
    (
        "receptive_field",
        lambda kernels, strides: 1 + sum((k - 1) * (1 + sum(strides[:n]) - n) for n, k in enumerate(kernels)),
        "added up where they multiply",
    ),
    ("receptive_field", lambda kernels, strides: field_by_steps(kernels[::-1], strides[::-1]), "wrong direction"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_an_unknown_wrong_answer_shows_the_first_element_that_differs(unknown):
    message = unknown("conv2d", lambda *args: np.sin(conv_loops(*args)))
    assert "y[0, 0, 0, 0] of y (B, O, Ho, Wo) = (1, 1, 3, 4)" in message
    assert "(1, 1, 5, 6), (1, 1, 3, 3), 1, 0" in message


def test_one_wrong_gradient_of_two_is_named(unknown):
    message = unknown("conv2d_backward", lambda *args: (back(*args)[0], 3 * back(*args)[1]))
    assert "dweight[0, 0, 0, 0] of dweight (O, C, kh, kw) = (1, 1, 3, 3)" in message


def test_a_crash_shows_the_line_and_the_settings(unknown):
    def my_conv2d(x, weight, stride, padding):
        return x @ weight

    message = unknown("conv2d", my_conv2d)
    assert "it stopped at `return x @ weight` with ValueError" in message
    assert "(1, 1, 5, 6), (1, 1, 3, 3), 1, 0" in message


def test_a_count_that_is_off_is_wrong(unknown):
    assert "side is 50; expected 7" in unknown("receptive_field", lambda k, s: field_by_steps(k, s) ** 2 + 1)
