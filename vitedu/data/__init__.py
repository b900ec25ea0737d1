"""Data sets: small ones as NumPy arrays, large ones as sources, orders and loaders.  No model in sight.

`load_digits` and `load_photo` give images `(n, C, H, W)` as floats in [-1, 1].  For training at scale, `open_source`
finds the images, `Shuffled` or `Streamed` say which comes when, and `Loader` makes batches of bytes of them.
"""

from .digits import Digits, load_digits
from .loader import Batch, Loader, UnreadableImage
from .memory import Arrays
from .open import open_source
from .order import Shuffled, Streamed, sample_rng
from .photo import load_photo
from .retry import Retry, ShardError
from .sample import Sample

__all__ = [
    "Arrays",
    "Batch",
    "Digits",
    "Loader",
    "Retry",
    "Sample",
    "ShardError",
    "Shuffled",
    "Streamed",
    "UnreadableImage",
    "load_digits",
    "load_photo",
    "open_source",
    "sample_rng",
]
