"""Who may import whom: folder names are claims about the architecture, and this holds them to it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The parts of `vitedu` that are not models.  Every other file of the package is.
NOT_MODELS = ("check", "cli", "data", "engine", "figures", "plan", "recipes", "show", "train", "weights")

# part -> what its files may import besides the standard library; "model" is a model file of `vitedu`.
MAY_IMPORT = {
    "vitedu_numpy": {"numpy", "vitedu_numpy"},
    "model": {"numpy", "torch", "model"},
    "vitedu.train": {"numpy", "torch", "tqdm", "model", "vitedu.train"},
    "vitedu.data": {"numpy", "vitedu.data"},
    "vitedu.recipes": {"model", "vitedu.recipes"},
    "vitedu.plan": {"numpy", "model", "vitedu.plan", "vitedu.recipes"},
    "vitedu.engine": {
        *("numpy", "torch", "tqdm", "model"),
        *("vitedu.data", "vitedu.engine", "vitedu.plan", "vitedu.recipes", "vitedu.weights"),
    },
    "vitedu.cli": set(),
    "vitedu.check": {"numpy", "vitedu_numpy", "vitedu.check"},
    "vitedu.weights": {"numpy", "torch", "model", "vitedu.weights"},
    "vitedu.figures": {"numpy", "matplotlib"},
    "vitedu.show": {"matplotlib", "IPython", "pygments"},
}
# ... and what only inside a function, where it is loaded when it is needed.
MAY_IMPORT_LATE = {
    "vitedu.check": {"torch", "model"},
    "vitedu.weights": {"safetensors", "huggingface_hub"},
    "model": {"vitedu.weights"},  # `model.load_npz`
    "vitedu.data": {
        *("PIL", "cv2", "datasets", "fsspec", "huggingface_hub", "pyarrow", "simplejpeg", "sklearn", "torch", "tqdm"),
    },
    "vitedu.plan": {"torch"},
    "vitedu.engine": {"matplotlib"},
    "vitedu.cli": {"tyro", "vitedu.data", "vitedu.engine", "vitedu.plan", "vitedu.recipes"},
}


def python_files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def dotted(file: Path) -> str:
    """vitedu/check/__init__.py -> vitedu.check"""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path) -> list[tuple[str, bool, int]]:
    """(absolute name, is it inside a function?, line) of everything that `file` imports."""
    package = file.relative_to(ROOT).parts[:-1]
    found = []

    def visit(node, late):
        if isinstance(node, ast.Import):
            found.extend((alias.name, late, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from . import losses` imports a module, `from .losses import one_hot` a name
                inside = ROOT / base.replace(".", "/") / alias.name
                is_module = inside.with_suffix(".py").exists() or inside.is_dir()
                found.append((f"{base}.{alias.name}" if is_module else base, late, node.lineno))
        for child in ast.iter_child_nodes(node):
            visit(child, late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    visit(ast.parse(file.read_text(encoding="utf-8")), False)
    return found


def part(module: str) -> str:
    """vitedu.check.engine -> vitedu.check,  vitedu.linear -> model,  torch.nn -> torch"""
    top, *rest = module.split(".")
    if top != "vitedu":
        return top
    return f"vitedu.{rest[0]}" if rest and rest[0] in NOT_MODELS else "model"


@pytest.mark.parametrize("file", python_files("vitedu_numpy", "vitedu"), ids=lambda f: str(f.relative_to(ROOT)))
def test_arrows(file):
    here = part(dotted(file))
    for module, late, line in imports(file):
        there = part(module)
        if there in sys.stdlib_module_names or there == "__future__":
            continue
        allowed = MAY_IMPORT[here] | (MAY_IMPORT_LATE.get(here, set()) if late else set())
        assert there in allowed, f"{file.relative_to(ROOT)}:{line} imports {module}; allowed: {sorted(allowed)}"


def test_models_see_neither_data_nor_training_nor_figures():
    """The table above says the important things; this guards the table."""
    for forbidden in ("vitedu_numpy", "matplotlib", "sklearn", *(f"vitedu.{name}" for name in NOT_MODELS)):
        assert forbidden not in MAY_IMPORT["model"]
    assert "model" not in MAY_IMPORT["vitedu.data"]
    assert "torch" not in MAY_IMPORT["vitedu.check"]
    assert MAY_IMPORT["vitedu_numpy"] == {"numpy", "vitedu_numpy"}


def test_imports_by_name_are_only_the_lazy_ones():
    """`import_module` and `__import__` would slip past the table; only `vitedu/__init__.py` uses them."""
    for file in python_files("vitedu_numpy", "vitedu"):
        names = {n.id for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Name)}
        if file != ROOT / "vitedu" / "__init__.py":
            assert not names & {"import_module", "importlib", "__import__"}, file


def test_nothing_imports_notebooks_or_tests():
    for file in python_files("vitedu_numpy", "vitedu", "tests", "benchmarks", "docs"):
        for module, _, line in imports(file):
            assert module.split(".")[0] not in ("notebooks", "tests"), f"{file.relative_to(ROOT)}:{line}: {module}"


# ---- what an import really loads -----------------------------------------------------------------------------------


def run(code: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
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


IMPORT_COST = "import numpy, time; t = time.perf_counter(); import vitedu_numpy; print(time.perf_counter() - t)"


def test_vitedu_numpy_is_quick_to_import():
    """Under 0.15 s beyond NumPy's own import.  The least of seven, since other work can only make it longer."""
    assert min(float(run(IMPORT_COST)) for _ in range(7)) < 0.15
