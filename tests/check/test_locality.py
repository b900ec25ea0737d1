"""vitedu/check/catalogue/locality.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu.experiments.locality import _cut, _join
from vitedu_numpy.layers.patches import patchify, unpatchify

# ---- right answers ---------------------------------------------------------------------------------------------------


def agreement_by_loops(logits, moved):
    same = [list(a).index(max(a)) == list(b).index(max(b)) for a, b in zip(logits, moved, strict=True)]
    return sum(same) / len(same)


def agreement_by_sorting(logits, moved):
    return np.mean(np.argsort(logits)[:, -1] == np.argsort(moved)[:, -1])


def positions_by_loops(E_pos, order):
    permuted = E_pos.copy()
    for s, old in enumerate(order):
        permuted[1 + s] = E_pos[1 + old]
    return permuted


def positions_at_once(E_pos, order):
    return E_pos[np.concatenate([[0], order + 1])]


def filters_by_loops(weight, order):
    permuted, P2 = weight.copy(), len(order)
    for c in range(weight.shape[1] // P2):
        for s, old in enumerate(order):
            permuted[:, c * P2 + s] = weight[:, c * P2 + old]
    return permuted


def filters_as_images(weight, order):
    P = round(len(order) ** 0.5)
    filters = weight.reshape(len(weight), -1, P, P)
    rows, columns = np.divmod(order, P)
    return filters[:, :, rows, columns].reshape(weight.shape)


def drop_by_patchify(images, P, dropped):
    patches, _ = patchify(images, P)  # (n, N, C P P)
    mean = np.repeat(images.mean(axis=(0, 2, 3)), P * P)
    return unpatchify(np.where(dropped[:, :, None], mean, patches), images.shape, P)


def drop_as_the_experiment_does(images, P, dropped):
    mean = images.mean(axis=(0, 2, 3))[None, :, None, None, None]
    return _join(np.where(dropped[:, None, :, None, None], mean, _cut(images, P)), images.shape)


def commuting_by_matrices(M, orders):
    n = len(M)
    return sum(np.eye(n)[order] @ M @ np.eye(n)[order].T for order in orders) / len(orders)


def commuting_by_grid(M, orders):
    return np.mean([M[np.ix_(order, order)] for order in orders], axis=0)


RIGHT = [
    ("agreement", agreement_by_loops),
    ("agreement", agreement_by_sorting),
    ("permuted_positions", positions_by_loops),
    ("permuted_positions", positions_at_once),
    ("permuted_filters", filters_by_loops),
    ("permuted_filters", filters_as_images),
    ("drop_squares", drop_by_patchify),
    ("drop_squares", drop_as_the_experiment_does),
    ("commuting_part", commuting_by_matrices),
    ("commuting_part", commuting_by_grid),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer"), [RIGHT[0], RIGHT[6]], ids=lambda x: getattr(x, "__name__", x))
def test_float32_is_precise_enough(name, answer, assert_right, in_float32):
    """The others compute nothing, or have whole numbers among their arguments."""
    assert_right(name, in_float32(answer))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def round_the_other_way(E_pos, order):
    permuted = E_pos.copy()
    permuted[1 + order] = E_pos[1:]
    return permuted


def colour_of_each_image(images, P, dropped):
    means = [image.mean(axis=(1, 2), keepdims=True) for image in images]
    return np.stack(
        [drop_by_patchify(np.stack([x, 2 * m - x]), P, np.stack([d, d]))[0]
         for x, m, d in zip(images, means, dropped, strict=True)]
    )  # fmt: skip


AGAIN = [
    ("agreement", lambda a, b: agreement_by_sorting(-a, -b), "lowest"),
    ("agreement", lambda a, b: agreement_by_sorting(a, b) * len(a), "counted"),
    ("agreement", lambda a, b: np.isclose(a, b, rtol=0, atol=1e-12).mean(), "scores are compared"),
    ("permuted_positions", round_the_other_way, "turned round"),
    ("permuted_positions", lambda E, order: np.vstack([E[0], E[order]]), "counted as patch 0"),
    ("permuted_filters", lambda w, order: filters_by_loops(w, np.argsort(order)), "turned round"),
    ("drop_squares", lambda x, P, dropped: drop_by_patchify(x, P, ~dropped), "should stay"),
    ("drop_squares", colour_of_each_image, "own mean colour"),
    ("commuting_part", lambda M, orders: commuting_by_matrices(M, orders) * len(orders), "the sum"),
    ("commuting_part", lambda M, orders: sum(np.eye(len(M))[o] @ M for o in orders) / len(orders), "only the rows"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
