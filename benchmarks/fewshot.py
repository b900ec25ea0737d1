"""Few-shot least squares for many strengths of the penalty: `few_shot_sweep` against scikit-learn's `Ridge`.

    python benchmarks/fewshot.py [--width 768] [--rounds 3] [--threads 2]

1000 classes, 5 and 10 shots, 9 strengths (2^6 to 2^14), 2000 test images: 18 accuracies.  The features are made from a
seed so that classes overlap: a third to a half of the test images is right.  Candidates take turns in every round; a
ratio is the median over rounds of the time of "Ridge" divided by the candidate's in the same round; "CPU" is the same
of processor time, which a busy neighbour changes less.  The last column counts the predictions that are Ridge's.

Candidates
    Ridge                  scikit-learn's, its defaults, fitted anew for every strength, as most people write it
    Ridge, no intercept    the same without one: it then need not centre the targets
    numpy, torch           `sweep_classes` of each package
"""

from __future__ import annotations

import argparse
import os
import time

# Threads that wait for work would otherwise spin and take the cores from whoever is measured next.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import sklearn
import torch
from sklearn.linear_model import Ridge

from vitedu.transfer import sweep as torch_sweep
from vitedu_numpy.blas import cpu_count, single_threaded_blas
from vitedu_numpy.transfer import sweep as numpy_sweep
from vitedu_numpy.transfer.fewshot import whitening
from vitedu_numpy.transfer.shots import choose_shots

CLASSES, SHOTS, TEST, STRENGTHS = 1000, (5, 10), 2000, numpy_sweep.STRENGTHS


def make_features(width: int, seed: int = 0):
    """(train (10000, width), labels, test, test labels): means in 100 directions, noise in all."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((100, width)) / 10
    means = rng.standard_normal((CLASSES, 100)) @ directions
    size = rng.uniform(0.2, 5, width)

    def draw(labels):
        x = means[labels] + 3.6 * np.sqrt(width / 768) * rng.standard_normal((len(labels), width))
        return ((x + 1) * size).astype(np.float32)

    labels, test_labels = np.arange(CLASSES * max(SHOTS)) % CLASSES, rng.integers(0, CLASSES, TEST)
    return draw(labels), labels, draw(test_labels), test_labels


def make_candidates(x, labels, x_test):
    """name -> a function without arguments that gives {(shots, strength): classes (2000,)}."""
    chosen = {shots: choose_shots(labels, shots, 0) for shots in SHOTS}

    def ridge(**options):
        def classes():
            found = {}
            for shots, images in chosen.items():
                mean, std = whitening(x[images])
                X, T = (x[images] - mean) / std, (x_test - mean) / std
                Y = 2.0 * (labels[images][:, None] == np.arange(CLASSES)) - 1
                for strength in STRENGTHS:
                    scores = Ridge(strength, **options).fit(X, Y).predict(T)
                    found[shots, strength] = scores.argmax(axis=1)
            return found

        return classes

    def swept(package, *arrays):
        def classes():
            return {
                (shots, strength): np.asarray(row)
                for shots, rows in package.sweep_classes(*arrays, chosen, STRENGTHS)
                for strength, row in zip(STRENGTHS, rows, strict=True)
            }

        return classes

    return {
        "Ridge": ridge(),
        "Ridge, no intercept": ridge(fit_intercept=False),
        "numpy": swept(numpy_sweep, x, labels, x_test),
        "torch": swept(torch_sweep, *(torch.from_numpy(array) for array in (x, labels, x_test))),
    }


def measure(width: int, rounds: int) -> None:
    x, labels, x_test, truth = make_features(width)
    candidates = make_candidates(x, labels, x_test)
    times, cpu, found = {name: [] for name in candidates}, {name: [] for name in candidates}, {}
    for n in range(rounds + 1):  # the first warms up
        for name, classes in candidates.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            found[name] = classes()
            if n:
                times[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - start_cpu)
    reference = found["Ridge"]
    right = [(classes == truth).mean() for classes in reference.values()]
    print(f"\nwidth {width}: {min(right):.1%} to {max(right):.1%} of the test images right, chance 0.1%")
    print(f"{'':20s} {'best s':>7s} {'median s':>9s} {'Ridge / it':>11s} {'CPU':>6s} {'equal predictions':>18s}")
    for name, t in times.items():
        ratio, cpu_ratio = (np.median(np.array(all_["Ridge"]) / np.array(all_[name])) for all_ in (times, cpu))
        equal = sum(int((found[name][cell] == reference[cell]).sum()) for cell in reference)
        cells = f"{equal} of {len(reference) * TEST}"
        print(f"{name:20s} {min(t):7.2f} {np.median(t):9.2f} {ratio:11.1f} {cpu_ratio:6.1f} {cells:>18s}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, nargs="+", default=[768, 2048])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, scikit-learn {sklearn.__version__}, ", end="")
    print(f"{args.threads} threads, {args.rounds} rounds")
    for width in args.width:
        if args.threads == 1:
            with single_threaded_blas():
                measure(width, args.rounds)
        else:
            measure(width, args.rounds)


if __name__ == "__main__":
    main()
