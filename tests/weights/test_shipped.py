"""The small ViT that comes with the package: it loads offline, in both packages, and has learned something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy as vn
from vitedu.models.pretrained import SHIPPED
from vitedu.recipes import get_recipe

FOLDER = Path(vitedu.__file__).parent / "weights" / "shipped"


@pytest.fixture(scope="module")
def model():
    return vitedu.from_pretrained("vit_cifar10").double().eval()


def test_each_file_is_small_and_has_a_card():
    assert {path.stem for path in FOLDER.glob("*.safetensors")} == set(SHIPPED)
    for name in SHIPPED:
        assert (FOLDER / f"{name}.safetensors").stat().st_size < 3_000_000
        card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for part in ("CIFAR-10", "accuracy", "vitedu train", "Not for", "seed"):
            assert part in card, part


def test_it_is_the_model_of_its_recipe(model):
    assert model.config == get_recipe("vit_cifar10_long").model


def test_numpy_gives_the_same_logits(model):
    """float64, one forward: 1e-10, as for every whole model."""
    images = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32))
    twin = vn.ViT(vn.ViTConfig(**vars(model.config)), rng=0, dtype=np.float64)
    twin.load_state_dict({name: value.numpy() for name, value in model.state_dict().items()})
    twin.eval()
    np.testing.assert_allclose(twin(images), model(torch.from_numpy(images)).detach().numpy(), rtol=1e-10, atol=1e-10)


def test_its_position_embeddings_know_where_they_are(model):
    """Fig. 7: the nearest neighbours of a patch are the most similar to it.  At the start all are alike, 0 +- 0.1."""
    E = model.position_embedding.E_pos.detach().numpy()[1:]  # (64, D) without the class token
    E = E / np.linalg.norm(E, axis=1, keepdims=True)
    similarity = (E @ E.T).reshape(8, 8, 8, 8)
    rows, columns = np.mgrid[:8, :8]
    near, far = [], []
    for r in range(8):
        for c in range(8):
            distance = np.hypot(rows - r, columns - c)
            near.append(similarity[r, c][distance == 1].mean())
            far.append(similarity[r, c][distance >= 4].mean())
    assert np.mean(near) > np.mean(far) + 0.3
