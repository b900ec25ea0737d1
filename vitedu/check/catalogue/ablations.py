"""Exercises of notebooks/20_ablations.ipynb: models side by side, coupled decay, equal rates, Newton-Schulz."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.schedule import learning_rate as _learning_rate

from ..slips.exercise import exercise
from .paired import paired_lead

__all__ = [
    "coupled_adam_step", "cubic_step_backward", "equal_rate", "many_affine_step", "many_linear_step", "newton_schulz",
    "paired_lead",
]  # fmt: skip


# ---- many_linear_step(W, x, y, lr) -> W ------------------------------------------------------------------------------


def _linear_cases(rng):
    """W (K, O, I), one batch for all x (b, I), y (b, O), and a learning rate for each model."""
    return [
        (*(rng.standard_normal(shape) for shape in ((K, O, I), (b, I), (b, O))), rng.uniform(0.1, 0.5, K))
        for K, O, I, b in [(3, 2, 5, 4), (4, 3, 2, 6), (2, 5, 3, 7)]
    ]


@exercise(
    cases=_linear_cases, outputs={"W": "(K, O, I)"}, axes={"K": "the models", "b": "the images"},
    level=2, minutes=15, may_change=("W",),
)  # fmt: skip
def many_linear_step(W, x, y, lr):
    K, O, I = W.shape
    b = len(x)
    predicted = x @ W.swapaxes(1, 2)  # the predictions
    error = predicted - y  # the errors
    summed = error.swapaxes(1, 2) @ x  # the gradient of the sum
    dW = summed / b  # the gradients
    rates = lr[:, None, None]  # the rates
    return W - rates * dW  # the step


many_linear_step.slips_in(
    "dW",
    ("the batch is summed, not averaged", "The loss is a mean over b images.", "summed"),
    ("the loss is averaged over the models as well",
     "With more models beside it, a model would learn more slowly.", "summed / (K * b)"),
    ("the squares are averaged over the outputs as well",
     "The length of an error is a sum over its numbers.", "summed / (b * O)"),
    ("twice the gradient: the half of the loss is forgotten", "Half a square has which derivative?", "2 * summed / b"),
    ("the models share the mean of their gradients",
     "That is data-parallel training of one model. These models never meet.", "summed.mean(axis=0) / b"),
    ("the models share the sum of their gradients",
     "An index that stands in the result is not summed over.", "summed.sum(axis=0) / b"),
)  # fmt: skip
many_linear_step.slips_in(
    "rates",
    ("all models have the first one's learning rate", "A sweep has a rate for each model.", "lr[0]"),
    ("all models have the mean of the rates", "A sweep has a rate for each model.", "lr.mean()"),
    ("the rates are laid along the last axis", "Which axis of W are the models on? A vector meets the last one.", "lr"),
)  # fmt: skip
many_linear_step.slip(
    "all models have the errors of the first",
    "Each model predicts with weights of its own.",
    predicted="np.repeat((x @ W[0].T)[None], K, axis=0)",
)
many_linear_step.slips_in(
    "result",
    ("the weights climb", "The gradient points uphill.", "W + rates * dW"),
    ("the gradient is returned, not the new weights", "What does a step do with it?", "dW"),
    ("the step is returned, not the new weights", "From where is the step taken?", "rates * dW"),
)
many_linear_step.slip(
    "the target is left out", "What is the derivative of half the squared distance to y?", error="predicted"
)


# ---- coupled_adam_step(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay) -> w, m, v --------------------------------


def _adam_cases(rng):
    cases = []
    for shape, t, lr, beta1, beta2, eps, decay in [
        ((3, 5), 1, 0.1, 0.9, 0.999, 1e-8, 0.3),
        ((2, 7), 4, 0.03, 0.8, 0.99, 0.05, 0.1),
        ((4, 3), 9, 0.2, 0.7, 0.95, 0.02, 0.7),
    ]:
        w, g, m = rng.standard_normal((3, *shape))
        v = rng.uniform(0.5, 1.5, shape)
        cases.append((w, g, 0 * m if t == 1 else m, 0 * v if t == 1 else v, t, lr, beta1, beta2, eps, decay))
    return cases


@exercise(
    cases=_adam_cases, outputs={"w": "(O, I)", "m": "(O, I)", "v": "(O, I)"},
    level=2, minutes=15, may_change=("w", "m", "v"),
)  # fmt: skip
def coupled_adam_step(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    pull = weight_decay * w  # the decay
    seen = g + pull  # the gradient with its decay
    m_new = beta1 * m + (1 - beta1) * seen  # the new m
    v_new = beta2 * v + (1 - beta2) * seen**2  # the new v
    mhat = m_new / (1 - beta1**t)  # the corrected m
    vhat = v_new / (1 - beta2**t)  # the corrected v
    step = lr * mhat / (np.sqrt(vhat) + eps)  # the step
    return w - step, m_new, v_new


_PART = "Here the decay is a part of the gradient: what becomes of it in m and v?"
_SAME = "There is one gradient. Both moments see the same."
for _name, _why, _lines in (
    ("that is the decoupled decay", _PART, {"seen": "g", "result": "(w - lr * pull - step, m_new, v_new)"}),
    ("decoupled, and without the learning rate", _PART, {"seen": "g", "result": "(w - pull - step, m_new, v_new)"}),
    ("no decay at all", "What is the derivative of wd / 2 times the squared length of w?", {"seen": "g"}),
    ("decayed twice, in the gradient and beside it", "One of the two is enough. Which of them is called coupled?",
     {"result": "(w - lr * pull - step, m_new, v_new)"}),
    ("the decay reaches m, and v does not know of it", _SAME, {"v_new": "beta2 * v + (1 - beta2) * g**2"}),
    ("the decay reaches v, and m does not know of it", _SAME, {"m_new": "beta1 * m + (1 - beta1) * g"}),
    ("the decay comes after the moments: it is divided by the root, and not remembered",
     "It should be a part of the gradient before anything is averaged.",
     {"seen": "g", "step": "lr * (mhat + pull) / (np.sqrt(vhat) + eps)"}),
    ("the learning rate is in the gradient, too", "The rate multiplies the step, once.", {"seen": "g + lr * pull"}),
    ("the weights are driven away from 0", "A penalty on w pulls which way?", {"seen": "g - pull"}),
    ("twice the decay", "The penalty is wd / 2 times the squared length.", {"seen": "g + 2 * pull"}),
    ("the penalty itself is added, not its derivative", "A gradient is wanted.", {"seen": "g + pull * w / 2"}),
    ("the pull does not grow with the weight", "That is the derivative of a sum of absolute values.",
     {"seen": "g + weight_decay * np.sign(w)"}),
    ("beta1 and beta2 are in each other's place", "Which of the two means has the longer memory?",
     {"m_new": "beta2 * m + (1 - beta2) * seen", "v_new": "beta1 * v + (1 - beta1) * seen**2",
      "mhat": "m_new / (1 - beta2**t)", "vhat": "v_new / (1 - beta1**t)"}),
    ("the moments are not corrected for their start at 0", "After one step m is only a part of the gradient.",
     {"mhat": "m_new", "vhat": "v_new"}),
    ("only v is corrected, m is not", "m starts at 0 as well.", {"mhat": "m_new"}),
    ("only m is corrected, v is not", "v starts at 0 as well.", {"vhat": "v_new"}),
    ("eps stands inside the root", "sqrt(v + eps) and sqrt(v) + eps are not the same. Which one is in the formula?",
     {"step": "lr * mhat / np.sqrt(vhat + eps)"}),
):  # fmt: skip
    coupled_adam_step.slip(_name, _why, **_lines)


# ---- equal_rate(base, steps, warmup_steps, decay) -> rate ------------------------------------------------------------


def _rate_cases(rng):
    return [(4e-3, 40, 4, "cosine"), (1e-2, 30, 9, "none"), (2e-3, 25, 7, "linear"), (0.03, 20, 5, "none")]


def _rate(step, total, warmup, decay):
    return _learning_rate(step, base=1.0, total_steps=total, warmup_steps=warmup, decay=decay)


def _early_decay(step, total, warmup, decay):
    """The decay begins at step 0, beneath the warm-up."""
    return _rate(step, total, 0, decay) * min(1, step / warmup)


def _from_one(step, total, warmup, decay):
    return (step + 1) / warmup if step < warmup else _rate(step, total, warmup, decay)


@exercise(cases=_rate_cases, outputs={"rate": "(a number)"}, level=2, minutes=20)
def equal_rate(base, steps, warmup_steps, decay):
    plain = sum(_rate(s, steps, 0, decay) for s in range(steps))  # the sum without warm-up
    warmed = sum(_rate(s, steps, warmup_steps, decay) for s in range(steps))  # the sum with warm-up
    return base * plain / warmed  # the rate


equal_rate.slips_in(
    "warmed",
    ("the warm-up does not count", "Rates that rise are rates, too.",
     "sum(_rate(s, steps, warmup_steps, decay) for s in range(warmup_steps, steps))"),
    ("the decay begins at step 0, beneath the warm-up", "Here it waits until the warm-up is over.",
     "sum(_early_decay(s, steps, warmup_steps, decay) for s in range(steps))"),
    ("the first update has a rate already", "Step 0 of a warm-up has the rate 0 here, as in the official code.",
     "sum(_from_one(s, steps, warmup_steps, decay) for s in range(steps))"),
)  # fmt: skip
for _name, _why, _lines in (
    ("the steps are counted from 1", "The first update has which number, and so which rate?",
     {"plain": "sum(_rate(s, steps, 0, decay) for s in range(1, steps + 1))",
      "warmed": "sum(_rate(s, steps, warmup_steps, decay) for s in range(1, steps + 1))"}),
    ("the decay is a cosine, whatever is asked for", "What is the last argument for?",
     {"plain": "sum(_rate(s, steps, 0, 'cosine') for s in range(steps))",
      "warmed": "sum(_rate(s, steps, warmup_steps, 'cosine') for s in range(steps))"}),
):  # fmt: skip
    equal_rate.slip(_name, _why, **_lines)
_TWICE = "Twice the rate makes twice the sum: is it a difference or a ratio that is missing?"
equal_rate.slips_in(
    "result",
    ("the other way round", "What warm-up takes away, a higher rate gives back.", "base * warmed / plain"),
    ("the rate is left as it is", "Without a decay warm-up costs the sum half of its steps.", "base"),
    ("the mean of the rates is returned", "The highest rate of a schedule is asked for.", "base * plain / steps"),
    ("the base is left out", "The ratio says by how much the base has to grow.", "plain / warmed"),
    ("the difference of the sums is added to the rate", _TWICE, "base + base * (plain - warmed)"),
    ("the difference is shared out among the steps",
     "The schedule multiplies each of them: a rate that is r higher adds less than r to most steps.",
     "base + base * (plain - warmed) / steps"),
    ("the sum itself, not the rate that makes it", "Which base would give this sum?", "base * plain"),
    ("all of the warm-up's steps are taken to be lost", "A warm-up rises: its rates are rates, too.",
     "base * steps / (steps - warmup_steps)"),
    ("half of the warm-up's steps are taken to be lost, whatever the decay",
     "Without warm-up the decay begins at once; with it, it waits. What does each of the two sum to?",
     "base * steps / (steps - warmup_steps / 2)"),
)  # fmt: skip


# ---- newton_schulz(M, steps) -> X ------------------------------------------------------------------------------------


def _matrix_cases(rng):
    """Wide, tall and square; singular values well apart from 0."""
    return [(3 * rng.standard_normal(shape), steps) for shape, steps in [((3, 5), 5), ((6, 2), 3), ((4, 4), 4)]]


def _rows(X, a, b, c):
    A = X @ X.T
    return a * X + (b * A + c * A @ A) @ X


def _iterate(X, steps, factors, step=_rows, after=lambda X: X):
    for _ in range(steps):
        X = after(step(X, *factors))
    return X


def _columns(X, a, b, c):
    A = X.T @ X
    return a * X + (b * A + c * A @ A) @ X


def _entries(X, a, b, c):
    return a * X + b * X**3 + c * X**5


@exercise(cases=_matrix_cases, outputs={"X": "(R, C)"}, level=2, minutes=15)
def newton_schulz(M, steps):
    first = M / np.linalg.norm(M)  # the first X
    factors = (3.4445, -4.7750, 2.0315)  # the coefficients
    X = _iterate(first, steps, factors)  # the steps
    return X


newton_schulz.slip(
    "the matrix is not divided by its length first",
    "The polynomial draws to 1 what lies between 0 and a little above 1. Where do the singular values lie?",
    first="M",
)
newton_schulz.slips_in(
    "first",
    ("divided by the largest singular value",
     "That would be better still, but to know it is dearer than all the rest.", "M / np.linalg.norm(M, 2)"),
    ("divided by the largest entry", "Is a singular value at most as large as the largest entry?",
     "M / np.abs(M).max()"),
    ("divided by the root mean square of the entries",
     "All entries together, squared and summed, are the singular values squared and summed.",
     "M / np.sqrt((M**2).mean())"),
    ("divided by the squared length", "A length is the root of a sum of squares.", "M / (M**2).sum()"),
)  # fmt: skip
_SIGNS = "Two of the three have a plus: the polynomial must rise, bend, and rise again."
newton_schulz.slips_in(
    "factors",
    ("the fifth power is missing", "b A + c A A has two terms.", "(3.4445, -4.7750, 0.0)"),
    ("the third power is missing", "b A + c A A has two terms.", "(3.4445, 0.0, 2.0315)"),
    ("b has lost its minus", _SIGNS, "(3.4445, 4.7750, 2.0315)"),
    ("b and c are exchanged", "Which coefficient belongs to A, and which to A A?", "(3.4445, 2.0315, -4.7750)"),
    ("c has the wrong sign", _SIGNS, "(3.4445, -4.7750, -2.0315)"),
    (
        "the coefficients of the slow iteration, which ends at 1 exactly",
        "Muon's are chosen for speed, and end near 1 only.",
        "(15 / 8, -10 / 8, 3 / 8)",
    ),
)
newton_schulz.slips_in(
    "X",
    ("the length is taken again after every step", "Once, before the first step.",
     "_iterate(first, steps, factors, after=lambda X: X / np.linalg.norm(X))"),
    ("one step too many", "Count the steps again.", "_iterate(first, steps + 1, factors)"),
    ("one step too few", "Count the steps again.", "_iterate(first, steps - 1, factors)"),
    ("A is made of columns, not of rows", "A X must have the shape of X.", "_iterate(first, steps, factors, _columns)"),
    ("A is squared number by number", "c A A is a product of matrices.",
     "_iterate(first, steps, factors, lambda X, a, b, c: a * X + (b * X @ X.T + c * (X @ X.T) ** 2) @ X)"),
    ("A is made of the first X in every step", "Each step starts from what the step before has made.",
     "_iterate(first, steps, factors, lambda X, a, b, c: a * X + (b * first @ first.T + c * first @ first.T @ first "
     "@ first.T) @ X)"),
    ("powers of the entries, not of the matrix", "The cube of a matrix's singular values is what product?",
     "_iterate(first, steps, factors, _entries)"),
)  # fmt: skip
newton_schulz.slip("the result lies on its side", "X has the shape of M.", result="X.T")


# ---- many_affine_step(W, bias, x, y, lr) -> W, bias ------------------------------------------------------------------


def _affine_cases(rng):
    """W (K, O, I), bias (K, O), for each model a batch of its own x (K, b, I), y (K, b, O), and a learning rate."""
    return [
        (*(rng.standard_normal(s) for s in ((K, O, I), (K, O), (K, b, I), (K, b, O))), rng.uniform(0.1, 0.5, K))
        for K, O, I, b in [(3, 2, 5, 4), (4, 3, 2, 6), (2, 5, 3, 7)]
    ]


@exercise(
    cases=_affine_cases, outputs={"W": "(K, O, I)", "bias": "(K, O)"}, axes={"K": "the models", "b": "the images"},
    level=2, minutes=20, may_change=("W", "bias"),
)  # fmt: skip
def many_affine_step(W, bias, x, y, lr):
    K, O, I = W.shape
    b = x.shape[1]
    predicted = x @ W.swapaxes(1, 2) + bias[:, None]  # the predictions
    error = predicted - y  # the errors
    dW = error.swapaxes(1, 2) @ x / b  # the gradients of W
    dbias = error.sum(axis=1) / b  # the gradients of the bias
    return W - lr[:, None, None] * dW, bias - lr[:, None] * dbias  # the step


for _name, _why, _lines in (
    ("all models see the first one's images", "Each model has a batch of its own.",
     {"predicted": "x[:1] @ W.swapaxes(1, 2) + bias[:, None]", "dW": "error.swapaxes(1, 2) @ x[:1] / b"}),
    ("the batch is summed, not averaged", "The loss is a mean over b images.",
     {"dW": "error.swapaxes(1, 2) @ x", "dbias": "error.sum(axis=1)"}),
    ("only the gradient of W is averaged over the batch", "Both come from one loss.", {"dbias": "error.sum(axis=1)"}),
    ("the loss is averaged over the models as well", "With more models beside it, a model would learn more slowly.",
     {"dW": "error.swapaxes(1, 2) @ x / (K * b)", "dbias": "error.sum(axis=1) / (K * b)"}),
    ("the models share the mean of their gradients", "These models never meet.",
     {"dW": "(error.swapaxes(1, 2) @ x / b).mean(axis=0, keepdims=True)",
      "dbias": "(error.sum(axis=1) / b).mean(axis=0, keepdims=True)"}),
    ("all models have the first one's learning rate", "A sweep has a rate for each model.",
     {"result": "(W - lr[0] * dW, bias - lr[0] * dbias)"}),
    ("all models have the mean of the learning rates", "A sweep has a rate for each model.",
     {"result": "(W - lr.mean() * dW, bias - lr.mean() * dbias)"}),
    ("the gradients are returned", "What is left after the step?", {"result": "(dW, dbias)"}),
    ("the bias moves by the errors of the new W", "Both gradients are those of one point. Which W stands there?",
     {"dbias": "(x @ (W - lr[:, None, None] * dW).swapaxes(1, 2) + bias[:, None] - y).sum(axis=1) / b"}),
    ("the bias is left out of the predictions", "Where does the bias stand in the forward?",
     {"predicted": "x @ W.swapaxes(1, 2)"}),
    ("the bias does not move", "What is the derivative of a prediction with respect to its bias?",
     {"result": "(W - lr[:, None, None] * dW, bias)"}),
    ("twice the gradient: the half of the loss is forgotten", "Half a square has which derivative?",
     {"dW": "2 * error.swapaxes(1, 2) @ x / b", "dbias": "2 * error.sum(axis=1) / b"}),
    ("the weights climb", "The gradient points uphill.",
     {"result": "(W + lr[:, None, None] * dW, bias + lr[:, None] * dbias)"}),
):  # fmt: skip
    many_affine_step.slip(_name, _why, **_lines)


# ---- cubic_step_backward(dY, X) -> dX --------------------------------------------------------------------------------


def _cubic_cases(rng):
    return [tuple(rng.standard_normal((2, *shape))) for shape in ((3, 5), (6, 2), (4, 4))]


@exercise(cases=_cubic_cases, outputs={"dX": "(R, C)"}, level=3, minutes=30)
def cubic_step_backward(dY, X):
    outer = dY @ X.T @ X  # through the first X
    middle = X @ dY.T @ X  # through the transposed X
    inner = X @ X.T @ dY  # through the last X
    along = outer + middle + inner  # through the cube
    return (3 * dY - along) / 2  # dX


_THRICE = "X stands three times in the cube, and a product has a derivative for each of its factors."
for _name, _why, _lines in (
    ("only the first X of the cube is differentiated", _THRICE, {"along": "outer"}),
    ("only the last X of the cube is differentiated", _THRICE, {"along": "inner"}),
    ("the transposed X of the cube is taken for a constant", _THRICE, {"along": "outer + inner"}),
    ("the cube is differentiated as that of a number", "Matrices do not commute.", {"along": "3 * inner"}),
    ("the gradient is not transposed where X is", "Through X^T the gradient comes transposed.",
     {"middle": "X @ X.T @ dY"}),
    ("the cube is added", "Which sign has the cube in the step?", {"result": "(3 * dY + along) / 2"}),
    ("the straight way is left out", "What of 3 X / 2?", {"result": "-along / 2"}),
    ("the step is applied to the gradient", "That is the forward with dY in place of X. What depends on X?",
     {"result": "(3 * dY - dY @ dY.T @ dY) / 2"}),
):  # fmt: skip
    cubic_step_backward.slip(_name, _why, **_lines)
