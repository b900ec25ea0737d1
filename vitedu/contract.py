"""The shapes in a docstring, held to at every call of the PyTorch twin.  Taught in notebooks/08_vit_torch.ipynb."""

from __future__ import annotations

import torch

from vitedu_numpy.contract import shaped_for

__all__ = ["shaped"]


# A compiled program has been looked at when it was traced.
shaped = shaped_for(
    torch.Tensor, "a tensor", lambda dtype: not dtype.is_complex, skip=lambda: torch.compiler.is_compiling()
)
