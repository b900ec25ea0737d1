"""vitedu/check/catalogue/inside.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import inspect
from vitedu_numpy.config import ViTConfig
from vitedu_numpy.layers.layernorm import layernorm


def sizes(gh, gw, P=1, heads=1):
    rest = dict(width=heads, depth=1, mlp_dim=2, num_classes=2, channels=1)
    return ViTConfig(image_size=(gh * P, gw * P), patch_size=P, heads=heads, **rest)


# ---- right answers ---------------------------------------------------------------------------------------------------


def distance_of_the_package(A, gh, gw, P):
    return inspect.attention_distance({"block00/attention/A": A[None]}, sizes(gh, gw, P, len(A)))[0, 0]


def distance_by_loops(A, gh, gw, P):
    found = []
    for head in A:
        total = 0
        for t in range(gh * gw):
            for s in range(gh * gw):
                down, across = t // gw - s // gw, t % gw - s % gw
                total += head[1 + t, 1 + s] * P * (down**2 + across**2) ** 0.5
        found.append(total / (gh * gw))
    return found


def rollout_of_the_package(A):
    return inspect.rollout({f"block{i:02d}/attention/A": block[None] for i, block in enumerate(A)})[0]


def rollout_recursive(A):
    step = 0.5 * np.eye(A.shape[-1]) + 0.5 * A[-1].mean(0)
    return step if len(A) == 1 else step @ rollout_recursive(A[:-1])


def similarity_of_the_package(E_pos, gh, gw):
    return inspect.position_similarity(E_pos, (gh, gw))


def similarity_by_loops(E_pos, gh, gw):
    rows = list(E_pos[1:])
    cosines = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in rows] for a in rows]
    return np.reshape(cosines, (gh, gw, gh, gw))


def lens_of_the_package(streams, g, b, weight, bias):
    return [layernorm(z[None, :1], g, b)[0][0, 0] @ weight.T + bias for z in streams]


def lens_by_torch(streams, g, b, weight, bias):
    torch = pytest.importorskip("torch")
    z, g, b, weight, bias = map(torch.from_numpy, (streams[:, 0], g, b, weight, bias))
    return torch.nn.functional.linear(torch.nn.functional.layer_norm(z, (len(g),), g, b), weight, bias)


RIGHT = [
    ("attention_distance", distance_of_the_package),
    ("attention_distance", distance_by_loops),
    ("rollout", rollout_of_the_package),
    ("rollout", rollout_recursive),
    ("position_similarity", similarity_of_the_package),
    ("position_similarity", similarity_by_loops),
    ("logit_lens", lens_of_the_package),
    ("logit_lens", lens_by_torch),  # eps 1e-5 for 1e-6: far below the tolerance, far above none
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize("name", ["attention_distance", "rollout", "position_similarity", "logit_lens"])
def test_float32_is_precise_enough(name, assert_right, in_float32):
    assert_right(name, in_float32(dict(RIGHT[::2])[name] if name != "logit_lens" else lens_of_the_package))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def renormalised(A, gh, gw, P):
    config = sizes(gh, gw, P, len(A))
    return inspect.attention_distance({"block00/attention/A": A[None]}, config, renormalise=True)[0, 0]


def correlation(E_pos, gh, gw):
    return np.corrcoef(E_pos[1:]).reshape(gh, gw, gh, gw)


def last_first(A):
    return rollout_recursive(A[::-1])


AGAIN = [
    ("attention_distance", renormalised, "divided by their sum"),
    ("attention_distance", lambda A, gh, gw, P: distance_by_loops(A, gw, gh, P), "exchanged"),
    ("attention_distance", lambda A, gh, gw, P: distance_by_loops(A, gh, gw, 1), "in patches"),
    ("rollout", last_first, "on the left"),
    ("rollout", lambda A: np.linalg.multi_dot([a.mean(0) for a in A[::-1]]), "residual way"),
    ("position_similarity", correlation, "own mean"),
    ("position_similarity", lambda E, gh, gw: similarity_by_loops(np.roll(E, 1, 0), gh, gw), "first patch"),
    ("logit_lens", lambda s, g, b, w, c: s[:, 0] @ w.T + c, "left out"),
    ("logit_lens", lambda s, g, b, w, c: lens_of_the_package(s[1:], g, b, w, c), "embedded tokens"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
