"""Figures 3 and 4 in small: a ViT and a ResNet, pre-trained on the first n images of a stream, then judged by few-shot
least squares on classes that they never saw.  Taught in notebooks/19_how_much_data.ipynb.

As in Fig. 4: no regularisation, the same number of steps for every n, early stopping on held-out images, one learning
rate per model for all n.  The rates are the business of an experiment of its own, `data_size_rates`, on other glyphs
("tune") and another seed than the results are measured with.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..data.glyphs import DIGITS, LETTERS
from ..data.procedural import Stream
from ..transfer.fewshot import few_shot_accuracy
from .experiment import Budget, Condition, Experiment, Panel
from .fitting import accuracy, features, fit_stream, labelled, training
from .models import small_models

__all__ = ["DATA_SIZE", "DATA_SIZE_RATES", "RATES"]

SEEN, UNSEEN = LETTERS[:12], LETTERS[12:]
SCENE = dict(rows=(0.45, 0.55), columns=(0.45, 0.55), angle=0.25, clutter=2)
SHOTS, CHOICES = 10, (0, 1, 2, 3, 4)  # images of a class, and draws of them
SIZES = (40, 225, 1265, 7100, 40_000)  # three decades; 640 steps of 64 see 40,960 images
# The best of the grid `data_size_rates` on held-out letters, mean over both sizes; neither is the end of its grid.
RATES = {"ViT": 4e-3, "BiT": 1e-2}


def scenes(part, classes, count):
    return labelled(Stream(part, classes, **SCENE), count)


def transfer(model, classes, part, count) -> float:
    """Few-shot accuracy: fitted on "train" glyphs of these classes, judged on `count` images of `part`."""
    shots, labels = scenes("train", classes, max(60 * len(classes), count))
    images, truth = scenes(part, classes, count)
    known = features(model, shots)
    if (known == known[0]).all():  # training has killed the model; it gives one answer, whatever it sees
        return 1 / len(classes)
    found = few_shot_accuracy(known, labels, features(model, images), truth, shots=(SHOTS,), seeds=CHOICES)
    return float(np.mean(found[SHOTS]))


def measure(settings, n, seeds, budget, device):
    """Pre-train on n images, then test on the same classes, on letters never seen, and on real digits."""
    fitted = _fit(settings, n, seeds, budget, device)
    test = scenes("test", SEEN, budget.images)
    return [
        f.measured({
            "letters": accuracy(f.model, *test),
            "unseen letters": transfer(f.model, UNSEEN, "test", budget.images),
            "digits": transfer(f.model, DIGITS, "test", budget.images),
        })
        for f in fitted
    ]  # fmt: skip


def measure_rate(settings, n, seeds, budget, device):
    """The same training; looked at are tuning glyphs alone."""
    return [f.measured() for f in _fit(settings, n, seeds, budget, device)]


def _fit(settings, n, seeds, budget, device):
    held_out = scenes("tune", SEEN, budget.images)
    stream, options = Stream(classes=SEEN, **SCENE), training(budget, settings["rate"])
    return fit_stream(settings["model"], stream, n, options, held_out, seeds=seeds, device=device)


MODELS = small_models(len(SEEN))
FULL = Budget(SIZES, steps=640, batch_size=64, images=1000, seeds=(0, 1, 2, 3, 4), minutes=30)
FAST = Budget((40, 400), steps=12, batch_size=16, images=200, seeds=(0,), minutes=0.4)
TUNED = {
    "held-out": "accuracy on 'tune' glyphs of the same letters, the best of eight looks",
    "training loss": "mean cross-entropy of the last tenth of all steps",
}

DATA_SIZE = Experiment(
    "data_size",
    question="Does a ViT, behind a ResNet of equal cost after few images, overtake it after many (Figs. 3 and 4)?",
    prediction="The paper's curves cross. At this size we expect the gap to shrink with n, and no crossing: three "
    "decades end at 40,000 images, and a prototype's ViT never caught up on local shape. The untuned ResNet falls "
    "behind, and makes a crossing where there is none.",
    conditions=(
        Condition("ViT", {"model": MODELS["ViT"], "rate": RATES["ViT"]}),
        Condition("BiT", {"model": MODELS["BiT"], "rate": RATES["BiT"]}),
        Condition("BiT, untuned", {"model": MODELS["BiT"], "rate": 1e-3}),  # the rate of Table 3, for another size
    ),
    metrics={
        "letters": "accuracy on 'test' glyphs of the 12 letters of the pre-training",
        "unseen letters": "10-shot least squares, 12 other letters, 'test' glyphs, mean of five draws of the shots",
        "digits": "10-shot least squares, ten real digits, 'test' glyphs, mean of five draws of the shots",
        **TUNED,
    },
    measure=measure,
    full=FULL,
    fast=FAST,
    panels=(
        Panel("pre-training classes", ("letters",)),
        Panel("12 unseen letters", ("unseen letters",), ylabel="10-shot accuracy"),
        Panel("real digits", ("digits",), ylabel="10-shot accuracy"),
    ),
)

DATA_SIZE_RATES = Experiment(
    "data_size_rates",
    question="Which learning rates should `data_size` use, for each model at few and at many images?",
    prediction="About 2e-3 for the ViT, and several times as much for the ResNet, whose filters are standardised.",
    conditions=tuple(
        Condition(f"{name}, {rate:g}", {"model": MODELS[name], "rate": rate})
        for name, rates in (("ViT", (1e-3, 2e-3, 4e-3, 8e-3)), ("BiT", (1e-3, 3e-3, 1e-2, 3e-2)))
        for rate in rates
    ),
    metrics=TUNED,
    measure=measure_rate,
    full=replace(FULL, sizes=SIZES[2::2], seeds=(100,), minutes=6),
    fast=FAST,
    panels=(Panel("tuning", ("held-out",)),),
)
