"""Muon with stacked matrices against `torch.optim.Muon`, matrix by matrix."""

from __future__ import annotations

import pytest
import torch

from vitedu import ViT, ViTConfig
from vitedu.training.muon import Muon, orthogonal

CONFIG = ViTConfig(8, 4, 16, 2, 2, 24, num_classes=3, channels=1)


def test_singular_values_come_near_one():
    M = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(0))
    S = torch.linalg.svdvals(orthogonal(M))
    assert S.min() > 0.5
    assert S.max() < 1.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon is new in PyTorch 2.9")
@pytest.mark.parametrize("as_tensor", [False, True])
def test_against_pytorchs(as_tensor):
    ours, theirs = ViT(CONFIG, 0), ViT(CONFIG, 0)
    lr = torch.tensor(0.02) if as_tensor else 0.02
    optimizer = Muon(ours, lr, weight_decay=0.1)
    named = dict(theirs.named_parameters())
    names = [n for n, p in named.items() if n.startswith("encoder.blocks") and p.ndim == 2 and "qkv" not in n]
    reference = torch.optim.Muon(
        [named[n] for n in names], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )  # fmt: skip
    rng = torch.Generator().manual_seed(1)
    for _ in range(3):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            p.grad = torch.randn(p.shape, generator=rng)
            q.grad = p.grad.clone()
        optimizer.step()
        reference.step()
    for name in names:
        # bfloat16 rounds to 3 digits, and sums may come in another order when matrices are stacked or transposed.
        torch.testing.assert_close(dict(ours.named_parameters())[name], named[name], rtol=0, atol=0.02 * 0.02)
        assert not torch.equal(named[name], dict(ViT(CONFIG, 0).named_parameters())[name])


def test_q_k_and_v_are_matrices_of_their_own():
    """Scaling the gradient of v alone changes nothing for q: each is made orthogonal by itself."""
    weights = []
    for scale in (1, 100):
        model = ViT(CONFIG, 0)
        optimizer = Muon(model, 0.02)
        rng = torch.Generator().manual_seed(1)
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=rng)
        qkv = model.encoder.blocks[0].attention.qkv.weight
        qkv.grad[32:] *= scale
        optimizer.step()
        weights.append(qkv.detach().clone())
    assert torch.equal(weights[0][:32], weights[1][:32])
    # An orthogonal update does not know the gradient's length either, to bfloat16's rounding.
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0.02 * 0.02)


def test_a_model_without_blocks_is_refused():
    with pytest.raises(ValueError, match="model=Linear is not allowed"):
        Muon(torch.nn.Linear(2, 2), 0.1)
