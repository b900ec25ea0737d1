"""Checks for notebooks/21_inside.ipynb: attention distance, rollout, similarity of positions, the logit lens."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake, quiet

__all__ = ["attention_distance", "logit_lens", "position_similarity", "rollout"]


def _attention(rng, *shape):
    """Rows that sum to 1, some weights large."""
    A = np.exp(1.5 * rng.standard_normal(shape))
    return A / A.sum(axis=-1, keepdims=True)


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


def _euclid(gh, gw, P):
    places = _places(gh, gw, P)
    return np.sqrt(((places[:, None] - places) ** 2).sum(axis=-1))  # (N, N)


def _mean_distance(lengths=_euclid, cut=lambda A: A[:, 1:, 1:], reduce=lambda x: x.sum(axis=2).mean(axis=1)):
    """lengths (N, N) of the patches' ways, the part of A that counts, and what is done with the products (h, N, N)."""

    def answer(A, gh, gw, P):
        return reduce(cut(A) * lengths(gh, gw, P))

    return answer


def _divided(A):
    A = A[:, 1:, 1:]
    return A / A.sum(axis=2, keepdims=True)


def _with_class_place(A, gh, gw, P):
    """the class token as if it lay on the first patch"""
    places = np.concatenate([np.zeros((1, 2)), _places(gh, gw, P)])
    ways = np.sqrt(((places[:, None] - places) ** 2).sum(axis=-1))
    return (A * ways).sum(axis=2).mean(axis=1)


attention_distance = Check(
    "attention_distance",
    reference=_mean_distance(),
    cases=_distance_cases,
    outputs={"distance": "(h,)"},
    mistakes=[
        Mistake(
            "the distance is counted in patches",
            "In which unit does the paper's figure count?",
            _mean_distance(lambda gh, gw, P: _euclid(gh, gw, 1)),
        ),
        Mistake(
            "steps along rows and columns are added",
            "The straight line between two centres is shorter.",
            _mean_distance(lambda gh, gw, P: np.abs(_places(gh, gw, P)[:, None] - _places(gh, gw, P)).sum(axis=-1)),
        ),
        Mistake(
            "the squares of the distances are averaged",
            "A root is missing.",
            _mean_distance(lambda gh, gw, P: _euclid(gh, gw, P) ** 2),
        ),
        Mistake(
            "rows and columns of the grid are exchanged",
            "Patch 1 lies to the right of patch 0. How many patches make one row of the image?",
            _mean_distance(lambda gh, gw, P: _euclid(gw, gh, P)),
        ),
        Mistake(
            "the class token is taken for the first patch",
            "It has no place in the image; its row and its column are left out.",
            _with_class_place,
        ),
        Mistake(
            "the last token is left out in place of the class token",
            "Where does the class token stand?",
            _mean_distance(cut=lambda A: A[:, :-1, :-1]),
        ),
        Mistake(
            "the weights on patches are divided by their sum",
            "Here nothing replaces what goes to the class token: it counts as distance 0.",
            _mean_distance(cut=_divided),
        ),
        Mistake(
            "the mean over the patches that are asked is missing its weights",
            "Weights of a row sum to 1 already: over which axis is a sum, over which a mean?",
            _mean_distance(reduce=lambda x: x.mean(axis=(1, 2))),
        ),
        Mistake(
            "the distances of all patches are added up",
            "A mean over the patches that ask does not grow with their number.",
            _mean_distance(reduce=lambda x: x.sum(axis=(1, 2))),
        ),
        Mistake(
            "one number for all heads",
            "Each head has a distance of its own.",
            _mean_distance(reduce=lambda x: x.sum(axis=2).mean()),
        ),
    ],
)


# ---- rollout(A) -> arrived -------------------------------------------------------------------------------------------


def _rollout_cases(rng):
    return [(_attention(rng, L, h, T, T),) for L, h, T in [(2, 3, 4), (3, 2, 5), (4, 1, 3)]]


def _half(A):
    return (A + np.eye(A.shape[-1])) / 2


def _rolled(step=lambda A: _half(A.mean(axis=0)), join=lambda total, new: new @ total, order=lambda A: A):
    """step: A (h, T, T) of a block -> (T, T); join: what the blocks before have given, and the next one."""

    def answer(A):
        total = np.eye(A.shape[-1])
        for block in order(A):
            total = join(total, step(block))
        return total

    return answer


rollout = Check(
    "rollout",
    reference=_rolled(),
    cases=_rollout_cases,
    outputs={"arrived": "(T, T)"},
    mistakes=[
        Mistake(
            "the residual way is missing",
            "A token keeps itself, whatever attention adds to it.",
            _rolled(lambda A: A.mean(axis=0)),
        ),
        Mistake(
            "the identity is added, but the rows do not sum to 1 any more",
            "What should a row of parts of something sum to?",
            _rolled(lambda A: A.mean(axis=0) + np.eye(A.shape[-1])),
        ),
        Mistake(
            "the product has the first block on the left",
            "Follow a column vector of tokens: which matrix meets it first?",
            _rolled(join=lambda total, new: total @ new),
        ),
        Mistake(
            "the heads are added up, not averaged",
            "Each head's rows sum to 1. And those of their sum?",
            _rolled(lambda A: _half(A.sum(axis=0))),
        ),
        Mistake(
            "the largest head stands for all",
            "A variant that some use; the paper averages.",
            _rolled(lambda A: _half(A.max(axis=0))),
        ),
        Mistake(
            "the blocks are averaged, not multiplied",
            "What a token got in the first block travels on in the second.",
            lambda A: np.mean([_half(a.mean(axis=0)) for a in A], axis=0),
        ),
        Mistake(
            "the blocks are multiplied number by number",
            "A way leads over any token in between: which product sums over them?",
            _rolled(join=lambda total, new: new if (total == np.eye(len(total))).all() else new * total),
        ),
        Mistake(
            "only the last block",
            "How did the tokens of the image come to be in what the last block asks?",
            lambda A: _half(A[-1].mean(axis=0)),
        ),
        Mistake(
            "the matrices are transposed",
            "Row t says whom token t asks.",
            _rolled(lambda A: _half(A.mean(axis=0).T)),
        ),
    ],
)


# ---- position_similarity(E_pos, gh, gw) -> similarity ----------------------------------------------------------------


def _position_cases(rng):
    return [(0.3 + rng.standard_normal((gh * gw + 1, D)), gh, gw) for gh, gw, D in [(2, 3, 4), (4, 2, 5), (3, 4, 6)]]


def _unit(x):
    return x / np.sqrt((x**2).sum(axis=1, keepdims=True))


def _similar(prepare=_unit, cut=lambda x: x[1:], shape=lambda gh, gw: (gh, gw, gh, gw)):
    def answer(E_pos, gh, gw):
        x = prepare(cut(E_pos))
        return (x @ x.T).reshape(shape(gh, gw))

    return answer


def _by_distance(E_pos, gh, gw):
    x = E_pos[1:]
    return np.sqrt(((x[:, None] - x) ** 2).sum(axis=-1)).reshape(gh, gw, gh, gw)


position_similarity = Check(
    "position_similarity",
    reference=_similar(),
    cases=_position_cases,
    outputs={"similarity": "(gh, gw, gh, gw)"},
    mistakes=[
        Mistake(
            "products, not cosines",
            "A long vector would be like everything.",
            _similar(lambda x: x),
        ),
        Mistake(
            "the products are divided by one length for all",
            "Each vector has a length of its own.",
            _similar(lambda x: x / np.sqrt((x**2).sum(axis=1).mean())),
        ),
        Mistake(
            "the products are divided by the squares of the lengths, twice",
            "The cosine of a vector with itself is 1.",
            _similar(lambda x: x / (x**2).sum(axis=1, keepdims=True)),
        ),
        Mistake(
            "the class token is taken for the first patch",
            "Which row of E_pos belongs to no place?",
            _similar(cut=lambda x: x[:-1]),
        ),
        Mistake(
            "rows and columns of the grid are exchanged",
            "The patches go along a row of the image first.",
            _similar(shape=lambda gh, gw: (gw, gh, gw, gh)),
        ),
        Mistake(
            "the tiles are not laid out on the grid",
            "One axis each for row and column, of both patches.",
            _similar(shape=lambda gh, gw: (gh * gw, gh * gw)),
        ),
        Mistake(
            "the mean position is taken off first",
            "That is a correlation between places. The paper's figure shows plain cosines.",
            _similar(lambda x: _unit(x - x.mean(axis=0))),
        ),
        Mistake(
            "each vector's own mean is taken off first",
            "That is the correlation coefficient. The cosine leaves the vectors where they are.",
            _similar(lambda x: _unit(x - x.mean(axis=1, keepdims=True))),
        ),
        Mistake(
            "distances, not cosines",
            "What should a position be to itself, 0 or 1?",
            _by_distance,
        ),
    ],
)


# ---- logit_lens(streams, g, b, weight, bias) -> logits ---------------------------------------------------------------


def _lens_cases(rng):
    """streams (L + 1, T, D), the last norm's g and b (D,), the head's weight (K, D) and bias (K,)"""
    cases = []
    for L, T, D, K in [(2, 5, 4, 3), (3, 4, 6, 5), (1, 6, 5, 2)]:
        streams = np.cumsum(rng.standard_normal((L + 1, T, D)), axis=0)
        cases.append((streams, 1 + rng.standard_normal(D) / 2, *(rng.standard_normal(s) for s in (D, (K, D), K))))
    return cases


def _norm(z, g, b):
    z = z - z.mean(axis=-1, keepdims=True)
    return z / np.sqrt((z**2).mean(axis=-1, keepdims=True) + 1e-6) * g + b


def _through(norm=_norm, read=lambda z: z[:, 0], head=lambda y, weight, bias: y @ weight.T + bias):
    def answer(streams, g, b, weight, bias):
        return head(read(norm(streams, g, b)), weight, bias)

    return answer


def _softmaxed(y, weight, bias):
    e = np.exp(y @ weight.T + bias)
    return e / e.sum(axis=-1, keepdims=True)


def _last_statistics(z, g, b):
    last = z[-1:]
    std = np.sqrt(last.var(axis=-1, keepdims=True) + 1e-6)
    return (z - last.mean(axis=-1, keepdims=True)) / std * g + b


logit_lens = Check(
    "logit_lens",
    reference=_through(),
    cases=_lens_cases,
    outputs={"logits": "(L + 1, K)"},
    mistakes=[
        Mistake(
            "the layer norm is left out",
            "What stands between the last block and the head?",
            _through(lambda z, g, b: z),
        ),
        Mistake(
            "the layer norm has no scale and shift",
            "The last norm has learned numbers too.",
            _through(lambda z, g, b: _norm(z, 1, 0)),
        ),
        Mistake(
            "every layer is normalised with the last one's mean and deviation",
            "Earlier streams are smaller: each token has its own mean and deviation.",
            _through(_last_statistics),
        ),
        Mistake(
            "the layer norm runs over the tokens",
            "Along which axis does a token lie?",
            quiet(_through(lambda z, g, b: _norm(z.swapaxes(1, 2), 1, 0).swapaxes(1, 2) * g + b)),
        ),
        Mistake(
            "the mean over the tokens is read",
            "This model answers from its class token.",
            _through(read=lambda z: z.mean(axis=1)),
        ),
        Mistake(
            "the last token is read",
            "Where does the class token stand?",
            _through(read=lambda z: z[:, -1]),
        ),
        Mistake(
            "an answer from every token",
            "One token is read.",
            _through(read=lambda z: z),
        ),
        Mistake(
            "the bias of the head is missing",
            "The head is a whole linear layer.",
            _through(head=lambda y, weight, bias: y @ weight.T),
        ),
        Mistake(
            "probabilities, not logits",
            "Leave the scores as they are.",
            _through(head=_softmaxed),
        ),
        Mistake(
            "what each block adds is read, not the stream",
            "The stream after block l holds everything that was written before.",
            lambda s, g, b, w, c: _through()(np.diff(s, axis=0, prepend=0 * s[:1]), g, b, w, c),
        ),
        Mistake(
            "the embedded tokens are left out",
            "Before the first block there is an answer too: L + 1 in all.",
            lambda s, g, b, w, c: _through()(s[1:], g, b, w, c),
        ),
    ],
)
