"""Checks for the exercises of notebooks/07_vit_numpy.ipynb: optimisers, schedule, clipping."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from vitedu.check.engine import Check, Mistake, quiet
from vitedu_numpy.module import Module, Parameter
from vitedu_numpy.schedule import learning_rate as np_learning_rate
from vitedu_numpy.training.optim import SGD as NpSGD
from vitedu_numpy.training.optim import Adam as NpAdam
from vitedu_numpy.training.optim import clip_by_global_norm as np_clip_by_global_norm

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


def _sgd_cases(rng):
    shapes = [((3, 5), 0.1, 0.9), ((2, 7), 0.03, 0.8), ((4, 3), 0.3, 0.5)]
    return [(*rng.standard_normal((3, *shape)), lr, momentum) for shape, lr, momentum in shapes]


def _heavy_ball(g, v, mu):
    return mu * v + g


def _sgd_mistake(new_v, moves=lambda g, v, v_new, mu: v_new):
    """new_v(g, v, mu) is what is remembered; moves(...) is what moves w."""

    def answer(w, g, v, lr, mu):
        v_new = new_v(g, v, mu)
        return w - lr * moves(g, v, v_new, mu), v_new

    return answer


sgd_step = Check(
    "sgd_step",
    reference=_sgd,
    cases=_sgd_cases,
    outputs={"w": "(O, I)", "v": "(O, I)"},
    mistakes=[
        Mistake(
            "w moves with the gradient alone; the momentum never reaches it",
            "v is what moves w.",
            _sgd_mistake(_heavy_ball, lambda g, v, v_new, mu: g),
        ),
        Mistake(
            "w moves with the old v, from before this gradient",
            "First v, then w: in which order do your two lines stand?",
            _sgd_mistake(_heavy_ball, lambda g, v, v_new, mu: v),
        ),
        Mistake(
            "the old v is forgotten",
            "Momentum is memory: what becomes of the old v?",
            _sgd_mistake(lambda g, v, mu: g),
        ),
        Mistake(
            "w climbs: the sign of the step is wrong",
            "The gradient points uphill.",
            lambda w, g, v, lr, mu: (w + lr * (mu * v + g), mu * v + g),
        ),
        Mistake(
            "the gradient is multiplied by 1 - momentum (a running mean)",
            "Heavy-ball momentum adds the whole gradient. A running mean is the same with another learning rate, but "
            "it is not what the formula says.",
            _sgd_mistake(lambda g, v, mu: mu * v + (1 - mu) * g),
        ),
        Mistake(
            "the step is Nesterov's, not heavy ball",
            "Nesterov looks ahead by one more momentum * v. The formula moves w by lr v.",
            _sgd_mistake(_heavy_ball, lambda g, v, v_new, mu: g + mu * v_new),
        ),
        Mistake(
            "the learning rate is inside v",
            "Then a change of the learning rate reaches w only slowly. Where does lr stand in the formula?",
            lambda w, g, v, lr, mu: (w - (mu * v + lr * g), mu * v + lr * g),
        ),
        Mistake(
            "the momentum multiplies the gradient too",
            "Only the old v fades.",
            _sgd_mistake(lambda g, v, mu: mu * (v + g)),
        ),
        Mistake(
            "the old v does not fade: momentum is missing",
            "Without a factor below 1, v grows for ever.",
            _sgd_mistake(lambda g, v, mu: v + g),
        ),
        Mistake(
            "w and v are returned in the wrong order",
            "Look at the signature: which comes first?",
            lambda w, g, v, lr, mu: (mu * v + g, w - lr * (mu * v + g)),
        ),
    ],
)


def _adam(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    optimizer = NpAdam(_single(w, g), lr, (beta1, beta2), eps, weight_decay)
    optimizer.m, optimizer.v, optimizer.t = [m], [v], t - 1
    optimizer.step()
    return w, m, v


def _adam_cases(rng):
    cases = []
    for shape, t, lr, beta1, beta2, eps, wd in [
        ((3, 5), 2, 0.1, 0.9, 0.95, 0.05, 0.3),
        ((2, 7), 5, 0.05, 0.8, 0.99, 0.02, 0.5),
        ((4, 3), 3, 0.2, 0.7, 0.9, 0.1, 0.2),
    ]:
        w, g, m = rng.standard_normal((3, *shape))
        v = rng.uniform(0.5, 1, shape)  # large enough to stay positive even if somebody adds g instead of g^2
        cases.append((w, g, m, v, t, lr, beta1, beta2, eps, wd))
    return cases


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
_T_HINT = "At the very first update t = 1, and 1 - beta^t must turn (1 - beta) g back into g. Try it with numbers."

adam_step = Check(
    "adam_step",
    reference=_adam,
    cases=_adam_cases,
    outputs={"w": "(O, I)", "m": "(O, I)", "v": "(O, I)"},
    mistakes=[
        Mistake(
            "the weight decay is coupled: it is added to the gradient",
            "Then m and v see it, and it is divided by sqrt(v) like the rest. Decoupled decay never touches m and v.",
            _adam_variant(gradient=lambda g, w, wd: g + wd * w, decayed=_plain),
        ),
        Mistake(
            "the weight decay is divided by sqrt(v)",
            "m and v are right, but the decay went into the fraction. Decoupled decay stands beside it.",
            _adam_decay_in_ratio,
        ),
        Mistake("the weight decay is missing", "What shrinks w?", _adam_variant(decayed=_plain)),
        Mistake(
            "the weight decay is not multiplied by the learning rate",
            "Without lr the decay does not follow the schedule. (Some codebases do it so; the formula here does not.)",
            _adam_variant(decayed=lambda w, lr, wd: w * (1 - wd)),
        ),
        Mistake(
            "the weight decay has the wrong sign: w grows",
            "Decay pulls w towards 0.",
            _adam_variant(decayed=lambda w, lr, wd: w * (1 + lr * wd)),
        ),
        Mistake(
            "the decay comes after the step, so it shrinks the step too",
            "Both terms start from the old w. Which line comes first?",
            _adam_decay_last,
        ),
        Mistake(
            "there is no bias correction",
            "m and v start at 0, so early on both are too small. What undoes that?",
            _adam_variant(mhat=_plain, vhat=_plain),
        ),
        Mistake("only v is corrected, m is not", "m starts at 0 as well.", _adam_variant(mhat=_plain)),
        Mistake("only m is corrected, v is not", "v starts at 0 as well.", _adam_variant(vhat=_plain)),
        Mistake(
            _T_NAME.format("-"),
            _T_HINT,
            _adam_variant(
                mhat=lambda m, t, b1, b2: m / (1 - b1 ** (t - 1)), vhat=lambda v, t, b1, b2: v / (1 - b2 ** (t - 1))
            ),
        ),
        Mistake(
            _T_NAME.format("+"),
            _T_HINT,
            _adam_variant(
                mhat=lambda m, t, b1, b2: m / (1 - b1 ** (t + 1)), vhat=lambda v, t, b1, b2: v / (1 - b2 ** (t + 1))
            ),
        ),
        Mistake(
            "the bias correction divides by 1 - beta, without the power t",
            "The correction must fade away as t grows.",
            _adam_variant(mhat=lambda m, t, b1, b2: m / (1 - b1), vhat=lambda v, t, b1, b2: v / (1 - b2)),
        ),
        Mistake(
            "eps stands inside the root",
            "sqrt(v + eps) and sqrt(v) + eps are not the same. Which one is in the formula?",
            _adam_variant(denominator=lambda v, eps: np.sqrt(v + eps)),
        ),
        Mistake(
            "eps is missing",
            "It guards against a division by 0, and in this test it is large enough to show.",
            _adam_variant(denominator=lambda v, eps: np.sqrt(v)),
        ),
        Mistake(
            "the root is missing: the step is divided by v",
            "m is in units of g, v in units of g^2: the fraction should have no unit.",
            _adam_variant(denominator=lambda v, eps: v + eps),
        ),
        Mistake(
            "v gathers g, not g^2",
            "v is a running mean of squares: it can never be negative.",
            _adam_variant(new_v=lambda v, g, b1, b2: b2 * v + (1 - b2) * g),
        ),
        Mistake(
            "v gathers |g|, not g^2",
            "v is a running mean of squares; the root comes later.",
            _adam_variant(new_v=lambda v, g, b1, b2: b2 * v + (1 - b2) * np.abs(g)),
        ),
        Mistake(
            "beta1 and beta2 are exchanged",
            "beta1 belongs to m, beta2 to v.",
            _adam_variant(
                lambda m, g, b1, b2: b2 * m + (1 - b2) * g,
                lambda v, g, b1, b2: b1 * v + (1 - b1) * g * g,
                lambda m, t, b1, b2: m / (1 - b2**t),
                lambda v, t, b1, b2: v / (1 - b1**t),
            ),
        ),
        Mistake(
            "beta and 1 - beta are exchanged",
            "With beta1 = 0.9, m should keep nine tenths of its old value.",
            _adam_variant(lambda m, g, b1, b2: (1 - b1) * m + b1 * g, lambda v, g, b1, b2: (1 - b2) * v + b2 * g * g),
        ),
        Mistake(
            "the new gradient is added whole, without 1 - beta",
            "m and v are running *means*: what stands in front of g and g^2?",
            _adam_variant(lambda m, g, b1, b2: b1 * m + g, lambda v, g, b1, b2: b2 * v + g * g),
        ),
        Mistake(
            "w climbs: the sign of the step is wrong",
            "The gradient points uphill.",
            _adam_variant(sign=1),
        ),
        Mistake(
            "the corrected m and v are returned, and would be corrected again at the next step",
            "Keep m and v as they are; mhat and vhat are used once and forgotten.",
            _adam_returns_corrected,
        ),
    ],
)


# ---- schedule --------------------------------------------------------------------------------------------------------


def _schedule_cases(rng):
    base = float(rng.uniform(0.001, 0.01))
    steps = [0, 1, 4, 9, 10, 11, 30, 54, 98, 99, 103]  # 103: after the end
    return [(s, base, 100, 10) for s in steps] + [(s, 2 * base, 37, 7) for s in (3, 7, 20)] + [(5, base, 20, 0)]


def _part(step, total, warmup):
    """p of the schedule, held in [0, 1]."""
    return min(max((step - warmup) / (total - warmup), 0.0), 1.0)


def _rate(p=_part, decay=lambda p: (1 + cos(pi * p)) / 2, warm=lambda step, warmup: min(1.0, step / warmup)):
    """The schedule with one part replaced."""

    def answer(step, base, total_steps, warmup_steps):
        rate = base * decay(p(step, total_steps, warmup_steps))
        return rate * warm(step, warmup_steps) if warmup_steps else rate

    return answer


learning_rate = Check(
    "learning_rate",
    reference=lambda step, base, total_steps, warmup_steps: np_learning_rate(
        step, base=base, total_steps=total_steps, warmup_steps=warmup_steps
    ),
    cases=_schedule_cases,
    outputs={"rate": "()"},
    mistakes=[
        Mistake(
            "the warm-up counts from 1: (step + 1) / warmup",
            "At step 0 the rate should be 0, and at step = warmup it should be the base for the first time.",
            _rate(warm=lambda step, warmup: min(1.0, (step + 1) / warmup)),
        ),
        Mistake(
            "the cosine runs over all steps, warm-up included",
            "The decay starts where the warm-up ends: what is p at step = warmup?",
            _rate(p=lambda step, total, warmup: min(max(step / total, 0.0), 1.0)),
        ),
        Mistake(
            "the cosine starts after the warm-up but its length is the total",
            "At the last step p should have reached 1. How many steps does the decay have?",
            _rate(p=lambda step, total, warmup: min(max((step - warmup) / total, 0.0), 1.0)),
        ),
        Mistake(
            "p is not held between 0 and 1",
            "During the warm-up your p is negative, and the cosine of a negative number is below 1.",
            _rate(p=lambda step, total, warmup: (step - warmup) / (total - warmup)),
        ),
        Mistake(
            "p may become negative during the warm-up",
            "The cosine of a negative number is below 1, so the decay works already during the warm-up.",
            _rate(p=lambda step, total, warmup: min((step - warmup) / (total - warmup), 1.0)),
        ),
        Mistake(
            "p may exceed 1 after the end",
            "Beyond the last step the cosine rises again. Where should p stop?",
            _rate(p=lambda step, total, warmup: max((step - warmup) / (total - warmup), 0.0)),
        ),
        Mistake("there is no warm-up", "At step 0 the rate should be 0.", _rate(warm=lambda step, warmup: 1.0)),
        Mistake(
            "the warm-up factor goes on growing after the warm-up",
            "What is step / warmup long after the warm-up? It should stop at 1.",
            _rate(warm=lambda step, warmup: step / warmup),
        ),
        Mistake(
            "there is no decay after the warm-up",
            "At the last step the rate should be near 0.",
            _rate(decay=lambda p: 1.0),
        ),
        Mistake(
            "the decay is linear, not a cosine",
            "Half a wave of the cosine: flat at the top, flat at the bottom.",
            _rate(decay=lambda p: 1 - p),
        ),
        Mistake(
            "the decay is a quarter of a cosine wave",
            "Your rate falls fastest at the end; it should arrive flat. From where to where should the cosine run?",
            _rate(decay=lambda p: cos(pi * p / 2)),
        ),
        Mistake(
            "the cosine itself is the factor, so the rate becomes negative",
            "The cosine runs from 1 to -1; the rate should run from base to 0.",
            _rate(decay=lambda p: cos(pi * p)),
        ),
        Mistake(
            "the half is missing: the rate starts at twice the base",
            "What is 1 + cos(0)?",
            _rate(decay=lambda p: 1 + cos(pi * p)),
        ),
        Mistake(
            "pi is missing in the cosine", "At p = 1 the cosine should be -1.", _rate(decay=lambda p: (1 + cos(p)) / 2)
        ),
        Mistake(
            "the cosine makes a whole wave: down and up again",
            "At p = 1 the cosine should be -1, its lowest point.",
            _rate(decay=lambda p: (1 + cos(2 * pi * p)) / 2),
        ),
        Mistake(
            "a sine instead of a cosine",
            "At p = 0 the rate should be the base.",
            _rate(decay=lambda p: (1 + sin(pi * p)) / 2),
        ),
        Mistake(
            "the rate grows: 1 - cos instead of 1 + cos",
            "At p = 0 the rate should be the base, at p = 1 it should be 0.",
            _rate(decay=lambda p: (1 - cos(pi * p)) / 2),
        ),
        Mistake(
            "warmup_steps = 0 divides by zero",
            "Zero warm-up steps mean: no warm-up. The very first rate is then the base.",
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


def _clip_cases(rng):
    """Too long together although each is short enough; far too long; short enough."""
    cases = []
    for shapes, length, max_norm in [
        ([(3, 5), (3,), (4, 2)], 1.3, 1.0),
        ([(2, 7), (2,), (5, 3)], 20.0, 0.5),
        ([(4, 3), (4,), (2, 6)], 0.7, 1.5),
    ]:
        gradients = [rng.standard_normal(shape) for shape in shapes]
        norm = np.sqrt(sum((g * g).sum() for g in gradients))
        cases.append(([g * (length / norm) for g in gradients], max_norm))
    return cases


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


clip = Check(
    "clip",
    reference=_clip,
    cases=_clip_cases,
    outputs={"the first array": "(O, I)", "the second array": "(O,)", "the third array": "(O, I)"},
    mistakes=[
        Mistake(
            "every array is clipped by its own norm",
            "Then the direction of the whole step changes. One factor for all, from one norm of all.",
            _per_array(True),
        ),
        Mistake(
            "every array is stretched or shrunk to max_norm by its own norm",
            "One factor for all, from one norm of all; and short gradients stay as they are.",
            _per_array(False),
        ),
        Mistake(
            "each number is clipped to [-max_norm, max_norm]",
            "That bends the direction of the step. Scale all numbers by one factor instead.",
            lambda gradients, max_norm: [np.clip(g, -max_norm, max_norm) for g in gradients],
        ),
        Mistake(
            "short gradients are stretched to max_norm",
            "Clipping only ever shortens: what is the largest factor allowed?",
            _scaled(lambda g, c: c / np.linalg.norm(g)),
        ),
        Mistake(
            "the root is missing: the norm is squared",
            "A length is the root of a sum of squares.",
            _scaled(lambda g, c: min(1.0, c / (g @ g))),
        ),
        Mistake(
            "the lengths of the arrays are added",
            "Lengths of parts do not add up, their squares do (Pythagoras).",
            lambda gradients, c: _scaled(lambda _, c: min(1.0, c / sum(np.linalg.norm(g.ravel()) for g in gradients)))(
                gradients, c
            ),
        ),
        Mistake(
            "the longest array decides, not all together",
            "Each array may be short enough while all together are too long.",
            lambda gradients, c: _scaled(lambda _, c: min(1.0, c / max(np.linalg.norm(g.ravel()) for g in gradients)))(
                gradients, c
            ),
        ),
        Mistake(
            "the norm is the largest entry, not the Euclidean length",
            "Many small entries make a long vector too.",
            _scaled(lambda g, c: min(1.0, c / np.abs(g).max())),
        ),
        Mistake(
            "the norm is the sum of absolute values, not the Euclidean length",
            "A length is the root of a sum of squares.",
            _scaled(lambda g, c: min(1.0, c / np.abs(g).sum())),
        ),
        Mistake(
            "the norm is a root mean square, not a root of a sum",
            "The length of a vector grows with the number of its entries.",
            _scaled(lambda g, c: min(1.0, c / np.sqrt((g * g).mean()))),
        ),
        Mistake(
            "the factor is upside down: norm / max_norm",
            "A gradient that is twice too long must be multiplied by one half.",
            _scaled(lambda g, c: np.linalg.norm(g) / c),
        ),
        Mistake(
            "the factor is upside down: norm / max_norm",
            "A gradient that is twice too long must be multiplied by one half.",
            _scaled(lambda g, c: min(1.0, np.linalg.norm(g) / c)),
        ),
        Mistake(
            "long gradients are divided by their norm, and max_norm is forgotten",
            "The new length should be max_norm, not 1.",
            _scaled(lambda g, c: 1 / np.linalg.norm(g) if np.linalg.norm(g) > c else 1.0),
        ),
        Mistake("nothing is clipped", "The joint length should be at most max_norm.", _scaled(lambda g, c: 1.0)),
    ],
)
