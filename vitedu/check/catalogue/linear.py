"""Checks for the exercises of notebooks/02_linear.ipynb."""

from __future__ import annotations

__all__ = []
