"""Random numbers of an image, drawn where the images are: on a GPU as on a CPU, bit by bit the same.

A counter-based generator has no state: word = f(seed, position, stream, number).  So an augmented image is a function
of (seed, position), as `order.sample_rng` has it on the host, and to resume is to go on counting.

The generator is Philox4x32-10 (`philox.py`), in PyTorch's int64.
"""

from __future__ import annotations

import torch

from .philox import WORD, philox

__all__ = ["below", "philox", "random_bits", "uniform"]


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
