"""Checks for the exercises of notebooks/08_vit_torch.ipynb."""

from __future__ import annotations

__all__ = []
