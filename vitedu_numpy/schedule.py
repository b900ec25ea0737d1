"""Learning rate over time: linear warm-up, then a decay.

Taught in notebooks/07_vit_numpy.ipynb and 15_finetuning.ipynb.  Plain floats, nothing to import; both packages use it.
"""

from __future__ import annotations

from math import cos, pi

from .validate import check_not_negative, is_real, require

__all__ = ["learning_rate"]


def learning_rate(step, *, base, total_steps, warmup_steps=0, decay="cosine", end=0.0, milestones=()):
    """The learning rate of update number `step` = 0, 1, ..., total_steps - 1.

    With p = (step - warmup) / (total - warmup), held in [0, 1]:
    cosine: base (1 + cos(pi p)) / 2;   linear: end + (base - end) (1 - p);   none: base;
    stair: base / 10^n, where n of the milestones, given as parts of total_steps, are behind (BiT: 0.3, 0.6, 0.9).
    Then times min(1, step / warmup), so with warm-up the very first update has rate 0, as in the official code.
    Raises ValueError for a number out of its range; a step beyond the last has the last rate.
    """
    _check(step, base, total_steps, warmup_steps, end, milestones)
    if decay not in ("stair", "cosine", "linear", "none"):
        raise ValueError(f"decay={decay!r} is not allowed; decay must be 'stair', 'cosine', 'linear' or 'none'")
    p = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    p = min(max(p, 0.0), 1.0)
    behind = sum(step > round(part * total_steps) for part in milestones)  # at a milestone itself not yet
    rate = {
        "cosine": base * (1 + cos(pi * p)) / 2, "linear": end + (base - end) * (1 - p), "none": base,
        "stair": base / 10**behind,
    }[decay]  # fmt: skip
    return rate * min(1.0, step / warmup_steps) if warmup_steps else rate


def _check(step, base, total_steps, warmup_steps, end, milestones) -> None:
    require(is_real(step) and step >= 0, "step", step, "a number >= 0")
    require(is_real(total_steps) and total_steps > 0, "total_steps", total_steps, "a positive number")
    check_not_negative(base=base, end=end, warmup_steps=warmup_steps)
    no_part = warmup_steps == 0 or warmup_steps >= 1  # 0.1 would be meant as a tenth of all steps
    require(no_part, "warmup_steps", warmup_steps, "a number of steps, 0 or at least 1")
    is_list = isinstance(milestones, (tuple, list))
    parts = is_list and all(is_real(part) and 0 < part < 1 for part in milestones)
    require(parts, "milestones", milestones, "a list of parts of total_steps, each between 0 and 1")
