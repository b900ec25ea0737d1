"""Parameters, MACs and kept activations as formulas on the settings.

Taught in notebooks/12_compute.ipynb and 17_state_of_the_art.ipynb.

A MAC (multiply-accumulate) is one product added to a sum: `s += a * b`, two floating-point operations (FLOPs).  Counted
are matrix products and convolutions.  Not counted: elementwise work (biases, norms, GELU, softmax, sums), which takes
time but little arithmetic.  `compute.py` compares these formulas with PyTorch's own counters.

Shapes: `C` channels, `P` patch side, `N` patches, `T` tokens that ask, `S` tokens asked, `D` width, `h` heads,
`M` hidden width of the MLP, `L` depth, `K` classes, `R` width of the pre-logits layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from vitedu_numpy.validate import check_on_off, is_size, require

__all__ = ["macs_by_part", "parameters_by_part", "vit_activations"]


def parameters_by_part(config) -> dict[str, int]:
    """Part of the model -> number of its parameters, for settings of any kind (of either package)."""
    kind = _kind(config)
    if kind == "ViTConfig":
        parts = _vit_parameters(config)
    elif kind == "HybridConfig":
        parts = _resnet_parameters(config) + _vit_parameters(config.vit)
    elif kind == "BiTConfig":
        C, K = config.feature_channels, config.num_classes
        parts = _resnet_parameters(config) + Counter(norm=2 * C, head=_linear(C, K))
    elif kind == "EfficientNetConfig":
        parts = _resnet_parameters(config) + Counter(head=_linear(config.feature_channels, config.num_classes))
    else:
        parts = _transformer_parameters(config)
    return {part: number for part, number in parts.items() if number}


def macs_by_part(config, *, shortcut=False, lengths=None, border=True) -> dict[str, int]:
    """Part of the model -> MACs of one forward of one image; of one pair of sequences for a Transformer.

    shortcut: a ViT's last block computes only what the head reads.  lengths (S, T): of a Transformer's two sequences.
    border=False: leave out what a convolution multiplies by the zeros around the image, as the cost analysis of XLA
    does, the compiler of the paper's authors.
    """
    kind = _kind(config)
    check_on_off(shortcut=shortcut, border=border)
    is_pair = isinstance(lengths, (tuple, list)) and len(lengths) == 2 and all(map(is_size, lengths))
    if not is_pair if kind == "TransformerConfig" else lengths is not None:
        raise ValueError(f"lengths={lengths!r} is not allowed; lengths must be (S, T) for a Transformer, else None")
    if kind == "ViTConfig":
        parts = _vit_macs(config, shortcut)
    elif kind == "HybridConfig":
        parts = _resnet_macs(config, border) + _vit_macs(config.vit, shortcut)
    elif kind in ("BiTConfig", "EfficientNetConfig"):
        parts = _resnet_macs(config, border) + Counter(head=config.feature_channels * config.num_classes)
    else:
        parts = _transformer_macs(config, *lengths)
    return {part: number for part, number in parts.items() if number}


def _kind(config) -> str:
    kinds = ("ViTConfig", "HybridConfig", "BiTConfig", "EfficientNetConfig", "TransformerConfig")
    if type(config).__name__ not in kinds:
        raise TypeError(f"config is a {type(config).__name__}; expected one of {kinds}")
    return type(config).__name__


# ---- Vision Transformer --------------------------------------------------------------------------------------------


def _linear(inputs, outputs) -> int:
    """Parameters of a linear layer; its MACs, per row that goes through, are `inputs * outputs`."""
    return inputs * outputs + outputs


def _vit_parameters(c) -> Counter:
    D, M, L, R = c.width, c.mlp_dim, c.depth, c.representation_size
    return Counter(
        patch_embedding=_linear(c.channels * c.patch_size**2, D),
        class_token=D * (c.classifier == "token"),
        positions=_position_parameters(c) * (L if c.positions_in == "every" else 1),
        norms=(2 * L + 1) * 2 * D,
        qkv=L * _linear(D, 3 * D),
        out=L * _linear(D, D),
        mlp=L * (_linear(D, M) + _linear(M, D)),
        pre_logits=_linear(D, R) if R else 0,
        head=_linear(R or D, c.num_classes),
    )


def _position_parameters(c) -> int:
    D, T, (gh, gw) = c.width, c.num_tokens, c.grid
    class_token = D * (c.classifier == "token")
    sizes = {"1d": T * D, "2d": (gh + gw) * D // 2 + class_token, "relative": (2 * T - 1) * D // c.heads}
    return sizes.get(c.position_embedding, 0)  # none, and sines and cosines, have no parameters


def _attention_macs(D, T, S) -> Counter:
    """T tokens ask S; the softmax between scores and weighted sum is elementwise.  The number of heads cancels out."""
    return Counter(scores=T * S * D, weighted_sum=T * S * D, out=T * D * D)


def _block_macs(D, M, T, S) -> Counter:
    """A block that makes q, k and v for S tokens, of which T ask and go on (all of them, but for the shortcut)."""
    return Counter(qkv=3 * S * D * D, mlp=2 * T * D * M) + _attention_macs(D, T, S)


def _vit_macs(c, shortcut) -> Counter:
    D, T, R = c.width, c.num_tokens, c.representation_size
    parts = Counter(patch_embedding=c.num_patches * c.channels * c.patch_size**2 * D)
    for i in range(c.depth):
        asking = 1 if shortcut and c.classifier == "token" and i == c.depth - 1 else T
        parts += _block_macs(D, c.mlp_dim, asking, T)
        if c.position_embedding == "relative":  # every query times every distance
            parts += Counter(positions=asking * (2 * T - 1) * D)
    return parts + Counter(pre_logits=D * (R or 0), head=(R or D) * c.num_classes)


def vit_activations(config, *, recompute=True) -> dict[str, int]:
    """Part -> numbers that a ViT keeps per image from forward to backward: each layer keeps what its backward reads.

    With fused attention.  What two layers read is kept once: `out` reads attention's result, `fc2` reads GELU's.
    recompute: GELU's result is not kept at all, but computed again.
    Raises ValueError for dropout, stochastic depth and relative positions, which keep more.
    """
    require(_kind(config) == "ViTConfig", "config", config, "a ViTConfig")
    check_on_off(recompute=recompute)
    c, D, T, L = config, config.width, config.num_tokens, config.depth
    if c.dropout or c.attention_dropout or c.stochastic_depth or c.position_embedding == "relative":
        raise ValueError("config has dropout or relative positions; vit_activations counts models without")
    return {
        "patches": c.num_patches * c.channels * c.patch_size**2,
        "norms": (2 * L + 1) * (T * D + 2 * T),  # input; mean and 1 / deviation of each token
        "qkv": L * T * D,  # input
        "attention": L * (3 * T * D + T * D + c.heads * T),  # q, k, v; result; log of each row's sum of exponentials
        "fc1": L * T * D,  # input
        "gelu": L * (1 if recompute else 2) * T * c.mlp_dim,  # input, result
        # Its input; a class token is a view of all encoded tokens, which therefore stay.  Result of tanh.
        "head": (T if c.classifier == "token" else 1) * D + (c.representation_size or 0),
    }


# ---- ResNets: BiT, the one inside a hybrid, EfficientNet -----------------------------------------------------------


@dataclass(frozen=True)
class _Convolution:
    part: str  # "root", "stage0", ...
    inputs: int  # channels that each output reads; 1 where every channel has a filter of its own
    outputs: int
    kernel: int
    stride: int
    hw: tuple[int, int]  # of the image that it reads
    norm: int  # channels of the norm that goes with it
    same: bool  # padding: as little as gives ceil(side / stride) outputs, or half a kernel on every side
    bias: bool = False


def _convolutions(c) -> Iterator[_Convolution]:
    """All convolutions in order.  In BiT a unit's convolution has its norm before it, in a hybrid after it."""
    if type(c).__name__ == "EfficientNetConfig":
        yield from _convolutions_of_efficientnet(c)
        return
    bit = type(c).__name__ == "BiTConfig"
    first = c.base_width * c.width_factor if bit else c.backbone_width

    def convolution(inputs, outputs, kernel, stride=1, norm=None):
        norm = (inputs if bit else outputs) if norm is None else norm
        return _Convolution(part, inputs, outputs, kernel, stride, hw, norm, same=not bit)

    part, hw, channels, plain = "root", c.image_hw, first, 0 if bit else None
    if bit and c.stem == "small":
        yield convolution(c.channels, first, 3, norm=plain)
    else:
        yield convolution(c.channels, first, 7, stride=2, norm=plain)
        hw = _halved(_halved(hw))  # the max-pool halves too
    for s, units in enumerate(c.blocks):
        part, width = f"stage{s}", first * 2**s
        for u in range(units):
            stride = 2 if s > 0 and u == 0 else 1
            if u == 0:  # the shape changes, so the shortcut needs a projection
                yield convolution(channels, 4 * width, 1, stride, norm=4 * width if not bit else 0)
            yield convolution(channels, width, 1)
            yield convolution(width, width, 3, stride)
            hw, channels = _halved(hw) if stride == 2 else hw, 4 * width
            yield convolution(width, channels, 1)


def _convolutions_of_efficientnet(c) -> Iterator[_Convolution]:
    """All convolutions in order, each with its norm after it, but for the two of squeeze-and-excitation."""
    hw = c.image_hw
    yield _Convolution("stem", c.channels, c.stem_channels, 3, c.stem_stride, hw, c.stem_channels, same=True)
    hw = tuple(-(-side // c.stem_stride) for side in hw)
    for block in c.blocks:
        inputs, outputs, hidden, squeezed = block.inputs, block.outputs, block.hidden, block.squeezed
        if hidden != inputs:
            yield _Convolution("expand", inputs, hidden, 1, 1, hw, hidden, same=True)
        yield _Convolution("depthwise", 1, hidden, block.kernel, block.stride, hw, hidden, same=True)
        hw = tuple(-(-side // block.stride) for side in hw)
        yield _Convolution("squeeze", hidden, squeezed, 1, 1, (1, 1), 0, same=True, bias=True)
        yield _Convolution("squeeze", squeezed, hidden, 1, 1, (1, 1), 0, same=True, bias=True)
        yield _Convolution("project", hidden, outputs, 1, 1, hw, outputs, same=True)
    yield _Convolution("top", outputs, c.feature_channels, 1, 1, hw, c.feature_channels, same=True)


def _halved(hw) -> tuple[int, int]:
    return -(-hw[0] // 2), -(-hw[1] // 2)


def _resnet_parameters(c) -> Counter:
    parts = Counter()
    for conv in _convolutions(c):  # hardly a bias; a scale and an offset for each channel of the norm
        parts[conv.part] += conv.kernel**2 * conv.inputs * conv.outputs + 2 * conv.norm + conv.bias * conv.outputs
    return parts


def _resnet_macs(c, border) -> Counter:
    parts = Counter()
    for conv in _convolutions(c):  # each output pixel reads kernel x kernel pixels, in every pair of channels
        rows, columns = (_reads(side, conv, border) for side in conv.hw)
        parts[conv.part] += rows * columns * conv.inputs * conv.outputs
    return parts


def _reads(side, conv, border) -> int:
    """Along one side: how many pixels all windows together read, with the zeros around the image or without."""
    k, stride, outputs = conv.kernel, conv.stride, -(-side // conv.stride)
    if border:
        return outputs * k
    before = max((outputs - 1) * stride + k - side, 0) // 2 if conv.same else k // 2
    return sum(0 <= o * stride - before + i < side for o in range(outputs) for i in range(k))


# ---- Transformer ---------------------------------------------------------------------------------------------------


def _transformer_parameters(c) -> Counter:
    D, L, last = c.width, c.depth, 2 * c.width * (c.norm == "pre")  # norm after the last block
    attention, mlp = 4 * _linear(D, D), _linear(D, c.mlp_dim) + _linear(c.mlp_dim, D)
    return Counter(
        source_embedding=c.source_vocabulary * D,
        target_embedding=c.target_vocabulary * D,
        encoder=L * (attention + mlp + 2 * 2 * D) + last,
        decoder=L * (2 * attention + mlp + 3 * 2 * D) + last,
        head=c.target_vocabulary if c.tied else _linear(D, c.target_vocabulary),
    )


def _transformer_macs(c, S, T) -> Counter:
    """S source symbols, T target symbols; a masked score is computed like any other."""
    D, M = c.width, c.mlp_dim
    cross = Counter(q=T * D * D, kv=2 * S * D * D) + _attention_macs(D, T, S)
    parts = Counter()
    for name, block in (("encoder", _block_macs(D, M, S, S)), ("decoder", _block_macs(D, M, T, T)), ("cross", cross)):
        parts += Counter({f"{name}/{part}": c.depth * macs for part, macs in block.items()})
    return parts + Counter(head=T * D * c.target_vocabulary)
