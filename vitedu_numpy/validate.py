"""Bad settings are refused in one voice: the argument, what was given, what is allowed.

Taught in notebooks/00_map.ipynb.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import inf, isfinite
from numbers import Real

import numpy as np

__all__ = [
    "ARGUMENTS", "as_array", "check_argument", "check_betas", "check_broadcasts", "check_choices", "check_counts",
    "check_divides", "check_dtype", "check_flags", "check_integers", "check_kind", "check_label_range",
    "check_max_norm", "check_momentum", "check_not_empty", "check_not_negative", "check_on_off", "check_parts",
    "check_positive", "check_range", "check_rates", "check_smoothing", "did_you_mean", "environment_number",
    "is_count", "is_integer", "is_model", "is_number", "is_one_of", "is_real", "is_size", "plain_numbers",
    "refuse_gaps", "require",
]  # fmt: skip


def require(condition: bool, name: str, value, allowed: str) -> None:
    """Raise a ValueError that names the argument, what was given and what is allowed."""
    if not condition:
        given = repr(value)
        given = given if len(given) <= 200 else f"{given[:200]}..."  # a whole array is no help
        raise ValueError(f"{name}={given} is not allowed; {name} must be {allowed}")


def check_kind(name: str, value, *kinds: type) -> None:
    """Raise TypeError unless the value is an object of one of these classes."""
    if not isinstance(value, kinds):
        expected = " or a ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} is a {type(value).__name__}; expected a {expected}")


def did_you_mean(given, known) -> str:
    """ "did you mean 'vit_digits'?  " for a name near to one of `known`, "" where none is; capitals do not count."""
    from difflib import get_close_matches  # so late: only where something is wrong

    names = {str(name).lower(): str(name) for name in known}
    begun = [name for name in names if given and name.startswith(str(given).lower())]
    near = begun or get_close_matches(str(given).lower(), names, n=1, cutoff=0.6)
    return f"did you mean {names[near[0]]!r}?  " if near else ""


def is_count(value, least: int = 1) -> bool:
    """An integer (True is none), `least` or more, of 63 bits at most."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def is_number(value) -> bool:
    """A finite integer or float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # an integer of more digits than any float has
        return False


def check_counts(config, *names: str) -> None:
    """Fields that must be positive integers."""
    for name in names:
        require(is_count(getattr(config, name)) and is_size(getattr(config, name)), name, getattr(config, name), A_SIZE)


def plain_numbers(config) -> None:
    """NumPy's numbers among the fields, such as `labels.max() + 1`, as Python's: settings go into files."""
    for name, value in list(vars(config).items()):
        if isinstance(value, np.generic):
            object.__setattr__(config, name, value.item())
        elif type(value) in (tuple, list) and any(isinstance(one, np.generic) for one in value):
            plain = (one.item() if isinstance(one, np.generic) else one for one in value)
            object.__setattr__(config, name, type(value)(plain))


def check_dtype(dtype) -> str:
    """ "float32" or "float64", from that name or from a dtype of NumPy or PyTorch that has it."""
    name = str(getattr(dtype, "name", getattr(dtype, "__name__", dtype))).removeprefix("torch.")
    require(name in ("float32", "float64"), "dtype", dtype, "'float32' or 'float64'")
    return name


def check_choices(config, **choices: tuple) -> None:
    """Fields that must be one of a few values."""
    for name, allowed in choices.items():
        require(is_one_of(getattr(config, name), allowed), name, getattr(config, name), f"one of {allowed}")


def is_one_of(value, allowed) -> bool:
    """Is it one of these words or None?  An array is neither, and has no one answer to ==."""
    return (value is None or isinstance(value, (str, int, float))) and value in allowed


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


def check_broadcasts(name: str, shape: tuple, whole: tuple) -> None:
    """Raise ValueError unless an array of that shape can be repeated along its axes of size 1 until it has `whole`."""
    fits = len(shape) <= len(whole) and all(n in (1, m) for n, m in zip(shape[::-1], whole[::-1], strict=False))
    if not fits:
        raise ValueError(f"{name} has shape {shape}; expected one that broadcasts to {whole}")


def check_divides(whole: int, **parts) -> None:
    """Numbers of equal parts that `whole` is cut into."""
    for name, number in parts.items():
        require(is_size(number) and whole % number == 0, name, number, f"a positive integer that divides {whole}")


def check_flags(config, *names: str) -> None:
    """Fields that must be True or False: "no" would count as true."""
    for name in names:
        require(isinstance(getattr(config, name), bool), name, getattr(config, name), "True or False")


def check_on_off(**values) -> None:
    """Arguments that must be True or False."""
    for name, value in values.items():
        require(_is_flag(value), name, value, "True or False")


def is_real(value) -> bool:
    """As `is_number`, for an argument that need not go into a file: NumPy's numbers are numbers too."""
    return isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)


def check_not_negative(**values) -> None:
    """Arguments that must be numbers >= 0."""
    for name, value in values.items():
        require(is_real(value) and value >= 0, name, value, "a number in [0, inf)")


def check_momentum(**values) -> None:
    """Arguments that must be in [0, 1), such as the part of an old mean that a new one keeps."""
    for name, value in values.items():
        require(is_real(value) and 0 <= value < 1, name, value, "a number in [0, 1)")


def check_betas(betas) -> None:
    """Adam's two decays, of the mean and of the mean square."""
    is_pair = isinstance(betas, (tuple, list)) and len(betas) == 2
    require(is_pair, "betas", betas, "two numbers in [0, 1)")
    check_momentum(beta1=betas[0], beta2=betas[1])


def check_smoothing(num_classes, label_smoothing) -> None:
    """The number of classes, and the part of a target that is spread over all of them."""
    require(is_integer(num_classes, 1), "num_classes", num_classes, "a positive integer")
    check_momentum(label_smoothing=label_smoothing)


def refuse_gaps(name: str, x) -> None:
    """Raise TypeError for a masked array: what lies under its mask would be taken for numbers."""
    if isinstance(x, np.ndarray) and hasattr(x, "mask"):
        raise TypeError(f"{name} is a masked array, whose gaps would count as numbers; expected an array without gaps")


def as_array(x, name: str) -> np.ndarray:
    """x as an array, from one, a tensor on the CPU, or numbers.  Raises TypeError, by the argument's name."""
    refuse_gaps(name, x)
    try:
        array = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is a {type(x).__name__} that is no array ({error}); expected numbers") from None
    if array.ndim == 0 and array.dtype == object:  # a generator, a dict, a layer, None: NumPy boxes what it cannot read
        raise TypeError(f"{name} is a {type(x).__name__}, and holds no numbers; expected numbers")
    return array


def check_integers(labels, num_classes) -> np.ndarray:
    """Labels as an array of integers.  Raises TypeError for texts, floats, truth values."""
    labels = as_array(labels, "labels")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels has dtype {labels.dtype}; expected integers 0..{num_classes - 1}")
    return labels


def check_label_range(labels, num_classes) -> None:
    """Labels, an array or a tensor, within 0 ... num_classes - 1."""
    if len(labels) and not (0 <= labels.min() and labels.max() < num_classes):
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}; allowed is 0..{num_classes - 1}")


def check_parts(name: str, x) -> None:
    """Parts of a whole, such as targets or probabilities: numbers in [0, 1], up to rounding.  An array or a tensor."""
    if len(x) and not (x.min() >= 0 and x.max() <= 1.01):  # False for NaN, too; bfloat16 has three digits
        raise ValueError(f"{name} holds values from {x.min():.4g} to {x.max():.4g}; expected numbers in [0, 1]")


def check_not_empty(name: str, x) -> None:
    """Refuse a batch (B, K) of none, whose mean loss would be 0 / 0.  An array or a tensor."""
    if 0 in x.shape:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected (B, K), neither of them 0")


def check_max_norm(max_norm) -> None:
    """A length to which gradients are shortened: a negative one would turn them round."""
    is_length = max_norm == inf or (is_real(max_norm) and max_norm > 0)
    require(is_length, "max_norm", max_norm, "a positive number, or infinity for no clipping")


# The largest size of a normalised pixel: [-1, 1] for our own models, -2.2 ... 2.7 after ImageNet's mean and deviation.
# Bytes made floats go up to 255, and a model would take them without a word.
LARGEST_PIXEL = 32


def check_range(images, name: str = "images") -> None:
    """Refuse NaN, infinity, and images in 0 ... 255 instead of [-1, 1].  images: an array or a tensor."""
    size = float(abs(images).max()) if len(images) else 0.0
    if size != size or size == float("inf"):
        raise ValueError(f"{name} holds NaN or infinity; expected finite values in [-1, 1]")
    if size > LARGEST_PIXEL:
        raise ValueError(
            f"{name} holds values up to {size:.4g} in size; expected values in [-1, 1] (for 0 ... 255: "
            f"{name} / 127.5 - 1)"
        )


# ---- what an argument's name says ------------------------------------------------------------------------------------


def is_integer(value, least: int) -> bool:
    """As `is_count`, for an argument that need not go into a file: NumPy's integers are integers too."""
    return isinstance(value, (int, np.integer)) and is_count(int(value), least) and not isinstance(value, bool)


LARGEST = 2**31 - 1  # of what counts or measures something; more is a slip, and ends in an error of the memory
A_SIZE = "a positive integer below 2^31"


def is_size(value, least: int = 1) -> bool:
    """`is_integer` of a size that something of this world may have."""
    return is_integer(value, least) and value <= LARGEST


def is_model(value) -> bool:
    """An object (no class) that has parameters with names."""
    return hasattr(value, "named_parameters") and not isinstance(value, type)


def is_rate(value) -> bool:
    """A number in [0, 1)."""
    return is_real(value) and 0 <= value < 1


def is_seed(value) -> bool:
    """None, or an integer >= 0."""
    return value is None or is_integer(value, 0)


def environment_number(name: str, default: int, least: int = 0, most: int = LARGEST) -> int:
    """The integer that a variable of the environment holds, `default` where it is not set.

    Raises ValueError that names the variable for anything but an integer from `least` to `most`.
    """
    given = os.environ.get(name)
    if given is None:
        return default
    try:
        value = int(given)
    except ValueError:
        value = None
    allowed = f"from {least} to {most}" if most < LARGEST else "that is positive" if least == 1 else f">= {least}"
    fits = value is not None and least <= value <= most
    require(fits, name, given, f"an integer {allowed}, as it is a variable of the environment")
    return value


def _is_dtype(value) -> bool:
    return str(getattr(value, "name", getattr(value, "__name__", value))).removeprefix("torch.") in _FLOATS


def _is_pair(value) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_size, value))


def _is_flag(value) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_path(text) -> bool:
    return text != "" and "\0" not in text  # the system would call that an embedded null byte, and name nothing


def _is_kernel(value) -> bool:
    return is_size(value) or _is_pair(value)


def _is_padding(value) -> bool:
    if isinstance(value, str):
        return value == "same"
    if not isinstance(value, (tuple, list)):
        return is_size(value, 0)
    pairs = [pair for pair in value if isinstance(pair, (tuple, list)) and len(pair) == 2]
    return len(pairs) == len(value) == 2 and all(is_size(n, 0) for pair in pairs for n in pair)


def _is_image_shape(value) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 4 and all(is_size(n, 0) for n in value)


def _is_strength(value) -> bool:
    each = list(value) if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value) == 1 else [value]
    return len(each) > 0 and all(is_real(one) and one > 0 for one in each)


def _is_list(value) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0


def _are_cells(value) -> bool:
    is_list = isinstance(value, (list, tuple))
    return is_list and all(isinstance(one, Mapping) and {"model", "data", "metrics"} <= {*one} for one in value)


_FLOATS = ("float32", "float64")
MOST_THREADS = 1024
_COUNT = (is_size, A_SIZE)
_NATURAL = (lambda value: is_size(value, 0), "an integer >= 0, below 2^31")
_RATE = (is_rate, "a number in [0, 1)")
_POSITIVE = (lambda value: is_real(value) and value > 0, "a positive number")
_NOT_NEGATIVE = (lambda value: is_real(value) and value >= 0, "a number in [0, inf)")
_PAIR = (_is_pair, "a pair of positive integers")
_FLAG = (_is_flag, "True or False")
_PATH = (lambda value: isinstance(value, (str, os.PathLike)) and _is_path(str(value)), "a path or a name")
_WORD = (lambda value: value is None or isinstance(value, str), "one of a few words, which its function lists")


# An argument means the same in every function and every layer, so what may be given for it is said once, by its name.
ARGUMENTS = {
    **dict.fromkeys(
        (
            "width", "mlp_dim", "heads", "channels", "in_channels", "out_channels", "in_features", "out_features",
            "num_tokens", "num_patches", "head_width", "patch_size", "tubelet_length", "slices", "places",
            "squeezed", "vocabulary", "max_length", "length", "stride", "num_classes", "batch_size",
            "representation_size", "count", "depth", "k", "groups", "epochs", "samples",
        ),
        _COUNT,
    ),
    "steps": _NATURAL,  # none: what is begun with comes back
    **dict.fromkeys(("dropout", "result_dropout", "stochastic_depth", "label_smoothing", "momentum"), _RATE),
    **dict.fromkeys(("class_token", "has_class_token", "unbiased", "renormalise", "mode", "verbose", "smooth"), _FLAG),
    **dict.fromkeys(("again", "by_number", "drop_pre_logits", "fast", "fold_normalization", "same_order"), _FLAG),
    **dict.fromkeys(("eps", "lr", "weight_decay", "tolerance"), _NOT_NEGATIVE),
    **dict.fromkeys(("temperature", "pitch", "h"), _POSITIVE),
    "dloss": (lambda value: np.ndim(value) < 2 and np.asarray(value).dtype.kind in "iuf", "a number, or one per image"),
    **dict.fromkeys(("grid", "old_grid", "new_grid"), _PAIR),
    **dict.fromkeys(("path", "path_or_id", "folder", "out"), _PATH),
    **dict.fromkeys(("pad", "pixels"), _NATURAL),
    "threads": (lambda n: is_integer(n, 1) and n <= MOST_THREADS, f"a positive integer, {MOST_THREADS} at most"),
    "border": (lambda value: is_real(value) or (isinstance(value, float) and abs(value) == inf), "a number, or -inf"),
    "rates": (_is_strength, "a positive number, or a list of them"),
    "progress": (callable, "a function that is given the steps and gives them on, such as tqdm"),
    **dict.fromkeys(("augment", "function", "make", "report"), (callable, "a function")),
    "learning_rates": (_is_strength, "a positive number, or a list of them"),
    "training": (lambda value: type(value).__name__ == "TrainConfig", "a TrainConfig"),
    "rounds": _NATURAL,
    "recipe": (lambda value: type(value).__name__ == "Recipe", "a Recipe"),
    **dict.fromkeys(("Xs", "Ys"), (_is_list, "a list of arrays (n, p), which must not be empty")),
    "part": (lambda value: is_real(value) and 0 <= value <= 1, "a number in [0, 1]"),
    "side": _COUNT,
    **dict.fromkeys(("form", "gelu", "reduction"), _WORD),
    "cells": (_are_cells, "a list of cells, as `read_cells` gives them"),
    "kernel": (_is_kernel, "a positive integer or a pair of them"),
    "padding": (_is_padding, "an integer >= 0, 'same', or ((top, bottom), (left, right))"),
    "l2": (_is_strength, "a positive number, or a list of them"),
    "model": (is_model, "a model"),
    "record": (lambda value: isinstance(value, Mapping), "a dict that a forward has filled"),
    "image_shape": (_is_image_shape, "(B, C, H, W)"),
    "where": (lambda value: value in ("stem", "every", "shared"), "'stem', 'every' or 'shared'"),
    "dtype": (_is_dtype, "'float32' or 'float64'"),
}  # fmt: skip


def check_argument(name: str, value, rules=ARGUMENTS) -> None:
    """Raise ValueError where an argument of that name may not have that value; any other name passes."""
    if name in rules:
        test, allowed = rules[name]
        require(test(value), name, value, allowed)
