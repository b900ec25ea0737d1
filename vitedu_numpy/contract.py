"""The shapes in a docstring, held to at every call.  Taught in notebooks/02_linear.ipynb.

"x (..., I)   weight W (O, I)   bias b (O,)   ->   y (..., O)" says what may come in.  Without more, a wrong shape
would fail far inside, or be broadcast to a wrong number; `shaped` reads the line once and names the argument instead.
"""

from __future__ import annotations

import functools
import inspect
import re

__all__ = ["read_shapes", "shaped_for"]

_LETTER = re.compile(r"[A-Za-z]\w*")


def read_shapes(function) -> dict[str, tuple[str | int | None, ...]]:
    """{argument: its axes} as the docstring writes them: letters, sizes, "..." for axes in front, None for a formula.

    "q (B, h, T, Dh)   k, v (B, h, S, Dh)  ->  ..." gives q, k and v; what stands behind the arrow comes out, not in.
    """
    arguments = list(inspect.signature(function).parameters)
    text = " ".join((function.__doc__ or "").split("->")[0].split())
    found = {}
    for match in re.finditer(r"\(([^()]*)\)", text):
        axes = _axes(match[1])
        before = re.search(r"((?:\w+, )*\w+?)(?: \w+)? ?$", text[: match.start()])
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


def shaped_for(arrays: type, word: str, is_number, skip=None):
    """A decorator such as `shaped`, for one kind of array.

    arrays: their class; word: what to call one; is_number: dtype -> may one compute with it?; skip: () -> leave the
    check out now?
    """

    def decorate(function):
        names = list(inspect.signature(function).parameters)
        wanted = [(name, names.index(name), axes) for name, axes in read_shapes(function).items()]

        @functools.wraps(function)
        def checked(*args, **kwargs):
            if skip is None or not skip():
                sizes = {}
                for name, place, axes in wanted:
                    value = args[place] if place < len(args) else kwargs.get(name)
                    if value is None:
                        continue  # an argument that may be left out
                    if len(axes) == 1 and type(value) in (int, float):
                        continue  # one number for all, as NumPy and PyTorch have it
                    if not isinstance(value, arrays):
                        raise TypeError(f"{name} is a {type(value).__name__}; expected {word} {_written(axes)}")
                    if not is_number(value.dtype):
                        raise TypeError(f"{name} has dtype {value.dtype}; expected numbers, {word} {_written(axes)}")
                    _fit(name, tuple(value.shape), axes, sizes)
            return function(*args, **kwargs)

        checked.shapes = {name: axes for name, _, axes in wanted}
        return checked

    return decorate


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
