"""Checks for notebooks/16_fewshot.ipynb: whitening, targets, shots, two forms of ridge, error bars, leaving one out."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake, quiet
from vitedu_numpy.transfer.shots import choose_shots as _choose_shots

__all__ = [
    "few_shots", "leave_one_out", "plus_minus_targets", "ridge_dual", "ridge_primal", "standard_error", "whiten",
]  # fmt: skip


# ---- whiten(features, test_features) -> X, T -------------------------------------------------------------------------


def _whiten_cases(rng):
    """features (N, F), test_features (M, F); one column hardly varies, so that the 1e-5 shows."""
    cases = []
    for N, M, F in [(5, 3, 4), (4, 6, 3), (6, 2, 5)]:
        size = 10.0 ** rng.uniform(-1, 1, F)
        size[1] = 1e-5
        shift = size * rng.standard_normal(F)
        cases.append(tuple(shift + size * rng.standard_normal((n, F)) for n in (N, M)))
    return cases


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


whiten = Check(
    "whiten",
    reference=_whitened(),
    cases=_whiten_cases,
    outputs={"X": "(N, D)", "T": "(N_test, D)"},
    mistakes=[
        Mistake(
            "the variance is divided by N - 1",
            "PyTorch's `std` does that by itself; the authors, and NumPy, divide by N.",
            _whitened(lambda x: x.std(axis=0, ddof=1) + 1e-5),
        ),
        Mistake(
            "the 1e-5 does not reach the division",
            "What would a column that never changes be divided by?",
            quiet(_whitened(lambda x: x.std(axis=0))),
        ),
        Mistake(
            "the 1e-5 stands under the root",
            "That is layer norm's way. Here it is added to the standard deviation.",
            _whitened(lambda x: np.sqrt(x.var(axis=0) + 1e-5)),
        ),
        Mistake(
            "the columns are divided by their variance",
            "Which of the two has the unit of the feature?",
            _whitened(lambda x: x.var(axis=0) + 1e-5),
        ),
        Mistake(
            "the columns are centred, but not scaled",
            "A feature with large numbers would hardly feel the penalty.",
            _whitened(lambda x: 1.0),
        ),
        Mistake(
            "the columns are scaled, but not centred",
            "Two numbers are taken from every column.",
            _whitened(mean=lambda x: 0.0),
        ),
        Mistake(
            "the test images are whitened with their own mean and deviation",
            "An image's score must not depend on which other images are tested.",
            _both_alone,
        ),
        Mistake(
            "mean and deviation are taken over training and test images together",
            "Whoever fits has not seen the test images yet.",
            _together,
        ),
        Mistake(
            "the test images are not whitened",
            "The weights belong to whitened features.",
            _test_as_it_is,
        ),
        Mistake(
            "each image is whitened by itself, along its row",
            "That is layer norm. Which axis holds the images?",
            _by_image,
        ),
        Mistake(
            "one mean and one deviation for all columns",
            "Features have sizes of their own.",
            _whitened(lambda x: x.std() + 1e-5, lambda x: x.mean()),
        ),
        Mistake(
            "the constant column is missing",
            "How many columns has X?",
            _whitened(end=lambda x: x),
        ),
        Mistake(
            "the constant is 1",
            "It would be penalised like a feature. How large did the authors make it?",
            _whitened(end=lambda x: _with_constant(x, 1.0)),
        ),
        Mistake(
            "the constant column stands first",
            "It comes after the features.",
            _whitened(end=lambda x: np.roll(_with_constant(x), 1, axis=1)),
        ),
        Mistake(
            "the constant column is whitened too, and is 0 now",
            "In which order are the two steps done?",
            _constant_before,
        ),
    ],
)


# ---- plus_minus_targets(labels, num_classes) -> Y --------------------------------------------------------------------


def _target_cases(rng):
    return [(rng.integers(0, K, N), K) for N, K in [(7, 3), (5, 4), (9, 6)]]


def _is_class(labels, num_classes):
    return (np.asarray(labels)[:, None] == np.arange(num_classes)).astype(float)


def _targets(change):
    return lambda labels, num_classes: change(_is_class(labels, num_classes))


plus_minus_targets = Check(
    "plus_minus_targets",
    reference=_targets(lambda y: 2 * y - 1),
    cases=_target_cases,
    outputs={"Y": "(N, K)"},
    mistakes=[
        Mistake(
            "the other classes have 0",
            "The paper's targets are two numbers of opposite sign.",
            _targets(lambda y: y),
        ),
        Mistake(
            "the signs are exchanged",
            "The image's own class should get the highest score.",
            _targets(lambda y: 1 - 2 * y),
        ),
        Mistake(
            "classes and images are exchanged",
            "A row belongs to an image.",
            _targets(lambda y: (2 * y - 1).T),
        ),
        Mistake(
            "the columns are centred",
            "The authors leave the mean in; the constant column sees to it.",
            _targets(lambda y: 2 * y - 1 - (2 * y - 1).mean(axis=0)),
        ),
        Mistake(
            "the other classes share the -1 among them",
            "Each of them has the whole of it.",
            _targets(lambda y: y - (1 - y) / (y.shape[1] - 1)),
        ),
        Mistake(
            "every class but the first comes one place too late",
            "Labels count from 0.",
            _targets(lambda y: np.roll(2 * y - 1, 1, axis=1)),
        ),
        Mistake(
            "the targets run from -1/2 to 1/2",
            "Only their distance is right by half.",
            _targets(lambda y: y - 0.5),
        ),
    ],
)


# ---- few_shots(labels, shots, seed) -> positions ---------------------------------------------------------------------


def _shots_cases(rng):
    cases = []
    for K, each, shots in [(3, 9, 4), (5, 7, 2), (4, 11, 6)]:
        labels = rng.permutation(np.repeat(np.arange(K), each + rng.integers(0, 4, K)))
        cases.append((labels, shots, int(rng.integers(1, 1000))))
    return cases


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


few_shots = Check(
    "few_shots",
    reference=lambda labels, shots, seed: _choose_shots(labels, shots, seed),
    cases=_shots_cases,
    outputs={"positions": "(K shots,)"},
    mistakes=[
        Mistake(
            "the first images of each class are taken, whatever the seed",
            "Three seeds would give the same accuracy three times.",
            _class_by_class(lambda rng, images, shots: images[:shots]),
        ),
        Mistake(
            "every class has a generator of its own, with the same seed",
            "One generator goes through all classes, and is made once.",
            _anew_for_each_class,
        ),
        Mistake(
            "all images are shuffled together, then sorted into classes",
            "Just as good, but other images than the authors'. Which are shuffled, and when?",
            _shuffle_all_first,
        ),
        Mistake(
            "the shots are drawn as a sample",
            "Just as good, but then the images for 5 shots need not be among those for 10. Shuffle the class.",
            _class_by_class(lambda rng, images, shots: rng.choice(images, shots, replace=False)),
        ),
        Mistake(
            "an image may be drawn twice",
            "Five shots are five different images.",
            _class_by_class(lambda rng, images, shots: rng.choice(images, shots)),
        ),
        Mistake(
            "the last of the shuffled images are taken",
            "The images for 5 shots should be the first of those for 10.",
            _class_by_class(lambda rng, images, shots: rng.permutation(images)[-shots:]),
        ),
        Mistake(
            "places within the class are returned",
            "The third 7 of the data set is not its image number 3.",
            _class_by_class(lambda rng, images, shots: rng.permutation(len(images))[:shots]),
        ),
        Mistake(
            "so many images in all, not of every class",
            "How many images have 5 shots of 10 classes?",
            _so_many_in_all,
        ),
        Mistake(
            "the classes take turns",
            "The right images, in another order: all of class 0 come first.",
            _by_turns,
        ),
        Mistake(
            "the positions are sorted",
            "The right images, in another order: all of class 0 come first, as they were shuffled.",
            lambda labels, shots, seed: np.sort(_choose_shots(labels, shots, seed)),
        ),
    ],
)


# ---- ridge_primal(X, Y, l2) -> W, ridge_dual(X, Y, l2) -> W ----------------------------------------------------------


def _ridge_cases(rng, sizes):
    """X (N, D), Y (N, K) of +1 and -1, l2"""
    return [
        (rng.standard_normal((N, D)), rng.choice([-1.0, 1.0], (N, K)), float(rng.uniform(0.3, 0.8)))
        for N, D, K in sizes
    ]


def _primal(penalty=lambda X, l2: l2 * np.eye(X.shape[1]), right=lambda X, Y: X.T @ Y, end=lambda W: W):
    """end((X^T X + penalty)^-1 right)"""
    return lambda X, Y, l2: end(np.linalg.solve(X.T @ X + penalty(X, l2), right(X, Y)))


def _all_but_the_last(X, l2):
    return l2 * np.diag(np.arange(X.shape[1]) < X.shape[1] - 1)


ridge_primal = Check(
    "ridge_primal",
    reference=_primal(),
    cases=lambda rng: _ridge_cases(rng, [(7, 3, 2), (9, 4, 5), (6, 5, 3)]),
    outputs={"W": "(D, K)"},
    mistakes=[
        Mistake(
            "l2 is added to every entry",
            "`A + l2` of a matrix and a number. The derivative of the penalty is l2 W: which matrix does that?",
            _primal(lambda X, l2: l2),
        ),
        Mistake(
            "there is no penalty",
            "Where does l2 come in?",
            _primal(lambda X, l2: 0.0),
        ),
        Mistake(
            "the penalty is twice as strong",
            "Both terms of the derivative have a factor 2. Did one of them keep it?",
            _primal(lambda X, l2: 2 * l2 * np.eye(X.shape[1])),
        ),
        Mistake(
            "the penalty is half as strong",
            "The penalty is l2 times the squares, not half of that.",
            _primal(lambda X, l2: l2 / 2 * np.eye(X.shape[1])),
        ),
        Mistake(
            "the penalty is multiplied by the number of images",
            "The squares are summed over the images, not averaged.",
            _primal(lambda X, l2: l2 * len(X) * np.eye(X.shape[1])),
        ),
        Mistake(
            "the penalty is squared",
            "Look at the derivative once more: l2 is a factor.",
            _primal(lambda X, l2: l2**2 * np.eye(X.shape[1])),
        ),
        Mistake(
            "the penalty has the wrong sign",
            "A larger l2 should make smaller weights.",
            _primal(lambda X, l2: -l2 * np.eye(X.shape[1])),
        ),
        Mistake(
            "the last column is not penalised",
            "Others leave the constant out; the authors treat it as a feature, and make it large.",
            _primal(_all_but_the_last),
        ),
        Mistake(
            "the system is not solved",
            "X^T Y says how well features and targets go together. What has still to be undone?",
            lambda X, Y, l2: X.T @ Y / l2,
        ),
        Mistake(
            "the weights have the wrong sign",
            "With the derivative at 0, on which side does X^T Y stand?",
            _primal(end=lambda W: -W),
        ),
        Mistake(
            "the weights are transposed",
            "A column of W makes one class's score.",
            _primal(end=lambda W: W.T),
        ),
    ],
)


def _dual(penalty=lambda X, l2: l2 * np.eye(len(X)), end=lambda X, a: X.T @ a):
    """end(X, (X X^T + penalty)^-1 Y)"""
    return lambda X, Y, l2: end(X, np.linalg.solve(X @ X.T + penalty(X, l2), Y))


ridge_dual = Check(
    "ridge_dual",
    reference=_dual(),
    cases=lambda rng: _ridge_cases(rng, [(3, 7, 2), (4, 6, 5), (5, 8, 3)]),
    outputs={"W": "(D, K)"},
    mistakes=[
        Mistake(
            "the weights of the images are returned, not of the features",
            "There are N of them. W is a sum of the rows of X, with these as factors.",
            _dual(end=lambda X, a: a),
        ),
        Mistake(
            "the scores of the training images are returned",
            "W is a sum of the rows of X. Which product is that?",
            _dual(end=lambda X, a: X @ (X.T @ a)),
        ),
        Mistake(
            "l2 is added to every entry",
            "`A + l2` of a matrix and a number. Only the diagonal has it.",
            _dual(lambda X, l2: l2),
        ),
        Mistake(
            "there is no penalty",
            "Where does l2 come in?",
            _dual(lambda X, l2: 0.0),
        ),
        Mistake(
            "the penalty is twice as strong",
            "Both terms of the derivative have a factor 2. Did one of them keep it?",
            _dual(lambda X, l2: 2 * l2 * np.eye(len(X))),
        ),
        Mistake(
            "the penalty is half as strong",
            "The penalty is l2 times the squares, not half of that.",
            _dual(lambda X, l2: l2 / 2 * np.eye(len(X))),
        ),
        Mistake(
            "the penalty is multiplied by the number of images",
            "The squares are summed over the images, not averaged.",
            _dual(lambda X, l2: l2 * len(X) * np.eye(len(X))),
        ),
        Mistake(
            "the penalty has the wrong sign",
            "A larger l2 should make smaller weights.",
            _dual(lambda X, l2: -l2 * np.eye(len(X))),
        ),
        Mistake(
            "the weights are transposed",
            "A column of W makes one class's score.",
            _dual(end=lambda X, a: a.T @ X),
        ),
    ],
)


# ---- standard_error(accuracy) -> error -------------------------------------------------------------------------------


def _seed_cases(rng):
    """(number of settings, number of seeds)"""
    return [(rng.uniform(0.2, 0.9, shape),) for shape in [(4, 3), (2, 5), (5, 4)]]


def _error(formula):
    """formula(variance with N - 1, number of seeds)"""
    return lambda accuracy: formula(np.var(accuracy, axis=1, ddof=1), accuracy.shape[1])


standard_error = Check(
    "standard_error",
    reference=_error(lambda variance, n: np.sqrt(variance / n)),
    cases=_seed_cases,
    outputs={"error": "(R,)"},
    mistakes=[
        Mistake(
            "the deviation of one seed, not of their mean",
            "The mean of many seeds is surer than one of them.",
            _error(lambda variance, n: np.sqrt(variance)),
        ),
        Mistake(
            "the variance is divided by n, not by n - 1",
            "The mean was taken from the same seeds: of three deviations, two are free.",
            _error(lambda variance, n: np.sqrt(variance * (n - 1) / n / n)),
        ),
        Mistake(
            "the deviation of one seed, with n in place of n - 1",
            "Two things: which deviation, and what becomes of it in a mean?",
            _error(lambda variance, n: np.sqrt(variance * (n - 1) / n)),
        ),
        Mistake(
            "the deviation is divided by n, not by its root",
            "The variance of a sum is n times that of one; the sum is then divided by n.",
            _error(lambda variance, n: np.sqrt(variance) / n),
        ),
        Mistake(
            "the root is missing: that is the variance of the mean",
            "An error bar has the unit of an accuracy.",
            _error(lambda variance, n: variance / n),
        ),
        Mistake(
            "the seeds are not the axis that is averaged over",
            "A row holds one setting, with all of its seeds.",
            lambda accuracy: np.sqrt(np.var(accuracy, axis=0, ddof=1) / len(accuracy)),
        ),
        Mistake(
            "one error for everything",
            "Settings differ from each other for other reasons than chance.",
            lambda accuracy: np.sqrt(np.var(accuracy, ddof=1) / accuracy.size),
        ),
        Mistake(
            "half of the range",
            "With more seeds the range grows, while the mean gets surer.",
            lambda accuracy: (accuracy.max(axis=1) - accuracy.min(axis=1)) / 2,
        ),
        Mistake(
            "the error that so many tested images would have",
            "That is another error: of the test set. Here the seeds themselves say how far they differ.",
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


leave_one_out = Check(
    "leave_one_out",
    reference=_left_out(_exactly),
    cases=lambda rng: _ridge_cases(rng, [(7, 3, 2), (9, 4, 3), (8, 5, 2)]),
    outputs={"scores": "(N, K)"},
    mistakes=[
        Mistake(
            "the scores of the whole fit",
            "The image whose score this is was still among those that W was fitted on.",
            _left_out(lambda Y, fit, h: fit),
        ),
        Mistake(
            "the image's own share is taken out, but nothing takes its place",
            "Without image i its weight goes to the others. By which factor do they grow?",
            _left_out(lambda Y, fit, h: fit - h * Y),
        ),
        Mistake(
            "residuals, not scores",
            "The residual is target minus score.",
            _left_out(lambda Y, fit, h: (Y - fit) / (1 - h)),
        ),
        Mistake(
            "the residual is added where it should be taken away",
            "An image that is left out is fitted worse than before, never better.",
            _left_out(lambda Y, fit, h: Y + (Y - fit) / (1 - h)),
        ),
        Mistake(
            "the mean share for every image",
            "That is generalised cross-validation, a good estimate. But here each image has a share of its own.",
            _left_out(lambda Y, fit, h: _exactly(Y, fit, h.mean())),
        ),
        Mistake(
            "the residual is divided by the share of the image itself",
            "What is left for the others, if the image itself has a share of h?",
            _left_out(lambda Y, fit, h: Y - (Y - fit) / h),
        ),
        Mistake(
            "the residual is multiplied, not divided",
            "An image with a large share of its own score loses more when it is left out.",
            _left_out(lambda Y, fit, h: Y - (Y - fit) * (1 - h)),
        ),
        Mistake(
            "the share is taken without the penalty",
            "Its matrix is the one that makes the scores, l2 included.",
            _left_out(_exactly, lambda l2: 0.0),
        ),
        Mistake(
            "every score is divided, and no share is taken out",
            "The image's own target must vanish from its score.",
            _left_out(lambda Y, fit, h: fit / (1 - h)),
        ),
    ],
)
