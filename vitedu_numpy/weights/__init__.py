"""Weights of others: the authors' .npz files, read, written and adapted.

`official.py` is the layout, `files.py` the reading and writing, `contents.py` which model a file holds, `loading.py`
the way into a model; these four are the same text in both packages.
"""

from .about import About
from .contents import config_of
from .files import read_npz
from .loading import load_npz, save_npz
from .official import from_official, official_layout, to_official

__all__ = [
    "About", "config_of", "from_official", "load_npz", "official_layout", "read_npz", "save_npz", "to_official",
]  # fmt: skip
