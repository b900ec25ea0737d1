"""Masked patch prediction: guess the colours of hidden patches (App. B.1.2).  Taught in notebooks/14_pretraining.ipynb.

Nobody has to label anything: half of the patch embeddings are corrupted, and the model must say which colour those
patches had.  What the paper leaves open is decided in DEVIATIONS.md.

Shapes: `B` batch, `C` channels, `P` patch side, `N` patches, `m` of them corrupted (as many in every image), `D` width,
`Q = 8^C` colours of 3 bits per channel (RGB: 512).
"""

from __future__ import annotations

import numpy as np

from ..config import ViTConfig
from ..layers.linear import Linear
from ..layers.patches import patchify
from ..module import Module, Parameter, shaped
from ..record import note
from .corruption import SIDE, Corruption, check_corruption, choose_corruption, num_outputs
from .vit import ViT

__all__ = [
    "MaskedPatchViT", "choose_corruption", "corrupt", "corrupt_backward", "downsized_target", "masked_patch_accuracy",
    "masked_patch_loss", "masked_patch_loss_backward", "masked_target", "mean_color_target", "patch_target",
]  # fmt: skip


# ---- which patches ------------------------------------------------------------------------------------------------


def _check_corruption(corruption, B, N) -> Corruption:
    """Refuse what an index would silently get wrong."""
    check_corruption(corruption)
    patches, sources = (np.asarray(numbers) for numbers in corruption)
    for name, numbers, last in (("patches", patches, N - 1), ("sources", sources, N)):
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"corruption.{name} has dtype {numbers.dtype}; expected integers 0..{last}")
        if numbers.ndim != 2 or len(numbers) != B or numbers.shape != patches.shape:
            raise ValueError(
                f"corruption.{name} has shape {numbers.shape}; expected (B, m) with B={B}, as .patches has"
            )
        if numbers.size and not (0 <= numbers.min() and numbers.max() <= last):
            allowed = f"0..{last} for {N} patches"
            raise ValueError(f"corruption.{name} runs from {numbers.min()} to {numbers.max()}; allowed is {allowed}")
    if (patches[:, 1:] <= patches[:, :-1]).any():
        raise ValueError("corruption.patches must rise along each row; expected every patch once, in order")
    return Corruption(patches, sources)


@shaped
def corrupt(x, mask_token, patches, sources):
    """Put other embeddings in the place of the corrupted ones.     x (B, N, D)   mask_token (D,)   ->   (B, N, D)

    patches, sources: see `Corruption`.
    """
    B, N, D = x.shape
    pool = np.concatenate([x, np.broadcast_to(mask_token, (B, 1, D))], axis=1)  # (B, N + 1, D)  [1]
    origin = np.tile(np.arange(N), (B, 1))  # (B, N)  everybody stands in his own place, but ...
    np.put_along_axis(origin, patches, sources, axis=1)
    y = np.take_along_axis(pool, origin[..., None], axis=1)  # (B, N, D)  [2]
    return y, origin


@shaped
def corrupt_backward(dy, cache):
    """dy (B, N, D)  ->  dx (B, N, D), dmask_token (D,)"""
    origin = cache
    B, N, D = dy.shape
    dpool = np.zeros((B, N + 1, D), dy.dtype)
    np.add.at(dpool, (np.arange(B)[:, None], origin), dy)  # from [2]: what stands in two places gets both gradients
    dmask_token = dpool[:, -1].sum(axis=0)  # (D,)  from [1]: every image used the same [mask]
    return dpool[:, :N], dmask_token  # from [1]


# ---- what is to be guessed ----------------------------------------------------------------------------------------


@shaped
def mean_color_target(images, patch_size):
    """The mean colour of every patch, rounded down to 3 bits per channel: 64 r + 8 g + b.

    images (B, C, H, W)  ->  (B, N)

    images: bytes, or floats in [-1, 1], which are turned back into bytes first; then all is exact.  A channel's level
    is floor(mean / 32), 0 ... 7.  Raises as `to_bytes` does.
    """
    images = to_bytes(images)
    B, C, _, _ = images.shape
    patches, _ = patchify(images, patch_size)  # (B, N, C P P)
    sums = patches.reshape(B, -1, C, patch_size**2).sum(axis=-1, dtype=np.int64)  # (B, N, C)
    levels = sums // (32 * patch_size**2)
    return (levels * 8 ** np.arange(C)[::-1]).sum(axis=-1)  # (B, N)


@shaped
def downsized_target(images, patch_size):
    """Every patch as 4 x 4 colours of 3 bits per channel, row by row.     images (B, C, H, W)  ->  (B, N, 16)

    Each is the mean colour of (P / 4)^2 pixels.  Raises ValueError when 4 does not divide P.
    """
    images = to_bytes(images)
    B, C, H, W = images.shape
    num_outputs("downsized", C, patch_size)  # refuses a patch that cannot be cut
    cell = patch_size // SIDE
    colors = mean_color_target(images, cell).reshape(B, 1, H // cell, W // cell)  # a small image of colour numbers
    return patchify(colors, SIDE)[0]  # (B, N, 16)


@shaped
def patch_target(images, patch_size):
    """The pixels themselves, in [-1, 1].     images (B, C, H, W)  ->  (B, N, C P P)"""
    _check_pixels(images)
    pixels = images.astype(np.float32) / 127.5 - 1 if images.dtype == np.uint8 else images
    return patchify(pixels, patch_size)[0]


@shaped
def masked_target(images, corruption, patch_size, target="mean_color"):
    """What a model should have said of the corrupted patches.     images (B, C, H, W)

    target "mean_color" -> (B, m) integers, "downsized" -> (B, m, 16) integers, "l2" -> (B, m, C P P) floats.
    """
    num_outputs(target, images.shape[1], patch_size)  # refuses an unknown target
    make = {"mean_color": mean_color_target, "downsized": downsized_target, "l2": patch_target}[target]
    every = make(images, patch_size)  # (B, N) or (B, N, ...)
    patches, _ = _check_corruption(corruption, *every.shape[:2])
    return np.take_along_axis(every, patches.reshape(*patches.shape, *[1] * (every.ndim - 2)), axis=1)


def to_bytes(images) -> np.ndarray:
    """Images (B, C, H, W) as 0 ... 255, from bytes or floats in [-1, 1]; anything else is a TypeError or ValueError."""
    _check_pixels(images)
    if images.dtype == np.uint8:
        return images
    levels = np.rint((images + 1) * 127.5)
    if levels.size and not (0 <= levels.min() and levels.max() <= 255):
        raise ValueError(f"images runs from {images.min():.4g} to {images.max():.4g}; expected floats in [-1, 1]")
    return levels.astype(np.uint8)


def _check_pixels(images):
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise TypeError(f"images has dtype {images.dtype}; expected uint8, or floats in [-1, 1]")
    if images.ndim != 4:
        raise ValueError(f"images has shape {images.shape}; expected (B, C, H, W)")


# ---- loss ---------------------------------------------------------------------------------------------------------


def masked_patch_loss(predictions, targets, reduction="mean"):
    """The loss over the corrupted patches: mean over images, or with reduction="none" one number per image.

    predictions (B, m, outputs) from `MaskedPatchViT`; targets from `masked_target`: integers are colours, compared by
    softmax cross-entropy, mean over the image's m (downsized: 16 m) guesses; floats are pixels, compared by squared
    difference, mean over m C P P.  -> scalar, or (B,) with reduction="none".  Raises ValueError for other shapes.
    """
    _check_prediction(predictions, targets)
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction={reduction!r} is not allowed; reduction must be 'mean' or 'none'")
    B = len(predictions)
    if targets.dtype.kind == "f":
        difference = predictions - targets  # [1]
        each = difference**2  # (B, m, C P P)  [2]
        cache = (None, difference)
    else:
        logits = predictions.reshape(*targets.shape, -1)  # (B, m, Q) or (B, m, 16, Q)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # [3]
        each = -np.take_along_axis(log_p, targets[..., None], axis=-1)  # [4]
        cache = (targets, log_p)
    losses = each.reshape(B, -1).mean(axis=1)  # (B,)  [5]
    loss = losses.mean() if reduction == "mean" else losses  # [6]
    return loss, (cache, each.size // B, predictions.shape, reduction)


@shaped
def masked_patch_loss_backward(dloss, cache):
    """dpredictions (B, m, outputs)"""
    (targets, kept), count, shape, reduction = cache
    dlosses = np.full(shape[0], dloss / shape[0], kept.dtype) if reduction == "mean" else dloss  # (B,)  from [6]
    deach = (dlosses / count).reshape(-1, *[1] * (kept.ndim - 1))  # (B, 1, ...)  from [5]
    if targets is None:
        return 2 * kept * deach  # from [1], [2]
    dlogits = np.exp(kept)  # from [3]: p, what the model said, minus ...
    said = np.take_along_axis(dlogits, targets[..., None], axis=-1)
    np.put_along_axis(dlogits, targets[..., None], said - 1, axis=-1)  # from [4]: ... 1 for the right colour
    return (dlogits * deach).reshape(shape)


def masked_patch_accuracy(predictions, targets):
    """Part of the colours that were guessed right, per image (B,); None for pixels (floats), which nobody hits."""
    _check_prediction(predictions, targets)
    if targets.dtype.kind == "f":
        return None
    right = predictions.reshape(*targets.shape, -1).argmax(axis=-1) == targets  # (B, m) or (B, m, 16)
    return right.reshape(len(targets), -1).mean(axis=1)


def _check_prediction(predictions, targets):
    if not isinstance(targets, np.ndarray) or targets.dtype.kind not in "fiu" or targets.ndim < 2:
        raise TypeError(f"targets is {str(targets)[:80]}; expected an array (B, m, ...), what `masked_target` gives")
    if not isinstance(predictions, np.ndarray) or predictions.dtype.kind not in "fiu":
        raise TypeError(f"predictions is {str(predictions)[:80]}; expected an array (B, m, outputs) of numbers")
    guesses = targets.size // max(1, targets.shape[0] * targets.shape[1])  # numbers per patch
    pixels = targets.dtype.kind == "f"
    fits = predictions.ndim == 3 and predictions.shape[:2] == targets.shape[:2]
    if not fits or (predictions.shape != targets.shape if pixels else predictions.shape[2] % guesses):
        raise ValueError(
            f"predictions has shape {predictions.shape}, targets {targets.shape}; expected (B, m, outputs)"
        )
    colours = predictions.shape[2] // guesses
    if not pixels and targets.size and not (0 <= targets.min() and targets.max() < colours):
        raise ValueError(f"targets run from {targets.min()} to {targets.max()}; allowed is 0..{colours - 1}")


# ---- model --------------------------------------------------------------------------------------------------------


class MaskedPatchViT(Module):
    """A ViT that predicts its corrupted patches: `vit`, the vector `mask_token` (D,), and `head` on single patches.

    config: a `ViTConfig`; rng, dtype: as for `ViT`; target: "mean_color", "downsized" or "l2".
    `vit` has no classification head (and no pre-logits layer): nothing would teach it.  `classifier()` gives it one.
    """

    def __init__(self, config: ViTConfig, rng, target="mean_color", dtype=np.float32):
        outputs = num_outputs(target, config.channels, config.patch_size)
        rng = np.random.default_rng(rng)
        self.config, self.target = config, target
        self.vit = ViT(config, rng, dtype)
        self.vit.pre_logits = self.vit.head = None
        self.dtype = self.vit.dtype
        self.mask_token = Parameter(np.zeros(config.width, self.dtype))  # as the class token starts
        self.head = Linear(config.width, outputs, rng, self.dtype)
        self.head.weight.value[...] = 0  # no opinion: every colour equally likely, every pixel grey

    def forward(self, images, corruption, record=None):
        """images (B, C, H, W) in [-1, 1], a `Corruption`  ->  predictions for the corrupted patches (B, m, outputs)

        The position embeddings come after the corruption: a patch that is hidden still knows where it is.
        record: an optional dict that receives every intermediate by name.  Raises as `ViT.forward` does, and TypeError
        or ValueError for a corruption that does not fit.
        """
        vit = self.vit
        images = vit.check_images(images).astype(self.dtype, copy=False)
        patches, sources = _check_corruption(corruption, len(images), self.config.num_patches)
        x = vit.patch_embedding(images, record)  # (B, N, D)
        x, cache = corrupt(x, self.mask_token.value, patches, sources)
        note(record, corrupted=x)
        x = vit.class_token(x)  # (B, T, D)
        z = vit.drop(vit.position_embedding(x))
        note(record, tokens=z)
        encoded = vit.encoder(z, record=record)  # (B, T, D)
        place = (patches + encoded.shape[1] - self.config.num_patches)[..., None]  # the class token comes first
        hidden = np.take_along_axis(encoded, place, axis=1)  # (B, m, D)
        note(record, hidden=hidden)
        predictions = self.head(hidden)  # (B, m, outputs)
        note(record, predictions=predictions)
        self.keep((cache, place, encoded.shape))
        return predictions

    def backward(self, dpredictions):
        """dpredictions (B, m, outputs)  ->  dimages (B, C, H, W); adds every parameter's gradient."""
        vit = self.vit
        cache, place, shape = self.take()
        dhidden = self.head.backward(dpredictions)  # (B, m, D)
        dencoded = np.zeros(shape, self.dtype)
        np.put_along_axis(dencoded, place, dhidden, axis=1)  # nobody looked at the other tokens' outputs
        dx = vit.position_embedding.backward(vit.drop.backward(vit.encoder.backward(dencoded)))
        dx = vit.class_token.backward(dx)
        dx, dmask_token = corrupt_backward(dx, cache)
        self.mask_token.add_grad(dmask_token)
        return vit.patch_embedding.backward(dx)

    def classifier(self, rng=None) -> ViT:
        """A whole `ViT` of the same config with a copy of what was learned, and a new head: for fine-tuning."""
        vit = ViT(self.config, rng, self.dtype)
        vit.load_state_dict(vit.state_dict() | self.vit.state_dict())
        return vit
