"""Answers in many students' own ways of writing, one function each, made without a look at the checks or at any solution.

Above each function: its exercise, and what is wrong in it (`wrong`), the two things that are (`pair`), or what is unusual
in a right one (`right`), in the writer's words.
"""

# ruff: noqa: RUF059, B905, E501 -- as they were written

import math

import numpy as np


# exercise: cubic_step_backward
# wrong: the middle X of the cube (the transposed one) gives no gradient, only the two outer ones do
def cubic_step_backward__middle_missing(dY, X):
    left = dY @ (X.T @ X)
    right = (X @ X.T) @ dY
    return 1.5 * dY - 0.5 * (left + right)


# exercise: cubic_step_backward
# wrong: the gradient is treated as if the cube were elementwise-like, three times the same path dY X^T X
def cubic_step_backward__three_times_one_path(dY, X):
    gram = X.T @ X
    return (3 * dY - 3 * dY @ gram) / 2


# exercise: cubic_step_backward
# wrong: the linear term's gradient is 3 dY, not halved (only the cube is divided by 2)
def cubic_step_backward__linear_not_halved(dY, X):
    cube = dY @ X.T @ X + X @ dY.T @ X + X @ X.T @ dY
    return 3 * dY - cube / 2


# exercise: cubic_step_backward
# right: entry by entry with einsum, no transpose written
def cubic_step_backward__einsum(dY, X):
    total = 3 * dY
    total = total - np.einsum("ab,cb,cd->ad", dY, X, X)
    total = total - np.einsum("ac,dc,de->ae", X, X, dY)
    total = total - np.einsum("cb,cd,ab->ad", dY, X, X)
    return total / 2


# exercise: attention_with_copies
# wrong: scores are multiplied by the number of copies instead of adding its logarithm
def attention_with_copies__times_scores(q, k, v, copies):
    s = np.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(q.shape[-1])
    s = s * copies
    w = np.exp(s - s.max(-1, keepdims=True))
    return (w / w.sum(-1, keepdims=True)) @ v


# exercise: attention_with_copies
# wrong: weights are multiplied by copies after softmax, and the row is not normalised again
def attention_with_copies__no_second_norm(q, k, v, copies):
    s = q @ np.swapaxes(k, 2, 3) / np.sqrt(k.shape[-1])
    w = np.exp(s - s.max(axis=-1, keepdims=True))
    w /= w.sum(axis=-1, keepdims=True)
    return (w * copies[None, None, None, :]) @ v


# exercise: attention_with_copies
# wrong: the logarithm of copies is added before the division by sqrt(Dh), so it is scaled as well
def attention_with_copies__log_scaled_too(q, k, v, copies):
    s = (q @ np.swapaxes(k, -1, -2) + np.log(copies)) / np.sqrt(q.shape[-1])
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e @ v / e.sum(axis=-1, keepdims=True)


# exercise: attention_with_copies
# pair: copies added as they are, without logarithm + scores not divided by sqrt(Dh)
def attention_with_copies__plain_add_no_scale(q, k, v, copies):
    s = q @ np.swapaxes(k, -1, -2) + copies
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e @ v / e.sum(axis=-1, keepdims=True)


# exercise: attention_with_copies
# right: numerator and denominator apart, each exponential counted copies times
def attention_with_copies__fraction(q, k, v, copies):
    B, h, T, Dh = q.shape
    y = np.zeros((B, h, T, v.shape[-1]))
    for t in range(T):
        s = (k * q[:, :, t : t + 1]).sum(-1) / Dh**0.5
        e = np.exp(s - s.max(-1, keepdims=True)) * copies
        y[:, :, t] = (e[..., None] * v).sum(2) / e.sum(-1)[..., None]
    return y


# exercise: temperature_backward
# wrong: dx is not divided by tau
def temperature_backward__dx_not_divided(dA, x, tau):
    s = x / tau
    A = np.exp(s - s.max(-1, keepdims=True))
    A /= A.sum(-1, keepdims=True)
    ds = A * (dA - (A * dA).sum(-1, keepdims=True))
    return ds, -(ds * x).sum() / tau**2


# exercise: temperature_backward
# wrong: sign of dtau
def temperature_backward__dtau_sign(dA, x, tau):
    e = np.exp((x - x.max(axis=-1, keepdims=True)) / tau)
    A = e / e.sum(axis=-1, keepdims=True)
    inner = np.sum(dA * A, axis=-1, keepdims=True)
    ds = A * dA - A * inner
    dtau = np.sum(ds * x) / (tau * tau)
    return ds / tau, dtau


# exercise: temperature_backward
# wrong: dtau is divided by tau once, not by its square
def temperature_backward__tau_once(dA, x, tau):
    e = np.exp((x - x.max(axis=-1, keepdims=True)) / tau)
    A = e / e.sum(axis=-1, keepdims=True)
    ds = A * (dA - np.einsum("...s,...s->...", A, dA)[..., None])
    return ds / tau, float(-np.vdot(ds, x) / tau)


# exercise: temperature_backward
# pair: softmax of x without the temperature + sign of dtau
def temperature_backward__cold_and_sign(dA, x, tau):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    A = e / e.sum(axis=-1, keepdims=True)
    ds = A * (dA - (A * dA).sum(-1, keepdims=True))
    return ds / tau, (ds * x).sum() / tau**2


# exercise: temperature_backward
# right: dtau from dx, one division less
def temperature_backward__from_dx(dA, x, tau):
    z = np.exp((x - x.max(axis=-1, keepdims=True)) / tau)
    A = z / z.sum(axis=-1, keepdims=True)
    dx = (A * dA - A * (A * dA).sum(-1, keepdims=True)) / tau
    return dx, -np.sum(dx * x) / tau


# exercise: groupnorm_last
# wrong: mean and variance of each pixel alone (the group's channels, not rows and columns)
def groupnorm_last__per_pixel(x, weight, bias, groups, eps):
    B, H, W, C = x.shape
    g = x.reshape(B, H, W, groups, C // groups)
    m = g.mean(axis=4, keepdims=True)
    s = g.var(axis=4, keepdims=True)
    return ((g - m) / np.sqrt(s + eps)).reshape(x.shape) * weight + bias


# exercise: groupnorm_last
# wrong: channels are dealt out in turn: reshape to (C/groups, groups), so a group holds every groups-th channel
def groupnorm_last__interleaved(x, weight, bias, groups, eps):
    B, H, W, C = x.shape
    g = x.reshape(B, H * W, C // groups, groups)
    g = (g - g.mean(axis=(1, 2), keepdims=True)) / np.sqrt(g.var(axis=(1, 2), keepdims=True) + eps)
    return weight * g.reshape(B, H, W, C) + bias


# exercise: groupnorm_last
# wrong: eps is added to the deviation, outside of the root
def groupnorm_last__eps_outside(x, weight, bias, groups, eps):
    B, H, W, C = x.shape
    g = x.reshape(B, H, W, groups, C // groups)
    hat = (g - g.mean(axis=(1, 2, 4), keepdims=True)) / (g.std(axis=(1, 2, 4), keepdims=True) + eps)
    return weight * hat.reshape(B, H, W, C) + bias


# exercise: groupnorm_last
# pair: statistics over the batch too + variance with n - 1
def groupnorm_last__batch_and_ddof(x, weight, bias, groups, eps):
    B, H, W, C = x.shape
    g = x.reshape(B, H, W, groups, C // groups)
    ax = (0, 1, 2, 4)
    hat = (g - g.mean(axis=ax, keepdims=True)) / np.sqrt(g.var(axis=ax, keepdims=True, ddof=1) + eps)
    return weight * hat.reshape(B, H, W, C) + bias


# exercise: groupnorm_last
# right: a list of groups, split and joined again; the variance as mean of squares less square of mean
def groupnorm_last__split(x, weight, bias, groups, eps):
    out = []
    for part in np.split(x, groups, axis=3):
        m = part.mean((1, 2, 3))[:, None, None, None]
        d = part - m
        v = np.einsum("bhwc,bhwc->b", d, d) / part[0].size
        out.append(d / np.sqrt(v + eps)[:, None, None, None])
    return np.concatenate(out, axis=3) * weight + bias


# exercise: parallel_block
# wrong: the residual is forgotten
def parallel_block__no_residual(z, norm, attention, mlp):
    n = norm(z)
    return attention(n) + mlp(n)


# exercise: parallel_block
# wrong: one after the other: the MLP reads the norm of what attention left, as in the usual block
def parallel_block__sequential(z, norm, attention, mlp):
    mid = z + attention(norm(z))
    return mid + mlp(norm(mid))


# exercise: parallel_block
# wrong: the residual carries the normed z, not z
def parallel_block__normed_residual(z, norm, attention, mlp):
    z = norm(z)
    return z + attention(z) + mlp(z)


# exercise: parallel_block_backward
# wrong: the residual path is missing
def parallel_block_backward__no_residual(dz_out, norm_backward, attention_backward, mlp_backward):
    both = attention_backward(dz_out) + mlp_backward(dz_out)
    return norm_backward(both)


# exercise: parallel_block_backward
# wrong: branches in a row, the gradient of the MLP goes through attention
def parallel_block_backward__chained(dz_out, norm_backward, attention_backward, mlp_backward):
    d = mlp_backward(dz_out)
    return dz_out + norm_backward(attention_backward(d))


# exercise: parallel_block_backward
# wrong: the residual is added before the norm's backward, so it goes through the norm
def parallel_block_backward__residual_in_norm(dz_out, norm_backward, attention_backward, mlp_backward):
    dn = dz_out.copy()
    dn = dn + attention_backward(dz_out)
    dn = dn + mlp_backward(dz_out)
    return norm_backward(dn)


# exercise: parallel_block_backward
# pair: the MLP's gradient is missing + the residual counted twice, once for each branch
def parallel_block_backward__mlp_lost_twice(dz_out, norm_backward, attention_backward, mlp_backward):
    return 2 * dz_out + norm_backward(attention_backward(dz_out))


# exercise: parallel_block_backward
# right: MLP first, into a new array
def parallel_block_backward__in_place(dz_out, norm_backward, attention_backward, mlp_backward):
    total = np.zeros_like(dz_out)
    for back in (mlp_backward, attention_backward):
        total += back(dz_out)
    return np.add(norm_backward(total), dz_out)


# exercise: many_affine_step
# wrong: gradients are sums over the batch, not divided by b
def many_affine_step__sum_not_mean(W, bias, x, y, lr):
    r = x @ W.transpose(0, 2, 1) + bias[:, None, :] - y
    gW = r.transpose(0, 2, 1) @ x
    gb = r.sum(axis=1)
    return W - lr[:, None, None] * gW, bias - lr[:, None] * gb


# exercise: many_affine_step
# wrong: the factor 2 of the square stays, as if the loss had no half
def many_affine_step__factor_two(W, bias, x, y, lr):
    r = np.einsum("koi,kbi->kbo", W, x) + bias[:, None] - y
    n = x.shape[1]
    gW = 2 / n * np.einsum("kbo,kbi->koi", r, x)
    gb = 2 / n * np.einsum("kbo->ko", r)
    return W - np.einsum("k,koi->koi", lr, gW), bias - np.einsum("k,ko->ko", lr, gb)


# exercise: many_affine_step
# wrong: the bias is left out of the prediction (but gets its step)
def many_affine_step__bias_not_added(W, bias, x, y, lr):
    wrong_by = np.matmul(x, np.swapaxes(W, 1, 2)) - y
    step_W = np.matmul(np.swapaxes(wrong_by, 1, 2), x) / x.shape[1]
    step_b = wrong_by.mean(axis=1)
    W = W - step_W * lr.reshape(-1, 1, 1)
    bias = bias - step_b * lr.reshape(-1, 1)
    return W, bias


# exercise: many_affine_step
# pair: the step goes uphill (plus for minus) + the bias's gradient is a sum, not a mean over the batch
def many_affine_step__uphill_bias_sum(W, bias, x, y, lr):
    r = np.einsum("koi,kbi->kbo", W, x) + bias[:, None] - y
    return (
        W + lr[:, None, None] * np.einsum("kbo,kbi->koi", r, x) / x.shape[1],
        bias + lr[:, None] * r.sum(1),
    )


# exercise: many_affine_step
# right: bias as one more column of the matrix, with an input of ones
def many_affine_step__ones_column(W, bias, x, y, lr):
    K, b, _ = x.shape
    x1 = np.concatenate([x, np.ones((K, b, 1))], axis=2)
    W1 = np.concatenate([W, bias[:, :, None]], axis=2)
    r = np.einsum("koi,kbi->kob", W1, x1) - y.transpose(0, 2, 1)
    W1 = W1 - (lr / b)[:, None, None] * (r @ x1)
    return W1[:, :, :-1], W1[:, :, -1]


# exercise: explicit_activations
# wrong: the log of each row's sum is still counted, as with the fused kernel
def explicit_activations__logs_counted(tokens, width, heads, mlp_dim):
    norms = 2 * (tokens * width + 2 * tokens)
    attention = 4 * tokens * width + heads * tokens + heads * tokens**2
    return norms + tokens * width + attention + tokens * width + 2 * tokens * mlp_dim


# exercise: explicit_activations
# wrong: A counted once, not once per head
def explicit_activations__one_head(tokens, width, heads, mlp_dim):
    TD = tokens * width
    kept = {"norms": 2 * TD + 4 * tokens, "qkv": TD, "q, k, v": 3 * TD, "A": tokens * tokens, "result": TD}
    kept["fc1"] = TD
    kept["gelu"] = 2 * tokens * mlp_dim
    return sum(kept.values())


# exercise: explicit_activations
# wrong: the result of GELU is not counted
def explicit_activations__gelu_once(tokens, width, heads, mlp_dim):
    T, D, h, M = tokens, width, heads, mlp_dim
    return 8 * T * D + 4 * T + h * T * T + T * M


# exercise: explicit_activations
# pair: attention's result (input of the output layer) not counted + the two numbers per token of the norms not counted
def explicit_activations__result_and_stats(tokens, width, heads, mlp_dim):
    T, D = tokens, width
    return 2 * T * D + T * D + 3 * T * D + heads * T**2 + T * D + 2 * T * mlp_dim


# exercise: explicit_activations
# right: counted per token, times tokens at the end
def explicit_activations__per_token(tokens, width, heads, mlp_dim):
    per_token = 0
    per_token += 2 * (width + 2)
    per_token += width * (1 + 3 + 1)
    per_token += heads * tokens
    per_token += width + mlp_dim + mlp_dim
    return tokens * per_token


# exercise: grouped_attention_macs
# wrong: only the keys are shared, values are made for all heads
def grouped_attention_macs__values_not_shared(config, key_heads):
    T, D = config.num_tokens, config.width
    Dh = D // config.heads
    make = T * D * D + T * D * key_heads * Dh + T * D * D
    return make + 2 * T * T * D + T * D * D


# exercise: grouped_attention_macs
# wrong: scores and weighted sum are counted for key_heads heads instead of all heads
def grouped_attention_macs__fewer_scores(config, key_heads):
    T, D, h = config.num_tokens, config.width, config.heads
    Dh = D // h
    linear = T * D * (h * Dh + 2 * key_heads * Dh)
    asks = 2 * key_heads * T * T * Dh
    return linear + asks + T * D * D


# exercise: grouped_attention_macs
# wrong: the output layer is forgotten
def grouped_attention_macs__no_output_layer(config, key_heads):
    T, D = config.num_tokens, config.width
    narrow = key_heads * (D // config.heads)
    return T * D * (D + narrow + narrow) + T**2 * D + T**2 * D


# exercise: kept_patches_macs
# wrong: all patches are embedded, kept ones only read by the blocks
def kept_patches_macs__all_embedded(config, kept):
    D, M = config.width, config.mlp_dim
    T = kept + (config.num_tokens - config.num_patches)
    block = 4 * T * D * D + 2 * T * D * M + 2 * T * T * D
    return (
        config.num_patches * config.channels * config.patch_size**2 * D + config.depth * block + D * config.num_classes
    )


# exercise: kept_patches_macs
# wrong: the class token is forgotten
def kept_patches_macs__no_class_token(config, kept):
    D, M, P = config.width, config.mlp_dim, config.patch_size
    block = kept * (4 * D**2 + 2 * D * M) + 2 * kept**2 * D
    return kept * config.channels * P * P * D + config.depth * block + D * config.num_classes


# exercise: kept_patches_macs
# wrong: the whole model's MACs times the part of tokens that is kept, the square in attention ignored (full T stays once)
def kept_patches_macs__square_ignored(config, kept):
    D, T = config.width, kept + config.num_tokens - config.num_patches
    per_token = 4 * D * D + 2 * D * config.mlp_dim + 2 * config.num_tokens * D
    first = kept * config.channels * config.patch_size**2 * D
    return first + config.depth * T * per_token + D * config.num_classes


# exercise: separable_macs
# wrong: outputs rounded down instead of up
def separable_macs__rounded_down(height, width, inputs, outputs, kernel, stride):
    places = (height // stride) * (width // stride)
    return places * inputs * kernel**2 + places * inputs * outputs


# exercise: separable_macs
# wrong: the stride is forgotten in the first step, which is computed at every pixel
def separable_macs__first_at_full_size(height, width, inputs, outputs, kernel, stride):
    Ho, Wo = math.ceil(height / stride), math.ceil(width / stride)
    depthwise = height * width * inputs * kernel * kernel
    pointwise = Ho * Wo * inputs * outputs
    return depthwise + pointwise


# exercise: separable_macs
# wrong: the first step has one filter for every output channel, not for every input
def separable_macs__filters_by_outputs(height, width, inputs, outputs, kernel, stride):
    Ho, Wo = -(-height // stride), -(-width // stride)
    return Ho * Wo * (kernel * kernel * outputs + inputs * outputs)


# exercise: separable_macs
# pair: kernel counted along one side only, not squared + rounded down
def separable_macs__side_and_floor(height, width, inputs, outputs, kernel, stride):
    Ho, Wo = height // stride, width // stride
    return Ho * Wo * inputs * (kernel + outputs)


# exercise: separable_macs
# right: places counted with range
def separable_macs__ranges(height, width, inputs, outputs, kernel, stride):
    rows, columns = len(range(0, height, stride)), len(range(0, width, stride))
    return sum((kernel * kernel + outputs) * rows * columns for _ in range(inputs))


# exercise: depthwise_backward
# wrong: dx is set, not added up, where windows overlap
def depthwise_backward__not_accumulated(dy, x, weight, stride, padding):
    kh, kw = weight.shape[1:]
    Ho, Wo = dy.shape[2:]
    pad = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    xp = np.pad(x, pad)
    dxp, dw = np.zeros_like(xp), np.zeros_like(weight)
    for i in range(kh):
        for j in range(kw):
            rows, cols = slice(i, i + stride * Ho, stride), slice(j, j + stride * Wo, stride)
            rows = slice(i, i + stride * (Ho - 1) + 1, stride)
            cols = slice(j, j + stride * (Wo - 1) + 1, stride)
            dxp[:, :, rows, cols] = dy * weight[:, i, j][None, :, None, None]
            dw[:, i, j] = (dy * xp[:, :, rows, cols]).sum(axis=(0, 2, 3))
    H, W = x.shape[2:]
    return dxp[:, :, padding : padding + H, padding : padding + W], dw


# exercise: depthwise_backward
# wrong: the kernel is turned by 180 degrees for dx
def depthwise_backward__kernel_flipped(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    _, kh, kw = weight.shape
    xp = np.zeros((B, C, H + 2 * padding, W + 2 * padding))
    xp[:, :, padding : padding + H, padding : padding + W] = x
    dxp = np.zeros_like(xp)
    dw = np.zeros(weight.shape)
    turned = weight[:, ::-1, ::-1]
    for p in range(dy.shape[2]):
        for q in range(dy.shape[3]):
            g = dy[:, :, p, q][:, :, None, None]
            a, b = p * stride, q * stride
            dw += (g * xp[:, :, a : a + kh, b : b + kw]).sum(0)
            dxp[:, :, a : a + kh, b : b + kw] += g * turned
    return dxp[:, :, padding : padding + H, padding : padding + W], dw


# exercise: depthwise_backward
# wrong: dweight is the mean over the images, not the sum
def depthwise_backward__dweight_mean(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    _, kh, kw = weight.shape
    xp = np.pad(x, [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])
    dxp = np.zeros_like(xp)
    dw = np.zeros((B, C, kh, kw))
    for p in range(dy.shape[2]):
        for q in range(dy.shape[3]):
            r, s = slice(p * stride, p * stride + kh), slice(q * stride, q * stride + kw)
            g = dy[:, :, p, q, None, None]
            dw += g * xp[:, :, r, s]
            dxp[:, :, r, s] += g * weight
    return dxp[:, :, padding : H + padding, padding : W + padding], dw.mean(axis=0)


# exercise: depthwise_backward
# right: windows by as_strided for dweight; dx by a spread-out dy met by shifted weights
def depthwise_backward__windows(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    _, kh, kw = weight.shape
    _, _, Ho, Wo = dy.shape
    xp = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    win = np.lib.stride_tricks.sliding_window_view(xp, (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]
    dw = np.einsum("bcpq,bcpqij->cij", dy, win[:, :, :Ho, :Wo])
    each = np.einsum("bcpq,cij->bcpqij", dy, weight)
    dxp = np.zeros_like(xp)
    P = (np.arange(Ho) * stride)[:, None, None, None] + np.arange(kh)[None, None, :, None]
    Q = (np.arange(Wo) * stride)[None, :, None, None] + np.arange(kw)[None, None, None, :]
    np.add.at(dxp, (slice(None), slice(None), P, Q), each)
    return dxp[:, :, padding : padding + H, padding : padding + W], dw


# exercise: dilated_conv2d
# wrong: true convolution: the kernel is turned round in both directions
def dilated_conv2d__flipped(x, weight, stride, padding, dilation):
    O, C, kh, kw = weight.shape
    xp = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    Ho = (xp.shape[2] - dilation * (kh - 1) - 1) // stride + 1
    Wo = (xp.shape[3] - dilation * (kw - 1) - 1) // stride + 1
    y = np.zeros((len(x), O, Ho, Wo))
    for i in range(kh):
        for j in range(kw):
            a, b = i * dilation, j * dilation
            seen = xp[:, :, a : a + stride * (Ho - 1) + 1 : stride, b : b + stride * (Wo - 1) + 1 : stride]
            y += np.einsum("bchw,oc->bohw", seen, weight[:, :, kh - 1 - i, kw - 1 - j])
    return y


# exercise: dilated_conv2d
# wrong: holes across only, rows of the kernel lie next to each other as usual (the size is that of the dilated kernel)
def dilated_conv2d__one_direction(x, weight, stride, padding, dilation):
    O, C, kh, kw = weight.shape
    B, _, H, W = x.shape
    xp = np.zeros((B, C, H + 2 * padding, W + 2 * padding))
    xp[:, :, padding : padding + H, padding : padding + W] = x
    Ho = (H + 2 * padding - (kh - 1) * dilation - 1) // stride + 1
    Wo = (W + 2 * padding - (kw - 1) * dilation - 1) // stride + 1
    y = np.empty((B, O, Ho, Wo))
    for p in range(Ho):
        for q in range(Wo):
            top, left = p * stride, q * stride
            w = xp[:, :, top : top + kh, left : left + (kw - 1) * dilation + 1 : dilation]
            y[:, :, p, q] = np.tensordot(w, weight, axes=([1, 2, 3], [1, 2, 3]))
    return y


# exercise: dilated_conv2d
# wrong: all zeros of the padding are put above and left, none below and right
def dilated_conv2d__padding_one_side(x, weight, stride, padding, dilation):
    O, C, kh, kw = weight.shape
    xp = np.pad(x, ((0, 0), (0, 0), (2 * padding, 0), (2 * padding, 0)))
    sh, sw = dilation * (kh - 1) + 1, dilation * (kw - 1) + 1
    v = np.lib.stride_tricks.sliding_window_view(xp, (sh, sw), axis=(2, 3))
    v = v[:, :, ::stride, ::stride, ::dilation, ::dilation]
    return np.einsum("bcpqij,ocij->bopq", v, weight)


# exercise: dilated_conv2d
# right: the kernel itself is blown up with zeros, then an ordinary convolution
def dilated_conv2d__zeros_in_kernel(x, weight, stride, padding, dilation):
    O, C, kh, kw = weight.shape
    big = np.zeros((O, C, (kh - 1) * dilation + 1, (kw - 1) * dilation + 1))
    big[:, :, ::dilation, ::dilation] = weight
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    v = np.lib.stride_tricks.sliding_window_view(xp, big.shape[2:], axis=(2, 3))
    return np.tensordot(v[:, :, ::stride, ::stride], big, ([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)


# exercise: standardize_backward
# wrong: the path through the variance is missing
def standardize_backward__variance_path_missing(dwhat, weight, eps):
    ax = (1, 2, 3)
    sd = np.sqrt(weight.var(axis=ax, keepdims=True) + eps)
    return (dwhat - dwhat.mean(axis=ax, keepdims=True)) / sd


# exercise: standardize_backward
# wrong: the path through the mean is missing
def standardize_backward__mean_path_missing(dwhat, weight, eps):
    O = len(weight)
    w, d = weight.reshape(O, -1), dwhat.reshape(O, -1)
    s = np.sqrt(w.var(1, keepdims=True) + eps)
    hat = (w - w.mean(1, keepdims=True)) / s
    return ((d - hat * (d * hat).mean(1, keepdims=True)) / s).reshape(weight.shape)


# exercise: standardize_backward
# wrong: sums instead of means of the two directions that are taken out
def standardize_backward__sums(dwhat, weight, eps):
    ax = (1, 2, 3)
    s = 1 / np.sqrt(weight.var(axis=ax, keepdims=True) + eps)
    hat = s * (weight - weight.mean(axis=ax, keepdims=True))
    return s * (dwhat - dwhat.sum(ax, keepdims=True) - hat * (dwhat * hat).sum(ax, keepdims=True))


# exercise: standardize_backward
# pair: statistics over each (kh, kw) kernel of a filter, not over the channels too + not divided by the deviation
def standardize_backward__per_channel_unscaled(dwhat, weight, eps):
    ax = (2, 3)
    s = np.sqrt(weight.var(axis=ax, keepdims=True) + eps)
    hat = (weight - weight.mean(axis=ax, keepdims=True)) / s
    return dwhat - dwhat.mean(axis=ax, keepdims=True) - hat * (dwhat * hat).mean(axis=ax, keepdims=True)


# exercise: standardize_backward
# right: step by step, dvar and dmean as in the papers on batch norm
def standardize_backward__dvar_dmean(dwhat, weight, eps):
    O = weight.shape[0]
    w, d = weight.reshape(O, -1), dwhat.reshape(O, -1)
    R = w.shape[1]
    c = w - w.sum(1, keepdims=True) / R
    v = np.einsum("or,or->o", c, c)[:, None] / R + eps
    dv = -0.5 * (d * c).sum(1, keepdims=True) * v**-1.5
    dc = d * v**-0.5 + 2 / R * c * dv
    return (dc - dc.sum(1, keepdims=True) / R).reshape(weight.shape)


# exercise: paired_with_gaps
# wrong: a run whose partner failed still counts: means of each model over its own runs that are there
def paired_with_gaps__means_apart(first, second):
    d = first - second
    n = (~np.isnan(d)).sum(axis=1)
    return np.nanmean(first, axis=1) - np.nanmean(second, axis=1), np.nanstd(d, axis=1, ddof=1) / np.sqrt(n)


# exercise: paired_with_gaps
# wrong: error divided by the root of all seeds, also those with gaps
def paired_with_gaps__all_seeds(first, second):
    gap = first - second
    return np.nanmean(gap, axis=1), np.nanstd(gap, axis=1, ddof=1) / math.sqrt(gap.shape[1])


# exercise: paired_with_gaps
# wrong: deviation with n, not n - 1
def paired_with_gaps__ddof_zero(first, second):
    mean, error = [], []
    for a, b in zip(first, second):
        whole = ~(np.isnan(a) | np.isnan(b))
        d = a[whole] - b[whole]
        mean.append(d.mean())
        error.append(d.std() / np.sqrt(len(d)))
    return np.array(mean), np.array(error)


# exercise: paired_with_gaps
# pair: second minus first + the standard deviation returned, not divided by the root of the number of pairs
def paired_with_gaps__turned_and_sd(first, second):
    d = second - first
    return np.nanmean(d, axis=1), np.nanstd(d, axis=1, ddof=1)


# exercise: paired_with_gaps
# right: gaps as zeros with a weight of 0, no nan functions
def paired_with_gaps__weights(first, second):
    ok = np.isfinite(first) & np.isfinite(second)
    d = np.where(ok, np.where(ok, first, 0.0) - np.where(ok, second, 0.0), 0.0)
    n = ok.sum(1)
    m = d.sum(1) / n
    ss = (ok * (d - m[:, None]) ** 2).sum(1)
    return m, np.sqrt(ss / (n * (n - 1)))


# exercise: embed_registers
# wrong: registers get positions: the class token's row is added to them as well
def embed_registers__registers_get_a_position(x, x_class, registers, E_pos):
    B = x.shape[0]
    front = np.vstack([x_class[None], registers]) + E_pos[0]
    front = np.broadcast_to(front, (B, *front.shape))
    return np.concatenate([front, x + E_pos[1:]], axis=1)


# exercise: embed_registers
# wrong: registers stand behind the patches, at the end
def embed_registers__at_the_end(x, x_class, registers, E_pos):
    B, N, D = x.shape
    z = np.zeros((B, 1 + N + len(registers), D))
    z[:, 0] = x_class + E_pos[0]
    z[:, 1 : N + 1] = x + E_pos[1:]
    z[:, N + 1 :] = registers
    return z


# exercise: embed_registers
# wrong: the class token gets no position
def embed_registers__class_without_position(x, x_class, registers, E_pos):
    out = [np.concatenate([x_class[None, :], registers, image + E_pos[1:]]) for image in x]
    return np.stack(out)


# exercise: embed_registers
# right: positions made as one table with zeros for the registers
def embed_registers__table_with_zeros(x, x_class, registers, E_pos):
    n, D = registers.shape
    table = np.insert(E_pos, 1, np.zeros((n, D)), axis=0)
    tokens = np.empty((len(x), *table.shape))
    tokens[:, 0], tokens[:, 1 : n + 1], tokens[:, n + 1 :] = x_class, registers, x
    return tokens + table


# exercise: embed_registers_backward
# wrong: the registers' gradient is a mean over the batch instead of a sum
def embed_registers_backward__registers_mean(dz, n):
    dcls = dz[:, 0].sum(axis=0)
    dE = np.concatenate([dz[:, :1], dz[:, n + 1 :]], axis=1).sum(axis=0)
    return dz[:, n + 1 :], dcls, dz[:, 1 : n + 1].mean(axis=0), dE


# exercise: embed_registers_backward
# wrong: row 0 of dE_pos is left at zero, as if the class token had no position
def embed_registers_backward__no_position_for_class(dz, n):
    total = dz.sum(0)
    dE = np.zeros((total.shape[0] - n, total.shape[1]))
    dE[1:] = total[1 + n :]
    return dz[:, 1 + n :].copy(), total[0], total[1 : 1 + n], dE


# exercise: embed_registers_backward
# wrong: dE_pos is cut off the first N + 1 tokens, registers among them
def embed_registers_backward__first_rows(dz, n):
    dx = dz[:, n + 1 :]
    s = np.einsum("btd->td", dz)
    return dx, s[0], s[1 : n + 1], s[: dx.shape[1] + 1]


# exercise: embed_registers_backward
# right: np.split and np.delete
def embed_registers_backward__split(dz, n):
    cls, reg, dx = np.split(dz, [1, n + 1], axis=1)
    summed = np.add.reduce(dz, axis=0)
    return dx, cls.sum((0, 1)), reg.sum(0), np.delete(summed, np.s_[1 : n + 1], axis=0)


# exercise: shots_and_held_out
# wrong: the generator is made anew for each class
def shots_and_held_out__generator_per_class(labels, shots, held_out, seed):
    chosen, held = [], []
    for c in np.unique(labels):
        order = np.random.default_rng(seed).permutation(np.flatnonzero(labels == c))
        chosen.append(order[:shots])
        held.append(order[shots : shots + held_out])
    return np.concatenate(chosen), np.concatenate(held)


# exercise: shots_and_held_out
# wrong: a second permutation draws the held-out images, so they may be shots too
def shots_and_held_out__second_permutation(labels, shots, held_out, seed):
    rng = np.random.default_rng(seed)
    chosen, held = [], []
    for c in range(labels.max() + 1):
        mine = np.where(labels == c)[0]
        chosen += list(rng.permutation(mine)[:shots])
        held += list(rng.permutation(mine)[shots : shots + held_out])
    return np.array(chosen), np.array(held)


# exercise: shots_and_held_out
# wrong: the first are held out, the shots come after them
def shots_and_held_out__held_out_first(labels, shots, held_out, seed):
    rng, a, b = np.random.default_rng(seed), [], []
    for c in range(int(labels.max()) + 1):
        p = rng.permutation(np.nonzero(labels == c)[0])
        b.extend(p[:held_out])
        a.extend(p[held_out : held_out + shots])
    return np.array(a), np.array(b)


# exercise: shots_and_held_out
# right: table of classes by images, cut at the end
def shots_and_held_out__table(labels, shots, held_out, seed):
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.argwhere(labels == c).ravel())[: shots + held_out] for c in range(1 + max(labels))]
    table = np.array(rows)
    return table[:, :shots].reshape(-1), table[:, shots:].reshape(-1)


# exercise: total_error
# wrong: the variance of the test images is divided by the number of seeds as well, as if each seed had its own
def total_error__test_over_seeds(accuracy, num_images):
    n = accuracy.shape[1]
    p = accuracy.mean(axis=1)
    luck = accuracy.var(axis=1, ddof=1) / n
    return np.sqrt(luck + p * (1 - p) / (num_images * n))


# exercise: total_error
# wrong: the two errors are added, not their squares
def total_error__errors_added(accuracy, num_images):
    p = accuracy.mean(1)
    return accuracy.std(1, ddof=1) / np.sqrt(accuracy.shape[1]) + np.sqrt(p * (1 - p) / num_images)


# exercise: total_error
# wrong: the shots' variance is not divided by the number of seeds: deviation of one run, not of the mean
def total_error__shots_not_divided(accuracy, num_images):
    m = np.mean(accuracy, axis=-1)
    return np.sqrt(np.var(accuracy, axis=-1, ddof=1) + m * (1 - m) / num_images)


# exercise: total_error
# pair: variance with n instead of n - 1 + the test images' part is left out
def total_error__biased_and_no_images(accuracy, num_images):
    return accuracy.std(axis=1) / math.sqrt(accuracy.shape[1])


# exercise: total_error
# right: hypot of the two errors, row by row
def total_error__hypot(accuracy, num_images):
    found = []
    for row in accuracy:
        n, p = len(row), sum(row) / len(row)
        shots = math.sqrt(sum((a - p) ** 2 for a in row) / (n - 1) / n)
        found.append(math.hypot(shots, math.sqrt((p - p * p) / num_images)))
    return np.array(found)


# exercise: weighted_ridge
# wrong: targets are not weighted, only the Gram matrix
def weighted_ridge__targets_unweighted(X, Y, importance, l2):
    G = (X * importance[:, None]).T @ X
    return np.linalg.solve(G + l2 * np.eye(X.shape[1]), X.T @ Y)


# exercise: weighted_ridge
# wrong: rows of X and Y scaled by the weight, so that it counts squared
def weighted_ridge__weights_squared(X, Y, importance, l2):
    Xa, Ya = importance[:, None] * X, importance[:, None] * Y
    return np.linalg.inv(Xa.T @ Xa + l2 * np.identity(X.shape[1])) @ Xa.T @ Ya


# exercise: weighted_ridge
# wrong: dual with lambda times the weights on the diagonal, not divided by them
def weighted_ridge__dual_times(X, Y, importance, l2):
    K = X @ X.T + l2 * np.diag(importance)
    return X.T @ np.linalg.solve(K, Y)


# exercise: weighted_ridge
# right: rows scaled by the root of the weight, penalty as extra rows, least squares
def weighted_ridge__lstsq(X, Y, importance, l2):
    r = np.sqrt(importance)[:, None]
    D = X.shape[1]
    tall = np.concatenate([r * X, math.sqrt(l2) * np.eye(D)])
    goal = np.concatenate([r * Y, np.zeros((D, Y.shape[1]))])
    return np.linalg.lstsq(tall, goal, rcond=None)[0]


# exercise: weighted_ridge
# right: dual form, lambda over the weights on the diagonal
def weighted_ridge__dual(X, Y, importance, l2):
    gram = np.einsum("nd,md->nm", X, X)
    gram[np.diag_indices(len(X))] += l2 / importance
    return np.einsum("nd,nk->dk", X, np.linalg.solve(gram, Y))


# exercise: small_machine_rule
# wrong: the rate is not scaled with the batch
def small_machine_rule__same_rate(num_images, height, width, batch_size):
    from vitedu.recipes import hyper_rule

    r = hyper_rule(num_images, (height, width))
    return r.crop, -(-r.steps * 512 // batch_size), -(-r.warmup_steps * 512 // batch_size), 0.003


# exercise: small_machine_rule
# wrong: the warm-up keeps the rule's number of steps
def small_machine_rule__warmup_kept(num_images, height, width, batch_size):
    from vitedu.recipes import hyper_rule

    rule = hyper_rule(num_images, (height, width))
    times = 512 / batch_size
    return rule.crop, math.ceil(rule.steps * times), rule.warmup_steps, 0.003 / times


# exercise: small_machine_rule
# wrong: rounded down to whole steps
def small_machine_rule__rounded_down(num_images, height, width, batch_size):
    from vitedu.recipes import hyper_rule

    rule = hyper_rule(num_images, (height, width))
    seen, warm = rule.steps * 512, rule.warmup_steps * 512
    return rule.crop, seen // batch_size, warm // batch_size, 0.003 * batch_size / 512


# exercise: small_machine_rule
# pair: the rate scaled with the root of the batch + resize returned in place of crop
def small_machine_rule__root_and_resize(num_images, height, width, batch_size):
    from vitedu.recipes import hyper_rule

    rule = hyper_rule(num_images, (height, width))
    steps = math.ceil(rule.steps * 512 / batch_size)
    warm = math.ceil(rule.warmup_steps * 512 / batch_size)
    return rule.resize, steps, warm, 0.003 * math.sqrt(batch_size / 512)


# exercise: grouped_attention
# wrong: groups are taken in turn (tile), not neighbours the same one
def grouped_attention__in_turn(q, k, v):
    times = q.shape[1] // k.shape[1]
    k, v = np.tile(k, (1, times, 1, 1)), np.tile(v, (1, times, 1, 1))
    s = q @ k.swapaxes(2, 3) / math.sqrt(q.shape[3])
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


# exercise: grouped_attention
# wrong: softmax over the tokens that ask, not those asked
def grouped_attention__softmax_axis(q, k, v):
    B, h, T, Dh = q.shape
    g = k.shape[1]
    q = q.reshape(B, g, h // g, T, Dh)
    s = np.einsum("bgrtd,bgsd->bgrts", q, k) / np.sqrt(Dh)
    e = np.exp(s - s.max(axis=3, keepdims=True))
    A = e / e.sum(axis=3, keepdims=True)
    return np.einsum("bgrts,bgsd->bgrtd", A, v).reshape(B, h, T, -1)


# exercise: grouped_attention
# wrong: scores not divided by the root of Dh
def grouped_attention__not_scaled(q, k, v):
    r = q.shape[1] // k.shape[1]
    y = np.zeros(q.shape[:3] + v.shape[3:])
    for head in range(q.shape[1]):
        s = q[:, head] @ k[:, head // r].transpose(0, 2, 1)
        e = np.exp(s - s.max(axis=2, keepdims=True))
        y[:, head] = (e / e.sum(axis=2, keepdims=True)) @ v[:, head // r]
    return y


# exercise: grouped_attention
# pair: keys by neighbours but values in turn + scores divided by Dh instead of its root
def grouped_attention__values_in_turn_dh(q, k, v):
    r = q.shape[1] // k.shape[1]
    s = q @ np.repeat(k, r, axis=1).swapaxes(2, 3) / q.shape[3]
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ np.concatenate([v] * r, axis=1)


# exercise: grouped_attention
# right: heads of a group as more tokens that ask the same keys
def grouped_attention__more_tokens(q, k, v):
    B, h, T, Dh = q.shape
    g = k.shape[1]
    tall = q.reshape(B, g, (h // g) * T, Dh) * Dh**-0.5
    s = tall @ k.transpose(0, 1, 3, 2)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return (e @ v / e.sum(axis=-1, keepdims=True)).reshape(B, h, T, v.shape[-1])


# exercise: feature_tokens_backward
# wrong: dfeatures is reshaped to (B, C, H, W) without moving the channels in front
def feature_tokens_backward__reshape_only(dtokens, features, weight):
    B, C, H, W = features.shape
    flat = features.reshape(B, C, H * W)
    dweight = np.einsum("bnd,bcn->dc", dtokens, flat)
    return (dtokens @ weight).reshape(B, C, H, W), dweight, dtokens.sum((0, 1))


# exercise: feature_tokens_backward
# wrong: features for dweight reshaped to (B N, C) without transposing
def feature_tokens_backward__features_reshaped(dtokens, features, weight):
    B, C, H, W = features.shape
    d = dtokens.reshape(-1, dtokens.shape[-1])
    rows = features.reshape(-1, C)
    df = np.moveaxis((d @ weight).reshape(B, H, W, C), 3, 1)
    return df, d.T @ rows, d.sum(0)


# exercise: feature_tokens_backward
# wrong: rows and columns of the map change places (pixels are walked column by column)
def feature_tokens_backward__columns_first(dtokens, features, weight):
    B, C, H, W = features.shape
    tokens = features.transpose(0, 3, 2, 1).reshape(B, W * H, C)
    df = (dtokens @ weight).reshape(B, W, H, C).transpose(0, 3, 2, 1)
    return df, np.einsum("bnd,bnc->dc", dtokens, tokens), dtokens.sum(axis=(0, 1))


# exercise: feature_tokens_backward
# pair: dweight is the mean over the batch + dbias is summed over the batch only with a mean over the tokens
def feature_tokens_backward__means(dtokens, features, weight):
    B, C, H, W = features.shape
    dW = np.einsum("bnd,bcn->bdc", dtokens, features.reshape(B, C, -1)).mean(0)
    df = np.einsum("bnd,dc->bcn", dtokens, weight).reshape(features.shape)
    return df, dW, dtokens.sum(0).mean(0)


# exercise: feature_tokens_backward
# right: everything with the map's own axes
def feature_tokens_backward__on_the_map(dtokens, features, weight):
    B, C, H, W = features.shape
    g = dtokens.swapaxes(1, 2).reshape(B, -1, H, W)
    return np.einsum("bdhw,dc->bchw", g, weight), np.tensordot(g, features, ([0, 2, 3], [0, 2, 3])), g.sum((0, 2, 3))


# exercise: same_padding_dilated
# wrong: the extra pixel stands at the beginning
def same_padding_dilated__extra_before(size, kernel, stride, dilation):
    reach = (kernel - 1) * dilation + 1
    outputs = (size + stride - 1) // stride
    total = max((outputs - 1) * stride + reach - size, 0)
    return total - total // 2, total // 2


# exercise: same_padding_dilated
# wrong: may come out negative, no max with 0
def same_padding_dilated__negative(size, kernel, stride, dilation):
    n = math.ceil(size / stride)
    p = (n - 1) * stride + dilation * (kernel - 1) + 1 - size
    return p // 2, p - p // 2


# exercise: same_padding_dilated
# wrong: reach of the kernel is kernel times dilation
def same_padding_dilated__kernel_times_dilation(size, kernel, stride, dilation):
    outputs = -(-size // stride)
    p = max(0, (outputs - 1) * stride + kernel * dilation - size)
    return p // 2, (p + 1) // 2


# exercise: same_padding_dilated
# right: last pixel read by the last output less the last of the image
def same_padding_dilated__last_pixel(size, kernel, stride, dilation):
    last_start = ((size - 1) // stride) * stride
    last_read = last_start + dilation * (kernel - 1)
    total = max(last_read - (size - 1), 0)
    before, odd = divmod(total, 2)
    return before, before + odd


# exercise: attention_offset
# wrong: divided by the weights that are left, so that the others take the class token's part
def attention_offset__renormalised(A, gh, gw, P):
    W = A[:, 1:, 1:]
    W = W / W.sum(axis=-1, keepdims=True)
    r, c = np.divmod(np.arange(gh * gw), gw)
    down, across = r[None] - r[:, None], c[None] - c[:, None]
    return P * np.stack([(W * down).sum((1, 2)), (W * across).sum((1, 2))], axis=1) / (gh * gw)


# exercise: attention_offset
# wrong: the way is counted from the patch asked to the one that asks (sign)
def attention_offset__turned_round(A, gh, gw, P):
    N = gh * gw
    offset = np.zeros((len(A), 2))
    for t in range(N):
        for s in range(N):
            step = np.array([t // gw - s // gw, t % gw - s % gw])
            offset += A[:, 1 + t, 1 + s][:, None] * step * P
    return offset / N


# exercise: attention_offset
# wrong: across and down change places in the result
def attention_offset__across_first(A, gh, gw, P):
    N = gh * gw
    places = np.stack([np.arange(N) % gw, np.arange(N) // gw], axis=1) * P
    B = A[:, 1:, 1:]
    arrived = B @ places
    own = B.sum(-1)[..., None] * places
    return (arrived - own).mean(axis=1)


# exercise: attention_offset
# pair: summed over the patches that ask, not averaged + in patches, not in pixels
def attention_offset__sum_in_patches(A, gh, gw, P):
    y, x = np.meshgrid(np.arange(gh), np.arange(gw), indexing="ij")
    places = np.stack([y.ravel(), x.ravel()], 1)
    way = places[None, :] - places[:, None]
    return np.einsum("hts,tsk->hk", A[:, 1:, 1:], way)


# exercise: attention_offset
# right: what comes in less what goes out: columns' and rows' sums of A times the places
def attention_offset__sums(A, gh, gw, P):
    W = A[:, 1:, 1:]
    places = np.array([(i, j) for i in range(gh) for j in range(gw)], dtype=float)
    balance = W.sum(axis=1) - W.sum(axis=2)
    return P * balance @ places / len(places)


# exercise: logit_parts
# wrong: every part is divided by its own deviation, not by that of the last stream
def logit_parts__own_deviation(streams, g, weight):
    parts = np.diff(streams, axis=0, prepend=np.zeros((1, streams.shape[1])))
    parts = parts - parts.mean(axis=1, keepdims=True)
    hat = parts / np.sqrt((parts**2).mean(axis=1, keepdims=True) + 1e-6)
    return hat * g @ weight.T


# exercise: logit_parts
# wrong: the lens: streams themselves, not the differences
def logit_parts__streams_not_differences(streams, g, weight):
    c = streams - streams.mean(1, keepdims=True)
    return (c / np.sqrt(streams[-1].var() + 1e-6) * g) @ weight.T


# exercise: logit_parts
# wrong: the mean is not taken off the parts
def logit_parts__mean_left(streams, g, weight):
    parts = np.concatenate([streams[:1], streams[1:] - streams[:-1]])
    sd = np.sqrt(np.var(streams[-1]) + 1e-6)
    return np.einsum("ld,d,kd->lk", parts / sd, g, weight)


# exercise: logit_parts
# pair: the deviation of the first stream instead of the last + g left out
def logit_parts__first_deviation_no_scale(streams, g, weight):
    parts = np.concatenate([streams[:1], streams[1:] - streams[:-1]])
    parts = parts - parts.mean(axis=1)[:, None]
    return parts @ weight.T / np.sqrt(streams[0].var() + 1e-6)


# exercise: logit_parts
# right: lens of all streams with the last deviation first, differences of logits afterwards
def logit_parts__differences_last(streams, g, weight):
    head = weight * g
    head = head - head.mean(axis=1, keepdims=True)
    read = streams @ head.T / math.sqrt(streams[-1].var() + 1e-6)
    read[1:] -= read[:-1].copy()
    return read


# exercise: relevance
# wrong: first averaged over the heads, then cut at 0
def relevance__averaged_first(A, dA):
    R = np.eye(A.shape[-1])
    for a, d in zip(A, dA):
        R = R + np.maximum((a * d).mean(axis=0), 0) @ R
    return R


# exercise: relevance
# wrong: product from the other side, R A instead of A R
def relevance__other_side(A, dA):
    L, h, T, _ = A.shape
    R = np.identity(T)
    for l in range(L):
        cam = np.clip(dA[l] * A[l], 0, None).sum(0) / h
        R += R @ cam
    return R


# exercise: relevance
# wrong: the gradient alone, not its product with A
def relevance__gradient_alone(A, dA):
    R = np.eye(A.shape[2])
    speaks_for = np.where(dA > 0, dA, 0).mean(axis=1)
    for layer in speaks_for:
        R = R + layer @ R
    return R


# exercise: relevance
# pair: heads summed, not averaged + last block first
def relevance__sum_backwards(A, dA):
    R = np.eye(A.shape[2])
    for layer in np.maximum(A * dA, 0).sum(1)[::-1]:
        R = R + layer @ R
    return R


# exercise: relevance
# right: product of (I + A) from the left, by multi_dot style reduction
def relevance__product(A, dA):
    import functools

    G = A * dA
    bars = 0.5 * np.einsum("lhts->lts", G + np.abs(G)) / A.shape[1]
    return functools.reduce(lambda R, bar: (np.eye(len(R)) + bar) @ R, bars, np.eye(A.shape[-1]))


# exercise: fold_norm
# wrong: the norm's bias goes through the new (scaled) weight instead of the old one
def fold_norm__bias_times_folded_weight(weight, bias, next_weight, next_bias):
    folded = np.einsum("oi,i->oi", next_weight, weight)
    return folded, next_bias + folded @ bias


# exercise: fold_norm
# wrong: the old bias of the next layer is lost
def fold_norm__next_bias_lost(weight, bias, next_weight, next_bias):
    return next_weight * weight[None, :], next_weight.dot(bias)


# exercise: fold_norm
# wrong: the norm's bias is forgotten
def fold_norm__bias_forgotten(weight, bias, next_weight, next_bias):
    new = next_weight @ np.diag(weight)
    return new, next_bias.copy()


# exercise: fold_norm
# right: the layer is asked for its answers: to 0 and to each unit vector
def fold_norm__asked(weight, bias, next_weight, next_bias):
    def old(hat):
        return (hat * weight + bias) @ next_weight.T + next_bias

    D = len(weight)
    at_zero = old(np.zeros((1, D)))[0]
    return (old(np.eye(D)) - at_zero).T, at_zero


# exercise: second_difference
# wrong: divided by 2 h, not by the square
def second_difference__two_h(f, x, h):
    out = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        out[i] = (f(up) - 2 * f(x) + f(down)) / (2 * h)
    return out


# exercise: second_difference
# wrong: all entries are moved at once, not one after the other
def second_difference__all_at_once(f, x, h):
    bend = (f(x + h) - 2 * f(x) + f(x - h)) / h**2
    return np.full(x.shape, bend)


# exercise: second_difference
# wrong: the middle value is counted once, not twice
def second_difference__middle_once(f, x, h):
    bends = np.empty_like(x)
    middle = f(x)
    for place in np.ndindex(*x.shape):
        old = x[place]
        x[place] = old + h
        right = f(x)
        x[place] = old - h
        left = f(x)
        x[place] = old
        bends[place] = (right - middle + left) / (h * h)
    return bends


# exercise: second_difference
# pair: steps of 2 h to both sides, but divided by h^2 + sign
def second_difference__twice_the_step_negative(f, x, h):
    bends = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = 2 * h
        bends[i] = (2 * f(x) - f(x + e) - f(x - e)) / h**2
    return bends


# exercise: second_difference
# right: difference of the two slopes
def second_difference__two_slopes(f, x, h):
    here, flat = f(x), []
    for e in np.eye(x.size):
        e = h * e.reshape(x.shape)
        after = (f(x + e) - here) / h
        before = (here - f(x - e)) / h
        flat.append((after - before) / h)
    return np.array(flat).reshape(x.shape)


# exercise: agreement_beyond_chance
# wrong: chance is 1 / K, as if all answers were equally frequent
def agreement_beyond_chance__one_over_k(logits, moved):
    same = (logits.argmax(1) == moved.argmax(1)).mean()
    c = 1 / logits.shape[1]
    return (same - c) / (1 - c)


# exercise: agreement_beyond_chance
# wrong: frequencies of the answers before the move are taken for both strangers
def agreement_beyond_chance__before_twice(logits, moved):
    K = logits.shape[1]
    a, b = np.argmax(logits, axis=1), np.argmax(moved, axis=1)
    p = np.bincount(a, minlength=K) / len(a)
    c = (p**2).sum()
    return 0.0 if c == 1 else float((np.mean(a == b) - c) / (1 - c))


# exercise: agreement_beyond_chance
# wrong: not divided by what is left above chance
def agreement_beyond_chance__not_divided(logits, moved):
    before, after = logits.argmax(-1), moved.argmax(-1)
    chance = sum((before == k).mean() * (after == k).mean() for k in range(logits.shape[-1]))
    return (before == after).mean() - chance


# exercise: agreement_beyond_chance
# right: from the table of counts, diagonal and margins
def agreement_beyond_chance__table(logits, moved):
    n, K = logits.shape
    table = np.zeros((K, K))
    np.add.at(table, (logits.argmax(1), moved.argmax(1)), 1)
    c = table.sum(0) @ table.sum(1)
    if c == n * n:
        return 0.0
    return (n * np.trace(table) - c) / (n * n - c)


# exercise: straight_positions
# wrong: order itself is applied, not its inverse
def straight_positions__not_inverted(E_pos, order):
    return np.concatenate([E_pos[:1], E_pos[1:][order]])


# exercise: straight_positions
# wrong: the class token's row is forgotten: the inverse is taken of rows 0 to N - 1, the last row stays
def straight_positions__class_row_moved(E_pos, order):
    back = np.argsort(order)
    new = E_pos.copy()
    new[: len(order)] = E_pos[back]
    return new


# exercise: straight_positions
# wrong: off by one: rows 1 to N are read from order without the shift by the class token
def straight_positions__shift_missing(E_pos, order):
    new = np.empty_like(E_pos)
    new[0] = E_pos[0]
    for s, o in enumerate(order):
        new[1 + o] = E_pos[s]
    return new


# exercise: straight_positions
# right: permutation matrix, transposed
def straight_positions__matrix(E_pos, order):
    N = len(order)
    M = np.zeros((N + 1, N + 1))
    M[0, 0] = 1
    M[1 + np.arange(N), 1 + np.asarray(order)] = 1
    return M.T @ E_pos


# exercise: weighted_cross_entropy_backward
# wrong: divided by B, not by the sum of the weights
def weighted_cross_entropy_backward__by_b(logits, labels, weights):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    d = e / e.sum(axis=1, keepdims=True)
    d[np.arange(len(d)), labels] -= 1
    return d * weights[:, None] / len(d)


# exercise: weighted_cross_entropy_backward
# wrong: the weight is put on the right class alone: p - w t
def weighted_cross_entropy_backward__weight_on_target(logits, labels, weights):
    B, K = logits.shape
    p = np.exp(logits - logits.max(1)[:, None])
    p /= p.sum(1)[:, None]
    onehot = np.eye(K)[labels] * weights[:, None]
    return (p - onehot) / weights.sum()


# exercise: weighted_cross_entropy_backward
# wrong: overflow: softmax without the maximum taken off
def weighted_cross_entropy_backward__overflows(logits, labels, weights):
    with np.errstate(all="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    t = np.arange(logits.shape[1])[None, :] == labels[:, None]
    return (p - t) * (weights / weights.sum())[:, None]


# exercise: weighted_cross_entropy_backward
# pair: sign turned round + not divided by the sum of the weights
def weighted_cross_entropy_backward__sign_and_sum(logits, labels, weights):
    z = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return weights[:, None] * (np.eye(logits.shape[1])[labels] - p)


# exercise: weighted_cross_entropy_backward
# right: image by image, logsumexp
def weighted_cross_entropy_backward__by_image(logits, labels, weights):
    d = np.zeros(logits.shape)
    share = weights / np.sum(weights)
    for b, k in enumerate(labels):
        top = max(logits[b])
        lse = top + math.log(sum(math.exp(v - top) for v in logits[b]))
        d[b] = share[b] * np.exp(logits[b] - lse)
        d[b, k] -= share[b]
    return d


# exercise: gated_backward
# wrong: the gate's own slope is missing: a counted as linear, sigma as a constant
def gated_backward__sigma_constant(dy, a, c):
    s = 1 / (1 + np.exp(-a))
    return dy * c * s, dy * a * s


# exercise: gated_backward
# wrong: the factor a of a sigma(a) is missing in the second summand of the slope
def gated_backward__factor_a_missing(dy, a, c):
    sig = 0.5 * (1 + np.tanh(a / 2))
    slope = sig + sig * (1 - sig)
    return dy * slope * c, dy * sig * a


# exercise: gated_backward
# wrong: dc is that of the sigmoid alone, without a
def gated_backward__dc_without_a(dy, a, c):
    s = 1.0 / (1.0 + np.exp(-a))
    gate = a * s
    da = dy * c * (gate * (1 - s) + s)
    dc = dy * s
    return da, dc


# exercise: gated_backward
# pair: da without c + results turned round
def gated_backward__no_c_swapped(dy, a, c):
    s = 1 / (1 + np.exp(-a))
    da = dy * (s + a * s * (1 - s))
    return dy * a * s, da


# exercise: gated_backward
# right: with y's own value, slope = f + sigma (1 - f)
def gated_backward__from_the_value(dy, a, c):
    e = np.exp(-np.abs(a))
    s = np.where(a >= 0, 1 / (1 + e), e / (1 + e))
    f = a * s
    return (f + s * (1 - f)) * (c * dy), f * dy


# exercise: noisy_student_gradients
# wrong: both parts are divided by B + U, as one batch
def noisy_student_gradients__one_batch(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    def soft(x):
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    K, n = logits.shape[1], len(logits) + len(unlabelled_logits)
    t = (1 - smoothing) * np.eye(K)[labels] + smoothing / K
    return (soft(logits) - t) / n, ratio * (soft(unlabelled_logits) - teacher) / n


# exercise: noisy_student_gradients
# wrong: the teacher's probabilities are hardened to the most likely class
def noisy_student_gradients__hard_teacher(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    B, K = logits.shape
    U = unlabelled_logits.shape[0]
    t = np.full((B, K), smoothing / K)
    t[np.arange(B), labels] += 1 - smoothing
    q = np.eye(K)[teacher.argmax(axis=1)]
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    pu = np.exp(unlabelled_logits - np.logaddexp.reduce(unlabelled_logits, axis=1, keepdims=True))
    return (p - t) / B, ratio / U * (pu - q)


# exercise: noisy_student_gradients
# wrong: smoothing is spread over the K - 1 wrong classes
def noisy_student_gradients__smoothing_k_minus_one(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    K = logits.shape[1]
    right = np.arange(K) == labels[:, None]
    t = np.where(right, 1 - smoothing, smoothing / (K - 1))
    out = []
    for x, goal, factor in ((logits, t, 1.0), (unlabelled_logits, teacher, ratio)):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        out.append(factor * (e / e.sum(axis=1, keepdims=True) - goal) / x.shape[0])
    return tuple(out)


# exercise: noisy_student_gradients
# pair: ratio forgotten + the teacher smoothed as well
def noisy_student_gradients__no_ratio_smoothed_teacher(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    K = logits.shape[1]
    out = []
    for x, goal in ((logits, np.eye(K)[labels]), (unlabelled_logits, teacher)):
        goal = goal * (1 - smoothing) + smoothing / K
        e = np.exp(x - x.max(axis=1, keepdims=True))
        out.append((e / e.sum(axis=1, keepdims=True) - goal) / len(x))
    return out[0], out[1]


# exercise: grid_positions_backward
# wrong: a mean over the patches that share a row, not a sum
def grid_positions_backward__means(dtable, gw):
    N, D = dtable.shape
    grid = dtable.reshape(N // gw, gw, D)
    return grid[..., : D // 2].mean(axis=0), grid[..., D // 2 :].mean(axis=1)


# exercise: grid_positions_backward
# wrong: halves of the vector change places: E_y in the first half
def grid_positions_backward__halves(dtable, gw):
    half = dtable.shape[1] // 2
    grid = dtable.reshape(-1, gw, 2, half)
    return np.einsum("rcd->cd", grid[:, :, 1]), np.einsum("rcd->rd", grid[:, :, 0])


# exercise: grid_positions_backward
# wrong: order of the results, dE_y first
def grid_positions_backward__y_first(dtable, gw):
    left, right = np.split(dtable.reshape(-1, gw, dtable.shape[1]), 2, axis=2)
    dE_x = left.sum(0)
    dE_y = right.sum(1)
    return dE_y, dE_x


# exercise: grid_positions_backward
# right: np.add.at with the rows' and columns' numbers
def grid_positions_backward__add_at(dtable, gw):
    N, D = dtable.shape
    row, column = np.divmod(np.arange(N), gw)
    dE_x, dE_y = np.zeros((gw, D // 2)), np.zeros((N // gw, D // 2))
    np.add.at(dE_x, column, dtable[:, : D // 2])
    np.add.at(dE_y, row, dtable[:, D // 2 :])
    return dE_x, dE_y


# exercise: relative_bias
# wrong: s minus t instead of t minus s
def relative_bias__turned_round(table, gh, gw):
    r, c = np.divmod(np.arange(gh * gw), gw)
    return table[:, r[None, :] - r[:, None] + gh - 1, c[None, :] - c[:, None] + gw - 1]


# exercise: relative_bias
# wrong: the step 0 stands in row 0 and column 0, negative steps wrap round
def relative_bias__zero_in_the_corner(table, gh, gw):
    N = gh * gw
    out = np.zeros((len(table), N, N))
    for t in range(N):
        for s in range(N):
            out[:, t, s] = table[:, t // gw - s // gw, t % gw - s % gw]
    return out


# exercise: relative_bias
# wrong: patches counted column by column
def relative_bias__column_by_column(table, gh, gw):
    col, row = [x.ravel() for x in np.meshgrid(np.arange(gw), np.arange(gh), indexing="ij")]
    i = np.subtract.outer(row, row) + gh - 1
    j = np.subtract.outer(col, col) + gw - 1
    return table[:, i, j]


# exercise: relative_bias
# pair: steps down lose their sign (absolute value) + steps across turned round
def relative_bias__down_without_sign(table, gh, gw):
    r, c = np.divmod(np.arange(gh * gw), gw)
    return table[:, np.abs(r[:, None] - r) + gh - 1, c[None, :] - c[:, None] + gw - 1]


# exercise: relative_bias
# right: windows of the turned table
def relative_bias__windows(table, gh, gw):
    h = len(table)
    bias = np.empty((h, gh, gw, gh, gw))
    for a in range(gh):
        for b in range(gw):
            bias[:, a, b] = table[:, a : a + gh, b : b + gw][:, ::-1, ::-1]
    return bias.reshape(h, gh * gw, gh * gw)


# exercise: carried_decay
# wrong: means of the rates instead of sums, so the lengths of the runs do not count
def carried_decay__means(rates, weight_decay, new_rates):
    return weight_decay * np.mean(rates) / np.mean(new_rates)


# exercise: carried_decay
# wrong: fraction turned round
def carried_decay__upside_down(rates, weight_decay, new_rates):
    mine, theirs = float(sum(rates)), float(sum(new_rates))
    return weight_decay / mine * theirs


# exercise: carried_decay
# wrong: peaks of the two schedules times the number of steps
def carried_decay__peaks(rates, weight_decay, new_rates):
    before = max(rates) * len(rates)
    after = max(new_rates) * len(new_rates)
    return weight_decay * before / after


# exercise: carried_decay
# right: by way of the factor itself, exponential and logarithm
def carried_decay__factor(rates, weight_decay, new_rates):
    log_factor = 0.0
    for eta in rates:
        log_factor -= eta * weight_decay
    return -log_factor / np.add.reduce(np.asarray(new_rates))


# exercise: moved_waves
# wrong: turned the other way
def moved_waves__other_way(PE, distance):
    D = PE.shape[1]
    w = 10000.0 ** (-np.arange(0, D, 2) / D)
    s, c = PE[:, ::2], PE[:, 1::2]
    out = np.empty_like(PE)
    out[:, ::2] = s * np.cos(distance * w) - c * np.sin(distance * w)
    out[:, 1::2] = c * np.cos(distance * w) + s * np.sin(distance * w)
    return out


# exercise: moved_waves
# wrong: first half read as sines, second half as cosines
def moved_waves__halves(PE, distance):
    D = PE.shape[1]
    i = np.arange(D // 2)
    angle = distance / 10000 ** (2 * i / D)
    s, c = PE[:, : D // 2], PE[:, D // 2 :]
    return np.hstack([s * np.cos(angle) + c * np.sin(angle), c * np.cos(angle) - s * np.sin(angle)])


# exercise: moved_waves
# wrong: frequencies with i / D instead of 2 i / D
def moved_waves__frequencies(PE, distance):
    n, D = PE.shape
    w = np.exp(-math.log(10000) * np.arange(D // 2) / D)
    z = (PE[:, 1::2] + 1j * PE[:, ::2]) * np.exp(1j * distance * w)
    return np.stack([z.imag, z.real], axis=2).reshape(n, D)


# exercise: moved_waves
# pair: a minus in both lines (sine and cosine) + frequencies by D/2 (4 i / D)
def moved_waves__both_minus_fast(PE, distance):
    n, D = PE.shape
    w = 10000.0 ** (-4 * np.arange(D // 2) / D)
    s, c = PE[:, 0::2], PE[:, 1::2]
    a, b = np.cos(distance * w), np.sin(distance * w)
    return np.stack([s * a - c * b, c * a - s * b], axis=-1).reshape(n, D)


# exercise: moved_waves
# right: complex numbers, cosine the real part
def moved_waves__complex(PE, distance):
    D = PE.shape[1]
    w = 10000.0 ** (-np.arange(0, D, 2) / D)
    z = (PE[:, 1::2] + 1j * PE[:, 0::2]) * np.exp(1j * w * distance)
    moved = np.zeros(PE.shape)
    moved[:, 0::2], moved[:, 1::2] = z.imag, z.real
    return moved


# exercise: moved_waves
# right: one block-diagonal matrix
def moved_waves__matrix(PE, distance):
    D = PE.shape[1]
    M = np.zeros((D, D))
    for i in range(D // 2):
        a = distance * 10000 ** (-2 * i / D)
        M[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]
    return PE @ M.T


# exercise: token_cross_entropy_backward
# wrong: divided by all places, padding among them
def token_cross_entropy_backward__all_places(logits, targets, pad):
    V = logits.shape[-1]
    e = np.exp(logits - logits.max(-1, keepdims=True))
    d = e / e.sum(-1, keepdims=True) - np.eye(V)[targets]
    d[targets == pad] = 0
    return d / targets.size


# exercise: token_cross_entropy_backward
# wrong: places of padding are not set to 0
def token_cross_entropy_backward__padding_learns(logits, targets, pad):
    z = logits - logits.max(axis=2, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=2, keepdims=True)
    hit = targets[:, :, None] == np.arange(logits.shape[2])
    return (p - hit) / np.count_nonzero(targets != pad)


# exercise: token_cross_entropy_backward
# wrong: the column of the symbol pad is set to 0 everywhere
def token_cross_entropy_backward__pad_column(logits, targets, pad):
    B, T, V = logits.shape
    rows, goal = logits.reshape(-1, V), targets.reshape(-1)
    count = goal != pad
    p = np.exp(rows - rows.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(B * T), goal] -= 1
    p = p * count[:, None] / count.sum()
    p[:, pad] = 0
    return p.reshape(B, T, V)


# exercise: token_cross_entropy_backward
# pair: each sentence is averaged over its own symbols, then the sentences + the sum over sentences, not their mean
def token_cross_entropy_backward__by_sentence(logits, targets, pad):
    keep = (targets != pad)[..., None]
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True) - np.eye(logits.shape[-1])[targets]
    return p * keep / np.maximum(keep.sum(axis=1, keepdims=True), 1)


# exercise: token_cross_entropy_backward
# right: only the places that count are computed at all
def token_cross_entropy_backward__chosen_places(logits, targets, pad):
    d = np.zeros(logits.shape)
    b, t = np.nonzero(targets != pad)
    x = logits[b, t]
    x = np.exp(x - np.logaddexp.reduce(x, axis=1)[:, None])
    x[np.arange(len(b)), targets[b, t]] -= 1.0
    d[b, t] = x / len(b)
    return d


# exercise: batchnorm_backward
# wrong: statistics of each image alone (instance norm), axes 2 and 3
def batchnorm_backward__per_image(dy, x, weight, eps):
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    hat = (x - x.mean(axis=(2, 3), keepdims=True)) / s
    d = dy * weight[:, None, None]
    dx = d - d.mean(axis=(2, 3), keepdims=True) - hat * (d * hat).mean(axis=(2, 3), keepdims=True)
    return dx / s, (dy * hat).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))


# exercise: batchnorm_backward
# wrong: as in evaluation: mean and deviation taken as constants
def batchnorm_backward__constants(dy, x, weight, eps):
    ax = (0, 2, 3)
    inv = 1 / np.sqrt(x.var(axis=ax) + eps)
    hat = (x - x.mean(axis=ax)[:, None, None]) * inv[:, None, None]
    return dy * (weight * inv)[:, None, None], np.einsum("bchw,bchw->c", dy, hat), np.einsum("bchw->c", dy)


# exercise: batchnorm_backward
# wrong: the weight is left out of dx
def batchnorm_backward__dx_without_weight(dy, x, weight, eps):
    B, C, H, W = x.shape
    X, G = x.transpose(1, 0, 2, 3).reshape(C, -1), dy.transpose(1, 0, 2, 3).reshape(C, -1)
    s = np.sqrt(X.var(1, keepdims=True) + eps)
    hat = (X - X.mean(1, keepdims=True)) / s
    dX = (G - G.mean(1, keepdims=True) - hat * (G * hat).mean(1, keepdims=True)) / s
    return dX.reshape(C, B, H, W).transpose(1, 0, 2, 3), (G * hat).sum(1), G.sum(1)


# exercise: batchnorm_backward
# wrong: dweight is dy times x, not times the standardised x
def batchnorm_backward__dweight_with_x(dy, x, weight, eps):
    ax = (0, 2, 3)
    s = np.sqrt(x.var(axis=ax, keepdims=True) + eps)
    hat = (x - x.mean(axis=ax, keepdims=True)) / s
    d = dy * weight.reshape(1, -1, 1, 1)
    dx = (d - d.mean(axis=ax, keepdims=True) - hat * (d * hat).mean(axis=ax, keepdims=True)) / s
    return dx, (dy * x).sum(axis=ax), dy.sum(axis=ax)


# exercise: batchnorm_backward
# pair: the path through the mean is missing + dbias is a mean
def batchnorm_backward__no_mean_path_dbias_mean(dy, x, weight, eps):
    ax = (0, 2, 3)
    s = np.sqrt(x.var(axis=ax, keepdims=True) + eps)
    hat = (x - x.mean(axis=ax, keepdims=True)) / s
    dweight = (dy * hat).sum(axis=ax)
    n = dy.size / len(weight)
    dx = weight[:, None, None] / s * (dy - hat * dweight[:, None, None] / n)
    return dx, dweight, dy.mean(axis=ax)


# exercise: batchnorm_backward
# right: from the two parameters' gradients, one line
def batchnorm_backward__from_parameters(dy, x, weight, eps):
    n = x[:, 0].size
    c = x - (np.einsum("bchw->c", x) / n)[:, None, None]
    var = np.einsum("bchw,bchw->c", c, c) / n
    inv = (var + eps) ** -0.5
    db = dy.sum((0, 2, 3))
    dw = inv * np.einsum("bchw,bchw->c", dy, c)
    dx = (weight * inv / n)[:, None, None] * (n * dy - db[:, None, None] - c * (inv * dw)[:, None, None])
    return dx, dw, db


# exercise: epochs_behind
# wrong: a MAC is counted as one FLOP
def epochs_behind__mac_one_flop(config, images, core_days, peak, utilisation):
    T, D = config.num_tokens, config.width
    block = 4 * T * D**2 + 2 * T * D * config.mlp_dim + 2 * T**2 * D
    macs = config.num_patches * config.channels * config.patch_size**2 * D
    macs += config.depth * block + D * config.num_classes
    return core_days * 86400 * peak * 1e12 * utilisation / (3 * macs * images)


# exercise: epochs_behind
# wrong: forward alone, the backward pass is not counted
def epochs_behind__forward_alone(config, images, core_days, peak, utilisation):
    c = config
    per_token = c.depth * (4 * c.width**2 + 2 * c.width * c.mlp_dim + 2 * c.num_tokens * c.width)
    macs = c.num_tokens * per_token + c.num_patches * c.channels * c.patch_size**2 * c.width
    macs += c.width * c.num_classes
    flops = core_days * 24 * 3600 * peak * 1e12 * utilisation
    return flops / (2 * macs) / images


# exercise: epochs_behind
# wrong: divided by the utilisation
def epochs_behind__divided_by_utilisation(config, images, core_days, peak, utilisation):
    T, D, M = config.num_tokens, config.width, config.mlp_dim
    macs = config.depth * (T * (4 * D * D + 2 * D * M) + 2 * T * T * D) + D * config.num_classes
    macs += config.num_patches * D * config.channels * config.patch_size**2
    seconds = core_days * 86_400
    done = peak * 1e12 * seconds / utilisation
    return done / (6 * macs * images)


# exercise: epochs_behind
# wrong: patch embedding and head are left out
def epochs_behind__blocks_alone(config, images, core_days, peak, utilisation):
    T, D, M = config.num_tokens, config.width, config.mlp_dim
    macs = sum(4 * T * D * D + 2 * T * D * M + 2 * T * T * D for _ in range(config.depth))
    return core_days * 86_400 * peak * 1e12 * utilisation / (6 * macs * images)


# exercise: clipped_gradient
# wrong: plain mean of the chunks, their sizes ignored
def clipped_gradient__plain_mean(chunk_gradients, chunk_sizes, clip_norm):
    g = chunk_gradients.mean(axis=0)
    norm = np.sqrt((g * g).sum())
    return g * clip_norm / norm if norm > clip_norm else g


# exercise: clipped_gradient
# wrong: every chunk is clipped before the sum
def clipped_gradient__each_chunk(chunk_gradients, chunk_sizes, clip_norm):
    total = 0
    for g, n in zip(chunk_gradients, chunk_sizes):
        total = total + min(1.0, clip_norm / np.linalg.norm(g)) * g * n
    return total / np.sum(chunk_sizes)


# exercise: clipped_gradient
# wrong: shorter gradients are made longer: always scaled to clip_norm
def clipped_gradient__always_scaled(chunk_gradients, chunk_sizes, clip_norm):
    w = np.asarray(chunk_sizes) / np.sum(chunk_sizes)
    g = np.tensordot(w, chunk_gradients, axes=1)
    return g / np.linalg.norm(g) * clip_norm


# exercise: clipped_gradient
# wrong: each entry is cut at clip_norm, not the length
def clipped_gradient__by_entry(chunk_gradients, chunk_sizes, clip_norm):
    sizes = np.asarray(chunk_sizes, dtype=float)
    g = (chunk_gradients * sizes[:, None, None]).sum(0) / sizes.sum()
    return np.clip(g, -clip_norm, clip_norm)


# exercise: clipped_gradient
# pair: not divided by the number of images + each row is clipped by itself
def clipped_gradient__sum_and_rows(chunk_gradients, chunk_sizes, clip_norm):
    g = np.einsum("n,noi->oi", np.asarray(chunk_sizes, float), chunk_gradients)
    lengths = np.linalg.norm(g, axis=1, keepdims=True)
    return g * np.minimum(1, clip_norm / lengths)


# exercise: clipped_gradient
# right: np.average, divided by max(1, norm / clip)
def clipped_gradient__average(chunk_gradients, chunk_sizes, clip_norm):
    g = np.average(chunk_gradients, axis=0, weights=chunk_sizes)
    return g / max(1.0, math.sqrt(np.vdot(g, g)) / clip_norm)


# exercise: axial_pairs
# wrong: axial has no attention through time
def axial_pairs__no_time(frames, tubelet_length, height, width, patch_size):
    gf, gh, gw = frames // tubelet_length, height // patch_size, width // patch_size
    N = gh * gw
    return (gf * N) ** 2, gf * N**2 + N * gf**2, gf * N * (gh + gw)


# exercise: axial_pairs
# wrong: tokens through time counted in frames, not in slices
def axial_pairs__frames_not_slices(frames, tubelet_length, height, width, patch_size):
    gh, gw = height // patch_size, width // patch_size
    N, f = gh * gw, frames
    joint = (f * N) * (f * N)
    factorised = f * N * N + N * f * f
    axial = f * gh * gw**2 + f * gw * gh**2 + N * f**2
    return joint, factorised, axial


# exercise: axial_pairs
# wrong: one row and one column of a slice only: rows are not counted as often as there are rows
def axial_pairs__one_row(frames, tubelet_length, height, width, patch_size):
    gf = frames // tubelet_length
    gh = height // patch_size
    gw = width // patch_size
    N = gh * gw
    T = gf * N
    return T * T, T * (N + gf), gf * (gw**2 + gh**2) + N * gf**2


# exercise: axial_pairs
# pair: factorised without time + joint is not squared over slices (space only)
def axial_pairs__space_only(frames, tubelet_length, height, width, patch_size):
    gf, gh, gw = frames // tubelet_length, height // patch_size, width // patch_size
    T = gf * gh * gw
    return gf * (gh * gw) ** 2, gf * (gh * gw) ** 2, T * (gf + gh + gw)


# exercise: axial_pairs
# right: each token's questions, times the tokens
def axial_pairs__per_token(frames, tubelet_length, height, width, patch_size):
    sides = [frames // tubelet_length, height // patch_size, width // patch_size]
    T = math.prod(sides)
    per_token = (T, sides[1] * sides[2] + sides[0], sum(sides))
    return tuple(T * asked for asked in per_token)


# exercise: inflated_filters_backward
# wrong: not divided by the frames of a tubelet
def inflated_filters_backward__not_divided(dfilters, tubelet_length):
    D = dfilters.shape[0]
    return dfilters.reshape(D, tubelet_length, -1).sum(axis=1)


# exercise: inflated_filters_backward
# wrong: reshaped with the frames last, as if they changed fastest
def inflated_filters_backward__frames_last(dfilters, tubelet_length):
    rows = dfilters.reshape(len(dfilters), -1, tubelet_length)
    return rows.mean(axis=2)


# exercise: inflated_filters_backward
# wrong: only the first frame's gradient comes back
def inflated_filters_backward__first_frame(dfilters, tubelet_length):
    size = dfilters.shape[1] // tubelet_length
    return dfilters[:, :size] / tubelet_length


# exercise: inflated_filters_backward
# right: product with a stack of identity matrices
def inflated_filters_backward__identities(dfilters, tubelet_length):
    size = dfilters.shape[1] // tubelet_length
    stack = np.vstack([np.eye(size)] * tubelet_length) / tubelet_length
    return dfilters @ stack


# exercise: overlapping_tubelets
# wrong: stride ignored: a slice begins where the last one ended
def overlapping_tubelets__no_overlap(videos, tubelet_length, stride, patch_size):
    B, F, C, H, W = videos.shape
    L, P = tubelet_length, patch_size
    gf = F // L
    v = videos[:, : gf * L].reshape(B, gf, L, C, H // P, P, W // P, P)
    v = np.einsum("bflcipjq->bfijlcpq", v)
    return v.reshape(B, gf * (H // P) * (W // P), L * C * P * P)


# exercise: overlapping_tubelets
# wrong: inside a tubelet the channel stands before the frame
def overlapping_tubelets__channel_first(videos, tubelet_length, stride, patch_size):
    B, F, C, H, W = videos.shape
    P = patch_size
    starts = range(0, F - tubelet_length + 1, stride)
    v = np.stack([videos[:, s : s + tubelet_length] for s in starts], axis=1)
    gf = v.shape[1]
    v = v.reshape(B, gf, tubelet_length, C, H // P, P, W // P, P).transpose(0, 1, 4, 6, 3, 2, 5, 7)
    return v.reshape(B, gf * (H // P) * (W // P), -1)


# exercise: overlapping_tubelets
# wrong: off by one: the last slice is missing
def overlapping_tubelets__last_missing(videos, tubelet_length, stride, patch_size):
    B, F, C, H, W = videos.shape
    P, gh, gw = patch_size, H // patch_size, W // patch_size
    gf = (F - tubelet_length) // stride
    out = np.zeros((B, gf, gh * gw, tubelet_length * C * P * P))
    for f in range(gf):
        clip = videos[:, f * stride : f * stride + tubelet_length]
        clip = clip.reshape(B, tubelet_length, C, gh, P, gw, P).transpose(0, 3, 5, 1, 2, 4, 6)
        out[:, f] = clip.reshape(B, gh * gw, -1)
    return out.reshape(B, gf * gh * gw, -1)


# exercise: overlapping_tubelets
# wrong: place by place, all slices of a place one after the other
def overlapping_tubelets__place_first(videos, tubelet_length, stride, patch_size):
    B, F, C, H, W = videos.shape
    P = patch_size
    gf = (F - tubelet_length) // stride + 1
    frames = np.arange(gf)[:, None] * stride + np.arange(tubelet_length)
    v = videos[:, frames].reshape(B, gf, tubelet_length, C, H // P, P, W // P, P)
    return v.transpose(0, 4, 6, 1, 2, 3, 5, 7).reshape(B, -1, tubelet_length * C * P * P)


# exercise: overlapping_tubelets
# pair: patches cut by reshape without transposing + frames of a tubelet turned round in time
def overlapping_tubelets__reshape_and_reversed(videos, tubelet_length, stride, patch_size):
    B, F, C, H, W = videos.shape
    P = patch_size
    gf = (F - tubelet_length) // stride + 1
    N = (H // P) * (W // P)
    frames = (np.arange(gf) * stride)[:, None] + np.arange(tubelet_length)[::-1]
    return videos[:, frames].reshape(B, gf * N, tubelet_length * C * P * P)


# exercise: overlapping_tubelets
# right: sliding windows over frames, rows and columns
def overlapping_tubelets__windows(videos, tubelet_length, stride, patch_size):
    B, P, L = len(videos), patch_size, tubelet_length
    v = np.lib.stride_tricks.sliding_window_view(videos, (L, P, P), axis=(1, 3, 4))
    v = v[:, ::stride, :, ::P, ::P]  # b f c i j l p q
    v = np.moveaxis(v, 2, 5)
    return v.reshape(B, -1, L * videos.shape[2] * P * P)


# exercise: silenced_out
# wrong: rows of the weight are set to 0, not columns
def silenced_out__rows(kernel, head):
    h, Dh, D = kernel.shape
    weight = kernel.reshape(h * Dh, D).T.copy()
    weight[head * Dh : (head + 1) * Dh] = 0
    return weight


# exercise: silenced_out
# wrong: transpose forgotten
def silenced_out__not_transposed(kernel, head):
    quiet = np.array(kernel)
    quiet[head] = 0
    return quiet.reshape(-1, kernel.shape[2])


# exercise: silenced_out
# wrong: every h-th column is silenced, as if heads stood inside
def silenced_out__every_hth(kernel, head):
    h, Dh, D = kernel.shape
    out = np.einsum("hdo->ohd", kernel).reshape(D, h * Dh).copy()
    out[:, head::h] = 0
    return out


# exercise: silenced_out
# pair: head counted from 1 + numbers in a head before heads in the columns
def silenced_out__from_one_order(kernel, head):
    k = kernel.copy()
    k[head - 1] = 0
    return k.transpose(2, 1, 0).reshape(k.shape[2], -1)


# exercise: silenced_out
# right: mask of heads in an einsum
def silenced_out__mask(kernel, head):
    h, Dh, D = kernel.shape
    keep = (np.arange(h) != head).astype(kernel.dtype)
    return np.einsum("hdo,h->ohd", kernel, keep).reshape(D, D)


# exercise: overlapping_tubelets
# wrong: inside a patch columns stand before rows
def overlapping_tubelets__pixels_transposed(videos, tubelet_length, stride, patch_size):
    B, F, C, H, W = videos.shape
    P, gf = patch_size, (F - tubelet_length) // stride + 1
    which = stride * np.arange(gf)[:, None] + np.arange(tubelet_length)[None, :]
    v = videos[:, which].reshape(B, gf, tubelet_length, C, H // P, P, W // P, P)
    v = np.einsum("bflcipjq->bfijlcqp", v)
    return v.reshape(B, -1, tubelet_length * C * P**2)
