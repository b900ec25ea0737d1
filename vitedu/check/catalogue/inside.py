"""Exercises of notebooks/21_inside.ipynb: ways of attention, rollout, relevance, positions, parts of the logits."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import linear, softmax, standardise

__all__ = [
    "attention_distance", "attention_offset", "logit_lens", "logit_parts", "position_similarity", "relevance",
    "rollout",
]  # fmt: skip


def _attention(rng, *shape):
    """Rows that sum to 1, some weights large."""
    return softmax(1.5 * rng.standard_normal(shape))


# ---- attention_distance(A, gh, gw, P) -> distance --------------------------------------------------------------------


def _distance_cases(rng):
    """A (h, T, T) of one block, a class token first; grids that are not square."""
    return [
        (_attention(rng, h, gh * gw + 1, gh * gw + 1), gh, gw, P) for h, gh, gw, P in [(2, 2, 3, 4), (3, 4, 2, 5)]
    ] + [(_attention(rng, 4, 16, 16), 3, 5, 2)]


def _places(gh, gw, P):
    """(N, 2) rows and columns, pixels"""
    y, x = np.mgrid[:gh, :gw]
    return P * np.stack([y.ravel(), x.ravel()], axis=1).astype(float)


@exercise(cases=_distance_cases, outputs={"distance": "(h,)"}, level=2, minutes=20)
def attention_distance(A, gh, gw, P):
    places = _places(gh, gw, P)  # the places
    ways = places[:, None] - places  # the ways between them
    lengths = np.sqrt((ways**2).sum(axis=-1))  # the distances
    patches = A[:, 1:, 1:]  # the weights between patches
    asked = (patches * lengths).sum(axis=2)  # each patch's distance
    return asked.mean(axis=1)  # each head's distance


attention_distance.slip(
    "the distance is counted in patches", "In which unit does the paper's figure count?", places="_places(gh, gw, 1)"
)
attention_distance.slip(
    "steps along rows and columns are added",
    "The straight line between two centres is shorter.",
    lengths="np.abs(ways).sum(axis=-1)",
)
attention_distance.slip(
    "the weights on patches are divided by their sum, all together",
    "What the class token is asked is lost to the patches, in the paper's mean too.",
    result="asked.sum(axis=1) / patches.sum(axis=(1, 2))",
)
attention_distance.slip(
    "the squares of the distances are averaged", "A root is missing.", lengths="(ways**2).sum(axis=-1)"
)
attention_distance.slip(
    "rows and columns of the grid are exchanged",
    "Patch 1 lies to the right of patch 0. How many patches make one row of the image?",
    places="_places(gw, gh, P)",
)
attention_distance.slip(
    "the class token is taken for the first patch",
    "It has no place in the image; its row and its column are left out.",
    places="np.concatenate([np.zeros((1, 2)), _places(gh, gw, P)])",
    patches="A",
)
attention_distance.slip(
    "the last token is left out in place of the class token",
    "Where does the class token stand?",
    patches="A[:, :-1, :-1]",
)
attention_distance.slip(
    "the weights on patches are divided by their sum",
    "Here nothing replaces what goes to the class token: it counts as distance 0.",
    patches="A[:, 1:, 1:] / A[:, 1:, 1:].sum(axis=2, keepdims=True)",
)
attention_distance.slip(
    "the mean over the patches that are asked is missing its weights",
    "Weights of a row sum to 1 already: over which axis is a sum, over which a mean?",
    asked="(patches * lengths).mean(axis=2)",
)
attention_distance.slip(
    "the distances of all patches are added up",
    "A mean over the patches that ask does not grow with their number.",
    result="asked.sum(axis=1)",
)
attention_distance.slip("one number for all heads", "Each head has a distance of its own.", result="asked.mean()")


# ---- rollout(A) -> arrived -------------------------------------------------------------------------------------------


def _rollout_cases(rng):
    return [(_attention(rng, L, h, T, T),) for L, h, T in [(2, 3, 4), (3, 2, 5), (4, 1, 3)]]


def _product(matrices, order=1):
    """The first matrix meets the tokens first, and stands on the right; order -1: on the left."""
    total = np.eye(matrices.shape[-1])
    for matrix in matrices:
        total = matrix @ total if order == 1 else total @ matrix
    return total


@exercise(cases=_rollout_cases, outputs={"arrived": "(T, T)"}, level=2, minutes=20)
def rollout(A):
    L, h, T, T = A.shape
    mean = A.mean(axis=1)  # the mean over the heads
    half = (mean + np.eye(T)) / 2  # the blocks with their residual ways
    return _product(half)


for _name, _why, _lines in (
    ("the residual way is missing", "A token keeps itself, whatever attention adds to it.", {"half": "mean"}),
    ("the identity is added, but the rows do not sum to 1 any more",
     "What should a row of parts of something sum to?", {"half": "mean + np.eye(T)"}),
    ("the product has the first block on the left",
     "Follow a column vector of tokens: which matrix meets it first?", {"result": "_product(half, -1)"}),
    ("the heads are added up, not averaged", "Each head's rows sum to 1. And those of their sum?",
     {"mean": "A.sum(axis=1)"}),
    ("the largest head stands for all", "A variant that some use; the paper averages.", {"mean": "A.max(axis=1)"}),
    ("the blocks are averaged, not multiplied",
     "What a token got in the first block travels on in the second.", {"result": "half.mean(axis=0)"}),
    ("the blocks are multiplied number by number",
     "A way leads over any token in between: which product sums over them?", {"result": "half.prod(axis=0)"}),
    ("the last block is left out", "How many blocks does the sum go through?", {"result": "_product(half[:-1])"}),
    ("the first block is left out", "How many blocks does the sum go through?", {"result": "_product(half[1:])"}),
    ("only the last block", "How did the tokens of the image come to be in what the last block asks?",
     {"result": "half[-1]"}),
    ("the matrices are transposed", "Row t says whom token t asks.", {"mean": "A.mean(axis=1).swapaxes(1, 2)"}),
):  # fmt: skip
    rollout.slip(_name, _why, **_lines)


# ---- position_similarity(E_pos, gh, gw) -> similarity ----------------------------------------------------------------


def _position_cases(rng):
    return [(0.3 + rng.standard_normal((gh * gw + 1, D)), gh, gw) for gh, gw, D in [(2, 3, 4), (4, 2, 5), (3, 4, 6)]]


@exercise(cases=_position_cases, outputs={"similarity": "(gh, gw, gh, gw)"}, level=2, minutes=15)
def position_similarity(E_pos, gh, gw):
    patches = E_pos[1:]  # the patches' rows
    length = np.sqrt((patches**2).sum(axis=1, keepdims=True))  # the lengths
    unit = patches / length  # the unit vectors
    products = unit @ unit.T  # the products
    return products.reshape(gh, gw, gh, gw)  # the tiles


for _name, _why, _lines in (
    ("products, not cosines", "A long vector would be like everything.", {"unit": "patches"}),
    ("the products are divided by one length for all", "Each vector has a length of its own.",
     {"length": "np.sqrt((patches**2).sum(axis=1).mean())"}),
    ("the products are divided by one length for all", "Each vector has a length of its own.",
     {"length": "np.sqrt((patches**2).sum(axis=1)).mean()"}),
    ("the products are divided by the squares of the lengths, twice",
     "The cosine of a vector with itself is 1.", {"length": "(patches**2).sum(axis=1, keepdims=True)"}),
    ("the class token is taken for the first patch", "Which row of E_pos belongs to no place?",
     {"patches": "E_pos[:-1]"}),
    ("rows and columns of the grid are exchanged", "The patches go along a row of the image first.",
     {"result": "products.reshape(gw, gh, gw, gh)"}),
    ("the tiles are not laid out on the grid", "One axis each for row and column, of both patches.",
     {"result": "products"}),
    ("the mean position is taken off first",
     "That is a correlation between places. The paper's figure shows plain cosines.",
     {"patches": "E_pos[1:] - E_pos[1:].mean(axis=0)"}),
    ("each vector's own mean is taken off first",
     "That is the correlation coefficient. The cosine leaves the vectors where they are.",
     {"patches": "E_pos[1:] - E_pos[1:].mean(axis=1, keepdims=True)"}),
    ("distances, not cosines", "What should a position be to itself, 0 or 1?",
     {"products": "np.sqrt(((patches[:, None] - patches)**2).sum(axis=-1))"}),
):  # fmt: skip
    position_similarity.slip(_name, _why, **_lines)


# ---- logit_lens(streams, g, b, weight, bias) -> logits ---------------------------------------------------------------


def _lens_cases(rng):
    """streams (L + 1, T, D), the last norm's g and b (D,), the head's weight (K, D) and bias (K,)"""
    cases = []
    for L, T, D, K in [(2, 5, 4, 3), (3, 4, 6, 5), (1, 6, 5, 2)]:
        streams = np.cumsum(rng.standard_normal((L + 1, T, D)), axis=0)
        cases.append((streams, 1 + rng.standard_normal(D) / 2, *(rng.standard_normal(s) for s in (D, (K, D), K))))
    return cases


@exercise(cases=_lens_cases, outputs={"logits": "(L + 1, K)"}, level=2, minutes=15)
def logit_lens(streams, g, b, weight, bias):
    kept = streams  # the streams
    normed = standardise(kept, -1, 1e-6) * g + b  # the layer norm
    y = normed[:, 0]  # what the head reads
    return linear(y, weight, bias)  # the head


for _name, _why, _lines in (
    ("the mean over the tokens is read", "Whose row does the head read?",
     {"normed": "standardise(kept.mean(axis=1, keepdims=True), -1, 1e-6) * g + b"}),
    ("the layer norm is left out", "What stands between the last block and the head?", {"normed": "kept"}),
    ("the layer norm has no scale and shift", "The last norm has learned numbers too.",
     {"normed": "standardise(kept, -1, 1e-6)"}),
    ("every layer is normalised with the last one's mean and deviation",
     "Earlier streams are smaller: each token has its own mean and deviation.",
     {"normed": "(kept - kept[-1:].mean(axis=-1, keepdims=True)) / np.sqrt(kept[-1:].var(axis=-1, keepdims=True) + "
                "1e-6) * g + b"}),
    ("the layer norm runs over the tokens", "Along which axis does a token lie?",
     {"normed": "standardise(kept, 1, 1e-6) * g + b"}),
    ("the mean over the tokens is read", "This model answers from its class token.", {"y": "normed.mean(axis=1)"}),
    ("the last token is read", "Where does the class token stand?", {"y": "normed[:, -1]"}),
    ("an answer from every token", "One token is read.", {"y": "normed"}),
    ("probabilities, not logits", "Leave the scores as they are.", {"result": "softmax(linear(y, weight, bias))"}),
    ("what each block adds is read, not the stream",
     "The stream after block l holds everything that was written before.",
     {"kept": "np.diff(streams, axis=0, prepend=0 * streams[:1])"}),
    ("the embedded tokens are left out", "Before the first block there is an answer too: L + 1 in all.",
     {"kept": "streams[1:]"}),
):  # fmt: skip
    logit_lens.slip(_name, _why, **_lines)


# ---- attention_offset(A, gh, gw, P) -> offset ------------------------------------------------------------------------


@exercise(cases=_distance_cases, outputs={"offset": "(h, 2)"}, level=2, minutes=20)
def attention_offset(A, gh, gw, P):
    places = _places(gh, gw, P)  # the places
    ways = places - places[:, None]  # the ways from who asks to who is asked
    patches = A[:, 1:, 1:]  # the weights between patches
    asked = (patches[..., None] * ways).sum(axis=2)  # each patch's mean way
    return asked.mean(axis=1)  # each head's mean way


for _name, _why, _lines in (
    ("the ways lead from who is asked to who asks", "A head that looks to the right has a positive second number.",
     {"ways": "places[:, None] - places"}),
    ("the lengths are averaged, not the ways", "Up and down should cancel each other.",
     {"ways": "np.abs(places - places[:, None])"}),
    ("the ways are counted in patches", "How many pixels is one patch?", {"places": "_places(gh, gw, 1)"}),
    ("rows and columns of the grid are exchanged",
     "Patch 1 lies to the right of patch 0. How many patches make one row of the image?",
     {"places": "_places(gw, gh, P)"}),
    ("across comes before down", "Down first, then across.", {"places": "_places(gh, gw, P)[:, ::-1]"}),
    ("who asks and who is asked are exchanged in the weights", "Row t says whom token t asks.",
     {"patches": "A[:, 1:, 1:].swapaxes(1, 2)"}),
    ("the weights on patches are divided by their sum",
     "Here nothing replaces what goes to the class token.",
     {"patches": "A[:, 1:, 1:] / A[:, 1:, 1:].sum(axis=2, keepdims=True)"}),
    ("the last token is left out in place of the class token", "Where does the class token stand?",
     {"patches": "A[:, :-1, :-1]"}),
    ("the ways of all patches are added up", "A mean over the patches that ask does not grow with their number.",
     {"result": "asked.sum(axis=1)"}),
    ("one number for all heads", "Each head has a way of its own.", {"result": "asked.mean(axis=(0, 1))"}),
):  # fmt: skip
    attention_offset.slip(_name, _why, **_lines)


# ---- relevance(A, dA) -> relevance -----------------------------------------------------------------------------------


def _relevance_cases(rng):
    """A and dA (L, h, T, T)"""
    sizes = [(2, 3, 4), (3, 2, 5), (4, 1, 3)]
    return [(_attention(rng, L, h, T, T), rng.standard_normal((L, h, T, T))) for L, h, T in sizes]


@exercise(cases=_relevance_cases, outputs={"relevance": "(T, T)"}, level=2, minutes=25)
def relevance(A, dA):
    L, h, T, T = A.shape
    useful = np.maximum(dA * A, 0)  # what speaks for the class
    mean = useful.mean(axis=1)  # the mean over the heads
    blocks = mean + np.eye(T)  # the blocks with their residual ways
    return _product(blocks)


for _name, _why, _lines in (
    ("what speaks against the class is kept, too", "Which of the products are let through?", {"useful": "dA * A"}),
    ("the gradients are cut at 0, and A counts where they are negative, too", "The product is cut.",
     {"useful": "np.where(dA > 0, dA, 1) * A"}),
    ("the heads are averaged first, then cut at 0",
     "One head may speak for the class and another one against it. Which is forgotten first?",
     {"useful": "dA * A", "mean": "np.maximum(useful.mean(axis=1), 0)"}),
    ("the gradients are not used", "Whom a head asks is one thing, what it does to the class another.",
     {"useful": "A"}),
    ("the weights are not used", "A gradient says what a weight would do. How large is the weight?",
     {"useful": "np.maximum(dA, 0)"}),
    ("the residual way is halved, as in rollout", "Here what a block adds is added to the whole of what was there.",
     {"blocks": "(mean + np.eye(T)) / 2"}),
    ("the residual way is missing", "What was there before stays.", {"blocks": "mean"}),
    ("the heads are added up, not averaged", "More heads should not mean more relevance.",
     {"mean": "useful.sum(axis=1)"}),
    ("the product has the first block on the left",
     "Follow a column vector of tokens: which matrix meets it first?", {"result": "_product(blocks, -1)"}),
    ("the last block is left out", "How many blocks does it go through?", {"result": "_product(blocks[:-1])"}),
    ("the blocks are added up, with no product", "What a block adds is made of what was there before it.",
     {"result": "np.eye(T) + mean.sum(axis=0)"}),
    ("the products are taken number by number, not as matrices", "Token t asks s, and s has asked others: sum over s.",
     {"result": "np.eye(T) * (1 + mean).prod(axis=0)"}),
    ("the identity is taken off at the end", "What each token brings of itself counts, too.",
     {"result": "_product(blocks) - np.eye(T)"}),
    ("the class token's row alone", "The whole matrix is asked for.", {"result": "_product(blocks)[0, 1:]"}),
    ("the size of the product counts, whatever its sign", "Which of the products are let through?",
     {"useful": "np.abs(dA * A)"}),
):  # fmt: skip
    relevance.slip(_name, _why, **_lines)


# ---- logit_parts(streams, g, weight) -> parts ------------------------------------------------------------------------


def _parts_cases(rng):
    """streams (L + 1, D) of one image's class token, once so small that eps counts; g (D,); the head's weight (K, D)"""
    return [
        (
            size * np.cumsum(rng.standard_normal((L + 1, D)) + 0.3, axis=0),
            rng.normal(1, 0.5, D),
            rng.normal(0, 1, (K, D)),
        )
        for L, D, K, size in [(2, 4, 3, 1), (3, 6, 5, 0.002), (4, 5, 2, 1)]
    ]


@exercise(cases=_parts_cases, outputs={"parts": "(L + 1, K)"}, level=3, minutes=30)
def logit_parts(streams, g, weight):
    first = np.zeros_like(streams[:1])  # nothing
    before = np.concatenate([first, streams[:-1]])  # the stream before each block
    written = streams - before  # what each block wrote
    centred = written - written.mean(axis=1, keepdims=True)  # without its mean
    root = np.sqrt(streams[-1].var() + 1e-6)  # the last stream's deviation
    normed = centred / root * g  # through the last norm
    return normed @ weight.T  # through the head


for _name, _why, _lines in (
    ("what the embedding wrote is left out", "The blocks begin with a stream that is not 0. Whose part is that?",
     {"result": "(normed @ weight.T)[1:]"}),
    ("each part is divided by its own deviation",
     "The sum of the parts has to be the model's logit. By what does the last norm divide?",
     {"root": "np.sqrt(written.var(axis=1, keepdims=True) + 1e-6)"}),
    ("the streams are read, not what each block wrote", "Do they add up to the last one?", {"written": "streams"}),
    ("each stream is divided by its own deviation",
     "The sum of the parts has to be the model's logit. By what does the last norm divide?",
     {"root": "np.sqrt(streams.var(axis=1, keepdims=True) + 1e-6)"}),
    ("the means stay in", "A layer norm takes the mean off. Whose mean is the mean of a sum?", {"centred": "written"}),
    ("the last stream's mean is taken off every part", "How often may it be taken off in all?",
     {"centred": "written - streams[-1].mean()"}),
    ("the learned scale is left out", "The last norm has learned numbers, too.", {"normed": "centred / root"}),
    ("divided by the variance, not by its root", "What does a layer norm divide by?",
     {"root": "streams[-1].var() + 1e-6"}),
    ("the differences between the blocks' parts", "The first part is what the embedded token says.",
     {"before": "np.concatenate([streams[:1], streams[:-1]])"}),
    ("the parts are added up on the way", "That is the lens with one divisor for all. What did each block alone write?",
     {"result": "np.cumsum(normed @ weight.T, axis=0)"}),
):  # fmt: skip
    logit_parts.slip(_name, _why, **_lines)
