"""What is given for a tensor, a device or a model.  Only in PyTorch: NumPy takes anything, and `dtype` tells.

Taught in notebooks/08_vit_torch.ipynb.
"""

from __future__ import annotations

import numpy as np
import torch

from vitedu_numpy.validate import as_array, is_model

__all__ = ["A_MODEL", "as_tensor", "from_array", "is_device", "may_look"]

A_MODEL = (lambda model: is_model(model) and hasattr(model, "parameters"), "a model of vitedu, such as ViT(config)")


def may_look(x) -> bool:
    """Values are looked at on the CPU only: reading them back from a GPU would stall its queue at every step.

    A compiled graph and `vmap` have none to look at.
    """
    here = x.device.type == "cpu" and x.numel() > 0 and not torch.compiler.is_compiling()
    return here and not torch._C._functorch.is_functorch_wrapped_tensor(x)


def as_tensor(x, name: str) -> torch.Tensor:
    """x as a tensor, from one, an array, or numbers.  Raises TypeError, by the argument's name, for anything else."""
    x = x if isinstance(x, torch.Tensor) else from_array(x, name)
    if x.layout != torch.strided:
        raise TypeError(f"{name} is a sparse tensor; expected a dense one, such as {name}.to_dense()")
    return x


def from_array(x, name: str) -> torch.Tensor:
    """An array, or numbers, as a tensor: of the same memory where PyTorch can read it, else a copy.

    It has no strides below 0, as those of a flipped image, no numbers in another machine's order, and no long doubles;
    and it warns of memory that may not be written, as that of a table of pandas, or of a file opened to be read.
    """
    array = as_array(x, name)
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"{name} is a {type(x).__name__} of dtype {array.dtype}; expected numbers")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    to_copy = not array.flags.writeable or any(step < 0 for step in array.strides)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=to_copy))


def is_device(device) -> bool:
    """A device, or the name of one, that this PyTorch has."""
    try:
        return isinstance(device, str | torch.device) and torch.device(device) is not None
    except RuntimeError:
        return False
