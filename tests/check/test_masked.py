"""The check of notebooks/14_pretraining.ipynb's masked patches: the 512-colour target."""

from __future__ import annotations

import numpy as np
import pytest


def levels(patch):
    """In whole numbers alone."""
    return [int(channel.astype(int).sum()) // (32 * channel.size) for channel in patch]


def colors(images, P, level=levels, number=lambda r, g, b: 64 * r + 8 * g + b):
    """By loops; `level` turns one patch (C, P, P) into three levels, `number` those into a class."""
    _, _, H, W = images.shape
    corners = [(r, c) for r in range(0, H, P) for c in range(0, W, P)]
    return np.array([[number(*level(image[:, r : r + P, c : c + P])) for r, c in corners] for image in images])


def loops(images, P):
    return colors(images, P, lambda patch: [int(channel.mean() // 32) for channel in patch])


def by_shifting_bits(images, P):
    return colors(images, P, number=lambda r, g, b: r << 6 | g << 3 | b)


def as_floats(images, P):
    return loops(images, P).astype(float)


def by_pooling(images, P):
    import torch

    mean = torch.nn.functional.avg_pool2d(torch.from_numpy(images).double(), P)  # (B, 3, gh, gw)
    return torch.tensordot((mean / 32).floor().long(), torch.tensor([64, 8, 1]), dims=([1], [0])).flatten(1)


RIGHT = [
    ("mean_color", loops),
    ("mean_color", by_shifting_bits),
    ("mean_color", as_floats),
    ("mean_color", by_pooling),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    if answer is by_pooling:
        pytest.importorskip("torch")
    assert_right(name, answer)


AGAIN = [
    ("mean_color", lambda x, P: loops(x // 32 * 32, P), "rounded to 3 bits first"),
    (
        "mean_color",
        lambda x, P: colors(x, P, lambda p: [min(7, int(c.mean() / 32 + 0.5)) for c in p]),
        "to the nearest",
    ),
    ("mean_color", lambda x, P: colors(x, P, lambda p: [round(c.mean() / 255 * 7) for c in p]), "half as wide"),
    ("mean_color", lambda x, P: colors(x, P, lambda p: [int(c.mean() / 255 * 7) for c in p]), "only pure white"),
    ("mean_color", lambda x, P: colors(x, P, lambda p: [int(c.mean() / 255 * 8) for c in p]), "white patch falls out"),
    ("mean_color", lambda x, P: colors(x, P, number=lambda r, g, b: r + 8 * g + 64 * b), "wrong order"),
    ("mean_color", lambda x, P: colors(x, P, number=lambda r, g, b: r + g + b), "added up"),
    (
        "mean_color",
        lambda x, P: colors(x, P, lambda p: [p.mean() // 32] * 3, lambda r, g, b: r),
        "over the channels too",
    ),
    ("mean_color", lambda x, P: loops(x, P).astype(np.uint8), "wraps around"),
    ("mean_color", lambda x, P: loops(x.transpose(0, 1, 3, 2), P), "down the columns"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=[words for _, _, words in AGAIN])
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
