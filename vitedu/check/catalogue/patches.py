"""Exercises of notebooks/01_patches.ipynb."""

from __future__ import annotations

from ..slips.exercise import exercise
from ..slips.steps import bias_gradient, sliding_windows, weight_gradient
from ..slips.steps import linear as linear_of
from ..slips.steps import patchify as patchify_of
from ..slips.steps import unpatchify as unpatchify_of

__all__ = ["overlapping_patches", "patch_embedding", "patchify", "unpatchify"]

# (B, C, H, W, P): the sides differ and the grid is not square, so that a wrong axis cannot hide.
_SIZES = [(1, 1, 4, 6, 2), (2, 3, 6, 15, 3), (3, 2, 20, 8, 4)]


# ---- patchify(images, patch_size) -> patches -------------------------------------------------------------------------


def _patchify_cases(rng):
    return [(rng.standard_normal((B, C, H, W)), P) for B, C, H, W, P in _SIZES]


@exercise(cases=_patchify_cases, outputs={"patches": "(B, N, C P P)"}, level=2, minutes=15)
def patchify(images, patch_size):
    B, C, H, W = images.shape
    P = patch_size
    gh = H // P
    gw = W // P
    grid = images.reshape(B, C, gh, P, gw, P)  # the cut
    moved = grid.transpose(0, 2, 4, 1, 3, 5)  # the moved axes
    return moved.reshape(B, gh * gw, C * P * P)  # the patches


_NEIGHBOUR = "After patch 0 comes its neighbour: to the right, or below?"
_INSIDE = "Inside a patch, which pixel follows the first one?"
patchify.slip(
    "inside a patch the channels come last, (P, P, C)",
    "The shape is right, the order of the numbers is not.  What should the first P P numbers of a patch be?",
    moved="grid.transpose(0, 2, 4, 3, 5, 1)",
)
patchify.slip("the sequence runs down the columns of the grid", _NEIGHBOUR, moved="grid.transpose(0, 4, 2, 1, 3, 5)")
patchify.slip(
    "every patch is transposed: its pixels are read column by column",
    _INSIDE,
    moved="grid.transpose(0, 2, 4, 1, 5, 3)",
)
patchify.slip(
    "nothing is moved: a reshape alone reads the image row by row",
    "Two pixels of one patch that lie below each other are far apart in memory.  What brings them together?",
    moved="grid",
)
patchify.slip(
    "every channel makes patches of its own",
    "A patch holds all the channels of its pixels.",
    result="grid.transpose(0, 1, 2, 4, 3, 5).reshape(B, -1, P * P)",
)
patchify.slip(
    "the pixels of a patch are not neighbours: every gh-th row and gw-th column was taken",
    "When one side is cut in two axes, which comes first: the number of the patch, or the place inside it?",
    moved="images.reshape(B, C, P, gh, P, gw).transpose(0, 3, 5, 1, 2, 4)",
)
patchify.slip(
    "the two sides of the grid are swapped",
    "How many patches stand down, and how many across?  Try an image that is not square.",
    grid="images.reshape(B, C, gw, P, gh, P)",
)
patchify.slip(
    "the channels were moved to the end before the cut, and the cut still takes them for the first axis",
    "After a transpose, write down the shape again, axis by axis.",
    grid="images.transpose(0, 2, 3, 1).reshape(B, C, gh, P, gw, P)",
)
patchify.slip(
    "the grid still has two axes: (B, gh, gw, ...)",
    "A sequence has one row per patch, and a patch one row of numbers. Which axes are to be joined?",
    result="moved.reshape(B, gh, gw, C * P * P)",
)


# ---- unpatchify(patches, image_shape, patch_size) -> images ----------------------------------------------------------


def _unpatchify_cases(rng):
    return [(rng.standard_normal((B, H * W // P**2, C * P * P)), (B, C, H, W), P) for B, C, H, W, P in _SIZES]


@exercise(cases=_unpatchify_cases, outputs={"images": "(B, C, H, W)"}, level=2, minutes=15)
def unpatchify(patches, image_shape, patch_size):
    B, C, H, W = image_shape
    P = patch_size
    gh = H // P
    gw = W // P
    cut = patches.reshape(B, gh, gw, C, P, P)  # the cut
    moved = cut.transpose(0, 3, 1, 4, 2, 5)  # the moved axes
    return moved.reshape(B, C, H, W)  # the images


unpatchify.slip(
    "nothing is moved: a reshape alone puts one patch after the other",
    "The first row of the image crosses several patches.",
    moved="cut",
)
unpatchify.slip(
    "the channels are taken to come last inside a patch, (P, P, C)",
    "In which order does `patchify` write the numbers of a patch?",
    moved="patches.reshape(B, gh, gw, P, P, C).transpose(0, 5, 1, 3, 2, 4)",
)
unpatchify.slip(
    "the sequence is taken to run down the columns of the grid",
    _NEIGHBOUR,
    moved="patches.reshape(B, gw, gh, C, P, P).transpose(0, 3, 2, 4, 1, 5)",
)
unpatchify.slip("every patch is put back transposed", _INSIDE, moved="cut.transpose(0, 3, 1, 5, 2, 4)")
unpatchify.slip(
    "the permutation of `patchify` is used again, not its inverse",
    "Name the six axes before and after.  Axis number i of the result comes from which axis?",
    moved="cut.transpose(0, 2, 4, 1, 3, 5)",
)
unpatchify.slip(
    "place and patch are swapped: neighbouring pixels come from different patches",
    "A row of the image is made of gw patches with P pixels each: which of the two varies faster?",
    moved="cut.transpose(0, 3, 4, 1, 5, 2)",
)


# ---- patch_embedding(images, weight, bias, patch_size) -> x ----------------------------------------------------------


def _embedding_cases(rng):
    cases = []
    for (B, C, H, W, P), D in zip(_SIZES, (5, 7, 11), strict=True):
        weight, bias = rng.standard_normal((D, C * P * P)), rng.standard_normal(D)
        cases.append((rng.standard_normal((B, C, H, W)), weight, bias, P))
    return cases


@exercise(cases=_embedding_cases, outputs={"x": "(B, N, D)"}, level=1, minutes=10)
def patch_embedding(images, weight, bias, patch_size):
    patches = patchify_of(images, patch_size)  # the patches
    return linear_of(patches, weight, bias)  # the projection


patch_embedding.slip(
    "the features stand before the tokens, (B, D, N)",
    "That is what a convolution leaves.  A sequence has one row per token.",
    result="swap(linear(patches, weight, bias))",
)


# ---- patch_embedding_backward(dx, images, weight, patch_size) -> dimages, dweight, dbias -----------------------------


def _embedding_backward_cases(rng):
    cases = []
    for images, weight, _, P in _embedding_cases(rng):
        B, _, H, W = images.shape
        cases.append((rng.standard_normal((B, H * W // P**2, len(weight))), images, weight, P))
    return cases


@exercise(
    cases=_embedding_backward_cases,
    outputs={"dimages": "(B, C, H, W)", "dweight": "(D, C P P)", "dbias": "(D,)"}, level=3, minutes=25,
)  # fmt: skip
def patch_embedding_backward(dx, images, weight, patch_size):
    B, N, D = dx.shape
    patches = patchify_of(images, patch_size)  # the patches
    dpatches = dx @ weight  # dpatches
    dimages = unpatchify_of(dpatches, images.shape, patch_size)  # dimages
    dweight = weight_gradient(dx, patches)  # dweight
    dbias = bias_gradient(dx)  # dbias
    return dimages, dweight, dbias


_NO_DIVISION = "Where does the forward divide by {}?"
patch_embedding_backward.slip(
    "dx is multiplied by the transpose of the weight",
    "Forward used W^T.  Write the shapes of dx and weight beside each other.",
    dpatches="dx @ weight.T",
)
patch_embedding_backward.slip(
    "dweight is kept apart for every image",
    "All images used the same weight.  What happens to gradients at a place that is used twice?",
    dweight="swap(dx) @ patches",
)
for _words, _rows, _by in (("images", "B", "B"), ("images and tokens", "(B * N)", "anything")):
    patch_embedding_backward.slip(
        f"dweight and dbias are averaged over the {_words}, not summed",
        _NO_DIVISION.format(_by),
        dweight=f"weight_gradient(dx, patches) / {_rows}",
        dbias=f"bias_gradient(dx) / {_rows}",
    )
patch_embedding_backward.slip(
    "dweight and dbias come from the last image alone",
    "Gradients add up over the images: look for `=` where `+=` is meant.",
    dweight="weight_gradient(dx[-1:], patches[-1:])",
    dbias="bias_gradient(dx[-1:])",
)
patch_embedding_backward.slip(
    "dweight was made with patches whose channels come last",
    "dweight pairs every output with the number of the patch that it was multiplied by in the forward.",
    patches="patchify(images, patch_size, (0, 2, 4, 3, 5, 1))",
)


# ---- overlapping_patches(images, patch_size, stride) -> patches ------------------------------------------------------


@exercise(
    cases=lambda rng: [
        (rng.standard_normal((B, C, H, W)), P, stride)
        for B, C, H, W, P, stride in ((2, 1, 5, 7, 3, 2), (1, 3, 8, 5, 2, 3), (3, 2, 6, 9, 3, 1))
    ],
    outputs={"patches": "(B, N, C P P)"}, level=2, minutes=20,
)  # fmt: skip
def overlapping_patches(images, patch_size, stride):
    B, C, H, W = images.shape
    windows = sliding_windows(images, (patch_size, patch_size), stride, stride)  # (B, C, gh, gw, P, P)
    moved = windows.transpose(0, 2, 3, 1, 4, 5)  # the axes in their new order
    return moved.reshape(B, -1, C * patch_size * patch_size)  # the patches


overlapping_patches.slip(
    "patches start at every pixel: the stride is not used",
    "How far apart are the corners of two neighbouring patches?",
    windows="sliding_windows(images, (patch_size, patch_size), 1, 1)",
)
overlapping_patches.slip(
    "the next patch starts where the last one ends: the stride is taken to be the patch side",
    "Which of the two numbers says how large a patch is, and which how far it moves?",
    windows="sliding_windows(images, (patch_size, patch_size), patch_size, patch_size)",
)
overlapping_patches.slip(
    "the last row and column of patches are missing",
    "A patch that ends exactly at the border still fits. Where does your range end?",
    windows="sliding_windows(images[:, :, :-1, :-1], (patch_size, patch_size), stride, stride)",
)
overlapping_patches.slip(
    "the pixels come first and the channels last inside a patch",
    "The order inside a patch is (C, P, P).",
    moved="windows.transpose(0, 2, 3, 4, 5, 1)",
)
