"""A model with its classes and its way of looking at an image."""

from __future__ import annotations

import logging
import os
from types import MethodType

from vitedu_numpy.contract import checked

from ..models.pretrained import about_pretrained, from_pretrained
from .predict import predict
from .transform import Transform

__all__ = ["load"]

_log = logging.getLogger(__name__)


@checked
def load(path_or_id):
    """The model of a file, a run's folder or a name, ready to be asked: `load("vit_cifar10").predict("photo.jpg")`.

    path_or_id: as in `from_pretrained`.  The model is the same (a `ViT`, `BiT`, ..., for evaluation), with

    classes    the names of its outputs, a tuple, or None where the file does not tell
    transform  image file, PIL image or array -> (C, H, W) floats: the evaluation of the run's recipe where the file
               says it, else that of the authors' ViT and BiT: the whole image at the model's size, in [-1, 1]
    predict    `predict.predict` with this model
    step       of the training run that the weights are from, None where the file does not tell

    Raises what `from_pretrained` raises.
    """
    model = from_pretrained(path_or_id).eval()
    config = model.config
    about = about_pretrained(path_or_id, config.num_classes)
    model.classes, model.step = about.classes, about.step
    preparation = about.preparation or {}
    try:
        model.transform = Transform((config.channels, *config.image_hw), **preparation)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path_or_id)}: {error}") from error
    if about.preparation is None:
        _log.info("%s does not say how its images were prepared; taken: %s", path_or_id, model.transform)
    model.predict = MethodType(predict, model)
    if any(name.endswith("head.weight") and not value.any() for name, value in model.state_dict().items()):
        text = "%s: its head is zero, as before any training (or after masked patches); it says nothing about classes: "
        _log.warning(text + "fine-tune it, or use its features", os.fspath(path_or_id))
    return model
