"""The checks of notebooks/22_video.ipynb: tubelets, inflated filters, pairs, attention through time, positions."""

from __future__ import annotations

import numpy as np
import pytest


def corners(videos, Pf, P):
    _, F, _, H, W = videos.shape
    return [(f, r, c) for f in range(0, F, Pf) for r in range(0, H, P) for c in range(0, W, P)]


def tubelets_loops(videos, Pf, P, flat=lambda x: x.reshape(len(x), -1), order=lambda places: places):
    places = order(corners(videos, Pf, P))
    return np.stack([flat(videos[:, f : f + Pf, :, r : r + P, c : c + P]) for f, r, c in places], axis=1)


def tubelets_einops(videos, Pf, P):
    B, F, C, H, W = videos.shape
    x = videos.reshape(B, F // Pf, Pf, C, H // P, P, W // P, P)
    return np.einsum("bfpchiwj->bfhwpcij", x).reshape(B, -1, Pf * C * P * P)


def tubelets_torch(videos, Pf, P):
    import torch

    x = torch.from_numpy(videos).unfold(1, Pf, Pf).unfold(3, P, P).unfold(4, P, P)  # (B, gf, C, gh, gw, Pf, P, P)
    return x.permute(0, 1, 3, 4, 5, 2, 6, 7).flatten(4).flatten(1, 3)


def turned(*axes):
    """Another order inside the tubelet (B, Pf, C, P, P)."""
    return lambda x: x.transpose(0, *axes).reshape(len(x), -1)


def filters_joined(E, Pf):
    return np.concatenate([E / Pf] * Pf, axis=1)


def filters_einsum(E, Pf):
    return np.einsum("di,p->dpi", E, np.full(Pf, 1 / Pf)).reshape(len(E), -1)


def pairs_counted(frames, Pf, size, P):
    gf, N = frames // Pf, (size // P) ** 2
    f, n = np.divmod(np.arange(gf * N), N)
    same_slice, same_place = (int((np.bincount(x) ** 2).sum()) for x in (f, n))
    return len(f) ** 2, same_slice + same_place


def pairs_factored(frames, Pf, size, P):
    gf, N = frames / Pf, (size / P) ** 2
    T = gf * N
    return T * T, T * (N + gf)


def time_loops(q, k, v, slices, scale=True, groups=None):
    y, N = np.empty_like(v), q.shape[1] // slices
    for b in range(len(q)):
        for n in range(N):
            t = groups(n, N, slices) if groups else np.arange(n, slices * N, N)
            scores = q[b, t] @ k[b, t].T / (q.shape[-1] ** 0.5 if scale else 1)
            A = np.exp(scores - scores.max(axis=1, keepdims=True))
            y[b, t] = A / A.sum(axis=1, keepdims=True) @ v[b, t]
    return y


def time_masked(q, k, v, slices):
    """Jointly, under a mask."""
    place = np.arange(q.shape[1]) % (q.shape[1] // slices)
    scores = np.where(place[:, None] == place, q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5, -np.inf)
    A = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return A / A.sum(axis=-1, keepdims=True) @ v


def time_torch(q, k, v, slices):
    import torch

    B, T, D = q.shape
    places = [torch.from_numpy(x).reshape(B, slices, T // slices, D).transpose(1, 2) for x in (q, k, v)]
    y = torch.nn.functional.scaled_dot_product_attention(*places)
    return y.transpose(1, 2).reshape(B, T, D)


def positions_loops(dx, N, scale=1.0):
    dE = np.zeros((N, dx.shape[-1]))
    for video in dx:
        for t, row in enumerate(video):
            dE[t % N] += scale * row
    return dE


def positions_strided(dx, N):
    return np.stack([dx[:, n::N].sum(axis=(0, 1)) for n in range(N)])


RIGHT = [
    ("tubelets", tubelets_loops),
    ("tubelets", tubelets_einops),
    ("tubelets", tubelets_torch),
    ("inflated_filters", filters_joined),
    ("inflated_filters", filters_einsum),
    ("asked_pairs", pairs_counted),
    ("asked_pairs", pairs_factored),
    ("time_attention", time_loops),
    ("time_attention", time_masked),
    ("time_attention", time_torch),
    ("space_positions_backward", positions_loops),
    ("space_positions_backward", positions_strided),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    if answer.__name__.endswith("torch"):
        pytest.importorskip("torch")
    assert_right(name, answer)


def by_place(places):
    return sorted(places, key=lambda place: (place[1], place[2], place[0]))


def by_column(places):
    return sorted(places, key=lambda place: (place[0], place[2], place[1]))


AGAIN = [
    ("tubelets", lambda x, Pf, P: tubelets_loops(x, Pf, P, order=by_place), "place by place"),
    ("tubelets", lambda x, Pf, P: tubelets_loops(x, Pf, P, order=by_column), "column by column"),
    ("tubelets", lambda x, Pf, P: tubelets_loops(x, Pf, P, flat=turned(2, 1, 3, 4)), "colours come before"),
    ("tubelets", lambda x, Pf, P: tubelets_loops(x, Pf, P, flat=turned(2, 3, 4, 1)), "frames come last"),
    ("tubelets", lambda x, Pf, P: tubelets_loops(x, 1, P), "every frame is cut by itself"),
    ("inflated_filters", lambda E, Pf: np.concatenate([E] * Pf, axis=1), "not divided"),
    ("inflated_filters", lambda E, Pf: Pf**0.5 * filters_joined(E, Pf), "root of Pf"),
    ("inflated_filters", lambda E, Pf: np.kron(E, np.full(Pf, 1 / Pf)), "beside itself"),
    (
        "inflated_filters",
        lambda E, Pf: np.concatenate([E if i == Pf // 2 else 0 * E for i in range(Pf)], axis=1),
        "central frame alone",
    ),
    ("asked_pairs", lambda F, Pf, S, P: pairs_counted(F, 1, S, P), "every frame counts"),
    (
        "asked_pairs",
        lambda F, Pf, S, P: (((F // Pf) * (S // P) ** 2) ** 2, (F // Pf) * (S // P) ** 4),
        "only attention in",
    ),
    (
        "asked_pairs",
        lambda F, Pf, S, P: (pairs_counted(F, Pf, S, P)[0], (S // P) ** 4 + (F // Pf) ** 2),
        "within one frame",
    ),
    ("time_attention", lambda q, k, v, s: time_loops(q, k, v, s, scale=False), "not scaled"),
    (
        "time_attention",
        lambda q, k, v, s: time_loops(q, k, v, s, groups=lambda n, N, gf: np.arange(n * gf, (n + 1) * gf)),
        "beside each other",
    ),
    ("time_attention", lambda q, k, v, s: time_masked(q, k, v, q.shape[1]), "joint attention"),
    ("space_positions_backward", lambda dx, N: positions_loops(dx, N, N / dx.shape[1]), "mean over the slices"),
    ("space_positions_backward", lambda dx, N: positions_loops(dx, N, 1 / len(dx)), "mean over the videos"),
    ("space_positions_backward", lambda dx, N: positions_loops(dx[:, :N], N), "first slice alone"),
    ("space_positions_backward", lambda dx, N: positions_loops(dx[:1], N), "first video alone"),
    ("space_positions_backward", lambda dx, N: np.einsum("btd->td", dx), "each place and time"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=[f"{name}: {words}" for name, _, words in AGAIN])
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
