"""The logit lens: what the head would answer if the model ended earlier, or looked at one patch.

The last layer norm and the head are put on every layer's residual stream, which they were not trained for: an early
layer's answer says what is already written there in the head's language, not what is known there.

Taught in notebooks/21_inside.ipynb.

Shapes: `L` blocks, `B` batch, `T` tokens, `K` classes.
"""

from __future__ import annotations

import numpy as np

from ..contract import checked
from ..validate import require
from .parts import vit_of
from .recorded import as_array, block_keys, check_tokens

__all__ = ["logit_lens", "token_lens"]


@checked
def logit_lens(model, record) -> np.ndarray:
    """The answer after every block: head(read(LN(z_l))), l = 0 (the embedded tokens) ... L.     ->  (L + 1, B, K)

    `read` is the model's own: the class token, or with "gap" the mean over all tokens.  The last is the model's output.
    record: of `model`, either package.  Nothing of the model is changed.
    """
    return np.stack([as_array(_answers(model, z, pooled=True)) for z in _streams(model, record)])


@checked
def token_lens(model, record, classes=None) -> np.ndarray:
    """The answer read from every token after every block: head(LN(z_l)[t]).     ->  (L + 1, B, T, K)

    For a model with a class token, [-1, :, 0] is its output.  classes: numbers of those to keep, None for all (ViT-B/16
    with 1000 classes: 10 MB an image).  `on_grid` lays one class's numbers out as the patches lie.
    """
    K = vit_of(model).config.num_classes
    chosen = np.arange(K) if classes is None else np.asarray(classes)
    is_list = chosen.ndim == 1 and chosen.dtype.kind in "iu" and len(chosen)
    fits = is_list and np.isin(chosen, np.arange(K)).all()
    require(fits, "classes", classes, f"a list from 0 ... {K - 1}, or None")
    return np.stack([as_array(_answers(model, z))[..., chosen] for z in _streams(model, record)])


def _streams(model, record) -> list:
    """z_0 ... z_L as the model's package wrote them, each (B, T, D)."""
    if getattr(vit_of(model), "head", None) is None:
        raise TypeError(f"model is a {type(model).__name__} without a classifier; expected a ViT or a Hybrid")
    keys = block_keys(record, "z")
    if "tokens" not in record:
        raise KeyError("record lacks ['tokens'], the embedded image; model(images, record) writes it")
    streams = [record["tokens"], *(record[key] for key in keys)]
    check_tokens(streams[0].shape[1], vit_of(model).config, "record")
    if len(keys) != vit_of(model).config.depth:
        raise ValueError(f"record has {len(keys)} blocks; expected {vit_of(model).config.depth}, those of this model")
    return streams


def _answers(model, z, pooled=False):
    """LN, reading, pre-logits layer and head of the model itself, on any layer's z (B, T, D)."""
    vit = vit_of(model)
    z = z.detach().clone() if hasattr(z, "detach") else z  # a copy: also of what `inference_mode` recorded
    for module in (vit.encoder.norm, *([vit.read] if pooled else []), vit.pre_logits, vit.head):
        # NumPy's modules remember their last input for backward: a replica does so in the model's place.
        z = module.replica()(z) if hasattr(module, "replica") else module(z)
    return z
