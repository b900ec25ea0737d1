"""Masked patch prediction: guess the colours of hidden patches (App. B.1.2).  Taught in notebooks/14_pretraining.ipynb.

Nobody has to label anything: half of the patch embeddings are corrupted, and the model must say which colour those
patches had.  What the paper leaves open is decided in DEVIATIONS.md.

Shapes: `B` batch, `C` channels, `P` patch side, `N` patches, `m` of them corrupted (as many in every image), `D` width,
`Q = 8^C` colours of 3 bits per channel (RGB: 512).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from vitedu_numpy.config import ViTConfig
from vitedu_numpy.models.corruption import SIDE, Corruption, check_corruption, num_outputs
from vitedu_numpy.models.corruption import choose_corruption as draw_corruption
from vitedu_numpy.record import note

from ..layers.linear import Linear
from ..layers.patches import patchify
from ..module import Module, shaped
from ..tensors import may_look
from .vit import ViT

__all__ = [
    "MaskedPatchViT", "choose_corruption", "corrupt", "downsized_target", "masked_patch_accuracy",
    "masked_patch_loss", "masked_target", "mean_color_target", "patch_target",
]  # fmt: skip


# ---- which patches ------------------------------------------------------------------------------------------------


def choose_corruption(rngs, num_patches, rate=0.5) -> Corruption:
    """As tensors, what `vitedu_numpy/models/corruption.py` draws: both packages corrupt the same patches."""
    return Corruption(*map(torch.from_numpy, draw_corruption(rngs, num_patches, rate)))


def _check_corruption(corruption, B, N, device=None) -> Corruption:
    """Refuse what an index would silently get wrong."""
    check_corruption(corruption)
    patches, sources = (torch.as_tensor(numbers, device=device) for numbers in corruption)
    for name, numbers, last in (("patches", patches, N - 1), ("sources", sources, N)):
        if numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool:
            raise TypeError(f"corruption.{name} has dtype {numbers.dtype}; expected integers 0..{last}")
        if numbers.ndim != 2 or len(numbers) != B or numbers.shape != patches.shape:
            given = tuple(numbers.shape)
            raise ValueError(f"corruption.{name} has shape {given}; expected (B, m) with B={B}, as .patches has")
        if may_look(numbers) and not (0 <= numbers.min() and numbers.max() <= last):
            allowed = f"0..{last} for {N} patches"
            raise ValueError(f"corruption.{name} runs from {numbers.min()} to {numbers.max()}; allowed is {allowed}")
    if may_look(patches) and (patches[:, 1:] <= patches[:, :-1]).any():
        raise ValueError("corruption.patches must rise along each row; expected every patch once, in order")
    return Corruption(patches.long(), sources.long())


@shaped
def corrupt(x, mask_token, patches, sources):
    """Put other embeddings in the place of the corrupted ones.     x (B, N, D)   mask_token (D,)   ->   (B, N, D)

    patches, sources: see `Corruption`.
    """
    B, N, D = x.shape
    pool = torch.cat([x, mask_token.to(x.dtype).expand(B, 1, D)], dim=1)  # (B, N + 1, D)
    origin = torch.arange(N, device=x.device).expand(B, N)  # everybody stands in his own place, but ...
    origin = origin.scatter(1, patches, sources)  # (B, N)
    return torch.take_along_dim(pool, origin[..., None], dim=1)  # (B, N, D)


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
    patches = patchify(images, patch_size)  # (B, N, C P P)
    sums = patches.reshape(B, -1, C, patch_size**2).sum(dim=-1, dtype=torch.int64)  # (B, N, C)
    levels = sums // (32 * patch_size**2)
    return (levels * 8 ** torch.arange(C, device=images.device).flip(0)).sum(dim=-1)  # (B, N)


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
    return patchify(colors, SIDE)  # (B, N, 16)


@shaped
def patch_target(images, patch_size):
    """The pixels themselves, in [-1, 1].     images (B, C, H, W)  ->  (B, N, C P P)"""
    _check_pixels(images)
    pixels = images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images
    return patchify(pixels, patch_size)


@shaped
def masked_target(images, corruption, patch_size, target="mean_color"):
    """What a model should have said of the corrupted patches.     images (B, C, H, W)

    target "mean_color" -> (B, m) integers, "downsized" -> (B, m, 16) integers, "l2" -> (B, m, C P P) floats.
    """
    num_outputs(target, images.shape[1], patch_size)  # refuses an unknown target
    make = {"mean_color": mean_color_target, "downsized": downsized_target, "l2": patch_target}[target]
    every = make(images, patch_size)  # (B, N) or (B, N, ...)
    patches, _ = _check_corruption(corruption, *every.shape[:2], device=images.device)
    return torch.take_along_dim(every, patches.reshape(*patches.shape, *[1] * (every.ndim - 2)), dim=1)


def to_bytes(images) -> torch.Tensor:
    """Images (B, C, H, W) as 0 ... 255, from bytes or floats in [-1, 1]; anything else is a TypeError or ValueError."""
    _check_pixels(images)
    if images.dtype == torch.uint8:
        return images
    levels = torch.round((images + 1) * 127.5)
    if may_look(levels) and not (0 <= levels.min() and levels.max() <= 255):
        raise ValueError(f"images runs from {images.min():.4g} to {images.max():.4g}; expected floats in [-1, 1]")
    return levels.to(torch.uint8)


def _check_pixels(images):
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"images has dtype {images.dtype}; expected uint8, or floats in [-1, 1]")
    if images.ndim != 4:
        raise ValueError(f"images has shape {tuple(images.shape)}; expected (B, C, H, W)")


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
    if targets.is_floating_point():
        each = (predictions - targets) ** 2  # (B, m, C P P)
    else:
        logits = predictions.reshape(targets.numel(), -1)  # (B m, Q) or (B m 16, Q)
        each = F.cross_entropy(logits, targets.reshape(-1), reduction="none")
    losses = each.reshape(B, -1).mean(dim=1)  # (B,)
    return losses.mean() if reduction == "mean" else losses


def masked_patch_accuracy(predictions, targets):
    """Part of the colours that were guessed right, per image (B,); None for pixels (floats), which nobody hits."""
    _check_prediction(predictions, targets)
    if targets.is_floating_point():
        return None
    right = predictions.reshape(*targets.shape, -1).argmax(dim=-1) == targets  # (B, m) or (B, m, 16)
    return right.reshape(len(targets), -1).double().mean(dim=1)


def _check_prediction(predictions, targets):
    if not isinstance(targets, torch.Tensor) or targets.is_complex() or targets.dtype == torch.bool or targets.ndim < 2:
        raise TypeError(f"targets is {str(targets)[:80]}; expected a tensor (B, m, ...), what `masked_target` gives")
    if not isinstance(predictions, torch.Tensor) or predictions.is_complex():
        raise TypeError(f"predictions is {str(predictions)[:80]}; expected a tensor (B, m, outputs) of numbers")
    guesses = targets.numel() // max(1, targets.shape[0] * targets.shape[1])  # numbers per patch
    pixels = targets.is_floating_point()
    fits = predictions.ndim == 3 and predictions.shape[:2] == targets.shape[:2]
    if not fits or (predictions.shape != targets.shape if pixels else predictions.shape[2] % guesses):
        ours, theirs = tuple(predictions.shape), tuple(targets.shape)
        raise ValueError(f"predictions has shape {ours}, targets {theirs}; expected (B, m, outputs)")
    colours = predictions.shape[2] // guesses
    if not pixels and may_look(targets) and not (0 <= targets.min() and targets.max() < colours):
        raise ValueError(f"targets run from {targets.min()} to {targets.max()}; allowed is 0..{colours - 1}")


# ---- model --------------------------------------------------------------------------------------------------------


class MaskedPatchViT(Module):
    """A ViT that predicts its corrupted patches: `vit`, the vector `mask_token` (D,), and `head` on single patches.

    config: a `ViTConfig`; rng: as for `ViT`; target: "mean_color", "downsized" or "l2".
    `vit` has no classification head (and no pre-logits layer): nothing would teach it.  `classifier()` gives it one.
    """

    def __init__(self, config: ViTConfig, rng=None, target="mean_color"):
        outputs = num_outputs(target, config.channels, config.patch_size)
        super().__init__()
        rng = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        self.config, self.target = config, target
        self.vit = ViT(config, rng)
        self.vit.pre_logits = self.vit.head = None
        self.mask_token = nn.Parameter(torch.zeros(config.width))  # as the class token starts
        self.head = Linear(config.width, outputs, rng)
        nn.init.zeros_(self.head.weight)  # no opinion: every colour equally likely, every pixel grey

    def forward(self, images, corruption, record=None):
        """images (B, C, H, W) in [-1, 1], a `Corruption`  ->  predictions for the corrupted patches (B, m, outputs)

        The position embeddings come after the corruption: a patch that is hidden still knows where it is.
        record: an optional dict that receives every intermediate by name.  Raises as `ViT.forward` does, and TypeError
        or ValueError for a corruption that does not fit.
        """
        vit = self.vit
        images = vit.check_images(images).to(vit.patch_embedding.weight.dtype)
        patches, sources = _check_corruption(corruption, len(images), self.config.num_patches, images.device)
        x = vit.patch_embedding(images, record)  # (B, N, D)
        x = corrupt(x, self.mask_token, patches, sources)
        note(record, corrupted=x)
        x = vit.class_token(x)  # (B, T, D)
        z = vit.drop(vit.position_embedding(x))
        note(record, tokens=z)
        encoded = vit.encoder(z, record=record)  # (B, T, D)
        place = (patches + encoded.shape[1] - self.config.num_patches)[..., None]  # the class token comes first
        hidden = torch.take_along_dim(encoded, place, dim=1)  # (B, m, D)
        note(record, hidden=hidden)
        predictions = self.head(hidden).clone()  # (B, m, outputs)  no view: FSDP hangs a hook on what comes out
        note(record, predictions=predictions)
        return predictions

    def classifier(self, rng=None) -> ViT:
        """A whole `ViT` of the same config with a copy of what was learned, and a new head: for fine-tuning."""
        vit = ViT(self.config, rng).to(self.mask_token)
        vit.load_state_dict(vit.state_dict() | self.vit.state_dict())
        return vit
