"""vitedu_numpy/weights/inflate.py: what a video model knows of an image's ViT on its first day, and whether it learns.

What is proven below, at random parameters:

- A still video's tubelets are embedded as the image's patches, by either kind of filters.
- Factorised: on *any* video the logits are the mean of the image model's logits over the central frames (or over the
  mean images) of the slices.
- Joint, no class token: on a still video the logits are the image model's: each token is asked gf times, each time with
  1 / gf of the weight.  With a class token they are not: it is one against gf times as many.
"""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import VideoViT, VideoViTConfig, ViT, ViTConfig
from vitedu_numpy.weights.inflate import average_filters, central_filters, inflate

B, F, Pf, K = 2, 6, 3, 5
SAME = dict(image_size=(4, 6), patch_size=2, channels=2, width=6, depth=2, heads=3, mlp_dim=7, num_classes=K)
CLOSE = dict(rtol=0, atol=1e-12)  # the same sums in another order, at logits of order 1
FILTERS = pytest.mark.parametrize("filters", ["central", "average"])
ATTENTION = pytest.mark.parametrize("attention", ["joint", "factorised"])


@pytest.fixture
def image_model(scramble):
    """image_model(**changes): a ViT in float64, gap by default."""

    def build(**changes):
        return scramble(ViT(ViTConfig(**SAME | dict(classifier="gap") | changes), 0, np.float64))

    return build


def video_model(image, filters="central", **changes):
    config = VideoViTConfig(**SAME | dict(frames=F, tubelet_length=Pf) | changes)
    model = VideoViT(config, 1, np.float64)
    model.load_state_dict(inflate(image.state_dict(), config, filters))
    return model


def still(images):
    return np.repeat(images[:, None], F, axis=1)


def test_filters_by_hand():
    E = np.array([[2.0, 4.0]])
    assert central_filters(E, 3).tolist() == [[0, 0, 2, 4, 0, 0]]
    assert central_filters(E, 2).tolist() == [[0, 0, 2, 4]]  # number Pf // 2, as the authors' code has it
    assert average_filters(E, 2).tolist() == [[1, 2, 1, 2]]


@FILTERS
@ATTENTION
def test_a_still_videos_tokens_are_the_images(filters, attention, rng, image_model):
    image = image_model()
    images, record, image_record = rng.uniform(-1, 1, (B, 2, 4, 6)), {}, {}
    image(images, image_record)
    video_model(image, filters, attention=attention)(still(images), record)
    for slice_tokens in np.split(record["tokens"], F // Pf, axis=1):
        np.testing.assert_allclose(slice_tokens, image_record["tokens"], **CLOSE)


@FILTERS
def test_factorised_any_video_is_the_mean_over_its_slices(filters, rng, image_model):
    """Nobody asks through time yet, and the head is linear."""
    image = image_model()
    videos = rng.uniform(-1, 1, (B, F, 2, 4, 6))
    frames = videos[:, [1, 4]] if filters == "central" else videos.reshape(B, 2, Pf, 2, 4, 6).mean(axis=2)
    expected = (image(frames[:, 0]) + image(frames[:, 1])) / 2
    model = video_model(image, filters, attention="factorised")
    np.testing.assert_allclose(model(videos), expected, **CLOSE)
    logits = model(still(frames[:, 0]))  # so a still video is its image
    np.testing.assert_allclose(logits, image(frames[:, 0]), **CLOSE)


@FILTERS
def test_joint_a_still_video_is_its_image(filters, rng, image_model):
    image = image_model()
    images = rng.uniform(-1, 1, (B, 2, 4, 6))
    model = video_model(image, filters)
    np.testing.assert_allclose(model(still(images)), image(images), **CLOSE)
    moving = rng.uniform(-1, 1, (B, F, 2, 4, 6))
    mean = (image(moving[:, 1]) + image(moving[:, 4])) / 2
    assert np.abs(model(moving) - mean).max() > 1e-3  # slices ask each other from the first day


def test_joint_with_a_class_token_it_is_not(rng, image_model):
    """The class token's share of attention falls from a to a / (a + gf (1 - a))."""
    image = image_model(classifier="token")
    images, record, image_record = rng.uniform(-1, 1, (B, 2, 4, 6)), {}, {}
    logits = image(images, image_record)
    model = video_model(image, classifier="token")
    assert np.abs(model(still(images), record) - logits).max() > 1e-3
    a = image_record["block00/attention/A"][..., 0, 0]
    shared = a / (a + 2 * (1 - a))
    np.testing.assert_allclose(record["block00/attention/A"][..., 0, 0], shared, **CLOSE)


def test_a_class_token_is_left_out_where_there_is_no_place_for_it(image_model):
    """The image model had one, the factorised model has none: its row of E_pos goes too."""
    image = image_model(classifier="token")
    model = video_model(image, attention="factorised", position_embedding="space")
    assert np.array_equal(model.position_embedding.E_pos.value, image.position_embedding.E_pos.value[1:])


def test_positions_are_repeated(image_model):
    image = image_model(classifier="token")
    E_pos = image.position_embedding.E_pos.value
    model = video_model(image, classifier="token")
    assert np.array_equal(model.position_embedding.E_pos.value, np.concatenate([E_pos, E_pos[1:]]))
    no_positions = image_model(position_embedding="none")
    assert "position_embedding.E_pos" not in video_model(no_positions, position_embedding="none").state_dict()


def test_a_head_for_other_classes_is_zero(image_model, rng):
    model = video_model(image_model(), num_classes=3)
    assert (model(rng.uniform(-1, 1, (B, F, 2, 4, 6))) == 0).all()


def time_gradients(model, rng):
    """dLoss/dweight of the attention through time in the first block."""
    videos = rng.uniform(-1, 1, (B, F, 2, 4, 6))
    model.backward(rng.standard_normal(model(videos).shape))
    return {name: g for name, g in model.gradients().items() if "blocks.0.attention_time" in name}


def test_our_zero_learns_and_the_papers_does_not(rng, image_model):
    """All weights of the attention through time 0, as the paper words it: v = 0 makes dLoss/dW_out = 0, W_out = 0 makes
    dLoss/dv = 0, so neither ever moves; the bias of the output alone does.  W_out = 0 alone: W_out moves at once."""
    model = video_model(image_model(), attention="factorised")
    ours = time_gradients(model, rng)
    assert np.abs(ours["encoder.blocks.0.attention_time.out.weight"]).max() > 1e-3

    state = model.state_dict()
    model.load_state_dict({name: value * 0 if "attention_time" in name else value for name, value in state.items()})
    model.zero_grad()
    moved = {name.rpartition("attention_time.")[2] for name, g in time_gradients(model, rng).items() if (g != 0).any()}
    assert moved == {"out.bias"}


def test_what_does_not_fit_is_named(image_model):
    config = VideoViTConfig(**SAME, frames=F, tubelet_length=Pf)
    token = VideoViTConfig(**SAME, frames=F, tubelet_length=Pf, classifier="token")
    state = image_model().state_dict()
    with pytest.raises(ValueError, match=r"filters='first' is not allowed; filters must be 'central' or 'average'"):
        inflate(state, config, "first")
    with pytest.raises(KeyError, match=r"no 'head.bias'; expected the state of a ViT"):
        inflate({name: value for name, value in state.items() if name != "head.bias"}, config)
    with pytest.raises(KeyError, match="class_token"):
        inflate(state, token)
    with pytest.raises(KeyError, match=r"position_embedding.E_pos.*one learned vector per token"):
        inflate(image_model(position_embedding="none").state_dict(), config)
    with pytest.raises(KeyError, match=r"'pre_logits.linear.weight', for which"):
        inflate(image_model(representation_size=4).state_dict(), config)
    with pytest.raises(ValueError, match=r"patch_embedding.weight has shape \(6, 8\); expected \(6, 4\)"):
        inflate(state, VideoViTConfig(**SAME | dict(channels=1), frames=F, tubelet_length=Pf))
    with pytest.raises(ValueError, match=r"E_pos.*\(6, 6\); expected \(4, 6\)"):
        inflate(state, VideoViTConfig(**SAME | dict(image_size=4), frames=F, tubelet_length=Pf))
