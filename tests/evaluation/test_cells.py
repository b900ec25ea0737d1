"""One model on one data set: the numbers, their standard errors, the file; many of them as a table."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
import torch
from greys import Greys

from vitedu.engine.distributed import World
from vitedu.engine.evaluate import _batches
from vitedu.evaluation import csv_table, evaluate_cell, markdown_table, read_cells, standard_error
from vitedu.evaluation.cell import model_digest
from vitedu.evaluation.sets import open_set
from vitedu.recipes import Execution

CPU = Execution(device="cpu", threads=1)
LEVELS = [0, 50, 100, 150, 200, 250]
CLASSES = ("k0", "k1", "k2", "k3", "k4", "k5")


@pytest.fixture
def folder(tmp_path, write_images):
    """Ten images in the six classes' folders; three are of another class's level, one of those is far away."""
    right = {f"val/k{k}/0.png": LEVELS[k] + 3 for k in range(6)}
    wrong = {"val/k0/1.png": 52, "val/k1/1.png": 1, "val/k0/2.png": 250, "val/k3/1.png": 151}
    return write_images(tmp_path / "images", right | wrong)


def test_the_numbers(folder):
    cell = evaluate_cell(Greys(LEVELS, CLASSES), folder, run=CPU)
    assert cell["n"] == 10
    assert cell["metrics"]["top1"] == {"value": 0.7, "standard_error": math.sqrt(0.7 * 0.3 / 10)}
    assert cell["metrics"]["top5"]["value"] == 0.9  # 250 in k0: the sixth choice of six
    assert cell["data"]["classes"] == "by name"
    assert (standard_error(0.5, 100), standard_error(1.0, 7)) == (0.05, 0.0)


def test_a_dataset_of_the_datasets_library(png, tmp_path):
    """In place of a folder; its cell is found again by its contents, and is not that of another data set."""
    from datasets import ClassLabel, Dataset, Features, Image

    features = Features({"image": Image(), "label": ClassLabel(names=CLASSES[::-1])})
    rows = {"image": [{"bytes": png(level), "path": None} for level in LEVELS], "label": [5, 4, 3, 2, 1, 5]}
    dataset, out = Dataset.from_dict(rows, features), str(tmp_path / "cells")
    cell = evaluate_cell(Greys(LEVELS, CLASSES), dataset, run=CPU, out=out)
    assert (cell["metrics"]["top1"]["value"], cell["data"]["classes"]) == (5 / 6, "by name")
    assert (cell["data"]["name"], cell["data"]["split"]) == ("Dataset in memory", "train")
    assert not evaluate_cell(Greys(LEVELS, CLASSES), dataset, run=CPU, out=out)["computed"]
    fewer = evaluate_cell(Greys(LEVELS, CLASSES), dataset.select(range(5)), run=CPU, out=out)
    assert (fewer["computed"], fewer["metrics"]["top1"]["value"]) == (True, 1.0)


def test_batches_and_precision_change_nothing(folder):
    cells = [evaluate_cell(Greys(LEVELS, CLASSES), folder, run=CPU, batch_size=size) for size in (1, 3, 256)]
    cells.append(evaluate_cell(Greys(LEVELS, CLASSES), folder, run=Execution(device="cpu", precision="float64")))
    assert all(cell["metrics"] == cells[0]["metrics"] for cell in cells)


def test_images_that_cannot_be_read_are_left_out_and_counted(folder, tmp_path):
    (tmp_path / "images" / "val" / "k0" / "3.png").write_text("no image", encoding="utf-8")
    cell = evaluate_cell(Greys(LEVELS, CLASSES), folder, run=CPU, batch_size=3)
    assert (cell["n"], cell["data"]["images"], cell["data"]["unreadable"]) == (10, 11, 1)
    assert len(cell["problems"]) == 1
    assert "3.png" in cell["problems"][0]


def test_a_cell_is_computed_once(folder, tmp_path, monkeypatch):
    model, out = Greys(LEVELS, CLASSES), tmp_path / "cells"
    first = evaluate_cell(model, folder, name="greys", out=str(out), run=CPU)
    assert first["computed"]
    (path,) = out.iterdir()
    assert path.name.startswith("greys--")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["model"]["digest"] == model_digest(model)
    assert kept["preparation"] == {"size": [3, 8, 8], "eval_resize": None}
    assert {"torch", "vitedu", "python", "device"} <= kept["versions"].keys()
    assert kept["date"][:2] == "20"

    def never(*arguments, **keywords):
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr("vitedu.evaluation.cell.evaluate_scores", never)
        second = evaluate_cell(model, folder, name="greys", out=str(out), run=CPU)
        assert not second["computed"]
        assert second["metrics"] == first["metrics"]
        for changes in ({"again": True}, {"by_number": True}):  # asked for; another question
            with pytest.raises(AssertionError, match="computed again"):
                evaluate_cell(model, folder, name="greys", out=str(out), run=CPU, **changes)
        with torch.no_grad():
            model.levels[0] += 1e-6  # another model
        with pytest.raises(AssertionError, match="computed again"):
            evaluate_cell(model, folder, name="greys", out=str(out), run=CPU)
    assert [p.name for p in out.iterdir()] == [path.name]  # what failed left nothing


def test_a_table_of_many(folder, tmp_path, write_images):
    out = str(tmp_path / "cells")
    other = write_images(tmp_path / "others", {"val/k0/1.png": 0, "val/k5/1.png": 0})
    good, bad = Greys(LEVELS, CLASSES), Greys(LEVELS[::-1], CLASSES)
    for name, model, data in (("good", good, folder), ("good", good, other), ("bad", bad, folder)):
        evaluate_cell(model, data, name=name, out=out, run=CPU)
    cells = read_cells(out)
    table = markdown_table(cells).splitlines()
    assert table[2] == "| model | images, validation (n = 10) | others, validation (n = 2) |"
    assert table[4] == "| bad | 10.00 ± 9.49 | - |"
    assert table[5] == "| good | 70.00 ± 14.49 | 50.00 ± 35.36 |"
    rows = list(csv.DictReader(io.StringIO(csv_table(cells))))
    assert len(rows) == 6  # top1 and top5
    values = {(r["model"], r["data"], r["metric"]): float(r["value"]) for r in rows}
    assert values["good", folder, "top5"] == 0.9


def test_files_that_are_no_cells(tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        read_cells(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no cells"):
        read_cells(tmp_path)
    for text in ("{", "[]", "{}", '{"kind": "vitedu cell 1", "n": 0}'):
        (tmp_path / "x.json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"x\.json does not hold a cell"):
            read_cells(tmp_path)


def test_two_processes_see_every_image_once(folder):
    """Each takes a half of every batch; of the last batch a part lies behind the end and counts for nothing."""
    model, seen = Greys(LEVELS, CLASSES), []
    _, opened = open_set(folder, None, model)
    for rank in (0, 1):
        world = World(rank, 2, torch.device("cpu"))
        for batch in _batches(opened.source, opened.ids, model.transform.pixels, world, CPU, 3):
            seen += batch.positions[batch.valid.numpy()].tolist()
    assert sorted(seen) == list(range(10))


def test_a_broken_model_is_said(folder):
    model = Greys(LEVELS, CLASSES)
    with torch.no_grad():
        model.levels[0] = np.nan
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        evaluate_cell(model, folder, run=CPU)
