"""Checks for the exercises of notebooks/06_encoder.ipynb."""

from __future__ import annotations

__all__ = []
