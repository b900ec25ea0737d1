"""Wrong answers to the exercises of notebooks/06_encoder.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.patches import ClassToken as _ClassToken
from vitedu_numpy.layers.patches import PositionEmbedding as _PositionEmbedding
from vitedu_numpy.layers.patches import patchify as _patchify
from vitedu_numpy.layers.patches import unpatchify as _unpatchify

from . import FirstGeneration

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


class_token = FirstGeneration(
    _np_class_token,
    [
        ("the class token comes last", _class_token_last),
        ("the class token is added to every patch", lambda x, x_class: x + x_class),
        ("the class token takes the place of the first patch", _class_token_replaces),
        ("the class token is joined along the batch axis, as one more image", _class_token_as_an_image),
        ("the class token is joined along the feature axis, to every patch", _class_token_as_features),
        (
            "there is one class token for the whole batch, not one per image",
            lambda x, x_class: np.concatenate([x_class[None, None], x], axis=1),
        ),
        (
            "x_class (D,) is joined to x (B, N, D) as it is: it lacks the axes for images and tokens",
            lambda x, x_class: np.concatenate([x_class, x], axis=1),
        ),
        ("the first token is all zeros: x_class is not used", lambda x, x_class: _np_class_token(x, 0 * x_class)),
        ("the first token is the mean of the patches: x_class is not used", _class_token_mean),
    ],
)


def _class_token_backward(dtokens):
    module = _ClassToken(dtokens.shape[-1], dtokens.dtype)
    dx = module.backward(dtokens)
    return dx, module.x_class.grad


class_token_backward = FirstGeneration(
    _class_token_backward,
    [
        ("dx_class is not summed over the batch", lambda dtokens: (dtokens[:, 1:], dtokens[:, 0])),
        (
            "dx_class is the mean over the batch instead of the sum",
            lambda dtokens: (dtokens[:, 1:], dtokens[:, 0].mean(axis=0)),
        ),
        ("dx_class comes from the first image alone", lambda dtokens: (dtokens[:, 1:], dtokens[0, 0])),
        (
            "the gradients are taken as if the class token came last",
            lambda dtokens: (dtokens[:, :-1], dtokens[:, -1].sum(axis=0)),
        ),
        ("dx_class is read from the last token", lambda dtokens: (dtokens[:, 1:], dtokens[:, -1].sum(axis=0))),
        (
            "dx_class is summed over all tokens, the patches too",
            lambda dtokens: (dtokens[:, 1:], dtokens.sum(axis=(0, 1))),
        ),
        ("dx still holds the class token's gradient", lambda dtokens: (dtokens, dtokens[:, 0].sum(axis=0))),
        ("the two results are in each other's place", lambda dtokens: (dtokens[:, 0].sum(axis=0), dtokens[:, 1:])),
    ],
)


# ---- positions -----------------------------------------------------------------------------------------------------


def _np_embed(x, x_class, E_pos):
    position = _PositionEmbedding(*E_pos.shape, np.random.default_rng(0), E_pos.dtype)
    position.E_pos.value = E_pos
    return position(_np_class_token(x, x_class))


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


embed = FirstGeneration(
    _np_embed,
    [
        ("E_pos is not used", lambda x, x_class, E_pos: _np_class_token(x, x_class)),
        ("the class token gets no position", _embed_class_without_position),
        ("the class token gets no position and the patches' rows are off by one", _embed_off_by_one),
        (
            "the rows of E_pos are off by one: the class token gets the last row, the first patch row 0",
            _embed_class_has_last_position,
        ),
        ("the class token comes last", _embed_class_last),
        ("E_pos is added twice", lambda x, x_class, E_pos: _np_class_token(x, x_class) + 2 * E_pos),
        ("E_pos is subtracted", lambda x, x_class, E_pos: _np_class_token(x, x_class) - E_pos),
        ("the tokens are multiplied by E_pos", lambda x, x_class, E_pos: _np_class_token(x, x_class) * E_pos),
        ("E_pos is joined to the features instead of added", _embed_concatenated),
        ("every token gets the same row of E_pos", lambda x, x_class, E_pos: _np_class_token(x, x_class) + E_pos[0]),
        ("the rows of E_pos went to the images instead of the tokens", _embed_row_per_image),
        ("there is no class token: only the patches and their positions", lambda x, x_class, E_pos: x + E_pos[1:]),
    ],
)


def _position_embedding_backward(dz):
    module = _PositionEmbedding(*dz.shape[1:], np.random.default_rng(0), dz.dtype)
    dx = module.backward(dz)
    return dx, module.E_pos.grad


position_embedding_backward = FirstGeneration(
    _position_embedding_backward,
    [
        ("dE_pos is not summed over the batch", lambda dz: (dz, dz)),
        ("dE_pos is the mean over the batch instead of the sum", lambda dz: (dz, dz.mean(axis=0))),
        ("dE_pos is summed over the tokens instead of the images", lambda dz: (dz, dz.sum(axis=1))),
        ("dE_pos is summed over images and tokens", lambda dz: (dz, dz.sum(axis=(0, 1)))),
        ("dE_pos comes from the first image alone", lambda dz: (dz, dz[0])),
        ("dx is summed over the batch as well", lambda dz: (dz.sum(axis=0), dz.sum(axis=0))),
        ("dx is zero, as if only E_pos could learn", lambda dz: (0 * dz, dz.sum(axis=0))),
        ("dx is halved: the gradient was split between the two terms", lambda dz: (dz / 2, dz.sum(axis=0))),
        ("the two results are in each other's place", lambda dz: (dz.sum(axis=0), dz)),
    ],
)


# ---- reading the encoder's output ------------------------------------------------------------------------------------


def _pool(encoded, classifier):
    return encoded[:, 0] if classifier == "token" else encoded.mean(axis=1)


def _pool_with(token=lambda z: z[:, 0], gap=lambda z: z.mean(axis=1)):
    return lambda encoded, classifier: token(encoded) if classifier == "token" else gap(encoded)


pool = FirstGeneration(
    _pool,
    [
        ("the class token is read in both cases", _pool_with(gap=lambda z: z[:, 0])),
        ("the mean is taken in both cases", _pool_with(token=lambda z: z.mean(axis=1))),
        (
            '"token" and "gap" are in each other\'s place',
            _pool_with(token=lambda z: z.mean(axis=1), gap=lambda z: z[:, 0]),
        ),
        ('"token" reads the last token', _pool_with(token=lambda z: z[:, -1])),
        ('"token" reads the first image instead of the first token', _pool_with(token=lambda z: z[0])),
        (
            '"gap" leaves out the first token, although there is no class token to leave out',
            _pool_with(gap=lambda z: z[:, 1:].mean(axis=1)),
        ),
        ('"gap" takes the mean over the images', _pool_with(gap=lambda z: z.mean(axis=0))),
        ('"gap" takes the mean over the features', _pool_with(gap=lambda z: z.mean(axis=-1))),
        ('"gap" adds the tokens up without dividing', _pool_with(gap=lambda z: z.sum(axis=1))),
        ('"gap" takes the largest value of each feature', _pool_with(gap=lambda z: z.max(axis=1))),
    ],
)


# ---- order -----------------------------------------------------------------------------------------------------------


def _shuffle_patches(images, patch_size, order):
    return _unpatchify(_patchify(images, patch_size)[0][:, order], images.shape, patch_size)


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


shuffle_patches = FirstGeneration(
    _shuffle_patches,
    [
        ("nothing moved", lambda images, patch_size, order: images),
        (
            "the inverse order: patch n went to place order[n], instead of place n receiving patch order[n]",
            _shuffle_inverse,
        ),
        ("the patches were shuffled but not put together to images again", _shuffle_returns_patches),
        ("the patches were put together with a plain reshape", _shuffle_plain_reshape),
        ("the patches are counted column by column", _shuffle_columns_first),
        ("every patch is mirrored across its diagonal", _shuffle_transposed_patches),
    ],
)


def _shuffle_positions(E_pos, order):
    return np.concatenate([E_pos[:1], E_pos[1:][order]])


shuffle_positions = FirstGeneration(
    _shuffle_positions,
    [
        ("nothing moved", lambda E_pos, order: E_pos),
        (
            "the rows moved the other way: this is the inverse order",
            lambda E_pos, order: _shuffle_positions(E_pos, np.argsort(order)),
        ),
        ("the class token's row is lost", lambda E_pos, order: E_pos[1:][order]),
        ("the class token's row was shuffled with the others", lambda E_pos, order: E_pos[order]),
        (
            "the rows are off by one: the last row was kept and the others shuffled",
            lambda E_pos, order: np.concatenate([E_pos[:-1][order], E_pos[-1:]]),
        ),
        (
            "the patches' rows are off by one: patch n got row order[n], not row order[n] + 1",
            lambda E_pos, order: np.concatenate([E_pos[:1], E_pos[order]]),
        ),
        ("the class token's row comes last", lambda E_pos, order: np.concatenate([E_pos[1:][order], E_pos[:1]])),
    ],
)
