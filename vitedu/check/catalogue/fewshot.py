"""Exercises of notebooks/16_fewshot.ipynb: whitening, shots, forms of ridge, errors, leaving one out."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise

__all__ = [
    "few_shots", "leave_one_out", "plus_minus_targets", "ridge_dual", "ridge_primal", "shots_and_held_out",
    "standard_error", "total_error", "weighted_ridge", "whiten",
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


def _joined(x, value=100.0):
    """x and a constant column."""
    return np.concatenate([x, np.full((len(x), 1), value)], axis=1)


@exercise(cases=_whiten_cases, outputs={"X": "(N, D)", "T": "(N_test, D)"}, level=2, minutes=15)
def whiten(features, test_features):
    mean = features.mean(axis=0)  # the mean
    std = features.std(axis=0) + 1e-5  # the deviation
    X = (features - mean) / std  # the whitened features
    T = (test_features - mean) / std  # the whitened test features
    return _joined(X), _joined(T)


whiten.slip(
    "the variance is divided by N - 1",
    "PyTorch's `std` does that by itself; the authors, and NumPy, divide by N.",
    std="features.std(axis=0, ddof=1) + 1e-5",
)
whiten.slip(
    "the 1e-5 does not reach the division",
    "What would a column that never changes be divided by?",
    std="features.std(axis=0)",
)
whiten.slip(
    "the 1e-5 stands under the root",
    "That is layer norm's way. Here it is added to the standard deviation.",
    std="np.sqrt(features.var(axis=0) + 1e-5)",
)
whiten.slip(
    "the columns are divided by their variance",
    "Which of the two has the unit of the feature?",
    std="features.var(axis=0) + 1e-5",
)
whiten.slip(
    "the columns are centred, but not scaled", "A feature with large numbers would hardly feel the penalty.", std="1.0"
)
whiten.slip("the columns are scaled, but not centred", "Two numbers are taken from every column.", mean="0.0")
whiten.slip(
    "the test images are whitened with their own mean and deviation",
    "An image's score must not depend on which other images are tested.",
    T="(test_features - test_features.mean(axis=0)) / (test_features.std(axis=0) + 1e-5)",
)
whiten.slip(
    "mean and deviation are taken over training and test images together",
    "Whoever fits has not seen the test images yet.",
    mean="np.concatenate([features, test_features]).mean(axis=0)",
    std="np.concatenate([features, test_features]).std(axis=0) + 1e-5",
)
whiten.slip("the test images are not whitened", "The weights belong to whitened features.", T="test_features")
whiten.slip(
    "each image is whitened by itself, along its row",
    "That is layer norm. Which axis holds the images?",
    X="(features - features.mean(axis=1, keepdims=True)) / (features.std(axis=1, keepdims=True) + 1e-5)",
    T="(test_features - test_features.mean(axis=1, keepdims=True)) / (test_features.std(axis=1, keepdims=True) + 1e-5)",
)
whiten.slip(
    "one mean and one deviation for all columns",
    "Features have sizes of their own.",
    mean="features.mean()",
    std="features.std() + 1e-5",
)
whiten.slip("the constant column is missing", "How many columns has X?", result="(X, T)")
whiten.slip(
    "the constant is 1",
    "It would be penalised like a feature. How large did the authors make it?",
    result="(_joined(X, 1.0), _joined(T, 1.0))",
)
whiten.slip(
    "the constant column stands first",
    "It comes after the features.",
    result="(np.roll(_joined(X), 1, axis=1), np.roll(_joined(T), 1, axis=1))",
)
whiten.slip(
    "the constant column is whitened too, and is 0 now",
    "In which order are the two steps done?",
    result="(_joined(X, 0.0), _joined(T, 0.0))",
)


# ---- plus_minus_targets(labels, num_classes) -> Y --------------------------------------------------------------------


def _target_cases(rng):
    return [(rng.integers(0, K, N), K) for N, K in [(7, 3), (5, 4), (9, 6)]]


@exercise(cases=_target_cases, outputs={"Y": "(N, K)"}, level=1, minutes=5)
def plus_minus_targets(labels, num_classes):
    own = (labels[:, None] == np.arange(num_classes)).astype(float)  # the images' own classes
    return 2 * own - 1  # the targets


for _name, _why, _line in (
    ("the other classes have 0", "The paper's targets are two numbers of opposite sign.", "own"),
    ("the signs are exchanged", "The image's own class should get the highest score.", "1 - 2 * own"),
    ("classes and images are exchanged", "A row belongs to an image.", "(2 * own - 1).T"),
    ("the columns are centred", "The authors leave the mean in; the constant column sees to it.",
     "2 * own - 1 - (2 * own - 1).mean(axis=0)"),
    ("the other classes share the -1 among them", "Each of them has the whole of it.",
     "own - (1 - own) / (num_classes - 1)"),
    ("every class but the first comes one place too late", "Labels count from 0.", "np.roll(2 * own - 1, 1, axis=1)"),
    ("the targets run from -1/2 to 1/2", "Only their distance is right by half.", "own - 0.5"),
):  # fmt: skip
    plus_minus_targets.slip(_name, _why, result=_line)


# ---- few_shots(labels, shots, seed) -> positions ---------------------------------------------------------------------


def _shots_cases(rng):
    cases = []
    for K, each, shots in [(3, 9, 4), (5, 7, 2), (4, 11, 6)]:
        labels = rng.permutation(np.repeat(np.arange(K), each + rng.integers(0, 4, K)))
        cases.append((labels, shots, int(rng.integers(1, 1000))))
    return cases


def _by_class(labels, shots, seed, pick, anew=False):
    """pick(rng, positions of one class, shots) -> positions, class by class; anew: a generator for each."""
    rng, chosen = np.random.default_rng(seed), []
    for c in range(int(labels.max()) + 1):
        rng = np.random.default_rng(seed) if anew else rng
        chosen.append(pick(rng, np.where(labels == c)[0], shots))
    return np.concatenate(chosen)


def _shuffled_first(labels, shots, seed):
    order = np.random.default_rng(seed).permutation(len(labels))
    return np.concatenate([order[labels[order] == c][:shots] for c in range(int(labels.max()) + 1)])


@exercise(cases=_shots_cases, outputs={"positions": "(K shots,)"}, level=2, minutes=15)
def few_shots(labels, shots, seed):
    chosen = _by_class(labels, shots, seed, lambda rng, images, n: rng.permutation(images)[:n])  # the shots
    return chosen


for _name, _why, _line in (
    ("the first images of each class are taken, whatever the seed",
     "Three seeds would give the same accuracy three times.",
     "_by_class(labels, shots, seed, lambda rng, images, n: images[:n])"),
    ("every class has a generator of its own, with the same seed",
     "One generator goes through all classes, and is made once.",
     "_by_class(labels, shots, seed, lambda rng, images, n: rng.permutation(images)[:n], True)"),
    ("all images are shuffled together, then sorted into classes",
     "Just as good, but other images than the authors'. Which are shuffled, and when?",
     "_shuffled_first(labels, shots, seed)"),
    ("the shots are drawn as a sample",
     "Just as good, but then the images for 5 shots need not be among those for 10. Shuffle the class.",
     "_by_class(labels, shots, seed, lambda rng, images, n: rng.choice(images, n, replace=False))"),
    ("an image may be drawn twice", "Five shots are five different images.",
     "_by_class(labels, shots, seed, lambda rng, images, n: rng.choice(images, n))"),
    ("the last of the shuffled images are taken",
     "The images for 5 shots should be the first of those for 10.",
     "_by_class(labels, shots, seed, lambda rng, images, n: rng.permutation(images)[-n:])"),
    ("places within the class are returned", "The third 7 of the data set is not its image number 3.",
     "_by_class(labels, shots, seed, lambda rng, images, n: rng.permutation(len(images))[:n])"),
    ("so many images in all, not of every class", "How many images have 5 shots of 10 classes?",
     "np.random.default_rng(seed).permutation(len(labels))[:shots]"),
):  # fmt: skip
    few_shots.slip(_name, _why, chosen=_line)
few_shots.slip(
    "the classes take turns",
    "The right images, in another order: all of class 0 come first.",
    result="chosen.reshape(-1, shots).T.ravel()",
)
few_shots.slip(
    "the positions are sorted",
    "The right images, in another order: all of class 0 come first, as they were shuffled.",
    result="np.sort(chosen)",
)


# ---- ridge_primal(X, Y, l2) -> W, ridge_dual(X, Y, l2) -> W ----------------------------------------------------------


def _ridge_cases(rng, sizes):
    """X (N, D), Y (N, K) of +1 and -1, l2"""
    return [
        (rng.standard_normal((N, D)), rng.choice([-1.0, 1.0], (N, K)), float(rng.uniform(0.3, 0.8)))
        for N, D, K in sizes
    ]


@exercise(
    cases=lambda rng: _ridge_cases(rng, [(7, 3, 2), (9, 4, 5), (6, 5, 3)]), outputs={"W": "(D, K)"},
    axes={"N": "the images"}, level=2, minutes=10,
)  # fmt: skip
def ridge_primal(X, Y, l2):
    N, D = X.shape
    penalty = l2 * np.eye(D)  # the penalty
    W = np.linalg.solve(X.T @ X + penalty, X.T @ Y)  # the weights
    return W


@exercise(
    cases=lambda rng: _ridge_cases(rng, [(3, 7, 2), (4, 6, 5), (5, 8, 3)]), outputs={"W": "(D, K)"},
    axes={"N": "the images"}, level=2, minutes=10,
)  # fmt: skip
def ridge_dual(X, Y, l2):
    N, D = X.shape
    penalty = l2 * np.eye(N)  # the penalty
    a = np.linalg.solve(X @ X.T + penalty, Y)  # the weights of the images
    return X.T @ a  # the weights


for _ridge, _side in ((ridge_primal, "D"), (ridge_dual, "N")):
    for _name, _why, _line in (
        ("there is no penalty", "Where does l2 come in?", "0 * np.eye({})"),
        ("the penalty is twice as strong",
         "Both terms of the derivative have a factor 2. Did one of them keep it?", "2 * l2 * np.eye({})"),
        ("the penalty is half as strong", "The penalty is l2 times the squares, not half of that.",
         "l2 / 2 * np.eye({})"),
        ("the penalty is multiplied by the number of images",
         "The squares are summed over the images, not averaged.", "l2 * N * np.eye({})"),
        ("the penalty is squared", "Look at the derivative once more: l2 is a factor.", "l2**2 * np.eye({})"),
        ("the penalty has the wrong sign", "A larger l2 should make smaller weights.", "-l2 * np.eye({})"),
        ("l2 is added to every entry", "`A + l2` of a matrix and a number. Only the diagonal has it.", "l2"),
    ):  # fmt: skip
        _ridge.slip(_name, _why, penalty=_line.format(_side))
ridge_primal.slip(
    "the last column is not penalised",
    "Others leave the constant out; the authors treat it as a feature, and make it large.",
    penalty="l2 * np.diag(np.arange(D) < D - 1)",
)
ridge_primal.slip(
    "the system is not solved",
    "X^T Y says how well features and targets go together. What has still to be undone?",
    W="X.T @ Y / l2",
)
ridge_primal.slip(
    "the weights have the wrong sign", "With the derivative at 0, on which side does X^T Y stand?", result="-W"
)
ridge_primal.slip("the weights are transposed", "A column of W makes one class's score.", result="W.T")
ridge_dual.slip(
    "the weights of the images are returned, not of the features",
    "There are N of them. W is a sum of the rows of X, with these as factors.",
    result="a",
)
ridge_dual.slip(
    "the scores of the training images are returned",
    "W is a sum of the rows of X. Which product is that?",
    result="X @ (X.T @ a)",
)
ridge_dual.slip("the weights are transposed", "A column of W makes one class's score.", result="a.T @ X")


# ---- standard_error(accuracy) -> error -------------------------------------------------------------------------------


def _seed_cases(rng):
    """(number of settings, number of seeds)"""
    return [(rng.uniform(0.2, 0.9, shape),) for shape in [(4, 3), (2, 5), (5, 4)]]


@exercise(cases=_seed_cases, outputs={"error": "(R,)"}, level=1, minutes=10)
def standard_error(accuracy):
    R, n = accuracy.shape
    variance = accuracy.var(axis=1, ddof=1)  # the variance
    return np.sqrt(variance / n)  # the error


for _name, _why, _line in (
    ("the deviation of one seed, not of their mean", "The mean of many seeds is surer than one of them.",
     "np.sqrt(variance)"),
    ("the variance is divided by n, not by n - 1",
     "The mean was taken from the same seeds: of three deviations, two are free.",
     "np.sqrt(accuracy.var(axis=1) / n)"),
    ("the deviation of one seed, with n in place of n - 1",
     "Two things: which deviation, and what becomes of it in a mean?", "accuracy.std(axis=1)"),
    ("the deviation is divided by n, not by its root",
     "The variance of a sum is n times that of one; the sum is then divided by n.", "np.sqrt(variance) / n"),
    ("the root is missing: that is the variance of the mean", "An error bar has the unit of an accuracy.",
     "variance / n"),
    ("the seeds are not the axis that is averaged over", "A row holds one setting, with all of its seeds.",
     "np.sqrt(accuracy.var(axis=0, ddof=1) / R)"),
    ("one error for everything", "Settings differ from each other for other reasons than chance.",
     "np.sqrt(accuracy.var(ddof=1) / accuracy.size)"),
    ("half of the range", "With more seeds the range grows, while the mean gets surer.",
     "(accuracy.max(axis=1) - accuracy.min(axis=1)) / 2"),
    ("the error that so many tested images would have",
     "That is another error: of the test set. Here the seeds themselves say how far they differ.",
     "np.sqrt(accuracy.mean(1) * (1 - accuracy.mean(1)) / n)"),
):  # fmt: skip
    standard_error.slip(_name, _why, result=_line)


# ---- leave_one_out(X, Y, l2) -> predictions --------------------------------------------------------------------------


@exercise(
    cases=lambda rng: _ridge_cases(rng, [(7, 3, 2), (9, 4, 3), (8, 5, 2)]), outputs={"scores": "(N, K)"},
    axes={"N": "the images"},
    level=3, minutes=25,
)  # fmt: skip
def leave_one_out(X, Y, l2):
    N, D = X.shape
    H = X @ np.linalg.solve(X.T @ X + l2 * np.eye(D), X.T)  # the hat matrix
    fit = H @ Y  # the fitted scores
    h = H.diagonal()[:, None]  # the images' own shares
    return (fit - h * Y) / (1 - h)  # the scores


for _name, _why, _line in (
    ("the scores of the whole fit", "The image whose score this is was still among those that W was fitted on.", "fit"),
    ("the image's own share is taken out, but nothing takes its place",
     "Without image i its weight goes to the others. By which factor do they grow?", "fit - h * Y"),
    ("residuals, not scores", "The residual is target minus score.", "(Y - fit) / (1 - h)"),
    ("the residual is added where it should be taken away",
     "An image that is left out is fitted worse than before, never better.", "Y + (Y - fit) / (1 - h)"),
    ("the mean share for every image",
     "That is generalised cross-validation, a good estimate. But here each image has a share of its own.",
     "(fit - h.mean() * Y) / (1 - h.mean())"),
    ("the residual is divided by the share of the image itself",
     "What is left for the others, if the image itself has a share of h?", "Y - (Y - fit) / h"),
    ("the residual is multiplied, not divided",
     "An image with a large share of its own score loses more when it is left out.", "Y - (Y - fit) * (1 - h)"),
    ("every score is divided, and no share is taken out",
     "The image's own target must vanish from its score.", "fit / (1 - h)"),
):  # fmt: skip
    leave_one_out.slip(_name, _why, result=_line)
leave_one_out.slip(
    "the share is taken without the penalty",
    "Its matrix is the one that makes the scores, l2 included.",
    H="X @ np.linalg.solve(X.T @ X, X.T)",
)
leave_one_out.slip(
    "only the share is taken without the penalty",
    "Its matrix is the one that makes the scores, l2 included.",
    h="(X @ np.linalg.solve(X.T @ X, X.T)).diagonal()[:, None]",
)


# ---- shots_and_held_out(labels, shots, held_out, seed) -> chosen, held -----------------------------------------------


def _held_cases(rng):
    cases = []
    for K, each, shots, held_out in [(3, 9, 4, 3), (5, 7, 2, 4), (4, 11, 6, 1)]:
        labels = rng.permutation(np.repeat(np.arange(K), each + rng.integers(0, 4, K)))
        cases.append((labels, shots, held_out, int(rng.integers(1, 1000))))
    return cases


def _parts(labels, seed, start, end, pick=None, anew=False):
    """Of each class, shuffled, the images from `start` to `end`."""
    return _by_class(
        labels, None, seed, pick or (lambda rng, images, n: rng.permutation(images)[start:end]), anew
    )  # fmt: skip


def _drawn(labels, shots, held_out, seed):
    n = shots + held_out
    return _parts(labels, seed, 0, 0, lambda rng, images, _: rng.choice(images, n, replace=False)).reshape(-1, n)


def _in_two_goes(labels, shots, held_out, seed, rest):
    """rest: in which order the images that are left go into the second permutation."""

    def pick(rng, images, _):
        images = rng.permutation(images)
        left = rng.permutation((rest or np.asarray)(images[shots:]))
        return np.concatenate([images[:shots], left[:held_out]])

    return _parts(labels, seed, 0, 0, pick).reshape(-1, shots + held_out)


@exercise(
    cases=_held_cases, outputs={"chosen": "(K shots,)", "held": "(K held_out,)"}, level=2, minutes=15,
)  # fmt: skip
def shots_and_held_out(labels, shots, held_out, seed):
    chosen = _parts(labels, seed, 0, shots)  # the shots
    held = _parts(labels, seed, shots, shots + held_out)  # the images that are held out
    return chosen, held


for _name, _why, _lines in (
    ("the images held out are among the shots", "Whoever chooses on what was fitted chooses the weakest penalty.",
     {"held": "_parts(labels, seed, 0, held_out)"}),
    ("another shuffle chooses the images held out", "One permutation of each class: first the shots, then the others.",
     {"held": "_parts(labels, seed + 1, 0, held_out)"}),
    ("the images held out are taken from the end of each class", "They come right after the shots.",
     {"held": "_parts(labels, seed, -held_out, None)"}),
    ("the first images are held out, and the shots come after them",
     "More held-out images should not change the shots.",
     {"chosen": "_parts(labels, seed, held_out, held_out + shots)", "held": "_parts(labels, seed, 0, held_out)"}),
    *(
        ("the shots are drawn in two goes, with a second permutation", "One permutation of each class is enough.",
         {"chosen": f"_in_two_goes(labels, shots, held_out, seed, {rest})[:, :shots].ravel()",
          "held": f"_in_two_goes(labels, shots, held_out, seed, {rest})[:, shots:].ravel()"})
        for rest in ("None", "np.sort")
    ),
    ("every class has a generator of its own, with the same seed",
     "One generator goes through all classes, and is made once.",
     {"chosen": "_parts(labels, seed, 0, shots, None, True)",
      "held": "_parts(labels, seed, shots, shots + held_out, None, True)"}),
    ("all other images of a class are held out", "How many of each class?",
     {"held": "_parts(labels, seed, shots, None)"}),
    ("the labels of the images are returned, not their positions", "Who is to find the images, and by what?",
     {"chosen": "labels[_parts(labels, seed, 0, shots)]",
      "held": "labels[_parts(labels, seed, shots, shots + held_out)]"}),
    ("the images stand shot by shot, not class by class", "Which class do the first `shots` numbers belong to?",
     {"chosen": "_parts(labels, seed, 0, shots).reshape(-1, shots).T.ravel()",
      "held": "_parts(labels, seed, shots, shots + held_out).reshape(-1, held_out).T.ravel()"}),
    ("the last class is left out", "How many classes are there, if the largest label is 2?",
     {"chosen": "_parts(labels, seed, 0, shots)[:-shots]",
      "held": "_parts(labels, seed, shots, shots + held_out)[:-held_out]"}),
    ("the images are drawn by `choice`, not shuffled by a permutation",
     "The same generator draws otherwise for another question. Which one is asked here?",
     {"chosen": "_drawn(labels, shots, held_out, seed)[:, :shots].ravel()",
      "held": "_drawn(labels, shots, held_out, seed)[:, shots:].ravel()"}),
):  # fmt: skip
    shots_and_held_out.slip(_name, _why, **_lines)


# ---- weighted_ridge(X, Y, importance, l2) -> W -----------------------------------------------------------------------


def _weighted_cases(rng):
    """X (N, D), Y (N, K), a positive number for each image, l2; more images than features, and fewer"""
    cases = []
    for X, Y, l2 in _ridge_cases(rng, [(7, 3, 2), (4, 6, 5), (5, 5, 3)]):
        cases.append((X, Y, rng.uniform(0.3, 3, len(X)), l2))
    return cases


@exercise(cases=_weighted_cases, outputs={"W": "(D, K)"}, axes={"N": "the images"}, level=2, minutes=25)
def weighted_ridge(X, Y, importance, l2):
    N, D = X.shape
    each = importance[:, None]
    penalty = l2 * np.eye(D)  # the penalty
    left = X.T @ (each * X) + penalty  # the left side
    right = X.T @ (each * Y)  # the right side
    return np.linalg.solve(left, right)  # the weights


for _name, _why, _lines in (
    ("the images all count alike", "What is the third argument for?", {"each": "np.ones((N, 1))"}),
    ("the importance stands on the left side alone", "Derive again: the target of an important image counts, too.",
     {"right": "X.T @ Y"}),
    ("the importance stands on the right side alone", "Derive again: in which terms does an image's row stand?",
     {"left": "X.T @ X + penalty"}),
    ("the importance is squared: rows and targets are both multiplied by it, and then fitted",
     "The loss has the importance once. With which factor of a row does it appear once in the square?",
     {"each": "importance[:, None] ** 2"}),
    ("its root counts, not the importance itself", "The loss has the importance once, beside a square.",
     {"each": "np.sqrt(importance)[:, None]"}),
    ("an image counts the less, the more important it is", "Which way does a large importance work in the dual?",
     {"each": "1 / importance[:, None]"}),
    ("the importance is made to sum to 1 first", "That changes how strong the penalty is beside it.",
     {"each": "importance[:, None] / importance.sum()"}),
    ("the importance is made to have the mean 1 first", "That changes how strong the penalty is beside it.",
     {"each": "importance[:, None] / importance.mean()"}),
    ("there is no penalty", "What keeps the weights small?", {"penalty": "0.0"}),
    ("twice the penalty", "Both terms of the derivative have the factor 2.", {"penalty": "2 * l2 * np.eye(D)"}),
):  # fmt: skip
    weighted_ridge.slip(_name, _why, **_lines)


# ---- total_error(accuracy, num_images) -> error ----------------------------------------------------------------------


def _tested_cases(rng):
    """accuracy (R, seeds), all on the same test images"""
    sizes = [((4, 3), 150), ((2, 5), 40), ((5, 4), 400)]
    return [(rng.uniform(0.3, 0.9, (R, 1)) + 0.04 * rng.standard_normal((R, n)), N) for (R, n), N in sizes]


@exercise(cases=_tested_cases, outputs={"error": "(R,)"}, level=1, minutes=10)
def total_error(accuracy, num_images):
    R, n = accuracy.shape
    of_seeds = accuracy.var(axis=1, ddof=1) / n  # the variance that the seeds leave
    p = accuracy.mean(axis=1)  # the mean accuracy
    of_images = p * (1 - p) / num_images  # the variance that the test images leave
    return np.sqrt(of_seeds + of_images)  # the error


for _name, _why, _lines in (
    ("the error of the seeds alone", "Other test images would give another number, for every seed.",
     {"of_images": "0.0"}),
    ("the error of the test images alone", "Other shots would give another number.", {"of_seeds": "0.0"}),
    ("the two errors are added as they are", "Two independent errors seldom point the same way. What adds up?",
     {"result": "np.sqrt(of_seeds) + np.sqrt(of_images)"}),
    ("the test images are counted once for each seed",
     "All seeds are tested on the same images: does a further seed bring new ones?",
     {"of_images": "p * (1 - p) / (num_images * n)"}),
    ("the deviation of one seed, not of their mean", "The mean of many seeds is surer than one of them.",
     {"of_seeds": "accuracy.var(axis=1, ddof=1)"}),
    ("the variance is divided by n, not by n - 1",
     "The mean was taken from the same seeds: of three deviations, two are free.",
     {"of_seeds": "accuracy.var(axis=1) / n"}),
    ("the root is missing", "An error bar has the unit of an accuracy.", {"result": "of_seeds + of_images"}),
    ("mean and variance run over the R rows, not over the seeds", "Which axis counts the seeds?",
     {"of_seeds": "accuracy.var(axis=0, ddof=1) / R", "p": "accuracy.mean(axis=0)"}),
    ("the most that test images could do is taken, whatever the accuracy",
     "At which accuracy is p (1 - p) a quarter?", {"of_images": "0.25 / num_images"}),
    ("the larger of the two errors", "The smaller one is there as well.",
     {"result": "np.sqrt(np.maximum(of_seeds, of_images))"}),
):  # fmt: skip
    total_error.slip(_name, _why, **_lines)
