"""Wrong answers to the exercises of notebooks/22_video.ipynb: tubelets, who asks whom, and what that costs."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.attention import attention as _attention
from vitedu_numpy.layers.spacetime import from_space as _from_space
from vitedu_numpy.layers.spacetime import from_time as _from_time
from vitedu_numpy.layers.spacetime import to_space as _to_space
from vitedu_numpy.layers.spacetime import to_time as _to_time
from vitedu_numpy.layers.tubelets import tubeletify as _tubeletify
from vitedu_numpy.weights.inflate import average_filters as _average_filters
from vitedu_numpy.weights.inflate import central_filters as _central_filters

from . import FirstGeneration

__all__ = ["asked_pairs", "inflated_filters", "space_positions_backward", "time_attention", "tubelets"]


# ---- tubelets ------------------------------------------------------------------------------------------------------


def _np_tubelets(videos, tubelet_length, patch_size):
    return _tubeletify(videos, tubelet_length, patch_size)[0]


def _cut(videos, Pf, P, axes):
    """(B, gf, Pf, C, gh, P, gw, P) with its axes in another order: the first four are B and the tubelet's number."""
    B, F, C, H, W = videos.shape
    x = videos.reshape(B, F // Pf, Pf, C, H // P, P, W // P, P).transpose(axes)
    return x.reshape(B, F // Pf * (H // P) * (W // P), -1)


def _in_order(axes):
    return lambda videos, Pf, P: _cut(videos, Pf, P, axes)


def _far_apart(videos, Pf, P):
    B, F, *rest = videos.shape
    mixed = videos.reshape(B, Pf, F // Pf, *rest).swapaxes(1, 2)
    return _np_tubelets(mixed.reshape(videos.shape), Pf, P)


def _reshape_alone(videos, Pf, P):
    B, _, C, _, _ = videos.shape
    return videos.reshape(B, -1, Pf * C * P * P)


def _every_frame(videos, Pf, P):
    return _np_tubelets(videos, 1, P)


def _averaged(videos, Pf, P):
    B, F, *rest = videos.shape
    return _np_tubelets(videos.reshape(B, F // Pf, Pf, *rest).mean(axis=2), 1, P)


tubelets = FirstGeneration(
    _np_tubelets,
    [
        (
            "the tubelets are counted place by place, each through all slices, before the next place",
            _in_order((0, 4, 6, 1, 2, 3, 5, 7)),
        ),
        ("inside a tubelet the colours come before the frames", _in_order((0, 1, 4, 6, 3, 2, 5, 7))),
        ("inside a tubelet the frames come last", _in_order((0, 1, 4, 6, 3, 5, 7, 2))),
        ("the places are counted column by column", _in_order((0, 1, 6, 4, 2, 3, 5, 7))),
        ("a tubelet takes every gf-th frame: its frames lie far apart", _far_apart),
        ("a reshape alone: the tubelets are stripes of rows", _reshape_alone),
        ("every frame is cut by itself: patches, and no tubelets", _every_frame),
        ("the frames of a tubelet are averaged: then nothing in it knows their order", _averaged),
    ],
)


# ---- filters of an image's model -----------------------------------------------------------------------------------


inflated_filters = FirstGeneration(
    _average_filters,
    [
        ("not divided: a still video's token is Pf times the image's", lambda E, Pf: np.tile(E, (1, Pf))),
        ("divided by the root of Pf", lambda E, Pf: np.tile(E, (1, Pf)) / np.sqrt(Pf)),
        (
            "each number is repeated beside itself, instead of the filter as a whole",
            lambda E, Pf: np.repeat(E, Pf, axis=1) / Pf,
        ),
        ("the central frame alone", _central_filters),
        ("the first frame alone", lambda E, Pf: np.pad(E, ((0, 0), (0, (Pf - 1) * E.shape[1])))),
        (
            "the copies stand below each other: more outputs instead of more inputs",
            lambda E, Pf: np.tile(E / Pf, (Pf, 1)),
        ),
    ],
)


# ---- how many are asked --------------------------------------------------------------------------------------------


def _np_asked_pairs(frames, tubelet_length, image_size, patch_size):
    gf, N = frames // tubelet_length, (image_size // patch_size) ** 2
    return (gf * N) ** 2, gf * N**2 + N * gf**2


def _pairs(joint, factorised, length=lambda F, Pf: F // Pf, places=lambda S, P: (S // P) ** 2):
    def answer(F, Pf, S, P):
        gf, N = length(F, Pf), places(S, P)
        return joint(gf, N), factorised(gf, N)

    return answer


def _right_joint(gf, N):
    return (gf * N) ** 2


def _right_factorised(gf, N):
    return gf * N**2 + N * gf**2


asked_pairs = FirstGeneration(
    _np_asked_pairs,
    [
        ("every frame counts as a slice of its own", _pairs(_right_joint, _right_factorised, length=lambda F, Pf: F)),
        (
            "the patches along one side are taken for all of a frame",
            _pairs(_right_joint, _right_factorised, places=lambda S, P: S // P),
        ),
        (
            "factorised: attention within one frame and at one place alone",
            _pairs(_right_joint, lambda gf, N: N**2 + gf**2),
        ),
        ("factorised: only attention in space is counted", _pairs(_right_joint, lambda gf, N: gf * N**2)),
        ("factorised: only attention through time is counted", _pairs(_right_joint, lambda gf, N: N * gf**2)),
        ("factorised: the two attentions are multiplied", _pairs(_right_joint, lambda gf, N: gf * N**2 * N * gf**2)),
        ("joint: the tokens are counted, not the pairs", _pairs(lambda gf, N: gf * N, _right_factorised)),
        ("joint: every slice asks itself alone", _pairs(lambda gf, N: gf * N**2, _right_factorised)),
    ],
)


# ---- attention through time ----------------------------------------------------------------------------------------


def _one_head(q, k, v):
    """q, k, v (R, S, D) -> (R, S, D)"""
    return _attention(q[:, None], k[:, None], v[:, None])[0][:, 0]


def _np_time_attention(q, k, v, slices):
    y = _one_head(*(_to_time(x, slices) for x in (q, k, v)))
    return _from_time(y, slices, q.shape[1] // slices)


def _in_space(q, k, v, slices):
    return _from_space(_one_head(*(_to_space(x, slices) for x in (q, k, v))), slices)


def _neighbours(q, k, v, slices):
    return _one_head(*(x.reshape(-1, slices, x.shape[-1]) for x in (q, k, v))).reshape(q.shape)


def _not_put_back(q, k, v, slices):
    return _one_head(*(_to_time(x, slices) for x in (q, k, v))).reshape(q.shape)


def _no_scale(q, k, v, slices):
    return _np_time_attention(q * q.shape[-1] ** 0.5, k, v, slices)


def _uniform(q, k, v, slices):
    return _np_time_attention(q * 0, k, v, slices)


def _past_alone(q, k, v, slices):
    mask = np.tri(slices, dtype=bool)
    y = _attention(*(_to_time(x, slices)[:, None] for x in (q, k, v)), mask)[0][:, 0]
    return _from_time(y, slices, q.shape[1] // slices)


time_attention = FirstGeneration(
    _np_time_attention,
    [
        ("attention in space: each slice by itself", _in_space),
        ("joint attention: a token asks all", lambda q, k, v, slices: _one_head(q, k, v)),
        ("tokens that stand beside each other in the row are taken for one place: a reshape alone", _neighbours),
        ("the result is not put back: its tokens still stand place by place", _not_put_back),
        ("the scores are not scaled", _no_scale),
        ("all slices count alike: the queries and keys are not used", _uniform),
        ("a token asks the past alone", _past_alone),
    ],
)


# ---- positions in space, backward ----------------------------------------------------------------------------------


def _np_space_positions_backward(dx, num_patches):
    return dx.sum(axis=0).reshape(-1, num_patches, dx.shape[-1]).sum(axis=0)


def _folded(dx, N, batch, slices):
    x = batch(dx.reshape(len(dx), -1, N, dx.shape[-1]))  # (gf, N, D)
    return slices(x)


def _sum(x):
    return x.sum(axis=0)


def _mean(x):
    return x.mean(axis=0)


def _first(x):
    return x[0]


space_positions_backward = FirstGeneration(
    _np_space_positions_backward,
    [
        ("the mean over the slices instead of the sum", lambda dx, N: _folded(dx, N, _sum, _mean)),
        ("the mean over the videos instead of the sum", lambda dx, N: _folded(dx, N, _mean, _sum)),
        ("the first slice alone", lambda dx, N: _folded(dx, N, _sum, _first)),
        ("the first video alone", lambda dx, N: _folded(dx, N, _first, _sum)),
        (
            "slices and places are exchanged: tokens beside each other are added",
            lambda dx, N: dx.sum(axis=0).reshape(N, -1, dx.shape[-1]).sum(axis=1),
        ),
        ("a vector for each place and time: the slices are not added", lambda dx, N: dx.sum(axis=0)),
        ("the videos are not added", lambda dx, N: dx.reshape(len(dx), -1, N, dx.shape[-1]).sum(axis=1)),
    ],
)
