"""Exercises of notebooks/00_map.ipynb: counting tokens and parameters."""

from __future__ import annotations

from vitedu_numpy import ViTConfig

from ..slips.exercise import exercise

__all__ = ["block_parameters", "linear_parameters", "num_tokens", "vit_parameters"]

_COUNT = {"tolerance": 1e-9, "whole": True}  # counts are whole numbers: a difference of one is a mistake


# ---- num_tokens(height, width, patch_size) -> T ----------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(6, 15, 3), (8, 8, 2), (10, 35, 5), (224, 224, 16)],
    outputs={"T": "(a whole number)"}, level=1, minutes=5, **_COUNT,
)  # fmt: skip
def num_tokens(height, width, patch_size):
    gh = height // patch_size  # the rows of the grid
    gw = width // patch_size  # the columns of the grid
    patches = gh * gw  # the patches
    return patches + 1  # the tokens


_GRID = "How many patches stand across the image, and how many down?"
num_tokens.slip(
    "the class token is not counted", "These are the patches alone.  Which token does the head read?", result="patches"
)
num_tokens.slip(
    "the patch side is not squared",
    "A patch covers how many pixels?  It has a height and a width.",
    patches="height * width // patch_size",
)
num_tokens.slip("the image is taken to be square (H used for both sides)", _GRID, patches="gh * gh")
num_tokens.slip("the image is taken to be square (W used for both sides)", _GRID, patches="gw * gw")
num_tokens.slip(
    "the grid sides are added, not multiplied",
    "Count the cells of a table with gh rows and gw columns.",
    patches="gh + gw",
)
num_tokens.slip(
    "patches overlap: one starts at every pixel",
    "After one patch, how far is it to the start of the next?",
    gh="height - patch_size + 1",
    gw="width - patch_size + 1",
)
num_tokens.slip(
    "one class token for every row of patches", "How many class tokens does one image get?", result="gh * (gw + 1)"
)


# ---- linear_parameters(inputs, outputs) ------------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(5, 3), (4, 4), (2, 11), (768, 1000)],
    outputs={"count": "(a whole number)"}, level=1, minutes=5, **_COUNT,
)  # fmt: skip
def linear_parameters(inputs, outputs):
    weights = inputs * outputs  # the weights
    biases = outputs  # the biases
    return weights + biases  # the count


_EVERY = "Every output has one weight for every input."
linear_parameters.slip(
    "the biases are not counted", "y = x W^T + b: the matrix is not the only thing that is learned.", result="weights"
)
linear_parameters.slip(
    "one bias per input", "To what is b added, and how many numbers does that have?", biases="inputs"
)
linear_parameters.slip("a single bias", "Every output has its own offset.", biases="1")
linear_parameters.slip("inputs and outputs are added, not multiplied", _EVERY, result="inputs + outputs")
linear_parameters.slip(
    "inputs and outputs are added, not multiplied (with biases)", _EVERY, result="inputs + outputs + outputs"
)


# ---- block_parameters(width, mlp_dim) --------------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(12, 17), (20, 33), (7, 5), (48, 96)],
    outputs={"count": "(a whole number)"}, level=1, minutes=10, **_COUNT,
)  # fmt: skip
def block_parameters(width, mlp_dim):
    D = width
    M = mlp_dim
    qkv = 3 * D * D + 3 * D  # q, k and v
    out = D * D + D  # attention's output layer
    fc1 = D * M + M  # the first layer of the MLP
    fc2 = M * D + D  # the second layer of the MLP
    norms = 2 * (D + D)  # the layer norms
    return norms + qkv + out + fc1 + fc2  # the count


_BOTH = "How many layer norms has a block, with how many vectors each?  What is the shape of `attention.qkv.bias`?"
block_parameters.slip(
    "the biases of the linear layers are not counted",
    "Look at the names that end in `.bias`.",
    qkv="3 * D * D", out="D * D", fc1="D * M", fc2="M * D",
)  # fmt: skip
block_parameters.slip(
    "q, k and v are counted as one D x D layer", "Look at the shape of `attention.qkv.weight`.", qkv="D * D + D"
)
block_parameters.slip(
    "attention's output layer is not counted",
    "After the heads are put side by side again, one more linear layer follows.",
    out="0",
)
block_parameters.slip(
    "4 D numbers are missing: the layer norms, or the biases of attention",
    "Which names begin with `norm`, and which end in `bias`?",
    norms="0",
)
block_parameters.slip("the biases of the MLP are not counted", "Which names end in `bias`?", fc1="D * M", fc2="M * D")
block_parameters.slip(
    "2 D numbers are missing: half of the layer norms, or all but D numbers of the bias of q, k and v",
    _BOTH,
    norms="2 * D",
)
block_parameters.slip("only one layer of the MLP is counted", "The MLP widens to M, and then?", fc2="0")
block_parameters.slip(
    "both biases of the MLP are given M numbers",
    "A bias is added to a layer's output.  How wide is the output of the second layer?",
    fc2="M * D + M",
)
block_parameters.slip("the MLP is not counted", "A block has two halves.  Which one takes M?", fc1="0", fc2="0")


# ---- vit_parameters(config) ------------------------------------------------------------------------------------------


def _vit_cases(rng):
    one = dict(image_size=(6, 15), patch_size=3, width=20, depth=3, heads=5, mlp_dim=33, num_classes=7, channels=2)
    two = dict(image_size=(20, 10), patch_size=5, width=14, depth=2, heads=2, mlp_dim=9, num_classes=4)
    configs = [
        ViTConfig(8, 2, width=12, depth=2, heads=3, mlp_dim=17, num_classes=10, channels=1),
        ViTConfig(**one),
        ViTConfig(**one, position_embedding="none"),
        ViTConfig(**two, classifier="gap"),
        ViTConfig(**two, classifier="gap", position_embedding="none"),
    ]
    return [(c,) for c in configs]


@exercise(cases=_vit_cases, outputs={"count": "(a whole number)"}, level=2, minutes=20, **_COUNT)
def vit_parameters(config):
    c = config
    D = c.width
    M = c.mlp_dim
    K = c.num_classes
    has_token = c.classifier == "token"
    has_positions = c.position_embedding == "1d"
    N = c.num_patches
    T = N + 1 if has_token else N  # the tokens
    patch = c.channels * c.patch_size**2 * D + D  # the patch embedding
    token = D if has_token else 0  # the class token
    positions = T * D if has_positions else 0  # the positions
    qkv = 3 * D * D + 3 * D  # q, k and v
    out = D * D + D  # attention's output layer
    mlp = D * M + M + M * D + D  # the MLP
    norms = 4 * D  # the layer norms of a block
    final = 2 * D  # the final layer norm
    head = D * K + K  # the head
    return patch + token + positions + c.depth * (qkv + out + mlp + norms) + final + head  # the count


_GAP = 'With "gap" the head reads a mean over the patches.  Is there a class token then?'
for _name, _why, _lines in (
    ("the vector of the class token is not counted",
     "The class token is learned.  Its name is `class_token.x_class`.", {"token": "0"}),
    ("the position embedding has no row for the class token",
     "`E_pos` is added after the class token has joined the patches.", {"positions": "N * D if has_positions else 0"}),
    ("the class token is counted nowhere: neither its vector nor its row of E_pos",
     "How long is the sequence that enters the first block?",
     {"token": "0", "positions": "N * D if has_positions else 0"}),
    ('a class token is counted with classifier="gap" too', _GAP, {"token": "D"}),
    ('a class token and its row of E_pos are counted with classifier="gap" too', _GAP, {"token": "D", "T": "N + 1"}),
    ('E_pos is counted with position_embedding="none" too',
     "Look at what the last option of the configuration switches off.", {"positions": "T * D"}),
    ("the position embedding is not counted", "How does the model know where a patch was?", {"positions": "0"}),
    ("the channels of a patch are not counted",
     "A patch of a colour photograph holds more than P x P numbers.", {"patch": "c.patch_size**2 * D + D"}),
    ("the patch side is not squared", "How many pixels has a patch?", {"patch": "c.channels * c.patch_size * D + D"}),
    ("the bias of the patch embedding is not counted",
     "Compare your list with the names of `model.named_parameters()`, from the top.",
     {"patch": "c.channels * c.patch_size**2 * D"}),
    ("one patch embedding for every patch",
     "All patches share one projection E: its size does not depend on N.",
     {"patch": "N * (c.channels * c.patch_size**2 * D + D)"}),
    ("only one block is counted", "Which field of the configuration says how often the block is repeated?",
     {"result": "patch + token + positions + qkv + out + mlp + norms + final + head"}),
    ("q, k and v are counted once per head",
     "Each head works on Dh = D / h numbers, so all heads together need how many?",
     {"qkv": "c.heads * (3 * D * D + 3 * D)"}),
    ("q, k and v are counted as one D x D layer", "Look at the shape of `attention.qkv.weight`.", {"qkv": "D * D + D"}),
    ("attention's output layer is not counted",
     "After the heads are put side by side again, one more linear layer follows.", {"out": "0"}),
    ("the final layer norm is not counted",
     "After the last block, something still happens before the head (Eq. 4).", {"final": "0"}),
    ("2 D numbers of every block are missing: one layer norm, or all but D numbers of the bias of q, k and v",
     "Eq. 2 and Eq. 3 both begin with LN.  What is the shape of `attention.qkv.bias`?", {"norms": "2 * D"}),
    ("4 D numbers of every block are missing: the layer norms, or the biases of attention",
     "Which names begin with `norm`, and which end in `bias`?", {"norms": "0"}),
    ("the biases of the MLP are not counted", "Which names end in `.bias`?", {"mlp": "2 * D * M"}),
    ("the layer norms have a weight but no bias",
     "Look at the names that begin with `encoder.norm`.", {"norms": "2 * D", "final": "D"}),
    ("no layer norm is counted at all",
     "A layer norm has parameters too: a scale and an offset for every feature.", {"norms": "0", "final": "0"}),
    ("the bias of the head is not counted", "The head is a linear layer like any other.", {"head": "D * K"}),
    ("the head is not counted", "Which layer turns D numbers into K class scores?", {"head": "0"}),
    ("the biases of the linear layers are not counted", "Look at the names that end in `.bias`.",
     {"patch": "c.channels * c.patch_size**2 * D", "qkv": "3 * D * D", "out": "D * D", "mlp": "2 * D * M",
      "head": "D * K"}),
):  # fmt: skip
    vit_parameters.slip(_name, _why, **_lines)
