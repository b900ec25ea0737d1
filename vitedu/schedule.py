"""Learning rate over time: linear warm-up, then linear or cosine decay.  Taught in notebooks/07_vit_numpy.ipynb.

The same text stands in both packages (a test compares them); plain floats, nothing to import.
"""

from __future__ import annotations

from math import cos, pi

__all__ = ["learning_rate"]


def learning_rate(step, *, base, total_steps, warmup_steps=0, decay="cosine", end=0.0):
    """The learning rate of update number `step` = 0, 1, ..., total_steps - 1.

    With p = (step - warmup) / (total - warmup), held in [0, 1]:
    cosine: base (1 + cos(pi p)) / 2;   linear: end + (base - end) (1 - p);   none: base.
    Then times min(1, step / warmup), so with warm-up the very first update has rate 0, as in the official code.
    """
    if decay not in ("cosine", "linear", "none"):
        raise ValueError(f"decay={decay!r} is not allowed; decay must be 'cosine', 'linear' or 'none'")
    p = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    p = min(max(p, 0.0), 1.0)
    rate = {"cosine": base * (1 + cos(pi * p)) / 2, "linear": end + (base - end) * (1 - p), "none": base}[decay]
    return rate * min(1.0, step / warmup_steps) if warmup_steps else rate
