"""What a file says about a model beside its weights: its classes, how its images were prepared, the training step.

Taught in notebooks/13_weights.ipynb.  All are JSON texts, in the metadata of a safetensors file and under keys of the
same names in an .npz file; other readers of such files do not look at them.
"""

from __future__ import annotations

import json
from typing import NamedTuple

__all__ = ["TEXTS", "About", "about_in", "about_texts"]

CLASSES, PREPARATION, STEP = "vitedu/classes", "vitedu/preparation", "vitedu/step"
TEXTS = ("vitedu/config", CLASSES, PREPARATION, STEP)  # the keys in an .npz file that hold text


class About(NamedTuple):
    """None: the file does not say."""

    classes: tuple[str, ...] | None = None  # class k is the k-th; at most as many as the head has outputs
    preparation: dict | None = None  # of images for evaluation: {"eval_resize": pixels or None}
    step: int | None = None  # of the training run that the weights are from


def about_texts(about: About | None) -> dict[str, str]:
    """{key: JSON text} of what is known."""
    classes, preparation, step = about or About()
    texts = {CLASSES: list(classes) if classes else None, PREPARATION: preparation, STEP: step}
    return {key: json.dumps(value, ensure_ascii=False) for key, value in texts.items() if value is not None}


def about_in(texts, source, num_classes: int) -> About:
    """The reverse of `about_texts`.  Raises ValueError that names `source` and the key where a text does not fit."""
    keys = (CLASSES, PREPARATION, STEP)
    classes, preparation, step = (_read(texts[key], key, source) if key in texts else None for key in keys)
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
    if step is not None and (type(step) is not int or step < 0):
        raise ValueError(f"{source}: {STEP!r} is {json.dumps(step)[:80]}; expected a number of steps")
    return About(classes, preparation, step)


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
