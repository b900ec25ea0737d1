"""What the Markdown files promise: Python blocks run as they are, links lead somewhere, make targets exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def markdown_files() -> list[Path]:
    """Those that git knows, or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def anchors(path: Path) -> set[str]:
    """Where `#...` can lead: headings the way GitHub writes them."""
    titles = re.findall(r"^#+ +(.+?) *#*$", FENCE.sub("", read(path)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(text: str) -> list[str]:
    """Targets of [text](target), ![text](target), [label]: target, src="..." and href="..."."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    inline = re.findall(r"\]\(\s*<?([^)\s>]+)", text)
    labels = re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, flags=re.MULTILINE)
    return inline + labels + re.findall(r"""(?:src|href)=["']([^"']+)["']""", text)


def python_blocks() -> list:
    text = read(README)
    return [
        pytest.param(m.group(2), id=f"line {text[: m.start()].count(chr(10)) + 1}")
        for m in FENCE.finditer(text)
        if m.group(1) == "python"
    ]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", read(ROOT / "Makefile"), flags=re.MULTILINE))


def test_there_is_a_readme_with_code_to_run():
    assert README.is_file()
    assert python_blocks()


@pytest.mark.parametrize("block", python_blocks())
def test_python_blocks_run(block, tmp_path):
    script = tmp_path / "block.py"
    script.write_text(block, encoding="utf-8")
    command = [sys.executable, "-c", f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_relative_links_lead_somewhere():
    broken = []
    for path in markdown_files():
        for target in links(read(path)):
            if re.match(r"[a-z][a-z+.-]*:|//", target):
                continue
            name, _, anchor = target.partition("#")
            there = path.parent / name if name else path
            if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []


def test_make_targets_exist():
    """`make NAME` in a code span or at the start of a line of a code block."""
    for path in markdown_files():
        text = read(path)
        spans = re.findall(r"`make ([a-z][\w-]*)", FENCE.sub("", text))
        lines = re.findall(r"^\$? *make ([a-z][\w-]*)", "\n".join(m.group(2) for m in FENCE.finditer(text)), flags=re.M)
        missing = {*spans, *lines} - make_targets()
        assert not missing, f"{path.relative_to(ROOT)} names make targets that are not there: {sorted(missing)}"


def test_phony_targets_are_those_of_the_makefile():
    """Folders are called `tests` and `notebooks`: a target that is not phony would look up to date."""
    (line,) = re.findall(r"^\.PHONY: *(.+)$", read(ROOT / "Makefile"), flags=re.MULTILINE)
    assert set(line.split()) == make_targets()
