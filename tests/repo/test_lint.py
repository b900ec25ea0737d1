"""ruff is content, no large file slipped in, nothing was left to be done."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]  # a file may be deleted and not yet committed


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_ruff(arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_over_500_kb():
    """But for the weights that come with the package: those have a limit of their own (tests/weights)."""
    large = {str(f.relative_to(ROOT)): f.stat().st_size for f in tracked() if f.stat().st_size > 500_000}
    assert [name for name in large if not name.startswith("vitedu/weights/shipped/")] == []


def written(file: Path) -> str:
    """What people wrote: of a notebook its cells, of a binary file nothing."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
    if file.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def test_nothing_is_left_to_do():
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [str(f.relative_to(ROOT)) for f in tracked() if marks.search(written(f))] == []
