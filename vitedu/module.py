"""The base of all layers: PyTorch's `nn.Module`, with state and gradients that NumPy can read.

Taught in notebooks/08_vit_torch.ipynb.  Names, parameters and the search for them are PyTorch's own; only loading is
stricter, and takes NumPy arrays too.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from vitedu_numpy.contract import checked_for, shaped_for
from vitedu_numpy.validate import check_dtype, is_count

from .tensors import A_MODEL, from_array, is_device

__all__ = ["Identity", "Module", "checked", "checked_loop", "shaped"]


def _refuse_sparse(name, x) -> None:
    if x.layout is not torch.strided or x.is_quantized:
        kind, way = ("quantized", "dequantize") if x.is_quantized else ("sparse", "to_dense")
        raise TypeError(f"{name} is a {kind} tensor; expected a dense one of floats: {name}.{way}()")


# Holds a function to the shapes in its docstring.  A compiled program was looked at when it was traced.
shaped = shaped_for(
    torch.Tensor, "a tensor", lambda dtype: not dtype.is_complex, skip=lambda: torch.compiler.is_compiling(),
    refuse=_refuse_sparse,
)  # fmt: skip


def _is_generator(rng) -> bool:
    return rng is None or isinstance(rng, torch.Generator)


_A_GENERATOR = (_is_generator, "a torch.Generator, or None for PyTorch's own")
_OR_SEED = (lambda rng: _is_generator(rng) or is_count(rng, 0), "a torch.Generator, a seed (an integer >= 0), or None")
_OF_IMAGES = (lambda model: isinstance(model, nn.Module) and hasattr(model, "check_images"), A_MODEL[1])
_A_DEVICE = (is_device, "'cpu', or 'cuda' where there is a GPU")
checked = checked_for({"rng": _OR_SEED, "model": A_MODEL, "device": _A_DEVICE})  # a door: a seed will do
_NUMBERS = (lambda images: not getattr(images, "is_meta", False), "numbers, and a meta tensor has none")
# one that trains, or counts right answers
checked_loop = checked_for({"rng": _OR_SEED, "model": _OF_IMAGES, "images": _NUMBERS})
_checked_layer = checked_for({"rng": _A_GENERATOR})  # a layer: its model made one generator for all


class Module(nn.Module):
    """`nn.Module` whose state may come from either package, and is checked before anything is written."""

    def __init_subclass__(cls):
        """Hold the constructor to what the names of its arguments say; see `contract.py`."""
        if "__init__" in vars(cls):
            begins = cls.__init__.__code__.co_varnames[1:2] == ("config",)
            cls.__init__ = (checked if begins else _checked_layer)(cls.__init__)

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False):
        """Copy `state_dict` (name -> tensor or NumPy array) into the parameters, converted to their dtype.

        Raises KeyError for a missing or extra name (unless strict=False), ValueError for a wrong shape or a value that
        is not a finite real number; the model is then as it was before.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict is a {type(state_dict).__name__}; expected a dict of name -> array or tensor")
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        extra = [name for name in state_dict if name not in own]
        if strict and (missing or extra):
            raise KeyError(f"state does not fit {type(self).__name__}: missing {missing}, not expected {extra}")
        tensors = {}
        for name in own:
            if name not in state_dict:
                continue
            tensor = state_dict[name]
            tensor = tensor if isinstance(tensor, torch.Tensor) else _as_tensor(tensor, f"state[{name!r}]")
            if tensor.shape != own[name].shape:
                raise ValueError(f"state[{name!r}] has shape {tuple(tensor.shape)}; expected {tuple(own[name].shape)}")
            if tensor.is_meta and not own[name].is_meta:
                raise TypeError(f"state[{name!r}] is a meta tensor, which holds no numbers; expected numbers")
            real = not tensor.is_complex() and tensor.dtype != torch.bool
            if not real or not (tensor.is_meta or bool(torch.isfinite(tensor.to(own[name].dtype)).all())):
                wanted = f"finite real numbers, also when converted to {own[name].dtype}"
                raise ValueError(f"state[{name!r}] (dtype {tensor.dtype}) must hold {wanted}")
            tensors[name] = tensor
        return super().load_state_dict(tensors, strict=strict, assign=assign)

    def astype(self, dtype):
        """Compute in "float32" or "float64" from here on; returns the module itself.

        Parameters keep their values, as far as float32 has digits for them; fixed positions are computed anew.
        Gradients are forgotten.  Raises ValueError for any other dtype, or a parameter too large for it.  Half
        precision is `torch.autocast`'s: parameters in bfloat16 lose small updates (`.to(torch.bfloat16)` would do it).
        """
        dtype = getattr(torch, check_dtype(dtype))
        for name, p in self.state_dict(keep_vars=True).items():
            if not p.is_meta and bool((torch.isfinite(p) & torch.isinf(p.detach().to(dtype))).any()):
                raise ValueError(f"{name!r} holds a number that does not fit into dtype={check_dtype(dtype)}")
        self.zero_grad()
        return self.to(dtype)

    def gradients(self) -> dict[str, torch.Tensor]:
        """dLoss/dparameter by name, as left by `loss.backward()`; zeros where nothing arrived."""
        return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in self.named_parameters()}


def _as_tensor(x, name) -> torch.Tensor:
    """What a state holds that is no tensor, such as an array of `vitedu_numpy`, copied."""
    return from_array(x, name).clone()


class Identity(Module):
    """y = x: stands where a model leaves a layer out."""

    def forward(self, x):
        return x
