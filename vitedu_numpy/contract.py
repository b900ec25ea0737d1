"""What a signature and a docstring promise, held to at every call.  Taught in notebooks/02_linear.ipynb.

Three ways, by what is there to read:

`shaped`     a function that computes: the shapes in its docstring, and numbers by their names
`checked`    any other function: numbers by their names, settings by their annotation
`Module`     every layer and model has its constructor `checked`, without a line of its own

A name means the same everywhere (`validate.ARGUMENTS`): `width` is a positive integer, `dropout` a number in [0, 1).

"x (..., I)   weight W (O, I)   bias b (O,)   ->   y (..., O)" says what may come in.  Without more, a wrong shape
would fail far inside, or be broadcast to a wrong number; `shaped` reads the line once and names the argument instead.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from math import inf

from .validate import ARGUMENTS, check_divides, refuse_gaps, require

__all__ = ["checked", "checked_for", "read_shapes", "shaped_for"]

_NAMES = re.compile(r"((?:\w+, )*\w+?)(?: \w+)? ?$")
_LETTER = re.compile(r"[A-Za-z]\w*")


def read_shapes(function) -> dict[str, tuple[str | int | None, ...]]:
    """{argument: its axes} as the docstring writes them: letters, sizes, "..." for axes in front, None for a formula.

    "q (B, h, T, Dh)   k, v (B, h, S, Dh)  ->  ..." gives q, k and v; what stands behind the arrow comes out, not in.
    """
    arguments, _ = _arguments(function)
    text = " ".join((function.__doc__ or "").split("->")[0].split())
    found = {}
    for match in re.finditer(r"\(([^()]*)\)", text):
        axes = _axes(match[1])
        before = _NAMES.search(text, max(0, match.start() - 80), match.start())  # at every import: quick
        names = before[1].split(", ") if before else []
        if axes is not None:
            found |= {name: axes for name in names if name in arguments and name not in found}
    return found


def _axes(text: str):
    """ "..., O" -> ("...", "O"); None where this is a remark and no shape."""
    if not re.fullmatch(r"[\w./ -]+,|[\w./ -]+(, [\w./ -]+)+|\.\.\.", text):
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(_axis(part) for part in parts)


def _axis(text: str) -> str | int | None:
    if text.isdigit():
        return int(text)
    return text if text == "..." or _LETTER.fullmatch(text) else None


_DIVIDES = {"heads": "D", "groups": "C"}  # argument -> the axis that it cuts into equal parts


def shaped_for(arrays: type, word: str, is_number, skip=None, refuse=None):
    """A decorator such as `shaped`, for one kind of array.

    arrays: their class; word: what to call one; is_number: dtype -> may one compute with it?; skip: () -> leave the
    check out now?; refuse: (name, array) -> raises TypeError for a kind that nothing can be computed with
    """

    def decorate(function):
        if sys.flags.optimize > 1:  # python -OO takes out the docstrings, and with them the shapes
            return function
        places, optional = _arguments(function)
        names, shapes = list(places), read_shapes(function)
        wanted = [(name, places[name], axes, name in optional) for name, axes in shapes.items()]
        # a record is written here, not read
        others = _rules(ARGUMENTS, {n: p for n, p in places.items() if n not in shapes and n != "record"}, optional)
        parts = [(n, places[n], letter) for n, letter in _DIVIDES.items() if n in places]
        is_backward = names[1:] == ["cache"] and function.__name__.endswith("_backward")
        of_layer = names[:1] == ["self"] and len(shapes) > 0
        first_axes = next(iter(shapes.values()), None)
        keeps_shape = (is_backward or of_layer) and _gives_the_same(function, first_axes)
        keeps_front = is_backward and _gives_the_same_front(function, first_axes)

        @functools.wraps(function)
        def checked(*args, **kwargs):
            if skip is not None and skip():
                return function(*args, **kwargs)
            sizes, count = {}, len(args)
            for name, place, axes, may_lack in wanted:
                value = args[place] if place < count else kwargs.get(name, _DEFAULT)
                if value is _DEFAULT or (value is None and may_lack):
                    continue
                if len(axes) == 1 and axes != ("...",) and type(value) in (int, float):
                    continue  # one number for all, as NumPy and PyTorch have it
                if not isinstance(value, arrays):
                    raise TypeError(f"{name} is a {type(value).__name__}; expected {word} {_written(axes)}")
                if type(value) is not arrays:
                    refuse_gaps(name, value)
                if refuse is not None:
                    refuse(name, value)
                if not is_number(value.dtype):
                    raise TypeError(f"{name} has dtype {value.dtype}; expected numbers, {word} {_written(axes)}")
                _fit(name, tuple(value.shape), axes, sizes)
            _hold(others, args, kwargs)
            for name, place, letter in parts:
                check_divides(sizes[letter][0], **{name: args[place] if place < count else kwargs[name]})
            if is_backward:
                return _led_back(function, names[0], keeps_shape, keeps_front, *args, **kwargs)
            if of_layer:
                return _by_layer(function, wanted[0], keeps_shape, args, kwargs)
            return function(*args, **kwargs)

        if shapes:
            checked.shapes = shapes
        return checked

    return decorate


_DEFAULT = object()  # an argument that was left out


def _gives_the_same(function, axes) -> bool:
    """Does the docstring say that the first gradient is as large as what comes in, "dy (..., D) -> dx (..., D)"?"""
    return axes is not None and axes == _first_given(function)


def _gives_the_same_front(function, axes) -> bool:
    """Has the first gradient the axes in front of what comes in, as "dy (..., O) -> dx (..., I)" says?"""
    given = _first_given(function)
    return bool(axes and given) and axes[0] == given[0] == "..." and len(axes) == len(given) == 2


def _first_given(function):
    """The axes of the first thing behind the docstring's arrow, None where there are none."""
    after = (function.__doc__ or "").partition("->")[2]
    given = (_axes(match[1]) for match in re.finditer(r"\(([^()]*)\)", after))
    return next((found for found in given if found is not None), None)


def _led_back(function, name, keeps_shape, keeps_front, *args, **kwargs):
    """function(dy, cache), where an error names the two: they have to come from one forward."""
    dy, cache = (args[i] if i < len(args) else kwargs.get(key) for i, key in enumerate((name, "cache")))
    given = f"{name} of shape {dy.shape}" if hasattr(dy, "shape") else f"{name}={dy!r}"
    if not isinstance(cache, tuple) and not hasattr(cache, "shape"):
        raise TypeError(f"cache is a {type(cache).__name__}; expected what the forward gave beside its result")
    try:
        found = function(*args, **kwargs)
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        kept = f"cache, a {type(cache).__name__}"
        raise ValueError(f"{given} does not fit {kept}: {error}; cache must be that of its forward") from error
    first = found[0] if isinstance(found, tuple) else found
    if keeps_front and dy.shape[:-1] != first.shape[:-1]:  # as many rows, other ones: they would be mixed up
        raise ValueError(f"{given} does not fit cache, which is of a forward that took {first.shape}")
    if keeps_shape and getattr(first, "shape", None) != getattr(dy, "shape", None):
        raise ValueError(f"{given} does not fit cache, which is of a forward that gave {first.shape}")
    return found


_UNLIKE = re.compile(
    r"could not be broadcast|must match the (existing size|size of tensor)"
)  # NumPy's words, PyTorch's


def _by_layer(function, first, keeps_shape, args, kwargs):
    """A layer's forward, where an input that does not fit the layer's own parameters is named with their shapes.

    One token where the layer has more would be repeated, so a result must have the shape that the docstring says.
    """
    name, place, *_ = first
    x = args[place] if place < len(args) else kwargs[name]
    try:
        y = function(*args, **kwargs)
    except (ValueError, RuntimeError) as error:
        if not _UNLIKE.search(str(error)):
            raise
        raise ValueError(_beside_parameters(args[0], name, x)) from error
    if keeps_shape and y.shape != x.shape:
        raise ValueError(_beside_parameters(args[0], name, x))
    return y


def _beside_parameters(layer, name, x) -> str:
    own = vars(layer) | getattr(layer, "_parameters", {})  # PyTorch keeps them in a dict of its own
    shapes = {key: getattr(getattr(value, "value", value), "shape", None) for key, value in own.items()}
    said = ", ".join(f"{key} {tuple(shape)}" for key, shape in shapes.items() if shape is not None)
    return f"{name} has shape {tuple(x.shape)}; expected one that fits this {type(layer).__name__}, of {said}"


# ---- arguments by name, settings by annotation -----------------------------------------------------------------------


def checked_for(rules: dict):
    """A decorator such as `checked`.     rules: argument -> (test, what is allowed), beside `ARGUMENTS`"""
    rules = ARGUMENTS | rules

    def decorate(function):
        plain = inspect.unwrap(function)  # below `torch.no_grad`
        places, optional = _arguments(plain)
        kinds = {name: _settings(function.__annotations__.get(name)) for name in places}
        wanted = _rules(rules, {name: place for name, place in places.items() if not kinds[name]}, optional)
        configs = [(name, places[name], kind) for name, kind in kinds.items() if kind]
        if not wanted and not configs:
            return function

        @functools.wraps(function)
        def checked(*args, **kwargs):
            count = len(args)
            for name, place, allowed in configs:
                value = args[place] if place < count else kwargs.get(name, _DEFAULT)
                if value is not _DEFAULT and type(value).__name__ not in allowed:
                    raise TypeError(f"{name} is a {type(value).__name__}; expected a {' or a '.join(allowed)}")
            _hold(wanted, args, kwargs)
            return function(*args, **kwargs)

        return checked

    return decorate


def _arguments(function) -> tuple[dict, set]:
    """({argument: its place among the positional ones}, those whose default is None)."""
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    places = {name: place if place < code.co_argcount else inf for place, name in enumerate(names)}
    given = dict(zip(names[code.co_argcount - len(defaults) :], defaults, strict=False))
    return places, {name for name, value in (given | (function.__kwdefaults__ or {})).items() if value is None}


def _rules(rules, places, optional) -> list:
    """(name, place, may it be None?, test, what is allowed) of every argument that there is a rule for."""
    return [(name, place, name in optional, *rules[name]) for name, place in places.items() if name in rules]


def _hold(wanted, args, kwargs) -> None:
    """Raise ValueError for an argument that its rule does not allow; one that was left out is its default's affair."""
    count = len(args)
    for name, place, may_lack, test, allowed in wanted:
        value = args[place] if place < count else kwargs.get(name, _DEFAULT)
        if value is not _DEFAULT and not (value is None and may_lack) and not _passes(test, value):
            require(False, name, value, allowed)


def _passes(test, value) -> bool:
    """A value that the test itself stumbles over, such as an array where a word is meant, does not pass it."""
    try:
        return bool(test(value))
    except (ValueError, TypeError, RuntimeError):
        return False


def _settings(annotation) -> tuple[str, ...]:
    """The classes that an annotation such as "ViTConfig | BiTConfig" names; () for one that is no settings'."""
    kinds = annotation.split(" | ") if isinstance(annotation, str) else []
    return tuple(kinds) if kinds and all(kind.endswith("Config") for kind in kinds) else ()


def _fit(name: str, shape: tuple[int, ...], axes, sizes: dict) -> None:
    """Raise ValueError unless `shape` fits `axes`, and its letters mean the sizes that they meant so far."""
    free = axes[:1] == ("...",)
    own = axes[1:] if free else axes
    if len(shape) < len(own) or (len(shape) > len(own) and not free):
        raise ValueError(f"{name} has shape {shape}; expected {_written(axes)}")
    for letter, size in zip(own, shape[len(shape) - len(own) :], strict=True):
        if letter is None:
            continue
        if isinstance(letter, int):
            if size != letter:
                raise ValueError(f"{name} has shape {shape}; expected {_written(axes)}")
            continue
        known, where = sizes.setdefault(letter, (size, f"{name} {shape}"))
        if known != size:
            raise ValueError(
                f"{name} has shape {shape}; expected {_written(axes)} with {letter} = {known}, as in {where}"
            )


def _written(axes) -> str:
    letters = ["_" if axis is None else str(axis) for axis in axes]
    return f"({letters[0]},)" if len(letters) == 1 and letters[0] != "..." else f"({', '.join(letters)})"


checked = checked_for({})  # for what both packages share; `Module` has its own, which knows generators
