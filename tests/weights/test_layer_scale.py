"""DINOv2 and DeiT-III: LayerScale and the normalisation of images folded, against `transformers` and by hand.

Measured besides with timm 1.0.31 at random weights, two blocks of small's width, float32 files, sums in float64: all
tokens, of size 8, differ by 3e-7 for vit_small_patch14_dinov2 and deit3_small_patch16_224; at another resolution with
`method="cubic-antialias"`, which is timm's, by 8e-7.
"""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitedu import from_pretrained
from vitedu.weights import from_timm, save_huggingface, save_timm
from vitedu.weights.folding import fold_layer_scale, fold_normalization
from vitedu_numpy.config import ViTConfig

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched

# A folded matrix is rounded once more to float32, 6e-8 of its numbers; through two blocks that stays below 1e-6.
CLOSE = dict(rtol=0, atol=1e-6)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # ImageNet's
D, HEADS, M, P = 48, 3, 96, 4


def normalised(images):
    """[-1, 1]  ->  what a model for ImageNet's mean and std is given."""
    mean, std = (torch.tensor(v, dtype=torch.float64).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return (images / 2 + 0.5 - mean) / std


def images(size):
    return torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


def features(model, x):
    """(class token, all tokens) after the last norm, in float64."""
    record = {}
    with torch.no_grad():
        logits = model.double().eval()(x, record)
    return record["pooled"], record["encoded"], logits


# ---- transformers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def dinov2(tmp_path):
    """(a small `Dinov2Model` of transformers, its folder); every parameter is neither 0 nor 1."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2Config(
        image_size=5 * P, patch_size=P, hidden_size=D, num_hidden_layers=2, num_attention_heads=HEADS, mlp_ratio=2
    )
    model, rng = transformers.Dinov2Model(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            size = p[0].numel() ** -0.5 if p.ndim > 1 else 1.0
            p.copy_(torch.randn(p.shape, generator=rng) * size + 0.1 * (p.ndim < 2))
    model.save_pretrained(tmp_path)
    return model.double().eval(), tmp_path


def test_dinov2_of_transformers(dinov2, caplog):
    theirs, folder = dinov2
    with pytest.raises(ValueError, match="no head; say num_classes="):
        from_pretrained(folder)
    ours, x = from_pretrained(folder, num_classes=3), images(20)
    assert ours.config == ViTConfig(20, P, D, 2, HEADS, M, 3, layernorm_eps=1e-6)
    assert any("nothing here says how its images were normalised" in text for text in caplog.messages)
    pooled, encoded, logits = features(ours, x)
    with torch.no_grad():
        expected = theirs(x).last_hidden_state
        torch.testing.assert_close(encoded, expected, **CLOSE)
        torch.testing.assert_close(pooled, expected[:, 0], **CLOSE)
        assert not logits.any()  # a head that starts at zero
        theirs.encoder.layer[1].layer_scale2.lambda1.fill_(1.0)  # and the vectors matter
        assert (theirs(x).last_hidden_state - encoded).abs().max() > 0.1


def test_normalised_images_of_transformers(dinov2, caplog):
    theirs, folder = dinov2
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": STD}))
    x = images(20)
    with torch.no_grad():
        expected = theirs(normalised(x)).last_hidden_state
    torch.testing.assert_close(features(from_pretrained(folder, num_classes=3), x)[1], expected, **CLOSE)
    assert sum("folded into the projection" in text for text in caplog.messages) == 1
    plain = from_pretrained(folder, num_classes=3, fold_normalization=False)
    torch.testing.assert_close(features(plain, normalised(x))[1], expected, **CLOSE)
    assert any("trained on images normalised with mean" in text for text in caplog.messages)


def test_other_resolutions(dinov2, caplog):
    """`cubic` is what transformers does; DINOv2's own code, which is the default, adds 0.1 to the new grid."""
    theirs, folder = dinov2
    for size in (12, 32):
        x = images(size)
        with torch.no_grad():
            expected = theirs(x).last_hidden_state
        ours = from_pretrained(folder, num_classes=3, image_size=size, method="cubic")
        torch.testing.assert_close(features(ours, x)[1], expected, **CLOSE)

        ours = from_pretrained(folder, num_classes=3, image_size=size)
        assert "(cubic-offset)" in caplog.messages[-1]
        grid = theirs.embeddings.position_embeddings.detach()[:, 1:].reshape(1, 5, 5, D).permute(0, 3, 1, 2)
        scale = (size // P + 0.1) / 5
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        E_pos = ours.state_dict()["position_embedding.E_pos"].double()
        torch.testing.assert_close(E_pos[1:], grid.flatten(2)[0].T, **CLOSE)


def test_a_folded_model_goes_on_as_a_vit(dinov2, tmp_path):
    """Written for transformers or timm it is a ViT without LayerScale: the same features."""
    _, folder = dinov2
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": STD}))
    ours, x = from_pretrained(folder, num_classes=3), images(20)
    save_huggingface(ours, tmp_path / "hf")
    save_timm(ours, tmp_path / "timm.safetensors")
    expected = features(ours, x)[1]
    for path in (tmp_path / "hf", tmp_path / "timm.safetensors"):
        again = from_pretrained(path)  # not folded twice
        torch.testing.assert_close(features(again, x)[1], expected, rtol=0, atol=0)


def test_its_classifier_is_another(dinov2):
    transformers = pytest.importorskip("transformers")
    theirs, folder = dinov2
    transformers.Dinov2ForImageClassification(theirs.config).save_pretrained(folder)
    with pytest.raises(ValueError, match="reads class token and mean of the patches at once"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("kind", "changes", "text"),
    [
        ("Dinov2Model", dict(use_swiglu_ffn=True), r"has a SwiGLU MLP \('encoder\.layer\.0\.mlp\.weights_in"),
        ("Dinov2WithRegistersModel", {}, r"has register tokens \('embeddings\.register_tokens'\)"),
        ("DeiTForImageClassificationWithTeacher", {}, "has a distillation token"),
    ],
)
def test_what_cannot_be_folded_in_transformers(kind, changes, text, tmp_path):
    transformers = pytest.importorskip("transformers")
    model = getattr(transformers, kind)
    sizes = dict(image_size=20, patch_size=P, hidden_size=D, num_hidden_layers=1, num_attention_heads=HEADS)
    model(model.config_class(**sizes, **changes)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=text):
        from_pretrained(tmp_path)


# ---- timm, and the authors' own names --------------------------------------------------------------------------------


def numbers(class_position, gammas, head, depth=2):
    """A file with timm's names: vit_*_patch14_dinov2 (positions of the class token) or deit3_* (none, and a head)."""
    rng = np.random.default_rng(0)

    def random(*shape, inputs=1):
        return (rng.standard_normal(shape) / np.sqrt(inputs)).astype(np.float32)

    f = {
        "cls_token": random(1, 1, D), "pos_embed": random(1, 25 + class_position, D),
        "patch_embed.proj.weight": random(D, 3, P, P, inputs=3 * P * P), "patch_embed.proj.bias": random(D),
        "norm.weight": random(D), "norm.bias": random(D),
    }  # fmt: skip
    for i in range(depth):
        block = f"blocks.{i}"
        for name, rows, columns in (("attn.qkv", 3 * D, D), ("attn.proj", D, D), ("mlp.fc1", M, D), ("mlp.fc2", D, M)):
            f[f"{block}.{name}.weight"], f[f"{block}.{name}.bias"] = random(rows, columns, inputs=columns), random(rows)
        for name in ("norm1", "norm2"):
            f[f"{block}.{name}.weight"], f[f"{block}.{name}.bias"] = random(D), random(D)
        for name in gammas:
            f[f"{block}.{name}"] = random(D)
    if head:
        f["head.weight"], f["head.bias"] = random(head, D, inputs=D), random(head)
    return f


def forward(f, x, class_position, gammas, depth=2):
    """(all tokens after the last norm), written from the description of both models: nothing is folded."""
    f = {key: torch.from_numpy(value).double() for key, value in f.items()}

    def norm(z, name):
        return F.layer_norm(z, (D,), f[f"{name}.weight"], f[f"{name}.bias"], eps=1e-6)

    def linear(z, name):
        return torch.einsum("bti,oi->bto", z, f[f"{name}.weight"]) + f[f"{name}.bias"]

    z = F.conv2d(x, f["patch_embed.proj.weight"], f["patch_embed.proj.bias"], stride=P).flatten(2).transpose(1, 2)
    z = z if class_position else z + f["pos_embed"]
    z = torch.cat([f["cls_token"].expand(len(z), 1, D), z], 1)
    z = z + f["pos_embed"] if class_position else z
    for i in range(depth):
        block = f"blocks.{i}"
        q, k, v = (
            linear(norm(z, f"{block}.norm1"), f"{block}.attn.qkv").reshape(len(z), -1, 3, HEADS, D // HEADS).unbind(2)
        )
        A = torch.softmax(torch.einsum("bqhe,bkhe->bhqk", q, k) * (D // HEADS) ** -0.5, -1)
        y = torch.einsum("bhqk,bkhe->bqhe", A, v).flatten(2)
        z = z + f[f"{block}.{gammas[0]}"] * linear(y, f"{block}.attn.proj")
        y = F.gelu(linear(norm(z, f"{block}.norm2"), f"{block}.mlp.fc1"))
        z = z + f[f"{block}.{gammas[1]}"] * linear(y, f"{block}.mlp.fc2")
    return norm(z, "norm")


KINDS = {
    "DINOv2": (True, ("ls1.gamma", "ls2.gamma"), None, "vit_small_patch14_dinov2"),
    "DeiT-III in timm": (False, ("ls1.gamma", "ls2.gamma"), 5, "deit3_small_patch16_224"),
    "DeiT-III, its authors' names": (False, ("gamma_1", "gamma_2"), 5, None),
}
each_kind = pytest.mark.parametrize(("class_position", "gammas", "head", "architecture"), KINDS.values(), ids=KINDS)


def folder_of(f, folder, architecture, **pretrained_cfg):
    from safetensors.numpy import save_file

    save_file(f, folder / "model.safetensors")
    settings = {"architecture": architecture, "model_args": {"num_heads": HEADS}, "pretrained_cfg": pretrained_cfg}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@each_kind
def test_timm(class_position, gammas, head, architecture, tmp_path, caplog):
    """Features in float64; the images are normalised as the folder says, for theirs, and in [-1, 1] for ours."""
    f, x = numbers(class_position, gammas, head), images(20)
    folder_of(f, tmp_path, architecture, mean=MEAN, std=STD)
    ours = from_pretrained(tmp_path, num_classes=None if head else 3)
    expected = forward(f, normalised(x), class_position, gammas)
    pooled, encoded, logits = features(ours, x)
    torch.testing.assert_close(encoded, expected, **CLOSE)
    torch.testing.assert_close(pooled, expected[:, 0], **CLOSE)
    if head:
        weight, bias = (torch.from_numpy(f[f"head.{part}"]).double() for part in ("weight", "bias"))
        torch.testing.assert_close(logits, expected[:, 0] @ weight.T + bias, **CLOSE)
    assert sum("folded into the projection" in text for text in caplog.messages) == 1
    E_pos = ours.state_dict()["position_embedding.E_pos"]
    assert bool(E_pos[0].any()) == class_position  # a class token without a position has a row of zeros
    # Another resolution: DINOv2 as its authors, DeiT-III as everything else; the log says how.
    ours = from_pretrained(tmp_path, num_classes=3, image_size=32)
    assert ("(cubic-offset)" if class_position else "(linear)") in caplog.messages[-1]
    assert bool(ours.state_dict()["position_embedding.E_pos"][0].any()) == class_position


def test_pixels_that_need_nothing(tmp_path, caplog):
    """A mean and a standard deviation of 1/2 are images in [-1, 1]."""
    f = numbers(True, ("ls1.gamma", "ls2.gamma"), 5)
    folder_of(f, tmp_path, "vit_small_patch14_dinov2", mean=[0.5] * 3, std=[0.5] * 3)
    ours = from_pretrained(tmp_path)
    assert caplog.messages == []
    assert np.array_equal(ours.state_dict()["patch_embedding.bias"].numpy(), f["patch_embed.proj.bias"])


@pytest.mark.parametrize("pixels", [dict(mean=[0.5], std=[0.2] * 3), dict(mean=MEAN, std=[0.0, 1, 1]),
                                    dict(mean="x", std=STD), dict(mean=MEAN, std=[[1, 2], 3, 4])])  # fmt: skip
def test_pixels_that_make_no_sense(pixels, tmp_path):
    folder_of(numbers(True, ("ls1.gamma", "ls2.gamma"), 5), tmp_path, None, **pixels)
    with pytest.raises(ValueError, match="expected 3 numbers each, std positive"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("key", "shape", "part"),
    [
        ("reg_token", (1, 4, D), "register tokens"),
        ("register_tokens", (1, 4, D), "register tokens"),
        ("dist_token", (1, 1, D), "a distillation token"),
        ("head_dist.weight", (5, D), "a distillation token"),
        ("blocks.0.mlp.w12.weight", (2 * M, D), "a SwiGLU MLP"),
        ("blocks.0.mlp.fc1.weight", (2 * M, D), "a SwiGLU MLP"),
    ],
)
def test_what_is_refused_by_name_and_at_once(key, shape, part, tmp_path):
    """Before the number of heads, a head that is not there, or anything else is asked for."""
    f = numbers(True, ("ls1.gamma", "ls2.gamma"), None) | {key: np.ones(shape, np.float32)}
    folder_of(f, tmp_path, "a_model_unknown_here")
    with pytest.raises(ValueError, match=rf"has {part} \('{key}'"):
        from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"has {part} \('{key}'"):
        from_timm(f, ViTConfig(20, P, D, 2, HEADS, M, 5))


# ---- the algebra -----------------------------------------------------------------------------------------------------


def test_folding_is_exact_in_float64():
    rng = np.random.default_rng(0)
    W, b, gamma, y = (rng.standard_normal(s) for s in ((7, 5), (7,), (7,), (3, 5)))
    arrays = {"blocks.3.attn.proj.weight": W, "blocks.3.attn.proj.bias": b, "blocks.3.ls1.gamma": gamma}
    folded = fold_layer_scale(arrays)
    assert sorted(folded) == ["blocks.3.attn.proj.bias", "blocks.3.attn.proj.weight"]
    ours = y @ folded["blocks.3.attn.proj.weight"].T + folded["blocks.3.attn.proj.bias"]
    np.testing.assert_allclose(ours, gamma * (y @ W.T + b), rtol=0, atol=1e-14)  # float64, sums of five numbers
    assert arrays["blocks.3.attn.proj.weight"] is W  # what was given is as it was

    state = {"patch_embedding.weight": rng.standard_normal((7, 12)), "patch_embedding.bias": b}
    pixels = rng.uniform(-1, 1, (4, 3, 2, 2))
    told = normalised(torch.from_numpy(pixels)).numpy().reshape(4, 12)
    new = fold_normalization(state, MEAN, STD, 3, "state")
    ours = pixels.reshape(4, 12) @ new["patch_embedding.weight"].T + new["patch_embedding.bias"]
    np.testing.assert_allclose(ours, told @ state["patch_embedding.weight"].T + b, rtol=0, atol=1e-13)


def test_half_precision_does_not_lose_small_gammas():
    """LayerScale begins at 1e-5 and less: in float16 the product would be 0 or a few bits."""
    W, gamma = np.full((2, 2), 1e-3, np.float16), np.full(2, 1e-5, np.float16)
    arrays = {"blocks.0.mlp.fc2.weight": W, "blocks.0.mlp.fc2.bias": W[0], "blocks.0.ls2.gamma": gamma}
    folded = fold_layer_scale(arrays)["blocks.0.mlp.fc2.weight"]
    assert folded.dtype == np.float32
    np.testing.assert_allclose(folded, float(W[0, 0]) * float(gamma[0]), rtol=1e-7)


def test_a_vector_without_its_matrix():
    for arrays in (
        {"blocks.0.ls1.gamma": np.ones(4)},
        {"blocks.0.ls1.gamma": np.ones(4), "blocks.0.attn.proj.weight": np.ones((5, 4))},
    ):
        with pytest.raises(
            ValueError, match=r"here: key 'blocks\.0\.attn\.proj\.weight' has shape .* expected as many"
        ):
            fold_layer_scale(arrays, "here")


@pytest.mark.parametrize("lost", ["blocks.1.ls2.gamma", "blocks.0.ls1.gamma"])
def test_a_matrix_without_its_vector(lost):
    """One was lost on the way: the block would be a thousand times as loud."""
    arrays = {}
    for block in ("blocks.0", "blocks.1"):
        for matrix, gamma in (("attn.proj", "ls1.gamma"), ("mlp.fc2", "ls2.gamma")):
            arrays |= {f"{block}.{matrix}.weight": np.ones((2, 2)), f"{block}.{matrix}.bias": np.ones(2)}
            arrays[f"{block}.{gamma}"] = np.full(2, 0.001)
    fold_layer_scale(arrays)
    del arrays[lost]
    with pytest.raises(
        ValueError, match=r"LayerScale's vector for 'blocks\.\d\.\w+\.\w+' is missing; 3 others are there"
    ):
        fold_layer_scale(arrays)


def test_layer_scale_that_was_lost_altogether(dinov2, tmp_path):
    """The settings tell that it was there."""
    from safetensors.numpy import load_file, save_file

    _, folder = dinov2
    arrays = load_file(folder / "model.safetensors")
    save_file({key: a for key, a in arrays.items() if "lambda1" not in key}, folder / "model.safetensors")
    with pytest.raises(ValueError, match="a Dinov2Model has LayerScale, and the arrays have none"):
        from_pretrained(folder, num_classes=3)
    save_timm(from_pretrained("vit_cifar10"), tmp_path / "x.safetensors")
    (tmp_path / "timm").mkdir()
    save_file(load_file(tmp_path / "x.safetensors"), tmp_path / "timm" / "model.safetensors")
    (tmp_path / "timm" / "config.json").write_text(json.dumps({"model_args": {"num_heads": 3, "init_values": 1e-5}}))
    with pytest.raises(ValueError, match="model_args has init_values=1e-05, and the arrays no LayerScale"):
        from_pretrained(tmp_path / "timm")
