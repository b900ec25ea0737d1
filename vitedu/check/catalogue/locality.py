"""Checks for notebooks/18_locality.ipynb: agreement, permuted positions and filters, dropped patches, what commutes."""

from __future__ import annotations

import numpy as np

from ..engine import Check, Mistake

__all__ = ["agreement", "commuting_part", "drop_squares", "permuted_filters", "permuted_positions"]


# ---- agreement(logits, moved) -> agreement ---------------------------------------------------------------------------


def _agreement_cases(rng):
    """logits (n, K) of images, and of the same images moved: many answers stay, none by a tie."""
    cases = []
    for n, K in [(31, 4), (20, 7), (43, 3)]:
        logits = rng.standard_normal((n, K)) - 1
        cases.append((logits, logits + 0.8 * rng.standard_normal((n, K))))
    return cases


def _agree(answer=lambda logits: logits.argmax(axis=1), reduce=np.mean):
    return lambda logits, moved: reduce(answer(logits) == answer(moved))


def _softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


agreement = Check(
    "agreement",
    reference=_agree(),
    cases=_agreement_cases,
    outputs={"agreement": "()"},
    mistakes=[
        Mistake(
            "the scores are compared, not the answers",
            "Scores may change while the answer stays.",
            _agree(lambda logits: logits),
        ),
        Mistake(
            "the highest score is looked for among the images, not among the classes",
            "Which axis of (n, K) counts the classes?",
            _agree(lambda logits: logits.argmax(axis=0)),
        ),
        Mistake(
            "the lowest score of each image is taken for the answer",
            "What does a high logit mean?",
            _agree(lambda logits: logits.argmin(axis=1)),
        ),
        Mistake("the answers that stay are counted", "A part lies between 0 and 1.", _agree(reduce=np.sum)),
        Mistake(
            "the part of the answers that change",
            "What should the agreement be where nothing moved?",
            lambda logits, moved: 1 - _agree()(logits, moved),
        ),
        Mistake(
            "a moved image's answer may be the second one of before",
            "One answer for each image.",
            lambda logits, moved: (np.argsort(logits, axis=1)[:, -2:] == moved.argmax(axis=1)[:, None]).any(1).mean(),
        ),
        Mistake(
            "one number for each image",
            "The part of all images is asked for.",
            lambda logits, moved: logits.argmax(axis=1) == moved.argmax(axis=1),
        ),
        Mistake(
            "the part of the probability that both have in common",
            "Answers are asked for; how sure the model is does not matter.",
            lambda logits, moved: np.minimum(_softmax(logits), _softmax(moved)).sum(axis=1).mean(),
        ),
    ],
)


# ---- permuted_positions(E_pos, order) -> permuted --------------------------------------------------------------------


def _positions_cases(rng):
    return [(rng.standard_normal((N + 1, D)), rng.permutation(N)) for N, D in [(6, 4), (9, 3), (12, 5)]]


def _with_first(permute):
    """The class token's row, then what `permute` makes of the others."""
    return lambda E_pos, order: np.concatenate([E_pos[:1], permute(E_pos[1:], order)])


permuted_positions = Check(
    "permuted_positions",
    reference=_with_first(lambda rows, order: rows[order]),
    cases=_positions_cases,
    outputs={"permuted": "(T, D)"},
    mistakes=[
        Mistake(
            "the permutation is turned round",
            "Place s shows patch order[s]. Whose position did that patch have before?",
            _with_first(lambda rows, order: rows[np.argsort(order)]),
        ),
        Mistake(
            "the class token is counted as patch 0",
            "Which row of E_pos belongs to patch 0?",
            lambda E_pos, order: np.concatenate([E_pos[:1], E_pos[order]]),
        ),
        Mistake(
            "the class token's row takes part",
            "The class token stays in front, wherever the patches go.",
            lambda E_pos, order: E_pos[np.concatenate([order, [len(order)]])],
        ),
        Mistake(
            "the class token's row is lost",
            "How many tokens are there?",
            lambda E_pos, order: E_pos[1:][order],
        ),
        Mistake(
            "the class token's row comes last",
            "Where does the class token stand?",
            lambda E_pos, order: np.concatenate([E_pos[1:][order], E_pos[:1]]),
        ),
        Mistake(
            "the positions stay where they are",
            "Each patch must meet the vector that it met before.",
            lambda E_pos, order: E_pos,
        ),
        Mistake(
            "the positions are sorted backwards",
            "The order is the one that is given, not its mirror image.",
            _with_first(lambda rows, order: rows[order[::-1]]),
        ),
    ],
)


# ---- permuted_filters(weight, order) -> permuted ---------------------------------------------------------------------


def _filters_cases(rng):
    """weight (D, C P P) and a permutation of the P P pixels of a patch."""
    return [
        (rng.standard_normal((D, C * P * P)), rng.permutation(P * P)) for D, C, P in [(4, 3, 2), (5, 2, 3), (3, 3, 4)]
    ]


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


permuted_filters = Check(
    "permuted_filters",
    reference=_by_channel(lambda x, order: x[:, :, order]),
    cases=_filters_cases,
    outputs={"permuted": "(D, C P P)"},
    mistakes=[
        Mistake(
            "the permutation is turned round",
            "Pixel s of the new patch is pixel order[s] of the old one. Which weight did that pixel meet before?",
            _by_channel(lambda x, order: x[:, :, np.argsort(order)]),
        ),
        Mistake(
            "the channels are taken to stand innermost",
            "In which order does notebook 01 lay out a patch?",
            _pixels_first,
        ),
        Mistake(
            "only the first channel is permuted",
            "A pixel moves with all its colours.",
            _by_channel(_first_channel),
        ),
        Mistake(
            "the other channels are lost",
            "A filter has a number for each pixel of each channel.",
            lambda weight, order: weight[:, order],
        ),
        Mistake(
            "the first channel stands for all",
            "Each channel has weights of its own.",
            _by_channel(lambda x, order: np.repeat(x[:, :1][:, :, order], x.shape[1], axis=1)),
        ),
        Mistake(
            "the filters stay as they are",
            "Each pixel must meet the weight that it met before.",
            lambda weight, order: weight,
        ),
        Mistake(
            "the channels are not laid out flat again",
            "A filter is one row of the matrix.",
            lambda weight, order: weight.reshape(len(weight), -1, len(order))[:, :, order],
        ),
    ],
)


# ---- drop_squares(images, P, dropped) -> shown -----------------------------------------------------------------------


def _drop_cases(rng):
    """images (n, C, H, W), not square; dropped (n, N)"""
    cases = []
    for n, C, gh, gw, P in [(3, 3, 2, 3, 2), (4, 1, 3, 2, 3), (2, 2, 4, 3, 2)]:
        images = rng.uniform(-1, 1, (n, C, gh * P, gw * P)) + rng.uniform(-0.5, 0.5, (1, C, 1, 1))
        cases.append((images, P, np.argsort(rng.random((n, gh * gw)), axis=1) < gh * gw // 2))
    return cases


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


drop_squares = Check(
    "drop_squares",
    reference=_filled(),
    cases=_drop_cases,
    outputs={"shown": "(n, C, H, W)"},
    mistakes=[
        Mistake(
            "what should stay is dropped",
            "True means dropped.",
            _filled(mask=lambda *args: ~_pixel_mask(*args)),
        ),
        Mistake(
            "dropped squares become 0",
            "0 is a middle grey; the mean colour of these images is another one.",
            _filled(lambda images, mask: 0.0),
        ),
        Mistake(
            "one grey for all channels",
            "A colour has a number for each channel.",
            _filled(lambda images, mask: images.mean()),
        ),
        Mistake(
            "each image's own mean colour",
            "Then the squares would still tell something of their image.",
            _filled(lambda images, mask: images.mean(axis=(2, 3), keepdims=True)),
        ),
        Mistake(
            "each square's own mean colour",
            "Then a coarse image would be left.",
            _squares_mean,
        ),
        Mistake(
            "the mean of the squares that are kept",
            "All images as they were before, whatever is dropped.",
            _filled(_mean_of_kept),
        ),
        Mistake(
            "the squares are numbered down the columns",
            "Square 1 lies to the right of square 0.",
            _filled(mask=_columns_first),
        ),
        Mistake(
            "the first image's squares are dropped from all",
            "Each image has a row of `dropped` of its own.",
            _filled(
                mask=lambda images, P, dropped: _pixel_mask(images, P, np.repeat(dropped[:1], len(images), axis=0))
            ),
        ),
        Mistake(
            "the mean image in place of the mean colour",
            "One colour for all places.",
            _filled(lambda images, mask: images.mean(axis=0)),
        ),
    ],
)


# ---- commuting_part(M, orders) -> part -------------------------------------------------------------------------------


def _commuting_cases(rng):
    """M (n, n), orders (G, n): some permutations, which need not be a group"""
    return [
        (rng.standard_normal((n, n)), np.stack([rng.permutation(n) for _ in range(G)]))
        for n, G in [(4, 3), (5, 4), (7, 2)]
    ]


def _averaged(term, reduce=np.mean):
    return lambda M, orders: reduce([term(M, order) for order in orders], axis=0)


def _in_turn(M, orders):
    for order in orders:
        M = M[order][:, order]
    return M


commuting_part = Check(
    "commuting_part",
    reference=_averaged(lambda M, order: M[order][:, order]),
    cases=_commuting_cases,
    outputs={"part": "(n, n)"},
    mistakes=[
        Mistake(
            "only the rows are permuted",
            "What goes in is permuted as well as what comes out.",
            _averaged(lambda M, order: M[order]),
        ),
        Mistake(
            "only the columns are permuted",
            "What comes out is permuted as well as what goes in.",
            _averaged(lambda M, order: M[:, order]),
        ),
        Mistake(
            "the sum over the permutations, not the mean",
            "A matrix that commutes already should come out as it went in.",
            _averaged(lambda M, order: M[order][:, order], np.sum),
        ),
        Mistake(
            "rows and columns are permuted in opposite directions",
            "Entry (s, t) comes from one place: whose row, whose column?",
            _averaged(lambda M, order: M[order][:, np.argsort(order)]),
        ),
        Mistake(
            "every permutation is turned round",
            "For a whole group that would be the same mean. But these need not be one.",
            _averaged(lambda M, order: M[np.argsort(order)][:, np.argsort(order)]),
        ),
        Mistake(
            "the pairs (order[s], order[s]) alone, as NumPy takes two index arrays together",
            "A row of numbers came out, or a column. How does one take all rows with all columns?",
            _averaged(lambda M, order: M[order, order]),
        ),
        Mistake(
            "one permutation after the other, not the mean of all",
            "Begin with M itself for each.",
            _in_turn,
        ),
        Mistake(
            "the last permutation alone",
            "Is the sum begun anew in every turn of the loop?",
            lambda M, orders: M[orders[-1]][:, orders[-1]] / len(orders),
        ),
        Mistake(
            "one number for all", "A mean over the permutations only.", lambda M, orders: np.full_like(M, M.mean())
        ),
    ],
)
