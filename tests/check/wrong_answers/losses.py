"""Checks for the exercises of notebooks/07_vit_numpy.ipynb: targets, losses, the head."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake, same_mistake
from vitedu_numpy.layers.linear import linear as np_linear
from vitedu_numpy.layers.linear import linear_backward as np_linear_backward
from vitedu_numpy.training.losses import one_hot as np_one_hot
from vitedu_numpy.training.losses import sigmoid_cross_entropy as np_sigmoid_cross_entropy
from vitedu_numpy.training.losses import softmax_cross_entropy as np_softmax_cross_entropy
from vitedu_numpy.training.losses import softmax_cross_entropy_backward as np_softmax_cross_entropy_backward

__all__ = ["cross_entropy", "cross_entropy_backward", "gap_head_backward", "label_smoothing", "sigmoid_cross_entropy"]


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
        *same_mistake(
            "the losses of the images are summed, not averaged",
            "Twice as many images should not double the loss.",
            *_ce_written_in_many_ways(lambda loss, x: loss * len(x)),
        ),
        *same_mistake(
            "the mean runs over all B K entries, not over the B images",
            "Each image has one loss, whatever the number of classes. What does your mean divide by?",
            *_ce_written_in_many_ways(lambda loss, x: loss / x.shape[1]),
        ),
        *same_mistake(
            "the sign is wrong",
            "The log of a probability is negative, and the loss is to be positive.",
            *_ce_written_in_many_ways(lambda loss, x: -loss),
        ),
        *same_mistake(
            *_OVERFLOW,
            lambda x, labels: -np.log(_at(_p_overflowing(x), labels)).mean(),
            lambda x, labels: -(_onehot(x, labels) * np.log(_p_overflowing(x))).sum() / len(x),
            lambda x, labels: (np.log(np.exp(x).sum(axis=-1)) - _at(x, labels)).mean(),
        ),
        *same_mistake(
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
        *same_mistake(
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
        *same_mistake(
            "the log has base 2, not e",
            "The gradient p - target belongs to the natural logarithm.",
            *_ce_written_in_many_ways(lambda loss, x: loss / np.log(2)),
        ),
        *same_mistake(
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
        *same_mistake(
            "the gradient is not divided by the number of images",
            "The loss is a mean over the batch: how much does one image count?",
            lambda x, labels: _p(x) - _onehot(x, labels),
            lambda x, labels: _p_overflowing(x) - _onehot(x, labels),
        ),
        *same_mistake(
            "the gradient is divided by B K, not by B",
            "The loss is a mean over the images only.",
            lambda x, labels: (_p(x) - _onehot(x, labels)) / x.size,
            lambda x, labels: (_p_overflowing(x) - _onehot(x, labels)) / x.size,
        ),
        *same_mistake(
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
        *same_mistake(
            *_OVERFLOW,
            lambda x, labels: (_p_overflowing(x) - _onehot(x, labels)) / len(x),
        ),
        *same_mistake(
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
        *same_mistake(
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
        *same_mistake(
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
