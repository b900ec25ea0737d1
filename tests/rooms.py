"""Where things stand: `load("vitedu_numpy", "attention")` is the module attention.py, in whichever room it is."""

from __future__ import annotations

import importlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def files(package: str) -> list[Path]:
    """All files of a package but the doors (`__init__.py`), as paths below it: layers/attention.py, module.py, ..."""
    folder = ROOT / package
    return sorted(file.relative_to(folder) for file in folder.rglob("[!_]*.py"))


def dotted(file: Path) -> str:
    """layers/attention.py -> layers.attention"""
    return ".".join(file.with_suffix("").parts)


def load(package, name: str):
    """The module of that file name.     package: "vitedu", "vitedu_numpy" or the package itself"""
    package = getattr(package, "__name__", package)
    (file,) = (file for file in files(package) if file.stem == name)
    return importlib.import_module(f"{package}.{dotted(file)}")
