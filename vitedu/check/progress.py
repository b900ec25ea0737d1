"""What is done, in one local file; nothing is sent anywhere.  `vitedu progress` shows it.

The file is ~/.local/share/vitedu/progress.json (under XDG_DATA_HOME where that is set); VITEDU_PROGRESS names another,
or "off".  It is written whole or not at all, and where it cannot be written, checks work as before.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import sys

from vitedu_numpy.validate import require
from vitedu_numpy.weights.files import replacing

from .catalogue.further import PRINTED, SHOWN

__all__ = ["FURTHER", "file", "lessons", "note", "read"]

FURTHER = "further"  # what no notebook asks


def file() -> str | None:
    """The path; None if progress is not to be kept.  Raises ValueError where VITEDU_PROGRESS cannot name a file."""
    named = os.environ.get("VITEDU_PROGRESS")
    if named == "off":
        return None
    if named:
        is_file = named.endswith(".json") and not os.path.isdir(named)
        require(
            is_file, "VITEDU_PROGRESS", named, "'off', or the path of a .json file; it is a variable of the environment"
        )
        return named
    home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(home, "vitedu", "progress.json")


def read() -> dict[str, dict]:
    """name -> {"tries": n, "done": date or None}; empty where there is no file, or none that can be read."""
    path = file()
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, TypeError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: entry for name, entry in found.items() if _is_entry(entry)}


def note(name: str, ok: bool) -> None:
    """One more try; the day of the first right one is kept."""
    path = file()
    if path is None:
        return
    found = read()
    entry = found.get(name, {"tries": 0, "done": None})
    if entry["done"]:
        return
    entry = {"tries": entry["tries"] + 1, "done": datetime.date.today().isoformat() if ok else None}
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
            json.dump({**found, name: entry}, stream, indent=1, sort_keys=True)
    except OSError:
        return  # a read-only home is no reason to refuse a check


def lessons() -> dict[str, str]:
    """Check -> its lesson, "03_attention"; lesson by lesson, inside one as the catalogue has them.

    The notebook's name stands in the first lines of its files of the catalogue.  What no notebook asks comes last, as
    `FURTHER`.
    """
    prefix, found = f"{__package__}.catalogue.", []
    for module in sorted(name for name in sys.modules if name.startswith(prefix)):  # `vitedu.check` has loaded them all
        topic = sys.modules[module]
        named = re.search(r"notebooks/(\w+)\.ipynb", topic.__doc__ or "")
        lesson = named.group(1) if named else module.removeprefix(prefix)
        asked = (name for name in topic.__all__ if name not in SHOWN)
        found += [(FURTHER if name in PRINTED else lesson, name) for name in asked]
    return {name: lesson for lesson, name in sorted(found, key=lambda pair: pair[0])}


def _is_entry(entry) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("tries"), int) and "done" in entry
