"""vitedu/check/catalogue/noisy.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import numpy as np
import pytest

# ---- right answers ---------------------------------------------------------------------------------------------------


def targets_by_loop(probabilities, threshold, per_class):
    positions = []
    for c in range(probabilities.shape[1]):
        mine = [(-max(p), i) for i, p in enumerate(probabilities) if max(p) >= threshold and np.argmax(p) == c]
        for j in range(per_class if mine else 0):
            positions.append(sorted(mine)[j % len(mine)][1])
    return positions, [probabilities[i] for i in positions]


def by_torch(probabilities, threshold, per_class):
    torch = pytest.importorskip("torch")
    p = torch.from_numpy(probabilities)
    sure, classes = p.max(dim=1)
    positions = []
    for c in range(p.shape[1]):
        mine = torch.where((classes == c) & (sure >= threshold), sure, -1.0)
        order = mine.argsort(descending=True)[: int((mine > 0).sum())].tolist()
        positions += (order * per_class)[:per_class]
    return np.array(positions), p[positions]


def loss_by_loop(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    def cross_entropy(z, t):
        return -sum(t * (z - np.log(np.exp(z).sum())))

    K = logits.shape[1]
    labelled = []
    for z, label in zip(logits, labels, strict=True):
        t = np.full(K, smoothing / K)
        t[label] += 1 - smoothing
        labelled.append(cross_entropy(z, t))
    others = [cross_entropy(z, t) for z, t in zip(unlabelled_logits, teacher, strict=True)]
    return np.mean(labelled) + ratio * np.mean(others)


def loss_by_torch(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    logits, labels, unlabelled_logits, teacher = map(torch.from_numpy, (logits, labels, unlabelled_logits, teacher))
    labelled = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    return labelled + ratio * F.cross_entropy(unlabelled_logits, teacher)


RIGHT = [
    ("pseudo_targets", targets_by_loop),
    ("pseudo_targets", by_torch),
    ("noisy_student_loss", loss_by_loop),
    ("noisy_student_loss", loss_by_torch),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


def test_cases_have_a_class_that_is_rare_and_one_that_is_never_sure():
    """Else the mistakes that are about them could not be seen."""
    from vitedu.check import pseudo_targets

    for p, threshold, per_class in pseudo_targets.cases(np.random.default_rng(pseudo_targets.seed)):
        sure = np.bincount(p.argmax(axis=1)[p.max(axis=1) >= threshold], minlength=p.shape[1])
        assert 1 < sure[-2] < per_class
        assert sure[-1] == 0
        assert p.shape[1] - 1 in p.argmax(axis=1)
        assert sure.max() > per_class


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def strict_sort(probabilities, threshold, per_class):
    """Sorted upwards, and cut at the wrong end."""
    positions = []
    for c in range(probabilities.shape[1]):
        mine = [(max(p), i) for i, p in enumerate(probabilities) if max(p) >= threshold and np.argmax(p) == c]
        positions += [i for _, i in (sorted(mine) * per_class)[:per_class]]
    return positions, probabilities[positions]


def one_hot_targets(probabilities, threshold, per_class):
    positions, rows = targets_by_loop(probabilities, threshold, per_class)
    return positions, [[float(x == max(row)) for x in row] for row in rows]


def by_torch_without_balance(probabilities, threshold, per_class):
    torch = pytest.importorskip("torch")
    p = torch.from_numpy(probabilities)
    kept = (p.max(dim=1).values >= threshold).nonzero().ravel()
    return kept, p[kept]


def kl_by_torch(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    logits, labels, unlabelled_logits, teacher = map(torch.from_numpy, (logits, labels, unlabelled_logits, teacher))
    divergence = F.kl_div(unlabelled_logits.log_softmax(dim=1), teacher, reduction="batchmean")
    return F.cross_entropy(logits, labels, label_smoothing=smoothing) + ratio * divergence


def smoothed_everywhere(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    logits, labels, unlabelled_logits, teacher = map(torch.from_numpy, (logits, labels, unlabelled_logits, teacher))
    others = F.cross_entropy(unlabelled_logits, teacher, label_smoothing=smoothing)
    return F.cross_entropy(logits, labels, label_smoothing=smoothing) + ratio * others


AGAIN = [
    ("pseudo_targets", strict_sort, "least sure"),
    ("pseudo_targets", one_hot_targets, "hard"),
    ("pseudo_targets", by_torch_without_balance, "nothing is balanced"),
    ("pseudo_targets", lambda p, t, n: targets_by_loop(p, 0, n), "nothing is filtered"),
    ("noisy_student_loss", kl_by_torch, "entropy is taken off"),
    ("noisy_student_loss", smoothed_everywhere, "teacher's answers are smoothed too"),
    ("noisy_student_loss", lambda z, y, u, q, r, s: loss_by_loop(z, y, u, q, 1, s), "ratio is not used"),
    ("noisy_student_loss", lambda z, y, u, q, r, s: loss_by_loop(z, y, u, q, r, 0), "labels are not smoothed"),
    ("noisy_student_loss", lambda z, y, u, q, r, s: loss_by_loop(z, y, u, q, r, s) / (1 + r), "averaged"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
