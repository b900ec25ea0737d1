"""Pseudo-labels: what a teacher says of images without labels, as targets for its student (Noisy Student).

Taught in notebooks/17_state_of_the_art.ipynb.

Source: Xie et al. 2020 (arXiv:1911.04252) and the authors' code.  No model mathematics, so it stands once, for both
packages.

Shapes: `n` images without labels, `m` of them (some perhaps twice) that the student sees, `K` classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..contract import checked
from ..validate import check_on_off, is_count, is_number, require

__all__ = ["PseudoLabels", "balanced", "check_pseudo", "confident", "pseudo_labels", "tempered"]


class PseudoLabels(NamedTuple):
    """Row i says what image `positions[i]` of those without labels shows."""

    positions: np.ndarray  # (m,) int64
    targets: np.ndarray  # (m, K): each row sums to 1

    @property
    def classes(self) -> np.ndarray:
        """The likeliest class of each row (m,)."""
        return self.targets.argmax(1)


@checked
def pseudo_labels(probabilities, *, threshold=0.3, per_class=None, soft=True, temperature=1.0) -> PseudoLabels:
    """The teacher's probabilities (n, K), filtered, balanced, and made into targets.

    threshold: images whose highest probability is below it are left out; per_class: so many images of each class, see
    `balanced` (None: as many as there are); soft: the probabilities themselves, at `temperature`, or else 1 for the
    likeliest class.  The filter looks at the probabilities as they are, before the temperature.

    Raises TypeError for anything but floats, ValueError for another shape, rows that are no probabilities, a setting
    out of its range, and where no image is left.
    """
    check_pseudo(threshold, per_class, soft, temperature)
    p = _checked(probabilities)
    kept = confident(p, threshold)
    if not len(kept):
        raise ValueError(
            f"threshold={threshold} leaves none of {len(p)} images; the teacher's highest probability is {p.max():.3g}"
        )
    if per_class is not None:
        kept = kept[balanced(p[kept].argmax(1), p[kept].max(1), per_class)]
    if soft:
        return PseudoLabels(kept, tempered(p[kept], temperature))
    return PseudoLabels(kept, np.eye(p.shape[1], dtype=p.dtype)[p[kept].argmax(1)])


def confident(probabilities, threshold) -> np.ndarray:
    """Positions, rising, of the rows whose highest probability is at least `threshold`.     (n, K)  ->  (m,)"""
    return np.flatnonzero(probabilities.max(1) >= threshold)


def balanced(classes, confidence, per_class: int) -> np.ndarray:
    """`per_class` positions of each class, class by class, the most confident first.     classes, confidence (n,)

    A class with fewer images starts again from its first, as often as it takes; a class with none stays without.  Of
    equally confident images the earlier comes first.
    """
    chosen = []
    for c in np.unique(classes):
        images = np.flatnonzero(classes == c)
        order = images[np.argsort(-confidence[images], kind="stable")]
        chosen.append(np.resize(order, per_class))  # cut, or repeated
    return np.concatenate(chosen)


def tempered(probabilities, temperature) -> np.ndarray:
    """q_k = p_k^(1/T) / sum_j p_j^(1/T): the softmax of logits / T, from the softmax of logits.     (m, K)  ->  (m, K)

    T below 1 sharpens towards the likeliest class, above 1 flattens.
    """
    if temperature == 1:
        return probabilities
    # Divided by the largest first: no row can then vanish, as 0.1^(1 / 0.002) would.
    q = (probabilities / probabilities.max(1, keepdims=True)) ** (1 / temperature)
    return q / q.sum(1, keepdims=True)


def check_pseudo(threshold, per_class, soft, temperature) -> None:
    """Raise ValueError for a setting of `pseudo_labels` that is out of its range."""
    require(is_number(threshold) and 0 <= threshold <= 1, "threshold", threshold, "a number in [0, 1]")
    require(per_class is None or is_count(per_class), "per_class", per_class, "a positive integer or None")
    check_on_off(soft=soft)
    require(is_number(temperature) and temperature > 0, "temperature", temperature, "a positive number")
    hardened = not soft and temperature != 1
    require(not hardened, "temperature", temperature, "1 with soft=False, whose labels it would not change")


def _checked(probabilities) -> np.ndarray:
    p = np.asarray(probabilities)
    if p.dtype.kind != "f":
        raise TypeError(f"probabilities has dtype {p.dtype}; expected floats")
    if p.ndim != 2 or 0 in p.shape:
        raise ValueError(f"probabilities has shape {p.shape}; expected (n, K), both at least 1")
    sums = p.sum(1)
    # Rounding of a sum of many float32 (or float16) numbers; logits are much further off.
    wrong = np.flatnonzero(~((p >= 0).all(1) & (abs(sums - 1) < 1e-2)))
    if len(wrong):
        raise ValueError(
            f"probabilities row {wrong[0]} sums to {sums[wrong[0]]:.4g}, its lowest number is {p[wrong[0]].min():.4g}; "
            "expected numbers in [0, 1] that sum to 1 (softmax of the logits)"
        )
    return p
