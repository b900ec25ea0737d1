"""Which patches are corrupted, and how much is to be guessed: numbers for both packages (App. B.1.2).

Taught in notebooks/14_pretraining.ipynb.  Shapes: `B` images, `N` patches, `m` of them corrupted (as many in every
image).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..contract import checked
from ..validate import is_real, require

__all__ = ["Corruption", "check_corruption", "choose_corruption", "num_outputs"]

MASKED, REPLACED = 0.8, 0.1  # parts of the corrupted patches; the others stay as they are
SIDE = 4  # a downsized patch is SIDE x SIDE colours


class Corruption(NamedTuple):
    """Which patches are corrupted, and by what; integers, `m` per image."""

    patches: np.ndarray  # (B, m): numbers of the corrupted patches, rising
    sources: np.ndarray  # (B, m): whose embedding stands there now: N is [mask], the patch's own number leaves it


@checked
def choose_corruption(rngs, num_patches, rate=0.5) -> Corruption:
    """Draw for every image which patches are corrupted, and how: 80 % [mask], 10 % another patch, 10 % left as it is.

    rngs: one NumPy generator per image, so that an image's draw need not depend on its batch (`[rng] * B` shares one).
    Exactly m = rate N patches per image, rounded, are corrupted; each one's fate is drawn by itself, the other patch
    uniformly from the N - 1 others of the same image.  Raises TypeError for a lone generator, ValueError for fewer than
    two patches, or a rate outside (0, 1].
    """
    if not isinstance(rngs, (tuple, list)) or not all(isinstance(rng, np.random.Generator) for rng in rngs):
        raise TypeError(f"rngs is a {type(rngs).__name__}; expected a list of NumPy Generators, one per image")
    require(num_patches >= 2, "num_patches", num_patches, "at least 2")
    require(is_real(rate) and 0 < rate <= 1, "rate", rate, "in (0, 1]")
    m = max(1, int(rate * num_patches + 0.5))
    draws = []
    for rng in rngs:
        patches = np.sort(rng.permutation(num_patches)[:m])
        fate, other = rng.random(m), rng.integers(0, num_patches - 1, m)
        other += other >= patches  # N - 1 numbers, and the patch itself is none of them
        draws.append((patches, np.select([fate < MASKED, fate < MASKED + REPLACED], [num_patches, other], patches)))
    arrays = np.array(draws, np.int64).reshape(-1, 2, m)  # (B, 2, m)
    return Corruption(arrays[:, 0], arrays[:, 1])


def check_corruption(corruption) -> None:
    """Raise TypeError for what is no pair of arrays; what they hold is looked at by each package."""
    if not isinstance(corruption, (tuple, list)) or len(corruption) != 2:
        raise TypeError(f"corruption is a {type(corruption).__name__}; expected a Corruption of patches and sources")


@checked
def num_outputs(target, channels, patch_size):
    """Numbers to predict per patch: Q colours, 16 times Q colours, or all C P P pixels.

    Raises ValueError for an unknown target, or a patch that cannot be downsized to 4 x 4.
    """
    outputs = {"mean_color": 8**channels, "downsized": SIDE**2 * 8**channels, "l2": channels * patch_size**2}
    require(isinstance(target, str) and target in outputs, "target", target, f"one of {tuple(outputs)}")
    if target == "downsized" and patch_size % SIDE:
        raise ValueError(f"patch_size={patch_size} is not allowed; 'downsized' needs a multiple of {SIDE}")
    return outputs[target]
