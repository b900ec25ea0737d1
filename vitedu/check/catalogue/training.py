"""Checks for the exercises of notebooks/07_vit_numpy.ipynb."""

from __future__ import annotations

__all__ = []
