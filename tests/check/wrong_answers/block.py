"""Wrong answers to the exercises of notebooks/05_block.ipynb: the block."""

from __future__ import annotations

from . import FirstGeneration

__all__ = ["block", "block_backward", "post_norm_block_backward"]


# ---- the block -----------------------------------------------------------------------------------------------------


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


block = FirstGeneration(
    _block,
    [
        ("this is the post-norm block: the norms stand behind the sums", _block_post_norm),
        ("the norms stand behind attention and MLP, not before them", _block_norm_after_layers),
        ("neither norm is used", _block_without_norms),
        ("attention reads z without its norm", _block_without_norm1),
        ("the MLP reads z' without its norm", _block_without_norm2),
        (
            "norm1 is used twice, norm2 never",
            lambda z, norm1, attention, norm2, mlp: _block(z, norm1, attention, norm1, mlp),
        ),
        (
            "norm1 and norm2 are in each other's place",
            lambda z, norm1, attention, norm2, mlp: _block(z, norm2, attention, norm1, mlp),
        ),
        ("both residual connections are missing", _block_without_residuals),
        ("the residual connection around attention is missing", _block_without_first_residual),
        ("the residual connection around the MLP is missing", _block_without_second_residual),
        ("the second residual connection starts at z, so what attention found is lost", _block_second_residual_from_z),
        ("attention and MLP run side by side: the MLP reads z instead of z'", _block_in_parallel),
        ("the normalised z is carried on instead of z", _block_residual_from_norm),
        ("the MLP comes before attention", _block_mlp_first),
    ],
)


# ---- the block, backward -------------------------------------------------------------------------------------------


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


block_backward = FirstGeneration(
    _block_gradient,
    [
        ("neither residual connection passes a gradient", _gradient_without_residuals),
        ("the residual connection around the MLP passes no gradient", _gradient_without_second_residual),
        ("the residual connection around attention passes no gradient", _gradient_without_first_residual),
        ("attention comes before the MLP, as in forward", _gradient_forward_order),
        ("inside the branches the norm comes before its layer, as in forward", _gradient_forward_order_inside),
        ("the way around attention carries dz_out instead of dz_mid", _gradient_from_dz_out),
        ("attention's branch gets dz_out instead of dz_mid", _gradient_in_parallel),
        ("the norms are left out", _gradient_without_norms),
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


post_norm_block_backward = FirstGeneration(
    _post_norm_gradient,
    [
        ("this is the gradient of the pre-norm block", _block_gradient),
        (
            "the gradient passes each norm only inside the branch, not on the way around it",
            _post_norm_norms_in_branches,
        ),
        ("neither residual connection passes a gradient", _post_norm_branches_only),
        ("the residual connection around the MLP passes no gradient", _post_norm_without_second_residual),
        ("the residual connection around attention passes no gradient", _post_norm_without_first_residual),
        ("attention comes before the MLP, as in forward", _post_norm_forward_order),
        ("each norm comes after its sum on the way back, as in forward", _post_norm_norms_last),
    ],
)
