"""Mixup in pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vitedu.data.mixup import mix, mixup_lambda


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 3, 4, 5, generator=generator, dtype=torch.float64)
    targets = torch.eye(7, dtype=torch.float64)[[3, 0, 5, 5, 1, 6]]
    return images, targets


def test_partners_are_0_with_1_and_2_with_3(batch):
    images, targets = batch
    mixed, mixed_targets = mix(images, targets, 0.75)
    for i, j in ((0, 1), (1, 0), (2, 3), (5, 4)):
        # two products and a sum in float64
        torch.testing.assert_close(mixed[i], 0.75 * images[i] + 0.25 * images[j], rtol=0, atol=1e-15)
    assert mixed_targets[0].tolist() == [0.25, 0, 0, 0.75, 0, 0, 0]
    assert mixed_targets[2].tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert torch.equal(mixed_targets.sum(1), torch.ones(6, dtype=torch.float64))


def test_any_even_split_into_micro_batches_is_the_same(batch):
    whole = mix(*batch, 0.6)
    for cuts in ((2, 2, 2), (4, 2), (2, 4)):
        parts = [mix(x, y, 0.6) for x, y in zip(*(t.split(cuts) for t in batch), strict=True)]
        for k in (0, 1):
            assert torch.equal(torch.cat([part[k] for part in parts]), whole[k])


def test_an_unreadable_partner_does_not_mix_in(batch):
    images, targets = batch
    valid = torch.tensor([True, False, True, True, False, False])
    mixed, mixed_targets = mix(images, targets, 0.75, valid)
    assert torch.equal(mixed[0], images[0])
    assert torch.equal(mixed_targets[0], targets[0])
    assert torch.equal(mixed[2:4], mix(images, targets, 0.75)[0][2:4])
    # With all valid it is the same as without the argument, to the bit.
    for ours, plain in zip(
        mix(images, targets, 0.75, torch.ones(6, dtype=bool)), mix(images, targets, 0.75), strict=True
    ):
        assert torch.equal(ours, plain)


def test_share_1_changes_nothing(batch):
    mixed, targets = mix(*batch, 1.0)
    assert mixed is batch[0]
    assert targets is batch[1]


def test_float32_stays_float32(batch):
    mixed, targets = mix(batch[0].float(), batch[1].float(), 0.9)
    assert mixed.dtype == targets.dtype == torch.float32


def test_an_odd_micro_batch_is_refused(batch):
    with pytest.raises(ValueError, match="images has 5 rows; mixup takes them in pairs"):
        mix(batch[0][:5], batch[1][:5], 0.5)


def test_the_share_is_a_function_of_seed_and_step():
    draws = [mixup_lambda(0.2, 7, step) for step in range(5)]
    assert draws == [mixup_lambda(0.2, 7, step) for step in range(5)]
    assert len(set(draws)) == 5
    assert draws[0] != mixup_lambda(0.2, 8, 0)


@pytest.mark.parametrize("p", [0.2, 0.5, 1.0])
def test_the_share_is_the_larger_of_beta_and_its_complement(p):
    """E max(l, 1 - l) = 1/2 + E |l - 1/2|, and the mean deviation of a Beta variable has a closed form."""
    draws = np.array([mixup_lambda(p, 0, step) for step in range(1500)])
    assert draws.min() >= 0.5
    assert draws.max() <= 1
    beta = math.gamma(p) ** 2 / math.gamma(2 * p)
    expected = 0.5 + 2 * p ** (2 * p) / (beta * (2 * p) ** (2 * p + 1))
    assert abs(draws.mean() - expected) < 4 * draws.std() / np.sqrt(1500)  # four standard errors


def test_p_0_is_no_mixup():
    assert mixup_lambda(0, 1, 2) == 1.0
    with pytest.raises(ValueError, match="p=-1"):
        mixup_lambda(-1, 1, 2)
