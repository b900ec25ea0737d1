"""What both packages say in the same words: whole files, functions, names and arguments."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import vitedu
import vitedu_numpy

NUMPY, TORCH = (Path(package.__file__).parent for package in (vitedu_numpy, vitedu))
TWINS = sorted({path.stem for path in NUMPY.glob("[!_]*.py")} & {path.stem for path in TORCH.glob("[!_]*.py")})


def test_the_twins_are_these_files():
    assert {path.stem for path in NUMPY.glob("[!_]*.py")} - set(TWINS) == {"blas", "gradcheck", "parallel"}
    assert {path.stem for path in TORCH.glob("[!_]*.py")} - set(TWINS) == {
        *("cli", "compute", "figures", "formulas", "paper_tables", "show"),
    }


@pytest.mark.parametrize("name", ["config.py", "record.py", "schedule.py"])
def test_files_equal_byte_for_byte(name):
    assert (NUMPY / name).read_bytes() == (TORCH / name).read_bytes()


@pytest.mark.parametrize("name", ["batches", "random_shift"])
def test_functions_equal_letter_for_letter(name):
    ours, theirs = (importlib.import_module(f"{package}.train") for package in ("vitedu_numpy", "vitedu"))
    assert inspect.getsource(getattr(ours, name)) == inspect.getsource(getattr(theirs, name))


# What PyTorch needs no counterpart for: derivatives (autograd), and parameters (nn.Parameter).
NUMPY_ONLY = {"Parameter", "im2col", "interpolation_matrix"}  # PyTorch has its own convolution and interpolation
TORCH_ONLY = {"attention_weights"}  # what the fused kernel never writes down


@pytest.mark.parametrize("module", TWINS)
def test_public_names_in_the_same_order(module):
    ours, theirs = (importlib.import_module(f"{package}.{module}") for package in ("vitedu_numpy", "vitedu"))
    assert [n for n in ours.__all__ if not n.endswith("_backward") and n not in NUMPY_ONLY] == [
        n for n in theirs.__all__ if n not in TORCH_ONLY
    ]


# Arguments in which the libraries differ: NumPy's generator and dtype are passed in, PyTorch has ways of its own.
DIFFERENT = {"rng", "dtype", "self", "threads", "like", "tensor", "shape", "strict", "assign", "state", "state_dict"}


@pytest.mark.parametrize("module", TWINS)
def test_arguments_have_the_same_names(module):
    ours, theirs = (importlib.import_module(f"{package}.{module}") for package in ("vitedu_numpy", "vitedu"))

    def arguments(function):
        return [name for name in inspect.signature(function).parameters if name not in DIFFERENT]

    for name in set(ours.__all__) & set(theirs.__all__) - {"Model", "Module"}:
        one, other = getattr(ours, name), getattr(theirs, name)
        if inspect.isfunction(one) or inspect.isclass(one):
            assert arguments(one) == arguments(other), name
        if hasattr(one, "forward"):
            assert arguments(one.forward) == arguments(other.forward), f"{name}.forward"


def test_version_is_one():
    assert vitedu.__version__ == vitedu_numpy.__version__
