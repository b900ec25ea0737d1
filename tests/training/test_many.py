"""K models side by side become what each becomes alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitedu import DIGITS_TRAINING, DIGITS_VIT, Adam, ViT, clip_by_global_norm, fit
from vitedu.data import load_digits
from vitedu.training.losses import one_hot, softmax_cross_entropy
from vitedu.training.many import Many, fit_many

DIGITS = load_digits()
TINY = replace(DIGITS_VIT, width=16, depth=2, heads=2, mlp_dim=24)
SHORT = replace(DIGITS_TRAINING, steps=6, warmup_steps=2, batch_size=16, weight_decay=0.3, clip_norm=0.3)
IMAGES, LABELS = DIGITS.train_images[:64], DIGITS.train_labels[:64]


def make(config):
    return lambda seed: ViT(config, seed)


def alone(seed, training, config=TINY):
    model = ViT(config, seed).double()
    return model, fit(model, IMAGES, LABELS, training)


@pytest.mark.parametrize("same_order", [True, False])
def test_fit_many_is_fit_many_times(same_order):
    seeds, rates = [3, 1, 4], [1e-3, 3e-3, 1e-2]
    models, history = fit_many(
        make(TINY), IMAGES, LABELS, SHORT, seeds, learning_rates=rates, same_order=same_order, dtype=torch.float64
    )
    for k, (seed, rate) in enumerate(zip(seeds, rates, strict=True)):
        training = replace(SHORT, learning_rate=rate, seed=SHORT.seed if same_order else seed)
        model, expected = alone(seed, training)
        for name, rows in history.items():
            # float64, six steps; Adam's square root of tiny second moments makes 1e-16 a little larger.
            assert [row[k] for row in rows] == pytest.approx(expected[name], rel=1e-9)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(models[k].state_dict()[name], value, rtol=1e-9, atol=1e-11)
    assert min(history["grad_norm"][1]) > SHORT.clip_norm  # so clipping was needed


@pytest.mark.parametrize("changes", [dict(classifier="gap"), dict(position_embedding="sincos2d"), dict(gelu="tanh")])
def test_a_step_of_other_models(changes, rng):
    """One step each; per-model weight decay and clipping."""
    config = replace(TINY, **changes)
    images = torch.from_numpy(rng.standard_normal((2, 5, 1, 8, 8)))
    targets = torch.stack([one_hot(rng.integers(0, 10, 5), 10, dtype=torch.float64) for _ in range(2)])
    many = Many(make(config), [0, 1], weight_decay=[0.0, 0.5], clip_norm=[0.1, 100.0], dtype=torch.float64)
    losses, norms = many.step(images, targets, [0.01, 0.02])
    for k, model in enumerate(many.models()):
        single = ViT(config, k).double()
        optimizer = Adam(single, [0.01, 0.02][k], weight_decay=[0.0, 0.5][k])
        loss = softmax_cross_entropy(single(images[k]), targets[k])
        loss.backward()
        norm = clip_by_global_norm(single, [0.1, 100.0][k])
        optimizer.step()
        assert float(losses[k]) == pytest.approx(float(loss.detach()), rel=1e-12)
        assert float(norms[k]) == pytest.approx(norm, rel=1e-12)
        for name, value in single.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-9, atol=1e-11)


def test_logits_without_dropout_are_those_of_each_model():
    many = Many(make(replace(TINY, dropout=0.5)), [5, 6], dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    for p in many.parameters.values():  # a new head is all zeros
        p.add_(0.1 * torch.randn(p.shape, generator=rng))
    images = torch.from_numpy(IMAGES[:4]).double()
    logits = many.logits(images)
    for k, model in enumerate(many.models()):
        torch.testing.assert_close(logits[k], model.eval()(images), rtol=1e-10, atol=1e-12)


def test_dropout_is_drawn_for_each_model_by_itself():
    """Equal weights and images, so only the draws can differ."""
    many = Many(make(replace(TINY, dropout=0.3, attention_dropout=0.1, stochastic_depth=0.2)), [0, 0])
    rng = torch.Generator().manual_seed(0)
    for p in many.parameters.values():  # a new head is all zeros, and would hide what comes before it
        p.add_(0.1 * torch.randn(p.shape[1:], generator=rng))
    targets = one_hot(LABELS[:8], 10)
    gradients, losses = many.gradients(torch.from_numpy(IMAGES[:8]).float(), targets)
    assert losses[0] != losses[1]
    assert torch.isfinite(torch.stack([g.abs().max() for g in gradients.values()])).all()


def test_a_step_stays_on_its_device_and_waits_for_nothing():
    """The device "meta" computes no values: tensors of another device, or reading a value, would raise there."""
    many = Many(make(TINY), [0, 1], weight_decay=[0.1, 0.2], clip_norm=1.0, device="meta")
    images, targets = torch.empty(2, 4, 1, 8, 8, device="meta"), torch.empty(2, 4, 10, device="meta")
    losses, norms = many.step(images, targets, torch.empty((), device="meta"))
    assert losses.device.type == norms.device.type == "meta"


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"seeds=\[\] is not allowed"):
        Many(make(TINY), [])
    with pytest.raises(ValueError, match=r"weight_decay has shape \(3,\); expected one number, or 2"):
        Many(make(TINY), [0, 1], weight_decay=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"expected equal and not 0"):
        fit_many(make(TINY), IMAGES, LABELS[:3], SHORT, [0])
    with pytest.raises(ValueError, match=r"a batch has shape \(8, 8\)"):
        Many(make(TINY), [0]).logits(torch.zeros(8, 8))
    with pytest.raises(ValueError, match="images holds NaN or infinity"):
        fit_many(make(TINY), np.full_like(IMAGES, np.inf), LABELS, SHORT, [0])
    with pytest.raises(FloatingPointError, match=r"in model 1 \(seed 7\)"):
        fit_many(make(TINY), IMAGES, LABELS, SHORT, [0, 7], learning_rates=[1e-3, 1e30])
