"""Checks for the exercises of notebooks/22_video.ipynb: tubelets, who asks whom, and what that costs."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.attention import attention as _attention
from vitedu_numpy.layers.spacetime import from_space as _from_space
from vitedu_numpy.layers.spacetime import from_time as _from_time
from vitedu_numpy.layers.spacetime import to_space as _to_space
from vitedu_numpy.layers.spacetime import to_time as _to_time
from vitedu_numpy.layers.tubelets import tubeletify as _tubeletify
from vitedu_numpy.weights.inflate import average_filters as _average_filters
from vitedu_numpy.weights.inflate import central_filters as _central_filters

__all__ = ["asked_pairs", "inflated_filters", "space_positions_backward", "time_attention", "tubelets"]


# ---- tubelets ------------------------------------------------------------------------------------------------------


def _np_tubelets(videos, tubelet_length, patch_size):
    return _tubeletify(videos, tubelet_length, patch_size)[0]


def _tubelet_cases(rng):
    """(B, F, C, H, W), Pf, P: all sides differ, so that a wrong axis cannot hide."""
    sizes = [((1, 4, 2, 4, 6), 2, 2), ((2, 6, 3, 2, 8), 3, 2), ((2, 6, 2, 6, 3), 2, 3)]
    return [(rng.normal(0, 1, shape), Pf, P) for shape, Pf, P in sizes]


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


tubelets = Check(
    "tubelets",
    reference=_np_tubelets,
    cases=_tubelet_cases,
    outputs={"tubelets": "(B, gf N, Pf C P P)"},
    mistakes=[
        Mistake(
            "the tubelets are counted place by place, each through all slices, before the next place",
            "After the first tubelet comes its neighbour to the right, at the same time.",
            _in_order((0, 4, 6, 1, 2, 3, 5, 7)),
        ),
        Mistake(
            "inside a tubelet the colours come before the frames",
            "The patches of a tubelet stand side by side: which of frame and channel changes last?",
            _in_order((0, 1, 4, 6, 3, 2, 5, 7)),
        ),
        Mistake(
            "inside a tubelet the frames come last",
            "The patches of a tubelet stand side by side, each of them whole.",
            _in_order((0, 1, 4, 6, 3, 5, 7, 2)),
        ),
        Mistake(
            "the places are counted column by column",
            "Patches follow row by row, as in an image.",
            _in_order((0, 1, 6, 4, 2, 3, 5, 7)),
        ),
        Mistake(
            "a tubelet takes every gf-th frame: its frames lie far apart",
            "Which frames does the first tubelet hold? They should follow each other.",
            _far_apart,
        ),
        Mistake(
            "a reshape alone: the tubelets are stripes of rows",
            "Neighbours in memory are neighbours in a row. Which pixels does your first tubelet hold?",
            _reshape_alone,
        ),
        Mistake(
            "every frame is cut by itself: patches, and no tubelets",
            "How many frames does one token see?",
            _every_frame,
        ),
        Mistake(
            "the frames of a tubelet are averaged: then nothing in it knows their order",
            "A tubelet keeps all its pixels. How many are they?",
            _averaged,
        ),
    ],
)


# ---- filters of an image's model -----------------------------------------------------------------------------------


def _filter_cases(rng):
    return [(rng.normal(0, 1, (D, n)), Pf) for D, n, Pf in ((3, 4, 2), (5, 2, 3), (2, 6, 5))]


inflated_filters = Check(
    "inflated_filters",
    reference=_average_filters,
    cases=_filter_cases,
    outputs={"filters": "(D, Pf C P P)"},
    mistakes=[
        Mistake(
            "not divided: a still video's token is Pf times the image's",
            "Put the same patch into every frame. How large is the token, compared with the image's?",
            lambda E, Pf: np.tile(E, (1, Pf)),
        ),
        Mistake(
            "divided by the root of Pf",
            "That would keep the variance of independent frames. But a still video's frames are all the same.",
            lambda E, Pf: np.tile(E, (1, Pf)) / np.sqrt(Pf),
        ),
        Mistake(
            "each number is repeated beside itself, instead of the filter as a whole",
            "The first C P P columns belong to the first frame. What should stand there?",
            lambda E, Pf: np.repeat(E, Pf, axis=1) / Pf,
        ),
        Mistake(
            "the central frame alone",
            "That is the other way to begin. Here every frame has its part.",
            _central_filters,
        ),
        Mistake(
            "the first frame alone",
            "Every frame has its part, and the same one.",
            lambda E, Pf: np.pad(E, ((0, 0), (0, (Pf - 1) * E.shape[1]))),
        ),
        Mistake(
            "the copies stand below each other: more outputs instead of more inputs",
            "A filter reads Pf patches and still gives D numbers. Along which axis does it grow?",
            lambda E, Pf: np.tile(E / Pf, (Pf, 1)),
        ),
    ],
)


# ---- how many are asked --------------------------------------------------------------------------------------------


def _np_asked_pairs(frames, tubelet_length, image_size, patch_size):
    gf, N = frames // tubelet_length, (image_size // patch_size) ** 2
    return (gf * N) ** 2, gf * N**2 + N * gf**2


def _pair_cases(rng):
    return [(8, 2, 12, 4), (16, 2, 32, 8), (6, 3, 10, 5), (32, 2, 224, 16)]


def _pairs(joint, factorised, length=lambda F, Pf: F // Pf, places=lambda S, P: (S // P) ** 2):
    def answer(F, Pf, S, P):
        gf, N = length(F, Pf), places(S, P)
        return joint(gf, N), factorised(gf, N)

    return answer


def _right_joint(gf, N):
    return (gf * N) ** 2


def _right_factorised(gf, N):
    return gf * N**2 + N * gf**2


asked_pairs = Check(
    "asked_pairs",
    reference=_np_asked_pairs,
    cases=_pair_cases,
    outputs={"joint": "(a number)", "factorised": "(a number)"},
    mistakes=[
        Mistake(
            "every frame counts as a slice of its own",
            "One token lasts for Pf frames. How many stand one after the other?",
            _pairs(_right_joint, _right_factorised, length=lambda F, Pf: F),
        ),
        Mistake(
            "the patches along one side are taken for all of a frame",
            "A frame is cut down and across.",
            _pairs(_right_joint, _right_factorised, places=lambda S, P: S // P),
        ),
        Mistake(
            "factorised: attention within one frame and at one place alone",
            "N^2 pairs in one slice: and in all of them?",
            _pairs(_right_joint, lambda gf, N: N**2 + gf**2),
        ),
        Mistake(
            "factorised: only attention in space is counted",
            "There are two attentions in a block.",
            _pairs(_right_joint, lambda gf, N: gf * N**2),
        ),
        Mistake(
            "factorised: only attention through time is counted",
            "There are two attentions in a block.",
            _pairs(_right_joint, lambda gf, N: N * gf**2),
        ),
        Mistake(
            "factorised: the two attentions are multiplied",
            "One comes after the other. What happens to their costs?",
            _pairs(_right_joint, lambda gf, N: gf * N**2 * N * gf**2),
        ),
        Mistake(
            "joint: the tokens are counted, not the pairs",
            "Each of them asks all of them.",
            _pairs(lambda gf, N: gf * N, _right_factorised),
        ),
        Mistake(
            "joint: every slice asks itself alone",
            "That is attention in space. Jointly, a token asks those of all slices.",
            _pairs(lambda gf, N: gf * N**2, _right_factorised),
        ),
    ],
)


# ---- attention through time ----------------------------------------------------------------------------------------


def _one_head(q, k, v):
    """q, k, v (R, S, D) -> (R, S, D)"""
    return _attention(q[:, None], k[:, None], v[:, None])[0][:, 0]


def _np_time_attention(q, k, v, slices):
    y = _one_head(*(_to_time(x, slices) for x in (q, k, v)))
    return _from_time(y, slices, q.shape[1] // slices)


def _time_cases(rng):
    sizes = ((1, 3, 2, 4), (2, 2, 5, 3), (2, 4, 3, 5))  # B, gf, N, D
    return [(*rng.normal(0, 1.5, (3, B, gf * N, D)), gf) for B, gf, N, D in sizes]


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


time_attention = Check(
    "time_attention",
    reference=_np_time_attention,
    cases=_time_cases,
    outputs={"y": "(B, gf N, D)"},
    mistakes=[
        Mistake(
            "attention in space: each slice by itself",
            "A token should ask those at its own place. Which of your axes is the sequence?",
            _in_space,
        ),
        Mistake(
            "joint attention: a token asks all",
            "gf tokens are asked, not gf N.",
            lambda q, k, v, slices: _one_head(q, k, v),
        ),
        Mistake(
            "tokens that stand beside each other in the row are taken for one place: a reshape alone",
            "In the row the slices follow each other, N tokens each. The same place comes again after N tokens.",
            _neighbours,
        ),
        Mistake(
            "the result is not put back: its tokens still stand place by place",
            "In which order does the caller expect the tokens?",
            _not_put_back,
        ),
        Mistake(
            "the scores are not scaled",
            "Products of D numbers grow with D. What divides them?",
            _no_scale,
        ),
        Mistake(
            "all slices count alike: the queries and keys are not used",
            "Who decides how much of which value a token takes?",
            _uniform,
        ),
        Mistake(
            "a token asks the past alone",
            "There is no mask here: a video is known as a whole.",
            _past_alone,
        ),
    ],
)


# ---- positions in space, backward ----------------------------------------------------------------------------------


def _np_space_positions_backward(dx, num_patches):
    return dx.sum(axis=0).reshape(-1, num_patches, dx.shape[-1]).sum(axis=0)


def _position_cases(rng):
    sizes = ((2, 3, 2, 4), (3, 2, 5, 3), (2, 4, 3, 5))  # B, gf, N, D
    return [(rng.normal(0, 1, (B, gf * N, D)), N) for B, gf, N, D in sizes]


def _folded(dx, N, batch, slices):
    x = batch(dx.reshape(len(dx), -1, N, dx.shape[-1]))  # (gf, N, D)
    return slices(x)


def _sum(x):
    return x.sum(axis=0)


def _mean(x):
    return x.mean(axis=0)


def _first(x):
    return x[0]


space_positions_backward = Check(
    "space_positions_backward",
    reference=_np_space_positions_backward,
    cases=_position_cases,
    outputs={"dE_pos": "(N, D)"},
    mistakes=[
        Mistake(
            "the mean over the slices instead of the sum",
            "The loss changes through every slice that used the vector: do these changes add up?",
            lambda dx, N: _folded(dx, N, _sum, _mean),
        ),
        Mistake(
            "the mean over the videos instead of the sum",
            "Whatever the loss divides by, it has divided already.",
            lambda dx, N: _folded(dx, N, _mean, _sum),
        ),
        Mistake(
            "the first slice alone",
            "Where was the vector used?",
            lambda dx, N: _folded(dx, N, _sum, _first),
        ),
        Mistake(
            "the first video alone",
            "Where was the vector used?",
            lambda dx, N: _folded(dx, N, _first, _sum),
        ),
        Mistake(
            "slices and places are exchanged: tokens beside each other are added",
            "In the row the slices follow each other, N tokens each. Which tokens got the first vector?",
            lambda dx, N: dx.sum(axis=0).reshape(N, -1, dx.shape[-1]).sum(axis=1),
        ),
        Mistake(
            "a vector for each place and time: the slices are not added",
            "How many rows has E_pos?",
            lambda dx, N: dx.sum(axis=0),
        ),
        Mistake(
            "the videos are not added",
            "E_pos has no axis for videos.",
            lambda dx, N: dx.reshape(len(dx), -1, N, dx.shape[-1]).sum(axis=1),
        ),
    ],
)
