"""Checks for the exercises of notebooks/01_patches.ipynb."""

from __future__ import annotations

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.linear import linear as _np_linear
from vitedu_numpy.layers.linear import linear_backward as _np_linear_backward
from vitedu_numpy.layers.patches import patchify as _np_patchify
from vitedu_numpy.layers.patches import unpatchify as _np_unpatchify

__all__ = ["patch_embedding", "patch_embedding_backward", "patchify", "unpatchify"]

# (B, C, H, W, P): the sides differ and the grid is not square, so that a wrong axis cannot hide.
_SIZES = [(1, 1, 4, 6, 2), (2, 3, 6, 15, 3), (3, 2, 20, 8, 4)]


def _grid(images, P):
    """(B, C, gh, P, gw, P): the image cut along both sides, nothing moved yet."""
    B, C, H, W = images.shape
    return images.reshape(B, C, H // P, P, W // P, P)


def _cut(images, P, axes):
    """Patches with the six axes in another order; the first three become the sequence."""
    B, C = images.shape[:2]
    return _grid(images, P).transpose(axes).reshape(B, -1, C * P * P)


# ---- patchify(images, patch_size) -> patches -------------------------------------------------------------------------


def _patchify_cases(rng):
    return [(rng.standard_normal((B, C, H, W)), P) for B, C, H, W, P in _SIZES]


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


patchify = Check(
    "patchify",
    reference=lambda images, P: _np_patchify(images, P)[0],
    cases=_patchify_cases,
    outputs={"patches": "(B, N, C P P)"},
    mistakes=[
        Mistake(
            "inside a patch the channels come last, (P, P, C)",
            "The shape is right, the order of the numbers is not.  What should the first P P numbers of a patch be?",
            lambda images, P: _cut(images, P, (0, 2, 4, 3, 5, 1)),
        ),
        Mistake(
            "the sequence runs down the columns of the grid",
            "After patch 0 comes its neighbour: to the right, or below?",
            lambda images, P: _cut(images, P, (0, 4, 2, 1, 3, 5)),
        ),
        Mistake(
            "every patch is transposed: its pixels are read column by column",
            "Inside a patch, which pixel follows the first one?",
            lambda images, P: _cut(images, P, (0, 2, 4, 1, 5, 3)),
        ),
        Mistake(
            "nothing is moved: a reshape alone reads the image row by row",
            "Two pixels of one patch that lie below each other are far apart in memory.  What brings them together?",
            _no_transpose,
        ),
        Mistake(
            "every channel makes patches of its own",
            "A patch holds all the channels of its pixels.",
            _grey_patches,
        ),
        Mistake(
            "the pixels of a patch are not neighbours: every gh-th row and gw-th column was taken",
            "When one side is cut in two axes, which comes first: the number of the patch, or the place inside it?",
            _strided,
        ),
        Mistake(
            "the two sides of the grid are swapped",
            "How many patches stand down, and how many across?  Try an image that is not square.",
            _sides_swapped,
        ),
        Mistake(
            "the channels were moved to the end before the cut, and the cut still takes them for the first axis",
            "After a transpose, write down the shape again, axis by axis.",
            _channels_last_image,
        ),
    ],
)


# ---- unpatchify(patches, image_shape, patch_size) -> images ----------------------------------------------------------


def _unpatchify_cases(rng):
    return [(rng.standard_normal((B, H * W // P**2, C * P * P)), (B, C, H, W), P) for B, C, H, W, P in _SIZES]


def _paste(patches, image_shape, P, axes, inside="cpp"):
    B, C, H, W = image_shape
    sizes = (C, P, P) if inside == "cpp" else (P, P, C)
    return patches.reshape(B, H // P, W // P, *sizes).transpose(axes).reshape(image_shape)


def _columns_first(patches, image_shape, P):
    B, C, H, W = image_shape
    return patches.reshape(B, W // P, H // P, C, P, P).transpose(0, 3, 2, 4, 1, 5).reshape(image_shape)


unpatchify = Check(
    "unpatchify",
    reference=_np_unpatchify,
    cases=_unpatchify_cases,
    outputs={"images": "(B, C, H, W)"},
    mistakes=[
        Mistake(
            "nothing is moved: a reshape alone puts one patch after the other",
            "The first row of the image crosses several patches.",
            lambda patches, shape, P: patches.reshape(shape),
        ),
        Mistake(
            "the channels are taken to come last inside a patch, (P, P, C)",
            "In which order does `patchify` write the numbers of a patch?",
            lambda patches, shape, P: _paste(patches, shape, P, (0, 5, 1, 3, 2, 4), "ppc"),
        ),
        Mistake(
            "the sequence is taken to run down the columns of the grid",
            "After patch 0 comes its neighbour: to the right, or below?",
            _columns_first,
        ),
        Mistake(
            "every patch is put back transposed",
            "Inside a patch, which pixel follows the first one?",
            lambda patches, shape, P: _paste(patches, shape, P, (0, 3, 1, 5, 2, 4)),
        ),
        Mistake(
            "the permutation of `patchify` is used again, not its inverse",
            "Name the six axes before and after.  Axis number i of the result comes from which axis?",
            lambda patches, shape, P: _paste(patches, shape, P, (0, 2, 4, 1, 3, 5)),
        ),
        Mistake(
            "place and patch are swapped: neighbouring pixels come from different patches",
            "A row of the image is made of gw patches with P pixels each: which of the two varies faster?",
            lambda patches, shape, P: _paste(patches, shape, P, (0, 3, 4, 1, 5, 2)),
        ),
    ],
)


# ---- patch_embedding(images, weight, bias, patch_size) -> x ----------------------------------------------------------


def _embedding_cases(rng):
    cases = []
    for (B, C, H, W, P), D in zip(_SIZES, (5, 7, 11), strict=True):
        weight, bias = rng.standard_normal((D, C * P * P)), rng.standard_normal(D)
        cases.append((rng.standard_normal((B, C, H, W)), weight, bias, P))
    return cases


def _embed(images, weight, bias, P):
    return _np_linear(_np_patchify(images, P)[0], weight, bias)[0]


patch_embedding = Check(
    "patch_embedding",
    reference=_embed,
    cases=_embedding_cases,
    outputs={"x": "(B, N, D)"},
    mistakes=[
        Mistake(
            "the bias is not added",
            "One of the four arguments is not used.",
            lambda images, weight, bias, P: _embed(images, weight, 0, P),
        ),
        Mistake(
            "the weight is used without its transpose",
            "`weight` has the layout (D, C P P): outputs first.",
            lambda images, weight, bias, P: _np_patchify(images, P)[0] @ weight + bias,
        ),
        Mistake(
            "the weight is reshaped where it should be transposed",
            "A reshape makes the shape fit, but keeps the order of the numbers in memory.",
            lambda images, weight, bias, P: _np_patchify(images, P)[0] @ weight.reshape(-1, len(weight)) + bias,
        ),
        Mistake(
            "inside a patch the channels come last, (P, P, C)",
            "Each column of `weight` belongs to one number of a patch: in which order are they?",
            lambda images, weight, bias, P: _np_linear(_cut(images, P, (0, 2, 4, 3, 5, 1)), weight, bias)[0],
        ),
        Mistake(
            "the sequence runs down the columns of the grid",
            "After patch 0 comes its neighbour: to the right, or below?",
            lambda images, weight, bias, P: _np_linear(_cut(images, P, (0, 4, 2, 1, 3, 5)), weight, bias)[0],
        ),
        Mistake(
            "the images are reshaped to patches without moving a pixel",
            "A patch is a square of the image.  Does a reshape alone cut squares?",
            lambda images, weight, bias, P: _np_linear(_no_transpose(images, P), weight, bias)[0],
        ),
        Mistake(
            "the features stand before the tokens, (B, D, N)",
            "That is what a convolution leaves.  A sequence has one row per token.",
            lambda images, weight, bias, P: _embed(images, weight, bias, P).swapaxes(1, 2),
        ),
    ],
)


# ---- patch_embedding_backward(dx, images, weight, patch_size) -> dimages, dweight, dbias -----------------------------


def _embedding_backward_cases(rng):
    cases = []
    for images, weight, _, P in _embedding_cases(rng):
        B, _, H, W = images.shape
        cases.append((rng.standard_normal((B, H * W // P**2, len(weight))), images, weight, P))
    return cases


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


patch_embedding_backward = Check(
    "patch_embedding_backward",
    reference=_embed_backward,
    cases=_embedding_backward_cases,
    outputs={"dimages": "(B, C, H, W)", "dweight": "(D, C P P)", "dbias": "(D,)"},
    mistakes=[
        Mistake(
            "dimages is still cut into patches",
            "A gradient has the shape of what it belongs to.  Who undoes `patchify`?",
            _replace(0, lambda dx, images, weight, P: dx @ weight),
        ),
        Mistake(
            "dimages was reshaped: the gradients are not back where their pixels came from",
            "`patchify` moved pixels.  A reshape does not move them back.",
            _replace(0, lambda dx, images, weight, P: (dx @ weight).reshape(images.shape)),
        ),
        Mistake(
            "dx is multiplied by the transpose of the weight",
            "Forward used W^T.  Write the shapes of dx and weight beside each other.",
            lambda dx, images, weight, P: (_np_unpatchify(dx @ weight.T, images.shape, P), weight, dx),
        ),
        Mistake(
            "dweight is transposed",
            "A gradient has the shape of what it belongs to.",
            _replace(1, lambda dx, images, weight, P: _embed_backward(dx, images, weight, P)[1].T),
        ),
        Mistake(
            "dweight is kept apart for every image",
            "All images used the same weight.  What happens to gradients at a place that is used twice?",
            _replace(1, lambda dx, images, weight, P: dx.swapaxes(1, 2) @ _np_patchify(images, P)[0]),
        ),
        Mistake(
            "dbias is kept apart for every token",
            "The same b was added to every token of every image.",
            _replace(2, lambda dx, images, weight, P: dx.sum(axis=0)),
        ),
        Mistake(
            "dbias is kept apart for every image",
            "The same b was added to every token of every image.",
            _replace(2, lambda dx, images, weight, P: dx.sum(axis=1)),
        ),
        Mistake(
            "dweight and dbias are averaged over the images, not summed",
            "Where does the forward divide by B?",
            lambda dx, images, weight, P: _scaled(dx, images, weight, P, len(dx)),
        ),
        Mistake(
            "dweight and dbias are averaged over images and tokens, not summed",
            "Where does the forward divide by anything?",
            lambda dx, images, weight, P: _scaled(dx, images, weight, P, dx.shape[0] * dx.shape[1]),
        ),
        Mistake(
            "dweight and dbias come from the last image alone",
            "Gradients add up over the images: look for `=` where `+=` is meant.",
            _last_image_only,
        ),
        Mistake(
            "dweight was made with patches whose channels come last",
            "dweight pairs every output with the number of the patch that it was multiplied by in the forward.",
            lambda dx, images, weight, P: (
                _embed_backward(dx, images, weight, P)[0],
                *_embed_backward(dx, images, weight, P, _cut(images, P, (0, 2, 4, 3, 5, 1)))[1:],
            ),
        ),
    ],
)
