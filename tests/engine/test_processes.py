"""One run, spread in different ways: the same losses and the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_runs import SMALL, losses, read_metrics, run, weights, with_run

from vitedu import BiT, ViT, from_pretrained
from vitedu_numpy.config import BiTConfig

# float64 sums in another order differ by about 1e-15 relative; twelve steps of Adam let that grow a thousandfold.
TOLERANCE = 1e-10

WAYS = {
    "2 processes": (2, {}),
    "4 processes": (4, {}),
    "2 processes, FSDP2": (2, {"parallel": "fsdp"}),
    "4 processes, FSDP2, accumulation": (4, {"parallel": "fsdp", "micro_batch": 3}),
    "2 processes, accumulation": (2, {"micro_batch": 5}),  # 12 = 5 + 5 + 2
    "accumulation, even": (1, {"micro_batch": 8}),
    "accumulation, uneven": (1, {"micro_batch": 7}),
    "activation checkpointing": (1, {"recompute": True}),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_split_the_batch_gives_the_same_run(way, reference, tmp_path):
    world, changes = WAYS[way]
    found = run(with_run(SMALL, **changes), tmp_path / "run", world)
    assert len(found) == SMALL.steps
    np.testing.assert_allclose(found, losses(reference), rtol=TOLERANCE)
    ours, theirs = weights(tmp_path / "run"), weights(reference)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        # Exported in float32: one unit in its last place.
        np.testing.assert_allclose(ours[name], value, rtol=3e-7, atol=1e-9, err_msg=name)


OTHER_RECIPES = {
    "mixup, sigmoid, smoothing, averaging": replace(
        SMALL, data=replace(SMALL.data, mixup=0.2), loss="sigmoid", label_smoothing=0.1, ema=0.9, steps=6
    ),
    "masked patches": replace(SMALL, objective="masked_patches", steps=6),
    "SGD on a ResNet": replace(
        SMALL, model=BiTConfig((1, 1), 10, image_size=8, channels=1, base_width=4, groups=2, stem="small"),
        optimizer="sgd", learning_rate=0.1, weight_decay=0.01, steps=6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_RECIPES)
def test_other_recipes_do_not_depend_on_the_split_either(name, tmp_path):
    recipe = OTHER_RECIPES[name]
    run(recipe, tmp_path / "one")
    run(with_run(recipe, micro_batch=4, parallel="fsdp"), tmp_path / "two", world=2)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 6
    assert one[-1] != one[0]
    np.testing.assert_allclose(two, one, rtol=TOLERANCE)
    assert isinstance(
        from_pretrained(tmp_path / "two" / "model.safetensors"), (ViT, BiT)
    )  # a model, whatever trained it
    last = [evaluation(tmp_path / name) for name in ("one", "two")]
    assert last[0].keys() == last[1].keys() >= {"eval_loss", "eval_accuracy"}
    for key in last[0]:
        assert last[1][key] == pytest.approx(last[0][key], rel=1e-9), key


def evaluation(out) -> dict[str, float]:
    lines = read_metrics(out / "metrics.jsonl")
    return {key: value for line in lines for key, value in line.items() if "eval_" in key}


def test_the_run_learns(reference):
    """Else all ways could agree on nothing."""
    found = losses(reference)
    assert found[-4:].mean() < found[:4].mean() - 0.005  # little, in twelve steps; the numbers are the same everywhere
