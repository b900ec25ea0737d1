"""Is a hand-written gradient right?  Central differences tell.  Taught in notebooks/02_linear.ipynb.

(f(x + h) - f(x - h)) / 2h equals f'(x) up to h^2 f'''(x) / 6 and rounding of about 1e-16 |f| / h; at h = 1e-5 in
float64 both are near 1e-10.  Work at parameters that are neither 0 nor 1: those hide mistakes.
"""

from __future__ import annotations

import inspect

import numpy as np

from .contract import checked_for
from .validate import as_array, is_seed

__all__ = ["check_model", "check_pair", "numerical_gradient", "relative_error"]


def relative_error(a, b) -> float:
    """Largest difference, relative to the largest entry: max |a - b| / max(|a|, |b|).  0 if both are all zero."""
    a, b = as_array(a, "a"), as_array(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"a has shape {a.shape}, b has shape {b.shape}; expected equal shapes")
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return float(np.abs(a - b).max(initial=0) / scale) if scale else 0.0


def numerical_gradient(f, x, h: float = 1e-5, entries=None):
    """Gradient of the scalar function `f()` with respect to the array `x`, which f reads and this changes in place.

    x: float64 array.  entries: flat indices to look at (default: all).  Returns x.shape, or (len(entries),).
    """
    if x.dtype != np.float64:
        raise TypeError(f"x has dtype {x.dtype}; central differences need float64")
    entries = range(x.size) if entries is None else entries
    gradient = np.empty(len(entries))
    for n, flat in enumerate(entries):
        i = np.unravel_index(flat, x.shape)
        kept = x[i]
        x[i] = kept + h
        above = f()
        x[i] = kept - h
        below = f()
        x[i] = kept
        gradient[n] = (above - below) / (2 * h)
    return gradient.reshape(x.shape) if gradient.size == x.size else gradient


def _report(errors: dict[str, float], tolerance: float, verbose: bool) -> dict[str, float]:
    for name, error in errors.items():
        if verbose:
            print(f"{name:45s} relative error {error:8.1e}  {'ok' if error <= tolerance else 'WRONG'}")
    return errors


def _pair(found):
    if not isinstance(found, tuple) or len(found) != 2:
        raise ValueError(f"forward gave a {type(found).__name__}; expected a pair (y, cache)")
    return found


def check_pair(forward, backward, inputs: dict[str, np.ndarray], rng, *, tolerance=1e-7, verbose=True, **constants):
    """Compare `backward` with central differences for a pair y, cache = forward(**inputs, **constants).

    inputs: float64 arrays by argument name, in the order in which `backward` returns their gradients.  A random
    weighting dy turns y into the scalar sum(dy y).  Prints one line per name; returns {name: relative error}.
    """
    y, cache = _pair(forward(**inputs, **constants))
    dy = np.random.default_rng(rng).standard_normal(np.shape(y))
    gradients = backward(dy, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    if len(gradients) != len(inputs):
        raise ValueError(f"backward gave {len(gradients)} gradients; expected {len(inputs)}, of {', '.join(inputs)}")

    def scalar():
        return float(np.sum(dy * forward(**inputs, **constants)[0]))

    errors = {
        name: relative_error(g, numerical_gradient(scalar, x))
        for (name, x), g in zip(inputs.items(), gradients, strict=True)
    }
    return _report(errors, tolerance, verbose)


def check_model(model, *inputs, rng=0, samples=None, tolerance=1e-7, verbose=True, **options):
    """Compare `model.backward` with central differences for every parameter, and for the first input.

    model: any float64 `Module` whose forward(*inputs, **options) is the same at every call (eval mode, or fixed
    dropout masks).  samples: look at this many random entries of each array (default: all).  Prints one line per
    parameter name; returns {name: relative error}, with the first input under the name "input".
    """
    rng = np.random.default_rng(rng)
    model.zero_grad()
    y = model(*inputs, **options)
    dy = rng.standard_normal(y.shape)
    dx = model.backward(dy)

    def scalar():
        return float(np.sum(dy * model(*inputs, **options)))

    arrays = {name: (p.value, p.grad) for name, p in model.named_parameters()} | {"input": (inputs[0], dx)}
    errors = {}
    for name, (x, gradient) in arrays.items():
        entries = None if samples is None or x.size <= samples else rng.choice(x.size, samples, replace=False)
        numerical = numerical_gradient(scalar, x, entries=entries)
        analytic = gradient if entries is None else gradient.reshape(-1)[entries]
        scale = max(np.abs(gradient).max(), np.abs(numerical).max())
        errors[name] = float(np.abs(analytic - numerical).max() / scale) if scale else 0.0
    return _report(errors, tolerance, verbose)


def _takes_nothing(f) -> bool:
    if not callable(f):
        return False
    arguments = inspect.signature(f).parameters.values()
    return not any(p.default is p.empty and p.kind < p.VAR_POSITIONAL for p in arguments)


_RULES = dict.fromkeys(("forward", "backward"), (callable, "a function")) | {
    "f": (_takes_nothing, "a function without arguments, such as lambda: loss(x)"),
    "x": (lambda x: isinstance(x, np.ndarray) and x.flags.writeable, "an array of float64 that may be written"),
    "rng": (lambda rng: isinstance(rng, np.random.Generator) or is_seed(rng), "a generator or a seed"),
    "inputs": (
        lambda inputs: isinstance(inputs, dict) and len(inputs) > 0,
        "a dict of float64 arrays by argument name",
    ),
    "model": (lambda model: hasattr(model, "backward") and hasattr(model, "zero_grad"), "a model of vitedu_numpy"),
}
numerical_gradient, check_pair, check_model = map(checked_for(_RULES), (numerical_gradient, check_pair, check_model))
