"""What convolution takes for granted, tested directly: that neighbours matter, and that places do not.

Taught in notebooks/18_locality.ipynb.

Three models of one cost are trained on digits as they are drawn, on digits whose patches or pixels are permuted by one
fixed permutation, and on digits in one half of the canvas.  The first is then shown shifted digits, and digits of which
patches are dropped or shuffled (Naseer et al. 2021, arXiv:2105.10497).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from vitedu_numpy.contract import checked
from vitedu_numpy.validate import as_array, require

from ..data.procedural import Stream
from .experiment import Budget, Condition, Experiment, Measured, Panel
from .fitting import accuracy, fit_stream, labelled, same, scores, training
from .models import SIZE, small_models

__all__ = ["LOCALITY", "drop_patches", "permute", "shuffle_patches"]

PATCH = 4  # pixels; the ViT's patches
RATES = {"ViT": 2e-3, "hybrid": 2e-3, "BiT": 1e-2}  # within the grid of `data_size_rates`; not tuned here
WHOLE = Stream(rows=(0.45, 0.55), columns=(0.42, 0.48), side=(7.0, 9.0), angle=0.25, clutter=0, texture=False)
LEFT = replace(WHOLE, columns=(0.25, 0.33), side=(6.0, 7.5))  # the half that is trained on
RIGHT = replace(LEFT, columns=(0.67, 0.75))


@checked
def permute(images, side, seed=0):
    """The squares of `side` pixels of every image in another order, the same for all: n, C, H, W stay.

    side 1 permutes pixels.  A permutation loses nothing; only who is whose neighbour changes.
    """
    squares = _cut(images, side)  # (n, C, squares, side, side)
    order = np.random.default_rng(seed).permutation(squares.shape[2])
    return _join(squares[:, :, order], images.shape)


@checked
def shuffle_patches(images, side, seed=0):
    """As `permute`, but each image's squares by a permutation of its own."""
    squares, rng = _cut(images, side), np.random.default_rng(seed)
    orders = np.argsort(rng.random((len(images), squares.shape[2])), axis=1)  # (n, squares)
    return _join(np.take_along_axis(squares, orders[:, None, :, None, None], axis=2), images.shape)


@checked
def drop_patches(images, side, part, seed=0):
    """`part` of each image's squares (rounded) take the mean colour of all images."""
    squares, rng = _cut(images, side), np.random.default_rng(seed)
    ranks = np.argsort(np.argsort(rng.random((len(images), squares.shape[2])), axis=1), axis=1)
    dropped = ranks < round(part * squares.shape[2])  # (n, squares)
    mean = images.mean(axis=(0, 2, 3))[None, :, None, None, None]
    return _join(np.where(dropped[:, None, :, None, None], mean, squares), images.shape).astype(images.dtype)


def _cut(images, side):
    images = as_array(images, "images")
    if images.ndim != 4 or images.dtype.kind not in "fiu":
        raise ValueError(f"images has shape {images.shape} and dtype {images.dtype}; expected numbers (n, C, H, W)")
    n, C, H, W = images.shape
    require(H % side == W % side == 0, "side", side, f"a divisor of both sides, {H} and {W}")
    x = images.reshape(n, C, H // side, side, W // side, side).swapaxes(3, 4)
    return x.reshape(n, C, -1, side, side)


def _join(squares, shape):
    n, C, H, W = shape
    side = squares.shape[-1]
    return squares.reshape(n, C, H // side, W // side, side, side).swapaxes(3, 4).reshape(shape)


VIEWS = {
    "as drawn": same,
    "patches permuted": partial(permute, side=PATCH),
    "pixels permuted": partial(permute, side=1),
}
SHIFTS = (1, 2, 4)  # pixels
DROPPED = (0.25, 0.5, 0.75)
GRIDS = (2, 4)  # squares along a side


def measure(settings, n, seeds, budget, device):
    """Train on each view and on one half; test on glyphs that were in no training."""
    options = training(budget, settings["rate"])

    def fit(stream, view=same):
        held_out = labelled(replace(stream, part="tune"), budget.images)  # `fit_stream` looks at it through `view`
        return fit_stream(
            settings["model"], stream, n, options, held_out, seeds=seeds, view=view, checks=4, device=device
        )

    values, test = [{} for _ in seeds], replace(WHOLE, part="test")
    whole = None
    for name, view in VIEWS.items():
        fitted = fit(WHOLE, view)
        whole = whole or fitted  # the first view, as drawn
        for found, f in zip(values, fitted, strict=True):
            found[name] = accuracy(f.model, *labelled(test, budget.images, view))
    for found, f in zip(values, fit(LEFT), strict=True):
        for name, stream in (("half seen", LEFT), ("half not seen", RIGHT)):
            found[name] = accuracy(f.model, *labelled(replace(stream, part="test"), budget.images))
    images, labels = labelled(test, budget.images)
    moved = {pixels: test.draw(np.arange(budget.images), shift=(0, pixels))[0] for pixels in SHIFTS}
    for found, f in zip(values, whole, strict=True):
        answers = scores(f.model, images).argmax(1)
        for pixels in SHIFTS:
            found[f"shift {pixels}"] = float((scores(f.model, moved[pixels]).argmax(1) == answers).float().mean())
        for part in DROPPED:
            found[f"dropped {part:.0%}"] = accuracy(f.model, drop_patches(images, PATCH, part), labels)
        for grid in GRIDS:
            found[f"shuffled {grid}x{grid}"] = accuracy(f.model, shuffle_patches(images, SIZE // grid), labels)
    return [Measured(found, f.step) for found, f in zip(values, whole, strict=True)]


MODELS = small_models(10)
LOCALITY = Experiment(
    "locality",
    question="How much do a ViT, a hybrid and a ResNet rely on neighbourhood and on sameness of places?",
    prediction="Permuted patches cost the ViT nothing and the ResNet some points; permuted pixels cost everybody "
    "much, the ResNet most. In the half never trained on, the ResNet stays right far more often, and it answers the "
    "same after a shift more often. With patches dropped or shuffled the ViT loses less; the hybrid lies between.",
    conditions=tuple(Condition(name, {"model": MODELS[name], "rate": rate}) for name, rate in RATES.items()),
    metrics={
        "as drawn": "accuracy on 'test' digits",
        "patches permuted": "the same, trained and tested on 4 x 4 patches in one other order",
        "pixels permuted": "the same, trained and tested on pixels in one other order",
        "half seen": "trained on digits in the left half: accuracy there",
        "half not seen": "the same model: accuracy on digits in the right half",
        **{f"shift {s}": f"part of the digits, as drawn, answered as before when moved {s} px right" for s in SHIFTS},
        **{f"dropped {p:.0%}": f"accuracy as drawn with {p:.0%} of the patches in the mean colour" for p in DROPPED},
        **{f"shuffled {g}x{g}": f"accuracy as drawn with the squares of a {g} x {g} grid shuffled" for g in GRIDS},
    },
    measure=measure,
    full=Budget((4000,), steps=480, batch_size=64, images=1000, seeds=(0, 1, 2), minutes=8),
    fast=Budget((200,), steps=6, batch_size=16, images=100, seeds=(0,), minutes=0.3),
    version=2,
    panels=(
        Panel("fixed permutation", tuple(VIEWS), x="metric"),
        Panel("trained on one half", ("half seen", "half not seen"), x="metric"),
        Panel("same answer when moved", tuple(f"shift {s}" for s in SHIFTS), x="metric", ylabel="agreement"),
        Panel("patches dropped", ("as drawn", *(f"dropped {p:.0%}" for p in DROPPED)), x="metric"),
        Panel("patches shuffled", ("as drawn", *(f"shuffled {g}x{g}" for g in GRIDS)), x="metric"),
    ),
)
