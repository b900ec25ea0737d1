"""A linear probe: logistic regression on a frozen model's features.  Taught in notebooks/16_fewshot.ipynb.

loss = mean over N of the softmax cross-entropy of x W^T + b, + l2 / 2 ||W||^2.  It has one minimum; `fit_logistic` goes
there with all images at once.  `fit_sgd` is what DINO's papers do: SGD with momentum, a cosine, no penalty, so the
learning rate and the number of epochs say how far it goes; many rates are trained side by side.  Either way the one
free number is chosen on training images that are held out, never on the test images.

Shapes: `N` images, `D` features, `K` classes, `R` learning rates.
"""

from __future__ import annotations

import numpy as np

from ..config import TrainConfig
from ..module import checked, shaped
from ..schedule import learning_rate
from ..training.batches import batches
from ..training.losses import one_hot, softmax_cross_entropy, softmax_cross_entropy_backward
from ..validate import is_number, require
from .fewshot import check_data
from .lbfgs import lbfgs
from .shots import count_classes, hold_out

__all__ = [
    "RATES", "STRENGTHS", "fit_logistic", "fit_sgd", "linear_probe", "logistic_loss", "logistic_loss_backward",
    "sgd_gradients",
]  # fmt: skip

RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)  # DINOv2's, for 256 images a step
STRENGTHS = tuple(10.0**p for p in range(-5, 1))  # of the penalty on the weights


# ---- the one minimum -------------------------------------------------------------------------------------------------


def logistic_loss(weight, bias, features, targets, l2):
    """loss = mean_N cross-entropy(x W^T + b) + l2 / 2 ||W||^2.     W (K, D), b (K,), x (N, D), targets (N, K)"""
    logits = features @ weight.T + bias  # (N, K)                [1]
    loss, cache = softmax_cross_entropy(logits, targets)  # [2]
    return loss + l2 / 2 * (weight**2).sum(), (weight, features, l2, cache)  # [3]


@shaped
def logistic_loss_backward(dloss, cache):
    """dweight (K, D), dbias (K,); the features are frozen, and need none."""
    weight, features, l2, cache = cache
    dlogits = softmax_cross_entropy_backward(dloss, cache)  # (N, K)  from [2]
    dweight = dlogits.T @ features + dloss * l2 * weight  # (K, D)  from [1] and [3]
    return dweight, dlogits.sum(axis=0)  # from [1]


@checked
def fit_logistic(features, labels, num_classes, l2, steps=500, tolerance=1e-6):
    """(weight (K, D), bias (K,)) with the least `logistic_loss`: L-BFGS from 0 in float64, `steps` at most."""
    x = np.asarray(features, np.float64)
    targets, K, D = one_hot(labels, num_classes, dtype=np.float64), num_classes, x.shape[1]

    def function(flat):
        loss, cache = logistic_loss(flat[: K * D].reshape(K, D), flat[K * D :], x, targets, l2)
        dweight, dbias = logistic_loss_backward(1.0, cache)
        return loss, np.concatenate([dweight.ravel(), dbias])

    flat, _ = lbfgs(function, np.zeros(K * D + K), steps, tolerance)
    return flat[: K * D].reshape(K, D), flat[K * D :]


# ---- as far as SGD goes ----------------------------------------------------------------------------------------------


def sgd_gradients(weight, bias, x, targets):
    """Of R probes at once, each of its own mean loss.     W (R, K, D), b (R, K), x (B, D)  ->  dW, db"""
    R, K, D = weight.shape
    logits = x @ weight.reshape(R * K, D).T + bias.ravel()  # (B, R K)
    _, cache = softmax_cross_entropy(logits.reshape(-1, K), np.repeat(targets, R, axis=0))  # the mean over B R rows
    dlogits = softmax_cross_entropy_backward(float(R), cache).reshape(-1, R * K)
    return (dlogits.T @ x).reshape(R, K, D), dlogits.sum(axis=0).reshape(R, K)


@checked
def fit_sgd(features, labels, num_classes, rates=RATES, epochs=100, batch_size=256, seed=0):
    """(weights (R, K, D), biases (R, K)): one probe per rate, from 0, by SGD with momentum 0.9 and a cosine to 0.

    A rate is that of 256 images a step; with other batches it is multiplied by batch_size / 256.
    """
    x = np.asarray(features, np.float64)
    targets, size = one_hot(labels, num_classes, dtype=np.float64), min(batch_size, len(x))
    config = TrainConfig(steps=max(epochs * len(x) // size, 1), batch_size=batch_size, learning_rate=1.0, seed=seed)
    base = np.array(rates, np.float64) * batch_size / 256  # (R,)
    weight, bias = np.zeros((len(base), num_classes, x.shape[1])), np.zeros((len(base), num_classes))
    dweight, dbias = np.zeros_like(weight), np.zeros_like(bias)  # with what momentum keeps of those before
    for step, (images, _) in enumerate(batches(len(x), config)):
        now = base * learning_rate(step, base=1.0, total_steps=config.steps)  # (R,)
        new_dweight, new_dbias = sgd_gradients(weight, bias, x[images], targets[images])
        dweight, dbias = 0.9 * dweight + new_dweight, 0.9 * dbias + new_dbias
        weight, bias = weight - now[:, None, None] * dweight, bias - now[:, None] * dbias
    return weight, bias


# ---- all of it -------------------------------------------------------------------------------------------------------


def linear_probe(
    train_features,
    train_labels,
    test_features,
    test_labels,
    method="lbfgs",
    choices=None,
    held_out=0.1,
    seed=0,
    **options,
):
    """{"accuracy", "choice", "held_out": {choice: accuracy}}: choose on images held out, fit on all, then test.

    method: "lbfgs", choices are strengths l2; or "sgd", choices are learning rates; options are those of `fit_logistic`
    or `fit_sgd`.  Of equally good ones, the largest l2 or the smallest rate.  Raises as `few_shot_accuracy`, and
    ValueError for choices that are no list of positive numbers.
    """
    x, labels, x_test, truth = check_data(train_features, train_labels, test_features, test_labels)
    K = count_classes(labels, truth)
    if method not in ("lbfgs", "sgd"):
        raise ValueError(f"method={method!r} is not allowed; method must be 'lbfgs' or 'sgd'")
    choices = choices if choices is not None else STRENGTHS if method == "lbfgs" else RATES
    is_list = isinstance(choices, (tuple, list)) and len(choices) > 0 and all(is_number(c) and c > 0 for c in choices)
    require(is_list, "choices", choices, "a list of positive numbers")
    choices = sorted(set(choices), reverse=method == "lbfgs")  # the first of the best is taken
    kept, held = hold_out(labels, held_out, seed)

    def fit(images, values):
        if method == "sgd":
            return fit_sgd(x[images], labels[images], K, values, seed=seed, **options)
        return zip(*(fit_logistic(x[images], labels[images], K, l2, **options) for l2 in values), strict=True)

    def accuracy(weight, bias, features, labels):
        return float(((features @ weight.T + bias).argmax(axis=1) == labels).mean())

    found = {
        choice: accuracy(weight, bias, x[held], labels[held])
        for choice, weight, bias in zip(choices, *fit(kept, choices), strict=True)
    }
    best = max(found, key=found.get)
    (weight,), (bias,) = fit(np.arange(len(x)), [best])
    return {"accuracy": accuracy(weight, bias, x_test, truth), "choice": best, "held_out": found}
