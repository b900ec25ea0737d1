"""Optimisers and schedules against PyTorch's own, with the groups made by hand."""

from __future__ import annotations

from math import cos, pi

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

import vitedu
import vitedu_numpy

CONFIG = vitedu.ViTConfig(
    image_size=4, patch_size=2, width=6, depth=1, heads=3, mlp_dim=7, num_classes=4, representation_size=5
)
DECAYED = (
    "fc1.weight",
    "fc2.weight",
    "qkv.weight",
    "out.weight",
    "linear.weight",
    "patch_embedding.weight",
    "head.weight",
)


@pytest.mark.parametrize("package", [vitedu, vitedu_numpy], ids=["vitedu", "vitedu_numpy"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
def test_adam_is_adamw_with_decay_on_matrices_only(package, weight_decay, rng, scramble):
    numpy_model = scramble(vitedu_numpy.ViT(CONFIG, 0, np.float64))
    state = numpy_model.state_dict()
    theirs = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in state.items()}
    groups = [
        {"params": [p for name, p in theirs.items() if name.endswith(DECAYED)], "weight_decay": weight_decay},
        {"params": [p for name, p in theirs.items() if not name.endswith(DECAYED)], "weight_decay": 0.0},
    ]
    assert [len(group["params"]) for group in groups] == [7, 15]
    reference = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.999), eps=1e-8)  # the constants of the paper, Sec. 4.1

    model = numpy_model
    if package is vitedu:
        model = vitedu.ViT(CONFIG).double()
        model.load_state_dict(state)
    optimizer = package.Adam(model, 0.01, weight_decay=weight_decay)
    for _ in range(10):
        for name, p in model.named_parameters():
            gradient = rng.standard_normal(theirs[name].shape)
            theirs[name].grad = torch.tensor(gradient)
            p.grad = gradient if package is vitedu_numpy else torch.tensor(gradient)
        optimizer.step()
        reference.step()
    for name, value in model.state_dict().items():  # ten steps of the same formula, rounded in another order
        np.testing.assert_allclose(value, theirs[name].detach(), rtol=0, atol=1e-13, err_msg=name)


def test_clipping_is_pytorchs(rng):
    numpy_model = vitedu_numpy.ViT(CONFIG, 0, np.float64)
    tensors = []
    for _, p in numpy_model.named_parameters():
        p.grad = rng.standard_normal(p.value.shape)
        tensors.append(torch.nn.Parameter(torch.zeros(p.value.shape, dtype=torch.float64)))
        tensors[-1].grad = torch.tensor(p.grad)
    norm = vitedu_numpy.clip_by_global_norm(numpy_model, 2.0)
    expected = torch.nn.utils.clip_grad_norm_(tensors, 2.0)
    assert norm == pytest.approx(float(expected), rel=1e-13)
    for (name, p), tensor in zip(numpy_model.named_parameters(), tensors, strict=True):
        np.testing.assert_allclose(p.grad, tensor.grad, rtol=1e-13, err_msg=name)


# ---- learning rate -----------------------------------------------------------------------------------------------

BASE, TOTAL, WARMUP = 0.3, 50, 10


def rates(**options):
    return [vitedu.learning_rate(step, base=BASE, total_steps=TOTAL, **options) for step in range(TOTAL)]


def scheduler_rates(make, steps=TOTAL):
    """What a PyTorch scheduler sets at every step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_is_cosine_annealing():
    # PyTorch goes from each rate to the next by a recursion: fifty roundings.
    expected = scheduler_rates(lambda optimizer: CosineAnnealingLR(optimizer, T_max=TOTAL))
    np.testing.assert_allclose(rates(decay="cosine"), expected, atol=1e-14)


@pytest.mark.parametrize("end", [0.0, 0.06])
def test_linear_is_linear_lr(end):
    expected = scheduler_rates(lambda o: LinearLR(o, start_factor=1.0, end_factor=end / BASE, total_iters=TOTAL))
    np.testing.assert_allclose(rates(decay="linear", end=end), expected, atol=1e-14)


def test_warmup_is_linear_lr_from_0():
    # LinearLR refuses to start at factor 0, so it starts at 1e-9.
    expected = scheduler_rates(lambda o: LinearLR(o, start_factor=1e-9, total_iters=WARMUP), WARMUP + 5)
    found = rates(decay="none", warmup_steps=WARMUP)
    np.testing.assert_allclose(found[: WARMUP + 5], expected, atol=1e-9)
    assert found[0] == 0
    assert found[WARMUP:] == [BASE] * (TOTAL - WARMUP)


@pytest.mark.parametrize(
    ("decay", "shape"),
    [("cosine", lambda p: (1 + cos(pi * p)) / 2), ("linear", lambda p: 1 - p), ("none", lambda p: 1.0)],
)
def test_closed_form_with_warmup(decay, shape):
    """Decay runs from the end of the warm-up; the warm-up multiplies it."""
    for step, rate in enumerate(rates(decay=decay, warmup_steps=WARMUP)):
        progress = max(step - WARMUP, 0) / (TOTAL - WARMUP)
        assert rate == pytest.approx(BASE * shape(progress) * min(1, step / WARMUP), rel=1e-14)
