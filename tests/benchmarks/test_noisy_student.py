"""benchmarks/noisy_student.py, on digits, a few steps: it runs, goes on, and its table is right."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "noisy_student.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("noisy_student_script", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def rows(folder):
    with open(folder / "results.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("backbone", "models"), [("efficientnet", 9), ("vit", 9), ("bit", 7)])
def test_it_runs_and_goes_on(backbone, models, script, tmp_path, capsys, monkeypatch):
    """BiT has neither dropout nor stochastic depth, so two conditions fewer."""
    arguments = ["--data", "digits", "--pixels", "8", "--fast", "--backbone", backbone, "--out", str(tmp_path)]
    script.main([*arguments, "--seeds", "1"])
    first = rows(tmp_path)
    assert len(first) == models
    assert [row["round"] for row in first if row["condition"] == "student"] == ["1", "2"]
    assert len(rows_of_tuning := (tmp_path / "tuning.csv").read_text().splitlines()) == 1 + 4 * 2, rows_of_tuning
    trained = []
    monkeypatch.setattr(script, "tqdm", lambda steps, desc, **_: trained.append(desc) or steps)
    script.main([*arguments, "--seeds", "1"])
    assert trained == []
    assert rows(tmp_path) == first
    if backbone == "vit":
        (tmp_path / "results.csv").unlink()  # stopped before any row was written: the models are still there
        script.main([*arguments, "--seeds", "1"])
        assert trained == []
        assert rows(tmp_path) == first
        script.main([*arguments, "--seeds", "2"])  # another seed
        assert {desc.rpartition(", ")[2] for desc in trained} == {"seed 1"}
        assert [row for row in rows(tmp_path) if row["seed"] == "0"] == first
        assert "| student | 2 |" in capsys.readouterr().out
        with pytest.raises(SystemExit):
            script.main([*arguments, "--steps", "5"])
        assert "holds a run with other settings" in capsys.readouterr().err


def test_the_table_by_hand(script):
    """Means 30 and 33, standard errors |32 - 28| / 2 = 2 and 1; gains 4 and 2: 3 and 1."""
    made = [
        dict(condition=name, round=number, seed=seed, accuracy=accuracy)
        for name, number, values in (("teacher", 0, (0.28, 0.32)), ("student", 1, (0.32, 0.34)))
        for seed, accuracy in enumerate(values)
    ]
    assert script.table(made).splitlines()[2:] == [
        "| teacher | 0 | 30.00 ± 2.00 | +0.00 ± 0.00 | 2 |",
        "| student | 1 | 33.00 ± 1.00 | +3.00 ± 1.00 | 2 |",
    ]


@pytest.mark.parametrize(("wrong", "words"), [(["--seeds", "0"], "--seeds 0"), (["--pixels", "3"], "--pixels 3")])
def test_wrong_arguments_are_refused(wrong, words, script, tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        script.main(["--data", "digits", "--pixels", "8", "--fast", "--out", str(tmp_path), *wrong])
    assert words in capsys.readouterr().err + str(error.value)


def test_each_condition_is_what_its_name_says(script):
    data = script.open_data("digits", script.Settings("vit", pixels=8, shots=4, unlabelled=100, held_out=50, test=100))
    experiment = script.Experiment(script.Settings("vit", pixels=8), data, None)
    names = [name for group in experiment.conditions for name, _, rounds in group if rounds]
    switches = {name: experiment.method_of(name) for name in names}
    on, off = script.Noise(), script.CLEAN
    assert {name: (method.noise, method.labelled_noise) for name, method in switches.items()} == {
        "student": (on, on),
        "student, no noise": (off, on),
        "student, clean": (off, off),
        "student, no input noise": (script.Noise(input=False), on),
        "student, no dropout": (script.Noise(dropout=False), on),
        "student, no stochastic depth": (script.Noise(stochastic_depth=False), on),
    }
    assert experiment.method_of("teacher, clean").labelled_noise == off
