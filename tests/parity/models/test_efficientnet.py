"""EfficientNet against PyTorch's own layers and against transformers' EfficientNet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vitedu.layers.batchnorm import BatchNorm
from vitedu.layers.conv import Conv
from vitedu.layers.depthwise import DepthwiseConv
from vitedu.models.efficientnet import EfficientNet
from vitedu_numpy.config import EfficientNetConfig

# float64, the same sums of at most some hundred terms in another order, each rounded to 1e-16, through thirty layers.
CLOSE = dict(rtol=1e-10, atol=1e-10)


@pytest.fixture
def fill(scramble_torch):
    """fill(model): float64, parameters neither 0 nor 1, and running averages too, variances positive."""

    def fill(model):
        for name, buffer in scramble_torch(model).named_buffers():
            if not name.endswith("num_batches_tracked"):
                buffer.uniform_(0.3, 1.2)
        return model

    return fill


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_pytorchs(training, fill):
    """Momentum there is the part that is new; the running variance is unbiased there too."""
    ours, theirs = fill(BatchNorm(5, 0.8, 0.1)), nn.BatchNorm2d(5, eps=0.1, momentum=0.2).double()
    theirs.load_state_dict(ours.state_dict() | {"num_batches_tracked": torch.tensor(0)})
    for _ in range(3):
        x = torch.randn(4, 5, 3, 2, dtype=torch.float64) * 3 + 1
        torch.testing.assert_close(ours.train(training)(x), theirs.train(training)(x), **CLOSE)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], **CLOSE)


def test_padding_is_that_of_tensorflow():
    """ "same": the odd pixel comes at the end, which PyTorch's own convolutions cannot say for a stride of 2."""
    x = torch.randn(2, 4, 8, 11, dtype=torch.float64)
    ours, theirs = DepthwiseConv(4, 5, stride=2).double(), nn.Conv2d(4, 4, 5, 2, groups=4, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(nn.functional.pad(x, (2, 2, 1, 2))), **CLOSE)
    ours, theirs = Conv(4, 6, 3, stride=2, bias=True).double(), nn.Conv2d(4, 6, 3, 2).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(nn.functional.pad(x, (1, 1, 0, 1))), **CLOSE)


# ---- transformers --------------------------------------------------------------------------------------------------

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 4, 80))
SIZES = {  # what makes a smaller and a larger one; transformers rounds at 1 too, to multiples of 8, which these are
    "as they are": (1.0, 1.0, 64),
    "wider and deeper": (1.4, 1.6, 64),
}


def their_name(name, parts):
    """ours -> theirs, by part of the name"""
    first, _, rest = name.partition(".")
    if first in ("stem", "stem_norm"):
        return f"efficientnet.embeddings.{dict(stem='convolution', stem_norm='batchnorm')[first]}.{rest}"
    if first in ("top", "norm"):
        return f"efficientnet.encoder.{dict(top='top_conv', norm='top_bn')[first]}.{rest}"
    if first == "head":
        return f"classifier.{rest}"
    _, b, part, rest = name.split(".", 3)
    return f"efficientnet.encoder.blocks.{b}.{parts[part]}.{rest}"


PARTS = {
    "expand": "expansion.expand_conv", "norm1": "expansion.expand_bn", "depthwise": "depthwise_conv.depthwise_conv",
    "norm2": "depthwise_conv.depthwise_norm", "se": "squeeze_excite", "project": "projection.project_conv",
    "norm3": "projection.project_bn",
}  # fmt: skip


@pytest.mark.parametrize(("width", "depth", "size"), SIZES.values(), ids=SIZES)
def test_transformers(width, depth, size, fill):
    """The same network, in evaluation and in training; at even sides, where its paddings are TensorFlow's.

    Every block of a stage but the first has a way around here and there.  Its own dropout draws value by value where
    the authors drop whole images, so the rates are 0; running averages are not compared, since its batch norms hand
    the authors' momentum, 0.99, to PyTorch, where it means 0.01.
    """
    transformers = pytest.importorskip("transformers", reason="an independent EfficientNet")
    sizes = dict(stages=STAGES, width_multiplier=width, depth_multiplier=depth)
    config = EfficientNetConfig(5, size, stem_width=32, top_width=256, **sizes)
    ours = fill(EfficientNet(config))
    repeats, kernels, strides, expansions, channels = (list(column) for column in zip(*STAGES, strict=True))
    theirs = transformers.EfficientNetConfig(
        image_size=size, width_coefficient=width, depth_coefficient=depth, num_block_repeats=repeats, num_labels=5,
        kernel_sizes=kernels, strides=strides, expand_ratios=expansions, in_channels=[32, *channels[:-1]],
        out_channels=channels, hidden_dim=config.feature_channels, dropout_rate=0.0, drop_connect_rate=0.0,
    )  # fmt: skip
    theirs = transformers.EfficientNetForImageClassification(theirs).double()
    # Its last convolution is 1280 wide whatever the settings; one of ours takes its place.
    encoder, inner = theirs.efficientnet.encoder, config.blocks[-1].outputs
    encoder.top_conv = nn.Conv2d(inner, config.feature_channels, 1, bias=False, dtype=torch.float64)
    counts = {name: value for name, value in theirs.state_dict().items() if name.endswith("num_batches_tracked")}
    state = {their_name(name, PARTS): value for name, value in ours.state_dict().items()}
    theirs.load_state_dict(state | counts)
    for training in (False, True):
        images = torch.rand(3, 3, size, size, dtype=torch.float64) * 2 - 1
        logits, their_logits = ours.train(training)(images), theirs.train(training)(images).logits
        torch.testing.assert_close(logits, their_logits, **CLOSE)
        dlogits = torch.randn(logits.shape, dtype=torch.float64)
        ours.zero_grad()
        theirs.zero_grad()
        logits.backward(dlogits)
        their_logits.backward(dlogits)
        their_gradients = {name: p.grad for name, p in theirs.named_parameters()}
        largest = max(float(gradient.abs().max()) for gradient in their_gradients.values())
        for name, gradient in ours.gradients().items():  # relative to the largest of all: some are 0 but for rounding
            expected = their_gradients[their_name(name, PARTS)]
            torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10 * largest, msg=name)


def test_captured_as_one_graph(fill):
    """`torch.compile(fullgraph=True)` sees all of it, in evaluation; "aot_eager" computes as eager does."""
    model = fill(EfficientNet(EfficientNetConfig(5, 16, stem_width=8, top_width=16, stages=STAGES[:2]))).eval()
    torch.compiler.reset()
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64) * 2 - 1
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(images), model(images), rtol=1e-12, atol=1e-12)


def test_it_learns_to_tell_bright_from_dark_squares():
    """In both modes: the running averages have followed after 60 steps with a momentum of 0.9."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 64)
    images = rng.normal(0, 0.2, (64, 1, 8, 8))
    images[:, :, 2:5, 2:5] += 0.5 * (2 * labels - 1).reshape(64, 1, 1, 1)
    stages = ((1, 3, 1, 1, 8), (1, 3, 2, 2, 8))
    config = EfficientNetConfig(
        2, 8, 1, stem_width=8, top_width=16, stem_stride=1, stages=stages, batchnorm_momentum=0.9
    )
    model, x, y = EfficientNet(config, 0), torch.tensor(images, dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    for training in (True, False):
        assert (model.train(training)(x).argmax(1) == y).float().mean() == 1
