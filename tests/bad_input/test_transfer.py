"""Sweeps, neighbours and probes: what makes no sense is refused before any work, and named."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

FEATURES = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
LABELS = np.arange(8) % 2
GOOD = dict(train_features=FEATURES, train_labels=LABELS, test_features=FEATURES[:4], test_labels=LABELS[:4])
ALL = {"few_shot_sweep": ("sweep", dict(shots=(1,))), "knn_accuracy": ("knn", {}), "linear_probe": ("probe", {})}


def holding(value):
    features = FEATURES.copy()
    features[2, 1] = value
    return features


# For every function: what is changed, the error, what it says.
COMMON = {
    "NaN": (dict(train_features=holding(np.nan)), ValueError, ("train_features[2] holds NaN or infinity",)),
    "infinity": (dict(test_features=holding(np.inf)[:4]), ValueError, ("test_features[2] holds NaN or infinity",)),
    "constant": (dict(train_features=np.ones((8, 3))), ValueError, ("train_features are the same for every image",)),
    "integers": (dict(train_features=np.ones((8, 3), int)), TypeError, ("train_features has dtype", "floating point")),
    "other columns": (dict(test_features=FEATURES[:4, :2]), ValueError, ("test_features has 2 columns", "3")),
    "labels, floats": (dict(train_labels=LABELS / 1), TypeError, ("train_labels has dtype", "integers")),
    "labels, too few": (dict(train_labels=LABELS[:7]), ValueError, ("train_labels holds 7 labels for 8 images",)),
    "labels, negative": (dict(test_labels=LABELS[:4] - 1), ValueError, ("test_labels run from -1", "0 ... K - 1")),
    "one class": (dict(train_labels=0 * LABELS), ValueError, ("train_labels holds one class", "2 or more")),
    "an unknown class": (dict(test_labels=LABELS[:4] + 1), ValueError, ("test_labels run to 2", "0..1")),
}
OWN = {
    "too many shots": ("few_shot_sweep", dict(shots=(1, 5)), ValueError, ("class 0 has 4 images", "shots=5")),
    "shots, zero": ("few_shot_sweep", dict(shots=(0,)), ValueError, ("shots=0 is not allowed", "integer >= 1")),
    "seeds, negative": ("few_shot_sweep", dict(seeds=(-1,)), ValueError, ("seed=-1 is not allowed", "integer >= 0")),
    "l2, zero": ("few_shot_sweep", dict(l2=[1.0, 0]), ValueError, ("l2=0 is not allowed", "positive number")),
    "l2, negative": ("few_shot_sweep", dict(l2=[-1.0]), ValueError, ("l2=-1.0 is not allowed", "positive number")),
    "l2, one number": ("few_shot_sweep", dict(l2=1.0), ValueError, ("l2=1.0 is not allowed", "list of positive")),
    "l2, none": ("few_shot_sweep", dict(l2=[]), ValueError, ("l2=[] is not allowed", "list of positive")),
    "k, zero": ("knn_accuracy", dict(k=(0, 10)), ValueError, ("k=(0, 10) is not allowed", "integers >= 1")),
    "k, one number": ("knn_accuracy", dict(k=10), ValueError, ("k=10 is not allowed", "list of integers")),
    "temperature": ("knn_accuracy", dict(temperature=0), ValueError, ("temperature=0 is not allowed", "positive")),
    "method": ("linear_probe", dict(method="adam"), ValueError, ("method='adam' is not allowed", "'lbfgs' or 'sgd'")),
    "choices, zero": ("linear_probe", dict(choices=[0.0]), ValueError, ("choices=[0.0] is not allowed", "positive")),
    "choices, none": ("linear_probe", dict(choices=[]), ValueError, ("choices=[] is not allowed", "positive")),
    "held out, all": ("linear_probe", dict(held_out=1), ValueError, ("held_out=1 is not allowed", "between 0 and 1")),
    "held out, none": ("linear_probe", dict(held_out=0.01), ValueError, ("held_out=0.01 of 8 images leaves none",)),
}
CASES = {f"{function}: {name}": (function, *case) for function in ALL for name, case in COMMON.items()} | OWN


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_refused(case, package, array, refused):
    function, changes, error, texts = case
    module, options = ALL[function]
    arguments = options | GOOD | changes
    arguments = {name: array(x) if isinstance(x, np.ndarray) else x for name, x in arguments.items()}
    with refused(error, *texts):
        getattr(rooms.load(package, module), function)(**arguments)
