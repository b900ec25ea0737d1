"""The checks of notebooks/09_bit.ipynb: group norm, and the residual unit of BiT."""

from __future__ import annotations

import numpy as np
import pytest


def group_loops(x, weight, bias, groups, eps, ddof=0, members=None):
    """Group by group; `members(g)` names the channels of group g."""
    y, size = np.empty_like(x), x.shape[1] // groups
    for b in range(len(x)):
        for g in range(groups):
            channels = np.arange(g * size, (g + 1) * size) if members is None else members(g)
            numbers = x[b, channels]
            y[b, channels] = (numbers - numbers.mean()) / np.sqrt(numbers.var(ddof=ddof) + eps)
    return np.einsum("bchw,c->bchw", y, weight) + bias.reshape(-1, 1, 1)


def group_torch(x, weight, bias, groups, eps):
    torch = pytest.importorskip("torch")
    x, weight, bias = map(torch.from_numpy, (x, weight, bias))
    return torch.nn.functional.group_norm(x, groups, weight, bias, eps)


def group_fast_variance(x, weight, bias, groups, eps):
    flat = x.reshape(len(x), groups, -1)
    mean, square = flat.mean(-1, keepdims=True), (flat**2).mean(-1, keepdims=True)
    xhat = ((flat - mean) / np.sqrt(square - mean**2 + eps)).reshape(x.shape)
    return (xhat.swapaxes(1, 3) * weight + bias).swapaxes(1, 3)


def normed(x, axis, eps):
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


def scaled(function):
    """The rest of the answer: a scale and an offset for each channel."""

    def answer(x, weight, bias, groups, eps):
        return function(x, groups, eps) * weight[None, :, None, None] + bias[None, :, None, None]

    return answer


def pixel_by_pixel(x, groups, eps):
    return np.concatenate([normed(part, 1, eps) for part in np.split(x, groups, axis=1)], axis=1)


def over_the_batch(x, groups, eps):
    return np.concatenate([normed(part, (0, 1, 2, 3), eps) for part in np.split(x, groups, axis=1)], axis=1)


def eps_behind_the_root(x, groups, eps):
    parts = np.split(x, groups, axis=1)
    axes = (1, 2, 3)
    return np.concatenate([(p - p.mean(axes, keepdims=True)) / (p.std(axes, keepdims=True) + eps) for p in parts], 1)


def only_spread(x, groups, eps):
    parts = np.split(x, groups, axis=1)
    return np.concatenate([p / np.sqrt(p.var((1, 2, 3), keepdims=True) + eps) for p in parts], axis=1)


# ---- the unit --------------------------------------------------------------------------------------------------------


def rect(x):
    return x * (x > 0)


def unit_step_by_step(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
    h = np.where((a := norm1(x)) > 0, a, 0)
    around = x
    if conv_proj is not None:
        around = conv_proj(h, stride)
    h = conv1(h)
    h = conv2(np.clip(norm2(h), 0, None), stride)
    h = conv3(np.maximum(0.0, norm3(h)))
    h += around
    return h


def unit(
    x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj,
    r1=rect, r2=rect, r3=rect, s1=1, s2=None, s3=1, way=None,
):  # fmt: skip
    """way(x, h): what the shortcut reads, in place of h for a projection and x otherwise."""
    h = r1(norm1(x))
    s2 = stride if s2 is None else s2
    branch = conv3(r3(norm3(conv2(r2(norm2(conv1(h, s1))), s2))), s3)
    if conv_proj:
        return branch + conv_proj(way(x, h, norm1) if way else h, stride)
    return branch + (way(x, h, norm1) if way else x)


def unit_norm_last(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
    h = norm1(rect(x))
    branch = conv3(norm3(rect(conv2(norm2(rect(conv1(h))), stride))))
    return branch + (conv_proj(h, stride) if conv_proj else x)


def identity(x):
    return x


# ---- right answers in other styles -----------------------------------------------------------------------------------

RIGHT = [
    ("groupnorm", group_loops),
    ("groupnorm", group_torch),
    ("groupnorm", group_fast_variance),
    ("preact_unit", unit_step_by_step),
    ("preact_unit", unit),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer"), [("groupnorm", group_loops), ("preact_unit", unit)])
def test_right_answers_in_float32(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------

AGAIN = [
    ("groupnorm", scaled(over_the_batch), "over the batch too"),
    ("groupnorm", scaled(lambda x, groups, eps: normed(x, (0, 2, 3), eps)), "this is batch norm"),
    ("groupnorm", scaled(lambda x, groups, eps: normed(x, (2, 3), eps)), "this is instance norm"),
    ("groupnorm", scaled(lambda x, groups, eps: normed(x, (1, 2, 3), eps)), "this is layer norm"),
    ("groupnorm", lambda x, w, b, groups, eps: group_torch(x, w, b, 1, eps), "this is layer norm"),
    ("groupnorm", scaled(pixel_by_pixel), "every pixel has a mean"),
    (
        "groupnorm",
        lambda x, w, b, groups, eps: group_loops(
            x, w, b, groups, eps, members=lambda g: np.arange(g, x.shape[1], groups)
        ),
        "dealt out",
    ),
    (
        "groupnorm",
        lambda x, w, b, groups, eps: group_loops(x, w, b, x.shape[1] // groups, eps),
        "number of channels in a group",
    ),
    ("groupnorm", lambda *args: group_loops(*args, ddof=1), "unbiased"),
    (
        "groupnorm",
        lambda x, w, b, groups, eps: group_torch(
            x * w[:, None, None] + b[:, None, None], np.ones_like(w), np.zeros_like(b), groups, eps
        ),
        "come before the normalisation",
    ),
    (
        "groupnorm",
        lambda x, w, b, groups, eps: group_loops(x, np.ones_like(w), np.zeros_like(b), groups, eps),
        "weight and bias are not used",
    ),
    ("groupnorm", lambda x, w, b, *rest: group_loops(x, np.ones_like(w), b, *rest), "weight is not used"),
    ("groupnorm", lambda x, w, b, *rest: group_loops(x, w, np.zeros_like(b), *rest), "bias is not used"),
    ("groupnorm", scaled(eps_behind_the_root), "added to the standard deviation"),
    ("groupnorm", lambda x, w, b, groups, eps: group_loops(x, w, b, groups, 0), "eps is not used"),
    ("groupnorm", scaled(only_spread), "mean is not subtracted"),
    (
        "preact_unit",
        lambda *args: unit(*args, way=lambda x, h, norm1: x),
        "the projection reads x, before norm and rectifier",
    ),
    (
        "preact_unit",
        lambda x, s, norm1, *rest: unit(x, s, norm1, *rest, way=(lambda x, h, norm: norm(x)) if rest[-1] else None),
        "before the rectifier",
    ),
    ("preact_unit", lambda *args: unit(*args, way=lambda x, h, norm1: h), "also where there is no projection"),
    (
        "preact_unit",
        lambda x, s, n1, c1, n2, c2, n3, c3, proj: c3(rect(n3(c2(rect(n2(c1(rect(n1(x))))), s)))),
        "not added",
    ),
    ("preact_unit", lambda x, s, *rest: unit(x, s, *rest, s1=s, s2=1), "first convolution (1x1)"),
    ("preact_unit", lambda x, s, *rest: unit(x, s, *rest, s2=1, s3=s), "last convolution (1x1)"),
    ("preact_unit", lambda *args: rect(unit_step_by_step(*args)), "after the sum"),
    ("preact_unit", unit_norm_last, "before the norms"),
    ("preact_unit", lambda *args: unit(*args, identity, identity, identity), "no rectifiers"),
    ("preact_unit", lambda *args: unit(*args, r1=identity), "the first rectifier"),
    ("preact_unit", lambda *args: unit(*args, r2=identity), "the second rectifier"),
    ("preact_unit", lambda *args: unit(*args, r3=identity), "the last rectifier"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_layers_are_shown_by_name(unknown):
    message = unknown("preact_unit", lambda x, *layers: np.sin(x))
    assert "(2, 6, 5, 4), 1, <layer norm1>, <layer conv1>" in message
    assert message.endswith("<layer conv3>, None")


def test_a_projection_without_the_stride_stops_with_both_shapes(said):
    def my_preact_unit(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
        branch = conv3(rect(norm3(conv2(rect(norm2(conv1(rect(norm1(x))))), stride))))
        return branch + (conv_proj(rect(norm1(x))) if conv_proj else x)

    message = said("preact_unit", my_preact_unit)
    assert "This could be: the projection is not given the stride." in message
    assert "operands could not be broadcast together with shapes (2,6,3,4) (2,6,6,8)" in message


def test_an_unknown_wrong_answer_shows_the_first_element_that_differs(unknown):
    message = unknown("groupnorm", lambda *args: np.sin(group_loops(*args)) * 2)
    assert "y[0, 0, 0, 0] of y (B, C, H, W) = (2, 6, 4, 5)" in message
