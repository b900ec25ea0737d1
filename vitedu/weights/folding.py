"""Parts that our ViT has not, multiplied exactly into matrices that it has.  Taught in notebooks/13_weights.ipynb.

LayerScale (DINOv2, DeiT-III) multiplies what a residual branch adds by a vector gamma.  The branch ends in a matrix:

    gamma * (y W^T + b)  =  y (diag(gamma) W)^T + gamma * b

Images normalised with a mean and a standard deviation per channel, x' = (x01 - mean) / std with x01 = (x + 1) / 2 in
[0, 1], meet a matrix first, the projection of patches; so a model for them becomes one for images x in [-1, 1]:

    E x' + b  =  (E / (2 std)) x  +  b + sum E (1/2 - mean) / std

What cannot be folded is refused by its name.  Only in PyTorch's package, with the files of other libraries.
"""

from __future__ import annotations

import logging
import re

import numpy as np

from vitedu_numpy.weights.layout import as_array

__all__ = ["fold_layer_scale", "fold_normalization", "has_layer_scale", "refuse_other_parts"]

_log = logging.getLogger(__name__)

# The vector's name, by library -> the matrix whose rows it multiplies.
_SCALES = (
    (r"(blocks\.\d+\.)(?:ls1\.gamma|gamma_1)", r"\1attn.proj"),  # DINOv2 and timm, DeiT-III
    (r"(blocks\.\d+\.)(?:ls2\.gamma|gamma_2)", r"\1mlp.fc2"),
    (r"(.*encoder\.layer\.\d+\.)layer_scale1\.lambda1", r"\1attention.output.dense"),  # transformers
    (r"(.*encoder\.layer\.\d+\.)layer_scale2\.lambda1", r"\1output.dense"),
)
_SCALED = (r"blocks\.\d+\.(attn\.proj|mlp\.fc2)", r".*encoder\.layer\.\d+\.(attention\.)?output\.dense")
_REFUSED = {
    r"register_tokens|reg_token": "register tokens",
    r"fc_norm": "a norm after the pooling",
    r"dist_token|distillation_token|head_dist|distillation_classifier": "a distillation token",
    r"norm_pre|ln_pre|pre_layrnorm": "a norm before its blocks",
    r"attn\.[qk]_norm": "normalised queries and keys",
    r"q_bias|v_bias": "biases of queries and values alone",
    r"attn_pool": "a pooling by attention",
    r"rope|rope_embed|rope_embeddings": "rotary positions",
    r"relative_position_bias_table|rel_pos|rel_pos_bias": "biases of relative positions",
    r"decoder_blocks|decoder_embed|decoder_pos_embed|decoder_layers": "a decoder of hidden patches",
    r"lora_[AB]|lora_embedding_[AB]": "an adapter that is not merged (LoRA)",
    r"mlp\.(w12|w3|weights_in|weights_out|gate_proj|up_proj|down_proj|fc1_[gx])": "a SwiGLU MLP",
}


def refuse_other_parts(arrays, source) -> None:
    """Raise ValueError, with the key, for parts of other models that change every result: see `_REFUSED`."""
    for key in arrays:
        for pattern, part in _REFUSED.items():
            if re.search(rf"(^|\.)({pattern})(\.|$)", key):
                raise ValueError(f"{source} has {part} ({key!r}), which our ViT has not; expected a model without")
    for key in arrays:  # one matrix for both halves of a SwiGLU MLP
        if match := re.fullmatch(r"(.*)mlp\.fc1\.weight", key):
            first, second = np.shape(arrays[key]), np.shape(arrays.get(f"{match[1]}mlp.fc2.weight"))
            if len(first) == len(second) == 2 and first[0] == 2 * second[1]:
                raise ValueError(f"{source} has a SwiGLU MLP ({key!r} {first}), which our ViT has not; expected GELU")


def has_layer_scale(arrays) -> bool:
    return any(re.fullmatch(pattern, key) for key in arrays for pattern, _ in _SCALES)


def fold_layer_scale(arrays, source="arrays") -> dict:
    """The arrays without LayerScale's vectors, their matrices and biases multiplied by them, in float32 at least.

    Raises ValueError where a vector has no matrix with as many rows, and where some matrices have none.
    """
    # The embedding of a hidden patch is of pre-training alone (DINOv2, masked images).
    folded = {key: value for key, value in arrays.items() if not re.fullmatch(r"(.*\.)?mask_token", key)}
    scaled = set()
    for key in arrays:
        for pattern, name in _SCALES:
            if not (match := re.fullmatch(pattern, key)):
                continue
            gamma = _wide(folded.pop(key))
            for part in ("weight", "bias"):
                matrix = f"{match.expand(name)}.{part}"
                if np.shape(folded.get(matrix))[:1] != gamma.shape or gamma.ndim != 1:
                    found, wanted = np.shape(folded.get(matrix)), f"as many rows as {key!r} {gamma.shape}"
                    raise ValueError(f"{source}: key {matrix!r} has shape {found}; expected {wanted}")
                value = _wide(folded[matrix])
                folded[matrix] = value * gamma.reshape(-1, *[1] * (value.ndim - 1))
            scaled.add(match.expand(name))
    for matrix in (key.removesuffix(".weight") for key in folded if key.endswith(".weight")):
        if scaled and matrix not in scaled and any(re.fullmatch(end, matrix) for end in _SCALED):
            raise ValueError(f"{source}: LayerScale's vector for {matrix!r} is missing; {len(scaled)} others are there")
    return folded


def fold_normalization(state, mean, std, channels, source) -> dict:
    """Our state of a ViT for images normalised with mean and std, as one for images in [-1, 1].  Says so in the log.

    state: our names.  Raises ValueError for anything but a number per channel, std positive, mean of such images.
    """
    given = f"mean={mean} and std={std}"
    try:
        mean, std = (np.array(value, np.float64) for value in (mean, std))
        fits = mean.shape == std.shape == (channels,) and (np.abs(mean) <= 1).all() and (std > 0).all()
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"{source}: {given}; expected {channels} numbers each, std positive, for images in [0, 1]")
    E = as_array(state["patch_embedding.weight"]).astype(np.float64)  # (D, C P P)
    split = E.reshape(len(E), channels, -1)  # (D, C, P P)
    bias = as_array(state["patch_embedding.bias"])
    dtype = np.result_type(bias.dtype, np.float32)
    shifted = bias + np.einsum("dcp,c->d", split, (0.5 - mean) / std)
    weight = (split / (2 * std[:, None])).reshape(E.shape)
    _log.warning(
        "%s: for images normalised with mean %s and std %s; folded into the projection, so it takes images in [-1, 1]",
        source, [round(float(m), 4) for m in mean], [round(float(s), 4) for s in std],
    )  # fmt: skip
    return state | {"patch_embedding.weight": weight.astype(dtype), "patch_embedding.bias": shifted.astype(dtype)}


def _wide(value) -> np.ndarray:
    """float16 becomes float32: a gamma of 1e-5 would take a product below its smallest number."""
    value = as_array(value)
    return value.astype(np.result_type(value.dtype, np.float32))
