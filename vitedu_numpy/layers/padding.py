"""How many pixels stand around an image: numbers alone.  Taught in notebooks/09_bit.ipynb."""

from __future__ import annotations

from ..validate import check_argument, is_count, require

__all__ = ["check_batch", "explicit_padding", "same_padding"]


def check_batch(x) -> None:
    """Refuse a batch whose channels have no variance: x (B, C, H, W)."""
    if x[0] * x[2] * x[3] < 2:
        raise ValueError(f"x has shape {tuple(x)}; batch normalisation trains on 2 or more numbers per channel, B H W")


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after), pixels, such that a window of `kernel` at every `stride` gives ceil(size / stride) outputs.

    This is TensorFlow's and JAX's "SAME": where the total is odd, the extra pixel comes at the end.
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def explicit_padding(padding, size, kernel, stride) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)), pixels.     size (H, W)   kernel (kh, kw)

    padding: an integer for all four sides, "same", or the two pairs themselves.  Raises ValueError for anything else,
    for a stride that is not a positive integer, and for a window that is larger than the padded image.
    """
    require(is_count(stride), "stride", stride, "a positive integer")
    check_argument("padding", padding)
    if padding == "same":
        padding = [same_padding(n, k, stride) for n, k in zip(size, kernel, strict=True)]
    elif isinstance(padding, int):
        padding = [(padding, padding), (padding, padding)]
    (top, bottom), (left, right) = padding
    padded = (size[0] + top + bottom, size[1] + left + right)
    if padded[0] < kernel[0] or padded[1] < kernel[1]:
        raise ValueError(f"images of {padded} pixels, padding included, are smaller than the kernel {tuple(kernel)}")
    return (top, bottom), (left, right)
