"""The runner: what is finished stays finished, and nothing of other settings gets into a table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_experiments import MODEL, SMALL

from vitedu.experiments import Budget, Condition, Experiment, Measured, Panel, read_results, run_experiment
from vitedu.experiments.experiment import plain
from vitedu.experiments.results import COLUMNS, Results, Row, format_results


def quiet(*_):
    """In place of `print`."""


def values(results):
    """All of a table but its seconds."""
    return [row._replace(seconds=0) for row in results.rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The experiment from start to end: (folder, results)."""
    out = tmp_path_factory.mktemp("whole")
    return out, run_experiment(SMALL, out, command="vitedu experiment small", report=quiet)


def test_the_table(whole):
    out, results = whole
    found = read_results(out / "small")
    assert (out / "small.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    assert [(r.condition, r.n, r.seed, r.metric) for r in found.rows] == [
        (c.name, n, seed, metric)
        for seed in (0, 1)
        for n in (8, 30)
        for c in SMALL.conditions
        for metric in SMALL.metrics
    ]
    for kept, was in zip(found.rows, results.rows, strict=True):
        assert kept.value == pytest.approx(was.value, rel=1e-5)  # six digits are written
        assert kept.steps in (4, 8)
    about = found.about
    assert (about["cells"], about["finished"], about["command"]) == (8, 8, "vitedu experiment small")
    assert about["conditions"]["rate 0.001"]["model"]["width"] == MODEL.width
    assert about["machine"]["torch"]
    assert about["hours"] >= 0
    assert (out / "small.png").stat().st_size > 5000
    losses = found.values("training loss", "rate 0.01", 30)
    assert set(losses) == {0, 1}
    assert losses[0] != losses[1]  # seeds differ
    mean, error = found.mean("training loss", "rate 0.01", 30)
    assert mean == pytest.approx(sum(losses.values()) / 2)
    assert error == pytest.approx(abs(losses[0] - losses[1]) / 2)  # the standard error of two values


def test_a_table_to_read():
    """One line for each of what there is more of; a mean with its standard error; how many seeds, where some lack."""

    def rows(conditions, sizes, metrics=("accuracy", "loss"), seeds=(0, 1)):
        return [
            Row("e", c, n, seed, metric, 0.5 + 0.2 * seed, 1, 0.0)
            for c in conditions for n in sizes for seed in seeds for metric in metrics
        ]  # fmt: skip

    def table(rows):
        return format_results(Results(rows, {"finished": 2, "cells": 3})).splitlines()

    shown = "0.600 ± 0.100"  # of 0.5 and 0.7
    assert table(rows("AB", [8])) == [
        "| metric | A | B |",
        "| --- | --- | --- |",
        f"| accuracy | {shown} | {shown} |",
        f"| loss | {shown} | {shown} |",
        "",
        "2 of 3 cells, seeds 0, 1",
    ]
    assert table(rows("ABC", [8]))[2:5] == [f"| {c} | {shown} | {shown} |" for c in "ABC"]
    assert table(rows("A", [30, 8]))[2:4] == [f"| {n} | A | {shown} | {shown} |" for n in (8, 30)]
    lacking = rows("A", [8]) + rows("B", [8], seeds=(0,)) + rows("C", [8], metrics=("loss",))
    assert table(lacking)[3:5] == ["| B | 0.500 (1) | 0.500 (1) |", f"| C | - | {shown} |"]


def test_killed_and_restarted_it_gives_the_same(whole, tmp_path, rng):
    """SIGKILL at a random moment, twice; then what is there is whole, and the rest is computed: equal to the bit."""
    script = Path(__file__).with_name("small_experiments.py")
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(script.parent)])}
    for wanted in (1, 4):
        process = subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)], env=environment, stdout=subprocess.DEVNULL
        )
        while len(list(tmp_path.glob("parts/[!.]*.json"))) < wanted and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    parts = {path: path.read_bytes() for path in tmp_path.glob("parts/[!.]*.json")}
    assert len(parts) >= 4
    results = run_experiment(SMALL, tmp_path, report=quiet)
    assert values(results) == values(whole[1])
    assert all(path.read_bytes() == content for path, content in parts.items())  # none was computed again


def test_processes_give_the_same(whole, tmp_path):
    results = run_experiment(SMALL, tmp_path, workers=2, report=quiet)
    assert values(results) == values(whole[1])


def test_what_is_finished_is_not_measured_again(whole):
    out, results = whole
    broken = replace(SMALL, measure=None)  # nobody calls it
    assert values(run_experiment(broken, out, report=quiet)) == values(results)


def test_other_settings_never_mix(tmp_path):
    """Each change leads to cells of their own, in the same folder; going back finds the old ones."""
    one = dict(seeds=[0], fast=True, report=quiet)
    first = run_experiment(SMALL, tmp_path, **one)
    changed = replace(MODEL, mlp_dim=24)
    other_model = replace(SMALL, conditions=(Condition("rate 0.001", {"model": changed, "rate": 1e-3}),))
    variants = [  # ..., cells, does the training itself differ?
        (replace(SMALL, fast=replace(SMALL.fast, batch_size=5)), one, 2, True),
        (replace(SMALL, fast=replace(SMALL.fast, images=21)), one, 2, False),
        (replace(SMALL, version=2), one, 2, False),
        (SMALL, one | {"steps": 3}, 2, True),
        (SMALL, one | {"seeds": [3]}, 2, True),
        (other_model, one, 1, True),
    ]
    count = 2
    for experiment, options, cells, differs in variants:
        results = run_experiment(experiment, tmp_path, **options)
        count += cells
        assert len(results.rows) == 2 * cells
        assert len(list(tmp_path.glob("parts/*.json"))) == count
        losses = [[r.value for r in found.rows if r.metric == "training loss"] for found in (results, first)]
        assert (losses[0] != losses[1][:cells]) == differs
    again = run_experiment(replace(SMALL, measure=None), tmp_path, **one)
    assert values(again) == values(first)


def test_conditions_and_seeds_can_be_chosen(tmp_path):
    results = run_experiment(SMALL, tmp_path, fast=True, seeds=[2, 5], conditions=["rate 0.01"], report=quiet)
    assert {(r.condition, r.seed) for r in results.rows} == {("rate 0.01", 2), ("rate 0.01", 5)}


def test_a_partial_grid_is_called_partial(tmp_path):
    """A time that is over after the first cell: the table holds what is finished, and says of how much."""
    said = []
    short = replace(SMALL, full=replace(SMALL.full, minutes=1e-9))
    results = run_experiment(short, tmp_path, minutes=1e-8, report=said.append)
    assert results.about["finished"] < results.about["cells"] == 8
    assert "the same command goes on" in said[-1]


def test_refused(tmp_path, whole):
    for options, words in (
        (dict(seeds=[]), "seeds"), (dict(seeds=[1, 1]), "seeds"), (dict(steps=0), "steps=0"),
        (dict(conditions=["rate 1"]), r"\['rate 1'\].*rate 0.001"), (dict(workers=0), "workers"),
        (dict(minutes=0), "minutes"), (dict(device="tpu"), "device='tpu'"),
        (dict(minutes=0.01), "seed 0 of small takes about 0.05 minutes"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            run_experiment(SMALL, tmp_path, report=quiet, **options)
    assert not list(tmp_path.glob("parts/*"))


def test_a_part_that_is_none(tmp_path):
    run_experiment(SMALL, tmp_path, fast=True, report=quiet)
    path = min(tmp_path.glob("parts/*.json"))
    content = json.loads(path.read_text())
    for wrong in ("{", "[]", json.dumps(content | {"kind": "x"}), json.dumps(content | {"measured": {}})):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=path.name):
            run_experiment(SMALL, tmp_path, fast=True, report=quiet)


def test_measures_are_checked(tmp_path):
    """Every metric, no other, and finite."""
    for found in ({"accuracy": 1.0}, {"accuracy": float("nan"), "training loss": 0.0}):
        wrong = replace(SMALL, measure=lambda settings, n, seeds, budget, device, found=found: [Measured(found, 1)])
        with pytest.raises(ValueError, match="expected a finite number for each"):
            run_experiment(wrong, tmp_path, fast=True, report=quiet)


def test_tables_that_are_none(tmp_path, whole):
    (tmp_path / "a.csv").write_text("experiment,value\n")
    with pytest.raises(ValueError, match=r"a\.csv does not begin with the columns"):
        read_results(tmp_path / "a")
    lines = (whole[0] / "small.csv").read_text().splitlines()
    (tmp_path / "a.csv").write_text("\n".join([*lines[:3], "small,x,eight,0,accuracy,1,1,1"]))
    with pytest.raises(ValueError, match=r"a\.csv, line 4"):
        read_results(tmp_path / "a")
    with pytest.raises(ValueError, match="n=9: expected one of"):
        whole[1].values("accuracy", "rate 0.01", 9)


def test_declarations_are_checked():
    twice = (Condition("a", {}), Condition("a", {}))
    budget = Budget((1,), 1, 1, 1, (0,), 1.0)
    options = dict(question="", prediction="", metrics={"accuracy": ""}, measure=None, full=budget, fast=budget)
    with pytest.raises(ValueError, match="all different"):
        Experiment("x", conditions=twice, **options)
    with pytest.raises(ValueError, match="'loss'"):
        Experiment("x", conditions=twice[:1], panels=(Panel("p", ("loss",)),), **options)
    with pytest.raises(TypeError, match="settings hold a set"):
        plain({"a": {1, 2}})
