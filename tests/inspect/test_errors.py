"""What cannot be looked into is refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest

import vitedu
import vitedu_numpy as vn
from vitedu_numpy import inspect


@pytest.fixture
def bit(rng):
    """A small BiT and its record."""
    config = vn.BiTConfig(blocks=(1, 1), num_classes=3, image_size=16, base_width=8, groups=4, stem="small")
    model, record = vn.BiT(config, 0, dtype="float64"), {}
    model(rng.uniform(-1, 1, (2, 3, 16, 16)), record)
    return model, record


def test_a_model_without_attention(bit):
    model, record = bit
    for read in (inspect.attention_maps, inspect.rollout, inspect.layer_features):
        with pytest.raises(KeyError, match=r"record lacks \['block00/.*models without attention \(BiT\)"):
            read(record)
    for read in (inspect.attention_distance, inspect.query_maps, inspect.rollout_mask):
        with pytest.raises((TypeError, KeyError), match="BiT"):
            read(record, model.config)
    for read in (inspect.position_vectors, lambda m: inspect.logit_lens(m, record)):
        with pytest.raises(TypeError, match="model is a BiT; expected a ViT or a Hybrid"):
            read(model)
    for room in (inspect, vitedu.inspect):
        with pytest.raises(TypeError, match="BiT"):
            room.without_heads(model, (0, 0))


def test_a_record_without_the_keys(seen, small):
    it = seen(small())
    with pytest.raises(KeyError, match=r"it holds no block"):
        inspect.attention_maps({})
    lacking = {key: value for key, value in it.record.items() if key != "block01/attention/A"}
    with pytest.raises(KeyError, match=r"record lacks \['block01/attention/A'\]"):
        inspect.rollout(lacking)
    lacking = {key: value for key, value in it.record.items() if key != "tokens"}
    with pytest.raises(KeyError, match=r"record lacks \['tokens'\]"):
        inspect.logit_lens(it.model, lacking)
    with pytest.raises(KeyError, match=r"record lacks \['nothing'\]"):
        inspect.layer_features(it.record, names=["nothing"])


def test_a_record_of_other_images_or_of_another_model(seen, small):
    it = seen(small())
    other = small(image_size=8)
    for read in (inspect.attention_distance, inspect.rollout_mask, inspect.query_maps):
        with pytest.raises(ValueError, match="record has 13 tokens; expected 17, 4 x 4 patches and a class token"):
            read(it.record, other)
    with pytest.raises(ValueError, match="record has 13 tokens; expected 12, 3 x 4 patches: "):
        inspect.attention_distance(it.record, small(classifier="gap"))
    with pytest.raises(ValueError, match="record has 3 blocks; expected 2"):
        inspect.logit_lens(vn.ViT(small(depth=2), 0), it.record)
    with pytest.raises(TypeError, match="config is a ViT; expected a ViTConfig or a HybridConfig"):
        inspect.attention_distance(it.record, it.model)


def test_positions_that_are_not_there(small):
    for kind, why in (("none", "the model has none"), ("relative", "a vector per distance")):
        with pytest.raises(ValueError, match=f"position_embedding='{kind}': .*{why}"):
            inspect.position_vectors(vn.ViT(small(position_embedding=kind), 0))
    every = vn.ViT(small(position_at="every"), 0)
    for block in (None, 3):
        with pytest.raises(ValueError, match=rf"block={block} is not allowed; block must be 0 \.\.\. 2"):
            inspect.position_vectors(every, block)
    with pytest.raises(ValueError, match="block=0 is not allowed; block must be None"):
        inspect.position_vectors(vn.ViT(small(), 0), 0)


def test_grids(rng):
    with pytest.raises(ValueError, match="vectors has 13 rows: no square grid"):
        inspect.position_similarity(rng.standard_normal((13, 4)))
    with pytest.raises(ValueError, match="vectors has 13 rows; expected 15 for a grid of 3 x 5, or one more"):
        inspect.position_similarity(rng.standard_normal((13, 4)), (3, 5))
    with pytest.raises(ValueError, match="vectors holds zeros alone for patch 2"):
        inspect.position_similarity(np.eye(4)[[0, 1, 2, 3]] * np.array([[1], [1], [0], [1]]))
    with pytest.raises(ValueError, match=r"shape \(1, 17, 4\)\) must hold finite numbers \(T, D\)"):
        inspect.position_similarity(np.ones((1, 17, 4)))
    with pytest.raises(ValueError, match=r"image_hw=\(2, 8\) has fewer pixels"):
        inspect.to_pixels(np.ones((3, 4)), (2, 8))


def test_numbers_out_of_range(seen, small, rng):
    it = seen(small())
    for query in ((3, 0), (0, 4), (-1, 0), "token"):
        with pytest.raises(ValueError, match=r"query must be .* in a grid of 3 x 4"):
            inspect.query_maps(it.record, it.config, query)
    with pytest.raises(ValueError, match=r"block=3 is not allowed; block must be in -3 \.\.\. 2"):
        inspect.query_maps(it.record, it.config, block=3)
    gap = seen(small(classifier="gap"))
    with pytest.raises(ValueError, match="query='class' is not allowed"):
        inspect.query_maps(gap.record, gap.config)
    for depth in (0, 4, 1.5):
        with pytest.raises(ValueError, match=r"depth must be (1 \.\.\. 3|a positive integer)"):
            inspect.rollout(it.record, depth)
    for classes in ([5], [-1], 3, [0.5]):
        with pytest.raises(ValueError, match=r"classes must be a list from 0 \.\.\. 4"):
            inspect.token_lens(it.model, it.record, classes)
    for heads in ((3, 0), (0, 3), [(0, 0), (-1, 0)], [1, 2, 3], [(0,)], (0.5, 0)):
        for room, model in ((inspect, vn.ViT(small(), 0)), (vitedu.inspect, vitedu.ViT(small()))):
            with pytest.raises(ValueError, match=r"block 0 \.\.\. 2, head 0 \.\.\. 2"):
                room.without_heads(model, heads)
    weight = rng.standard_normal((5, 12))
    for count in (0, 5, 28, 2.0):
        with pytest.raises(
            ValueError, match=r"count must be (1 \.\.\. 4 for 5 filters of 12 numbers|a positive integer)"
        ):
            inspect.filter_components(weight, 2, count)
    with pytest.raises(ValueError, match="patch_size=5"):
        inspect.filter_components(weight, 5, 1)
    with pytest.raises(ValueError, match="nothing varies"):
        inspect.filter_components(np.ones((5, 12)), 2, 1)


def test_a_pre_training_model_has_no_head(small):
    model = vn.MaskedPatchViT(small(), 0)
    with pytest.raises(TypeError, match="MaskedPatchViT without a classifier"):
        inspect.logit_lens(model, {})


def test_features_that_cannot_be_compared(rng, bit, seen, small):
    X = rng.standard_normal((6, 3))
    with pytest.raises(ValueError, match=r"Ys\[0\] has 5 rows, Xs\[0\] 6"):
        inspect.linear_cka(X, X[:5])
    for constant in (np.zeros((6, 2)), np.full((6, 2), 0.1), np.full((6, 2), 0.1, np.float32)):
        with pytest.raises(ValueError, match=r"Ys\[0\] is the same for all images"):
            inspect.linear_cka(X, constant)
    with pytest.raises(ValueError, match=r"n >= 4"):
        inspect.linear_cka(X[:3], X[:3], unbiased=True)
    with pytest.raises(ValueError, match=r"X has shape \(6, 3, 1\)"):
        inspect.linear_cka(X[..., None], X)
    with pytest.raises(ValueError, match=r"X \(dtype float64\) must hold finite real numbers"):
        inspect.linear_cka(X * np.nan, X)
    with pytest.raises(ValueError, match="must not be empty"):
        inspect.cka_matrix([])
    _, record = bit
    with pytest.raises(ValueError, match="is a feature map, which has no class token"):
        inspect.layer_features(record, "first", ["stage0/unit0/out"])
    with pytest.raises(ValueError, match="read='last' is not allowed"):
        inspect.layer_features(seen(small()).record, "last")


def test_images_of_another_size_are_refused_by_the_model(seen, small):
    it = seen(small())
    with pytest.raises(ValueError, match=r"expected \(B, C, H, W\) with \(C, H, W\) = \(3, 6, 8\)"):
        it.model(it.images[..., :-2], {})
