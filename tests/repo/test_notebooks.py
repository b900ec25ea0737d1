"""Every notebook has the same sections, stays small, ran top to bottom, and agrees with the packages it teaches."""

from __future__ import annotations

import ast
import functools
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
import rooms

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))

SECTIONS = [
    "Goal", "Before you start", "Picture", "By hand", "The equation in code", "Check", "Experiment", "Exercises",
    "Recap",
]  # fmt: skip
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}

each_notebook = pytest.mark.parametrize("name", NAMES)


# ---- reading -------------------------------------------------------------------------------------------------------


@functools.cache
def read(name: str):
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(name: str) -> list:
    return [cell for cell in read(name).cells if cell.cell_type == "code" and cell.source.strip()]


def prose(name: str) -> list[str]:
    return [cell.source for cell in read(name).cells if cell.cell_type == "markdown"]


def headings(name: str, level: int) -> list[str]:
    """Headings of one level; what stands in a fenced block is not one."""
    text = re.sub(r"^```.*?^```", "", "\n\n".join(prose(name)), flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^{'#' * level} +(.+?) *$", text, flags=re.MULTILINE)


def section(name: str, title: str) -> str:
    """The prose of one level-2 section."""
    text = "\n\n".join(prose(name))
    (body,) = re.findall(rf"^## +{title} *$(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return body


def module_paths(text: str) -> set[str]:
    """`vitedu/layers/attention.py`, `vitedu/data/digits.py`, ... as they are written in prose."""
    return set(re.findall(r"\bvitedu(?:_numpy)?/[\w/]+\.py\b", text))


def python(cell) -> ast.Module:
    """The cell's Python, without IPython's own lines."""
    lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    return ast.parse("\n".join(lines))


def texts(cell) -> list[str]:
    """Everything textual that the cell printed or showed."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        found += [output.get("text", ""), *(data[kind] for kind in ("text/plain", "text/html") if kind in data)]
    return found


def has_image(cell) -> bool:
    return any(kind.startswith("image/") for output in cell.outputs for kind in output.get("data", {}))


def defined(tree: ast.AST) -> set[str]:
    """Names that functions, classes and `name = lambda ...` define, at any depth."""
    names = {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def bound(tree: ast.Module) -> set[str]:
    """Names that a cell leaves behind for other cells."""
    names = defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names


@functools.cache
def exported() -> dict[str, str]:
    """name -> module, for every name in an `__all__` of both packages; the names of checks are no code."""
    found = {}
    for file in sorted([*(ROOT / "vitedu_numpy").rglob("*.py"), *(ROOT / "vitedu").rglob("*.py")]):
        path = str(file.relative_to(ROOT).as_posix())
        if path.startswith("vitedu/check/catalogue/"):
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
                found |= {name: path for name in names if name not in found}
    return found


# ---- the set -------------------------------------------------------------------------------------------------------


def test_numbers_run_from_00_without_gaps():
    numbers = [name[:2] for name in NAMES]
    assert numbers == [f"{i:02d}" for i in range(len(NAMES))]
    assert len(NAMES) >= 23


def test_nothing_else_lies_beside_them():
    """A scratch notebook would be run by `make test` and by nobody's eyes."""
    done = subprocess.run(["git", "ls-files", "notebooks"], cwd=ROOT, capture_output=True, text=True, check=True)
    stray = [p for p in done.stdout.split() if p.endswith(".ipynb") and Path(p).name not in NAMES]
    assert stray == []


# ---- form ----------------------------------------------------------------------------------------------------------


@each_notebook
def test_title_and_sections(name):
    (title,) = headings(name, 1)
    assert title.startswith(f"{name[:2]} · ")
    assert headings(name, 2) == SECTIONS


@each_notebook
def test_metadata(name):
    notebook = read(name)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec == KERNELSPEC
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@each_notebook
def test_size(name):
    assert (NOTEBOOKS / name).stat().st_size < 300_000
    lengths = {cell.id: sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in code_cells(name)}
    assert {cell: n for cell, n in lengths.items() if n > 25} == {}
    assert statistics.median(lengths.values()) <= 6


# ---- what it printed -----------------------------------------------------------------------------------------------


@each_notebook
def test_it_ran_top_to_bottom(name):
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1))
    assert [cell.id for cell in code_cells(name) for o in cell.outputs if o.output_type == "error"] == []


@each_notebook
def test_it_printed_no_warnings(name):
    for cell in code_cells(name):
        if "nbval-ignore-output" not in tags(cell):
            assert not [o.text for o in cell.outputs if o.get("name") == "stderr"], cell.id


@each_notebook
def test_pictures_are_not_compared(name):
    """Another release of matplotlib draws other pixels: such a cell needs the tag, and a checked cell after it."""
    assert [c.id for c in code_cells(name) if has_image(c) and "nbval-ignore-output" not in tags(c)] == []


@each_notebook
def test_no_place_or_address_of_a_machine(name):
    roots = "home|root|Users|tmp|usr|opt|var|mnt|srv|private|workspace|content"
    patterns = [
        rf"(?<![\w./:$}}]){re.escape(str(ROOT))}\b",
        rf"(?<![\w./:$}})])/(?:{roots})/\w",  # a path
        r"\b[A-Z]:\\\w",
        r"\blocalhost\b|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b",  # a host
        r"\bat 0x[0-9a-f]{6,}",  # a place in memory
    ]
    for cell in read(name).cells:
        for text in [cell.source, *(texts(cell) if cell.cell_type == "code" else [])]:
            found = [m.group() for p in patterns for m in re.finditer(p, text)]
            assert found == [], f"{name}, cell {cell.id}"


# ---- exercises -----------------------------------------------------------------------------------------------------


@each_notebook
def test_exercises_and_solutions(name):
    stubs = [cell for cell in code_cells(name) if "exercise" in tags(cell)]
    solutions = [cell for cell in code_cells(name) if "solution" in tags(cell)]
    assert len(stubs) >= 3
    assert len(solutions) >= len(stubs)
    for cell in stubs:
        assert "NotImplementedError" in cell.source, f"{cell.id} is no stub"
        assert all(n.startswith("my_") for n in defined(python(cell))), f"{cell.id}: names of stubs start with my_"
    for cell in solutions:
        assert cell.metadata.get("jupyter", {}).get("source_hidden") is True, f"{cell.id} is not folded"
        assert "NotImplementedError" not in cell.source, f"{cell.id} solves nothing"


@each_notebook
def test_no_cell_needs_a_solution(name):
    """Drop the solutions, as for a class, and every name is still defined before it is used."""
    kept, dropped = set(), set()
    for cell in code_cells(name):
        tree = python(cell)
        if "solution" in tags(cell):
            dropped |= bound(tree) - kept
            continue
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        kept |= bound(tree)
        assert not used & dropped - kept, f"{cell.id} uses what only a solution defines"


def test_a_students_copy_runs(tmp_path):
    """One notebook without its solutions, run for real: every exercise says that it is still to do."""
    name = next((n for n in NAMES if n.startswith("03_")), NAMES[0])
    notebook = nbformat.from_dict(read(name))
    notebook.cells = [cell for cell in notebook.cells if "solution" not in tags(cell)]
    nbformat.write(notebook, tmp_path / name)
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", name]
    with tempfile.TemporaryDirectory() as sockets:  # a short path; no port that could be taken
        command += ["--KernelManager.transport=ipc", f"--KernelManager.ip={sockets}/kernel"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    ran = nbformat.read(tmp_path / name, as_version=4)
    printed = "".join(text for cell in ran.cells if cell.cell_type == "code" for text in texts(cell))
    stubs = [cell for cell in ran.cells if "exercise" in tags(cell)]
    assert printed.count("still to do") >= len(stubs)


# ---- agreement with the packages -----------------------------------------------------------------------------------


@each_notebook
def test_nothing_of_the_packages_is_defined_again(name):
    """The code on the page is the package's: a notebook writes `naive_...`, `my_...`, `solved_...` beside it."""
    for cell in code_cells(name):
        again = {n: exported()[n] for n in defined(python(cell)) if n in exported()}
        assert again == {}, f"{cell.id} defines what the package exports"


# "Taught in notebooks/05_block.ipynb and 06_encoder.ipynb"
TAUGHT_IN = re.compile(r"Taught in (notebooks/\d\d_\w+\.ipynb(?:(?:, | and )(?:notebooks/)?\d\d_\w+\.ipynb)*)")


@functools.cache
def taught_in() -> dict[str, set[str]]:
    """module path -> the notebooks that its docstring names"""
    found = {}
    for file in sorted([*(ROOT / "vitedu_numpy").rglob("*.py"), *(ROOT / "vitedu").rglob("*.py")]):
        docstring = " ".join((ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split())
        sentence = TAUGHT_IN.search(docstring)
        if sentence:
            found[file.relative_to(ROOT).as_posix()] = set(re.findall(r"\d\d_\w+\.ipynb", sentence.group(1)))
    return found


def test_every_module_of_the_mathematics_is_taught_somewhere():
    taught = taught_in()
    paths = [f"{package}/{file.as_posix()}" for package in ("vitedu_numpy", "vitedu") for file in rooms.files(package)]
    assert {p for p in paths if p not in taught} == set()


@pytest.mark.parametrize("module", sorted(taught_in()))
def test_a_modules_notebook_mentions_it(module):
    """Under "Before you start"; a notebook of fifty modules may do so where each is needed."""
    for name in taught_in()[module]:
        assert name in NAMES, f"{module} is taught in notebooks/{name}, which is not there"
        long = sum(name in lessons for lessons in taught_in().values()) > 40
        text = "\n\n".join(prose(name)) if long else section(name, "Before you start")
        assert module in module_paths(text), f"notebooks/{name}"


@each_notebook
def test_it_reads_nothing_that_lies_beside_it(name):
    """A copy runs wherever the package is installed: what a lesson reads comes with it (`recorded_table`)."""
    for cell in code_cells(name):
        assert not re.search(r"""Path\(["']\.\.["'/]|["']\.\./|["']docs/""", cell.source), cell.id


@each_notebook
def test_modules_under_before_you_start_name_the_notebook_back(name):
    taught = taught_in()
    for module in sorted(module_paths(section(name, "Before you start"))):
        assert (ROOT / module).is_file(), f"{module} is not there"
        assert name in taught.get(module, {name}), f"{module} says that it is taught in {sorted(taught[module])}"


@each_notebook
def test_modules_and_links_in_the_prose_exist(name):
    for text in prose(name):
        for module in module_paths(text):
            assert (ROOT / module).is_file(), f"{module} is not there"
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:|#|attachment", target):
                assert (NOTEBOOKS / target.partition("#")[0]).exists(), f"link to {target}"
