"""How much a file from outside may ask for, in one place.  Taught in notebooks/13_weights.ipynb.

A few bytes can claim anything: a picture of a billion pixels, an archive that unpacks to a thousand times its size.
Each limit is far above what honest files need, its error names it, and the environment variable of that name raises
it, for a whole run with its worker processes: `VITEDU_MAX_PIXELS=200_000_000 vitedu train ...`.
"""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["LIMITS", "Limit", "check_limit", "limit"]


class Limit(NamedTuple):
    """The largest number that is taken unless the environment says another."""

    value: int
    what: str


LIMITS = {
    "VITEDU_MAX_PIXELS": Limit(2**26, "pixels of one image (200 MB as RGB)"),
    "VITEDU_MAX_UNPACKED": Limit(2**28, "bytes that an archive may unpack to, where that is over 8 times its size"),
    "VITEDU_MAX_KEYS": Limit(20_000, "arrays in a file of weights"),
    "VITEDU_MAX_MEMBERS": Limit(20_000_000, "members of a tar file"),
    "VITEDU_MAX_TEXT": Limit(2**24, "bytes of a text that is read whole: JSON, labels, settings"),
}


def limit(name: str) -> int:
    """The limit of this name.  Raises ValueError where the environment has anything but a positive integer for it."""
    given = os.environ.get(name)
    if given is None:
        return LIMITS[name].value
    try:
        value = int(given)
    except ValueError:
        value = 0
    if value < 1:
        raise ValueError(f"{name}={given!r} is not allowed; the environment variable {name} must be a positive integer")
    return value


def check_limit(name: str, found: int, what: str) -> None:
    """Raise ValueError that begins with `what`, e.g. "a.npz has 100,000 arrays", where `found` is above the limit."""
    allowed = limit(name)
    if found > allowed:
        raise ValueError(f"{what}; more than {name}={allowed:,} is not read, set that variable higher if it is right")
