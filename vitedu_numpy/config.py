"""Model and training settings as frozen data.  Taught in notebooks/00_map.ipynb.

Both packages build their models from these settings; the file stands once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from .validate import (
    check_choices,
    check_counts,
    check_positive,
    check_rates,
    is_count,
    is_number,
    plain_numbers,
    require,
)

__all__ = [
    "DIGITS_TRAINING", "DIGITS_VIT", "BiTConfig", "EfficientNetConfig", "HybridConfig", "TrainConfig",
    "TransformerConfig", "ViTConfig", "VideoViTConfig",
]  # fmt: skip


def _check_image_size(config) -> None:
    """Positive integer or pair; a list becomes a tuple, so that equal settings compare equal, as do NumPy's numbers."""
    plain_numbers(config)
    size = config.image_size
    is_pair = isinstance(size, (tuple, list)) and len(size) == 2 and all(map(is_count, size))
    require(is_count(size) or is_pair, "image_size", size, "a positive integer or a pair (H, W) of them")
    object.__setattr__(config, "image_size", tuple(size) if is_pair else size)


def _check_blocks(config, least: int) -> None:
    """Numbers of residual units, stage by stage."""
    blocks = config.blocks
    is_list = isinstance(blocks, (tuple, list)) and all(map(is_count, blocks))
    require(is_list and len(blocks) >= least, "blocks", blocks, f"{least} or more positive integers, one per stage")
    object.__setattr__(config, "blocks", tuple(blocks))


def _listed(value) -> tuple:
    """A tuple or list as it is, anything else as nothing at all."""
    return tuple(value) if isinstance(value, (tuple, list)) else ()


def _image_hw(image_size) -> tuple[int, int]:
    return image_size if isinstance(image_size, tuple) else (image_size, image_size)


@dataclass(frozen=True)
class ViTConfig:
    """Everything that fixes a Vision Transformer's parameters and arithmetic (Table 1, Eqs. 1-4).

    Images are `(B, C, H, W)` with values in [-1, 1].  Raises ValueError when a field is out of its range, when
    `patch_size` does not divide the image, or when `heads` does not divide `width`.
    """

    image_size: int | tuple[int, int]  # pixels: H = W, or (H, W)
    patch_size: int  # P, pixels
    width: int  # D
    depth: int  # L, number of blocks
    heads: int  # h; each works on Dh = D / h numbers
    mlp_dim: int  # M, hidden width of the MLP
    num_classes: int  # K
    channels: int = 3  # C
    classifier: str = "token"  # "token": read the class token; "gap": mean over all patch tokens
    representation_size: int | None = None  # width of the tanh "pre-logits" layer, None: no such layer
    position_embedding: str = "1d"  # "none", "1d", "2d", "sincos2d" or "relative" (Table 8; see `patches.py`)
    position_at: str | None = None  # "stem": added once; "every": each block has its own; "shared": one, in each block
    gelu: str = "erf"  # "erf": x Phi(x), the definition; "tanh": the approximation the official code uses
    dropout: float = 0.0  # after E_pos, after attention's output layer, after both MLP layers
    attention_dropout: float = 0.0  # on the attention weights A
    stochastic_depth: float = 0.0  # rate at which the last block's branches are dropped; from 0, block by block
    layernorm_eps: float = 1e-6
    head_bias: float = 0.0  # what every class score starts at; about -log K with a sigmoid loss

    def __post_init__(self):
        _check_image_size(self)
        check_counts(self, "patch_size", "width", "depth", "heads", "mlp_dim", "num_classes", "channels")
        self._check_grid()
        D, rep = self.width, self.representation_size
        require(D % self.heads == 0, "width", D, f"a multiple of heads={self.heads}")
        require(rep is None or is_count(rep), "representation_size", rep, "a positive integer or None")
        check_choices(self, classifier=("token", "gap"), gelu=("erf", "tanh"))
        check_choices(self, position_embedding=("1d", "2d", "sincos2d", "relative", "none"))
        check_choices(self, position_at=(None, "stem", "every", "shared"))
        if self.position_embedding == "relative":  # it lives inside attention, so there is nothing to add at the stem
            check_choices(self, position_at=(None, "every", "shared"))
        parts = {"2d": 2, "sincos2d": 4}.get(self.position_embedding, 1)
        require(D % parts == 0, "width", D, f"a multiple of {parts} for {self.position_embedding!r} positions")
        check_rates(self, "dropout", "attention_dropout", "stochastic_depth")
        check_positive(self, "layernorm_eps")
        require(is_number(self.head_bias), "head_bias", self.head_bias, "a number")

    def _check_grid(self) -> None:
        P, (H, W) = self.patch_size, self.image_hw
        require(H % P == 0 and W % P == 0, "image_size", self.image_size, f"a multiple of patch_size={P} on both sides")

    @property
    def image_hw(self) -> tuple[int, int]:
        """Image height and width (H, W), pixels."""
        return _image_hw(self.image_size)

    @property
    def grid(self) -> tuple[int, int]:
        """Number of patches down and across: (gh, gw)."""
        H, W = self.image_hw
        return H // self.patch_size, W // self.patch_size

    @property
    def num_patches(self) -> int:
        """N = H W / P^2."""
        gh, gw = self.grid
        return gh * gw

    @property
    def num_tokens(self) -> int:
        """T: N patch tokens, and the class token if there is one."""
        return self.num_patches + (self.classifier == "token")

    @property
    def positions_in(self) -> str:
        """Where positions come in, with the default resolved: "stem", "every" or "shared"."""
        return self.position_at or ("every" if self.position_embedding == "relative" else "stem")


@dataclass(frozen=True)
class HybridConfig(ViTConfig):
    """A ViT whose input is a ResNet's feature map (Sec. 3.1 "Hybrid Architecture"); `patch_size` counts its pixels.

    The ResNet is the one of the authors' hybrid code.  Every stage but the first halves the feature map, after a
    root that divides the image by 4; odd sides round up.  R50+ViT-B/16 has `blocks` (3, 4, 9): stage 4 removed and its
    three units put into stage 3, so that the total stays.
    """

    blocks: tuple[int, ...] = (3, 4, 9)  # residual units per stage; (): the root alone
    backbone_width: int = 64  # channels after the root; stage s works on 2^s times as many and gives 4 times that
    groups: int = 32  # of group normalisation
    groupnorm_eps: float = 1e-6
    standardize_eps: float = 1e-5  # added to the standard deviation of a filter

    def __post_init__(self):
        plain_numbers(self)
        _check_blocks(self, 0)
        check_counts(self, "backbone_width", "groups")
        require(
            self.backbone_width % self.groups == 0, "backbone_width", self.backbone_width,
            f"a multiple of groups={self.groups}",
        )  # fmt: skip
        check_positive(self, "groupnorm_eps", "standardize_eps")
        super().__post_init__()

    def _check_grid(self) -> None:
        P, (H, W), size = self.patch_size, self.feature_hw, self.image_size
        allowed = f"such that its feature map, {H} x {W}, is a multiple of patch_size={P} on both sides"
        require(H % P == 0 and W % P == 0, "image_size", size, allowed)

    @property
    def stride(self) -> int:
        """Pixels of the image to a pixel of the feature map, on one side."""
        return 4 * 2 ** max(len(self.blocks) - 1, 0)

    @property
    def feature_hw(self) -> tuple[int, int]:
        """Height and width of the feature map: the image's, divided by 4 and by 2 per further stage, rounded up."""
        H, W = self.image_hw
        return -(-H // self.stride), -(-W // self.stride)

    @property
    def feature_channels(self) -> int:
        """Channels of the feature map."""
        return self.backbone_width * (4 * 2 ** (len(self.blocks) - 1) if self.blocks else 1)

    @property
    def grid(self) -> tuple[int, int]:
        """Number of patches down and across the feature map: (gh, gw)."""
        H, W = self.feature_hw
        return H // self.patch_size, W // self.patch_size

    @property
    def vit(self) -> ViTConfig:
        """The ViT that reads the feature map as if it were an image of `feature_channels` channels."""
        same = {f.name: getattr(self, f.name) for f in fields(ViTConfig)}
        return ViTConfig(**{**same, "image_size": self.feature_hw, "channels": self.feature_channels})


@dataclass(frozen=True)
class BiTConfig:
    """A ResNet with group normalisation and weight standardisation (Kolesnikov et al. 2020), the paper's baseline.

    R50x2: `blocks` (3, 4, 6, 3), `width_factor` 2.  Raises ValueError when a field is out of its range.
    """

    blocks: tuple[int, ...]  # residual units per stage; each stage but the first halves the feature map
    num_classes: int  # K
    width_factor: int = 1  # the "x2" of R50x2: all channels times this
    image_size: int | tuple[int, int] = 224  # what compute is counted for; forward takes any size
    channels: int = 3  # C
    base_width: int = 64  # channels after the root; stage s works on 2^s times as many and gives 4 times that
    stem: str = "imagenet"  # "imagenet": 7x7 / 2 and max-pool / 2; "small": one 3x3 convolution, for small images
    pool_padding: str = "zero"  # border of the max-pool: "zero" (big_transfer) or "-inf" (big_vision)
    groups: int = 32  # of group normalisation
    groupnorm_eps: float = 1e-5
    standardize_eps: float = 1e-10  # added to the variance of a filter
    head_bias: float = 0.0  # what every class score starts at

    def __post_init__(self):
        plain_numbers(self)
        _check_blocks(self, 1)
        _check_image_size(self)
        check_counts(self, "num_classes", "width_factor", "channels", "base_width", "groups")
        check_choices(self, stem=("imagenet", "small"), pool_padding=("zero", "-inf"))
        width = self.base_width * self.width_factor
        require(width % self.groups == 0, "base_width", self.base_width, f"such that groups={self.groups} divides it")
        check_positive(self, "groupnorm_eps", "standardize_eps")
        require(is_number(self.head_bias), "head_bias", self.head_bias, "a number")

    @property
    def image_hw(self) -> tuple[int, int]:
        """Image height and width (H, W), pixels."""
        return _image_hw(self.image_size)

    @property
    def feature_channels(self) -> int:
        """Channels of the last feature map: what the head reads."""
        return self.base_width * self.width_factor * 4 * 2 ** (len(self.blocks) - 1)


class MBConvSettings(NamedTuple):
    """One block of an EfficientNet, all multipliers applied."""

    inputs: int  # channels
    outputs: int
    kernel: int
    stride: int
    hidden: int  # channels between expansion and projection
    squeezed: int  # channels inside squeeze-and-excitation
    stochastic_depth: float  # rate

    @property
    def has_shortcut(self) -> bool:
        """Whether the block's input is added to what it gives."""
        return self.stride == 1 and self.inputs == self.outputs


@dataclass(frozen=True)
class EfficientNetConfig:
    """An EfficientNet (Tan & Le 2019, arXiv:1905.11946); the defaults are B0.

    A stage is (repeats, kernel, stride, expansion, channels); the stride is that of its first block.  The multipliers
    make B1 to B7 of it: channels are rounded to multiples of 8 (1 leaves them as they are), repeats up.  Raises
    ValueError when a field is out of its range.
    """

    num_classes: int  # K
    image_size: int | tuple[int, int] = 224  # what compute is counted for; forward takes any size
    channels: int = 3  # C
    stem_width: int = 32  # channels after the stem, a 3x3 convolution
    stem_stride: int = 2
    stages: tuple[tuple[int, int, int, int, int], ...] = (
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    )  # fmt: skip
    top_width: int = 1280  # channels of the last 1x1 convolution
    width_multiplier: float = 1.0
    depth_multiplier: float = 1.0
    dropout: float = 0.0  # on what the head reads
    stochastic_depth: float = 0.0  # rate at which the last block's branch is dropped; from 0, block by block
    batchnorm_momentum: float = 0.99  # part of a running average that stays at every step
    batchnorm_eps: float = 1e-3
    head_bias: float = 0.0  # what every class score starts at

    def __post_init__(self):
        _check_image_size(self)
        check_counts(self, "num_classes", "channels", "stem_width", "stem_stride", "top_width")
        is_stage = [
            isinstance(s, (tuple, list)) and len(s) == 5 and all(map(is_count, s)) for s in _listed(self.stages)
        ]
        allowed = "one or more stages (repeats, kernel, stride, expansion, channels), all positive integers"
        require(is_stage and all(is_stage), "stages", self.stages, allowed)
        object.__setattr__(self, "stages", tuple(map(tuple, self.stages)))
        check_positive(self, "width_multiplier", "depth_multiplier", "batchnorm_eps")
        check_rates(self, "dropout", "stochastic_depth", "batchnorm_momentum")
        require(is_number(self.head_bias), "head_bias", self.head_bias, "a number")

    @property
    def image_hw(self) -> tuple[int, int]:
        """Image height and width (H, W), pixels."""
        return _image_hw(self.image_size)

    def rounded(self, channels: int) -> int:
        """`width_multiplier` times as many channels: a multiple of 8, not below nine tenths of that."""
        if self.width_multiplier == 1:
            return channels
        wide = channels * self.width_multiplier
        near = max(8, int(wide + 4) // 8 * 8)
        return near + 8 if near < 0.9 * wide else near

    @property
    def stem_channels(self) -> int:
        """Channels after the stem."""
        return self.rounded(self.stem_width)

    @property
    def feature_channels(self) -> int:
        """Channels of the last feature map: what the head reads."""
        return self.rounded(self.top_width)

    @property
    def blocks(self) -> tuple[MBConvSettings, ...]:
        """Every block in order.  Stochastic depth's rate rises evenly, from 0 in the first (or only) block."""
        shapes, inputs = [], self.stem_channels
        for repeats, kernel, stride, expansion, channels in self.stages:
            for i in range(math.ceil(self.depth_multiplier * repeats)):
                outputs, first = self.rounded(channels), i == 0
                hidden, squeezed = inputs * expansion, max(1, inputs // 4)  # a quarter of the block's input
                shapes.append((inputs, outputs, kernel, stride if first else 1, hidden, squeezed))
                inputs = outputs
        last = max(len(shapes) - 1, 1)
        return tuple(MBConvSettings(*shape, self.stochastic_depth * b / last) for b, shape in enumerate(shapes))


@dataclass(frozen=True)
class TransformerConfig:
    """The encoder-decoder of Vaswani et al. (2017): one sequence of symbols in, another out.

    Raises ValueError when a field is out of its range.
    """

    source_vocabulary: int  # Vs: symbols 0 ... Vs - 1
    target_vocabulary: int  # Vt
    width: int  # D
    depth: int  # L blocks in the encoder and L in the decoder
    heads: int  # h
    mlp_dim: int  # M
    norm: str = "post"  # "post": LN(x + f(x)), as in 2017; "pre": x + f(LN(x)) and a last LN, as in the ViT
    max_length: int = 512  # longest sequence
    pad: int = 0  # the symbol that fills short sequences; nobody may ask it
    tied: bool = False  # True: the output layer's matrix is the target embedding
    dropout: float = 0.0  # after embedding + position, and on every sublayer's output
    attention_dropout: float = 0.0
    layernorm_eps: float = 1e-6

    def __post_init__(self):
        plain_numbers(self)
        sizes = ("source_vocabulary", "target_vocabulary", "width", "depth", "heads", "mlp_dim", "max_length")
        check_counts(self, *sizes)
        require(self.width % self.heads == 0, "width", self.width, f"a multiple of heads={self.heads}")
        require(self.width % 2 == 0, "width", self.width, "even: a sine and a cosine per frequency")
        check_choices(self, norm=("post", "pre"), tied=(True, False))
        least = min(self.source_vocabulary, self.target_vocabulary)
        require(is_count(self.pad, 0) and self.pad < least, "pad", self.pad, "a symbol of both vocabularies")
        check_rates(self, "dropout", "attention_dropout")
        check_positive(self, "layernorm_eps")


@dataclass(frozen=True)
class VideoViTConfig:
    """A Vision Transformer that reads videos `(B, F, C, H, W)` (Arnab et al. 2021: their models 1 and 3).

    Raises ValueError when a field is out of its range, when `tubelet_length` does not divide `frames`, `patch_size` the
    image, or `heads` the width, and for a class token where there is no place for it: with factorised attention, or
    with positions in space alone.
    """

    frames: int  # F
    image_size: int | tuple[int, int]  # pixels of a frame: H = W, or (H, W)
    tubelet_length: int  # Pf, frames
    patch_size: int  # P, pixels
    width: int  # D
    depth: int  # L, number of blocks
    heads: int  # h
    mlp_dim: int  # M, hidden width of the MLP
    num_classes: int  # K
    channels: int = 3  # C
    attention: str = "joint"  # "joint": every token asks all; "factorised": its slice, then its place through time
    classifier: str = "gap"  # "gap": mean over all tokens; "token": read a class token
    position_embedding: str = "spacetime"  # a vector per place and time; "space": per place; "none"
    gelu: str = "erf"
    layernorm_eps: float = 1e-6

    def __post_init__(self):
        _check_image_size(self)
        counts = ("frames", "tubelet_length", "patch_size", "width", "depth", "heads", "mlp_dim", "num_classes")
        check_counts(self, *counts, "channels")
        Pf = self.tubelet_length
        require(self.frames % Pf == 0, "frames", self.frames, f"a multiple of tubelet_length={Pf}")
        self._check_grid()
        require(self.width % self.heads == 0, "width", self.width, f"a multiple of heads={self.heads}")
        check_choices(self, attention=("joint", "factorised"), classifier=("gap", "token"), gelu=("erf", "tanh"))
        check_choices(self, position_embedding=("spacetime", "space", "none"))
        check_positive(self, "layernorm_eps")
        if self.attention == "factorised" or self.position_embedding == "space":
            why = "'gap' with factorised attention or positions in space: a class token belongs to no slice"
            require(self.classifier == "gap", "classifier", self.classifier, why)

    # Of one frame, or one slice of tubelets: what a ViT has of its image.
    image_hw, grid, num_patches = ViTConfig.image_hw, ViTConfig.grid, ViTConfig.num_patches
    _check_grid = ViTConfig._check_grid

    @property
    def slices(self) -> int:
        """gf = F / Pf: tubelets one after the other."""
        return self.frames // self.tubelet_length

    @property
    def num_tokens(self) -> int:
        """T: gf N tubelets, and the class token if there is one."""
        return self.slices * self.num_patches + (self.classifier == "token")


@dataclass(frozen=True)
class TrainConfig:
    """One training run: Adam with decoupled weight decay, warm-up, decay, clipping (Sec. 4.1, Table 3).

    Raises ValueError when a field is out of its range.
    """

    steps: int  # optimiser updates
    batch_size: int  # images per update
    learning_rate: float  # after warm-up, before decay
    warmup_steps: int = 0  # linear from 0; the first update then has learning rate 0, as in the official code
    decay: str = "cosine"  # "cosine": to 0; "linear": to 0; "none": constant after warm-up
    weight_decay: float = 0.0  # decoupled; multiplied by the learning rate, on weight matrices only
    clip_norm: float | None = 1.0  # largest global gradient norm, None: never clip
    label_smoothing: float = 0.0
    loss: str = "softmax"  # "softmax" or "sigmoid" cross-entropy
    shift: int = 0  # augmentation: shift each image by up to this many pixels each way
    seed: int = 0  # order of the data, shifts and dropout

    def __post_init__(self):
        plain_numbers(self)
        for name in ("steps", "batch_size"):
            require(is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        for name in ("warmup_steps", "shift", "seed"):
            require(is_count(getattr(self, name), 0), name, getattr(self, name), "an integer >= 0")
        require(self.warmup_steps <= self.steps, "warmup_steps", self.warmup_steps, f"at most steps={self.steps}")
        lr, wd, clip, smooth = self.learning_rate, self.weight_decay, self.clip_norm, self.label_smoothing
        require(is_number(lr) and lr > 0, "learning_rate", lr, "a positive number")
        require(is_number(wd) and wd >= 0, "weight_decay", wd, "a number >= 0")
        require(clip is None or (is_number(clip) and clip > 0), "clip_norm", clip, "a positive number or None")
        require(is_number(smooth) and 0 <= smooth < 1, "label_smoothing", smooth, "a number in [0, 1)")
        decays, losses = ("cosine", "linear", "none"), ("softmax", "sigmoid")
        require(self.decay in decays, "decay", self.decay, f"one of {decays}")
        require(self.loss in losses, "loss", self.loss, f"one of {losses}")


# scikit-learn's 8x8 digits: 16 patches of 2x2 pixels.  Notebooks 07 and 08 train by this recipe, 07 with patches of 4x4
# and two blocks; steps, learning rate and decay were chosen on a fifth of the training part.
DIGITS_VIT = ViTConfig(image_size=8, patch_size=2, width=48, depth=3, heads=4, mlp_dim=96, num_classes=10, channels=1)
DIGITS_TRAINING = TrainConfig(
    steps=2000, batch_size=64, learning_rate=3e-3, warmup_steps=200, weight_decay=0.5, label_smoothing=0.1, shift=1
)
