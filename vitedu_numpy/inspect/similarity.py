"""How alike position embeddings are (Sec. 4.5, Figs. 7 centre and 10).

Taught in notebooks/21_inside.ipynb.

Shapes: `gh gw` grid of patches, `N = gh gw`, `T` tokens (`N + 1` with the class token), `D` width.
"""

from __future__ import annotations

import math

import numpy as np

from ..contract import checked
from ..validate import is_integer
from .parts import vit_of
from .recorded import as_array

__all__ = ["position_similarity", "position_vectors"]


@checked
def position_vectors(model, block=None) -> np.ndarray:
    """What a model of either package adds to its tokens for their places, whatever the kind of position.  -> (T, D)

    block: of which block, where each has its own.  Raises ValueError for models that add nothing ("none"), or that know
    distances only ("relative").
    """
    vit, c = vit_of(model), vit_of(model).config
    if c.position_embedding in ("none", "relative"):
        why = "the model has none" if c.position_embedding == "none" else "it has a vector per distance, none per place"
        raise ValueError(f"position_embedding={c.position_embedding!r}: {why}")
    fits = block is None or (is_integer(block, 0) and block < c.depth)
    if (c.positions_in == "every") != (block is not None) or not fits:
        allowed = f"0 ... {c.depth - 1}" if c.positions_in == "every" else "None: positions are the same in all blocks"
        raise ValueError(f"block={block!r} is not allowed; block must be {allowed}")
    owner = {"stem": vit, "shared": vit.encoder}.get(c.positions_in) or vit.encoder.blocks[block]
    weight = vit.patch_embedding.weight
    row = getattr(weight, "value", weight)[:, :1].T * 0  # (1, D), an array or tensor as the model's own
    nothing = row[[0] * c.num_tokens][None]  # (1, T, D)
    (table,) = as_array(owner.position_embedding(nothing))  # 0 + positions
    return table


@checked
def position_similarity(vectors, grid=None) -> np.ndarray:
    """Cosine similarity of every patch's position with every patch's.     vectors (T, D)  ->  (gh, gw, gh, gw)

    Entry [r, c] is the tile of the patch in row r, column c.  One vector more than patches is the class token's:
    it comes first, and is left out.  grid (gh, gw): None for a square one.
    """
    vectors = as_array(vectors, "vectors")
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not np.isfinite(vectors).all():
        raise ValueError(f"vectors (dtype {vectors.dtype}, shape {vectors.shape}) must hold finite numbers (T, D)")
    vectors = vectors.astype(np.float64)
    T = len(vectors)
    if grid is None:
        sides = [math.isqrt(N) for N in (T - 1, T) if N and math.isqrt(N) ** 2 == N]
        if not sides:
            raise ValueError(f"vectors has {T} rows: no square grid with or without a class token; give grid=(gh, gw)")
        grid = (sides[0], sides[0])
    gh, gw = grid
    if T not in (gh * gw, gh * gw + 1):
        raise ValueError(f"vectors has {T} rows; expected {gh * gw} for a grid of {gh} x {gw}, or one more")
    vectors = vectors[T - gh * gw :]  # (N, D)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"vectors holds zeros alone for patch {int(np.argmin(lengths))}: they point nowhere")
    unit = vectors / lengths
    return np.clip(unit @ unit.T, -1, 1).reshape(gh, gw, gh, gw)
