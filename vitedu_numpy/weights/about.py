"""What a file says about a model beside its weights: the names of its classes, how its images were prepared.

Taught in notebooks/13_weights.ipynb.  Both are JSON texts, in the metadata of a safetensors file and under keys of the
same names in an .npz file; other readers of such files do not look at them.
"""

from __future__ import annotations

import json
from typing import NamedTuple

__all__ = ["TEXTS", "About", "about_in", "about_texts"]

CLASSES, PREPARATION = "vitedu/classes", "vitedu/preparation"
TEXTS = ("vitedu/config", CLASSES, PREPARATION)  # the keys in an .npz file that hold text


class About(NamedTuple):
    """None: the file does not say."""

    classes: tuple[str, ...] | None = None  # class k is the k-th; at most as many as the head has outputs
    preparation: dict | None = None  # of images for evaluation: {"eval_resize": 256 or None, "mean": ..., "std": ...}


def about_texts(about: About | None) -> dict[str, str]:
    """{key: JSON text} of what is known."""
    classes, preparation = about or About()
    texts = {CLASSES: list(classes) if classes else None, PREPARATION: preparation}
    return {key: json.dumps(value, ensure_ascii=False) for key, value in texts.items() if value is not None}


def about_in(texts, source, num_classes: int) -> About:
    """The reverse of `about_texts`.  Raises ValueError that names `source` and the key where a text does not fit."""
    classes, preparation = (_read(texts[key], key, source) if key in texts else None for key in (CLASSES, PREPARATION))
    if classes is not None:
        is_list = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
        if not is_list or not 0 < len(classes) <= num_classes or len({*classes}) < len(classes):
            raise ValueError(f"{source}: {CLASSES!r} must be a list of at most {num_classes} different names")
        classes = tuple(classes)
    if preparation is not None and not _is_preparation(preparation):
        raise ValueError(
            f"{source}: {PREPARATION!r} is {json.dumps(preparation)[:80]}; expected an object with eval_resize, and "
            f"mean and std of three channels or none"
        )
    return About(classes, preparation)


def _read(text, key, source):
    try:
        return json.loads(str(text))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: {key!r} is not JSON: {error}") from None


def _is_preparation(found) -> bool:
    if not isinstance(found, dict) or not {*found} <= {"eval_resize", "mean", "std"}:
        return False
    size, mean, std = (found.get(name) for name in ("eval_resize", "mean", "std"))
    if size is not None and (type(size) is not int or not 0 < size <= 100_000):
        return False
    if mean is None and std is None:
        return True
    lists = all(isinstance(v, list) and v and all(type(x) in (int, float) for x in v) for v in (mean, std))
    return lists and len(mean) == len(std) and all(0 < s < 1e6 for s in std) and all(abs(m) < 1e6 for m in mean)
