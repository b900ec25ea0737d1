"""Who may import whom: room names are claims about the architecture, and this holds them to it.

The plan is docs/house.py.  Every import counts, also those inside functions.
"""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from house import (
    BEGIN,
    END,
    FLOOR,
    MAY_IMPORT,
    MAY_IMPORT_LATE,
    ROOT,
    STAND_ONCE,
    dotted,
    draw,
    imports,
    is_door,
    python_files,
    room,
)  # fmt: skip

FILES = [file for file in python_files("vitedu_numpy", "vitedu") if not is_door(file)]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_arrows(file):
    here = room(dotted(file))
    for module, late, line in imports(file):
        there = room(module)
        if there in sys.stdlib_module_names or there in ("__future__", here):
            continue
        allowed = MAY_IMPORT[here] | (MAY_IMPORT_LATE.get(here, set()) if late else set())
        handed_on = "once" in allowed and module.removeprefix("vitedu_numpy.") in STAND_ONCE
        assert there in allowed or handed_on, (
            f"{file.relative_to(ROOT)}:{line} imports {module}; allowed: {sorted(allowed)}"
        )


def test_no_arrow_goes_up():
    """The plan itself: a room may be allowed only rooms below it."""
    for table in (MAY_IMPORT, MAY_IMPORT_LATE):
        for here, allowed in table.items():
            assert [
                there for there in allowed if there in FLOOR and FLOOR[there] >= FLOOR[here] and there != here
            ] == []
    assert set(MAY_IMPORT) == set(FLOOR)


def test_no_circle():
    """File by file: following imports, nobody comes back to where he began."""
    names = {dotted(file) for file in FILES}
    graph = {dotted(file): {m for m, _, _ in imports(file) if m in names and m != dotted(file)} for file in FILES}
    done, way = set(), []

    def visit(name):
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            way.append(name)
            for other in sorted(graph[name]):
                visit(other)
            way.pop()
            done.add(name)

    for name in sorted(graph):
        visit(name)
    assert len(done) == len(FILES)


def test_nothing_inside_imports_the_whole_package():
    """`from vitedu import ...` inside would be an arrow to everything; `vitedu.check` alone imports as a user does."""
    for file in FILES:
        for module, _, line in imports(file):
            users = ("vitedu.check", "vitedu.cli")
            assert module not in ("vitedu", "vitedu_numpy") or room(dotted(file)) in users, f"{file}:{line}"


def test_the_important_things_stand_in_the_plan():
    """This guards the table: models see neither data, training nor figures; the computations see not each other."""
    for here in ("vitedu", "vitedu.layers", "vitedu.models", "vitedu.weights"):
        allowed = MAY_IMPORT[here] | MAY_IMPORT_LATE.get(here, set())
        for forbidden in ("vitedu.data", "vitedu.engine", "vitedu.training", "vitedu.show", "matplotlib", "sklearn"):
            assert forbidden not in allowed
    for here in FLOOR:
        if here.startswith("vitedu_numpy"):
            assert MAY_IMPORT[here] <= {"numpy", *(there for there in FLOOR if there.startswith("vitedu_numpy"))}
        elif here != "vitedu.check":
            assert not [there for there in MAY_IMPORT[here] if there.startswith("vitedu_numpy")]
    assert not [there for there in MAY_IMPORT["vitedu.data"] | MAY_IMPORT_LATE["vitedu.data"] if "models" in there]
    assert "torch" not in MAY_IMPORT["vitedu.check"]


def test_what_stands_once_has_no_forward_and_no_tensor():
    for module in STAND_ONCE:
        file = ROOT / "vitedu_numpy" / f"{module.replace('.', '/')}.py"
        functions = [
            n.name for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)
        ]
        assert not [name for name in functions if name == "forward" or name.endswith("backward")]
        assert not (ROOT / "vitedu" / file.relative_to(ROOT / "vitedu_numpy")).exists(), f"{module} stands twice"


def test_the_map_is_drawn_from_the_imports():
    """After a new import between rooms: python docs/house.py"""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == draw()


def test_imports_by_name_are_only_the_lazy_ones():
    """`import_module` and `__import__` would slip past the table; only `vitedu/__init__.py` uses them."""
    for file in FILES:
        names = {n.id for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Name)}
        assert not names & {"import_module", "importlib", "__import__"}, file


def test_nothing_imports_notebooks_or_tests():
    for file in python_files("vitedu_numpy", "vitedu", "benchmarks", "docs"):
        for module, _, line in imports(file):
            assert module.split(".")[0] not in ("notebooks", "tests"), f"{file.relative_to(ROOT)}:{line}: {module}"


# ---- what an import really loads -----------------------------------------------------------------------------------


def run(code: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("statement", ["import vitedu", "from vitedu import check", "from vitedu import data, show"])
def test_pytorch_is_not_loaded_before_it_is_needed(statement):
    heavy = ("torch", "matplotlib", "sklearn")
    assert run(f"{statement}; import sys; print([n for n in {heavy} if n in sys.modules])") == "[]"


def test_pytorch_is_loaded_when_it_is_needed():
    assert run("import vitedu, sys; vitedu.ViT; print('torch' in sys.modules)") == "True"


ONLY_NUMPY = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "vitedu_numpy"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
import numpy as np
import vitedu_numpy
from vitedu_numpy import DIGITS_VIT, ViT

model = ViT(DIGITS_VIT, 0)
logits = model(np.zeros((2, 1, 8, 8), np.float32))
model.backward(np.ones_like(logits))
print(logits.shape)
"""


def test_vitedu_numpy_needs_numpy_alone():
    assert run(ONLY_NUMPY) == "(2, 10)"


IMPORT_COST = """
from time import process_time as now

start = now()
import numpy
middle = now()
import vitedu_numpy
print((now() - middle) / (middle - start))
"""


def test_vitedu_numpy_is_quick_to_import(tmp_path, monkeypatch):
    """At most 1.5 times NumPy's own import on top of it (0.9 when this was written), in processor time.

    The least of seven: other work on the machine can only make it longer.  All but the first find both compiled.
    """
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    assert min(float(run(IMPORT_COST)) for _ in range(7)) < 1.5
