"""Checks for the exercises of notebooks/02_linear.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.gradcheck import numerical_gradient as _np_numerical_gradient
from vitedu_numpy.layers.linear import linear as _np_linear
from vitedu_numpy.layers.linear import linear_backward as _np_linear_backward

__all__ = ["central_difference", "linear", "linear_backward", "tied_linear_backward"]

# (axes in front of I, I, O): first plain rows, then one and two more axes.
_SIZES = [((7,), 3, 5), ((2, 5), 3, 4), ((3, 2, 4), 6, 5)]


# ---- linear(x, weight, bias) -> y ------------------------------------------------------------------------------------


def _linear_cases(rng):
    return [
        (rng.standard_normal((*front, I)), rng.standard_normal((O, I)), rng.standard_normal(O))
        for front, I, O in _SIZES
    ]


def _y(x, weight, bias):
    return _np_linear(x, weight, bias)[0]


linear = Check(
    "linear",
    reference=_y,
    cases=_linear_cases,
    outputs={"y": "(..., O)"},
    mistakes=[
        Mistake(
            "the bias is not added",
            "y = x W^T + b: one of the three arguments is not used.",
            lambda x, weight, bias: _y(x, weight, 0),
        ),
        Mistake(
            "the weight is used without its transpose",
            "`weight` has the layout (O, I).  In a product, the two axes in the middle must be the same.",
            lambda x, weight, bias: x @ weight + bias,
        ),
        Mistake(
            "the weight is reshaped where it should be transposed",
            "A reshape makes the shape fit, but keeps the order of the numbers in memory.",
            lambda x, weight, bias: x @ weight.reshape(-1, len(weight)) + bias,
        ),
        Mistake(
            "the outputs stand before the rows",
            "The axes in front of I keep their place; only I turns into O.",
            lambda x, weight, bias: weight @ x.swapaxes(-1, -2) + bias[:, None],
        ),
        Mistake(
            "the axes in front are lost: all rows are in one long list",
            "If you folded the axes in front into one, unfold them at the end.",
            lambda x, weight, bias: _y(x, weight, bias).reshape(-1, len(bias)),
        ),
        Mistake(
            "the inputs are averaged, not summed",
            "An output is a sum over the inputs.  Nothing is divided.",
            lambda x, weight, bias: _y(x, weight, 0) / x.shape[-1] + bias,
        ),
        Mistake(
            "the bias is subtracted",
            "Look at the sign of b in the equation.",
            lambda x, weight, bias: _y(x, weight, -bias),
        ),
    ],
)


# ---- linear_backward(dy, x, weight) -> dx, dweight, dbias ------------------------------------------------------------


def _linear_backward_cases(rng):
    return [
        (rng.standard_normal((*front, O)), rng.standard_normal((*front, I)), rng.standard_normal((O, I)))
        for front, I, O in _SIZES
    ]


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


linear_backward = Check(
    "linear_backward",
    reference=_gradients,
    cases=_linear_backward_cases,
    outputs={"dx": "(..., I)", "dweight": "(O, I)", "dbias": "(O,)"},
    mistakes=[
        Mistake(
            "dx is made with the transpose of the weight",
            "The forward used W^T.  Write the shapes of dy and weight beside each other.",
            lambda dy, x, weight: (dy @ weight.T, None, None),
        ),
        Mistake(
            "dy is not transposed in dweight",
            "Both dy and x have one row per example, and the sum runs over the rows: they must stand in the middle.",
            lambda dy, x, weight: (None, _rows(dy) @ _rows(x), None),
        ),
        Mistake(
            "dweight is transposed",
            "A gradient has the shape of what it belongs to.",
            _replace(1, lambda dy, x, weight: _gradients(dy, x, weight)[1].T),
        ),
        Mistake(
            "dweight is kept apart for every entry of the axes in front",
            "All rows used the same weight.  What happens to gradients at a place that is used many times?",
            _replace(1, lambda dy, x, weight: dy.swapaxes(-1, -2) @ x),
        ),
        Mistake(
            "dbias is not summed: one gradient per row",
            "The same b was added to every row.",
            _replace(2, lambda dy, x, weight: dy),
        ),
        Mistake(
            "dbias is summed over the first axis only",
            "Any number of axes may stand in front: b was added along all of them.",
            _replace(2, lambda dy, x, weight: dy.sum(axis=0)),
        ),
        Mistake(
            "dbias is summed over the outputs",
            "Every output has its own offset.  Over which axes was it reused?",
            _replace(2, lambda dy, x, weight: dy.sum(axis=-1)),
        ),
        Mistake(
            "dweight and dbias are averaged over the rows, not summed",
            "Where does the forward divide by the number of rows?",
            lambda dy, x, weight: _averaged(dy, x, weight, (1, 2)),
        ),
        Mistake(
            "dbias is averaged over the rows, not summed",
            "Where does the forward divide by the number of rows?",
            lambda dy, x, weight: _averaged(dy, x, weight, (2,)),
        ),
        Mistake(
            "dweight is averaged over the rows, not summed",
            "Where does the forward divide by the number of rows?",
            lambda dy, x, weight: _averaged(dy, x, weight, (1,)),
        ),
        Mistake(
            "dweight and dbias come from the last row alone",
            "Gradients add up over the rows: look for `=` where `+=` is meant.",
            _last_row_only,
        ),
        Mistake(
            "dx has lost its axes in front",
            "If you folded the axes in front into one, unfold them at the end.",
            _replace(0, lambda dy, x, weight: _rows(dy) @ weight),
        ),
        Mistake(
            "dy is taken to be 1 everywhere",
            "The loss is not the sum of the outputs.  Which argument says how much each output matters?",
            lambda dy, x, weight: _gradients(np.ones_like(dy), x, weight),
        ),
        Mistake(
            "the three gradients are returned in another order",
            "One gradient per input, in the order of the inputs: x, weight, bias.",
            lambda dy, x, weight: (*_gradients(dy, x, weight)[1:], _gradients(dy, x, weight)[0]),
        ),
    ],
)


# ---- central_difference(f, x, h) -> gradient -------------------------------------------------------------------------


class _Function:
    """f(x) = sum(x^3) + exp(sum(a x)): bent, and every entry's slope depends on the others."""

    def __init__(self, a):
        self.a = a

    def __call__(self, x):
        x = np.asarray(x)
        return float((x**3).sum() + np.exp((self.a * x).sum()))

    def __repr__(self):
        return "f"


def _difference_cases(rng):
    cases = []
    for shape, h in (((5,), 0.1), ((2, 3), 0.05), ((3, 1, 2), 0.2)):
        cases.append((_Function(0.5 * rng.standard_normal(shape)), rng.uniform(0.5, 1.5, shape), h))
    return cases


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


central_difference = Check(
    "central_difference",
    reference=lambda f, x, h: _np_numerical_gradient(lambda: f(x), x, h),
    cases=_difference_cases,
    outputs={"gradient": "(the shape of x)"},
    mistakes=[
        Mistake(
            "a forward difference: f(x) is the second value, not f(x - h)",
            "The step must be the same to both sides, so that the error in h cancels.",
            lambda f, x, h: _stepped(f, x, h, 0, h),
        ),
        Mistake(
            "a backward difference: f(x) is the first value, not f(x + h)",
            "The step must be the same to both sides, so that the error in h cancels.",
            lambda f, x, h: _stepped(f, x, 0, -h, h),
        ),
        Mistake(
            "the difference is divided by h",
            "How far apart are the two places at which f is read?",
            lambda f, x, h: _stepped(f, x, h, -h, h),
        ),
        Mistake(
            "`/ 2 * h` divides by 2 and then multiplies by h",
            "Python works from left to right.  Where are brackets needed?",
            lambda f, x, h: _stepped(f, x, h, -h, 2 / h),
        ),
        Mistake(
            "the second step leads only back to x",
            "From x + h, how far is it to x - h?",
            lambda f, x, h: _stepped(f, x, h, 0, 2 * h),
        ),
        Mistake(
            "the sign is wrong: f(x - h) - f(x + h)",
            "If f grows with x, should the gradient be positive or negative?",
            lambda f, x, h: -_stepped(f, x, h, -h, 2 * h),
        ),
        Mistake(
            "all entries are moved at once",
            "Each entry of the gradient asks about one entry of x, while the others stay where they are.",
            _all_at_once,
        ),
        Mistake(
            "all entries are moved at once, and one number comes back",
            "The gradient has one entry for every entry of x.",
            _one_number,
        ),
        Mistake(
            "an entry of x is not put back after its turn: it stays h too low",
            "When the second entry is moved, where should the first one stand?",
            lambda f, x, h: _not_restored(f, x, h, -h),
        ),
        Mistake(
            "an entry of x is not put back after its turn: it stays h too high",
            "When the second entry is moved, where should the first one stand?",
            lambda f, x, h: _not_restored(f, x, h, h),
        ),
        Mistake(
            "a whole row is moved at once: the loop runs over the first axis only",
            "x may have several axes.  How do you visit every single entry?",
            _whole_rows,
        ),
        Mistake(
            "the gradient is zero everywhere: x + h and x - h are the same array",
            "`a = x` gives the array a second name; it does not copy it.",
            lambda f, x, h: np.zeros(x.shape),
        ),
    ],
)


# ---- tied_linear_backward(dy, x, weight) -> dx, dweight --------------------------------------------------------------


def _tied_cases(rng):
    return [
        (rng.standard_normal((*front, I)), rng.standard_normal((*front, I)), rng.standard_normal((O, I)))
        for front, I, O in _SIZES
    ]


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


tied_linear_backward = Check(
    "tied_linear_backward",
    reference=_tied,
    cases=_tied_cases,
    outputs={"dx": "(..., I)", "dweight": "(O, I)"},
    mistakes=[
        Mistake(
            "dweight holds only what the first use, x W^T, asks for",
            "W stands in the equation twice.",
            lambda dy, x, weight: _tied(dy, x, weight, second=0),
        ),
        Mistake(
            "dweight holds only what the second use, a W, asks for",
            "W stands in the equation twice.  If you wrote `=` twice, what is left of the first?",
            lambda dy, x, weight: _tied(dy, x, weight, first=0),
        ),
        Mistake(
            "the two parts of dweight are averaged, not added",
            "What does the chain rule do with two ways that lead to the same place?",
            lambda dy, x, weight: _tied(dy, x, weight, first=0.5, second=0.5),
        ),
        Mistake(
            "the two parts of dweight are subtracted",
            "What does the chain rule do with two ways that lead to the same place?",
            lambda dy, x, weight: _tied(dy, x, weight, second=-1),
        ),
        Mistake(
            "dx stops halfway: it is the gradient of a",
            "From y back to a is one step.  x is one step further.",
            lambda dy, x, weight: (dy @ weight.T, _tied(dy, x, weight)[1]),
        ),
        Mistake(
            "dx passes dy on unchanged",
            "W^T and then W is not the same as doing nothing, unless the rows of W are an orthonormal basis.",
            lambda dy, x, weight: (dy, _tied(dy, x, weight)[1]),
        ),
        Mistake(
            "dweight is transposed",
            "A gradient has the shape of what it belongs to.",
            lambda dy, x, weight: (_tied(dy, x, weight)[0], _tied(dy, x, weight)[1].T),
        ),
        Mistake(
            "dweight is kept apart for every entry of the axes in front",
            "All rows used the same weight.  Fold the axes in front into one first.",
            lambda dy, x, weight: _tied(dy, x, weight, folded=False),
        ),
        Mistake(
            "dweight is averaged over the rows, not summed",
            "Where does the forward divide by the number of rows?",
            _tied_averaged,
        ),
    ],
)
