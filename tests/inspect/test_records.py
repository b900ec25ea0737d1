"""One record, of either package, fused or not, of any file that was loaded: the same answers."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy as vn
from vitedu.weights import save_huggingface, save_timm
from vitedu_numpy.inspect import (
    Only,
    as_array,
    attention_distance,
    attention_maps,
    cka_matrix,
    layer_features,
    logit_lens,
    position_vectors,
    query_maps,
    rollout_mask,
    token_lens,
)

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched

# float64 in two libraries, through two or three blocks (tests/mirror has the same tolerance)
CLOSE = dict(rtol=0, atol=1e-12)


def answers(model, record) -> dict[str, np.ndarray]:
    """Everything that is read from a record."""
    c = model.config
    maps = {f"A{i}": A for i, A in enumerate(attention_maps(record))}
    return maps | {
        "distance": attention_distance(record, c),
        "renormalised": attention_distance(record, c, renormalise=True) / 100,  # pixels: numbers of size 1 again
        "rollout": rollout_mask(record, c),
        "query": query_maps(record, c, (1, 2), 0),
        "lens": logit_lens(model, record),
        "token lens": token_lens(model, record, [1, 3]),
        "cka": cka_matrix(list(layer_features(record).values())),
    }


def assert_same(one, other):
    assert list(one) == list(other)
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], err_msg=name, **CLOSE)


@pytest.mark.parametrize("changes", [{}, dict(classifier="gap"), dict(position_embedding="relative")], ids=str)
def test_both_packages(twins, small, changes):
    ours, theirs = twins(small(**changes))
    assert_same(answers(ours.model, ours.record), answers(theirs.model, theirs.record))


def test_hybrids(twins, hybrid_config):
    ours, theirs = twins(hybrid_config)
    assert_same(answers(ours.model, ours.record), answers(theirs.model, theirs.record))


@pytest.mark.parametrize("kind", ["1d", "relative"])
def test_fused_or_not(twins, small, kind):
    """PyTorch's kernel stores no map; the record has it all the same, and the kernel is not switched off for it."""
    _, theirs = twins(small(position_embedding=kind))
    attentions = [block.attention for block in theirs.model.encoder.blocks]
    assert all(attention.fused for attention in attentions)
    calls = []

    def count(*args, **kwargs):
        calls.append(args)
        return kernel(*args, **kwargs)

    kernel, record = torch.nn.functional.scaled_dot_product_attention, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", count)
        theirs.model(theirs.images, record)
    assert len(calls) == 3  # once a block, with a record too
    for attention in attentions:
        attention.fused = False
    explicit = {}
    theirs.model(theirs.images, explicit)
    assert_same(answers(theirs.model, record), answers(theirs.model, explicit))


def test_maps_are_those_of_q_and_k(seen, small):
    it = seen(small())
    q, k = (as_array(it.record[f"block01/attention/{name}"]) for name in "qk")
    scores = np.exp(np.einsum("bhtd,bhsd->bhts", q, k) / 2)  # sqrt(Dh) = 2
    np.testing.assert_allclose(attention_maps(it.record)[1], scores / scores.sum(axis=-1, keepdims=True), **CLOSE)


def test_only_what_is_asked_for(seen, small):
    it = seen(small())
    record = Only("attention/A", "tokens")
    np.testing.assert_array_equal(as_array(it.model(it.images, record)), as_array(it.logits))
    assert list(record) == ["tokens", *(f"block{i:02d}/attention/A" for i in range(3))]
    np.testing.assert_array_equal(attention_distance(record, it.config), attention_distance(it.record, it.config))
    record = Only("z")
    it.model(it.images, record)
    assert list(record) == ["block00/z", "block01/z", "block02/z"]
    record = Only("logits", "out")
    it.model(it.images, record)
    assert "pre_logits" not in record  # which merely ends so
    assert [key for key in record if key.startswith("block00")] == ["block00/attention/out", "block00/mlp/out"]


def test_halves_become_float32(rng):
    x = torch.tensor(rng.standard_normal((2, 3)), requires_grad=True)
    for dtype in (torch.bfloat16, torch.float16):
        found = as_array(x.to(dtype))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, x.detach().to(dtype).float().numpy())
    assert as_array(x).dtype == np.float64
    assert as_array(np.ones(2, np.float16)).dtype == np.float32
    assert as_array(torch.arange(3)).dtype == np.int64


def test_bfloat16_records(twins, small):
    """Under autocast, on a CPU by the explicit lines: within bfloat16's 2 to 3 digits."""
    _, theirs = twins(small())
    model, record = theirs.model.float(), {}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        model(theirs.images.float(), record)
    exact = rollout_mask(theirs.record, theirs.config)
    np.testing.assert_allclose(rollout_mask(record, theirs.config), exact, rtol=0.02, atol=0)
    mean = attention_distance(theirs.record, model.config).mean()
    assert attention_distance(record, model.config).mean() == pytest.approx(mean, rel=0.01)


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["authors", "timm", "transformers"])
def test_loaded_files(twins, small, file, tmp_path):
    """A model written in another's layout and read again is looked into like the first (stored as float32)."""
    _, theirs = twins(small())
    model = theirs.model.float()
    record = {}
    model(theirs.images.float(), record)
    if file == "authors":
        model.save_npz(path := tmp_path / "vit.npz")
        loaded = vitedu.from_pretrained(path, image_size=model.config.image_size)
    elif file == "timm":
        save_timm(model, path := tmp_path / "vit")
        loaded = vitedu.from_pretrained(path)
    else:
        save_huggingface(model, path := tmp_path / "vit")
        loaded = vitedu.from_pretrained(path)
    again = {}
    loaded.eval()(theirs.images.float(), again)
    np.testing.assert_array_equal(position_vectors(loaded), position_vectors(model))
    for name, value in answers(model, record).items():
        # equal float32 arrays in equal modules: what is left is the order in which threads add
        np.testing.assert_allclose(answers(loaded, again)[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_maps_of_transformers_dinov2(tmp_path):
    """Against transformers' own `output_attentions`: LayerScale and all, folded, from one fused pass."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2Config(
        image_size=20, patch_size=4, hidden_size=48, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2
    )
    config._attn_implementation = "eager"  # the kernels give no maps there
    theirs, generator = transformers.Dinov2Model(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in theirs.parameters():
            size = p[0].numel() ** -0.5 if p.ndim > 1 else 1.0
            p.copy_(torch.randn(p.shape, generator=generator) * size + 0.1 * (p.ndim < 2))
    theirs.save_pretrained(tmp_path)
    ours, record = vitedu.from_pretrained(tmp_path, num_classes=3).double().eval(), {}
    x = torch.rand((2, 3, 20, 20), generator=generator, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        ours(x, record)
        expected = theirs.double().eval()(x, output_attentions=True).attentions
    assert len(expected) == 2
    for A, B in zip(attention_maps(record), expected, strict=True):
        np.testing.assert_allclose(A, B.numpy(), rtol=0, atol=1e-6)  # folded matrices are rounded to float32
    assert attention_distance(record, ours.config).shape == (2, 2, 3)


def test_vitedu_hands_the_room_on():
    assert sorted(vitedu.inspect.__all__) == sorted(vn.inspect.__all__)
    for name in vn.inspect.__all__:
        assert (getattr(vitedu.inspect, name) is getattr(vn.inspect, name)) == (
            name not in ("attention_gradients", "without_heads")  # they compute: twins
        )
