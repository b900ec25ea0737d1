"""docs/experiments.md: its commands are understood, its code runs, its results are those that are shipped."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from fill_experiments import PAGE, PLACE, filled

from vitedu import experiments
from vitedu.cli import main
from vitedu.experiments.results import RECORDED

TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]


@pytest.mark.parametrize("line", COMMANDS, ids=[line.partition("#")[0].strip() for line in COMMANDS])
def test_commands(line, monkeypatch, capsys):
    """Nothing is carried out: the runner is told what it would do."""
    told = {}

    def instead(experiment, out, **options):
        experiment.cells(experiment.budget(fast=options["fast"], seeds=options["seeds"]), options["conditions"])
        told.update(options, out=out)
        return experiments.Results([], {"finished": 1, "cells": 1})

    monkeypatch.setattr(experiments, "run_experiment", instead)
    program, *arguments = shlex.split(line, comments=True)
    assert program == "vitedu"
    assert main(arguments) == 0, capsys.readouterr().err
    assert len(arguments) == 1 or shlex.split(told["command"]) == [program, *arguments]


def test_code_runs(capsys):
    for kind, block in BLOCKS:
        if kind == "python":
            exec(compile(block, str(PAGE), "exec"), {})
    assert "(1000, 3, 24, 24) ['angle'" in capsys.readouterr().out


def test_results_are_those_recorded():
    """After new ones: python docs/fill_experiments.py"""
    names = [name for _, name, _ in PLACE.findall(TEXT)]
    assert set(experiments.recorded_names()) <= set(names) <= set(experiments.list_experiments())
    assert TEXT == filled(TEXT)


def test_results_are_in_the_package():
    """Tables come with their sidecars, and stand where an installation takes them along."""
    assert RECORDED.parent == Path(experiments.__file__).parent
    assert {path.stem for path in RECORDED.glob("*.csv")} == {path.stem for path in RECORDED.glob("*.json")}
