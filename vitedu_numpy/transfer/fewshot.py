"""Few-shot accuracy: least squares on a frozen model's features (Sec. 4.1).  Taught in notebooks/14_pretraining.ipynb.

A few images per class, +1 and -1 as targets, one linear map with its exact solution.  Nothing is trained, so it can be
had while a model is being trained.  As `fewshot_lsr` of google-research/big_vision, but in float64 throughout: with the
constant column, float32 has too few digits for a small `l2`.

Shapes: `N` images, `D` features (from `whiten` on with the constant column), `K` classes.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "CONSTANT", "L2", "choose_shots", "eigen_ridge", "few_shot_accuracy", "fit_and_score", "predict", "ridge", "whiten",
    "whitening",
]  # fmt: skip

CONSTANT = 100.0  # the last column: so large that the penalty on its weight, which is the bias, hardly counts
L2 = 2.0**10  # strength of the penalty, as official
CHUNK = 4096  # test images at a time: the scores (N, K) of all of them may need more memory than the model


# ---- the data --------------------------------------------------------------------------------------------------------


def choose_shots(labels, shots, seed):
    """Positions of `shots` images of each class, class by class: (K shots,).

    Every class is shuffled once and its first images are taken, so the images for 5 shots are among those for 10.
    Raises TypeError for labels that are not integers; ValueError for a class that has too few images, labels below 0 or
    of another shape, and shots or a seed that are no such numbers.
    """
    labels = _check_labels(labels, "labels")
    for name, value, least in (("shots", shots, 1), ("seed", seed, 0)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}={value!r} is not allowed; {name} must be an integer >= {least}")
    rng, chosen = np.random.default_rng(seed), []
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])  # K lists of positions
    for c, images in enumerate(by_class):
        if len(images) < shots:
            raise ValueError(f"class {c} has {len(images)} images; shots={shots} needs as many of every class")
        chosen.append(rng.permutation(images)[:shots])
    return np.concatenate(chosen)


def whitening(features):
    """Mean and standard deviation + 1e-5 of each column of the chosen images: (D - 1,) and (D - 1,)."""
    x = np.asarray(features, np.float64)
    return x.mean(axis=0), x.std(axis=0) + 1e-5


def whiten(features, mean, std):
    """[(x - mean) / std, 100]: columns of equal size, and a constant.     (N, D - 1) -> (N, D)"""
    x = (features - mean) / std
    return np.concatenate([x, np.full((len(x), 1), CONSTANT)], axis=1)  # (N, D)


# ---- the solution ----------------------------------------------------------------------------------------------------


def eigen_ridge(features, targets, form=None):
    """(left, e, right): for any l2, the weights of `ridge` are left diag(1 / (e + l2)) right.     X (N, D), Y (N, K)

    "primal": X^T X = Q diag(e) Q^T, (D, D);  left = Q,      right = Q^T X^T Y
    "dual":   X X^T = Q diag(e) Q^T, (N, N);  left = X^T Q,  right = Q^T Y
    None: the smaller matrix.  Both are the same, for (X^T X + l2) X^T = X^T (X X^T + l2).
    """
    if form not in (None, "primal", "dual"):
        raise ValueError(f"form={form!r} is not allowed; form must be 'primal', 'dual' or None")
    X, Y = np.asarray(features, np.float64), np.asarray(targets, np.float64)
    N, D = X.shape
    if form == "primal" or (form is None and N >= D):
        e, Q = np.linalg.eigh(X.T @ X)  # (D,), (D, D)
        left, right = Q, Q.T @ (X.T @ Y)  # (D, D), (D, K)
    else:
        e, Q = np.linalg.eigh(X @ X.T)  # (N,), (N, N)
        left, right = X.T @ Q, Q.T @ Y  # (D, N), (N, K)
    return left, e.clip(min=0), right  # neither matrix has eigenvalues below 0; after rounding they may


def ridge(features, targets, l2):
    """W with the least ||X W - Y||^2 + l2 ||W||^2: W = (X^T X + l2)^-1 X^T Y.     X (N, D), Y (N, K)  ->  (D, K)

    l2: a positive number, or a list of them; then a list of weights, at the cost of one eigendecomposition.
    """
    several = isinstance(l2, (list, tuple))
    strengths = [_check_l2(value) for value in (l2 if several else [l2])]
    left, e, right = eigen_ridge(features, targets)
    weights = [left @ (right / (e + strength)[:, None]) for strength in strengths]  # (D, K) each
    return weights if several else weights[0]


def predict(features, mean, std, weights):
    """The class with the highest score.     features (N, D - 1), weights (D, K)  ->  (N,)"""
    chunks = np.split(features, range(CHUNK, len(features), CHUNK))
    return np.concatenate([(whiten(x, mean, std) @ weights).argmax(1) for x in chunks])


# ---- all of it -------------------------------------------------------------------------------------------------------


def fit_and_score(features, labels, test_features, test_labels, num_classes, l2=L2):
    """Fit on these images, and give the part of the test images that is right.     features (N, D - 1), labels (N,)"""
    mean, std = whitening(features)
    targets = 2.0 * (labels[:, None] == np.arange(num_classes)) - 1  # (N, K): 1 for the image's class, else -1
    weights = ridge(whiten(features, mean, std), targets, l2)  # (D, K)
    right = predict(test_features, mean, std, weights) == test_labels
    return float(right.mean())


def few_shot_accuracy(
    train_features, train_labels, test_features, test_labels, shots=(1, 5, 10, 25), seeds=(0, 1, 2), l2=L2
):
    """{shots: [accuracy per seed]}: fit on so many training images of each class, count the test images it gets right.

    features (N, D - 1), labels (N,) of 0 ... K - 1; the seed chooses the images.  Raises TypeError for features that
    are not floating point and labels that are not integers; ValueError for shapes that do not fit, NaN, a single class,
    test labels of other classes, and a class with fewer training images than `shots` asks for.
    """
    x, x_test = _check_features(train_features, "train_features"), _check_features(test_features, "test_features")
    labels = _check_labels(train_labels, "train_labels", len(x))
    truth = _check_labels(test_labels, "test_labels", len(x_test))
    K, strength = int(labels.max()) + 1, _check_l2(l2)
    if K < 2:
        raise ValueError("train_labels holds one class; expected 2 or more")
    if truth.max() >= K:
        raise ValueError(f"test_labels run to {truth.max()}; train_labels allow 0..{K - 1}")
    if x_test.shape[1] != x.shape[1]:
        raise ValueError(f"test_features has {x_test.shape[1]} columns, train_features {x.shape[1]}; expected as many")
    for name, value in (("shots", shots), ("seeds", seeds)):
        if not isinstance(value, (tuple, list, range)) or not value:
            raise ValueError(f"{name}={value!r} is not allowed; {name} must be a list of integers")
    chosen = {(k, seed): choose_shots(labels, k, seed) for k in shots for seed in seeds}  # all, before any work

    accuracy = {k: [] for k in shots}
    for (k, _), images in chosen.items():
        accuracy[k].append(fit_and_score(x[images], labels[images], x_test, truth, K, strength))
    return accuracy


# ---- bad input -------------------------------------------------------------------------------------------------------


def _check_features(features, name):
    features = np.asarray(features)
    if features.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {features.dtype}; expected floating point")
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"{name} has shape {features.shape}; expected (N, D), neither of them 0")
    finite = np.isfinite(features).all(axis=1)  # (N,)
    if not finite.all():
        raise ValueError(f"{name}[{int(finite.argmin())}] holds NaN or infinity; expected finite features")
    return features


def _check_labels(labels, name, count=None):
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {labels.dtype}; expected integers 0 ... K - 1")
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"{name} has shape {labels.shape}; expected (N,), N at least 1")
    if count not in (None, len(labels)):
        raise ValueError(f"{name} holds {len(labels)} labels for {count} images")
    if labels.min() < 0:
        raise ValueError(f"{name} run from {labels.min()}; expected 0 ... K - 1")
    return labels.astype(np.int64)


def _check_l2(l2):
    is_number = isinstance(l2, (int, float, np.number)) and not isinstance(l2, bool)
    if not (is_number and 0 < l2 < np.inf):
        raise ValueError(f"l2={l2!r} is not allowed; l2 must be a positive number")
    return float(l2)
