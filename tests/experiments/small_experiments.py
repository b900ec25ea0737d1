"""An experiment of seconds, in a module of its own: the processes that carry it out import it, too."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from vitedu.data.procedural import Stream
from vitedu.experiments import Budget, Condition, Experiment, Measured, Panel, run_experiment
from vitedu.experiments.fitting import accuracy, fit_stream
from vitedu_numpy.config import TrainConfig, ViTConfig

STREAM = Stream(classes=(0, 1, 2), clutter=0, texture=False)
MODEL = ViTConfig(16, 8, 16, 1, 2, 16, num_classes=3)


def measure(settings, n, seeds, budget, device):
    """A real training of a tiny ViT, so that "the same" means: to the last bit."""
    images, factors = replace(STREAM, part="tune").draw(np.arange(budget.images))
    training = TrainConfig(budget.steps, budget.batch_size, settings["rate"])
    held_out = images, factors["label"]
    fitted = fit_stream(settings["model"], STREAM, n, training, held_out, seeds=seeds, checks=2, device=device)
    return [Measured({"accuracy": accuracy(f.model, *held_out), "training loss": f.loss}, f.step) for f in fitted]


SMALL = Experiment(
    "small",
    question="Does the runner run?",
    prediction="Yes.",
    conditions=tuple(Condition(f"rate {rate:g}", {"model": MODEL, "rate": rate}) for rate in (1e-3, 1e-2)),
    metrics={"accuracy": "on held-out digits 0, 1, 2", "training loss": "of the last tenth of all steps"},
    measure=measure,
    full=Budget((8, 30), steps=8, batch_size=8, images=40, seeds=(0, 1), minutes=0.1),
    fast=Budget((8,), steps=2, batch_size=4, images=20, seeds=(0,), minutes=0.01),
    panels=(Panel("digits", ("accuracy",)), Panel("losses", ("training loss",), x="condition", ylabel="loss")),
)

if __name__ == "__main__":
    run_experiment(SMALL, sys.argv[1])
