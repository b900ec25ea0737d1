"""What is said once is said in one place: no two files share ten lines of code, but for twins in their equations.

A line counts without its indentation and comment; docstrings, blank lines, imports and lone brackets do not count.
"""

from __future__ import annotations

import io
import tokenize
from collections import defaultdict
from pathlib import Path

from house import ROOT, python_files

LINES = 10
NOT_LINES = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)


def code_lines(file: Path) -> list[str]:
    """The lines of a file that say something."""
    by_line, statement_starts = defaultdict(list), True
    for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline):
        if token.type in NOT_LINES:
            statement_starts |= token.type == tokenize.NEWLINE
            continue
        if not (token.type == tokenize.STRING and statement_starts):  # a string that is a statement: a docstring
            by_line[token.start[0]].append(token.string)
        statement_starts = False
    lines = [" ".join(by_line[number]) for number in sorted(by_line)]
    return [line for line in lines if line.strip("()[]{}, ") and not line.startswith(("from ", "import "))]


def is_twin(one: Path, other: Path) -> bool:
    """layers/attention.py of both packages."""
    one, other = one.relative_to(ROOT).parts, other.relative_to(ROOT).parts
    return one[0] != other[0] and one[1:] == other[1:]


def test_no_two_files_share_ten_lines():
    places, shared = defaultdict(set), set()
    for file in python_files("vitedu_numpy", "vitedu"):
        lines = code_lines(file)
        for start in range(len(lines) - LINES + 1):
            window = tuple(lines[start : start + LINES])
            shared |= {
                (other, file, window[0]) for other in places[window] if other != file and not is_twin(other, file)
            }
            places[window].add(file)
    found = sorted(f"{one.relative_to(ROOT)} ~ {other.relative_to(ROOT)} from {line!r}" for one, other, line in shared)
    assert found == []


def test_a_copy_would_be_found():
    """This guards the test above: what counts are the lines of code, all of them, and nothing else."""
    lines = code_lines(ROOT / "vitedu_numpy" / "layers" / "softmax.py")
    assert lines[0] == '__all__ = [ "softmax" , "softmax_backward" ]'
    assert [line for line in lines if line.startswith("def ")] == [
        "def softmax ( x ) :",
        "def softmax_backward ( dA , cache ) :",
    ]
    assert len(lines) >= LINES
    assert not any('"""' in line or "#" in line for line in lines)
