"""Few-shot accuracy: what makes no sense is refused before any work, and named."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

FEATURES = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
LABELS = np.arange(8) % 2
GOOD = dict(train_features=FEATURES, train_labels=LABELS, test_features=FEATURES[:4], test_labels=LABELS[:4])


def holding(value):
    features = FEATURES.copy()
    features[2, 1] = value
    return features


@pytest.fixture
def fewshot(package):
    return rooms.load(package, "fewshot")


CASES = {
    "NaN": (dict(train_features=holding(np.nan)), ValueError, ("train_features[2] holds NaN or infinity",)),
    "infinity": (dict(test_features=holding(np.inf)[:4]), ValueError, ("test_features[2] holds NaN or infinity",)),
    "integers": (dict(train_features=np.ones((8, 3), int)), TypeError, ("train_features has dtype", "floating point")),
    "one image": (dict(train_features=FEATURES[0]), ValueError, ("train_features has shape (3,)", "(N, D)")),
    "no images": (dict(test_features=FEATURES[:0]), ValueError, ("test_features has shape (0, 3)", "(N, D)")),
    "other columns": (dict(test_features=FEATURES[:4, :2]), ValueError, ("test_features has 2 columns", "3")),
    "labels, floats": (dict(train_labels=LABELS / 1), TypeError, ("train_labels has dtype", "integers")),
    "labels, booleans": (dict(test_labels=LABELS[:4] == 1), TypeError, ("test_labels has dtype", "integers")),
    "labels, one-hot": (
        dict(train_labels=np.eye(2, dtype=int)[LABELS]),
        ValueError,
        ("train_labels has shape (8, 2)",),
    ),
    "labels, too few": (dict(train_labels=LABELS[:7]), ValueError, ("train_labels holds 7 labels for 8 images",)),
    "labels, negative": (dict(train_labels=LABELS - 1), ValueError, ("train_labels run from -1", "0 ... K - 1")),
    "one class": (dict(train_labels=0 * LABELS), ValueError, ("train_labels holds one class", "2 or more")),
    "an unknown class": (dict(test_labels=LABELS[:4] + 1), ValueError, ("test_labels run to 2", "0..1")),
    "an empty class": (dict(train_labels=2 * LABELS), ValueError, ("class 1 has 0 images", "shots=1")),
    "too many shots": (dict(shots=(1, 5)), ValueError, ("class 0 has 4 images", "shots=5")),
    "no shots": (dict(shots=()), ValueError, ("shots=() is not allowed", "list of integers")),
    "shots, one number": (dict(shots=2), ValueError, ("shots=2 is not allowed", "list of integers")),
    "shots, zero": (dict(shots=(0,)), ValueError, ("shots=0 is not allowed", "integer >= 1")),
    "shots, a fraction": (dict(shots=(1.5,)), ValueError, ("shots=1.5 is not allowed", "integer >= 1")),
    "seeds, negative": (dict(seeds=(0, -1)), ValueError, ("seed=-1 is not allowed", "integer >= 0")),
    "seeds, none": (dict(seeds=None), ValueError, ("seeds=None is not allowed", "list of integers")),
    "l2, zero": (dict(l2=0), ValueError, ("l2=0 is not allowed", "positive number")),
    "l2, NaN": (dict(l2=float("nan")), ValueError, ("l2=nan is not allowed", "positive number")),
    "l2, several": (dict(l2=[1.0, 2.0]), ValueError, ("l2=[1.0, 2.0] is not allowed", "positive number")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_few_shot_accuracy(case, fewshot, array, refused):
    changes, error, texts = case
    arguments = dict(shots=(1,)) | GOOD | changes
    arguments = {name: array(x) if isinstance(x, np.ndarray) else x for name, x in arguments.items()}
    with refused(error, *texts):
        fewshot.few_shot_accuracy(**arguments)


def test_nothing_is_computed_before_all_is_checked(fewshot, array, refused, monkeypatch):
    """The last of the shots is too many: the first is not tried."""
    monkeypatch.setattr(fewshot, "ridge", None)
    with refused(ValueError, "class 0 has 4 images", "shots=9"):
        fewshot.few_shot_accuracy(**{name: array(x) for name, x in GOOD.items()}, shots=(1, 9))


def test_ridge(fewshot, array, refused):
    x, y = array(np.ones((2, 3))), array(np.ones((2, 2)))
    for l2, named in ((-1.0, "-1.0"), ("1", "'1'"), ([1.0, float("inf")], "[1.0, inf]"), (True, "True")):
        with refused(ValueError, f"l2={named} is not allowed", "positive number"):
            fewshot.ridge(x, y, l2)
    with refused(ValueError, "form='both' is not allowed", "'primal', 'dual' or None"):
        fewshot.eigen_ridge(x, y, "both")
