"""Checks for the exercises of notebooks/05_block.ipynb: the block."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.layernorm import layernorm as _np_layernorm

__all__ = ["block", "block_backward", "post_norm_block_backward"]


# ---- the block -----------------------------------------------------------------------------------------------------


class _Part:
    """A function with a readable name: stands for a layer of the block."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, x):
        return self.function(x)

    def __repr__(self):
        return f"<layer {self.name}>"


def _block_cases(rng):
    """Stand-ins for the layers, each different; attention mixes the tokens, the MLP does not."""
    cases = []
    for B, T, D in ((2, 5, 3), (1, 4, 6), (3, 2, 4)):
        weight1, weight2 = rng.normal(1, 0.5, D), rng.normal(1, 0.5, D)
        mix, W, V = rng.normal(0, 1, (T, T)), rng.normal(0, 1, (D, D)), rng.normal(0, 1, (D, D))
        cases.append((
            rng.normal(0.5, 1.5, (B, T, D)),
            _Part("norm1", lambda x, weight1=weight1: _np_layernorm(x, weight1, 0.1)[0]),
            _Part("attention", lambda x, mix=mix, W=W: mix @ x @ W),
            _Part("norm2", lambda x, weight2=weight2: _np_layernorm(x, weight2, -0.2)[0]),
            _Part("mlp", lambda x, V=V: np.tanh(x @ V)),
        ))  # fmt: skip
    return cases


def _block(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(norm1(z))
    return z_mid + mlp(norm2(z_mid))


def _block_post_norm(z, norm1, attention, norm2, mlp):
    z_mid = norm1(z + attention(z))
    return norm2(z_mid + mlp(z_mid))


def _block_norm_after_layers(z, norm1, attention, norm2, mlp):
    z_mid = z + norm1(attention(z))
    return z_mid + norm2(mlp(z_mid))


def _block_without_norms(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(z)
    return z_mid + mlp(z_mid)


def _block_without_norm1(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(z)
    return z_mid + mlp(norm2(z_mid))


def _block_without_norm2(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(norm1(z))
    return z_mid + mlp(z_mid)


def _block_without_residuals(z, norm1, attention, norm2, mlp):
    return mlp(norm2(attention(norm1(z))))


def _block_without_first_residual(z, norm1, attention, norm2, mlp):
    z_mid = attention(norm1(z))
    return z_mid + mlp(norm2(z_mid))


def _block_without_second_residual(z, norm1, attention, norm2, mlp):
    return mlp(norm2(z + attention(norm1(z))))


def _block_second_residual_from_z(z, norm1, attention, norm2, mlp):
    return z + mlp(norm2(z + attention(norm1(z))))


def _block_in_parallel(z, norm1, attention, norm2, mlp):
    return z + attention(norm1(z)) + mlp(norm2(z))


def _block_residual_from_norm(z, norm1, attention, norm2, mlp):
    normed = norm1(z)
    z_mid = normed + attention(normed)
    normed = norm2(z_mid)
    return normed + mlp(normed)


def _block_mlp_first(z, norm1, attention, norm2, mlp):
    z_mid = z + mlp(norm2(z))
    return z_mid + attention(norm1(z_mid))


block = Check(
    "block",
    reference=_block,
    cases=_block_cases,
    outputs={"z_out": "(B, T, D)"},
    mistakes=[
        Mistake(
            "this is the post-norm block: the norms stand behind the sums",
            "In Eq. 2, what does LN read, and is z itself ever normalised on its way through?",
            _block_post_norm,
        ),
        Mistake(
            "the norms stand behind attention and MLP, not before them",
            "Eq. 2 says MSA(LN(z)): which of the two is computed first?",
            _block_norm_after_layers,
        ),
        Mistake("neither norm is used", "What does attention read in Eq. 2?", _block_without_norms),
        Mistake("attention reads z without its norm", "What does attention read in Eq. 2?", _block_without_norm1),
        Mistake("the MLP reads z' without its norm", "What does the MLP read in Eq. 3?", _block_without_norm2),
        Mistake(
            "norm1 is used twice, norm2 never",
            "The two norms have parameters of their own.",
            lambda z, norm1, attention, norm2, mlp: _block(z, norm1, attention, norm1, mlp),
        ),
        Mistake(
            "norm1 and norm2 are in each other's place",
            "Which norm belongs to attention?",
            lambda z, norm1, attention, norm2, mlp: _block(z, norm2, attention, norm1, mlp),
        ),
        Mistake(
            "both residual connections are missing",
            "Each equation ends with a sum. What is added?",
            _block_without_residuals,
        ),
        Mistake(
            "the residual connection around attention is missing",
            "Eq. 2 ends with a sum. What is added?",
            _block_without_first_residual,
        ),
        Mistake(
            "the residual connection around the MLP is missing",
            "Eq. 3 ends with a sum. What is added?",
            _block_without_second_residual,
        ),
        Mistake(
            "the second residual connection starts at z, so what attention found is lost",
            "What does Eq. 3 add: z or z'?",
            _block_second_residual_from_z,
        ),
        Mistake(
            "attention and MLP run side by side: the MLP reads z instead of z'",
            "Should the MLP see what attention has just written?",
            _block_in_parallel,
        ),
        Mistake(
            "the normalised z is carried on instead of z",
            "The norm is for the layer inside the branch. What goes around the branch?",
            _block_residual_from_norm,
        ),
        Mistake("the MLP comes before attention", "Which of the two is Eq. 2?", _block_mlp_first),
    ],
)


# ---- the block, backward -------------------------------------------------------------------------------------------


def _block_backward_cases(rng):
    """The gradient of each layer is a linear map that does not commute with the others."""
    cases = []
    for B, T, D in ((2, 5, 3), (1, 4, 6), (3, 2, 4)):
        parts = []
        for name in ("norm1_backward", "attention_backward", "norm2_backward", "mlp_backward"):
            mix = rng.normal(0, 1, (T, T)) if name == "attention_backward" else np.eye(T)
            W = rng.normal(0, 1, (D, D))
            parts.append(_Part(name, lambda dy, mix=mix, W=W: mix @ dy @ W))
        cases.append((rng.normal(0, 1, (B, T, D)), *parts))
    return cases


def _block_gradient(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + norm2(mlp(dz_out))
    return dz_mid + norm1(attention(dz_mid))


def _gradient_without_second_residual(dz_out, norm1, attention, norm2, mlp):
    dz_mid = norm2(mlp(dz_out))
    return dz_mid + norm1(attention(dz_mid))


def _gradient_without_first_residual(dz_out, norm1, attention, norm2, mlp):
    return norm1(attention(dz_out + norm2(mlp(dz_out))))


def _gradient_without_residuals(dz_out, norm1, attention, norm2, mlp):
    return norm1(attention(norm2(mlp(dz_out))))


def _gradient_forward_order(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + norm1(attention(dz_out))
    return dz_mid + norm2(mlp(dz_mid))


def _gradient_forward_order_inside(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + mlp(norm2(dz_out))
    return dz_mid + attention(norm1(dz_mid))


def _gradient_from_dz_out(dz_out, norm1, attention, norm2, mlp):
    return dz_out + norm1(attention(dz_out + norm2(mlp(dz_out))))


def _gradient_in_parallel(dz_out, norm1, attention, norm2, mlp):
    return dz_out + norm2(mlp(dz_out)) + norm1(attention(dz_out))


def _gradient_without_norms(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + mlp(dz_out)
    return dz_mid + attention(dz_mid)


block_backward = Check(
    "block_backward",
    reference=_block_gradient,
    cases=_block_backward_cases,
    outputs={"dz": "(B, T, D)"},
    mistakes=[
        Mistake(
            "neither residual connection passes a gradient",
            "A sum hands its gradient to both of its terms.",
            _gradient_without_residuals,
        ),
        Mistake(
            "the residual connection around the MLP passes no gradient",
            "z' is used twice in Eq. 3: inside the branch and beside it.",
            _gradient_without_second_residual,
        ),
        Mistake(
            "the residual connection around attention passes no gradient",
            "z is used twice in Eq. 2: inside the branch and beside it.",
            _gradient_without_first_residual,
        ),
        Mistake(
            "attention comes before the MLP, as in forward",
            "Backward undoes the last step first. Which equation comes last in forward?",
            _gradient_forward_order,
        ),
        Mistake(
            "inside the branches the norm comes before its layer, as in forward",
            "The branch is MLP(LN(z')). Which of the two does the gradient meet first on its way back?",
            _gradient_forward_order_inside,
        ),
        Mistake(
            "the way around attention carries dz_out instead of dz_mid",
            "Which variable does Eq. 2 produce, and what is its whole gradient?",
            _gradient_from_dz_out,
        ),
        Mistake(
            "attention's branch gets dz_out instead of dz_mid",
            "Attention's output also reaches the loss through the MLP.",
            _gradient_in_parallel,
        ),
        Mistake(
            "the norms are left out",
            "On the way back the branch passes its layer, and then?",
            _gradient_without_norms,
        ),
    ],
)


# ---- the block of the first Transformer, backward --------------------------------------------------------------------


def _post_norm_gradient(dz_out, norm1, attention, norm2, mlp):
    dsum2 = norm2(dz_out)
    dz_mid = dsum2 + mlp(dsum2)
    dsum1 = norm1(dz_mid)
    return dsum1 + attention(dsum1)


def _post_norm_branches_only(dz_out, norm1, attention, norm2, mlp):
    return attention(norm1(mlp(norm2(dz_out))))


def _post_norm_norms_in_branches(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + mlp(norm2(dz_out))
    return dz_mid + attention(norm1(dz_mid))


def _post_norm_forward_order(dz_out, norm1, attention, norm2, mlp):
    dsum1 = norm1(dz_out)
    dz_mid = dsum1 + attention(dsum1)
    dsum2 = norm2(dz_mid)
    return dsum2 + mlp(dsum2)


def _post_norm_norms_last(dz_out, norm1, attention, norm2, mlp):
    dz_mid = norm2(dz_out + mlp(dz_out))
    return norm1(dz_mid + attention(dz_mid))


def _post_norm_without_second_residual(dz_out, norm1, attention, norm2, mlp):
    dsum1 = norm1(mlp(norm2(dz_out)))
    return dsum1 + attention(dsum1)


def _post_norm_without_first_residual(dz_out, norm1, attention, norm2, mlp):
    dsum2 = norm2(dz_out)
    return attention(norm1(dsum2 + mlp(dsum2)))


post_norm_block_backward = Check(
    "post_norm_block_backward",
    reference=_post_norm_gradient,
    cases=_block_backward_cases,
    outputs={"dz": "(B, T, D)"},
    mistakes=[
        Mistake(
            "this is the gradient of the pre-norm block",
            "Write the two forward lines with a name for each sum. What stands between z_out and the second sum?",
            _block_gradient,
        ),
        Mistake(
            "the gradient passes each norm only inside the branch, not on the way around it",
            "The norm stands behind the sum. Is there any way past it?",
            _post_norm_norms_in_branches,
        ),
        Mistake(
            "neither residual connection passes a gradient",
            "A sum hands its gradient to both of its terms.",
            _post_norm_branches_only,
        ),
        Mistake(
            "the residual connection around the MLP passes no gradient",
            "z' is used twice: inside the branch and beside it.",
            _post_norm_without_second_residual,
        ),
        Mistake(
            "the residual connection around attention passes no gradient",
            "z is used twice: inside the branch and beside it.",
            _post_norm_without_first_residual,
        ),
        Mistake(
            "attention comes before the MLP, as in forward",
            "Backward undoes the last step first. Which line comes last in forward?",
            _post_norm_forward_order,
        ),
        Mistake(
            "each norm comes after its sum on the way back, as in forward",
            "Forward: first the sum, then the norm. And backward?",
            _post_norm_norms_last,
        ),
    ],
)
