"""Checks for the exercises of notebooks/03_attention.ipynb."""

from __future__ import annotations

__all__ = []
