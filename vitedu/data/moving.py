"""Moving digits: videos that only their motion tells apart.  Taught in notebooks/22_video.ipynb.

A digit moves over a square without borders: what leaves on one side comes in on the other.  Digit, start and direction
are drawn independently, the start evenly from all pixels.  The direction is the label.  Two things follow, exactly:

- One frame says nothing.  At time f the digit stands at start + f step, which is even over all pixels for each
  direction.  The best that one can do is chance, 1 in 4.
- The frames without their order say half of it.  A video played backwards is one of the opposite direction, just as
  likely: right and left show the same frames, and so do down and up.  The best that one can do is 1 in 2.

Shapes: `F` frames, `H W` sides of a frame, n videos.
"""

from __future__ import annotations

import numpy as np

from vitedu_numpy.validate import A_SIZE, as_array, check_range, is_size, require

__all__ = ["DIRECTIONS", "move", "moving_digits", "shuffle_frames"]

DIRECTIONS = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}  # rows down, columns across


def move(canvas, start, direction, frames, step):
    """One video: `canvas` (C, H, W) rolled to `start` (row, column), then by `step` pixels a frame.  -> (F, C, H, W)"""
    places = [[start[axis] + f * step * direction[axis] for axis in (0, 1)] for f in range(frames)]
    return np.stack([np.roll(canvas, place, axis=(1, 2)) for place in places])


def moving_digits(images, num_videos, rng, frames=4, size=12, step=2):
    """Draw videos.     images (n, C, h, w) in [-1, 1]  ->  videos (num_videos, F, C, H, W), labels (num_videos,)

    rng: a Generator or a seed; size: H = W; step: pixels per frame.  Raises ValueError where the digit is larger than
    the square, and where the motion cannot be seen: with 2 step a multiple of size, right and left are the same.
    """
    counts = {"num_videos": num_videos, "frames": frames, "size": size, "step": step}
    for name, value in counts.items():
        require(is_size(value), name, value, A_SIZE)
    images = as_array(images, "images")
    if images.ndim != 4 or images.dtype.kind != "f" or not len(images):
        raise ValueError(f"images has shape {images.shape} and dtype {images.dtype}; expected floats (n, C, h, w)")
    check_range(images)
    rng, (n, C, h, w) = np.random.default_rng(rng), images.shape
    if max(h, w) > size:
        raise ValueError(f"size={size} is not allowed; size must be at least that of the images, {h} x {w}")
    if 2 * step % size == 0:
        raise ValueError(f"step={step} is not allowed; 2 step must be no multiple of size={size}")
    canvases = np.full((num_videos, C, size, size), -1, images.dtype)
    canvases[:, :, :h, :w] = images[rng.integers(n, size=num_videos)]
    starts = rng.integers(size, size=(num_videos, 2))
    labels = rng.integers(len(DIRECTIONS), size=num_videos)
    directions = list(DIRECTIONS.values())
    drawn = zip(canvases, starts, labels, strict=True)
    return np.stack([move(canvas, start, directions[k], frames, step) for canvas, start, k in drawn]), labels


def shuffle_frames(videos, rng):
    """Each video's frames in a random order of its own.     (n, F, C, H, W)  ->  (n, F, C, H, W)"""
    orders = np.random.default_rng(rng).permuted(np.tile(np.arange(videos.shape[1]), (len(videos), 1)), axis=1)
    return np.take_along_axis(videos, orders[:, :, None, None, None], axis=1)
