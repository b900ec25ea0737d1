"""Model and training settings as frozen data.  Taught in notebooks/00_map.ipynb.

The same text stands in `vitedu_numpy/config.py` and `vitedu/config.py` (a test compares them), so either
package builds its models from either package's settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

__all__ = ["DIGITS_TRAINING", "DIGITS_VIT", "TrainConfig", "ViTConfig"]


def _require(condition: bool, name: str, value, allowed: str) -> None:
    """Raise a ValueError that names the argument, what was given and what is allowed."""
    if not condition:
        raise ValueError(f"{name}={value!r} is not allowed; {name} must be {allowed}")


def _is_count(value, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


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
    position_embedding: str = "1d"  # "1d": one learned vector per token; "none": no position at all
    gelu: str = "erf"  # "erf": x Phi(x), the definition; "tanh": the approximation the official code uses
    dropout: float = 0.0  # after E_pos, after attention's output layer, after both MLP layers
    attention_dropout: float = 0.0  # on the attention weights A
    layernorm_eps: float = 1e-6

    def __post_init__(self):
        size = self.image_size
        is_pair = isinstance(size, (tuple, list)) and len(size) == 2 and all(map(_is_count, size))
        _require(_is_count(size) or is_pair, "image_size", size, "a positive integer or a pair (H, W) of them")
        object.__setattr__(self, "image_size", tuple(size) if is_pair else size)
        for name in ("patch_size", "width", "depth", "heads", "mlp_dim", "num_classes", "channels"):
            _require(_is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        size, P = self.image_size, self.patch_size
        H, W = self.image_hw
        _require(H % P == 0 and W % P == 0, "image_size", size, f"a multiple of patch_size={P} on both sides")
        _require(self.width % self.heads == 0, "width", self.width, f"a multiple of heads={self.heads}")
        rep = self.representation_size
        _require(rep is None or _is_count(rep), "representation_size", rep, "a positive integer or None")
        for name, allowed in _CHOICES.items():
            _require(getattr(self, name) in allowed, name, getattr(self, name), f"one of {allowed}")
        for name in ("dropout", "attention_dropout"):
            rate = getattr(self, name)
            _require(_is_number(rate) and 0 <= rate < 1, name, rate, "a number in [0, 1)")
        eps = self.layernorm_eps
        _require(_is_number(eps) and eps > 0, "layernorm_eps", eps, "a positive number")

    @property
    def image_hw(self) -> tuple[int, int]:
        """Image height and width (H, W), pixels."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)

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


_CHOICES = {
    "classifier": ("token", "gap"),
    "position_embedding": ("1d", "none"),
    "gelu": ("erf", "tanh"),
}


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
        for name in ("steps", "batch_size"):
            _require(_is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        for name in ("warmup_steps", "shift", "seed"):
            _require(_is_count(getattr(self, name), 0), name, getattr(self, name), "an integer >= 0")
        _require(self.warmup_steps <= self.steps, "warmup_steps", self.warmup_steps, f"at most steps={self.steps}")
        lr, wd, clip, smooth = self.learning_rate, self.weight_decay, self.clip_norm, self.label_smoothing
        _require(_is_number(lr) and lr > 0, "learning_rate", lr, "a positive number")
        _require(_is_number(wd) and wd >= 0, "weight_decay", wd, "a number >= 0")
        _require(clip is None or (_is_number(clip) and clip > 0), "clip_norm", clip, "a positive number or None")
        _require(_is_number(smooth) and 0 <= smooth < 1, "label_smoothing", smooth, "a number in [0, 1)")
        decays, losses = ("cosine", "linear", "none"), ("softmax", "sigmoid")
        _require(self.decay in decays, "decay", self.decay, f"one of {decays}")
        _require(self.loss in losses, "loss", self.loss, f"one of {losses}")


# scikit-learn's 8x8 digits: 16 patches of 2x2 pixels.  The recipe that notebooks 07 and 08 train; steps, learning
# rate and decay were chosen on a fifth of the training part.
DIGITS_VIT = ViTConfig(image_size=8, patch_size=2, width=48, depth=3, heads=4, mlp_dim=96, num_classes=10, channels=1)
DIGITS_TRAINING = TrainConfig(
    steps=2000, batch_size=64, learning_rate=3e-3, warmup_steps=200, weight_decay=0.5, label_smoothing=0.1, shift=1
)
