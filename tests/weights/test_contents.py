"""What a file holds is read from its arrays' shapes, and from nothing that could be guessed wrong."""

from __future__ import annotations

from dataclasses import asdict, replace
from math import prod

import numpy as np
import pytest

from vitedu_numpy.models import named_config
from vitedu_numpy.weights import config_of, official_layout, save_npz


def test_settings_of_a_file(case, package, tmp_path):
    file = case.file()
    with open(tmp_path / "file.npz", "wb") as out:
        np.savez(out, **file)
    for source in (file, tmp_path / "file.npz", str(tmp_path / "file.npz")):
        found = package.weights.config_of(source)
        wanted = asdict(case.config)
        if "BiT" in type(found).__name__:
            wanted["image_size"] = 224  # a BiT takes any; its file names none
            wanted["base_width"] //= wanted["width_factor"] if wanted["base_width"] != 64 else 1
        assert asdict(found) == wanted
        assert type(found) is type(case.config)


def test_whether_there_is_a_class_token_is_read_not_guessed(make_file):
    """Without one, 196 rows are 14 x 14 patches; with one, 197 are."""
    assert config_of(make_file(rows=196, token=False)).grid == (14, 14)
    assert config_of(make_file(rows=197)).grid == (14, 14)
    assert config_of(make_file(rows=2)).grid == (1, 1)
    with pytest.raises(ValueError, match="no square grid; say image_size="):
        config_of(make_file(rows=196))  # with a class token these are 195 patches
    assert config_of(make_file(rows=1 + 3 * 5), image_size=(12, 20)).grid == (3, 5)


def test_a_file_without_positions_or_head_does_not_tell(make_file):
    file = make_file()
    del file["Transformer/posembed_input/pos_embedding"]
    with pytest.raises(ValueError, match="no positions; say image_size="):
        config_of(file)
    assert config_of(file, image_size=(8, 16)).position_embedding == "none"
    file = make_file()
    del file["head/kernel"], file["head/bias"]
    with pytest.raises(ValueError, match="no head; say num_classes="):
        config_of(file)
    assert config_of(file, num_classes=7).num_classes == 7


# The authors' counts (tests of google-research/vision_transformer, and its models evaluated), 1000 classes.
COUNTS = {
    "vit_ti16": 5717416, "vit_s16": 22050664, "vit_s32": 22878952, "vit_b8": 86576872, "vit_b16": 86567656,
    "vit_b32": 88224232, "vit_l16": 304326632, "vit_l32": 306535400, "vit_h14": 632045800, "r_ti16": 6337704,
    "r26_s32": 36431912, "r26_b32": 101383976, "r50_b16": 98659112, "r50_l32": 328994856, "bit_r50x1": 25549352,
    "bit_r101x1": 44541480, "bit_r50x3": 217319080, "bit_r101x3": 387934888, "bit_r152x2": 236335208,
    "bit_r152x4": 936533224,
}  # fmt: skip


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_the_layout_of_every_released_size(name, count):
    """As many numbers as the authors' model has; and the shapes alone lead back to the settings."""
    config = named_config(name)
    table = official_layout(config)
    assert sum(prod(entry.their_shape) for entry in table) == count
    assert len({entry.key for entry in table}) == len(table)
    # an array of any shape in no memory
    file = {entry.key: np.broadcast_to(np.float32(0), entry.their_shape) for entry in table}
    assert config_of(file) == config
    with_layer = replace(config, representation_size=config.width) if hasattr(config, "width") else config
    file = {entry.key: np.broadcast_to(np.float32(0), entry.their_shape) for entry in official_layout(with_layer)}
    assert config_of(file) == with_layer


def test_settings_are_written_only_where_a_reader_needs_them(case_of, package, tmp_path):
    """A file of a model that the authors could have trained is a file of theirs, without anything more."""
    config = case_of("ViT").config
    needed = {
        "as the authors'": (config, False),
        "erf GELU": (replace(config, gelu="erf"), True),
        "eps": (replace(config, layernorm_eps=1e-5), True),
        "dropout": (replace(config, dropout=0.1), True),
        "not square": (replace(config, image_size=(8, 32)), True),
        "no positions": (replace(config, position_embedding="none"), True),
    }
    for name, (changed, is_needed) in needed.items():
        save_npz(package.models.build(changed, 0), tmp_path / "file.npz")
        with np.load(tmp_path / "file.npz", allow_pickle=False) as file:
            assert ("vitedu/config" in file.files) == is_needed, name
            assert not is_needed or file["vitedu/config"].dtype.kind == "U"  # text: nothing to unpickle
        assert asdict(package.weights.config_of(tmp_path / "file.npz")) == asdict(changed), name
