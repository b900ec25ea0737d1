"""Checks for the exercises of notebooks/07_vit_numpy.ipynb."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from vitedu_numpy.linear import linear as np_linear
from vitedu_numpy.linear import linear_backward as np_linear_backward
from vitedu_numpy.losses import one_hot as np_one_hot
from vitedu_numpy.losses import sigmoid_cross_entropy as np_sigmoid_cross_entropy
from vitedu_numpy.losses import softmax_cross_entropy as np_softmax_cross_entropy
from vitedu_numpy.losses import softmax_cross_entropy_backward as np_softmax_cross_entropy_backward
from vitedu_numpy.module import Module, Parameter
from vitedu_numpy.optim import SGD as NpSGD
from vitedu_numpy.optim import Adam as NpAdam
from vitedu_numpy.optim import clip_by_global_norm as np_clip_by_global_norm
from vitedu_numpy.schedule import learning_rate as np_learning_rate

from ..engine import Check, Mistake

__all__ = [
    "adam_step", "clip", "cross_entropy", "cross_entropy_backward", "gap_head_backward", "label_smoothing",
    "learning_rate", "sgd_step", "sigmoid_cross_entropy",
]  # fmt: skip


def _quiet(function):
    """A mistake that overflows on purpose should not warn the student, who may have made another one."""

    def answer(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return answer


def _same_mistake(name, hint, *answers):
    """One mistake that can be written in several ways with different numbers."""
    return [Mistake(name, hint, _quiet(answer)) for answer in answers]


# ---- targets ---------------------------------------------------------------------------------------------------------


def _smoothing_cases(rng):
    return [(rng.integers(0, K, B), K, s) for B, K, s in [(3, 5, 0.1), (4, 7, 0.3), (6, 4, 0.2)]]


def _targets(at_label, elsewhere):
    """Targets from two numbers, each a function of (K, s)."""

    def answer(labels, num_classes, s):
        targets = np.full((len(labels), num_classes), elsewhere(num_classes, s), float)
        targets[np.arange(len(labels)), labels] = at_label(num_classes, s)
        return targets

    return answer


label_smoothing = Check(
    "label_smoothing",
    reference=lambda labels, num_classes, s: np_one_hot(labels, num_classes, s, np.float64),
    cases=_smoothing_cases,
    outputs={"targets": "(B, K)"},
    mistakes=[
        Mistake(
            "nothing is smoothed: plain one-hot targets",
            "Where does s enter?",
            _targets(lambda K, s: 1, lambda K, s: 0),
        ),
        Mistake(
            "s is shared among the K - 1 other classes only",
            "The uniform part gives the right class its share too. How many classes does it cover?",
            _targets(lambda K, s: 1 - s, lambda K, s: s / (K - 1)),
        ),
        Mistake(
            "the right class gets 1 - s only, without its share of the uniform part",
            "Each row is a distribution and should sum to 1. What do your rows sum to?",
            _targets(lambda K, s: 1 - s, lambda K, s: s / K),
        ),
        Mistake(
            "s / K is added to a full one-hot",
            "Each row is a distribution and should sum to 1. What do your rows sum to?",
            _targets(lambda K, s: 1 + s / K, lambda K, s: s / K),
        ),
        Mistake(
            "the right class keeps its full 1 while the others get s / K",
            "Each row is a distribution and should sum to 1. What must the right class give away?",
            _targets(lambda K, s: 1, lambda K, s: s / K),
        ),
        Mistake(
            "the other classes get nothing",
            "Smoothing takes from the right class and gives to *every* class.",
            _targets(lambda K, s: 1 - s + s / K, lambda K, s: 0),
        ),
        Mistake(
            "every class gets all of s instead of its share",
            "s is divided among the classes. What do your rows sum to?",
            _targets(lambda K, s: 1, lambda K, s: s),
        ),
        Mistake(
            "every class gets all of s instead of its share",
            "s is divided among the classes. What do your rows sum to?",
            _targets(lambda K, s: 1 - s, lambda K, s: s),
        ),
        Mistake(
            "s and 1 - s are exchanged",
            "At s = 0 the targets should be one-hot. What are yours?",
            _targets(lambda K, s: s + (1 - s) / K, lambda K, s: (1 - s) / K),
        ),
        Mistake(
            "the uniform part is divided by the number of images, not of classes",
            "Shares go to classes. Which of B and K did you divide by?",
            lambda labels, num_classes, s: (1 - s) * np.eye(num_classes)[labels] + s / len(labels),
        ),
    ],
)


# ---- softmax cross-entropy -------------------------------------------------------------------------------------------


def _logit_cases(rng):
    """Small logits, logits that are all large (exp overflows), logits far apart (probabilities round to 0)."""
    shapes = [(3, 5), (4, 7), (5, 4), (6, 3)]
    logits = [2 * rng.standard_normal(shape) for shape in shapes]
    logits[2] += 1000
    logits[3] *= 600
    return [(x, rng.integers(0, x.shape[1], len(x))) for x in logits]


def _p(x, axis=-1):
    """Softmax over any axis, or over everything (None)."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _p_overflowing(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def _log_p(x, axis=-1):
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _at(x, labels):
    """The entry of every row at its label: (B,)."""
    return x[np.arange(len(labels)), labels]


def _onehot(x, labels):
    return np.eye(x.shape[1])[labels]


def _ce_written_in_many_ways(change):
    """Cross-entropy, safe and unsafe, with the same mistake in each: change(loss, logits)."""
    losses = [
        lambda x, labels: -_at(_log_p(x), labels).mean(),
        lambda x, labels: -np.log(_at(_p(x), labels)).mean(),
        lambda x, labels: -(_onehot(x, labels) * np.log(_p(x))).sum() / len(x),
        lambda x, labels: -np.log(_at(_p_overflowing(x), labels)).mean(),
        lambda x, labels: -(_onehot(x, labels) * np.log(_p_overflowing(x))).sum() / len(x),
    ]
    return [lambda x, labels, loss=loss: change(loss(x, labels), x) for loss in losses]


def _ce_max_forgotten(x, labels):
    logsumexp = np.log(np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1))
    return (logsumexp - _at(x, labels)).mean()


def _ce_sigmoid(x, labels):
    softplus = np.logaddexp(0, x)
    return (softplus - _onehot(x, labels) * x).sum() / len(x)


_OVERFLOW = (
    "the row's maximum is not subtracted, so exp overflows",
    "Right for small logits, not for large ones: exp(1000) is more than a float can hold. What may you subtract from a "
    "row without changing its softmax?",
)
_WRONG_AXIS = (
    "the softmax runs over the images (axis 0), not over the classes",
    "Every image has probabilities of its own that sum to 1. Which axis holds the classes?",
)
_EVERYTHING = (
    "the softmax has one sum for the whole batch instead of one per image",
    "Every image has probabilities of its own that sum to 1. What does a sum without an axis add up?",
)

cross_entropy = Check(
    "cross_entropy",
    reference=lambda x, labels: np_softmax_cross_entropy(x, np_one_hot(labels, x.shape[1], dtype=x.dtype))[0],
    cases=_logit_cases,
    outputs={"loss": "()"},
    mistakes=[
        *_same_mistake(
            "the losses of the images are summed, not averaged",
            "Twice as many images should not double the loss.",
            *_ce_written_in_many_ways(lambda loss, x: loss * len(x)),
        ),
        *_same_mistake(
            "the mean runs over all B K entries, not over the B images",
            "Each image has one loss, whatever the number of classes. What does your mean divide by?",
            *_ce_written_in_many_ways(lambda loss, x: loss / x.shape[1]),
        ),
        *_same_mistake(
            "the sign is wrong",
            "The log of a probability is negative, and the loss is to be positive.",
            *_ce_written_in_many_ways(lambda loss, x: -loss),
        ),
        *_same_mistake(
            *_OVERFLOW,
            lambda x, labels: -np.log(_at(_p_overflowing(x), labels)).mean(),
            lambda x, labels: -(_onehot(x, labels) * np.log(_p_overflowing(x))).sum() / len(x),
            lambda x, labels: (np.log(np.exp(x).sum(axis=-1)) - _at(x, labels)).mean(),
        ),
        *_same_mistake(
            "the log is taken of a probability that rounded to 0",
            "The softmax is safe, but log(0) is not. Write log p as a difference of two finite numbers, without p.",
            lambda x, labels: -np.log(_at(_p(x), labels)).mean(),
            lambda x, labels: -(_onehot(x, labels) * np.log(_p(x))).sum() / len(x),
        ),
        Mistake(
            "the maximum is subtracted inside the exponential only",
            "If you take the maximum off the logits in one place, it must come off in the other place too.",
            _ce_max_forgotten,
        ),
        *_same_mistake(
            "the logits are not turned into probabilities",
            "Raw logits do not sum to 1. What is missing between logits and loss?",
            lambda x, labels: -_at(x, labels).mean(),
            lambda x, labels: -np.log(_at(x, labels)).mean(),
            lambda x, labels: -np.log(_at(np.exp(x), labels)).mean(),
        ),
        Mistake(
            "the log is missing",
            "Your loss is at most 1, however wrong the model is. Cross-entropy has no such bound.",
            lambda x, labels: 1 - _at(_p(x), labels).mean(),
        ),
        Mistake(
            "the log is missing",
            "Cross-entropy is a logarithm of a probability.",
            lambda x, labels: -_at(_p(x), labels).mean(),
        ),
        *_same_mistake(
            "the log has base 2, not e",
            "The gradient p - target belongs to the natural logarithm.",
            *_ce_written_in_many_ways(lambda loss, x: loss / np.log(2)),
        ),
        *_same_mistake(
            "the log has base 10, not e",
            "The gradient p - target belongs to the natural logarithm.",
            *_ce_written_in_many_ways(lambda loss, x: loss / np.log(10)),
        ),
        Mistake(*_WRONG_AXIS, lambda x, labels: -_at(_log_p(x, 0), labels).mean()),
        Mistake(*_EVERYTHING, lambda x, labels: -_at(_log_p(x, None), labels).mean()),
        Mistake(
            "the class with the largest logit is taken for the label",
            "The loss must get worse when the model is sure and wrong. Where do you use the labels?",
            lambda x, labels: -_log_p(x).max(axis=-1).mean(),
        ),
        Mistake(
            "p[:, labels] takes a B x B table, not one entry per image",
            "Look at the shape of what you pick. Image 0 should meet label 0, image 1 label 1: two index arrays.",
            lambda x, labels: -_log_p(x)[:, labels].mean(),
        ),
        Mistake(
            "the softmax is applied twice",
            "The argument holds logits; after one softmax they are probabilities already.",
            lambda x, labels: -_at(_log_p(_p(x)), labels).mean(),
        ),
        Mistake(
            "a sigmoid per class instead of a softmax over the classes",
            "Exactly one class is right here: the probabilities of an image should sum to 1.",
            _ce_sigmoid,
        ),
    ],
)


def _ce_backward_row_index(x, labels):
    d = _p(x)
    d[:, labels] -= 1
    return d / len(x)


cross_entropy_backward = Check(
    "cross_entropy_backward",
    reference=lambda x, labels: np_softmax_cross_entropy_backward(
        1.0, (x, np_one_hot(labels, x.shape[1], dtype=x.dtype))
    ),
    cases=_logit_cases,
    outputs={"dlogits": "(B, K)"},
    mistakes=[
        *_same_mistake(
            "the gradient is not divided by the number of images",
            "The loss is a mean over the batch: how much does one image count?",
            lambda x, labels: _p(x) - _onehot(x, labels),
            lambda x, labels: _p_overflowing(x) - _onehot(x, labels),
        ),
        *_same_mistake(
            "the gradient is divided by B K, not by B",
            "The loss is a mean over the images only.",
            lambda x, labels: (_p(x) - _onehot(x, labels)) / x.size,
            lambda x, labels: (_p_overflowing(x) - _onehot(x, labels)) / x.size,
        ),
        *_same_mistake(
            "the sign is wrong",
            "A step *against* the gradient must raise the logit of the right class: that entry has to be negative.",
            lambda x, labels: (_onehot(x, labels) - _p(x)) / len(x),
            lambda x, labels: (_onehot(x, labels) - _p_overflowing(x)) / len(x),
        ),
        Mistake(
            "the sign is wrong, and the gradient is not divided by the number of images",
            "A step *against* the gradient must raise the logit of the right class; and the loss is a mean.",
            lambda x, labels: _onehot(x, labels) - _p(x),
        ),
        Mistake(
            "the softmax is missing: logits minus targets",
            "Compare what the model said with what it should have said, both as probabilities.",
            lambda x, labels: (x - _onehot(x, labels)) / len(x),
        ),
        *_same_mistake(
            *_OVERFLOW,
            lambda x, labels: (_p_overflowing(x) - _onehot(x, labels)) / len(x),
        ),
        *_same_mistake(
            "this is the gradient with respect to the probabilities, not the logits",
            "-target / p is only the first half of the way back. What stands between p and the logits?",
            lambda x, labels: -_onehot(x, labels) / _p(x) / len(x),
        ),
        Mistake(
            "only the label's own logit gets a gradient",
            "Raising any other logit lowers the right class's probability too: the sum in the softmax holds them all.",
            lambda x, labels: _onehot(x, labels) * (_p(x) - 1) / len(x),
        ),
        Mistake(
            "the targets are missing: only the probabilities came back",
            "If the model were perfect, the gradient would have to be 0.",
            lambda x, labels: _p(x) / len(x),
        ),
        Mistake(*_WRONG_AXIS, lambda x, labels: (_p(x, 0) - _onehot(x, labels)) / len(x)),
        Mistake(*_EVERYTHING, lambda x, labels: (_p(x, None) - _onehot(x, labels)) / len(x)),
        Mistake(
            "p[:, labels] -= 1 changes whole columns, not one entry per image",
            "Image 0 should meet label 0, image 1 label 1: two index arrays.",
            _ce_backward_row_index,
        ),
    ],
)


# ---- sigmoid cross-entropy -------------------------------------------------------------------------------------------


def _sigmoid_cases(rng):
    logits = [2 * rng.standard_normal(shape) for shape in [(3, 5), (2, 7), (4, 3)]]
    logits[2] *= 600  # exp(1000) and exp(-1000)
    return [(x, (rng.random(x.shape) < 0.4).astype(float)) for x in logits]


def _bce(x, t):
    """Per entry, safe for any logit."""
    return np.logaddexp(0, x) - t * x


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


sigmoid_cross_entropy = Check(
    "sigmoid_cross_entropy",
    reference=lambda x, t: np_sigmoid_cross_entropy(x, t)[0],
    cases=_sigmoid_cases,
    outputs={"loss": "()"},
    mistakes=[
        *_same_mistake(
            "the mean runs over all B K entries; the classes are to be summed",
            "Sum over an image's classes, then average the images. (Many libraries' default averages both.)",
            lambda x, t: _bce(x, t).mean(),
            lambda x, t: -(t * np.log(_sigmoid(x)) + (1 - t) * np.log(1 - _sigmoid(x))).mean(),
        ),
        Mistake(
            "everything is summed, also over the images",
            "Twice as many images should not double the loss.",
            lambda x, t: _bce(x, t).sum(),
        ),
        Mistake(
            "the mean runs over the classes and the sum over the images",
            "It should be the other way round. Which axis is which?",
            lambda x, t: _bce(x, t).sum() / x.shape[1],
        ),
        Mistake("the sign is wrong", "The loss is to be positive.", lambda x, t: -_bce(x, t).sum() / len(x)),
        *_same_mistake(
            "the log is taken of a probability that rounded to 0, or exp overflows",
            "Right for small logits only. Write log(1 + exp(x)) so that the exponent is never positive.",
            lambda x, t: -(t * np.log(_sigmoid(x)) + (1 - t) * np.log(1 - _sigmoid(x))).sum() / len(x),
            lambda x, t: (np.log(1 + np.exp(x)) - t * x).sum() / len(x),
            lambda x, t: (np.log1p(np.exp(-x)) + (1 - t) * x).sum() / len(x),
            lambda x, t: -np.where(t == 1, np.log(_sigmoid(x)), np.log(1 - _sigmoid(x))).sum() / len(x),
        ),
        Mistake(
            "the absent classes cost nothing: the term with 1 - targets is missing",
            "A model that says yes to every class should not have loss 0.",
            lambda x, t: (t * np.logaddexp(0, -x)).sum() / len(x),
        ),
        Mistake(
            "only the absent classes count: the term with targets is missing",
            "A model that says no to every class should not have loss 0.",
            lambda x, t: ((1 - t) * np.logaddexp(0, x)).sum() / len(x),
        ),
        Mistake(
            "the targets are not used",
            "log(1 + exp(x)) alone is the loss of an image without any label.",
            lambda x, t: np.logaddexp(0, x).sum() / len(x),
        ),
        Mistake(
            "a softmax over the classes instead of a sigmoid per class",
            "Here every class is a question of its own: several may be right, or none.",
            lambda x, t: -(t * _log_p(x)).sum() / len(x),
        ),
        Mistake(
            "log(1 + exp(-|x|)) without max(x, 0) beside it",
            "That is log(1 + exp(x)) for negative x only. What has to be added for positive x?",
            lambda x, t: (np.log1p(np.exp(-np.abs(x))) - t * x).sum() / len(x),
        ),
    ],
)


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

    return _quiet(answer)


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


# ---- a head that reads the mean of all tokens ------------------------------------------------------------------------


def _gap_head(dlogits, encoded, weight):
    T = encoded.shape[1]
    _, cache = np_linear(encoded.mean(axis=1), weight, np.zeros(len(weight)))
    dpooled, dweight, dbias = np_linear_backward(dlogits, cache)
    return np.repeat(dpooled[:, None] / T, T, axis=1), dweight, dbias


def _gap_cases(rng):
    return [
        (rng.standard_normal((B, K)), rng.standard_normal((B, T, D)), rng.standard_normal((K, D)))
        for B, T, D, K in [(2, 5, 3, 7), (3, 4, 6, 2), (4, 7, 5, 3)]
    ]


def _gap_variant(
    dencoded=lambda dpooled, encoded: np.repeat(dpooled[:, None], encoded.shape[1], axis=1) / encoded.shape[1],
    pooled=lambda encoded: encoded.mean(axis=1),
    dweight=lambda dlogits, pooled: dlogits.T @ pooled,
    dbias=lambda dlogits: dlogits.sum(axis=0),
):
    """The backward with one line replaced."""

    def answer(dlogits, encoded, weight):
        return dencoded(dlogits @ weight, encoded), dweight(dlogits, pooled(encoded)), dbias(dlogits)

    return answer


def _to_first_token(dpooled, encoded):
    dencoded = np.zeros_like(encoded)
    dencoded[:, 0] = dpooled
    return dencoded


def _undivided(dpooled, encoded):
    return np.repeat(dpooled[:, None], encoded.shape[1], axis=1)


gap_head_backward = Check(
    "gap_head_backward",
    reference=_gap_head,
    cases=_gap_cases,
    outputs={"dencoded": "(B, T, D)", "dweight": "(K, D)", "dbias": "(K,)"},
    mistakes=[
        Mistake(
            "dencoded is not divided by the number of tokens",
            "Each token is only one T-th of the mean.",
            _gap_variant(_undivided),
        ),
        Mistake(
            "only token 0 gets a gradient, as with a class token",
            "The head read the mean: which tokens had a part in it?",
            _gap_variant(_to_first_token),
        ),
        Mistake(
            "dencoded is divided by the number of images, not of tokens",
            "The mean in the forward runs over which axis?",
            _gap_variant(lambda dpooled, encoded: _undivided(dpooled, encoded) / len(encoded)),
        ),
        Mistake(
            "dencoded is divided by the width, not by the number of tokens",
            "The mean in the forward runs over which axis?",
            _gap_variant(lambda dpooled, encoded: _undivided(dpooled, encoded) / encoded.shape[2]),
        ),
        Mistake(
            "dencoded has lost its token axis",
            "Every token gets a gradient: the result has the shape of encoded.",
            _gap_variant(lambda dpooled, encoded: dpooled[:, None] / encoded.shape[1]),
        ),
        Mistake(
            "dencoded has lost its token axis",
            "Every token gets a gradient: the result has the shape of encoded.",
            _gap_variant(lambda dpooled, encoded: dpooled / encoded.shape[1]),
        ),
        Mistake(
            "dweight uses the sum of the tokens, not their mean",
            "What was the input of the linear layer, exactly?",
            _gap_variant(pooled=lambda encoded: encoded.sum(axis=1)),
        ),
        Mistake(
            "dweight uses token 0 only",
            "What was the input of the linear layer, exactly?",
            _gap_variant(pooled=lambda encoded: encoded[:, 0]),
        ),
        Mistake(
            "dweight is transposed",
            "A gradient has the shape of its parameter, (K, D).",
            _gap_variant(dweight=lambda dlogits, pooled: pooled.T @ dlogits),
        ),
        Mistake(
            "dweight is a mean over the images, not a sum",
            "dlogits holds the 1 / B of the loss already; every use of a parameter adds up.",
            _gap_variant(dweight=lambda dlogits, pooled: dlogits.T @ pooled / len(pooled)),
        ),
        Mistake(
            "dbias is a mean over the images, not a sum",
            "dlogits holds the 1 / B of the loss already; every use of a parameter adds up.",
            _gap_variant(dbias=lambda dlogits: dlogits.mean(axis=0)),
        ),
        Mistake(
            "dweight and dbias are means over the images, not sums",
            "dlogits holds the 1 / B of the loss already; every use of a parameter adds up.",
            _gap_variant(
                dweight=lambda dlogits, pooled: dlogits.T @ pooled / len(pooled), dbias=lambda d: d.mean(axis=0)
            ),
        ),
        Mistake(
            "dbias is not summed over the images",
            "All images used the same bias.",
            _gap_variant(dbias=lambda dlogits: dlogits),
        ),
    ],
)
