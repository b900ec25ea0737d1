"""Exercises of notebooks/07_vit_numpy.ipynb: optimisers, schedule, clipping."""

from __future__ import annotations

import math

import numpy as np

from ..slips.exercise import exercise

__all__ = ["adam_step", "clip", "learning_rate", "lion_step", "sgd_step"]


# ---- optimisers ------------------------------------------------------------------------------------------------------


def _sgd_cases(rng):
    shapes = [((3, 5), 0.1, 0.9), ((2, 7), 0.03, 0.8), ((4, 3), 0.3, 0.5)]
    return [(*rng.standard_normal((3, *shape)), lr, momentum) for shape, lr, momentum in shapes]


@exercise(
    cases=_sgd_cases, outputs={"w": "(O, I)", "v": "(O, I)"}, level=1, minutes=10, may_change=("w", "v")
)  # fmt: skip
def sgd_step(w, g, v, lr, momentum):
    v_new = momentum * v + g  # the new v
    w_new = w - lr * v_new  # the new w
    return w_new, v_new


sgd_step.slip(
    "w moves with the gradient alone; the momentum never reaches it", "v is what moves w.", w_new="w - lr * g"
)
sgd_step.slip(
    "w moves with the old v, from before this gradient",
    "First v, then w: in which order do your two lines stand?",
    w_new="w - lr * v",
)
sgd_step.slip("the old v is forgotten", "Momentum is memory: what becomes of the old v?", v_new="g")
sgd_step.slip("w climbs: the sign of the step is wrong", "The gradient points uphill.", w_new="w + lr * v_new")
sgd_step.slip(
    "the gradient is multiplied by 1 - momentum (a running mean)",
    "Heavy-ball momentum adds the whole gradient. A running mean is the same with another learning rate, but it is not "
    "what the formula says.",
    v_new="momentum * v + (1 - momentum) * g",
)
sgd_step.slip(
    "the step is Nesterov's, not heavy ball",
    "Nesterov looks ahead by one more momentum * v. The formula moves w by lr v.",
    w_new="w - lr * (g + momentum * v_new)",
)
_INSIDE = "Then a change of the learning rate reaches w only slowly. Where does lr stand in the formula?"
sgd_step.slip("the learning rate is inside v", _INSIDE, v_new="momentum * v + lr * g", w_new="w - v_new")
sgd_step.slip("the learning rate and the minus are inside v", _INSIDE, v_new="momentum * v - lr * g", w_new="w + v_new")
sgd_step.slip(
    "v gathers the negative gradient, so that w is moved by + lr v",
    "The result in w is the same, but the v that is handed on is not. Which sign has g in the formula for v?",
    v_new="momentum * v - g", w_new="w + lr * v_new",
)  # fmt: skip
sgd_step.slip("the momentum multiplies the gradient too", "Only the old v fades.", v_new="momentum * (v + g)")
sgd_step.slip(
    "the old v does not fade: momentum is missing", "Without a factor below 1, v grows for ever.", v_new="v + g"
)


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


@exercise(
    cases=_adam_cases,
    outputs={"w": "(O, I)", "m": "(O, I)", "v": "(O, I)"}, level=2, minutes=25, may_change=("w", "m", "v"),
)  # fmt: skip
def adam_step(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    m_new = beta1 * m + (1 - beta1) * g  # the new m
    v_new = beta2 * v + (1 - beta2) * g**2  # the new v
    mhat = m_new / (1 - beta1**t)  # the corrected m
    vhat = v_new / (1 - beta2**t)  # the corrected v
    step = lr * mhat / (np.sqrt(vhat) + eps)  # the step
    decayed = w * (1 - lr * weight_decay)  # the decay
    w_new = decayed - step  # the new w
    return w_new, m_new, v_new


adam_step.slip(
    "the weight decay is coupled: it is added to the gradient",
    "Then m and v see it, and it is divided by sqrt(v) like the rest. Decoupled decay never touches m and v.",
    m_new="beta1 * m + (1 - beta1) * (g + weight_decay * w)",
    v_new="beta2 * v + (1 - beta2) * (g + weight_decay * w)**2",
    decayed="w",
)  # fmt: skip
adam_step.slip(
    "the weight decay is divided by sqrt(v)",
    "m and v are right, but the decay went into the fraction. Decoupled decay stands beside it.",
    step="lr * (mhat + weight_decay * w) / (np.sqrt(vhat) + eps)",
    decayed="w",
)
adam_step.slip("the weight decay is missing", "What shrinks w?", decayed="w")
adam_step.slip(
    "the weight decay is not multiplied by the learning rate",
    "Without lr the decay does not follow the schedule. (Some codebases do it so; the formula here does not.)",
    decayed="w * (1 - weight_decay)",
)
adam_step.slip(
    "the weight decay has the wrong sign: w grows", "Decay pulls w towards 0.", decayed="w * (1 + lr * weight_decay)"
)
adam_step.slip(
    "the decay comes after the step, so it shrinks the step too",
    "Both terms start from the old w. Which line comes first?",
    w_new="(w - step) * (1 - lr * weight_decay)",
)
adam_step.slip(
    "there is no bias correction",
    "m and v start at 0, so early on both are too small. What undoes that?",
    mhat="m_new",
    vhat="v_new",
)
adam_step.slip("only v is corrected, m is not", "m starts at 0 as well.", mhat="m_new")
adam_step.slip("only m is corrected, v is not", "v starts at 0 as well.", vhat="v_new")
for _sign in "-+":
    adam_step.slip(
        f"the bias correction uses t {_sign} 1 instead of t",
        "At the very first update t = 1, and 1 - beta^t must turn (1 - beta) g back into g. Try it with numbers.",
        mhat=f"m_new / (1 - beta1**(t {_sign} 1))", vhat=f"v_new / (1 - beta2**(t {_sign} 1))",
    )  # fmt: skip
adam_step.slip(
    "the bias correction divides by 1 - beta, without the power t",
    "The correction must fade away as t grows.",
    mhat="m_new / (1 - beta1)",
    vhat="v_new / (1 - beta2)",
)
adam_step.slip(
    "eps stands inside the root",
    "sqrt(v + eps) and sqrt(v) + eps are not the same. Which one is in the formula?",
    step="lr * mhat / np.sqrt(vhat + eps)",
)
adam_step.slip(
    "eps is added before v is corrected, though the correction went into the rate",
    "In the form with lr sqrt(1 - beta2^t) / (1 - beta1^t), what becomes of eps?",
    step="lr * mhat * np.sqrt(1 - beta2**t) / (np.sqrt(v_new) + eps)",
)
adam_step.slip(
    "eps is not used: it is missing, or is a small number of its own",
    "It guards against a division by 0, and in this test it is large enough to show.",
    step="lr * mhat / np.sqrt(vhat)",
)
adam_step.slip(
    "the root is missing: the step is divided by v",
    "m is in units of g, v in units of g^2: the fraction should have no unit.",
    step="lr * mhat / (vhat + eps)",
)
adam_step.slip(
    "v gathers g, not g^2",
    "v is a running mean of squares: it can never be negative.",
    v_new="beta2 * v + (1 - beta2) * g",
)
adam_step.slip(
    "v gathers |g|, not g^2",
    "v is a running mean of squares; the root comes later.",
    v_new="beta2 * v + (1 - beta2) * np.abs(g)",
)
adam_step.slip(
    "beta1 and beta2 are exchanged",
    "beta1 belongs to m, beta2 to v.",
    m_new="beta2 * m + (1 - beta2) * g", v_new="beta1 * v + (1 - beta1) * g**2",
    mhat="m_new / (1 - beta2**t)", vhat="v_new / (1 - beta1**t)",
)  # fmt: skip
adam_step.slip(
    "beta and 1 - beta are exchanged",
    "With beta1 = 0.9, m should keep nine tenths of its old value.",
    m_new="(1 - beta1) * m + beta1 * g",
    v_new="(1 - beta2) * v + beta2 * g**2",
)
adam_step.slip(
    "the new gradient is added whole, without 1 - beta",
    "m and v are running *means*: what stands in front of g and g^2?",
    m_new="beta1 * m + g",
    v_new="beta2 * v + g**2",
)
adam_step.slip("w climbs: the sign of the step is wrong", "The gradient points uphill.", w_new="decayed + step")
adam_step.slip(
    "the corrected m and v are returned, and would be corrected again at the next step",
    "Keep m and v as they are; mhat and vhat are used once and forgotten.",
    result="(w_new, mhat, vhat)",
)


# ---- schedule --------------------------------------------------------------------------------------------------------


def _schedule_cases(rng):
    base = float(rng.uniform(0.001, 0.01))
    steps = [0, 1, 4, 9, 10, 11, 30, 54, 98, 99, 103]  # 103: after the end
    no_warmup = [(5, base, 20, 0), (0, base, 20, 0)]  # the very first step is where a division by 0 would show
    return [(s, base, 100, 10) for s in steps] + [(s, 2 * base, 37, 7) for s in (3, 7, 20)] + no_warmup


@exercise(cases=_schedule_cases, outputs={"rate": "()"}, level=2, minutes=15)
def learning_rate(step, base, total_steps, warmup_steps):
    p = (step - warmup_steps) / (total_steps - warmup_steps)  # p
    held = min(max(p, 0.0), 1.0)  # p held between 0 and 1
    decay = (1 + math.cos(math.pi * held)) / 2  # the cosine
    warm = min(1.0, step / warmup_steps) if warmup_steps else 1.0  # the warm-up
    return base * decay * warm  # the rate


@learning_rate.also
def _in_branches(step, base, total_steps, warmup_steps):
    in_warmup = step < warmup_steps  # the border of the warm-up
    rising = step / max(warmup_steps, 1)  # the warm-up
    part = min((step - warmup_steps) / (total_steps - warmup_steps), 1.0)  # p
    falling = (1 + math.cos(math.pi * part)) / 2  # the cosine
    rate = base * rising if in_warmup else base * falling  # the two branches
    return 0.0 if step >= total_steps else rate


_FIRST = "At step 0 the rate should be 0, and at step = warmup it should be the base for the first time."
_STARTS = "The decay starts where the warm-up ends: what is p at step = warmup?"
_LENGTH = "At the last step p should have reached 1. How many steps does the decay have?"
_ZERO = "Zero warm-up steps mean: no warm-up. The very first rate is then the base."
learning_rate.slip(
    "the warm-up counts from 1: (step + 1) / warmup",
    _FIRST,
    warm="min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0",
)
learning_rate.slip("the warm-up counts from 1: (step + 1) / warmup", _FIRST, rising="(step + 1) / max(warmup_steps, 1)")
learning_rate.slip("the cosine runs over all steps, warm-up included", _STARTS, p="step / total_steps")
learning_rate.slip("the cosine runs over all steps, warm-up included", _STARTS, part="min(step / total_steps, 1.0)")
learning_rate.slip(
    "the cosine starts after the warm-up but its length is the total", _LENGTH, p="(step - warmup_steps) / total_steps"
)
learning_rate.slip(
    "the cosine starts after the warm-up but its length is the total",
    _LENGTH,
    part="(step - warmup_steps) / total_steps",
)
learning_rate.slip(
    "p is not held between 0 and 1",
    "During the warm-up your p is negative, and the cosine of a negative number is below 1.",
    held="p",
)
learning_rate.slip(
    "p may become negative during the warm-up",
    "The cosine of a negative number is below 1, so the decay works already during the warm-up.",
    held="min(p, 1.0)",
)
learning_rate.slip(
    "p may exceed 1 after the end",
    "Beyond the last step the cosine rises again. Where should p stop?",
    held="max(p, 0.0)",
)
learning_rate.slip("there is no warm-up", "At step 0 the rate should be 0.", warm="1.0")
learning_rate.slip(
    "the warm-up factor goes on growing after the warm-up",
    "What is step / warmup long after the warm-up? It should stop at 1.",
    warm="step / warmup_steps if warmup_steps else 1.0",
)
for _line, _name, _why in (
    ("1.0", "there is no decay after the warm-up", "At the last step the rate should be near 0."),
    ("1 - {p}", "the decay is linear, not a cosine", "Half a wave of the cosine: flat at the top, flat at the bottom."),
    ("math.cos(math.pi * {p} / 2)", "the decay is a quarter of a cosine wave",
     "Your rate falls fastest at the end; it should arrive flat. From where to where should the cosine run?"),
    ("math.cos(math.pi * {p})", "the cosine itself is the factor, so the rate becomes negative",
     "The cosine runs from 1 to -1; the rate should run from base to 0."),
    ("1 + math.cos(math.pi * {p})", "the half is missing: the rate starts at twice the base", "What is 1 + cos(0)?"),
    ("(1 + math.cos({p})) / 2", "pi is missing in the cosine", "At p = 1 the cosine should be -1."),
    ("(1 + math.cos(2 * math.pi * {p})) / 2", "the cosine makes a whole wave: down and up again",
     "At p = 1 the cosine should be -1, its lowest point."),
    ("(1 + math.sin(math.pi * {p})) / 2", "a sine instead of a cosine", "At p = 0 the rate should be the base."),
    ("(1 - math.cos(math.pi * {p})) / 2", "the rate grows: 1 - cos instead of 1 + cos",
     "At p = 0 the rate should be the base, at p = 1 it should be 0."),
    ("1 + math.cos(math.pi * {p}) / 2", "brackets are missing: only the cosine is halved, not the 1",
     "At p = 0 the factor should be 1. What is yours?"),
):  # fmt: skip
    learning_rate.slip(_name, _why, decay=_line.format(p="held"))
    learning_rate.slip(_name, _why, falling=_line.format(p="part"))
learning_rate.slip("warmup_steps = 0 divides by zero", _ZERO, warm="min(1.0, step / warmup_steps)")
learning_rate.slip("warmup_steps = 0 divides by zero", _ZERO, rising="step / warmup_steps")
learning_rate.slip(
    "warmup_steps = 0 divides by zero at step 0",
    _ZERO,
    rate="base * (step / warmup_steps) if step <= warmup_steps else base * falling",
    rising="0.0",
)
learning_rate.slip(
    "without a warm-up the rate stays 0 at step 0",
    _ZERO,
    in_warmup="step <= warmup_steps",
    rising="step / max(warmup_steps, 1)",
)


# ---- clipping --------------------------------------------------------------------------------------------------------


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


@exercise(
    cases=_clip_cases,
    outputs={"the first array": "(O, I)", "the second array": "(O,)", "the third array": "(O, I)"},
    level=2, minutes=15, may_change=("gradients",),
)  # fmt: skip
def clip(gradients, max_norm):
    numbers = np.concatenate([g.ravel() for g in gradients])  # all numbers
    norm = np.sqrt((numbers**2).sum())  # the norm
    factor = min(1.0, max_norm / norm)  # the factor
    return [g * factor for g in gradients]


_ONE = "One factor for all, from one norm of all{}."
_LONG = "A length is the root of a sum of squares."
_HALF = "A gradient that is twice too long must be multiplied by one half."
clip.slip(
    "every array is clipped by its own norm",
    "Then the direction of the whole step changes. " + _ONE.format(""),
    result="[g * min(1.0, max_norm / np.linalg.norm(g.ravel())) for g in gradients]",
)
clip.slip(
    "every array is stretched or shrunk to max_norm by its own norm",
    _ONE.format("; and short gradients stay as they are"),
    result="[g * (max_norm / np.linalg.norm(g.ravel())) for g in gradients]",
)
clip.slip(
    "each number is clipped to [-max_norm, max_norm]",
    "That bends the direction of the step. Scale all numbers by one factor instead.",
    result="[np.clip(g, -max_norm, max_norm) for g in gradients]",
)
clip.slip(
    "short gradients are stretched to max_norm",
    "Clipping only ever shortens: what is the largest factor allowed?",
    factor="max_norm / norm",
)
clip.slip("the root is missing: the norm is squared", _LONG, norm="(numbers**2).sum()")
for _words, _how, _why in (
    ("the lengths of the arrays are added", "sum", "Lengths of parts do not add up, their squares do (Pythagoras)."),
    ("the longest array decides, not all together", "max", "Each array may be short enough while all together are too "
     "long."),
):  # fmt: skip
    clip.slip(_words, _why, norm=f"{_how}(np.linalg.norm(g.ravel()) for g in gradients)")
clip.slip(
    "the norm is the largest entry, not the Euclidean length",
    "Many small entries make a long vector too.",
    norm="np.abs(numbers).max()",
)
clip.slip("the norm is the sum of absolute values, not the Euclidean length", _LONG, norm="np.abs(numbers).sum()")
clip.slip(
    "the norm is a root mean square, not a root of a sum",
    "The length of a vector grows with the number of its entries.",
    norm="np.sqrt((numbers**2).mean())",
)
for _line in ("norm / max_norm", "min(1.0, norm / max_norm)"):
    clip.slip("the factor is upside down: norm / max_norm", _HALF, factor=_line)
clip.slip(
    "long gradients are divided by their norm, and max_norm is forgotten",
    "The new length should be max_norm, not 1.",
    factor="1 / norm if norm > max_norm else 1.0",
)
clip.slip("nothing is clipped", "The joint length should be at most max_norm.", factor="1.0")


# ---- lion_step(w, g, m, lr, beta1, beta2, weight_decay) -> w, m ------------------------------------------------------


def _lion_cases(rng):
    settings = [((3, 5), 0.1, 0.9, 0.6, 0.3), ((2, 7), 0.05, 0.7, 0.95, 0.5), ((4, 3), 0.2, 0.5, 0.8, 0.2)]
    return [(*rng.standard_normal((3, *shape)), *numbers) for shape, *numbers in settings]


@exercise(
    cases=_lion_cases, outputs={"w": "(O, I)", "m": "(O, I)"}, level=2, minutes=15, may_change=("w", "m")
)  # fmt: skip
def lion_step(w, g, m, lr, beta1, beta2, weight_decay):
    direction = np.sign(beta1 * m + (1 - beta1) * g)  # the direction
    m_new = beta2 * m + (1 - beta2) * g  # the new m
    w_new = w - lr * (direction + weight_decay * w)  # the new w
    return w_new, m_new


lion_step.slip(
    "the new m gives the direction: one mean is used for both",
    "There are two betas. Which m stands in the direction, the old or the new one?",
    direction="np.sign(beta2 * m + (1 - beta2) * g)",
)
lion_step.slip(
    "the direction is made from the new m: m was written over too early",
    "Two lines read m. Which of them reads the old one?",
    direction="np.sign(beta1 * (beta2 * m + (1 - beta2) * g) + (1 - beta1) * g)",
)
lion_step.slip(
    "beta1 and beta2 are in each other's place",
    "Which of the two is for the direction, and which for what is remembered?",
    direction="np.sign(beta2 * m + (1 - beta2) * g)",
    m_new="beta1 * m + (1 - beta1) * g",
)
lion_step.slip(
    "the sign is not taken", "How long is the step, for each number?", direction="beta1 * m + (1 - beta1) * g"
)
lion_step.slip(
    "the weight decay goes into the gradient, and so through the sign",
    "Decoupled decay shrinks w in proportion to w. What is left of a proportion after a sign?",
    direction="np.sign(beta1 * m + (1 - beta1) * (g + weight_decay * w))",
    m_new="beta2 * m + (1 - beta2) * (g + weight_decay * w)",
    w_new="w - lr * direction",
)
lion_step.slip("the weight decay is missing", "What shrinks w?", w_new="w - lr * direction")
lion_step.slip("the sign is taken of the gradient alone", "m is a memory: who reads it?", direction="np.sign(g)")
