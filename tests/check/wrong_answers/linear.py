"""Wrong answers to the exercises of notebooks/02_linear.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.gradcheck import numerical_gradient as _np_numerical_gradient
from vitedu_numpy.layers.linear import linear as _np_linear
from vitedu_numpy.layers.linear import linear_backward as _np_linear_backward

from . import FirstGeneration

__all__ = ["central_difference", "linear", "linear_backward", "tied_linear_backward"]


# ---- linear(x, weight, bias) -> y ------------------------------------------------------------------------------------


def _y(x, weight, bias):
    return _np_linear(x, weight, bias)[0]


linear = FirstGeneration(
    _y,
    [
        ("the bias is not added", lambda x, weight, bias: _y(x, weight, 0)),
        ("the weight is used without its transpose", lambda x, weight, bias: x @ weight + bias),
        (
            "the weight is reshaped where it should be transposed",
            lambda x, weight, bias: x @ weight.reshape(-1, len(weight)) + bias,
        ),
        ("the outputs stand before the rows", lambda x, weight, bias: weight @ x.swapaxes(-1, -2) + bias[:, None]),
        (
            "the axes in front are lost: all rows are in one long list",
            lambda x, weight, bias: _y(x, weight, bias).reshape(-1, len(bias)),
        ),
        ("the inputs are averaged, not summed", lambda x, weight, bias: _y(x, weight, 0) / x.shape[-1] + bias),
        ("the bias is subtracted", lambda x, weight, bias: _y(x, weight, -bias)),
    ],
)


# ---- linear_backward(dy, x, weight) -> dx, dweight, dbias ------------------------------------------------------------


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _gradients(dy, x, weight):
    return _np_linear_backward(dy, (_rows(x), weight, x.shape))


def _replace(position, make):
    """The right answer with one of its three results replaced."""

    def wrong(dy, x, weight):
        results = list(_gradients(dy, x, weight))
        results[position] = make(dy, x, weight)
        return tuple(results)

    return wrong


def _averaged(dy, x, weight, which):
    R = len(_rows(dy))
    return tuple(g / R if i in which else g for i, g in enumerate(_gradients(dy, x, weight)))


def _last_row_only(dy, x, weight):
    return _gradients(dy, x, weight)[0], *_gradients(_rows(dy)[-1:], _rows(x)[-1:], weight)[1:]


linear_backward = FirstGeneration(
    _gradients,
    [
        ("dx is made with the transpose of the weight", lambda dy, x, weight: (dy @ weight.T, None, None)),
        ("dy is not transposed in dweight", lambda dy, x, weight: (None, _rows(dy) @ _rows(x), None)),
        ("dweight is transposed", _replace(1, lambda dy, x, weight: _gradients(dy, x, weight)[1].T)),
        (
            "dweight is kept apart for every entry of the axes in front",
            _replace(1, lambda dy, x, weight: dy.swapaxes(-1, -2) @ x),
        ),
        ("dbias is not summed: one gradient per row", _replace(2, lambda dy, x, weight: dy)),
        ("dbias is summed over the first axis only", _replace(2, lambda dy, x, weight: dy.sum(axis=0))),
        ("dbias is summed over the outputs", _replace(2, lambda dy, x, weight: dy.sum(axis=-1))),
        (
            "dweight and dbias are averaged over the rows, not summed",
            lambda dy, x, weight: _averaged(dy, x, weight, (1, 2)),
        ),
        ("dbias is averaged over the rows, not summed", lambda dy, x, weight: _averaged(dy, x, weight, (2,))),
        ("dweight is averaged over the rows, not summed", lambda dy, x, weight: _averaged(dy, x, weight, (1,))),
        ("dweight and dbias come from the last row alone", _last_row_only),
        ("dx has lost its axes in front", _replace(0, lambda dy, x, weight: _rows(dy) @ weight)),
        ("dy is taken to be 1 everywhere", lambda dy, x, weight: _gradients(np.ones_like(dy), x, weight)),
        (
            "the three gradients are returned in another order",
            lambda dy, x, weight: (*_gradients(dy, x, weight)[1:], _gradients(dy, x, weight)[0]),
        ),
    ],
)


# ---- central_difference(f, x, h) -> gradient -------------------------------------------------------------------------


def _stepped(f, x, up, down, divisor):
    """(f(x + up e_i) - f(x + down e_i)) / divisor for every entry i."""
    gradient = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[i] += up
        below[i] += down
        gradient[i] = (f(above) - f(below)) / divisor
    return gradient


def _all_at_once(f, x, h):
    return np.full(x.shape, (f(x + h) - f(x - h)) / (2 * h))


def _one_number(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def _not_restored(f, x, h, back):
    """After its turn an entry is left `back` away from where it was."""
    x, gradient = x.copy(), np.empty(x.shape)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + h
        above = f(x)
        x[i] = kept - h
        gradient[i] = (above - f(x)) / (2 * h)
        x[i] = kept + back
    return gradient


def _whole_rows(f, x, h):
    gradient = np.empty(x.shape)
    for i in range(len(x)):
        above, below = x.copy(), x.copy()
        above[i] += h
        below[i] -= h
        gradient[i] = (f(above) - f(below)) / (2 * h)
    return gradient


central_difference = FirstGeneration(
    lambda f, x, h: _np_numerical_gradient(lambda: f(x), x, h),
    [
        ("a forward difference: f(x) is the second value, not f(x - h)", lambda f, x, h: _stepped(f, x, h, 0, h)),
        ("a backward difference: f(x) is the first value, not f(x + h)", lambda f, x, h: _stepped(f, x, 0, -h, h)),
        ("the difference is divided by h", lambda f, x, h: _stepped(f, x, h, -h, h)),
        ("`/ 2 * h` divides by 2 and then multiplies by h", lambda f, x, h: _stepped(f, x, h, -h, 2 / h)),
        ("the second step leads only back to x", lambda f, x, h: _stepped(f, x, h, 0, 2 * h)),
        ("the sign is wrong: f(x - h) - f(x + h)", lambda f, x, h: -_stepped(f, x, h, -h, 2 * h)),
        ("all entries are moved at once", _all_at_once),
        ("all entries are moved at once, and one number comes back", _one_number),
        (
            "an entry of x is not put back after its turn: it stays h too low",
            lambda f, x, h: _not_restored(f, x, h, -h),
        ),
        (
            "an entry of x is not put back after its turn: it stays h too high",
            lambda f, x, h: _not_restored(f, x, h, h),
        ),
        ("a whole row is moved at once: the loop runs over the first axis only", _whole_rows),
        ("the gradient is zero everywhere: x + h and x - h are the same array", lambda f, x, h: np.zeros(x.shape)),
    ],
)


# ---- tied_linear_backward(dy, x, weight) -> dx, dweight --------------------------------------------------------------


def _tied(dy, x, weight, *, first=1.0, second=1.0, folded=True):
    """y = a W, a = x W^T: dx, and dweight as the weighted sum of what the first and the second use of W ask for."""
    dx, dfirst, _ = _gradients(dy @ weight.T, x, weight)
    a = x @ weight.T
    dsecond = _rows(a).T @ _rows(dy)
    if not folded:
        dfirst, dsecond = (dy @ weight.T).swapaxes(-1, -2) @ x, a.swapaxes(-1, -2) @ dy
    return dx, first * dfirst + second * dsecond


def _tied_averaged(dy, x, weight):
    dx, dweight = _tied(dy, x, weight)
    return dx, dweight / len(_rows(dy))


tied_linear_backward = FirstGeneration(
    _tied,
    [
        (
            "dweight holds only what the first use, x W^T, asks for",
            lambda dy, x, weight: _tied(dy, x, weight, second=0),
        ),
        ("dweight holds only what the second use, a W, asks for", lambda dy, x, weight: _tied(dy, x, weight, first=0)),
        (
            "the two parts of dweight are averaged, not added",
            lambda dy, x, weight: _tied(dy, x, weight, first=0.5, second=0.5),
        ),
        ("the two parts of dweight are subtracted", lambda dy, x, weight: _tied(dy, x, weight, second=-1)),
        ("dx stops halfway: it is the gradient of a", lambda dy, x, weight: (dy @ weight.T, _tied(dy, x, weight)[1])),
        ("dx passes dy on unchanged", lambda dy, x, weight: (dy, _tied(dy, x, weight)[1])),
        ("dweight is transposed", lambda dy, x, weight: (_tied(dy, x, weight)[0], _tied(dy, x, weight)[1].T)),
        (
            "dweight is kept apart for every entry of the axes in front",
            lambda dy, x, weight: _tied(dy, x, weight, folded=False),
        ),
        ("dweight is averaged over the rows, not summed", _tied_averaged),
    ],
)
