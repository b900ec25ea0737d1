"""Wrong arrays stop at the door of every layer function, by the shapes that its docstring promises."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import rooms
import torch

import vitedu_numpy
from vitedu_numpy.contract import read_shapes
from vitedu_numpy.module import shaped


def make(package, *shape):
    """Ones, as the package has them."""
    return np.ones(shape) if package is vitedu_numpy else torch.ones(shape, dtype=torch.float64)


def functions(package: str):
    """(module, name, function) of every function under the contract."""
    for file in rooms.files(package):
        module = rooms.load(package, file.stem)
        for name in getattr(module, "__all__", ()):
            function = getattr(module, name)
            if hasattr(function, "shapes"):
                yield file.stem, name, function


UNDER_CONTRACT = [(p, *found) for p in ("vitedu_numpy", "vitedu") for found in functions(p)]


def test_a_docstring_is_read():
    def layer(x, weight, bias, eps=1e-6):
        """y = x W^T (a remark, with a comma) + b.     x (..., I)   weight W (O, I)   bias, other (O,)   ->   y (..., O)

        Later: weight (not, this).
        """

    assert read_shapes(layer) == {"x": ("...", "I"), "weight": ("O", "I"), "bias": ("O",)}


def test_formulas_are_not_checked():
    def pick(table, q):
        """table (2S - 1, Dh)   q (B, h, T, Dh)  ->  (B, h, T, S)"""
        return table, q

    assert read_shapes(pick)["table"] == (None, "Dh")
    shaped(pick)(np.ones((9, 4)), np.ones((1, 2, 3, 4)))
    with pytest.raises(
        ValueError, match=r"q has shape \(1, 2, 3, 5\); expected \(B, h, T, Dh\) with Dh = 4, as in table"
    ):
        shaped(pick)(np.ones((9, 4)), np.ones((1, 2, 3, 5)))


@pytest.mark.parametrize(
    ("module", "name", "shapes", "texts"),
    [
        ("linear", "linear", ((2, 5), (3, 4), (3,)), ("weight has shape (3, 4)", "(O, I) with I = 5, as in x (2, 5)")),
        ("linear", "linear", ((2, 5), (3, 5), (5,)), ("bias has shape (5,)", "(O,) with O = 3, as in weight (3, 5)")),
        ("linear", "linear", ((2, 5), (3, 5), (1, 3)), ("bias has shape (1, 3)", "(O,)")),
        ("layernorm", "layernorm", ((2, 5), (4,), (5,)), ("weight has shape (4,)", "D = 5")),
        ("attention", "attention", ((1, 2, 3, 4),) * 2 + ((1, 2, 4, 4),), ("v has shape (1, 2, 4, 4)", "S = 3")),
        ("attention", "attention", ((2, 3, 4),) * 3, ("q has shape (2, 3, 4)", "(B, h, T, Dh)")),
        ("conv", "conv2d", ((1, 3, 4, 4), (2, 1, 3, 3)), ("weight has shape (2, 1, 3, 3)", "C = 3")),
        ("groupnorm", "groupnorm", ((1, 4, 2, 2), (3,), (4,), 2), ("weight has shape (3,)", "C = 4")),
        ("softmax", "softmax", ((),), ("x has shape ()", "(..., S)")),
        ("losses", "cross_entropy", ((5,), (5,)), ("p has shape (5,)", "(B, K)")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_shapes_that_do_not_fit(module, name, shapes, texts, package, refused):
    arrays = [make(package, *shape) if isinstance(shape, tuple) else shape for shape in shapes]
    with refused(ValueError, *texts):
        getattr(rooms.load(package.__name__, module), name)(*arrays)


@pytest.mark.parametrize(
    ("package_name", "module", "name", "function"), UNDER_CONTRACT, ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_is_no_array_is_named(package_name, module, name, function):
    """A list, a text, the other package's array, complex numbers: TypeError, by the argument's name."""
    argument = next(iter(function.shapes))
    other = torch.ones(2, 2) if package_name == "vitedu_numpy" else np.ones((2, 2))
    strange = np.ones((2, 2), complex) if package_name == "vitedu_numpy" else torch.ones(2, 2, dtype=torch.complex64)
    given = dict.fromkeys(list(inspect.signature(function).parameters)[1:], None)
    for value in ([[1.0]], "image", other, strange):
        with pytest.raises(TypeError, match=rf"^{argument} (is a|has dtype) .*expected"):
            function(**{argument: value}, **{key: None for key in given if key != argument})


def test_both_packages_hold_the_same_functions_to_it():
    """... but for the backwards, which PyTorch does not need, and the steps that only one package has by name."""
    names = {
        package: {(module, name) for p, module, name, _ in UNDER_CONTRACT if p == package}
        for package in ("vitedu", "vitedu_numpy")
    }
    numpy_alone = {pair for pair in names["vitedu_numpy"] - names["vitedu"] if not pair[1].endswith("_backward")}
    assert names["vitedu"] <= names["vitedu_numpy"]
    solvers = {(module, name) for module, name in numpy_alone if module == "solvers"}  # written out for notebook 16
    numpy_alone -= solvers
    assert numpy_alone == {("conv", "im2col"), ("conv_chunked", "conv2d_chunked"), ("gelu", "normal_density")}
    assert len(solvers) == 7
    assert len(names["vitedu"]) >= 25
