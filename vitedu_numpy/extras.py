"""What is missing says which `pip install` brings it.  Taught in notebooks/00_map.ipynb.

`vitedu_numpy` needs NumPy alone; everything else comes as an extra of the package, `pip install "vitedu[digits]"`.
"""

from __future__ import annotations

from contextlib import ContextDecorator

__all__ = ["EXTRAS", "advice", "naming_extras"]

# A module as it is imported -> the extra that brings it (pyproject.toml), the smallest one.
EXTRAS = {
    "torch": "torch", "safetensors": "torch", "tqdm": "torch",
    "matplotlib": "digits", "PIL": "digits", "sklearn": "digits", "scipy": "digits", "tyro": "digits",
    "datasets": "train", "pyarrow": "train", "huggingface_hub": "train", "fsspec": "train",
    "simplejpeg": "fast", "cv2": "fast",
    "IPython": "notebooks", "ipywidgets": "notebooks", "pygments": "notebooks",
}  # fmt: skip


def advice(error: ImportError) -> str | None:
    """ "sklearn is not installed; `pip install "vitedu[digits]"` brings it"; None for a module of no extra."""
    name = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(name)
    return extra and f'{name} is not installed; `pip install "vitedu[{extra}]"` brings it'


class naming_extras(ContextDecorator):
    """`with naming_extras(): import sklearn`, or a decorator: a ModuleNotFoundError that comes out has the advice."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, ModuleNotFoundError):
            text = advice(error)
            if text is not None and text != str(error):
                raise ModuleNotFoundError(text, name=error.name) from error
