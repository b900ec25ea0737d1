"""Exercises of notebooks/07_vit_numpy.ipynb: targets, losses, the head."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import bias_gradient, log_softmax, one_hot, picked, softmax, weight_gradient

__all__ = ["cross_entropy", "gap_head_backward", "sigmoid_cross_entropy", "weighted_cross_entropy_backward"]

CLASSES = {"K": "the classes"}


# ---- targets ---------------------------------------------------------------------------------------------------------


def _smoothing_cases(rng):
    return [(rng.integers(0, K, B), K, s) for B, K, s in [(3, 5, 0.1), (4, 7, 0.3), (6, 4, 0.2)]]


@exercise(cases=_smoothing_cases, outputs={"targets": "(B, K)"}, level=1, minutes=10)
def label_smoothing(labels, num_classes, s):
    B = len(labels)
    hot = one_hot(labels, num_classes)  # the one-hot rows
    return (1 - s) * hot + s / num_classes  # the targets


_SUM = "Each row is a distribution and should sum to 1. What do your rows sum to?"
_SHARE = "s is divided among the classes. What do your rows sum to?"
label_smoothing.slip("nothing is smoothed: plain one-hot targets", "Where does s enter?", result="hot")
label_smoothing.slip(
    "s is shared among the K - 1 other classes only",
    "The uniform part gives the right class its share too. How many classes does it cover?",
    result="(1 - s) * hot + s / (num_classes - 1) * (1 - hot)",
)
label_smoothing.slip(
    "the right class gets 1 - s only, without its share of the uniform part",
    _SUM,
    result="(1 - s) * hot + s / num_classes * (1 - hot)",
)
label_smoothing.slip("s / K is added to a full one-hot", _SUM, result="hot + s / num_classes")
label_smoothing.slip(
    "the right class keeps its full 1 while the others get s / K",
    "Each row is a distribution and should sum to 1. What must the right class give away?",
    result="hot + s / num_classes * (1 - hot)",
)
label_smoothing.slip(
    "the other classes get nothing",
    "Smoothing takes from the right class and gives to *every* class.",
    result="(1 - s + s / num_classes) * hot",
)
for _right in ("1", "(1 - s)"):
    label_smoothing.slip(
        "every class gets all of s instead of its share", _SHARE, result=f"{_right} * hot + s * (1 - hot)"
    )
label_smoothing.slip(
    "s and 1 - s are exchanged",
    "At s = 0 the targets should be one-hot. What are yours?",
    result="s * hot + (1 - s) / num_classes",
)
label_smoothing.slip(
    "the uniform part is divided by the number of images, not of classes",
    "Shares go to classes. Which of B and K did you divide by?",
    result="(1 - s) * hot + s / B",
)


# ---- softmax cross-entropy -------------------------------------------------------------------------------------------


def _logit_cases(rng):
    """Small logits, logits that are all large (exp overflows), logits far apart (probabilities round to 0)."""
    shapes = [(3, 5), (4, 7), (5, 4), (6, 3)]
    logits = [2 * rng.standard_normal(shape) for shape in shapes]
    logits[2] += 1000
    logits[3] *= 600
    return [(x, rng.integers(0, x.shape[1], len(x))) for x in logits]


@exercise(cases=_logit_cases, outputs={"loss": "()"}, axes=CLASSES, level=2, minutes=20)
def cross_entropy(x, labels):
    B, K = x.shape
    logp = log_softmax(x)  # the logarithms of the probabilities
    losses = -picked(logp, labels)  # the losses of the images
    return losses.mean()  # the loss


_RAW = "Raw logits do not sum to 1. What is missing between logits and loss?"
_OVERFLOW = (
    "the row's maximum is not subtracted, so exp overflows",
    "Right for small logits, not for large ones: exp(1000) is more than a float can hold. What may you subtract from a "
    "row without changing its softmax?",
)
_ROUNDED = "The softmax is safe, but log(0) is not. Write log p as a difference of two finite numbers, without p."
cross_entropy.slip(
    "the losses of the images are summed, not averaged",
    "Twice as many images should not double the loss.",
    result="losses.sum()",
)
cross_entropy.slip(
    "the mean runs over all B K entries, not over the B images",
    "Each image has one loss, whatever the number of classes. What does your mean divide by?",
    result="losses.sum() / x.size",
)
cross_entropy.slip(
    "the sign is wrong",
    "The log of a probability is negative, and the loss is to be positive.",
    losses="picked(logp, labels)",
)
for _line in (
    "np.log(np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True))", "x - np.log(np.exp(x).sum(axis=-1, keepdims=True))",
):  # fmt: skip
    cross_entropy.slip(*_OVERFLOW, logp=_line)
_UNSAFE = "np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)"
for _name, _p in (
    (_OVERFLOW, f"({_UNSAFE})"),
    (("the log is taken of a probability that rounded to 0", _ROUNDED), "softmax(x)"),
):
    cross_entropy.slip(*_name, weight=0.82, losses=f"-(one_hot(labels, K) * np.log({_p})).sum(axis=1)")
cross_entropy.slip("the log is taken of a probability that rounded to 0", _ROUNDED, logp="np.log(softmax(x))")
for _eps in ("1e-12", "1e-10", "1e-9", "1e-8", "1e-7", "1e-6", "1e-15", "1e-16", "1e-20", "1e-30", "1e-300"):
    for _how in (
        "np.log(softmax(x) + {})",
        "np.log(np.maximum(softmax(x), {}))",
        "np.log(np.clip(softmax(x), {0}, 1 - {0}))",
    ):
        cross_entropy.slip(
            "a small number keeps the log away from 0: right until the probability is smaller than it", _ROUNDED,
            logp=_how.format(_eps),
        )  # fmt: skip
cross_entropy.slip(
    "the maximum is subtracted inside the exponential only",
    "If you take the maximum off the logits in one place, it must come off in the other place too.",
    logp="x - np.log(np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True))",
)
for _line in ("x", "np.log(x)", "np.log(np.exp(x))"):
    cross_entropy.slip("the logits are not turned into probabilities", _RAW, logp=_line)
cross_entropy.slip(
    "the log is missing",
    "Your loss is at most 1, however wrong the model is. Cross-entropy has no such bound.",
    losses="1 - picked(softmax(x), labels)",
)
cross_entropy.slip(
    "the log is missing", "Cross-entropy is a logarithm of a probability.", losses="-picked(softmax(x), labels)"
)
for _base in ("2", "10"):
    cross_entropy.slip(
        f"the log has base {_base}, not e",
        "The gradient p - target belongs to the natural logarithm.",
        logp=f"log_softmax(x) / np.log({_base})",
    )
cross_entropy.slip(
    "the class with the largest logit is taken for the label",
    "The loss must get worse when the model is sure and wrong. Where do you use the labels?",
    losses="-logp.max(axis=-1)",
)
cross_entropy.slip(
    "p[:, labels] takes a B x B table, not one entry per image",
    "Look at the shape of what you pick. Image 0 should meet label 0, image 1 label 1: two index arrays.",
    losses="-logp[:, labels]",
)
cross_entropy.slip(
    "a sigmoid per class instead of a softmax over the classes",
    "Exactly one class is right here: the probabilities of an image should sum to 1.",
    losses="(np.logaddexp(0, x) - one_hot(labels, K) * x).sum(axis=1)",
)


@exercise(cases=_logit_cases, outputs={"dlogits": "(B, K)"}, axes=CLASSES, level=2, minutes=15)
def cross_entropy_backward(x, labels):
    B, K = x.shape
    p = softmax(x)  # the probabilities
    t = one_hot(labels, K)  # the targets
    return (p - t) / B  # the gradient


_AGAINST = "A step *against* the gradient must raise the logit of the right class: that entry has to be negative."
cross_entropy_backward.slip(
    "the gradient is not divided by the number of images",
    "The loss is a mean over the batch: how much does one image count?",
    result="p - t",
)
cross_entropy_backward.slip(
    "the gradient is divided by B K, not by B", "The loss is a mean over the images only.", result="(p - t) / x.size"
)
cross_entropy_backward.slip("the sign is wrong", _AGAINST, result="(t - p) / B")
cross_entropy_backward.slip(
    "the sign is wrong, and the gradient is not divided by the number of images",
    "A step *against* the gradient must raise the logit of the right class; and the loss is a mean.",
    result="t - p",
)
cross_entropy_backward.slip(
    "the softmax is missing: logits minus targets",
    "Compare what the model said with what it should have said, both as probabilities.",
    p="x",
)
cross_entropy_backward.slip(*_OVERFLOW, p=_UNSAFE)
cross_entropy_backward.slip(
    "this is the gradient with respect to the probabilities, not the logits",
    "-target / p is only the first half of the way back. What stands between p and the logits?",
    result="-t / p / B",
)
cross_entropy_backward.slip(
    "only the label's own logit gets a gradient",
    "Raising any other logit lowers the right class's probability too: the sum in the softmax holds them all.",
    result="t * (p - 1) / B",
)
cross_entropy_backward.slip(
    "the targets are missing: only the probabilities came back",
    "If the model were perfect, the gradient would have to be 0.",
    result="p / B",
)
cross_entropy_backward.slip(
    "p[:, labels] -= 1 changes whole columns, not one entry per image",
    "Image 0 should meet label 0, image 1 label 1: two index arrays.",
    t="1.0 * (one_hot(labels, K).sum(axis=0) > 0)",
)


# ---- the gradient, with a weight for each image ----------------------------------------------------------------------


def _weighted_cases(rng):
    return [(x, labels, rng.uniform(0.2, 3, len(x))) for x, labels in _logit_cases(rng)]


@exercise(cases=_weighted_cases, outputs={"dlogits": "(B, K)"}, axes=CLASSES, level=2, minutes=20)
def weighted_cross_entropy_backward(x, labels, weights):
    B, K = x.shape
    p = softmax(x)  # the probabilities
    t = one_hot(labels, K)  # the targets
    share = weights / weights.sum()  # the share of each image
    return (p - t) * share[:, None]  # the gradient


_WEIGHTED_MEAN = "If all weights are doubled, a weighted mean stays as it is. What becomes of your gradient?"
weighted_cross_entropy_backward.slip(
    "the weighted sum is divided by the number of images, not by the sum of the weights",
    _WEIGHTED_MEAN,
    share="weights / B",
)
weighted_cross_entropy_backward.slip("the sum of the weights is not divided by", _WEIGHTED_MEAN, share="weights")
weighted_cross_entropy_backward.slip(
    "the gradient is divided by the number of images, too",
    "The weights of a mean sum to 1 once they are divided by their sum. What is left to divide?",
    share="weights / weights.sum() / B",
)
weighted_cross_entropy_backward.slip(
    "the weights are not used", "An image of weight 0 should have no gradient.", result="(p - t) / B"
)
weighted_cross_entropy_backward.slip(
    "only the targets are weighted, not the probabilities",
    "An image of weight 0 should have no gradient at all. What has yours?",
    result="(p - t * weights[:, None]) / weights.sum()",
)
weighted_cross_entropy_backward.slip("the sign is wrong", _AGAINST, result="(t - p) * share[:, None]")
weighted_cross_entropy_backward.slip(
    "the softmax is missing: logits minus targets",
    "Compare what the model said with what it should have said, both as probabilities.",
    p="x",
)
weighted_cross_entropy_backward.slip(*_OVERFLOW, p=_UNSAFE)
weighted_cross_entropy_backward.slip(
    "the targets are missing: only the probabilities came back",
    "If the model were perfect, the gradient would have to be 0.",
    result="p * share[:, None]",
)
weighted_cross_entropy_backward.slip(
    "the weights multiply the logits", "They belong to the losses of the images, after the softmax.",
    p="softmax(x * weights[:, None])",
)  # fmt: skip
weighted_cross_entropy_backward.slip(
    "p[:, labels] -= 1 changes whole columns, not one entry per image",
    "Image 0 should meet label 0, image 1 label 1: two index arrays.",
    t="1.0 * (one_hot(labels, K).sum(axis=0) > 0)",
)


# ---- sigmoid cross-entropy -------------------------------------------------------------------------------------------


def _sigmoid_cases(rng):
    logits = [2 * rng.standard_normal(shape) for shape in [(3, 5), (2, 7), (4, 3)]]
    logits[2] *= 600  # exp(1000) and exp(-1000)
    return [(x, (rng.random(x.shape) < 0.4).astype(float)) for x in logits]


@exercise(cases=_sigmoid_cases, outputs={"loss": "()"}, axes=CLASSES, level=2, minutes=20)
def sigmoid_cross_entropy(x, t):
    B, K = x.shape
    present = t * np.logaddexp(0, -x)  # the present classes
    absent = (1 - t) * np.logaddexp(0, x)  # the absent classes
    losses = (present + absent).sum(axis=1)  # the losses of the images
    return losses.mean()  # the loss


sigmoid_cross_entropy.slip(
    "the two cases are in each other's place",
    "A class that is present should cost little where its logit is large.",
    present="t * np.logaddexp(0, x)",
    absent="(1 - t) * np.logaddexp(0, -x)",
)
sigmoid_cross_entropy.slip(
    "the mean runs over all B K entries; the classes are to be summed",
    "Sum over an image's classes, then average the images. (Many libraries' default averages both.)",
    result="losses.mean() / K",
)
sigmoid_cross_entropy.slip(
    "everything is summed, also over the images",
    "Twice as many images should not double the loss.",
    result="losses.sum()",
)
sigmoid_cross_entropy.slip(
    "the mean runs over the classes and the sum over the images",
    "It should be the other way round. Which axis is which?",
    result="losses.sum() / K",
)
sigmoid_cross_entropy.slip("the sign is wrong", "The loss is to be positive.", result="-losses.mean()")
for _line in (
    "-(t * np.log(sigmoid(x)) + (1 - t) * np.log(1 - sigmoid(x))).sum(axis=1)",
    "(np.log(1 + np.exp(x)) - t * x).sum(axis=1)", "(np.log1p(np.exp(-x)) + (1 - t) * x).sum(axis=1)",
    "-np.where(t == 1, np.log(sigmoid(x)), np.log(1 - sigmoid(x))).sum(axis=1)",
):  # fmt: skip
    sigmoid_cross_entropy.slip(
        "the log is taken of a probability that rounded to 0, or exp overflows",
        "Right for small logits only. Write log(1 + exp(x)) so that the exponent is never positive.",
        losses=_line,
    )
for _eps in ("1e-12", "1e-10", "1e-9", "1e-8", "1e-7", "1e-15", "1e-16"):
    _clipped = f"np.clip(sigmoid(x), {_eps}, 1 - {_eps})"
    for _yes, _no in (
        (f"np.log(sigmoid(x) + {_eps})", f"np.log(1 - sigmoid(x) + {_eps})"),
        (f"np.log({_clipped})", f"np.log(1 - {_clipped})"),
    ):
        sigmoid_cross_entropy.slip(
            "a small number keeps the log away from 0: right until the probability is smaller than it",
            "Write log(1 + exp(x)) so that the exponent is never positive, and no probability is needed.",
            losses=f"-(t * {_yes} + (1 - t) * {_no}).sum(axis=1)",
        )
sigmoid_cross_entropy.slip(
    "the absent classes cost nothing: the term with 1 - targets is missing",
    "A model that says yes to every class should not have loss 0.",
    losses="present.sum(axis=1)",
)
sigmoid_cross_entropy.slip(
    "only the absent classes count: the term with targets is missing",
    "A model that says no to every class should not have loss 0.",
    losses="absent.sum(axis=1)",
)
sigmoid_cross_entropy.slip(
    "the targets are not used",
    "log(1 + exp(x)) alone is the loss of an image without any label.",
    losses="np.logaddexp(0, x).sum(axis=1)",
)
sigmoid_cross_entropy.slip(
    "a softmax over the classes instead of a sigmoid per class",
    "Here every class is a question of its own: several may be right, or none.",
    losses="-(t * log_softmax(x)).sum(axis=1)",
)
sigmoid_cross_entropy.slip(
    "log(1 + exp(-|x|)) without max(x, 0) beside it",
    "That is log(1 + exp(x)) for negative x only. What has to be added for positive x?",
    losses="(np.log1p(np.exp(-np.abs(x))) - t * x).sum(axis=1)",
)


# ---- a head that reads the mean of all tokens ------------------------------------------------------------------------


def _gap_cases(rng):
    return [
        (rng.standard_normal((B, K)), rng.standard_normal((B, T, D)), rng.standard_normal((K, D)))
        for B, T, D, K in [(2, 5, 3, 7), (3, 4, 6, 2), (4, 7, 5, 3)]
    ]


@exercise(
    cases=_gap_cases, outputs={"dencoded": "(B, T, D)", "dweight": "(K, D)", "dbias": "(K,)"}, level=2, minutes=20
)  # fmt: skip
def gap_head_backward(dlogits, encoded, weight):
    B, T, D = encoded.shape
    pooled = encoded.mean(axis=1)  # the mean token
    dpooled = dlogits @ weight  # dpooled
    share = dpooled / T  # each token's share
    dencoded = np.repeat(share[:, None], T, axis=1)  # dencoded
    dweight = weight_gradient(dlogits, pooled)  # dweight
    dbias = bias_gradient(dlogits)  # dbias
    return dencoded, dweight, dbias


_MEAN_AXIS = "The mean in the forward runs over which axis?"
_USES = "dlogits holds the 1 / B of the loss already; every use of a parameter adds up."
_INPUT = "What was the input of the linear layer, exactly?"
gap_head_backward.slip(
    "dencoded is not divided by the number of tokens", "Each token is only one T-th of the mean.", share="dpooled"
)
gap_head_backward.slip(
    "only token 0 gets a gradient, as with a class token",
    "The head read the mean: which tokens had a part in it?",
    dencoded="np.concatenate([dpooled[:, None], np.zeros((B, T - 1, D))], axis=1)",
)
gap_head_backward.slip("dencoded is divided by the number of images, not of tokens", _MEAN_AXIS, share="dpooled / B")
gap_head_backward.slip("dencoded is divided by the width, not by the number of tokens", _MEAN_AXIS, share="dpooled / D")
for _line in ("share", "share[:, None]"):
    gap_head_backward.slip(
        "dencoded has lost its token axis",
        "Every token gets a gradient: the result has the shape of encoded.",
        dencoded=_line,
    )
gap_head_backward.slip("dweight uses the sum of the tokens, not their mean", _INPUT, pooled="encoded.sum(axis=1)")
gap_head_backward.slip("dweight uses token 0 only", _INPUT, pooled="encoded[:, 0]")
gap_head_backward.slip(
    "dweight is a mean over the images, not a sum", _USES, dweight="weight_gradient(dlogits, pooled) / B"
)
gap_head_backward.slip("dbias is a mean over the images, not a sum", _USES, dbias="dlogits.mean(axis=0)")
gap_head_backward.slip(
    "dweight and dbias are means over the images, not sums",
    _USES,
    dweight="weight_gradient(dlogits, pooled) / B",
    dbias="dlogits.mean(axis=0)",
)
