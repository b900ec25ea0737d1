"""Wrong answers to the exercises of notebooks/01_patches.ipynb."""

from __future__ import annotations

from vitedu_numpy.layers.linear import linear as _np_linear
from vitedu_numpy.layers.linear import linear_backward as _np_linear_backward
from vitedu_numpy.layers.patches import patchify as _np_patchify
from vitedu_numpy.layers.patches import unpatchify as _np_unpatchify

from . import FirstGeneration

__all__ = ["patch_embedding", "patch_embedding_backward", "patchify", "unpatchify"]


def _grid(images, P):
    """(B, C, gh, P, gw, P): the image cut along both sides, nothing moved yet."""
    B, C, H, W = images.shape
    return images.reshape(B, C, H // P, P, W // P, P)


def _cut(images, P, axes):
    """Patches with the six axes in another order; the first three become the sequence."""
    B, C = images.shape[:2]
    return _grid(images, P).transpose(axes).reshape(B, -1, C * P * P)


# ---- patchify(images, patch_size) -> patches -------------------------------------------------------------------------


def _no_transpose(images, P):
    B, C, H, W = images.shape
    return images.reshape(B, (H // P) * (W // P), C * P * P)


def _grey_patches(images, P):
    return _grid(images, P).transpose(0, 1, 2, 4, 3, 5).reshape(len(images), -1, P * P)


def _strided(images, P):
    B, C, H, W = images.shape
    x = images.reshape(B, C, P, H // P, P, W // P)
    return x.transpose(0, 3, 5, 1, 2, 4).reshape(B, -1, C * P * P)


def _sides_swapped(images, P):
    B, C, H, W = images.shape
    x = images.reshape(B, C, W // P, P, H // P, P)
    return x.transpose(0, 2, 4, 1, 3, 5).reshape(B, -1, C * P * P)


def _channels_last_image(images, P):
    B, C, H, W = images.shape
    x = images.transpose(0, 2, 3, 1).reshape(B, C, H // P, P, W // P, P)
    return x.transpose(0, 2, 4, 1, 3, 5).reshape(B, -1, C * P * P)


patchify = FirstGeneration(
    lambda images, P: _np_patchify(images, P)[0],
    [
        ("inside a patch the channels come last, (P, P, C)", lambda images, P: _cut(images, P, (0, 2, 4, 3, 5, 1))),
        ("the sequence runs down the columns of the grid", lambda images, P: _cut(images, P, (0, 4, 2, 1, 3, 5))),
        (
            "every patch is transposed: its pixels are read column by column",
            lambda images, P: _cut(images, P, (0, 2, 4, 1, 5, 3)),
        ),
        ("nothing is moved: a reshape alone reads the image row by row", _no_transpose),
        ("every channel makes patches of its own", _grey_patches),
        ("the pixels of a patch are not neighbours: every gh-th row and gw-th column was taken", _strided),
        ("the two sides of the grid are swapped", _sides_swapped),
        (
            "the channels were moved to the end before the cut, and the cut still takes them for the first axis",
            _channels_last_image,
        ),
    ],
)


# ---- unpatchify(patches, image_shape, patch_size) -> images ----------------------------------------------------------


def _paste(patches, image_shape, P, axes, inside="cpp"):
    B, C, H, W = image_shape
    sizes = (C, P, P) if inside == "cpp" else (P, P, C)
    return patches.reshape(B, H // P, W // P, *sizes).transpose(axes).reshape(image_shape)


def _columns_first(patches, image_shape, P):
    B, C, H, W = image_shape
    return patches.reshape(B, W // P, H // P, C, P, P).transpose(0, 3, 2, 4, 1, 5).reshape(image_shape)


unpatchify = FirstGeneration(
    _np_unpatchify,
    [
        (
            "nothing is moved: a reshape alone puts one patch after the other",
            lambda patches, shape, P: patches.reshape(shape),
        ),
        (
            "the channels are taken to come last inside a patch, (P, P, C)",
            lambda patches, shape, P: _paste(patches, shape, P, (0, 5, 1, 3, 2, 4), "ppc"),
        ),
        ("the sequence is taken to run down the columns of the grid", _columns_first),
        ("every patch is put back transposed", lambda patches, shape, P: _paste(patches, shape, P, (0, 3, 1, 5, 2, 4))),
        (
            "the permutation of `patchify` is used again, not its inverse",
            lambda patches, shape, P: _paste(patches, shape, P, (0, 2, 4, 1, 3, 5)),
        ),
        (
            "place and patch are swapped: neighbouring pixels come from different patches",
            lambda patches, shape, P: _paste(patches, shape, P, (0, 3, 4, 1, 5, 2)),
        ),
    ],
)


# ---- patch_embedding(images, weight, bias, patch_size) -> x ----------------------------------------------------------


def _embed(images, weight, bias, P):
    return _np_linear(_np_patchify(images, P)[0], weight, bias)[0]


patch_embedding = FirstGeneration(
    _embed,
    [
        ("the bias is not added", lambda images, weight, bias, P: _embed(images, weight, 0, P)),
        (
            "the weight is used without its transpose",
            lambda images, weight, bias, P: _np_patchify(images, P)[0] @ weight + bias,
        ),
        (
            "the weight is reshaped where it should be transposed",
            lambda images, weight, bias, P: _np_patchify(images, P)[0] @ weight.reshape(-1, len(weight)) + bias,
        ),
        (
            "inside a patch the channels come last, (P, P, C)",
            lambda images, weight, bias, P: _np_linear(_cut(images, P, (0, 2, 4, 3, 5, 1)), weight, bias)[0],
        ),
        (
            "the sequence runs down the columns of the grid",
            lambda images, weight, bias, P: _np_linear(_cut(images, P, (0, 4, 2, 1, 3, 5)), weight, bias)[0],
        ),
        (
            "the images are reshaped to patches without moving a pixel",
            lambda images, weight, bias, P: _np_linear(_no_transpose(images, P), weight, bias)[0],
        ),
        (
            "the features stand before the tokens, (B, D, N)",
            lambda images, weight, bias, P: _embed(images, weight, bias, P).swapaxes(1, 2),
        ),
    ],
)


# ---- patch_embedding_backward(dx, images, weight, patch_size) -> dimages, dweight, dbias -----------------------------


def _embed_backward(dx, images, weight, P, patches=None):
    patches = _np_patchify(images, P)[0] if patches is None else patches
    dpatches, dweight, dbias = _np_linear_backward(dx, (patches.reshape(-1, patches.shape[-1]), weight, patches.shape))
    return _np_unpatchify(dpatches, images.shape, P), dweight, dbias


def _scaled(dx, images, weight, P, rows):
    dimages, dweight, dbias = _embed_backward(dx, images, weight, P)
    return dimages, dweight / rows, dbias / rows


def _last_image_only(dx, images, weight, P):
    dimages = _embed_backward(dx, images, weight, P)[0]
    return dimages, *_embed_backward(dx[-1:], images[-1:], weight, P)[1:]


def _replace(position, make):
    """The right answer with one of its three results replaced."""

    def wrong(dx, images, weight, P):
        results = list(_embed_backward(dx, images, weight, P))
        results[position] = make(dx, images, weight, P)
        return tuple(results)

    return wrong


patch_embedding_backward = FirstGeneration(
    _embed_backward,
    [
        ("dimages is still cut into patches", _replace(0, lambda dx, images, weight, P: dx @ weight)),
        (
            "dimages was reshaped: the gradients are not back where their pixels came from",
            _replace(0, lambda dx, images, weight, P: (dx @ weight).reshape(images.shape)),
        ),
        (
            "dx is multiplied by the transpose of the weight",
            lambda dx, images, weight, P: (_np_unpatchify(dx @ weight.T, images.shape, P), weight, dx),
        ),
        (
            "dweight is transposed",
            _replace(1, lambda dx, images, weight, P: _embed_backward(dx, images, weight, P)[1].T),
        ),
        (
            "dweight is kept apart for every image",
            _replace(1, lambda dx, images, weight, P: dx.swapaxes(1, 2) @ _np_patchify(images, P)[0]),
        ),
        ("dbias is kept apart for every token", _replace(2, lambda dx, images, weight, P: dx.sum(axis=0))),
        ("dbias is kept apart for every image", _replace(2, lambda dx, images, weight, P: dx.sum(axis=1))),
        (
            "dweight and dbias are averaged over the images, not summed",
            lambda dx, images, weight, P: _scaled(dx, images, weight, P, len(dx)),
        ),
        (
            "dweight and dbias are averaged over images and tokens, not summed",
            lambda dx, images, weight, P: _scaled(dx, images, weight, P, dx.shape[0] * dx.shape[1]),
        ),
        ("dweight and dbias come from the last image alone", _last_image_only),
        (
            "dweight was made with patches whose channels come last",
            lambda dx, images, weight, P: (
                _embed_backward(dx, images, weight, P)[0],
                *_embed_backward(dx, images, weight, P, _cut(images, P, (0, 2, 4, 3, 5, 1)))[1:],
            ),
        ),
    ],
)
