"""Exercises of notebooks/05_block.ipynb: the block."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import standardise

__all__ = ["block_backward", "parallel_block", "parallel_block_backward", "post_norm_block_backward"]


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
            _Part("norm1", lambda x, weight1=weight1: standardise(x, -1, 1e-6) * weight1 + 0.1),
            _Part("attention", lambda x, mix=mix, W=W: mix @ x @ W),
            _Part("norm2", lambda x, weight2=weight2: standardise(x, -1, 1e-6) * weight2 - 0.2),
            _Part("mlp", lambda x, V=V: np.tanh(x @ V)),
        ))  # fmt: skip
    return cases


@exercise(cases=_block_cases, outputs={"z_out": "(B, T, D)"}, level=1, minutes=5)
def block(z, norm1, attention, norm2, mlp):
    found = attention(norm1(z))  # the branch of attention
    z_mid = z + found  # z'
    added = mlp(norm2(z_mid))  # the branch of the MLP
    return z_mid + added  # the second sum


block.slip(
    "the second norm stands after the sum, as in a post-norm block",
    "Pre-norm: nothing is done to the stream itself. What does the norm read?",
    result="norm2(z_mid + mlp(z_mid))",
)

_FIRST = "Eq. 2 says MSA(LN(z)): which of the two is computed first?"
_STREAM = "The norm is for the layer inside the branch. What goes around the branch?"
block.slip(
    "this is the post-norm block: the norms stand behind the sums",
    "In Eq. 2, what does LN read, and is z itself ever normalised on its way through?",
    found="attention(z)", z_mid="norm1(z + found)", added="mlp(z_mid)", result="norm2(z_mid + added)",
)  # fmt: skip
block.slip(
    "the norms stand behind attention and MLP, not before them",
    _FIRST,
    found="norm1(attention(z))",
    added="norm2(mlp(z_mid))",
)
block.slip("neither norm is used", "What does attention read in Eq. 2?", found="attention(z)", added="mlp(z_mid)")
block.slip("attention reads z without its norm", "What does attention read in Eq. 2?", found="attention(z)")
block.slip("the MLP reads z' without its norm", "What does the MLP read in Eq. 3?", added="mlp(z_mid)")
block.slip("norm1 is used twice, norm2 never", "The two norms have parameters of their own.", added="mlp(norm1(z_mid))")
block.slip(
    "norm1 and norm2 are in each other's place",
    "Which norm belongs to attention?",
    found="attention(norm2(z))",
    added="mlp(norm1(z_mid))",
)
block.slip(
    "both residual connections are missing",
    "Each equation ends with a sum. What is added?",
    z_mid="found",
    result="added",
)
block.slip(
    "the residual connection around attention is missing", "Eq. 2 ends with a sum. What is added?", z_mid="found"
)
block.slip("the residual connection around the MLP is missing", "Eq. 3 ends with a sum. What is added?", result="added")
block.slip(
    "the second residual connection starts at z, so what attention found is lost",
    "What does Eq. 3 add: z or z'?",
    result="z + added",
)
block.slip(
    "attention and MLP run side by side: the MLP reads z instead of z'",
    "Should the MLP see what attention has just written?",
    added="mlp(norm2(z))",
)
block.slip(
    "the normalised z is carried on instead of z", _STREAM, z_mid="norm1(z) + found", result="norm2(z_mid) + added"
)
block.slip("the normalised z is carried on around attention", _STREAM, weight=0.85, z_mid="norm1(z) + found")
block.slip("the normalised z' is carried on around the MLP", _STREAM, weight=0.85, result="norm2(z_mid) + added")
block.slip(
    "the MLP comes before attention",
    "Which of the two is Eq. 2?",
    found="mlp(norm2(z))",
    added="attention(norm1(z_mid))",
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


@exercise(cases=_block_backward_cases, outputs={"dz": "(B, T, D)"}, level=2, minutes=20)
def block_backward(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    second = norm2_backward(mlp_backward(dz_out))  # the branch of the MLP
    dz_mid = dz_out + second  # dz_mid
    first = norm1_backward(attention_backward(dz_mid))  # the branch of attention
    return dz_mid + first  # the first sum


_SUM = "A sum hands its gradient to both of its terms."
_LAST = "Backward undoes the last step first. Which equation comes last in forward?"
block_backward.slip("neither residual connection passes a gradient", _SUM, dz_mid="second", result="first")
block_backward.slip(
    "the residual connection around the MLP passes no gradient",
    "z' is used twice in Eq. 3: inside the branch and beside it.",
    dz_mid="second",
)
block_backward.slip(
    "the residual connection around attention passes no gradient",
    "z is used twice in Eq. 2: inside the branch and beside it.",
    result="first",
)
block_backward.slip(
    "attention comes before the MLP, as in forward",
    _LAST,
    second="norm1_backward(attention_backward(dz_out))",
    first="norm2_backward(mlp_backward(dz_mid))",
)
block_backward.slip(
    "inside the branches the norm comes before its layer, as in forward",
    "The branch is MLP(LN(z')). Which of the two does the gradient meet first on its way back?",
    second="mlp_backward(norm2_backward(dz_out))",
    first="attention_backward(norm1_backward(dz_mid))",
)
block_backward.slip(
    "the way around attention carries dz_out instead of dz_mid",
    "Which variable does Eq. 2 produce, and what is its whole gradient?",
    result="dz_out + first",
)
block_backward.slip(
    "attention's branch gets dz_out instead of dz_mid",
    "Attention's output also reaches the loss through the MLP.",
    first="norm1_backward(attention_backward(dz_out))",
)
block_backward.slip(
    "the norms are left out",
    "On the way back the branch passes its layer, and then?",
    second="mlp_backward(dz_out)",
    first="attention_backward(dz_mid)",
)


# ---- the block of the first Transformer, backward --------------------------------------------------------------------


@exercise(cases=_block_backward_cases, outputs={"dz": "(B, T, D)"}, level=3, minutes=20)
def post_norm_block_backward(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    dsum2 = norm2_backward(dz_out)  # the gradient of the second sum
    dz_mid = dsum2 + mlp_backward(dsum2)  # dz_mid
    dsum1 = norm1_backward(dz_mid)  # the gradient of the first sum
    return dsum1 + attention_backward(dsum1)  # dz


_TWICE = "z{} is used twice: inside the branch and beside it."
post_norm_block_backward.slip(
    "this is the gradient of the pre-norm block",
    "Write the two forward lines with a name for each sum. What stands between z_out and the second sum?",
    dsum2="dz_out", dz_mid="dz_out + norm2_backward(mlp_backward(dz_out))", dsum1="dz_mid",
    result="dz_mid + norm1_backward(attention_backward(dz_mid))",
)  # fmt: skip
post_norm_block_backward.slip(
    "the gradient passes each norm only inside the branch, not on the way around it",
    "The norm stands behind the sum. Is there any way past it?",
    dz_mid="dz_out + mlp_backward(dsum2)",
    result="dz_mid + attention_backward(dsum1)",
)
post_norm_block_backward.slip(
    "neither residual connection passes a gradient",
    _SUM,
    dz_mid="mlp_backward(dsum2)",
    result="attention_backward(dsum1)",
)
post_norm_block_backward.slip(
    "the residual connection around the MLP passes no gradient", _TWICE.format("'"), dz_mid="mlp_backward(dsum2)"
)
post_norm_block_backward.slip(
    "the residual connection around attention passes no gradient",
    _TWICE.format(""),
    result="attention_backward(dsum1)",
)
post_norm_block_backward.slip(
    "attention comes before the MLP, as in forward",
    "Backward undoes the last step first. Which line comes last in forward?",
    dsum2="norm1_backward(dz_out)", dz_mid="dsum2 + attention_backward(dsum2)",
    dsum1="norm2_backward(dz_mid)", result="dsum1 + mlp_backward(dsum1)",
)  # fmt: skip
post_norm_block_backward.slip(
    "each norm comes after its sum on the way back, as in forward",
    "Forward: first the sum, then the norm. And backward?",
    dsum2="dz_out", dz_mid="norm2_backward(dsum2 + mlp_backward(dsum2))",
    dsum1="dz_mid", result="norm1_backward(dsum1 + attention_backward(dsum1))",
)  # fmt: skip


# ---- attention and MLP side by side ----------------------------------------------------------------------------------


def _parallel_cases(rng):
    return [(z, _Part("norm", norm.function), a, m) for z, norm, a, _, m in _block_cases(rng)]


@exercise(cases=_parallel_cases, outputs={"z_out": "(B, T, D)"}, level=1, minutes=5)
def parallel_block(z, norm, attention, mlp):
    read = norm(z)  # what both branches read
    found = attention(read)  # the branch of attention
    added = mlp(read)  # the branch of the MLP
    return z + found + added  # the sum


_BOTH_READ = "Side by side: who reads whose result?"
parallel_block.slip("the MLP reads what attention has written, as in Eq. 3", _BOTH_READ, added="mlp(norm(z + found))")
parallel_block.slip("the MLP reads attention's result", _BOTH_READ, added="mlp(found)")
parallel_block.slip("neither branch reads the norm", "What stands before both branches?", read="z")
parallel_block.slip("the MLP reads z without the norm", "Both branches read the same.", added="mlp(z)")
parallel_block.slip("attention reads z without the norm", "Both branches read the same.", found="attention(z)")
parallel_block.slip("the residual connection is missing", "What goes around both branches?", result="found + added")
parallel_block.slip("z is added once for each branch", "How many sums has this block?", result="2 * z + found + added")
parallel_block.slip("the normalised z is carried on instead of z", _STREAM, result="read + found + added")
parallel_block.slip("the branches are averaged", "Is anything divided?", result="z + (found + added) / 2")


def _parallel_backward_cases(rng):
    return [(dz, _Part("norm_backward", n.function), a, m) for dz, n, a, _, m in _block_backward_cases(rng)]


@exercise(cases=_parallel_backward_cases, outputs={"dz": "(B, T, D)"}, level=2, minutes=15)
def parallel_block_backward(dz_out, norm_backward, attention_backward, mlp_backward):
    from_attention = attention_backward(dz_out)  # what attention sends back
    from_mlp = mlp_backward(dz_out)  # what the MLP sends back
    dread = from_attention + from_mlp  # the gradient of what both read
    return dz_out + norm_backward(dread)  # dz


parallel_block_backward.slip("the residual connection passes no gradient", _SUM, result="norm_backward(dread)")
parallel_block_backward.slip(
    "the MLP sends nothing back", "The normalised z is read by two branches.", dread="from_attention"
)
parallel_block_backward.slip(
    "attention sends nothing back", "The normalised z is read by two branches.", dread="from_mlp"
)
parallel_block_backward.slip("the norm is left out", "What lies between the branches and z?", result="dz_out + dread")
parallel_block_backward.slip(
    "the residual's gradient goes through the norm too",
    "What lies between z and the sum, on the residual's way?",
    result="norm_backward(dz_out + dread)",
)
parallel_block_backward.slip(
    "the norm comes first, as in forward",
    "Which does the gradient meet first on its way back?",
    from_attention="attention_backward(norm_backward(dz_out))",
    from_mlp="mlp_backward(norm_backward(dz_out))",
    result="dz_out + dread",
)
parallel_block_backward.slip(
    "dz_out is passed on once for each branch", "How many sums has this block?",
    result="2 * dz_out + norm_backward(dread)",
)  # fmt: skip
parallel_block_backward.slip(
    "the branches follow one another: the MLP passes its gradient to attention", "Who read whose result?",
    dread="attention_backward(from_mlp)",
)  # fmt: skip
