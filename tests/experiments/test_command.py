"""`vitedu experiment`: the list, one in seconds, and what is refused."""

from __future__ import annotations

import pytest

from vitedu.cli import main
from vitedu.experiments import get_experiment, list_experiments, read_results


def test_without_a_name_it_lists(capsys):
    assert main(["experiment"]) == 0
    said = capsys.readouterr().out
    for name in list_experiments():
        assert f"{name}: {get_experiment(name).question}" in said
    assert "minutes of one core" in said


def test_one_condition_fast(tmp_path, capsys):
    arguments = ["experiment", "data_size", "--fast", "--steps", "2", "--conditions", "ViT", "--out", str(tmp_path)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "[2/2] ViT, n=400, seed 0" in said
    results = read_results(tmp_path / "data_size-fast")
    assert results.about["command"] == " ".join(["vitedu", *arguments])
    assert {row.n for row in results.rows} == {40, 400}
    assert (tmp_path / "data_size-fast.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["locality", "--conditions", "MLP"],
            "conditions=['MLP'] are not in locality; it has ['ViT', 'hybrid', 'BiT']",
        ),
        (["locality", "--minutes", "0.1"], "seed 0 of locality takes about"),
        (["locality", "--seeds", "1", "1"], "seeds=(1, 1) is not allowed"),
        (["locality", "--device", "tpu"], "device='tpu' is not allowed"),
    ],
)
def test_refused(arguments, words, tmp_path, capsys):
    assert main(["experiment", *arguments, "--out", str(tmp_path)]) == 1
    assert words in capsys.readouterr().err


def test_a_name_that_is_none(capsys):
    """Wrong usage, exit code 2; the nearest name is offered."""
    assert main(["experiment", "localty"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "vitedu experiment: name='localty' is not an experiment; did you mean 'locality'?  there are "
    )
