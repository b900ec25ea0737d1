"""Max-pooling.  Taught in notebooks/09_bit.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `Ho Wo` output size.
"""

from __future__ import annotations

import torch.nn.functional as F

from vitedu_numpy.layers.padding import explicit_padding

from ..module import Module, shaped

__all__ = ["MaxPool", "max_pool"]


@shaped
def max_pool(x, kernel=3, stride=2, padding=1, border=0.0):
    """The largest number of every window.     x (B, C, H, W)  ->  (B, C, Ho, Wo)

    padding: as in `explicit_padding`; border: what stands in the padding, 0 (it can then be the largest) or -inf (it
    never is).
    """
    rows, cols = explicit_padding(padding, x.shape[2:], (kernel, kernel), stride)
    return F.max_pool2d(F.pad(x, (*cols, *rows), value=border), kernel, stride)


class MaxPool(Module):
    """`max_pool` with its settings; no parameters."""

    def __init__(self, kernel=3, stride=2, padding=1, border=0.0):
        super().__init__()
        self.kernel, self.stride, self.padding, self.border = kernel, stride, padding, border

    def forward(self, x):
        return max_pool(x, self.kernel, self.stride, self.padding, self.border)
