"""Exercises of notebooks/17_state_of_the_art.ipynb: what becomes of a teacher's answers; its student's loss."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import log_softmax, one_hot
from ..slips.steps import softmax as _softmax

__all__ = ["noisy_student_gradients", "noisy_student_loss", "pseudo_targets"]


# ---- pseudo_targets(probabilities, threshold, per_class) -> positions, targets ---------------------------------------


def _teacher_cases(rng):
    """probabilities (n, K): one class is rare, of one class nothing is above the threshold."""
    cases = []
    for n, K, threshold, per_class in [(19, 4, 0.5, 4), (26, 5, 0.45, 3), (23, 3, 0.6, 5)]:
        logits = rng.standard_normal((n, K))
        logits[np.arange(n), rng.integers(0, K - 2, n)] += rng.uniform(0.5, 4, n)
        logits[:, K - 2 :] -= 3
        logits[:2, K - 2] += 9 + rng.uniform(0, 1, 2)  # two images of a rare class, both sure
        logits[2:5] = rng.uniform(0, 0.1, (3, K))
        logits[2, K - 2] += 0.2  # a third of it, unsure
        logits[3:5, K - 1] += 0.2  # two of the last class, both unsure
        p = np.exp(logits)
        cases.append(((p / p.sum(axis=1, keepdims=True))[rng.permutation(n)], threshold, per_class))
    return cases


def _surest(p, mine):
    return mine[np.argsort(-p[mine].max(axis=1))]


def _by_class(p, kept, per_class, order=_surest, fill=np.resize):
    """The positions `kept`, class by class, each in its order and brought to `per_class`."""
    classes = p.argmax(axis=1)
    rows = [kept[classes[kept] == c] for c in range(p.shape[1])]
    return np.concatenate([fill(order(p, mine), per_class) for mine in rows if len(mine)])


@exercise(cases=_teacher_cases, outputs={"positions": "(m,)", "targets": "(m, K)"}, level=2, minutes=25)
def pseudo_targets(probabilities, threshold, per_class):
    p = probabilities
    sure = p.max(axis=1)  # how sure the teacher is
    kept = np.flatnonzero(sure >= threshold)  # the images that are kept
    positions = _by_class(p, kept, per_class)  # the positions
    targets = p[positions]  # the targets
    return positions, targets


pseudo_targets.slips_in(
    "kept",
    ("nothing is filtered", "What becomes of an image about which the teacher is not sure?", "np.arange(len(p))"),
    ("the images below the threshold are kept", "Which guesses should a student trust?",
     "np.flatnonzero(sure < threshold)"),
)  # fmt: skip
_STAY = "Of too many images of a class, which ones should stay?"
pseudo_targets.slips_in(
    "positions",
    ("the filter comes after the balance",
     "The images that it takes away are then missing: which step has to be the last?",
     "(lambda chosen: chosen[sure[chosen] >= threshold])(_by_class(p, np.arange(len(p)), per_class))"),
    ("nothing is balanced", "A teacher that says 'cat' too often would teach it too often. How many of each class?",
     "kept"),
    ("so many images in all, not of each class", "How many has each class?", "_surest(p, kept)[:per_class]"),
    ("a rare class stays rare", "Where a class has too few images, they are seen more than once.",
     "_by_class(p, kept, per_class, fill=lambda mine, n: mine[:n])"),
    ("a rare class is filled with its surest image alone", "All of its images come once before any comes twice.",
     "_by_class(p, kept, per_class, fill=lambda mine, n: np.append(mine, np.repeat(mine[:1], n))[:n])"),
    ("a rare class is filled with its last image", "After the last image it starts again: with which one?",
     "_by_class(p, kept, per_class, fill=lambda mine, n: mine[np.minimum(np.arange(n), len(mine) - 1)])"),
    ("a rare class repeats each image at once", "The whole row comes first, then the whole row again.",
     "_by_class(p, kept, per_class, fill=lambda mine, n: np.repeat(mine, max(-(-n // len(mine)), 1))[:n])"),
    ("the least sure images of each class come first", "In which direction does `np.argsort` sort?",
     "_by_class(p, kept, per_class, lambda p, mine: mine[np.argsort(p[mine].max(axis=1))])"),
    ("the first images of each class are taken, not the surest", _STAY,
     "_by_class(p, kept, per_class, lambda p, mine: mine)"),
    ("the last images of each class are taken, not the surest", _STAY,
     "_by_class(p, kept, per_class, lambda p, mine: mine[::-1])"),
    ("places among the images that were kept are returned",
     "The student has all images before it: which number has an image there?",
     "_by_class(p[kept], np.arange(len(kept)), per_class)"),
    ("the positions are sorted", "The right images, in another order: all of class 0 come first.",
     "np.sort(_by_class(p, kept, per_class))"),
)  # fmt: skip
_ROW = "A target is a row with a number for every class."
pseudo_targets.slips_in(
    "targets",
    (
        "the targets are hard",
        "The teacher said more than the name of a class.",
        "one_hot(p.argmax(axis=1), p.shape[1])[positions]",
    ),
    ("the targets are the numbers of the classes", _ROW, "p.argmax(axis=1)[positions]"),
    ("the targets are how sure the teacher is", _ROW, "sure[positions]"),
    ("the targets are all of the teacher's answers", "One row for each position.", "p"),
)
_PLACES = "_by_class(p[kept], np.arange(len(kept)), per_class)"
pseudo_targets.slip(
    "places among the images that were kept are returned",
    "The student has all images before it: which number has an image there?",
    result=f"({_PLACES}, p[kept][{_PLACES}])",
)


# ---- noisy_student_loss(logits, labels, unlabelled_logits, teacher, ratio, smoothing) -> loss ------------------------


def _loss_cases(rng):
    """logits (B, K), labels (B,), unlabelled_logits (U, K), teacher (U, K)"""
    cases = []
    for B, U, K, ratio, smoothing in [(4, 7, 3, 3, 0.1), (5, 6, 4, 2, 0.2), (3, 8, 6, 5, 0.15)]:
        p = np.exp(1.5 * rng.standard_normal((U, K)))
        logits, unlabelled = 2 * rng.standard_normal((B, K)), 2 * rng.standard_normal((U, K))
        cases.append((logits, rng.integers(0, K, B), unlabelled, p / p.sum(axis=1, keepdims=True), ratio, smoothing))
    return cases


@exercise(cases=_loss_cases, outputs={"loss": "(a number)"}, level=2, minutes=20)
def noisy_student_loss(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    B, K = logits.shape
    hard = one_hot(labels, K)  # the labels' targets
    smooth = (1 - smoothing) * hard + smoothing / K  # the smoothed targets
    soft = teacher  # the teacher's targets
    log_p = log_softmax(logits)  # log p of the labelled images
    log_u = log_softmax(unlabelled_logits)  # log p of the others
    labelled = -(smooth * log_p).sum(axis=1)  # the losses of the labelled images
    unlabelled = -(soft * log_u).sum(axis=1)  # the losses of the others
    first = labelled.mean()  # the labelled loss
    second = unlabelled.mean()  # the other loss
    return first + ratio * second  # the loss


_TEACHER = "The teacher's own answers are soft already. For which images is the smoothing meant?"
_MEAN = "A loss should not grow with the batch."
_ONCE = "A step sees more images without labels than with. How much does each kind weigh?"
for _name, _why, _lines in (
    ("the losses are summed over the images", _MEAN, {"first": "labelled.sum()", "second": "unlabelled.sum()"}),
    ("only the labelled loss is a mean", _MEAN, {"second": "unlabelled.sum()"}),
    ("the labels are not smoothed", "What is the last argument for?", {"smooth": "hard"}),
    ("the teacher's answers are smoothed too", _TEACHER, {"soft": "(1 - smoothing) * teacher + smoothing / K"}),
    ("the teacher's answers are smoothed, the labels are not", "Which of the two has only zeros and ones?",
     {"smooth": "hard", "soft": "(1 - smoothing) * teacher + smoothing / K"}),
    ("the smoothing goes to the other classes alone",
     "Also a custom. Here every class gets an equal part of it, the right one too (notebook 07).",
     {"smooth": "(1 - smoothing) * hard + smoothing / (K - 1) * (1 - hard)"}),
    ("the teacher's answers are made hard", "The teacher said more than the name of a class.",
     {"soft": "one_hot(teacher.argmax(axis=1), K)"}),
    ("the teacher's probabilities go through softmax once more", "They sum to 1 already.",
     {"soft": "_softmax(teacher)"}),
    ("teacher and student are exchanged",
     "Whose logarithm is taken: that of the target, or that of the model which learns?",
     {"unlabelled": "-(np.exp(log_u) * np.log(teacher)).sum(axis=1)"}),
    ("the teacher's own entropy is taken off",
     "That is the Kullback-Leibler divergence. It has the same gradient; cross-entropy is asked for.",
     {"unlabelled": "(soft * (np.log(soft) - log_u)).sum(axis=1)"}),
    ("the images without labels have a squared error",
     "Other methods do that. Here both kinds have the same loss.",
     {"unlabelled": "((np.exp(log_u) - teacher) ** 2).sum(axis=1)"}),
):  # fmt: skip
    noisy_student_loss.slip(_name, _why, **_lines)
noisy_student_loss.slips_in(
    "result",
    ("the ratio is not used", _ONCE, "first + second"),
    ("the ratio stands at the labelled loss", "Of which kind of image are there more in a step?",
     "ratio * first + second"),
    ("the two losses share out the weight: 1 - ratio and ratio", "The ratio is a number of images, and may exceed 1.",
     "(1 - ratio) * first + ratio * second"),
    ("the two losses are averaged", "The authors add them; the learning rate was chosen for the sum.",
     "(first + ratio * second) / (1 + ratio)"),
    ("one mean over all images", "Two means, each over its own images, and then a sum.",
     "np.concatenate([labelled, unlabelled]).mean()"),
    ("one mean over all images", "Two means, each over its own images, and then a sum.",
     "(labelled.sum() + ratio * unlabelled.sum()) / (len(labelled) + len(unlabelled))"),
    ("the sign is wrong", "The logarithm of a probability is below zero; a loss is not.",
     "-(first + ratio * second)"),
    ("the images without labels are not counted", "That is the teacher's loss.", "first"),
    ("the labelled images are not counted", "A student still sees what the teacher has learned from.",
     "ratio * second"),
)  # fmt: skip


# ---- noisy_student_gradients(logits, labels, unlabelled_logits, teacher, ratio, smoothing) -> two gradients ----------


@exercise(
    cases=_loss_cases, outputs={"dlogits": "(B, K)", "dunlabelled_logits": "(U, K)"}, level=2, minutes=20
)  # fmt: skip
def noisy_student_gradients(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    B, K = logits.shape
    U = len(teacher)
    hard = one_hot(labels, K)  # the labels' targets
    smooth = (1 - smoothing) * hard + smoothing / K  # the smoothed targets
    p = _softmax(logits)  # the student's answers to the labelled images
    pu = _softmax(unlabelled_logits)  # its answers to the others
    first = (p - smooth) / B  # the labelled images' gradient
    second = ratio * (pu - teacher) / U  # the others' gradient
    return first, second


for _name, _why, _lines in (
    ("the labels are not smoothed", "What is the last argument for?", {"smooth": "hard"}),
    ("the smoothing goes to the other classes alone",
     "Also a custom. Here every class gets an equal part of it, the right one too (notebook 07).",
     {"smooth": "(1 - smoothing) * hard + smoothing / (K - 1) * (1 - hard)"}),
    ("the ratio is not used", "How much does the second loss weigh?", {"second": "(pu - teacher) / U"}),
    ("the losses are taken for sums over the images", "A loss should not grow with the batch.",
     {"first": "p - smooth", "second": "ratio * (pu - teacher)"}),
    ("both means run over the labelled images", "Each loss is a mean over its own images.",
     {"second": "ratio * (pu - teacher) / B"}),
    ("both means run over all images", "Each loss is a mean over its own images.",
     {"first": "(p - smooth) / (B + U)", "second": "ratio * (pu - teacher) / (B + U)"}),
    ("target minus probability", "With this sign an update would lead away from the target.",
     {"first": "(smooth - p) / B", "second": "ratio * (teacher - pu) / U"}),
    ("the teacher's answers are smoothed too", "Whose answers are smoothed, and why?",
     {"second": "ratio * (pu - (1 - smoothing) * teacher - smoothing / K) / U"}),
    ("the teacher's answers are made hard", "The teacher said more than the name of a class.",
     {"second": "ratio * (pu - one_hot(teacher.argmax(axis=1), K)) / U"}),
    ("the teacher's probabilities go through softmax once more", "They sum to 1 already.",
     {"second": "ratio * (pu - _softmax(teacher)) / U"}),
    ("the scores themselves are compared with the targets", "What does the loss make of scores first?",
     {"p": "logits", "pu": "unlabelled_logits"}),
    ("the gradient with respect to the teacher",
     "The teacher is fixed: whose scores are asked for?", {"second": "-ratio * np.log(pu) / U"}),
):  # fmt: skip
    noisy_student_gradients.slip(_name, _why, **_lines)
