"""What is given for a tensor.  Only in PyTorch: NumPy takes anything, and `dtype` tells.

Taught in notebooks/08_vit_torch.ipynb.
"""

from __future__ import annotations

import torch

__all__ = ["as_tensor"]


def as_tensor(x, name: str) -> torch.Tensor:
    """x as a tensor, from one, an array, or numbers.  Raises TypeError, by the argument's name, for anything else."""
    try:
        return torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} is a {type(x).__name__}, and holds no numbers; expected a tensor") from None
