"""The house: which room may import which, and a map of it drawn from the imports.

    python docs/house.py            write the map into CONTRIBUTING.md
    python docs/house.py --print    show it only

The tables below are the plan; tests/repo/test_imports.py holds every import of both packages to it, also those inside
functions, and sees that the map in CONTRIBUTING.md is the one drawn here.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Rooms by floor, the ground first: an arrow goes down, or stays in its room.
FLOORS = (
    ("vitedu_numpy",),
    ("vitedu_numpy.layers", "vitedu_numpy.weights"),
    ("vitedu_numpy.models", "vitedu_numpy.training"),
    ("vitedu_numpy.transfer", "vitedu_numpy.inspect"),
    ("vitedu", "vitedu.data", "vitedu.paper"),
    ("vitedu.layers", "vitedu.weights", "vitedu.show"),
    ("vitedu.models", "vitedu.training"),
    ("vitedu.accounting", "vitedu.transfer", "vitedu.inspect"),
    ("vitedu.recipes", "vitedu.check"),
    ("vitedu.plan", "vitedu.experiments", "vitedu.course"),
    ("vitedu.engine",),
    ("vitedu.evaluation",),
    ("vitedu.commands",),
    ("vitedu.cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# What has no forward, backward or tensor stands once, in `vitedu_numpy`; these files alone may `vitedu` hand on.
STAND_ONCE = (
    *("config", "contract", "drawing", "extras", "limits", "validate", "record", "schedule", "layers.padding"),
    *("models.names", "models.corruption"),
    *(
        f"weights.{name}"
        for name in ("about", "contents", "files", "first_bytes", "grids", "layout", "loading", "official", "wrappers")
    ),
    *("weights.inflate", "training.batches", "training.pseudo", "transfer.shots"),
    *(f"inspect.{name}" for name in ("cka", "filters", "lens", "maps", "parts", "recorded", "similarity")),
)

# room -> what its files may import besides the standard library and themselves.
MATHEMATICS = {"numpy", "torch", "once"}
MAY_IMPORT = {
    "vitedu_numpy": {"numpy"},
    "vitedu_numpy.layers": {"numpy", "vitedu_numpy"},
    "vitedu_numpy.weights": {"numpy", "vitedu_numpy"},
    "vitedu_numpy.models": {"numpy", "vitedu_numpy", "vitedu_numpy.layers", "vitedu_numpy.weights"},
    "vitedu_numpy.training": {"numpy", "vitedu_numpy", "vitedu_numpy.layers"},
    "vitedu_numpy.transfer": {"numpy", "vitedu_numpy", "vitedu_numpy.training"},
    "vitedu_numpy.inspect": {"numpy", "vitedu_numpy", "vitedu_numpy.weights"},
    "vitedu": MATHEMATICS,
    "vitedu.layers": {*MATHEMATICS, "vitedu"},
    "vitedu.weights": {*MATHEMATICS, "vitedu"},
    "vitedu.models": {*MATHEMATICS, "vitedu", "vitedu.layers", "vitedu.weights"},
    "vitedu.training": {*MATHEMATICS, "vitedu", "vitedu.layers", "vitedu.weights"},
    "vitedu.transfer": {*MATHEMATICS, "sklearn", "vitedu", "vitedu.training"},  # sklearn: only in `estimators`
    "vitedu.accounting": {*MATHEMATICS, "vitedu", "vitedu.models", "vitedu.paper"},
    "vitedu.inspect": MATHEMATICS,
    "vitedu.data": {"numpy", "once", "torch"},  # torch at the top: only in what runs on the device
    "vitedu.paper": {"numpy"},
    "vitedu.recipes": {"once", "vitedu.accounting", "vitedu.paper"},
    "vitedu.plan": {"numpy", "once", "vitedu.accounting", "vitedu.models", "vitedu.paper", "vitedu.recipes"},
    "vitedu.engine": {
        *MATHEMATICS, "tqdm", "vitedu.accounting", "vitedu.data", "vitedu.models", "vitedu.plan", "vitedu.recipes",
        "vitedu.training", "vitedu.transfer", "vitedu.weights",
    },
    "vitedu.evaluation": {*MATHEMATICS, "vitedu.data", "vitedu.engine", "vitedu.models", "vitedu.recipes"},
    "vitedu.experiments": {
        *MATHEMATICS, "vitedu.accounting", "vitedu.data", "vitedu.models", "vitedu.training", "vitedu.transfer",
    },
    "vitedu.commands": {"once"},
    "vitedu.show": {"matplotlib", "numpy", "once", "vitedu.paper"},
    "vitedu.check": {  # sees both packages, as a teacher does
        "numpy", "vitedu_numpy", "vitedu_numpy.layers", "vitedu_numpy.models", "vitedu_numpy.training",
        "vitedu_numpy.transfer", "vitedu_numpy.weights",
    },
    "vitedu.course": {"numpy", "once", "vitedu.check"},
    "vitedu.cli": {"once", "vitedu.commands"},
}  # fmt: skip
# ... and what only inside a function, where it is loaded when it is needed.
MAY_IMPORT_LATE = {
    "vitedu.check": {"torch", "vitedu.accounting", "vitedu.layers", "vitedu.models", "vitedu.training", "vitedu"},
    "vitedu.weights": {"safetensors"},
    "vitedu.models": {"huggingface_hub"},
    "vitedu.transfer": {"vitedu.models", "vitedu_numpy.models", "vitedu_numpy.training"},  # `estimators` train both
    "vitedu.data": {
        *("PIL", "cv2", "datasets", "fsspec", "huggingface_hub", "pyarrow", "simplejpeg", "torch", "tqdm"),
    },
    "vitedu.plan": {"torch", "vitedu.layers"},
    "vitedu.engine": {"matplotlib"},
    "vitedu.show": {
        *("IPython", "PIL", "ipywidgets", "matplotlib_inline", "pygments", "tqdm"),
        *("vitedu_numpy", "vitedu_numpy.inspect", "vitedu_numpy.models"),
    },
    "vitedu.evaluation": {"torch"},
    "vitedu.experiments": {"vitedu.show"},
    "vitedu.commands": {
        "tyro",
        "vitedu.accounting",
        "vitedu.check",
        "vitedu.course",
        "vitedu.data",
        "vitedu.engine",
        "vitedu.evaluation",
        "vitedu.experiments",
        "vitedu.plan",
        "vitedu.recipes",
        "vitedu.show",
    },
    "vitedu.cli": {
        "tyro",
        "vitedu",
        "vitedu.commands",
        "vitedu.data",
        "vitedu.engine",
        "vitedu.plan",
        "vitedu.recipes",
    },
}


def python_files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def dotted(file: Path) -> str:
    """vitedu/check/__init__.py -> vitedu.check"""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path) -> list[tuple[str, bool, int]]:
    """(absolute name of a module, is it inside a function?, line) of everything that `file` imports."""
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


def room(module: str) -> str:
    """vitedu.check.engine -> vitedu.check,  vitedu_numpy.config -> vitedu_numpy,  torch.nn -> torch"""
    top, *rest = module.split(".")
    if top not in ("vitedu", "vitedu_numpy"):
        return top
    return f"{top}.{rest[0]}" if rest and f"{top}.{rest[0]}" in FLOOR else top


def is_door(file: Path) -> bool:
    """The packages' own `__init__.py`, which hand everything on: nothing inside imports from there."""
    return file in (ROOT / "vitedu" / "__init__.py", ROOT / "vitedu_numpy" / "__init__.py")


def arrows() -> Counter:
    """(room, room that it imports) -> number of imports, both packages, without the doors."""
    found = Counter()
    for file in python_files("vitedu_numpy", "vitedu"):
        here = room(dotted(file))
        for module, _, _ in [] if is_door(file) else imports(file):
            if room(module) in FLOOR and room(module) != here:
                found[here, room(module)] += 1
    return found


# ---- the map -------------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- drawn by docs/house.py: begin -->", "<!-- drawn by docs/house.py: end -->"


def files_of(name: str) -> int:
    return sum(room(dotted(file)) == name and file.name != "__init__.py" for file in python_files(name.split(".")[0]))


def draw() -> str:
    """The map as a Mermaid diagram: a box is a room with its number of files, an arrow says "imports"."""
    lines = ["```mermaid", "flowchart BT"]
    for package in ("vitedu_numpy", "vitedu"):
        lines.append(f"  subgraph {package}")
        for name in (name for name in FLOOR if name.split(".")[0] == package):
            label = name.partition(".")[2] or "root"
            lines.append(f'    {name.replace(".", "_")}_["{label} · {files_of(name)}"]')
        lines.append("  end")
    between = set()
    for here, there in sorted(arrows(), key=lambda pair: (FLOOR[pair[0]], pair)):
        if here.split(".")[0] == there.split(".")[0]:
            lines.append(f"  {here.replace('.', '_')}_ --> {there.replace('.', '_')}_")
        else:
            between.add(here)
    for here in sorted(between):
        kind = "both packages" if here == "vitedu.check" else "handed on"
        lines.append(f"  {here.replace('.', '_')}_ -. {kind} .-> vitedu_numpy")
    return "\n".join([*lines, "```"])


def main() -> None:
    if "--print" in sys.argv:
        print(draw())
        return
    page = ROOT / "CONTRIBUTING.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{draw()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
