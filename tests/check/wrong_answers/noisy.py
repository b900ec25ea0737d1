"""Wrong answers to notebooks/17_state_of_the_art.ipynb: a teacher's answers, and the loss of its student."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet
from vitedu_numpy.training.losses import one_hot as _one_hot
from vitedu_numpy.training.losses import softmax_cross_entropy as _softmax_cross_entropy
from vitedu_numpy.training.pseudo import pseudo_labels as _pseudo_labels

from . import FirstGeneration

__all__ = ["noisy_student_loss", "pseudo_targets"]


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


pseudo_targets = FirstGeneration(
    lambda p, threshold, per_class: tuple(_pseudo_labels(p, threshold=threshold, per_class=per_class)),
    [
        ("nothing is filtered", _chosen(keep=lambda p, threshold: np.arange(len(p)))),
        ("the filter comes after the balance", _filtered_last),
        (
            "the images below the threshold are kept",
            _chosen(keep=lambda p, threshold: np.flatnonzero(p.max(axis=1) < threshold)),
        ),
        ("nothing is balanced", _not_balanced),
        ("so many images in all, not of each class", _so_many_in_all),
        ("a rare class stays rare", _chosen(fill=lambda mine, per_class: mine[:per_class])),
        (
            "a rare class is filled with its surest image alone",
            _chosen(fill=lambda mine, n: np.concatenate([mine[:n], np.repeat(mine[0], max(n - len(mine), 0))])),
        ),
        (
            "a rare class is filled with its last image",
            _chosen(fill=lambda mine, n: mine[np.minimum(np.arange(n), len(mine) - 1)]),
        ),
        (
            "a rare class repeats each image at once",
            _chosen(fill=lambda mine, n: np.repeat(mine, -(-n // len(mine)))[:n] if len(mine) < n else mine[:n]),
        ),
        (
            "the least sure images of each class come first",
            _chosen(order=lambda p, mine: mine[np.argsort(p[mine].max(axis=1))]),
        ),
        ("the first images of each class are taken, not the surest", _chosen(order=lambda p, mine: mine)),
        ("the targets are hard", _chosen(targets=_hard)),
        ("the targets are the numbers of the classes", _chosen(targets=lambda p: p.argmax(axis=1))),
        ("the targets are how sure the teacher is", _chosen(targets=lambda p: p.max(axis=1))),
        ("places among the images that were kept are returned", _places_among_the_kept),
        ("the positions are sorted", _in_order_of_the_images),
    ],
)


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


noisy_student_loss = FirstGeneration(
    _reference_loss,
    [
        ("the ratio is not used", _two_losses(join=lambda a, b, ratio: a + b)),
        ("the ratio stands at the labelled loss", _two_losses(join=lambda a, b, ratio: ratio * a + b)),
        ("the two losses are averaged", _two_losses(join=lambda a, b, ratio: (a + ratio * b) / (1 + ratio))),
        ("one mean over all images", _all_rows_alike),
        ("the losses are summed over the images", _two_losses(labelled=np.sum, unlabelled=np.sum)),
        ("only the labelled loss is a mean", _two_losses(unlabelled=np.sum)),
        ("the labels are not smoothed", _two_losses(smooth=lambda labels, K, smoothing: np.eye(K)[labels])),
        ("the teacher's answers are smoothed too", _two_losses(soft=lambda q, s: (1 - s) * q + s / q.shape[1])),
        (
            "the teacher's answers are smoothed, the labels are not",
            _two_losses(
                smooth=lambda labels, K, smoothing: np.eye(K)[labels], soft=lambda q, s: (1 - s) * q + s / q.shape[1]
            ),
        ),
        ("the smoothing goes to the other classes alone", _two_losses(smooth=_others_share)),
        ("the teacher's answers are made hard", _two_losses(soft=lambda q, s: np.eye(q.shape[1])[q.argmax(axis=1)])),
        (
            "the teacher's probabilities go through softmax once more",
            _two_losses(soft=lambda q, s: np.exp(_log_softmax(q))),
        ),
        ("teacher and student are exchanged", quiet(_exchanged)),
        ("the teacher's own entropy is taken off", _divergence),
        ("the images without labels have a squared error", _squares),
        ("the sign is wrong", _two_losses(join=lambda a, b, ratio: -(a + ratio * b))),
        ("the images without labels are not counted", _two_losses(join=lambda a, b, ratio: a)),
        ("the labelled images are not counted", _two_losses(join=lambda a, b, ratio: ratio * b)),
    ],
)
