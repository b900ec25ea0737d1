"""How a command reads its arguments: tyro's reading, with every mistake in one line.

Described in docs/scale.md, "The command line".
"""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stderr
from unittest.mock import patch

__all__ = ["Usage", "folder", "named", "read"]


class Usage(ValueError):
    """What was typed is not understood: one line for the person, exit code 2."""


def read(function, arguments, prog: str):
    """What `function` returns for these arguments; `--help` prints its help and leaves.  Raises Usage for a mistake.

    function: as `tyro.cli` takes it; prog: what the command is called in its help.
    """
    import tyro

    if "-h" in arguments or "--help" in arguments:
        return tyro.cli(function, args=arguments, prog=prog)
    said = io.StringIO()
    try:
        # Wide enough that no line of the message is broken.
        with redirect_stderr(said), patch.dict(os.environ, COLUMNS="100000", NO_COLOR="1"):
            return tyro.cli(function, args=arguments, prog=prog)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise Usage(f"{one_line(said.getvalue())}; `{prog} --help` lists all options") from None
    except (ValueError, TypeError) as error:  # a field out of its range
        raise Usage(str(error)) from error


def folder(out: str, name: str = "out") -> str:
    """A folder or file to write to.  Raises Usage for "", which would mean the folder that one is in."""
    if not out.strip():
        raise Usage(f"{name}={out!r} is not allowed; {name} must name a folder or a file (. for the one you are in)")
    return out


def named(find, name: str):
    """find(name): a recipe or experiment by its name or file.  Raises Usage where there is none."""
    try:
        return find(name)
    except (ValueError, TypeError, OSError) as error:
        raise Usage(str(error)) from error


def one_line(text: str) -> str:
    """What tyro says in a box, without the box: "--batch-siz is not known; did you mean --batch-size?"."""
    lines = [line.strip("│ \t") for line in re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()]
    lines = [line for line in lines if line and not re.match(r"[╭╰]", line)]
    whole = " ".join(lines)
    if unknown := re.search(r"Unrecognized options?: (\S+?)(?:,? |$)", whole):
        near = re.search(r"Perhaps you meant:.*?(--[\w.-]+)", whole)
        hint = f"; did you mean {near[1]}?" if near else ""
        return f"{unknown[1].rstrip(',')} is not known here{hint}"
    first = " ".join(lines[: next((i for i, line in enumerate(lines) if set(line) == {"─"}), len(lines))])
    if first.startswith("Missing from"):
        names = [line.split()[0] for line in lines[1:] if re.match(r"(--[\w.-]+|[A-Z]{2,})( |$)", line)]
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
    return re.sub(r"^Error parsing (\S+): ", r"\1: ", first)
