"""Do two layers see the same?  Linear CKA (Kornblith et al. 2019, arXiv:1905.00414), as Raghu et al. 2021
(arXiv:2108.08810) compare ViTs with ResNets.  Taught in notebooks/21_inside.ipynb.

Shapes: `n` images, `p` numbers of a layer about an image.
"""

from __future__ import annotations

import numpy as np

from ..contract import checked
from ..validate import require
from .recorded import as_array, block_keys

__all__ = ["cka_matrix", "layer_features", "linear_cka"]


@checked
def layer_features(record, read="all", names=None) -> dict[str, np.ndarray]:
    """What each layer says about each image, a row of numbers: key of the record -> (B, p).

    names: keys, in order; None: "tokens" and every block's z.  read: "all" numbers, of the "first" token alone, or the
    "mean" over the tokens (of a feature map: over its pixels; it has no first).  For CKA over more images than a pass
    takes, join the rows of several passes.
    """
    if names is None:
        names = ["tokens", *block_keys(record, "z")]
    is_list = isinstance(names, (list, tuple)) and len(names) > 0
    require(is_list, "names", names, "a list of keys of the record, or None")
    missing = [name for name in names if name not in record]
    if missing:
        raise KeyError(f"record lacks {missing}; names must be keys of this record, which has {len(record)}")
    require(read in ("all", "first", "mean"), "read", read, "one of ('all', 'first', 'mean')")
    features = {}
    for name in names:
        x = as_array(record[name], f"record[{name!r}]")
        if read != "all" and x.ndim == 4:
            x = x.reshape(*x.shape[:2], -1).swapaxes(1, 2)  # (B, H W, C)
            if read == "first":
                raise ValueError(f"read='first' is not allowed: {name!r} is a feature map, which has no class token")
        if read != "all" and x.ndim == 3:
            x = x[:, 0] if read == "first" else x.mean(axis=1)
        features[name] = x.reshape(len(x), -1)
    return features


@checked
def linear_cka(X, Y, unbiased=False) -> float:
    """CKA = |X^T Y|^2 / (|X^T X| |Y^T Y|), Frobenius norms, columns' means taken off.     X (n, p1)   Y (n, p2)

    Symmetric; rotating, scaling or shifting the rows of X or Y changes nothing; 1 for X with itself.  See `cka_matrix`.
    """
    X, Y = (_checked(matrix, name, unbiased) for name, matrix in (("X", X), ("Y", Y)))
    return float(cka_matrix([X], [Y], unbiased)[0, 0])


@checked
def cka_matrix(Xs, Ys=None, unbiased=False) -> np.ndarray:
    """`linear_cka` of each of Xs with each of Ys (None: Xs themselves).     lists of (n, p)  ->  (len(Xs), len(Ys))

    |X^T Y|^2 = sum over images i, j of (x_i . x_j)(y_i . y_j): where features outnumber images, (n, n) Gram matrices
    are cheaper, each made once; otherwise the p1 x p2 products.  Both are exact, in float64.
    unbiased: the estimate of Song et al. (2012), without the terms i = j, for which CKA of unrelated features is near 0
    (the plain one nears 1 as p / n grows); it needs n >= 4 and may come out below 0.
    Raises ValueError for rows that do not match, or features in which nothing varies.
    """
    Xs = [_checked(X, f"Xs[{i}]", unbiased) for i, X in enumerate(Xs)]
    Ys = None if Ys is None else [_checked(Y, f"Ys[{i}]", unbiased) for i, Y in enumerate(Ys)]
    for name, layers in (("Xs", Xs), ("Ys", Ys or [])):
        for i, X in enumerate(layers):
            if len(X) != len(Xs[0]):
                raise ValueError(f"{name}[{i}] has {len(X)} rows, Xs[0] {len(Xs[0])}; a row is one image in all")
    use_gram = _gram_is_cheaper(len(Xs[0]), [X.shape[1] for X in Xs], [Y.shape[1] for Y in (Ys or Xs)])
    Xs = [_Layer(X, f"Xs[{i}]", use_gram, unbiased) for i, X in enumerate(Xs)]
    Ys = Xs if Ys is None else [_Layer(Y, f"Ys[{i}]", use_gram, unbiased) for i, Y in enumerate(Ys)]
    return np.array([[X.hsic(Y) / np.sqrt(X.own * Y.own) for Y in Ys] for X in Xs])


def _checked(X, name, unbiased) -> np.ndarray:
    X, least = as_array(X, name), 4 if unbiased else 2
    if X.ndim != 2 or len(X) < least or X.shape[1] < 1:
        raise ValueError(f"{name} has shape {X.shape}; expected (n, p) with n >= {least}")
    if X.dtype.kind not in "fiu" or not np.isfinite(X).all():
        raise ValueError(f"{name} (dtype {X.dtype}) must hold finite real numbers")
    return X


def _gram_is_cheaper(n, ps, qs) -> bool:
    """Products: n^2 p for every Gram matrix and n^2 for every pair, against n p q for every pair and n p^2 alone."""
    gram = n * n * (sum(ps) + sum(qs) + len(ps) * len(qs))
    return gram < n * (sum(ps) * sum(qs) + sum(p * p for p in [*ps, *qs]))


class _Layer:
    """A layer's centred features (n, p), or their Gram matrix (n, n) where that is cheaper."""

    def __init__(self, X, name, use_gram, unbiased):
        size = np.abs(X).max()
        X = X - X.mean(axis=0, dtype=np.float64)  # (n, p)
        if np.abs(X).max() <= 1e-12 * size:  # what rounding leaves of equal rows
            raise ValueError(f"{name} is the same for all images; CKA would be 0 / 0")
        self.n, self.unbiased = len(X), unbiased
        self.diagonal = np.einsum("np,np->n", X, X)  # of the Gram matrix
        self.gram, self.X = (X @ X.T, None) if use_gram else (None, X)
        self.own = self.hsic(self)
        if self.own <= 0:
            raise ValueError(f"{name} varies no more than noise does; its unbiased CKA is not defined")

    def hsic(self, other) -> float:
        """sum_ij K_ij L_ij of the two Gram matrices; or Song et al.'s estimate, which leaves out i = j."""
        product = np.vdot(self.gram, other.gram) if self.X is None else np.sum((self.X.T @ other.X) ** 2)
        if not self.unbiased:
            return product
        # Rows of a centred Gram matrix sum to 0, and with zeros on the diagonal to -k: so 1'K1 = -sum(k).
        n, k, l = self.n, self.diagonal, other.diagonal
        return product - k @ l + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k @ l)
