"""Wrong answers to notebooks/18_locality.ipynb: agreement, permutations, dropped patches, what commutes."""

from __future__ import annotations

import numpy as np

from . import FirstGeneration

__all__ = ["agreement", "commuting_part", "drop_squares", "permuted_filters", "permuted_positions"]


def _agree(answer=lambda logits: logits.argmax(axis=1), reduce=np.mean):
    return lambda logits, moved: reduce(answer(logits) == answer(moved))


def _softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


agreement = FirstGeneration(
    _agree(),
    [
        ("the scores are compared, not the answers", _agree(lambda logits: logits)),
        (
            "the highest score is looked for among the images, not among the classes",
            _agree(lambda logits: logits.argmax(axis=0)),
        ),
        ("the lowest score of each image is taken for the answer", _agree(lambda logits: logits.argmin(axis=1))),
        ("the answers that stay are counted", _agree(reduce=np.sum)),
        ("the part of the answers that change", lambda logits, moved: 1 - _agree()(logits, moved)),
        (
            "a moved image's answer may be the second one of before",
            lambda logits, moved: (np.argsort(logits, axis=1)[:, -2:] == moved.argmax(axis=1)[:, None]).any(1).mean(),
        ),
        ("one number for each image", lambda logits, moved: logits.argmax(axis=1) == moved.argmax(axis=1)),
        (
            "the part of the probability that both have in common",
            lambda logits, moved: np.minimum(_softmax(logits), _softmax(moved)).sum(axis=1).mean(),
        ),
    ],
)


def _with_first(permute):
    """The class token's row, then what `permute` makes of the others."""
    return lambda E_pos, order: np.concatenate([E_pos[:1], permute(E_pos[1:], order)])


permuted_positions = FirstGeneration(
    _with_first(lambda rows, order: rows[order]),
    [
        ("the permutation is turned round", _with_first(lambda rows, order: rows[np.argsort(order)])),
        ("the class token is counted as patch 0", lambda E_pos, order: np.concatenate([E_pos[:1], E_pos[order]])),
        ("the class token's row takes part", lambda E_pos, order: E_pos[np.concatenate([order, [len(order)]])]),
        ("the class token's row is lost", lambda E_pos, order: E_pos[1:][order]),
        ("the class token's row comes last", lambda E_pos, order: np.concatenate([E_pos[1:][order], E_pos[:1]])),
        ("the positions stay where they are", lambda E_pos, order: E_pos),
        ("the positions are sorted backwards", _with_first(lambda rows, order: rows[order[::-1]])),
    ],
)


def _by_channel(permute):
    """permute: (D, C, P P), order -> the same shape."""

    def answer(weight, order):
        D = len(weight)
        return permute(weight.reshape(D, -1, len(order)), order).reshape(D, -1)

    return answer


def _first_channel(x, order):
    return np.concatenate([x[:, :1][:, :, order], x[:, 1:]], axis=1)


def _pixels_first(weight, order):
    D, P2 = len(weight), len(order)
    return weight.reshape(D, P2, -1)[:, order].reshape(D, -1)


permuted_filters = FirstGeneration(
    _by_channel(lambda x, order: x[:, :, order]),
    [
        ("the permutation is turned round", _by_channel(lambda x, order: x[:, :, np.argsort(order)])),
        ("the channels are taken to stand innermost", _pixels_first),
        ("only the first channel is permuted", _by_channel(_first_channel)),
        ("the other channels are lost", lambda weight, order: weight[:, order]),
        (
            "the first channel stands for all",
            _by_channel(lambda x, order: np.repeat(x[:, :1][:, :, order], x.shape[1], axis=1)),
        ),
        ("the filters stay as they are", lambda weight, order: weight),
        (
            "the channels are not laid out flat again",
            lambda weight, order: weight.reshape(len(weight), -1, len(order))[:, :, order],
        ),
    ],
)


def _pixel_mask(images, P, dropped):
    """(n, 1, H, W): whether a pixel lies in a dropped square"""
    n, _, H, W = images.shape
    return dropped.reshape(n, 1, H // P, W // P).repeat(P, axis=2).repeat(P, axis=3)


def _filled(colour=lambda images, mask: images.mean(axis=(0, 2, 3), keepdims=True), mask=_pixel_mask):
    def answer(images, P, dropped):
        gone = mask(images, P, dropped)
        return np.where(gone, colour(images, gone), images)

    return answer


def _columns_first(images, P, dropped):
    n, _, H, W = images.shape
    grid = dropped.reshape(n, 1, W // P, H // P).swapaxes(2, 3)
    return grid.repeat(P, axis=2).repeat(P, axis=3)


def _squares_mean(images, P, dropped):
    n, C, H, W = images.shape
    means = images.reshape(n, C, H // P, P, W // P, P).mean(axis=(3, 5))
    return np.where(_pixel_mask(images, P, dropped), means.repeat(P, axis=2).repeat(P, axis=3), images)


def _mean_of_kept(images, mask):
    kept = ~mask
    return (images * kept).sum(axis=(0, 2, 3), keepdims=True) / kept.sum()


drop_squares = FirstGeneration(
    _filled(),
    [
        ("what should stay is dropped", _filled(mask=lambda *args: ~_pixel_mask(*args))),
        ("dropped squares become 0", _filled(lambda images, mask: 0.0)),
        ("one grey for all channels", _filled(lambda images, mask: images.mean())),
        ("each image's own mean colour", _filled(lambda images, mask: images.mean(axis=(2, 3), keepdims=True))),
        ("each square's own mean colour", _squares_mean),
        ("the mean of the squares that are kept", _filled(_mean_of_kept)),
        ("the squares are numbered down the columns", _filled(mask=_columns_first)),
        (
            "the first image's squares are dropped from all",
            _filled(
                mask=lambda images, P, dropped: _pixel_mask(images, P, np.repeat(dropped[:1], len(images), axis=0))
            ),
        ),
        ("the mean image in place of the mean colour", _filled(lambda images, mask: images.mean(axis=0))),
    ],
)


def _averaged(term, reduce=np.mean):
    return lambda M, orders: reduce([term(M, order) for order in orders], axis=0)


def _in_turn(M, orders):
    for order in orders:
        M = M[order][:, order]
    return M


commuting_part = FirstGeneration(
    _averaged(lambda M, order: M[order][:, order]),
    [
        ("only the rows are permuted", _averaged(lambda M, order: M[order])),
        ("only the columns are permuted", _averaged(lambda M, order: M[:, order])),
        ("the sum over the permutations, not the mean", _averaged(lambda M, order: M[order][:, order], np.sum)),
        (
            "rows and columns are permuted in opposite directions",
            _averaged(lambda M, order: M[order][:, np.argsort(order)]),
        ),
        ("every permutation is turned round", _averaged(lambda M, order: M[np.argsort(order)][:, np.argsort(order)])),
        (
            "the pairs (order[s], order[s]) alone, as NumPy takes two index arrays together",
            _averaged(lambda M, order: M[order, order]),
        ),
        ("one permutation after the other, not the mean of all", _in_turn),
        ("the last permutation alone", lambda M, orders: M[orders[-1]][:, orders[-1]] / len(orders)),
        ("one number for all", lambda M, orders: np.full_like(M, M.mean())),
    ],
)
