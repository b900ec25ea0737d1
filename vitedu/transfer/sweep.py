"""Few-shot accuracy for every number of shots and every strength of the penalty, in little more than the time of one.
Taught in notebooks/16_fewshot.ipynb.

Four things make `few_shot_accuracy` cheap to repeat, all exact:
- The images for 5 shots are among those for 10, so X^T X and the sums of the classes grow by the new rows.
- Targets of +1 and -1 need no product: with centred columns, column c of X^T Y is 2 times the sum of class c's rows.
- In the eigenbasis of X^T X a strength is a division: scores = (T Q) diag(1 / (e + l2)) (Q^T X^T Y), T the test rows.
- Which score is highest can nearly always be told in float32; where it cannot, float64 is asked.

The constant column is orthogonal to centred columns, and every class has as many images: it adds the same to the scores
of all classes.  So it is left out where X^T X comes from sums.

Shapes: `N` images, `D` features (the constant column is one of them), `K` classes.
"""

from __future__ import annotations

import math

import torch

from vitedu_numpy.transfer.shots import check_l2, choose_all

from .fewshot import CHUNK, TOLERANCE, check_data, eigen_ridge, eigen_suffices, svd_ridge, whiten, whitening

__all__ = ["STRENGTHS", "few_shot_sweep", "from_rows", "from_sums", "nested_sums", "predict_each", "sweep_classes"]

STRENGTHS = tuple(2.0**p for p in range(6, 15))  # around the official 2^10; all of them quick up to N D = 3e7


# ---- the sums --------------------------------------------------------------------------------------------------------


def nested_sums(features, chosen):
    """Yield (shots, shift, sums, gram) of x = features - shift, for rising shots: each from the one before it.

    chosen: {shots: positions of images, class by class}, as `choose_shots` gives them;  sums (K, D - 1): of each
    class's rows;  gram = x^T x (D - 1, D - 1).  Both are overwritten by the next.  The shift is the mean of the fewest
    images, so it lies inside every column's range for all shots, and subtracting N m m^T later loses few digits.
    """
    least, *_ = rising = sorted(chosen)
    K, width = len(chosen[least]) // least, features.shape[1]
    shift = features[_positions(chosen[least], features)].double().mean(dim=0)  # (D - 1,)
    sums, gram, before = shift.new_zeros(K, width), shift.new_zeros(width, width), 0
    for shots in rising:
        new = chosen[shots].reshape(K, shots)[:, before:]  # (K, new images of each class)
        x = features[_positions(new.ravel(), features)] - shift  # (K new, D - 1), float64 as the shift
        sums += x.view(K, -1, width).sum(dim=1)
        gram += x.T @ x
        before = shots
        yield shots, shift, sums, gram


# ---- the solution: (mean, std, left, e, right), with W = left diag(1 / (e + l2)) right -------------------------------


def from_sums(shots, shift, sums, gram, least):
    """Of the whitened rows, from `nested_sums`; None where the least l2 asks for digits that the sums have lost.

    With the mean m and deviation s of the columns, whitened rows are X = (x - m) / s, so
    X^T X = (gram - N m m^T) / (s s^T) = Q diag(e) Q^T   and   X^T Y = 2 ((sums - shots m) / s)^T.
    """
    N = shots * len(sums)
    m = sums.sum(dim=0) / N  # (D - 1,)
    squares = gram.diagonal()
    std = (squares / N - m**2).clip(min=0).sqrt() + 1e-5  # as `whitening`
    # As in `eigen_suffices`, but of the sums before m is subtracted, which are what is rounded.
    if torch.finfo(torch.float64).eps * (squares / std**2).sum() > TOLERANCE * least:
        return None
    e, Q = torch.linalg.eigh((gram - N * torch.outer(m, m)) / torch.outer(std, std))
    right = 2 * Q.T @ ((sums - shots * m) / std).T  # (D - 1, K)
    left = torch.cat([Q, Q.new_zeros(1, len(Q))])  # (D, D - 1): the constant column does not count
    return shift + m, std, left, e.clip(min=0), right


def from_rows(features, labels, num_classes, least):
    """The same from the rows themselves: by the smaller of X^T X and X X^T, or by the SVD if the least l2 needs it."""
    mean, std = whitening(features)
    X = whiten(features, mean, std)  # (N, D)
    Y = 2 * (labels[:, None] == torch.arange(num_classes, device=labels.device)).double() - 1  # (N, K)
    solver = eigen_ridge if eigen_suffices(X, least) else svd_ridge
    return mean, std, *solver(X, Y)


def predict_each(features, solution, l2):
    """The class with the highest score, for every l2.     features (N, D - 1)  ->  (number of l2, N)

    The products are done in float32, and again in float64 for images whose two best scores are nearer than rounding can
    put them: a sum of r products of rounded numbers is off by 1.01 (r + 3) u ||a|| ||b|| at most, u = 2^-24.  Lengths
    are made 1 first: only the order of an image's scores counts, and nothing overflows.
    """
    mean, std, left, e, right = solution
    is_float32 = torch.get_float32_matmul_precision() == "highest"  # TF32 has fewer digits, so nothing is sure
    near = 2 * 1.01 * (len(e) + 3) * 2.0**-24 if is_float32 else math.inf
    right = right / right.square().sum(dim=0).max().sqrt().clip(min=1e-300)  # (r, K), the longest of length 1
    right32, classes = right.float(), torch.empty(len(l2), len(features), dtype=torch.int64, device=features.device)
    for start in range(0, len(features), CHUNK):
        z = whiten(features[start : start + CHUNK], mean, std) @ left  # (N, r): once for all strengths
        for i, strength in enumerate(l2):
            a = z / (e + strength)  # (N, r)
            a /= a.square().sum(dim=1, keepdim=True).sqrt().clip(min=1e-300)
            scores = a.float() @ right32  # (N, K)
            highest, best = scores.max(dim=1)
            scores.scatter_(1, best[:, None], -math.inf)
            unsure = highest - scores.amax(dim=1) <= near
            best[unsure] = (a[unsure] @ right).argmax(dim=1)
            classes[i, start : start + CHUNK] = best
    return classes


# ---- all of it -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def sweep_classes(features, labels, test_features, chosen, l2):
    """Yield (shots, classes (number of l2, N_test)) that one seed's images predict, in an order of its own.

    chosen: {shots: positions}.  With at least as many images as features by X^T X from sums; else, or where the sums do
    not suffice, from the rows.
    """
    K, D, least = int(labels.max()) + 1, features.shape[1] + 1, min(l2)
    many = {shots: images for shots, images in chosen.items() if len(images) >= D}
    solved = set()
    for shots, *sums in nested_sums(features, many) if many else ():
        solution = from_sums(shots, *sums, least)
        if solution is not None:
            solved.add(shots)
            yield shots, predict_each(test_features, solution, l2)
    for shots in chosen.keys() - solved:
        images = _positions(chosen[shots], features)
        yield shots, predict_each(test_features, from_rows(features[images], labels[images], K, least), l2)


def few_shot_sweep(
    train_features, train_labels, test_features, test_labels, shots=(1, 5, 10, 25), seeds=(0, 1, 2), l2=STRENGTHS
):
    """{shots: {l2: [accuracy per seed]}}: `few_shot_accuracy` for every strength in a list, the work shared.

    The best of many strengths on the same test images is no fair accuracy: choose on others.  Raises as
    `few_shot_accuracy`, and ValueError for an l2 that is no list.
    """
    x, labels, x_test, truth = check_data(train_features, train_labels, test_features, test_labels)
    if not isinstance(l2, (tuple, list)) or not l2:
        raise ValueError(f"l2={l2!r} is not allowed; l2 must be a list of positive numbers")
    strengths = list(dict.fromkeys(check_l2(strength) for strength in l2))
    chosen, _ = choose_all(labels, truth, shots, seeds)
    labels, truth = torch.from_numpy(labels).to(x.device), torch.from_numpy(truth).to(x_test.device)

    accuracy = {k: {strength: [] for strength in strengths} for k in shots}
    for seed in dict.fromkeys(seeds):
        images = {k: chosen[k, seed] for k in accuracy}
        for k, classes in sweep_classes(x, labels, x_test, images, strengths):
            for strength, found in zip(strengths, classes, strict=True):
                accuracy[k][strength].append(float((found == truth).double().mean()))
    return accuracy


def _positions(positions, features):
    return torch.from_numpy(positions).to(features.device)
