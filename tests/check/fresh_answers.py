"""Wrong answers as students write them, written after the engine and without a look at its slips.

Each is put down with what is wrong in it, in the writer's words, and how many mistakes that is.  Nothing in the engine
or in the catalogue was changed for them; test_fresh_answers.py says how many are named.
"""

from __future__ import annotations

import math

import numpy as np

# ---- softmax and attention -----------------------------------------------------------------------------------------


def softmax_shift_by_first(x):
    e = np.exp(x - x[..., :1])
    return e / e.sum(-1, keepdims=True)


def softmax_squares(x):
    e = np.exp(x - x.max(-1, keepdims=True)) ** 2
    return e / e.sum(-1, keepdims=True)


def softmax_abs_norm(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / np.linalg.norm(e, axis=-1, keepdims=True)


def softmax_max_added(x):
    e = np.exp(x + x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_divided_by_length(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / x.shape[-1]


def soft(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def T(x):
    return np.swapaxes(x, -1, -2)


def attention_scale_on_q_only_dh(q, k, v):
    q = q / q.shape[-1]
    return soft(q @ T(k)) @ v


def attention_scaled_twice(q, k, v):
    root = math.sqrt(q.shape[-1])
    return soft((q / root) @ T(k / root)) @ v


def attention_values_first(q, k, v):
    return soft(q @ T(k) / np.sqrt(q.shape[-1])) @ k + v.mean(2, keepdims=True)


def attention_no_scale_wrong_axis(q, k, v):
    return soft(q @ T(k), -2) @ v


def attention_scale_by_tokens_and_no_softmax(q, k, v):
    return q @ T(k) / np.sqrt(k.shape[-2]) @ v


def attention_k_reshaped(q, k, v):
    B, h, S, D = k.shape
    return soft(q @ k.reshape(B, h, D, S) / np.sqrt(D)) @ v


def attention_normalised_by_sum(q, k, v):
    s = q @ T(k) / np.sqrt(q.shape[-1])
    return s / s.sum(-1, keepdims=True) @ v


def attention_returns_pair(q, k, v):
    A = soft(q @ T(k) / np.sqrt(q.shape[-1]))
    return A @ v, A


def masked_minus_one(q, k, v, mask):
    s = q @ T(k) / np.sqrt(q.shape[-1])
    return soft(np.where(mask, s, -1)) @ v


def masked_multiply_then_softmax_no_scale(q, k, v, mask):
    return soft((q @ T(k)) * mask) @ v


def masked_times_inf(q, k, v, mask):
    s = q @ T(k) / np.sqrt(q.shape[-1])
    return soft(s + (~mask) * -np.inf) @ v


def masked_scale_after_mask_dh(q, k, v, mask):
    s = np.where(mask, q @ T(k), -np.inf) / q.shape[-1]
    return soft(s) @ v


def softback_minus_mean(dA, A):
    return A * dA - A * (A * dA).mean(-1, keepdims=True)


def softback_squared(dA, A):
    return A * (dA - (dA * A * A).sum(-1, keepdims=True))


def softback_plus(dA, A):
    return A * dA + A * (A * dA).sum(-1, keepdims=True)


def softback_no_a_and_axis(dA, A):
    return dA - (dA * A).sum(0, keepdims=True)


def _ab(dy, q, k, v, scale=True):
    s = q.shape[-1] ** -0.5 if scale else 1.0
    A = soft(q @ T(k) * s)
    dA = dy @ T(v)
    return A, dA, s


def attback_dv_without_transpose_of_heads(dy, q, k, v):
    A, dA, s = _ab(dy, q, k, v)
    dS = A * (dA - (A * dA).sum(-1, keepdims=True)) * s
    return dS @ k, T(dS) @ q, T(soft(q @ T(k))) @ dy


def attback_dk_uses_k(dy, q, k, v):
    A, dA, s = _ab(dy, q, k, v)
    dS = A * (dA - (A * dA).sum(-1, keepdims=True)) * s
    return dS @ k, T(dS) @ q * s, T(A) @ dy * s


def attback_forgot_softmax_and_scale(dy, q, k, v):
    A, dA, _s = _ab(dy, q, k, v)
    return dA @ k, T(dA) @ q, T(A) @ dy


def attback_sum_axis_and_order(dy, q, k, v):
    A, dA, s = _ab(dy, q, k, v)
    dS = A * (dA - (A * dA).sum(-2, keepdims=True)) * s
    return T(dS) @ q, dS @ k, T(A) @ dy


def attback_da_with_k_scale_dh(dy, q, k, v):
    A, _, _s = _ab(dy, q, k, v)
    dA = dy @ T(k)
    dS = A * (dA - (A * dA).sum(-1, keepdims=True)) / q.shape[-1]
    return dS @ k, T(dS) @ q, T(A) @ dy


# ---- heads -----------------------------------------------------------------------------------------------------------


def heads(x, h):
    B, N, D = x.shape
    return x.reshape(B, N, h, D // h).transpose(0, 2, 1, 3)


def unheads(x):
    B, h, N, D = x.shape
    return x.transpose(0, 2, 1, 3).reshape(B, N, h * D)


def mha(z, Wqkv, bqkv, Wo, bo, h, cut=heads, join=unheads, root=None, axis=-1, bias=True, out=None):
    D = z.shape[-1]
    qkv = z @ Wqkv.T + bqkv
    q, k, v = (cut(qkv[..., i * D : (i + 1) * D], h) for i in range(3))
    s = q @ T(k) / (math.sqrt(D // h) if root is None else root(D, h))
    y = join(soft(s, axis) @ v)
    return (y @ Wo.T + bo) if out is None else out(y, Wo, bo)


def mha_wrong_reshape_back(*a):
    return mha(*a, join=lambda x: x.reshape(x.shape[0], x.shape[2], -1))


def mha_scale_heads(*a):
    return mha(*a, root=lambda D, h: math.sqrt(h))


def mha_axis_and_scale(*a):
    return mha(*a, axis=-2, root=lambda D, h: D // h)


def mha_no_out_bias_scale_missing(*a):
    return mha(*a, root=lambda D, h: 1, out=lambda y, W, b: y @ W.T)


def mha_out_untransposed_and_merge(*a):
    return mha(*a, join=lambda x: x.reshape(x.shape[0], x.shape[2], -1), out=lambda y, W, b: y @ W + b)


def mha_residual(z, *a):
    return z + mha(z, *a)


def mha_mean_heads(z, Wqkv, bqkv, Wo, bo, h):
    D = z.shape[-1]
    q, k, v = (heads(part, h) for part in np.split(z @ Wqkv.T + bqkv, 3, -1))
    A = soft(q @ T(k) / np.sqrt(D // h)).mean(1, keepdims=True)
    return unheads(A @ v) @ Wo.T + bo


def mhaback(dout, z, Wqkv, bqkv, Wo, bo, h, dsoft=None, scale=True, wo=lambda W: W, order=(0, 1, 2), bias=np.sum):
    D = z.shape[-1]
    s = 1 / math.sqrt(D // h)
    q, k, v = (heads(part, h) for part in np.split(z @ Wqkv.T + bqkv, 3, -1))
    A = soft(q @ T(k) * s)
    y = unheads(A @ v)
    dY = heads(dout @ wo(Wo), h)
    dv, dA = T(A) @ dY, dY @ T(v)
    dS = A * (dA - (dA * A).sum(-1, keepdims=True)) if dsoft is None else dsoft(dA, A)
    dS = dS * s if scale else dS
    parts = [dS @ k, T(dS) @ q, dv]
    d = np.concatenate([unheads(parts[i]) for i in order], -1)
    f = lambda g: g.reshape(-1, g.shape[-1])  # noqa: E731
    return d @ Wqkv, f(d).T @ f(z), bias(f(d), axis=0), f(dout).T @ f(y), bias(f(dout), axis=0)


def mhaback_diag(*a):
    return mhaback(*a, dsoft=lambda dA, A: dA * A * (1 - A))


def mhaback_no_subtract_no_scale(*a):
    return mhaback(*a, dsoft=lambda dA, A: dA * A, scale=False)


def mhaback_transposed_out_and_order(*a):
    return mhaback(*a, wo=lambda W: W.T, order=(1, 0, 2))


def mhaback_axis(*a):
    return mhaback(*a, dsoft=lambda dA, A: A * (dA - (dA * A).sum(-2, keepdims=True)))


def mhaback_mean_bias_no_scale(*a):
    return mhaback(*a, scale=False, bias=np.mean)


# ---- linear, layer norm, mlp -----------------------------------------------------------------------------------------


def linear_bias_first(x, weight, bias):
    return (x + bias.mean()) @ weight.T


def linear_twice_bias(x, weight, bias):
    return x @ weight.T + bias + bias


def linback_all_mean(dy, x, weight):
    dyr, xr = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return dy @ weight, dyr.T @ xr / len(dy), dyr.sum(0) / len(dy)


def linback_transposed_and_bias(dy, x, weight):
    dyr, xr = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return dy @ weight, xr.T @ dyr, dy


def linback_swap_last(dy, x, weight):
    dyr, xr = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return dy @ weight, dyr.sum(0), dyr.T @ xr


def ln_std_ddof_eps_out(x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / (x.std(-1, ddof=1, keepdims=True) + eps) * weight + bias


def ln_no_bias_no_eps(x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * weight


def ln_weight_added(x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) + weight + bias


def ln_mean_abs(x, weight, bias, eps):
    c = x - x.mean(-1, keepdims=True)
    return c / (np.abs(c).mean(-1, keepdims=True) + eps) * weight + bias


def ln_tokens_and_no_weight(x, weight, bias, eps):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps) + bias


def lnback_no_weight_mean_bias(dy, x, weight, eps):
    m, r = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + eps)
    xh = (x - m) / r
    d = dy
    dx = (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)) / r
    return dx, (dy * xh).sum((0, 1)), dy.mean((0, 1))


def lnback_no_xhat(dy, x, weight, eps):
    m, r = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + eps)
    xh, d = (x - m) / r, dy * weight
    dx = (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)) / r
    return dx, dy.sum((0, 1)), dy.sum((0, 1))


def lnback_divided_by_variance(dy, x, weight, eps):
    m, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True) + eps
    xh, d = (x - m) / np.sqrt(var), dy * weight
    dx = (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)) / var
    return dx, (dy * xh).sum((0, 1)), dy.sum((0, 1))


def lnback_xhat_missing_in_term(dy, x, weight, eps):
    m, r = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + eps)
    xh, d = (x - m) / r, dy * weight
    dx = (d - d.mean(-1, keepdims=True) - (d * xh).mean(-1, keepdims=True)) / r
    return dx, (dy * xh).sum((0, 1)), dy.sum((0, 1))


def phi(x):
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_half(x):
    return 0.5 * x * phi(x)


def gelu_erf_of_x(x):
    return 0.5 * x * np.vectorize(math.erf)(x / math.sqrt(2))


def gelu_squared(x):
    return x * x * phi(x)


def gelub_no_half_in_exponent_minus(dy, x):
    return dy * (phi(x) - x * np.exp(-x * x) / math.sqrt(2 * math.pi))


def gelub_pi_only(dy, x):
    return dy * (phi(x) + x * np.exp(-x * x / 2) / math.sqrt(math.pi))


def mlp_bias_forgotten_relu(x, W1, b1, W2, b2):
    return np.maximum(x @ W1.T, 0) @ W2.T + b2


def mlp_gelu_tanh_no_b2(x, W1, b1, W2, b2):
    u = x @ W1.T + b1
    g = 0.5 * u * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
    return g @ W2.T


def dropout_keep_is_rate(x, keep, rate):
    return np.where(keep, 0, x) / rate


def dropout_sqrt(x, keep, rate):
    return x * keep / np.sqrt(1 - rate)


# ---- blocks ----------------------------------------------------------------------------------------------------------


def block_no_norm1_residual_z(z, n1, att, n2, mlp):
    a = z + att(z)
    return z + mlp(n2(a))


def block_norm_of_sum_twice(z, n1, att, n2, mlp):
    a = z + att(n1(z))
    return n2(a + mlp(n2(a)))


def block_average(z, n1, att, n2, mlp):
    a = (z + att(n1(z))) / 2
    return (a + mlp(n2(a))) / 2


def blockback_swap_order_inside_no_res(dz, n1, att, n2, mlp):
    m = n2(mlp(dz))
    return m + att(n1(m))


# ---- patches and tokens ----------------------------------------------------------------------------------------------


def patchify_loops_column(images, P):
    B, _C, H, W = images.shape
    return np.stack(
        [images[:, :, i : i + P, j : j + P].reshape(B, -1) for j in range(0, W, P) for i in range(0, H, P)], 1
    )


def patchify_channels_last_and_columns(images, P):
    B, _C, H, W = images.shape
    return np.stack(
        [
            images[:, :, i : i + P, j : j + P].transpose(0, 2, 3, 1).reshape(B, -1)
            for j in range(0, W, P)
            for i in range(0, H, P)
        ],
        1,
    )


def patchify_reversed(images, P):
    B, _C, H, W = images.shape
    return np.stack(
        [images[:, ::-1, i : i + P, j : j + P].reshape(B, -1) for i in range(0, H, P) for j in range(0, W, P)], 1
    )


def unpatchify_transposed(patches, shape, P):
    B, C, H, W = shape
    out, n = np.zeros(shape), 0
    for i in range(0, H, P):
        for j in range(0, W, P):
            out[:, :, i : i + P, j : j + P] = patches[:, n].reshape(B, P, P, C).transpose(0, 3, 2, 1)
            n += 1
    return out


def embed_token_no_position_last(x, x_class, E):
    B, _N, _D = x.shape
    return np.concatenate([x + E[:-1], np.tile(x_class, (B, 1, 1))], 1)


def embed_doubled_token(x, x_class, E):
    B, _N, _D = x.shape
    return np.concatenate([np.tile(x_class, (B, 1, 1)) + E[:1] + E[:1], x + E[1:]], 1)


def class_back_mean_last(dtokens):
    return dtokens[:, :-1], dtokens[:, -1].mean(0)


# ---- losses and optimisers -------------------------------------------------------------------------------------------


def ce_sum_base2(x, labels):
    p = soft(x)
    return -np.log2(p[np.arange(len(x)), labels]).sum()


def ce_eps(x, labels):
    p = soft(x)
    return -np.log(p[np.arange(len(x)), labels] + 1e-12).mean()


def ce_mean_of_all_classes(x, labels):
    p = soft(x)
    return -(np.eye(x.shape[1])[labels] * np.log(p + 1e-12)).mean()


def ce_wrong_axis_sum(x, labels):
    p = soft(x, 0)
    return -np.log(p[np.arange(len(x)), labels]).sum()


def ceb_no_div_wrong_axis(x, labels):
    p = soft(x, 0)
    p[np.arange(len(x)), labels] -= 1
    return p


def ceb_divided_twice(x, labels):
    p = soft(x)
    p[np.arange(len(x)), labels] -= 1 / len(x)
    return p / len(x)


def bce_mean_no_absent(x, t):
    s = 1 / (1 + np.exp(-x))
    return -(t * np.log(s + 1e-12)).mean()


def smoothing_k_minus_1_everywhere(labels, K, s):
    return np.eye(K)[labels] * (1 - s) + s / (K - 1)


def smoothing_subtracts(labels, K, s):
    return np.eye(K)[labels] - s + s / K


def sgd_nesterov_minus(w, g, v, lr, mu):
    v = mu * v - lr * g
    return w + mu * v - lr * g, v


def sgd_dampened_sign(w, g, v, lr, mu):
    v = mu * v + (1 - mu) * g
    return w + lr * v, v


def adam_no_correction_coupled(w, g, m, v, t, lr, b1, b2, eps, wd):
    g = g + wd * w
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    return w - lr * m / (np.sqrt(v) + eps), m, v


def adam_eps_inside_decay_no_lr(w, g, m, v, t, lr, b1, b2, eps, wd):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    mh, vh = m / (1 - b1**t), v / (1 - b2**t)
    return w - lr * mh / np.sqrt(vh + eps) - wd * w, m, v


def adam_t_times(w, g, m, v, t, lr, b1, b2, eps, wd):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    mh, vh = m / (1 - b1 * t), v / (1 - b2 * t)
    return w - lr * (mh / (np.sqrt(np.abs(vh)) + eps) + wd * w), m, v


def adam_vhat_with_b1(w, g, m, v, t, lr, b1, b2, eps, wd):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    mh, vh = m / (1 - b1**t), v / (1 - b1**t)
    return w - lr * (mh / (np.sqrt(vh) + eps) + wd * w), m, v


def lr_early_return_total(step, base, total, warm):
    if step < warm:
        return base * step / warm
    p = min(1, step / total)
    return base * 0.5 * (1 + math.cos(math.pi * p))


def lr_early_linear(step, base, total, warm):
    if step < warm:
        return base * (step + 1) / warm
    return base * max(0.0, 1 - (step - warm) / (total - warm))


def lr_le(step, base, total, warm):
    if step <= warm:
        return base * step / warm
    p = min(1.0, (step - warm) / (total - warm))
    return base * (1 + math.cos(math.pi * p)) / 2


def lr_no_clip_early(step, base, total, warm):
    if step < warm:
        return base * step / warm
    return base * (1 + math.cos(math.pi * (step - warm) / (total - warm))) / 2


def clip_mean_norm_always(gs, c):
    n = np.sqrt(np.mean([np.sum(g * g) for g in gs]))
    return [g * c / n for g in gs]


def clip_two_thirds(gs, c):
    n = math.sqrt(sum(float((g**2).sum()) for g in gs))
    return [g / n if n > c else g for g in gs]


# ---- convolutions ----------------------------------------------------------------------------------------------------


def conv_loops(x, w, stride, pad, start=0, flip=False, mean=False, plus=1):
    B, C, H, W = x.shape
    O, _, kh, kw = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    w = w[:, :, ::-1, ::-1] if flip else w
    Ho, Wo = (H + 2 * pad - kh) // stride + plus, (W + 2 * pad - kw) // stride + plus
    y = np.zeros((B, O, Ho, Wo))
    for p in range(Ho):
        for q in range(Wo):
            patch = xp[:, :, p * stride : p * stride + kh, q * stride : q * stride + kw]
            y[:, :, p, q] = np.einsum("bcij,ocij->bo", patch, w) / (C if mean else 1)
    return y


def conv_no_plus_one(*a):
    return conv_loops(*a, plus=0)


def conv_flip_mean(*a):
    return conv_loops(*a, flip=True, mean=True)


def conv_pad_twice(x, w, stride, pad):
    return conv_loops(x, w, stride, 2 * pad)


def standardize_unbiased_out(w, eps):
    m = w.mean((1, 2, 3), keepdims=True)
    return (w - m) / (w.std((1, 2, 3), ddof=1, keepdims=True) + eps)


def groupnorm_batch_ddof(x, weight, bias, G, eps):
    B, _C, _H, _W = x.shape
    g = x.reshape(B, G, -1)
    g = (g - g.mean(-1, keepdims=True)) / np.sqrt(g.var(-1, ddof=1, keepdims=True) + eps)
    return g.reshape(x.shape) * weight.reshape(1, -1, 1, 1)


def receptive_even(kernels, strides):
    side, jump = 1, 1
    for k, s in zip(kernels, strides, strict=True):
        jump *= s
        side += (k - 1) * jump
    return side - 1


def same_pad_stride_first(size, kernel, stride):
    out = -(-size // stride)
    total = out * stride + kernel - size
    return total // 2, total - total // 2


def tokens_round(image_hw, blocks, P):
    f = 4 * 2 ** (len(blocks) - 1 if blocks else 0)
    return round(image_hw[0] / f / P) * round(image_hw[1] / f / P) + 1


# name, answer, what is wrong (one sentence a mistake; "+" between two)
SINGLE = [
    ("softmax", softmax_shift_by_first, "the first entry is subtracted, not the maximum"),
    ("softmax", softmax_squares, "the exponentials are squared"),
    ("softmax", softmax_abs_norm, "divided by the Euclidean length"),
    ("softmax", softmax_max_added, "the maximum is added"),
    ("softmax", softmax_divided_by_length, "divided by the number of entries"),
    ("attention", attention_scale_on_q_only_dh, "Dh without its root"),
    ("attention", attention_scaled_twice, "the root twice, which is Dh"),
    ("attention", attention_k_reshaped, "k is reshaped, not transposed"),
    ("attention", attention_normalised_by_sum, "no exp"),
    ("attention", attention_returns_pair, "a pair is returned"),
    ("masked_attention", masked_minus_one, "masked scores become -1"),
    ("masked_attention", masked_times_inf, "0 times infinity"),
    ("masked_attention", masked_scale_after_mask_dh, "Dh without its root"),
    ("softmax_backward", softback_minus_mean, "a mean for a sum"),
    ("softmax_backward", softback_squared, "A squared in the sum"),
    ("softmax_backward", softback_plus, "plus for minus"),
    ("attention_backward", attback_dv_without_transpose_of_heads, "the weights in dv lack the scale"),
    ("multi_head_attention", mha_wrong_reshape_back, "merged by a reshape"),
    ("multi_head_attention", mha_scale_heads, "the root of the number of heads"),
    ("multi_head_attention", mha_residual, "the residual is added"),
    ("multi_head_attention", mha_mean_heads, "the weights are averaged over the heads"),
    ("multi_head_attention_backward", mhaback_diag, "A (1 - A)"),
    ("multi_head_attention_backward", mhaback_axis, "the sum runs over axis -2"),
    ("linear", linear_bias_first, "the mean of the bias is added before the product"),
    ("linear", linear_twice_bias, "the bias is added twice"),
    ("linear_backward", linback_all_mean, "divided by the first axis"),
    ("linear_backward", linback_swap_last, "dweight and dbias exchanged"),
    ("layernorm", ln_weight_added, "weight is added, not multiplied"),
    ("layernorm", ln_mean_abs, "the mean of absolute values for the deviation"),
    ("layernorm_backward", lnback_no_xhat, "dweight without xhat"),
    ("layernorm_backward", lnback_divided_by_variance, "the variance without its root in dx"),
    ("layernorm_backward", lnback_xhat_missing_in_term, "xhat missing in front of the second term"),
    ("gelu", gelu_half, "a half too many"),
    ("gelu", gelu_erf_of_x, "the 1 in 1 + erf is missing"),
    ("gelu", gelu_squared, "x twice"),
    ("gelu_backward", gelub_pi_only, "sqrt(pi) for sqrt(2 pi)"),
    ("dropout", dropout_sqrt, "the root of 1 - rate"),
    ("patchify", patchify_loops_column, "column by column"),
    ("patchify", patchify_reversed, "the channels turned round"),
    ("embed", embed_doubled_token, "the class token's position twice"),
    ("cross_entropy", ce_eps, "1e-12 inside the log"),
    ("cross_entropy_backward", ceb_divided_twice, "the targets are divided by B twice"),
    ("label_smoothing", smoothing_k_minus_1_everywhere, "K - 1 for K"),
    ("adam_step", adam_vhat_with_b1, "beta1 in the correction of v"),
    ("learning_rate", lr_early_return_total, "the cosine runs over all steps"),
    ("learning_rate", lr_le, "division by 0 without a warm-up"),
    ("learning_rate", lr_no_clip_early, "p not held at 1"),
    ("clip", clip_two_thirds, "max_norm is forgotten"),
    ("conv2d", conv_no_plus_one, "the + 1 is forgotten"),
    ("conv2d", conv_pad_twice, "padded twice as much"),
]

DOUBLE = [
    ("attention", attention_values_first, "keys are averaged + the mean value is added"),
    ("attention", attention_no_scale_wrong_axis, "no scale + axis -2"),
    ("attention", attention_scale_by_tokens_and_no_softmax, "S for Dh + no softmax"),
    ("masked_attention", masked_multiply_then_softmax_no_scale, "scores times mask + no scale"),
    ("softmax_backward", softback_no_a_and_axis, "A in front missing + first axis"),
    ("attention_backward", attback_dk_uses_k, "the scale twice in dk + once in dv"),
    ("attention_backward", attback_forgot_softmax_and_scale, "no softmax backward + no scale"),
    ("attention_backward", attback_sum_axis_and_order, "axis -2 + dq and dk exchanged"),
    ("attention_backward", attback_da_with_k_scale_dh, "dA from k + Dh without its root"),
    ("multi_head_attention", mha_axis_and_scale, "axis -2 + Dh without its root"),
    ("multi_head_attention", mha_no_out_bias_scale_missing, "no scale + no output bias"),
    ("multi_head_attention", mha_out_untransposed_and_merge, "merged by a reshape + out_weight not transposed"),
    ("multi_head_attention_backward", mhaback_no_subtract_no_scale, "A dA + no scale"),
    ("multi_head_attention_backward", mhaback_transposed_out_and_order, "out_weight transposed + dq and dk exchanged"),
    ("multi_head_attention_backward", mhaback_mean_bias_no_scale, "no scale + the biases averaged"),
    ("linear_backward", linback_transposed_and_bias, "dweight transposed + dbias not summed"),
    ("layernorm", ln_std_ddof_eps_out, "unbiased + eps outside"),
    ("layernorm", ln_no_bias_no_eps, "no bias + no eps"),
    ("layernorm", ln_tokens_and_no_weight, "over the tokens + no weight"),
    ("layernorm_backward", lnback_no_weight_mean_bias, "weight missing in dx + dbias averaged"),
    ("gelu_backward", gelub_no_half_in_exponent_minus, "no 1/2 in the exponent + minus"),
    ("mlp", mlp_bias_forgotten_relu, "no bias1 + ReLU"),
    ("mlp", mlp_gelu_tanh_no_b2, "tanh form + no bias2"),
    ("dropout", dropout_keep_is_rate, "keep turned round + divided by rate"),
    ("block", block_no_norm1_residual_z, "no norm1 + the second residual from z"),
    ("block", block_norm_of_sum_twice, "norm2 once more at the end"),
    ("block", block_average, "both sums are averaged"),
    ("block_backward", blockback_swap_order_inside_no_res, "no residual around the MLP + norm before attention"),
    ("patchify", patchify_channels_last_and_columns, "channels last + column by column"),
    ("unpatchify", unpatchify_transposed, "channels last + transposed"),
    ("embed", embed_token_no_position_last, "the class token last + without position"),
    ("class_token_backward", class_back_mean_last, "the class token last + a mean"),
    ("cross_entropy", ce_sum_base2, "summed + base 2"),
    ("cross_entropy", ce_mean_of_all_classes, "a mean over all entries + 1e-12"),
    ("cross_entropy", ce_wrong_axis_sum, "axis 0 + summed"),
    ("cross_entropy_backward", ceb_no_div_wrong_axis, "axis 0 + not divided"),
    ("sigmoid_cross_entropy", bce_mean_no_absent, "a mean over all + no absent classes (+ 1e-12)"),
    ("label_smoothing", smoothing_subtracts, "s is taken from every class"),
    ("sgd_step", sgd_nesterov_minus, "Nesterov + lr inside v"),
    ("sgd_step", sgd_dampened_sign, "1 - momentum + w climbs"),
    ("adam_step", adam_no_correction_coupled, "coupled decay + no correction"),
    ("adam_step", adam_eps_inside_decay_no_lr, "eps inside + decay without lr"),
    ("adam_step", adam_t_times, "beta t for beta^t + an absolute value"),
    ("learning_rate", lr_early_linear, "counts from 1 + linear (+ division by 0)"),
    ("clip", clip_mean_norm_always, "a mean for the sum + always scaled"),
    ("conv2d", conv_flip_mean, "flipped + averaged"),
    ("standardize", standardize_unbiased_out, "unbiased + eps outside"),
    ("groupnorm", groupnorm_batch_ddof, "unbiased + no bias"),
    ("receptive_field", receptive_even, "own stride + the pixel itself not counted"),
    ("same_padding", same_pad_stride_first, "one window too many + may be negative"),
    ("hybrid_tokens", tokens_round, "rounded to the nearest"),
]
