"""Masked patch prediction against plain loops and PyTorch's own losses: targets, draws, and what the loss looks at."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitedu import ViT, ViTConfig
from vitedu.models import masked as torch_masked
from vitedu_numpy.models import masked as numpy_masked

PACKAGES = [numpy_masked, torch_masked]


def as_numpy(x):
    return x.numpy() if isinstance(x, torch.Tensor) else x


def as_input(package, x):
    return torch.from_numpy(x) if package is torch_masked else x


# ---- colours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_a_tiny_image_by_hand(package):
    """Two patches of 2 x 2 pixels."""
    red = [[255, 255, 0, 31], [255, 255, 64, 32]]  # means 255 and 31.75
    green = [[0, 0, 100, 101], [1, 127, 102, 103]]  # means 32 and 101.5
    blue = [[200, 210, 128, 128], [220, 230, 128, 127]]  # means 215 and 127.75
    images = as_input(package, np.array([[red, green, blue]], np.uint8))
    # Eight levels of 32 grey values each: 255 -> 7, 32 -> 1, 215 -> 6;  31.75 -> 0, 101.5 -> 3, 127.75 -> 3.
    assert package.mean_color_target(images, 2).tolist() == [[64 * 7 + 8 * 1 + 6, 64 * 0 + 8 * 3 + 3]]


def colors_by_loops(image, P):
    """Pixel by pixel, in plain Python integers."""
    C, H, W = image.shape
    colors = []
    for top in range(0, H, P):
        for left in range(0, W, P):
            color = 0
            for channel in range(C):
                total = 0
                for y in range(top, top + P):
                    for x in range(left, left + P):
                        total += int(image[channel, y, x])
                level = 0
                while level < 7 and total >= 32 * (level + 1) * P * P:
                    level += 1
                color = 8 * color + level
            colors.append(color)
    return colors


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(("shape", "P"), [((3, 6, 9), 3), ((1, 4, 8), 2), ((3, 3, 2), 1)], ids=str)
def test_mean_colours_by_loops(package, shape, P, rng):
    images = rng.integers(0, 256, (4, *shape)).astype(np.uint8)
    images[1] = 255
    images[2] = 32  # exactly on the border of two levels
    got = as_numpy(package.mean_color_target(as_input(package, images), P))
    assert got.tolist() == [colors_by_loops(image, P) for image in images]
    assert got.min() >= 0
    assert got.max() == 8 ** shape[0] - 1


@pytest.mark.parametrize("package", PACKAGES)
def test_a_downsized_patch_is_sixteen_patches(package, rng):
    """Each of the 16 colours of an 8 x 8 patch is the mean colour of its own 2 x 2 pixels."""
    images = rng.integers(0, 256, (2, 3, 16, 24)).astype(np.uint8)
    got = as_numpy(package.downsized_target(as_input(package, images), 8))
    for b in range(2):
        for n in range(6):
            top, left = 8 * (n // 3), 8 * (n % 3)
            assert got[b, n].tolist() == colors_by_loops(images[b, :, top : top + 8, left : left + 8], 2)


@pytest.mark.parametrize("package", PACKAGES)
def test_pixels(package, rng):
    """768 numbers for 16 x 16 RGB pixels: the first channel, row by row, then the next; 0 is -1, 255 is 1."""
    images = rng.integers(0, 256, (1, 3, 16, 32)).astype(np.uint8)
    images[0, 0, 0, 16:18] = 0, 255
    got = as_numpy(package.patch_target(as_input(package, images), 16))
    assert got.shape == (1, 2, 768)
    assert got[0, 1, :2].tolist() == [-1, 1]
    # the same two roundings to float32
    np.testing.assert_allclose(got[0, 1], images[0, :, :, 16:].reshape(-1) / 127.5 - 1, rtol=0, atol=1e-7)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("target", ["mean_color_target", "downsized_target"])
def test_bytes_and_floats_give_the_same_colours(package, dtype, target, rng):
    """Every byte there is, with many means exactly on the border of two levels, where a rounding error would show."""
    images = rng.integers(0, 256, (8, 3, 8, 8)).astype(np.uint8)
    images[0] = np.arange(192).reshape(3, 8, 8)
    images[1] = np.arange(64, 256).reshape(3, 8, 8)
    images[2:5] = rng.choice([0, 32, 64, 96, 128, 160, 192, 224], (3, 3, 1, 1))
    floats = (images.astype(np.float32) / 127.5 - 1).astype(dtype)
    make = getattr(package, target)
    assert np.array_equal(as_numpy(make(as_input(package, floats), 4)), as_numpy(make(as_input(package, images), 4)))


def test_the_paper_counts_512_colours():
    for package in PACKAGES:
        assert package.num_outputs("mean_color", 3, 16) == 512
        assert package.num_outputs("downsized", 3, 16) == 16 * 512
        assert package.num_outputs("l2", 3, 16) == 768  # "256 regressions on the 3 RGB channels"


# ---- draws --------------------------------------------------------------------------------------------------------


def test_eighty_ten_ten():
    """Over 3000 images of 14 x 14 patches: 294 000 corrupted ones.

    Bounds: 5 standard deviations of a binomial, sqrt(0.8 0.2 / 294000) = 0.0007 and sqrt(0.1 0.9 / 294000) = 0.0006.
    """
    N = 196
    patches, sources = numpy_masked.choose_corruption([np.random.default_rng(i) for i in range(3000)], N)
    assert patches.shape == (3000, 98)  # half of the patches, in every image
    fates, stays, moved = Counter(), Counter(), Counter()
    for row, their_sources in zip(patches.tolist(), sources.tolist(), strict=True):
        assert len(set(row)) == 98
        for patch, source in zip(row, their_sources, strict=True):
            fates["mask" if source == N else "left" if source == patch else "other"] += 1
            stays[patch] += 1
            moved[source] += source not in (N, patch)
    assert fates["mask"] / 294_000 == pytest.approx(0.8, abs=0.0037)
    assert fates["other"] / 294_000 == pytest.approx(0.1, abs=0.0028)
    assert fates["left"] / 294_000 == pytest.approx(0.1, abs=0.0028)
    # Every patch is corrupted equally often, and equally often stands in for another: 1500 and 150 times of 3000 images
    # (standard deviations 27 and 12; 6 of them, for 196 counts each).
    assert all(abs(stays[patch] - 1500) < 6 * 27 for patch in range(N))
    assert all(abs(moved[patch] - 150) < 6 * 12.2 for patch in range(N))


@pytest.mark.parametrize(("rate", "N", "m"), [(0.15, 196, 29), (0.5, 49, 25), (1.0, 5, 5), (0.01, 16, 1), (0.5, 2, 1)])
def test_how_many(rate, N, m):
    """Rounded, a half up, and one at least."""
    patches, sources = numpy_masked.choose_corruption([np.random.default_rng(0)] * 2, N, rate)
    assert patches.shape == sources.shape == (2, m)


def test_an_image_does_not_depend_on_its_batch():
    def draw(*seeds):
        return np.stack(numpy_masked.choose_corruption([np.random.default_rng(s) for s in seeds], 64), axis=1)

    assert np.array_equal(draw(1, 2, 3, 4), np.concatenate([draw(1, 2), draw(3), draw(4)]))
    assert not np.array_equal(draw(1), draw(2))
    assert draw().shape == (0, 2, 32)  # no image at all


# ---- what the loss looks at ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(("guesses", "Q"), [((), 512), ((16,), 8)], ids=["mean_color", "downsized"])
def test_colour_loss_by_pytorch(package, guesses, Q, rng):
    targets = rng.integers(0, Q, (3, 5, *guesses))
    predictions = rng.standard_normal((3, 5, int(np.prod(guesses, dtype=int)) * Q))
    losses = package.masked_patch_loss(*(as_input(package, x) for x in (predictions, targets)), "none")
    losses = losses if package is torch_masked else losses[0]
    accuracy = package.masked_patch_accuracy(*(as_input(package, x) for x in (predictions, targets)))
    for b in range(3):
        logits, wanted = torch.from_numpy(predictions[b]).reshape(-1, Q), torch.from_numpy(targets[b]).reshape(-1)
        assert float(losses[b]) == pytest.approx(float(F.cross_entropy(logits, wanted)), rel=1e-12)  # another order
        right = sum(int(row.argmax()) == int(color) for row, color in zip(logits, wanted, strict=True))
        assert float(accuracy[b]) == pytest.approx(right / len(wanted), rel=1e-15)


@pytest.mark.parametrize("package", PACKAGES)
def test_right_guesses_count(package):
    targets = np.array([[2, 0], [1, 1]])
    predictions = np.eye(3)[[[2, 1], [1, 1]]]  # the second guess is wrong
    accuracy = package.masked_patch_accuracy(as_input(package, predictions), as_input(package, targets))
    assert accuracy.tolist() == [0.5, 1]


@pytest.mark.parametrize("package", PACKAGES)
def test_pixel_loss_by_pytorch(package, rng):
    """Mean over the image's corrupted patches and the 768 numbers of each: `mse_loss`."""
    predictions, targets = rng.standard_normal((2, 3, 5, 768))
    losses = package.masked_patch_loss(*(as_input(package, x) for x in (predictions, targets)), "none")
    losses = losses if package is torch_masked else losses[0]
    for b in range(3):
        expected = float(F.mse_loss(*(torch.from_numpy(x[b]) for x in (predictions, targets))))
        assert float(losses[b]) == pytest.approx(expected, rel=1e-12)  # sums of 3840 terms in another order


@pytest.mark.parametrize("target", ["mean_color", "downsized", "l2"])
def test_only_corrupted_patches_are_in_the_loss(target, rng):
    """Written the long way round: predict every patch with the parts of a ViT, then look at the corrupted ones alone.

    The loss is the model's own, and the outputs of all other tokens have no part in it: their gradient is 0.
    """
    config = ViTConfig(image_size=(8, 12), patch_size=4, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4)
    model = torch_masked.MaskedPatchViT(config, 0, target).double()
    for p in model.parameters():
        torch.nn.init.normal_(p)
    images = torch.from_numpy(rng.integers(0, 256, (3, 3, 8, 12)).astype(np.uint8))
    floats = images.double() / 127.5 - 1
    corruption = torch_masked.choose_corruption([np.random.default_rng(i) for i in range(3)], 6)
    chosen = torch.zeros(3, 6, dtype=torch.bool)
    for b in range(3):
        chosen[b, corruption.patches[b]] = True

    record = {}
    predictions = model(floats, corruption, record)
    record["encoded"].retain_grad()
    loss = torch_masked.masked_patch_loss(predictions, torch_masked.masked_target(floats, corruption, 4, target))
    loss.backward()
    reached = (record["encoded"].grad != 0).any(dim=-1)  # (B, T)
    assert torch.equal(reached[:, 1:], chosen)
    assert not reached[:, 0].any()  # the class token

    x = model.vit.patch_embedding(floats).tolist()
    for b in range(3):
        before = [list(row) for row in x[b]]
        for patch, source in zip(corruption.patches[b].tolist(), corruption.sources[b].tolist(), strict=True):
            x[b][patch] = model.mask_token.tolist() if source == 6 else before[source]
    z = torch.cat([model.vit.class_token.x_class.expand(3, 1, 6), torch.tensor(x, dtype=torch.float64)], dim=1)
    every = model.head(model.vit.encoder(z + model.vit.position_embedding.E_pos))[:, 1:]  # all six patches
    if target == "l2":
        expected = F.mse_loss(every[chosen], torch_masked.patch_target(floats, 4)[chosen])
    else:
        make = {"mean_color": torch_masked.mean_color_target, "downsized": torch_masked.downsized_target}[target]
        expected = F.cross_entropy(every[chosen].reshape(-1, 512), make(images, 4)[chosen].reshape(-1))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)  # the same sums in another order


def test_what_was_learned_can_be_fine_tuned(rng):
    """`classifier()` computes with the learned parameters: its tokens are those of the masked model, uncorrupted."""
    config = ViTConfig(image_size=4, patch_size=2, width=6, depth=1, heads=3, mlp_dim=7, num_classes=4)
    model = torch_masked.MaskedPatchViT(config, 0)
    vit = model.classifier(1)
    everybody = torch.arange(4).expand(2, 4)
    images = torch.from_numpy(rng.uniform(-1, 1, (2, 3, 4, 4)).astype(np.float32))
    record, own = {}, {}
    model(images, torch_masked.Corruption(everybody, everybody), record)  # every patch is "corrupted", and left as is
    vit(images, own)
    assert isinstance(vit, ViT)
    assert torch.equal(record["encoded"], own["encoded"])
