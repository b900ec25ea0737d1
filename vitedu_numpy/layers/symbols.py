"""Sequences of symbols: embedding, positions, masks.  Taught in notebooks/11_seq2seq.ipynb.

A symbol is an integer 0 ... V - 1 (a word, a letter, a digit); one of them, `pad`, only fills short sequences up.

Shapes: `B` sequences in a batch, `T` symbols in a sequence, `V` symbols in the vocabulary, `D` width.
"""

from __future__ import annotations

from functools import wraps

import numpy as np

from ..init import normal
from ..module import Module, Parameter, checked, shaped
from ..record import note
from ..validate import as_array, require
from .dropout import Dropout

__all__ = [
    "Embedding", "causal_mask", "check_symbols", "embed", "embed_backward", "padding_mask", "sinusoid",
]  # fmt: skip


@shaped
def embed(weight, ids):
    """y = sqrt(D) weight[ids]: each symbol becomes its row.     weight (V, D)   ids (B, T) integers   ->   (B, T, D)"""
    scale = weight.shape[1] ** 0.5
    y = scale * weight[ids]  # (B, T, D)  [1]
    return y, (ids, scale, weight.shape)


@shaped
def embed_backward(dy, cache):
    """dy (B, T, D)  ->  dweight (V, D); symbols are integers and have no gradient"""
    ids, scale, shape = cache
    dweight = np.zeros(shape, dy.dtype)
    np.add.at(dweight, ids, scale * dy)  # from [1]: a symbol that occurs twice gets both gradients, added up
    return dweight


@checked
def sinusoid(length, width, dtype=np.float32):
    """Fixed positions: PE[t, 2i] = sin(t w_i), PE[t, 2i + 1] = cos(t w_i), w_i = 10000^(-2i / D).     -> (T, D)

    Vaswani et al. (2017, arXiv:1706.03762), Sec. 3.5.
    """
    require(width % 2 == 0, "width", width, "an even number: sines and cosines in turn")
    w = 10000.0 ** (-np.arange(0, width, 2) / width)  # (D/2,)
    angle = np.arange(length)[:, None] * w  # (T, D/2)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, width).astype(dtype)


class Embedding(Module):
    """z = sqrt(D) weight[ids] + PE, then dropout; `weight` (V, D), starting at N(0, 1 / D)."""

    def __init__(self, vocabulary, width, max_length, rng, dropout=0.0, dtype=np.float32):
        self.weight = Parameter(normal(rng, (vocabulary, width), width**-0.5, dtype))
        self.max_length, self.positions = max_length, None
        self.drop = Dropout(dropout, rng)

    def forward(self, ids, record=None):
        """ids (B, T)  ->  (B, T, D)"""
        y, cache = embed(self.weight.value, ids)
        self.keep(cache)
        if self.positions is None or self.positions.dtype != y.dtype:  # made when needed, and again after `astype`
            self.positions = sinusoid(self.max_length, y.shape[-1], y.dtype)
        z = self.drop(y + self.positions[: ids.shape[1]])
        note(record, embedding=z)
        return z

    def backward(self, dz):
        self.weight.add_grad(embed_backward(self.drop.backward(dz), self.take()))


# ---- masks: True where a token may be asked --------------------------------------------------------------------


@checked
def causal_mask(length):
    """Token t may ask the tokens 0 ... t: itself and those before it.     -> (T, T)"""
    return np.tri(length, dtype=bool)


@shaped
def padding_mask(ids, pad):
    """Nobody may ask a `pad`.     ids (B, S)  ->  (B, 1, 1, S), for all heads and all tokens that ask"""
    return (ids != pad)[:, None, None, :]


def check_symbols(ids, name, vocabulary, max_length=None) -> np.ndarray:
    """Refuse what an index would silently get wrong: `ids` must be integers (B, T) in 0 ... vocabulary - 1."""
    ids = as_array(ids, name)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {ids.dtype}; expected integers 0..{vocabulary - 1}")
    if ids.ndim != 2 or 0 in ids.shape:
        raise ValueError(f"{name} has shape {ids.shape}; expected (B, T) with B, T >= 1")
    if max_length is not None and ids.shape[1] > max_length:
        raise ValueError(f"{name} has {ids.shape[1]} symbols per sequence; allowed are at most max_length={max_length}")
    if not (0 <= ids.min() and ids.max() < vocabulary):
        raise ValueError(f"{name} runs from {ids.min()} to {ids.max()}; allowed is 0..{vocabulary - 1}")
    return ids


def _known(function):
    """`embed`, which looks at its symbols first."""

    @wraps(function)
    def checked(weight, ids):
        if hasattr(ids, "shape") and hasattr(weight, "shape"):
            ids = check_symbols(ids, "ids", len(weight))
        return function(weight, ids)

    return checked


embed = _known(embed)
