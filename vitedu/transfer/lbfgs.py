"""L-BFGS: the least value of a smooth function of many numbers (Nocedal & Wright, Numerical Optimization, Alg. 7.5).
Taught in notebooks/16_fewshot.ipynb.

Newton's step is -H^-1 g, H the second derivatives.  L-BFGS never builds H: from its last steps s and what each did to
the gradient, y, it multiplies a vector by an estimate of H^-1, at the cost of a few products of vectors.
"""

from __future__ import annotations

import torch

from vitedu_numpy.validate import A_SIZE, is_size, require

from ..module import checked

__all__ = ["inverse_hessian_times", "lbfgs"]


def inverse_hessian_times(g, memory):
    """H^-1 g by the two loops; memory: [(s, y)] of the last steps, each with s y > 0.     (n,) -> (n,)"""
    r, alphas = g, []
    for s, y in reversed(memory):
        alphas.append((s @ r) / (s @ y))
        r = r - alphas[-1] * y
    if memory:
        s, y = memory[-1]
        r = r * ((s @ y) / (y @ y))  # the size that the newest step saw
    for (s, y), alpha in zip(memory, reversed(alphas), strict=True):
        r = r + (alpha - (y @ r) / (s @ y)) * s
    return r


@checked
def lbfgs(function, x, steps=500, tolerance=1e-8, memory=10):
    """(x, largest |gradient| there) where function(x) -> (value, gradient (n,)) is least, from x (n,) on.

    A step is halved until the value falls by 1e-4 of what the slope promises.  Ends when no entry of the gradient is
    above `tolerance`, when rounding leaves nothing to gain, or after `steps`.
    """
    require(is_size(memory), "memory", memory, A_SIZE)
    value, g = function(x)
    past = []
    for _ in range(steps):
        if abs(g).max() <= tolerance:
            break
        direction = -inverse_hessian_times(g, past)
        slope, size = g @ direction, 1.0 if past else min(1.0, 1.0 / float(abs(g).sum()))
        while True:
            s = size * direction
            new_value, new_g = function(x + s)
            if new_value <= value + 1e-4 * size * slope:
                break
            size /= 2
            if size < 1e-10:  # what is still to gain is below the digits of the value
                return x, float(abs(g).max())
        y = new_g - g
        if s @ y > 1e-14 * torch.sqrt((s @ s) * (y @ y)):  # so that the estimate of H^-1 stays positive
            past = [*past, (s, y)][-memory:]
        x, value, g = x + s, new_value, new_g
    return x, float(abs(g).max())
