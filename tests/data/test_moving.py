"""vitedu/data/moving.py: nothing but the order of the frames tells the directions apart: counted out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vitedu.data import load_digits
from vitedu.data.moving import DIRECTIONS, move, moving_digits, shuffle_frames

SIZES = pytest.mark.parametrize(("size", "step", "frames"), [(12, 2, 4), (9, 3, 3), (10, 3, 6), (12, 5, 2)])


def every_video(size, step, frames):
    """direction -> the videos of one digit from every start: what `moving_digits` draws from, evenly."""
    canvas = np.full((1, size, size), -1, np.float32)
    canvas[:, :8, :8] = load_digits().test_images[3]
    starts = [(row, column) for row in range(size) for column in range(size)]
    return {name: [move(canvas, s, d, frames, step) for s in starts] for name, d in DIRECTIONS.items()}


@SIZES
def test_one_frame_says_nothing(size, step, frames):
    """At each time, each direction shows each of the size^2 placings exactly once."""
    videos = every_video(size, step, frames)
    for f in range(frames):
        shown = {name: Counter(video[f].tobytes() for video in some) for name, some in videos.items()}
        assert shown["right"] == shown["left"] == shown["down"] == shown["up"]
        assert set(shown["right"].values()) == {1}


@SIZES
def test_frames_without_order_say_which_axis_and_no_more(size, step, frames):
    """As collections of frames, right and left have the same videos, equally often; right and down share none."""
    collections = {
        name: Counter(tuple(sorted(frame.tobytes() for frame in video)) for video in some)
        for name, some in every_video(size, step, frames).items()
    }
    assert collections["right"] == collections["left"]
    assert collections["down"] == collections["up"]
    assert not collections["right"] & collections["down"]


@SIZES
def test_frames_in_order_say_all(size, step, frames):
    seen = {name: {video.tobytes() for video in some} for name, some in every_video(size, step, frames).items()}
    assert len(set.union(*seen.values())) == 4 * size**2


def test_a_video_played_backwards_is_one_of_the_opposite_direction():
    canvas = np.arange(9.0).reshape(1, 3, 3)
    right = move(canvas, (0, 0), DIRECTIONS["right"], 3, 1)
    assert right[:, 0, 0].tolist() == [[0, 1, 2], [2, 0, 1], [1, 2, 0]]
    assert np.array_equal(right[::-1], move(canvas, (0, 2), DIRECTIONS["left"], 3, 1))


def test_what_is_drawn():
    digits = load_digits()
    videos, labels = moving_digits(digits.test_images, 2000, 0, frames=3, size=10, step=2)
    assert videos.shape == (2000, 3, 1, 10, 10)
    assert videos.dtype == np.float32
    assert (videos.min(), videos.max()) == (-1, 1)
    # 2000 draws of four classes: 500 each, uncertain by sqrt(2000 x 1/4 x 3/4) = 19.4; five times that.
    assert np.abs(np.bincount(labels) - 500).max() < 97
    canvases = np.pad(digits.test_images, ((0, 0), (0, 0), (0, 2), (0, 2)), constant_values=-1)
    known = {image.tobytes(): n for n, image in enumerate(canvases)}
    for video, label in zip(videos[:20], labels[:20], strict=True):
        rolled = {(r, c): np.roll(video[0], (-r, -c), axis=(1, 2)) for r in range(10) for c in range(10)}
        found = [(place, known[x.tobytes()]) for place, x in rolled.items() if x.tobytes() in known]
        assert len(found) == 1  # a digit of the set, somewhere
        direction = list(DIRECTIONS.values())[label]
        assert np.array_equal(video, move(canvases[found[0][1]], found[0][0], direction, 3, 2))


def test_the_seed_is_all():
    images = load_digits().test_images
    one, same, other = (moving_digits(images, 5, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_shuffled_frames():
    videos = np.arange(5 * 3).reshape(5, 3, 1, 1, 1)
    shuffled = shuffle_frames(videos, 0)
    assert np.array_equal(np.sort(shuffled, axis=1), videos)
    orders = {tuple(video) for video in shuffle_frames(np.tile(videos[:1], (200, 1, 1, 1, 1)), 0).reshape(200, 3)}
    assert len(orders) == 6  # every order, each video its own
    assert np.array_equal(shuffle_frames(videos, 7), shuffle_frames(videos, 7))


def test_what_is_refused():
    images = load_digits().test_images
    with pytest.raises(ValueError, match="size=7 is not allowed; size must be at least that of the images, 8 x 8"):
        moving_digits(images, 2, 0, size=7)
    for step in (0, 6, 12):
        with pytest.raises(ValueError, match=f"step={step} is not allowed"):
            moving_digits(images, 2, 0, size=12, step=step)
