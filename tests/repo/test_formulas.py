r"""Formulas in the notebooks are typeset, and each of their letters is in NOTATION.md, with one meaning.

A *letter* of `$\mathbf{z}'_\ell = f(x_t)$` is a Latin letter or a Greek one, or such a letter in bold: bold z, ell, f,
x and t.  Upright words (`\mathrm{LN}`, `\text{...}`) are none.  Letters stand in NOTATION.md, in a formula or as a code
span of one letter, or in the notebook itself, in the paragraph that begins "Letters of this notebook alone".
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from count_pages import CODE, FENCED, FORMULA, formulas

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = [f"{n:02d}" for n in range(23)]
UPRIGHT = re.compile(r"\\(?:mathrm|text|operatorname|tag|label|mathbb|begin|end)\*?\{[^{}]*\}")
BOLD = re.compile(r"\\(mathbf|mathcal)\{(\w)\}|\\(mathbf|mathcal) (\w)")
GREEK = (
    "alpha|beta|gamma|delta|varepsilon|epsilon|eta|theta|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|varphi|phi|chi|psi"
    "|omega|ell|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega"
)

each_notebook = pytest.mark.parametrize("number", NUMBERS)


def prose(number: str) -> list[str]:
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return [FENCED.sub("", c.source) for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]


def letters(formula: str) -> set[str]:
    formula = UPRIGHT.sub(" ", formula)
    found = {f"{a or c} {b or d}" for a, b, c, d in BOLD.findall(formula)}
    formula = BOLD.sub(" ", formula)
    found |= set(re.findall(rf"\\({GREEK})(?![a-zA-Z])", formula))
    return found | set(re.findall(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", " ", formula)))


def letters_of(text: str) -> set[str]:
    return set().union(*map(letters, formulas(text)))


def common() -> set[str]:
    text = (ROOT / "NOTATION.md").read_text(encoding="utf-8")
    return letters_of(text) | {span for span in CODE.findall(text) if len(span) == 1}


def own(number: str) -> set[str]:
    paragraphs = [p for text in prose(number) for p in text.split("\n\n")]
    return set().union(*(letters_of(p) for p in paragraphs if p.startswith("Letters of this notebook alone")))


@each_notebook
def test_every_letter_is_in_the_notation(number):
    known = common() | own(number)
    unknown = {f: letters(f) - known for text in prose(number) for f in formulas(text)}
    assert {formula: found for formula, found in unknown.items() if found} == {}


@each_notebook
def test_formulas_are_typeset(number):
    """Powers, roots, sums and transposes are no code: `A ** 2` is, `A^2` is not."""
    spans = [span for text in prose(number) for span in CODE.findall(text)]
    assert [span for span in spans if re.search(r"\^|√|ᵀ|²|[δΦφ]|\bsum_|[A-Za-z]_[ij]\b", span)] == []


@each_notebook
def test_there_are_formulas_and_dollars_come_in_pairs(number):
    assert sum(len(formulas(text)) for text in prose(number)) >= 5
    for text in prose(number):
        rest = FORMULA.sub("", CODE.sub("", text))
        assert "$" not in rest, rest


def test_an_own_letter_is_used_and_not_a_common_one():
    """Else "one meaning each" would be lost, or a letter promised that never comes."""
    for number in NUMBERS:
        elsewhere = [p for text in prose(number) for p in text.split("\n\n") if not p.startswith("Letters of this")]
        assert own(number) <= set().union(*map(letters_of, elsewhere)), number
        assert not own(number) & common() - set("bdijnorst"), number  # an index may stand below an own letter


def test_what_a_letter_is():
    assert letters(r"\mathbf{z}'_\ell = \mathrm{LN}(x_{ij}) + \frac{\sqrt D}{2} \tag{3}") == {
        "mathbf z", "ell", "x", "i", "j", "D",
    }  # fmt: skip
    assert formulas("costs `$x`, then $x^2$ and\n$$a\n= b$$") == ["x^2", "a\n= b"]
