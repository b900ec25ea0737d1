"""vitedu_numpy/models/video.py: every kind of video model, from pixels to logits and back; shuffling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vitedu_numpy import VideoViT, VideoViTConfig
from vitedu_numpy.models.video import FactorisedBlock, make_video_block

B, K = 2, 5
SIZES = dict(
    frames=6, image_size=(4, 6), tubelet_length=2, patch_size=2, channels=1, width=6, depth=2, heads=3, mlp_dim=7,
    num_classes=K,
)  # fmt: skip

MODELS = {
    "joint": {},
    "factorised": dict(attention="factorised"),
    "joint, class token": dict(classifier="token"),
    "joint, positions in space": dict(position_embedding="space"),
    "factorised, no positions": dict(attention="factorised", position_embedding="none"),
    "factorised, positions in space, tanh GELU": dict(attention="factorised", position_embedding="space", gelu="tanh"),
    "factorised, large eps, three colours": dict(attention="factorised", layernorm_eps=0.1, channels=3),
    "factorised, one slice": dict(attention="factorised", tubelet_length=6),
    "factorised, one patch": dict(attention="factorised", image_size=2),
}
each_model = pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
ATTENTION = pytest.mark.parametrize("attention", ["joint", "factorised"])


def model_and_videos(rng, **changes):
    config = VideoViTConfig(**SIZES | changes)
    shape = (B, config.frames, config.channels, *config.image_hw)
    return VideoViT(config, rng, np.float64), rng.uniform(-1, 1, shape)


@each_model
def test_every_model(changes, rng, check_layer):
    check_layer(*model_and_videos(rng, **changes), samples=6)


@ATTENTION
def test_every_single_entry(attention, rng, check_layer):
    small = dict(depth=1, width=3, mlp_dim=4, frames=4, image_size=(2, 4))
    check_layer(*model_and_videos(rng, attention=attention, **small))


@ATTENTION
def test_block(attention, rng, check_layer):
    config = VideoViTConfig(**SIZES, attention=attention)
    block = make_video_block(config, rng, np.float64)
    assert isinstance(block, FactorisedBlock) == (attention == "factorised")
    check_layer(block, rng.standard_normal((B, 18, 6)), samples=30)


@each_model
def test_recording_changes_nothing(changes, rng, scramble):
    model, videos = model_and_videos(rng, **changes)
    record = {}
    assert np.array_equal(scramble(model)(videos, record), model(videos))
    assert list(record)[:3] == ["tubelets", "tubelet_embedding", "tokens"]
    assert list(record)[-2:] == ["pooled", "logits"]


def test_a_fresh_model_has_no_opinion(rng):
    model, videos = model_and_videos(rng)
    assert (model(videos) == 0).all()


def test_factorised_and_joint_differ(rng, scramble):
    """With the parameters that they share equal, and the step through time switched off, they still ask others."""
    joint, videos = model_and_videos(rng)
    factorised, _ = model_and_videos(rng, attention="factorised")
    scramble(joint)
    state = scramble(factorised).state_dict() | joint.state_dict()
    factorised.load_state_dict({n: v * 0 if ".attention_time.out" in n else v for n, v in state.items()})
    assert np.abs(joint(videos) - factorised(videos)).max() > 1e-3


# ---- slices in another order ---------------------------------------------------------------------------------------


def in_another_order(videos, order, length):
    """Tubelet after tubelet as `order` says; inside a tubelet nothing moves."""
    B, F = videos.shape[:2]
    slices = videos.reshape(B, F // length, length, *videos.shape[2:])
    return slices[:, list(order)].reshape(videos.shape)


@pytest.mark.parametrize("position_embedding", ["none", "space", "spacetime"])
@ATTENTION
def test_slices_in_another_order_change_nothing_without_positions_in_time(attention, position_embedding, rng, scramble):
    model, videos = model_and_videos(rng, attention=attention, position_embedding=position_embedding)
    logits = scramble(model)(videos)
    for order in itertools.permutations(range(3)):
        same = np.allclose(model(in_another_order(videos, order, 2)), logits, rtol=0, atol=1e-12)
        assert same == (position_embedding != "spacetime" or order == (0, 1, 2))


@ATTENTION
def test_frames_inside_a_tubelet_in_another_order_do_change_it(attention, rng, scramble):
    """Each frame of a tubelet has a filter of its own: that is order too, with no position at all."""
    model, videos = model_and_videos(rng, attention=attention, position_embedding="none")
    logits = scramble(model)(videos)
    swapped = in_another_order(videos, [1, 0, 2, 3, 4, 5], 1)
    assert np.abs(model(swapped) - logits).max() > 1e-3


@ATTENTION
def test_places_in_another_order_change_nothing_without_positions(attention, rng, scramble):
    for position_embedding, same in (("none", True), ("space", False)):
        model, videos = model_and_videos(rng, attention=attention, position_embedding=position_embedding)
        left, middle, right = np.split(videos, 3, axis=-1)
        moved = np.concatenate([right, left, middle], axis=-1)
        scramble(model)
        assert np.allclose(model(videos), model(moved), rtol=0, atol=1e-12) == same


def test_one_slice_asks_nobody_in_time(rng):
    """With one slice, the attention through time has one token to ask: A is 1."""
    model, videos = model_and_videos(rng, attention="factorised", tubelet_length=6)
    record = {}
    model(videos, record)
    assert (record["block00/attention_time/A"] == 1).all()


# ---- parameters ----------------------------------------------------------------------------------------------------


@each_model
def test_parameters_as_derived(changes, rng):
    model, _ = model_and_videos(rng, **changes)
    c, D, M = model.config, 6, 7
    gf, N = c.frames // c.tubelet_length, c.num_patches
    token = D * (c.classifier == "token")
    positions = {"spacetime": gf * N * D + token, "space": N * D, "none": 0}[c.position_embedding]
    msa, norm, mlp = 4 * D * D + 4 * D, 2 * D, D * M + M + M * D + D
    block = 2 * norm + msa + mlp + (c.attention == "factorised") * (norm + msa)
    tubelets = D * c.tubelet_length * c.channels * c.patch_size**2 + D
    expected = tubelets + token + positions + c.depth * block + norm + D * K + K
    assert sum(p.value.size for _, p in model.named_parameters()) == expected


def test_the_same_seed_gives_the_same_model():
    config = VideoViTConfig(**SIZES, attention="factorised")
    one, same, other = (VideoViT(config, seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["tubelet_embedding.weight"], other["tubelet_embedding.weight"])


def test_learning_a_few_videos(rng):
    """Sixty steps down the gradient on two videos: every label is right, and nearly sure."""
    model, videos = model_and_videos(rng, attention="factorised", width=12)
    labels = np.array([3, 1])
    for _ in range(60):
        logits = model(videos)
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        model.zero_grad()
        model.backward((p - np.eye(K)[labels]) / B)
        for _, parameter in model.named_parameters():
            parameter.value -= 0.3 * parameter.grad
    assert p[[0, 1], labels].min() > 0.9
