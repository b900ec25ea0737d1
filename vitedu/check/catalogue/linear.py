"""Exercises of notebooks/02_linear.ipynb."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import bias_gradient, weight_gradient
from .patches import patch_embedding_backward  # 01's layer, 02's exercise

__all__ = [
    "central_difference", "linear", "linear_backward", "patch_embedding_backward", "second_difference",
    "tied_linear_backward",
]  # fmt: skip

# (axes in front of I, I, O): first plain rows, then one and two more axes.
_SIZES = [((7,), 3, 5), ((2, 5), 3, 4), ((3, 2, 4), 6, 5)]


# ---- linear(x, weight, bias) -> y ------------------------------------------------------------------------------------


def _linear_cases(rng):
    return [
        (rng.standard_normal((*front, I)), rng.standard_normal((O, I)), rng.standard_normal(O))
        for front, I, O in _SIZES
    ]


@exercise(cases=_linear_cases, outputs={"y": "(..., O)"}, level=1, minutes=5)
def linear(x, weight, bias):
    product = x @ weight.T  # the product
    return product + bias  # the output


linear.slip("the bias is not added", "y = x W^T + b: one of the three arguments is not used.", result="product")
linear.slip(
    "the weight is used without its transpose",
    "`weight` has the layout (O, I).  In a product, the two axes in the middle must be the same.",
    product="x @ weight",
)
linear.slip(
    "the outputs stand before the rows",
    "The axes in front of I keep their place; only I turns into O.",
    result="weight @ swap(x) + bias[:, None]",
)
linear.slip(
    "the axes in front are lost: all rows are in one long list",
    "If you folded the axes in front into one, unfold them at the end.",
    result="(product + bias).reshape(-1, len(bias))",
)
linear.slip(
    "the inputs are averaged, not summed",
    "An output is a sum over the inputs.  Nothing is divided.",
    product="x @ weight.T / x.shape[-1]",
)


# ---- linear_backward(dy, x, weight) -> dx, dweight, dbias ------------------------------------------------------------


def _linear_backward_cases(rng):
    return [
        (rng.standard_normal((*front, O)), rng.standard_normal((*front, I)), rng.standard_normal((O, I)))
        for front, I, O in _SIZES
    ]


@exercise(
    cases=_linear_backward_cases,
    outputs={"dx": "(..., I)", "dweight": "(O, I)", "dbias": "(O,)"}, level=2, minutes=25,
)  # fmt: skip
def linear_backward(dy, x, weight):
    dx = dy @ weight  # dx
    dweight = weight_gradient(dy, x)  # dweight
    dbias = bias_gradient(dy)  # dbias
    return dx, dweight, dbias


linear_backward.slip(
    "dx is made with the transpose of the weight",
    "The forward used W^T.  Write the shapes of dy and weight beside each other.",
    dx="dy @ weight.T",
)
linear_backward.slip(
    "dweight and dbias are averaged over the rows, not summed",
    "Where does the forward divide by the number of rows?",
    dweight="weight_gradient(dy, x) / len(rows(dy))",
    dbias="rows(dy).mean(axis=0)",
)
linear_backward.slip(
    "dweight and dbias come from the last row alone",
    "Gradients add up over the rows: look for `=` where `+=` is meant.",
    dweight="weight_gradient(rows(dy)[-1:], rows(x)[-1:])",
    dbias="rows(dy)[-1]",
)
linear_backward.slip(
    "dx has lost its axes in front",
    "If you folded the axes in front into one, unfold them at the end.",
    dx="rows(dy) @ weight",
)
linear_backward.slip(
    "dy is taken to be 1 everywhere",
    "The loss is not the sum of the outputs.  Which argument says how much each output matters?",
    dx="np.ones_like(dy) @ weight",
    dweight="weight_gradient(np.ones_like(dy), x)",
    dbias="bias_gradient(np.ones_like(dy))",
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


def _moved(f, x, step):
    """f with every entry moved by `step`, one at a time: an array like x."""
    values = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        x_moved = x.copy()
        x_moved[i] += step
        values[i] = f(x_moved)
    return values


def _row_moved(f, x, step):
    """The same, with a whole row moved at a time."""
    values = np.empty(x.shape)
    for i in range(len(x)):
        x_moved = x.copy()
        x_moved[i] += step
        values[i] = f(x_moved)
    return values


def _not_restored(f, x, h, back):
    """Values above, here and below, where after its turn an entry is left `back` away from where it was."""
    x, values = x.copy(), np.empty((3, *x.shape))
    for i in np.ndindex(x.shape):
        kept = x[i]
        for values_there, step in zip(values, (h, 0, -h), strict=True):
            x[i] = kept + step
            values_there[i] = f(x)
        x[i] = kept + back
    return values


def _left(f, x, h, back):
    above, _, below = _not_restored(f, x, h, back)
    return (above - below) / (2 * h)


def _left_bend(f, x, h, back):
    above, here, below = _not_restored(f, x, h, back)
    return (above - 2 * here + below) / h**2


# x is moved and put back by many who solve this, and comes back a rounding error away from what it was.
@exercise(
    cases=_difference_cases, outputs={"gradient": "(the shape of x)"}, level=2, minutes=20, may_change=("x",)
)  # fmt: skip
def central_difference(f, x, h):
    above = _moved(f, x, h)  # the value above
    below = _moved(f, x, -h)  # the value below
    return (above - below) / (2 * h)  # the slope


_BOTH = "The step must be the same to both sides, so that the error in h cancels."
central_difference.slip(
    "a forward difference: f(x) is the second value, not f(x - h)", _BOTH, below="f(x)", result="(above - below) / h"
)
central_difference.slip(
    "a backward difference: f(x) is the first value, not f(x + h)", _BOTH, above="f(x)", result="(above - below) / h"
)
central_difference.slip(
    "the difference is divided by h",
    "How far apart are the two places at which f is read?",
    result="(above - below) / h",
)
central_difference.slip(
    "`/ 2 * h` divides by 2 and then multiplies by h",
    "Python works from left to right.  Where are brackets needed?",
    result="(above - below) / 2 * h",
)
central_difference.slip("the second step leads only back to x", "From x + h, how far is it to x - h?", below="f(x)")
central_difference.slip(
    "the first step leads nowhere: f(x) is the first value", "From x - h, how far is it to x + h?", above="f(x)"
)
central_difference.slip(
    "the sign is wrong: f(x - h) - f(x + h)",
    "If f grows with x, should the gradient be positive or negative?",
    result="(below - above) / (2 * h)",
)
for _shape, _words in (("np.full(x.shape, {})", ""), ("{}", ", and one number comes back")):
    central_difference.slip(
        f"all entries are moved at once{_words}",
        "Each entry of the gradient asks about one entry of x, while the others stay where they are.",
        result=_shape.format("(f(x + h) - f(x - h)) / (2 * h)"),
    )
for _back, _words in (("-h", "low"), ("h", "high")):
    central_difference.slip(
        f"an entry of x is not put back after its turn: it stays h too {_words}",
        "When the second entry is moved, where should the first one stand?",
        result=f"_left(f, x, h, {_back})",
    )
central_difference.slip(
    "a whole row is moved at once: the loop runs over the first axis only",
    "x may have several axes.  How do you visit every single entry?",
    result="(_row_moved(f, x, h) - _row_moved(f, x, -h)) / (2 * h)",
)
central_difference.slip(
    "x + h and x - h are the same array, so that nothing is left of the difference",
    "`a = x` gives the array a second name; it does not copy it.",
    result="np.zeros(x.shape)",
)
central_difference.slip(
    "the gradient is never written into: it stays 0",
    "Which line puts a number into the result?",
    result="0 * above",
)


# ---- tied_linear_backward(dy, x, weight) -> dx, dweight --------------------------------------------------------------


def _tied_cases(rng):
    return [
        (rng.standard_normal((*front, I)), rng.standard_normal((*front, I)), rng.standard_normal((O, I)))
        for front, I, O in _SIZES
    ]


@exercise(cases=_tied_cases, outputs={"dx": "(..., I)", "dweight": "(O, I)"}, level=3, minutes=25)
def tied_linear_backward(dy, x, weight):
    a = x @ weight.T  # a, the forward between the two uses
    da = dy @ weight.T  # da
    dx = da @ weight  # dx
    first = weight_gradient(da, x)  # what the first use of W asks for
    second = weight_gradient(a, dy)  # what the second use of W asks for
    return dx, first + second  # the two gradients


_TWO_WAYS = "What does the chain rule do with two ways that lead to the same place?"
tied_linear_backward.slip(
    "dweight holds only what the first use, x W^T, asks for", "W stands in the equation twice.", result="(dx, first)"
)
tied_linear_backward.slip(
    "dweight holds only what the second use, a W, asks for",
    "W stands in the equation twice.  If you wrote `=` twice, what is left of the first?",
    result="(dx, second)",
)
tied_linear_backward.slip(
    "the two parts of dweight are averaged, not added", _TWO_WAYS, result="(dx, (first + second) / 2)"
)
tied_linear_backward.slip(
    "dx stops halfway: it is the gradient of a",
    "From y back to a is one step.  x is one step further.",
    result="(da, first + second)",
)
tied_linear_backward.slip(
    "dx passes dy on unchanged",
    "W^T and then W is not the same as doing nothing, unless the rows of W are an orthonormal basis.",
    result="(dy, first + second)",
)
tied_linear_backward.slip(
    "dweight is transposed", "A gradient has the shape of what it belongs to.", result="(dx, (first + second).T)"
)
tied_linear_backward.slip(
    "dweight is kept apart for every entry of the axes in front",
    "All rows used the same weight.  Fold the axes in front into one first.",
    result="(dx, swap(da) @ x + swap(a) @ dy)",
)
tied_linear_backward.slip(
    "dweight is averaged over the rows, not summed",
    "Where does the forward divide by the number of rows?",
    result="(dx, (first + second) / len(rows(dy)))",
)


# ---- second_difference(f, x, h) -> bends -----------------------------------------------------------------------------


# x is moved and put back by many who solve this, as in central_difference.
@exercise(
    cases=_difference_cases, outputs={"bends": "(the shape of x)"}, level=2, minutes=20, may_change=("x",)
)  # fmt: skip
def second_difference(f, x, h):
    above = _moved(f, x, h)  # the value above
    here = f(x)  # the value in the middle
    below = _moved(f, x, -h)  # the value below
    return (above - 2 * here + below) / h**2  # the bend


second_difference.slips_in(
    "result",
    ("this is the slope, a central difference, not the bend", "Two values give a slope. What do two slopes give?",
     "(above - below) / (2 * h)"),
    ("divided by h, not by its square", "A slope is a difference over h; the bend is a difference of slopes, over h "
     "again.", "(above - 2 * here + below) / h"),
    ("divided by (2 h)^2: as if the two slopes were taken over 2 h", "How far apart are x + h and x?",
     "(above - 2 * here + below) / (2 * h) ** 2"),
    ("divided by 2 h^2", "How far apart are the middles of the two halves?",
     "(above - 2 * here + below) / (2 * h**2)"),
    ("f(x) is taken away once, not twice", "For a constant f the bend is 0. Is it here?",
     "(above - here + below) / h**2"),
    ("the sign is wrong", "For f(x) = x^2 the bend is 2 everywhere.", "-(above - 2 * here + below) / h**2"),
    ("f(x) is added, not taken away", "For a constant f the bend is 0. Is it here?",
     "(above + 2 * here + below) / h**2"),
    ("a one-sided bend: read at x, x + h and x + 2 h", "The step must be the same to both sides of x.",
     "(_moved(f, x, 2 * h) - 2 * above + here) / h**2"),
    ("all entries are moved at once", "Each entry of the result asks about one entry of x, while the others stay where "
     "they are.", "np.full(x.shape, (f(x + h) - 2 * f(x) + f(x - h)) / h**2)"),
    ("a whole row is moved at once: the loop runs over the first axis only", "x may have several axes. How do you "
     "visit every single entry?", "(_row_moved(f, x, h) - 2 * f(x) + _row_moved(f, x, -h)) / h**2"),
    *(
        (f"an entry of x is not put back after its turn: it stays h too {_words}", "When the second entry is moved, "
         "where should the first one stand?", f"_left_bend(f, x, h, {_back})")
        for _back, _words in (("-h", "low"), ("h", "high"))
    ),
    ("x + h and x - h are the same array, so that nothing is left", "`a = x` gives the array a second name; it does "
     "not copy it.", "np.zeros(x.shape)"),
)  # fmt: skip
