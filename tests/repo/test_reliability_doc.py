"""docs/reliability.md: every fault names a test that is there, every message it quotes stands in the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from quotes import stands_in_the_code

from vitedu_numpy.limits import LIMITS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "::" in line]
COLUMNS = re.compile(r"\| (.+?) \| (.+?) \| `([\w/]+\.py)::(\w+)` \|")


@pytest.mark.parametrize("row", ROWS)
def test_each_fault_has_its_test(row):
    match = COLUMNS.fullmatch(row)
    assert match, "a row is: fault, what happens, `file::test`"
    _, _, file, name = match.groups()
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name.startswith("test_")
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_row_lacks_a_test():
    """All tables but that of the exit codes."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not re.match(r"\| (fault|attack) \|", line)]
    codes = [line for line in rows if re.match(r"\| (code|\d+) \|", line)]
    assert len(codes) == 7
    assert len(ROWS) == len(rows) - len(codes) > 30


def quotes() -> list[str]:
    """What stands in backticks and has an ellipsis for what differs."""
    return sorted({span for span in re.findall(r"`([^`\n]+)`", TEXT) if "…" in span and span not in ("…", "damaged_…")})


@pytest.mark.parametrize("message", quotes())
def test_messages_are_those_of_the_code(message):
    assert stands_in_the_code(message)


def test_limits_are_those_of_the_code():
    """Each with its number."""
    for name, (value, _) in LIMITS.items():
        assert f"`{name}`: {value:,} " in TEXT


def test_exit_codes_are_those_of_the_code():
    from vitedu.engine.stop import AGAIN

    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)]
    assert codes == [0, AGAIN, 130, 1, 2, 141]
