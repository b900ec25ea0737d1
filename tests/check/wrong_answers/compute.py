"""Checks for the exercises of notebooks/12_compute.ipynb: parameters, MACs, exaFLOPs, activations."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.config import BiTConfig, ViTConfig
from vitedu_numpy.models.bit import PreActUnit

__all__ = ["attention_macs", "block_activations", "conv_macs", "exaflops", "unit_parameters", "vit_macs"]

_EXACT = 1e-9  # counts are whole numbers: a difference of one is a mistake


# ---- unit_parameters(in_channels, width, stride) ---------------------------------------------------------------------


def _real_unit(in_channels, width, stride):
    config = BiTConfig((1,), num_classes=2, base_width=width, groups=1)
    unit = PreActUnit(in_channels, width, stride, config, np.random.default_rng(0))
    return sum(p.value.size for _, p in unit.named_parameters())


def _unit(C, W, stride, *, projection=None, kernel=3, biases=False, norms=None, per_norm=2):
    """Parameters of a pre-activation unit, with room for a slip in every part."""
    projection = (stride > 1 or C != 4 * W) if projection is None else projection
    norms = C + 2 * W if norms is None else norms
    filters = C * W + kernel**2 * W * W + W * 4 * W + projection * C * 4 * W
    return filters + biases * (2 * W + 4 * W + projection * 4 * W) + per_norm * norms


unit_parameters = Check(
    "unit_parameters",
    reference=_real_unit,
    cases=lambda rng: [(12, 3, 1), (12, 3, 2), (6, 5, 1), (7, 2, 2), (20, 5, 1)],
    outputs={"count": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the projection of the shortcut is not counted",
            "In which units can x not simply be added to the result?",
            lambda C, W, s: _unit(C, W, s, projection=False),
        ),
        Mistake(
            "every unit has a projection",
            "Where input and output have the same shape, the shortcut is x itself.",
            lambda C, W, s: _unit(C, W, s, projection=True),
        ),
        Mistake(
            "the projection depends on the stride alone",
            "A sum also needs as many channels on the left as on the right.",
            lambda C, W, s: _unit(C, W, s, projection=s > 1),
        ),
        Mistake(
            "the projection depends on the channels alone",
            "With stride 2, how large is the result's image, and how large is x?",
            lambda C, W, s: _unit(C, W, s, projection=C != 4 * W),
        ),
        Mistake(
            "the convolutions are given biases",
            "A norm follows, with an offset of its own.  Look at the parameters' names.",
            lambda C, W, s: _unit(C, W, s, biases=True),
        ),
        Mistake(
            "the side of the 3 x 3 kernel is not squared",
            "A window has a height and a width.",
            lambda C, W, s: _unit(C, W, s, kernel=3**0.5),
        ),
        Mistake(
            "all convolutions are counted as 1 x 1",
            "The one in the middle reads a window of 3 x 3 pixels.",
            lambda C, W, s: _unit(C, W, s, kernel=1),
        ),
        Mistake(
            "the norms are not counted",
            "Group normalisation has a scale and an offset per channel.",
            lambda C, W, s: _unit(C, W, s, per_norm=0),
        ),
        Mistake(
            "each norm has one vector only",
            "Besides the scale there is an offset.",
            lambda C, W, s: _unit(C, W, s, per_norm=1),
        ),
        Mistake(
            "the norms stand after the convolutions",
            "Pre-activation: each norm reads what its convolution is about to read.  How many channels has x?",
            lambda C, W, s: _unit(C, W, s, norms=2 * W + 4 * W),
        ),
    ],
)


# ---- attention_macs(config) ------------------------------------------------------------------------------------------


def _vit_cases(rng):
    one = dict(image_size=(6, 15), patch_size=3, width=20, depth=3, heads=5, mlp_dim=33, num_classes=7, channels=2)
    two = dict(image_size=(20, 10), patch_size=5, width=14, depth=2, heads=2, mlp_dim=9, num_classes=4)
    configs = [
        ViTConfig(8, 2, width=12, depth=4, heads=3, mlp_dim=17, num_classes=10, channels=1),
        ViTConfig(**one),
        ViTConfig(**two, classifier="gap"),
    ]
    return [(c,) for c in configs]


def _attention(c, T=None, *, qkv=3, scores=1, weighted_sum=1, out=1):
    """MACs of attention in one block, with room for a slip in every part."""
    T, D = c.num_tokens if T is None else T, c.width
    return (qkv + out) * T * D * D + (scores + weighted_sum) * T * T * D


attention_macs = Check(
    "attention_macs",
    reference=lambda config: _attention(config),
    cases=_vit_cases,
    outputs={"macs": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "one of the two products without weights, q k^T and A v, is not counted",
            "Attention multiplies twice: once to ask, once to fetch.",
            lambda c: _attention(c, scores=0),
        ),
        Mistake(
            "one of the two products without weights, q k^T and A v, is counted as T D^2",
            "The product of a (T, Dh) and a (Dh, T) matrix: how many results, and how many products for each?",
            lambda c: _attention(c, scores=0, out=2),
        ),
        Mistake(
            "scores and weighted sum are not counted",
            "The linear layers are right.  What happens between them?",
            lambda c: _attention(c, scores=0, weighted_sum=0),
        ),
        Mistake(
            "FLOPs are counted, not MACs",
            "One multiplication and the addition that follows are one MAC.",
            lambda c: 2 * _attention(c),
        ),
        Mistake(
            "the class token is forgotten: N tokens, not T",
            "How long is the sequence that enters a block?",
            lambda c: _attention(c, c.num_patches),
        ),
        Mistake(
            "q, k and v are counted as one D x D layer",
            "Look at the shape of `attention.qkv.weight`.",
            lambda c: _attention(c, qkv=1),
        ),
        Mistake(
            "attention's output layer is not counted",
            "After the heads are put side by side again, one more linear layer follows.",
            lambda c: _attention(c, out=0),
        ),
        Mistake(
            "scores and weighted sum are counted with D for every head",
            "A head's q and k have Dh = D / h numbers per token.",
            lambda c: _attention(c, scores=c.heads, weighted_sum=c.heads),
        ),
        Mistake(
            "scores and weighted sum are counted for one head",
            "There are h heads, each with T^2 scores of its own.",
            lambda c: _attention(c, scores=1 / c.heads, weighted_sum=1 / c.heads),
        ),
        Mistake(
            "all blocks are counted",
            "The question is for one block.",
            lambda c: c.depth * _attention(c),
        ),
        Mistake(
            "parameters are counted, not MACs",
            "The layers work on every token anew.",
            lambda c: 4 * c.width * c.width + 4 * c.width,
        ),
    ],
)


# ---- vit_macs(config) ------------------------------------------------------------------------------------------------


def _vit(c, *, patch=None, blocks=None, mlp=2, head=1, tokens=None, **slips):
    """MACs of a whole ViT, with room for a slip in every part."""
    T, D = c.num_tokens if tokens is None else tokens, c.width
    patch = c.num_patches * c.channels * c.patch_size**2 * D if patch is None else patch
    block = _attention(c, T, **slips) + mlp * T * D * c.mlp_dim
    return patch + (c.depth if blocks is None else blocks) * block + head * D * c.num_classes


def _patch(c, *, patches=None, pixels=None):
    patches = c.num_patches if patches is None else patches
    return patches * (c.channels * c.patch_size**2 if pixels is None else pixels) * c.width


vit_macs = Check(
    "vit_macs",
    reference=lambda config: _vit(config),
    cases=_vit_cases,
    outputs={"macs": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the patch embedding is not counted",
            "Pixels become D numbers per patch.  By which layer?",
            lambda c: _vit(c, patch=0),
        ),
        Mistake(
            "the patch embedding is counted for the class token too",
            "The class token joins after the projection.",
            lambda c: _vit(c, patch=_patch(c, patches=c.num_tokens)),
        ),
        Mistake(
            "the patch embedding is counted for one patch",
            "All patches share one projection, but each has to go through it.",
            lambda c: _vit(c, patch=_patch(c, patches=1)),
        ),
        Mistake(
            "the channels of a patch are not counted",
            "A patch of a colour photograph holds more than P x P numbers.",
            lambda c: _vit(c, patch=_patch(c, pixels=c.patch_size**2)),
        ),
        Mistake(
            "only one block is counted",
            "Which field of the configuration says how often the block is repeated?",
            lambda c: _vit(c, blocks=1),
        ),
        Mistake(
            "only one layer of the MLP is counted",
            "The MLP widens to M, and then?",
            lambda c: _vit(c, mlp=1),
        ),
        Mistake(
            "the MLP is not counted",
            "A block has two halves.",
            lambda c: _vit(c, mlp=0),
        ),
        Mistake(
            "the MLP is counted for one token",
            "Every token goes through the MLP.",
            lambda c: _vit(c, mlp=2 / c.num_tokens),
        ),
        Mistake(
            "the head is counted for every token",
            "How many vectors does the head read (Eq. 4)?",
            lambda c: _vit(c, head=c.num_tokens),
        ),
        Mistake(
            "the head is not counted",
            "Which layer turns D numbers into K class scores?",
            lambda c: _vit(c, head=0),
        ),
        Mistake(
            "the class token is forgotten in the blocks: N tokens, not T",
            "How long is the sequence that enters the first block?",
            lambda c: _vit(c, tokens=c.num_patches),
        ),
        Mistake(
            'a class token is counted with classifier="gap" too',
            'With "gap" the head reads a mean over the patches.  Is there a class token then?',
            lambda c: _vit(c, tokens=c.num_patches + 1),
        ),
        Mistake(
            "scores and weighted sum of attention are not counted",
            "Two matrix products in every block have no weights.",
            lambda c: _vit(c, scores=0, weighted_sum=0),
        ),
        Mistake(
            "one of the two products without weights, q k^T and A v, is not counted",
            "Attention multiplies twice: once to ask, once to fetch.",
            lambda c: _vit(c, scores=0),
        ),
        Mistake(
            "q, k and v are counted as one D x D layer",
            "Look at the shape of `attention.qkv.weight`.",
            lambda c: _vit(c, qkv=1),
        ),
        Mistake(
            "attention's output layer is not counted",
            "After the heads are put side by side again, one more linear layer follows.",
            lambda c: _vit(c, out=0),
        ),
        Mistake(
            "FLOPs are counted, not MACs",
            "One multiplication and the addition that follows are one MAC.",
            lambda c: 2 * _vit(c),
        ),
    ],
)


# ---- conv_macs(height, width, inputs, outputs, kernel, stride) -------------------------------------------------------


def _conv(H, W, inputs, outputs, kernel, stride):
    return -(-H // stride) * -(-W // stride) * kernel**2 * inputs * outputs


conv_macs = Check(
    "conv_macs",
    reference=_conv,
    cases=lambda rng: [(6, 9, 5, 7, 3, 1), (7, 12, 3, 4, 7, 2), (5, 8, 11, 2, 1, 1), (9, 7, 6, 10, 3, 2)],
    outputs={"macs": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the stride is not used",
            "With stride 2 the window stops at every second pixel, down and across.",
            lambda H, W, I, O, k, s: _conv(H, W, I, O, k, 1),
        ),
        Mistake(
            "the stride is used in one direction only",
            "The window also skips rows.",
            lambda H, W, I, O, k, s: -(-H // s) * W * k * k * I * O,
        ),
        Mistake(
            "the number of stops is rounded down",
            "A window that starts at the last pixel of an odd side still counts.",
            lambda H, W, I, O, k, s: (H // s) * (W // s) * k * k * I * O,
        ),
        Mistake(
            "the kernel's side is not squared",
            "A window has a height and a width.",
            lambda H, W, I, O, k, s: _conv(H, W, I, O, k**0.5, s),
        ),
        Mistake(
            "the input channels are not counted",
            "Every output channel looks at all input channels.",
            lambda H, W, I, O, k, s: _conv(H, W, 1, O, k, s),
        ),
        Mistake(
            "the output channels are not counted",
            "How many filters are there?",
            lambda H, W, I, O, k, s: _conv(H, W, I, 1, k, s),
        ),
        Mistake(
            "weights are counted, not MACs",
            "The same filter is used at many places.",
            lambda H, W, I, O, k, s: k * k * I * O,
        ),
        Mistake(
            "FLOPs are counted, not MACs",
            "One multiplication and the addition that follows are one MAC.",
            lambda H, W, I, O, k, s: 2 * _conv(H, W, I, O, k, s),
        ),
        Mistake(
            "windows that stick out over the image's border are left out",
            "The padding makes room for a window at every pixel, the border included.",
            lambda H, W, I, O, k, s: ((H - k) // s + 1) * ((W - k) // s + 1) * k * k * I * O,
        ),
    ],
)


# ---- exaflops(macs, epochs, images) ----------------------------------------------------------------------------------


exaflops = Check(
    "exaflops",
    reference=lambda macs, epochs, images: 6 * macs * epochs * images / 1e18,
    cases=lambda rng: [(17_564_000_000, 7, 303_000_000), (4_409_000_000, 14, 1_281_167), (816_384, 300, 50_000)],
    outputs={"exaFLOPs": "(a number)"},
    mistakes=[
        Mistake(
            "the forward pass alone is counted",
            "Training also computes gradients: with respect to what, and at what cost?",
            lambda macs, epochs, images: 2 * macs * epochs * images / 1e18,
        ),
        Mistake(
            "MACs are counted, not FLOPs",
            "How many operations are in one multiply-accumulate?",
            lambda macs, epochs, images: 3 * macs * epochs * images / 1e18,
        ),
        Mistake(
            "forward MACs, neither doubled nor tripled",
            "Two factors are missing: from MACs to FLOPs, and from forward to training.",
            lambda macs, epochs, images: macs * epochs * images / 1e18,
        ),
        Mistake(
            "a factor of 4: backward is taken to cost as much as forward, or is counted alone",
            "Every product of the forward has two gradients: for input and weight.  And the forward itself?",
            lambda macs, epochs, images: 4 * macs * epochs * images / 1e18,
        ),
        Mistake(
            "the epochs are forgotten",
            "How often does the model see each image?",
            lambda macs, epochs, images: 6 * macs * images / 1e18,
        ),
        Mistake(
            "the images are forgotten",
            "The MACs are those of one image.",
            lambda macs, epochs, images: 6 * macs * epochs / 1e18,
        ),
        Mistake(
            "another unit: exa is 1e18",
            "Giga, tera, peta, exa: how many zeros?",
            lambda macs, epochs, images: 6 * macs * epochs * images / 1e15,
        ),
    ],
)


# ---- block_activations(tokens, width, heads, mlp_dim) ----------------------------------------------------------------


def _kept(T, D, h, M, *, norms=2, statistics=2, qkv=1, heads=3, result=1, log=1, fc1=1, hidden=1):
    """Numbers that a block keeps, with room for a slip in every part."""
    tokens = norms * (D + statistics) + qkv * D + heads * D + result * D + log * h + fc1 * D + hidden * M
    return T * tokens


block_activations = Check(
    "block_activations",
    reference=lambda tokens, width, heads, mlp_dim: _kept(tokens, width, heads, mlp_dim),
    cases=lambda rng: [(5, 12, 3, 17), (7, 20, 5, 33), (11, 14, 2, 9), (197, 768, 12, 3072)],
    outputs={"numbers": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the attention weights A are kept as well",
            "The fused kernel computes A in pieces and forgets it: see its row of the table.",
            lambda T, D, h, M: _kept(T, D, h, M) + h * T * T,
        ),
        Mistake(
            "the result of GELU is kept as well",
            "See the row of GELU: what is done instead of keeping it?",
            lambda T, D, h, M: _kept(T, D, h, M, hidden=2),
        ),
        Mistake(
            "the input of GELU is not kept",
            "The slope of GELU depends on where it is taken.",
            lambda T, D, h, M: _kept(T, D, h, M, hidden=0),
        ),
        Mistake(
            "2 T D numbers are missing: two of q, k and v, or the inputs of two linear layers",
            "q, k and v are three vectors per token.  And the gradient of a weight is made from its layer's input.",
            lambda T, D, h, M: _kept(T, D, h, M, heads=1),
        ),
        Mistake(
            "attention's result is counted twice, for attention and for its output layer",
            "Two layers read it, but it is one tensor.",
            lambda T, D, h, M: _kept(T, D, h, M, result=2),
        ),
        Mistake(
            "T D numbers are missing: attention's result, or the input of one linear layer",
            "The gradient of a weight is made from its layer's input; there are four linear layers.",
            lambda T, D, h, M: _kept(T, D, h, M, result=0),
        ),
        Mistake(
            "only one norm is counted",
            "Eq. 2 and Eq. 3 both begin with LN.",
            lambda T, D, h, M: _kept(T, D, h, M, norms=1),
        ),
        Mistake(
            "the norms' mean and deviation are not counted",
            "Two more numbers per token stand in the row of the norm.",
            lambda T, D, h, M: _kept(T, D, h, M, statistics=0),
        ),
        Mistake(
            "the logs of the sums are not counted",
            "The fused kernel keeps a number per head and token.",
            lambda T, D, h, M: _kept(T, D, h, M, log=0),
        ),
        Mistake(
            "the log of the sum is counted once for all heads",
            "Every head has a softmax of its own.",
            lambda T, D, h, M: _kept(T, D, h, M, log=1 / h),
        ),
    ],
)
