"""Wrong answers to the exercises of notebooks/07_vit_numpy.ipynb: targets, losses, the head."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.linear import linear as np_linear
from vitedu_numpy.layers.linear import linear_backward as np_linear_backward
from vitedu_numpy.training.losses import one_hot as np_one_hot
from vitedu_numpy.training.losses import sigmoid_cross_entropy as np_sigmoid_cross_entropy
from vitedu_numpy.training.losses import softmax_cross_entropy as np_softmax_cross_entropy
from vitedu_numpy.training.losses import softmax_cross_entropy_backward as np_softmax_cross_entropy_backward

from . import FirstGeneration, same_mistake

__all__ = ["cross_entropy", "cross_entropy_backward", "gap_head_backward", "label_smoothing", "sigmoid_cross_entropy"]


# ---- targets ---------------------------------------------------------------------------------------------------------


def _targets(at_label, elsewhere):
    """Targets from two numbers, each a function of (K, s)."""

    def answer(labels, num_classes, s):
        targets = np.full((len(labels), num_classes), elsewhere(num_classes, s), float)
        targets[np.arange(len(labels)), labels] = at_label(num_classes, s)
        return targets

    return answer


label_smoothing = FirstGeneration(
    lambda labels, num_classes, s: np_one_hot(labels, num_classes, s, np.float64),
    [
        ("nothing is smoothed: plain one-hot targets", _targets(lambda K, s: 1, lambda K, s: 0)),
        ("s is shared among the K - 1 other classes only", _targets(lambda K, s: 1 - s, lambda K, s: s / (K - 1))),
        (
            "the right class gets 1 - s only, without its share of the uniform part",
            _targets(lambda K, s: 1 - s, lambda K, s: s / K),
        ),
        ("s / K is added to a full one-hot", _targets(lambda K, s: 1 + s / K, lambda K, s: s / K)),
        ("the right class keeps its full 1 while the others get s / K", _targets(lambda K, s: 1, lambda K, s: s / K)),
        ("the other classes get nothing", _targets(lambda K, s: 1 - s + s / K, lambda K, s: 0)),
        ("every class gets all of s instead of its share", _targets(lambda K, s: 1, lambda K, s: s)),
        ("every class gets all of s instead of its share", _targets(lambda K, s: 1 - s, lambda K, s: s)),
        ("s and 1 - s are exchanged", _targets(lambda K, s: s + (1 - s) / K, lambda K, s: (1 - s) / K)),
        (
            "the uniform part is divided by the number of images, not of classes",
            lambda labels, num_classes, s: (1 - s) * np.eye(num_classes)[labels] + s / len(labels),
        ),
    ],
)


# ---- softmax cross-entropy -------------------------------------------------------------------------------------------


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


_OVERFLOW = "the row's maximum is not subtracted, so exp overflows"
_WRONG_AXIS = "the softmax runs over the images (axis 0), not over the classes"
_EVERYTHING = "the softmax has one sum for the whole batch instead of one per image"

cross_entropy = FirstGeneration(
    lambda x, labels: np_softmax_cross_entropy(x, np_one_hot(labels, x.shape[1], dtype=x.dtype))[0],
    [
        *same_mistake(
            "the losses of the images are summed, not averaged",
            *_ce_written_in_many_ways(lambda loss, x: loss * len(x)),
        ),
        *same_mistake(
            "the mean runs over all B K entries, not over the B images",
            *_ce_written_in_many_ways(lambda loss, x: loss / x.shape[1]),
        ),
        *same_mistake("the sign is wrong", *_ce_written_in_many_ways(lambda loss, x: -loss)),
        *same_mistake(
            _OVERFLOW,
            lambda x, labels: -np.log(_at(_p_overflowing(x), labels)).mean(),
            lambda x, labels: -(_onehot(x, labels) * np.log(_p_overflowing(x))).sum() / len(x),
            lambda x, labels: (np.log(np.exp(x).sum(axis=-1)) - _at(x, labels)).mean(),
        ),
        *same_mistake(
            "the log is taken of a probability that rounded to 0",
            lambda x, labels: -np.log(_at(_p(x), labels)).mean(),
            lambda x, labels: -(_onehot(x, labels) * np.log(_p(x))).sum() / len(x),
        ),
        ("the maximum is subtracted inside the exponential only", _ce_max_forgotten),
        *same_mistake(
            "the logits are not turned into probabilities",
            lambda x, labels: -_at(x, labels).mean(),
            lambda x, labels: -np.log(_at(x, labels)).mean(),
            lambda x, labels: -np.log(_at(np.exp(x), labels)).mean(),
        ),
        ("the log is missing", lambda x, labels: 1 - _at(_p(x), labels).mean()),
        ("the log is missing", lambda x, labels: -_at(_p(x), labels).mean()),
        *same_mistake("the log has base 2, not e", *_ce_written_in_many_ways(lambda loss, x: loss / np.log(2))),
        *same_mistake("the log has base 10, not e", *_ce_written_in_many_ways(lambda loss, x: loss / np.log(10))),
        (_WRONG_AXIS, lambda x, labels: -_at(_log_p(x, 0), labels).mean()),
        (_EVERYTHING, lambda x, labels: -_at(_log_p(x, None), labels).mean()),
        ("the class with the largest logit is taken for the label", lambda x, labels: -_log_p(x).max(axis=-1).mean()),
        ("p[:, labels] takes a B x B table, not one entry per image", lambda x, labels: -_log_p(x)[:, labels].mean()),
        ("the softmax is applied twice", lambda x, labels: -_at(_log_p(_p(x)), labels).mean()),
        ("a sigmoid per class instead of a softmax over the classes", _ce_sigmoid),
    ],
)


def _ce_backward_row_index(x, labels):
    d = _p(x)
    d[:, labels] -= 1
    return d / len(x)


cross_entropy_backward = FirstGeneration(
    lambda x, labels: np_softmax_cross_entropy_backward(1.0, (x, np_one_hot(labels, x.shape[1], dtype=x.dtype))),
    [
        *same_mistake(
            "the gradient is not divided by the number of images",
            lambda x, labels: _p(x) - _onehot(x, labels),
            lambda x, labels: _p_overflowing(x) - _onehot(x, labels),
        ),
        *same_mistake(
            "the gradient is divided by B K, not by B",
            lambda x, labels: (_p(x) - _onehot(x, labels)) / x.size,
            lambda x, labels: (_p_overflowing(x) - _onehot(x, labels)) / x.size,
        ),
        *same_mistake(
            "the sign is wrong",
            lambda x, labels: (_onehot(x, labels) - _p(x)) / len(x),
            lambda x, labels: (_onehot(x, labels) - _p_overflowing(x)) / len(x),
        ),
        (
            "the sign is wrong, and the gradient is not divided by the number of images",
            lambda x, labels: _onehot(x, labels) - _p(x),
        ),
        ("the softmax is missing: logits minus targets", lambda x, labels: (x - _onehot(x, labels)) / len(x)),
        *same_mistake(_OVERFLOW, lambda x, labels: (_p_overflowing(x) - _onehot(x, labels)) / len(x)),
        *same_mistake(
            "this is the gradient with respect to the probabilities, not the logits",
            lambda x, labels: -_onehot(x, labels) / _p(x) / len(x),
        ),
        ("only the label's own logit gets a gradient", lambda x, labels: _onehot(x, labels) * (_p(x) - 1) / len(x)),
        ("the targets are missing: only the probabilities came back", lambda x, labels: _p(x) / len(x)),
        (_WRONG_AXIS, lambda x, labels: (_p(x, 0) - _onehot(x, labels)) / len(x)),
        (_EVERYTHING, lambda x, labels: (_p(x, None) - _onehot(x, labels)) / len(x)),
        ("p[:, labels] -= 1 changes whole columns, not one entry per image", _ce_backward_row_index),
    ],
)


# ---- sigmoid cross-entropy -------------------------------------------------------------------------------------------


def _bce(x, t):
    """Per entry, safe for any logit."""
    return np.logaddexp(0, x) - t * x


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


sigmoid_cross_entropy = FirstGeneration(
    lambda x, t: np_sigmoid_cross_entropy(x, t)[0],
    [
        *same_mistake(
            "the mean runs over all B K entries; the classes are to be summed",
            lambda x, t: _bce(x, t).mean(),
            lambda x, t: -(t * np.log(_sigmoid(x)) + (1 - t) * np.log(1 - _sigmoid(x))).mean(),
        ),
        ("everything is summed, also over the images", lambda x, t: _bce(x, t).sum()),
        ("the mean runs over the classes and the sum over the images", lambda x, t: _bce(x, t).sum() / x.shape[1]),
        ("the sign is wrong", lambda x, t: -_bce(x, t).sum() / len(x)),
        *same_mistake(
            "the log is taken of a probability that rounded to 0, or exp overflows",
            lambda x, t: -(t * np.log(_sigmoid(x)) + (1 - t) * np.log(1 - _sigmoid(x))).sum() / len(x),
            lambda x, t: (np.log(1 + np.exp(x)) - t * x).sum() / len(x),
            lambda x, t: (np.log1p(np.exp(-x)) + (1 - t) * x).sum() / len(x),
            lambda x, t: -np.where(t == 1, np.log(_sigmoid(x)), np.log(1 - _sigmoid(x))).sum() / len(x),
        ),
        (
            "the absent classes cost nothing: the term with 1 - targets is missing",
            lambda x, t: (t * np.logaddexp(0, -x)).sum() / len(x),
        ),
        (
            "only the absent classes count: the term with targets is missing",
            lambda x, t: ((1 - t) * np.logaddexp(0, x)).sum() / len(x),
        ),
        ("the targets are not used", lambda x, t: np.logaddexp(0, x).sum() / len(x)),
        ("a softmax over the classes instead of a sigmoid per class", lambda x, t: -(t * _log_p(x)).sum() / len(x)),
        (
            "log(1 + exp(-|x|)) without max(x, 0) beside it",
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


gap_head_backward = FirstGeneration(
    _gap_head,
    [
        ("dencoded is not divided by the number of tokens", _gap_variant(_undivided)),
        ("only token 0 gets a gradient, as with a class token", _gap_variant(_to_first_token)),
        (
            "dencoded is divided by the number of images, not of tokens",
            _gap_variant(lambda dpooled, encoded: _undivided(dpooled, encoded) / len(encoded)),
        ),
        (
            "dencoded is divided by the width, not by the number of tokens",
            _gap_variant(lambda dpooled, encoded: _undivided(dpooled, encoded) / encoded.shape[2]),
        ),
        (
            "dencoded has lost its token axis",
            _gap_variant(lambda dpooled, encoded: dpooled[:, None] / encoded.shape[1]),
        ),
        ("dencoded has lost its token axis", _gap_variant(lambda dpooled, encoded: dpooled / encoded.shape[1])),
        (
            "dweight uses the sum of the tokens, not their mean",
            _gap_variant(pooled=lambda encoded: encoded.sum(axis=1)),
        ),
        ("dweight uses token 0 only", _gap_variant(pooled=lambda encoded: encoded[:, 0])),
        ("dweight is transposed", _gap_variant(dweight=lambda dlogits, pooled: pooled.T @ dlogits)),
        (
            "dweight is a mean over the images, not a sum",
            _gap_variant(dweight=lambda dlogits, pooled: dlogits.T @ pooled / len(pooled)),
        ),
        ("dbias is a mean over the images, not a sum", _gap_variant(dbias=lambda dlogits: dlogits.mean(axis=0))),
        (
            "dweight and dbias are means over the images, not sums",
            _gap_variant(
                dweight=lambda dlogits, pooled: dlogits.T @ pooled / len(pooled), dbias=lambda d: d.mean(axis=0)
            ),
        ),
        ("dbias is not summed over the images", _gap_variant(dbias=lambda dlogits: dlogits)),
    ],
)
