"""Against the installed `transformers`: its models, its files, its constants, in both directions."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch

import vitedu
from vitedu import ViTConfig, from_pretrained
from vitedu.models import build
from vitedu.weights import from_huggingface, save_huggingface, to_huggingface
from vitedu_numpy.config import BiTConfig

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched
transformers = pytest.importorskip("transformers")  # in the lock; only an environment made by hand lacks it

# float64: the same sums in another order, through two blocks or four residual units.
CLOSE = dict(rtol=0, atol=1e-12)
VIT = dict(
    image_size=16, patch_size=4, hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96,
    num_labels=10,
)  # fmt: skip
BIT = dict(embedding_size=32, hidden_sizes=[128, 256], depths=[2, 1], num_labels=7)


def scrambled(model):
    """Every parameter neither 0 nor 1."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(
                torch.randn(p.shape, generator=rng) / (p[0].numel() ** 0.5 if p.ndim > 1 else 1) + 0.1 * (p.ndim < 2)
            )
    return model.eval()


def double(model):
    """In float64 a difference of formulas cannot hide behind rounding."""
    return model.double().eval()


def images(config):
    return torch.rand((2, 3, *config.image_hw), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize(
    ("settings", "gelu", "eps"),
    [
        ({}, "erf", 1e-12),  # its defaults
        (dict(hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6), "tanh", 1e-6),
        (dict(layer_norm_eps=0.1, image_size=[8, 24]), "erf", 0.1),
    ],
    ids=["defaults", "tanh", "not square"],
)
def test_vit_from_transformers_and_back(settings, gelu, eps, tmp_path):
    theirs = scrambled(transformers.ViTForImageClassification(transformers.ViTConfig(**VIT | settings)))
    theirs.save_pretrained(tmp_path / "theirs")
    ours = from_pretrained(tmp_path / "theirs")
    assert (ours.config.gelu, ours.config.layernorm_eps) == (gelu, eps)

    save_huggingface(ours, tmp_path / "ours")
    again = transformers.ViTForImageClassification.from_pretrained(tmp_path / "ours")
    for (name, a), b in zip(theirs.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    x = images(ours.config)
    with torch.no_grad():
        logits = double(ours)(x)
        torch.testing.assert_close(logits, double(theirs)(x).logits, **CLOSE)
        torch.testing.assert_close(logits, double(again)(x).logits, **CLOSE)


def test_bit_from_transformers_and_back(tmp_path):
    theirs = scrambled(transformers.BitForImageClassification(transformers.BitConfig(**BIT)))
    theirs.save_pretrained(tmp_path / "theirs")
    ours = from_pretrained(tmp_path / "theirs", image_size=64)
    assert ours.config == BiTConfig((2, 1), 7, image_size=64, base_width=32, standardize_eps=1e-8)
    save_huggingface(ours, tmp_path / "ours")
    again = transformers.BitForImageClassification.from_pretrained(tmp_path / "ours")
    assert from_pretrained(tmp_path / "ours", image_size=64).config == ours.config
    x = images(ours.config)
    with torch.no_grad():
        logits = double(ours)(x)
        torch.testing.assert_close(logits, double(theirs)(x).logits, **CLOSE)
        torch.testing.assert_close(logits, double(again)(x).logits, **CLOSE)


def test_gradients(tmp_path):
    theirs = scrambled(transformers.ViTForImageClassification(transformers.ViTConfig(**VIT)))
    theirs.save_pretrained(tmp_path)
    ours, theirs, x = double(from_pretrained(tmp_path)), double(theirs), images(ViTConfig(16, 4, 48, 2, 3, 96, 10))
    ours(x).square().sum().backward()
    theirs(x).logits.square().sum().backward()
    # tests use the names of its newer versions, which it translates when it writes a file
    named = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    for name, grad in from_huggingface(named, ours.config).items():
        torch.testing.assert_close(ours.gradients()[name], torch.as_tensor(grad), rtol=1e-9, atol=1e-9)


def test_both_spellings_of_names():
    config = ViTConfig(16, 4, 48, 2, 3, 96, 10)
    theirs = transformers.ViTForImageClassification(transformers.ViTConfig(**VIT))
    state = from_huggingface(theirs.state_dict(), config)
    in_a_file = to_huggingface(state, config)
    assert "vit.encoder.layer.1.attention.attention.query.weight" in in_a_file
    again = from_huggingface(in_a_file, config)
    assert all(np.array_equal(state[name], again[name]) for name in state)


def test_a_vit_without_a_classifier(tmp_path, caplog):
    """`ViTModel`: its pooler is the pre-logits layer, and a head must be asked for."""
    theirs = scrambled(transformers.ViTModel(transformers.ViTConfig(**VIT)))
    theirs.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no head; say num_classes="):
        from_pretrained(tmp_path)
    ours, record = double(from_pretrained(tmp_path, num_classes=3)), {}
    x = images(ours.config)
    with torch.no_grad():
        assert not ours(x, record).any()
        torch.testing.assert_close(record["pre_logits"], double(theirs)(x).pooler_output, **CLOSE)
    assert ours.config.representation_size == 48
    assert from_pretrained(tmp_path, num_classes=3, drop_pre_logits=True).config.representation_size is None


@pytest.mark.parametrize("official", [True, False])
def test_our_folder_comes_back_to_us_exactly(official, tmp_path, caplog):
    constants = {} if official else dict(groupnorm_eps=1e-3, standardize_eps=1e-4)
    for i, config in enumerate((ViTConfig(8, 4, 12, 1, 3, 5, 7, gelu="tanh", dropout=0.1, head_bias=-1.0),
                                BiTConfig((1,), 5, base_width=64, **constants))):  # fmt: skip
        model = scrambled(build(config, 0))
        save_huggingface(model, tmp_path / str(i))
        ours = from_pretrained(tmp_path / str(i))
        lone = from_pretrained(tmp_path / str(i) / "model.safetensors")
        assert ours.config == lone.config == config
        for name, value in model.state_dict().items():
            assert torch.equal(ours.state_dict()[name], value)
            assert torch.equal(lone.state_dict()[name], value)
    # transformers computes BiT with constants of its own, and a file cannot tell it others
    assert any("transformers computes BiT with" in message for message in caplog.messages)


def test_what_transformers_cannot_hold(tmp_path):
    base = dict(image_size=8, patch_size=4, width=12, depth=1, heads=3, mlp_dim=5, num_classes=7)
    cases = {
        "representation_size": ViTConfig(**base, representation_size=4),
        "classifier": ViTConfig(**base, classifier="gap"),
        "position_embedding": ViTConfig(**base, position_embedding="2d"), "stem": BiTConfig((1,), 5, stem="small"),
        "pool_padding": BiTConfig((1,), 5, pool_padding="-inf"),
    }  # fmt: skip
    for name, config in cases.items():
        with pytest.raises(ValueError, match=f"transformers cannot hold {name}="):
            save_huggingface(build(config, 0), tmp_path / "folder")
        assert not (tmp_path / "folder").exists(), name


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (dict(hidden_act="relu"), "hidden_act='relu'; expected 'gelu'"),
        (dict(qkv_bias=False), "qkv_bias=False; expected True"),
        (dict(num_hidden_layers=3), "num_hidden_layers=3; expected 2"),
        (dict(num_attention_heads=5), "width=48"),
        (dict(num_attention_heads="many"), "heads='many'"),
        (dict(image_size=24), "'vit.embeddings.position_embeddings' has shape (1, 17, 48); expected (1, 37, 48)"),
        (dict(model_type="deit"), "model_type='deit'; expected 'vit'"),
    ],
)
def test_settings_that_do_not_fit(changes, text, tmp_path):
    save_huggingface(build(ViTConfig(16, 4, 48, 2, 3, 96, 10), 0), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=r"model\.safetensors") as info:
        from_pretrained(tmp_path)
    assert text in str(info.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (dict(layer_type="bottleneck"), "layer_type='bottleneck'; expected 'preactivation'"),
        (dict(global_padding="SAME"), "global_padding='SAME'"),
        (dict(depths=[1, 2]), "depths=[1, 2]; expected [2, 1]"),
        (dict(output_stride=4), "output_stride=4"),
        (dict(output_stride="x"), "not of a model that fits"),
    ],
)
def test_settings_of_bit_that_do_not_fit(changes, text, tmp_path):
    save_huggingface(build(BiTConfig((2, 1), 7, standardize_eps=1e-8), 0), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=r"model\.safetensors") as info:
        from_pretrained(tmp_path)
    assert text in str(info.value)


def test_a_short_config_means_their_defaults(tmp_path):
    """What `config.json` leaves out is what transformers would take: erf, 1e-12, 224 pixels, 12 heads."""
    save_huggingface(build(ViTConfig(224, 112, 24, 1, 12, 5, 3, layernorm_eps=0.1, gelu="tanh"), 0), tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    assert from_pretrained(tmp_path).config == ViTConfig(224, 112, 24, 1, 12, 5, 3, layernorm_eps=1e-12)
    defaults = transformers.ViTConfig()
    assert (defaults.hidden_act, defaults.layer_norm_eps) == ("gelu", 1e-12)
    assert (defaults.image_size, defaults.num_attention_heads) == (224, 12)


def test_another_task(tmp_path, caplog):
    save_huggingface(scrambled(build(ViTConfig(16, 4, 48, 1, 3, 96, 10), 0)), tmp_path)
    model = vitedu.from_pretrained(tmp_path, num_classes=3, image_size=24, dropout=0.1)
    assert (model.config.grid, model.config.num_classes, model.config.dropout) == ((6, 6), 3, 0.1)
    assert len(caplog.messages) == 2
