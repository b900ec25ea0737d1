"""Weights of others: the authors', those of `transformers` and of `timm`.

`layout.py`, `official.py`, `files.py`, `contents.py` and `loading.py` are the same text as in `vitedu_numpy`: the
authors' .npz files.  `huggingface.py`, `timm.py` and `safe.py` are the other two layouts, `pretrained.py` finds, builds
and loads.
"""

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.weights.about import About
from vitedu_numpy.weights.contents import config_of
from vitedu_numpy.weights.files import read_npz
from vitedu_numpy.weights.loading import load_npz, save_npz
from vitedu_numpy.weights.official import from_official, official_layout, to_official

with naming_extras():
    import torch  # noqa: F401
from .huggingface import from_huggingface, save_huggingface, to_huggingface
from .safe import save_safetensors
from .timm import from_timm, save_timm, to_timm

__all__ = [
    "About", "config_of", "from_huggingface", "from_official", "from_timm", "load_npz", "official_layout",
    "read_npz", "save_huggingface", "save_npz", "save_safetensors", "save_timm", "to_huggingface", "to_official",
    "to_timm",
]  # fmt: skip
