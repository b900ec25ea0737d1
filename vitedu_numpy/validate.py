"""Bad settings are refused in one voice: the argument, what was given, what is allowed.

Taught in notebooks/00_map.ipynb.
"""

from __future__ import annotations

from math import isfinite

__all__ = [
    "check_choices", "check_counts", "check_dtype", "check_positive", "check_rates", "is_count", "is_number", "require",
]  # fmt: skip


def require(condition: bool, name: str, value, allowed: str) -> None:
    """Raise a ValueError that names the argument, what was given and what is allowed."""
    if not condition:
        raise ValueError(f"{name}={value!r} is not allowed; {name} must be {allowed}")


def is_count(value, least: int = 1) -> bool:
    """An integer (True is none), `least` or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value) -> bool:
    """A finite integer or float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def check_counts(config, *names: str) -> None:
    """Fields that must be positive integers."""
    for name in names:
        require(is_count(getattr(config, name)), name, getattr(config, name), "a positive integer")


def check_dtype(dtype) -> str:
    """ "float32" or "float64", from that name or from a dtype of NumPy or PyTorch that has it."""
    name = str(getattr(dtype, "name", getattr(dtype, "__name__", dtype))).removeprefix("torch.")
    require(name in ("float32", "float64"), "dtype", dtype, "'float32' or 'float64'")
    return name


def check_choices(config, **choices: tuple) -> None:
    """Fields that must be one of a few values."""
    for name, allowed in choices.items():
        require(getattr(config, name) in allowed, name, getattr(config, name), f"one of {allowed}")


def check_positive(config, *names: str) -> None:
    """Fields that must be positive numbers."""
    for name in names:
        value = getattr(config, name)
        require(is_number(value) and value > 0, name, value, "a positive number")


def check_rates(config, *names: str) -> None:
    """Fields that must be in [0, 1)."""
    for name in names:
        rate = getattr(config, name)
        require(is_number(rate) and 0 <= rate < 1, name, rate, "a number in [0, 1)")
