"""Answers as students write them, written from the notebooks' texts alone, without a look at the engine's rules.

Each entry is a right answer in somebody's own way of writing, the single mistakes made in it (words, what stands there,
what was written instead) and which two of them are made together.  test_students.py says how many are named.
"""

ANSWERS = [
    ("num_tokens", """
def f(height, width, patch_size):
    per_row = width // patch_size
    per_column = height // patch_size
    return 1 + per_row * per_column
""", [
        ("patches of a square image", "height // patch_size", "width // patch_size"),
        ("added, not multiplied", "per_row * per_column", "per_row + per_column"),
        ("two special tokens", "1 + per_row", "2 + per_row"),
        ("true division", "width // patch_size", "width / patch_size"),
        ("area over the side of a patch", "width // patch_size", "width"),
    ], [(1, 2)]),
    ("block_parameters", """
def f(width, mlp_dim):
    n = 0
    for _ in range(2):
        n += width * 2
    for _ in range(4):
        n += width ** 2 + width
    n += width * mlp_dim + mlp_dim
    n += mlp_dim * width + width
    return n
""", [
        ("only one norm", "range(2)", "range(1)"),
        ("q, k and v alone", "range(4)", "range(3)"),
        ("the linear layers of attention have no bias", "width ** 2 + width", "width ** 2"),
        ("the biases of the mlp are exchanged for two of width", "width * mlp_dim + mlp_dim", "width * mlp_dim + width"),
        ("the mlp has one layer", "    n += mlp_dim * width + width\\n", ""),
    ], [(0, 2)]),
    ("vit_parameters", """
def f(config):
    D, M = config.width, config.mlp_dim
    total = config.channels * config.patch_size * config.patch_size * D + D
    if config.classifier == "token":
        total += D
    if config.position_embedding != "none":
        total += config.num_tokens * D
    for _ in range(config.depth):
        total += 4 * D + (D + 1) * 3 * D + (D + 1) * D + (D + 1) * M + (M + 1) * D
    total += 2 * D
    return total + config.num_classes * (D + 1)
""", [
        ("class token with gap too", 'config.classifier == "token"', "True"),
        ("patches of one channel", "config.channels * ", ""),
        ("last norm forgotten", "    total += 2 * D\\n", ""),
        ("positions without the token", "config.num_tokens * D", "config.num_patches * D"),
        ("one norm in a block", "+= 4 * D + ", "+= 2 * D + "),
        ("head without bias", "(D + 1)\\n", "D\\n"),
    ], [(2, 5)]),
    ("patchify", """
def f(images, patch_size):
    B, C, H, W = images.shape
    out = []
    for r in range(0, H, patch_size):
        for c in range(0, W, patch_size):
            piece = images[:, :, r:r + patch_size, c:c + patch_size]
            out.append(piece.reshape(B, -1))
    return np.stack(out, axis=1)
""", [
        ("column by column", "for r in range(0, H, patch_size):\\n        for c in range(0, W, patch_size)",
         "for c in range(0, W, patch_size):\\n        for r in range(0, H, patch_size)"),
        ("stacked in front", "axis=1", "axis=0"),
        ("channels last within a patch", "piece.reshape", "piece.transpose(0, 2, 3, 1).reshape"),
        ("pixels of a patch column by column", "piece.reshape", "piece.swapaxes(2, 3).reshape"),
        ("step of one pixel in rows", "range(0, H, patch_size)", "range(0, H // patch_size)"),
    ], [(0, 2)]),
    ("unpatchify", """
def f(patches, image_shape, patch_size):
    B, C, H, W = image_shape
    out = np.zeros(image_shape)
    n = 0
    for i in range(H // patch_size):
        for j in range(W // patch_size):
            block = patches[:, n].reshape(B, C, patch_size, patch_size)
            out[:, :, i * patch_size:(i + 1) * patch_size, j * patch_size:(j + 1) * patch_size] = block
            n += 1
    return out
""", [
        ("a plain reshape", "    out = np.zeros(image_shape)\\n", "    return patches.reshape(B, C, H, W)\\n"),
        ("channels taken as last", "reshape(B, C, patch_size, patch_size)",
         "reshape(B, patch_size, patch_size, C).transpose(0, 3, 1, 2)"),
        ("first patch skipped", "patches[:, n]", "patches[:, n - 1]"),
        ("each patch turned", "reshape(B, C, patch_size, patch_size)", "reshape(B, C, patch_size, patch_size).swapaxes(-1, -2)"),
    ], [(1, 2)]),
    ("patch_embedding", """
def f(images, weight, bias, patch_size):
    p, _ = patchify(images, patch_size)
    return np.einsum("bnj,dj->bnd", p, weight) + bias[None, None, :]
""", [
        ("bias forgotten", " + bias[None, None, :]", ""),
        ("bias subtracted", "+ bias", "- bias"),
        ("sum over patches", '"bnj,dj->bnd", p, weight)', '"bnj,dj->bd", p, weight)[:, None]'),
        ("weights normed first", "p, weight)", "p, weight / np.linalg.norm(weight, axis=1, keepdims=True))"),
    ], []),
    ("patch_embedding_backward", """
def f(dx, images, weight, patch_size):
    p = patchify(images, patch_size)[0]
    B, N, D = dx.shape
    dweight = np.zeros_like(weight)
    dbias = np.zeros(D)
    for b in range(B):
        dweight += dx[b].T @ p[b]
        dbias += dx[b].sum(0)
    dp = np.einsum("bnd,dj->bnj", dx, weight)
    return unpatchify(dp, images.shape, patch_size), dweight, dbias
""", [
        ("mean over images", "return unpatchify(dp, images.shape, patch_size), dweight, dbias",
         "return unpatchify(dp, images.shape, patch_size), dweight / B, dbias / B"),
        ("dweight of the last image", "dweight += dx", "dweight = dx"),
        ("bias gradient is a mean over patches", "dx[b].sum(0)", "dx[b].mean(0)"),
        ("order of results", "dweight, dbias\\n", "dbias, dweight\\n"),
        ("dimages left as patches", "unpatchify(dp, images.shape, patch_size), dweight", "dp, dweight"),
    ], [(1, 2)]),
    ("linear", """
def f(x, weight, bias):
    return np.einsum("...i,oi->...o", x, weight) + bias
""", [
        ("absolute weights", "x, weight)", "x, np.abs(weight))"),
        ("bias twice", "+ bias", "+ 2 * bias"),
        ("divided by the number of inputs", " + bias", " / x.shape[-1] + bias"),
        ("bias inside", ", x, weight) + bias", ", x, weight + bias[:, None])"),
    ], [(1, 2)]),
    ("central_difference", """
def f(fun, x, h):
    grad = np.zeros_like(x)
    flat = grad.ravel()
    for k in range(x.size):
        step = np.zeros(x.size)
        step[k] = h
        step = step.reshape(x.shape)
        flat[k] = (fun(x + step) - fun(x - step)) / (2 * h)
    return flat.reshape(x.shape)
""", [
        ("divided by h", "(2 * h)", "h"),
        ("one-sided", "fun(x - step)) / (2 * h)", "fun(x)) / h"),
        ("one-sided, halved", "fun(x - step)", "fun(x)"),
        ("times h", "/ (2 * h)", "* (2 * h)"),
        ("missing brackets", "(2 * h)", "2 * h"),
        ("last entry forgotten", "range(x.size)", "range(x.size - 1)"),
    ], [(5, 0)]),
    ("linear_backward", """
def f(dy, x, weight):
    dx = np.tensordot(dy, weight, axes=([-1], [0]))
    dw = np.einsum("no,ni->oi", dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1]))
    db = dy.reshape(-1, dy.shape[-1]).sum(axis=0)
    return dx, dw, db
""", [
        ("dweight transposed", "no,ni->oi", "no,ni->io"),
        ("dbias is a mean", ".sum(axis=0)", ".mean(axis=0)"),
        ("only two returned", "return dx, dw, db", "return dx, dw"),
        ("weight first", "return dx, dw, db", "return dw, dx, db"),
        ("averaged over rows", "x.reshape(-1, x.shape[-1]))\\n", "x.reshape(-1, x.shape[-1])) / dy.reshape(-1, dy.shape[-1]).shape[0]\\n"),
    ], [(0, 1)]),
    ("tied_linear_backward", """
def f(dy, x, weight):
    X, dY = x.reshape(-1, x.shape[-1]), dy.reshape(-1, x.shape[-1])
    A = X @ weight.T
    dA = dY @ weight.T
    dW = A.T @ dY
    dW = dW + dA.T @ X
    return (dA @ weight).reshape(x.shape), dW
""", [
        ("only the first use", "dW = dW + dA.T @ X", "dW = dA.T @ X"),
        ("only the second use", "    dW = dW + dA.T @ X\\n", ""),
        ("averaged, not added", "dW = dW + dA.T @ X", "dW = (dW + dA.T @ X) / 2"),
        ("dx stops in the middle and goes once", "(dA @ weight).reshape(x.shape)", "dA.reshape(*x.shape[:-1], -1)"),
        ("twice the first", "dW = dW + dA.T @ X", "dW = 2 * dA.T @ X"),
    ], []),
    ("softmax", """
def f(x):
    m = x.max(axis=-1)[..., None]
    e = np.exp(x - m)
    z = e.sum(axis=-1)[..., None]
    return e / z
""", [
        ("maximum of everything, not safe", "x.max(axis=-1)[..., None]", "x.max()"),
        ("no shift", "np.exp(x - m)", "np.exp(x)"),
        ("over the axis before", "e.sum(axis=-1)[..., None]", "e.sum(axis=-2)[..., None, :]"),
        ("sum of everything", "e.sum(axis=-1)[..., None]", "e.sum()"),
        ("powers of two", "np.exp(x - m)", "2 ** (x - m)"),
        ("log left on", "return e / z", "return np.log(e / z)"),
        ("minimum", "x.max(", "x.min("),
    ], []),
    ("attention", """
def f(q, k, v):
    B, h, T, Dh = q.shape
    y = np.zeros((B, h, T, Dh))
    for b in range(B):
        for i in range(h):
            s = q[b, i] @ k[b, i].T / math.sqrt(Dh)
            s = np.exp(s - s.max(axis=1, keepdims=True))
            w = s / s.sum(axis=1, keepdims=True)
            y[b, i] = w @ v[b, i]
    return y
""", [
        ("no scale", " / math.sqrt(Dh)", ""),
        ("scale multiplied", "/ math.sqrt(Dh)", "* math.sqrt(Dh)"),
        ("normed over the queries", "s.sum(axis=1, keepdims=True)", "s.sum(axis=0, keepdims=True)"),
        ("keys of the first head for all", "k[b, i].T", "k[b, 0].T"),
        ("scale by heads", "math.sqrt(Dh)", "math.sqrt(h)"),
        ("scale by the length", "math.sqrt(Dh)", "math.sqrt(T)"),
        ("last head is not done", "range(h)", "range(h - 1)"),
    ], [(0, 3), (5, 2)]),
    ("masked_attention", """
def f(q, k, v, mask):
    s = np.einsum("bhtd,bhsd->bhts", q, k) * q.shape[-1] ** -0.5
    s = np.where(mask, s, -1e30)
    e = np.exp(s - s.max(-1, keepdims=True))
    a = e / e.sum(-1, keepdims=True)
    return np.einsum("bhts,bhsd->bhtd", a, v)
""", [
        ("mask the other way", "np.where(mask, s, -1e30)", "np.where(mask, -1e30, s)"),
        ("forbidden scores are 0", "-1e30", "0.0"),
        ("mask after softmax, no renormalisation", "s = np.where(mask, s, -1e30)\\n", "s = s\\n    keep = mask\\n"),
        ("scale forgotten", " * q.shape[-1] ** -0.5", ""),
        ("scale is the root, not one over it", "** -0.5", "** 0.5"),
        ("mask added as numbers", "np.where(mask, s, -1e30)", "s + mask"),
        ("a little negative only", "-1e30", "-1.0"),
    ], [(0, 3)]),
    ("softmax_backward", """
def f(dA, A):
    S = A.shape[-1]
    J = A[..., :, None] * np.eye(S) - A[..., :, None] * A[..., None, :]
    return (J @ dA[..., None])[..., 0]
""", [
        ("only the diagonal", " - A[..., :, None] * A[..., None, :]", ""),
        ("plus", "np.eye(S) - A", "np.eye(S) + A"),
        ("identity without A", "A[..., :, None] * np.eye(S)", "np.eye(S)"),
        ("A squared on the diagonal", "A[..., :, None] * np.eye(S)", "A[..., :, None] ** 2 * np.eye(S)"),
    ], []),
    ("softmax_backward", """
def f(dA, A):
    t = dA * A
    s = t.sum(-1)
    return t - A * s[..., np.newaxis]
""", [
        ("without A in the second term", "A * s[..., np.newaxis]", "s[..., np.newaxis]"),
        ("mean", "t.sum(-1)", "t.mean(-1)"),
        ("sum of dA alone", "t.sum(-1)", "dA.sum(-1)"),
        ("second term only", "return t - A", "return A"),
    ], [(1, 0)]),
    ("attention_backward", """
def f(dy, q, k, v):
    c = 1 / np.sqrt(q.shape[3])
    kT = np.transpose(k, (0, 1, 3, 2))
    A = softmax(q @ kT * c)[0]
    dv = np.transpose(A, (0, 1, 3, 2)) @ dy
    dA = dy @ np.transpose(v, (0, 1, 3, 2))
    inner = (dA * A).sum(axis=3, keepdims=True)
    ds = A * (dA - inner) * c
    dq = ds @ k
    dk = np.transpose(ds, (0, 1, 3, 2)) @ q
    return dq, dk, dv
""", [
        ("scale forgotten in the backward", "(dA - inner) * c", "(dA - inner)"),
        ("scale forgotten in the forward", "q @ kT * c", "q @ kT"),
        ("inner over queries", "sum(axis=3", "sum(axis=2"),
        ("A not transposed for dv (T = S fails)", "dv = np.transpose(A, (0, 1, 3, 2)) @ dy", "dv = np.transpose(A, (0, 1, 3, 2)) @ (A @ v)"),
        ("inner without A", "(dA * A).sum", "dA.sum"),
        ("k and v in the other order", "return dq, dk, dv", "return dq, dv, dk"),
        ("softmax skipped in backward", "A * (dA - inner) * c", "dA * c"),
        ("dk from k", "dk = np.transpose(ds, (0, 1, 3, 2)) @ q", "dk = np.transpose(ds, (0, 1, 3, 2)) @ dy"),
    ], [(0, 5), (2, 1), (0, 2)]),
    ("split_heads", """
def f(x, heads):
    d = x.shape[-1] // heads
    return np.array([[x[b, :, i * d:(i + 1) * d] for i in range(heads)] for b in range(x.shape[0])])
""", [
        ("every h-th feature", "i * d:(i + 1) * d]", "i::heads]"),
        ("heads backwards", "for i in range(heads)", "for i in reversed(range(heads))"),
        ("head axis third", "for b in range(x.shape[0])])", "for b in range(x.shape[0])]).transpose(0, 2, 1, 3)"),
        ("reshape only", "    return np", "    return x.reshape(x.shape[0], heads, x.shape[1], d)\\n    return np"),
    ], []),
    ("merge_heads", """
def f(x):
    B, h, T, d = x.shape
    out = np.empty((B, T, h * d))
    for i in range(h):
        out[:, :, i * d:(i + 1) * d] = x[:, i]
    return out
""", [
        ("interleaved", "i * d:(i + 1) * d]", "i::h]"),
        ("reshape only", "    out = np.empty((B, T, h * d))\\n", "    return x.reshape(B, T, h * d)\\n"),
        ("first head everywhere", "x[:, i]", "x[:, 0]"),
        ("heads backwards", "x[:, i]", "x[:, -i - 1]"),
    ], []),
    ("multi_head_attention", """
def f(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    d = D // heads
    u = np.einsum("btd,ed->bte", z, qkv_weight) + qkv_bias
    q, k, v = u[..., :D], u[..., D:2 * D], u[..., 2 * D:]
    parts = []
    for i in range(heads):
        a = slice(i * d, (i + 1) * d)
        s = q[..., a] @ k[..., a].transpose(0, 2, 1) / d ** 0.5
        w, _ = softmax(s)
        parts.append(w @ v[..., a])
    return np.concatenate(parts, axis=-1) @ out_weight.T + out_bias
""", [
        ("scale by the whole width", "d ** 0.5", "D ** 0.5"),
        ("k and v exchanged", "q, k, v = u", "q, v, k = u"),
        ("q and k exchanged", "q, k, v = u", "k, q, v = u"),
        ("no bias on q, k, v", " + qkv_bias", ""),
        ("no output layer", " @ out_weight.T + out_bias", ""),
        ("output weight not transposed", "out_weight.T", "out_weight"),
        ("no output bias", " + out_bias", ""),
        ("scale not rooted", "d ** 0.5", "d"),
        ("softmax over queries", "softmax(s)", "softmax(s.swapaxes(1, 2))"),
    ], [(0, 1), (3, 6), (5, 7)]),
    ("multi_head_attention_backward", """
def f(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    d = D // heads
    qkv = z @ qkv_weight.T + qkv_bias
    q, k, v = [split_heads(qkv[..., i * D:(i + 1) * D], heads) for i in range(3)]
    A, _ = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(d))
    y = merge_heads(A @ v)
    dow = np.einsum("bto,bti->oi", dout, y)
    dob = dout.sum(axis=(0, 1))
    dy = split_heads(dout @ out_weight, heads)
    dA = dy @ v.swapaxes(-1, -2)
    dv = A.swapaxes(-1, -2) @ dy
    ds = A * (dA - (A * dA).sum(-1, keepdims=True)) / np.sqrt(d)
    dq = ds @ k
    dk = ds.swapaxes(-1, -2) @ q
    dqkv = np.concatenate([merge_heads(dq), merge_heads(dk), merge_heads(dv)], axis=-1)
    dw = np.einsum("bto,bti->oi", dqkv, z)
    return dqkv @ qkv_weight, dw, dqkv.sum(axis=(0, 1)), dow, dob
""", [
        ("scale missing in the backward", "keepdims=True)) / np.sqrt(d)", "keepdims=True))"),
        ("softmax backward over queries", "(A * dA).sum(-1, keepdims=True)", "(A * dA).sum(-2, keepdims=True)"),
        ("second term of softmax backward missing", "A * (dA - (A * dA).sum(-1, keepdims=True))", "A * dA"),
        ("dk from k", "ds.swapaxes(-1, -2) @ q", "ds.swapaxes(-1, -2) @ k"),
        ("ds not transposed for dk", "ds.swapaxes(-1, -2) @ q", "ds @ q"),
        ("k and v exchanged at the end", "merge_heads(dk), merge_heads(dv)", "merge_heads(dv), merge_heads(dk)"),
        ("bias gradient over images only, summed to T, then first", "dqkv.sum(axis=(0, 1)), dow", "dqkv.sum(axis=0)[0], dow"),
        ("output weight transposed on the way back", "dout @ out_weight,", "dout @ out_weight.T,"),
        ("output weight's gradient from z", "dout, y)", "dout, z)"),
        ("gradient of the output weight turned", '"bto,bti->oi", dout', '"bto,bti->io", dout'),
    ], [(0, 5), (2, 7), (8, 4)]),
    ("dropout", """
def f(x, keep, rate):
    y = np.where(keep, x, 0.0)
    return y * (1.0 / (1.0 - rate))
""", [
        ("kept ones dropped", "np.where(keep, x, 0.0)", "np.where(keep, 0.0, x)"),
        ("not scaled", " * (1.0 / (1.0 - rate))", ""),
        ("divided by the rate", "(1.0 - rate)", "rate"),
        ("multiplied by the rate of kept", "(1.0 / (1.0 - rate))", "(1.0 - rate)"),
        ("scaled by the share that was kept", "(1.0 / (1.0 - rate))", "(1.0 / keep.mean())"),
    ], [(0, 1)]),
    ("layernorm", """
def f(x, weight, bias, eps):
    mu = np.mean(x, axis=2)[:, :, None]
    c = x - mu
    var = (c * c).sum(axis=2, keepdims=True) / x.shape[2]
    return weight * c / np.sqrt(var + eps) + bias
""", [
        ("unbiased", "/ x.shape[2]", "/ (x.shape[2] - 1)"),
        ("eps outside the root", "np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
        ("no eps", "var + eps", "var"),
        ("no root", "np.sqrt(var + eps)", "(var + eps)"),
        ("over tokens", "axis=2)[:, :, None]", "axis=1)[:, None, :]"),
        ("bias also scaled", "weight * c / np.sqrt(var + eps) + bias", "weight * (c / np.sqrt(var + eps) + bias)"),
        ("mean not taken away", "weight * c /", "weight * x /"),
        ("variance of the uncentred", "(c * c).sum", "(x * x).sum"),
    ], [(1, 5), (0, 6)]),
    ("gelu", """
def f(x):
    from math import erf, sqrt
    y = np.empty_like(x)
    for i in np.ndindex(*x.shape):
        y[i] = 0.5 * x[i] * (1.0 + erf(x[i] / sqrt(2.0)))
    return y
""", [
        ("no root of two", "x[i] / sqrt(2.0)", "x[i]"),
        ("divided by two", "/ sqrt(2.0)", "/ 2.0"),
        ("half forgotten", "0.5 * ", ""),
        ("the cdf alone", "0.5 * x[i] *", "0.5 *"),
        ("minus", "1.0 + erf", "1.0 - erf"),
        ("tanh formula", "erf(x[i] / sqrt(2.0))", "math.tanh(math.sqrt(2 / math.pi) * (x[i] + 0.044715 * x[i] ** 3))"),
        ("sigmoid approximation", "0.5 * x[i] * (1.0 + erf(x[i] / sqrt(2.0)))", "x[i] / (1 + math.exp(-1.702 * x[i]))"),
    ], [(0, 2)]),
    ("gelu_backward", """
def f(dy, x):
    Phi = 0.5 * (1 + np.vectorize(math.erf)(x / 2 ** 0.5))
    phi = np.exp(-0.5 * x ** 2) / (2 * np.pi) ** 0.5
    return dy * Phi + dy * x * phi
""", [
        ("density forgotten", " + dy * x * phi", ""),
        ("x forgotten", "dy * x * phi", "dy * phi"),
        ("dy forgotten in one term", "dy * x * phi", "x * phi"),
        ("wrong constant", "(2 * np.pi) ** 0.5", "np.pi ** 0.5"),
        ("exponent without half", "-0.5 * x ** 2", "-x ** 2"),
        ("minus", "dy * Phi + dy", "dy * Phi - dy"),
        ("constant without root", "(2 * np.pi) ** 0.5", "(2 * np.pi)"),
    ], [(3, 4)]),
    ("mlp", """
def f(x, weight1, bias1, weight2, bias2):
    a = np.dot(x, np.transpose(weight1))
    a += bias1
    a = 0.5 * a * (1 + np.vectorize(math.erf)(a / np.sqrt(2)))
    a = np.dot(a, np.transpose(weight2))
    return a + bias2
""", [
        ("bias1 forgotten", "    a += bias1\\n", ""),
        ("relu", "a = 0.5 * a * (1 + np.vectorize(math.erf)(a / np.sqrt(2)))", "a = np.maximum(a, 0)"),
        ("gelu at the end too", "return a + bias2", "a = a + bias2\\n    return 0.5 * a * (1 + np.vectorize(math.erf)(a / np.sqrt(2)))"),
        ("no activation", "    a = 0.5 * a * (1 + np.vectorize(math.erf)(a / np.sqrt(2)))\\n", ""),
        ("residual added", "return a + bias2", "return x + a + bias2"),
        ("bias after gelu", "    a += bias1\\n    a = 0.5 * a * (1 + np.vectorize(math.erf)(a / np.sqrt(2)))\\n",
         "    a = 0.5 * a * (1 + np.vectorize(math.erf)(a / np.sqrt(2)))\\n    a += bias1\\n"),
    ], [(0, 3)]),
    ("block", """
def f(z, norm1, attention, norm2, mlp):
    a = norm1(z)
    a = attention(a)
    m = a + z
    b = norm2(m)
    b = mlp(b)
    return b + m
""", [
        ("first residual forgotten", "m = a + z", "m = a"),
        ("second residual from the input", "return b + m", "return b + z"),
        ("norm on the residual", "m = a + z", "m = a + norm1(z)"),
        ("norm2 forgotten", "b = norm2(m)", "b = m"),
        ("norm1 in both", "b = norm2(m)", "b = norm1(m)"),
        ("parallel branches", "b = norm2(m)", "b = norm2(z)"),
        ("second residual missing", "return b + m", "return b"),
    ], [(0, 4)]),
    ("block_backward", """
def f(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    g = mlp_backward(dz_out)
    g = norm2_backward(g)
    g = g + dz_out
    r = g
    g = attention_backward(g)
    g = norm1_backward(g)
    return g + r
""", [
        ("norm before mlp", "mlp_backward(dz_out)\\n    g = norm2_backward(g)", "norm2_backward(dz_out)\\n    g = mlp_backward(g)"),
        ("second skip from the top", "return g + r", "return g + dz_out"),
        ("skip missing", "    g = g + dz_out\\n", ""),
        ("last skip missing", "return g + r", "return g"),
        ("attention first", "attention_backward(g)\\n    g = norm1_backward(g)", "norm1_backward(g)\\n    g = attention_backward(g)"),
    ], [(0, 1)]),
    ("layernorm_backward", """
def f(dy, x, weight, eps):
    D = x.shape[-1]
    mu = x.sum(-1, keepdims=True) / D
    s = np.sqrt(((x - mu) ** 2).sum(-1, keepdims=True) / D + eps)
    n = (x - mu) / s
    g = dy * weight
    dx = (D * g - g.sum(-1, keepdims=True) - n * (g * n).sum(-1, keepdims=True)) / (D * s)
    dw = np.einsum("btd,btd->d", dy, n)
    return dx, dw, np.einsum("btd->d", dy)
""", [
        ("weight forgotten", "g = dy * weight", "g = dy"),
        ("third term forgotten", " - n * (g * n).sum(-1, keepdims=True)", ""),
        ("second term forgotten", " - g.sum(-1, keepdims=True)", ""),
        ("dweight from x", "dy, n)", "dy, x)"),
        ("not divided by s", "/ (D * s)", "/ D"),
        ("plus in the third", "- n * (g", "+ n * (g"),
        ("n forgotten in the third sum", "(g * n).sum", "g.sum"),
        ("dy instead of g", "D * g -", "D * dy -"),
    ], [(1, 3), (0, 4)]),
    ("post_norm_block_backward", """
def f(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    u = norm2_backward(dz_out)
    u = u + mlp_backward(u)
    w = norm1_backward(u)
    w = w + attention_backward(w)
    return w
""", [
        ("skip around the norm", "u = u + mlp_backward(u)", "u = dz_out + mlp_backward(u)"),
        ("skip missing", "w = w + attention_backward(w)", "w = attention_backward(w)"),
        ("pre-norm order", "u = norm2_backward(dz_out)\\n    u = u + mlp_backward(u)", "u = mlp_backward(dz_out)\\n    u = dz_out + norm2_backward(u)"),
        ("norm1 forgotten", "w = norm1_backward(u)", "w = u"),
        ("norm2 used twice", "w = norm1_backward(u)", "w = norm2_backward(u)"),
    ], [(1, 4)]),
    ("class_token", """
def f(x, x_class):
    B, N, D = x.shape
    out = np.ones((B, N + 1, D)) * x_class
    out[:, 1:] = x
    return out
""", [
        ("at the end", "out[:, 1:] = x", "out[:, :-1] = x"),
        ("token of zeros", "* x_class", "* 0"),
        ("first patch overwritten", "    out[:, 1:] = x\\n    return out", "    out[:, 1:] = x\\n    out[:, 1] = x_class\\n    return out"),
        ("scaled by batch", "* x_class", "* x_class / B"),
    ], []),
    ("embed", """
def f(x, x_class, E_pos):
    rows = []
    for image in x:
        rows.append(np.vstack([x_class, image]) + E_pos)
    return np.stack(rows)
""", [
        ("class token gets no position", "np.vstack([x_class, image]) + E_pos", "np.vstack([x_class, image + E_pos[1:]])"),
        ("positions shifted by one", "np.vstack([x_class, image]) + E_pos", "np.vstack([x_class + E_pos[-1], image + E_pos[:-1]])"),
        ("multiplied", "+ E_pos", "* E_pos"),
        ("token last", "[x_class, image]", "[image, x_class]"),
        ("no positions", " + E_pos", ""),
    ], []),
    ("pool", """
def f(encoded, classifier):
    if classifier == "gap":
        return encoded.sum(axis=1) / encoded.shape[1]
    return encoded[:, 0, :]
""", [
        ("sum", " / encoded.shape[1]", ""),
        ("token left out of the mean", "encoded.sum(axis=1) / encoded.shape[1]", "encoded[:, 1:].mean(axis=1)"),
        ("last token", "encoded[:, 0, :]", "encoded[:, -1, :]"),
        ("max", "encoded.sum(axis=1) / encoded.shape[1]", "encoded.max(axis=1)"),
        ("turned round", '== "gap"', '!= "gap"'),
        ("mean over all but one", "/ encoded.shape[1]", "/ (encoded.shape[1] - 1)"),
    ], [(0, 2)]),
    ("class_token_backward", """
def f(dtokens):
    dc = np.zeros(dtokens.shape[2])
    for b in range(dtokens.shape[0]):
        dc = dc + dtokens[b][0]
    return np.delete(dtokens, 0, axis=1), dc
""", [
        ("mean over images", "axis=1), dc", "axis=1), dc / len(dtokens)"),
        ("last image only", "dc = dc + dtokens", "dc = dtokens"),
        ("sum over all tokens", "dtokens[b][0]", "dtokens[b].sum(axis=0)"),
        ("last token cut", "np.delete(dtokens, 0, axis=1)", "np.delete(dtokens, -1, axis=1)"),
    ], [(0, 3)]),
    ("position_embedding_backward", """
def f(dz):
    return 1.0 * dz, np.einsum("btd->td", dz)
""", [
        ("mean", 'np.einsum("btd->td", dz)', "dz.mean(0)"),
        ("order", '1.0 * dz, np.einsum("btd->td", dz)', 'np.einsum("btd->td", dz), 1.0 * dz'),
        ("first image only", 'np.einsum("btd->td", dz)', "dz[0]"),
    ], []),
    ("shuffle_patches", """
def f(images, patch_size, order):
    p, _ = patchify(images, patch_size)
    new = np.zeros_like(p)
    for place, source in enumerate(order):
        new[:, place] = p[:, source]
    return unpatchify(new, images.shape, patch_size)
""", [
        ("inverse", "new[:, place] = p[:, source]", "new[:, source] = p[:, place]"),
        ("nothing put back", "return unpatchify(new, images.shape, patch_size)", "return new"),
        ("images shuffled instead", "new[:, place] = p[:, source]", "new[place % len(p)] = p[source % len(p)]"),
        ("old one returned", "unpatchify(new,", "unpatchify(p,"),
    ], []),
    ("grid_positions", """
def f(E_x, E_y):
    gw, half = E_x.shape
    gh = E_y.shape[0]
    t = np.zeros((gh, gw, 2 * half))
    t[:, :, :half] = E_x
    t[:, :, half:] = E_y[:, None]
    return t.reshape(gh * gw, -1)
""", [
        ("row half in front", "t[:, :, :half] = E_x\\n    t[:, :, half:] = E_y[:, None]",
         "t[:, :, half:] = E_x\\n    t[:, :, :half] = E_y[:, None]"),
        ("column by column", "return t.reshape", "return t.transpose(1, 0, 2).reshape"),
        ("added up", "    t[:, :, half:] = E_y[:, None]\\n", "    t[:, :, half:] = 0\\n"),
        ("not flattened", "return t.reshape(gh * gw, -1)", "return t"),
        ("interleaved", "t[:, :, :half] = E_x\\n    t[:, :, half:]", "t[:, :, ::2] = E_x\\n    t[:, :, 1::2]"),
    ], [(0, 1)]),
    ("relative_scores", """
def f(q, R):
    B, h, T, Dh = q.shape
    s = np.zeros((B, h, T, T))
    for t in range(T):
        for u in range(T):
            s[:, :, t, u] = q[:, :, t] @ R[t - u + T - 1]
    return s
""", [
        ("distance turned", "R[t - u + T - 1]", "R[u - t + T - 1]"),
        ("shift by one", "T - 1]", "T]" ),
        ("no shift", "R[t - u + T - 1]", "R[t - u]"),
        ("absolute distance", "R[t - u + T - 1]", "R[abs(t - u) + T - 1]"),
        ("query of the other", "q[:, :, t] @", "q[:, :, u] @"),
        ("scaled", "s[:, :, t, u] = q[:, :, t] @ R[t - u + T - 1]", "s[:, :, t, u] = q[:, :, t] @ R[t - u + T - 1] / Dh ** 0.5"),
    ], [(0, 5)]),
    ("clip", """
def f(gradients, max_norm):
    total = 0.0
    for g in gradients:
        total += np.sum(np.square(g))
    norm = total ** 0.5
    if norm <= max_norm:
        return gradients
    return [max_norm * g / norm for g in gradients]
""", [
        ("no root", "total ** 0.5", "total"),
        ("each on its own", "[max_norm * g / norm for g in gradients]", "[max_norm * g / np.linalg.norm(g) for g in gradients]"),
        ("always scaled", "norm <= max_norm", "norm <= 0"),
        ("largest entry", "total += np.sum(np.square(g))", "total = max(total, np.abs(g).max() ** 2)"),
        ("to length one", "max_norm * g / norm", "g / norm"),
        ("sum of absolute values", "np.sum(np.square(g))", "np.sum(np.abs(g))"),
    ], [(2, 0)]),
    ("learning_rate", """
def f(step, base, total_steps, warmup_steps):
    if step >= total_steps:
        return 0.0
    if warmup_steps > 0 and step < warmup_steps:
        return base * step / warmup_steps
    angle = np.pi * (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * base * (np.cos(angle) + 1)
""", [
        ("warm-up starts at one", "base * step / warmup_steps", "base * (step + 1) / warmup_steps"),
        ("cosine over all steps", "(step - warmup_steps) / (total_steps - warmup_steps)", "step / total_steps"),
        ("no half", "0.5 * base", "base"),
        ("decays by all steps", "/ (total_steps - warmup_steps)", "/ total_steps"),
        ("a whole cosine", "np.pi * (step", "2 * np.pi * (step"),
        ("sine", "np.cos", "np.sin"),
        ("nothing after the end", "    if step >= total_steps:\\n        return 0.0\\n", ""),
        ("without warm-up", "    if warmup_steps > 0 and step < warmup_steps:\\n        return base * step / warmup_steps\\n", ""),
        ("linear", "0.5 * base * (np.cos(angle) + 1)", "base * (1 - angle / np.pi)"),
    ], [(0, 3), (1, 2)]),
    ("cross_entropy", """
def f(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels):
        m = max(row)
        total += m + np.log(np.exp(row - m).sum()) - row[label]
    return total / len(labels)
""", [
        ("summed", "total / len(labels)", "total"),
        ("sign", "return total", "return -total"),
        ("maximum not put back", "total += m + np.log", "total += np.log"),
        ("over classes", "len(labels)", "logits.size"),
        ("not shifted", "m = max(row)", "m = 0"),
        ("log base two", "np.log(", "np.log2("),
    ], []),
    ("adam_step", """
def f(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    new_m = beta1 * m + (1.0 - beta1) * g
    new_v = beta2 * v + (1.0 - beta2) * g * g
    scale = lr * math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t)
    step = scale * new_m / (np.sqrt(new_v) + eps * math.sqrt(1 - beta2 ** t))
    return w - step - lr * weight_decay * w, new_m, new_v
""", [
        ("eps not scaled along", "eps * math.sqrt(1 - beta2 ** t)", "eps"),
        ("decay not times the rate", "lr * weight_decay * w", "weight_decay * w"),
        ("no decay", " - lr * weight_decay * w", ""),
        ("g not squared", "* g * g", "* g"),
        ("m not corrected", " / (1 - beta1 ** t)\\n", "\\n"),
        ("decay added", "step - lr", "step + lr"),
        ("old m returned", "new_m, new_v\\n", "m, v\\n"),
        ("betas exchanged in v", "beta2 * v + (1.0 - beta2)", "beta1 * v + (1.0 - beta1)"),
        ("step added", "w - step", "w + step"),
        ("v, m", "new_m, new_v\\n", "new_v, new_m\\n"),
    ], [(2, 4), (5, 3)]),
    ("gap_head_backward", """
def f(dlogits, encoded, weight):
    B, T, D = encoded.shape
    d_mean = dlogits.dot(weight)
    d_encoded = np.zeros((B, T, D))
    for t in range(T):
        d_encoded[:, t, :] = d_mean / T
    d_w = np.einsum("bk,bd->kd", dlogits, encoded.mean(1))
    return d_encoded, d_w, np.add.reduce(dlogits)
""", [
        ("not divided by T", "d_mean / T", "d_mean"),
        ("first token only", "for t in range(T)", "for t in range(1)"),
        ("weights' gradient from the first token", "encoded.mean(1)", "encoded[:, 0]"),
        ("sum instead of mean", "encoded.mean(1)", "encoded.sum(1)"),
        ("divided by B", "d_mean / T", "d_mean / B"),
        ("bias mean", "np.add.reduce(dlogits)", "dlogits.mean(axis=0)"),
    ], [(0, 3)]),
    ("label_smoothing", """
def f(labels, num_classes, s):
    t = np.full((len(labels), num_classes), s / num_classes)
    t[range(len(labels)), labels] += 1 - s
    return t
""", [
        ("set, not added", "+= 1 - s", "= 1 - s"),
        ("shared by the others only", "s / num_classes)", "s / (num_classes - 1))"),
        ("one added", "+= 1 - s", "+= 1"),
        ("s everywhere", "s / num_classes", "s"),
    ], []),
    ("sgd_step", """
def f(w, g, v, lr, momentum):
    velocity = g + v * momentum
    return w - velocity * lr, velocity
""", [
        ("rate inside", "velocity = g + v * momentum\\n    return w - velocity * lr", "velocity = lr * g + v * momentum\\n    return w - velocity"),
        ("damped", "g + v * momentum", "(1 - momentum) * g + v * momentum"),
        ("old velocity used", "w - velocity * lr", "w - v * lr"),
        ("ascending", "w - velocity", "w + velocity"),
        ("nesterov", "w - velocity * lr", "w - (g + momentum * velocity) * lr"),
        ("w forgets its velocity", "w - velocity * lr", "w - g * lr"),
    ], []),
    ("cross_entropy_backward", """
def f(logits, labels):
    B, K = logits.shape
    p = np.exp(logits - logits.max(1)[:, None])
    p = p / p.sum(1)[:, None]
    for b in range(B):
        p[b, labels[b]] -= 1
    return p / B
""", [
        ("not averaged", "p / B", "p"),
        ("averaged over classes", "p / B", "p / K"),
        ("one hot forgotten", "    for b in range(B):\\n        p[b, labels[b]] -= 1\\n", ""),
        ("all labels in all rows", "p[b, labels[b]] -= 1", "p[:, labels[b]] -= 1"),
        ("sign", "return p / B", "return -p / B"),
        ("added one", "-= 1", "+= 1"),
    ], [(0, 5)]),
    ("sigmoid_cross_entropy", """
def f(logits, targets):
    z = np.logaddexp(0, -logits) * targets + np.logaddexp(0, logits) * (1 - targets)
    return z.sum(axis=1).mean()
""", [
        ("mean over all", "z.sum(axis=1).mean()", "z.mean()"),
        ("sum of all", "z.sum(axis=1).mean()", "z.sum()"),
        ("negatives forgotten", " + np.logaddexp(0, logits) * (1 - targets)", ""),
        ("sign", "z.sum(axis=1).mean()", "-z.sum(axis=1).mean()"),
        ("labels turned", "np.logaddexp(0, -logits) * targets + np.logaddexp(0, logits) * (1 - targets)",
         "np.logaddexp(0, logits) * targets + np.logaddexp(0, -logits) * (1 - targets)"),
    ], []),
    ("decay_groups", """
def f(names, shapes):
    out = []
    for name, shape in zip(names, shapes):
        last = name.split(".")[-1]
        out.append(1 if last == "weight" and len(shape) > 1 else 0)
    return np.array(out)
""", [
        ("norms too", ' and len(shape) > 1', ""),
        ("all with two axes", 'last == "weight" and ', ""),
        ("two axes exactly", "len(shape) > 1", "len(shape) == 2"),
        ("turned round", "1 if", "0 if" ),
        ("all but biases", 'last == "weight" and len(shape) > 1', 'last != "bias"'),
    ], []),
    ("data_parallel_gradient", """
def f(chunk_gradients, chunk_sizes):
    total = np.zeros(chunk_gradients.shape[1:])
    for g, n in zip(chunk_gradients, chunk_sizes):
        total += n * g
    return total / np.sum(chunk_sizes)
""", [
        ("plain mean", "n * g", "g"),
        ("summed", " / np.sum(chunk_sizes)", ""),
        ("by the number of chunks", "np.sum(chunk_sizes)", "len(chunk_sizes)"),
        ("divided by n", "n * g", "g / n"),
    ], []),
    ("reused_weight_backward", """
def f(x, W, dy):
    h = np.einsum("bi,oi->bo", x, W)
    dh = np.einsum("bo,oi->bi", dy, W)
    dW = np.einsum("bo,bi->oi", dy, h) + np.einsum("bo,bi->oi", dh, x)
    return np.einsum("bo,oi->bi", dh, W), dW
""", [
        ("second use only", ' + np.einsum("bo,bi->oi", dh, x)', ""),
        ("dh not used", '"bo,bi->oi", dh, x', '"bo,bi->oi", dy, x'),
        ("W the wrong way round in dx", 'return np.einsum("bo,oi->bi", dh, W)', 'return np.einsum("bo,io->bi", dh, W)'),
        ("h with W turned", 'h = np.einsum("bi,oi->bo", x, W)', 'h = np.einsum("bi,io->bo", x, W)'),
    ], [(1, 2)]),
    ("chain_backward", """
def f(x, W1, W2, dy):
    a = np.dot(x, W1.T)
    r = a * (a > 0)
    y = np.tanh(np.dot(r, W2.T))
    d = dy - dy * y ** 2
    dW2 = np.dot(d.T, r)
    dr = np.dot(d, W2)
    dr[a < 0] = 0
    return np.dot(dr, W1), np.dot(dr.T, x), dW2
""", [
        ("tanh slope without square", "dy - dy * y ** 2", "dy - dy * y"),
        ("relu forgotten", "    dr[a < 0] = 0\\n", ""),
        ("mask by dr", "dr[a < 0] = 0", "dr[dr < 0] = 0"),
        ("dW2 from a", "np.dot(d.T, r)", "np.dot(d.T, a)"),
        ("no tanh in the slope", "d = dy - dy * y ** 2", "d = dy"),
        ("weights' order", "np.dot(dr, W1), np.dot(dr.T, x), dW2", "np.dot(dr, W1), dW2, np.dot(dr.T, x)"),
    ], [(4, 1)]),
    ("accumulate", """
def f(x, t, w, size):
    B = len(x)
    g = np.zeros(len(w))
    start = 0
    while start < B:
        xs, ts = x[start:start + size], t[start:start + size]
        g += xs.T @ (xs @ w - ts)
        start += size
    return g * 2 / B
""", [
        ("no two", "g * 2 / B", "g / B"),
        ("by the chunk", "g += xs.T @ (xs @ w - ts)", "g += xs.T @ (xs @ w - ts) / size * B"),
        ("last chunk only", "g += xs", "g = xs"),
        ("rest left out", "while start < B:", "while start + size <= B:"),
        ("sign", "xs @ w - ts", "ts - xs @ w"),
        ("sum not mean", "g * 2 / B", "g * 2"),
    ], [(0, 3)]),
    ("conv2d", """
def f(x, weight, stride, padding):
    B, C, H, W = x.shape
    O, _, kh, kw = weight.shape
    xp = np.zeros((B, C, H + 2 * padding, W + 2 * padding))
    xp[:, :, padding:padding + H, padding:padding + W] = x
    Ho = (H + 2 * padding - kh) // stride + 1
    Wo = (W + 2 * padding - kw) // stride + 1
    y = np.zeros((B, O, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            win = xp[:, :, i * stride:i * stride + kh, j * stride:j * stride + kw]
            for o in range(O):
                y[:, o, i, j] = (win * weight[o]).sum(axis=(1, 2, 3))
    return y
""", [
        ("kernel flipped", "win * weight[o]", "win * weight[o, :, ::-1, ::-1]"),
        ("only the first channel", "(win * weight[o]).sum(axis=(1, 2, 3))", "(win[:, 0] * weight[o, 0]).sum(axis=(1, 2))"),
        ("stride forgotten in rows' start", "i * stride:i * stride + kh", "i:i + kh"),
        ("no + 1", "(H + 2 * padding - kh) // stride + 1", "(H + 2 * padding - kh) // stride"),
        ("padding after only", "xp[:, :, padding:padding + H, padding:padding + W] = x", "xp[:, :, :H, :W] = x"),
        ("padding before only", "xp[:, :, padding:padding + H, padding:padding + W] = x", "xp[:, :, 2 * padding:, 2 * padding:] = x"),
        ("mean", ".sum(axis=(1, 2, 3))", ".mean(axis=(1, 2, 3))"),
        ("weight turned", "win * weight[o]", "win * weight[o].swapaxes(-1, -2)"),
    ], [(0, 2), (3, 6)]),
    ("standardize", """
def f(weight, eps):
    out = np.empty_like(weight)
    for o, w in enumerate(weight):
        c = w - w.mean()
        out[o] = c / math.sqrt((c ** 2).mean() + eps)
    return out
""", [
        ("eps outside", "math.sqrt((c ** 2).mean() + eps)", "(math.sqrt((c ** 2).mean()) + eps)"),
        ("not centred", "c = w - w.mean()", "c = w"),
        ("of the whole tensor", "w - w.mean()", "w - weight.mean()"),
        ("variance, not deviation", "math.sqrt((c ** 2).mean() + eps)", "((c ** 2).mean() + eps)"),
        ("length instead of deviation", "(c ** 2).mean()", "(c ** 2).sum()"),
        ("per channel", "w.mean()", "w.mean(axis=(1, 2), keepdims=True)"),
    ], [(0, 2)]),
    ("groupnorm", """
def f(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    y = x.reshape(B, groups, C // groups, H, W)
    y = y - y.mean(axis=(2, 3, 4), keepdims=True)
    y = y / np.sqrt((y ** 2).mean(axis=(2, 3, 4), keepdims=True) + eps)
    y = y.reshape(B, C, H, W)
    return np.einsum("bchw,c->bchw", y, weight) + bias.reshape(1, C, 1, 1)
""", [
        ("channels of a group not together", "x.reshape(B, groups, C // groups, H, W)", "x.reshape(B, C // groups, groups, H, W).swapaxes(1, 2)"),
        ("instance norm", "axis=(2, 3, 4), keepdims=True)\\n    y = y /", "axis=(3, 4), keepdims=True)\\n    y = y /"),
        ("eps outside", "np.sqrt((y ** 2).mean(axis=(2, 3, 4), keepdims=True) + eps)", "(np.sqrt((y ** 2).mean(axis=(2, 3, 4), keepdims=True)) + eps)"),
        ("bias forgotten", " + bias.reshape(1, C, 1, 1)", ""),
        ("batch in it", ".mean(axis=(2, 3, 4), keepdims=True) + eps", ".mean(axis=(0, 2, 3, 4), keepdims=True) + eps"),
        ("unbiased", "(y ** 2).mean(axis=(2, 3, 4), keepdims=True)", "y.var(axis=(2, 3, 4), keepdims=True, ddof=1)"),
    ], [(3, 2)]),
    ("preact_unit", """
def f(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
    relu = lambda u: np.where(u > 0, u, 0)
    a = relu(norm1(x))
    if conv_proj is None:
        skip = x
    else:
        skip = conv_proj(a, stride)
    b = relu(norm2(conv1(a)))
    c = relu(norm3(conv2(b, stride=stride)))
    return skip + conv3(c)
""", [
        ("projection of x", "conv_proj(a, stride)", "conv_proj(x, stride)"),
        ("stride in conv1", "conv1(a)))\\n    c = relu(norm3(conv2(b, stride=stride)))", "conv1(a, stride)))\\n    c = relu(norm3(conv2(b)))"),
        ("skip after norm always", "skip = x", "skip = a"),
        ("relu at the end", "return skip + conv3(c)", "return relu(skip + conv3(c))"),
        ("post-activation order", "relu(norm2(conv1(a)))", "conv1(relu(norm2(a)))" ),
        ("no relu before conv3", "relu(norm3(conv2(b, stride=stride)))", "norm3(conv2(b, stride=stride))"),
        ("norm of conv2 forgotten", "relu(norm3(conv2(b, stride=stride)))", "relu(conv2(b, stride=stride))"),
    ], [(0, 3)]),
    ("receptive_field", """
def f(kernels, strides):
    field, jump = 1, 1
    for k, s in zip(kernels, strides):
        field += (k - 1) * jump
        jump *= s
    return field
""", [
        ("jump before field", "field += (k - 1) * jump\\n        jump *= s", "jump *= s\\n        field += (k - 1) * jump"),
        ("k without - 1", "(k - 1)", "k"),
        ("starts with 0", "field, jump = 1, 1", "field, jump = 0, 1"),
        ("strides added", "jump *= s", "jump += s"),
        ("strides ignored", "        jump *= s\\n", ""),
    ], [(4, 1)]),
    ("conv2d_backward", """
def f(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    _, _, kh, kw = weight.shape
    _, _, Ho, Wo = dy.shape
    p = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dp = np.zeros_like(p)
    dw = np.zeros_like(weight)
    for a in range(kh):
        for b in range(kw):
            rows = slice(a, a + stride * (Ho - 1) + 1, stride)
            cols = slice(b, b + stride * (Wo - 1) + 1, stride)
            dw[:, :, a, b] = np.tensordot(dy, p[:, :, rows, cols], axes=([0, 2, 3], [0, 2, 3]))
            dp[:, :, rows, cols] += np.tensordot(dy, weight[:, :, a, b], axes=([1], [0])).transpose(0, 3, 1, 2)
    if padding:
        dp = dp[:, :, padding:-padding, padding:-padding]
    return dp, dw
""", [
        ("overwritten, not added", "dp[:, :, rows, cols] += np", "dp[:, :, rows, cols] = np"),
        ("kernel flipped", "weight[:, :, a, b]", "weight[:, :, kh - 1 - a, kw - 1 - b]"),
        ("border left", "    if padding:\\n        dp = dp[:, :, padding:-padding, padding:-padding]\\n", ""),
        ("order", "return dp, dw", "return dw, dp"),
        ("mean over the batch", "axes=([0, 2, 3], [0, 2, 3]))", "axes=([0, 2, 3], [0, 2, 3])) / B"),
    ], [(1, 4)]),
    ("same_padding", """
def f(size, kernel, stride):
    out = -(-size // stride)
    pad = (out - 1) * stride + kernel - size
    if pad < 0:
        pad = 0
    left = pad // 2
    return left, pad - left
""", [
        ("more before", "return left, pad - left", "return pad - left, left"),
        ("rounded down", "-(-size // stride)", "size // stride"),
        ("kernel - 1", "pad = (out - 1) * stride + kernel - size", "pad = kernel - 1"),
        ("can be negative", "    if pad < 0:\\n        pad = 0\\n", ""),
        ("out, not out - 1", "(out - 1) * stride", "out * stride"),
        ("same on both sides", "return left, pad - left", "return left, left"),
    ], []),
    ("feature_tokens", """
def f(features, weight, bias):
    t = np.einsum("bchw,dc->bhwd", features, weight)
    return t.reshape(t.shape[0], -1, t.shape[3]) + bias
""", [
        ("column by column", "->bhwd", "->bwhd"),
        ("channels and pixels mixed by a reshape", 't = np.einsum("bchw,dc->bhwd", features, weight)',
         "B, C, H, W = features.shape\\n    t = features.reshape(B, H, W, C) @ weight.T"),
        ("bias forgotten", " + bias", ""),
    ], []),
    ("hybrid_tokens", """
def f(image_hw, blocks, patch_size):
    h, w = image_hw
    n = 2 + max(len(blocks) - 1, 0)
    for _ in range(n):
        h = math.ceil(h / 2)
        w = math.ceil(w / 2)
    return 1 + (h // patch_size) * (w // patch_size)
""", [
        ("class token forgotten", "1 + (h", "(h"),
        ("every stage halves", "max(len(blocks) - 1, 0)", "len(blocks)"),
        ("root halves once", "n = 2 +", "n = 1 +"),
        ("rounded down", "math.ceil(h / 2)", "h // 2"),
        ("patches of pixels forgotten", "(h // patch_size) * (w // patch_size)", "h * w"),
        ("square", "(w // patch_size)", "(h // patch_size)"),
        ("last layers rounded up too", "(h // patch_size) * (w // patch_size)", "math.ceil(h / patch_size) * math.ceil(w / patch_size)"),
    ], [(0, 1)]),
    ("postact_unit", """
def f(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj):
    def relu(a):
        return a.clip(min=0)
    main = relu(norm1(conv1(x)))
    main = relu(norm2(conv2(main, stride)))
    main = norm3(conv3(main))
    if conv_proj is not None:
        x = norm_proj(conv_proj(x, stride))
    return relu(x + main)
""", [
        ("no last relu", "return relu(x + main)", "return x + main"),
        ("relu before the sum", "main = norm3(conv3(main))", "main = relu(norm3(conv3(main)))"),
        ("projection without its norm", "norm_proj(conv_proj(x, stride))", "conv_proj(x, stride)"),
        ("norm before conv", "relu(norm1(conv1(x)))", "relu(conv1(norm1(x)))"),
        ("stride 1 in the projection", "conv_proj(x, stride)", "conv_proj(x)"),
        ("norm2 forgotten", "norm2(conv2(main, stride))", "conv2(main, stride)"),
    ], [(0, 3)]),
    ("sinusoid", """
def f(length, width):
    PE = np.zeros((length, width))
    pos = np.arange(length).reshape(-1, 1)
    i = np.arange(width // 2)
    rates = np.exp(-np.log(10000.0) * 2 * i / width)
    PE[:, ::2] = np.sin(pos * rates)
    PE[:, 1::2] = np.cos(pos * rates)
    return PE
""", [
        ("exchanged", "PE[:, ::2] = np.sin(pos * rates)\\n    PE[:, 1::2] = np.cos", "PE[:, ::2] = np.cos(pos * rates)\\n    PE[:, 1::2] = np.sin"),
        ("no factor two", "* 2 * i", "* i"),
        ("halves side by side", "PE[:, ::2] = np.sin(pos * rates)\\n    PE[:, 1::2]", "PE[:, :width // 2] = np.sin(pos * rates)\\n    PE[:, width // 2:]"),
        ("positions from one", "np.arange(length)", "np.arange(1, length + 1)"),
        ("thousand", "10000.0", "1000.0"),
        ("rates grow", "np.exp(-np.log", "np.exp(np.log"),
    ], [(0, 1), (3, 2)]),
    ("decoder_mask", """
def f(target, pad):
    B, T = target.shape
    m = np.zeros((B, 1, T, T), dtype=bool)
    for b in range(B):
        for t in range(T):
            for s in range(t + 1):
                m[b, 0, t, s] = target[b, s] != pad
    return m
""", [
        ("itself not allowed", "range(t + 1)", "range(t)"),
        ("padding of the asker", "target[b, s] != pad", "target[b, t] != pad"),
        ("padding allowed only", "!= pad", "== pad"),
        ("no padding", "target[b, s] != pad", "True"),
        ("future", "range(t + 1)", "range(t, T)"),
        ("not causal", "range(t + 1)", "range(T)"),
    ], [(0, 1)]),
    ("cross_attention", """
def f(z, memory, q_weight, kv_weight, heads):
    B, T, D = z.shape
    S = memory.shape[1]
    d = D // heads
    q = (z @ q_weight.T).reshape(B, T, heads, d).transpose(0, 2, 1, 3)
    kv = (memory @ kv_weight.T).reshape(B, S, 2, heads, d).transpose(2, 0, 3, 1, 4)
    k, v = kv[0], kv[1]
    A = np.exp(q @ k.transpose(0, 1, 3, 2) / d ** 0.5)
    A = A / A.sum(-1, keepdims=True)
    return (A @ v).transpose(0, 2, 1, 3).reshape(B, T, D)
""", [
        ("values first", "k, v = kv[0], kv[1]", "v, k = kv[0], kv[1]"),
        ("scale by D", "/ d ** 0.5", "/ D ** 0.5"),
        ("heads before tokens, merged badly", "(A @ v).transpose(0, 2, 1, 3).reshape", "(A @ v).reshape"),
        ("keys by another cut", "reshape(B, S, 2, heads, d).transpose(2, 0, 3, 1, 4)", "reshape(B, S, heads, 2, d).transpose(3, 0, 2, 1, 4)"),
        ("heads of the query by one reshape", "reshape(B, T, heads, d).transpose(0, 2, 1, 3)", "reshape(B, heads, T, d)"),
        ("softmax over queries", "A.sum(-1", "A.sum(-2"),
        ("queries not projected", "(z @ q_weight.T)", "z"),
    ], [(0, 1), (2, 5)]),
    ("embed_backward", """
def f(dy, ids, vocabulary):
    B, T, D = dy.shape
    dw = np.zeros((vocabulary, D))
    for b in range(B):
        for t in range(T):
            dw[ids[b, t]] += dy[b, t]
    return dw * D ** 0.5
""", [
        ("overwritten", "] += dy", "] = dy"),
        ("scale forgotten", " * D ** 0.5", ""),
        ("divided", "* D ** 0.5", "/ D ** 0.5"),
        ("D, not its root", "D ** 0.5", "D"),
        ("mean", "return dw * D ** 0.5", "return dw * D ** 0.5 / (B * T)"),
    ], [(1, 0)]),
    ("token_cross_entropy", """
def f(logits, targets, pad):
    m = logits.max(-1, keepdims=True)
    lse = m[..., 0] + np.log(np.exp(logits - m).sum(-1))
    picked = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    keep = targets != pad
    return ((lse - picked) * keep).sum() / keep.sum()
""", [
        ("mean with padding", "/ keep.sum()", "/ keep.size"),
        ("summed", " / keep.sum()", ""),
        ("sign", "lse - picked", "picked - lse"),
        ("padding counted", "* keep).sum() / keep.sum()", ").mean()"),
        ("per image first", "((lse - picked) * keep).sum() / keep.sum()", "(((lse - picked) * keep).sum(1) / keep.sum(1)).mean()"),
        ("max not put back", "m[..., 0] + np.log", "np.log"),
    ], []),
    ("path_lengths", """
def f(reads):
    n = len(reads)
    d = np.full((n, n), -1)
    for i in range(n):
        d[i, i] = 0
        front = [i]
        while front:
            new = []
            for a in front:
                for b in range(n):
                    if reads[a, b] and d[i, b] < 0:
                        d[i, b] = d[i, a] + 1
                        new.append(b)
            front = new
    return d
""", [
        ("turned round", "reads[a, b]", "reads[b, a]"),
        ("diagonal -1", "d[i, i] = 0", "d[i, i] = -1 + 0 * i"),
        ("unreachable is 0", "return d", "return np.maximum(d, 0)"),
        ("one step only", "            front = new\\n", "            front = []\\n"),
        ("one too many", "return d", "return np.where(d > 0, d + 1, d)"),
    ], []),
    ("unit_parameters", """
def f(in_channels, width, stride):
    out = 4 * width
    total = in_channels * width + width * width * 3 * 3 + width * out
    total += 2 * in_channels + 2 * width + 2 * width
    if stride != 1 or in_channels != out:
        total += in_channels * out
    return total
""", [
        ("norm after conv3", "2 * in_channels + 2 * width + 2 * width", "2 * width + 2 * width + 2 * out"),
        ("projection always", "if stride != 1 or in_channels != out", "if True"),
        ("no 3 x 3", " * 3 * 3", ""),
        ("three norms of the input", "2 * in_channels + 2 * width + 2 * width", "6 * in_channels"),
        ("norms have one vector", "2 * in_channels + 2 * width + 2 * width", "in_channels + width + width"),
        ("projection by stride alone", "stride != 1 or in_channels != out", "stride != 1"),
        ("width as outputs", "out = 4 * width", "out = width"),
    ], [(2, 4)]),
    ("attention_macs", """
def f(config):
    t, d, h = config.num_tokens, config.width, config.heads
    qkv = t * d * 3 * d
    scores = h * t * t * (d // h)
    mix = h * t * t * (d // h)
    return qkv + scores + mix + t * d * d
""", [
        ("no output layer", " + t * d * d", ""),
        ("flops", "return qkv + scores + mix + t * d * d", "return 2 * (qkv + scores + mix + t * d * d)"),
        ("scores only once", "scores + mix", "scores"),
        ("every head has the whole width", "(d // h)", "d"),
        ("all blocks", "return qkv + scores + mix + t * d * d", "return config.depth * (qkv + scores + mix + t * d * d)"),
        ("patches", "config.num_tokens", "config.num_patches"),
    ], [(0, 2)]),
    ("vit_macs", """
def f(config):
    t, d = config.num_tokens, config.width
    m = config.num_patches * d * config.channels * config.patch_size ** 2
    for _ in range(config.depth):
        m += 3 * t * d * d + t * t * d + t * t * d + t * d * d
        m += t * d * config.mlp_dim + t * config.mlp_dim * d
    return m + d * config.num_classes
""", [
        ("head for all tokens", "m + d * config.num_classes", "m + t * d * config.num_classes"),
        ("patches count the token", "config.num_patches * d", "t * d"),
        ("head forgotten", " + d * config.num_classes", ""),
        ("one mlp layer", " + t * config.mlp_dim * d", ""),
        ("one channel", " * config.channels", ""),
        ("one block", "range(config.depth)", "range(1)"),
    ], []),
    ("conv_macs", """
def f(height, width, inputs, outputs, kernel, stride):
    h = math.ceil(height / stride)
    w = math.ceil(width / stride)
    return h * w * outputs * kernel * kernel * inputs
""", [
        ("rounded down", "math.ceil(height / stride)", "height // stride"),
        ("kernel once", "kernel * kernel", "kernel"),
        ("stride ignored", "math.ceil(width / stride)", "width"),
        ("inputs forgotten", " * inputs", ""),
        ("bias", "kernel * kernel * inputs", "(kernel * kernel * inputs + 1)"),
    ], []),
    ("exaflops", """
def f(macs, epochs, images):
    flops = macs * 2
    flops = flops * 3
    return flops * images * epochs * 1e-18
""", [
        ("forward only", "flops * 3", "flops * 1"),
        ("twice for backward, forward forgotten", "flops * 3", "flops * 2"),
        ("macs not doubled", "macs * 2", "macs"),
        ("peta", "1e-18", "1e-15"),
        ("epochs forgotten", " * epochs", ""),
    ], [(2, 3)]),
    ("official_qkv", """
def f(query, key, value):
    rows = []
    for kernel in (query, key, value):
        rows.append(kernel.reshape(kernel.shape[0], -1).T)
    return np.vstack(rows)
""", [
        ("not transposed", "-1).T", "-1)"),
        ("order", "(query, key, value):", "(key, query, value):"),
        ("transposed before reshaping", "kernel.reshape(kernel.shape[0], -1).T", "kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])"),
        ("side by side", "np.vstack(rows)", "np.hstack(rows)"),
    ], [(0, 1)]),
    ("resized_positions", """
def f(E_pos, old_grid, new_grid):
    (a, b), (c, d) = old_grid, new_grid
    g = E_pos[1:].reshape(a, b, -1)
    out = np.zeros((c, d, g.shape[2]))
    for i in range(c):
        for j in range(d):
            y = i * (a - 1) / (c - 1) if c > 1 else 0.0
            x = j * (b - 1) / (d - 1) if d > 1 else 0.0
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, a - 1), min(x0 + 1, b - 1)
            u, w = y - y0, x - x0
            out[i, j] = (1-u)*(1-w)*g[y0, x0] + (1-u)*w*g[y0, x1] + u*(1-w)*g[y1, x0] + u*w*g[y1, x1]
    return np.concatenate([E_pos[:1], out.reshape(c * d, -1)])
""", [
        ("class token forgotten", "np.concatenate([E_pos[:1], out.reshape(c * d, -1)])", "out.reshape(c * d, -1)"),
        ("corners not aligned", "i * (a - 1) / (c - 1) if c > 1 else 0.0", "min(max((i + 0.5) * a / c - 0.5, 0), a - 1)"),
        ("nearest", "u, w = y - y0, x - x0", "u, w = round(y - y0), round(x - x0)"),
        ("token last", "[E_pos[:1], out.reshape(c * d, -1)]", "[out.reshape(c * d, -1), E_pos[:1]]"),
        ("weights exchanged", "u, w = y - y0, x - x0", "w, u = y - y0, x - x0"),
    ], []),
    ("micro_batch_positions", """
def f(step, rank, i, world, batch_size, micro_batch):
    mine = batch_size // world
    first = step * batch_size + rank * mine + i * micro_batch
    last = min(first + micro_batch, step * batch_size + (rank + 1) * mine)
    return list(range(first, last))
""", [
        ("takes from its neighbour", "min(first + micro_batch, step * batch_size + (rank + 1) * mine)", "first + micro_batch"),
        ("step times the share", "step * batch_size + rank", "step * mine + rank"),
        ("rank by micro-batches", "rank * mine + i", "rank * micro_batch + i"),
        ("rank forgotten", " + rank * mine + i", " + i"),
    ], []),
    ("update_gradient", """
def f(gradients, counts):
    g = np.zeros(gradients.shape[-1])
    for r in range(len(counts)):
        for i in range(len(counts[r])):
            g += counts[r][i] * gradients[r][i]
    return g / np.sum(counts)
""", [
        ("plain mean", "    return g / np.sum(counts)", "    return gradients.mean(axis=(0, 1))"),
        ("sum", "g / np.sum(counts)", "g"),
        ("by the number of micro-batches", "np.sum(counts)", "np.size(counts)"),
        ("mean of workers' means", "    return g / np.sum(counts)", "    return ((counts[..., None] * gradients).sum(1) / counts.sum(1)[:, None]).mean(0)"),
    ], []),
    ("mean_color", """
def f(images, P):
    B, _, H, W = images.shape
    out = []
    for y in range(0, H, P):
        for x in range(0, W, P):
            m = images[:, :, y:y + P, x:x + P].mean(axis=(2, 3))
            l = np.floor(m / 32).astype(int)
            out.append(l[:, 0] * 64 + l[:, 1] * 8 + l[:, 2])
    return np.stack(out, axis=1)
""", [
        ("rounded", "np.floor(m / 32)", "np.round(m / 32)"),
        ("blue first", "l[:, 0] * 64 + l[:, 1] * 8 + l[:, 2]", "l[:, 2] * 64 + l[:, 1] * 8 + l[:, 0]"),
        ("levels first, then mean", "images[:, :, y:y + P, x:x + P].mean(axis=(2, 3))\\n            l = np.floor(m / 32)", "(images[:, :, y:y + P, x:x + P] // 32).mean(axis=(2, 3))\\n            l = np.floor(m)"),
        ("nine levels", "m / 32", "m / 255 * 8"),
        ("powers of 10", "l[:, 0] * 64 + l[:, 1] * 8", "l[:, 0] * 100 + l[:, 1] * 10"),
        ("column by column", "for y in range(0, H, P):\\n        for x in range(0, W, P)", "for x in range(0, W, P):\\n        for y in range(0, H, P)"),
    ], [(0, 1)]),
    ("zero_head_gradients", """
def f(y, labels, num_classes):
    B, D = y.shape
    p = np.full((B, num_classes), 1.0 / num_classes)
    p[np.arange(B), labels] -= 1.0
    p /= B
    return np.einsum("bk,bd->kd", p, y), p.sum(0), p @ np.zeros((num_classes, D))
""", [
        ("not averaged", "    p /= B\\n", ""),
        ("one hot forgotten", "    p[np.arange(B), labels] -= 1.0\\n", ""),
        ("sign", "    p /= B\\n", "    p /= -B\\n"),
        ("p of 1/B", "1.0 / num_classes", "1.0 / B"),
        ("bias mean", "p.sum(0)", "p.mean(0)"),
    ], [(0, 1)]),
    ("stair_rate", """
def f(step, base, total_steps, warmup_steps, milestones):
    rate = base
    for m in milestones:
        if step > round(m * total_steps):
            rate = rate / 10
    if step < warmup_steps:
        rate = rate * step / warmup_steps
    return rate
""", [
        (">=", "step > round", "step >= round"),
        ("halved", "rate / 10", "rate / 2"),
        ("only once", "rate = rate / 10", "rate = base / 10"),
        ("milestones are steps", "round(m * total_steps)", "m"),
        ("no warm-up", "    if step < warmup_steps:\\n        rate = rate * step / warmup_steps\\n", ""),
        ("milestones counted after the warm-up", "round(m * total_steps)", "warmup_steps + round(m * total_steps)"),
    ], [(0, 1)]),
    ("hyper_rule", """
def f(num_images, height, width):
    resize, crop = (160, 128) if height * width < 96 * 96 else (512, 480)
    if num_images < 20_000:
        return resize, crop, 500, 0.0
    if num_images < 500_000:
        return resize, crop, 10_000, 0.1
    return resize, crop, 20_000, 0.1
""", [
        ("one side", "height * width < 96 * 96", "height < 96"),
        ("mixup for all", "500, 0.0", "500, 0.1"),
        ("crop and resize", "(160, 128)", "(128, 160)"),
        ("<=", "height * width < 96 * 96", "height * width <= 96 * 96"),
        ("<= on images", "num_images < 20_000", "num_images <= 20_000"),
        ("both sides", "height * width < 96 * 96", "height < 96 and width < 96"),
    ], []),
    ("affordable_size", """
def f(image_size, patch_size, width, mlp_dim, times):
    def cost(side):
        t = (side // patch_size) ** 2 + 1
        return 4 * t * width ** 2 + 2 * t ** 2 * width + 2 * t * width * mlp_dim
    limit = cost(image_size) * times
    side = patch_size
    while cost(side + patch_size) <= limit:
        side += patch_size
    return side
""", [
        ("no class token", "** 2 + 1\\n", "** 2\\n"),
        ("one too many", "    return side\\n", "    return side + patch_size\\n"),
        ("quadratic part forgotten", " + 2 * t ** 2 * width", ""),
        ("mlp forgotten", " + 2 * t * width * mlp_dim", ""),
        ("patches returned", "    return side\\n", "    return side // patch_size\\n"),
        ("attention once", "2 * t ** 2", "t ** 2"),
    ], []),
    ("whiten", """
def f(features, test_features):
    m = features.mean(0)
    s = features.std(0) + 1e-5
    X = (features - m) / s
    T = (test_features - m) / s
    return np.c_[X, 100 * np.ones(len(X))], np.c_[T, 100 * np.ones(len(T))]
""", [
        ("each by its own mean", "T = (test_features - m)", "T = (test_features - test_features.mean(0))"),
        ("ones", "100 * np.ones(len(T))", "np.ones(len(T))"),
        ("constant in front", "np.c_[X, 100 * np.ones(len(X))]", "np.c_[100 * np.ones(len(X)), X]"),
        ("unbiased", "features.std(0)", "features.std(0, ddof=1)"),
        ("variance", "features.std(0)", "features.var(0)"),
        ("over the row", "m = features.mean(0)", "m = features.mean()"),
    ], [(1, 3)]),
    ("few_shots", """
def f(labels, shots, seed):
    rng = np.random.default_rng(seed)
    found = []
    for c in sorted(set(labels.tolist())):
        where = np.flatnonzero(labels == c)
        found.extend(rng.permutation(where)[:shots])
    return np.array(found)
""", [
        ("new generator for each class", "where = np.flatnonzero(labels == c)", "where = np.flatnonzero(labels == c)\\n        rng = np.random.default_rng(seed)"),
        ("sorted", "return np.array(found)", "return np.array(sorted(found))"),
        ("choice", "rng.permutation(where)[:shots]", "rng.choice(where, shots, replace=False)"),
        ("the first ones", "rng.permutation(where)[:shots]", "where[:shots]"),
        ("the last ones of the permutation", "[:shots]", "[-shots:]"),
    ], []),
    ("ridge_dual", """
def f(X, Y, l2):
    K = X @ X.T
    K[np.diag_indices_from(K)] += l2
    return X.T @ (np.linalg.inv(K) @ Y)
""", [
        ("no ridge", "    K[np.diag_indices_from(K)] += l2\\n", ""),
        ("everywhere", "K[np.diag_indices_from(K)] += l2", "K += l2"),
        ("minus", "+= l2", "-= l2"),
        ("ridge times N", "+= l2", "+= l2 * len(X)"),
        ("root", "+= l2", "+= l2 ** 0.5"),
    ], []),
    ("standard_error", """
def f(accuracy):
    n = accuracy.shape[1]
    m = accuracy.mean(axis=1, keepdims=True)
    return np.sqrt(((accuracy - m) ** 2).sum(axis=1) / (n * (n - 1)))
""", [
        ("biased", "(n * (n - 1))", "(n * n)"),
        ("deviation", "(n * (n - 1))", "(n - 1)"),
        ("no root", "np.sqrt(((accuracy - m) ** 2).sum(axis=1) / (n * (n - 1)))", "((accuracy - m) ** 2).sum(axis=1) / (n * (n - 1))"),
        ("over settings", "axis=1", "axis=0"),
        ("divided by n, not its root", "np.sqrt(((accuracy - m) ** 2).sum(axis=1) / (n * (n - 1)))", "np.sqrt(((accuracy - m) ** 2).sum(axis=1) / (n - 1)) / n"),
    ], []),
    ("leave_one_out", """
def f(X, Y, l2):
    H = X @ np.linalg.inv(X.T @ X + l2 * np.eye(X.shape[1])) @ X.T
    d = np.diag(H)
    fit = H @ Y
    return Y - (Y - fit) / (1 - d)[:, None]
""", [
        ("fit alone", "Y - (Y - fit) / (1 - d)[:, None]", "fit"),
        ("residual", "return Y - (Y - fit)", "return (Y - fit)"),
        ("plus", "(1 - d)", "(1 + d)"),
        ("own target left in", "Y - (Y - fit) / (1 - d)[:, None]", "fit / (1 - d)[:, None]"),
        ("not divided", " / (1 - d)[:, None]\\n", " * (1 - d)[:, None]\\n"),
    ], []),
    ("difference_in_errors", """
def f(first, second):
    n, m = len(first), len(second)
    s1 = np.sum((first - first.mean()) ** 2) / (n - 1)
    s2 = np.sum((second - second.mean()) ** 2) / (m - 1)
    return (first.mean() - second.mean()) / np.sqrt(s1 / n + s2 / m)
""", [
        ("biased", "/ (n - 1)", "/ n"),
        ("deviations added", "np.sqrt(s1 / n + s2 / m)", "(np.sqrt(s1 / n) + np.sqrt(s2 / m))"),
        ("not by numbers", "np.sqrt(s1 / n + s2 / m)", "np.sqrt(s1 + s2)"),
        ("sign", "first.mean() - second.mean()) /", "second.mean() - first.mean()) /"),
        ("no root", "np.sqrt(s1 / n + s2 / m)", "(s1 / n + s2 / m)"),
        ("pooled number", "s1 / n + s2 / m", "(s1 + s2) / (n + m)"),
    ], [(0, 4)]),
    ("compute_at_accuracy", """
def f(wanted, compute, accuracy):
    best = accuracy.copy()
    for i in range(1, len(best)):
        best[i] = max(best[i], best[i - 1])
    return 10 ** np.interp(wanted, best, np.log10(compute))
""", [
        ("not the best so far", "best[i] = max(best[i], best[i - 1])", "best[i] = best[i]"),
        ("lines in compute", "10 ** np.interp(wanted, best, np.log10(compute))", "np.interp(wanted, best, compute)"),
        ("log returned", "10 ** np.interp", "np.interp"),
        ("wrong base", "10 ** np.interp", "np.e ** np.interp"),
        ("sorted instead", "best = accuracy.copy()", "best = np.sort(accuracy)"),
    ], []),
    ("pareto_front", """
def f(compute, accuracy):
    R = len(compute)
    kept = np.ones(R, dtype=bool)
    for i in range(R):
        for j in range(R):
            if compute[j] <= compute[i] and accuracy[j] >= accuracy[i] and (compute[j] < compute[i] or accuracy[j] > accuracy[i]):
                kept[i] = False
    return kept
""", [
        ("strict in both", "compute[j] <= compute[i] and accuracy[j] >= accuracy[i] and (compute[j] < compute[i] or accuracy[j] > accuracy[i])", "compute[j] < compute[i] and accuracy[j] > accuracy[i]"),
        ("equal rows beat each other", " and (compute[j] < compute[i] or accuracy[j] > accuracy[i])", " and i != j"),
        ("turned", "kept[i] = False", "kept[j] = False"),
        ("beaten ones returned", "return kept", "return ~kept"),
        ("dear ones win", "compute[j] <= compute[i] and", "compute[j] >= compute[i] and"),
    ], []),
    ("training_compute", """
def f(config, epochs, images, core_days, peak):
    t, d, m = config.num_tokens, config.width, config.mlp_dim
    macs = config.num_patches * config.patch_size ** 2 * config.channels * d
    macs += config.depth * (t * (4 * d * d + 2 * d * m) + 2 * t * t * d)
    macs += d * config.num_classes
    flops = macs * 2 * 3 * images * epochs
    seconds = core_days * 24 * 60 * 60
    return flops / 1e18, flops / seconds / (peak * 1e12)
""", [
        ("forward only", "macs * 2 * 3", "macs * 2"),
        ("macs, not flops", "macs * 2 * 3", "macs * 3"),
        ("hours", "24 * 60 * 60", "24 * 60"),
        ("percent", "flops / seconds / (peak * 1e12)", "100 * flops / seconds / (peak * 1e12)"),
        ("patch embedding forgotten", "macs = config.num_patches * config.patch_size ** 2 * config.channels * d", "macs = 0"),
        ("peak in flops", "(peak * 1e12)", "peak"),
        ("exchanged", "return flops / 1e18, flops / seconds / (peak * 1e12)", "return flops / seconds / (peak * 1e12), flops / 1e18"),
    ], [(0, 2)]),
    ("disagreements", """
def f(first, second, unit):
    out = np.zeros(first.shape, dtype=bool)
    for i in np.ndindex(first.shape):
        if not (np.isnan(first[i]) or np.isnan(second[i])):
            out[i] = abs(first[i] - second[i]) > unit / 2
    return out
""", [
        ("a whole unit", "unit / 2", "unit"),
        ("any difference", "> unit / 2", "> 0"),
        ("agreements", "> unit / 2", "<= unit / 2"),
        ("nan disagrees", "if not (np.isnan(first[i]) or np.isnan(second[i])):\\n            out[i] = abs(first[i] - second[i]) > unit / 2",
         "if True:\\n            out[i] = not abs(first[i] - second[i]) <= unit / 2"),
        ("no absolute value", "abs(first[i] - second[i])", "(first[i] - second[i])"),
    ], []),
    ("noisy_student_loss", """
def f(logits, labels, unlabelled_logits, teacher, ratio, smoothing):
    def logp(a):
        return a - np.log(np.exp(a).sum(-1))[:, None]
    B, K = logits.shape
    y = np.full((B, K), smoothing / K)
    y[np.arange(B), labels] += 1 - smoothing
    a = -np.mean(np.sum(y * logp(logits), axis=1))
    b = -np.mean(np.sum(teacher * logp(unlabelled_logits), axis=1))
    return a + ratio * b
""", [
        ("hard labels of the teacher", "teacher * logp(", "np.eye(K)[teacher.argmax(1)] * logp("),
        ("ratio forgotten", "a + ratio * b", "a + b"),
        ("ratio on the labelled", "a + ratio * b", "ratio * a + b"),
        ("no smoothing", "y = np.full((B, K), smoothing / K)\\n    y[np.arange(B), labels] += 1 - smoothing", "y = np.eye(K)[labels]"),
        ("summed over unlabelled", "b = -np.mean(np.sum(teacher", "b = -np.sum(np.sum(teacher"),
        ("mixed", "a + ratio * b", "(1 - ratio) * a + ratio * b"),
        ("divided by the sum", "a + ratio * b", "(a + ratio * b) / (1 + ratio)"),
    ], [(1, 3)]),
    ("agreement", """
def f(logits, moved):
    same = 0
    for a, b in zip(logits, moved):
        same += int(np.argmax(a) == np.argmax(b))
    return same / len(logits)
""", [
        ("count", "same / len(logits)", "same"),
        ("disagreement", "== np.argmax(b)", "!= np.argmax(b)"),
        ("percent", "same / len(logits)", "100 * same / len(logits)"),
        ("by classes", "len(logits)", "logits.shape[1]"),
        ("argmin of one", "np.argmax(b)", "np.argmin(b)"),
    ], []),
    ("permuted_filters", """
def f(weight, order):
    D, n = weight.shape
    pp = len(order)
    new = np.zeros_like(weight)
    for c in range(n // pp):
        for s in range(pp):
            new[:, c * pp + s] = weight[:, c * pp + order[s]]
    return new
""", [
        ("inverse", "new[:, c * pp + s] = weight[:, c * pp + order[s]]", "new[:, c * pp + order[s]] = weight[:, c * pp + s]"),
        ("first channel only", "range(n // pp)", "range(1)"),
        ("channels last", "new[:, c * pp + s] = weight[:, c * pp + order[s]]", "new[:, s * (n // pp) + c] = weight[:, order[s] * (n // pp) + c]"),
    ], []),
    ("drop_squares", """
def f(images, P, dropped):
    out = images.copy()
    mean = images.mean(axis=(0, 2, 3))
    n, C, H, W = images.shape
    for i in range(n):
        for s in range(dropped.shape[1]):
            if dropped[i, s]:
                y, x = s // (W // P) * P, s % (W // P) * P
                out[i, :, y:y + P, x:x + P] = mean[:, None, None]
    return out
""", [
        ("black", "= mean[:, None, None]", "= 0"),
        ("one grey for all channels", "images.mean(axis=(0, 2, 3))", "np.full(images.shape[1], images.mean())"),
        ("mean of each image", "= mean[:, None, None]", "= images[i].mean(axis=(1, 2))[:, None, None]"),
        ("kept", "if dropped[i, s]", "if not dropped[i, s]"),
        ("column by column", "s // (W // P) * P, s % (W // P) * P", "s % (H // P) * P, s // (H // P) * P"),
        ("all images alike", "if dropped[i, s]", "if dropped[0, s]"),
    ], [(0, 3)]),
    ("commuting_part", """
def f(M, orders):
    part = np.zeros(M.shape)
    for o in orders:
        part += M[o][:, o]
    return part / len(orders)
""", [
        ("sum", "part / len(orders)", "part"),
        ("rows only", "M[o][:, o]", "M[o]"),
        ("divided by n", "len(orders)", "len(M)"),
        ("columns only", "M[o][:, o]", "M[:, o]"),
        ("inverse on one side", "M[o][:, o]", "M[o][:, np.argsort(o)]"),
    ], []),
    ("stream_numbers", """
def f(seed, ids, count):
    out = np.zeros((len(ids), count))
    for r, i in enumerate(ids):
        out[r] = np.random.default_rng([seed, i]).random(size=count)
    return out
""", [
        ("by row", "[seed, i]", "[seed, r]"),
        ("order of the seed", "[seed, i]", "[i, seed]"),
        ("added", "[seed, i]", "seed + i"),
        ("seed forgotten", "[seed, i]", "i"),
        ("normal", ".random(size=count)", ".standard_normal(count)"),
    ], []),
    ("passes", """
def f(sizes, steps, batch_size):
    seen, different = [], []
    for n in sizes:
        b = min(n, batch_size)
        seen.append(steps * b / n)
        different.append(min(n, steps * b))
    return np.array(seen), np.array(different)
""", [
        ("batch not limited", "b = min(n, batch_size)", "b = batch_size"),
        ("seen in all", "min(n, steps * b)", "steps * b"),
        ("whole passes", "steps * b / n", "steps * b // n"),
        ("exchanged", "return np.array(seen), np.array(different)", "return np.array(different), np.array(seen)"),
        ("all are seen", "min(n, steps * b)", "n"),
        ("turned", "steps * b / n", "n / (steps * b)"),
    ], []),
    ("stopped_early", """
def f(held_out, test):
    out = []
    for h, t in zip(held_out, test):
        best = 0
        for c in range(len(h)):
            if h[c] > h[best]:
                best = c
        out.append(t[best])
    return np.array(out)
""", [
        ("last of equals", "h[c] > h[best]", "h[c] >= h[best]"),
        ("best test", "h[c] > h[best]", "t[c] > t[best]"),
        ("lowest", "h[c] > h[best]", "h[c] < h[best]"),
        ("held-out returned", "t[best]", "h[best]"),
        ("last look", "t[best]", "t[-1]"),
        ("the look itself", "t[best]", "best"),
    ], []),
    ("paired_difference", """
def f(first, second):
    diff = np.subtract(first, second)
    n = diff.shape[1]
    mean = diff.sum(axis=1) / n
    var = ((diff.T - mean) ** 2).sum(axis=0) / (n - 1)
    return mean, np.sqrt(var / n)
""", [
        ("biased", "/ (n - 1)", "/ n"),
        ("deviation", "np.sqrt(var / n)", "np.sqrt(var)"),
        ("sign", "np.subtract(first, second)", "np.subtract(second, first)"),
        ("independent", "np.sqrt(var / n)", "np.sqrt((first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / n)"),
        ("by n", "np.sqrt(var / n)", "np.sqrt(var) / n"),
        ("absolute", "diff = np.subtract(first, second)", "diff = np.abs(first - second)"),
    ], [(0, 2)]),
    ("crossing", """
def f(sizes, difference, error, r):
    behind = None
    for i in range(len(sizes)):
        if difference[i] < -r * error[i]:
            behind = sizes[i]
        if difference[i] > r * error[i] and behind is not None:
            return behind, sizes[i]
    return 0, 0
""", [
        ("no errors", "-r * error[i]", "0"),
        ("first behind", "if difference[i] < -r * error[i]:", "if difference[i] < -r * error[i] and behind is None:"),
        ("no need of one behind", " and behind is not None", ""),
        ("exchanged", "return behind, sizes[i]", "return sizes[i], behind"),
        ("positions", "return behind, sizes[i]", "return list(sizes).index(behind), i"),
        ("one error", "r * error[i] and", "error[i] and"),
    ], []),
    ("many_linear_step", """
def f(W, x, y, lr):
    e = np.einsum("koi,bi->kbo", W, x) - y[None]
    g = np.einsum("kbo,bi->koi", e, x) / x.shape[0]
    return W - lr.reshape(-1, 1, 1) * g
""", [
        ("sum over the batch", " / x.shape[0]", ""),
        ("plus", "W - lr", "W + lr"),
        ("twice", "g = np", "g = 2 * np"),
        ("divided by all", "x.shape[0]", "y.size"),
        ("gradient returned", "return W - lr.reshape(-1, 1, 1) * g", "return g"),
    ], [(0, 1)]),
    ("coupled_adam_step", """
def f(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    g2 = g + weight_decay * w
    m = m + (1 - beta1) * (g2 - m)
    v = v + (1 - beta2) * (g2 * g2 - v)
    mh = m / (1 - np.power(beta1, t))
    vh = v / (1 - np.power(beta2, t))
    w = w - lr * mh / (np.sqrt(vh) + eps)
    return w, m, v
""", [
        ("decoupled", "g2 = g + weight_decay * w", "g2 = g + 0 * w\\n    w = w - lr * weight_decay * w"),
        ("decay only in m", "(g2 * g2 - v)", "(g * g - v)"),
        ("lr in the decay", "weight_decay * w", "lr * weight_decay * w"),
        ("minus", "g + weight_decay * w", "g - weight_decay * w"),
        ("eps inside", "(np.sqrt(vh) + eps)", "np.sqrt(vh + eps)"),
        ("no correction", "vh = v / (1 - np.power(beta2, t))", "vh = v"),
        ("t from zero", "np.power(beta1, t)", "np.power(beta1, t + 1)"),
    ], [(4, 3)]),
    ("equal_rate", """
def f(base, steps, warmup_steps, decay):
    from vitedu_numpy.schedule import learning_rate
    def total(peak, warm):
        return sum(learning_rate(s, base=peak, total_steps=steps, warmup_steps=warm, decay=decay) for s in range(steps))
    return base * total(1.0, 0) / total(1.0, warmup_steps)
""", [
        ("upside down", "total(1.0, 0) / total(1.0, warmup_steps)", "total(1.0, warmup_steps) / total(1.0, 0)"),
        ("warm-up's steps cut", "    return base * total(1.0, 0) / total(1.0, warmup_steps)", "    return base * steps / (steps - warmup_steps)"),
        ("base left out", "return base * total", "return total"),
        ("one step more", "range(steps)", "range(steps - 1)"),
    ], []),
    ("newton_schulz", """
def f(M, steps):
    X = M / np.sqrt((M ** 2).sum())
    k = 0
    while k < steps:
        S = X @ X.T
        X = 3.4445 * X - 4.7750 * S @ X + 2.0315 * S @ S @ X
        k += 1
    return X
""", [
        ("not normed", "M / np.sqrt((M ** 2).sum())", "M"),
        ("by the largest", "np.sqrt((M ** 2).sum())", "np.abs(M).max()"),
        ("spectral length", "np.sqrt((M ** 2).sum())", "np.linalg.norm(M, 2)"),
        ("sign of b", "- 4.7750", "+ 4.7750"),
        ("one step more", "while k < steps", "while k <= steps"),
        ("no root", "np.sqrt((M ** 2).sum())", "(M ** 2).sum()"),
    ], []),
    ("attention_distance", """
def f(A, gh, gw, P):
    h = A.shape[0]
    out = np.zeros(h)
    N = gh * gw
    ys, xs = np.arange(N) // gw, np.arange(N) % gw
    d = np.sqrt((ys[:, None] - ys[None]) ** 2 + (xs[:, None] - xs[None]) ** 2)
    for i in range(h):
        out[i] = (A[i, 1:, 1:] * d).sum() / N
    return out * P
""", [
        ("patches, not pixels", "out * P", "out"),
        ("class token as a patch", "A[i, 1:, 1:]", "A[i, :-1, :-1]"),
        ("manhattan", "np.sqrt((ys[:, None] - ys[None]) ** 2 + (xs[:, None] - xs[None]) ** 2)", "np.abs(ys[:, None] - ys[None]) + np.abs(xs[:, None] - xs[None])"),
        ("sum", ".sum() / N", ".sum()"),
        ("mean over all", ".sum() / N", ".mean()"),
        ("grid turned", "np.arange(N) // gw, np.arange(N) % gw", "np.arange(N) // gh, np.arange(N) % gh"),
        ("renormalised", "(A[i, 1:, 1:] * d).sum() / N", "(A[i, 1:, 1:] * d).sum() / A[i, 1:, 1:].sum()"),
        ("no root", "np.sqrt((ys[:, None] - ys[None]) ** 2 + (xs[:, None] - xs[None]) ** 2)", "((ys[:, None] - ys[None]) ** 2 + (xs[:, None] - xs[None]) ** 2)"),
    ], [(0, 5)]),
    ("rollout", """
def f(A):
    L, h, T, _ = A.shape
    R = np.identity(T)
    for l in range(L):
        M = sum(A[l, i] for i in range(h)) / h
        R = (0.5 * M + 0.5 * np.identity(T)) @ R
    return R
""", [
        ("other side", "(0.5 * M + 0.5 * np.identity(T)) @ R", "R @ (0.5 * M + 0.5 * np.identity(T))"),
        ("no identity", "(0.5 * M + 0.5 * np.identity(T)) @ R", "M @ R"),
        ("not halved", "(0.5 * M + 0.5 * np.identity(T))", "(M + np.identity(T))"),
        ("heads added", "range(h)) / h", "range(h))"),
        ("blocks backwards", "for l in range(L)", "for l in reversed(range(L))"),
        ("last block left out", "for l in range(L)", "for l in range(L - 1)"),
        ("maximum over heads", "sum(A[l, i] for i in range(h)) / h", "A[l].max(axis=0)"),
    ], [(2, 3)]),
    ("position_similarity", """
def f(E_pos, gh, gw):
    E = E_pos[1:]
    dots = E @ E.T
    lengths = np.sqrt(np.diag(dots))
    return (dots / np.outer(lengths, lengths)).reshape(gh, gw, gh, gw)
""", [
        ("not normed", "(dots / np.outer(lengths, lengths))", "dots"),
        ("normed once", "np.outer(lengths, lengths)", "lengths[:, None]"),
        ("last row cut", "E_pos[1:]", "E_pos[:-1]"),
        ("squared lengths", "np.sqrt(np.diag(dots))", "np.diag(dots)"),
        ("grid turned", "reshape(gh, gw, gh, gw)", "reshape(gw, gh, gw, gh).transpose(1, 0, 3, 2)"),
    ], []),
    ("logit_lens", """
def f(streams, g, b, weight, bias):
    out = []
    for s in streams:
        c = s[0] - s[0].mean()
        n = c / np.sqrt((c ** 2).mean() + 1e-6) * g + b
        out.append(weight @ n + bias)
    return np.array(out)
""", [
        ("no norm", "c / np.sqrt((c ** 2).mean() + 1e-6) * g + b", "s[0]"),
        ("mean of tokens", "c = s[0] - s[0].mean()", "c = s.mean(0) - s.mean(0).mean()"),
        ("last token", "s[0] - s[0].mean()", "s[-1] - s[-1].mean()"),
        ("bias forgotten", "weight @ n + bias", "weight @ n"),
        ("scale forgotten", " * g + b", " + b"),
        ("shift forgotten", " * g + b", " * g"),
        ("not centred", "c = s[0] - s[0].mean()", "c = s[0]"),
    ], [(3, 4)]),
    ("tubelets", """
def f(videos, tubelet_length, patch_size):
    B, F, C, H, W = videos.shape
    rows = []
    for t in range(0, F, tubelet_length):
        for y in range(0, H, patch_size):
            for x in range(0, W, patch_size):
                rows.append(videos[:, t:t + tubelet_length, :, y:y + patch_size, x:x + patch_size].reshape(B, -1))
    return np.stack(rows, 1)
""", [
        ("channels before frames", "x:x + patch_size].reshape", "x:x + patch_size].swapaxes(1, 2).reshape"),
        ("places first, then time", "for t in range(0, F, tubelet_length):\\n        for y in range(0, H, patch_size):\\n            for x in range(0, W, patch_size):", "for y in range(0, H, patch_size):\\n        for x in range(0, W, patch_size):\\n            for t in range(0, F, tubelet_length):"),
        ("first frame of each only", "t:t + tubelet_length", "t:t + 1"),
        ("stacked in front", "np.stack(rows, 1)", "np.stack(rows, 0)"),
    ], []),
    ("inflated_filters", """
def f(E, tubelet_length):
    return np.tile(E / tubelet_length, (1, tubelet_length))
""", [
        ("not divided", "E / tubelet_length", "E"),
        ("repeat", "np.tile(E / tubelet_length, (1, tubelet_length))", "np.repeat(E / tubelet_length, tubelet_length, axis=1)"),
        ("root", "E / tubelet_length", "E / tubelet_length ** 0.5"),
    ], []),
    ("asked_pairs", """
def f(frames, tubelet_length, image_size, patch_size):
    s = frames // tubelet_length
    n = image_size // patch_size
    n = n * n
    joint = (s * n) * (s * n)
    return joint, s * n * n + n * s * s
""", [
        ("not squared places", "    n = n * n\\n", ""),
        ("space only", "s * n * n + n * s * s", "s * n * n"),
        ("product", "s * n * n + n * s * s", "n * n + s * s"),
        ("frames, not slices", "frames // tubelet_length", "frames"),
        ("exchanged", "return joint, s * n * n + n * s * s", "return s * n * n + n * s * s, joint"),
    ], []),
    ("time_attention", """
def f(q, k, v, slices):
    B, T, D = q.shape
    N = T // slices
    y = np.zeros_like(v)
    for p in range(N):
        at = slice(p, None, N)
        s = q[:, at] @ k[:, at].transpose(0, 2, 1) / math.sqrt(D)
        e = np.exp(s)
        y[:, at] = e / e.sum(axis=2, keepdims=True) @ v[:, at]
    return y
""", [
        ("through space", "at = slice(p, None, N)", "at = slice(p // slices * slices, p // slices * slices + slices)"),
        ("scale by slices", "math.sqrt(D)", "math.sqrt(slices)"),
        ("scale forgotten", " / math.sqrt(D)", ""),
        ("normed over queries", "e.sum(axis=2", "e.sum(axis=1"),
    ], [(2, 3)]),
    ("space_positions_backward", """
def f(dx, num_patches):
    B, T, D = dx.shape
    g = np.zeros((num_patches, D))
    for s in range(0, T, num_patches):
        g += dx[:, s:s + num_patches].sum(axis=0)
    return g
""", [
        ("first slice", "range(0, T, num_patches)", "range(0, 1)"),
        ("mean over videos", "sum(axis=0)", "mean(axis=0)"),
        ("overwritten", "g += dx", "g = dx"),
        ("mean over slices", "return g", "return g / (T // num_patches)"),
    ], []),
]  # fmt: skip
