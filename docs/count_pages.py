"""What stands on the pages of a checkout: formulas, figures, links of its notebooks, words of its front page.

python docs/count_pages.py [TREE ...]       (`git worktree add ../before COMMIT` makes another tree)
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

__all__ = ["counts", "formulas"]

FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w])\$(?![\s$])([^$\n]*?[^\s$])\$(?!\d)", re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
PICTURES = {"image/png", "image/jpeg", "image/svg+xml"}


def formulas(text: str) -> list[str]:
    """The formulas of a Markdown text, shown or in a line."""
    return [shown or inline for shown, inline in FORMULA.findall(CODE.sub("", FENCED.sub("", text)))]


def counts(tree: Path) -> dict[str, int]:
    """Of the notebooks and the README of a checkout."""
    found = dict.fromkeys(("notebooks", "formulas", "figures", "links", "notebooks without a link"), 0)
    for path in sorted((tree / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        links = sum(len(re.findall(r"\]\(", FENCED.sub("", text))) for text in prose)
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        found["notebooks"] += 1
        found["formulas"] += sum(len(formulas(text)) for text in prose)
        found["figures"] += sum(bool(PICTURES & data.keys()) for data in outputs)
        found["links"] += links
        found["notebooks without a link"] += not links
    readme = (tree / "README.md").read_text(encoding="utf-8")
    return found | {"lines of the README": len(readme.splitlines()), "its words": len(readme.split())}


def main(trees) -> None:
    for tree in trees or ["."]:
        print(tree, *(f"{count:,} {name}" for name, count in counts(Path(tree)).items()), sep="\n    ")


if __name__ == "__main__":
    main(sys.argv[1:])
