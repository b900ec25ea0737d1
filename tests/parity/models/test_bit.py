"""BiT against a network written here from PyTorch's own operations, and against transformers' Bit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vitedu.layers.conv import standardize
from vitedu.models.bit import BiT
from vitedu_numpy.config import BiTConfig

# float64, the same sums of at most some thousand terms in another order, each rounded to 1e-16, through ten layers.
CLOSE = dict(rtol=1e-10, atol=1e-10)

SIZES = dict(blocks=(2, 1), num_classes=5, base_width=8, groups=4)
MODELS = {
    "BiT": (dict(), (33, 46)),
    "border of the pool -inf": (dict(pool_padding="-inf"), (32, 47)),
    "small stem": (dict(stem="small"), (10, 13)),
    "three stages, twice as wide": (dict(blocks=(1, 1, 2), width_factor=2), (40, 33)),
    "other constants": (dict(groups=2, groupnorm_eps=0.1, standardize_eps=0.1), (17, 24)),
}


def plain_bit(config, state, images):
    """Every layer by its name in `state`, written down as the authors' papers and code describe it."""

    def conv(x, name, stride=1, padding=0):
        w = state[f"{name}.weight"]
        variance, mean = torch.var_mean(w, dim=(1, 2, 3), correction=0, keepdim=True)
        return F.conv2d(x, (w - mean) / torch.sqrt(variance + config.standardize_eps), None, stride, padding)

    def norm_relu(x, name):
        B, C, H, W = x.shape
        grouped = x.reshape(B, config.groups, -1)
        variance, mean = torch.var_mean(grouped, dim=2, correction=0, keepdim=True)
        x = ((grouped - mean) / torch.sqrt(variance + config.groupnorm_eps)).reshape(B, C, H, W)
        return F.relu(x * state[f"{name}.weight"].reshape(C, 1, 1) + state[f"{name}.bias"].reshape(C, 1, 1))

    if config.stem == "small":
        x = conv(images, "root", padding=1)
    else:
        x = conv(images, "root", stride=2, padding=3)
        x = F.pad(x, (1, 1, 1, 1), value=0.0 if config.pool_padding == "zero" else -float("inf"))
        x = x.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(4, 5))
    for s, count in enumerate(config.blocks):
        for u in range(count):
            unit, stride = f"stages.{s}.units.{u}", 2 if s > 0 and u == 0 else 1
            h = norm_relu(x, f"{unit}.norm1")
            shortcut = conv(h, f"{unit}.conv_proj", stride) if u == 0 else x
            h = norm_relu(conv(h, f"{unit}.conv1"), f"{unit}.norm2")
            h = norm_relu(conv(h, f"{unit}.conv2", stride, padding=1), f"{unit}.norm3")
            x = conv(h, f"{unit}.conv3") + shortcut
    return norm_relu(x, "norm").mean(dim=(2, 3)) @ state["head.weight"].T + state["head.bias"]


@pytest.mark.parametrize(("changes", "hw"), MODELS.values(), ids=MODELS)
def test_plain_operations(changes, hw, scramble_torch):
    config = BiTConfig(**SIZES | changes)
    model, images = scramble_torch(BiT(config)), torch.rand((2, 3, *hw), dtype=torch.float64) * 2 - 1
    state = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    logits, plain = model(images), plain_bit(config, state, images)
    torch.testing.assert_close(logits, plain, **CLOSE)
    dlogits = torch.randn(logits.shape, dtype=torch.float64)
    logits.backward(dlogits)
    plain.backward(dlogits)
    for name, gradient in model.gradients().items():
        scale = float(state[name].grad.abs().max())
        torch.testing.assert_close(gradient, state[name].grad, rtol=0, atol=1e-10 * scale, msg=name)


def test_standardize_is_batch_norm_of_the_filters():
    """As others compute it: filters as channels of one image.  Nothing is learned, and training=True: its own mean."""
    weight = torch.randn((5, 3, 2, 4), dtype=torch.float64)
    theirs = F.batch_norm(weight.reshape(1, 5, -1), None, None, training=True, eps=1e-10).reshape(weight.shape)
    torch.testing.assert_close(standardize(weight, 1e-10), theirs, **CLOSE)


def test_transformers(scramble_torch):
    """transformers' Bit is the same network: padding on all sides alike, the pool's border is zeros.

    It differs in one constant, 1e-8 instead of 1e-10 added to the variance of a filter; ours is set to theirs here.
    """
    transformers = pytest.importorskip("transformers", reason="an independent BiT; its own operations are above")
    config = BiTConfig(**SIZES, standardize_eps=1e-8)
    ours = scramble_torch(BiT(config))
    sizes = dict(embedding_size=8, hidden_sizes=[32, 64], depths=[2, 1], num_groups=4)
    settings = dict(layer_type="preactivation", global_padding=None, num_labels=5)
    theirs = transformers.BitForImageClassification(transformers.BitConfig(**sizes, **settings)).double()

    def their_name(name):
        for before, after in (
            ("root.", "bit.embedder.convolution."), ("stages.", "bit.encoder.stages."), (".units.", ".layers."),
            ("conv_proj", "downsample.conv"), ("head.", "classifier.1."),
        ):  # fmt: skip
            name = name.replace(before, after)
        return f"bit.{name}" if name.startswith("norm.") else name

    theirs.load_state_dict({their_name(name): value for name, value in ours.state_dict().items()})
    images = torch.rand((2, 3, 33, 46), dtype=torch.float64) * 2 - 1
    logits, their_logits = ours(images), theirs(images).logits
    torch.testing.assert_close(logits, their_logits, **CLOSE)
    dlogits = torch.randn(logits.shape, dtype=torch.float64)
    logits.backward(dlogits)
    their_logits.backward(dlogits)
    their_gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, gradient in ours.gradients().items():
        expected = their_gradients[their_name(name)]
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10 * float(expected.abs().max()), msg=name)


def test_the_two_borders_of_the_pool_differ_at_the_edge_only(scramble_torch):
    """The authors' two codes disagree here (DEVIATIONS.md): 0 can win against negative numbers, -inf cannot."""
    images, records = torch.rand((2, 3, 32, 40), dtype=torch.float64) * 2 - 1, []
    for pool_padding in ("zero", "-inf"):
        torch.manual_seed(0)
        model = scramble_torch(BiT(BiTConfig(**SIZES, pool_padding=pool_padding)))
        records.append({})
        model(images, records[-1])
    zero, inf = (record["pool"] for record in records)
    assert torch.equal(zero[:, :, 1:, 1:], inf[:, :, 1:, 1:])  # sides are even: only the first row and column see it
    assert not torch.equal(zero, inf)
    assert (records[0]["logits"] - records[1]["logits"]).abs().max() > 1e-3
