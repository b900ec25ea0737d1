"""Checks for notebooks/17_state_of_the_art.ipynb: what a teacher's answers become, and the loss of its student."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.training.losses import one_hot as _one_hot
from vitedu_numpy.training.losses import softmax_cross_entropy as _softmax_cross_entropy
from vitedu_numpy.training.pseudo import pseudo_labels as _pseudo_labels

from ..engine import Check, Mistake, quiet

__all__ = ["noisy_student_loss", "pseudo_targets"]


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


def _by_class(p, kept, per_class, order=lambda p, mine: mine[np.argsort(-p[mine].max(axis=1))], fill=np.resize):
    """The positions `kept`, class by class, each in its order and brought to `per_class`."""
    classes = p.argmax(axis=1)
    chosen = [
        fill(order(p, kept[classes[kept] == c]), per_class) for c in range(p.shape[1]) if (classes[kept] == c).any()
    ]
    return np.concatenate(chosen)


def _sure(p, threshold):
    return np.flatnonzero(p.max(axis=1) >= threshold)


def _chosen(targets=lambda p: p, keep=_sure, **choice):
    def answer(probabilities, threshold, per_class):
        positions = _by_class(probabilities, keep(probabilities, threshold), per_class, **choice)
        return positions, targets(probabilities[positions])

    return answer


def _filtered_last(probabilities, threshold, per_class):
    p = probabilities
    positions = _by_class(p, np.arange(len(p)), per_class)
    positions = positions[p[positions].max(axis=1) >= threshold]
    return positions, p[positions]


def _not_balanced(probabilities, threshold, per_class):
    kept = _sure(probabilities, threshold)
    return kept, probabilities[kept]


def _so_many_in_all(probabilities, threshold, per_class):
    kept = _sure(probabilities, threshold)
    kept = kept[np.argsort(-probabilities[kept].max(axis=1))][:per_class]
    return kept, probabilities[kept]


def _places_among_the_kept(probabilities, threshold, per_class):
    kept = _sure(probabilities, threshold)
    places = _by_class(probabilities[kept], np.arange(len(kept)), per_class)
    return places, probabilities[kept][places]


def _in_order_of_the_images(probabilities, threshold, per_class):
    positions = np.sort(_chosen()(probabilities, threshold, per_class)[0])
    return positions, probabilities[positions]


def _hard(p):
    return np.eye(p.shape[1])[p.argmax(axis=1)]


pseudo_targets = Check(
    "pseudo_targets",
    reference=lambda p, threshold, per_class: tuple(_pseudo_labels(p, threshold=threshold, per_class=per_class)),
    cases=_teacher_cases,
    outputs={"positions": "(m,)", "targets": "(m, K)"},
    mistakes=[
        Mistake(
            "nothing is filtered",
            "What becomes of an image about which the teacher is not sure?",
            _chosen(keep=lambda p, threshold: np.arange(len(p))),
        ),
        Mistake(
            "the filter comes after the balance",
            "The images that it takes away are then missing: which step has to be the last?",
            _filtered_last,
        ),
        Mistake(
            "the images below the threshold are kept",
            "Which guesses should a student trust?",
            _chosen(keep=lambda p, threshold: np.flatnonzero(p.max(axis=1) < threshold)),
        ),
        Mistake(
            "nothing is balanced",
            "A teacher that says 'cat' too often would teach it too often. How many of each class?",
            _not_balanced,
        ),
        Mistake(
            "so many images in all, not of each class",
            "How many has each class?",
            _so_many_in_all,
        ),
        Mistake(
            "a rare class stays rare",
            "Where a class has too few images, they are seen more than once.",
            _chosen(fill=lambda mine, per_class: mine[:per_class]),
        ),
        Mistake(
            "a rare class is filled with its surest image alone",
            "All of its images come once before any comes twice.",
            _chosen(fill=lambda mine, n: np.concatenate([mine[:n], np.repeat(mine[0], max(n - len(mine), 0))])),
        ),
        Mistake(
            "a rare class is filled with its last image",
            "After the last image it starts again: with which one?",
            _chosen(fill=lambda mine, n: mine[np.minimum(np.arange(n), len(mine) - 1)]),
        ),
        Mistake(
            "a rare class repeats each image at once",
            "The whole row comes first, then the whole row again.",
            _chosen(fill=lambda mine, n: np.repeat(mine, -(-n // len(mine)))[:n] if len(mine) < n else mine[:n]),
        ),
        Mistake(
            "the least sure images of each class come first",
            "In which direction does `np.argsort` sort?",
            _chosen(order=lambda p, mine: mine[np.argsort(p[mine].max(axis=1))]),
        ),
        Mistake(
            "the first images of each class are taken, not the surest",
            "Of too many images of a class, which ones should stay?",
            _chosen(order=lambda p, mine: mine),
        ),
        Mistake(
            "the targets are hard",
            "The teacher said more than the name of a class.",
            _chosen(targets=_hard),
        ),
        Mistake(
            "the targets are the numbers of the classes",
            "A target is a row with a number for every class.",
            _chosen(targets=lambda p: p.argmax(axis=1)),
        ),
        Mistake(
            "the targets are how sure the teacher is",
            "A target is a row with a number for every class.",
            _chosen(targets=lambda p: p.max(axis=1)),
        ),
        Mistake(
            "places among the images that were kept are returned",
            "The student has all images before it: which number has an image there?",
            _places_among_the_kept,
        ),
        Mistake(
            "the positions are sorted",
            "The right images, in another order: all of class 0 come first.",
            _in_order_of_the_images,
        ),
    ],
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


def _log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _entropies(logits, targets):
    """-sum_k t_k log p_k, of each row"""
    return -(targets * _log_softmax(logits)).sum(axis=1)


def _smoothed(labels, K, smoothing):
    return (1 - smoothing) * np.eye(K)[labels] + smoothing / K


def _two_losses(
    labelled=np.mean, unlabelled=np.mean, smooth=_smoothed, soft=lambda q, s: q, join=lambda a, b, ratio: a + ratio * b
):
    """join(labelled loss, loss without labels, ratio), with room for a slip in every part."""

    def answer(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
        first = labelled(_entropies(logits, smooth(labels, logits.shape[1], smoothing)))
        second = unlabelled(_entropies(unlabelled_logits, soft(teacher, smoothing)))
        return join(first, second, ratio)

    return answer


def _reference_loss(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    targets = _one_hot(labels, logits.shape[1], smoothing, np.float64)
    return _softmax_cross_entropy(logits, targets)[0] + ratio * _softmax_cross_entropy(unlabelled_logits, teacher)[0]


def _others_share(labels, K, smoothing):
    hot = np.eye(K)[labels]
    return (1 - smoothing) * hot + smoothing / (K - 1) * (1 - hot)


def _all_rows_alike(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    targets = np.concatenate([_smoothed(labels, logits.shape[1], smoothing), teacher])
    return _entropies(np.concatenate([logits, unlabelled_logits]), targets).mean()


def _exchanged(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    first = _entropies(logits, _smoothed(labels, logits.shape[1], smoothing)).mean()
    second = -(np.exp(_log_softmax(unlabelled_logits)) * np.log(teacher)).sum(axis=1).mean()
    return first + ratio * second


def _squares(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    first = _entropies(logits, _smoothed(labels, logits.shape[1], smoothing)).mean()
    return first + ratio * ((np.exp(_log_softmax(unlabelled_logits)) - teacher) ** 2).sum(axis=1).mean()


def _divergence(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    entropy = -(teacher * np.log(teacher)).sum(axis=1).mean()
    return _two_losses()(logits, labels, unlabelled_logits, teacher, ratio, smoothing) - ratio * entropy


noisy_student_loss = Check(
    "noisy_student_loss",
    reference=_reference_loss,
    cases=_loss_cases,
    outputs={"loss": "(a number)"},
    mistakes=[
        Mistake(
            "the ratio is not used",
            "A step sees more images without labels than with. How much does each kind weigh?",
            _two_losses(join=lambda a, b, ratio: a + b),
        ),
        Mistake(
            "the ratio stands at the labelled loss",
            "Of which kind of image are there more in a step?",
            _two_losses(join=lambda a, b, ratio: ratio * a + b),
        ),
        Mistake(
            "the two losses are averaged",
            "The authors add them; the learning rate was chosen for the sum.",
            _two_losses(join=lambda a, b, ratio: (a + ratio * b) / (1 + ratio)),
        ),
        Mistake(
            "one mean over all images",
            "Two means, each over its own images, and then a sum.",
            _all_rows_alike,
        ),
        Mistake(
            "the losses are summed over the images",
            "A loss should not grow with the batch.",
            _two_losses(labelled=np.sum, unlabelled=np.sum),
        ),
        Mistake(
            "only the labelled loss is a mean",
            "A loss should not grow with the batch.",
            _two_losses(unlabelled=np.sum),
        ),
        Mistake(
            "the labels are not smoothed",
            "What is the last argument for?",
            _two_losses(smooth=lambda labels, K, smoothing: np.eye(K)[labels]),
        ),
        Mistake(
            "the teacher's answers are smoothed too",
            "They are soft already. For which images is the smoothing meant?",
            _two_losses(soft=lambda q, s: (1 - s) * q + s / q.shape[1]),
        ),
        Mistake(
            "the teacher's answers are smoothed, the labels are not",
            "Which of the two has only zeros and ones?",
            _two_losses(
                smooth=lambda labels, K, smoothing: np.eye(K)[labels], soft=lambda q, s: (1 - s) * q + s / q.shape[1]
            ),
        ),
        Mistake(
            "the smoothing goes to the other classes alone",
            "Also a custom. Here every class gets an equal part of it, the right one too (notebook 07).",
            _two_losses(smooth=_others_share),
        ),
        Mistake(
            "the teacher's answers are made hard",
            "The teacher said more than the name of a class.",
            _two_losses(soft=lambda q, s: np.eye(q.shape[1])[q.argmax(axis=1)]),
        ),
        Mistake(
            "the teacher's probabilities go through softmax once more",
            "They sum to 1 already.",
            _two_losses(soft=lambda q, s: np.exp(_log_softmax(q))),
        ),
        Mistake(
            "teacher and student are exchanged",
            "Whose logarithm is taken: that of the target, or that of the model which learns?",
            quiet(_exchanged),
        ),
        Mistake(
            "the teacher's own entropy is taken off",
            "That is the Kullback-Leibler divergence. It has the same gradient; cross-entropy is asked for.",
            _divergence,
        ),
        Mistake(
            "the images without labels have a squared error",
            "Other methods do that. Here both kinds have the same loss.",
            _squares,
        ),
        Mistake(
            "the sign is wrong",
            "The logarithm of a probability is below zero; a loss is not.",
            _two_losses(join=lambda a, b, ratio: -(a + ratio * b)),
        ),
        Mistake(
            "the images without labels are not counted",
            "That is the teacher's loss.",
            _two_losses(join=lambda a, b, ratio: a),
        ),
        Mistake(
            "the labelled images are not counted",
            "A student still sees what the teacher has learned from.",
            _two_losses(join=lambda a, b, ratio: ratio * b),
        ),
    ],
)
