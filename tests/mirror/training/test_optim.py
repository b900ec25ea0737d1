"""Optimisers: twenty steps on the same gradients lead both packages to the same place."""

from __future__ import annotations

import numpy as np
import pytest

import vitedu
import vitedu_numpy

CONFIG = vitedu_numpy.ViTConfig(
    image_size=4, patch_size=2, width=6, depth=1, heads=3, mlp_dim=7, num_classes=4, representation_size=5
)
FROZEN = "encoder.blocks.0.mlp.fc2.weight"  # never has a gradient: stays where it is, without decay too
OPTIMISERS = {
    "SGD": ("SGD", dict(lr=0.1)),
    "SGD, no momentum": ("SGD", dict(lr=0.1, momentum=0.0)),
    "SGD, heavy": ("SGD", dict(lr=0.05, momentum=0.99)),
    "Adam": ("Adam", dict(lr=0.01)),
    "Adam, weight decay": ("Adam", dict(lr=0.01, weight_decay=0.3)),
    "Adam, other constants": ("Adam", dict(lr=0.01, betas=(0.7, 0.95), eps=1e-3, weight_decay=0.1)),
}


@pytest.mark.parametrize(("name", "options"), OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_twenty_steps(name, options, clip, rng, twins, mirror):
    numpy_model, torch_model = twins(CONFIG)
    first = numpy_model.state_dict()
    numpy_optimizer = getattr(vitedu_numpy, name)(numpy_model, **options)
    torch_optimizer = getattr(vitedu, name)(torch_model, **options)
    torch_parameters = dict(torch_model.named_parameters())
    for step in range(20):
        for key, p in numpy_model.named_parameters():
            if key != FROZEN:
                p.grad = rng.standard_normal(p.value.shape) * 10.0 ** (step % 3 - 1)  # small, middle, large
                torch_parameters[key].grad = mirror.tensor(p.grad)
        if clip is not None:
            norm = vitedu_numpy.clip_by_global_norm(numpy_model, clip)
            mirror.assert_equal(norm, vitedu.clip_by_global_norm(torch_model, clip), "norm")
            mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())
        lr = options["lr"] * (step + 1) / 20  # as a schedule does
        numpy_optimizer.lr = torch_optimizer.lr = lr
        numpy_optimizer.step()
        torch_optimizer.step()
        mirror.assert_all_equal(numpy_model.state_dict(), torch_model.state_dict())
    moved = {key: abs(value - first[key]).max() for key, value in numpy_model.state_dict().items()}
    assert moved.pop(FROZEN) == 0
    assert min(moved.values()) > 1e-3


def test_weight_decay_reaches_the_same_parameters(twins):
    """With zero gradients only the decayed ones move, by 1 - lr wd."""
    numpy_model, torch_model = twins(CONFIG)
    before = numpy_model.state_dict()
    numpy_optimizer = vitedu_numpy.Adam(numpy_model, 0.1, weight_decay=0.5)
    torch_optimizer = vitedu.Adam(torch_model, 0.1, weight_decay=0.5)
    for p in torch_model.parameters():
        p.grad = p.detach() * 0
    for _, p in numpy_model.named_parameters():
        p.grad = np.zeros_like(p.value)
    numpy_optimizer.step()
    torch_optimizer.step()
    matrices = {"patch_embedding.weight", "pre_logits.linear.weight", "head.weight"} | {
        f"encoder.blocks.0.{name}.weight" for name in ("attention.qkv", "attention.out", "mlp.fc1", "mlp.fc2")
    }
    for state in (numpy_model.state_dict(), {n: v.numpy() for n, v in torch_model.state_dict().items()}):
        for name, value in state.items():
            factor = 0.95 if name in matrices else 1.0
            np.testing.assert_allclose(value, factor * before[name], rtol=1e-15, err_msg=name)


@pytest.mark.parametrize(("length", "factor"), [(0.5, 1), (10.0, 1 / (10 + 1e-6))])
def test_clipping_by_hand(length, factor, twins, mirror):
    """Only gradients longer than the limit, 1, are scaled."""
    numpy_model, torch_model = twins(CONFIG)
    for of_model, part in (
        (lambda model: model.head, 0.6),
        (lambda model: model.encoder.norm, 0.8),
    ):  # 0.6^2 + 0.8^2 = 1
        bias = of_model(numpy_model).bias
        bias.grad = np.zeros_like(bias.value)
        bias.grad[0] = part * length
        of_model(torch_model).bias.grad = mirror.tensor(bias.grad)
    for package, model in ((vitedu_numpy, numpy_model), (vitedu, torch_model)):
        assert package.clip_by_global_norm(model, 1.0) == pytest.approx(length, rel=1e-15)
        assert float(model.gradients()["head.bias"][0]) == pytest.approx(0.6 * length * factor, rel=1e-14)
        assert float(model.gradients()["encoder.norm.bias"][0]) == pytest.approx(0.8 * length * factor, rel=1e-14)
