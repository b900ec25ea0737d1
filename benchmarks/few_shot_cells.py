"""Few-shot accuracy in 720 cells, against weights of 40 digits: is any cell an image off?  (about ten minutes)

    python benchmarks/few_shot_cells.py

A cell is one accuracy on 797 test images of the handwritten digits: 1, 5, 10 or 25 shots of the first 1000, seeds 0 to
2, l2 from 2^-10 to 2^19, from the 64 pixels or from 128 random rectified features of them.  Both packages must find the
same class as the 40 digits for every image.  For comparison: the eigenvalues of X^T X alone, at every l2.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from sklearn.datasets import load_digits

from vitedu.transfer import fewshot as torch_fewshot
from vitedu_numpy.transfer import fewshot as numpy_fewshot
from vitedu_numpy.transfer.shots import choose_shots

SHOTS, SEEDS, STRENGTHS = (1, 5, 10, 25), (0, 1, 2), tuple(2.0**p for p in range(-10, 20))
BITS = 120  # binary places of data, as whole numbers: floats down to 2^-67 are exact in them
PLACES = 200  # ... and of the weights


def as_integers(x) -> np.ndarray:
    """x 2^BITS, as Python's integers, which have as many digits as it takes."""
    scaled = np.asarray(x, np.float64) * 2.0**BITS
    if not (scaled == np.rint(scaled)).all():
        raise ValueError("a number is too small to be exact")
    return np.array([int(value) for value in scaled.ravel()], object).reshape(scaled.shape)


def exact_ridge(X, Y, l2) -> np.ndarray:
    """`ridge` to 40 digits, times 2^PLACES, in integers.     X (N, D), Y (N, K)  ->  (D, K)

    Iterative refinement: the residual of the normal equations, X^T (Y - X W) - l2 W, is computed exactly, the step from
    it in float64.  Every round adds as many digits as the step has, until the step is below the 40th.
    """
    _, s, Vt = np.linalg.svd(X)
    e = np.pad(s**2, (0, X.shape[1] - len(s)))
    X, Y, strength = as_integers(X), as_integers(Y), int(as_integers(l2))
    W = np.zeros((X.shape[1], Y.shape[1]), object)
    for _ in range(50):
        residual = X.T.dot((Y << PLACES) - X.dot(W)) - ((strength * W) << BITS)  # times 2^(2 BITS + PLACES)
        shift = max(int(abs(residual).max()).bit_length() - 900, 0)  # floats end at 2^1024
        r = (residual >> shift).astype(np.float64) * 2.0 ** -(2 * BITS)
        step = Vt.T @ ((Vt @ r) / (e + l2)[:, None])  # times 2^(PLACES - shift)
        step = np.array([int(value) for value in step.ravel()], object).reshape(W.shape) << shift
        W = W + step
        if abs(step).max() <= abs(W).max() >> 133:  # 2^-133 = 1e-40
            return W
    raise ArithmeticError("the refinement does not converge")


def exact_classes(X, Y, T, l2) -> np.ndarray:
    """The class with the highest score of each row of T, which has the constant column."""
    scores = as_integers(T).dot(exact_ridge(X, Y, l2))
    return np.array([max(range(len(row)), key=lambda c: row[c]) for row in scores])


def feature_sets(pixels) -> dict[str, np.ndarray]:
    """ "pixels" (1797, 64), three of which are always 0, and "rectified" (1797, 128)."""
    rng = np.random.default_rng(0)
    hidden = np.maximum((pixels / 8 - 1) @ rng.standard_normal((64, 128)), 0)
    return {"pixels": pixels.astype(np.float32), "rectified": hidden.astype(np.float32)}


def classes_of(package, few, Y, test, strengths) -> list[np.ndarray]:
    """What a package predicts from these images, for each l2."""
    as_its_own = np.asarray if package is numpy_fewshot else torch.from_numpy
    few, Y, test = as_its_own(few), as_its_own(Y), as_its_own(test)
    mean, std = package.whitening(few)
    weights = package.ridge(package.whiten(few, mean, std), Y, list(strengths))
    return [np.asarray(package.predict(test, mean, std, W)) for W in weights]


def main() -> None:
    pixels, labels = load_digits(return_X_y=True)
    wrong, cells = {"vitedu_numpy": [], "vitedu": [], "eigenvalues alone": []}, 0
    for (name, features), shots, seed in product(feature_sets(pixels).items(), SHOTS, SEEDS):
        images = choose_shots(labels[:1000], shots, seed)
        few, test, truth = features[images], features[1000:], labels[1000:]
        Y = 2.0 * (labels[images][:, None] == np.arange(10)) - 1
        mean, std = numpy_fewshot.whitening(few)
        X, T = numpy_fewshot.whiten(few, mean, std), numpy_fewshot.whiten(test, mean, std)
        left, e, right = numpy_fewshot.eigen_ridge(X, Y)
        found = {
            "vitedu_numpy": classes_of(numpy_fewshot, few, Y, test, STRENGTHS),
            "vitedu": classes_of(torch_fewshot, few, Y, test, STRENGTHS),
            "eigenvalues alone": [(T @ (left @ (right / (e + l2)[:, None]))).argmax(1) for l2 in STRENGTHS],
        }
        for i, l2 in enumerate(STRENGTHS):
            exact = exact_classes(X, Y, T, l2)
            cells += 1
            for way, classes in found.items():
                if not np.array_equal(classes[i], exact):
                    off = int((classes[i] == truth).sum() - (exact == truth).sum())
                    wrong[way].append(f"{name}, {shots} shots, seed {seed}, l2 2^{np.log2(l2):.0f}: {off:+d} images")
        exact_so_far = ", ".join(f"{way} {cells - len(list_)}" for way, list_ in wrong.items())
        print(f"{name:9s} {shots:2d} shots, seed {seed}: of {cells} cells exact: {exact_so_far}", flush=True)
    for way, cases in wrong.items():
        print(f"{way}: {cells - len(cases)} of {cells} exact", *cases, sep="\n    ")


if __name__ == "__main__":
    main()
