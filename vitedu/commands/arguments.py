"""How a command reads its arguments: tyro's reading, with every mistake in one line.

Described in docs/scale.md, "The command line".
"""

from __future__ import annotations

import io
import os
import re
from contextlib import contextmanager, redirect_stderr

from vitedu_numpy.validate import environment_number

__all__ = [
    *("Usage", "is_first", "named", "naming_splits", "read", "refuse_empty", "typed", "writable"),
]


class Usage(ValueError):
    """What was typed is not understood: one line for the person, exit code 2."""


def read(function, arguments, prog: str):
    """What `function` returns for these arguments; `--help` prints its help and leaves.  Raises Usage for a mistake.

    function: as `tyro.cli` takes it; prog: what the command is called in its help.
    """
    import tyro

    if "-h" in arguments or "--help" in arguments:
        return tyro.cli(function, args=arguments, prog=prog)
    refuse_empty(arguments)
    said = io.StringIO()
    try:
        # Wide enough that no line of the message is broken.
        with redirect_stderr(said), environment(COLUMNS="100000", NO_COLOR="1"):
            return tyro.cli(function, args=arguments, prog=prog)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise Usage(f"{one_line(said.getvalue())}; `{prog} --help` lists all options") from None
    except (ValueError, TypeError) as error:  # a field out of its range
        raise Usage(str(error)) from error


@contextmanager
def environment(**variables):
    """While this holds, variables of the environment have these values."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def refuse_empty(arguments) -> None:
    """Raise Usage for a value that is empty, such as that of `--data "$DATA"` where DATA is not set."""
    for before, word in zip(["", *arguments], arguments, strict=False):
        name, equals, value = word.partition("=") if word.startswith("--") else (before, "=", word)
        if not equals or value.strip():
            continue
        if name == "--out":
            writable(value)
        given = f"{name} {value!r}" if name.startswith("--") else f"an argument {value!r}"
        raise Usage(f"{given} is not allowed: it is empty; write a value, or leave it out for its default")


def is_first() -> bool:
    """Is this the process that prints?  By what `torchrun` told it.  Raises ValueError for a RANK that is no number."""
    return environment_number("RANK", 0) == 0


def writable(out: str, name: str = "out", folder: bool | None = None, endings: tuple[str, ...] = ()) -> str:
    """A folder (True), a file (False) or either (None) to write to; what is there already must be of that kind.

    endings: those that a file's name may have; (): any.  Raises Usage for another ending or the other kind, and for "",
    which would mean the folder that one is in.
    """
    if not out.strip():
        raise Usage(f"{name}={out!r} is not allowed; {name} must name a folder or a file (. for the one you are in)")
    if folder and os.path.exists(out) and not os.path.isdir(out):
        raise Usage(f"{name}={out!r} is not allowed; that is a file, and {name} must name a folder")
    if folder is False:
        inside = os.path.dirname(out)
        if os.path.isdir(out):
            raise Usage(f"{name}={out!r} is not allowed; that is a folder, and {name} must name a file")
        if inside and not os.path.isdir(inside):
            raise Usage(f"{name}={out!r} is not allowed; {name} must be in a folder that is there: {inside!r} is none")
    if endings and not out.lower().endswith(endings):
        allowed = ", ".join(endings[:-1]) + f" or {endings[-1]}"
        raise Usage(f"{name}={out!r} is not allowed; the name must end in {allowed}")
    return out


@contextmanager
def typed():
    """Around checks of nothing but what was typed: their ValueError is a mistake in usage."""
    try:
        yield
    except ValueError as error:
        raise Usage(str(error)) from error


@contextmanager
def naming_splits(**options: str):
    """Where the data have not the split that is asked for, the error also says which option names another.

    options: of each option, dots and hyphens as "__" and "_", the split that it has now: `data__eval_split="test"`.
    """
    try:
        yield
    except ValueError as error:
        from ..data.folder import NoSplit

        if not isinstance(error, NoSplit):
            raise
        names = [name for name, split in options.items() if split == error.split] or list(options)
        words = " or ".join("--" + name.replace("__", ".").replace("_", "-") for name in names)
        raise NoSplit(f"{error}; {words} names another", error.split) from error


def named(find, name: str):
    """find(name): a recipe or experiment by its name or file.  Raises Usage where there is none."""
    try:
        return find(name)
    except (ValueError, TypeError, OSError) as error:
        raise Usage(str(error)) from error


def one_line(text: str) -> str:
    """What tyro says in a box, without the box: "--batch-siz is not known; did you mean --batch-size?"."""
    lines = [line.strip("│|╭╮╰╯+ \t") for line in re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()]
    parts = [[]]
    for line in filter(None, lines):
        if set(line) <= set("─-"):  # the edge of the box, or a line across
            parts.append([])
        elif not re.search(r"[─-]{5,}$", line):  # else a title that stands on the edge
            parts[-1].append(line)
    parts = [part for part in parts if part]
    if len(parts) > 1 and len(parts[0]) == 1 and re.fullmatch(r"\w+ \w+", parts[0][0]):  # a title
        parts = parts[1:]
    whole, lines = " ".join(" ".join(part) for part in parts), parts[0] if parts else []
    if unknown := re.search(r"Unrecognized options?: (\S+?)(?:,? |$)", whole):
        near = re.search(r"Perhaps you meant:.*?(--[\w.-]+)", whole)
        hint = f"; did you mean {near[1]}?" if near else ""
        return f"{unknown[1].rstrip(',')} is not known here{hint}"
    first = " ".join(lines)
    if first.startswith("Missing from"):
        names = [line.split()[0] for line in lines[1:] if re.match(r"(--[\w.-]+|[A-Z]{2,})( |$)", line)]
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
    return re.sub(r"^Error parsing (?:(--\S+: )|[\w.]+: )", r"\1", first)
