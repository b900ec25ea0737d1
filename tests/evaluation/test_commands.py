"""`vitedu predict` and `vitedu evaluate`, as they are typed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vitedu import cli
from vitedu.commands.evaluate import _name


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two photographs as files."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    folder = tmp_path_factory.mktemp("photos")
    for name in ("china", "flower"):
        Image.fromarray(load_sample_image(f"{name}.jpg")[:100, :150]).save(folder / f"{name}.jpg")
    return folder


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """Twenty grey images of two of CIFAR-10's classes, as class folders."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("cifar")
    for i in range(20):
        path = folder / "test" / ("cat", "truck")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32, 3), 12 * i, np.uint8)).save(path)
    return folder


def vitedu(capsys, *words):
    """(exit code, what was printed, what went to stderr)"""
    code = cli.main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_predict(photos, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    paths = photos / "china.jpg", photos / "flower.jpg"
    code, out, err = vitedu(capsys, "predict", "vit_cifar10", *paths, "--top", 2, "--out", picture)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [lines[0], lines[3]] == [f"{path}:" for path in paths]
    assert all(line.endswith("%") for line in (lines[1], lines[2], lines[4], lines[5]))
    assert lines[6:] == [f"picture: {picture}"]
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]  # nothing half-written beside it


def test_images_that_are_none_do_not_stop_the_others(photos, tmp_path, capsys):
    broken, nowhere = tmp_path / "text.jpg", tmp_path / "nowhere.jpg"
    broken.write_text("no image", encoding="utf-8")
    code, out, err = vitedu(capsys, "predict", "vit_cifar10", nowhere, broken, tmp_path, photos / "china.jpg")
    assert code == 1
    assert out.startswith(f"{photos / 'china.jpg'}:")
    first, second, third = err.splitlines()
    assert first == f"vitedu: {nowhere}: No such file or directory"
    assert second.startswith(f"vitedu: {broken} is no image that can be read: ")
    assert third == f"vitedu: {tmp_path}: this is a folder; name the images in it, as {tmp_path}/*.jpg does"


def test_wrong_use_of_predict(photos, capsys):
    assert vitedu(capsys, "predict", "vit_cifar10", photos / "china.jpg", "--top", 0)[0] == 2
    code, _, err = vitedu(capsys, "predict", "vit_cifar11", photos / "china.jpg")
    assert code == 1
    assert "path_or_id='vit_cifar11' is no file or folder here" in err
    assert vitedu(capsys, "predict")[0] == 2


def test_evaluate_twice_and_a_table(cifar, tmp_path, capsys):
    words = ("evaluate", "vit_cifar10", "--data", cifar, "--split", "test", "--out", tmp_path / "cells")
    code, first, err = vitedu(capsys, *words)
    assert (code, err) == (0, "")
    assert first.startswith(f"vit_cifar10 on {cifar}, test: top1 ")
    assert "of 20 images; classes by name" in first
    code, second, _ = vitedu(capsys, *words)
    assert code == 0
    assert second.startswith(first.strip() + "; was there: ")
    code, third, _ = vitedu(capsys, *words, "--again")
    assert (code, third) == (0, first)

    code, table, _ = vitedu(capsys, "evaluate", "--table", tmp_path / "cells")
    assert code == 0
    assert f"| model | {cifar.name}, test (n = 20) |" in table
    assert (tmp_path / "cells" / "table.md").read_text(encoding="utf-8") == table
    assert (tmp_path / "cells" / "table.csv").read_text(encoding="utf-8").startswith("model,digest,data,")
    assert (tmp_path / "cells" / "table.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "top-1" in (tmp_path / "cells" / "table.svg").read_text(encoding="utf-8")
    (path,) = (tmp_path / "cells").glob("*.json")
    p, n = json.loads(path.read_text(encoding="utf-8"))["metrics"]["top1"]["value"], 20
    assert f"top1 {100 * p:.2f} ± {100 * (p * (1 - p) / n) ** 0.5:.2f} %" in first


def test_one_bad_cell_does_not_stop_the_others(cifar, tmp_path, capsys):
    code, out, err = vitedu(capsys, "evaluate", "nothing", "vit_cifar10", "--data", cifar, "digits", "--split", "test")
    assert code == 1
    assert len(out.splitlines()) == 1  # vit_cifar10 on the folder
    lines = err.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == [
        f"nothing, {cifar}",
        "nothing, digits",
        "vit_cifar10, digits",
    ]
    assert "'0', '1', '2', '3', '4' ..." in lines[2]  # digits are no classes of CIFAR-10: named, and not compared


def test_wrong_use_of_evaluate(cifar, tmp_path, capsys):
    assert vitedu(capsys, "evaluate")[0] == 2
    assert vitedu(capsys, "evaluate", "vit_cifar10")[0] == 2
    code, _, err = vitedu(capsys, "evaluate", "vit_cifar10", "--data", cifar)
    assert code == 1
    assert "has no split 'validation'; its splits are test" in err
    code, _, err = vitedu(capsys, "evaluate", "--table", tmp_path)
    assert code == 1
    assert "holds no cells" in err


def test_what_a_model_is_called():
    assert [_name(s) for s in ("runs/a/", "runs/a/model.safetensors", "x.npz", "owner/name", "b.safetensors")] == [
        "a", "a", "x", "name", "b",
    ]  # fmt: skip
