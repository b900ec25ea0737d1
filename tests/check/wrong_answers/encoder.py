"""Checks for the exercises of notebooks/06_encoder.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.patches import ClassToken as _ClassToken
from vitedu_numpy.layers.patches import PositionEmbedding as _PositionEmbedding
from vitedu_numpy.layers.patches import patchify as _patchify
from vitedu_numpy.layers.patches import unpatchify as _unpatchify

__all__ = [
    "class_token",
    "class_token_backward",
    "embed",
    "pool",
    "position_embedding_backward",
    "shuffle_patches",
    "shuffle_positions",
]


# ---- the class token -----------------------------------------------------------------------------------------------


def _np_class_token(x, x_class):
    module = _ClassToken(x.shape[-1], x.dtype)
    module.x_class.value = x_class
    return module(x)


def _one_per_image(x, x_class):
    B, _, D = x.shape
    return np.broadcast_to(x_class, (B, 1, D))


def _class_token_cases(rng):
    return [(rng.normal(0, 1, shape), rng.normal(0, 1, shape[-1])) for shape in ((2, 5, 3), (3, 4, 6), (4, 2, 5))]


def _class_token_last(x, x_class):
    return np.concatenate([x, _one_per_image(x, x_class)], axis=1)


def _class_token_replaces(x, x_class):
    return np.concatenate([_one_per_image(x, x_class), x[:, 1:]], axis=1)


def _class_token_as_an_image(x, x_class):
    return np.concatenate([np.broadcast_to(x_class, (1, *x.shape[1:])), x], axis=0)


def _class_token_as_features(x, x_class):
    return np.concatenate([np.broadcast_to(x_class, x.shape), x], axis=2)


def _class_token_mean(x, x_class):
    return np.concatenate([x.mean(axis=1, keepdims=True), x], axis=1)


class_token = Check(
    "class_token",
    reference=_np_class_token,
    cases=_class_token_cases,
    outputs={"tokens": "(B, N + 1, D)"},
    mistakes=[
        Mistake(
            "the class token comes last",
            "In Eq. 1, where does x_class stand in the row of tokens?",
            _class_token_last,
        ),
        Mistake(
            "the class token is added to every patch",
            "How many tokens should come out? This sum has N.",
            lambda x, x_class: x + x_class,
        ),
        Mistake(
            "the class token takes the place of the first patch",
            "How many tokens should come out? No patch may be lost.",
            _class_token_replaces,
        ),
        Mistake(
            "the class token is joined along the batch axis, as one more image",
            "Which axis of (B, N, D) counts the tokens?",
            _class_token_as_an_image,
        ),
        Mistake(
            "the class token is joined along the feature axis, to every patch",
            "Which axis of (B, N, D) counts the tokens?",
            _class_token_as_features,
        ),
        Mistake(
            "there is one class token for the whole batch, not one per image",
            "concatenate does not broadcast: how many copies of x_class does a batch of B images need?",
            lambda x, x_class: np.concatenate([x_class[None, None], x], axis=1),
        ),
        Mistake(
            "x_class (D,) is joined to x (B, N, D) as it is: it lacks the axes for images and tokens",
            "Give x_class the shape (B, 1, D) first.",
            lambda x, x_class: np.concatenate([x_class, x], axis=1),
        ),
        Mistake(
            "the first token is all zeros: x_class is not used",
            "x_class starts at 0 but is learned. Does your answer read it?",
            lambda x, x_class: _np_class_token(x, 0 * x_class),
        ),
        Mistake(
            "the first token is the mean of the patches: x_class is not used",
            "The class token starts as the same vector for every image. Does your answer read x_class?",
            _class_token_mean,
        ),
    ],
)


def _class_token_backward(dtokens):
    module = _ClassToken(dtokens.shape[-1], dtokens.dtype)
    dx = module.backward(dtokens)
    return dx, module.x_class.grad


def _dtokens_cases(rng):
    return [(rng.normal(0.3, 1, shape),) for shape in ((2, 5, 3), (3, 4, 6), (4, 3, 5))]


class_token_backward = Check(
    "class_token_backward",
    reference=_class_token_backward,
    cases=_dtokens_cases,
    outputs={"dx": "(B, N, D)", "dx_class": "(D,)"},
    mistakes=[
        Mistake(
            "dx_class is not summed over the batch",
            "x_class has shape (D,), and every image used it.",
            lambda dtokens: (dtokens[:, 1:], dtokens[:, 0]),
        ),
        Mistake(
            "dx_class is the mean over the batch instead of the sum",
            "Each use of a parameter adds its gradient. Does anything divide?",
            lambda dtokens: (dtokens[:, 1:], dtokens[:, 0].mean(axis=0)),
        ),
        Mistake(
            "dx_class comes from the first image alone",
            "Every image used x_class.",
            lambda dtokens: (dtokens[:, 1:], dtokens[0, 0]),
        ),
        Mistake(
            "the gradients are taken as if the class token came last",
            "Where did forward put the class token?",
            lambda dtokens: (dtokens[:, :-1], dtokens[:, -1].sum(axis=0)),
        ),
        Mistake(
            "dx_class is read from the last token",
            "Where did forward put the class token?",
            lambda dtokens: (dtokens[:, 1:], dtokens[:, -1].sum(axis=0)),
        ),
        Mistake(
            "dx_class is summed over all tokens, the patches too",
            "Only one of the N + 1 tokens is x_class.",
            lambda dtokens: (dtokens[:, 1:], dtokens.sum(axis=(0, 1))),
        ),
        Mistake(
            "dx still holds the class token's gradient",
            "x had N tokens. How many has your dx?",
            lambda dtokens: (dtokens, dtokens[:, 0].sum(axis=0)),
        ),
        Mistake(
            "the two results are in each other's place",
            "Gradients come in the order of the inputs: x, then x_class.",
            lambda dtokens: (dtokens[:, 0].sum(axis=0), dtokens[:, 1:]),
        ),
    ],
)


# ---- positions -----------------------------------------------------------------------------------------------------


def _np_embed(x, x_class, E_pos):
    position = _PositionEmbedding(*E_pos.shape, np.random.default_rng(0), E_pos.dtype)
    position.E_pos.value = E_pos
    return position(_np_class_token(x, x_class))


def _embed_cases(rng):
    return [
        (rng.normal(0, 1, (B, N, D)), rng.normal(0, 1, D), rng.normal(0, 1, (N + 1, D)))
        for B, N, D in ((2, 5, 3), (3, 4, 6), (4, 6, 5))
    ]


def _embed_class_without_position(x, x_class, E_pos):
    return _np_class_token(x + E_pos[1:], x_class)


def _embed_off_by_one(x, x_class, E_pos):
    return _np_class_token(x + E_pos[:-1], x_class)


def _embed_class_has_last_position(x, x_class, E_pos):
    return _np_class_token(x + E_pos[:-1], x_class + E_pos[-1])


def _embed_class_last(x, x_class, E_pos):
    return _class_token_last(x, x_class) + E_pos


def _embed_row_per_image(x, x_class, E_pos):
    return _np_class_token(x, x_class) + E_pos[: len(x), None]


def _embed_concatenated(x, x_class, E_pos):
    tokens = _np_class_token(x, x_class)
    return np.concatenate([tokens, np.broadcast_to(E_pos, tokens.shape)], axis=-1)


embed = Check(
    "embed",
    reference=_np_embed,
    cases=_embed_cases,
    outputs={"z0": "(B, N + 1, D)"},
    mistakes=[
        Mistake(
            "E_pos is not used",
            "The last term of Eq. 1 is missing.",
            lambda x, x_class, E_pos: _np_class_token(x, x_class),
        ),
        Mistake(
            "the class token gets no position",
            "E_pos has N + 1 rows in Eq. 1. Which token gets row 0? (big_vision does it your way, the paper does not.)",
            _embed_class_without_position,
        ),
        Mistake(
            "the class token gets no position and the patches' rows are off by one",
            "Patch number 1 is token number 1. Which row of E_pos is its?",
            _embed_off_by_one,
        ),
        Mistake(
            "the rows of E_pos are off by one: the class token gets the last row, the first patch row 0",
            "Row n of E_pos belongs to token n. Which token is the class token?",
            _embed_class_has_last_position,
        ),
        Mistake(
            "the class token comes last",
            "In Eq. 1, where does x_class stand in the row of tokens?",
            _embed_class_last,
        ),
        Mistake(
            "E_pos is added twice",
            "How often does E_pos appear in Eq. 1?",
            lambda x, x_class, E_pos: _np_class_token(x, x_class) + 2 * E_pos,
        ),
        Mistake(
            "E_pos is subtracted",
            "Look at the sign of the last term in Eq. 1.",
            lambda x, x_class, E_pos: _np_class_token(x, x_class) - E_pos,
        ),
        Mistake(
            "the tokens are multiplied by E_pos",
            "Look at the last operation in Eq. 1.",
            lambda x, x_class, E_pos: _np_class_token(x, x_class) * E_pos,
        ),
        Mistake(
            "E_pos is joined to the features instead of added",
            "z0 keeps the width D.",
            _embed_concatenated,
        ),
        Mistake(
            "every token gets the same row of E_pos",
            "If all tokens get the same vector, can the model tell where a patch was?",
            lambda x, x_class, E_pos: _np_class_token(x, x_class) + E_pos[0],
        ),
        Mistake(
            "the rows of E_pos went to the images instead of the tokens",
            "Does position 3 belong to the third image or to the third token?",
            _embed_row_per_image,
        ),
        Mistake(
            "there is no class token: only the patches and their positions",
            "How many rows has E_pos, and how many tokens have you?",
            lambda x, x_class, E_pos: x + E_pos[1:],
        ),
    ],
)


def _position_embedding_backward(dz):
    module = _PositionEmbedding(*dz.shape[1:], np.random.default_rng(0), dz.dtype)
    dx = module.backward(dz)
    return dx, module.E_pos.grad


position_embedding_backward = Check(
    "position_embedding_backward",
    reference=_position_embedding_backward,
    cases=_dtokens_cases,
    outputs={"dx": "(B, T, D)", "dE_pos": "(T, D)"},
    mistakes=[
        Mistake(
            "dE_pos is not summed over the batch",
            "E_pos has shape (T, D), and every image used it.",
            lambda dz: (dz, dz),
        ),
        Mistake(
            "dE_pos is the mean over the batch instead of the sum",
            "Each use of a parameter adds its gradient. Does anything divide?",
            lambda dz: (dz, dz.mean(axis=0)),
        ),
        Mistake(
            "dE_pos is summed over the tokens instead of the images",
            "Each token has a row of its own. What shares a row?",
            lambda dz: (dz, dz.sum(axis=1)),
        ),
        Mistake(
            "dE_pos is summed over images and tokens",
            "Each token has a row of its own: E_pos has shape (T, D).",
            lambda dz: (dz, dz.sum(axis=(0, 1))),
        ),
        Mistake("dE_pos comes from the first image alone", "Every image used E_pos.", lambda dz: (dz, dz[0])),
        Mistake(
            "dx is summed over the batch as well",
            "Every image has tokens of its own. Only E_pos is shared.",
            lambda dz: (dz.sum(axis=0), dz.sum(axis=0)),
        ),
        Mistake(
            "dx is zero, as if only E_pos could learn",
            "z = x + E_pos: a sum hands its gradient to both of its terms.",
            lambda dz: (0 * dz, dz.sum(axis=0)),
        ),
        Mistake(
            "dx is halved: the gradient was split between the two terms",
            "A sum does not split the gradient. How far does z move when x moves by 1?",
            lambda dz: (dz / 2, dz.sum(axis=0)),
        ),
        Mistake(
            "the two results are in each other's place",
            "Gradients come in the order of the inputs: x, then E_pos.",
            lambda dz: (dz.sum(axis=0), dz),
        ),
    ],
)


# ---- reading the encoder's output ------------------------------------------------------------------------------------


def _pool(encoded, classifier):
    return encoded[:, 0] if classifier == "token" else encoded.mean(axis=1)


def _pool_cases(rng):
    shapes = ((2, 5, 3), (3, 4, 6), (4, 6, 5))
    return [(rng.normal(0.5, 1, shape), classifier) for shape in shapes for classifier in ("token", "gap")]


def _pool_with(token=lambda z: z[:, 0], gap=lambda z: z.mean(axis=1)):
    return lambda encoded, classifier: token(encoded) if classifier == "token" else gap(encoded)


pool = Check(
    "pool",
    reference=_pool,
    cases=_pool_cases,
    outputs={"y": "(B, D)"},
    mistakes=[
        Mistake(
            "the class token is read in both cases",
            'With "gap" there is no class token: what is token 0 then?',
            _pool_with(gap=lambda z: z[:, 0]),
        ),
        Mistake(
            "the mean is taken in both cases",
            'With "token", Eq. 4 reads one token.',
            _pool_with(token=lambda z: z.mean(axis=1)),
        ),
        Mistake(
            '"token" and "gap" are in each other\'s place',
            "Which of the two names says `average`?",
            _pool_with(token=lambda z: z.mean(axis=1), gap=lambda z: z[:, 0]),
        ),
        Mistake(
            '"token" reads the last token',
            "Where did Eq. 1 put the class token?",
            _pool_with(token=lambda z: z[:, -1]),
        ),
        Mistake(
            '"token" reads the first image instead of the first token',
            "Which axis of (B, T, D) counts the tokens?",
            _pool_with(token=lambda z: z[0]),
        ),
        Mistake(
            '"gap" leaves out the first token, although there is no class token to leave out',
            'With "gap" every token is a patch.',
            _pool_with(gap=lambda z: z[:, 1:].mean(axis=1)),
        ),
        Mistake(
            '"gap" takes the mean over the images',
            "Which axis of (B, T, D) counts the tokens?",
            _pool_with(gap=lambda z: z.mean(axis=0)),
        ),
        Mistake(
            '"gap" takes the mean over the features',
            "Which axis of (B, T, D) counts the tokens?",
            _pool_with(gap=lambda z: z.mean(axis=-1)),
        ),
        Mistake(
            '"gap" adds the tokens up without dividing',
            "The a in gap stands for average.",
            _pool_with(gap=lambda z: z.sum(axis=1)),
        ),
        Mistake(
            '"gap" takes the largest value of each feature',
            "The a in gap stands for average.",
            _pool_with(gap=lambda z: z.max(axis=1)),
        ),
    ],
)


# ---- order -----------------------------------------------------------------------------------------------------------


def _shuffle_patches(images, patch_size, order):
    return _unpatchify(_patchify(images, patch_size)[0][:, order], images.shape, patch_size)


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


def _shuffle_inverse(images, patch_size, order):
    return _shuffle_patches(images, patch_size, np.argsort(order))


def _shuffle_returns_patches(images, patch_size, order):
    return _patchify(images, patch_size)[0][:, order]


def _shuffle_columns_first(images, patch_size, order):
    """Counts the patches down the columns."""
    turned = _shuffle_patches(images.swapaxes(2, 3), patch_size, order)
    return turned.swapaxes(2, 3)


def _shuffle_transposed_patches(images, patch_size, order):
    """Lays the pixels of each patch down column by column."""
    patches, _ = _patchify(images, patch_size)
    B, N, _ = patches.shape
    x = patches[:, order].reshape(B, N, images.shape[1], patch_size, patch_size).swapaxes(-1, -2)
    return _unpatchify(x.reshape(B, N, -1), images.shape, patch_size)


def _shuffle_plain_reshape(images, patch_size, order):
    return _patchify(images, patch_size)[0][:, order].reshape(images.shape)


shuffle_patches = Check(
    "shuffle_patches",
    reference=_shuffle_patches,
    cases=_shuffle_cases,
    outputs={"shuffled": "(B, C, H, W)"},
    mistakes=[
        Mistake(
            "nothing moved",
            "Where does your answer use `order`?",
            lambda images, patch_size, order: images,
        ),
        Mistake(
            "the inverse order: patch n went to place order[n], instead of place n receiving patch order[n]",
            "Take order = [2, 0, 1]. Which patch should be first in the new image?",
            _shuffle_inverse,
        ),
        Mistake(
            "the patches were shuffled but not put together to images again",
            "What is the inverse of patchify?",
            _shuffle_returns_patches,
        ),
        Mistake(
            "the patches were put together with a plain reshape",
            "Numbers side by side in a patch need not be so in the image. What is the inverse of patchify?",
            _shuffle_plain_reshape,
        ),
        Mistake(
            "the patches are counted column by column",
            "Patch 1 is the right neighbour of patch 0, not the one below.",
            _shuffle_columns_first,
        ),
        Mistake(
            "every patch is mirrored across its diagonal",
            "Rows and columns inside a patch have changed places.",
            _shuffle_transposed_patches,
        ),
    ],
)


def _shuffle_positions(E_pos, order):
    return np.concatenate([E_pos[:1], E_pos[1:][order]])


def _positions_cases(rng):
    cases = []
    for N, D in ((6, 3), (5, 4), (8, 5)):
        order = rng.permutation(N)
        while (order[order] == np.arange(N)).all() or order[-1] == N - 1:
            order = rng.permutation(N)
        cases.append((rng.normal(0, 1, (N + 1, D)), order))
    return cases


shuffle_positions = Check(
    "shuffle_positions",
    reference=_shuffle_positions,
    cases=_positions_cases,
    outputs={"E_new": "(N + 1, D)"},
    mistakes=[
        Mistake("nothing moved", "Where does your answer use `order`?", lambda E_pos, order: E_pos),
        Mistake(
            "the rows moved the other way: this is the inverse order",
            "Place n of the shuffled image holds patch order[n]. Which row of the old E_pos does that patch need?",
            lambda E_pos, order: _shuffle_positions(E_pos, np.argsort(order)),
        ),
        Mistake(
            "the class token's row is lost",
            "Row 0 of E_pos belongs to the class token, which has not moved.",
            lambda E_pos, order: E_pos[1:][order],
        ),
        Mistake(
            "the class token's row was shuffled with the others",
            "`order` counts patches from 0. Which row of E_pos belongs to patch 0?",
            lambda E_pos, order: E_pos[order],
        ),
        Mistake(
            "the rows are off by one: the last row was kept and the others shuffled",
            "`order` counts patches from 0. Which row of E_pos belongs to patch 0?",
            lambda E_pos, order: np.concatenate([E_pos[:-1][order], E_pos[-1:]]),
        ),
        Mistake(
            "the patches' rows are off by one: patch n got row order[n], not row order[n] + 1",
            "Row 0 of E_pos belongs to the class token. Which row belongs to patch 0?",
            lambda E_pos, order: np.concatenate([E_pos[:1], E_pos[order]]),
        ),
        Mistake(
            "the class token's row comes last",
            "Row 0 of E_pos belongs to the class token, which has not moved.",
            lambda E_pos, order: np.concatenate([E_pos[1:][order], E_pos[:1]]),
        ),
    ],
)
