"""Checks for the exercises of notebooks/04_heads.ipynb."""

from __future__ import annotations

__all__ = []
