"""Video models: the same names, records, outputs and gradients in both packages; an inflated state fits either."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu.layers import spacetime as torch_spacetime
from vitedu.layers import tubelets as torch_tubelets
from vitedu_numpy.layers import spacetime as numpy_spacetime
from vitedu_numpy.layers import tubelets as numpy_tubelets
from vitedu_numpy.weights.inflate import inflate

B = 2
SIZES = dict(
    frames=6, image_size=(4, 6), tubelet_length=2, patch_size=2, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4
)
MODELS = {
    "joint": {},
    "joint, class token": dict(classifier="token"),
    "joint, positions in space, tanh GELU": dict(position_embedding="space", gelu="tanh"),
    "factorised": dict(attention="factorised"),
    "factorised, no positions, large eps": dict(attention="factorised", position_embedding="none", layernorm_eps=0.1),
    "factorised, one frame a tubelet, one channel": dict(attention="factorised", tubelet_length=1, channels=1),
}
each_model = pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)


@pytest.fixture
def video_twins(scramble, mirror):
    """video_twins(**changes) -> (NumPy model, PyTorch model), float64, with the same scrambled parameters."""

    def build(**changes):
        config = vitedu_numpy.VideoViTConfig(**SIZES | changes)
        numpy_model = scramble(vitedu_numpy.VideoViT(config, 0, np.float64))
        return mirror.share(numpy_model, vitedu.VideoViT(config, 0))

    return build


def videos_for(model, rng):
    c = model.config
    return rng.uniform(-1, 1, (B, c.frames, c.channels, *c.image_hw))


@each_model
def test_logits_and_every_gradient(changes, rng, video_twins, mirror):
    numpy_model, torch_model = video_twins(**changes)
    videos, dlogits = videos_for(numpy_model, rng), rng.standard_normal((B, 4))
    x = mirror.tensor(videos, requires_grad=True)
    logits, torch_logits = numpy_model(videos), torch_model(x)
    torch_logits.backward(mirror.tensor(dlogits))
    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(numpy_model.backward(dlogits), x.grad, "dvideos")
    mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())


@each_model
def test_every_intermediate(changes, rng, video_twins, mirror):
    numpy_model, torch_model = video_twins(**changes)
    videos = videos_for(numpy_model, rng)
    numpy_record, torch_record = {}, {}
    numpy_model(videos, numpy_record)
    torch_model(mirror.tensor(videos), torch_record)
    assert {"tubelets", "tokens", "block01/attention/A", "block01/z", "encoded", "pooled"} <= set(numpy_record)
    if numpy_model.config.attention == "factorised":
        keys = [key.removeprefix("block00/") for key in numpy_record if key.startswith("block00/")]
        parts = (
            "norm1",
            "attention/out",
            "z_space",
            "norm_time",
            "attention_time/out",
            "z_mid",
            "norm2",
            "mlp/out",
            "z",
        )
        assert [key for key in keys if key in parts] == list(parts)
    mirror.assert_all_equal(numpy_record, torch_record)


@pytest.mark.parametrize("tubelet_length", [1, 2, 3, 6])
def test_tubelets(tubelet_length, rng, mirror):
    videos = rng.uniform(-1, 1, (B, 6, 3, 4, 6))
    ours, _ = numpy_tubelets.tubeletify(videos, tubelet_length, 2)
    theirs = torch_tubelets.tubeletify(mirror.tensor(videos), tubelet_length, 2)
    assert np.array_equal(ours, theirs.numpy())  # only moved
    for length, side in ((4, 2), (2, 4)):
        messages = []
        for cut, x in ((numpy_tubelets.tubeletify, videos), (torch_tubelets.tubeletify, mirror.tensor(videos))):
            with pytest.raises(ValueError) as error:
                cut(x, length, side)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


def test_who_sits_together(rng, mirror):
    z = rng.standard_normal((B, 15, 4))
    for name in ("to_space", "to_time"):
        ours = getattr(numpy_spacetime, name)(z, 3)
        theirs = getattr(torch_spacetime, name)(mirror.tensor(z), 3)
        assert np.array_equal(ours, theirs.numpy())
    x = mirror.tensor(z)
    assert torch.equal(torch_spacetime.from_space(torch_spacetime.to_space(x, 3), 3), x)
    assert torch.equal(torch_spacetime.from_time(torch_spacetime.to_time(x, 3), 3, 5), x)


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_the_same_loss_curve(attention, rng):
    """`fit` takes videos: ten steps in float64 give the same losses."""
    config = vitedu_numpy.VideoViTConfig(**SIZES, attention=attention)
    numpy_model = vitedu_numpy.VideoViT(config, 0, np.float64)
    torch_model = vitedu.VideoViT(config, 0).double()
    torch_model.load_state_dict(numpy_model.state_dict())
    videos, labels = rng.uniform(-1, 1, (12, 6, 3, 4, 6)), rng.integers(0, 4, 12)
    training = vitedu_numpy.TrainConfig(steps=10, batch_size=5, learning_rate=1e-2)
    ours = vitedu_numpy.fit(numpy_model, videos, labels, training, threads=2)
    theirs = vitedu.fit(torch_model, videos, labels, training)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-9)  # roundings of 1e-16, grown over ten steps
    assert ours["loss"][-1] < ours["loss"][0]
    assert vitedu_numpy.evaluate(numpy_model, videos, labels) == vitedu.evaluate(torch_model, videos, labels)


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_either_package_inflates_either_packages_state(attention, rng, mirror):
    sizes = {name: SIZES[name] for name in ("image_size", "patch_size", "width", "depth", "heads", "mlp_dim")}
    image = vitedu.ViT(vitedu_numpy.ViTConfig(**sizes, num_classes=9, classifier="gap"), 0).double()
    config = vitedu_numpy.VideoViTConfig(**SIZES, attention=attention)
    state = inflate(image.state_dict(), config)  # tensors
    again = inflate({name: value.numpy() for name, value in image.state_dict().items()}, config)
    assert all(np.array_equal(state[name], again[name]) for name in again)
    numpy_model, torch_model = vitedu_numpy.VideoViT(config, 1, np.float64), vitedu.VideoViT(config, 1).double()
    numpy_model.load_state_dict(state)
    torch_model.load_state_dict(state)
    videos, numpy_record, torch_record = videos_for(numpy_model, rng), {}, {}
    numpy_model(videos, numpy_record)
    torch_model(mirror.tensor(videos), torch_record)
    mirror.assert_all_equal(numpy_record, torch_record)


BAD_VIDEOS = {
    "bytes": (lambda x: x.astype(np.uint8), TypeError, "expected floats in [-1, 1]"),
    "an image": (lambda x: x[:, 0], ValueError, "expected (B, F, C, H, W) with (F, C, H, W) = (6, 3, 4, 6)"),
    "too few frames": (lambda x: x[:, :4], ValueError, "videos has shape (2, 4, 3, 4, 6)"),
    "channels before frames": (lambda x: x.swapaxes(1, 2), ValueError, "videos has shape (2, 3, 6, 4, 6)"),
    "NaN": (lambda x: np.where(x > 0.9, np.nan, x), ValueError, "videos holds NaN or infinity"),
}


@pytest.mark.parametrize(("change", "error", "text"), BAD_VIDEOS.values(), ids=BAD_VIDEOS)
def test_videos_that_are_refused(change, error, text, rng, video_twins):
    numpy_model, torch_model = video_twins()
    videos = change(videos_for(numpy_model, rng))
    messages = []
    for model, x in ((numpy_model, videos), (torch_model, torch.from_numpy(videos))):
        with pytest.raises(error) as raised:
            model(x)
        messages.append(str(raised.value).replace("torch.", ""))
    assert text in messages[0]
    assert messages[0] == messages[1]
