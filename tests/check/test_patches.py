"""The checks of notebooks/01_patches.ipynb: cutting images into patches, and embedding them."""

from __future__ import annotations

import numpy as np
import pytest


def cut(images, P, read=lambda patch: patch.ravel(), columns_first=False):
    """Patches by loops; `read` flattens one patch (C, P, P)."""
    _, _, H, W = images.shape
    corners = [(r, c) for r in range(0, H, P) for c in range(0, W, P)]
    if columns_first:
        corners.sort(key=lambda corner: corner[::-1])
    return np.array([[read(image[:, r : r + P, c : c + P]) for r, c in corners] for image in images])


def paste(rows, shape, P, write=lambda row, C, P: row.reshape(C, P, P)):
    """The inverse, by loops."""
    images = np.zeros(shape)
    _, C, H, W = shape
    for b, row_of_b in enumerate(rows):
        corners = ((r, c) for r in range(0, H, P) for c in range(0, W, P))
        for row, (r, c) in zip(row_of_b, corners, strict=True):
            images[b, :, r : r + P, c : c + P] = write(row, C, P)
    return images


def embed(images, weight, bias, P):
    return np.einsum("bnj,dj->bnd", cut(images, P), weight) + bias


def embed_backward(dx, images, weight, P):
    dpatches = np.einsum("bnd,dj->bnj", dx, weight)
    dweight = np.einsum("bnd,bnj->dj", dx, cut(images, P))
    return paste(dpatches, images.shape, P), dweight, np.einsum("bnd->d", dx)


# ---- right answers in other styles -----------------------------------------------------------------------------------


RIGHT = [
    ("patchify", cut),
    ("unpatchify", paste),
    ("patch_embedding", embed),
    ("patch_embedding_backward", embed_backward),
    ("patch_embedding_backward", lambda *args: list(embed_backward(*args))),
]

IN_FLOAT32 = [
    ("patchify", cut),
    ("unpatchify", paste),
    ("patch_embedding", embed),
    ("patch_embedding_backward", embed_backward),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer"), IN_FLOAT32)
def test_right_answers_in_float32(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


def test_right_answers_in_torch_pass(assert_right):
    torch = pytest.importorskip("torch")

    def by_unfold(images, P):
        return torch.nn.functional.unfold(torch.from_numpy(images), P, stride=P).transpose(1, 2)

    def by_convolution(images, weight, bias, P):
        images, weight, bias = (torch.from_numpy(a).requires_grad_() for a in (images, weight, bias))
        filters = weight.reshape(len(weight), images.shape[1], P, P)
        return torch.nn.functional.conv2d(images, filters, bias, stride=P).flatten(2).transpose(1, 2)

    def by_autograd(dx, images, weight, P):
        images, weight = torch.from_numpy(images).requires_grad_(), torch.from_numpy(weight).requires_grad_()
        bias = torch.zeros(len(weight), dtype=torch.float64, requires_grad=True)
        x = torch.nn.functional.unfold(images, P, stride=P).transpose(1, 2) @ weight.T + bias
        x.backward(torch.from_numpy(dx))
        return images.grad, weight.grad, bias.grad

    assert_right("patchify", by_unfold)
    assert_right("patch_embedding", by_convolution)
    assert_right("patch_embedding_backward", by_autograd)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def by_torch_convolution_without_swap(images, weight, bias, P):
    return np.moveaxis(embed(images, weight, bias, P), 2, 1)


def mean_over_images(dx, images, weight, P):
    dimages, dweight, dbias = embed_backward(dx, images, weight, P)
    return dimages, dweight / images.shape[0], dbias / images.shape[0]


def overwritten(dx, images, weight, P):
    dimages = embed_backward(dx, images, weight, P)[0]
    for b in range(len(dx)):
        dweight = dx[b].T @ cut(images, P)[b]
        dbias = dx[b].sum(0)
    return dimages, dweight, dbias


AGAIN = [
    ("patchify", lambda x, P: cut(x, P, lambda p: p.transpose(1, 2, 0).ravel()), "channels come last"),
    ("patchify", lambda x, P: cut(x, P, columns_first=True), "down the columns of the grid"),
    ("patchify", lambda x, P: cut(x, P, lambda p: p.swapaxes(1, 2).ravel()), "patch is transposed"),
    ("patchify", lambda x, P: x.reshape(len(x), -1, x.shape[1] * P * P), "a reshape alone"),
    ("unpatchify", lambda p, shape, P: p.reshape(*shape), "a reshape alone"),
    (
        "unpatchify",
        lambda p, shape, P: paste(p, shape, P, lambda row, C, P: row.reshape(P, P, C).transpose(2, 0, 1)),
        "channels are taken to come last",
    ),
    (
        "unpatchify",
        lambda p, shape, P: paste(p, shape, P, lambda row, C, P: row.reshape(C, P, P).swapaxes(1, 2)),
        "put back transposed",
    ),
    ("patch_embedding", lambda x, w, b, P: np.dot(cut(x, P), w.T), "the bias `bias` is not added"),
    ("patch_embedding", lambda x, w, b, P: cut(x, P) @ w + b, "`weight` is not transposed"),
    (
        "patch_embedding",
        lambda x, w, b, P: cut(x, P) @ w.reshape(w.shape[1], w.shape[0]) + b,
        "reshaped where it should be transposed",
    ),
    ("patch_embedding", by_torch_convolution_without_swap, "features stand before the tokens"),
    ("patch_embedding_backward", lambda dx, x, w, P: (dx @ w.T, w, dx), "transpose of the weight"),
    ("patch_embedding_backward", mean_over_images, "averaged over the images"),
    ("patch_embedding_backward", overwritten, "last image alone"),
    (
        "patch_embedding_backward",
        lambda dx, x, w, P: (np.einsum("bnd,dj->bnj", dx, w), *embed_backward(dx, x, w, P)[1:]),
        "still cut into patches",
    ),
    (
        "patch_embedding_backward",
        lambda dx, x, w, P: (*embed_backward(dx, x, w, P)[:2], dx.sum(axis=0)),
        "summed over the first axis only",
    ),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_an_unknown_wrong_answer_shows_the_first_element_that_differs(unknown):
    def my_patchify(images, patch_size):
        result = cut(images, patch_size)
        result[0, 1, 2] += 1
        return result

    message = unknown("patchify", my_patchify)
    assert "patches[0, 1, 2] of patches (B, N, C P P) = (1, 6, 4)" in message
    assert "1 of 24 numbers differ" in message


def test_the_package_s_pair_instead_of_the_patches_alone_is_explained(assert_named):
    from vitedu_numpy.layers.patches import patchify as package_patchify

    assert_named("patchify", package_patchify, "2 results are returned, where patches alone is asked for")


def test_a_crash_shows_the_line_and_the_shapes(unknown):
    def my_patch_embedding(images, weight, bias, patch_size):
        return images @ weight

    message = unknown("patch_embedding", my_patch_embedding)
    assert "it stopped at `return images @ weight` with ValueError" in message
    assert "(1, 1, 4, 6), (5, 4), (5,), 2" in message


def test_too_few_results_are_named(unknown):
    message = unknown("patch_embedding_backward", lambda dx, images, weight, P: (images, weight))
    assert "returned 2 results; expected 3: dimages, dweight, dbias" in message
