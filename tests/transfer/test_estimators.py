"""`FewShotRidge` and `ViTClassifier` are what scikit-learn calls an estimator, by its own checks; none is excused.

python -m pytest tests/transfer/test_estimators.py -k check_estimator -s      prints every check and its result
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import vitedu
from vitedu import FewShotRidge, ViTClassifier

torch.set_num_threads(1)  # the models are tiny: more threads would only wait for each other
ROOT = Path(__file__).resolve().parents[2]

# 8 numbers wide and one block deep: a fit takes a tenth of a second, and the checks fit more than a hundred times.
TINY = vitedu.ViTConfig(image_size=4, patch_size=1, width=8, depth=1, heads=2, mlp_dim=16, num_classes=2, channels=1)
BACKENDS = ("torch", "numpy")


def tiny(backend, **changes):
    steps = 30 if backend == "numpy" else 20  # from other first values
    settings = dict(backend=backend, steps=steps, learning_rate=3e-2, dtype="float64", random_state=0) | changes
    return ViTClassifier(TINY, **settings)


@pytest.fixture(scope="module")
def digits():
    """(400, 64) pixels of 0 ... 16, labels."""
    x, labels = load_digits(return_X_y=True)
    return x[:400], labels[:400]


# ---- scikit-learn's own checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["FewShotRidge", "ViTClassifier, torch", "ViTClassifier, numpy"])
def test_check_estimator(name):
    """float64, for scores of one image must be those of the image among others, to 1e-7."""
    estimator = FewShotRidge() if name == "FewShotRidge" else tiny(name.split()[-1])
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    for result in results:
        print(f"{name}: {result['check_name']} {result['status']} {result['exception'] or ''}"[:200])
    counts = Counter(result["status"] for result in results)
    print(f"{name}: {dict(counts)}")
    not_passed = {result["check_name"]: str(result["exception"]) for result in results if result["status"] != "passed"}
    # Arrays of other libraries: scikit-learn itself has to be told of them, by an environment variable.
    assert set(not_passed) <= {"check_array_api_input"}, not_passed
    assert counts["passed"] >= 50  # an estimator that says it reads no tables is hardly checked at all


@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_scores_of_one_image_are_nearly_those_among_others(backend):
    """Products of other sizes add up in another order: about 1e-6 here, where scikit-learn's check asks for 1e-7."""
    estimator = tiny(backend, dtype="float32", steps=2)
    X, y = np.random.default_rng(0).standard_normal((30, 9)), np.arange(30) % 2
    estimator.fit(X, y)
    alone = np.concatenate([estimator.decision_function(row[None]) for row in X])
    np.testing.assert_allclose(alone, estimator.decision_function(X), rtol=0, atol=1e-5)


# ---- FewShotRidge ----------------------------------------------------------------------------------------------------


def test_ridge_is_few_shot_accuracy(digits):
    x, labels = digits
    estimator = FewShotRidge(shots=10, random_state=3).fit(x[:300], labels[:300])
    chosen = estimator.chosen_
    assert np.bincount(labels[chosen]).tolist() == [10] * 10
    expected = vitedu.few_shot_accuracy(x[chosen], labels[chosen], x[300:], labels[300:], shots=(10,), seeds=(0,))
    assert [estimator.score(x[300:], labels[300:])] == expected[10]
    again = FewShotRidge(shots=10, random_state=3).fit(x[:300], labels[:300])
    assert np.array_equal(again.weights_, estimator.weights_)
    assert not np.array_equal(FewShotRidge(shots=10, random_state=4).fit(x[:300], labels[:300]).chosen_, chosen)


def test_ridge_takes_labels_of_any_kind(digits):
    x, labels = digits
    names = np.array([f"digit {label}" for label in labels])
    by_number, by_name = FewShotRidge().fit(x, labels), FewShotRidge().fit(x, names)
    assert by_name.classes_.tolist() == sorted(set(names))
    assert by_name.predict(x).tolist() == [f"digit {label}" for label in by_number.predict(x)]


def test_ridge_in_pipeline_and_searches(digits):
    x, labels = digits
    pipeline = make_pipeline(StandardScaler(), FewShotRidge())
    assert cross_val_score(pipeline, x, labels, cv=3).mean() > 0.75  # 266 images a fit
    search = GridSearchCV(pipeline, {"fewshotridge__l2": [1.0, 2.0**10, 2.0**30]}, cv=3).fit(x, labels)
    assert search.best_params_ != {"fewshotridge__l2": 2.0**30}
    read = pickle.loads(pickle.dumps(search))
    assert np.array_equal(read.predict(x), search.predict(x))


# ---- ViTClassifier ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_vit_learns_digits_as_images_and_flat(backend, digits):
    x, labels = digits
    images = x.reshape(-1, 1, 8, 8)
    model = ViTClassifier(backend=backend, steps=150, batch_size=32, random_state=0).fit(x[:300], labels[:300])
    assert (model.image_shape_, model.config_.patch_size) == ((1, 8, 8), 2)
    assert model.score(x[300:], labels[300:]) > 0.6  # chance is 0.1

    flat = tiny(backend, steps=5).fit(x[:300], labels[:300])
    folded = clone(flat).fit(images[:300], labels[:300])
    assert np.array_equal(folded.predict_proba(images[300:]), flat.predict_proba(x[300:]))
    # As integers, or in another unit: the training images' range says what is black and what is white.
    bytes_ = clone(flat).fit((images[:300] * 15).astype(np.uint8), labels[:300])
    assert np.array_equal(bytes_.predict((images[300:] * 15).astype(np.uint8)), flat.predict(x[300:]))


def test_both_backends_train_from_the_same_state(digits):
    """Not from the same first values, which each package draws itself: so the state is carried over, and one scores."""
    x, labels = digits
    ours, theirs = (tiny(backend, steps=5).fit(x, labels) for backend in ("numpy", "torch"))
    theirs.model_.load_state_dict(ours.model_.state_dict())
    np.testing.assert_allclose(theirs.predict_proba(x), ours.predict_proba(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_vit_random_state_pickle_and_clone(backend, digits):
    x, labels = digits
    fitted = tiny(backend, steps=10).fit(x, labels)
    expected = fitted.predict_proba(x)
    assert np.array_equal(clone(fitted).fit(x, labels).predict_proba(x), expected)
    assert not np.array_equal(tiny(backend, steps=10, random_state=1).fit(x, labels).predict_proba(x), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(x), expected)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-12)
    assert len(fitted.history_["loss"]) == fitted.steps


@pytest.mark.parametrize("backend", BACKENDS)
def test_vit_in_pipeline_and_searches(backend, digits):
    x, labels = digits
    pipeline = make_pipeline(FunctionTransformer(np.sqrt), tiny(backend, steps=20, dtype="float32"))
    assert cross_val_score(pipeline, x, labels, cv=2).shape == (2,)
    grid = {"vitclassifier__learning_rate": [1e-6, 3e-2]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="neg_log_loss").fit(x, labels)
    assert search.best_params_ == {"vitclassifier__learning_rate": 3e-2}


def test_vit_takes_names_and_settings():
    images, labels = np.random.default_rng(0).uniform(0, 255, (12, 3, 32, 32)), np.arange(12) % 3
    named = ViTClassifier("vit_ti16", steps=1, batch_size=4).fit(images, labels)
    assert (named.config_.width, named.config_.image_size, named.config_.num_classes) == (192, (32, 32), 3)
    resnet = ViTClassifier("bit_tiny", steps=1, batch_size=4, backend="numpy").fit(images, labels)
    assert type(resnet.model_).__name__ == "BiT"
    folded = ViTClassifier(TINY, image_shape=(3, 2, 4), steps=1).fit(images.reshape(12, -1)[:, :24], labels)
    assert folded.image_shape_ == (3, 2, 4)


# ---- what makes no sense ---------------------------------------------------------------------------------------------


def test_refused(digits):
    x, labels = digits
    wrong = [
        (FewShotRidge(l2=0), x, labels, "l2=0 is not allowed"),
        (FewShotRidge(shots=99), x, labels, "class 0 has 41 images; shots=99"),
        (FewShotRidge(), x, 0 * labels, "y holds one class"),
        (tiny("jax"), x, labels, "backend='jax' is not allowed"),
        (tiny("torch", dtype="float16"), x, labels, "dtype='float16' is not allowed"),
        (tiny("torch", steps=0), x, labels, "steps=0 is not allowed"),
        (tiny("torch", image_shape=(1, 8, 9)), x, labels, "image_shape=.* is not allowed; .* C H W = 64"),
        (tiny("torch", image_shape=(8, 8)), x, labels, "image_shape=.* is not allowed"),
        (tiny("torch", image_shape=(1, 4, 16)), x.reshape(-1, 1, 8, 8), labels, "image_shape=.* is not allowed"),
        (tiny("torch"), x.reshape(-1, 8, 8), labels, "X has shape .400, 8, 8.; expected images"),
        (ViTClassifier("vit_b17"), x, labels, "'vit_b17' is not a registered model"),
    ]
    for estimator, X, y, message in wrong:
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, y)
    fitted = tiny("numpy", steps=1).fit(x.reshape(-1, 1, 8, 8), labels)
    with pytest.raises(ValueError, match=r"X has images of shape \(1, 4, 16\); the model was fitted on \(1, 8, 8\)"):
        fitted.predict(x.reshape(-1, 1, 4, 16))


def test_without_scikit_learn_the_way_to_get_it_is_named():
    code = "import sys; sys.modules['sklearn'] = None\nimport vitedu\nvitedu.few_shot_sweep\nvitedu.ViTClassifier"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "ImportError: FewShotRidge and ViTClassifier need scikit-learn" in done.stderr
    assert 'pip install "vitedu[digits]"' in done.stderr


def test_importing_vitedu_loads_no_scikit_learn():
    code = "import sys, vitedu; vitedu.few_shot_sweep; vitedu.knn_accuracy; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"
