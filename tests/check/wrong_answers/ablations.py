"""Wrong answers to notebooks/20_ablations.ipynb: models side by side, coupled decay, equal rates, Muon."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet
from vitedu_numpy.schedule import learning_rate as np_learning_rate

from . import FirstGeneration

__all__ = ["coupled_adam_step", "equal_rate", "many_linear_step", "newton_schulz", "paired_lead"]


def _paired(difference=lambda a, b: a - b, ddof=1, divide=np.sqrt):
    def answer(a, b):
        d = difference(a, b)
        return d.mean(axis=1), d.std(axis=1, ddof=ddof) / divide(d.shape[1])

    return answer


def _of_both(join):
    """The errors of two means, joined."""

    def answer(a, b):
        errors = [x.std(axis=1, ddof=1) / np.sqrt(x.shape[1]) for x in (a, b)]
        return (a - b).mean(axis=1), join(*errors)

    return answer


def _over_conditions(a, b):
    d = a - b
    return d.mean(axis=0), d.std(axis=0, ddof=1) / np.sqrt(len(d))


paired_lead = FirstGeneration(
    _paired(),
    [
        ("the errors of both means are joined, as if their seeds had nothing in common", _of_both(np.hypot)),
        ("the errors of both means are added", _of_both(np.add)),
        ("the errors of both means are subtracted", _of_both(lambda x, y: np.abs(x - y))),
        ("b is the first: the sign is wrong", _paired(lambda a, b: b - a)),
        ("the differences lose their signs", _paired(lambda a, b: np.abs(a - b))),
        (
            "the pairs are lost: the values are sorted first",
            _paired(lambda a, b: np.sort(a, axis=1) - np.sort(b, axis=1)),
        ),
        ("the deviation of one seed, not of the mean", _paired(divide=lambda n: 1)),
        ("the deviation is divided by the number of seeds, not by its root", _paired(divide=lambda n: n)),
        ("the squares are divided by n, not by n - 1", _paired(ddof=0)),
        ("n - 1 twice: in the variance, and again for the mean", _paired(divide=lambda n: np.sqrt(n - 1))),
        ("mean and deviation run over the conditions", _over_conditions),
    ],
)


def _many(error=lambda W, x, y: np.einsum("koi,bi->kbo", W, x) - y, scale=lambda K, b, O: 1 / b,
          meet=lambda dW: dW, rates=lambda lr: lr[:, None, None]):  # fmt: skip
    def answer(W, x, y, lr):
        dW = np.einsum("kbo,bi->koi", error(W, x, y), x) * scale(len(W), *y.shape)
        return W - rates(lr) * meet(dW)

    return answer


many_linear_step = FirstGeneration(
    _many(),
    [
        ("the batch is summed, not averaged", _many(scale=lambda K, b, O: 1)),
        ("the loss is averaged over the models as well", _many(scale=lambda K, b, O: 1 / (K * b))),
        ("the squares are averaged over the outputs as well", _many(scale=lambda K, b, O: 1 / (b * O))),
        ("twice the gradient: the half of the loss is forgotten", _many(scale=lambda K, b, O: 2 / b)),
        ("the models share the mean of their gradients", _many(meet=lambda dW: dW.mean(axis=0))),
        ("the models share the sum of their gradients", _many(meet=lambda dW: dW.sum(axis=0))),
        (
            "all models have the errors of the first",
            _many(error=lambda W, x, y: np.repeat((x @ W[0].T - y)[None], len(W), axis=0)),
        ),
        ("all models have the first one's learning rate", _many(rates=lambda lr: lr[0])),
        ("all models have the mean of the rates", _many(rates=lambda lr: lr.mean())),
        ("the rates are laid along the last axis", _many(rates=lambda lr: lr)),
        ("the weights climb", _many(rates=lambda lr: -lr[:, None, None])),
        ("the target is left out", _many(error=lambda W, x, y: np.einsum("koi,bi->kbo", W, x))),
    ],
)


def _adam(
    into_m=lambda g, w, lr, wd: g + wd * w,
    into_v=lambda g, w, lr, wd: g + wd * w,
    beside=lambda w, lr, wd: 0,
    correct=True,
    top=lambda mhat, w, wd: mhat,
):
    """What enters the two moments, what is taken off the weight beside them, and what is divided by the root."""

    def answer(w, g, m, v, t, lr, b1, b2, eps, wd):
        m = b1 * m + (1 - b1) * into_m(g, w, lr, wd)
        v = b2 * v + (1 - b2) * into_v(g, w, lr, wd) ** 2
        c1, c2 = (1 - b1**t, 1 - b2**t) if correct else (1, 1)
        return w - beside(w, lr, wd) - lr * top(m / c1, w, wd) / (np.sqrt(v / c2) + eps), m, v

    return answer


def _into_both(f, **rest):
    return _adam(f, f, **rest)


def _gradient(g, w, lr, wd):
    return g


coupled_adam_step = FirstGeneration(
    _adam(),
    [
        ("that is the decoupled decay", _into_both(_gradient, beside=lambda w, lr, wd: lr * wd * w)),
        ("decoupled, and without the learning rate", _into_both(_gradient, beside=lambda w, lr, wd: wd * w)),
        ("no decay at all", _into_both(_gradient)),
        ("decayed twice, in the gradient and beside it", _adam(beside=lambda w, lr, wd: lr * wd * w)),
        ("the decay reaches m, and v does not know of it", _adam(into_v=_gradient)),
        ("the decay reaches v, and m does not know of it", _adam(into_m=_gradient)),
        (
            "the decay comes after the moments: it is divided by the root, and not remembered",
            _into_both(_gradient, top=lambda mhat, w, wd: mhat + wd * w),
        ),
        ("the learning rate is in the gradient, too", _into_both(lambda g, w, lr, wd: g + lr * wd * w)),
        ("the weights are driven away from 0", _into_both(lambda g, w, lr, wd: g - wd * w)),
        ("twice the decay", _into_both(lambda g, w, lr, wd: g + 2 * wd * w)),
        ("the penalty itself is added, not its derivative", _into_both(lambda g, w, lr, wd: g + wd * w**2 / 2)),
        ("the pull does not grow with the weight", _into_both(lambda g, w, lr, wd: g + wd * np.sign(w))),
        ("the moments are not corrected for their start at 0", _adam(correct=False)),
    ],
)


def _total(steps, warmup_steps, decay, rate=np_learning_rate, which=range):
    return sum(rate(s, base=1.0, total_steps=steps, warmup_steps=warmup_steps, decay=decay) for s in which(steps))


def _equal(answer=lambda plain, warmed: plain / warmed, **options):
    def rate(base, steps, warmup_steps, decay):
        return base * answer(_total(steps, 0, decay), _total(steps, warmup_steps, decay, **options))

    return rate


def _early_decay(step, *, base, total_steps, warmup_steps, decay):
    """The decay begins at step 0, beneath the warm-up."""
    plain = np_learning_rate(step, base=base, total_steps=total_steps, decay=decay)
    return plain * min(1, step / warmup_steps)


def _from_one(step, *, base, total_steps, warmup_steps, decay):
    rest = dict(base=base, total_steps=total_steps, decay=decay)
    if step < warmup_steps:
        return base * (step + 1) / warmup_steps
    return np_learning_rate(step, warmup_steps=warmup_steps, **rest)


equal_rate = FirstGeneration(
    _equal(),
    [
        ("the other way round", _equal(lambda plain, warmed: warmed / plain)),
        ("the rate is left as it is", _equal(lambda plain, warmed: 1)),
        (
            "the warm-up does not count",
            lambda base, steps, w, decay: (
                base * _total(steps, 0, decay) / _total(steps, w, decay, which=lambda n: range(w, n))
            ),
        ),
        ("the decay begins at step 0, beneath the warm-up", _equal(rate=_early_decay)),
        ("the first update has a rate already", _equal(rate=_from_one)),
        (
            "the difference of the sums is added to the rate",
            lambda base, steps, w, decay: base + base * (_total(steps, 0, decay) - _total(steps, w, decay)),
        ),
        (
            "the difference is shared out among the steps",
            lambda base, steps, w, decay: base + base * (_total(steps, 0, decay) - _total(steps, w, decay)) / steps,
        ),
        ("the sum itself, not the rate that makes it", lambda base, steps, w, decay: base * _total(steps, 0, decay)),
    ],
)


MUON = (3.4445, -4.7750, 2.0315)


def _iterate(factors=MUON, size=np.linalg.norm, each=lambda X: X, more=0, right=lambda A, X: A @ X):
    def answer(M, steps):
        a, b, c = factors
        X = M / size(M)
        for _ in range(steps + more):
            A = X @ X.T
            X = each(a * X + right(b * A + c * A @ A, X))
        return X

    return answer


def _wrong_side(M, steps):
    a, b, c = MUON
    X = M / np.linalg.norm(M)
    for _ in range(steps):
        A = X.T @ X
        X = a * X + (b * A + c * A @ A) @ X
    return X


def _by_entries(M, steps):
    a, b, c = MUON
    X = M / np.linalg.norm(M)
    for _ in range(steps):
        X = a * X + b * X**3 + c * X**5
    return X


newton_schulz = FirstGeneration(
    _iterate(),
    [
        ("the matrix is not divided by its length first", quiet(_iterate(size=lambda M: 1))),
        ("divided by the largest singular value", _iterate(size=lambda M: np.linalg.norm(M, 2))),
        ("divided by the largest entry", quiet(_iterate(size=lambda M: np.abs(M).max()))),
        ("divided by the root mean square of the entries", quiet(_iterate(size=lambda M: np.sqrt((M**2).mean())))),
        ("the length is taken again after every step", _iterate(each=lambda X: X / np.linalg.norm(X))),
        ("the fifth power is missing", quiet(_iterate((*MUON[:2], 0.0)))),
        ("the coefficients of the slow iteration, which ends at 1 exactly", _iterate((15 / 8, -10 / 8, 3 / 8))),
        ("one step too many", _iterate(more=1)),
        ("one step too few", _iterate(more=-1)),
        ("A is made of columns, not of rows", _wrong_side),
        ("powers of the entries, not of the matrix", _by_entries),
        ("the result lies on its side", lambda M, steps: _iterate()(M, steps).T),
    ],
)
