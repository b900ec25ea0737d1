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
    preparation: dict | None = None  # of images for evaluation: {"eval_resize": pixels or None}


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
            f"{source}: {PREPARATION!r} is {json.dumps(preparation)[:80]}; expected an object with eval_resize, a "
            f"number of pixels or null"
        )
    return About(classes, preparation)


def _read(text, key, source):
    try:
        return json.loads(str(text))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: {key!r} is not JSON: {error}") from None


def _is_preparation(found) -> bool:
    if not isinstance(found, dict) or not {*found} <= {"eval_resize"}:
        return False
    size = found.get("eval_resize")
    return size is None or (type(size) is int and 0 < size <= 100_000)
