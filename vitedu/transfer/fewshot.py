"""Few-shot accuracy: least squares on a frozen model's features (Sec. 4.1).  Taught in notebooks/16_fewshot.ipynb.

A few images per class, +1 and -1 as targets, one linear map with its exact solution.  Nothing is trained, so it can be
had while a model is being trained.  As `fewshot_lsr` of google-research/big_vision, but in float64 throughout: with the
constant column, float32 has too few digits for a small `l2`, and for a very small one float64 needs the SVD.
Features stay on their device.

Shapes: `N` images, `D` features (from `whiten` on with the constant column), `K` classes.
"""

from __future__ import annotations

import torch

from vitedu_numpy.transfer.shots import check_l2, check_labels, choose_all
from vitedu_numpy.weights.layout import as_array

from ..module import shaped
from ..tensors import as_tensor

__all__ = [
    "CONSTANT", "L2", "check_data", "check_features", "eigen_ridge", "eigen_suffices", "few_shot_accuracy",
    "fit_and_score", "predict", "ridge", "svd_ridge", "whiten", "whitening",
]  # fmt: skip

CONSTANT = 100.0  # the last column: so large that the penalty on its weight, which is the bias, hardly counts
L2 = 2.0**10  # strength of the penalty, as official
TOLERANCE = 1e-10  # largest relative error of the weights for which the quick form is good enough
CHUNK = 4096  # test images at a time: the scores (N, K) of all of them may need more memory than the model


# ---- the data --------------------------------------------------------------------------------------------------------


@shaped
def whitening(features):
    """Mean and standard deviation + 1e-5 of each column of the images.     features (N, D - 1)  ->  two (D - 1,)"""
    x = features.double()
    return x.mean(dim=0), x.std(dim=0, correction=0) + 1e-5


@shaped
def whiten(features, mean, std):
    """[(x - mean) / std, 100]: columns of equal size, and a constant.     features (N, D - 1)  ->  (N, D)"""
    x = (features - mean) / std
    return torch.cat([x, x.new_full((len(x), 1), CONSTANT)], dim=1)  # (N, D)


# ---- the solution ----------------------------------------------------------------------------------------------------


@shaped
def svd_ridge(features, targets):
    """(left, e, right): for any l2, the weights of `ridge` are left diag(1 / (e + l2)) right.

    features X (N, D)   targets Y (N, K)
    X = U diag(s) V^T, so X^T X = V diag(s^2) V^T;  left = V,  e = s^2,  right = V^T X^T Y = diag(s) U^T Y.
    """
    X, Y = features, targets
    U, s, Vt = torch.linalg.svd(X, full_matrices=False)  # (N, r), (r,), (r, D), r the smaller of N and D
    return Vt.T, s**2, s[:, None] * (U.T @ Y)  # (D, r), (r,), (r, K)


@shaped
def eigen_ridge(features, targets, form=None):
    """The same from one product of X with itself: quicker, but only where `eigen_suffices` as exact as `svd_ridge`.

    features X (N, D)   targets Y (N, K)
    "primal": X^T X = Q diag(e) Q^T, (D, D);  left = Q,      right = Q^T X^T Y
    "dual":   X X^T = Q diag(e) Q^T, (N, N);  left = X^T Q,  right = Q^T Y
    None: the smaller matrix.  Both are the same, for (X^T X + l2) X^T = X^T (X X^T + l2).
    """
    if form not in (None, "primal", "dual"):
        raise ValueError(f"form={form!r} is not allowed; form must be 'primal', 'dual' or None")
    X, Y = features, targets
    N, D = X.shape
    if form == "primal" or (form is None and N >= D):
        e, Q = torch.linalg.eigh(X.T @ X)  # (D,), (D, D)
        left, right = Q, Q.T @ (X.T @ Y)  # (D, D), (D, K)
    else:
        e, Q = torch.linalg.eigh(X @ X.T)  # (N,), (N, N)
        left, right = X.T @ Q, Q.T @ Y  # (D, N), (N, K)
    return left, e.clip(min=0), right  # neither matrix has eigenvalues below 0; after rounding they may


def eigen_suffices(features, l2):
    """Does `eigen_ridge` lose less than `TOLERANCE` of the weights at this l2?     eps ||X||^2 <= TOLERANCE l2

    X^T X is rounded before it is decomposed: its eigenvectors belong to X^T X + E with ||E|| about eps ||X||^2, and E
    changes W = (X^T X + l2)^-1 X^T Y by -(X^T X + l2)^-1 E W, at most eps ||X||^2 / l2 of W.  For ||X||^2, the largest
    eigenvalue, stands the sum of all: a little more, and had before any is known.
    """
    return bool(torch.finfo(torch.float64).eps * features.double().square().sum() <= TOLERANCE * l2)


@shaped
def ridge(features, targets, l2):
    """W with the least ||X W - Y||^2 + l2 ||W||^2: W = (X^T X + l2)^-1 X^T Y.

    features X (N, D)   targets Y (N, K)  ->  (D, K)
    l2: a positive number, or a list of them; then a list of weights, at the cost of one decomposition of each kind.
    """
    several = isinstance(l2, (list, tuple))
    strengths = [check_l2(value) for value in (l2 if several else [l2])]
    solvers = [eigen_ridge if eigen_suffices(features, strength) else svd_ridge for strength in strengths]
    X, Y = features.double(), targets.double()
    for name, x in (("features", X), ("targets", Y)):
        if not torch.isfinite(x).all():
            raise ValueError(f"{name} holds NaN or infinity; expected finite numbers")
    parts = {solver: solver(X, Y) for solver in set(solvers)}
    weights = []
    for strength, solver in zip(strengths, solvers, strict=True):
        left, e, right = parts[solver]
        weights.append(left @ (right / (e + strength)[:, None]))  # (D, K)
    return weights if several else weights[0]


@shaped
def predict(features, mean, std, weights):
    """The class with the highest score.     features (N, D - 1)   weights (D, K)  ->  (N,)"""
    chunks = features.split(CHUNK)
    return torch.cat([(whiten(x, mean, std) @ weights).argmax(1) for x in chunks])


# ---- all of it -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def fit_and_score(features, labels, test_features, test_labels, num_classes, l2=L2):
    """Fit on these images, and give the part of the test images that is right.     features (N, D - 1), labels (N,)"""
    mean, std = whitening(features)
    classes = torch.arange(num_classes, device=labels.device)
    targets = 2.0 * (labels[:, None] == classes) - 1  # (N, K): 1 for the image's class, else -1
    weights = ridge(whiten(features, mean, std), targets, l2)  # (D, K)
    right = predict(test_features, mean, std, weights) == test_labels
    return float(right.double().mean())


def few_shot_accuracy(
    train_features, train_labels, test_features, test_labels, shots=(1, 5, 10, 25), seeds=(0, 1, 2), l2=L2
):
    """{shots: [accuracy per seed]}: fit on so many training images of each class, count the test images it gets right.

    features (N, D - 1), labels (N,) of 0 ... K - 1; the seed chooses the images.  Raises TypeError for features that
    are not floating point and labels that are not integers; ValueError for shapes that do not fit, NaN, a single class,
    test labels of other classes, and a class with fewer training images than `shots` asks for.
    """
    x, labels, x_test, truth = check_data(train_features, train_labels, test_features, test_labels)
    strength = check_l2(l2)
    chosen, K = choose_all(labels, truth, shots, seeds)
    labels, truth = torch.from_numpy(labels).to(x.device), torch.from_numpy(truth).to(x_test.device)

    accuracy = {k: [] for k in shots}
    for (k, _), positions in chosen.items():
        images = torch.from_numpy(positions).to(x.device)
        accuracy[k].append(fit_and_score(x[images], labels[images], x_test, truth, K, strength))
    return accuracy


# ---- bad input -------------------------------------------------------------------------------------------------------


def check_data(train_features, train_labels, test_features, test_labels):
    """The four arguments of everything that is measured on features, checked: (N, D), (N,), (N_test, D), (N_test,)."""
    x, x_test = check_features(train_features, "train_features"), check_features(test_features, "test_features")
    labels = check_labels(as_array(train_labels), "train_labels", len(x))
    truth = check_labels(as_array(test_labels), "test_labels", len(x_test))
    if x_test.shape[1] != x.shape[1]:
        raise ValueError(f"test_features has {x_test.shape[1]} columns, train_features {x.shape[1]}; expected as many")
    if bool((x == x[0]).all()):
        raise ValueError("train_features are the same for every image; expected features that differ")
    return x, labels, x_test, truth


def check_features(features, name):
    """Features (N, D), finite floating-point numbers."""
    features = as_tensor(features, name)
    if features.is_meta:
        raise TypeError(f"{name} is a meta tensor, which holds no numbers; expected numbers")
    if not features.is_floating_point():
        raise TypeError(f"{name} has dtype {features.dtype}; expected floating point")
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"{name} has shape {tuple(features.shape)}; expected (N, D), neither of them 0")
    finite = torch.isfinite(features).all(dim=1)  # (N,)
    if not finite.all():
        raise ValueError(f"{name}[{int(finite.int().argmin())}] holds NaN or infinity; expected finite features")
    return features.cpu() if features.device.type == "mps" else features  # Apple's GPUs have no float64
