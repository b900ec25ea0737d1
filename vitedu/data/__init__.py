"""Data sets as NumPy arrays: images `(n, C, H, W)` floats in [-1, 1], labels `(n,)` integers.  No model in sight."""

from .digits import Digits, load_digits
from .photo import load_photo

__all__ = ["Digits", "load_digits", "load_photo"]
