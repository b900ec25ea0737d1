"""Philox4x32-10, a random generator that counts (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

Taught in notebooks/19_how_much_data.ipynb.

It has no state: words = f(counter, key).  Here in 64-bit integers, of NumPy, of PyTorch or of Python: words have 32
bits, and no product is longer than 49, so nothing overflows anywhere.
"""

from __future__ import annotations

__all__ = ["WORD", "philox"]

WORD = 0xFFFFFFFF  # the low 32 bits
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85  # the golden ratio and sqrt(3) - 1, times 2^32


def philox(counter, key, rounds: int = 10):
    """Four words of 32 bits from a counter of four and a key of two; int64 arrays (or integers) that broadcast."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        high0, low0 = _product(c0, MULTIPLIERS[0])
        high1, low1 = _product(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + KEY_STEPS[0]) & WORD, (k1 + KEY_STEPS[1]) & WORD
    return c0, c1, c2, c3


def _product(a, m: int):
    """(high, low) words of a m, by the halves of m."""
    low = a * (m & 0xFFFF)  # < 2^48
    rest = a * (m >> 16) + (low >> 16)  # < 2^49: a m = rest 2^16 + the low 16 bits of `low`
    return rest >> 16, (rest & 0xFFFF) << 16 | low & 0xFFFF
