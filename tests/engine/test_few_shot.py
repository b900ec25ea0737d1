"""Few-shot accuracy while training: the numbers of `few_shot_accuracy`, from fewer features."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import SMALL, with_run

from vitedu import ViT, few_shot_accuracy
from vitedu.data.transforms import evaluation_transform
from vitedu.engine.distributed import World
from vitedu.engine.evaluate import evaluate_few_shot, extract_features
from vitedu.engine.train import open_data, train


def test_it_is_few_shot_accuracy_on_all_features():
    """The same images by the same seeds, so exactly the same numbers."""
    recipe, world = SMALL, World(0, 1, torch.device("cpu"))
    train, held_out = open_data(recipe.data, "digits")
    model = ViT(recipe.model, rng=1).double()
    common = (evaluation_transform(recipe.data, (1, 8, 8)), world, recipe.run, nullcontext, torch.float64)
    found = evaluate_few_shot(model, model, train, held_out, *common)
    features, test_features = (
        extract_features(model, model, source, np.arange(len(source)), *common) for source in (train, held_out)
    )
    assert features.shape == (len(train), recipe.model.width)
    expected = few_shot_accuracy(features, train.labels, test_features, held_out.labels, shots=(1, 5, 10))
    assert found == {f"few_shot_{k}": pytest.approx(np.mean(values), abs=1e-15) for k, values in expected.items()}
    assert found["few_shot_10"] > found["few_shot_1"] > 0.15  # chance: 0.1
    assert model.training


def test_a_class_with_too_few_images_is_said_before_the_first_step(tmp_path):
    """Of 60 digits there are not ten of each class: known at once, and not when the first evaluation is due."""
    recipe = replace(with_run(SMALL, few_shot_every=1000), data=replace(SMALL.data, train_images=60))
    with pytest.raises(ValueError, match=r"few_shot_every=1000 is not allowed: of the training images class \d has \d"):
        train(recipe, tmp_path / "run", "digits")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
