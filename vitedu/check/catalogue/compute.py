"""Exercises of notebooks/12_compute.ipynb: parameters, MACs, exaFLOPs, activations."""

from __future__ import annotations

import math

from vitedu_numpy.config import ViTConfig

from ..slips.exercise import exercise

__all__ = ["attention_macs", "block_activations", "conv_macs", "exaflops", "unit_parameters", "vit_macs"]

_COUNT = {"tolerance": 1e-9, "whole": True}  # counts are whole numbers: a difference of one is a mistake


# ---- unit_parameters(in_channels, width, stride) ---------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(12, 3, 1), (12, 3, 2), (6, 5, 1), (7, 2, 2), (20, 5, 1)],
    axes={"W": "the width"}, outputs={"count": "(a whole number)"}, level=2, minutes=15, **_COUNT,
)  # fmt: skip
def unit_parameters(in_channels, width, stride):
    C = in_channels
    W = width
    O = 4 * W
    kernel = 9  # the window of the second convolution
    is_projected = stride > 1 or C != O
    filters = C * W + kernel * W * W + W * O  # the three convolutions
    projection = C * O if is_projected else 0  # the projection
    norms = 2 * (C + W + W)  # the norms
    return filters + projection + norms  # the count


unit_parameters.slip(
    "the shortcut's projection has a norm too", "Before each of which convolutions does a norm stand?",
    projection="C * O + 2 * C if is_projected else 0",
)  # fmt: skip
unit_parameters.slip(
    "the shortcut's projection has a norm too, over its outputs", "Before which convolutions does a norm stand?",
    projection="C * O + 2 * O if is_projected else 0",
)  # fmt: skip


for _name, _why, _lines in (
    ("the projection of the shortcut is not counted", "In which units can x not simply be added to the result?",
     {"projection": "0"}),
    ("every unit has a projection", "Where input and output have the same shape, the shortcut is x itself.",
     {"projection": "C * O"}),
    ("the projection depends on the stride alone", "A sum also needs as many channels on the left as on the right.",
     {"is_projected": "stride > 1"}),
    ("the projection depends on the channels alone",
     "With stride 2, how large is the result's image, and how large is x?", {"is_projected": "C != O"}),
    ("the convolutions are given biases", "A norm follows, with an offset of its own.  Look at the parameters' names.",
     {"filters": "C * W + W + kernel * W * W + W + W * O + O", "projection": "C * O + O if is_projected else 0"}),
    ("the side of the 3 x 3 kernel is not squared", "A window has a height and a width.", {"kernel": "3"}),
    ("all convolutions are counted as 1 x 1", "The one in the middle reads a window of 3 x 3 pixels.", {"kernel": "1"}),
    ("the norms are not counted", "Group normalisation has a scale and an offset per channel.", {"norms": "0"}),
    ("each norm has one vector only", "Besides the scale there is an offset.", {"norms": "C + W + W"}),
    ("the norms stand after the convolutions",
     "Pre-activation: each norm reads what its convolution is about to read.  How many channels has x?",
     {"norms": "2 * (W + W + O)"}),
):  # fmt: skip
    unit_parameters.slip(_name, _why, **_lines)


# ---- attention_macs(config), vit_macs(config) ------------------------------------------------------------------------


def _vit_cases(rng):
    one = dict(image_size=(6, 15), patch_size=3, width=20, depth=3, heads=5, mlp_dim=33, num_classes=7, channels=2)
    two = dict(image_size=(20, 10), patch_size=5, width=14, depth=2, heads=2, mlp_dim=9, num_classes=4)
    configs = [
        ViTConfig(8, 2, width=12, depth=4, heads=3, mlp_dim=17, num_classes=10, channels=1),
        ViTConfig(**one),
        ViTConfig(**two, classifier="gap"),
    ]
    return [(c,) for c in configs]


@exercise(cases=_vit_cases, outputs={"macs": "(a whole number)"}, level=2, minutes=15, **_COUNT)
def attention_macs(config):
    D = config.width
    h = config.heads
    N = config.num_patches
    T = config.num_tokens
    qkv = 3 * T * D * D  # q, k and v
    scores = T * T * D  # the scores
    fetched = T * T * D  # the weighted sum
    out = T * D * D  # the output layer
    return qkv + scores + fetched + out  # the MACs


_LONG = "How long is the sequence that enters {}?"
_TWICE = "Attention multiplies twice: once to ask, once to fetch."
_QKV = "Look at the shape of `attention.qkv.weight`."
_AGAIN = "After the heads are put side by side again, one more linear layer follows."
_MAC = "One multiplication and the addition that follows are one MAC."
_ONE_OF_TWO = "one of the two products without weights, q k^T and A v, is not counted"
for _name, _why, _lines in (
    (_ONE_OF_TWO, _TWICE, {"scores": "0"}),
    ("one of the two products without weights, q k^T and A v, is counted as T D^2",
     "The product of a (T, Dh) and a (Dh, T) matrix: how many results, and how many products for each?",
     {"scores": "T * D * D"}),
    ("scores and weighted sum are not counted", "The linear layers are right.  What happens between them?",
     {"scores": "0", "fetched": "0"}),
    ("FLOPs are counted, not MACs", _MAC, {"result": "2 * (qkv + scores + fetched + out)"}),
    ("the class token is forgotten: N tokens, not T", _LONG.format("a block"), {"T": "N"}),
    ("q, k and v are counted as one D x D layer", _QKV, {"qkv": "T * D * D"}),
    ("attention's output layer is not counted", _AGAIN, {"out": "0"}),
    ("scores and weighted sum are counted with D for every head", "A head's q and k have Dh = D / h numbers per token.",
     {"scores": "h * T * T * D", "fetched": "h * T * T * D"}),
    ("scores and weighted sum are counted for one head", "There are h heads, each with T^2 scores of its own.",
     {"scores": "T * T * D / h", "fetched": "T * T * D / h"}),
    ("all blocks are counted", "The question is for one block.",
     {"result": "config.depth * (qkv + scores + fetched + out)"}),
    ("parameters are counted, not MACs", "The layers work on every token anew.", {"result": "4 * D * D + 4 * D"}),
):  # fmt: skip
    attention_macs.slip(_name, _why, **_lines)


@exercise(cases=_vit_cases, outputs={"macs": "(a whole number)"}, level=2, minutes=20, **_COUNT)
def vit_macs(config):
    c = config
    D = c.width
    M = c.mlp_dim
    K = c.num_classes
    N = c.num_patches
    T = c.num_tokens
    pixels = c.channels * c.patch_size**2  # the numbers of a patch
    patch = N * pixels * D  # the patch embedding
    qkv = 3 * T * D * D  # q, k and v
    scores = T * T * D  # the scores
    fetched = T * T * D  # the weighted sum
    out = T * D * D  # attention's output layer
    mlp = 2 * T * D * M  # the MLP
    blocks = c.depth * (qkv + scores + fetched + out + mlp)  # the blocks
    head = D * K  # the head
    return patch + blocks + head  # the MACs


for _name, _why, _lines in (
    ("the patch embedding is not counted", "Pixels become D numbers per patch.  By which layer?", {"patch": "0"}),
    ("the patch embedding is counted for the class token too", "The class token joins after the projection.",
     {"patch": "T * pixels * D"}),
    ("the patch embedding is counted for one patch",
     "All patches share one projection, but each has to go through it.", {"patch": "pixels * D"}),
    ("the channels of a patch are not counted", "A patch of a colour photograph holds more than P x P numbers.",
     {"pixels": "c.patch_size**2"}),
    ("only one block is counted", "Which field of the configuration says how often the block is repeated?",
     {"blocks": "qkv + scores + fetched + out + mlp"}),
    ("only one layer of the MLP is counted", "The MLP widens to M, and then?", {"mlp": "T * D * M"}),
    ("the MLP is not counted", "A block has two halves.", {"mlp": "0"}),
    ("the MLP is counted for one token", "Every token goes through the MLP.", {"mlp": "2 * D * M"}),
    ("the head is counted for every token", "How many vectors does the head read (Eq. 4)?", {"head": "T * D * K"}),
    ("the head is not counted", "Which layer turns D numbers into K class scores?", {"head": "0"}),
    ("the class token is forgotten in the blocks: N tokens, not T", _LONG.format("the first block"), {"T": "N"}),
    ('a class token is counted with classifier="gap" too',
     'With "gap" the head reads a mean over the patches.  Is there a class token then?', {"T": "N + 1"}),
    ("scores and weighted sum of attention are not counted", "Two matrix products in every block have no weights.",
     {"scores": "0", "fetched": "0"}),
    (_ONE_OF_TWO, _TWICE, {"scores": "0"}),
    ("q, k and v are counted as one D x D layer", _QKV, {"qkv": "T * D * D"}),
    ("attention's output layer is not counted", _AGAIN, {"out": "0"}),
    ("FLOPs are counted, not MACs", _MAC, {"result": "2 * (patch + blocks + head)"}),
):  # fmt: skip
    vit_macs.slip(_name, _why, **_lines)


# ---- conv_macs(height, width, inputs, outputs, kernel, stride) -------------------------------------------------------


@exercise(
    cases=lambda rng: [
        (6, 9, 5, 7, 3, 1), (7, 12, 3, 4, 7, 2), (5, 8, 11, 2, 1, 1), (9, 7, 6, 10, 3, 2), (8, 10, 2, 3, 3, 3),
    ],
    outputs={"macs": "(a whole number)"}, level=1, minutes=10, **_COUNT,
)  # fmt: skip
def conv_macs(height, width, inputs, outputs, kernel, stride):
    down = math.ceil(height / stride)  # the stops on the way down
    across = math.ceil(width / stride)  # the stops across
    window = kernel**2  # the window
    weights = window * inputs * outputs  # the weights
    return down * across * weights  # the MACs


conv_macs.slip(
    "a bias is counted as a multiplication", "A bias is added; what is multiplied with what?",
    weights="(window * inputs + 1) * outputs",
)  # fmt: skip
for _name, _why, _lines in (
    ("the stride is not used", "With stride 2 the window stops at every second pixel, down and across.",
     {"down": "height", "across": "width"}),
    ("the stride is used in one direction only", "The window also skips rows.", {"across": "width"}),
    ("the stride is used across only", "The window also skips rows.", {"down": "height"}),
    ("the number of stops is rounded down", "A window that starts at the last pixel of an odd side still counts.",
     {"down": "height // stride", "across": "width // stride"}),
    ("the kernel's side is not squared", "A window has a height and a width.", {"window": "kernel"}),
    ("the input channels are not counted", "Every output channel looks at all input channels.",
     {"weights": "window * outputs"}),
    ("the output channels are not counted", "How many filters are there?", {"weights": "window * inputs"}),
    ("weights are counted, not MACs", "The same filter is used at many places.", {"result": "weights"}),
    ("FLOPs are counted, not MACs", _MAC, {"result": "2 * down * across * weights"}),
    ("windows that stick out over the image's border are left out",
     "The padding makes room for a window at every pixel, the border included.",
     {"down": "(height - kernel) // stride + 1", "across": "(width - kernel) // stride + 1"}),
):  # fmt: skip
    conv_macs.slip(_name, _why, **_lines)


# ---- exaflops(macs, epochs, images) ----------------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(17_564_000_000, 7, 303_000_000), (4_409_000_000, 14, 1_281_167), (816_384, 300, 50_000)],
    outputs={"exaFLOPs": "(a number)"}, level=1, minutes=5,
)  # fmt: skip
def exaflops(macs, epochs, images):
    forward = 2 * macs  # the forward
    step = 3 * forward  # forward and backward
    seen = epochs * images  # the images seen
    return step * seen / 1e18  # the exaFLOPs


for _name, _why, _lines in (
    ("the forward pass alone is counted", "Training also computes gradients: with respect to what, and at what cost?",
     {"step": "forward"}),
    ("MACs are counted, not FLOPs", "How many operations are in one multiply-accumulate?", {"forward": "macs"}),
    ("forward MACs, neither doubled nor tripled",
     "Two factors are missing: from MACs to FLOPs, and from forward to training.", {"step": "macs"}),
    ("a factor of 4: backward is taken to cost as much as forward, or is counted alone",
     "Every product of the forward has two gradients: for input and weight.  And the forward itself?",
     {"step": "2 * forward"}),
    ("the epochs are forgotten", "How often does the model see each image?", {"seen": "images"}),
    ("the images are forgotten", "The MACs are those of one image.", {"seen": "epochs"}),
    ("another unit: exa is 1e18", "Giga, tera, peta, exa: how many zeros?", {"result": "step * seen / 1e15"}),
    ("the unit is missing: these are FLOPs, not exaFLOPs", "Giga, tera, peta, exa: how many zeros?",
     {"result": "1.0 * step * seen"}),
):  # fmt: skip
    exaflops.slip(_name, _why, **_lines)


# ---- block_activations(tokens, width, heads, mlp_dim) ----------------------------------------------------------------


@exercise(
    cases=lambda rng: [(5, 12, 3, 17), (7, 20, 5, 33), (11, 14, 2, 9), (197, 768, 12, 3072)],
    outputs={"numbers": "(a whole number)"}, level=3, minutes=25, **_COUNT,
)  # fmt: skip
def block_activations(tokens, width, heads, mlp_dim):
    T = tokens
    D = width
    h = heads
    M = mlp_dim
    norms = 2 * (D + 2)  # the norms: input, mean and deviation
    read = D  # what q, k and v read
    qkv = 3 * D  # q, k and v
    answer = D  # attention's result
    log = h  # the logs of the sums
    fc1 = D  # what the MLP reads
    hidden = M  # the input of GELU
    return T * (norms + read + qkv + answer + log + fc1 + hidden)  # the numbers


block_activations.slip(
    "the weights of attention are kept, h T T of them",
    "FlashAttention never writes the table down: which numbers does its backward need instead?", log="h * T",
)  # fmt: skip
block_activations.slip(
    "each norm keeps one number for a token, beside its input, not two",
    "What does its backward need of the forward: the mean, and what else?", norms="2 * (D + 1)",
)  # fmt: skip


_FOUR = "The gradient of a weight is made from its layer's input; there are four linear layers."
for _name, _why, _lines in (
    ("the attention weights A are kept as well",
     "The fused kernel computes A in pieces and forgets it: see its row of the table.", {"log": "h + h * T"}),
    ("the result of GELU is kept as well", "See the row of GELU: what is done instead of keeping it?",
     {"hidden": "2 * M"}),
    ("the input of GELU is not kept", "The slope of GELU depends on where it is taken.", {"hidden": "0"}),
    ("2 T D numbers are missing: two of q, k and v, or the inputs of two linear layers",
     "q, k and v are three vectors per token.  And the gradient of a weight is made from its layer's input.",
     {"qkv": "D"}),
    ("attention's result is counted twice, for attention and for its output layer",
     "Two layers read it, but it is one tensor.", {"answer": "2 * D"}),
    ("T D numbers are missing: attention's result, or the input of one linear layer", _FOUR, {"answer": "0"}),
    ("only one norm is counted", "Eq. 2 and Eq. 3 both begin with LN.", {"norms": "D + 2"}),
    ("the norms' mean and deviation are not counted", "Two more numbers per token stand in the row of the norm.",
     {"norms": "2 * D"}),
    ("the logs of the sums are not counted", "The fused kernel keeps a number per head and token.", {"log": "0"}),
    ("the log of the sum is counted once for all heads", "Every head has a softmax of its own.", {"log": "1"}),
):  # fmt: skip
    block_activations.slip(_name, _why, **_lines)
