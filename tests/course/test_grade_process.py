"""Between marker and student: what may go over the line, what the engine makes of results that are played back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitedu.check import CHECKS
from vitedu.check.running import guarded
from vitedu.course.process import Limits, StudentProcess, as_error
from vitedu.course.wire import LENGTHS, Broken, pack, unpack


def over(message):
    frame = pack(message)
    text, _ = LENGTHS.unpack(frame[: LENGTHS.size])
    return unpack(frame[LENGTHS.size : LENGTHS.size + text], frame[LENGTHS.size + text :])


def test_numbers_come_over_as_they_are():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2]
    sent = {
        "a": array,
        "b": (1, [2.5, -0.0, float("nan")], None, True),
        "c": 10**30,
        "d": "text",
        "e": np.zeros((0, 3)),
    }
    got = over(sent)
    assert (got["a"] == array).all()
    assert got["a"].dtype == np.float32
    assert got["e"].shape == (0, 3)
    assert got["c"] == 10**30
    assert type(got["b"]) is tuple
    assert repr(got["b"]) == repr(sent["b"])


@pytest.mark.parametrize("value", [object(), np.array([None]), np.array("x"), lambda: 0, {1, 2}, 1j])
def test_of_anything_else_only_the_name_of_its_type_comes_over(value):
    assert type(over({"x": value})["x"]).__name__ == type(value).__name__


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"arrays": [], "message": {"list": []}}',
        b'{"arrays": [["|O8", [1]]], "message": {"dict": []}}',
        b'{"arrays": [["<f8", [-1]]], "message": {"dict": []}}',
        b'{"arrays": [["<f8", [99999999999]]], "message": {"dict": []}}',
        b'{"arrays": [["<f8", [4611686018427387904, 4]]], "message": {"dict": []}}',
        b'{"arrays": [], "message": {"dict": [["x", {"array": 0}]]}}',
        b'{"arrays": [], "message": {"dict": [["x", {"special": {"call": 0}}]]}}',
        b'{"arrays": [], "message": {"dict": [["x", NaN]]}}',
        b'{"arrays": [], "message": {"dict": [["x", ' + b"9" * 5000 + b"]]}}",
        b'{"arrays": [], "message": {"dict": [["x", ' + b'{"list": [' * 30 + b"]}" * 30 + b"]]}}",
    ],
)
def test_a_frame_that_breaks_the_rules_is_refused(text):
    with pytest.raises(Broken):
        unpack(text, b"12345678")


def test_an_error_comes_over_by_its_type_and_text():
    """The engine compares crashes word for word; what it does not know is a RuntimeError."""
    for error in (KeyError("a"), ValueError("b"), np.linalg.LinAlgError("c")):
        made = as_error({"error": [c.__name__ for c in type(error).__mro__], "text": str(error), "line": "x[0]"})
        assert (type(made), str(made), made.line) == (type(error), str(error), "x[0]")
    assert type(as_error({"error": ["Evil", "object"], "text": "\x1b[31m"})) is RuntimeError
    assert type(as_error({"error": 5})) is RuntimeError


def test_the_engine_says_the_same_of_results_that_are_played_back():
    """For one wrong answer of each check that brings its own mistakes; seeds other than the usual too."""
    for name in ("softmax", "attention", "linear_backward", "num_tokens", "clip"):
        check = CHECKS[name]
        slips = getattr(check, "slips", check.mistakes)
        for seed, answer in ((None, check.reference), (7, slips[0].answer), (8, slips[-1].answer)):
            cases = check.cases(np.random.default_rng(check.seed if seed is None else seed))
            ran = [guarded(answer, args)[:2] for args in cases]
            there, here = check.judge(ran, seed, answer.__name__), check.verdict(answer, seed)
            assert (there.ok, there.mistake, there.message) == (here.ok, here.mistake, here.message)
            assert check.cases_right(ran, seed).count(True) <= len(cases)
            assert all(check.cases_right(ran, seed)) == (answer is check.reference)
    with pytest.raises(ValueError, match="ran holds 0 results; clip has"):
        CHECKS["clip"].judge([])


def test_what_a_student_sees():
    """Behind walls: Python, the two packages without the right answers, an empty folder; no other process."""
    try:
        StudentProcess("walls", Limits(), 30).__enter__().__exit__()
    except OSError as error:
        pytest.skip(str(error))
    source = """
import json, os
found = {
    "check": os.listdir(os.path.dirname(__import__("vitedu").__file__) + "/check"),
    "here": os.listdir("."), "processes": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()),
    "root": os.geteuid() == 0, "home": os.path.exists(%r), "network": sorted(os.listdir("/proc/self/net"))[:0],
    "secrets": [k for k in os.environ if k not in ("PATH", "LANG", "HOME", "TMPDIR", "MPLBACKEND", "VITEDU_PROGRESS",
                "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT")],
}
raise ValueError(json.dumps(found))
"""
    with StudentProcess("walls", Limits(), 30) as process:
        stopped = process.load([("cell 1", source % __file__)], {}, [], [], [], None)
    found = json.loads(stopped[0][2])
    way = Path(__file__).parts  # where the clone itself lies in /tmp, its folder is seen
    here = [name for name in found["here"] if name not in way]
    assert (found["check"], here, found["home"], found["root"]) == ([], [], False, False)
    assert len(found["processes"]) == 2  # the first of its namespace, and itself
    assert found["secrets"] == []


@pytest.mark.parametrize("name", ["case", "memory", "processes"])
def test_limits_are_positive_numbers(name):
    with pytest.raises(ValueError, match=f"{name}=0 is not allowed"):
        Limits(**{name: 0})
