ANSWERS = [
    ("block_parameters", """
def f(width, mlp_dim):
    D, M = width, mlp_dim
    shapes = [(D,)] * 4 + [(3 * D, D), (3 * D,), (D, D), (D,), (M, D), (M,), (D, M), (D,)]
    return sum(math.prod(s) for s in shapes)
""", [
        ("one vector for each norm", "[(D,)] * 4", "[(D,)] * 2"),
        ("no bias of q, k, v", "(3 * D,), ", ""),
        ("shapes added, not multiplied", "math.prod(s)", "sum(s)"),
        ("second mlp bias has M numbers", "(D, M), (D,)]", "(D, M), (M,)]"),
    ], []),
    ("patchify", """
def f(images, patch_size):
    P = patch_size
    B, C, H, W = images.shape
    gh, gw = H // P, W // P
    out = np.zeros((B, gh * gw, C * P * P))
    for c in range(C):
        for y in range(H):
            for x in range(W):
                n = (y // P) * gw + x // P
                j = c * P * P + (y % P) * P + x % P
                out[:, n, j] = images[:, c, y, x]
    return out
""", [
        ("rows of the grid counted by its height", "(y // P) * gw", "(y // P) * gh"),
        ("channel innermost", "c * P * P + (y % P) * P + x % P", "((y % P) * P + x % P) * C + c"),
        ("x and y of a patch exchanged", "(y % P) * P + x % P", "(x % P) * P + y % P"),
        ("grid column by column", "(y // P) * gw + x // P", "(x // P) * gh + y // P"),
        ("upside down", "images[:, c, y, x]", "images[:, c, H - 1 - y, x]"),
    ], [(1, 3)]),
    ("linear_backward", """
def f(dy, x, weight):
    O, I = weight.shape
    dW = np.zeros((O, I))
    db = np.zeros(O)
    flat_dy, flat_x = dy.reshape(-1, O), x.reshape(-1, I)
    for n in range(len(flat_x)):
        dW += np.outer(flat_dy[n], flat_x[n])
        db += flat_dy[n]
    return dy @ weight, dW, db
""", [
        ("outer the wrong way round", "np.outer(flat_dy[n], flat_x[n])", "np.outer(flat_x[n], flat_dy[n]).reshape(O, I)"),
        ("the last row is left out", "range(len(flat_x))", "range(len(flat_x) - 1)"),
        ("bias written over", "db += flat_dy[n]", "db = flat_dy[n]"),
        ("both divided by the rows", "return dy @ weight, dW, db", "return dy @ weight, dW / len(flat_x), db / len(flat_x)"),
        ("dx is halved", "dy @ weight", "dy @ weight / 2"),
    ], [(2, 4)]),
    ("softmax", """
def f(x):
    out = np.zeros(x.shape)
    for i in np.ndindex(x.shape[:-1]):
        row = x[i] - max(x[i])
        out[i] = [math.exp(s) / sum(math.exp(r) for r in row) for s in row]
    return out
""", [
        ("the mean is taken off", "max(x[i])", "x[i].mean()"),
        ("sign of the exponent", "math.exp(s) /", "math.exp(-s) /"),
        ("divided by the largest weight", "sum(math.exp(r) for r in row)", "max(math.exp(r) for r in row)"),
        ("log of the sum below", "/ sum(math.exp(r) for r in row)", "/ math.log(1 + sum(math.exp(r) for r in row))"),
    ], []),
    ("attention", """
def f(q, k, v):
    scores = (q[:, :, :, None, :] * k[:, :, None, :, :]).sum(-1)
    scores = scores / np.sqrt(q.shape[-1])
    scores = scores - scores.max(-1)[..., None]
    weights = np.exp(scores)
    weights = weights / weights.sum(-1)[..., None]
    return (weights[..., None] * v[:, :, None]).sum(-2)
""", [
        ("mean of the values' products", "(weights[..., None] * v[:, :, None]).sum(-2)", "(weights[..., None] * v[:, :, None]).mean(-2)"),
        ("scores are means", "k[:, :, None, :, :]).sum(-1)", "k[:, :, None, :, :]).mean(-1)"),
        ("divided by the variance of scores", "np.sqrt(q.shape[-1])", "scores.std()"),
        ("scale by the keys", "q.shape[-1]", "k.shape[-2]"),
        ("values are keys", "* v[:, :, None]", "* k[:, :, None]"),
        ("not normalised", "    weights = weights / weights.sum(-1)[..., None]\\n", ""),
    ], [(3, 4), (1, 5)]),
    ("masked_attention", """
def f(q, k, v, mask):
    s = q @ k.swapaxes(2, 3) / math.sqrt(q.shape[3])
    e = np.exp(s - s.max()) * mask
    return e @ v / e.sum(axis=3, keepdims=True)
""", [
        ("not normalised by what is left", "/ e.sum(axis=3, keepdims=True)", "/ np.exp(s - s.max()).sum(axis=3, keepdims=True)"),
        ("mask of the values", "* mask\\n", "\\n"),
        ("no softmax at all", "e = np.exp(s - s.max()) * mask", "e = s * mask"),
        ("root forgotten", "math.sqrt(q.shape[3])", "q.shape[3]"),
    ], [(0, 3)]),
    ("multi_head_attention", """
def f(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    D = z.shape[2]
    q = z @ qkv_weight[:D].T + qkv_bias[:D]
    k = z @ qkv_weight[D:2 * D].T + qkv_bias[D:2 * D]
    v = z @ qkv_weight[2 * D:].T + qkv_bias[2 * D:]
    q, k, v = split_heads(q, heads), split_heads(k, heads), split_heads(v, heads)
    y, _ = attention(q, k, v)
    return np.einsum("btd,od->bto", merge_heads(y), out_weight) + out_bias
""", [
        ("k has q's bias", "qkv_bias[D:2 * D]", "qkv_bias[:D]"),
        ("v has no bias", " + qkv_bias[2 * D:]", ""),
        ("v is made with k's weights", "qkv_weight[2 * D:].T", "qkv_weight[D:2 * D].T"),
        ("input added", "merge_heads(y), out_weight)", "merge_heads(y) + z, out_weight)"),
        ("keys and queries exchanged in the call", "attention(q, k, v)", "attention(k, q, v)"),
        ("one head", "split_heads(q, heads), split_heads(k, heads), split_heads(v, heads)", "split_heads(q, 1), split_heads(k, 1), split_heads(v, 1)"),
    ], [(1, 4)]),
    ("layernorm", """
def f(x, weight, bias, eps):
    m = np.einsum("btd->bt", x) / x.shape[-1]
    v = np.einsum("btd,btd->bt", x, x) / x.shape[-1] - m ** 2
    return (x - m[..., None]) * (v + eps)[..., None] ** -0.5 * weight + bias
""", [
        ("mean not squared", "- m ** 2", "- m"),
        ("cube root", "** -0.5", "** -0.33"),
        ("multiplied by the root", "** -0.5", "** 0.5"),
        ("weight forgotten", " * weight + bias", " + bias"),
        ("bias forgotten", " * weight + bias", " * weight"),
        ("second moment only", " - m ** 2", ""),
    ], [(3, 5)]),
    ("layernorm_backward", """
def f(dy, x, weight, eps):
    B, T, D = x.shape
    dx = np.zeros_like(x)
    dw, db = np.zeros(D), np.zeros(D)
    for b in range(B):
        for t in range(T):
            r = 1 / math.sqrt(x[b, t].var() + eps)
            n = (x[b, t] - x[b, t].mean()) * r
            dw = dw + dy[b, t] * n
            db = db + dy[b, t]
            g = dy[b, t] * weight
            dx[b, t] = r * (g - g.mean() - n * (g @ n) / D)
    return dx, dw, db
""", [
        ("n forgotten in front", "n * (g @ n) / D", "(g @ n) / D"),
        ("not divided by D", "(g @ n) / D", "(g @ n)"),
        ("only the last token's", "dw = dw + dy[b, t] * n", "dw = dy[b, t] * n"),
        ("eps forgotten", "x[b, t].var() + eps", "x[b, t].var()"),
        ("dw has the weight", "dw + dy[b, t] * n", "dw + dy[b, t] * n * weight"),
        ("r forgotten in front", "r * (g", "(g"),
    ], [(1, 4), (5, 2)]),
    ("gelu", """
def f(x):
    from statistics import NormalDist
    return x * np.vectorize(NormalDist().cdf)(x)
""", [
        ("density", ".cdf", ".pdf"),
        ("deviation of two", "NormalDist()", "NormalDist(0, 2)"),
        ("mean of one", "NormalDist()", "NormalDist(1, 1)"),
        ("positive part", "return x *", "return np.maximum(x, 0) *"),
    ], []),
    ("block", """
def f(z, norm1, attention, norm2, mlp):
    residual = z
    z = norm1(z)
    z = attention(z)
    z = residual + z
    residual = z
    z = norm2(z)
    z = mlp(z)
    return residual + z
""", [
        ("residual not renewed", "    residual = z\\n    z = norm2", "    z = norm2"),
        ("norm after attention", "z = norm1(z)\\n    z = attention(z)", "z = attention(z)\\n    z = norm1(z)"),
        ("post-norm", "z = norm2(z)\\n    z = mlp(z)\\n    return residual + z", "z = mlp(z)\\n    return norm2(residual + z)"),
        ("averaged", "return residual + z", "return (residual + z) / 2"),
        ("mlp twice", "z = mlp(z)", "z = mlp(mlp(z))"),
    ], [(1, 4)]),
    ("embed", """
def f(x, x_class, E_pos):
    z = np.empty((x.shape[0], x.shape[1] + 1, x.shape[2]))
    z[:, 0] = x_class + E_pos[0]
    for n in range(x.shape[1]):
        z[:, n + 1] = x[:, n] + E_pos[n + 1]
    return z
""", [
        ("patch n gets row n", "E_pos[n + 1]", "E_pos[n]"),
        ("class token without position", "x_class + E_pos[0]", "x_class"),
        ("positions subtracted", "x[:, n] + E_pos[n + 1]", "x[:, n] - E_pos[n + 1]"),
        ("class position only", "x[:, n] + E_pos[n + 1]", "x[:, n] + E_pos[0]"),
    ], []),
    ("learning_rate", """
def f(step, base, total_steps, warmup_steps):
    if step < warmup_steps:
        return step / warmup_steps * base
    if step > total_steps:
        step = total_steps
    done = (step - warmup_steps) / (total_steps - warmup_steps)
    return base * np.cos(np.pi / 2 * done) ** 2
""", [
        ("not squared", ") ** 2", ")"),
        ("warm-up not linear", "return step / warmup_steps * base", "return (step / warmup_steps) ** 2 * base"),
        ("warm-up jumps", "return step / warmup_steps * base", "return base"),
        ("ends at a tenth", "return base * np.cos(np.pi / 2 * done) ** 2", "return max(0.1 * base, base * np.cos(np.pi / 2 * done) ** 2)"),
        ("exponential decay", "base * np.cos(np.pi / 2 * done) ** 2", "base * math.exp(-5 * done)"),
        ("pi without half", "np.pi / 2 * done", "np.pi * done"),
    ], []),
    ("cross_entropy", """
def f(logits, labels):
    z = logits - logits.max(axis=1)[:, None]
    right = np.take_along_axis(z, labels[:, None], axis=1)[:, 0]
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - right)
""", [
        ("right logit not shifted", "take_along_axis(z,", "take_along_axis(logits,"),
        ("label by one", "labels[:, None]", "labels[:, None] - 1"),
        ("median", "np.mean(", "np.median("),
        ("logit squared", "- right)", "- right ** 2)"),
    ], []),
    ("adam_step", """
def f(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + np.square(g) * (1 - beta2)
    m_hat = m / (1 - math.pow(beta1, t))
    v_hat = v / (1 - math.pow(beta2, t))
    new = w - lr * (m_hat / (v_hat ** 0.5 + eps) + weight_decay * w)
    return new, m, v
""", [
        ("decay of the gradient", "weight_decay * w)", "weight_decay * g)"),
        ("g in place of m", "m_hat / (v_hat", "g / (v_hat"),
        ("beta1 for both powers", "math.pow(beta2, t)", "math.pow(beta1, t)"),
        ("1 + beta", "1 - math.pow(beta1, t)", "1 + math.pow(beta1, t)"),
        ("eps times", "v_hat ** 0.5 + eps", "v_hat ** 0.5 * eps"),
        ("t plus one", "math.pow(beta1, t)", "math.pow(beta1, t + 1)"),
    ], [(0, 2)]),
    ("label_smoothing", """
def f(labels, num_classes, s):
    out = []
    for l in labels:
        row = [s / num_classes] * num_classes
        row[l] += 1 - s
        out.append(row)
    return np.array(out)
""", [
        ("whole sum is 1 + s", "+= 1 - s", "+= 1"),
        ("rest over others", "s / num_classes]", "s / (num_classes - 1)]"),
        ("s and 1 - s exchanged", "row[l] += 1 - s", "row[l] += s"),
    ], []),
    ("conv2d", """
def f(x, weight, stride, padding):
    O, C, kh, kw = weight.shape
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    Ho = 1 + (x.shape[2] - kh) // stride
    Wo = 1 + (x.shape[3] - kw) // stride
    y = 0
    for i in range(kh):
        for j in range(kw):
            part = x[:, :, i:i + stride * Ho:stride, j:j + stride * Wo:stride]
            y = y + np.einsum("bchw,oc->bohw", part, weight[:, :, i, j])
    return y
""", [
        ("rows and columns of the filter exchanged by index", "weight[:, :, i, j]", "weight[:, :, -i - 1, j]"),
        ("last row of the filter left out", "range(kh)", "range(kh - 1)"),
        ("padded with edges", "(padding, padding)])", '(padding, padding)], mode="edge")'),
        ("rows alone are padded", "(padding, padding), (padding, padding)]", "(padding, padding), (0, 0)]"),
        ("divided by the places", "    return y\\n", "    return y / (kh * kw)\\n"),
        ("all filters the first", "weight[:, :, i, j])", "weight[:1, :, i, j].repeat(O, 0))"),
    ], [(0, 4)]),
    ("receptive_field", """
def f(kernels, strides):
    r = 1
    for i in range(len(kernels)):
        jump = 1
        for s in strides[:i]:
            jump *= s
        r += (kernels[i] - 1) * jump
    return r
""", [
        ("own stride too", "strides[:i]", "strides[:i + 1]"),
        ("starts from kernel", "r = 1", "r = kernels[0]"),
        ("strides of later layers", "strides[:i]", "strides[i + 1:]"),
        ("half kernels", "(kernels[i] - 1) * jump", "(kernels[i] // 2) * jump"),
    ], []),
    ("preact_unit", """
def f(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
    h = norm1(x)
    h[h < 0] = 0
    skip = x if conv_proj is None else conv_proj(h, stride)
    out = conv1(h)
    out = np.maximum(0, norm2(out))
    out = conv2(out, stride)
    out = np.maximum(0, norm3(out))
    return conv3(out) + skip
""", [
        ("no skip", "return conv3(out) + skip", "return conv3(out)"),
        ("stride at conv3", "out = conv2(out, stride)\\n    out = np.maximum(0, norm3(out))\\n    return conv3(out)", "out = conv2(out)\\n    out = np.maximum(0, norm3(out))\\n    return conv3(out, stride)"),
        ("relu before norm2", "np.maximum(0, norm2(out))", "norm2(np.maximum(0, out))"),
        ("first relu forgotten", "    h[h < 0] = 0\\n", ""),
    ], [(0, 2)]),
    ("same_padding", """
def f(size, kernel, stride):
    rest = size % stride
    total = kernel - stride if rest == 0 else kernel - rest
    total = max(total, 0)
    return total // 2, total - total // 2
""", [
        ("rest ignored", "kernel - stride if rest == 0 else kernel - rest", "kernel - stride"),
        ("stride ignored", "kernel - stride if rest == 0 else kernel - rest", "kernel - 1"),
        ("total twice", "return total // 2, total - total // 2", "return total, total"),
        ("all after", "return total // 2, total - total // 2", "return 0, total"),
    ], []),
    ("sinusoid", """
def f(length, width):
    PE = np.zeros((length, width))
    for p in range(length):
        for i in range(0, width, 2):
            PE[p, i] = math.sin(p / 10000 ** (i / width))
            PE[p, i + 1] = math.cos(p / 10000 ** (i / width))
    return PE
""", [
        ("cosine of the next rate", "math.cos(p / 10000 ** (i / width))", "math.cos(p / 10000 ** ((i + 1) / width))"),
        ("divided by length", "(i / width)", "(i / length)"),
        ("sine in both", "math.cos", "math.sin"),
        ("degrees", "math.sin(p", "math.sin(math.pi * p"),
    ], []),
    ("embed_backward", """
def f(dy, ids, vocabulary):
    D = dy.shape[2]
    dw = np.zeros((vocabulary, D))
    np.add.at(dw, ids, dy)
    return np.sqrt(D) * dw
""", [
        ("adds once", "np.add.at(dw, ids, dy)", "dw[ids] += dy"),
        ("scale of the vocabulary", "np.sqrt(D)", "np.sqrt(vocabulary)"),
        ("square", "np.sqrt(D)", "D ** 2"),
    ], []),
    ("vit_macs", """
def f(config):
    N, T, D, M, L = config.num_patches, config.num_tokens, config.width, config.mlp_dim, config.depth
    per_token = 3 * D * D + D * D + D * M + M * D
    per_pair = 2 * D
    return N * config.patch_size ** 2 * config.channels * D + L * (T * per_token + T * T * per_pair) + D * config.num_classes
""", [
        ("per pair once", "per_pair = 2 * D", "per_pair = D"),
        ("head not multiplied by D", "+ D * config.num_classes", "+ config.num_classes"),
        ("pairs of patches", "T * T * per_pair", "N * N * per_pair"),
        ("mlp once", "D * M + M * D", "D * M"),
        ("patch side not squared", "patch_size ** 2", "patch_size"),
    ], [(0, 4)]),
    ("hyper_rule", """
def f(num_images, height, width):
    small = height * width < 9216
    steps = 20_000
    if num_images < 500_000:
        steps = 10_000
    if num_images < 20_000:
        steps = 500
    return [512, 160][small], [480, 128][small], steps, 0.1 * (num_images >= 20_000)
""", [
        ("crop of the other", "[480, 128][small]", "[480, 128][not small]"),
        ("always large resize", "[512, 160][small]", "512"),
        ("mixup of a whole", "0.1 *", "1.0 *"),
        ("200 thousand", "num_images < 500_000", "num_images < 200_000"),
        ("lower bound above", "if num_images < 20_000", "if num_images > 20_000"),
    ], []),
    ("pseudo_targets", """
def f(probabilities, threshold, per_class):
    best, conf = probabilities.argmax(1), probabilities.max(1)
    rows = []
    for c in range(probabilities.shape[1]):
        mine = [i for i in range(len(best)) if best[i] == c and conf[i] >= threshold]
        mine.sort(key=lambda i: -conf[i])
        if mine:
            rows += [mine[j % len(mine)] for j in range(per_class)]
    return np.array(rows), probabilities[rows]
""", [
        ("no threshold", " and conf[i] >= threshold", ""),
        ("ascending", "-conf[i]", "conf[i]"),
        ("one fewer", "range(per_class)", "range(per_class - 1)"),
        ("hard", "probabilities[rows]", "np.eye(probabilities.shape[1])[best[rows]]"),
        ("by index", "key=lambda i: -conf[i]", "key=lambda i: i"),
    ], [(0, 3)]),
    ("attention_distance", """
def f(A, gh, gw, P):
    total = np.zeros(len(A))
    for i in range(gh * gw):
        for j in range(gh * gw):
            way = P * math.dist(divmod(i, gw), divmod(j, gw))
            total += way * A[:, i + 1, j + 1]
    return total / (gh * gw)
""", [
        ("token counted", "A[:, i + 1, j + 1]", "A[:, i, j]"),
        ("turned", "A[:, i + 1, j + 1]", "A[:, j + 1, i + 1] * 2"),
        ("divided by T", "/ (gh * gw)", "/ (gh * gw + 1)"),
        ("longer side", "math.dist(divmod(i, gw), divmod(j, gw))", "max(abs(i // gw - j // gw), abs(i % gw - j % gw))"),
    ], []),
    ("crossing", """
def f(sizes, difference, error, r):
    low = 0
    for n, d, e in zip(sizes, difference, error):
        if d / e < -r:
            low = n
        if d / e > r and low > 0:
            return low, n
    return 0, 0
""", [
        ("low alone", "return 0, 0", "return low, 0"),
        ("not divided by the error", "if d / e < -r:", "if d < -r:"),
        ("either end", "d / e > r and low > 0", "d / e > r or low > 0"),
        ("goes on to the last", "            return low, n\\n    return 0, 0", "            high = n\\n            found = low, n\\n    return found if 'found' in locals() else (0, 0)"),
    ], []),
    ("rollout", """
def f(A):
    out = np.eye(A.shape[-1])
    for block in A:
        mix = np.zeros_like(out)
        for head in block:
            mix += head
        mix = mix / len(block)
        out = 0.5 * mix @ out + 0.5 * out
    return out
""", [
        ("minimum", "mix += head", "mix = np.minimum(mix, head) if mix.any() else head"),
        ("residual only of the start", "+ 0.5 * out", "+ 0.5 * np.eye(len(out))"),
        ("first head left out", "for head in block:", "for head in block[1:]:"),
        ("rows made to sum to 2", "0.5 * mix @ out + 0.5 * out", "mix @ out + out"),
    ], []),
]  # fmt: skip
