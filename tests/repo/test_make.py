"""What the commands do, as `make --dry-run` prints it: nothing is installed here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def would_do(target: str, venv: Path) -> str:
    """The commands of one target, for another folder than .venv."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target, f"VENV={venv}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(commands: str) -> list[str]:
    """The extras that would be installed."""
    return re.findall(r'--constraint constraints\.txt --editable "\.\[(\w+)\]"', commands)


def set_up(target: str, venv: Path) -> None:
    """Touch what `target` would touch after setting up."""
    venv.mkdir(exist_ok=True)
    touched = re.findall(r"^touch (.+)$", would_do(target, venv), flags=re.MULTILINE)
    for name in " ".join(touched).split():
        Path(name).touch()


def test_each_command_installs_what_it_needs(tmp_path):
    assert installed(would_do("lab", tmp_path / "new")) == ["notebooks"]
    assert installed(would_do("test", tmp_path / "new")) == ["test"]
    assert installed(would_do("site", tmp_path / "new")) == ["site"]


def test_lab_after_test_installs_nothing_and_test_after_lab_the_rest(tmp_path):
    for first, later in (("lab", ["test"]), ("test", [])):
        venv = tmp_path / first
        set_up(first, venv)
        assert installed(would_do("lab", venv)) == []
        assert installed(would_do("test", venv)) == later
        set_up("test", venv)
        assert installed(would_do("test", venv)) == []
        assert installed(would_do("site", venv)) == []


def test_a_new_list_of_packages_is_installed(tmp_path):
    """Stamps older than pyproject.toml count for nothing."""
    set_up("test", tmp_path)
    for stamp in tmp_path.glob(".installed*"):
        os.utime(stamp, (0, 0))
    assert installed(would_do("lab", tmp_path)) == ["notebooks"]
    assert installed(would_do("test", tmp_path)) == ["test"]


def test_the_suite_runs_on_all_cores_with_one_thread_each(tmp_path):
    set_up("test", tmp_path)
    lines = would_do("test", tmp_path).replace("\\\n", " ").splitlines()
    assert [line.split()[-1] for line in lines] == ["tests", "notebooks/"]
    for line in lines:
        assert "OMP_NUM_THREADS=1" in line
        assert "--numprocesses auto --dist loadfile" in line
    assert "--nbval" in lines[1]


def test_the_files_that_begin_first_exist():
    """A file that was renamed would no longer begin first, and nobody would notice."""
    (names,) = re.findall(r"^LONGEST = \[\n(.*?)^\]", (ROOT / "conftest.py").read_text(encoding="utf-8"), re.M | re.S)
    files = re.findall(r'"(.+?)"', names)
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []
