"""Random numbers of an image, drawn where the images are: on a GPU as on a CPU, bit by bit the same.

A counter-based generator has no state: word = f(seed, position, stream, number).  So an augmented image is a function
of (seed, position), as `order.sample_rng` has it on the host, and to resume is to go on counting.

The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), in PyTorch's int64:
32-bit words, of which no product here is longer than 49 bits, so nothing overflows on any device.
"""

from __future__ import annotations

import torch

__all__ = ["below", "philox", "random_bits", "uniform"]

WORD = 0xFFFFFFFF  # the low 32 bits
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85  # the golden ratio and sqrt(3) - 1, times 2^32


def philox(counter, key, rounds: int = 10):
    """Four words of 32 bits from a counter of four and a key of two; int64 tensors (or integers) that broadcast."""
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


def random_bits(seed, positions: torch.Tensor, count: int, stream: int = 0) -> torch.Tensor:
    """`count` words for each position.     positions (b,) int64  ->  (b, count) int64, each 0 ... 2^32 - 1

    seed: an integer >= 0 or a 0-d int64 tensor on the device of `positions` (a function that is compiled then serves
    all seeds).  Other streams are other numbers for the same image.
    """
    blocks = torch.arange((count + 3) // 4, device=positions.device)  # four words at a time
    positions = positions[:, None]
    counter = positions & WORD, positions >> 32, blocks, torch.full_like(blocks, stream)
    words = philox(counter, (seed & WORD, seed >> 32))
    return torch.stack(torch.broadcast_tensors(*words), dim=-1).flatten(1)[:, :count]


def uniform(bits: torch.Tensor) -> torch.Tensor:
    """Words as float32 in [0, 1): their first 24 bits, which a float32 holds exactly."""
    return (bits >> 8).float() * 2.0**-24


def below(bits: torch.Tensor, n: int) -> torch.Tensor:
    """Words as integers 0 ... n - 1, n < 2^31; in whole numbers, so that n itself never comes by rounding."""
    return bits * n >> 32
