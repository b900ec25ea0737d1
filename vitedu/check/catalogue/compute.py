"""Exercises of notebooks/12_compute.ipynb: parameters, MACs, exaFLOPs, activations."""

from __future__ import annotations

import math
from dataclasses import replace

from vitedu_numpy.config import ViTConfig

from ..slips.exercise import exercise

__all__ = [
    "attention_macs", "block_activations", "conv_macs", "exaflops", "explicit_activations", "grouped_attention_macs",
    "kept_patches_macs", "separable_macs", "unit_parameters", "vit_macs",
]  # fmt: skip

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


# ---- grouped_attention_macs(config, key_heads) -----------------------------------------------------------------------


def _grouped_cases(rng):
    """h a multiple of the heads of keys and values: as many, one, and in between"""
    (one,), (two,), (three,) = _vit_cases(rng)
    four = replace(one, width=24, heads=6)
    return [(one, 1), (two, 5), (three, 1), (four, 2), (four, 3)]


@exercise(cases=_grouped_cases, outputs={"macs": "(a whole number)"}, level=2, minutes=15, **_COUNT)
def grouped_attention_macs(config, key_heads):
    D = config.width
    h = config.heads
    Dh = D // h
    T = config.num_tokens
    q = T * D * D  # q
    kv = 2 * T * D * key_heads * Dh  # k and v
    scores = T * T * D  # the scores
    fetched = T * T * D  # the weighted sum
    out = T * D * D  # the output layer
    return q + kv + scores + fetched + out  # the MACs


for _name, _why, _lines in (
    ("only the keys are shared, not the values", "Which two of q, k and v have as many heads as `key_heads`?",
     {"kv": "T * D * key_heads * Dh + T * D * D"}),
    ("all blocks are counted", "How many blocks does the exercise speak of?",
     {"result": "config.depth * (q + kv + scores + fetched + out)"}),
    ("every head is given the whole width in its scores", "Over how many numbers does one score of one head add up?",
     {"scores": "h * T * T * D", "fetched": "h * T * T * D"}),
    ("k and v are as wide as in ordinary attention", "How many numbers has a token's key, in all of its heads?",
     {"kv": "2 * T * D * D"}),
    ("only one of k and v is counted", "Both are shared, and both are made.", {"kv": "T * D * key_heads * Dh"}),
    ("k and v are counted for one head", "There are several heads of keys.", {"kv": "2 * T * D * Dh"}),
    ("scores and weighted sum are counted for the heads of keys alone",
     "Every head of the questions has scores of its own, whoever made the keys.",
     {"scores": "T * T * key_heads * Dh", "fetched": "T * T * key_heads * Dh"}),
    ("q is narrowed too", "The questions are not shared.", {"q": "T * D * key_heads * Dh"}),
    ("the output layer is narrowed too", "How many heads are put side by side in the end?",
     {"out": "T * D * key_heads * Dh"}),
    ("attention's output layer is not counted", _AGAIN, {"out": "0"}),
    (_ONE_OF_TWO, _TWICE, {"scores": "0"}),
    ("scores and weighted sum are not counted", "The linear layers are right.  What happens between them?",
     {"scores": "0", "fetched": "0"}),
    ("FLOPs are counted, not MACs", _MAC, {"result": "2 * (q + kv + scores + fetched + out)"}),
    ("the class token is forgotten: N tokens, not T", _LONG.format("a block"), {"T": "config.num_patches"}),
):  # fmt: skip
    grouped_attention_macs.slip(_name, _why, **_lines)


# ---- kept_patches_macs(config, kept) ---------------------------------------------------------------------------------


def _kept_cases(rng):
    return [(config, kept) for (config,), kept in zip(_vit_cases(rng), (4, 3, 7), strict=True)]


@exercise(cases=_kept_cases, outputs={"macs": "(a whole number)"}, level=2, minutes=20, **_COUNT)
def kept_patches_macs(config, kept):
    c = config
    D = c.width
    M = c.mlp_dim
    N = c.num_patches
    class_token = c.num_tokens - N
    T = kept + class_token  # the tokens that are left
    patch = kept * c.channels * c.patch_size**2 * D  # the patch embedding
    linear_layers = 4 * T * D * D + 2 * T * D * M  # the linear layers of a block
    pairs = 2 * T * T * D  # scores and weighted sum of a block
    head = D * c.num_classes  # the head
    return patch + c.depth * (linear_layers + pairs) + head  # the MACs


for _name, _why, _lines in (
    ("the MLP is taken to be four times as wide as a token", "Which setting says how wide the hidden layer is?",
     {"M": "4 * D"}),
    ("all patches are embedded", "They were dropped before the embedding. Who reads them?",
     {"patch": "N * c.channels * c.patch_size**2 * D"}),
    ("the class token is forgotten", "It is no patch, and is never dropped.", {"T": "kept"}),
    ("the class token counts everywhere, also where the model has none",
     'With "gap" the head reads a mean.  Is there a class token then?', {"T": "kept + 1"}),
    ("the blocks read all tokens", "What was dropped is in no block.", {"T": "c.num_tokens"}),
    ("the whole cost is taken in proportion to the patches",
     "One part of a block grows with the square of the number of tokens, and the head does not grow.",
     {"result": "kept * (N * c.channels * c.patch_size**2 * D + c.depth * (4 * (N + class_token) * D * D + "
                "2 * (N + class_token) * D * M + 2 * (N + class_token) ** 2 * D) + head) / N"}),
    ("every token that is left still asks all tokens of the whole image",
     "Who is there to be asked?", {"pairs": "2 * T * c.num_tokens * D"}),
    ("the patch embedding is counted for the class token too", "The class token joins after the projection.",
     {"patch": "T * c.channels * c.patch_size**2 * D"}),
    ("the head is counted for every token", "How many vectors does the head read (Eq. 4)?",
     {"head": "T * D * c.num_classes"}),
    ("scores and weighted sum are not counted", "Two matrix products in every block have no weights.", {"pairs": "0"}),
    (_ONE_OF_TWO, _TWICE, {"pairs": "T * T * D"}),
    ("only one layer of the MLP is counted", "The MLP widens to M, and then?",
     {"linear_layers": "4 * T * D * D + T * D * M"}),
    ("FLOPs are counted, not MACs", _MAC, {"result": "2 * (patch + c.depth * (linear_layers + pairs) + head)"}),
):  # fmt: skip
    kept_patches_macs.slip(_name, _why, **_lines)


# ---- separable_macs(height, width, inputs, outputs, kernel, stride) --------------------------------------------------


@exercise(
    cases=lambda rng: [
        (6, 9, 5, 7, 3, 1), (7, 12, 3, 4, 7, 2), (5, 8, 11, 2, 5, 1), (9, 7, 6, 10, 3, 2), (8, 10, 2, 3, 3, 3),
    ],
    outputs={"macs": "(a whole number)"}, level=1, minutes=10, **_COUNT,
)  # fmt: skip
def separable_macs(height, width, inputs, outputs, kernel, stride):
    down = math.ceil(height / stride)  # the stops on the way down
    across = math.ceil(width / stride)  # the stops across
    looking = kernel**2 * inputs  # one window, each channel by itself
    mixing = inputs * outputs  # the 1 x 1 convolution
    return down * across * (looking + mixing)  # the MACs


for _name, _why, _lines in (
    ("the area is divided and rounded up, not the two sides", "How many stops fit into a row, and into a column?",
     {"down": "math.ceil(height * width / stride**2)", "across": "1"}),
    ("an ordinary convolution is counted", "How many channels does one filter of the first step read?",
     {"looking": "kernel**2 * inputs * outputs", "mixing": "0"}),
    ("the first step is counted for every output channel", "The first step makes one map out of each map.",
     {"looking": "kernel**2 * inputs * outputs"}),
    ("the first step is counted for one channel", "Every channel has a filter of its own.", {"looking": "kernel**2"}),
    ("the 1 x 1 convolution is not counted", "Who mixes the channels?", {"mixing": "0"}),
    ("the first step is counted before the stride, on the whole image", "Which of the two steps moves by the stride?",
     {"result": "height * width * looking + down * across * mixing"}),
    ("the 1 x 1 convolution is counted before the stride, on the whole image",
     "The second step reads what the first one gives.",
     {"result": "down * across * looking + height * width * mixing"}),
    ("the stride is not used", "With stride 2 the window stops at every second pixel, down and across.",
     {"down": "height", "across": "width"}),
    ("the number of stops is rounded down", "A window that starts at the last pixel of an odd side still counts.",
     {"down": "height // stride", "across": "width // stride"}),
    ("the kernel's side is not squared", "A window has a height and a width.", {"looking": "kernel * inputs"}),
    ("FLOPs are counted, not MACs", _MAC, {"result": "2 * down * across * (looking + mixing)"}),
):  # fmt: skip
    separable_macs.slip(_name, _why, **_lines)


# ---- explicit_activations(tokens, width, heads, mlp_dim) -------------------------------------------------------------


@exercise(
    cases=lambda rng: [(5, 12, 3, 17), (7, 20, 5, 33), (10, 14, 2, 9), (33, 8, 4, 30)],
    outputs={"numbers": "(a whole number)"}, level=3, minutes=25, **_COUNT,
)  # fmt: skip
def explicit_activations(tokens, width, heads, mlp_dim):
    T = tokens
    D = width
    h = heads
    M = mlp_dim
    norms = 2 * (T * D + 2 * T)  # the norms
    qkv = T * D  # the input of the qkv layer
    asked = 3 * T * D  # q, k and v
    weights = h * T * T  # A
    out = T * D  # the output layer's input
    first = T * D  # the input of fc1
    hidden = 2 * T * M  # the input of GELU, and of fc2
    return norms + qkv + asked + weights + out + first + hidden  # the numbers


for _name, _why, _lines in (
    ("A is not kept", "What does the backward of A v read, and that of the softmax?", {"weights": "0"}),
    ("the scores are kept beside A", "The backward of softmax reads its result alone (notebook 03).",
     {"weights": "2 * h * T * T"}),
    ("A is counted for one head", "Every head has weights of its own.", {"weights": "T * T"}),
    ("A is counted with D for every pair", "A pair of tokens has one number in each head.", {"weights": "T * T * D"}),
    ("the logarithms of the sums are kept too", "They replace A where A is not kept.",
     {"weights": "h * T * T + h * T"}),
    ("what GELU gives is not kept", "Here it is not computed again. What does fc2 read?", {"hidden": "T * M"}),
    ("q, k and v are not kept", "The backward of q k^T reads both of its factors.", {"asked": "0"}),
    ("one of q, k and v is left out", "Each of the two products reads both of its factors.", {"asked": "2 * T * D"}),
    ("the input of a linear layer is not counted", "A linear layer keeps its input. There are four in a block.",
     {"out": "0"}),
    ("the norms keep their input alone", "Mean and deviation of each token are kept too.", {"norms": "2 * T * D"}),
    ("one norm is left out", "A block has two.", {"norms": "T * D + 2 * T"}),
    ("the sums keep their result too", "The gradient of a sum is 1: it reads nothing.",
     {"result": "norms + qkv + asked + weights + out + first + hidden + 2 * T * D"}),
):  # fmt: skip
    explicit_activations.slip(_name, _why, **_lines)
