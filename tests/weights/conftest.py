"""Files of the authors, and their forward passes, written from the description of the layout and nothing else.

Nothing here comes from the packages: names and shapes are spelled out key by key, and the forwards work on the files'
own arrays, with einsum over the (D, h, Dh) kernels and explicit padding.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import vitedu.models
import vitedu.weights
import vitedu_numpy.models
import vitedu_numpy.weights

torch.set_num_threads(1)  # the arrays are tiny: more threads would only wait for each other


class Numbers:
    """Random arrays that are neither 0 nor 1 anywhere, of a size that keeps activations near 1."""

    def __init__(self, seed, dtype):
        self.rng, self.dtype = np.random.default_rng(seed), dtype

    def kernel(self, *shape, inputs):
        return (self.rng.standard_normal(shape) / math.sqrt(inputs)).astype(self.dtype)

    def vector(self, *shape):
        return (0.3 * self.rng.standard_normal(shape)).astype(self.dtype)

    def scale(self, *shape):
        return (self.rng.uniform(0.5, 1.5, shape) * self.rng.choice([-1, 1], shape)).astype(self.dtype)


def vit_file(D=48, h=3, M=96, P=4, C=3, R=64, K=10, L=2, rows=17, token=True, seed=0, dtype=np.float32):
    """A ViT file, old names.  rows: of the position embedding; R=None: no representation layer."""
    n, f, Dh = Numbers(seed, dtype), {}, D // h
    if token:
        f["cls"] = n.vector(1, 1, D)
    f["embedding/kernel"], f["embedding/bias"] = n.kernel(P, P, C, D, inputs=P * P * C), n.vector(D)
    f["Transformer/posembed_input/pos_embedding"] = n.vector(1, rows, D)
    for i in range(L):
        block = f"Transformer/encoderblock_{i}"
        f[f"{block}/LayerNorm_0/scale"], f[f"{block}/LayerNorm_0/bias"] = n.scale(D), n.vector(D)
        for letter in ("query", "key", "value"):
            f[f"{block}/MultiHeadDotProductAttention_1/{letter}/kernel"] = n.kernel(D, h, Dh, inputs=D)
            f[f"{block}/MultiHeadDotProductAttention_1/{letter}/bias"] = n.vector(h, Dh)
        f[f"{block}/MultiHeadDotProductAttention_1/out/kernel"] = n.kernel(h, Dh, D, inputs=D)
        f[f"{block}/MultiHeadDotProductAttention_1/out/bias"] = n.vector(D)
        f[f"{block}/LayerNorm_2/scale"], f[f"{block}/LayerNorm_2/bias"] = n.scale(D), n.vector(D)
        f[f"{block}/MlpBlock_3/Dense_0/kernel"] = n.kernel(D, M, inputs=D)
        f[f"{block}/MlpBlock_3/Dense_0/bias"] = n.vector(M)
        f[f"{block}/MlpBlock_3/Dense_1/kernel"] = n.kernel(M, D, inputs=M)
        f[f"{block}/MlpBlock_3/Dense_1/bias"] = n.vector(D)
    f["Transformer/encoder_norm/scale"], f["Transformer/encoder_norm/bias"] = n.scale(D), n.vector(D)
    if R:
        f["pre_logits/kernel"], f["pre_logits/bias"] = n.kernel(D, R, inputs=D), n.vector(R)
    f["head/kernel"], f["head/bias"] = n.kernel(R or D, K, inputs=R or D), n.vector(K)
    return f


def hybrid_file(units=(2, 1), W=32, P=1, rows=17, seed=0, dtype=np.float32, **vit):
    """A hybrid file: a ResNet of W channels after its root, and the ViT that reads its feature map."""
    n, features = Numbers(seed + 1, dtype), W * 4 * 2 ** (len(units) - 1) if units else W
    f = vit_file(P=P, C=features, rows=rows, seed=seed, dtype=dtype, **vit)
    f["conv_root/kernel"] = n.kernel(7, 7, 3, W, inputs=147)
    f["gn_root/scale"], f["gn_root/bias"] = n.scale(1, 1, 1, W), n.vector(1, 1, 1, W)
    C = W
    for s, count in enumerate(units):
        inside, out = W * 2**s, W * 2**s * 4
        for u in range(count):
            unit = f"block{s + 1}/unit{u + 1}"
            f[f"{unit}/conv1/kernel"] = n.kernel(1, 1, C, inside, inputs=C)
            f[f"{unit}/conv2/kernel"] = n.kernel(3, 3, inside, inside, inputs=9 * inside)
            f[f"{unit}/conv3/kernel"] = n.kernel(1, 1, inside, out, inputs=inside)
            sizes = {"gn1": inside, "gn2": inside, "gn3": out}
            if u == 0:
                f[f"{unit}/conv_proj/kernel"] = n.kernel(1, 1, C, out, inputs=C)
                sizes["gn_proj"] = out
            for name, size in sizes.items():
                f[f"{unit}/{name}/scale"], f[f"{unit}/{name}/bias"] = n.scale(1, 1, 1, size), n.vector(1, 1, 1, size)
            C = out
    return f


def bit_file(units=(2, 1), W=32, K=10, seed=0, dtype=np.float32):
    """A BiT file: a ResNet of W channels after its root."""
    n, f, C = Numbers(seed, dtype), {}, W
    f["resnet/root_block/standardized_conv2d/kernel"] = n.kernel(7, 7, 3, W, inputs=147)
    for s, count in enumerate(units):
        inside, out = W * 2**s, W * 2**s * 4
        for u in range(count):
            unit = f"resnet/block{s + 1}/unit{u + 1:02d}"
            for letter, size in {"a": C, "b": inside, "c": inside}.items():
                f[f"{unit}/{letter}/group_norm/gamma"] = n.scale(size)
                f[f"{unit}/{letter}/group_norm/beta"] = n.vector(size)
            f[f"{unit}/a/standardized_conv2d/kernel"] = n.kernel(1, 1, C, inside, inputs=C)
            f[f"{unit}/b/standardized_conv2d/kernel"] = n.kernel(3, 3, inside, inside, inputs=9 * inside)
            f[f"{unit}/c/standardized_conv2d/kernel"] = n.kernel(1, 1, inside, out, inputs=inside)
            if u == 0:
                f[f"{unit}/a/proj/standardized_conv2d/kernel"] = n.kernel(1, 1, C, out, inputs=C)
            C = out
    f["resnet/group_norm/gamma"], f["resnet/group_norm/beta"] = n.scale(C), n.vector(C)
    f["resnet/head/conv2d/kernel"], f["resnet/head/conv2d/bias"] = n.kernel(1, 1, C, K, inputs=C), n.vector(K)
    return f


# ---- the forwards, on the files' own arrays ------------------------------------------------------------------------


def norm(x, scale, bias):
    mean = x.mean(-1, keepdim=True)
    var = (x * x).mean(-1, keepdim=True) - mean * mean
    return (x - mean) / torch.sqrt(var + 1e-6) * scale + bias


def tanh_gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def vit_forward(f, images, old=True):
    """old: the position embedding has a row for the class token; else it is added before that token (big_vision)."""
    names = ("LayerNorm_0", "LayerNorm_2", "MultiHeadDotProductAttention_1", "MlpBlock_3")
    names = names if old else ("LayerNorm_0", "LayerNorm_1", "MultiHeadDotProductAttention_0", "MlpBlock_0")
    P = f["embedding/kernel"].shape[0]
    x = F.conv2d(images, f["embedding/kernel"].permute(3, 2, 0, 1), f["embedding/bias"], stride=P)
    x = x.permute(0, 2, 3, 1).reshape(len(images), -1, x.shape[1])
    if not old:
        x = x + f["pos_embedding"]
    if "cls" in f:
        x = torch.cat([f["cls"].expand(len(x), 1, -1), x], 1)
    if old:
        x = x + f["Transformer/posembed_input/pos_embedding"]
    i = 0
    while f"Transformer/encoderblock_{i}/LayerNorm_0/scale" in f:
        norm1, norm2, attention, mlp = (f"Transformer/encoderblock_{i}/{name}" for name in names)
        y = norm(x, f[f"{norm1}/scale"], f[f"{norm1}/bias"])
        q, k, v = (
            torch.einsum("btd,dhe->bthe", y, f[f"{attention}/{n}/kernel"]) + f[f"{attention}/{n}/bias"]
            for n in ("query", "key", "value")
        )
        A = torch.softmax(torch.einsum("bqhe,bkhe->bhqk", q / math.sqrt(q.shape[-1]), k), -1)
        y = torch.einsum("bhqk,bkhe->bqhe", A, v)
        x = x + torch.einsum("bqhe,hed->bqd", y, f[f"{attention}/out/kernel"]) + f[f"{attention}/out/bias"]
        y = norm(x, f[f"{norm2}/scale"], f[f"{norm2}/bias"])
        y = tanh_gelu(y @ f[f"{mlp}/Dense_0/kernel"] + f[f"{mlp}/Dense_0/bias"])
        x = x + y @ f[f"{mlp}/Dense_1/kernel"] + f[f"{mlp}/Dense_1/bias"]
        i += 1
    x = norm(x, f["Transformer/encoder_norm/scale"], f["Transformer/encoder_norm/bias"])
    x = x[:, 0] if "cls" in f else x.mean(1)
    if "pre_logits/kernel" in f:
        x = torch.tanh(x @ f["pre_logits/kernel"] + f["pre_logits/bias"])
    return x @ f["head/kernel"] + f["head/bias"]


def group_norm(x, scale, bias, eps, groups=32):
    B, C, H, W = x.shape
    x = x.reshape(B, groups, -1)
    x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, correction=0) + eps)
    return x.reshape(B, C, H, W) * scale.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)


def same(x, kernel, stride, value=0.0):
    """Padding that gives ceil(n / stride) outputs, with the odd pixel at the end."""
    sides = []
    for n in (x.shape[3], x.shape[2]):
        total = max((math.ceil(n / stride) - 1) * stride + kernel - n, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides, value=value)


def hybrid_forward(f, images):
    def conv(x, name, stride=1):
        w = f[f"{name}/kernel"]
        w = w - w.mean((0, 1, 2))
        w = w / (torch.sqrt((w * w).mean((0, 1, 2))) + 1e-5)
        return F.conv2d(same(x, w.shape[0], stride), w.permute(3, 2, 0, 1), stride=stride)

    def gn(x, name):
        return group_norm(x, f[f"{name}/scale"], f[f"{name}/bias"], 1e-6)

    x = torch.relu(gn(conv(images, "conv_root", 2), "gn_root"))
    x = F.max_pool2d(same(x, 3, 2, -math.inf), 3, 2)
    s = 1
    while f"block{s}/unit1/conv1/kernel" in f:
        u = 1
        while (unit := f"block{s}/unit{u}") + "/conv1/kernel" in f:
            stride = 2 if s > 1 and u == 1 else 1
            projected = f"{unit}/conv_proj/kernel" in f
            residual = gn(conv(x, f"{unit}/conv_proj", stride), f"{unit}/gn_proj") if projected else x
            y = torch.relu(gn(conv(x, f"{unit}/conv1"), f"{unit}/gn1"))
            y = torch.relu(gn(conv(y, f"{unit}/conv2", stride), f"{unit}/gn2"))
            x = torch.relu(residual + gn(conv(y, f"{unit}/conv3"), f"{unit}/gn3"))
            u += 1
        s += 1
    return vit_forward(f, x)


def bit_forward(f, images):
    def conv(x, name, stride=1, padding=0):
        w = f[f"resnet/{name}/standardized_conv2d/kernel"]
        w = (w - w.mean((0, 1, 2))) / torch.sqrt(w.var((0, 1, 2), correction=0) + 1e-10)
        return F.conv2d(F.pad(x, [padding] * 4), w.permute(3, 2, 0, 1), stride=stride)

    def gn_relu(x, name):
        gamma, beta = f[f"resnet/{name}group_norm/gamma"], f[f"resnet/{name}group_norm/beta"]
        return torch.relu(group_norm(x, gamma, beta, 1e-5))

    x = F.max_pool2d(F.pad(conv(images, "root_block", 2, 3), [1] * 4), 3, 2)
    s = 1
    while f"resnet/block{s}/unit01/a/standardized_conv2d/kernel" in f:
        u = 1
        while f"resnet/block{s}/unit{u:02d}/a/standardized_conv2d/kernel" in f:
            unit, stride = f"block{s}/unit{u:02d}", 2 if s > 1 and u == 1 else 1
            h = gn_relu(x, f"{unit}/a/")
            shortcut = conv(h, f"{unit}/a/proj", stride) if u == 1 else x
            h = gn_relu(conv(h, f"{unit}/a"), f"{unit}/b/")
            h = gn_relu(conv(h, f"{unit}/b", stride, 1), f"{unit}/c/")
            x = conv(h, f"{unit}/c") + shortcut
            u += 1
        s += 1
    x = gn_relu(x, "").mean((2, 3))
    return x @ f["resnet/head/conv2d/kernel"][0, 0] + f["resnet/head/conv2d/bias"]


class Case:
    """One kind of file: its arrays, the forward of the authors' code, the settings it must be read as."""

    def __init__(self, make, forward, image_size, config, **arguments):
        self.make, self.forward, self.config = make, forward, config
        self.image_size, self.arguments = image_size, arguments

    def file(self, dtype=np.float32):
        return self.make(dtype=dtype, **self.arguments)

    def images(self, dtype=np.float32):
        size = (2, self.config.channels, *self.config.image_hw)
        return np.random.default_rng(7).uniform(-1, 1, size).astype(dtype)

    def logits(self, file, images):
        """The authors' forward, in the precision of the arrays."""
        return self.forward({k: torch.as_tensor(a) for k, a in file.items()}, torch.as_tensor(images))

    def models(self, dtype=np.float32):
        """(NumPy model, PyTorch model) of these settings, not yet loaded."""
        torch_model = vitedu.models.build(self.config, 0).to(torch.float64 if dtype == np.float64 else torch.float32)
        return vitedu_numpy.models.build(self.config, 0, dtype), torch_model


VIT = dict(patch_size=4, width=48, depth=2, heads=3, mlp_dim=96, num_classes=10, gelu="tanh")


def cases():
    V, H, B = vitedu_numpy.ViTConfig, vitedu_numpy.config.HybridConfig, vitedu_numpy.config.BiTConfig
    vit = V(16, representation_size=64, **VIT)
    hybrid = dict(VIT | dict(patch_size=1), backbone_width=32)
    return {
        "ViT": Case(vit_file, vit_forward, 16, vit),
        "ViT, no pre-logits": Case(vit_file, vit_forward, 16, V(16, **VIT), R=None),
        "ViT, gap": Case(vit_file, vit_forward, 16, V(16, classifier="gap", **VIT), token=False, R=None, rows=16),
        "ViT, one block, one channel": Case(
            vit_file, vit_forward, 8, V(8, channels=1, representation_size=64, **VIT | dict(depth=1)), C=1, L=1, rows=5
        ),
        "hybrid": Case(hybrid_file, hybrid_forward, 32, H(32, blocks=(2, 1), **hybrid), R=None),
        "hybrid, three stages, gap": Case(
            hybrid_file, hybrid_forward, 48, H(48, blocks=(1, 1, 2), classifier="gap", **hybrid),
            units=(1, 1, 2), token=False, rows=9, R=None,
        ),
        "hybrid, root alone": Case(
            hybrid_file, hybrid_forward, 32, H(32, blocks=(), representation_size=64, **hybrid | dict(patch_size=2)),
            units=(), P=2,
        ),
        "BiT": Case(bit_file, bit_forward, 40, B((2, 1), 10, base_width=32, image_size=40)),
        "BiT, x2": Case(
            bit_file, bit_forward, 32, B((1,), 7, width_factor=2, image_size=32), units=(1,), W=128, K=7
        ),
    }  # fmt: skip


CASES = cases()


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request) -> Case:
    """One kind of file after the other."""
    return request.param


@pytest.fixture
def make_file():
    """make_file(**sizes): the arrays of a ViT file, old names."""
    return vit_file


@pytest.fixture
def case_of():
    """case_of("BiT"): one kind of file."""
    return CASES.__getitem__


@pytest.fixture(params=["vitedu_numpy", "vitedu"])
def package(request):
    """`vitedu_numpy`, then `vitedu`: the same names in both."""
    return {"vitedu_numpy": vitedu_numpy, "vitedu": vitedu}[request.param]
