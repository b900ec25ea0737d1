"""Images on the device: the order law, whatever the cut, and what each switch does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitedu.data.order import Shuffled
from vitedu.data.resident import Augmentation, Resident

PLAIN = Augmentation(pad=0, flip=False, trivial=False, erase=0, mixup=0, cutmix=0)


def resident(augmentation=None, n=50, **changes):
    images = np.random.default_rng(0).integers(0, 256, (n, 3, 8, 8), np.uint8)
    settings = dict(num_classes=5, seed=1, batch_size=12) | changes
    return Resident(images, np.arange(n) % 5, augmentation=augmentation, **settings)


def test_which_image_comes_when_is_the_order_law():
    loader = resident()
    order = Shuffled(50, 1)
    for step in (0, 3, 4, 9):  # step 4 goes over the end of the epoch
        assert loader.ids(step)[0].tolist() == order(np.arange(12 * step, 12 * step + 12)).tolist()
    assert torch.equal(loader.ids(2, 6), torch.cat([loader.ids(step) for step in range(2, 8)]))
    assert sorted(resident(batch_size=50).ids(3)[0].tolist()) == list(range(50))
    assert max(resident(batch_size=50, num_images=40).ids(0)[0].tolist()) == 39  # the last ten are held out


def test_without_augmentation_the_images_are_as_they_are():
    loader = resident(PLAIN)
    images, targets = loader.step(7)
    ids = loader.ids(7)[0]
    assert torch.equal(images, loader.images[ids] / 127.5 - 1)
    assert torch.equal(targets.argmax(1), loader.labels[ids])
    assert torch.equal(targets.sum(1), torch.ones(12))
    smooth = resident(PLAIN, label_smoothing=0.1).step(7)[1]
    assert smooth.max().item() == pytest.approx(0.92)
    assert smooth.min().item() == pytest.approx(0.02)


def test_a_batch_may_be_cut_and_a_run_may_be_resumed():
    """Pairs stay together; everything else may be cut anywhere, and no state is kept from step to step."""
    loader = resident()
    images, targets = loader.step(5)
    again = resident().step(5)
    assert torch.equal(images, again[0])
    assert torch.equal(targets, again[1])
    ids, positions = loader.ids(5)[0], torch.from_numpy(loader.positions(5))
    parts = [
        loader.batch(i, p, loader.seed) for i, p in zip(ids.split([2, 6, 4]), positions.split([2, 6, 4]), strict=True)
    ]
    # Float means (`contrast`) may be summed in another order for other batch sizes: one level of 255, times 2 / 255.
    difference = (torch.cat([part[0] for part in parts]) - images).abs()
    assert difference.max() <= 0.0079
    assert (difference > 0).float().mean() < 0.001
    assert torch.equal(torch.cat([part[1] for part in parts]), targets)


def test_another_epoch_and_another_seed_are_other_draws():
    loader = resident(Augmentation(mixup=0, cutmix=0), batch_size=50)
    first, second = loader.step(0)[0], loader.step(1)[0]
    by_image = [images[loader.ids(step)[0].argsort()] for step, images in enumerate((first, second))]
    assert (by_image[0] != by_image[1]).flatten(1).any(1).float().mean() > 0.9
    loader.start(2)
    assert not torch.equal(loader.step(0)[0], first)


@pytest.mark.parametrize("rates", [dict(mixup=1, cutmix=0), dict(mixup=0, cutmix=1)])
def test_mixing(rates):
    loader = resident(Augmentation(**{**vars(PLAIN), **rates}), num_classes=50, n=50)
    loader.labels = torch.arange(50)
    images, targets = loader.step(0)
    plain, _ = loader.step(0, mixing=torch.tensor(0.0))
    ids = loader.ids(0)[0]
    for k in range(0, 12, 2):
        a, b = int(ids[k]), int(ids[k + 1])
        share = float(targets[k, a])
        assert float(targets[k, b]) == pytest.approx(1 - share, abs=1e-6)  # float32
        if rates["mixup"]:
            assert torch.allclose(images[k], share * plain[k] + (1 - share) * plain[k + 1], atol=1e-6)
        else:
            of_a = (images[k] == plain[k]).all(0).float().mean()
            assert float(of_a) == pytest.approx(share, abs=1e-6)  # a pixel is one image's or the other's
    assert torch.equal(plain, loader.images[ids] / 127.5 - 1)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"images is torch.float32 \(2, 1, 1, 1\); expected uint8"):
        Resident(torch.zeros(2, 1, 1, 1), [0, 1], num_classes=2, seed=0, batch_size=2)
    with pytest.raises(ValueError, match=r"labels run from 0 to 4; allowed is 0..3"):
        resident(num_classes=4)
    with pytest.raises(ValueError, match="num_images=51 is not allowed"):
        resident(num_images=51)
    with pytest.raises(ValueError, match="batch_size=0 is not allowed"):
        resident(batch_size=0)
    with pytest.raises(ValueError, match=r"mixup=0\.7 is not allowed with cutmix=0\.5"):
        Augmentation(mixup=0.7)
    with pytest.raises(ValueError, match="erase=2 is not allowed"):
        Augmentation(erase=2)
