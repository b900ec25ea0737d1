"""Plant errors in the hand-written backward code, one at a time, and see whether the gradient tests find each.

    python tests/plant_errors.py            all of them: a few minutes on two cores
    python tests/plant_errors.py --sample   the first of every kind in every file: what the test suite runs
    python tests/plant_errors.py --list     show what would be planted, run nothing

The errors are those that people make: a sign turned, a term or factor lost, the wrong axis, a sum forgotten, `=` for
`+=`, an earlier gradient used again, ...  They are found in the syntax tree of every `f_backward`, every `backward`
method, and the few other functions that compute gradients.  Each is written into a copy of the package, and the tests
of that file, tests/gradients/<room>/test_<file>.py, run on the copy.  An error that they do not notice survives: it is
printed and the exit code is 1.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vitedu_numpy"
TESTS = ROOT / "tests" / "gradients"

# Functions that compute gradients without being called backward: (file, function) -> how the statements concerned
# begin (None: all of them).
ALSO = {
    ("gelu.py", "gelu"): ("bell *=", "np.add("),  # the slope that is kept for backward
    ("module.py", "add_grad"): None,
    ("parallel.py", "_loss_and_backward"): None,
    ("parallel.py", "_sum_gradients"): None,
    ("patches.py", "unpatchify"): None,  # patchify's backward
}


@dataclass(frozen=True)
class Error:
    """One error to plant: bytes `start` to `end` of `file` are replaced by `after`."""

    file: str
    function: str
    line: int
    kind: str
    start: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function} [{self.kind}]  {self.before}  ->  {self.after}"

    def plant(self, source: bytes) -> bytes:
        """The file's text with the error in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]


# ---- finding errors to plant -------------------------------------------------------------------------------------


class Planter:
    """All errors for one function: walks its syntax tree, and knows each node's text and parent."""

    def __init__(self, file: str, source: bytes, function: ast.FunctionDef, name: str, statements):
        self.file, self.source, self.function, self.name = file, source, function, name
        self.lines = [0]
        for line in source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.statements = [s for s in function.body if not isinstance(getattr(s, "value", None), ast.Constant)]
        if statements:
            inside = [node for node in ast.walk(function) if isinstance(node, ast.stmt)]
            self.statements = [node for node in inside if self.text(node).startswith(statements)]
        self.parent = {c: node for node in ast.walk(function) for c in ast.iter_child_nodes(node)}
        self.errors: list[Error] = []

    def span(self, node) -> tuple[int, int]:
        return self.lines[node.lineno - 1] + node.col_offset, self.lines[node.end_lineno - 1] + node.end_col_offset

    def text(self, node) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def add(self, kind: str, node, after: str) -> None:
        """Replace an expression (then in brackets) or a statement by `after`."""
        start, end = self.span(node)
        after = f"({after})" if isinstance(node, ast.expr) and not isinstance(node, ast.Slice) else after
        error = Error(self.file, self.name, node.lineno, kind, start, end, self.text(node), after)
        same = [(e.start, e.end, e.after) for e in self.errors]
        if (start, end, after) not in same:
            self.errors.append(error)

    def find(self) -> list[Error]:
        self.gradients = self.gradient_names()
        for statement in self.statements:
            for node in ast.walk(statement):
                for visit in (self.binary, self.unary, self.call, self.number, self.attribute, self.name_used_again):
                    visit(node)
                self.statement(node)
        return self.errors

    def gradient_names(self) -> list[str]:
        """The function's gradients in order of definition: arguments and variables called d<something>."""
        names = [argument.arg for argument in self.function.args.args]
        stores = [n for n in ast.walk(self.function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        names += [node.id for node in sorted(stores, key=self.span)]
        gradients = [n for n in names if re.match(r"d[a-zA-Z]", n) and n not in ("drop", "done")]
        return list(dict.fromkeys(gradients))

    def binary(self, node) -> None:
        if not isinstance(node, ast.BinOp):
            return
        left, right = self.text(node.left), self.text(node.right)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            self.add("sign", node, f"{left} {'-' if isinstance(node.op, ast.Add) else '+'} ({right})")
            self.add("term", node, left)
            self.add("term", node, right)
        elif isinstance(node.op, (ast.Mult, ast.Div)):
            self.add("factor", node, left)
            self.add("factor", node, right if isinstance(node.op, ast.Mult) else f"1 / ({right})")
        elif isinstance(node.op, ast.MatMult):
            self.add("operands", node, f"({right}) @ ({left})")

    def unary(self, node) -> None:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not self.is_index(node):
            self.add("sign", node, self.text(node.operand))

    def is_index(self, node) -> bool:
        """A number that counts (an axis, an index, part of a shape) and takes no part in arithmetic."""
        while not isinstance(node, ast.stmt):
            parent = self.parent[node]
            if isinstance(parent, ast.BinOp):
                return False
            if isinstance(parent, (ast.Subscript, ast.Tuple, ast.keyword, ast.Call, ast.Slice)):
                return True
            node = parent
        return False

    def number(self, node) -> None:
        if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
            return
        if not self.is_index(node):
            self.add("constant", node, repr(2 * node.value))
            return
        parent = self.parent[node]
        parent = self.parent[parent] if isinstance(parent, ast.Tuple) else parent
        if isinstance(parent, ast.Slice):
            if node is parent.lower:
                self.add("index", parent, f"{node.value + 1}:")
                self.add("index", parent, f":-{node.value}")
        elif isinstance(parent, ast.Subscript):
            self.add("index", node, repr(node.value + 1))

    def call(self, node) -> None:
        if not isinstance(node, ast.Call):
            return
        function, arguments = self.text(node.func), [self.text(a) for a in node.args]
        options = {k.arg: k.value for k in node.keywords}
        out = f", out={self.text(options['out'])}" if "out" in options else ""
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("sum", "mean"):
            array, axis = self.text(node.func.value), self.text(options["axis"])
            rest = ", ".join(f"{k}={self.text(v)}" for k, v in options.items() if k != "axis")
            other = {"sum": "mean", "mean": "sum"}[node.func.attr]
            self.add("sum", node, f"{array}.{other}({', '.join(self.text(k) for k in node.keywords)})")
            first = {"0": f"{array}[0]", "1": f"{array}[:, 0]", "-1": f"{array}[..., :1]"}
            self.add("sum", node, first.get(axis, f"({array} * 0).{node.func.attr}(axis={axis})"))  # not all of them
            wrong_axis = {"0": "-1", "-1": "0", "1": "0"}.get(axis, "0")
            self.add("axis", node, f"{array}.{node.func.attr}(axis={wrong_axis}{', ' + rest if rest else ''})")
        elif isinstance(node.func, ast.Attribute) and node.func.attr in ("swapaxes", "transpose"):
            self.add("transpose", node, self.text(node.func.value))
            for i in range(1, len(arguments) - 1 if len(arguments) > 2 else 1):
                swapped = [*arguments[:i], arguments[i + 1], arguments[i], *arguments[i + 2 :]]
                self.add("axis", node, f"{function}({', '.join(swapped)})")
        elif function == "np.vecdot":
            for argument in arguments:
                self.add("factor", node, f"({argument}).sum(axis=-1)")
        elif function == "np.einsum":
            _, a, b = arguments
            self.add("sum", node, f"(({a}) * ({b})).mean(axis=0)")
            self.add("sum", node, f"(({a}) * ({b}))[0]")
            self.add("factor", node, f"({a}).sum(axis=0)")
            self.add("factor", node, f"({b}).sum(axis=0)")
        elif function == "np.add":
            a, b = arguments
            self.add("sign", node, f"np.subtract({a}, {b}{out})")
            self.add("term", node, f"np.add({a}, 0{out})")
            self.add("term", node, f"np.add(0, {b}{out})")
        elif function == "np.zeros":
            self.add("constant", node, f"np.ones({', '.join(arguments)})")
        elif function == "reversed":
            self.add("order", node, arguments[0])

    def attribute(self, node) -> None:
        if isinstance(node, ast.Attribute) and node.attr == "T":
            self.add("transpose", node, self.text(node.value))

    def name_used_again(self, node) -> None:
        """The gradient before this one, as if a line had been forgotten.  (Its shape and dtype are the same anyway.)"""
        if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in self.gradients[1:]):
            return
        parent = self.parent[node]
        if not (isinstance(parent, ast.Attribute) and parent.attr in ("shape", "dtype")):
            self.add("earlier name", node, self.gradients[self.gradients.index(node.id) - 1])

    def statement(self, node) -> None:
        text = self.text(node) if isinstance(node, (ast.stmt, ast.expr)) else ""
        if isinstance(node, ast.AugAssign):
            target, value = self.text(node.target), self.text(node.value)
            self.add("factor" if isinstance(node.op, ast.Mult) else "term", node, "pass")
            self.add("overwrite", node, f"{target} = {value}")
            if isinstance(node.op, (ast.Add, ast.Sub)):
                self.add("sign", node, f"{target} {'-=' if isinstance(node.op, ast.Add) else '+='} {value}")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if text.startswith(("check_", "_check_", "require(")):
                return  # whether an argument is refused is a matter of tests/bad_input, not of a gradient
            self.add("statement", node, "pass")
            if ".add_grad(" in text:
                self.add("overwrite", node, text.replace(".add_grad(", ".grad = ("))
                self.add("sign", node, text.replace(".add_grad(", ".add_grad(-"))
        elif isinstance(node, ast.Assign) and self.is_second_assignment(node.targets[0]):
            self.add("statement", node, "pass")
        elif isinstance(node, ast.Return) and node.value is not None:
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            texts = [self.text(v) for v in values]
            for i, value in enumerate(values):
                self.add("sign", value, f"-({texts[i]})")
            for i in range(len(texts) - 1):
                swapped = [*texts[:i], texts[i + 1], texts[i], *texts[i + 2 :]]
                self.add("returns", node, f"return {', '.join(swapped)}")
        elif isinstance(node, ast.IfExp):
            self.add("branch", node, self.text(node.body))
            self.add("branch", node, self.text(node.orelse))
        elif isinstance(node, ast.If):
            self.add("branch", node.test, "True")
            self.add("branch", node.test, "False")

    def is_second_assignment(self, target) -> bool:
        """Into part of an array, or to a name that has a value already: without it, the code still runs."""
        if not isinstance(target, ast.Name):
            return isinstance(target, ast.Subscript)
        before = [a.arg for a in self.function.args.args]
        for node in ast.walk(self.function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and self.span(node) < self.span(target):
                before.append(node.id)
        return target.id in before


def find_errors() -> list[Error]:
    """Every error to plant, file by file."""
    errors = []
    for path in sorted(PACKAGE.rglob("*.py")):
        source, file = path.read_bytes(), path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(source)
        owners = [("", tree)] + [(f"{node.name}.", node) for node in tree.body if isinstance(node, ast.ClassDef)]
        for prefix, owner in owners:
            for node in owner.body:
                is_function = isinstance(node, ast.FunctionDef)
                also = is_function and (path.name, node.name) in ALSO
                if is_function and (node.name == "backward" or node.name.endswith("_backward") or also):
                    statements = ALSO.get((path.name, node.name))
                    errors += Planter(file, source, node, prefix + node.name, statements).find()
    return errors


def sample_of(errors: list[Error]) -> list[Error]:
    """The first of every kind in every file."""
    first = {}
    for error in errors:
        first.setdefault((error.file, error.kind), error)
    return list(first.values())


# ---- running the tests -------------------------------------------------------------------------------------------


class Witness:
    """A pytest plugin that notes which package the tests import, and how one failed."""

    failure = imported = None

    def pytest_collection_finish(self):
        import vitedu_numpy

        self.imported = Path(vitedu_numpy.__file__).resolve().parent

    def pytest_exception_interact(self, call):
        self.failure = call.excinfo.type.__name__


def run_tests(file: str, package: Path) -> str | None:
    """Run the tests of `file` on the copy `package`: None if they pass, else the name of the exception."""
    import pytest

    for name in list(sys.modules):  # forget the package and the tests of the run before
        if name.split(".")[0] in ("vitedu_numpy", "tests"):
            del sys.modules[name]
    sys.path.insert(0, str(package.parent))
    witness = Witness()
    tests = TESTS / Path(file).with_name(f"test_{Path(file).name}")
    arguments = [str(tests), "-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=no"]
    arguments += ["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]
    try:
        with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
            code = pytest.main(arguments, plugins=[witness])
    finally:
        sys.path.remove(str(package.parent))
    if witness.imported != package or code not in (0, 1):
        raise RuntimeError(f"tests of {file}: exit code {code}, package {witness.imported} instead of {package}")
    if (code == 0) != (witness.failure is None):
        raise RuntimeError(f"tests of {file}: exit code {code}, but {witness.failure}")
    return witness.failure


_copy: Path | None = None  # this process's copy of the package


def start_worker(folder: str) -> None:
    """Give this process a copy of the package; compiled files would hide a change within the same second."""
    global _copy
    sys.dont_write_bytecode = True
    _copy = (Path(folder) / str(os.getpid()) / PACKAGE.name).resolve()
    shutil.copytree(PACKAGE, _copy, ignore=shutil.ignore_patterns("__pycache__"))


def work(task: str | Error) -> str | None:
    """A file's tests on the package as it is, or with an error planted: None if nothing fails."""
    if isinstance(task, str):
        return run_tests(task, _copy)
    path = _copy / task.file
    right = path.read_bytes()
    path.write_bytes(task.plant(right))
    try:
        return run_tests(task.file, _copy)
    finally:
        path.write_bytes(right)


def show_table(errors: list[Error], survivors: list[Error]) -> None:
    """Number of errors planted, by file and kind; "2-1": of two, one survived."""
    kinds = sorted({e.kind for e in errors})
    print(f"{'':28s}" + "".join(f"{kind:>13s}" for kind in kinds) + f"{'all':>9s}")
    for file in [*sorted({e.file for e in errors}), "all"]:
        row = []
        for kind in [*kinds, "all"]:
            planted, survived = (
                sum(e.file == file or file == "all" for e in some if e.kind == kind or kind == "all")
                for some in (errors, survivors)
            )
            row.append(f"{planted}-{survived}" if survived else str(planted or "."))
        print(f"{file:28s}" + "".join(f"{cell:>13s}" for cell in row[:-1]) + f"{row[-1]:>9s}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show what would be planted, run nothing")
    parser.add_argument("--sample", action="store_true", help="only the first error of every kind in every file")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    options = parser.parse_args()
    errors = find_errors()
    errors = sample_of(errors) if options.sample else errors
    if options.list:
        print(*errors, sep="\n")
        show_table(errors, [])
        return 0

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the matrices are tiny
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # pytest starts hundreds of times: nothing that is not needed
    os.environ.pop("PYTEST_ADDOPTS", None)
    files = sorted({e.file for e in errors})
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(options.jobs, spawn, start_worker, (folder,)) as pool:
            broken = [file for file, failure in zip(files, pool.map(work, files), strict=True) if failure]
            if broken:
                print(f"the tests of {broken} fail before anything is planted")
                return 2
            failures = []
            for failure in pool.map(work, errors):
                failures.append(failure)
                if sys.stderr.isatty():
                    print(f"\r{len(failures)}/{len(errors)}", end="", file=sys.stderr)
    survivors = [error for error, failure in zip(errors, failures, strict=True) if failure is None]
    show_table(errors, survivors)
    wrong_numbers = sum(failure in ("AssertionError", "Failed") for failure in failures)
    print(f"{len(errors)} errors planted: {wrong_numbers} found by wrong numbers, ", end="")
    print(f"{len(errors) - wrong_numbers - len(survivors)} by a crash, {len(survivors)} survived")
    for error in survivors:
        print("SURVIVED", error)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
