"""Exercises of notebooks/18_locality.ipynb: agreement, positions and filters permuted, dropped squares, symmetry."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import one_hot
from ..slips.steps import softmax as _softmax

__all__ = [
    "agreement", "agreement_beyond_chance", "commuting_part", "drop_squares", "permuted_filters",
    "permuted_positions", "straight_positions",
]  # fmt: skip


# ---- agreement(logits, moved) -> agreement ---------------------------------------------------------------------------


def _agreement_cases(rng):
    """logits (n, K) of images, and of the same images moved: many answers stay, none by a tie."""
    cases = []
    for n, K in [(31, 4), (20, 7), (43, 3)]:
        logits = rng.standard_normal((n, K)) - 1
        cases.append((logits, logits + 0.8 * rng.standard_normal((n, K))))
    return cases


@exercise(cases=_agreement_cases, outputs={"agreement": "(a number)"}, level=1, minutes=5)
def agreement(logits, moved):
    n, K = logits.shape
    before = logits.argmax(axis=1)  # the answers before
    after = moved.argmax(axis=1)  # the answers after
    same = before == after  # the answers that stay
    return same.mean()  # the part


agreement.slips_in(
    "same",
    ("the scores are compared, not the answers", "Scores may change while the answer stays.", "logits == moved"),
    ("the highest score is looked for among the images, not among the classes",
     "Which axis of (n, K) counts the classes?", "logits.argmax(axis=0) == moved.argmax(axis=0)"),
    ("the lowest score of each image is taken for the answer", "What does a high logit mean?",
     "logits.argmin(axis=1) == moved.argmin(axis=1)"),
    ("the lowest score of one of the two is taken for its answer", "What does a high logit mean?",
     "logits.argmax(axis=1) == moved.argmin(axis=1)"),
    ("the part of the answers that change", "What should the agreement be where nothing moved?", "before != after"),
    ("a moved image's answer may be the second one of before", "One answer for each image.",
     "(np.argsort(logits, axis=1)[:, -2:] == after[:, None]).any(axis=1)"),
)  # fmt: skip
agreement.slips_in(
    "result",
    ("the answers that stay are counted", "A part lies between 0 and 1.", "same.sum()"),
    ("the part is given in per cent", "A part lies between 0 and 1.", "100 * same.mean()"),
    ("divided by the number of classes, not of images", "Of how many answers is it a part?", "same.sum() / K"),
    ("one number for each image", "The part of all images is asked for.", "same"),
    ("the part of the probability that both have in common",
     "Answers are asked for; how sure the model is does not matter.",
     "np.minimum(_softmax(logits), _softmax(moved)).sum(axis=1).mean()"),
)  # fmt: skip


# ---- permuted_positions(E_pos, order) -> permuted --------------------------------------------------------------------


def _positions_cases(rng):
    return [(rng.standard_normal((N + 1, D)), rng.permutation(N)) for N, D in [(6, 4), (9, 3), (12, 5)]]


@exercise(cases=_positions_cases, outputs={"permuted": "(T, D)"}, level=2, minutes=10)
def permuted_positions(E_pos, order):
    token = E_pos[:1]  # the class token's row
    rows = E_pos[1:]  # the patches' rows
    permuted = rows[order]  # the permuted rows
    return np.concatenate([token, permuted])


permuted_positions.slips_in(
    "permuted",
    ("the permutation is turned round", "Place s shows patch order[s]. Whose position did that patch have before?",
     "rows[np.argsort(order)]"),
    ("the class token is counted as patch 0", "Which row of E_pos belongs to patch 0?", "E_pos[order]"),
    ("the positions stay where they are", "Each patch must meet the vector that it met before.", "rows"),
    ("the positions are sorted backwards", "The order is the one that is given, not its mirror image.",
     "rows[order[::-1]]"),
)  # fmt: skip
permuted_positions.slips_in(
    "result",
    ("the class token's row takes part", "The class token stays in front, wherever the patches go.",
     "E_pos[np.concatenate([order, [len(order)]])]"),
    ("the class token's row is lost", "How many tokens are there?", "permuted"),
    ("the class token's row comes last", "Where does the class token stand?", "np.concatenate([permuted, token])"),
)  # fmt: skip


# ---- permuted_filters(weight, order) -> permuted ---------------------------------------------------------------------


def _filters_cases(rng):
    """weight (D, C P P) and a permutation of the P P pixels of a patch."""
    return [
        (rng.standard_normal((D, C * P * P)), rng.permutation(P * P)) for D, C, P in [(4, 3, 2), (5, 2, 3), (3, 3, 4)]
    ]


@exercise(cases=_filters_cases, outputs={"permuted": "(D, C P P)"}, level=2, minutes=15)
def permuted_filters(weight, order):
    D = len(weight)
    P2 = len(order)
    pixels = weight.reshape(D, -1, P2)  # the pixels of each channel
    permuted = pixels[:, :, order]  # the permuted pixels
    return permuted.reshape(D, -1)


permuted_filters.slips_in(
    "permuted",
    ("the permutation is turned round",
     "Pixel s of the new patch is pixel order[s] of the old one. Which weight did that pixel meet before?",
     "pixels[:, :, np.argsort(order)]"),
    ("only the first channel is permuted", "A pixel moves with all its colours.",
     "np.concatenate([pixels[:, :1][:, :, order], pixels[:, 1:]], axis=1)"),
    ("only the first channel is filled", "A pixel moves with all its colours.",
     "np.concatenate([pixels[:, :1][:, :, order], 0 * pixels[:, 1:]], axis=1)"),
    ("the first channel stands for all", "Each channel has weights of its own.",
     "np.repeat(pixels[:, :1][:, :, order], pixels.shape[1], axis=1)"),
    ("the filters stay as they are", "Each pixel must meet the weight that it met before.", "pixels"),
)  # fmt: skip
permuted_filters.slips_in(
    "result",
    ("the channels are taken to stand innermost", "In which order does notebook 01 lay out a patch?",
     "weight.reshape(D, P2, -1)[:, order].reshape(D, -1)"),
    ("the other channels are lost", "A filter has a number for each pixel of each channel.", "weight[:, order]"),
    ("the channels are not laid out flat again", "A filter is one row of the matrix.", "permuted"),
)  # fmt: skip


# ---- drop_squares(images, P, dropped) -> shown -----------------------------------------------------------------------


def _drop_cases(rng):
    """images (n, C, H, W), not square; dropped (n, N)"""
    cases = []
    for n, C, gh, gw, P in [(3, 3, 2, 3, 2), (4, 1, 3, 2, 3), (2, 2, 4, 3, 2)]:
        images = rng.uniform(-1, 1, (n, C, gh * P, gw * P)) + rng.uniform(-0.5, 0.5, (1, C, 1, 1))
        cases.append((images, P, np.argsort(rng.random((n, gh * gw)), axis=1) < gh * gw // 2))
    return cases


def _pixels(grid, P):
    """(n, 1, gh, gw) -> (n, 1, H, W)"""
    return grid.repeat(P, axis=2).repeat(P, axis=3)


@exercise(cases=_drop_cases, outputs={"shown": "(n, C, H, W)"}, axes={"n": "the images"}, level=2, minutes=15)
def drop_squares(images, P, dropped):
    n, C, H, W = images.shape
    gh = H // P
    gw = W // P
    grid = dropped.reshape(n, 1, gh, gw)  # the grid of squares
    gone = _pixels(grid, P)  # the pixels that go
    colour = images.mean(axis=(0, 2, 3), keepdims=True)  # the mean colour
    return np.where(gone, colour, images)  # the images that are shown


drop_squares.slips_in(
    "colour",
    ("dropped squares become 0", "0 is a middle grey; the mean colour of these images is another one.", "0.0"),
    ("one grey for all channels", "A colour has a number for each channel.", "images.mean()"),
    ("each image's own mean colour", "Then the squares would still tell something of their image.",
     "images.mean(axis=(2, 3), keepdims=True)"),
    ("each square's own mean colour", "Then a coarse image would be left.",
     "_pixels(images.reshape(n, C, gh, P, gw, P).mean(axis=(3, 5)), P)"),
    ("the mean of the squares that are kept", "All images as they were before, whatever is dropped.",
     "(images * ~gone).sum(axis=(0, 2, 3), keepdims=True) / (~gone).sum()"),
    ("the mean image in place of the mean colour", "One colour for all places.", "images.mean(axis=0)"),
)  # fmt: skip
drop_squares.slips_in(
    "gone",
    ("what should stay is dropped", "True means dropped.", "~_pixels(grid, P)"),
    ("the grid is repeated as a whole, not each of its squares", "Repeat [1, 0] twice by `repeat`, and by `tile`.",
     "np.tile(grid, (1, 1, P, P))"),
    ("the first image's squares are dropped from all", "Each image has a row of `dropped` of its own.",
     "_pixels(grid[:1], P)"),
    ("the squares are numbered down the columns", "Square 1 lies to the right of square 0.",
     "_pixels(dropped.reshape(n, 1, gw, gh).swapaxes(2, 3), P)"),
)  # fmt: skip


# ---- commuting_part(M, orders) -> part -------------------------------------------------------------------------------


def _commuting_cases(rng):
    """M (n, n), orders (G, n): some permutations, which need not be a group"""
    return [
        (rng.standard_normal((n, n)), np.stack([rng.permutation(n) for _ in range(G)]))
        for n, G in [(4, 3), (5, 4), (7, 2)]
    ]


def _in_turn(M, orders):
    for order in orders:
        M = M[order][:, order]
    return M


@exercise(
    cases=_commuting_cases, outputs={"part": "(n, n)"}, axes={"n": "the rows", "G": "the orders"}, level=3, minutes=25
)  # fmt: skip
def commuting_part(M, orders):
    G, n = orders.shape
    terms = np.array([M[order][:, order] for order in orders])  # the permuted matrices
    return terms.sum(axis=0) / G  # the mean


commuting_part.slips_in(
    "terms",
    ("only the rows are permuted", "What goes in is permuted as well as what comes out.",
     "np.array([M[order] for order in orders])"),
    ("only the columns are permuted", "What comes out is permuted as well as what goes in.",
     "np.array([M[:, order] for order in orders])"),
    ("rows and columns are permuted in opposite directions",
     "Entry (s, t) comes from one place: whose row, whose column?",
     "np.array([M[order][:, np.argsort(order)] for order in orders])"),
    ("every permutation is turned round", "For a whole group that would be the same mean. But these need not be one.",
     "np.array([M[np.argsort(order)][:, np.argsort(order)] for order in orders])"),
    ("the pairs (order[s], order[s]) alone, as NumPy takes two index arrays together",
     "A row of numbers came out, or a column. How does one take all rows with all columns?",
     "np.array([M[order, order] for order in orders])"),
)  # fmt: skip
commuting_part.slips_in(
    "result",
    ("rows and columns are averaged apart, over different permutations",
     "Which rows and which columns belong to one permuted matrix?",
     "np.array([M[order] for order in orders]).mean(axis=0)[:, orders].mean(axis=1)"),
    ("the sum over the permutations, not the mean", "A matrix that commutes already should come out as it went in.",
     "terms.sum(axis=0)"),
    ("one permutation after the other, not the mean of all", "Begin with M itself for each.", "_in_turn(M, orders)"),
    ("the last permutation alone", "Is the sum begun anew in every turn of the loop?", "terms[-1] / G"),
    ("one number for all", "A mean over the permutations only.", "0 * M + M.mean()"),
)  # fmt: skip


# ---- agreement_beyond_chance(logits, moved) -> kappa -----------------------------------------------------------------


def _kappa_cases(rng):
    """As for the agreement; some classes are answered more often.

    The third model changes its mind more often than chance would, and the last one has one answer for everything.
    """
    cases = []
    for n, K, sign in [(31, 4, 1), (20, 7, 1), (43, 3, -1)]:
        logits = rng.standard_normal((n, K)) + np.linspace(0, 1, K)
        cases.append((logits, sign * logits + 0.8 * rng.standard_normal((n, K)) + np.linspace(0.3, 0, K)))
    constant = rng.standard_normal((2, 12, 5)) + 20 * np.eye(5)[2]
    return [*cases, (constant[0], constant[1])]


@exercise(cases=_kappa_cases, outputs={"kappa": "(a number)"}, level=2, minutes=20)
def agreement_beyond_chance(logits, moved):
    n, K = logits.shape
    before = logits.argmax(axis=1)  # the answers before
    after = moved.argmax(axis=1)  # the answers after
    same = (before == after).mean()  # the agreement
    often = one_hot(before, K).mean(axis=0)  # how often each answer is given before
    again = one_hot(after, K).mean(axis=0)  # how often after
    chance = (often * again).sum()  # the agreement by chance
    room = 1 - chance  # what chance leaves
    return (same - chance) / room if room > 0 else 0.0  # the agreement beyond chance


for _name, _why, _lines in (
    ("the plain agreement", "What would two strangers agree on who give these answers this often?",
     {"chance": "0.0"}),
    ("chance is taken to be one in K", "Are all classes answered equally often?", {"chance": "1 / K"}),
    ("chance is taken off, and what is left is not measured against the most that could be left",
     "What should come out where every answer stays?", {"room": "1.0"}),
    ("both are taken to answer as before the move", "After the move each answer may be given more or less often.",
     {"again": "often"}),
    ("both are taken to answer as after the move", "Before the move each answer was given more or less often.",
     {"often": "again"}),
    ("the frequencies of both are averaged first", "That is Scott's pi. Here each has its own frequencies.",
     {"chance": "(((often + again) / 2) ** 2).sum()"}),
    ("it is kept from falling below 0", "What does a model do that changes its mind more often than chance would?",
     {"result": "max((same - chance) / room, 0) if room > 0 else 0.0"}),
    ("one answer for everything counts as full agreement", "What does a model know that always says the same?",
     {"result": "(same - chance) / room if room > 0 else 1.0"}),
):  # fmt: skip
    agreement_beyond_chance.slip(_name, _why, **_lines)


# ---- straight_positions(E_pos, order) -> straight --------------------------------------------------------------------


@exercise(cases=_positions_cases, outputs={"straight": "(T, D)"}, level=2, minutes=15)
def straight_positions(E_pos, order):
    token = E_pos[:1]  # the class token's row
    rows = E_pos[1:]  # the patches' rows
    place = np.argsort(order)  # where each patch was shown
    straight = rows[place]  # the rows of the straight image
    return np.concatenate([token, straight])


straight_positions.slips_in(
    "straight",
    ("the permutation is turned round", "Patch p was shown at place s with order[s] = p. Whose row did it meet?",
     "rows[order]"),
    ("the positions stay where they are", "Each patch must meet the vector that it met in training.", "rows"),
    ("the positions are sorted backwards", "Follow one patch: at which place was it shown?", "rows[::-1]"),
    ("the class token is counted as patch 0", "Which row of E_pos belongs to place 0?", "E_pos[place]"),
)  # fmt: skip
straight_positions.slips_in(
    "result",
    ("the class token's row is lost", "How many tokens are there?", "straight"),
    (
        "the rows are written from row 0 on, over the class token's",
        "Which row belongs to place 0?",
        "np.concatenate([straight, E_pos[-1:]])",
    ),
    ("the class token's row comes last", "Where does the class token stand?", "np.concatenate([straight, token])"),
)
