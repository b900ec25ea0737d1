"""Where things stand: `load("vitedu_numpy", "attention")` is the module attention.py, in whichever room it is."""

from __future__ import annotations

import importlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TWIN_ROOMS = ("", "layers", "models", "weights", "training", "transfer", "inspect")  # in both packages; "": the root


def files(package: str) -> list[Path]:
    """The files of a package's twin rooms, but for the doors (`__init__.py`), as paths below it: layers/attention.py"""
    folder = ROOT / package
    return sorted(file.relative_to(folder) for room in TWIN_ROOMS for file in (folder / room).glob("[!_]*.py"))


def dotted(file: Path) -> str:
    """layers/attention.py -> layers.attention"""
    return ".".join(file.with_suffix("").parts)


def load(package, name: str):
    """The module of that file name; what `vitedu` has not, stands once, in `vitedu_numpy`.

    package: "vitedu", "vitedu_numpy", or the package itself
    """
    for place in (getattr(package, "__name__", package), "vitedu_numpy"):
        found = [file for file in files(place) if file.stem == name]
        if found:
            (file,) = found
            return importlib.import_module(f"{place}.{dotted(file)}")
    raise ModuleNotFoundError(f"no file {name}.py in the rooms of {package}")
