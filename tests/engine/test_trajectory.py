"""The engine's numbers against a plain loop written here, with PyTorch's own parts and the recipe's formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_runs import SMALL, losses, read_metrics, weights

from vitedu import ViT
from vitedu.data import load_digits
from vitedu.engine.optimizer import make_optimizer, rate_at
from vitedu.recipes import get_recipe


def plain_loop(recipe):
    """(losses, learning rates, gradient norms, weights): no engine, no loader, no optimiser of ours."""
    digits = load_digits()
    pixels = np.round((digits.train_images.astype(np.float64) + 1) * 127.5)
    order = [np.random.default_rng([recipe.seed, epoch]).permutation(len(pixels)) for epoch in range(2)]
    order = np.concatenate(order)
    model = ViT(recipe.model, recipe.seed).double()
    decayed = [p for n, p in model.named_parameters() if n.endswith("weight") and p.ndim == 2]
    others = [p for n, p in model.named_parameters() if not (n.endswith("weight") and p.ndim == 2)]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8, foreach=False)
    found = []
    for step in range(recipe.steps):
        images, labels = [], []
        for position in range(step * recipe.batch_size, (step + 1) * recipe.batch_size):
            # The image's own random numbers: Philox with the key (seed, position).
            rng = np.random.Generator(np.random.Philox(key=np.array([recipe.seed, position], np.uint64)))
            down, across = rng.integers(0, 3, 2)
            padded = np.pad(pixels[order[position], 0], 1)
            images.append(padded[None, down : down + 8, across : across + 8])
            labels.append(digits.train_labels[order[position]])
        p = min(max((step - recipe.warmup_steps) / (recipe.steps - recipe.warmup_steps), 0), 1)
        lr = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * p)) * min(1, step / recipe.warmup_steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        loss = F.cross_entropy(model(torch.from_numpy(np.stack(images)) / 127.5 - 1), torch.tensor(np.array(labels)))
        loss.backward()
        norm = torch.sqrt(sum((q.grad**2).sum() for q in model.parameters()))
        for q in model.parameters():
            q.grad *= min(1.0, recipe.clip_norm / float(norm + 1e-6))
        optimizer.step()
        found.append((float(loss.detach()), lr, float(norm)))
    return (*map(np.array, zip(*found, strict=True)), {n: q.detach().numpy() for n, q in model.named_parameters()})


def test_a_run_is_the_plain_loop(reference):
    plain_losses, rates, norms, plain_weights = plain_loop(SMALL)
    lines = [line for line in read_metrics(reference / "metrics.jsonl") if "loss" in line]
    # float64 in two orders of summing: 1e-10, as in test_processes.py
    np.testing.assert_allclose(losses(reference), plain_losses, rtol=1e-10)
    np.testing.assert_allclose([line["learning_rate"] for line in lines], rates, rtol=1e-14)
    np.testing.assert_allclose([line["grad_norm"] for line in lines], norms, rtol=1e-9)
    for name, value in weights(reference).items():
        np.testing.assert_allclose(value, plain_weights[name], rtol=3e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["vit_b16-imagenet21k", "vit_b16-imagenet"])
def test_learning_rates_of_the_paper_follow_the_closed_form(name):
    """Linear: base (1 - p) after the warm-up; cosine: base (1 + cos pi p) / 2."""
    recipe = get_recipe(name)
    steps, warmup, base = 100_000, recipe.warmup_steps, recipe.learning_rate
    assert warmup == 10_000
    assert rate_at(0, recipe, steps) == 0
    assert rate_at(5_000, recipe, steps) == pytest.approx(base / 2, rel=0.01 if recipe.decay == "linear" else 1e-12)
    half = base / 2 + recipe.linear_end / 2 if recipe.decay == "linear" else base / 2
    assert rate_at(55_000, recipe, steps) == pytest.approx(half, rel=1e-12)
    assert rate_at(steps, recipe, steps) == pytest.approx(recipe.linear_end, abs=1e-18)


def test_sgd_decays_apart_from_the_gradient():
    """w <- (1 - lr wd) w - lr v,  v <- 0.9 v + g, on one weight by hand."""
    from dataclasses import replace

    model = torch.nn.Linear(1, 1, bias=False).double()
    model.weight.data.fill_(2.0)
    optimizer = make_optimizer(model, replace(SMALL, optimizer="sgd", learning_rate=0.5, weight_decay=0.1))
    w, v = 2.0, 0.0
    for g in (1.0, -3.0, 0.5):
        model.weight.grad = torch.tensor([[g]], dtype=torch.float64)
        optimizer.step()
        v = 0.9 * v + g
        w = (1 - 0.5 * 0.1) * w - 0.5 * v
        assert model.weight.item() == pytest.approx(w, rel=1e-15)
