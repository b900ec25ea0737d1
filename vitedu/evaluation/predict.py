"""What an image shows."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

__all__ = ["Prediction", "class_name", "predict"]


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one image, the likeliest first."""

    names: tuple[str, ...]  # "class 7" where the model does not know its classes by name
    probabilities: tuple[float, ...]
    numbers: tuple[int, ...]  # which outputs of the model they are
    image: str = ""  # its path, where it has one

    def __repr__(self):
        width = max(len(name) for name in self.names)
        head = [f"{self.image}:"] if self.image else []
        lines = (f"{name:{width}s}  {p:6.1%}" for name, p in zip(self.names, self.probabilities, strict=True))
        return "\n".join([*head, *lines])


def class_name(classes, number: int) -> str:
    """The name of an output; "class 7" where it has none."""
    return classes[number] if classes is not None and number < len(classes) else f"class {number}"


@torch.no_grad()
def predict(model, images, top: int = 5):
    """The `top` likeliest classes of an image, as a `Prediction`; of a list of images a list of them.

    model: from `load`; images: what its `transform` takes.  Probabilities are the softmax of the logits; so they add
    up to 1 over all classes, also for a model that was trained with a sigmoid for each.  Raises ValueError for `top`
    out of range, and what `model.transform` raises.
    """
    if not isinstance(top, int) or isinstance(top, bool) or top < 1:
        raise ValueError(f"top={top!r} is not allowed; top must be a positive integer")
    has_transform = isinstance(model, torch.nn.Module) and hasattr(model, "transform")
    if not has_transform:  # one just built knows neither how images are prepared nor what its classes are called
        raise TypeError(f"model is a {type(model).__name__} without a transform; expected one of vitedu.load(...)")
    several = isinstance(images, list | tuple)
    weight = next(model.parameters())
    was_training = model.training
    model.eval()
    try:
        found = [_of_one(model, image, top, weight) for image in (images if several else [images])]
    finally:
        model.train(was_training)
    return found if several else found[0]


def _of_one(model, image, top, weight):
    logits = model(model.transform(image)[None].to(weight.device, weight.dtype))[0]
    p, k = logits.cpu().double().softmax(-1).sort(descending=True, stable=True)
    p, k = p[:top].tolist(), k[:top].tolist()
    path = os.fspath(image) if isinstance(image, str | os.PathLike) else ""
    return Prediction(tuple(class_name(model.classes, i) for i in k), tuple(p), tuple(k), path)
