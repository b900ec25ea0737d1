"""Checks for notebooks/20_ablations.ipynb: paired seeds, models side by side, coupled decay, equal rates, Muon."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.schedule import learning_rate as np_learning_rate

from ..engine import Check, Mistake, quiet

__all__ = ["coupled_adam_step", "equal_rate", "many_linear_step", "newton_schulz", "paired_lead"]


# ---- paired_lead(a, b) -> mean, error --------------------------------------------------------------------------


def _paired_cases(rng):
    """Accuracies (R, seeds) of two conditions; what a seed does, it does to both."""
    cases = []
    for R, seeds in [(3, 4), (2, 5), (4, 3)]:
        shared = 0.05 * rng.standard_normal((R, seeds))
        a, b = (0.7 + shared + 0.02 * rng.standard_normal((R, seeds)) for _ in range(2))
        cases.append((a + 0.01, b))
    return cases


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


paired_lead = Check(
    "paired_lead",
    reference=_paired(),
    cases=_paired_cases,
    outputs={"mean": "(R,)", "error": "(R,)"},
    mistakes=[
        Mistake(
            "the errors of both means are joined, as if their seeds had nothing in common",
            "Seed 0 gave both the same images. Of which numbers should the deviation be taken?",
            _of_both(np.hypot),
        ),
        Mistake(
            "the errors of both means are added",
            "Of which numbers should the deviation be taken?",
            _of_both(np.add),
        ),
        Mistake(
            "the errors of both means are subtracted",
            "A deviation of differences is no difference of deviations.",
            _of_both(lambda x, y: np.abs(x - y)),
        ),
        Mistake(
            "b is the first: the sign is wrong",
            "How much more has a than b?",
            _paired(lambda a, b: b - a),
        ),
        Mistake(
            "the differences lose their signs",
            "A seed for which b is ahead speaks against a.",
            _paired(lambda a, b: np.abs(a - b)),
        ),
        Mistake(
            "the pairs are lost: the values are sorted first",
            "Column s of both belongs to the same seed.",
            _paired(lambda a, b: np.sort(a, axis=1) - np.sort(b, axis=1)),
        ),
        Mistake(
            "the deviation of one seed, not of the mean",
            "More seeds should make the mean surer.",
            _paired(divide=lambda n: 1),
        ),
        Mistake(
            "the deviation is divided by the number of seeds, not by its root",
            "Variances add up, and deviations are their roots.",
            _paired(divide=lambda n: n),
        ),
        Mistake(
            "the squares are divided by n, not by n - 1",
            "With three seeds that makes the error a fifth too small.",
            _paired(ddof=0),
        ),
        Mistake(
            "n - 1 twice: in the variance, and again for the mean",
            "n - 1 belongs to the variance. How many values has the mean?",
            _paired(divide=lambda n: np.sqrt(n - 1)),
        ),
        Mistake(
            "mean and deviation run over the conditions",
            "Over which axis do the seeds lie?",
            _over_conditions,
        ),
    ],
)


# ---- many_linear_step(W, x, y, lr) -> W ------------------------------------------------------------------------------


def _linear_cases(rng):
    """W (K, O, I), one batch for all x (b, I), y (b, O), and a learning rate for each model."""
    return [
        (*(rng.standard_normal(shape) for shape in ((K, O, I), (b, I), (b, O))), rng.uniform(0.1, 0.5, K))
        for K, O, I, b in [(3, 2, 5, 4), (4, 3, 2, 6), (2, 5, 3, 7)]
    ]


def _many(error=lambda W, x, y: np.einsum("koi,bi->kbo", W, x) - y, scale=lambda K, b, O: 1 / b,
          meet=lambda dW: dW, rates=lambda lr: lr[:, None, None]):  # fmt: skip
    def answer(W, x, y, lr):
        dW = np.einsum("kbo,bi->koi", error(W, x, y), x) * scale(len(W), *y.shape)
        return W - rates(lr) * meet(dW)

    return answer


many_linear_step = Check(
    "many_linear_step",
    reference=_many(),
    cases=_linear_cases,
    outputs={"W": "(K, O, I)"},
    mistakes=[
        Mistake(
            "the batch is summed, not averaged",
            "The loss is a mean over b images.",
            _many(scale=lambda K, b, O: 1),
        ),
        Mistake(
            "the loss is averaged over the models as well",
            "With more models beside it, a model would learn more slowly.",
            _many(scale=lambda K, b, O: 1 / (K * b)),
        ),
        Mistake(
            "the squares are averaged over the outputs as well",
            "The length of an error is a sum over its numbers.",
            _many(scale=lambda K, b, O: 1 / (b * O)),
        ),
        Mistake(
            "twice the gradient: the half of the loss is forgotten",
            "Half a square has which derivative?",
            _many(scale=lambda K, b, O: 2 / b),
        ),
        Mistake(
            "the models share the mean of their gradients",
            "That is data-parallel training of one model. These models never meet.",
            _many(meet=lambda dW: dW.mean(axis=0)),
        ),
        Mistake(
            "the models share the sum of their gradients",
            "An index that stands in the result is not summed over.",
            _many(meet=lambda dW: dW.sum(axis=0)),
        ),
        Mistake(
            "all models have the errors of the first",
            "Each model predicts with weights of its own.",
            _many(error=lambda W, x, y: np.repeat((x @ W[0].T - y)[None], len(W), axis=0)),
        ),
        Mistake(
            "all models have the first one's learning rate",
            "A sweep has a rate for each model.",
            _many(rates=lambda lr: lr[0]),
        ),
        Mistake(
            "all models have the mean of the rates",
            "A sweep has a rate for each model.",
            _many(rates=lambda lr: lr.mean()),
        ),
        Mistake(
            "the rates are laid along the last axis",
            "Which axis of W are the models on? A vector meets the last one.",
            _many(rates=lambda lr: lr),
        ),
        Mistake(
            "the weights climb",
            "The gradient points uphill.",
            _many(rates=lambda lr: -lr[:, None, None]),
        ),
        Mistake(
            "the target is left out",
            "What is the derivative of half the squared distance to y?",
            _many(error=lambda W, x, y: np.einsum("koi,bi->kbo", W, x)),
        ),
    ],
)


# ---- coupled_adam_step(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay) -> w, m, v --------------------------------


def _adam_cases(rng):
    cases = []
    for shape, t, lr, beta1, beta2, decay in [
        ((3, 5), 1, 0.1, 0.9, 0.999, 0.3),
        ((2, 7), 4, 0.03, 0.8, 0.99, 0.1),
        ((4, 3), 9, 0.2, 0.7, 0.95, 0.7),
    ]:
        w, g, m = rng.standard_normal((3, *shape))
        v = rng.uniform(0.5, 1.5, shape)
        cases.append((w, g, 0 * m if t == 1 else m, 0 * v if t == 1 else v, t, lr, beta1, beta2, 1e-8, decay))
    return cases


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


coupled_adam_step = Check(
    "coupled_adam_step",
    reference=_adam(),
    cases=_adam_cases,
    outputs={"w": "(O, I)", "m": "(O, I)", "v": "(O, I)"},
    mistakes=[
        Mistake(
            "that is the decoupled decay",
            "Here the decay is a part of the gradient: what becomes of it in m and v?",
            _into_both(_gradient, beside=lambda w, lr, wd: lr * wd * w),
        ),
        Mistake(
            "decoupled, and without the learning rate",
            "Here the decay is a part of the gradient: what becomes of it in m and v?",
            _into_both(_gradient, beside=lambda w, lr, wd: wd * w),
        ),
        Mistake(
            "no decay at all",
            "What is the derivative of wd / 2 times the squared length of w?",
            _into_both(_gradient),
        ),
        Mistake(
            "decayed twice, in the gradient and beside it",
            "One of the two is enough. Which of them is called coupled?",
            _adam(beside=lambda w, lr, wd: lr * wd * w),
        ),
        Mistake(
            "the decay reaches m, and v does not know of it",
            "There is one gradient. Both moments see the same.",
            _adam(into_v=_gradient),
        ),
        Mistake(
            "the decay reaches v, and m does not know of it",
            "There is one gradient. Both moments see the same.",
            _adam(into_m=_gradient),
        ),
        Mistake(
            "the decay comes after the moments: it is divided by the root, and not remembered",
            "It should be a part of the gradient before anything is averaged.",
            _into_both(_gradient, top=lambda mhat, w, wd: mhat + wd * w),
        ),
        Mistake(
            "the learning rate is in the gradient, too",
            "The rate multiplies the step, once.",
            _into_both(lambda g, w, lr, wd: g + lr * wd * w),
        ),
        Mistake(
            "the weights are driven away from 0",
            "A penalty on w pulls which way?",
            _into_both(lambda g, w, lr, wd: g - wd * w),
        ),
        Mistake(
            "twice the decay",
            "The penalty is wd / 2 times the squared length.",
            _into_both(lambda g, w, lr, wd: g + 2 * wd * w),
        ),
        Mistake(
            "the penalty itself is added, not its derivative",
            "A gradient is wanted.",
            _into_both(lambda g, w, lr, wd: g + wd * w**2 / 2),
        ),
        Mistake(
            "the pull does not grow with the weight",
            "That is the derivative of a sum of absolute values.",
            _into_both(lambda g, w, lr, wd: g + wd * np.sign(w)),
        ),
        Mistake(
            "the moments are not corrected for their start at 0",
            "After one step m is only a part of the gradient.",
            _adam(correct=False),
        ),
    ],
)


# ---- equal_rate(base, steps, warmup_steps, decay) -> rate ------------------------------------------------------------


def _rate_cases(rng):
    return [(4e-3, 40, 4, "cosine"), (1e-2, 30, 9, "none"), (2e-3, 25, 7, "linear"), (0.03, 20, 5, "none")]


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


equal_rate = Check(
    "equal_rate",
    reference=_equal(),
    cases=_rate_cases,
    outputs={"rate": "()"},
    mistakes=[
        Mistake(
            "the other way round",
            "What warm-up takes away, a higher rate gives back.",
            _equal(lambda plain, warmed: warmed / plain),
        ),
        Mistake(
            "the rate is left as it is",
            "Without a decay warm-up costs the sum half of its steps.",
            _equal(lambda plain, warmed: 1),
        ),
        Mistake(
            "the warm-up does not count",
            "Rates that rise are rates, too.",
            lambda base, steps, w, decay: base * _total(steps, 0, decay)
            / _total(steps, w, decay, which=lambda n: range(w, n)),
        ),
        Mistake(
            "the decay begins at step 0, beneath the warm-up",
            "Here it waits until the warm-up is over.",
            _equal(rate=_early_decay),
        ),
        Mistake(
            "the first update has a rate already",
            "Step 0 of a warm-up has the rate 0 here, as in the official code.",
            _equal(rate=_from_one),
        ),
        Mistake(
            "the difference of the sums is added to the rate",
            "Twice the rate makes twice the sum: is it a difference or a ratio that is missing?",
            lambda base, steps, w, decay: base + base * (_total(steps, 0, decay) - _total(steps, w, decay)),
        ),
        Mistake(
            "the difference is shared out among the steps",
            "The schedule multiplies each of them: a rate that is r higher adds less than r to most steps.",
            lambda base, steps, w, decay: base + base * (_total(steps, 0, decay) - _total(steps, w, decay)) / steps,
        ),
        Mistake(
            "the sum itself, not the rate that makes it",
            "Which base would give this sum?",
            lambda base, steps, w, decay: base * _total(steps, 0, decay),
        ),
    ],
)  # fmt: skip


# ---- newton_schulz(M, steps) -> X ------------------------------------------------------------------------------------

MUON = (3.4445, -4.7750, 2.0315)


def _matrix_cases(rng):
    """Wide, tall and square; singular values well apart from 0."""
    return [(3 * rng.standard_normal(shape), steps) for shape, steps in [((3, 5), 5), ((6, 2), 3), ((4, 4), 4)]]


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


newton_schulz = Check(
    "newton_schulz",
    reference=_iterate(),
    cases=_matrix_cases,
    outputs={"X": "(R, C)"},
    mistakes=[
        Mistake(
            "the matrix is not divided by its length first",
            "The polynomial draws to 1 what lies between 0 and a little above 1. Where do the singular values lie?",
            quiet(_iterate(size=lambda M: 1)),
        ),
        Mistake(
            "divided by the largest singular value",
            "That would be better still, but to know it is dearer than all the rest.",
            _iterate(size=lambda M: np.linalg.norm(M, 2)),
        ),
        Mistake(
            "divided by the largest entry",
            "Is a singular value at most as large as the largest entry?",
            quiet(_iterate(size=lambda M: np.abs(M).max())),
        ),
        Mistake(
            "divided by the root mean square of the entries",
            "All entries together, squared and summed, are the singular values squared and summed.",
            quiet(_iterate(size=lambda M: np.sqrt((M**2).mean()))),
        ),
        Mistake(
            "the length is taken again after every step",
            "Once, before the first step.",
            _iterate(each=lambda X: X / np.linalg.norm(X)),
        ),
        Mistake(
            "the fifth power is missing",
            "b A + c A A has two terms.",
            quiet(_iterate((*MUON[:2], 0.0))),
        ),
        Mistake(
            "the coefficients of the slow iteration, which ends at 1 exactly",
            "Muon's are chosen for speed, and end near 1 only.",
            _iterate((15 / 8, -10 / 8, 3 / 8)),
        ),
        Mistake(
            "one step too many",
            "Count the steps again.",
            _iterate(more=1),
        ),
        Mistake(
            "one step too few",
            "Count the steps again.",
            _iterate(more=-1),
        ),
        Mistake(
            "A is made of columns, not of rows",
            "A X must have the shape of X.",
            _wrong_side,
        ),
        Mistake(
            "powers of the entries, not of the matrix",
            "The cube of a matrix's singular values is what product?",
            _by_entries,
        ),
        Mistake(
            "the result lies on its side",
            "X has the shape of M.",
            lambda M, steps: _iterate()(M, steps).T,
        ),
    ],
)
