"""A lesson as a student gets it: stubs without their solutions, and without what speaks of them.

Gone are the cells tagged `solution` with what they printed, what the text right after one says about it, and sentences
that say where solutions are.  Outputs of stubs are the student's to make; all others stay, since they are the lesson.
"""

from __future__ import annotations

import copy
import re

from .assignment import source_of, tags_of

__all__ = ["sources", "student_copy", "without_mention"]

# "Each solution is folded below its exercise.": from such a sentence to the end of its line.
MENTION = re.compile(
    r"(?:^|(?<=[.?!:]) +)(?=[^.?!\n]*\bsolutions?\b)(?=[^.?!\n]*\bfolded\b)[A-Z][^.?!\n]*[.?!].*$",
    flags=re.MULTILINE | re.IGNORECASE,
)
# What begins something new after a solution: a heading, an exercise, a question that goes on.
NEW = re.compile(r"#|\*\*|\||[-*] |To go further")


def student_copy(notebook: dict) -> dict:
    """A copy of a lesson without solutions; ids of cells stay."""
    copied, cells, after = copy.deepcopy(notebook), [], False
    for cell in copied["cells"]:
        if "solution" in tags_of(cell):
            after = True
            continue
        if cell["cell_type"] == "markdown":
            text = source_of(cell)
            if after:
                text = _from_new(text)
            cell["source"] = without_mention(text)
            if not cell["source"].strip():
                continue
        elif "exercise" in tags_of(cell):
            cell["outputs"], cell["execution_count"] = [], None
        after = False
        cells.append(cell)
    copied["cells"] = cells
    return copied


def without_mention(text: str) -> str:
    """Markdown without the sentences that say where solutions are; a paragraph of nothing else goes."""
    text = MENTION.sub("", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def sources(notebook: dict) -> dict[str, str]:
    """id of a cell -> its text, for the cells that have one."""
    return {cell["id"]: source_of(cell) for cell in notebook["cells"] if isinstance(cell.get("id"), str)}


def _from_new(text: str) -> str:
    """Text right after a solution, without the lines that discuss it."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if NEW.match(line)), len(lines))
    return "\n".join(lines[first:])
