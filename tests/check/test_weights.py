"""The checks of notebooks/13_weights.ipynb: the authors' kernels in our layout, and positions for another grid."""

from __future__ import annotations

import numpy as np
import pytest


def qkv(query, key, value):
    """One number after the other."""
    D, h, Dh = query.shape
    out = np.zeros((3 * D, D))
    for part, kernel in enumerate((query, key, value)):
        for head in range(h):
            for e in range(Dh):
                out[part * D + head * Dh + e] = kernel[:, head, e]
    return out


def patches(kernel):
    P, _, C, D = kernel.shape
    rows = [[kernel[y, x, c, d] for c in range(C) for y in range(P) for x in range(P)] for d in range(D)]
    return np.array(rows)


def key_kernel(weight, heads):
    D = weight.shape[1]
    rows = weight[D : 2 * D].reshape(heads, D // heads, D)
    return np.moveaxis(rows, -1, 0)


def places(old, new):
    return np.linspace(0, old - 1, new)


def resized(E_pos, old_grid, new_grid, places=places):
    """`np.interp` along one side, then along the other, number by number."""
    (gh, gw), (new_gh, new_gw) = old_grid, new_grid
    grid = E_pos[1:].reshape(gh, gw, -1)
    D = grid.shape[-1]
    wide = np.array([[np.interp(places(gw, new_gw), range(gw), grid[y, :, d]) for d in range(D)] for y in range(gh)])
    tall = np.array(
        [[np.interp(places(gh, new_gh), range(gh), wide[:, d, x]) for d in range(D)] for x in range(new_gw)]
    )  # (new gw, D, new gh)
    return np.concatenate([E_pos[:1], tall.transpose(2, 0, 1).reshape(-1, D)])


RIGHT = [
    ("official_qkv", qkv),
    ("official_qkv", lambda q, k, v: np.einsum("xihe->xhei", np.stack([q, k, v])).reshape(-1, len(q))),
    ("official_patches", patches),
    ("official_patches", lambda kernel: np.moveaxis(kernel, (2, 0, 1), (0, 1, 2)).reshape(-1, kernel.shape[3]).T),
    ("official_key_kernel", key_kernel),
    ("resized_positions", resized),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_in_float32(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


def test_right_answers_in_torch_and_scipy_pass(assert_right):
    """The authors call scipy's zoom; PyTorch's name for the same rule is align_corners."""
    torch = pytest.importorskip("torch")
    ndimage = pytest.importorskip("scipy.ndimage")

    def by_torch(E_pos, old, new):
        grid = torch.from_numpy(E_pos[1:]).reshape(1, *old, -1).permute(0, 3, 1, 2)
        grid = torch.nn.functional.interpolate(grid, new, mode="bilinear", align_corners=True)
        return torch.cat([torch.from_numpy(E_pos[:1]), grid.flatten(2)[0].T])

    def by_scipy(E_pos, old, new):
        zoom = (new[0] / old[0], new[1] / old[1], 1)
        grid = ndimage.zoom(E_pos[1:].reshape(*old, -1), zoom, order=1)
        return np.concatenate([E_pos[:1], grid.reshape(new[0] * new[1], -1)])

    assert_right("resized_positions", by_torch)
    assert_right("resized_positions", by_scipy)


# ---- the mistakes again, in other words ----------------------------------------------------------------------------


def half_pixel(old, new):
    return np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)


def by_image_library(E_pos, old, new):
    torch = pytest.importorskip("torch")
    grid = torch.from_numpy(E_pos[1:]).reshape(1, *old, -1).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, new, mode="bicubic", align_corners=False)
    return np.concatenate([E_pos[:1], grid.flatten(2)[0].T.numpy()])


def columns_as_rows(E_pos, old, new):
    return resized(E_pos, (old[1], old[0]), (new[1], new[0]))


AGAIN = [
    (
        "official_qkv",
        lambda *kernels: np.vstack([k.reshape(k.shape[0], k.shape[0]) for k in kernels]),
        "not transposed",
    ),
    ("official_qkv", lambda q, k, v: qkv(k, q, v), "k comes first"),
    ("official_qkv", lambda q, k, v: np.hstack([qkv(x, x, x)[: len(q)] for x in (q, k, v)]), "side by side"),
    ("official_qkv", lambda *k: np.concatenate([np.einsum("ihe->ehi", x).reshape(-1, len(x)) for x in k]), "exchanged"),
    ("official_patches", lambda k: k.reshape(-1, k.shape[3]).T, "channels come last"),
    ("official_patches", lambda k: patches(k.swapaxes(0, 1)), "rows and columns"),
    ("official_patches", lambda k: patches(np.flip(k, 2)), "reverse order"),
    ("official_key_kernel", lambda w, h: key_kernel(np.roll(w, w.shape[1], axis=0), h), "queries"),
    ("official_key_kernel", lambda w, h: np.split(w, 3)[1].reshape(w.shape[1], h, -1), "not transposed"),
    ("official_key_kernel", lambda w, h: np.split(w, 3)[1].reshape(h, -1, w.shape[1]).swapaxes(1, 2), "in front"),
    ("resized_positions", lambda E, old, new: resized(E, old, new, half_pixel), "half-pixel"),
    ("resized_positions", by_image_library, "cubic"),
    ("resized_positions", lambda E, old, new: np.roll(resized(E, old, new), -1, axis=0), "at the end"),
    ("resized_positions", columns_as_rows, "two sides of the grid"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


def test_a_crash_shows_the_line_and_the_shapes(said):
    def my_resized_positions(E_pos, old_grid, new_grid):
        return E_pos.reshape(*old_grid, -1)

    message = said("resized_positions", my_resized_positions)
    assert "it stopped at `return E_pos.reshape(*old_grid, -1)` with ValueError" in message
    assert "(7, 5), (2, 3), (5, 7)" in message
