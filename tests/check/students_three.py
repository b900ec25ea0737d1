ANSWERS = [
    ("num_tokens", """
def f(height, width, patch_size):
    patches = (height * width) // patch_size ** 2
    return patches + 1
""", [
        ("no class token", "patches + 1", "patches"),
        ("patch side not squared", "patch_size ** 2", "patch_size"),
        ("height twice", "height * width", "height * height"),
    ], []),
    ("vit_parameters", """
def f(config):
    D = config.width
    patch_in = config.channels * config.patch_size ** 2
    attention = 4 * D ** 2 + 4 * D
    mlp = D * config.mlp_dim + config.mlp_dim + config.mlp_dim * D + D
    total = patch_in * D + D + config.depth * (attention + mlp + 2 * 2 * D) + 2 * D
    if config.classifier == "token":
        total = total + D
    if config.position_embedding == "1d":
        total = total + (config.num_patches + (config.classifier == "token")) * D
    return total + D * config.num_classes + config.num_classes
""", [
        ("attention's biases forgotten", "4 * D ** 2 + 4 * D", "4 * D ** 2"),
        ("mlp's biases forgotten", "D * config.mlp_dim + config.mlp_dim + config.mlp_dim * D + D", "D * config.mlp_dim + config.mlp_dim * D"),
        ("norms have one vector", "2 * 2 * D)", "2 * D)"),
        ("patch bias forgotten", "patch_in * D + D +", "patch_in * D +"),
        ("positions for the token always", '(config.classifier == "token")) * D', "1) * D"),
        ("output layer forgotten", "4 * D ** 2 + 4 * D", "3 * D ** 2 + 3 * D"),
        ("depth forgotten", "config.depth * (attention", "(attention"),
    ], [(0, 3), (1, 2)]),
    ("unpatchify", """
def f(patches, image_shape, patch_size):
    B, C, H, W = image_shape
    P = patch_size
    x = patches.reshape(B, H // P, W // P, C, P, P)
    x = np.einsum("bhwcpq->bchpwq", x)
    return x.reshape(image_shape)
""", [
        ("grid sides exchanged", "reshape(B, H // P, W // P, C, P, P)", "reshape(B, W // P, H // P, C, P, P)"),
        ("pixels and grid not interleaved", "bchpwq", "bchwpq"),
        ("p and q exchanged", "bchpwq", "bchqwp"),
        ("channels last in a patch", "reshape(B, H // P, W // P, C, P, P)\\n    x = np.einsum(\"bhwcpq", "reshape(B, H // P, W // P, P, P, C)\\n    x = np.einsum(\"bhwpqc"),
    ], []),
    ("patch_embedding_backward", """
def f(dx, images, weight, patch_size):
    p = patchify(images, patch_size)[0].reshape(-1, weight.shape[1])
    d = dx.reshape(-1, weight.shape[0])
    dimages = unpatchify((d @ weight).reshape(dx.shape[0], dx.shape[1], -1), images.shape, patch_size)
    return dimages, d.T @ p, d.sum(0)
""", [
        ("weight gradient turned", "d.T @ p", "(d.T @ p).T"),
        ("mean over patches and images", "d.T @ p, d.sum(0)", "d.T @ p / len(d), d.sum(0) / len(d)"),
        ("bias over the wrong axis", "d.sum(0)", "d.sum(1)"),
        ("only the bias averaged", "d.sum(0)", "d.mean(0)"),
    ], []),
    ("central_difference", """
def f(func, x, h):
    grad = np.zeros(x.shape)
    it = np.nditer(x, flags=["multi_index"])
    for _ in it:
        i = it.multi_index
        plus, minus = x.copy(), x.copy()
        plus[i] = plus[i] + h
        minus[i] = minus[i] - h
        grad[i] = (func(plus) - func(minus)) / h / 2
    return grad
""", [
        ("not divided by two", "/ h / 2", "/ h"),
        ("minus not stepped", "minus[i] - h", "minus[i]"),
        ("sign", "func(plus) - func(minus)", "func(minus) - func(plus)"),
        ("sum", "func(plus) - func(minus)", "func(plus) + func(minus)"),
        ("not divided by h", "/ h / 2", "/ 2"),
    ], []),
    ("softmax_backward", """
def f(dA, A):
    dot = np.sum(dA * A, axis=-1, keepdims=True)
    return A * dA - A * dot
""", [
        ("wrong axis", "axis=-1", "axis=0"),
        ("dot of A with itself", "dA * A,", "A * A,"),
        ("no A in the first", "A * dA - ", "dA - "),
        ("mean", "np.sum", "np.mean"),
        ("A squared in the second", "A * dot", "A * A * dot"),
    ], [(2, 3)]),
    ("split_heads", """
def f(x, heads):
    B, T, D = x.shape
    y = x.reshape(B, T, heads, D // heads)
    return np.swapaxes(y, 1, 2)
""", [
        ("not swapped", "    return np.swapaxes(y, 1, 2)", "    return y"),
        ("heads and features exchanged", "heads, D // heads", "D // heads, heads"),
        ("wrong axes swapped", "np.swapaxes(y, 1, 2)", "np.swapaxes(y, 2, 3)"),
    ], []),
    ("attention_backward", """
def f(dy, q, k, v):
    n = q.shape[-1] ** 0.5
    A = softmax(np.einsum("bhtd,bhsd->bhts", q, k) / n)[0]
    gv = np.einsum("bhts,bhtd->bhsd", A, dy)
    gA = np.einsum("bhtd,bhsd->bhts", dy, v)
    gS = gA * A - A * (gA * A).sum(axis=-1)[..., None]
    gS = gS / n
    return gS @ k, np.einsum("bhts,bhtd->bhsd", gS, q), gv
""", [
        ("scale forgotten on the way back", "    gS = gS / n\\n", ""),
        ("scaled up", "gS / n", "gS * n"),
        ("A forgotten in the second term", "- A * (gA * A)", "- (gA * A)"),
        ("dq and dk exchanged", "return gS @ k, np.einsum(\"bhts,bhtd->bhsd\", gS, q), gv", "return np.einsum(\"bhts,bhtd->bhsd\", gS, q), gS @ k, gv"),
        ("dv from the scores' gradient", 'gv = np.einsum("bhts,bhtd->bhsd", A, dy)', 'gv = np.einsum("bhts,bhtd->bhsd", q @ k.swapaxes(-1, -2), dy)'),
        ("plus", "gA * A - A", "gA * A + A"),
    ], [(0, 2)]),
    ("gelu_backward", """
def f(dy, x):
    cdf = np.array([0.5 * math.erfc(-a / math.sqrt(2)) for a in x.ravel()]).reshape(x.shape)
    pdf = 1 / np.sqrt(2 * np.pi) * np.exp(-x * x / 2)
    return (cdf + x * pdf) * dy
""", [
        ("dy forgotten", " * dy", ""),
        ("product rule half", "(cdf + x * pdf)", "(x * pdf)"),
        ("no half in the exponent", "np.exp(-x * x / 2)", "np.exp(-x * x)"),
        ("sign in the exponent", "np.exp(-x * x / 2)", "np.exp(x * x / 2)"),
        ("pdf without constant", "1 / np.sqrt(2 * np.pi) * ", ""),
    ], [(1, 2)]),
    ("block_backward", """
def f(dz_out, norm1_backward, attention_backward, norm2_backward, mlp_backward):
    dz = dz_out.copy()
    dz += norm2_backward(mlp_backward(dz))
    dz += norm1_backward(attention_backward(dz))
    return dz
""", [
        ("starts at zero", "dz = dz_out.copy()\\n    dz += norm2_backward(mlp_backward(dz))", "dz = norm2_backward(mlp_backward(dz_out))"),
        ("halves in forward order", "dz += norm2_backward(mlp_backward(dz))\\n    dz += norm1_backward(attention_backward(dz))", "dz += norm1_backward(attention_backward(dz))\\n    dz += norm2_backward(mlp_backward(dz))"),
        ("second norm forgotten", "norm2_backward(mlp_backward(dz))", "mlp_backward(dz)"),
        ("attention from the top", "attention_backward(dz)", "attention_backward(dz_out)"),
    ], []),
    ("pool", """
def f(encoded, classifier):
    if classifier == "token":
        return encoded[:, 0]
    elif classifier == "gap":
        return np.mean(encoded, 1)
""", [
        ("over the features", "np.mean(encoded, 1)", "np.mean(encoded, 2)"),
        ("first image", "encoded[:, 0]", "encoded[0]"),
        ("gap leaves out a token", "np.mean(encoded, 1)", "np.mean(encoded[:, 1:], 1)"),
        ("one case forgotten", 'return np.mean(encoded, 1)', "pass"),
    ], []),
    ("shuffle_positions", """
def f(E_pos, order):
    new = E_pos.copy()
    for n in range(len(order)):
        new[n + 1] = E_pos[order[n] + 1]
    return new
""", [
        ("token counted", "E_pos[order[n] + 1]", "E_pos[order[n]]"),
        ("inverse", "new[n + 1] = E_pos[order[n] + 1]", "new[order[n] + 1] = E_pos[n + 1]"),
        ("written from row 0", "new[n + 1]", "new[n]"),
    ], []),
    ("clip", """
def f(gradients, max_norm):
    norm = np.linalg.norm([np.linalg.norm(g) for g in gradients])
    scale = min(1.0, max_norm / norm)
    return [scale * g for g in gradients]
""", [
        ("max", "min(1.0, max_norm / norm)", "max(1.0, max_norm / norm)"),
        ("upside down", "max_norm / norm", "norm / max_norm"),
        ("sum of norms", "np.linalg.norm([np.linalg.norm(g) for g in gradients])", "sum([np.linalg.norm(g) for g in gradients])"),
        ("clipped by value", "[scale * g for g in gradients]", "[np.clip(g, -max_norm, max_norm) for g in gradients]"),
        ("no bound", "min(1.0, max_norm / norm)", "max_norm / norm"),
    ], []),
    ("sgd_step", """
def f(w, g, v, lr, momentum):
    v = v * momentum
    v = v + g
    w = w - lr * v
    return w, v
""", [
        ("momentum forgotten", "    v = v * momentum\\n", ""),
        ("lr in v", "v = v + g\\n    w = w - lr * v", "v = v + lr * g\\n    w = w - v"),
        ("g decays too", "v = v * momentum\\n    v = v + g", "v = v + g\\n    v = v * momentum"),
        ("v, w", "return w, v", "return v, w"),
        ("one minus", "v = v + g", "v = v + (1 - momentum) * g"),
    ], [(4, 3)]),
    ("gap_head_backward", """
def f(dlogits, encoded, weight):
    B, T, D = encoded.shape
    pooled = encoded.sum(axis=1) / T
    dW = dlogits.T @ pooled
    db = dlogits.sum(axis=0)
    dz = np.ones((B, T, D)) * (dlogits @ weight)[:, None, :] / T
    return dz, dW, db
""", [
        ("T forgotten in dz", "[:, None, :] / T", "[:, None, :]"),
        ("T forgotten in pooled", "encoded.sum(axis=1) / T", "encoded.sum(axis=1)"),
        ("dW turned", "dlogits.T @ pooled", "pooled.T @ dlogits"),
        ("bias over classes", "dlogits.sum(axis=0)", "dlogits.sum(axis=1)"),
        ("order", "return dz, dW, db", "return dW, db, dz"),
    ], [(0, 1), (0, 2)]),
    ("chain_backward", """
def f(x, W1, W2, dy):
    h = np.maximum(x @ W1.T, 0)
    y = np.tanh(h @ W2.T)
    g = dy * (1 - np.square(y))
    gW2 = np.einsum("bo,bj->oj", g, h)
    gh = np.where(h > 0, g @ W2, 0)
    gW1 = np.einsum("bj,bi->ji", gh, x)
    return gh @ W1, gW1, gW2
""", [
        ("tanh's slope from the gradient", "np.square(y)", "np.square(dy)"),
        ("gate >= 0", "np.where(h > 0,", "np.where(h >= 0,"),
        ("gW2 before tanh's slope", '"bo,bj->oj", g, h', '"bo,bj->oj", dy, h'),
        ("gW1 without the gate", '"bj,bi->ji", gh, x', '"bj,bi->ji", g @ W2, x'),
    ], []),
    ("groupnorm", """
def f(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    out = np.empty_like(x)
    n = C // groups
    for b in range(B):
        for g in range(groups):
            part = x[b, g * n:(g + 1) * n]
            out[b, g * n:(g + 1) * n] = (part - part.mean()) / np.sqrt(part.var() + eps)
    return out * weight.reshape(1, C, 1, 1) + bias.reshape(1, C, 1, 1)
""", [
        ("std plus eps", "np.sqrt(part.var() + eps)", "(part.std() + eps)"),
        ("weight forgotten", "out * weight.reshape(1, C, 1, 1) + ", "out + "),
        ("channels normed one by one", "part.mean()) / np.sqrt(part.var() + eps)", "part.mean((1, 2), keepdims=True)) / np.sqrt(part.var((1, 2), keepdims=True) + eps)"),
        ("mean not subtracted", "(part - part.mean())", "part"),
        ("variance without a root", "np.sqrt(part.var() + eps)", "(part.var() + eps)"),
    ], [(1, 3)]),
    ("hybrid_tokens", """
def f(image_hw, blocks, patch_size):
    factor = 4 * 2 ** max(0, len(blocks) - 1)
    rows = -(-image_hw[0] // factor) // patch_size
    cols = -(-image_hw[1] // factor) // patch_size
    return rows * cols + 1
""", [
        ("stages all halve", "len(blocks) - 1", "len(blocks)"),
        ("root halves by two", "4 * 2 **", "2 * 2 **"),
        ("no token", "rows * cols + 1", "rows * cols"),
        ("units counted", "len(blocks) - 1", "sum(blocks) - 1"),
        ("rounded down", "-(-image_hw[1] // factor)", "image_hw[1] // factor"),
    ], []),
    ("decoder_mask", """
def f(target, pad):
    T = target.shape[1]
    causal = np.tril(np.ones((T, T), dtype=bool))
    real = (target != pad)[:, None, None, :]
    return causal[None, None] & real
""", [
        ("upper", "np.tril", "np.triu"),
        ("or", "causal[None, None] & real", "causal[None, None] | real"),
        ("padding's rows", "[:, None, None, :]", "[:, None, :, None]"),
        ("without the diagonal", "dtype=bool))", "dtype=bool), -1)"),
        ("no heads' axis", "(target != pad)[:, None, None, :]\\n    return causal[None, None] & real", "(target != pad)[:, None, :]\\n    return causal[None] & real"),
    ], []),
    ("unit_parameters", """
def f(in_channels, width, stride):
    convs = in_channels * width + 9 * width * width + 4 * width * width
    norms = 2 * (in_channels + 2 * width)
    shortcut = 0
    if stride > 1 or in_channels != 4 * width:
        shortcut = in_channels * 4 * width
    return convs + norms + shortcut
""", [
        ("three by three once", "9 * width", "3 * width"),
        ("norm of the shortcut", "shortcut = in_channels * 4 * width", "shortcut = in_channels * 4 * width + 8 * width"),
        ("never a projection", "stride > 1 or in_channels != 4 * width", "False"),
        ("and", "stride > 1 or", "stride > 1 and"),
        ("norms of the outputs", "in_channels + 2 * width)", "2 * width + 4 * width)"),
    ], []),
    ("block_activations", """
def f(tokens, width, heads, mlp_dim):
    T, D = tokens, width
    norms = 2 * (T * D + 2 * T)
    attention = T * D + 3 * T * D + T * D + heads * T
    mlp = T * D + T * mlp_dim
    return norms + attention + mlp
""", [
        ("one norm", "2 * (T * D", "1 * (T * D"),
        ("heads' numbers forgotten", " + heads * T", ""),
        ("mlp's input forgotten", "T * D + T * mlp_dim", "T * mlp_dim"),
        ("heads' tables", "heads * T", "heads * T * T"),
        ("norms keep one number a token", "T * D + 2 * T)", "T * D + T)"),
    ], []),
    ("official_patches", """
def f(kernel):
    P, _, C, D = kernel.shape
    w = np.zeros((D, C, P, P))
    for i in range(P):
        for j in range(P):
            w[:, :, i, j] = kernel[i, j].T
    return w.reshape(D, -1)
""", [
        ("i and j exchanged", "w[:, :, i, j]", "w[:, :, j, i]"),
        ("channels last", "return w.reshape(D, -1)", "return w.transpose(0, 2, 3, 1).reshape(D, -1)"),
        ("turned", "return w.reshape(D, -1)", "return w.reshape(D, -1).T"),
        ("not flattened", "return w.reshape(D, -1)", "return w"),
    ], []),
    ("decoupled_decay", """
def f(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    w = weight - lr * (dweight / root_weight + weight_decay * weight)
    b = bias - lr * dbias / root_bias
    return w, b
""", [
        ("bias decays too", "lr * dbias / root_bias", "lr * (dbias / root_bias + weight_decay * bias)"),
        ("decay divided by the root", "(dweight / root_weight + weight_decay * weight)", "(dweight + weight_decay * weight) / root_weight"),
        ("decay without lr", "- lr * (dweight / root_weight + weight_decay * weight)", "- lr * dweight / root_weight - weight_decay * weight"),
        ("no decay", " + weight_decay * weight", ""),
        ("roots exchanged for products", "dbias / root_bias", "dbias * root_bias"),
    ], [(2, 0)]),
    ("zero_head_gradients", """
def f(y, labels, num_classes):
    B, D = y.shape
    dW, db = np.zeros((num_classes, D)), np.zeros(num_classes)
    for b in range(B):
        for k in range(num_classes):
            g = 1 / num_classes - (labels[b] == k)
            dW[k] += g * y[b] / B
            db[k] += g / B
    return dW, db, np.zeros((B, D))
""", [
        ("sum", "g * y[b] / B", "g * y[b]"),
        ("sign", "1 / num_classes - (labels[b] == k)", "(labels[b] == k) - 1 / num_classes"),
        ("by classes", "g / B", "g / num_classes"),
        ("dy of ones", "np.zeros((B, D))", "np.ones((B, D))"),
    ], []),
    ("ridge_primal", """
def f(X, Y, l2):
    D = X.shape[1]
    A = np.zeros((D, D))
    for x in X:
        A += np.outer(x, x)
    A += l2 * np.identity(D)
    return np.linalg.pinv(A) @ (X.T @ Y)
""", [
        ("no ridge", "    A += l2 * np.identity(D)\\n", ""),
        ("ridge everywhere", "l2 * np.identity(D)", "l2"),
        ("ridge squared", "l2 * np", "l2 ** 2 * np"),
        ("mean", "np.outer(x, x)", "np.outer(x, x) / len(X)"),
        ("half", "l2 * np", "l2 / 2 * np"),
    ], []),
    ("drop_squares", """
def f(images, P, dropped):
    n, C, H, W = images.shape
    keep = np.kron(dropped.reshape(n, H // P, W // P), np.ones((P, P))) > 0
    colour = images.transpose(1, 0, 2, 3).reshape(C, -1).mean(1)
    return np.where(keep[:, None], colour[None, :, None, None], images)
""", [
        ("turned", "colour[None, :, None, None], images)", "images, colour[None, :, None, None])"),
        ("median", ".mean(1)", ".max(1)"),
        ("grid turned", "reshape(n, H // P, W // P)", "reshape(n, W // P, H // P).swapaxes(1, 2)"),
        ("first image's colour", "images.transpose(1, 0, 2, 3).reshape(C, -1).mean(1)", "images[0].mean((1, 2))"),
    ], []),
    ("many_linear_step", """
def f(W, x, y, lr):
    new = []
    for k in range(len(W)):
        error = x @ W[k].T - y
        new.append(W[k] - lr[k] * error.T @ x / len(x))
    return np.array(new)
""", [
        ("by outputs", "/ len(x)", "/ y.shape[1]"),
        ("sign of the error", "x @ W[k].T - y", "y - x @ W[k].T"),
        ("first rate", "lr[k]", "lr[0]"),
        ("first model", "x @ W[k].T", "x @ W[0].T"),
        ("not divided", " / len(x)", ""),
        ("factor two", "lr[k] * error", "lr[k] * 2 * error"),
    ], [(4, 1)]),
    ("newton_schulz", """
def f(M, steps):
    a, b, c = 3.4445, -4.7750, 2.0315
    X = M / np.linalg.norm(M)
    for _ in range(steps):
        G = X @ X.T
        X = (a * np.eye(len(G)) + b * G + c * (G @ G)) @ X
    return X
""", [
        ("one fewer", "range(steps)", "range(steps - 1)"),
        ("G squared entry by entry", "(G @ G)", "(G * G)"),
        ("b and c exchanged", "b * G + c * (G @ G)", "c * G + b * (G @ G)"),
        ("a without the identity", "a * np.eye(len(G))", "a"),
        ("G from the matrix", "G = X @ X.T", "G = M @ M.T / np.linalg.norm(M) ** 2"),
    ], []),
    ("logit_lens", """
def f(streams, g, b, weight, bias):
    cls = streams[:, 0, :]
    mu = cls.mean(-1, keepdims=True)
    sd = np.sqrt(((cls - mu) ** 2).mean(-1, keepdims=True) + 1e-6)
    return ((cls - mu) / sd * g + b) @ weight.T + bias
""", [
        ("over layers", "cls.mean(-1, keepdims=True)", "cls.mean(0, keepdims=True)"),
        ("no g", " / sd * g + b", " / sd + b"),
        ("no b", "* g + b)", "* g)"),
        ("unbiased", "((cls - mu) ** 2).mean(-1, keepdims=True)", "cls.var(-1, ddof=1, keepdims=True)"),
        ("softmaxed", "return ((cls - mu) / sd * g + b) @ weight.T + bias", "return softmax(((cls - mu) / sd * g + b) @ weight.T + bias)[0]"),
        ("last layer only", "cls = streams[:, 0, :]", "cls = np.repeat(streams[-1:, 0, :], len(streams), 0)"),
    ], [(1, 3)]),
    ("time_attention", """
def f(q, k, v, slices):
    B, T, D = q.shape
    N = T // slices
    def apart(x):
        return x.reshape(B, slices, N, D).transpose(0, 2, 1, 3)
    A, _ = softmax(apart(q) @ apart(k).transpose(0, 1, 3, 2) / np.sqrt(D))
    return (A @ apart(v)).transpose(0, 2, 1, 3).reshape(B, T, D)
""", [
        ("slices and places exchanged", "x.reshape(B, slices, N, D).transpose(0, 2, 1, 3)", "x.reshape(B, N, slices, D)"),
        ("attention in space", "x.reshape(B, slices, N, D).transpose(0, 2, 1, 3)", "x.reshape(B, slices, N, D)"),
        ("not moved back", "(A @ apart(v)).transpose(0, 2, 1, 3).reshape", "(A @ apart(v)).reshape"),
        ("not rooted", "np.sqrt(D)", "D"),
        ("values of the queries", "apart(v)", "apart(q)"),
    ], []),
    ("space_positions_backward", """
def f(dx, num_patches):
    g = 0
    B = dx.shape[0]
    for video in dx:
        for part in np.split(video, video.shape[0] // num_patches):
            g = g + part
    return g
""", [
        ("mean over videos", "return g", "return g / B"),
        ("last slice only", "            g = g + part", "            last = part\\n        g = g + last"),
        ("cut the other way", "np.split(video, video.shape[0] // num_patches)", "[video[i::video.shape[0] // num_patches] for i in range(video.shape[0] // num_patches)]"),
    ], []),
]  # fmt: skip
