"""Wrong answers to notebooks/16_fewshot.ipynb: whitening, targets, shots, ridge, error bars, leaving one out."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet
from vitedu_numpy.transfer.shots import choose_shots as _choose_shots

from . import FirstGeneration

__all__ = [
    "few_shots", "leave_one_out", "plus_minus_targets", "ridge_dual", "ridge_primal", "standard_error", "whiten",
]  # fmt: skip


# ---- whiten(features, test_features) -> X, T -------------------------------------------------------------------------


def _one_std(x):
    return x.std(axis=0) + 1e-5


def _with_constant(x, value=100.0):
    return np.concatenate([x, np.full((len(x), 1), value)], axis=1)


def _whitened(std=_one_std, mean=lambda x: x.mean(axis=0), end=_with_constant):
    """mean and std of the chosen images for both sets, then what comes at the end of each row."""

    def answer(features, test_features):
        m, s = mean(features), std(features)
        return end((features - m) / s), end((test_features - m) / s)

    return answer


def _both_alone(features, test_features):
    right = _whitened()
    return right(features, features)[0], right(test_features, test_features)[0]


def _together(features, test_features):
    both = np.concatenate([features, test_features])
    m, s = both.mean(axis=0), _one_std(both)
    return _with_constant((features - m) / s), _with_constant((test_features - m) / s)


def _test_as_it_is(features, test_features):
    return _whitened()(features, features)[0], _with_constant(test_features)


def _constant_before(features, test_features):
    return _whitened(end=lambda x: x)(_with_constant(features), _with_constant(test_features))


def _by_image(features, test_features):
    def whitened(x):
        return _with_constant((x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + 1e-5))

    return whitened(features), whitened(test_features)


whiten = FirstGeneration(
    _whitened(),
    [
        ("the variance is divided by N - 1", _whitened(lambda x: x.std(axis=0, ddof=1) + 1e-5)),
        ("the 1e-5 does not reach the division", quiet(_whitened(lambda x: x.std(axis=0)))),
        ("the 1e-5 stands under the root", _whitened(lambda x: np.sqrt(x.var(axis=0) + 1e-5))),
        ("the columns are divided by their variance", _whitened(lambda x: x.var(axis=0) + 1e-5)),
        ("the columns are centred, but not scaled", _whitened(lambda x: 1.0)),
        ("the columns are scaled, but not centred", _whitened(mean=lambda x: 0.0)),
        ("the test images are whitened with their own mean and deviation", _both_alone),
        ("mean and deviation are taken over training and test images together", _together),
        ("the test images are not whitened", _test_as_it_is),
        ("each image is whitened by itself, along its row", _by_image),
        ("one mean and one deviation for all columns", _whitened(lambda x: x.std() + 1e-5, lambda x: x.mean())),
        ("the constant column is missing", _whitened(end=lambda x: x)),
        ("the constant is 1", _whitened(end=lambda x: _with_constant(x, 1.0))),
        ("the constant column stands first", _whitened(end=lambda x: np.roll(_with_constant(x), 1, axis=1))),
        ("the constant column is whitened too, and is 0 now", _constant_before),
    ],
)


# ---- plus_minus_targets(labels, num_classes) -> Y --------------------------------------------------------------------


def _is_class(labels, num_classes):
    return (np.asarray(labels)[:, None] == np.arange(num_classes)).astype(float)


def _targets(change):
    return lambda labels, num_classes: change(_is_class(labels, num_classes))


plus_minus_targets = FirstGeneration(
    _targets(lambda y: 2 * y - 1),
    [
        ("the other classes have 0", _targets(lambda y: y)),
        ("the signs are exchanged", _targets(lambda y: 1 - 2 * y)),
        ("classes and images are exchanged", _targets(lambda y: (2 * y - 1).T)),
        ("the columns are centred", _targets(lambda y: 2 * y - 1 - (2 * y - 1).mean(axis=0))),
        ("the other classes share the -1 among them", _targets(lambda y: y - (1 - y) / (y.shape[1] - 1))),
        ("every class but the first comes one place too late", _targets(lambda y: np.roll(2 * y - 1, 1, axis=1))),
        ("the targets run from -1/2 to 1/2", _targets(lambda y: y - 0.5)),
    ],
)


# ---- few_shots(labels, shots, seed) -> positions ---------------------------------------------------------------------


def _class_by_class(pick):
    """pick(rng, positions of one class, shots) -> positions"""

    def answer(labels, shots, seed):
        rng = np.random.default_rng(seed)
        classes = range(int(labels.max()) + 1)
        return np.concatenate([pick(rng, np.where(labels == c)[0], shots) for c in classes])

    return answer


def _anew_for_each_class(labels, shots, seed):
    classes = [np.where(labels == c)[0] for c in range(int(labels.max()) + 1)]
    return np.concatenate([np.random.default_rng(seed).permutation(images)[:shots] for images in classes])


def _shuffle_all_first(labels, shots, seed):
    order = np.random.default_rng(seed).permutation(len(labels))
    return np.concatenate([order[labels[order] == c][:shots] for c in range(int(labels.max()) + 1)])


def _so_many_in_all(labels, shots, seed):
    return np.random.default_rng(seed).permutation(len(labels))[:shots]


def _by_turns(labels, shots, seed):
    return _choose_shots(labels, shots, seed).reshape(-1, shots).T.ravel()


few_shots = FirstGeneration(
    lambda labels, shots, seed: _choose_shots(labels, shots, seed),
    [
        (
            "the first images of each class are taken, whatever the seed",
            _class_by_class(lambda rng, images, shots: images[:shots]),
        ),
        ("every class has a generator of its own, with the same seed", _anew_for_each_class),
        ("all images are shuffled together, then sorted into classes", _shuffle_all_first),
        (
            "the shots are drawn as a sample",
            _class_by_class(lambda rng, images, shots: rng.choice(images, shots, replace=False)),
        ),
        ("an image may be drawn twice", _class_by_class(lambda rng, images, shots: rng.choice(images, shots))),
        (
            "the last of the shuffled images are taken",
            _class_by_class(lambda rng, images, shots: rng.permutation(images)[-shots:]),
        ),
        (
            "places within the class are returned",
            _class_by_class(lambda rng, images, shots: rng.permutation(len(images))[:shots]),
        ),
        ("so many images in all, not of every class", _so_many_in_all),
        ("the classes take turns", _by_turns),
        ("the positions are sorted", lambda labels, shots, seed: np.sort(_choose_shots(labels, shots, seed))),
    ],
)


# ---- ridge_primal(X, Y, l2) -> W, ridge_dual(X, Y, l2) -> W ----------------------------------------------------------


def _primal(penalty=lambda X, l2: l2 * np.eye(X.shape[1]), right=lambda X, Y: X.T @ Y, end=lambda W: W):
    """end((X^T X + penalty)^-1 right)"""
    return lambda X, Y, l2: end(np.linalg.solve(X.T @ X + penalty(X, l2), right(X, Y)))


def _all_but_the_last(X, l2):
    return l2 * np.diag(np.arange(X.shape[1]) < X.shape[1] - 1)


ridge_primal = FirstGeneration(
    _primal(),
    [
        ("l2 is added to every entry", _primal(lambda X, l2: l2)),
        ("there is no penalty", _primal(lambda X, l2: 0.0)),
        ("the penalty is twice as strong", _primal(lambda X, l2: 2 * l2 * np.eye(X.shape[1]))),
        ("the penalty is half as strong", _primal(lambda X, l2: l2 / 2 * np.eye(X.shape[1]))),
        ("the penalty is multiplied by the number of images", _primal(lambda X, l2: l2 * len(X) * np.eye(X.shape[1]))),
        ("the penalty is squared", _primal(lambda X, l2: l2**2 * np.eye(X.shape[1]))),
        ("the penalty has the wrong sign", _primal(lambda X, l2: -l2 * np.eye(X.shape[1]))),
        ("the last column is not penalised", _primal(_all_but_the_last)),
        ("the system is not solved", lambda X, Y, l2: X.T @ Y / l2),
        ("the weights have the wrong sign", _primal(end=lambda W: -W)),
        ("the weights are transposed", _primal(end=lambda W: W.T)),
    ],
)


def _dual(penalty=lambda X, l2: l2 * np.eye(len(X)), end=lambda X, a: X.T @ a):
    """end(X, (X X^T + penalty)^-1 Y)"""
    return lambda X, Y, l2: end(X, np.linalg.solve(X @ X.T + penalty(X, l2), Y))


ridge_dual = FirstGeneration(
    _dual(),
    [
        ("the weights of the images are returned, not of the features", _dual(end=lambda X, a: a)),
        ("the scores of the training images are returned", _dual(end=lambda X, a: X @ (X.T @ a))),
        ("l2 is added to every entry", _dual(lambda X, l2: l2)),
        ("there is no penalty", _dual(lambda X, l2: 0.0)),
        ("the penalty is twice as strong", _dual(lambda X, l2: 2 * l2 * np.eye(len(X)))),
        ("the penalty is half as strong", _dual(lambda X, l2: l2 / 2 * np.eye(len(X)))),
        ("the penalty is multiplied by the number of images", _dual(lambda X, l2: l2 * len(X) * np.eye(len(X)))),
        ("the penalty has the wrong sign", _dual(lambda X, l2: -l2 * np.eye(len(X)))),
        ("the weights are transposed", _dual(end=lambda X, a: a.T @ X)),
    ],
)


# ---- standard_error(accuracy) -> error -------------------------------------------------------------------------------


def _error(formula):
    """formula(variance with N - 1, number of seeds)"""
    return lambda accuracy: formula(np.var(accuracy, axis=1, ddof=1), accuracy.shape[1])


standard_error = FirstGeneration(
    _error(lambda variance, n: np.sqrt(variance / n)),
    [
        ("the deviation of one seed, not of their mean", _error(lambda variance, n: np.sqrt(variance))),
        ("the variance is divided by n, not by n - 1", _error(lambda variance, n: np.sqrt(variance * (n - 1) / n / n))),
        (
            "the deviation of one seed, with n in place of n - 1",
            _error(lambda variance, n: np.sqrt(variance * (n - 1) / n)),
        ),
        ("the deviation is divided by n, not by its root", _error(lambda variance, n: np.sqrt(variance) / n)),
        ("the root is missing: that is the variance of the mean", _error(lambda variance, n: variance / n)),
        (
            "the seeds are not the axis that is averaged over",
            lambda accuracy: np.sqrt(np.var(accuracy, axis=0, ddof=1) / len(accuracy)),
        ),
        ("one error for everything", lambda accuracy: np.sqrt(np.var(accuracy, ddof=1) / accuracy.size)),
        ("half of the range", lambda accuracy: (accuracy.max(axis=1) - accuracy.min(axis=1)) / 2),
        (
            "the error that so many tested images would have",
            lambda accuracy: np.sqrt(accuracy.mean(1) * (1 - accuracy.mean(1)) / accuracy.shape[1]),
        ),
    ],
)


# ---- leave_one_out(X, Y, l2) -> predictions --------------------------------------------------------------------------


def _hat(X, l2):
    """H (N, N): fitted scores = H Y"""
    return X @ np.linalg.solve(X.T @ X + l2 * np.eye(X.shape[1]), X.T)


def _left_out(formula, l2_of=lambda l2: l2):
    """formula(Y, H Y, diagonal of H (N, 1))"""

    def answer(X, Y, l2):
        H = _hat(X, l2_of(l2))
        return formula(Y, H @ Y, H.diagonal()[:, None])

    return answer


def _exactly(Y, fit, h):
    return (fit - h * Y) / (1 - h)


leave_one_out = FirstGeneration(
    _left_out(_exactly),
    [
        ("the scores of the whole fit", _left_out(lambda Y, fit, h: fit)),
        ("the image's own share is taken out, but nothing takes its place", _left_out(lambda Y, fit, h: fit - h * Y)),
        ("residuals, not scores", _left_out(lambda Y, fit, h: (Y - fit) / (1 - h))),
        ("the residual is added where it should be taken away", _left_out(lambda Y, fit, h: Y + (Y - fit) / (1 - h))),
        ("the mean share for every image", _left_out(lambda Y, fit, h: _exactly(Y, fit, h.mean()))),
        ("the residual is divided by the share of the image itself", _left_out(lambda Y, fit, h: Y - (Y - fit) / h)),
        ("the residual is multiplied, not divided", _left_out(lambda Y, fit, h: Y - (Y - fit) * (1 - h))),
        ("the share is taken without the penalty", _left_out(_exactly, lambda l2: 0.0)),
        ("every score is divided, and no share is taken out", _left_out(lambda Y, fit, h: fit / (1 - h))),
    ],
)
