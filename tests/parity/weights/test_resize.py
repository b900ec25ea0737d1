"""Positions for another resolution, against SciPy's zoom (what the authors call) and PyTorch's interpolation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import zoom

import vitedu
import vitedu.weights.resize
import vitedu_numpy
import vitedu_numpy.weights.resize
from vitedu_numpy.weights.grids import METHODS
from vitedu_numpy.weights.resize import interpolation_matrix

# Both sides are weighted means of two to sixteen numbers in float64.
TOLERANCE = dict(rtol=0, atol=1e-12)


def in_both(E_pos, *args, **options):
    """The result of both packages, which must agree."""
    ours = vitedu_numpy.weights.resize.resize_positions(E_pos, *args, **options)
    theirs = vitedu.weights.resize.resize_positions(torch.from_numpy(E_pos), *args, **options).numpy()
    np.testing.assert_allclose(ours, theirs, **TOLERANCE)
    return ours


@pytest.mark.parametrize(("old", "new"), [(14, 24), (7, 12), (14, 14), (24, 14), (16, 37), (14, 7), (3, 5), (5, 2)])
@pytest.mark.parametrize("has_class_token", [True, False])
def test_as_the_authors_do(old, new, has_class_token, rng):
    E_pos = rng.standard_normal((has_class_token + old * old, 5))
    grid = E_pos[has_class_token:].reshape(old, old, 5)
    expected = zoom(grid, (new / old, new / old, 1), order=1)
    resized = in_both(E_pos, (old, old), (new, new), has_class_token)
    np.testing.assert_allclose(resized[has_class_token:], expected.reshape(-1, 5), **TOLERANCE)
    assert np.array_equal(resized[:has_class_token], E_pos[:has_class_token])


def test_a_grid_that_is_not_square(rng):
    E_pos = rng.standard_normal((1 + 3 * 4, 5))
    expected = zoom(E_pos[1:].reshape(3, 4, 5), (6 / 3, 10 / 4, 1), order=1)
    np.testing.assert_allclose(in_both(E_pos, (3, 4), (6, 10))[1:], expected.reshape(-1, 5), **TOLERANCE)


def test_where_scipy_rounds_out_of_the_grid(rng):
    """8 -> 26: SciPy's last coordinate is 7 + 1e-15, outside, so its last row and column are zeros; ours are not."""
    grid = rng.standard_normal((8, 8, 3))
    resized = in_both(grid.reshape(-1, 3), (8, 8), (26, 26), False).reshape(26, 26, 3)
    np.testing.assert_allclose(resized[-1, -1], grid[-1, -1], **TOLERANCE)
    theirs = zoom(grid, (26 / 8, 26 / 8, 1), order=1)
    np.testing.assert_allclose(resized[:-1, :-1], theirs[:-1, :-1], **TOLERANCE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("old", "new"), [((4, 6), (9, 5)), ((1, 3), (4, 1)), ((14, 3), (45, 3))])
def test_other_interpolations_in_both_packages(method, old, new, rng):
    E_pos = rng.standard_normal((1 + old[0] * old[1], 3))
    in_both(E_pos, old, new, method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("old", "new"), [((14, 14), (24, 24)), ((3, 7), (50, 11))])
def test_float32_is_interpolated_in_float64(method, old, new, rng):
    """Positions of float32 lose only what the last cast rounds, 2^-24 of the largest: 6e-8; in float32 it was 1e-5."""
    E_pos = rng.standard_normal((1 + old[0] * old[1], 6)).astype(np.float32)
    expected = in_both(E_pos.astype(np.float64), old, new, method=method)
    for resized in (
        vitedu_numpy.weights.resize.resize_positions(E_pos, old, new, method=method),
        vitedu.weights.resize.resize_positions(torch.from_numpy(E_pos), old, new, method=method).numpy(),
    ):
        assert resized.dtype == np.float32
        np.testing.assert_allclose(resized, expected, rtol=0, atol=6e-8 * abs(expected).max())
    if method == "linear" and old == (14, 14):  # and float64 is what the authors' call computes
        grid = zoom(E_pos[1:].reshape(14, 14, 6).astype(np.float64), (24 / 14, 24 / 14, 1), order=1)
        np.testing.assert_allclose(expected[1:], grid.reshape(-1, 6), **TOLERANCE)


@pytest.mark.parametrize(("method", "mode"), [("half-pixel", "bilinear"), ("cubic", "bicubic")])
def test_other_interpolations_are_pytorchs(method, mode, rng):
    line = rng.standard_normal(7)
    theirs = F.interpolate(torch.from_numpy(line)[None, None, :, None], (11, 1), mode=mode)[0, 0, :, 0].numpy()
    np.testing.assert_allclose(interpolation_matrix(7, 11, method) @ line, theirs, **TOLERANCE)


@pytest.mark.parametrize(("old", "new"), [(37, 16), (37, 40), (16, 37)])
def test_the_offset_of_dinov2(old, new, rng):
    """Its call, with a scale factor instead of a size: on the way from 37 to 16 patches up to 1.3 from `cubic`."""
    grid = rng.standard_normal((1, 3, old, old))
    scale = (new + 0.1) / old
    theirs = F.interpolate(torch.from_numpy(grid), scale_factor=(scale, scale), mode="bicubic")
    ours = in_both(grid[0].reshape(3, -1).T, (old, old), (new, new), False, method="cubic-offset")
    np.testing.assert_allclose(ours.T.reshape(3, new, new), theirs[0].numpy(), **TOLERANCE)


@pytest.mark.parametrize(("old", "new"), [(37, 16), (37, 40), (16, 37), (2, 1), (5, 2)])
def test_antialias(old, new, rng):
    """timm's call: the kernel grows with the step, so every old vector counts."""
    grid = rng.standard_normal((1, 3, old, old))
    theirs = F.interpolate(torch.from_numpy(grid), (new, new), mode="bicubic", antialias=True)
    ours = in_both(grid[0].reshape(3, -1).T, (old, old), (new, new), False, method="cubic-antialias")
    np.testing.assert_allclose(ours.T.reshape(3, new, new), theirs[0].numpy(), **TOLERANCE)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_grid_changes_nothing(method, rng):
    E_pos = rng.standard_normal((1 + 12, 3))
    assert np.array_equal(in_both(E_pos, (3, 4), (3, 4), method=method), E_pos)


@pytest.mark.parametrize("method", METHODS)
def test_properties(method):
    for old, new in ((3, 8), (8, 3), (5, 5), (1, 4)):
        M = interpolation_matrix(old, new, method)
        np.testing.assert_allclose(M.sum(axis=1), 1, **TOLERANCE)  # equal vectors stay equal
        if method == "cubic-offset":
            continue  # its grid of new + 0.1 patches begins where the old one does, and ends elsewhere
        if old == new:
            np.testing.assert_allclose(M, np.eye(old), **TOLERANCE)  # the same grid: nothing happens
        if method != "nearest":  # which always rounds down
            np.testing.assert_allclose(M[::-1, ::-1], M, **TOLERANCE)  # mirror images


@pytest.mark.parametrize("method", METHODS)
def test_rows_and_columns_in_float64_too(method, rng):
    """E_x and E_y of float32, as `interpolation_matrix` says."""
    sizes = dict(patch_size=2, width=8, depth=1, heads=2, mlp_dim=8, num_classes=3, position_embedding="2d")
    old, new = vitedu_numpy.ViTConfig((6, 10), **sizes), vitedu_numpy.ViTConfig((26, 14), **sizes)
    state = {
        "position_embedding.E_y": rng.standard_normal((3, 4)).astype(np.float32),
        "position_embedding.E_x": rng.standard_normal((5, 4)).astype(np.float32),
    }
    for package in (vitedu_numpy, vitedu):
        given = state if package is vitedu_numpy else {name: torch.from_numpy(value) for name, value in state.items()}
        resized = package.weights.resize.resize_state(given, old, new, method)
        for name, counts in (("E_y", (3, 13)), ("E_x", (5, 7))):
            value = np.asarray(resized[f"position_embedding.{name}"])
            expected = interpolation_matrix(*counts, method) @ state[f"position_embedding.{name}"].astype(np.float64)
            assert value.dtype == np.float32
            np.testing.assert_allclose(value, expected, rtol=0, atol=6e-8 * abs(expected).max())


@pytest.mark.parametrize("kind", ["1d", "2d", "sincos2d"])
@pytest.mark.parametrize("where", ["stem", "every", "shared"])
def test_a_whole_state(kind, where, rng):
    """The resized state loads into the model for larger images; every learned position moved by the same rule."""
    sizes = dict(patch_size=2, width=8, depth=2, heads=2, mlp_dim=8, num_classes=3)
    old = vitedu_numpy.ViTConfig((4, 6), position_embedding=kind, position_at=where, **sizes)
    new = replace(old, image_size=(8, 6))
    state = vitedu_numpy.ViT(old, rng, np.float64).state_dict()
    ours = vitedu_numpy.weights.resize.resize_state(state, old, new)
    theirs = vitedu.weights.resize.resize_state({n: torch.from_numpy(v) for n, v in state.items()}, old, new)
    vitedu_numpy.ViT(new, rng).load_state_dict(ours)
    vitedu.ViT(new).load_state_dict(theirs)
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name].numpy(), **TOLERANCE)
        if name.endswith("E_x"):  # the width of the grid did not change
            np.testing.assert_allclose(value, state[name], **TOLERANCE)
        if "E_" not in name:
            assert np.array_equal(value, state[name])


def test_relative_positions_cannot_be_resized():
    sizes = dict(patch_size=2, width=8, depth=1, heads=2, mlp_dim=8, num_classes=3, position_embedding="relative")
    old, new = vitedu_numpy.ViTConfig(4, **sizes), vitedu_numpy.ViTConfig(8, **sizes)
    for package in (vitedu_numpy, vitedu):
        with pytest.raises(ValueError, match="'relative' cannot be resized"):
            package.weights.resize.resize_state({}, old, new)
