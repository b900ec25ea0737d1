"""scikit-learn's way in: least squares on a frozen model's features, and a whole ViT, as its estimators.
Taught in notebooks/16_fewshot.ipynb.

    cross_val_score(vitedu.FewShotRidge(), features, labels)
    GridSearchCV(vitedu.ViTClassifier(), {"steps": [200, 800], "learning_rate": [1e-3, 3e-3]}).fit(images, labels)

What scikit-learn promises of an estimator holds: parameters are stored as they were given and checked in `fit`, what
was learned ends in `_`, labels may be anything that sorts, and both work in a Pipeline and can be pickled.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from math import isqrt

import numpy as np
import torch

from vitedu_numpy.config import TrainConfig, ViTConfig
from vitedu_numpy.models.names import named_config
from vitedu_numpy.transfer.shots import check_l2, choose_shots
from vitedu_numpy.validate import check_choices, is_count, require

from .fewshot import L2, ridge, whiten, whitening

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        'FewShotRidge and ViTClassifier need scikit-learn 1.6 or newer: pip install "vitedu[digits]"'
    ) from error

__all__ = ["FewShotRidge", "ViTClassifier"]


class _Classifier(ClassifierMixin, BaseEstimator):
    """What both do with labels, scores and random numbers."""

    def _encode(self, y) -> np.ndarray:
        """Labels as 0 ... K - 1; sets `classes_`."""
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, {self.classes_[0]!r}; expected 2 or more")
        return labels

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def decision_function(self, X):
        """Scores (n, K); for two classes (n,): the second's minus the first's, so that above 0 means the second."""
        scores = self._scores(X)  # (n, K)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        """The class with the highest score: (n,)"""
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]


class FewShotRidge(_Classifier):
    """`few_shot_accuracy`'s classifier: whitened features, a constant column, targets of +1 and -1, a penalty of l2.

    l2: strength of the penalty;  shots: fit on so many images of each class, chosen by random_state (None: on all).
    Learns `mean_`, `std_` (d,), `weights_` (d + 1, K), the constant's weights last, and with shots positions `chosen_`.
    """

    def __init__(self, l2=L2, *, shots=None, random_state=None):
        self.l2 = l2
        self.shots = shots
        self.random_state = random_state

    def fit(self, X, y):
        """X (n, d) features, y (n,) labels  ->  the estimator itself"""
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        strength, labels = check_l2(self.l2), self._encode(y)
        if self.shots is not None:
            self.chosen_ = choose_shots(labels, self.shots, self._seed())
            X, labels = X[self.chosen_], labels[self.chosen_]
        x = torch.tensor(X)
        mean, std = whitening(x)
        targets = 2.0 * (labels[:, None] == np.arange(len(self.classes_))) - 1  # (n, K)
        weights = ridge(whiten(x, mean, std), torch.from_numpy(targets), strength)
        self.mean_, self.std_, self.weights_ = mean.numpy(), std.numpy(), weights.numpy()
        return self

    def _scores(self, X):
        check_is_fitted(self)
        x = torch.tensor(validate_data(self, X, dtype=(np.float64, np.float32), reset=False))
        mean, std, weights = (torch.tensor(array) for array in (self.mean_, self.std_, self.weights_))
        return (whiten(x, mean, std) @ weights).numpy()


class ViTClassifier(_Classifier):
    """A Vision Transformer that is trained from scratch on the images given to `fit`, by either package.

    X: images (n, C, H, W), or flat (n, C H W) as a Pipeline passes them; `image_shape` (C, H, W) says how to fold these
    (None: a grey square, else a row of pixels).  The training pixels' least and greatest value become -1 and +1.

    config: settings of an image model, or the name of a model ("vit_ti16"), whose classes, channels
    and image size become the data's; None: a small ViT of about 60,000 parameters.  backend: "torch" or "numpy"; dtype:
    "float32" or "float64"; device: where PyTorch computes.  The others are `TrainConfig`'s.  Learns `model_`,
    `config_`, `history_` and `image_shape_`.
    """

    def __init__(
        self,
        config=None,
        *,
        image_shape=None,
        backend="torch",
        steps=500,
        batch_size=64,
        learning_rate=3e-3,
        warmup_steps=None,
        decay="cosine",
        weight_decay=0.05,
        label_smoothing=0.0,
        shift=0,
        dtype="float32",
        device="cpu",
        random_state=None,
    ):
        self.config = config
        self.image_shape = image_shape
        self.backend = backend
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps  # None: a tenth of the steps
        self.decay = decay
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.shift = shift
        self.dtype = dtype
        self.device = device
        self.random_state = random_state

    def fit(self, X, y):
        """X images (n, C, H, W) or (n, C H W), y (n,) labels  ->  the estimator itself"""
        check_choices(self, backend=("torch", "numpy"), dtype=("float32", "float64"))
        X, y = validate_data(self, X, y, dtype=np.float32, allow_nd=True)
        labels, seed = self._encode(y), self._seed()
        self.image_shape_ = self._shape_of(X)
        self.low_, self.high_ = float(X.min()), float(X.max())
        self.config_ = self._settings()
        warmup = self.steps // 10 if self.warmup_steps is None and is_count(self.steps) else self.warmup_steps
        names = ("steps", "batch_size", "learning_rate", "decay", "weight_decay", "label_smoothing", "shift")
        training = TrainConfig(**{n: getattr(self, n) for n in names}, warmup_steps=warmup or 0, seed=seed)
        if self.backend == "torch":
            from ..models.create import build
            from ..tensors import is_device
            from ..training.loop import fit

            require(is_device(self.device), "device", self.device, "'cpu', or 'cuda' where there is a GPU")
            self.model_ = build(self.config_, seed).astype(self.dtype).to(self.device)
        else:
            from vitedu_numpy.models.create import build
            from vitedu_numpy.training.loop import fit

            self.model_ = build(self.config_, seed).astype(self.dtype)
        self.history_ = fit(self.model_, self._images(X), labels, training)
        self.model_.eval()
        return self

    def predict_proba(self, X):
        """Softmax of the model's logits: (n, K)"""
        z = self._scores(X)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def _scores(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, allow_nd=True, reset=False)
        images = self._images(X)
        chunks = (images[i : i + self.batch_size] for i in range(0, len(images), self.batch_size))
        if isinstance(self.model_, torch.nn.Module):
            device = next(self.model_.parameters()).device
            with torch.no_grad():
                logits = [self.model_(torch.from_numpy(chunk).to(device)).cpu().numpy() for chunk in chunks]
        else:
            logits = [self.model_(chunk) for chunk in chunks]
        return np.concatenate(logits).astype(np.float64)

    def _shape_of(self, X):
        """(C, H, W) of one image."""
        shape = self.image_shape
        if X.ndim == 4:
            given = X.shape[1:]
            require(shape in (None, given, list(given)), "image_shape", shape, f"None or that of the images, {given}")
            return given
        if X.ndim != 2:
            raise ValueError(f"X has shape {X.shape}; expected images (n, C, H, W) or (n, C H W)")
        pixels = X.shape[1]
        if shape is None:
            side = isqrt(pixels)
            return (1, side, side) if side * side == pixels else (1, 1, pixels)
        fits = isinstance(shape, (tuple, list)) and len(shape) == 3 and all(map(is_count, shape))
        require(fits and np.prod(shape) == pixels, "image_shape", shape, f"(C, H, W) with C H W = {pixels}, as X has")
        return tuple(shape)

    def _images(self, X):
        """(n, C, H, W) in [-1, 1], as far as the training pixels reach."""
        if X.ndim == 4 and X.shape[1:] != self.image_shape_:
            raise ValueError(f"X has images of shape {X.shape[1:]}; the model was fitted on {self.image_shape_}")
        middle, half = (self.low_ + self.high_) / 2, (self.high_ - self.low_) / 2 or 1.0
        return ((X - np.float32(middle)) / np.float32(half)).reshape(-1, *self.image_shape_)

    def _settings(self):
        """The model's settings, fitted to the data."""
        C, H, W = self.image_shape_
        data = dict(num_classes=len(self.classes_), image_size=(H, W), channels=C)
        if isinstance(self.config, str):
            return named_config(self.config, **data)
        if self.config is not None:
            known = hasattr(self.config, "num_classes")
            require(known, "config", self.config, "settings such as a ViTConfig, or the name of a model")
            return replace(self.config, **data)
        patch = max(P for P in range(1, min(H, W) + 1) if H % P == W % P == 0 and (P == 1 or H * W // P**2 >= 16))
        return ViTConfig(patch_size=patch, width=48, depth=3, heads=4, mlp_dim=96, **data)

    def __getstate__(self):
        """To be read where there is no GPU."""
        state = super().__getstate__()
        if isinstance(state.get("model_"), torch.nn.Module):
            state = {**state, "model_": copy.deepcopy(state["model_"]).cpu()}
        return state
