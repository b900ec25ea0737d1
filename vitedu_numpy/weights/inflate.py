"""An image's ViT as the beginning of a video's.  Taught in notebooks/22_video.ipynb.

Arnab et al. (2021, arXiv:2103.15691), Sec. 3.4.  Names and shapes alone: a state goes in, a state comes out, for the
models of both packages.

Shapes: `Pf` frames of a tubelet, `C P P` pixels of a patch, `gf` slices, `N` patches, `D` width, `K` classes.
"""

from __future__ import annotations

import numpy as np

from ..validate import require

__all__ = ["average_filters", "central_filters", "inflate"]


def central_filters(E, tubelet_length):
    """[0, ..., E, ..., 0]: only the central frame is looked at, number Pf // 2.     E (D, C P P)  ->  (D, Pf C P P)"""
    filters = np.zeros((len(E), tubelet_length, E.shape[1]), E.dtype)
    filters[:, tubelet_length // 2] = E
    return filters.reshape(len(E), -1)


def average_filters(E, tubelet_length):
    """[E, ..., E] / Pf: the frames' mean is looked at.     E (D, C P P)  ->  (D, Pf C P P)"""
    return np.tile(E / tubelet_length, (1, tubelet_length))


def inflate(state, config, filters="central") -> dict[str, np.ndarray]:
    """The state of an image's `ViT` (of either package) as the state of the `VideoViT` of `config`.

    filters: "central" or "average", see above.  The positions are repeated in every slice; attention through time
    begins as the attention in space, but with an output of 0, so that it changes nothing yet and can learn at once.
    A head for another number of classes is 0.  Raises KeyError for a state that is not a plain ViT's, ValueError for
    sizes that do not fit.
    """
    require(filters in ("central", "average"), "filters", filters, "'central' or 'average'")
    state, video, c = {name: np.asarray(value) for name, value in state.items()}, {}, config
    try:
        E, E_pos = state.pop("patch_embedding.weight"), state.pop("position_embedding.E_pos", None)
        bias, x_class = state.pop("patch_embedding.bias"), state.pop("class_token.x_class", None)
        head = {name: state.pop(f"head.{name}") for name in ("weight", "bias")}
    except KeyError as error:
        raise KeyError(f"state has no {error}; expected the state of a ViT") from None
    _fits("patch_embedding.weight", E, (c.width, c.channels * c.patch_size**2))
    make = central_filters if filters == "central" else average_filters
    video["tubelet_embedding.weight"] = make(E, c.tubelet_length)
    video["tubelet_embedding.bias"] = bias
    if c.classifier == "token":
        if x_class is None:
            raise KeyError("state has no 'class_token.x_class'; expected a ViT with a class token")
        video["class_token.x_class"] = x_class
    if c.position_embedding != "none":
        video["position_embedding.E_pos"] = _positions(E_pos, x_class is not None, c)
    for name, value in state.items():
        if not name.startswith("encoder."):
            raise KeyError(f"state has {name!r}, for which the video's model has no place")
        video[name] = value
        if c.attention == "factorised" and (".attention." in name or ".norm1." in name):
            new = value * 0 if ".attention.out." in name else value
            video[name.replace(".attention.", ".attention_time.").replace(".norm1.", ".norm_time.")] = new
    for name, value in head.items():
        same = len(value) == c.num_classes
        video[f"head.{name}"] = value if same else np.zeros((c.num_classes, *value.shape[1:]), value.dtype)
    return video


def _positions(E_pos, has_class, config):
    """(N, D) or, with a class token, (N + 1, D)  ->  what the video's model adds"""
    if E_pos is None:
        raise KeyError("state has no 'position_embedding.E_pos'; expected a ViT with one learned vector per token")
    c, first = config, E_pos[: int(has_class)]
    E_pos = E_pos[len(first) :]
    _fits("position_embedding.E_pos, without the class token's row,", E_pos, (c.num_patches, c.width))
    if c.position_embedding == "space":
        return E_pos
    return np.concatenate([first[: int(c.classifier == "token")], np.tile(E_pos, (c.slices, 1))])


def _fits(name, value, shape) -> None:
    if value.shape != shape:
        raise ValueError(f"{name} has shape {value.shape}; expected {shape}, as the video's model has it")
