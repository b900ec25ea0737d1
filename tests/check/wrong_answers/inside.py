"""Wrong answers to notebooks/21_inside.ipynb: attention distance, rollout, similarity of positions, the logit lens."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet

from . import FirstGeneration

__all__ = ["attention_distance", "logit_lens", "position_similarity", "rollout"]


# ---- attention_distance(A, gh, gw, P) -> distance --------------------------------------------------------------------


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


attention_distance = FirstGeneration(
    _mean_distance(),
    [
        ("the distance is counted in patches", _mean_distance(lambda gh, gw, P: _euclid(gh, gw, 1))),
        (
            "steps along rows and columns are added",
            _mean_distance(lambda gh, gw, P: np.abs(_places(gh, gw, P)[:, None] - _places(gh, gw, P)).sum(axis=-1)),
        ),
        ("the squares of the distances are averaged", _mean_distance(lambda gh, gw, P: _euclid(gh, gw, P) ** 2)),
        ("rows and columns of the grid are exchanged", _mean_distance(lambda gh, gw, P: _euclid(gw, gh, P))),
        ("the class token is taken for the first patch", _with_class_place),
        ("the last token is left out in place of the class token", _mean_distance(cut=lambda A: A[:, :-1, :-1])),
        ("the weights on patches are divided by their sum", _mean_distance(cut=_divided)),
        (
            "the mean over the patches that are asked is missing its weights",
            _mean_distance(reduce=lambda x: x.mean(axis=(1, 2))),
        ),
        ("the distances of all patches are added up", _mean_distance(reduce=lambda x: x.sum(axis=(1, 2)))),
        ("one number for all heads", _mean_distance(reduce=lambda x: x.sum(axis=2).mean())),
    ],
)


# ---- rollout(A) -> arrived -------------------------------------------------------------------------------------------


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


rollout = FirstGeneration(
    _rolled(),
    [
        ("the residual way is missing", _rolled(lambda A: A.mean(axis=0))),
        (
            "the identity is added, but the rows do not sum to 1 any more",
            _rolled(lambda A: A.mean(axis=0) + np.eye(A.shape[-1])),
        ),
        ("the product has the first block on the left", _rolled(join=lambda total, new: total @ new)),
        ("the heads are added up, not averaged", _rolled(lambda A: _half(A.sum(axis=0)))),
        ("the largest head stands for all", _rolled(lambda A: _half(A.max(axis=0)))),
        ("the blocks are averaged, not multiplied", lambda A: np.mean([_half(a.mean(axis=0)) for a in A], axis=0)),
        (
            "the blocks are multiplied number by number",
            _rolled(join=lambda total, new: new if (total == np.eye(len(total))).all() else new * total),
        ),
        ("only the last block", lambda A: _half(A[-1].mean(axis=0))),
        ("the matrices are transposed", _rolled(lambda A: _half(A.mean(axis=0).T))),
    ],
)


# ---- position_similarity(E_pos, gh, gw) -> similarity ----------------------------------------------------------------


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


position_similarity = FirstGeneration(
    _similar(),
    [
        ("products, not cosines", _similar(lambda x: x)),
        ("the products are divided by one length for all", _similar(lambda x: x / np.sqrt((x**2).sum(axis=1).mean()))),
        (
            "the products are divided by the squares of the lengths, twice",
            _similar(lambda x: x / (x**2).sum(axis=1, keepdims=True)),
        ),
        ("the class token is taken for the first patch", _similar(cut=lambda x: x[:-1])),
        ("rows and columns of the grid are exchanged", _similar(shape=lambda gh, gw: (gw, gh, gw, gh))),
        ("the tiles are not laid out on the grid", _similar(shape=lambda gh, gw: (gh * gw, gh * gw))),
        ("the mean position is taken off first", _similar(lambda x: _unit(x - x.mean(axis=0)))),
        ("each vector's own mean is taken off first", _similar(lambda x: _unit(x - x.mean(axis=1, keepdims=True)))),
        ("distances, not cosines", _by_distance),
    ],
)


# ---- logit_lens(streams, g, b, weight, bias) -> logits ---------------------------------------------------------------


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


logit_lens = FirstGeneration(
    _through(),
    [
        ("the layer norm is left out", _through(lambda z, g, b: z)),
        ("the layer norm has no scale and shift", _through(lambda z, g, b: _norm(z, 1, 0))),
        ("every layer is normalised with the last one's mean and deviation", _through(_last_statistics)),
        (
            "the layer norm runs over the tokens",
            quiet(_through(lambda z, g, b: _norm(z.swapaxes(1, 2), 1, 0).swapaxes(1, 2) * g + b)),
        ),
        ("the mean over the tokens is read", _through(read=lambda z: z.mean(axis=1))),
        ("the last token is read", _through(read=lambda z: z[:, -1])),
        ("an answer from every token", _through(read=lambda z: z)),
        ("the bias of the head is missing", _through(head=lambda y, weight, bias: y @ weight.T)),
        ("probabilities, not logits", _through(head=_softmaxed)),
        (
            "what each block adds is read, not the stream",
            lambda s, g, b, w, c: _through()(np.diff(s, axis=0, prepend=0 * s[:1]), g, b, w, c),
        ),
        ("the embedded tokens are left out", lambda s, g, b, w, c: _through()(s[1:], g, b, w, c)),
    ],
)
