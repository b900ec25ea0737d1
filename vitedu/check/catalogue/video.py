"""Exercises of notebooks/22_video.ipynb: tubelets, who asks whom, and what that costs."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import softmax, swap

__all__ = [
    "asked_pairs", "axial_pairs", "inflated_filters", "inflated_filters_backward", "overlapping_tubelets",
    "space_positions_backward", "time_attention", "tubelets",
]  # fmt: skip

SLICES = {"gf": "the slices", "N": "the places", "F": "the frames", "R": "the sequences"}


# ---- tubelets ------------------------------------------------------------------------------------------------------


def _tubelet_cases(rng):
    """(B, F, C, H, W), Pf, P: no two sizes are tied to each other in all cases, so that a wrong axis cannot hide."""
    sizes = [((1, 4, 2, 4, 6), 2, 2), ((2, 6, 3, 2, 8), 3, 2), ((2, 6, 2, 6, 3), 2, 3), ((1, 6, 4, 4, 6), 2, 2)]
    return [(rng.normal(0, 1, shape), Pf, P) for shape, Pf, P in sizes]


@exercise(cases=_tubelet_cases, outputs={"tubelets": "(B, gf N, Pf C P P)"}, level=2, minutes=20)
def tubelets(videos, tubelet_length, patch_size):
    B, F, C, H, W = videos.shape
    Pf = tubelet_length
    P = patch_size
    gf = F // Pf
    gh = H // P
    gw = W // P
    cut = videos.reshape(B, gf, Pf, C, gh, P, gw, P)  # the cut
    moved = cut.transpose(0, 1, 4, 6, 2, 3, 5, 7)  # the moved axes
    return moved.reshape(B, gf * gh * gw, Pf * C * P * P)  # the tubelets


_STANDS = "The patches of a tubelet stand side by side{}"
for _name, _why, _lines in (
    ("the tubelets are counted place by place, each through all slices, before the next place",
     "After the first tubelet comes its neighbour to the right, at the same time.",
     {"moved": "cut.transpose(0, 4, 6, 1, 2, 3, 5, 7)"}),
    ("inside a tubelet the colours come before the frames",
     _STANDS.format(": which of frame and channel changes last?"), {"moved": "cut.transpose(0, 1, 4, 6, 3, 2, 5, 7)"}),
    ("inside a tubelet the frames come last", _STANDS.format(", each of them whole."),
     {"moved": "cut.transpose(0, 1, 4, 6, 3, 5, 7, 2)"}),
    ("the places are counted column by column", "Patches follow row by row, as in an image.",
     {"moved": "cut.transpose(0, 1, 6, 4, 2, 3, 5, 7)"}),
    ("a tubelet takes every gf-th frame: its frames lie far apart",
     "Which frames does the first tubelet hold? They should follow each other.",
     {"cut": "videos.reshape(B, Pf, gf, C, gh, P, gw, P).swapaxes(1, 2)"}),
    ("a reshape alone: the tubelets are stripes of rows",
     "Neighbours in memory are neighbours in a row. Which pixels does your first tubelet hold?", {"moved": "cut"}),
    ("every frame is cut by itself: patches, and no tubelets", "How many frames does one token see?",
     {"result": "videos.reshape(B, F, C, gh, P, gw, P).transpose(0, 1, 3, 5, 2, 4, 6).reshape(B, -1, C * P * P)"}),
    ("the frames of a tubelet are averaged: then nothing in it knows their order",
     "A tubelet keeps all its pixels. How many are they?",
     {"result": "moved.mean(axis=4).reshape(B, gf * gh * gw, C * P * P)"}),
):  # fmt: skip
    tubelets.slip(_name, _why, **_lines)


# ---- filters of an image's model -----------------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(rng.normal(0, 1, (D, n)), Pf) for D, n, Pf in ((3, 4, 2), (5, 2, 3), (2, 6, 5))],
    outputs={"filters": "(D, Pf C P P)"}, level=1, minutes=10,
)  # fmt: skip
def inflated_filters(E, tubelet_length):
    D, n = E.shape
    Pf = tubelet_length
    share = E / Pf  # the share of one frame
    return np.tile(share, (1, Pf))  # the filters


for _name, _why, _lines in (
    ("not divided: a still video's token is Pf times the image's",
     "Put the same patch into every frame. How large is the token, compared with the image's?", {"share": "E"}),
    ("divided by the root of Pf",
     "That would keep the variance of independent frames. But a still video's frames are all the same.",
     {"share": "E / np.sqrt(Pf)"}),
    ("each number is repeated beside itself, instead of the filter as a whole",
     "The first C P P columns belong to the first frame. What should stand there?",
     {"result": "np.repeat(share, Pf, axis=1)"}),
    ("the central frame alone", "That is the other way to begin. Here every frame has its part.",
     {"result": "np.pad(E, ((0, 0), (Pf // 2 * n, (Pf - 1 - Pf // 2) * n)))"}),
    ("the first frame alone", "Every frame has its part, and the same one.",
     {"result": "np.pad(E, ((0, 0), (0, (Pf - 1) * n)))"}),
    ("the copies stand below each other: more outputs instead of more inputs",
     "A filter reads Pf patches and still gives D numbers. Along which axis does it grow?",
     {"result": "np.tile(share, (Pf, 1))"}),
):  # fmt: skip
    inflated_filters.slip(_name, _why, **_lines)


# ---- how many are asked --------------------------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(8, 2, 12, 4), (16, 2, 32, 8), (6, 3, 10, 5), (32, 2, 224, 16)],
    outputs={"joint": "(a number)", "factorised": "(a number)"}, axes=SLICES, level=1, minutes=10,
)  # fmt: skip
def asked_pairs(frames, tubelet_length, image_size, patch_size):
    gf = frames // tubelet_length  # the slices
    side = image_size // patch_size  # the patches of a side
    N = side**2  # the places
    joint = (gf * N) ** 2  # joint
    factorised = gf * N**2 + N * gf**2  # factorised
    return joint, factorised


_BOTH = "There are two attentions in a block."
for _name, _why, _lines in (
    ("every frame counts as a slice of its own",
     "One token lasts for Pf frames. How many stand one after the other?", {"gf": "frames"}),
    ("the patches along one side are taken for all of a frame", "A frame is cut down and across.", {"N": "side"}),
    ("factorised: attention within one frame and at one place alone",
     "N^2 pairs in one slice: and in all of them?", {"factorised": "N**2 + gf**2"}),
    ("factorised: only attention in space is counted", _BOTH, {"factorised": "gf * N**2"}),
    ("factorised: only attention through time is counted", _BOTH, {"factorised": "N * gf**2"}),
    ("factorised: the two attentions are multiplied", "One comes after the other. What happens to their costs?",
     {"factorised": "gf * N**2 * N * gf**2"}),
    ("joint: the tokens are counted, not the pairs", "Each of them asks all of them.", {"joint": "gf * N"}),
    ("joint: every slice asks itself alone",
     "That is attention in space. Jointly, a token asks those of all slices.", {"joint": "gf * N**2"}),
):  # fmt: skip
    asked_pairs.slip(_name, _why, **_lines)


# ---- attention through time ----------------------------------------------------------------------------------------


def _time_cases(rng):
    sizes = ((1, 3, 2, 4), (2, 2, 5, 3), (2, 4, 3, 5))  # B, gf, N, D
    return [(*rng.normal(0, 1.5, (3, B, gf * N, D)), gf) for B, gf, N, D in sizes]


def _one_head(q, k, v, mask=True):
    """Attention of one head; `mask` where a token may be asked."""
    return softmax(np.where(mask, q @ swap(k) / np.sqrt(q.shape[-1]), -np.inf)) @ v


def _cut(x, gf):
    """(B, gf N, D) -> (B, gf, N, D)"""
    return x.reshape(len(x), gf, -1, x.shape[-1])


@exercise(cases=_time_cases, outputs={"y": "(B, gf N, D)"}, axes=SLICES, level=2, minutes=25)
def time_attention(q, k, v, slices):
    B, T, D = q.shape
    gf = slices
    N = T // gf
    qt = _cut(q, gf).swapaxes(1, 2)  # the queries, place by place
    kt = _cut(k, gf).swapaxes(1, 2)  # the keys, place by place
    vt = _cut(v, gf).swapaxes(1, 2)  # the values, place by place
    scores = qt @ swap(kt) / np.sqrt(D)  # the scores
    A = softmax(scores)  # the weights
    y = A @ vt  # the answers, place by place
    back = y.swapaxes(1, 2)  # the answers, slice by slice
    return back.reshape(B, T, D)


for _name, _why, _lines in (
    ("attention in space: each slice by itself",
     "A token should ask those at its own place. Which of your axes is the sequence?",
     {"qt": "_cut(q, gf)", "kt": "_cut(k, gf)", "vt": "_cut(v, gf)", "back": "y"}),
    ("joint attention: a token asks all", "gf tokens are asked, not gf N.", {"result": "_one_head(q, k, v)"}),
    ("tokens that stand beside each other in the row are taken for one place: a reshape alone",
     "In the row the slices follow each other, N tokens each. The same place comes again after N tokens.",
     {"qt": "q.reshape(B, N, gf, D)", "kt": "k.reshape(B, N, gf, D)", "vt": "v.reshape(B, N, gf, D)", "back": "y"}),
    ("the result is not put back: its tokens still stand place by place",
     "In which order does the caller expect the tokens?", {"back": "y"}),
    ("the scores are not scaled", "Products of D numbers grow with D. What divides them?",
     {"scores": "qt @ swap(kt)"}),
    ("all slices count alike: the queries and keys are not used",
     "Who decides how much of which value a token takes?", {"scores": "0 * (qt @ swap(kt))"}),
    ("a token asks the past alone", "There is no mask here: a video is known as a whole.",
     {"A": "softmax(np.where(np.tri(gf, dtype=bool), scores, -np.inf))"}),
):  # fmt: skip
    time_attention.slip(_name, _why, **_lines)


# ---- positions in space, backward ----------------------------------------------------------------------------------


def _position_cases(rng):
    sizes = ((2, 3, 2, 4), (3, 2, 5, 3), (2, 4, 3, 5))  # B, gf, N, D
    return [(rng.normal(0, 1, (B, gf * N, D)), N) for B, gf, N, D in sizes]


@exercise(cases=_position_cases, outputs={"dE_pos": "(N, D)"}, axes=SLICES, level=1, minutes=10)
def space_positions_backward(dx, num_patches):
    B, T, D = dx.shape
    N = num_patches
    gf = T // N
    cut = dx.reshape(B, gf, N, D)  # the cut
    videos = cut.sum(axis=0)  # the sum over the videos
    return videos.sum(axis=0)  # the sum over the slices


_WHERE = "Where was the vector used?"
for _name, _why, _lines in (
    ("the mean over the slices instead of the sum",
     "The loss changes through every slice that used the vector: do these changes add up?",
     {"result": "videos.mean(axis=0)"}),
    ("the mean over the videos instead of the sum", "Whatever the loss divides by, it has divided already.",
     {"videos": "cut.mean(axis=0)"}),
    ("the first slice alone", _WHERE, {"result": "videos[0]"}),
    ("the first video alone", _WHERE, {"videos": "cut[0]"}),
    ("slices and places are exchanged: tokens beside each other are added",
     "In the row the slices follow each other, N tokens each. Which tokens got the first vector?",
     {"cut": "dx.reshape(B, N, gf, D).swapaxes(1, 2)"}),
    ("a vector for each place and time: the slices are not added", "How many rows has E_pos?",
     {"result": "dx.sum(axis=0)"}),
    ("the videos are not added", "E_pos has no axis for videos.", {"result": "cut.sum(axis=1)"}),
):  # fmt: skip
    space_positions_backward.slip(_name, _why, **_lines)


# ---- overlapping tubelets ------------------------------------------------------------------------------------------


def _overlap_cases(rng):
    """videos, Pf, the stride in frames, P: strides below, at and above the length"""
    sizes = [((1, 5, 2, 4, 6), 2, 1, 2), ((2, 7, 3, 2, 8), 3, 2, 2), ((2, 6, 2, 6, 3), 2, 2, 3),
             ((1, 8, 4, 4, 6), 2, 3, 2)]  # fmt: skip
    return [(rng.normal(0, 1, shape), Pf, stride, P) for shape, Pf, stride, P in sizes]


def _starting(videos, starts, Pf):
    """(B, gf, Pf, C, H, W): Pf frames from each start on"""
    return np.stack([videos[:, start : start + Pf] for start in starts], axis=1)


@exercise(cases=_overlap_cases, outputs={"tubelets": "(B, gf N, Pf C P P)"}, level=2, minutes=25)
def overlapping_tubelets(videos, tubelet_length, stride, patch_size):
    B, F, C, H, W = videos.shape
    Pf = tubelet_length
    P = patch_size
    gh = H // P
    gw = W // P
    starts = range(0, F - Pf + 1, stride)  # the first frames
    windows = _starting(videos, starts, Pf)  # the frames of each slice
    cut = windows.reshape(B, -1, Pf, C, gh, P, gw, P)  # the cut
    moved = cut.transpose(0, 1, 4, 6, 2, 3, 5, 7)  # the moved axes
    return moved.reshape(B, -1, Pf * C * P * P)  # the tubelets


for _name, _why, _lines in (
    ("the last window is left out", "Where may the last one begin, so that it just fits?",
     {"starts": "range(0, F - Pf, stride)"}),
    ("the windows do not overlap: the stride is the tubelet's length", "How far apart do two windows begin?",
     {"starts": "range(0, F - Pf + 1, Pf)"}),
    ("stride and length are in each other's place", "Which of the two says how many frames a tubelet has?",
     {"starts": "range(0, F - stride + 1, tubelet_length)", "Pf": "stride"}),
    ("the last tubelets go on with the first frames", "Where may the last one begin, so that it just fits?",
     {"starts": "range(0, F, stride)", "windows": "_starting(np.concatenate([videos, videos], axis=1), starts, Pf)"}),
    ("the tubelets begin one frame apart, and their frames lie a stride apart",
     "How far apart do two windows begin, and how far apart are the frames of one?",
     {"windows": "np.stack([videos[:, np.minimum(s + stride * np.arange(Pf), F - 1)] for s in range(len(starts))],"
                 " axis=1)"}),
    ("the stride is 1, whatever is asked for", "How far apart do two windows begin?",
     {"starts": "range(0, F - Pf + 1)"}),
    ("the frames inside a tubelet lie a stride apart", "Inside a tubelet the frames follow each other.",
     {"windows": "np.stack([videos[:, np.minimum(s + stride * np.arange(Pf), F - 1)] for s in starts], axis=1)"}),
    ("the tubelets are counted place by place, each through all slices, before the next place",
     "After the first tubelet comes its neighbour to the right, at the same time.",
     {"moved": "cut.transpose(0, 4, 6, 1, 2, 3, 5, 7)"}),
    ("inside a tubelet the colours come before the frames", "The patches of a tubelet stand side by side.",
     {"moved": "cut.transpose(0, 1, 4, 6, 3, 2, 5, 7)"}),
    ("a reshape alone: the tubelets are stripes of rows",
     "Neighbours in memory are neighbours in a row. Which pixels does your first tubelet hold?", {"moved": "cut"}),
    ("the places are counted column by column", "Patches follow row by row, as in an image.",
     {"moved": "cut.transpose(0, 1, 6, 4, 2, 3, 5, 7)"}),
):  # fmt: skip
    overlapping_tubelets.slip(_name, _why, **_lines)


# ---- filters of an image's model, backward -------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(rng.normal(0, 1, (D, Pf * n)), Pf) for D, n, Pf in ((3, 4, 2), (5, 2, 3), (2, 6, 5))],
    outputs={"dE": "(D, C P P)"}, level=1, minutes=10,
)  # fmt: skip
def inflated_filters_backward(dfilters, tubelet_length):
    D = len(dfilters)
    Pf = tubelet_length
    frames = dfilters.reshape(D, Pf, -1)  # the frames' parts
    summed = frames.sum(axis=1)  # the sum over the frames
    return summed / Pf  # the gradient


for _name, _why, _lines in (
    ("not divided: the filters are taken for plain copies", "By what was E divided on the way there?",
     {"result": "summed"}),
    ("divided twice", "The division is there once, on the way there.", {"result": "summed / Pf**2"}),
    ("the first frame alone", "Every frame has used E.", {"summed": "frames[:, 0]"}),
    ("the central frame alone", "That belongs to the other way to begin. Here every frame has used E.",
     {"summed": "frames[:, Pf // 2]"}),
    ("the numbers of a frame are taken to be spread: every Pf-th belongs to it",
     "The first C P P columns belong to the first frame.", {"frames": "dfilters.reshape(D, -1, Pf).swapaxes(1, 2)"}),
    ("one number for each frame", "E has a number for each pixel of a patch.", {"summed": "frames.sum(axis=2)"}),
):  # fmt: skip
    inflated_filters_backward.slip(_name, _why, **_lines)


# ---- how many are asked along each axis ----------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(8, 2, 12, 20, 4), (16, 2, 32, 24, 8), (6, 3, 10, 15, 5), (32, 2, 224, 160, 16)],
    outputs={name: "(a number)" for name in ("joint", "factorised", "axial")}, axes=SLICES, level=2, minutes=15,
)  # fmt: skip
def axial_pairs(frames, tubelet_length, height, width, patch_size):
    gf = frames // tubelet_length  # the slices
    gh = height // patch_size  # the rows
    gw = width // patch_size  # the columns
    T = gf * gh * gw  # the tokens
    joint = T * T  # joint
    factorised = T * (gh * gw + gf)  # factorised
    axial = T * (gf + gh + gw)  # axial
    return joint, factorised, axial


_EACH = "Each token asks those in its own row, then those in its own column, then those at its own place."
for _name, _why, _lines in (
    ("factorised and axial: one sequence of each kind is counted, not all",
     "How many slices are there, how many rows, and how many columns?",
     {"factorised": "(gh * gw) ** 2 + gf**2", "axial": "gf**2 + gh**2 + gw**2"}),
    ("axial: only rows and columns are counted", _EACH, {"axial": "T * (gh + gw)"}),
    ("axial: one sequence of each kind is counted", "How many rows are there, in all slices?",
     {"axial": "gf**2 + gh**2 + gw**2"}),
    ("axial: the three are multiplied", "One comes after the other. What happens to their costs?",
     {"axial": "T * gf * gh * gw"}),
    ("axial: a token that is asked three times is counted once",
     "Three attentions, one after the other: each of them asks the token itself again.",
     {"axial": "T * (gf + gh + gw - 2)"}),
    ("every frame counts as a slice of its own",
     "One token lasts for Pf frames. How many stand one after the other?", {"gf": "frames"}),
    ("joint: the tokens are counted, not the pairs", "Each of them asks all of them.", {"joint": "T"}),
    ("the frames are taken to be square", "Height and width are two numbers.", {"gw": "height // patch_size"}),
    ("factorised: only attention in space is counted", "There are two attentions in a block.",
     {"factorised": "T * gh * gw"}),
):  # fmt: skip
    axial_pairs.slip(_name, _why, **_lines)
