"""Ridge regression the long way: four solvers, each as its equation, and what each of them loses.
Taught in notebooks/16_fewshot.ipynb.

W = (X^T X + l2)^-1 X^T Y  (primal, a system of D x D)  =  X^T (X X^T + l2)^-1 Y  (dual, N x N).     X (N, D), Y (N, K)

All are exact on paper.  On a computer the first three see X only through X^T X or X X^T, whose largest entry hides
everything eps times smaller; the SVD sees X itself.  `fewshot.ridge` takes eigenvalues where that does no harm, else
the SVD.  These compute in the dtype that they are given, so that float32 can be tried.

Shapes: `N` images, `D` features, `K` classes.
"""

from __future__ import annotations

import numpy as np

from ..module import shaped
from .fewshot import eigen_ridge, svd_ridge

__all__ = [
    "back_substitution", "cholesky", "cholesky_dual", "eigen", "eigen_dual", "forward_substitution",
    "normal_equations", "normal_equations_dual", "svd",
]  # fmt: skip


# ---- A system, solved by elimination ---------------------------------------------------------------------------------


@shaped
def normal_equations(X, Y, l2):
    """(X^T X + l2) W = X^T Y, by Gaussian elimination (LU).     X (N, D)   Y (N, K)"""
    return np.linalg.solve(add_to_diagonal(X.T @ X, l2), X.T @ Y)  # (D, K)


@shaped
def normal_equations_dual(X, Y, l2):
    """(X X^T + l2) a = Y, W = X^T a.     X (N, D)   Y (N, K)"""
    return X.T @ np.linalg.solve(add_to_diagonal(X @ X.T, l2), Y)  # (D, K)


# ---- A symmetric, positive definite system: half of the work ---------------------------------------------------------


@shaped
def cholesky(X, Y, l2):
    """X^T X + l2 = L L^T, L lower triangular;  L Z = X^T Y,  L^T W = Z.     X (N, D)   Y (N, K)"""
    L = np.linalg.cholesky(add_to_diagonal(X.T @ X, l2))  # (D, D)
    return back_substitution(L.T, forward_substitution(L, X.T @ Y))  # (D, K)


@shaped
def cholesky_dual(X, Y, l2):
    """X X^T + l2 = L L^T;  L Z = Y,  L^T a = Z,  W = X^T a.     X (N, D)   Y (N, K)"""
    L = np.linalg.cholesky(add_to_diagonal(X @ X.T, l2))  # (N, N)
    return X.T @ back_substitution(L.T, forward_substitution(L, Y))  # (D, K)


def forward_substitution(L, B):
    """Z with L Z = B, L lower triangular, from the first row on: z_i = (b_i - L_i,<i z_<i) / L_ii."""
    Z = np.zeros_like(B)
    for i in range(len(B)):
        Z[i] = (B[i] - L[i, :i] @ Z[:i]) / L[i, i]
    return Z


def back_substitution(U, B):
    """Z with U Z = B, U upper triangular, from the last row on: z_i = (b_i - U_i,>i z_>i) / U_ii."""
    Z = np.zeros_like(B)
    for i in reversed(range(len(B))):
        Z[i] = (B[i] - U[i, i + 1 :] @ Z[i + 1 :]) / U[i, i]
    return Z


# ---- Decompositions: once, then any l2 is a division -----------------------------------------------------------------


@shaped
def eigen(X, Y, l2):
    """X^T X = Q diag(e) Q^T:  W = Q diag(1 / (e + l2)) Q^T X^T Y.     X (N, D)   Y (N, K)"""
    Q, e, right = eigen_ridge(X, Y, "primal")
    return Q @ (right / (e + l2)[:, None])  # (D, K)


@shaped
def eigen_dual(X, Y, l2):
    """X X^T = Q diag(e) Q^T:  W = X^T Q diag(1 / (e + l2)) Q^T Y.     X (N, D)   Y (N, K)"""
    left, e, right = eigen_ridge(X, Y, "dual")
    return left @ (right / (e + l2)[:, None])  # (D, K)


@shaped
def svd(X, Y, l2):
    """X = U diag(s) V^T:  W = V diag(1 / (s^2 + l2)) diag(s) U^T Y.  Primal and dual in one.     X (N, D)   Y (N, K)"""
    V, e, right = svd_ridge(X, Y)
    return V @ (right / (e + l2)[:, None])  # (D, K)


def add_to_diagonal(A, l2):
    """A + l2 I"""
    return A + A.dtype.type(l2) * np.eye(len(A), dtype=A.dtype)
