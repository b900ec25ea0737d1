"""Checks for the exercises of notebooks/00_map.ipynb: counting tokens and parameters."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy import ViT, ViTConfig, make_block

__all__ = ["block_parameters", "linear_parameters", "num_tokens", "vit_parameters"]

_EXACT = 1e-9  # counts are whole numbers: a difference of one is a mistake


def _count(model) -> int:
    return sum(p.value.size for _, p in model.named_parameters())


# ---- num_tokens(height, width, patch_size) -> T ----------------------------------------------------------------------


def _num_tokens(H, W, P):
    return ViTConfig((H, W), P, width=1, depth=1, heads=1, mlp_dim=1, num_classes=1).num_tokens


num_tokens = Check(
    "num_tokens",
    reference=_num_tokens,
    cases=lambda rng: [(6, 15, 3), (8, 8, 2), (10, 35, 5), (224, 224, 16)],
    outputs={"T": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the class token is not counted",
            "These are the patches alone.  Which token does the head read?",
            lambda H, W, P: (H // P) * (W // P),
        ),
        Mistake(
            "the patch side is not squared",
            "A patch covers how many pixels?  It has a height and a width.",
            lambda H, W, P: H * W // P + 1,
        ),
        Mistake(
            "the image is taken to be square (H used for both sides)",
            "How many patches stand across the image, and how many down?",
            lambda H, W, P: (H // P) ** 2 + 1,
        ),
        Mistake(
            "the image is taken to be square (W used for both sides)",
            "How many patches stand across the image, and how many down?",
            lambda H, W, P: (W // P) ** 2 + 1,
        ),
        Mistake(
            "the grid sides are added, not multiplied",
            "Count the cells of a table with gh rows and gw columns.",
            lambda H, W, P: H // P + W // P + 1,
        ),
        Mistake(
            "patches overlap: one starts at every pixel",
            "After one patch, how far is it to the start of the next?",
            lambda H, W, P: (H - P + 1) * (W - P + 1) + 1,
        ),
        Mistake(
            "one class token for every row of patches",
            "How many class tokens does one image get?",
            lambda H, W, P: (H // P) * (W // P + 1),
        ),
    ],
)


# ---- linear_parameters(inputs, outputs) ------------------------------------------------------------------------------


def _linear(I, O, bias=True):
    return I * O + O * bias


linear_parameters = Check(
    "linear_parameters",
    reference=_linear,
    cases=lambda rng: [(5, 3), (4, 4), (2, 11), (768, 1000)],
    outputs={"count": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the biases are not counted",
            "y = x W^T + b: the matrix is not the only thing that is learned.",
            lambda I, O: I * O,
        ),
        Mistake(
            "one bias per input",
            "To what is b added, and how many numbers does that have?",
            lambda I, O: I * O + I,
        ),
        Mistake("a single bias", "Every output has its own offset.", lambda I, O: I * O + 1),
        Mistake(
            "inputs and outputs are added, not multiplied",
            "Every output has one weight for every input.",
            lambda I, O: I + O,
        ),
        Mistake(
            "inputs and outputs are added, not multiplied (with biases)",
            "Every output has one weight for every input.",
            lambda I, O: I + 2 * O,
        ),
    ],
)


# ---- block_parameters(width, mlp_dim) --------------------------------------------------------------------------------


def _block(D, M, *, bias=True, qkv=None, out=True, norms=4, mlp=None):
    """Parameters of one block, with room for a slip in every part.  norms: vectors of D numbers in both layer norms."""
    qkv = 3 * _linear(D, D, bias) if qkv is None else qkv
    mlp = _linear(D, M, bias) + _linear(M, D, bias) if mlp is None else mlp
    return qkv + out * _linear(D, D, bias) + norms * D + mlp


def _real_block(D, M):
    config = ViTConfig(2, 1, width=D, depth=1, heads=1, mlp_dim=M, num_classes=2)
    return _count(make_block(config, np.random.default_rng(0)))


block_parameters = Check(
    "block_parameters",
    reference=_real_block,
    cases=lambda rng: [(12, 17), (20, 33), (7, 5), (48, 96)],
    outputs={"count": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the biases of the linear layers are not counted",
            "Look at the names that end in `.bias`.",
            lambda D, M: _block(D, M, bias=False),
        ),
        Mistake(
            "q, k and v are counted as one D x D layer",
            "Look at the shape of `attention.qkv.weight`.",
            lambda D, M: _block(D, M, qkv=_linear(D, D)),
        ),
        Mistake(
            "attention's output layer is not counted",
            "After the heads are put side by side again, one more linear layer follows.",
            lambda D, M: _block(D, M, out=False),
        ),
        Mistake(
            "the layer norms are not counted",
            "A layer norm has parameters too: which names begin with `norm`?",
            lambda D, M: _block(D, M, norms=0),
        ),
        Mistake(
            "2 D numbers are missing: half of the layer norms, or all but D numbers of the bias of q, k and v",
            "How many layer norms has a block, with how many vectors each?  What is the shape of `attention.qkv.bias`?",
            lambda D, M: _block(D, M, norms=2),
        ),
        Mistake(
            "only one layer of the MLP is counted",
            "The MLP widens to M, and then?",
            lambda D, M: _block(D, M, mlp=_linear(D, M)),
        ),
        Mistake(
            "both biases of the MLP are given M numbers",
            "A bias is added to a layer's output.  How wide is the output of the second layer?",
            lambda D, M: _block(D, M, mlp=2 * D * M + 2 * M),
        ),
        Mistake(
            "the MLP is not counted",
            "A block has two halves.  Which one takes M?",
            lambda D, M: _block(D, M, mlp=0),
        ),
    ],
)


# ---- vit_parameters(config) ------------------------------------------------------------------------------------------


def _vit(
    c, *, patch=None, patch_bias=True, token=None, positions=None, blocks=None, final_norm=2, head_bias=True, **slips
):
    """Parameters of a whole ViT, with room for a slip in every part.  token, positions: vectors of D numbers."""
    D, C, P, K = c.width, c.channels, c.patch_size, c.num_classes
    patch = C * P * P if patch is None else patch
    token = int(c.classifier == "token") if token is None else token
    positions = c.num_tokens * (c.position_embedding == "1d") if positions is None else positions
    blocks = c.depth if blocks is None else blocks
    ends = _linear(patch, D, patch_bias) + (token + positions) * D + final_norm * D + _linear(D, K, head_bias)
    return ends + blocks * _block(D, c.mlp_dim, **slips)


def _vit_cases(rng):
    shape = {
        "image_size": (6, 15),
        "patch_size": 3,
        "width": 20,
        "depth": 3,
        "heads": 5,
        "mlp_dim": 33,
        "num_classes": 7,
    }
    other = {
        "image_size": (20, 10),
        "patch_size": 5,
        "width": 14,
        "depth": 2,
        "heads": 2,
        "mlp_dim": 9,
        "num_classes": 4,
    }
    return [
        ViTConfig(8, 2, width=12, depth=2, heads=3, mlp_dim=17, num_classes=10, channels=1),
        ViTConfig(**shape, channels=2),
        ViTConfig(**shape, channels=2, position_embedding="none"),
        ViTConfig(**other, classifier="gap"),
        ViTConfig(**other, classifier="gap", position_embedding="none"),
    ]


def _has_position(c):
    return c.position_embedding == "1d"


vit_parameters = Check(
    "vit_parameters",
    reference=lambda config: _count(ViT(config, 0)),
    cases=lambda rng: [(c,) for c in _vit_cases(rng)],
    outputs={"count": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the vector of the class token is not counted",
            "The class token is learned.  Its name is `class_token.x_class`.",
            lambda c: _vit(c, token=0),
        ),
        Mistake(
            "the position embedding has no row for the class token",
            "`E_pos` is added after the class token has joined the patches.",
            lambda c: _vit(c, positions=c.num_patches * _has_position(c)),
        ),
        Mistake(
            "the class token is counted nowhere: neither its vector nor its row of E_pos",
            "How long is the sequence that enters the first block?",
            lambda c: _vit(c, token=0, positions=c.num_patches * _has_position(c)),
        ),
        Mistake(
            'a class token is counted with classifier="gap" too',
            'With "gap" the head reads a mean over the patches.  Is there a class token then?',
            lambda c: _vit(c, token=1),
        ),
        Mistake(
            'a class token and its row of E_pos are counted with classifier="gap" too',
            'With "gap" the head reads a mean over the patches.  Is there a class token then?',
            lambda c: _vit(c, token=1, positions=(c.num_patches + 1) * _has_position(c)),
        ),
        Mistake(
            'E_pos is counted with position_embedding="none" too',
            "Look at what the last option of the configuration switches off.",
            lambda c: _vit(c, positions=c.num_tokens),
        ),
        Mistake(
            "the position embedding is not counted",
            "How does the model know where a patch was?",
            lambda c: _vit(c, positions=0),
        ),
        Mistake(
            "the channels of a patch are not counted",
            "A patch of a colour photograph holds more than P x P numbers.",
            lambda c: _vit(c, patch=c.patch_size**2),
        ),
        Mistake(
            "the patch side is not squared",
            "How many pixels has a patch?",
            lambda c: _vit(c, patch=c.channels * c.patch_size),
        ),
        Mistake(
            "the bias of the patch embedding is not counted",
            "Compare your list with the names of `model.named_parameters()`, from the top.",
            lambda c: _vit(c, patch_bias=False),
        ),
        Mistake(
            "one patch embedding for every patch",
            "All patches share one projection E: its size does not depend on N.",
            lambda c: _vit(c) + (c.num_patches - 1) * _linear(c.channels * c.patch_size**2, c.width),
        ),
        Mistake(
            "only one block is counted",
            "Which field of the configuration says how often the block is repeated?",
            lambda c: _vit(c, blocks=1),
        ),
        Mistake(
            "q, k and v are counted once per head",
            "Each head works on Dh = D / h numbers, so all heads together need how many?",
            lambda c: _vit(c, qkv=c.heads * 3 * _linear(c.width, c.width)),
        ),
        Mistake(
            "q, k and v are counted as one D x D layer",
            "Look at the shape of `attention.qkv.weight`.",
            lambda c: _vit(c, qkv=_linear(c.width, c.width)),
        ),
        Mistake(
            "attention's output layer is not counted",
            "After the heads are put side by side again, one more linear layer follows.",
            lambda c: _vit(c, out=False),
        ),
        Mistake(
            "the final layer norm is not counted",
            "After the last block, something still happens before the head (Eq. 4).",
            lambda c: _vit(c, final_norm=0),
        ),
        Mistake(
            "2 D numbers of every block are missing: one layer norm, or all but D numbers of the bias of q, k and v",
            "Eq. 2 and Eq. 3 both begin with LN.  What is the shape of `attention.qkv.bias`?",
            lambda c: _vit(c, norms=2),
        ),
        Mistake(
            "the layer norms have a weight but no bias",
            "Look at the names that begin with `encoder.norm`.",
            lambda c: _vit(c, norms=2, final_norm=1),
        ),
        Mistake(
            "no layer norm is counted at all",
            "A layer norm has parameters too: a scale and an offset for every feature.",
            lambda c: _vit(c, norms=0, final_norm=0),
        ),
        Mistake(
            "the bias of the head is not counted",
            "The head is a linear layer like any other.",
            lambda c: _vit(c, head_bias=False),
        ),
        Mistake(
            "the head is not counted",
            "Which layer turns D numbers into K class scores?",
            lambda c: _vit(c) - _linear(c.width, c.num_classes),
        ),
        Mistake(
            "the biases of the linear layers are not counted",
            "Look at the names that end in `.bias`.",
            lambda c: _vit(c, bias=False, patch_bias=False, head_bias=False),
        ),
    ],
)
