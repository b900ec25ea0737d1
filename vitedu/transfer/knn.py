"""k nearest neighbours on a frozen model's features, weighted as DINO does (Caron et al. 2021, arXiv:2104.14294).
Taught in notebooks/16_fewshot.ipynb.

Nothing is fitted: the k training images that look most alike vote, each with exp(cosine / temperature).
Features stay on their device.

Shapes: `N` images, `D` features, `K` classes, `k` neighbours.
"""

from __future__ import annotations

import torch

from vitedu_numpy.transfer.shots import check_neighbors, count_classes
from vitedu_numpy.validate import is_number, require

from ..module import shaped
from .fewshot import check_data

__all__ = ["NEIGHBORS", "TEMPERATURE", "knn_accuracy", "knn_classes", "nearest", "normalize"]

NEIGHBORS = (10, 20, 100, 200)
TEMPERATURE = 0.07
CHUNK = 1024  # test images at a time: their similarities to all training images are (CHUNK, N)


@shaped
def normalize(features):
    """x / ||x||: rows of length 1, so that products are cosines; zeros stay.     features (N, D)  ->  (N, D)"""
    x = features.double()
    return x / x.square().sum(dim=1, keepdim=True).sqrt().clip(min=1e-12)


@shaped
def nearest(features, test_features, k):
    """(cosine, position) of the k training images most like each test image, most alike first.

    features (N, D)   test_features (N_test, D)  ->  two (N_test, k)
    """
    require(k <= len(features), "k", k, f"at most the number of features, {len(features)}")
    return (test_features @ features.T).topk(k, dim=1)


def knn_classes(features, labels, test_features, num_classes, k=NEIGHBORS, temperature=TEMPERATURE):
    """{k: the class with the most votes (N_test,)}: vote of a neighbour = exp(cosine / temperature), for its class.

    features (N, D), labels (N,).  A k above N: all N vote, and a message says so.
    """
    require(is_number(temperature) and temperature > 0, "temperature", temperature, "a positive number")
    rising, found = check_neighbors(k, len(features)), []
    train, most = normalize(features), min(max(k), len(features))
    for start in range(0, len(test_features), CHUNK):
        cosine, near = nearest(train, normalize(test_features[start : start + CHUNK]), most)
        vote, neighbor = (cosine / temperature).exp(), labels[near]  # (C, k), (C, k)
        votes, counted = vote.new_zeros(len(cosine), num_classes), 0
        for n in rising:  # the 20 nearest are the 10 nearest and ten more
            for j in range(counted, min(n, most)):
                votes.scatter_add_(1, neighbor[:, j : j + 1], vote[:, j : j + 1])
            counted = min(n, most)
            found.append((n, votes.argmax(dim=1)))
    return {n: torch.cat([classes for m, classes in found if m == n]) for n in k}


@torch.no_grad()
def knn_accuracy(train_features, train_labels, test_features, test_labels, k=NEIGHBORS, temperature=TEMPERATURE):
    """{k: part of the test images whose neighbours are right}.

    Raises TypeError and ValueError as `few_shot_accuracy`, and ValueError for k that is no list of positive integers.
    """
    x, labels, x_test, truth = check_data(train_features, train_labels, test_features, test_labels)
    K = count_classes(labels, truth)
    labels, truth = torch.from_numpy(labels).to(x.device), torch.from_numpy(truth).to(x_test.device)
    classes = knn_classes(x, labels, x_test, K, k, temperature)
    return {n: float((found == truth).double().mean()) for n, found in classes.items()}
