"""Checks for the exercises of notebooks/01_patches.ipynb."""

from __future__ import annotations

__all__ = []
