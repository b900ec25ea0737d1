"""What is done is kept in one local file, written whole or not at all; `vitedu progress` shows it."""

from __future__ import annotations

import json
import os

import pytest

from vitedu import check
from vitedu.check import progress
from vitedu.check.catalogue.further import PRINTED, SHOWN
from vitedu.cli import main


@pytest.fixture
def kept(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "progress.json"
    monkeypatch.setenv("VITEDU_PROGRESS", str(path))
    return path


def right(inputs, outputs):
    return inputs * outputs + outputs


def wrong(inputs, outputs):
    return inputs * outputs


def untouched(inputs, outputs):
    raise NotImplementedError


def test_tries_are_counted_until_the_first_right_one(kept, capsys):
    for answer in (untouched, wrong, wrong, right, wrong):
        check.linear_parameters(answer)
    entry = json.loads(kept.read_text())["linear_parameters"]
    assert entry["tries"] == 3  # the stub is no try, and after the right one nothing is counted any more
    assert entry["done"] is not None
    assert os.listdir(kept.parent) == ["progress.json"]  # no temporary file is left


def test_a_solution_that_is_run_is_not_the_readers(kept, capsys):
    """ "Run All Cells" runs the folded solutions too; what they print is labelled, and nothing is done by it."""

    def solved_linear_parameters(inputs, outputs):
        return right(inputs, outputs)

    check.linear_parameters(wrong)
    check.linear_parameters(solved_linear_parameters)
    assert capsys.readouterr().out.splitlines()[-1].startswith("The solution of linear_parameters: right on all ")
    entry = json.loads(kept.read_text())["linear_parameters"]
    assert (entry["tries"], entry["done"]) == (1, None)
    check.hint()  # still of the reader's own answer
    assert capsys.readouterr().out.startswith("linear_parameters, hint 1 of ")


def test_verdict_alone_writes_nothing(kept):
    check.linear_parameters.verdict(right)
    assert not kept.exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", '{"linear_parameters": 3}', '{"linear_parameters": {"tries": "x"}}']
)
def test_a_damaged_file_is_begun_anew(kept, content):
    kept.parent.mkdir()
    kept.write_text(content)
    assert progress.read() == {}
    progress.note("linear_parameters", True)
    assert progress.read()["linear_parameters"]["tries"] == 1


def test_where_nothing_can_be_written_the_check_still_speaks(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(
        "VITEDU_PROGRESS", str(tmp_path / "file" / "progress.json")
    )  # a folder is needed, a file is there
    check.linear_parameters(right)
    assert "right on all 4 random cases" in capsys.readouterr().out


def test_off_keeps_nothing(monkeypatch, capsys):
    monkeypatch.setenv("VITEDU_PROGRESS", "off")
    assert progress.file() is None
    check.linear_parameters(right)
    assert progress.read() == {}


def test_the_command_shows_level_minutes_tries_and_days(kept, capsys):
    check.num_tokens(lambda height, width, patch_size: 1)
    check.num_tokens(lambda height, width, patch_size: height // patch_size * (width // patch_size) + 1)
    check.vit_parameters(lambda config: 1)
    check.softmax_backward(lambda dA, A: A * (dA - (A * dA).sum(axis=-1, keepdims=True)))  # one that no notebook asks
    capsys.readouterr()
    assert main(["progress"]) == 0
    said = capsys.readouterr().out
    assert "00_map: 1 of 3" in said
    assert "[x] num_tokens                       level 1, about  5 minutes   done 2" in said
    assert "[ ] vit_parameters                   level 2, about 20 minutes   one try" in said
    assert "linear_parameters" not in said  # no exercise: what notebook 00 shows a check with
    assert "03_attention" not in said  # nothing tried there
    asked = len(check.CHECKS) - len(PRINTED) - len(SHOWN)
    assert f"1 of {asked} exercises of the notebooks done" in said
    assert f"1 of {len(PRINTED)} further ones." in said
    assert main(["progress", "--all"]) == 0
    assert "03_attention: 0 of 6" in capsys.readouterr().out
