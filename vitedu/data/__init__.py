"""Data sets: small ones as NumPy arrays, large ones as sources, orders and loaders.  No model in sight.

`load_digits`, `load_photo` and `load_small_photos` give images `(n, C, H, W)` as floats in [-1, 1].  For training at
scale, `open_source` finds the images, `Shuffled` or `Streamed` say which comes when, and `Loader` makes batches of
bytes of them.
"""

from .digits import Digits, load_digits
from .loader import Batch, Loader, UnreadableImage
from .memory import Arrays
from .open import open_source
from .order import Shuffled, Streamed, sample_rng
from .photo import SmallPhotos, load_photo, load_small_photos
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
    "SmallPhotos",
    "Streamed",
    "UnreadableImage",
    "load_digits",
    "load_photo",
    "load_small_photos",
    "open_source",
    "sample_rng",
]
