"""Checks for the exercises of notebooks/00_map.ipynb."""

from __future__ import annotations

__all__ = []
