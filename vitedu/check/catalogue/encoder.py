"""Exercises of notebooks/06_encoder.ipynb."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import patchify, unpatchify
from .block import block  # Eqs. 2 and 3, for the milestone

__all__ = [
    "block", "class_token", "class_token_backward", "embed", "embed_registers", "embed_registers_backward", "pool",
    "position_embedding_backward", "shuffle_patches", "shuffle_positions",
]  # fmt: skip


# ---- the class token -----------------------------------------------------------------------------------------------


def _class_token_cases(rng):
    return [(rng.normal(0, 1, shape), rng.normal(0, 1, shape[-1])) for shape in ((2, 5, 3), (3, 4, 6), (4, 2, 5))]


@exercise(cases=_class_token_cases, outputs={"tokens": "(B, N + 1, D)"}, level=1, minutes=10)
def class_token(x, x_class):
    B, N, D = x.shape
    first = np.broadcast_to(x_class, (B, 1, D))  # the first token
    return np.concatenate([first, x], axis=1)  # the tokens


_WHERE = "In Eq. 1, where does x_class stand in the row of tokens?"
_AXIS = "Which axis of (B, N, D) counts the tokens?"
class_token.slip("the class token comes last", _WHERE, result="np.concatenate([x, first], axis=1)")
class_token.slip(
    "the class token is added to every patch", "How many tokens should come out? This sum has N.", result="x + x_class"
)
class_token.slip(
    "the class token takes the place of the first patch",
    "How many tokens should come out? No patch may be lost.",
    result="np.concatenate([first, x[:, 1:]], axis=1)",
)
class_token.slip(
    "the class token is joined along the batch axis, as one more image",
    _AXIS,
    result="np.concatenate([np.broadcast_to(x_class, (1, N, D)), x], axis=0)",
)
class_token.slip(
    "the class token is joined along the feature axis, to every patch",
    _AXIS,
    result="np.concatenate([np.broadcast_to(x_class, x.shape), x], axis=2)",
)
class_token.slip(
    "there is one class token for the whole batch, not one per image",
    "concatenate does not broadcast: how many copies of x_class does a batch of B images need?",
    result="np.concatenate([x_class[None, None], x], axis=1)",
)
class_token.slip(
    "x_class (D,) is joined to x (B, N, D) as it is: it lacks the axes for images and tokens",
    "Give x_class the shape (B, 1, D) first.",
    result="np.concatenate([x_class, x], axis=1)",
)
class_token.slip(
    "the first token is all zeros: x_class is not used",
    "x_class starts at 0 but is learned. Does your answer read it?",
    first="np.zeros((B, 1, D))",
)
class_token.slip(
    "the first token is the mean of the patches: x_class is not used",
    "The class token starts as the same vector for every image. Does your answer read x_class?",
    first="x.mean(axis=1, keepdims=True)",
)


def _dtokens_cases(rng):
    return [(rng.normal(0.3, 1, shape),) for shape in ((2, 5, 3), (3, 4, 6), (4, 3, 5))]


@exercise(cases=_dtokens_cases, outputs={"dx": "(B, N, D)", "dx_class": "(D,)"}, level=1, minutes=10)
def class_token_backward(dtokens):
    B, T, D = dtokens.shape
    dx = dtokens[:, 1:]  # dx
    dfirst = dtokens[:, 0]  # the first token's gradient
    return dx, dfirst.sum(axis=0)  # the two gradients


_PUT = "Where did forward put the class token?"
class_token_backward.slip(
    "dx_class is not summed over the batch",
    "x_class has shape (D,), and every image used it.",
    result="(dx, dfirst)",
)
class_token_backward.slip(
    "dx_class is the mean over the batch instead of the sum",
    "Each use of a parameter adds its gradient. Does anything divide?",
    result="(dx, dfirst.mean(axis=0))",
)
class_token_backward.slip(
    "dx_class comes from the first image alone", "Every image used x_class.", result="(dx, dfirst[0])"
)
class_token_backward.slip(
    "the gradients are taken as if the class token came last", _PUT, dx="dtokens[:, :-1]", dfirst="dtokens[:, -1]"
)
class_token_backward.slip("dx_class is read from the last token", _PUT, dfirst="dtokens[:, -1]")
class_token_backward.slip(
    "dx_class is summed over all tokens, the patches too",
    "Only one of the N + 1 tokens is x_class.",
    result="(dx, dtokens.sum(axis=(0, 1)))",
)
class_token_backward.slip(
    "dx still holds the class token's gradient", "x had N tokens. How many has your dx?", dx="dtokens"
)


# ---- positions -----------------------------------------------------------------------------------------------------


def _embed_cases(rng):
    return [
        (rng.normal(0, 1, (B, N, D)), rng.normal(0, 1, D), rng.normal(0, 1, (N + 1, D)))
        for B, N, D in ((2, 5, 3), (3, 4, 6), (4, 6, 5))
    ]


@exercise(cases=_embed_cases, outputs={"z0": "(B, N + 1, D)"}, level=1, minutes=10)
def embed(x, x_class, E_pos):
    B, N, D = x.shape
    first = np.broadcast_to(x_class, (B, 1, D))  # the first token
    tokens = np.concatenate([first, x], axis=1)  # the tokens
    return tokens + E_pos  # the positions


embed.slip(
    "patch n gets row n of the positions, which is that of the patch before",
    "Row 0 belongs to the class token. Which row is the first patch's?",
    result="tokens + np.concatenate([E_pos[:1], E_pos[:-1]])",
)

embed.slip("E_pos is not used", "The last term of Eq. 1 is missing.", result="tokens")
embed.slip(
    "the class token gets no position",
    "E_pos has N + 1 rows in Eq. 1. Which token gets row 0? (big_vision does it your way, the paper does not.)",
    result="np.concatenate([first, x + E_pos[1:]], axis=1)",
)
embed.slip(
    "the class token gets no position and the patches' rows are off by one",
    "Patch number 1 is token number 1. Which row of E_pos is its?",
    result="np.concatenate([first, x + E_pos[:-1]], axis=1)",
)
embed.slip(
    "the rows of E_pos are off by one: the class token gets the last row, the first patch row 0",
    "Row n of E_pos belongs to token n. Which token is the class token?",
    result="np.concatenate([first + E_pos[-1], x + E_pos[:-1]], axis=1)",
)
embed.slip("the class token comes last", _WHERE, tokens="np.concatenate([x, first], axis=1)")
embed.slip("E_pos is added twice", "How often does E_pos appear in Eq. 1?", result="tokens + 2 * E_pos")
embed.slip("E_pos is subtracted", "Look at the sign of the last term in Eq. 1.", result="tokens - E_pos")
embed.slip("the tokens are multiplied by E_pos", "Look at the last operation in Eq. 1.", result="tokens * E_pos")
embed.slip(
    "E_pos is joined to the features instead of added",
    "z0 keeps the width D.",
    result="np.concatenate([tokens, np.broadcast_to(E_pos, tokens.shape)], axis=-1)",
)
embed.slip(
    "every token gets the same row of E_pos",
    "If all tokens get the same vector, can the model tell where a patch was?",
    result="tokens + E_pos[0]",
)
embed.slip(
    "the rows of E_pos went to the images instead of the tokens",
    "Does position 3 belong to the third image or to the third token?",
    result="tokens + E_pos[:B, None]",
)
embed.slip(
    "there is no class token: only the patches and their positions",
    "How many rows has E_pos, and how many tokens have you?",
    result="x + E_pos[1:]",
)


@exercise(cases=_dtokens_cases, outputs={"dx": "(B, T, D)", "dE_pos": "(T, D)"}, level=1, minutes=5)
def position_embedding_backward(dz):
    B, T, D = dz.shape
    return dz, dz.sum(axis=0)  # the two gradients


position_embedding_backward.slip(
    "dE_pos is not summed over the batch", "E_pos has shape (T, D), and every image used it.", result="(dz, dz)"
)
position_embedding_backward.slip(
    "dE_pos is the mean over the batch instead of the sum",
    "Each use of a parameter adds its gradient. Does anything divide?",
    result="(dz, dz.mean(axis=0))",
)
position_embedding_backward.slip(
    "dE_pos is summed over the tokens instead of the images",
    "Each token has a row of its own. What shares a row?",
    result="(dz, dz.sum(axis=1))",
)
position_embedding_backward.slip(
    "dE_pos is summed over images and tokens",
    "Each token has a row of its own: E_pos has shape (T, D).",
    result="(dz, dz.sum(axis=(0, 1)))",
)
position_embedding_backward.slip(
    "dE_pos is summed over images and tokens, and every row has the same sum",
    "Each token has a row of its own: E_pos has shape (T, D).",
    result="(dz, dz.sum(axis=(0, 1)) + 0 * dz[0])",
)
position_embedding_backward.slip(
    "dE_pos comes from the first image alone", "Every image used E_pos.", result="(dz, dz[0])"
)
position_embedding_backward.slip(
    "dx is summed over the batch as well",
    "Every image has tokens of its own. Only E_pos is shared.",
    result="(dz.sum(axis=0), dz.sum(axis=0))",
)
position_embedding_backward.slip(
    "dx is zero, as if only E_pos could learn",
    "z = x + E_pos: a sum hands its gradient to both of its terms.",
    result="(0 * dz, dz.sum(axis=0))",
)
position_embedding_backward.slip(
    "dx is halved: the gradient was split between the two terms",
    "A sum does not split the gradient. How far does z move when x moves by 1?",
    result="(dz / 2, dz.sum(axis=0))",
)


# ---- reading the encoder's output ------------------------------------------------------------------------------------


def _pool_cases(rng):
    shapes = ((2, 5, 3), (3, 4, 6), (4, 6, 5))
    return [(rng.normal(0.5, 1, shape), classifier) for shape in shapes for classifier in ("token", "gap")]


@exercise(cases=_pool_cases, outputs={"y": "(B, D)"}, level=1, minutes=5)
def pool(encoded, classifier):
    B, T, D = encoded.shape
    token = encoded[:, 0]  # what "token" reads
    gap = encoded.mean(axis=1)  # what "gap" reads
    return token if classifier == "token" else gap


_AVERAGE = "The a in gap stands for average."
_COUNTS = "Which axis of (B, T, D) counts the tokens?"
pool.slip(
    "the class token is read in both cases", 'With "gap" there is no class token: what is token 0 then?', gap="token"
)
pool.slip("the mean is taken in both cases", 'With "token", Eq. 4 reads one token.', token="encoded.mean(axis=1)")
pool.slip(
    '"token" and "gap" are in each other\'s place',
    "Which of the two names says `average`?",
    result='gap if classifier == "token" else token',
)
pool.slip('"token" reads the last token', "Where did Eq. 1 put the class token?", token="encoded[:, -1]")
pool.slip('"token" reads the first image instead of the first token', _COUNTS, token="encoded[0]")
pool.slip(
    '"gap" leaves out the first token, although there is no class token to leave out',
    'With "gap" every token is a patch.',
    gap="encoded[:, 1:].mean(axis=1)",
)
pool.slip('"gap" takes the mean over the images', _COUNTS, gap="encoded.mean(axis=0)")
pool.slip('"gap" takes the mean over the features', _COUNTS, gap="encoded.mean(axis=-1)")
pool.slip('"gap" adds the tokens up without dividing', _AVERAGE, gap="encoded.sum(axis=1)")
pool.slip('"gap" takes the largest value of each feature', _AVERAGE, gap="encoded.max(axis=1)")


# ---- order -----------------------------------------------------------------------------------------------------------


def _shuffle_cases(rng):
    """Orders that are not their own inverse; grids that are not square."""
    cases = []
    for (B, C, H, W), P in (((2, 1, 4, 6), 2), ((3, 3, 6, 9), 3), ((2, 2, 6, 4), 1)):
        N = H * W // P**2
        order = np.roll(rng.permutation(N), 1)
        while (order[order] == np.arange(N)).all():
            order = rng.permutation(N)
        cases.append((rng.normal(0, 1, (B, C, H, W)), P, order))
    return cases


@exercise(cases=_shuffle_cases, outputs={"shuffled": "(B, C, H, W)"}, level=2, minutes=10)
def shuffle_patches(images, patch_size, order):
    patches = patchify(images, patch_size)  # the patches
    chosen = order  # the order
    shuffled = patches[:, chosen]  # the shuffled patches
    return unpatchify(shuffled, images.shape, patch_size)  # the images again


shuffle_patches.slip("nothing moved", "Where does your answer use `order`?", result="images")
shuffle_patches.slip(
    "the inverse order: patch n went to place order[n], instead of place n receiving patch order[n]",
    "Take order = [2, 0, 1]. Which patch should be first in the new image?",
    chosen="np.argsort(order)",
)
shuffle_patches.slip(
    "the patches were shuffled but not put together to images again",
    "What is the inverse of patchify?",
    result="shuffled",
)
shuffle_patches.slip(
    "the patches were put together with a plain reshape",
    "Numbers side by side in a patch need not be so in the image. What is the inverse of patchify?",
    result="shuffled.reshape(images.shape)",
)
shuffle_patches.slip(
    "the patches are counted column by column",
    "Patch 1 is the right neighbour of patch 0, not the one below.",
    patches="patchify(images.swapaxes(2, 3), patch_size)",
    result="unpatchify(shuffled, images.swapaxes(2, 3).shape, patch_size).swapaxes(2, 3)",
)
shuffle_patches.slip(
    "every patch is mirrored across its diagonal",
    "Rows and columns inside a patch have changed places.",
    result="unpatchify(shuffled, images.shape, patch_size, (0, 3, 1, 5, 2, 4))",
)


def _positions_cases(rng):
    cases = []
    for N, D in ((6, 3), (5, 4), (8, 5)):
        order = rng.permutation(N)
        while (order[order] == np.arange(N)).all() or order[-1] == N - 1:
            order = rng.permutation(N)
        cases.append((rng.normal(0, 1, (N + 1, D)), order))
    return cases


@exercise(cases=_positions_cases, outputs={"E_new": "(N + 1, D)"}, level=2, minutes=10)
def shuffle_positions(E_pos, order):
    kept = E_pos[:1]  # the class token's row
    patches = E_pos[1:]  # the rows of the patches
    moved = patches[order]  # the moved rows
    return np.concatenate([kept, moved])  # the new table


_ROW_0 = "`order` counts patches from 0. Which row of E_pos belongs to patch 0?"
_STAYS = "Row 0 of E_pos belongs to the class token, which has not moved."
shuffle_positions.slip("nothing moved", "Where does your answer use `order`?", result="E_pos")
shuffle_positions.slip(
    "the rows moved the other way: this is the inverse order",
    "Place n of the shuffled image holds patch order[n]. Which row of the old E_pos does that patch need?",
    moved="patches[np.argsort(order)]",
)
shuffle_positions.slip("the class token's row is lost", _STAYS, result="moved")
shuffle_positions.slip("the class token's row was shuffled with the others", _ROW_0, result="E_pos[order]")
shuffle_positions.slip(
    "the rows are off by one: the last row was kept and the others shuffled",
    _ROW_0,
    result="np.concatenate([E_pos[:-1][order], E_pos[-1:]])",
)
shuffle_positions.slip(
    "the patches' rows are off by one: patch n got row order[n], not row order[n] + 1",
    "Row 0 of E_pos belongs to the class token. Which row belongs to patch 0?",
    moved="E_pos[order]",
)
shuffle_positions.slip("the class token's row comes last", _STAYS, result="np.concatenate([moved, kept])")


# ---- registers: tokens that belong to no patch and have no place -----------------------------------------------------


def _registers_cases(rng):
    return [
        (rng.normal(0, 1, (B, N, D)), rng.normal(0, 1, D), rng.normal(0, 1, (n, D)), rng.normal(0, 1, (N + 1, D)))
        for B, N, n, D in ((2, 5, 2, 3), (3, 4, 3, 6), (4, 6, 1, 5))
    ]


@exercise(cases=_registers_cases, outputs={"z0": "(B, 1 + n + N, D)"}, level=2, minutes=15)
def embed_registers(x, x_class, registers, E_pos):
    B, N, D = x.shape
    n = len(registers)
    first = np.broadcast_to(x_class + E_pos[0], (B, 1, D))  # the class token with its position
    extra = np.broadcast_to(registers, (B, n, D))  # the registers of every image
    placed = x + E_pos[1:]  # the patches with their positions
    return np.concatenate([first, extra, placed], axis=1)  # the tokens


_NO_PLACE = "Which tokens have a row of E_pos, and how many rows has it?"
embed_registers.slips_in(
    "result",
    ("the registers come last", "Where do the registers stand?", "np.concatenate([first, placed, extra], axis=1)"),
    ("the registers stand before the class token", "The head reads token 0: whose is it?",
     "np.concatenate([extra, first, placed], axis=1)"),
)  # fmt: skip
embed_registers.slip("the class token gets no position", _NO_PLACE, first="np.broadcast_to(x_class, (B, 1, D))")
embed_registers.slip("the patches get no positions", _NO_PLACE, placed="x")
embed_registers.slip(
    "patch n gets row n of the positions, which is that of the token before",
    "Row 0 belongs to the class token.", placed="x + E_pos[:-1]",
)  # fmt: skip
embed_registers.slip(
    "all tokens in front get the class token's position", _NO_PLACE,
    extra="np.broadcast_to(registers + E_pos[0], (B, n, D))",
)  # fmt: skip
embed_registers.slip(
    "the positions are handed out from the front: the registers take those of the first patches", _NO_PLACE,
    extra="np.broadcast_to(registers + E_pos[1 : n + 1], (B, n, D))",
    placed="x + np.concatenate([E_pos[n + 1 :], np.zeros((n, D))])",
)  # fmt: skip
embed_registers.slip(
    "the registers are all zeros: their values are not used", "They are learned: does your answer read them?",
    extra="np.zeros((B, n, D))",
)  # fmt: skip
embed_registers.slip(
    "all registers are the first one", "How many registers are there?",
    extra="np.broadcast_to(registers[:1], (B, n, D))",
)  # fmt: skip


def _dregisters_cases(rng):
    return [(rng.normal(0.3, 1, (B, 1 + n + N, D)), n) for B, N, n, D in ((2, 5, 2, 3), (3, 4, 3, 6), (4, 6, 1, 5))]


@exercise(
    cases=_dregisters_cases,
    outputs={"dx": "(B, N, D)", "dx_class": "(D,)", "dregisters": "(n, D)", "dE_pos": "(N + 1, D)"},
    level=2, minutes=20,
)  # fmt: skip
def embed_registers_backward(dz, n):
    B, T, D = dz.shape
    dx = dz[:, 1 + n :]  # dx
    dx_class = dz[:, 0].sum(axis=0)  # dx_class
    dregisters = dz[:, 1 : 1 + n].sum(axis=0)  # dregisters
    with_place = np.concatenate([dz[:, :1], dx], axis=1)  # the tokens that have a position
    dE_pos = with_place.sum(axis=0)  # dE_pos
    return dx, dx_class, dregisters, dE_pos


_EVERY_IMAGE = "Every image used it: what becomes of the gradients of all its uses?"
embed_registers_backward.slip(
    "dE_pos holds rows for the registers too", "How many rows has E_pos?", dE_pos="dz.sum(axis=0)"
)
embed_registers_backward.slip(
    "dE_pos is read from the first N + 1 tokens, registers included", "Which tokens got a row of E_pos?",
    with_place="dz[:, : T - n]",
)  # fmt: skip
embed_registers_backward.slip(
    "dE_pos is read from the last N + 1 tokens: row 0 is a register's", "Whose position is row 0?",
    with_place="dz[:, n:]",
)  # fmt: skip
embed_registers_backward.slip(
    "dx_class is summed over all tokens in front", "Only one of them is x_class.",
    dx_class="dz[:, : 1 + n].sum(axis=(0, 1))",
)  # fmt: skip
embed_registers_backward.slip(
    "the gradients of what is learned are means over the batch", "Does anything divide in the forward?",
    dx_class="dz[:, 0].mean(axis=0)", dregisters="dz[:, 1 : 1 + n].mean(axis=0)", dE_pos="with_place.mean(axis=0)",
)  # fmt: skip
embed_registers_backward.slip(
    "the gradients of what is learned come from the first image alone", _EVERY_IMAGE,
    dx_class="dz[0, 0]", dregisters="dz[0, 1 : 1 + n]", dE_pos="with_place[0]",
)  # fmt: skip
embed_registers_backward.slip(
    "dregisters is read from the end, as if the registers came last", "Where did forward put them?",
    dregisters="dz[:, T - n :].sum(axis=0)",
)  # fmt: skip
