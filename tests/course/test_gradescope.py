"""The zip for Gradescope, in a folder that is laid out like its /autograder: there is always a result, and in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile

import pytest

from vitedu.course.gradescope import write_autograder

ANSWERS = """
import numpy as np
from vitedu import check

def my_softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

check.softmax(my_softmax)

def my_attention(q, k, v):
    import os
    for path in ("/autograder/results/results.json", "results.json"):
        try:
            open(path, "w").write('{"score": 100}')
        except OSError:
            pass
    os._exit(0)

check.attention(my_attention)
"""


@pytest.fixture(scope="module")
def zipped(tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "autograder.zip"
    list(write_autograder(path, ["03"], seconds=60))
    return path


@pytest.fixture
def autograder(zipped, tmp_path, level):
    """autograder(python): the results after a run in which `python` is what setup.sh would have installed."""

    def run(python):
        root = tmp_path / "autograder"
        for folder in ("submission", "results", "venv/bin"):
            (root / folder).mkdir(parents=True)
        (root / "submission" / "answers.py").write_text(ANSWERS)
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(root / "source")
        program = root / "venv" / "bin" / "python"
        program.write_text(f"#!/bin/sh\n{python}\n")
        program.chmod(0o755)
        environment = {**os.environ, "AUTOGRADER_ROOT": str(root)}
        began = time.monotonic()
        done = subprocess.run(["bash", root / "source" / "run_autograder"], env=environment, timeout=120)
        assert done.returncode == 0
        return json.loads((root / "results" / "results.json").read_text()), time.monotonic() - began

    return run


def test_what_is_in_the_zip(zipped):
    """Programs that can be run, both packages, no weights: it stays below a megabyte."""
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
        assert [archive.getinfo(n).external_attr >> 16 for n in ("setup.sh", "run_autograder")] == [0o755] * 2
        for script in ("setup.sh", "run_autograder"):
            assert subprocess.run(["bash", "-n"], input=archive.read(script)).returncode == 0
    assert {"package/vitedu/check/engine.py", "package/vitedu_numpy/layers/linear.py"} <= set(names)
    assert not [n for n in names if n.endswith((".safetensors", ".pyc"))]
    assert zipped.stat().st_size < 1e6


def test_a_submission_is_marked(autograder):
    """One right answer and one that ends its process after it has tried to write a result of its own."""
    found, _ = autograder(f'exec {sys.executable} "$@"')
    assert (found["score"], found["visibility"], found["stdout_visibility"]) == (5, "visible", "hidden")
    tests = {test["name"]: test for test in found["tests"]}
    assert (tests["softmax"]["score"], tests["softmax"]["max_score"], tests["softmax"]["status"]) == (5, 5, "passed")
    assert (tests["attention"]["score"], tests["attention"]["status"]) == (0, "failed")
    assert "it ended its process" in tests["attention"]["output"]
    assert tests["for the instructor"]["visibility"] == "hidden"
    assert "the answer uses `open`, `os`" in tests["for the instructor"]["output"]


@pytest.mark.parametrize("python", ["exit 1", "kill -9 $$"], ids=["fails", "is killed"])
def test_there_is_a_result_when_the_marker_itself(python, autograder):
    found, seconds = autograder(python)
    assert found["score"] == 0
    assert found["tests"][0]["max_score"] == 60
    assert seconds < 30


def test_the_time_limit_is_the_markers_own(zipped):
    """10 seconds more than the marker gives itself, so that it is `timeout` that ends what hangs."""
    with zipfile.ZipFile(zipped) as archive:
        assert "timeout -k 5 70 " in archive.read("run_autograder").decode()
        assert json.loads(archive.read("settings.json"))["limits"]["total"] == 40


@pytest.mark.parametrize(("settings", "word"), [({"wanted": []}, "wanted"), ({"seconds": 5}, "seconds=5")])
def test_errors_name_the_argument(settings, word, tmp_path):
    with pytest.raises(ValueError, match=word):
        list(write_autograder(tmp_path / "a.zip", **{"wanted": ["03"], **settings}))
