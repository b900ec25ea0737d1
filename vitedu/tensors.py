"""What is given for a tensor, a device or a model.  Only in PyTorch: NumPy takes anything, and `dtype` tells.

Taught in notebooks/08_vit_torch.ipynb.
"""

from __future__ import annotations

import torch

from vitedu_numpy.validate import is_model, refuse_gaps

__all__ = ["A_MODEL", "as_tensor", "is_device", "may_look"]

A_MODEL = (lambda model: is_model(model) and hasattr(model, "parameters"), "a model of vitedu, such as ViT(config)")


def may_look(x) -> bool:
    """Values are looked at on the CPU only: reading them back from a GPU would stall its queue at every step.

    A compiled graph and `vmap` have none to look at.
    """
    here = x.device.type == "cpu" and x.numel() > 0 and not torch.compiler.is_compiling()
    return here and not torch._C._functorch.is_functorch_wrapped_tensor(x)


def as_tensor(x, name: str) -> torch.Tensor:
    """x as a tensor, from one, an array, or numbers.  Raises TypeError, by the argument's name, for anything else."""
    refuse_gaps(name, x)
    try:
        x = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} is a {type(x).__name__}, and holds no numbers; expected a tensor") from None
    if x.layout != torch.strided:
        raise TypeError(f"{name} is a sparse tensor; expected a dense one, such as {name}.to_dense()")
    return x


def is_device(device) -> bool:
    """A device, or the name of one, that this PyTorch has."""
    try:
        return isinstance(device, str | torch.device) and torch.device(device) is not None
    except RuntimeError:
        return False
