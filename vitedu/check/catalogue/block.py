"""Checks for the exercises of notebooks/05_block.ipynb."""

from __future__ import annotations

__all__ = []
