"""Exercises of notebooks/21_inside.ipynb: attention distance, rollout, similarity of positions, the logit lens."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import linear, softmax, standardise

__all__ = ["attention_distance", "logit_lens", "position_similarity", "rollout"]


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
