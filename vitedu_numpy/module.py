"""Parameters with names, and modules that hold them.  No autograd, no magic.  Taught in notebooks/02_linear.ipynb.

A `Module` keeps parameters and the cache of its last forward; the mathematics stands in plain function pairs
`f(...) -> y, cache` and `f_backward(dy, cache)`.  Names are the attribute path joined by dots, exactly as in
PyTorch, so one state loads into both packages.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from .contract import checked_for, shaped_for
from .validate import as_array, check_dtype, is_seed

__all__ = ["Buffer", "Identity", "Module", "Parameter", "checked", "checked_loop", "shaped"]


# Holds a function to the shapes in its docstring.
shaped = shaped_for(np.ndarray, "an array", lambda dtype: dtype.kind in "fiub")


def _is_generator(rng) -> bool:
    return isinstance(rng, np.random.Generator)


_A_GENERATOR = (_is_generator, "a NumPy Generator, such as np.random.default_rng(0)")
_OR_SEED = (lambda rng: _is_generator(rng) or is_seed(rng), "a NumPy Generator, a seed (an integer >= 0), or None")
_A_MODEL = (lambda model: isinstance(model, Module), "a model of vitedu_numpy, such as ViT(config, 0)")
_OF_IMAGES = (lambda model: isinstance(model, Module) and hasattr(model, "check_images"), _A_MODEL[1])
# PyTorch's dtypes have the same names, but NumPy makes no array of them
_A_DTYPE = (lambda dtype: not str(dtype).startswith("torch.") and bool(check_dtype(dtype)), "'float32' or 'float64'")
checked = checked_for({"rng": _OR_SEED, "model": _A_MODEL, "dtype": _A_DTYPE})  # a door: a seed will do
# one that trains, or counts right answers
checked_loop = checked_for({"rng": _OR_SEED, "model": _OF_IMAGES})
_checked_layer = checked_for({"rng": _A_GENERATOR, "dtype": _A_DTYPE})  # a layer: its model made one generator for all


class Parameter:
    """An array that learning changes: `value`, and `grad` = dLoss/dvalue of the same shape (None: not computed)."""

    def __init__(self, value: np.ndarray):
        self.value = value
        self.grad = None

    def add_grad(self, grad: np.ndarray) -> None:
        """Gradients add up over uses of a parameter, as the chain rule says.  Raises ValueError for another shape."""
        if np.shape(grad) != self.value.shape:  # PyTorch would refuse it; here it would be broadcast, or kept
            wanted = f"expected {self.value.shape}, as its parameter; backward takes what has the shape of forward's y"
            raise ValueError(f"grad has shape {np.shape(grad)}; {wanted}")
        if self.grad is None:
            self.grad = grad
        else:
            self.grad += grad


class Buffer:
    """An array that belongs to a layer's state but is not learned, such as a running average: `value`."""

    def __init__(self, value: np.ndarray):
        self.value = value


class Module:
    """Base of all layers: finds parameters by name, loads and gives state, remembers one forward's cache."""

    training = True  # dropout acts, and batch norm looks at the batch, only while training
    _cache = None

    def __init_subclass__(cls):
        """Hold the constructor to what the names of its arguments say; see `contract.py`."""
        if "__init__" in vars(cls):
            begins = cls.__init__.__code__.co_varnames[1:2] == ("config",)
            cls.__init__ = (checked if begins else _checked_layer)(cls.__init__)

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    # ---- the cache: written by forward, taken once by backward -------------------------------------------------

    def keep(self, cache) -> None:
        """Remember what backward will need."""
        self._cache = cache

    def take(self):
        """Give the cache to backward and forget it, so that memory is freed while backward walks down."""
        if self._cache is None:
            raise RuntimeError(f"{type(self).__name__}.backward was called without a forward before it")
        cache, self._cache = self._cache, None
        return cache

    # ---- names ---------------------------------------------------------------------------------------------------

    def named_modules(self, prefix: str = ""):
        """Yield (name, module) for this module and every module inside, in order of definition."""
        yield prefix, self
        for attribute, value in vars(self).items():
            children = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, child in children:
                if isinstance(child, Module):
                    path = attribute if index is None else f"{attribute}.{index}"
                    yield from child.named_modules(f"{prefix}.{path}" if prefix else path)

    def named_parameters(self):
        """Yield (name, Parameter), e.g. ("encoder.blocks.0.norm1.weight", ...)."""
        yield from ((name, p) for name, p in self.named_state() if isinstance(p, Parameter))

    def named_buffers(self):
        """Yield (name, Buffer), e.g. ("stem_norm.running_mean", ...)."""
        yield from ((name, b) for name, b in self.named_state() if isinstance(b, Buffer))

    def named_state(self):
        """Yield (name, Parameter or Buffer): module by module, its parameters before its buffers."""
        for prefix, module in self.named_modules():
            for kind in (Parameter, Buffer):
                for attribute, value in vars(module).items():
                    if isinstance(value, kind):
                        yield (f"{prefix}.{attribute}" if prefix else attribute), value

    # ---- state and gradients, keyed by the same names ----------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter and buffer by name."""
        return {name: p.value.copy() for name, p in self.named_state()}

    def load_state_dict(self, state) -> None:
        """Copy `state` (name -> NumPy array or CPU tensor) into parameters and buffers, converted to their dtype.

        Everything is checked before anything is written.  Raises KeyError for a missing or extra name, ValueError
        for a wrong shape, or a value that is not a finite real number; the model is then as it was before.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state is a {type(state).__name__}; expected a dict of name -> array")
        parameters = dict(self.named_state())
        missing = [name for name in parameters if name not in state]
        extra = [name for name in state if name not in parameters]
        if missing or extra:
            raise KeyError(f"state does not fit {type(self).__name__}: missing {missing}, not expected {extra}")
        arrays = {}
        for name, p in parameters.items():
            array = as_array(state[name], f"state[{name!r}]")
            if array.shape != p.value.shape:
                raise ValueError(f"state[{name!r}] has shape {array.shape}; expected {p.value.shape}")
            with np.errstate(over="ignore"):
                arrays[name] = array.astype(p.value.dtype, copy=False) if array.dtype.kind in "fiu" else None
            if arrays[name] is None or not np.isfinite(arrays[name]).all():
                wanted = f"finite real numbers, also when converted to {p.value.dtype}"
                raise ValueError(f"state[{name!r}] (dtype {array.dtype}) must hold {wanted}")
        for name, array in arrays.items():  # a parameter of this model must not change before it has been read
            if any(np.may_share_memory(array, p.value) for p in parameters.values()):
                arrays[name] = array.copy()
        for name, p in parameters.items():
            p.value[...] = arrays[name]

    def astype(self, dtype):
        """Compute in "float32" or "float64" from here on; returns the module itself.

        Parameters keep their values, as far as float32 has digits for them; fixed positions are computed anew.
        Gradients and what the last forward kept are forgotten; replicas are to be made afterwards.  Raises ValueError
        for any other dtype, or a parameter too large for it.
        """
        dtype = np.dtype(check_dtype(dtype))
        with np.errstate(over="ignore"):
            values = {name: p.value.astype(dtype) for name, p in self.named_state()}
        for name, p in self.named_state():
            if (np.isfinite(p.value) & np.isinf(values[name])).any():
                raise ValueError(f"{name!r} holds a number that does not fit into dtype={dtype.name}")
        for name, p in self.named_state():
            p.value = values[name]
        self.zero_grad()
        for _, module in self.named_modules():
            module._cache = None
            if hasattr(module, "dtype"):
                module.dtype = dtype
        return self

    def gradients(self) -> dict[str, np.ndarray]:
        """dLoss/dparameter by name, as left by the backward calls since the last `zero_grad()`."""
        return {n: np.zeros_like(p.value) if p.grad is None else p.grad for n, p in self.named_parameters()}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for _, p in self.named_parameters():
            p.grad = None

    # ---- modes and copies ------------------------------------------------------------------------------------------

    @checked
    def train(self, mode: bool = True):
        """Training (True: dropout acts, batch norm looks at the batch) or not, here and in every module inside."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self):
        """Inference: `train(False)`."""
        return self.train(False)

    def replica(self, made=None):
        """A second model over the *same* parameter values and buffers, with gradients and caches of its own.

        What data parallelism hands to every worker (see `parallel.py`).  made: the twins that exist already, by id;
        what a module was lent (in a tuple) is in the twin lent by the owner's twin.
        """
        made = {} if made is None else made
        if id(self) in made:
            return made[id(self)]
        twin = made[id(self)] = copy.copy(self)
        twin._cache = None
        for attribute, value in vars(self).items():
            if isinstance(value, Parameter):
                setattr(twin, attribute, Parameter(value.value))
            elif isinstance(value, Module):
                setattr(twin, attribute, value.replica(made))
            elif isinstance(value, (list, tuple)) and any(isinstance(v, Module) for v in value):
                setattr(twin, attribute, type(value)(v.replica(made) if isinstance(v, Module) else v for v in value))
        return twin


class Identity(Module):
    """y = x: stands where a model leaves a layer out."""

    def forward(self, x):
        return x

    def backward(self, dx):
        return dx
