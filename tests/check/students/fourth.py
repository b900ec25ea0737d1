"""Answers in many students' own ways of writing, one function each, made without a look at the checks or at any solution.

Above each function: its exercise, and what is wrong in it (`wrong`), the two things that are (`pair`), or what is unusual
in a right one (`right`), in the writer's words.
"""

# ruff: noqa: RUF059, B905, B007, E501, RUF005 -- as they were written

import math

import numpy as np

erf = np.vectorize(math.erf)


# exercise: num_tokens
# wrong: patches down and across are added instead of multiplied
def num_tokens__sum_of_sides(height, width, patch_size):
    down = height // patch_size
    across = width // patch_size
    return down + across + 1


# exercise: num_tokens
# wrong: the image is taken to be square, only the height is used
def num_tokens__square_only(height, width, patch_size):
    side = height // patch_size
    return side**2 + 1


# exercise: num_tokens
# right: counted with a loop over corners, class token as start value
def num_tokens__count_in_loop(height, width, patch_size):
    tokens = 1
    for r in range(0, height, patch_size):
        for c in range(0, width, patch_size):
            tokens += 1
    return tokens


# exercise: block_parameters
# wrong: only one of the two layer norms is counted
def block_parameters__one_norm(width, mlp_dim):
    norm = 2 * width
    qkv = (width + 1) * 3 * width
    out = (width + 1) * width
    mlp = width * mlp_dim + mlp_dim + mlp_dim * width + width
    return norm + qkv + out + mlp


# exercise: block_parameters
# wrong: the output layer of the attention is forgotten
def block_parameters__no_out_layer(width, mlp_dim):
    total = 0
    total += 4 * width
    total += 3 * width * width + 3 * width
    total += 2 * width * mlp_dim + mlp_dim + width
    return total


# exercise: vit_parameters
# wrong: the channels of the image are forgotten in the patch projection
def vit_parameters__grey_patches(config):
    D, M = config.width, config.mlp_dim
    block = 4 * D + 4 * D * D + 4 * D + 2 * D * M + M + D
    n = D * config.patch_size**2 + D
    if config.classifier == "token":
        n += D
    if config.position_embedding != "none":
        n += config.num_tokens * D
    n += config.depth * block
    n += 2 * D
    n += config.num_classes * D + config.num_classes
    return n


# exercise: vit_parameters
# pair: the last norm of the encoder is not counted + the class token is counted also with "gap"
def vit_parameters__no_last_norm_always_class(config):
    D, M, K = config.width, config.mlp_dim, config.num_classes
    pieces = [config.channels * config.patch_size * config.patch_size * D + D, D]
    if config.position_embedding == "1d":
        pieces.append(D * config.num_tokens)
    for _ in range(config.depth):
        pieces += [2 * D, 3 * D * D + 3 * D, D * D + D, 2 * D, M * D + M, D * M + D]
    pieces.append(K * D + K)
    return sum(pieces)


# exercise: patchify
# wrong: each patch comes out in the order row, column, channel
def patchify__channels_last(images, patch_size):
    b, c, hh, ww = images.shape
    p = patch_size
    t = images.reshape(b, c, hh // p, p, ww // p, p)
    t = np.einsum("bcypxq->byxpqc", t)
    return t.reshape(b, (hh // p) * (ww // p), p * p * c)


# exercise: patchify
# wrong: patches are listed column by column instead of row by row
def patchify__column_by_column(images, patch_size):
    B, C, H, W = images.shape
    out = []
    for x in range(0, W, patch_size):
        for y in range(0, H, patch_size):
            out.append(images[:, :, y : y + patch_size, x : x + patch_size].reshape(B, -1))
    return np.stack(out, axis=1)


# exercise: patchify
# right: slices in two loops written into an array prepared with the dtype of the images
def patchify__fill_by_loops(images, patch_size):
    B, C, H, W = images.shape
    gh, gw = H // patch_size, W // patch_size
    res = np.empty((B, gh * gw, C * patch_size**2), dtype=images.dtype)
    for n in range(gh * gw):
        i, j = divmod(n, gw)
        cut = images[:, :, i * patch_size : (i + 1) * patch_size, j * patch_size : (j + 1) * patch_size]
        res[:, n] = cut.reshape(B, -1)
    return res


# exercise: unpatchify
# wrong: rows and columns inside a patch are exchanged
def unpatchify__pixels_transposed(patches, image_shape, patch_size):
    B, C, H, W = image_shape
    P = patch_size
    x = patches.reshape(B, H // P, W // P, C, P, P)
    x = x.transpose(0, 3, 1, 5, 2, 4)
    return x.reshape(B, C, H, W)


# exercise: unpatchify
# wrong: a plain reshape to the image's shape, no transpose
def unpatchify__plain_reshape(patches, image_shape, patch_size):
    blocks = patches.reshape(len(patches), -1, image_shape[1], patch_size, patch_size)
    return blocks.reshape(image_shape)


# exercise: patch_embedding
# wrong: the bias is added twice
def patch_embedding__bias_twice(images, weight, bias, patch_size):
    B, C, H, W = images.shape
    P = patch_size
    p = images.reshape(B, C, H // P, P, W // P, P).transpose(0, 2, 4, 1, 3, 5).reshape(B, -1, C * P * P)
    ones = np.ones(p.shape[:-1] + (1,))
    big = np.concatenate([weight, bias[:, None]], axis=1)
    return np.concatenate([p, ones], axis=-1) @ big.T + bias


# exercise: patch_embedding
# right: as a convolution, einsum with a weight of five axes
def patch_embedding__einsum_conv(images, weight, bias, patch_size):
    B, C, H, W = images.shape
    P = patch_size
    kernel = weight.reshape(-1, C, P, P)
    six = images.reshape(B, C, H // P, P, W // P, P)
    y = np.einsum("bcypxq,dcpq->byxd", six, kernel) + bias
    return y.reshape(B, -1, weight.shape[0])


# exercise: overlapping_patches
# wrong: one corner too few in each direction (the + 1 is forgotten)
def overlapping_patches__off_by_one(images, patch_size, stride):
    B, C, H, W = images.shape
    rows = max((H - patch_size) // stride, 1)
    cols = max((W - patch_size) // stride, 1)
    out = np.zeros((B, rows * cols, C * patch_size * patch_size), images.dtype)
    for i in range(rows):
        for j in range(cols):
            piece = images[:, :, i * stride : i * stride + patch_size, j * stride : j * stride + patch_size]
            out[:, i * cols + j] = piece.reshape(B, -1)
    return out


# exercise: overlapping_patches
# wrong: corners lie patch_size apart, the stride is used only to count them
def overlapping_patches__steps_by_patch(images, patch_size, stride):
    B, C, H, W = images.shape
    out = []
    for top in range(0, H - patch_size + 1, patch_size):
        for left in range(0, W - patch_size + 1, patch_size):
            out.append(images[:, :, top : top + patch_size, left : left + patch_size].reshape(B, -1))
    return np.stack(out, 1)


# exercise: linear
# wrong: the bias is subtracted
def linear__minus_bias(x, weight, bias):
    return np.einsum("...i,oi->...o", x, weight) - bias


# exercise: central_difference
# wrong: divided by h instead of 2 h
def central_difference__divide_by_h(f, x, h):
    slope = np.zeros(x.shape)
    for where in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[where] += h
        down[where] -= h
        slope[where] = (f(up) - f(down)) / h
    return slope


# exercise: central_difference
# wrong: no copies are made, up and down are the same array, so every difference is 0
def central_difference__same_array(f, x, h):
    g = np.zeros_like(x)
    for idx in np.ndindex(x.shape):
        up = x
        down = x
        up[idx] += h
        down[idx] -= h
        g[idx] = (f(up) - f(down)) / (2 * h)
    return g


# exercise: linear_backward
# wrong: the bias gradient is the mean over the rows instead of the sum
def linear_backward__mean_bias(dy, x, weight):
    O, I = weight.shape
    flat_dy, flat_x = dy.reshape(-1, O), x.reshape(-1, I)
    return dy @ weight, flat_dy.T @ flat_x, flat_dy.mean(axis=0)


# exercise: linear_backward
# right: everything by einsum with an ellipsis, result a list
def linear_backward__list_tensordot(dy, x, weight):
    axes = list(range(dy.ndim - 1))
    return [np.einsum("...o,oi->...i", dy, weight), np.tensordot(dy, x, axes=(axes, axes)), dy.sum(axis=tuple(axes))]


# exercise: tied_linear_backward
# wrong: dweight has only the path of the second use (y = a W)
def tied_linear_backward__second_use_only(dy, x, weight):
    I = weight.shape[1]
    a = x @ weight.T
    da = dy @ weight.T
    dx = da @ weight
    dw = a.reshape(-1, weight.shape[0]).T @ dy.reshape(-1, I)
    return dx, dw


# exercise: tied_linear_backward
# pair: the gradients of the two uses are averaged instead of added + dx is dy itself, both products with the weight are missing
def tied_linear_backward__average_and_short(dy, x, weight):
    xr = x.reshape(-1, x.shape[-1])
    dyr = dy.reshape(-1, dy.shape[-1])
    first = (dyr @ weight.T).T @ xr
    second = (xr @ weight.T).T @ dyr
    return dy.copy(), (first + second) / 2


# exercise: patch_embedding_backward
# wrong: the gradient of the images is only reshaped, not put back patch by patch
def patch_embedding_backward__reshape_back(dx, images, weight, patch_size):
    B, C, H, W = images.shape
    P = patch_size
    p = images.reshape(B, C, H // P, P, W // P, P).transpose(0, 2, 4, 1, 3, 5).reshape(B, -1, C * P * P)
    dp = dx @ weight
    dw = np.einsum("bnd,bni->di", dx, p)
    return dp.reshape(images.shape), dw, dx.sum((0, 1))


# exercise: patch_embedding_backward
# wrong: dweight is averaged over the images of the batch
def patch_embedding_backward__mean_over_batch(dx, images, weight, patch_size):
    B, C, H, W = images.shape
    P = patch_size
    gh, gw = H // P, W // P
    dimages = np.zeros(images.shape)
    dweight = np.zeros(weight.shape)
    dpatches = dx @ weight
    for n in range(gh * gw):
        r, c = n // gw * P, n % gw * P
        dimages[:, :, r : r + P, c : c + P] = dpatches[:, n].reshape(B, C, P, P)
        dweight += dx[:, n].T @ images[:, :, r : r + P, c : c + P].reshape(B, -1)
    return dimages, dweight / B, dx.sum(axis=1).sum(axis=0)


# exercise: softmax
# wrong: normalised over the first axis instead of the last
def softmax__wrong_axis(x):
    x = x - x.max(axis=0)
    x = np.exp(x)
    return x / x.sum(axis=0)


# exercise: softmax
# right: exp of x minus logsumexp by logaddexp.reduce
def softmax__logaddexp(x):
    return np.exp(x - np.logaddexp.reduce(x, axis=-1)[..., None])


# exercise: attention
# wrong: the scores are divided by Dh, not by its root
def attention__divide_by_dh(q, k, v):
    s = np.einsum("bhtd,bhsd->bhts", q, k) / q.shape[3]
    w = np.exp(s - s.max(-1, keepdims=True))
    w /= w.sum(-1, keepdims=True)
    return w @ v


# exercise: attention
# wrong: the softmax runs over the tokens that ask (axis T) instead of those that are asked
def attention__softmax_over_queries(q, k, v):
    scale = q.shape[-1] ** -0.5
    scores = (q * scale) @ np.swapaxes(k, 2, 3)
    e = np.exp(scores - scores.max(axis=2, keepdims=True))
    A = e / e.sum(axis=2, keepdims=True)
    return np.matmul(A, v)


# exercise: masked_attention
# wrong: the mask is read the wrong way round, True forbids
def masked_attention__inverted(q, k, v, mask):
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    scores = np.where(mask, -1e9, scores)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


# exercise: masked_attention
# wrong: forbidden scores are set to 0 before the softmax, which still gives them weight
def masked_attention__scores_to_zero(q, k, v, mask):
    scores = (q @ k.transpose(0, 1, 3, 2)) * mask / q.shape[-1] ** 0.5
    w = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    w = w / np.sum(w, axis=-1, keepdims=True)
    return w @ v


# exercise: masked_attention
# right: weights are multiplied by the mask and the rows are normalised afterwards, the largest allowed score subtracted first
def masked_attention__renormalise(q, k, v, mask):
    s = np.einsum("bhtd,bhsd->bhts", q, k) / np.sqrt(q.shape[-1])
    allowed = np.broadcast_to(mask, s.shape)
    top = np.max(s, axis=-1, keepdims=True, where=allowed, initial=-1e300)
    e = np.exp(np.minimum(s - top, 0)) * allowed
    return (e @ v) / e.sum(axis=-1, keepdims=True)


# exercise: softmax_backward
# wrong: only the diagonal of J, A (1 - A) dA as for a sigmoid
def softmax_backward__diagonal_only(dA, A):
    slope = A * (1 - A)
    return dA * slope


# exercise: softmax_backward
# wrong: the sum subtracted is that of dA alone, not of dA times A
def softmax_backward__sum_without_A(dA, A):
    total = np.add.reduce(dA, axis=-1, keepdims=True)
    return A * (dA - total)


# exercise: attention_backward
# wrong: the factor 1 / sqrt(Dh) is missing on the way back in dq and dk
def attention_backward__scale_missing(dy, q, k, v):
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    A = np.exp(s - s.max(-1, keepdims=True))
    A = A / A.sum(-1, keepdims=True)
    dv = A.swapaxes(-1, -2) @ dy
    dA = dy @ v.swapaxes(-1, -2)
    ds = A * (dA - (A * dA).sum(-1, keepdims=True))
    return ds @ k, ds.swapaxes(-1, -2) @ q, dv


# exercise: attention_backward
# pair: the softmax is skipped on the way back (dA taken for dscores) + dq and dk are returned in the order dk, dq
def attention_backward__no_softmax_swapped(dy, q, k, v):
    root = math.sqrt(q.shape[-1])
    e = np.exp(np.einsum("bhtd,bhsd->bhts", q, k) / root)
    A = e / e.sum(axis=-1)[..., None]
    dA = np.einsum("bhtd,bhsd->bhts", dy, v)
    dv = np.einsum("bhts,bhtd->bhsd", A, dy)
    dq = np.einsum("bhts,bhsd->bhtd", dA, k) / root
    dk = np.einsum("bhts,bhtd->bhsd", dA, q) / root
    return dk, dq, dv


# exercise: scaled_scores_backward
# wrong: dscale is the mean over all scores instead of the sum
def scaled_scores_backward__mean(dscores, q, k, scale):
    raw = q @ k.swapaxes(-1, -2)
    dscale = np.mean(dscores * raw)
    d = scale * dscores
    return d @ k, d.swapaxes(-1, -2) @ q, dscale


# exercise: scaled_scores_backward
# wrong: dscale is taken with the scaled scores, one factor scale too many
def scaled_scores_backward__scaled_twice(dscores, q, k, scale):
    scores = scale * np.einsum("bhtd,bhsd->bhts", q, k)
    dq = scale * np.einsum("bhts,bhsd->bhtd", dscores, k)
    dk = scale * np.einsum("bhts,bhtd->bhsd", dscores, q)
    return dq, dk, float(np.vdot(dscores, scores))


# exercise: split_heads
# wrong: the features are dealt out to the heads in turn (feature d to head d mod h)
def split_heads__interleaved(x, heads):
    return np.stack([x[..., i::heads] for i in range(heads)], axis=1)


# exercise: split_heads
# wrong: reshaped directly to (B, h, T, Dh), which mixes tokens and heads
def split_heads__direct_reshape(x, heads):
    batch, tokens, features = x.shape
    return np.reshape(x, (batch, heads, tokens, features // heads))


# exercise: merge_heads
# wrong: heads and features end in the wrong order, the number within the head counts slowest
def merge_heads__features_first(x):
    b, h, t, d = x.shape
    return np.moveaxis(x, 2, 1).swapaxes(2, 3).reshape(b, t, d * h)


# exercise: merge_heads
# right: heads set side by side with concatenate
def merge_heads__concatenate(x):
    return np.concatenate([x[:, i] for i in range(x.shape[1])], axis=-1)


# exercise: multi_head_attention
# wrong: scaled by the whole width D instead of Dh
def multi_head_attention__scale_by_width(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    q, k, v = (z @ qkv_weight.T + qkv_bias).reshape(B, T, 3, heads, D // heads).transpose(2, 0, 3, 1, 4)
    s = q @ k.swapaxes(-1, -2) / np.sqrt(D)
    A = np.exp(s - s.max(-1, keepdims=True))
    A /= A.sum(-1, keepdims=True)
    y = (A @ v).transpose(0, 2, 1, 3).reshape(B, T, D)
    return y @ out_weight.T + out_bias


# exercise: multi_head_attention
# wrong: the heads are merged without moving the tokens in front again
def multi_head_attention__merge_no_swap(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    dh = D // heads
    answers = []
    for i in range(heads):
        rows = slice(i * dh, (i + 1) * dh)
        q = z @ qkv_weight[:D][rows].T + qkv_bias[:D][rows]
        k = z @ qkv_weight[D : 2 * D][rows].T + qkv_bias[D : 2 * D][rows]
        v = z @ qkv_weight[2 * D :][rows].T + qkv_bias[2 * D :][rows]
        s = q @ k.transpose(0, 2, 1) / dh**0.5
        w = np.exp(s - s.max(axis=2, keepdims=True))
        answers.append(w / w.sum(axis=2, keepdims=True) @ v)
    merged = np.stack(answers, axis=1).reshape(B, T, D)
    return merged @ out_weight.T + out_bias


# exercise: multi_head_attention_backward
# wrong: dz has only the path through the values, those through queries and keys are missing
def multi_head_attention_backward__only_value_path(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    dh = D // heads

    def split(a):
        return a.reshape(B, T, heads, dh).swapaxes(1, 2)

    def merge(a):
        return a.swapaxes(1, 2).reshape(B, T, D)

    qkv = z @ qkv_weight.T + qkv_bias
    q, k, v = (split(part) for part in np.split(qkv, 3, axis=-1))
    s = q @ k.swapaxes(-1, -2) / np.sqrt(dh)
    A = np.exp(s - s.max(-1, keepdims=True))
    A = A / A.sum(-1, keepdims=True)
    y = merge(A @ v)
    dy = split(dout @ out_weight)
    dow = np.einsum("bto,bti->oi", dout, y)
    dob = dout.sum((0, 1))
    dA = dy @ v.swapaxes(-1, -2)
    ds = A * (dA - (dA * A).sum(-1, keepdims=True)) / np.sqrt(dh)
    dqkv = np.concatenate([merge(ds @ k), merge(ds.swapaxes(-1, -2) @ q), merge(A.swapaxes(-1, -2) @ dy)], axis=-1)
    dz = dqkv[..., 2 * D :] @ qkv_weight[2 * D :]
    return dz, np.einsum("bto,bti->oi", dqkv, z), dqkv.sum((0, 1)), dow, dob


# exercise: multi_head_attention_backward
# pair: dout_weight is transposed + dqkv_bias is averaged over the images
def multi_head_attention_backward__transposed_and_mean(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    dh = D // heads
    qkv = (z @ qkv_weight.T + qkv_bias).reshape(B, T, 3, heads, dh)
    q, k, v = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
    s = np.einsum("bthd,bshd->bhts", q, k) / dh**0.5
    e = np.exp(s - s.max(-1, keepdims=True))
    A = e / e.sum(-1, keepdims=True)
    y = np.einsum("bhts,bshd->bthd", A, v).reshape(B, T, D)
    dy = (dout @ out_weight).reshape(B, T, heads, dh)
    dA = np.einsum("bthd,bshd->bhts", dy, v)
    ds = A * (dA - np.sum(A * dA, axis=-1, keepdims=True)) / dh**0.5
    dqkv = np.empty_like(qkv)
    dqkv[:, :, 0] = np.einsum("bhts,bshd->bthd", ds, k)
    dqkv[:, :, 1] = np.einsum("bhts,bthd->bshd", ds, q)
    dqkv[:, :, 2] = np.einsum("bhts,bthd->bshd", A, dy)
    flat = dqkv.reshape(B, T, 3 * D)
    dout_weight = y.reshape(-1, D).T @ dout.reshape(-1, D)
    dqkv_weight = flat.reshape(-1, 3 * D).T @ z.reshape(-1, D)
    return flat @ qkv_weight, dqkv_weight, flat.sum(axis=1).mean(axis=0), dout_weight, dout.sum(axis=(0, 1))


# exercise: shared_key_backward
# wrong: the gradients of the keys and values are averaged over the heads, not summed
def shared_key_backward__mean_over_heads(dy, q, k, v):
    h, d = q.shape[1], q.shape[-1]
    dq, dk, dv = np.zeros(q.shape), np.zeros(k.shape), np.zeros(v.shape)
    for i in range(h):
        s = q[:, i] @ k.swapaxes(1, 2) / np.sqrt(d)
        A = np.exp(s - s.max(-1, keepdims=True))
        A /= A.sum(-1, keepdims=True)
        dv += A.swapaxes(1, 2) @ dy[:, i]
        dA = dy[:, i] @ v.swapaxes(1, 2)
        ds = A * (dA - (A * dA).sum(-1, keepdims=True)) / np.sqrt(d)
        dq[:, i] = ds @ k
        dk += ds.swapaxes(1, 2) @ q[:, i]
    return dq, dk / h, dv / h


# exercise: shared_key_backward
# wrong: only the last head's share of dk and dv is kept (assigned instead of accumulated)
def shared_key_backward__last_head_only(dy, q, k, v):
    root = q.shape[-1] ** 0.5
    dq = np.empty_like(q)
    for i in range(q.shape[1]):
        s = np.einsum("btd,bsd->bts", q[:, i], k) / root
        A = np.exp(s - s.max(axis=-1, keepdims=True))
        A = A / A.sum(axis=-1, keepdims=True)
        dA = np.einsum("btd,bsd->bts", dy[:, i], v)
        ds = A * (dA - np.einsum("bts,bts->bt", A, dA)[..., None])
        dq[:, i] = np.einsum("bts,bsd->btd", ds, k) / root
        dk = np.einsum("bts,btd->bsd", ds, q[:, i]) / root
        dv = np.einsum("bts,btd->bsd", A, dy[:, i])
    return dq, dk, dv


# exercise: dropout
# wrong: divided by the rate instead of 1 - rate
def dropout__divide_by_rate(x, keep, rate):
    if rate == 0:
        return x * keep
    return np.where(keep, x / rate, 0.0)


# exercise: layernorm
# wrong: eps is added to the standard deviation, outside the root
def layernorm__eps_outside(x, weight, bias, eps):
    mu = np.average(x, axis=2)[..., None]
    sd = x.std(axis=2, keepdims=True)
    return weight * (x - mu) / (sd + eps) + bias


# exercise: layernorm
# wrong: variance with ddof = 1
def layernorm__ddof(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdims=True)
    var = np.sum(centred**2, axis=-1, keepdims=True) / (x.shape[-1] - 1)
    return centred / np.sqrt(var + eps) * weight + bias


# exercise: layernorm
# pair: mean and variance are taken over the tokens (axis 1) + the bias is forgotten
def layernorm__over_tokens_no_bias(x, weight, bias, eps):
    mean = x.mean(1, keepdims=True)
    var = x.var(1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * weight


# exercise: gelu
# wrong: the root of 2 inside erf is missing
def gelu__no_root_two(x):
    return x * (1 + erf(x)) / 2


# exercise: gelu
# right: through erfc, Phi(x) = erfc(-x / sqrt 2) / 2
def gelu__erfc(x):
    x = np.asarray(x)
    phi = np.array([math.erfc(-t * math.sqrt(0.5)) / 2 for t in x.ravel()]).reshape(x.shape)
    return phi * x


# exercise: gelu_backward
# wrong: the second term x phi(x) of the product rule is missing
def gelu_backward__only_phi(dy, x):
    cdf = 0.5 + 0.5 * erf(x / np.sqrt(2))
    return cdf * dy


# exercise: gelu_backward
# wrong: the density lacks its factor 1 / sqrt(2 pi)
def gelu_backward__density_not_normalised(dy, x):
    bell = np.exp(-(x * x) / 2)
    Phi = (1 + erf(x / math.sqrt(2))) / 2
    return dy * Phi + dy * x * bell


# exercise: mlp
# wrong: the GELU is applied also after the second layer
def mlp__gelu_twice(x, weight1, bias1, weight2, bias2):
    def act(t):
        return t * 0.5 * (1 + erf(t / np.sqrt(2)))

    for W, b in ((weight1, bias1), (weight2, bias2)):
        x = act(x @ W.T + b)
    return x


# exercise: mlp
# wrong: ReLU between the layers instead of GELU
def mlp__relu(x, weight1, bias1, weight2, bias2):
    hidden = np.maximum(np.einsum("btd,md->btm", x, weight1) + bias1, 0)
    return np.einsum("btm,dm->btd", hidden, weight2) + bias2


# exercise: block
# wrong: the second shortcut starts at z, not at z_mid
def block__second_shortcut_from_start(z, norm1, attention, norm2, mlp):
    middle = z + attention(norm1(z))
    return z + mlp(norm2(middle))


# exercise: block
# wrong: post-norm: the norms come after the sums
def block__post_norm(z, norm1, attention, norm2, mlp):
    z = norm1(z + attention(z))
    z = norm2(z + mlp(z))
    return z


# exercise: block_backward
# wrong: the shortcut around the attention is missing on the way back
def block_backward__one_shortcut(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    g = dz_out + norm2_backward(mlp_backward(dz_out))
    return norm1_backward(attention_backward(g))


# exercise: block_backward
# right: written with reduce-like loop over the two branches in reverse
def block_backward__loop_of_branches(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    d = dz_out
    for branch in ((mlp_backward, norm2_backward), (attention_backward, norm1_backward)):
        part = d
        for step in branch:
            part = step(part)
        d = d + part
    return d


# exercise: layernorm_backward
# wrong: dx lacks the term of the mean of dxhat times xhat (variance taken as constant)
def layernorm_backward__variance_constant(dy, x, weight, eps):
    mu = x.mean(-1, keepdims=True)
    inv = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
    xhat = (x - mu) * inv
    g = dy * weight
    dx = inv * (g - g.mean(-1, keepdims=True))
    return dx, (dy * xhat).sum((0, 1)), dy.sum((0, 1))


# exercise: layernorm_backward
# wrong: weight is left out of dx, dy is used where dy * weight should be
def layernorm_backward__no_weight_in_dx(dy, x, weight, eps):
    D = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    n = centred / std
    a = dy.sum(axis=-1, keepdims=True) / D
    b = (dy * n).sum(axis=-1, keepdims=True) / D
    dx = (dy - a - n * b) / std
    return dx, np.einsum("btd,btd->d", dy, n), np.einsum("btd->d", dy)


# exercise: rmsnorm_backward
# wrong: the mean of dxhat is subtracted too, as in layer norm
def rmsnorm_backward__mean_kept(dy, x, weight, eps):
    r = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps)
    xhat = x / r
    dxhat = dy * weight
    dx = dxhat - dxhat.mean(-1, keepdims=True) - xhat * (dxhat * xhat).mean(-1, keepdims=True)
    return dx / r, (dy * xhat).sum(axis=(0, 1))


# exercise: rmsnorm_backward
# wrong: sum over the features where the mean belongs, in dx
def rmsnorm_backward__sum_for_mean(dy, x, weight, eps):
    scale = (np.square(x).mean(axis=2, keepdims=True) + eps) ** -0.5
    unit = x * scale
    d = weight * dy
    dot = np.einsum("btd,btd->bt", d, unit)[:, :, None]
    return scale * (d - unit * dot), np.einsum("btd,btd->d", dy, unit)


# exercise: post_norm_block_backward
# wrong: the gradient that goes round the MLP is dz_out itself instead of its way through norm2
def post_norm_block_backward__shortcut_past_norm(
    dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward
):
    d2 = norm2_backward(dz_out)
    dmid = dz_out + mlp_backward(d2)
    d1 = norm1_backward(dmid)
    return d1 + attention_backward(d1)


# exercise: post_norm_block_backward
# pair: the order of the pre-norm block is used (norm after the branch) + the shortcut around the attention is missing
def post_norm_block_backward__pre_norm_order(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    d_mid = dz_out + norm2_backward(mlp_backward(dz_out))
    return norm1_backward(attention_backward(d_mid))


# exercise: class_token
# wrong: the class token is put behind the patches instead of in front
def class_token__at_the_end(x, x_class):
    B, N, D = x.shape
    tokens = np.empty((B, N + 1, D), x.dtype)
    tokens[:, :N] = x
    tokens[:, N] = x_class
    return tokens


# exercise: class_token
# right: np.insert at position 0
def class_token__np_insert(x, x_class):
    return np.insert(x, 0, x_class, axis=1)


# exercise: embed
# wrong: the positions are added to the patches only, the class token gets none
def embed__class_without_position(x, x_class, E_pos):
    with_pos = x + E_pos[1:]
    first = np.tile(x_class, (x.shape[0], 1, 1))
    return np.concatenate((first, with_pos), axis=1)


# exercise: embed
# wrong: x_class is forgotten, the first token holds its position alone
def embed__zeros_for_class(x, x_class, E_pos):
    z = np.repeat(E_pos[np.newaxis], len(x), axis=0)
    z[:, 1:] += x
    return z


# exercise: pool
# wrong: the two cases are exchanged
def pool__cases_exchanged(encoded, classifier):
    if classifier == "gap":
        return encoded[:, 0]
    return encoded.mean(axis=1)


# exercise: pool
# wrong: with "gap" the first token is left out of the mean
def pool__gap_skips_first(encoded, classifier):
    if classifier == "token":
        return encoded[:, 0, :]
    tokens = encoded[:, 1:, :]
    return tokens.sum(axis=1) / tokens.shape[1]


# exercise: class_token_backward
# wrong: dx_class is not summed over the batch but averaged
def class_token_backward__mean_over_images(dtokens):
    cls, rest = dtokens[:, 0], dtokens[:, 1:]
    return rest, np.average(cls, axis=0)


# exercise: class_token_backward
# pair: the class token is looked for at the end + dx_class is averaged over the images
def class_token_backward__last_row_mean(dtokens):
    dx = dtokens[:, :-1, :]
    dclass = dtokens[:, -1, :].mean(0)
    return dx, dclass


# exercise: position_embedding_backward
# wrong: the gradient is shared out half and half between the two summands (a factor 1/2 in both)
def position_embedding_backward__split_in_two(dz):
    half = dz / 2
    return half, half.sum(axis=0)


# exercise: position_embedding_backward
# wrong: summed over the tokens as well, then repeated for every row
def position_embedding_backward__sum_over_tokens(dz):
    B, T, D = dz.shape
    total = np.einsum("btd->d", dz)
    return dz.copy(), np.ones((T, 1)) * total


# exercise: shuffle_patches
# wrong: the permutation is used backwards, patch n goes to place order[n]
def shuffle_patches__inverse_order(images, patch_size, order):
    B, C, H, W = images.shape
    P, across = patch_size, W // patch_size
    new = np.zeros_like(images)
    for n, o in enumerate(order):
        r, c = n // across, n % across
        rr, cc = o // across, o % across
        new[:, :, rr * P : rr * P + P, cc * P : cc * P + P] = images[:, :, r * P : r * P + P, c * P : c * P + P]
    return new


# exercise: shuffle_patches
# wrong: places counted with the number of patches down instead of across
def shuffle_patches__down_for_across(images, patch_size, order):
    P = patch_size
    down, across = images.shape[2] // P, images.shape[3] // P
    new = np.zeros_like(images)
    boxes = []
    for n in range(down * across):
        i, j = n % down, n // down
        boxes.append((slice(None), slice(None), slice(i * P, i * P + P), slice(j * P, j * P + P)))
    for n in range(len(order)):
        new[boxes[n]] = images[boxes[order[n]]]
    return new


# exercise: shuffle_positions
# wrong: order is applied to all rows without leaving out the class token's (no + 1)
def shuffle_positions__no_offset(E_pos, order):
    new = E_pos.copy()
    for n, o in enumerate(order):
        new[n + 1] = E_pos[o]
    return new


# exercise: shuffle_positions
# right: with one index list that begins with 0
def shuffle_positions__one_index(E_pos, order):
    index = [0] + [int(o) + 1 for o in order]
    return np.take(E_pos, index, axis=0)


# exercise: grid_positions
# wrong: the row's half stands in front of the column's
def grid_positions__row_half_first(E_x, E_y):
    gw, gh = len(E_x), len(E_y)
    rows = []
    for y in range(gh):
        for x in range(gw):
            rows.append(np.hstack([E_y[y], E_x[x]]))
    return np.array(rows)


# exercise: grid_positions
# wrong: patches are listed column by column (repeat and tile exchanged)
def grid_positions__column_by_column(E_x, E_y):
    left = np.repeat(E_x, len(E_y), axis=0)
    right = np.tile(E_y, (len(E_x), 1))
    return np.concatenate([left, right], axis=1)


# exercise: grid_positions
# pair: the halves are added instead of set side by side, twice the same sum in both + patches run column by column
def grid_positions__sum_column_first(E_x, E_y):
    s = E_x[:, None, :] + E_y[None, :, :]
    s = s.reshape(-1, E_x.shape[1])
    return np.hstack([s, s])


# exercise: relative_scores
# wrong: the distance is taken as s - t
def relative_scores__sign_of_distance(q, R):
    T = q.shape[2]
    t = np.arange(T)
    idx = t[None, :] - t[:, None] + T - 1
    return np.einsum("bhtd,tsd->bhts", q, R[idx])


# exercise: relative_scores
# wrong: row T instead of T - 1 is taken for distance 0 (off by one, the last one wraps round)
def relative_scores__off_by_one(q, R):
    B, h, T, Dh = q.shape
    out = np.zeros((B, h, T, T))
    for t in range(T):
        for s in range(T):
            out[:, :, t, s] = q[:, :, t] @ R[(t - s + T) % (2 * T - 1)]
    return out


# exercise: relative_scores
# right: a product with all of R, then take_along_axis
def relative_scores__take_along_axis(q, R):
    T = q.shape[-2]
    every = q @ R.T
    idx = np.arange(T)[:, None] - np.arange(T)[None, :] + (T - 1)
    return np.take_along_axis(every, np.broadcast_to(idx, (*q.shape[:2], T, T)), axis=-1)


# exercise: clip
# wrong: each array is clipped by its own length, not by the joint one
def clip__each_alone(gradients, max_norm):
    out = []
    for g in gradients:
        n = np.sqrt((g**2).sum())
        out.append(g * min(1.0, max_norm / n) if n > 0 else g)
    return out


# exercise: clip
# wrong: short gradients are made longer, always scaled to max_norm
def clip__always_scaled(gradients, max_norm):
    length = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    return [max_norm * g / length for g in gradients]


# exercise: clip
# wrong: every entry is cut off at max_norm, by value instead of by length
def clip__by_value(gradients, max_norm):
    return [np.clip(g, -max_norm, max_norm) for g in gradients]


# exercise: learning_rate
# wrong: the cosine runs over all steps, the warm-up is not taken off
def learning_rate__cosine_from_zero(step, base, total_steps, warmup_steps):
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return base * step / warmup_steps
    return base * 0.5 * (1 + math.cos(math.pi * step / total_steps))


# exercise: learning_rate
# wrong: the cosine is not halved, it goes down to minus base
def learning_rate__whole_cosine(step, base, total_steps, warmup_steps):
    if warmup_steps > 0 and step < warmup_steps:
        return base * (step / warmup_steps)
    if step >= total_steps:
        return 0.0
    part = (step - warmup_steps) / (total_steps - warmup_steps)
    return base * np.cos(np.pi * part)


# exercise: cross_entropy
# wrong: the sum over the images instead of the mean
def cross_entropy__sum(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels):
        top = row.max()
        total += top + math.log(np.exp(row - top).sum()) - row[label]
    return total


# exercise: cross_entropy
# wrong: softmax and log one after the other, so a right class far below gives infinity
def cross_entropy__log_of_softmax(logits, labels):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return -np.log(p[np.arange(len(labels)), labels]).mean()


# exercise: cross_entropy
# wrong: logarithm to base 2
def cross_entropy__log2(logits, labels):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    lse = np.log2(np.exp(shifted).sum(axis=-1))
    picked = np.take_along_axis(shifted, np.asarray(labels)[:, None], axis=-1)[:, 0] / np.log(2)
    return float((lse - picked).mean())


# exercise: adam_step
# wrong: the mean v is not corrected for its start at 0
def adam_step__v_not_corrected(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + g**2 * (1 - beta2)
    m_hat = m / (1 - beta1**t)
    return w - lr * (m_hat / (np.sqrt(v) + eps) + weight_decay * w), m, v


# exercise: adam_step
# wrong: the corrected means are handed back in place of the running ones
def adam_step__returns_corrected(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    w = w * (1 - lr * weight_decay)
    m = (beta1 * m + (1 - beta1) * g) / (1 - beta1**t)
    v = (beta2 * v + (1 - beta2) * g * g) / (1 - beta2**t)
    w = w - lr * m / (v**0.5 + eps)
    return w, m, v


# exercise: adam_step
# pair: the decay is coupled (added to the gradient) + eps stands inside the root
def adam_step__coupled_eps_inside(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    grad = g + weight_decay * w
    new_m = m + (1 - beta1) * (grad - m)
    new_v = v + (1 - beta2) * (np.square(grad) - v)
    top = new_m / (1 - beta1**t)
    bottom = np.sqrt(new_v / (1 - beta2**t) + eps)
    return w - lr * top / bottom, new_m, new_v


# exercise: lion_step
# wrong: the direction is taken after m was updated with beta2
def lion_step__new_m_in_direction(w, g, m, lr, beta1, beta2, weight_decay):
    m = beta2 * m + (1 - beta2) * g
    u = np.sign(beta1 * m + (1 - beta1) * g)
    w = w - lr * (u + weight_decay * w)
    return w, m


# exercise: lion_step
# wrong: the decay is not multiplied by lr
def lion_step__decay_without_lr(w, g, m, lr, beta1, beta2, weight_decay):
    direction = np.sign(m * beta1 + g * (1.0 - beta1))
    shrunk = (1 - weight_decay) * w
    return shrunk - lr * direction, m * beta2 + g * (1.0 - beta2)


# exercise: gap_head_backward
# wrong: the factor 1 / T is missing in dencoded
def gap_head_backward__no_division(dlogits, encoded, weight):
    T = encoded.shape[1]
    dpooled = dlogits @ weight
    dencoded = np.stack([dpooled] * T, axis=1)
    dweight = dlogits.T @ encoded.mean(axis=1)
    return dencoded, dweight, dlogits.sum(axis=0)


# exercise: gap_head_backward
# wrong: dweight is built with the sum over the tokens, not with the mean
def gap_head_backward__sum_in_dweight(dlogits, encoded, weight):
    B, T, D = encoded.shape
    dweight = np.einsum("bk,btd->kd", dlogits, encoded)
    dencoded = np.einsum("bk,kd,t->btd", dlogits, weight, np.full(T, 1 / T))
    return dencoded, dweight, np.einsum("bk->k", dlogits)


# exercise: label_smoothing
# wrong: s is shared among the K - 1 wrong classes only
def label_smoothing__k_minus_one(labels, num_classes, s):
    t = np.full((len(labels), num_classes), s / (num_classes - 1))
    for i in range(len(labels)):
        t[i, labels[i]] = 1 - s
    return t


# exercise: label_smoothing
# right: eye picked by the labels, mixed with the uniform row
def label_smoothing__eye(labels, num_classes, s):
    uniform = np.ones(num_classes) / num_classes
    return (1 - s) * np.eye(num_classes)[labels] + s * uniform


# exercise: sgd_step
# wrong: the gradient is multiplied by 1 - momentum, a running mean
def sgd_step__running_mean(w, g, v, lr, momentum):
    v = momentum * v + (1 - momentum) * g
    return w - lr * v, v


# exercise: sgd_step
# pair: the weight moves with the old v + the results are returned in the order v, w
def sgd_step__old_v_swapped(w, g, v, lr, momentum):
    w_new = w - lr * v
    v_new = momentum * v + g
    return v_new, w_new


# exercise: cross_entropy_backward
# wrong: not divided by the number of images
def cross_entropy_backward__not_mean(logits, labels):
    d = np.exp(logits - logits.max(1, keepdims=True))
    d /= d.sum(1, keepdims=True)
    d[np.arange(len(d)), labels] -= 1
    return d


# exercise: cross_entropy_backward
# wrong: the softmax runs over the images (axis 0)
def cross_entropy_backward__softmax_axis(logits, labels):
    B, K = logits.shape
    e = np.exp(logits - logits.max(axis=0))
    p = e / e.sum(axis=0)
    onehot = (np.arange(K)[None, :] == np.asarray(labels)[:, None]).astype(float)
    return (p - onehot) / B


# exercise: sigmoid_cross_entropy
# wrong: the mean over classes too
def sigmoid_cross_entropy__mean_over_all(logits, targets):
    terms = np.logaddexp(0, logits) - targets * logits
    return terms.mean()


# exercise: sigmoid_cross_entropy
# wrong: the term of the "no" answers, (1 - target) log(1 - p), is left out
def sigmoid_cross_entropy__only_yes(logits, targets):
    log_p = -np.logaddexp(0.0, -logits)
    return -(targets * log_p).sum(axis=1).mean()


# exercise: decay_groups
# wrong: everything with two axes or more decays, positions included
def decay_groups__by_axes_only(names, shapes):
    return [1 if len(shape) >= 2 else 0 for shape in shapes]


# exercise: decay_groups
# wrong: everything called weight decays, the norms' too
def decay_groups__by_name_only(names, shapes):
    answer = []
    for name in names:
        answer.append(int(name.split(".")[-1] == "weight"))
    return answer


# exercise: decay_groups
# wrong: exactly two axes are asked for, so the convolutions' filters with four axes do not decay
def decay_groups__two_axes_exactly(names, shapes):
    return np.array([name.endswith(".weight") and len(s) == 2 for name, s in zip(names, shapes)]).astype(int)


# exercise: data_parallel_gradient
# wrong: plain mean of the chunks, as if they were equally large
def data_parallel_gradient__plain_mean(chunk_gradients, chunk_sizes):
    total = np.zeros(chunk_gradients.shape[1:])
    for g in chunk_gradients:
        total += g
    return total / len(chunk_sizes)


# exercise: data_parallel_gradient
# right: tensordot of normalised shares
def data_parallel_gradient__tensordot(chunk_gradients, chunk_sizes):
    share = np.asarray(chunk_sizes, float) / np.sum(chunk_sizes)
    return np.tensordot(share, chunk_gradients, axes=1)


# exercise: reused_weight_backward
# wrong: dW of the first use is doubled instead of adding both
def reused_weight_backward__twice_one_use(x, W, dy):
    a = x @ W.T
    da = dy @ W
    return da @ W, 2 * dy.T @ a


# exercise: reused_weight_backward
# wrong: dx is multiplied by W transposed on the way back
def reused_weight_backward__transposed_dx(x, W, dy):
    middle = np.einsum("bi,oi->bo", x, W)
    dmiddle = np.einsum("bo,oi->bi", dy, W)
    dW = np.einsum("bo,bi->oi", dy, middle) + np.einsum("bo,bi->oi", dmiddle, x)
    return dy @ W.T @ W.T, dW


# exercise: chain_backward
# wrong: the slope of tanh is taken as 1 - y instead of 1 - y squared
def chain_backward__tanh_slope(x, W1, W2, dy):
    a = x @ W1.T
    r = np.where(a > 0, a, 0)
    y = np.tanh(r @ W2.T)
    ds = dy * (1 - y)
    da = (ds @ W2) * (a > 0)
    return da @ W1, da.T @ x, ds.T @ r


# exercise: chain_backward
# wrong: the gate of the relu is forgotten on the way back
def chain_backward__no_relu_gate(x, W1, W2, dy):
    hidden = np.maximum(x @ W1.T, 0)
    out = np.tanh(hidden @ W2.T)
    dout = dy * (1 - out**2)
    dhidden = dout @ W2
    return dhidden @ W1, dhidden.T @ x, dout.T @ hidden


# exercise: accumulate
# wrong: the mean of each chunk is added, without its share (divided by the chunk, not by B)
def accumulate__mean_of_chunks(x, t, w, size):
    dw = np.zeros_like(w)
    for start in range(0, len(x), size):
        xs, ts = x[start : start + size], t[start : start + size]
        dw += 2 * xs.T @ (xs @ w - ts) / len(xs)
    return dw


# exercise: accumulate
# wrong: the last rows are lost where size does not divide B
def accumulate__rest_is_lost(x, t, w, size):
    B = len(t)
    dw = 0 * w
    for i in range(B // size):
        rows = slice(i * size, i * size + size)
        dw = dw + x[rows].T @ (x[rows] @ w - t[rows])
    return 2 * dw / B


# exercise: accumulate
# right: row by row, each row's share of the gradient added
def accumulate__one_row_at_a_time(x, t, w, size):
    B = x.shape[0]
    return sum((2.0 / B) * (float(row @ w) - target) * row for row, target in zip(x, t))


# exercise: all_reduce
# wrong: one round too few, each worker misses the part of one other
def all_reduce__one_round_short(parts):
    n = len(parts)
    total = parts.copy()
    travelling = parts.copy()
    for _ in range(max(n - 2, 0)):
        travelling = np.roll(travelling, 1, axis=0)
        total = total + travelling
    return total


# exercise: all_reduce
# wrong: the sum runs over the numbers of a worker instead of over the workers
def all_reduce__wrong_axis(parts):
    rows, cols = parts.shape
    return np.repeat(parts.sum(axis=1, keepdims=True), cols, axis=1)


# exercise: all_reduce
# wrong: what travels is the sum so far instead of the part received, so parts count several times
def all_reduce__passes_sums_on(parts):
    n = parts.shape[0]
    have = parts.astype(float)
    for _ in range(n - 1):
        have = have + np.roll(have, 1, axis=0)
    return have


# exercise: conv2d
# wrong: the kernel is turned round, a true convolution
def conv2d__flipped(x, weight, stride, padding):
    B, C, H, W = x.shape
    O, _, kh, kw = weight.shape
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    wf = weight[:, :, ::-1, ::-1]
    Ho = (H + 2 * padding - kh) // stride + 1
    Wo = (W + 2 * padding - kw) // stride + 1
    y = np.zeros((B, O, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            win = xp[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            y[:, :, i, j] = np.einsum("bcpq,ocpq->bo", win, wf)
    return y


# exercise: conv2d
# wrong: the padding is added only below and on the right
def conv2d__padded_one_side(x, weight, stride, padding):
    kh, kw = weight.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (0, 2 * padding), (0, 2 * padding)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("bchwpq,ocpq->bohw", windows, weight)


# exercise: conv2d
# right: sum over the places of the kernel, strided slices of the padded image
def conv2d__kernel_places(x, weight, stride, padding):
    B, C, H, W = x.shape
    O, _, kh, kw = weight.shape
    p = padding
    xp = np.zeros((B, C, H + 2 * p, W + 2 * p))
    xp[:, :, p : p + H, p : p + W] = x
    Ho, Wo = (H + 2 * p - kh) // stride + 1, (W + 2 * p - kw) // stride + 1
    y = 0
    for u in range(kh):
        for v in range(kw):
            part = xp[:, :, u : u + (Ho - 1) * stride + 1 : stride, v : v + (Wo - 1) * stride + 1 : stride]
            y = y + np.tensordot(weight[:, :, u, v], part, axes=([1], [1])).swapaxes(0, 1)
    return y


# exercise: standardize
# wrong: mean and variance of each small kernel (kh, kw) alone, not of the whole filter
def standardize__each_channel(weight, eps):
    m = weight.mean(axis=(2, 3), keepdims=True)
    v = weight.var(axis=(2, 3), keepdims=True)
    return (weight - m) / np.sqrt(v + eps)


# exercise: standardize
# wrong: eps is added to the deviation, after the root
def standardize__eps_after_root(weight, eps):
    rows = weight.reshape(len(weight), -1)
    rows = rows - rows.mean(axis=1)[:, None]
    rows = rows / (np.sqrt((rows**2).mean(axis=1)) + eps)[:, None]
    return rows.reshape(weight.shape)


# exercise: groupnorm
# wrong: the statistics are taken over the whole batch, not for each image
def groupnorm__over_batch(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    g = x.reshape(B, groups, C // groups, H, W)
    m = g.mean(axis=(0, 2, 3, 4), keepdims=True)
    v = g.var(axis=(0, 2, 3, 4), keepdims=True)
    xhat = ((g - m) / np.sqrt(v + eps)).reshape(x.shape)
    return xhat * weight[:, None, None] + bias[:, None, None]


# exercise: groupnorm
# pair: channels are dealt to the groups in turn + weight is applied but the bias is not
def groupnorm__interleaved_no_bias(x, weight, bias, groups, eps):
    y = np.empty(x.shape)
    for i in range(groups):
        part = x[:, i::groups]
        mean = part.mean(axis=(1, 2, 3), keepdims=True)
        sd = np.sqrt(part.var(axis=(1, 2, 3), keepdims=True) + eps)
        y[:, i::groups] = (part - mean) / sd
    return y * weight.reshape(1, -1, 1, 1)


# exercise: preact_unit
# wrong: the projection on the shortcut reads x instead of the normed and rectified x
def preact_unit__projection_reads_x(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
    def relu(a):
        return np.maximum(a, 0)

    short = x if conv_proj is None else conv_proj(x, stride)
    h = conv1(relu(norm1(x)))
    h = conv2(relu(norm2(h)), stride)
    return short + conv3(relu(norm3(h)))


# exercise: preact_unit
# wrong: the stride stands on the first 1x1 convolution instead of the 3x3 one
def preact_unit__stride_on_first(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
    out = norm1(x)
    out = out * (out > 0)
    shortcut = x
    if conv_proj is not None:
        shortcut = conv_proj(out, stride=stride)
    out = conv1(out, stride=stride)
    out = norm2(out)
    out = conv2(out * (out > 0))
    out = norm3(out)
    out = conv3(out * (out > 0))
    return out + shortcut


# exercise: receptive_field
# wrong: a layer's own stride already widens its own kernel
def receptive_field__own_stride_included(kernels, strides):
    side, jump = 1, 1
    for k, s in zip(kernels, strides):
        jump *= s
        side += (k - 1) * jump
    return side


# exercise: receptive_field
# right: backwards from the output, side <- (side - 1) s + k
def receptive_field__backwards(kernels, strides):
    side = 1
    for k, s in reversed(list(zip(kernels, strides))):
        side = (side - 1) * s + k
    return side


# exercise: conv2d_backward
# wrong: windows that overlap overwrite each other in dx instead of adding up
def conv2d_backward__overwritten(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    O, _, kh, kw = weight.shape
    p, s = padding, stride
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(weight)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            box = np.s_[:, :, i * s : i * s + kh, j * s : j * s + kw]
            dw += np.einsum("bo,bcpq->ocpq", dy[:, :, i, j], xp[box])
            dxp[box] = np.einsum("bo,ocpq->bcpq", dy[:, :, i, j], weight)
    return dxp[:, :, p : p + H, p : p + W], dw


# exercise: conv2d_backward
# wrong: the border is cut from the wrong side, dx keeps the rows of the padding above and to the left
def conv2d_backward__border_not_removed(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    kh, kw = weight.shape[2:]
    Ho, Wo = dy.shape[2:]
    xp = np.pad(x, [(0, 0)] * 2 + [(padding, padding)] * 2)
    dxp = np.zeros(xp.shape)
    dw = np.zeros(weight.shape)
    for u in range(kh):
        for v in range(kw):
            rows = slice(u, u + (Ho - 1) * stride + 1, stride)
            cols = slice(v, v + (Wo - 1) * stride + 1, stride)
            dxp[:, :, rows, cols] += np.einsum("bohw,oc->bchw", dy, weight[:, :, u, v])
            dw[:, :, u, v] = np.einsum("bohw,bchw->oc", dy, xp[:, :, rows, cols])
    return dxp[:, :, :H, :W], dw


# exercise: same_padding
# wrong: the extra pixel of an odd total comes in front
def same_padding__extra_in_front(size, kernel, stride):
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + kernel - size)
    after = total // 2
    return total - after, after


# exercise: same_padding
# wrong: outputs are rounded down, size // stride
def same_padding__floor_outputs(size, kernel, stride):
    n = size // stride
    need = (n - 1) * stride + kernel - size
    if need < 0:
        need = 0
    return need // 2, need - need // 2


# exercise: same_padding
# pair: a total below zero is not raised to 0 + the extra pixel of an odd total comes in front
def same_padding__negative_and_front(size, kernel, stride):
    total = (math.ceil(size / stride) - 1) * stride + kernel - size
    before = (total + 1) // 2
    return before, total - before


# exercise: feature_tokens
# wrong: the map is reshaped to (B, N, C) without moving the channels behind
def feature_tokens__channels_not_moved(features, weight, bias):
    B, C = features.shape[:2]
    return features.reshape(B, -1, C) @ weight.T + bias


# exercise: feature_tokens
# wrong: the places come column by column
def feature_tokens__column_by_column(features, weight, bias):
    B, C, H, W = features.shape
    seq = np.transpose(features, (0, 3, 2, 1)).reshape(B, W * H, C)
    return np.einsum("bnc,dc->bnd", seq, weight) + bias


# exercise: feature_tokens
# right: weight times map first, then the axes moved
def feature_tokens__matrix_from_left(features, weight, bias):
    flat = features.reshape(*features.shape[:2], -1)
    return (weight @ flat + bias[:, None]).swapaxes(1, 2)


# exercise: hybrid_tokens
# wrong: the first stage is taken to halve as well
def hybrid_tokens__first_stage_halves(image_hw, blocks, patch_size):
    h, w = image_hw
    for _ in range(2 + len(blocks)):
        h, w = math.ceil(h / 2), math.ceil(w / 2)
    return (h // patch_size) * (w // patch_size) + 1


# exercise: hybrid_tokens
# wrong: with no stage at all there is one halving too few, 2 + len - 1 also for ()
def hybrid_tokens__empty_not_treated(image_hw, blocks, patch_size):
    sides = list(image_hw)
    for _ in range(1 + len(blocks)):
        sides = [(s + 1) // 2 for s in sides]
    return math.prod(s // patch_size for s in sides) + 1


# exercise: hybrid_tokens
# wrong: odd sides are rounded down
def hybrid_tokens__rounded_down(image_hw, blocks, patch_size):
    halvings = 2 + max(len(blocks) - 1, 0)
    rows = image_hw[0] // 2**halvings // patch_size
    cols = image_hw[1] // 2**halvings // patch_size
    return rows * cols + 1


# exercise: postact_unit
# wrong: rectified before the sum, the sum itself is not
def postact_unit__relu_before_sum(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj):
    def relu(a):
        return np.where(a > 0, a, 0)

    h = relu(norm1(conv1(x)))
    h = relu(norm2(conv2(h, stride)))
    h = relu(norm3(conv3(h)))
    if conv_proj is None:
        return h + x
    return h + norm_proj(conv_proj(x, stride))


# exercise: postact_unit
# right: a list of steps applied one after the other, rectified with clip
def postact_unit__list_of_steps(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj):
    shortcut = x
    if conv_proj is not None:
        shortcut = norm_proj(conv_proj(x, stride=stride))
    h = x
    for step in (conv1, norm1, "relu", lambda a: conv2(a, stride=stride), norm2, "relu", conv3, norm3):
        h = h.clip(min=0) if step == "relu" else step(h)
    return (shortcut + h).clip(min=0)


# exercise: postact_unit
# wrong: the norm of the projection is left out
def postact_unit__shortcut_not_normed(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj):
    y = x
    for conv, norm, s, rectify in ((conv1, norm1, 1, True), (conv2, norm2, stride, True), (conv3, norm3, 1, False)):
        y = norm(conv(y, stride=s))
        if rectify:
            y = np.maximum(y, 0)
    side = x
    if conv_proj is not None:
        side = conv_proj(x, stride=stride)
    return np.maximum(y + side, 0)


# exercise: seen_pixels
# wrong: symmetric padding, every layer begins (k - 1) / 2 pixels early
def seen_pixels__symmetric(output, size, kernels, strides):
    first = last = output
    for k, s in list(zip(kernels, strides))[::-1]:
        first = first * s - (k - 1) // 2
        last = last * s - (k - 1) // 2 + k - 1
    return first, last


# exercise: seen_pixels
# wrong: the layers are walked through from the first to the last instead of back
def seen_pixels__forward_order(output, size, kernels, strides):
    lo, hi, side = output, output, size
    for k, s in zip(kernels, strides):
        n = math.ceil(side / s)
        before = max(0, (n - 1) * s + k - side) // 2
        lo, hi = lo * s - before, hi * s - before + k - 1
        side = n
    return lo, hi


# exercise: seen_pixels
# wrong: the last pixel is one too far, k instead of k - 1
def seen_pixels__one_too_far(output, size, kernels, strides):
    sides = [size]
    for s in strides:
        sides.append(-(-sides[-1] // s))
    lo = hi = output
    for i in range(len(kernels) - 1, -1, -1):
        k, s = kernels[i], strides[i]
        before = max(0, (sides[i + 1] - 1) * s + k - sides[i]) // 2
        lo = lo * s - before
        hi = hi * s - before + k
    return lo, hi


# exercise: sinusoid
# wrong: sines in the front half, cosines in the back half
def sinusoid__halves(length, width):
    i = np.arange(width // 2)
    angle = np.arange(length)[:, None] / 10000 ** (2 * i / width)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


# exercise: sinusoid
# wrong: the exponent is i / D instead of 2 i / D
def sinusoid__exponent_half(length, width):
    PE = np.zeros((length, width))
    t = np.arange(length).reshape(-1, 1)
    w = np.power(10000.0, -np.arange(width // 2) / width)
    PE[:, 0::2] = np.sin(t * w)
    PE[:, 1::2] = np.cos(t * w)
    return PE


# exercise: sinusoid
# right: cosine as a sine moved on by a quarter turn, stack and reshape
def sinusoid__phase(length, width):
    d = np.arange(width)
    speed = np.exp(-math.log(10000) * (d - d % 2) / width)
    return np.sin(np.outer(np.arange(length), speed) + (d % 2) * math.pi / 2)


# exercise: decoder_mask
# wrong: a token may not ask itself (strict triangle)
def decoder_mask__strict(target, pad):
    B, T = target.shape
    causal = np.tril(np.ones((T, T), dtype=bool), k=-1)
    return (target != pad)[:, None, None, :] & causal


# exercise: decoder_mask
# wrong: the padding hides rows (the tokens that ask) instead of columns
def decoder_mask__padding_hides_rows(target, pad):
    T = target.shape[1]
    t = np.arange(T)
    seen = t[None, :] <= t[:, None]
    real = np.not_equal(target, pad)
    return real[:, None, :, None] & seen[None, None]


# exercise: decoder_mask
# pair: the future is allowed and the past forbidden + True means padding (forbidden)
def decoder_mask__future_and_pads(target, pad):
    B, T = target.shape
    mask = np.zeros((B, 1, T, T), dtype=bool)
    for b in range(B):
        for t in range(T):
            for s in range(t, T):
                mask[b, 0, t, s] = target[b, s] == pad
    return mask


# exercise: cross_attention
# wrong: the values stand first in kv_weight
def cross_attention__values_first(z, memory, q_weight, kv_weight, heads):
    B, T, D = z.shape
    S = memory.shape[1]
    Dh = D // heads
    q = (z @ q_weight.T).reshape(B, T, heads, Dh).transpose(0, 2, 1, 3)
    kv = (memory @ kv_weight.T).reshape(B, S, 2, heads, Dh).transpose(2, 0, 3, 1, 4)
    v, k = kv
    s = q @ k.swapaxes(-1, -2) / np.sqrt(Dh)
    A = np.exp(s - s.max(-1, keepdims=True))
    A /= A.sum(-1, keepdims=True)
    return (A @ v).transpose(0, 2, 1, 3).reshape(B, T, D)


# exercise: cross_attention
# wrong: the scores are scaled by the root of D instead of Dh
def cross_attention__root_of_width(z, memory, q_weight, kv_weight, heads):
    D = z.shape[-1]
    Dh = D // heads
    out = []
    for i in range(heads):
        r = slice(i * Dh, i * Dh + Dh)
        q = z @ q_weight[r].T
        k = memory @ kv_weight[r].T
        v = memory @ kv_weight[D + i * Dh : D + i * Dh + Dh].T
        s = np.einsum("btd,bsd->bts", q, k) / D**0.5
        e = np.exp(s - s.max(axis=2)[..., None])
        out.append(np.einsum("bts,bsd->btd", e, v) / e.sum(axis=2)[..., None])
    return np.concatenate(out, axis=2)


# exercise: cross_attention
# right: einsum with weights reshaped to heads, keyword calls, scale on the queries
def cross_attention__einsum(z, memory, q_weight, kv_weight, heads):
    D = q_weight.shape[0]
    Wq = q_weight.reshape(heads, D // heads, D) / math.sqrt(D // heads)
    Wk, Wv = kv_weight.reshape(2, heads, D // heads, D)
    q = np.einsum("btd,hed->bhte", z, Wq)
    k = np.einsum("bsd,hed->bhse", memory, Wk)
    v = np.einsum("bsd,hed->bhse", memory, Wv)
    s = np.einsum("bhte,bhse->bhts", q, k)
    s = np.exp(s - np.max(a=s, axis=-1, keepdims=True))
    s = s / np.sum(a=s, axis=-1, keepdims=True)
    return np.einsum("bhts,bhse->bthe", s, v).reshape(z.shape)


# exercise: embed_backward
# wrong: the factor root of D is forgotten
def embed_backward__no_root(dy, ids, vocabulary):
    hot = (ids.reshape(-1)[:, None] == np.arange(vocabulary)).astype(dy.dtype)
    return hot.T @ dy.reshape(-1, dy.shape[-1])


# exercise: embed_backward
# wrong: plain indexed +=, so a symbol that stands at several places counts once
def embed_backward__buffered_plus(dy, ids, vocabulary):
    D = dy.shape[2]
    dweight = np.zeros((vocabulary, D))
    dweight[ids] += dy * np.sqrt(D)
    return dweight


# exercise: embed_backward
# wrong: the sum over a symbol's places is divided by how often it stands there
def embed_backward__mean_of_places(dy, ids, vocabulary):
    D = dy.shape[-1]
    onehot = np.eye(vocabulary)[ids]
    total = np.einsum("btv,btd->vd", onehot, dy)
    count = np.maximum(onehot.sum(axis=(0, 1)), 1)
    return math.sqrt(D) * total / count[:, None]


# exercise: token_cross_entropy
# wrong: divided by all places, also those with padding
def token_cross_entropy__all_places(logits, targets, pad):
    m = logits.max(-1, keepdims=True)
    logp = logits - m - np.log(np.exp(logits - m).sum(-1, keepdims=True))
    nll = -np.take_along_axis(logp, targets[..., None], -1)[..., 0]
    nll = np.where(targets == pad, 0, nll)
    return nll.mean()


# exercise: token_cross_entropy
# wrong: each row's mean first and then the mean of the rows, so short rows count more
def token_cross_entropy__mean_of_rows(logits, targets, pad):
    B, T, V = logits.shape
    lse = np.logaddexp.reduce(logits, axis=2)
    right = logits[np.arange(B)[:, None], np.arange(T)[None], targets]
    keep = targets != pad
    per_row = ((lse - right) * keep).sum(axis=1) / np.maximum(keep.sum(axis=1), 1)
    return per_row.mean()


# exercise: path_lengths
# wrong: the way is counted in the other direction, who is read by whom
def path_lengths__transposed(reads):
    n = len(reads)
    steps = np.full((n, n), -1)
    np.fill_diagonal(steps, 0)
    knows = np.eye(n, dtype=bool)
    link = np.asarray(reads).T | knows
    for k in range(1, n):
        nxt = (link.astype(int) @ knows.astype(int)) > 0
        steps[nxt & ~knows] = k
        knows = nxt
    return steps


# exercise: path_lengths
# wrong: what cannot be reached gets n instead of -1
def path_lengths__never_is_n(reads):
    n = reads.shape[0]
    d = np.where(reads, 1, n)
    for i in range(n):
        d[i, i] = 0
    for m in range(n):
        d = np.minimum(d, d[:, m : m + 1] + d[m : m + 1, :])
    return np.minimum(d, n)


# exercise: unit_parameters
# wrong: the norms' scale and shift are not counted
def unit_parameters__no_norms(in_channels, width, stride):
    out = 4 * width
    n = in_channels * width + 9 * width * width + width * out
    if stride > 1 or in_channels != out:
        n += in_channels * out
    return n


# exercise: unit_parameters
# wrong: the norms have as many numbers as their convolution gives (out channels), not as it reads
def unit_parameters__norm_of_outputs(in_channels, width, stride):
    total = 0
    for i, o, k in ((in_channels, width, 1), (width, width, 3), (width, 4 * width, 1)):
        total += 2 * o + i * o * k * k
    if stride != 1 or in_channels != 4 * width:
        total += in_channels * 4 * width
    return total


# exercise: unit_parameters
# wrong: the projection is there only where the channels change, the stride is not asked
def unit_parameters__stride_ignored(in_channels, width, stride):
    norms = 2 * in_channels + 2 * width + 2 * width
    convs = width * (in_channels + 9 * width + 4 * width)
    proj = 0 if in_channels == 4 * width else in_channels * 4 * width
    return norms + convs + proj


# exercise: attention_macs
# wrong: only one of the two products with T^2 is counted
def attention_macs__one_product(config):
    T, D = config.num_tokens, config.width
    return T * D * (3 * D) + T * T * D + T * D * D


# exercise: attention_macs
# wrong: the products of the heads are multiplied by h once too often
def attention_macs__times_heads(config):
    t, d, h = config.num_tokens, config.width, config.heads
    linear = 4 * t * d**2
    products = h * 2 * t**2 * d
    return linear + products


# exercise: vit_macs
# wrong: the patch embedding is counted for all tokens, the class token too
def vit_macs__embedding_for_all_tokens(config):
    T, D, M = config.num_tokens, config.width, config.mlp_dim
    block = 4 * T * D * D + 2 * T * D * M + 2 * T * T * D
    stem = T * config.channels * config.patch_size**2 * D
    return config.depth * block + stem + D * config.num_classes


# exercise: vit_macs
# pair: the head is forgotten + the MLP has only one of its two layers
def vit_macs__no_head_half_mlp(config):
    T, D = config.num_tokens, config.width
    N = T - 1 if config.classifier == "token" else T
    macs = N * D * config.channels * config.patch_size * config.patch_size
    for _ in range(config.depth):
        macs += 3 * T * D * D
        macs += T * T * D + T * T * D
        macs += T * D * D
        macs += T * D * config.mlp_dim
    return macs


# exercise: conv_macs
# wrong: the outputs are rounded down
def conv_macs__rounded_down(height, width, inputs, outputs, kernel, stride):
    places = (height // stride) * (width // stride)
    return places * outputs * inputs * kernel**2


# exercise: conv_macs
# wrong: the kernel counts as kernel numbers, not kernel squared
def conv_macs__kernel_not_squared(height, width, inputs, outputs, kernel, stride):
    rows = (height + stride - 1) // stride
    cols = (width + stride - 1) // stride
    return rows * cols * inputs * outputs * kernel


# exercise: conv_macs
# right: a sum over all outputs with math.ceil
def conv_macs__sum_over_rows(height, width, inputs, outputs, kernel, stride):
    per_output = inputs * kernel * kernel
    total = 0
    for _ in range(math.ceil(height / stride)):
        total += math.ceil(width / stride) * outputs * per_output
    return total


# exercise: exaflops
# wrong: only the forward is counted, 2 FLOPs per MAC
def exaflops__forward_only(macs, epochs, images):
    flops = 2 * macs * images * epochs
    return flops / 10**18


# exercise: exaflops
# wrong: MACs are not turned into FLOPs, the factor 2 is missing
def exaflops__macs_for_flops(macs, epochs, images):
    forwards = epochs * images
    backwards = 2 * forwards
    return macs * (forwards + backwards) * 1e-18


# exercise: block_activations
# wrong: the two numbers per token of the norms are left out
def block_activations__norm_numbers_missing(tokens, width, heads, mlp_dim):
    return 8 * tokens * width + tokens * mlp_dim + heads * tokens


# exercise: block_activations
# wrong: the attention matrix h T T is counted as kept
def block_activations__keeps_A(tokens, width, heads, mlp_dim):
    TD = tokens * width
    norms = 2 * (TD + 2 * tokens)
    attention = 3 * TD + TD + heads * tokens * tokens
    return norms + TD + attention + TD + tokens * mlp_dim


# exercise: official_qkv
# wrong: each kernel is not transposed, inputs stay in front
def official_qkv__not_transposed(query, key, value):
    D = query.shape[0]
    return np.concatenate([k.reshape(D, D) for k in (query, key, value)], axis=0)


# exercise: official_qkv
# wrong: sorted head by head (q, k, v of head 0, then of head 1 ...)
def official_qkv__head_by_head(query, key, value):
    D = len(query)
    stack = np.stack([query, key, value])
    return stack.transpose(2, 0, 3, 1).reshape(3 * D, D)


# exercise: official_qkv
# right: hstack of flat kernels, one transpose at the end
def official_qkv__hstack(query, key, value):
    flat = [part.reshape(part.shape[0], -1) for part in (query, key, value)]
    return np.hstack(flat).T


# exercise: official_key_kernel
# wrong: the query's rows are taken
def official_key_kernel__query_rows(qkv, heads):
    D = qkv.shape[1]
    return qkv[:D].T.reshape(D, heads, D // heads)


# exercise: official_key_kernel
# wrong: reshaped without the transpose
def official_key_kernel__no_transpose(qkv, heads):
    q, k, v = np.vsplit(qkv, 3)
    return k.reshape(len(k), heads, -1)


# exercise: official_patches
# wrong: rows and columns of the kernel are exchanged
def official_patches__rows_columns(kernel):
    return kernel.T.reshape(kernel.shape[-1], -1)


# exercise: official_patches
# wrong: the colours stay together per pixel, channels last inside a row
def official_patches__colours_last(kernel):
    P, _, C, D = kernel.shape
    return kernel.reshape(P * P * C, D).T


# exercise: resized_positions
# wrong: the pixels' centres are put on each other, not the corners
def resized_positions__centres(E_pos, old_grid, new_grid):
    def matrix(o, n):
        M = np.zeros((n, o))
        for i in range(n):
            x = min(max((i + 0.5) * o / n - 0.5, 0), o - 1)
            for j in range(o):
                M[i, j] = max(0.0, 1 - abs(x - j))
        return M

    grid = E_pos[1:].reshape(*old_grid, -1)
    new = np.einsum("yr,xc,rcd->yxd", matrix(old_grid[0], new_grid[0]), matrix(old_grid[1], new_grid[1]), grid)
    return np.concatenate([E_pos[:1], new.reshape(-1, E_pos.shape[1])])


# exercise: resized_positions
# wrong: nearest old row instead of linear
def resized_positions__nearest(E_pos, old_grid, new_grid):
    grid = E_pos[1:].reshape(old_grid[0], old_grid[1], -1)
    r = np.rint(np.linspace(0, old_grid[0] - 1, new_grid[0])).astype(int)
    c = np.rint(np.linspace(0, old_grid[1] - 1, new_grid[1])).astype(int)
    return np.vstack([E_pos[0], grid[r][:, c].reshape(len(r) * len(c), -1)])


# exercise: resized_positions
# wrong: the class token's row is lost
def resized_positions__class_row_lost(E_pos, old_grid, new_grid):
    (a, b), (c, d) = old_grid, new_grid
    g = E_pos[1:].reshape(a, b, -1)
    ys, xs = np.linspace(0, a - 1, c), np.linspace(0, b - 1, d)
    My = np.maximum(0, 1 - np.abs(ys[:, None] - np.arange(a)))
    Mx = np.maximum(0, 1 - np.abs(xs[:, None] - np.arange(b)))
    return np.einsum("yr,xc,rcd->yxd", My, Mx, g).reshape(c * d, -1)


# exercise: micro_batch_positions
# wrong: the ranks take every world-th position, they are interleaved
def micro_batch_positions__interleaved(step, rank, i, world, batch_size, micro_batch):
    mine = list(range(step * batch_size + rank, (step + 1) * batch_size, world))
    return mine[i * micro_batch : (i + 1) * micro_batch]


# exercise: micro_batch_positions
# wrong: the last micro-batch runs over the end of the share
def micro_batch_positions__runs_over(step, rank, i, world, batch_size, micro_batch):
    share = batch_size // world
    start = step * batch_size + rank * share + i * micro_batch
    return np.arange(start, start + micro_batch)


# exercise: micro_batch_positions
# wrong: the step is not counted, each step takes the same positions
def micro_batch_positions__step_forgotten(step, rank, i, world, batch_size, micro_batch):
    share = batch_size // world
    low = rank * share
    return [p for p in range(low, low + share) if i * micro_batch <= p - low < (i + 1) * micro_batch]


# exercise: update_gradient
# wrong: plain mean over all micro-batches
def update_gradient__plain_mean(gradients, counts):
    return gradients.mean(axis=(0, 1))


# exercise: update_gradient
# wrong: first each process's own mean, then the mean of the processes
def update_gradient__mean_of_processes(gradients, counts):
    per = []
    for g, c in zip(gradients, counts):
        n = c.sum()
        per.append((g * c[:, None]).sum(axis=0) / n if n else np.zeros(g.shape[-1]))
    return np.mean(per, axis=0)


# exercise: update_gradient
# right: flattened and np.average with the counts as weights
def update_gradient__np_average(gradients, counts):
    return np.average(gradients.reshape(-1, gradients.shape[-1]), axis=0, weights=np.ravel(counts))


# exercise: decoupled_decay
# wrong: the bias decays as well
def decoupled_decay__bias_too(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    def move(p, g, root):
        return p - lr * g / root - lr * weight_decay * p

    return move(weight, dweight, root_weight), move(bias, dbias, root_bias)


# exercise: decoupled_decay
# wrong: the decay is divided by the root, the coupled way
def decoupled_decay__divided_by_root(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    step = (dweight + weight_decay * weight) / root_weight
    return weight - lr * step, bias - lr * dbias / root_bias


# exercise: decoupled_decay
# pair: the decay is not multiplied by lr + it is added instead of subtracted
def decoupled_decay__no_lr_wrong_sign(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    new_weight = weight * (1 + weight_decay) - lr * np.divide(dweight, root_weight)
    new_bias = bias - lr * np.divide(dbias, root_bias)
    return new_weight, new_bias


# exercise: mean_color
# wrong: red and blue exchanged, r + 8 g + 64 b
def mean_color__bgr(images, P):
    B, C, H, W = images.shape
    m = images.astype(float).reshape(B, C, H // P, P, W // P, P).mean(axis=(3, 5))
    level = (m // 32).astype(int).reshape(B, C, -1)
    return level[:, 0] + 8 * level[:, 1] + 64 * level[:, 2]


# exercise: mean_color
# wrong: each pixel's level is taken first and then the mean of the levels, rounded down
def mean_color__levels_first(images, P):
    B, C, H, W = images.shape
    lev = images // 32
    colors = np.zeros((B, (H // P) * (W // P)), int)
    n = 0
    for i in range(0, H, P):
        for j in range(0, W, P):
            mean = lev[:, :, i : i + P, j : j + P].mean(axis=(2, 3)).astype(int)
            colors[:, n] = 64 * mean[:, 0] + 8 * mean[:, 1] + mean[:, 2]
            n += 1
    return colors


# exercise: mean_color
# wrong: the level is rounded to the nearest, not cut off (and kept to 7 at most)
def mean_color__rounded(images, P):
    b, _, h, w = images.shape
    mean = np.einsum("bcypxq->bcyx", images.reshape(b, 3, h // P, P, w // P, P).astype(np.float64)) / P**2
    level = np.minimum(np.rint(mean / 32), 7).astype(int)
    return np.tensordot([64, 8, 1], level, axes=([0], [1])).reshape(b, -1)


# exercise: fewest_gpus
# wrong: 12 bytes per parameter, the gradients are left out
def fewest_gpus__twelve_bytes(parameters, kept, memory):
    free = memory - kept
    ddp = int(12 * parameters <= free)
    per_gpu = free // 12
    return ddp, -(-parameters // per_gpu)


# exercise: fewest_gpus
# wrong: the activations are cut up among the GPUs as well under FSDP2
def fewest_gpus__activations_cut_too(parameters, kept, memory):
    ddp = 1 if 16 * parameters + kept <= memory else 0
    g = 1
    while 16 * math.ceil(parameters / g) + kept / g > memory:
        g += 1
    return ddp, g


# exercise: fewest_gpus
# wrong: the number of GPUs is rounded down
def fewest_gpus__floor(parameters, kept, memory):
    room = memory - kept
    need = 16 * parameters
    return int(need <= room), max(1, need // room)


# exercise: resume
# wrong: again counts updates, not images
def resume__again_in_updates(killed_after, every, batch_size, num_images):
    step = killed_after - killed_after % every
    seen = step * batch_size
    return step, seen // num_images, seen % num_images, killed_after - step


# exercise: resume
# wrong: the place is counted from where it was killed, not from the checkpoint
def resume__place_of_the_kill(killed_after, every, batch_size, num_images):
    step = (killed_after // every) * every
    epoch, place = divmod(killed_after * batch_size, num_images)
    return step, epoch, place, (killed_after - step) * batch_size


# exercise: zero_head_gradients
# wrong: the sign is turned round, target minus probability
def zero_head_gradients__sign(y, labels, num_classes):
    B = len(y)
    t = np.eye(num_classes)[labels]
    ds = (t - 1 / num_classes) / B
    return ds.T @ y, ds.sum(axis=0), np.zeros_like(y)


# exercise: zero_head_gradients
# wrong: not divided by the batch
def zero_head_gradients__sum_over_batch(y, labels, num_classes):
    p = np.full((y.shape[0], num_classes), 1.0 / num_classes)
    p[np.arange(len(labels)), labels] -= 1
    return np.einsum("bk,bd->kd", p, y), p.sum(0), 0 * y


# exercise: stair_rate
# wrong: a step at the milestone itself already has the lower rate
def stair_rate__at_the_milestone(step, base, total_steps, warmup_steps, milestones):
    rate = base
    for part in milestones:
        if step >= round(part * total_steps):
            rate = rate / 10
    if warmup_steps:
        rate *= min(1, step / warmup_steps)
    return rate


# exercise: stair_rate
# wrong: the milestones are parts of what comes after the warm-up
def stair_rate__parts_after_warmup(step, base, total_steps, warmup_steps, milestones):
    rest = total_steps - warmup_steps
    passed = sum(step > warmup_steps + round(m * rest) for m in milestones)
    warm = 1.0 if warmup_steps == 0 else min(1.0, step / warmup_steps)
    return base * 10.0**-passed * warm


# exercise: hyper_rule
# wrong: side by side below 96 instead of the area
def hyper_rule__each_side(num_images, height, width):
    small = height < 96 and width < 96
    resize, crop = (160, 128) if small else (512, 480)
    if num_images < 20_000:
        return resize, crop, 500, 0
    return resize, crop, 10_000 if num_images < 500_000 else 20_000, 0.1


# exercise: hyper_rule
# wrong: resize and crop are returned in the wrong order
def hyper_rule__crop_first(num_images, height, width):
    answer = [128, 160] if height * width < 96**2 else [480, 512]
    steps, mixup = 20000, 0.1
    if num_images < 500000:
        steps = 10000
    if num_images < 20000:
        steps, mixup = 500, 0.0
    return (*answer, steps, mixup)


# exercise: hyper_rule
# pair: exactly 96 x 96 counts as small + the smallest data sets get mixup too
def hyper_rule__edge_and_mixup(num_images, height, width):
    if height * width <= 96 * 96:
        resize, crop = 160, 128
    else:
        resize, crop = 512, 480
    steps = 500 if num_images < 20_000 else 10_000 if num_images < 500_000 else 20_000
    return resize, crop, steps, 0.1


# exercise: affordable_size
# wrong: the side is given in patches, not multiplied by the patch size
def affordable_size__in_patches(image_size, patch_size, width, mlp_dim, times):
    D, M = width, mlp_dim

    def macs(side):
        T = side * side + 1
        return (4 * D * D + 2 * D * M) * T + 2 * D * T * T

    allowed = times * macs(image_size // patch_size)
    side = 1
    while macs(side + 1) <= allowed:
        side += 1
    return side


# exercise: affordable_size
# wrong: the cost is taken to grow in proportion to the tokens, the T^2 term is left out
def affordable_size__linear_cost(image_size, patch_size, width, mlp_dim, times):
    T = (image_size // patch_size) ** 2 + 1
    side = math.isqrt(int(times * T) - 1)
    return side * patch_size


# exercise: affordable_size
# wrong: rounded to the nearest multiple of the patch size instead of down
def affordable_size__rounded(image_size, patch_size, width, mlp_dim, times):
    a = 2 * width
    b = 4 * width**2 + 2 * width * mlp_dim
    T = (image_size / patch_size) ** 2 + 1
    c = times * (a * T * T + b * T)
    T_new = (-b + math.sqrt(b * b + 4 * a * c)) / (2 * a)
    return round(math.sqrt(T_new - 1)) * patch_size


# exercise: whiten
# wrong: the test images are whitened with their own mean and deviation
def whiten__test_by_itself(features, test_features):
    def one(x):
        z = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-5)
        return np.concatenate([z, np.full((len(z), 1), 100.0)], axis=1)

    return one(features), one(test_features)


# exercise: whiten
# wrong: the constant column holds 1 instead of 100
def whiten__constant_one(features, test_features):
    mu, sd = np.mean(features, 0), np.std(features, 0) + 1e-5
    X = np.ones((features.shape[0], features.shape[1] + 1))
    T = np.ones((test_features.shape[0], features.shape[1] + 1))
    X[:, :-1] = (features - mu) / sd
    T[:, :-1] = (test_features - mu) / sd
    return X, T


# exercise: whiten
# pair: the deviation is divided by N - 1 + the constant column stands in front
def whiten__ddof_and_front(features, test_features):
    centre = features.mean(axis=0, keepdims=True)
    spread = features.std(axis=0, ddof=1, keepdims=True) + 1e-5
    return tuple(np.insert((a - centre) / spread, 0, 100, axis=1) for a in (features, test_features))


# exercise: plus_minus_targets
# wrong: 0 for the wrong classes instead of -1
def plus_minus_targets__zeros(labels, num_classes):
    return np.eye(num_classes)[labels]


# exercise: plus_minus_targets
# right: -1 everywhere, then put_along_axis
def plus_minus_targets__put_along_axis(labels, num_classes):
    Y = -np.ones((len(labels), num_classes))
    np.put_along_axis(Y, np.asarray(labels)[:, None], 1.0, axis=1)
    return Y


# exercise: few_shots
# wrong: a new generator for each class
def few_shots__new_generator(labels, shots, seed):
    chosen = []
    for c in range(max(labels) + 1):
        rng = np.random.default_rng(seed)
        images = np.flatnonzero(labels == c)
        chosen.extend(rng.permutation(images)[:shots])
    return np.array(chosen)


# exercise: few_shots
# wrong: the first images of each class are taken without shuffling
def few_shots__no_shuffle(labels, shots, seed):
    return np.concatenate([np.where(labels == k)[0][:shots] for k in np.unique(labels)])


# exercise: few_shots
# wrong: the positions are sorted at the end
def few_shots__sorted(labels, shots, seed):
    rng = np.random.default_rng(seed)
    picked = []
    for k in range(int(labels.max()) + 1):
        picked += rng.permutation(np.flatnonzero(labels == k))[:shots].tolist()
    return sorted(picked)


# exercise: ridge_primal
# wrong: the penalty is multiplied by the number of images
def ridge_primal__penalty_times_n(X, Y, l2):
    N, D = X.shape
    return np.linalg.solve(X.T @ X + N * l2 * np.eye(D), X.T @ Y)


# exercise: ridge_primal
# right: least squares of stacked rows
def ridge_primal__stacked_lstsq(X, Y, l2):
    D = X.shape[1]
    A = np.vstack([X, np.sqrt(l2) * np.eye(D)])
    b = np.vstack([Y, np.zeros((D, Y.shape[1]))])
    return np.linalg.lstsq(A, b, rcond=None)[0]


# exercise: ridge_dual
# wrong: the penalty is squared
def ridge_dual__l2_squared(X, Y, l2):
    K = np.einsum("nd,md->nm", X, X)
    K[np.diag_indices(len(K))] += l2**2
    return np.einsum("nd,nk->dk", X, np.linalg.solve(K, Y))


# exercise: ridge_dual
# wrong: the penalty is subtracted from the diagonal
def ridge_dual__penalty_subtracted(X, Y, l2):
    gram = X @ X.T
    a = np.linalg.inv(gram - l2 * np.identity(len(X))) @ Y
    return X.T @ a


# exercise: standard_error
# wrong: the deviation is not divided by the root of the number of seeds
def standard_error__deviation_only(accuracy):
    return np.std(accuracy, axis=1, ddof=1)


# exercise: standard_error
# wrong: ddof is forgotten, variance over n
def standard_error__no_ddof(accuracy):
    n = accuracy.shape[1]
    mean = accuracy.mean(axis=1, keepdims=True)
    var = ((accuracy - mean) ** 2).sum(axis=1) / n
    return np.sqrt(var / n)


# exercise: leave_one_out
# wrong: the fitted scores themselves, image i is not taken out
def leave_one_out__fitted(X, Y, l2):
    G = X.T @ X + l2 * np.eye(X.shape[1])
    return X @ np.linalg.solve(G, X.T @ Y)


# exercise: leave_one_out
# wrong: the own target is taken off but the division by 1 - H_ii is forgotten
def leave_one_out__not_divided(X, Y, l2):
    H = X @ np.linalg.inv(X.T @ X + l2 * np.eye(X.shape[1])) @ X.T
    d = np.diag(H)
    return H @ Y - d[:, None] * Y


# exercise: leave_one_out
# right: a fit for each image, dual form
def leave_one_out__real_fits(X, Y, l2):
    N = len(X)
    rows = []
    for i in range(N):
        keep = np.arange(N) != i
        A, B = X[keep], Y[keep]
        W = A.T @ np.linalg.solve(A @ A.T + l2 * np.eye(N - 1), B)
        rows.append(X[i] @ W)
    return np.array(rows)


# exercise: difference_in_errors
# wrong: the two errors are added instead of their squares
def difference_in_errors__errors_added(first, second):
    def error(a):
        return np.std(a, ddof=1) / math.sqrt(len(a))

    return (np.mean(first) - np.mean(second)) / (error(first) + error(second))


# exercise: difference_in_errors
# wrong: both are divided by the number of runs of the first
def difference_in_errors__same_n(first, second):
    n = len(first)
    v = (np.var(first, ddof=1) + np.var(second, ddof=1)) / n
    return (first.mean() - second.mean()) / v**0.5


# exercise: compute_at_accuracy
# wrong: straight lines in compute, not in log compute
def compute_at_accuracy__linear(wanted, compute, accuracy):
    best = np.maximum.accumulate(accuracy)
    return np.interp(wanted, best, compute)


# exercise: compute_at_accuracy
# wrong: logarithm to base 10 but e to the power on the way back
def compute_at_accuracy__mixed_bases(wanted, compute, accuracy):
    best = [max(accuracy[: i + 1]) for i in range(len(accuracy))]
    return np.exp(np.interp(wanted, best, np.log10(compute)))


# exercise: pareto_front
# wrong: equal rows beat each other (no "better in one of the two")
def pareto_front__equal_rows_beaten(compute, accuracy):
    n = len(compute)
    kept = np.ones(n, dtype=bool)
    for i in range(n):
        for j in range(n):
            if i != j and compute[j] <= compute[i] and accuracy[j] >= accuracy[i]:
                kept[i] = False
    return kept


# exercise: pareto_front
# wrong: only who is strictly better in both beats another
def pareto_front__strict_in_both(compute, accuracy):
    cheaper = compute[None, :] < compute[:, None]
    better = accuracy[None, :] > accuracy[:, None]
    return ~(cheaper & better).any(axis=1)


# exercise: training_compute
# wrong: a core-day has 24 * 60 seconds
def training_compute__minutes(config, epochs, images, core_days, peak):
    T, D, M = config.num_tokens, config.width, config.mlp_dim
    block = 4 * T * D * D + 2 * T * T * D + 2 * T * D * M
    macs = config.depth * block + (T - 1) * config.channels * config.patch_size**2 * D + D * config.num_classes
    flops = 6 * macs * epochs * images
    return flops / 1e18, flops / (core_days * 24 * 60 * peak * 1e12)


# exercise: training_compute
# pair: the backward is not counted + MACs are taken for FLOPs
def training_compute__forward_macs(config, epochs, images, core_days, peak):
    T, D = config.num_tokens, config.width
    n = (T - 1) * D * config.channels * config.patch_size**2
    n += config.depth * (2 * T * T * D + T * D * (4 * D + 2 * config.mlp_dim))
    n += D * config.num_classes
    exa = n * epochs * images * 1e-18
    return exa, exa * 1e18 / (peak * 1e12) / (core_days * 86400)


# exercise: disagreements
# wrong: more than a whole unit is asked, not half a unit
def disagreements__whole_unit(first, second, unit):
    return np.abs(first - second) > unit


# exercise: disagreements
# wrong: where only one has a number it counts as a disagreement
def disagreements__one_missing_counts(first, second, unit):
    far = np.abs(np.nan_to_num(first) - np.nan_to_num(second)) > unit / 2 * (1 + 1e-9)
    one_only = np.isnan(first) != np.isnan(second)
    return far | one_only


# exercise: pseudo_targets
# wrong: hard targets, 1 for the favourite
def pseudo_targets__hard(probabilities, threshold, per_class):
    p = np.asarray(probabilities)
    top, who = p.max(axis=1), p.argmax(axis=1)
    positions = []
    for c in range(p.shape[1]):
        mine = np.flatnonzero((who == c) & (top >= threshold))
        if len(mine):
            mine = mine[np.argsort(-top[mine], kind="stable")]
            positions.extend(np.resize(mine, per_class))
    positions = np.array(positions, int)
    return positions, np.eye(p.shape[1])[who[positions]]


# exercise: pseudo_targets
# wrong: the least sure images come first (sorted the wrong way)
def pseudo_targets__ascending(probabilities, threshold, per_class):
    K = probabilities.shape[1]
    keep = probabilities.max(axis=1) >= threshold
    out = []
    for k in range(K):
        members = [n for n in range(len(probabilities)) if keep[n] and probabilities[n].argmax() == k]
        members.sort(key=lambda n: probabilities[n, k])
        for j in range(per_class):
            if members:
                out.append(members[j % len(members)])
    return np.array(out), probabilities[out]


# exercise: pseudo_targets
# wrong: a class with fewer images is not filled up
def pseudo_targets__not_filled(probabilities, threshold, per_class):
    best = probabilities.max(1)
    classes = probabilities.argmax(1)
    chosen = np.zeros(0, dtype=int)
    for c in np.unique(classes[best >= threshold]):
        idx = np.where((classes == c) & (best >= threshold))[0]
        idx = idx[np.argsort(-best[idx], kind="stable")][:per_class]
        chosen = np.append(chosen, idx)
    return chosen, probabilities[chosen]


# exercise: noisy_student_loss
# wrong: the teacher's targets are smoothed as well
def noisy_student_loss__teacher_smoothed(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    def ce(z, t):
        m = z.max(1, keepdims=True)
        logp = z - m - np.log(np.exp(z - m).sum(1, keepdims=True))
        return -(t * logp).sum(1).mean()

    K = logits.shape[1]
    hot = np.eye(K)[labels]
    first = ce(logits, (1 - smoothing) * hot + smoothing / K)
    second = ce(unlabelled_logits, (1 - smoothing) * teacher + smoothing / K)
    return first + ratio * second


# exercise: noisy_student_loss
# wrong: one mean over all images, labelled and unlabelled together
def noisy_student_loss__one_mean(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    B, K = logits.shape
    t = np.full((B, K), smoothing / K)
    t[np.arange(B), labels] += 1 - smoothing
    lse1 = np.logaddexp.reduce(logits, axis=1)
    lse2 = np.logaddexp.reduce(unlabelled_logits, axis=1)
    a = (lse1 - (t * logits).sum(1)).sum()
    b = (lse2 - (teacher * unlabelled_logits).sum(1)).sum()
    return (a + ratio * b) / (B + len(teacher))


# exercise: agreement
# wrong: the largest logit is looked for among the images (axis 0)
def agreement__argmax_over_images(logits, moved):
    return float(np.mean(logits.argmax(axis=0) == moved.argmax(axis=0)))


# exercise: agreement
# right: counted in a loop
def agreement__loop(logits, moved):
    stays = 0
    for a, b in zip(logits.tolist(), moved.tolist()):
        stays += a.index(max(a)) == b.index(max(b))
    return stays / len(logits)


# exercise: permuted_positions
# wrong: the inverse order
def permuted_positions__inverse(E_pos, order):
    out = np.empty_like(E_pos)
    out[0] = E_pos[0]
    for s, o in enumerate(order):
        out[1 + o] = E_pos[1 + s]
    return out


# exercise: permuted_positions
# pair: order is used without the 1 for the class token + the class token's row is dropped and zeros put there
def permuted_positions__no_offset_zero_class(E_pos, order):
    rows = E_pos[np.asarray(order)]
    return np.concatenate([np.zeros((1, E_pos.shape[1])), rows], axis=0)


# exercise: permuted_filters
# wrong: the numbers are read as pixel first, channel last
def permuted_filters__channels_last(weight, order):
    D, n = weight.shape
    w = weight.reshape(D, len(order), n // len(order))
    return w[:, order, :].reshape(D, n)


# exercise: permuted_filters
# wrong: only the first channel is permuted
def permuted_filters__first_channel_only(weight, order):
    new = weight.copy()
    pp = len(order)
    new[:, :pp] = weight[:, :pp][:, order]
    return new


# exercise: drop_squares
# wrong: each image's own mean colour
def drop_squares__own_mean(images, P, dropped):
    n, C, H, W = images.shape
    gone = dropped.reshape(n, H // P, W // P).repeat(P, axis=1).repeat(P, axis=2)[:, None]
    mean = images.mean(axis=(2, 3), keepdims=True)
    return np.where(gone, mean, images)


# exercise: drop_squares
# wrong: one grey for all channels
def drop_squares__one_grey(images, P, dropped):
    n, C, H, W = images.shape
    out = images.astype(float).copy()
    grey = images.mean()
    across = W // P
    for i, j in zip(*np.nonzero(dropped)):
        r, c = divmod(int(j), across)
        out[i, :, r * P : (r + 1) * P, c * P : (c + 1) * P] = grey
    return out


# exercise: drop_squares
# wrong: the images are painted in place one after the other and the mean is taken anew each time
def drop_squares__mean_of_painted(images, P, dropped):
    shown = images.astype(float)
    across = images.shape[3] // P
    for n in range(len(images)):
        for s in np.flatnonzero(dropped[n]):
            colour = shown.mean(axis=(0, 2, 3))
            y, x = s // across * P, s % across * P
            shown[n, :, y : y + P, x : x + P] = colour[:, None, None]
    return shown


# exercise: commuting_part
# wrong: only the rows are permuted
def commuting_part__rows_only(M, orders):
    return np.mean([M[order] for order in orders], axis=0)


# exercise: commuting_part
# right: permutation matrices and einsum
def commuting_part__matrices(M, orders):
    Pi = np.eye(len(M))[np.asarray(orders)]
    return np.einsum("osa,ab,otb->st", Pi, M, Pi) / len(orders)


# exercise: stream_numbers
# wrong: one generator of the seed for all, the numbers depend on the order of ids
def stream_numbers__one_generator(seed, ids, count):
    rng = np.random.default_rng(seed)
    return np.stack([rng.random(count) for _ in ids])


# exercise: stream_numbers
# wrong: seed and number of the image are added, so two seeds share images
def stream_numbers__sum_of_both(seed, ids, count):
    out = np.zeros((len(ids), count))
    for r in range(len(ids)):
        out[r] = np.random.default_rng(seed + int(ids[r])).random(count)
    return out


# exercise: passes
# wrong: a batch larger than the data set is not cut down
def passes__large_batch_not_cut(sizes, steps, batch_size):
    sizes = np.asarray(sizes)
    total = steps * batch_size
    return total / sizes, np.minimum(sizes, total)


# exercise: passes
# wrong: whole passes only, rounded down
def passes__rounded_down(sizes, steps, batch_size):
    seen, different = [], []
    for n in sizes:
        read = steps * min(n, batch_size)
        seen.append(read // n)
        different.append(min(n, read))
    return np.array(seen), np.array(different)


# exercise: stopped_early
# wrong: the best test accuracy instead of that of the best held-out look
def stopped_early__best_test(held_out, test):
    return test.max(axis=1)


# exercise: stopped_early
# wrong: of equal looks the last
def stopped_early__last_of_equals(held_out, test):
    looks = held_out.shape[1]
    best = looks - 1 - held_out[:, ::-1].argmax(axis=1)
    return test[np.arange(len(test)), best]


# exercise: paired_difference
# wrong: the error of two independent means
def paired_difference__independent(first, second):
    n = first.shape[1]
    d = first.mean(axis=1) - second.mean(axis=1)
    e = np.sqrt(first.var(axis=1, ddof=1) / n + second.var(axis=1, ddof=1) / n)
    return d, e


# exercise: paired_difference
# wrong: mean and error over the sizes (axis 0) where it should be the seeds
def paired_difference__over_sizes(first, second):
    d = np.subtract(first, second)
    return d.mean(0), d.std(0, ddof=1) / np.sqrt(d.shape[0])


# exercise: crossing
# wrong: high and low are returned in the wrong order
def crossing__high_first(sizes, difference, error, r):
    low = None
    for n, d, e in zip(sizes, difference, error):
        if d < -r * e:
            low = n
        elif d > r * e and low is not None:
            return n, low
    return 0, 0


# exercise: crossing
# wrong: low is the first size that is behind for certain, not the last before high
def crossing__first_behind(sizes, difference, error, r):
    ratio = np.asarray(difference) / np.asarray(error)
    behind = np.flatnonzero(ratio < -r)
    if len(behind) == 0:
        return 0, 0
    ahead = [i for i in np.flatnonzero(ratio > r) if i > behind[0]]
    return (sizes[behind[0]], sizes[ahead[0]]) if ahead else (0, 0)


# exercise: crossing
# pair: the errors are not looked at, r is compared with the difference itself + a size ahead counts also if none before was behind
def crossing__no_errors_no_before(sizes, difference, error, r):
    low, high = 0, 0
    for n, d in zip(sizes, difference):
        if d < -r:
            low = n
        if d > r:
            high = n
            break
    return low, high


# exercise: paired_lead
# wrong: the error is the deviation of the differences, not divided by the root of n
def paired_lead__no_root_n(a, b):
    lead = a - b
    return lead.mean(axis=1), lead.std(axis=1, ddof=1)


# exercise: paired_lead
# wrong: the lead of b
def paired_lead__of_b(a, b):
    R, n = a.shape
    d = np.array([[b[i, j] - a[i, j] for j in range(n)] for i in range(R)])
    m = d.sum(axis=1) / n
    return m, np.sqrt(((d - m[:, None]) ** 2).sum(axis=1) / (n - 1) / n)


# exercise: many_linear_step
# wrong: not divided by the number of examples of the batch
def many_linear_step__sum_over_batch(W, x, y, lr):
    err = np.einsum("koi,bi->kbo", W, x) - y
    return W - lr[:, None, None] * np.einsum("kbo,bi->koi", err, x)


# exercise: many_linear_step
# wrong: a factor 2, the loss taken without its half
def many_linear_step__factor_two(W, x, y, lr):
    predicted = x @ W.swapaxes(1, 2)
    grad = 2 * (predicted - y).swapaxes(1, 2) @ x / len(x)
    return W - lr.reshape(-1, 1, 1) * grad


# exercise: many_linear_step
# wrong: the models' gradients are averaged, every model gets the same step
def many_linear_step__models_meet(W, x, y, lr):
    K, b = len(W), len(x)
    err = np.stack([x @ w.T - y for w in W])
    mean = np.einsum("kbo,bi->oi", err, x) / (K * b)
    return W - np.multiply.outer(lr, mean)


# exercise: coupled_adam_step
# wrong: the decay is left beside the step (decoupled)
def coupled_adam_step__decoupled(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    step = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return w - lr * step - lr * weight_decay * w, m, v


# exercise: coupled_adam_step
# wrong: the decay enters m but not v
def coupled_adam_step__decay_only_in_m(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    new_m = beta1 * m + (1 - beta1) * (g + weight_decay * w)
    new_v = beta2 * v + (1 - beta2) * np.square(g)
    m_hat, v_hat = new_m / (1 - beta1**t), new_v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat**0.5 + eps), new_m, new_v


# exercise: equal_rate
# wrong: the two sums are divided the wrong way round
def equal_rate__upside_down(base, steps, warmup_steps, decay):
    def total(warm):
        s = 0.0
        for t in range(steps):
            if t < warm:
                s += t / warm
                continue
            p = (t - warm) / (steps - warm)
            s += {"cosine": 0.5 * (1 + math.cos(math.pi * p)), "linear": 1 - p, "none": 1.0}[decay]
        return s

    return base * total(warmup_steps) / total(0)


# exercise: equal_rate
# wrong: the decay does not wait for the end of the warm-up, both run from step 0
def equal_rate__decay_does_not_wait(base, steps, warmup_steps, decay):
    t = np.arange(steps)
    p = t / steps
    shape = {"cosine": (1 + np.cos(np.pi * p)) / 2, "linear": 1 - p, "none": np.ones(steps)}[decay]
    warm = np.minimum(1, t / warmup_steps) if warmup_steps else np.ones(steps)
    return base * shape.sum() / (shape * warm).sum()


# exercise: newton_schulz
# wrong: divided by the largest entry instead of the Frobenius length
def newton_schulz__max_entry(M, steps):
    X = M / np.abs(M).max()
    for _ in range(steps):
        G = X @ X.T
        X = 3.4445 * X - 4.7750 * G @ X + 2.0315 * G @ G @ X
    return X


# exercise: newton_schulz
# wrong: the divisor is the squared length, the root is forgotten
def newton_schulz__length_squared(M, steps):
    X = M / (M * M).sum()
    a, b, c = 3.4445, -4.7750, 2.0315
    while steps > 0:
        A = X.T @ X
        X = X @ (a * np.eye(len(A)) + b * A + c * A @ A)
        steps -= 1
    return X


# exercise: newton_schulz
# right: works on the smaller side, transposed where the matrix is tall
def newton_schulz__transpose_tall(M, steps):
    tall = M.shape[0] > M.shape[1]
    X = (M.T if tall else M) / np.linalg.norm(M)
    for _ in range(steps):
        G = np.einsum("rc,sc->rs", X, X)
        Y = G @ X
        X = 3.4445 * X + (2.0315 * G @ Y - 4.7750 * Y)
    return X.T if tall else X


# exercise: attention_distance
# wrong: the class token's row and column are kept as a patch at the front (last row and column cut off)
def attention_distance__wrong_end_cut(A, gh, gw, P):
    N = gh * gw
    a = A[:, :N, :N]
    y, x = np.divmod(np.arange(N), gw)
    d = P * np.hypot(y[:, None] - y, x[:, None] - x)
    return (a * d).sum(axis=(1, 2)) / N


# exercise: attention_distance
# wrong: the weights of the patches are made to sum to 1 again after the class token is taken off
def attention_distance__renormalised(A, gh, gw, P):
    a = A[:, 1:, 1:]
    a = a / a.sum(axis=-1, keepdims=True)
    where = np.stack(np.meshgrid(np.arange(gh), np.arange(gw), indexing="ij"), axis=-1).reshape(-1, 2)
    d = np.sqrt(((where[:, None] - where[None]) ** 2).sum(-1)) * P
    return np.einsum("hts,ts->ht", a, d).mean(axis=1)


# exercise: attention_distance
# pair: distances are in patches, not in pixels + summed over the asking patches without the mean
def attention_distance__patches_and_sum(A, gh, gw, P):
    rows = np.repeat(np.arange(gh), gw)
    cols = np.tile(np.arange(gw), gh)
    far = ((rows[:, None] - rows) ** 2 + (cols[:, None] - cols) ** 2) ** 0.5
    return np.tensordot(A[:, 1:, 1:], far, axes=2)


# exercise: rollout
# wrong: multiplied in the wrong order, the first block from the left
def rollout__wrong_order(A):
    T = A.shape[-1]
    arrived = np.eye(T)
    for block in A:
        arrived = arrived @ ((block.mean(axis=0) + np.eye(T)) / 2)
    return arrived


# exercise: rollout
# wrong: without the identity
def rollout__no_identity(A):
    maps = A.mean(axis=1)
    out = maps[0]
    for m in maps[1:]:
        out = m @ out
    return out


# exercise: rollout
# right: functools.reduce over the reversed list of maps
def rollout__reduce_reversed(A):
    from functools import reduce

    L, h, T, _ = A.shape
    halves = [0.5 * np.einsum("hts->ts", a) / h + 0.5 * np.identity(T) for a in A]
    return reduce(np.dot, halves[::-1])


# exercise: position_similarity
# wrong: dot products, not divided by the lengths
def position_similarity__not_normed(E_pos, gh, gw):
    e = E_pos[1:]
    return (e @ e.T).reshape(gh, gw, gh, gw)


# exercise: position_similarity
# wrong: the vectors' mean is taken off first (a correlation between positions)
def position_similarity__centred(E_pos, gh, gw):
    e = E_pos[1:] - E_pos[1:].mean(axis=0)
    e = e / np.linalg.norm(e, axis=1, keepdims=True)
    return np.einsum("td,sd->ts", e, e).reshape(gh, gw, gh, gw)


# exercise: logit_lens
# wrong: the last layer norm is left out
def logit_lens__no_norm(streams, g, b, weight, bias):
    return streams[:, 0] @ weight.T + bias


# exercise: logit_lens
# wrong: mean over all tokens instead of the class token
def logit_lens__mean_of_tokens(streams, g, b, weight, bias):
    mu = streams.mean(-1, keepdims=True)
    sd = np.sqrt(streams.var(-1, keepdims=True) + 1e-6)
    z = ((streams - mu) / sd * g + b).mean(axis=1)
    return np.einsum("ld,kd->lk", z, weight) + bias


# exercise: tubelets
# wrong: inside a tubelet the channel comes before the frame
def tubelets__channel_before_frame(videos, tubelet_length, patch_size):
    B, F, C, H, W = videos.shape
    t, p = tubelet_length, patch_size
    x = videos.reshape(B, F // t, t, C, H // p, p, W // p, p)
    return np.einsum("bftcypxq->bfyxctpq", x).reshape(B, (F // t) * (H // p) * (W // p), -1)


# exercise: tubelets
# wrong: the places of the patches come first, the slices run fastest
def tubelets__slices_fastest(videos, tubelet_length, patch_size):
    B, F, C, H, W = videos.shape
    Pf, P = tubelet_length, patch_size
    out = []
    for y in range(0, H, P):
        for x in range(0, W, P):
            for f in range(0, F, Pf):
                out.append(videos[:, f : f + Pf, :, y : y + P, x : x + P].reshape(B, -1))
    return np.stack(out, axis=1)


# exercise: inflated_filters
# wrong: copied for each frame without dividing by their number
def inflated_filters__not_divided(E, tubelet_length):
    return np.concatenate([E] * tubelet_length, axis=1)


# exercise: inflated_filters
# wrong: each number is repeated side by side (repeat instead of tile)
def inflated_filters__repeat(E, tubelet_length):
    return np.repeat(E / tubelet_length, tubelet_length, axis=1)


# exercise: asked_pairs
# wrong: factorised counts only the pairs in space
def asked_pairs__space_only(frames, tubelet_length, image_size, patch_size):
    slices = frames // tubelet_length
    N = (image_size // patch_size) ** 2
    return (slices * N) ** 2, slices * N * N


# exercise: asked_pairs
# pair: all frames are taken for slices, tubelets forgotten + space and time are multiplied instead of added
def asked_pairs__frames_and_product(frames, tubelet_length, image_size, patch_size):
    n = (image_size // patch_size) * (image_size // patch_size)
    joint = (frames * n) * (frames * n)
    return joint, (frames * n**2) * (n * frames**2)


# exercise: time_attention
# wrong: the tokens are cut as if the places came first (reshape to (N, gf))
def time_attention__place_first(q, k, v, slices):
    B, T, D = q.shape
    a, b, c = (x.reshape(B, T // slices, slices, D) for x in (q, k, v))
    s = a @ b.swapaxes(-1, -2) / np.sqrt(D)
    w = np.exp(s - s.max(-1, keepdims=True))
    w /= w.sum(-1, keepdims=True)
    return (w @ c).reshape(B, T, D)


# exercise: time_attention
# wrong: each token asks those of its own slice, attention in space
def time_attention__in_space(q, k, v, slices):
    B, T, D = q.shape
    y = np.zeros(v.shape)
    for f in np.split(np.arange(T), slices):
        s = np.einsum("btd,bsd->bts", q[:, f], k[:, f]) / math.sqrt(D)
        e = np.exp(s - s.max(axis=-1, keepdims=True))
        y[:, f] = np.einsum("bts,bsd->btd", e / e.sum(axis=-1, keepdims=True), v[:, f])
    return y


# exercise: time_attention
# right: attention over all tokens with a mask of equal places
def time_attention__masked(q, k, v, slices):
    T, D = q.shape[1:]
    place = np.arange(T) % (T // slices)
    s = np.where(place[:, None] == place, q @ k.swapaxes(1, 2) / D**0.5, -np.inf)
    w = np.exp(s - s.max(axis=-1, keepdims=True))
    return w / w.sum(axis=-1, keepdims=True) @ v


# exercise: space_positions_backward
# wrong: the mean over the slices
def space_positions_backward__mean_over_slices(dx, num_patches):
    B, T, D = dx.shape
    return dx.reshape(B, T // num_patches, num_patches, D).mean(axis=1).sum(axis=0)


# exercise: space_positions_backward
# wrong: the first slice alone
def space_positions_backward__first_slice(dx, num_patches):
    return np.einsum("bnd->nd", dx[:, :num_patches])


# exercise: space_positions_backward
# right: added with np.add.at by place
def space_positions_backward__add_at(dx, num_patches):
    dE_pos = np.zeros((num_patches, dx.shape[-1]), dx.dtype)
    for image in dx:
        np.add.at(dE_pos, np.arange(len(image)) % num_patches, image)
    return dE_pos
