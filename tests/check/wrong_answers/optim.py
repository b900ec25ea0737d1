"""Wrong answers to the exercises of notebooks/07_vit_numpy.ipynb: optimisers, schedule, clipping."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from vitedu.check.engine import quiet
from vitedu_numpy.module import Module, Parameter
from vitedu_numpy.schedule import learning_rate as np_learning_rate
from vitedu_numpy.training.optim import SGD as NpSGD
from vitedu_numpy.training.optim import Adam as NpAdam
from vitedu_numpy.training.optim import clip_by_global_norm as np_clip_by_global_norm

from . import FirstGeneration

__all__ = ["adam_step", "clip", "learning_rate", "sgd_step"]


# ---- optimisers ------------------------------------------------------------------------------------------------------


def _single(w, g) -> Module:
    """A model with one weight matrix."""
    model = Module()
    model.weight = Parameter(w)
    model.weight.grad = g
    return model


def _sgd(w, g, v, lr, momentum):
    optimizer = NpSGD(_single(w, g), lr, momentum)
    optimizer.v = [v]
    optimizer.step()
    return w, v


def _heavy_ball(g, v, mu):
    return mu * v + g


def _sgd_mistake(new_v, moves=lambda g, v, v_new, mu: v_new):
    """new_v(g, v, mu) is what is remembered; moves(...) is what moves w."""

    def answer(w, g, v, lr, mu):
        v_new = new_v(g, v, mu)
        return w - lr * moves(g, v, v_new, mu), v_new

    return answer


sgd_step = FirstGeneration(
    _sgd,
    [
        (
            "w moves with the gradient alone; the momentum never reaches it",
            _sgd_mistake(_heavy_ball, lambda g, v, v_new, mu: g),
        ),
        ("w moves with the old v, from before this gradient", _sgd_mistake(_heavy_ball, lambda g, v, v_new, mu: v)),
        ("the old v is forgotten", _sgd_mistake(lambda g, v, mu: g)),
        ("w climbs: the sign of the step is wrong", lambda w, g, v, lr, mu: (w + lr * (mu * v + g), mu * v + g)),
        (
            "the gradient is multiplied by 1 - momentum (a running mean)",
            _sgd_mistake(lambda g, v, mu: mu * v + (1 - mu) * g),
        ),
        ("the step is Nesterov's, not heavy ball", _sgd_mistake(_heavy_ball, lambda g, v, v_new, mu: g + mu * v_new)),
        ("the learning rate is inside v", lambda w, g, v, lr, mu: (w - (mu * v + lr * g), mu * v + lr * g)),
        ("the momentum multiplies the gradient too", _sgd_mistake(lambda g, v, mu: mu * (v + g))),
        ("the old v does not fade: momentum is missing", _sgd_mistake(lambda g, v, mu: v + g)),
        ("w and v are returned in the wrong order", lambda w, g, v, lr, mu: (mu * v + g, w - lr * (mu * v + g))),
    ],
)


def _adam(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    optimizer = NpAdam(_single(w, g), lr, (beta1, beta2), eps, weight_decay)
    optimizer.m, optimizer.v, optimizer.t = [m], [v], t - 1
    optimizer.step()
    return w, m, v


def _adam_variant(
    new_m=lambda m, g, b1, b2: b1 * m + (1 - b1) * g,
    new_v=lambda v, g, b1, b2: b2 * v + (1 - b2) * g * g,
    mhat=lambda m, t, b1, b2: m / (1 - b1**t),
    vhat=lambda v, t, b1, b2: v / (1 - b2**t),
    denominator=lambda vhat, eps: np.sqrt(vhat) + eps,
    gradient=lambda g, w, wd: g,
    decayed=lambda w, lr, wd: w * (1 - lr * wd),
    sign=-1,
):
    """Adam with one line replaced."""

    def answer(w, g, m, v, t, lr, b1, b2, eps, wd):
        g = gradient(g, w, wd)
        m, v = new_m(m, g, b1, b2), new_v(v, g, b1, b2)
        step = lr * mhat(m, t, b1, b2) / denominator(vhat(v, t, b1, b2), eps)
        return decayed(w, lr, wd) + sign * step, m, v

    return quiet(answer)


def _plain(x, *_):
    return x


def _adam_decay_last(w, g, m, v, t, lr, b1, b2, eps, wd):
    w, m, v = _adam_variant(decayed=_plain)(w, g, m, v, t, lr, b1, b2, eps, wd)
    return w * (1 - lr * wd), m, v


def _adam_returns_corrected(w, g, m, v, t, lr, b1, b2, eps, wd):
    w, m, v = _adam_variant()(w, g, m, v, t, lr, b1, b2, eps, wd)
    return w, m / (1 - b1**t), v / (1 - b2**t)


def _adam_decay_in_ratio(w, g, m, v, t, lr, b1, b2, eps, wd):
    """The decay is added to mhat, before the division."""
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    return w - lr * (m / (1 - b1**t) + wd * w) / (np.sqrt(v / (1 - b2**t)) + eps), m, v


_T_NAME = "the bias correction uses t {} 1 instead of t"

adam_step = FirstGeneration(
    _adam,
    [
        (
            "the weight decay is coupled: it is added to the gradient",
            _adam_variant(gradient=lambda g, w, wd: g + wd * w, decayed=_plain),
        ),
        ("the weight decay is divided by sqrt(v)", _adam_decay_in_ratio),
        ("the weight decay is missing", _adam_variant(decayed=_plain)),
        (
            "the weight decay is not multiplied by the learning rate",
            _adam_variant(decayed=lambda w, lr, wd: w * (1 - wd)),
        ),
        ("the weight decay has the wrong sign: w grows", _adam_variant(decayed=lambda w, lr, wd: w * (1 + lr * wd))),
        ("the decay comes after the step, so it shrinks the step too", _adam_decay_last),
        ("there is no bias correction", _adam_variant(mhat=_plain, vhat=_plain)),
        ("only v is corrected, m is not", _adam_variant(mhat=_plain)),
        ("only m is corrected, v is not", _adam_variant(vhat=_plain)),
        (
            _T_NAME.format("-"),
            _adam_variant(
                mhat=lambda m, t, b1, b2: m / (1 - b1 ** (t - 1)), vhat=lambda v, t, b1, b2: v / (1 - b2 ** (t - 1))
            ),
        ),
        (
            _T_NAME.format("+"),
            _adam_variant(
                mhat=lambda m, t, b1, b2: m / (1 - b1 ** (t + 1)), vhat=lambda v, t, b1, b2: v / (1 - b2 ** (t + 1))
            ),
        ),
        (
            "the bias correction divides by 1 - beta, without the power t",
            _adam_variant(mhat=lambda m, t, b1, b2: m / (1 - b1), vhat=lambda v, t, b1, b2: v / (1 - b2)),
        ),
        ("eps stands inside the root", _adam_variant(denominator=lambda v, eps: np.sqrt(v + eps))),
        ("eps is missing", _adam_variant(denominator=lambda v, eps: np.sqrt(v))),
        ("the root is missing: the step is divided by v", _adam_variant(denominator=lambda v, eps: v + eps)),
        ("v gathers g, not g^2", _adam_variant(new_v=lambda v, g, b1, b2: b2 * v + (1 - b2) * g)),
        ("v gathers |g|, not g^2", _adam_variant(new_v=lambda v, g, b1, b2: b2 * v + (1 - b2) * np.abs(g))),
        (
            "beta1 and beta2 are exchanged",
            _adam_variant(
                lambda m, g, b1, b2: b2 * m + (1 - b2) * g,
                lambda v, g, b1, b2: b1 * v + (1 - b1) * g * g,
                lambda m, t, b1, b2: m / (1 - b2**t),
                lambda v, t, b1, b2: v / (1 - b1**t),
            ),
        ),
        (
            "beta and 1 - beta are exchanged",
            _adam_variant(lambda m, g, b1, b2: (1 - b1) * m + b1 * g, lambda v, g, b1, b2: (1 - b2) * v + b2 * g * g),
        ),
        (
            "the new gradient is added whole, without 1 - beta",
            _adam_variant(lambda m, g, b1, b2: b1 * m + g, lambda v, g, b1, b2: b2 * v + g * g),
        ),
        ("w climbs: the sign of the step is wrong", _adam_variant(sign=1)),
        ("the corrected m and v are returned, and would be corrected again at the next step", _adam_returns_corrected),
    ],
)


# ---- schedule --------------------------------------------------------------------------------------------------------


def _part(step, total, warmup):
    """p of the schedule, held in [0, 1]."""
    return min(max((step - warmup) / (total - warmup), 0.0), 1.0)


def _rate(p=_part, decay=lambda p: (1 + cos(pi * p)) / 2, warm=lambda step, warmup: min(1.0, step / warmup)):
    """The schedule with one part replaced."""

    def answer(step, base, total_steps, warmup_steps):
        rate = base * decay(p(step, total_steps, warmup_steps))
        return rate * warm(step, warmup_steps) if warmup_steps else rate

    return answer


learning_rate = FirstGeneration(
    lambda step, base, total_steps, warmup_steps: np_learning_rate(
        step, base=base, total_steps=total_steps, warmup_steps=warmup_steps
    ),
    [
        (
            "the warm-up counts from 1: (step + 1) / warmup",
            _rate(warm=lambda step, warmup: min(1.0, (step + 1) / warmup)),
        ),
        (
            "the cosine runs over all steps, warm-up included",
            _rate(p=lambda step, total, warmup: min(max(step / total, 0.0), 1.0)),
        ),
        (
            "the cosine starts after the warm-up but its length is the total",
            _rate(p=lambda step, total, warmup: min(max((step - warmup) / total, 0.0), 1.0)),
        ),
        ("p is not held between 0 and 1", _rate(p=lambda step, total, warmup: (step - warmup) / (total - warmup))),
        (
            "p may become negative during the warm-up",
            _rate(p=lambda step, total, warmup: min((step - warmup) / (total - warmup), 1.0)),
        ),
        (
            "p may exceed 1 after the end",
            _rate(p=lambda step, total, warmup: max((step - warmup) / (total - warmup), 0.0)),
        ),
        ("there is no warm-up", _rate(warm=lambda step, warmup: 1.0)),
        ("the warm-up factor goes on growing after the warm-up", _rate(warm=lambda step, warmup: step / warmup)),
        ("there is no decay after the warm-up", _rate(decay=lambda p: 1.0)),
        ("the decay is linear, not a cosine", _rate(decay=lambda p: 1 - p)),
        ("the decay is a quarter of a cosine wave", _rate(decay=lambda p: cos(pi * p / 2))),
        ("the cosine itself is the factor, so the rate becomes negative", _rate(decay=lambda p: cos(pi * p))),
        ("the half is missing: the rate starts at twice the base", _rate(decay=lambda p: 1 + cos(pi * p))),
        ("pi is missing in the cosine", _rate(decay=lambda p: (1 + cos(p)) / 2)),
        ("the cosine makes a whole wave: down and up again", _rate(decay=lambda p: (1 + cos(2 * pi * p)) / 2)),
        ("a sine instead of a cosine", _rate(decay=lambda p: (1 + sin(pi * p)) / 2)),
        ("the rate grows: 1 - cos instead of 1 + cos", _rate(decay=lambda p: (1 - cos(pi * p)) / 2)),
        (
            "warmup_steps = 0 divides by zero",
            lambda step, base, total, warmup: (
                base * (1 + cos(pi * _part(step, total, warmup))) / 2 * min(1.0, step / warmup)
            ),
        ),
    ],
)


# ---- clipping --------------------------------------------------------------------------------------------------------


def _clip(gradients, max_norm):
    model = Module()
    for i, g in enumerate(gradients):
        setattr(model, f"p{i}", Parameter(g))
        getattr(model, f"p{i}").grad = g
    np_clip_by_global_norm(model, max_norm)
    return gradients


def _scaled(factor):
    """Every gradient times factor(all of them in one vector, max_norm)."""

    def answer(gradients, max_norm):
        scale = factor(np.concatenate([g.ravel() for g in gradients]), max_norm)
        return [g * scale for g in gradients]

    return answer


def _per_array(bounded):
    def answer(gradients, max_norm):
        factors = [max_norm / np.linalg.norm(g.ravel()) for g in gradients]
        return [g * (min(1.0, f) if bounded else f) for g, f in zip(gradients, factors, strict=True)]

    return answer


clip = FirstGeneration(
    _clip,
    [
        ("every array is clipped by its own norm", _per_array(True)),
        ("every array is stretched or shrunk to max_norm by its own norm", _per_array(False)),
        (
            "each number is clipped to [-max_norm, max_norm]",
            lambda gradients, max_norm: [np.clip(g, -max_norm, max_norm) for g in gradients],
        ),
        ("short gradients are stretched to max_norm", _scaled(lambda g, c: c / np.linalg.norm(g))),
        ("the root is missing: the norm is squared", _scaled(lambda g, c: min(1.0, c / (g @ g)))),
        (
            "the lengths of the arrays are added",
            lambda gradients, c: _scaled(lambda _, c: min(1.0, c / sum(np.linalg.norm(g.ravel()) for g in gradients)))(
                gradients, c
            ),
        ),
        (
            "the longest array decides, not all together",
            lambda gradients, c: _scaled(lambda _, c: min(1.0, c / max(np.linalg.norm(g.ravel()) for g in gradients)))(
                gradients, c
            ),
        ),
        (
            "the norm is the largest entry, not the Euclidean length",
            _scaled(lambda g, c: min(1.0, c / np.abs(g).max())),
        ),
        (
            "the norm is the sum of absolute values, not the Euclidean length",
            _scaled(lambda g, c: min(1.0, c / np.abs(g).sum())),
        ),
        (
            "the norm is a root mean square, not a root of a sum",
            _scaled(lambda g, c: min(1.0, c / np.sqrt((g * g).mean()))),
        ),
        ("the factor is upside down: norm / max_norm", _scaled(lambda g, c: np.linalg.norm(g) / c)),
        ("the factor is upside down: norm / max_norm", _scaled(lambda g, c: min(1.0, np.linalg.norm(g) / c))),
        (
            "long gradients are divided by their norm, and max_norm is forgotten",
            _scaled(lambda g, c: 1 / np.linalg.norm(g) if np.linalg.norm(g) > c else 1.0),
        ),
        ("nothing is clipped", _scaled(lambda g, c: 1.0)),
    ],
)
