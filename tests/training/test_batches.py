"""`batches` and `random_shift`: the order of the data, and the augmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitedu import TrainConfig
from vitedu_numpy.training.loop import (  # `vitedu.train` holds the same text (tests/mirror/test_text.py)
    batches,
    random_shift,
)

CONFIG = TrainConfig(steps=7, batch_size=4, learning_rate=1.0)


def test_every_epoch_shows_each_image_at_most_once_in_a_new_order():
    order = [indices.tolist() for indices, _ in batches(10, CONFIG)]
    assert [len(indices) for indices in order] == [4] * 7  # ten images: two batches of four, two images left out
    epochs = [order[i] + order[i + 1] for i in (0, 2, 4)]
    for epoch in epochs:
        assert len(set(epoch)) == 8
        assert set(epoch) <= set(range(10))
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_order_depends_on_the_seed_alone():
    def order(seed):
        return [indices.tolist() for indices, _ in batches(10, replace(CONFIG, seed=seed))]

    assert order(1) == order(1) != order(2)


def test_a_batch_larger_than_the_data_is_all_of_it():
    assert [sorted(indices.tolist()) for indices, _ in batches(3, CONFIG)] == [[0, 1, 2]] * 7


def test_a_shift_moves_the_picture_and_fills_with_background(rng):
    image = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    seen = set()
    for _ in range(200):
        (shifted,) = random_shift(image, 1, rng)[:, 0]
        padded = np.pad(image[0, 0], 1, constant_values=-1)
        matches = [(i, j) for i in range(3) for j in range(3) if np.array_equal(shifted, padded[i : i + 3, j : j + 3])]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) == 9  # every shift occurs: missing one of nine in 200 draws has a chance of 9 (8/9)^200 = 5e-10


@pytest.mark.parametrize("pixels", [0, 2])
def test_every_image_has_its_own_shift(pixels, rng):
    images = np.stack([np.eye(6)[None]] * 40)
    shifted = random_shift(images, pixels, rng)
    assert shifted.shape == images.shape
    different = len({image.tobytes() for image in shifted})
    assert different == 1 if pixels == 0 else different > 5
