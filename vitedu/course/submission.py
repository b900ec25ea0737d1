"""What a student handed in: notebooks or .py files, cut into statements, and of these the ones that answers need.

A notebook also trains and draws.  For a mark only those statements run that an answer depends on, by the names in them;
so marking takes seconds, and a slow or broken cell elsewhere costs nobody a mark.  Files are read here, never executed.
"""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import symtable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["Part", "Submission", "is_hidden", "needed", "read_submission", "read_submissions", "registered", "texts"]

LARGEST, CODE, STATEMENTS, FILES, FOLDERS = 20 << 20, 1 << 20, 5000, 200, 5  # bytes, of code; files; depth


@dataclass(frozen=True)
class Statement:
    """One statement of a part: where it stands, and its text.

    makes: names that it binds or writes into; anew: it binds them whatever was there; reads: names that it needs at
    once; later: names that its functions need when they are called.
    """

    label: str
    source: str
    node: ast.stmt = field(repr=False)
    makes: frozenset
    anew: bool
    reads: frozenset
    later: frozenset


@dataclass
class Part:
    """One notebook or file: its statements, and what of it could not be read."""

    name: str
    statements: list = field(default_factory=list)
    problems: list = field(default_factory=list)


@dataclass
class Submission:
    """One student: the name, the parts, small files that lie beside them, what is to be said to the instructor."""

    student: str
    parts: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


def read_submissions(folder) -> list[tuple[str, str]]:
    """(student, path) of everything in a folder that is somebody's: folders, notebooks and .py files.

    Raises ValueError where there is nothing.
    """
    if not os.path.isdir(folder):
        raise ValueError(f"submissions={os.fspath(folder)!r} is not a folder; a folder with one entry for each student")
    found = []
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        is_file = entry.name.endswith((".ipynb", ".py"))
        if not entry.name.startswith((".", "__")) and (is_file or entry.is_symlink() or entry.is_dir()):
            found.append((os.path.splitext(entry.name)[0] if is_file else entry.name, entry.path))
    if not found:
        raise ValueError(f"{os.fspath(folder)} holds no folder, notebook or .py file")
    return found


def read_submission(student: str, path: str) -> Submission:
    """One student's files.  Never raises for what is in them: what cannot be read is a problem, in words."""
    made = Submission(student)
    if os.path.islink(path):
        made.problems.append("handed in as a symbolic link, which is not followed")
        return made
    is_folder = os.path.isdir(path)
    names = _files(path, made.problems) if is_folder else [os.path.basename(path)]
    root, room = (path if is_folder else os.path.dirname(path)), LARGEST
    for name in names:
        content = _content(os.path.join(root, name), made.problems, name)
        if content is None:
            continue
        if name.endswith(".ipynb") or (name.endswith(".py") and _calls_checks(content)):
            made.parts.append(_part(name, content))
        if is_folder and not name.endswith(".ipynb") and len(content) <= room:
            room -= len(content)
            made.files[name] = np.frombuffer(content, np.uint8)
    if not made.parts and is_folder:  # nothing calls a check: then functions are found by their names
        made.parts = [_part(n, made.files[n].tobytes()) for n in made.files if n.endswith(".py")]
    if not is_folder and not made.parts and names[0].endswith(".py"):
        content = _content(path, [], names[0])
        made.parts = [_part(names[0], content)] if content is not None else []
    if not made.parts and not made.problems:
        made.problems.append("no notebook and no .py file")
    return made


def texts(path) -> list[bytes]:
    """The bytes of a student's notebooks and .py files, as far as they can be read."""
    if os.path.islink(path):
        return []
    root, names = os.path.split(path)[0], [os.path.basename(path)]
    if os.path.isdir(path):
        root, names = path, _files(path, [])
    found = [_content(os.path.join(root, name), [], name) for name in names if name.endswith((".ipynb", ".py"))]
    return [content for content in found if content is not None]


def _files(folder, problems) -> list[str]:
    """Plain files, as paths inside the folder; no link is followed."""
    found = []
    for here, folders, files in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__"))) if depth < FOLDERS else []
        for name in sorted(files):
            path = os.path.join(here, name)
            if name.startswith("."):
                continue
            if not stat.S_ISREG(os.lstat(path).st_mode):
                problems.append(f"{_shown(os.path.relpath(path, folder))} is not a plain file and was left out")
            elif len(found) == FILES:
                problems.append(f"more than {FILES} files: the rest was left out")
                return found
            else:
                found.append(os.path.relpath(path, folder))
    return found


def _content(path, problems, name) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError("not a plain file")
            content = stream.read(LARGEST + 1)
    except OSError as error:
        problems.append(f"{_shown(name)} cannot be read: {error.strerror or error}")
        return None
    if len(content) > LARGEST:
        problems.append(f"{_shown(name)} has more than {LARGEST >> 20} MB and was left out")
        return None
    return content


def _calls_checks(content) -> bool:
    return re.search(rb"\bcheck\b", content) is not None


def _shown(text) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text).encode(errors="replace").decode())[:80]


# ---- cells -----------------------------------------------------------------------------------------------------------


def _part(name, content) -> Part:
    part = Part(name)
    try:
        cells, ours = _cells(content) if name.endswith(".ipynb") else ([(name, content.decode("utf-8-sig"))], 0)
        size = sum(len(source) for _, source in cells)
        if size > CODE:
            raise ValueError(f"{size} characters of code; at most {CODE} are read")
    except (ValueError, TypeError, AttributeError, RecursionError, LookupError) as error:
        part.problems.append(f"{_shown(name)} cannot be read as a notebook: {_shown(error)}")
        return part
    if ours:
        part.problems.append(f"{ours} cells tagged `solution` are the lesson's own and were left aside")
    for label, source in cells:
        if len(part.statements) > STATEMENTS:
            part.problems.append(f"{label}: more than {STATEMENTS} statements; the rest was left out")
            break
        try:
            part.statements += _statements(label, _plain_python(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            part.problems.append(f"{label}{f', line {line}' if line else ''}: {_shown(getattr(error, 'msg', error))}")
    return part


def _cells(content) -> tuple[list[tuple[str, str]], int]:
    """Code cells by number; without those that hold the lesson's solutions, and how many these are."""
    notebook = json.loads(content.decode("utf-8-sig"))
    found, ours = [], 0
    for number, cell in enumerate(notebook["cells"]):
        if cell.get("cell_type") != "code":
            continue
        if "solution" in (cell.get("metadata", {}).get("tags") or ()):
            ours += 1
            continue
        source = cell.get("source", "")
        source = source if isinstance(source, str) else "".join(map(str, source))
        found.append((f"cell {number + 1}", source))
    return found, ours


def _plain_python(source: str) -> str:
    """Without IPython's magic: `%...`, `!...`, `...?`; a whole cell of `%%...` is left out."""
    if source.lstrip().startswith("%%"):
        return ""
    lines = []
    for line in source.splitlines():
        bare = line.lstrip()
        is_magic = bare.startswith(("%", "!", "?")) or (bare.endswith("?") and "#" not in bare)
        lines.append(line[: len(line) - len(bare)] + "pass" if is_magic else line)
    return "\n".join(lines)


def _statements(label, source) -> list[Statement]:
    lines, found, body = source.splitlines(keepends=True), [], ast.parse(source).body
    for node, after in zip(body, (*body[1:], None)[: len(body)], strict=True):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        text = "".join(lines[first - 1 : node.end_lineno])
        if node.col_offset or (after is not None and after.lineno == node.end_lineno):  # several in one line
            text = ast.unparse(node)
        found.append(Statement(f"{label}, line {node.lineno}", text, node, *_names(node, text)))
    return found


def _names(node, text):
    """makes, anew, reads, later of a statement."""
    table = symtable.symtable(text, "cell", "exec")
    makes = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    reads = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    anew = isinstance(node, (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))
    later, inner = set(), list(table.get_children())
    while inner:
        table = inner.pop()
        later |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        inner += table.get_children()
    for target in ast.walk(node):
        if isinstance(target, (ast.Attribute, ast.Subscript)) and isinstance(target.ctx, (ast.Store, ast.Del)):
            name = _base(target)  # values[0] = ...
            anew, makes = anew and name is None, makes | {name}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        makes.add(_base(node.value.func))  # values.append(...)
    return frozenset(makes - {None}), anew, frozenset(reads), frozenset(later)


def _base(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


# ---- what is needed --------------------------------------------------------------------------------------------------


def registered(part: Part, known) -> dict[str, ast.expr]:
    """Exercise -> the expression of its answer, of the last call `check.NAME(answer)`; or `def my_NAME`."""
    found: dict = {}
    checks = _Checks(part, known)
    for statement in part.statements:
        node = statement.node
        if _defined(node) in known:
            found.setdefault(_defined(node), ast.Name(node.name, ast.Load()))
        for name, call in checks.called(node):
            if call.args:
                found[name] = call.args[0]
    return found


class _Checks:
    """Calls of checks, by whatever name the part imports them."""

    def __init__(self, part: Part, known):
        self.known, self.modules, self.direct = known, {"check", "vitedu.check"}, {}
        for statement in part.statements:
            node = statement.node
            if isinstance(node, ast.Import):
                self.modules |= {a.asname for a in node.names if a.name == "vitedu.check" and a.asname}
            elif isinstance(node, ast.ImportFrom) and node.module == "vitedu":
                self.modules |= {a.asname for a in node.names if a.name == "check" and a.asname}
            elif isinstance(node, ast.ImportFrom) and node.module == "vitedu.check":
                self.direct |= {a.asname or a.name: a.name for a in node.names}

    def called(self, node) -> list[tuple[str, ast.Call]]:
        """(NAME, call) of every `check.NAME(...)` and `check.NAME.verdict(...)` inside a statement."""
        found = []
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                target = call.func
                if isinstance(target, ast.Attribute) and target.attr == "verdict":
                    target = target.value
                name = self.direct.get(target.id) if isinstance(target, ast.Name) else None
                if isinstance(target, ast.Attribute) and _dots(target.value) in self.modules:
                    name = target.attr
                if name in self.known:
                    found.append((name, call))
        return found


def _dots(node) -> str | None:
    """`vitedu.check` as text; None for what is more than names and dots."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def is_hidden(part: Part) -> bool:
    """Whether names may be made and read in ways that their statements do not show."""
    ways = {"globals", "locals", "vars", "exec", "eval", "setattr", "getattr"}
    return any(ways & (statement.reads | statement.later) for statement in part.statements)


def needed(part: Part, known) -> list[tuple[str, str]]:
    """(label, source) of the statements that the answers depend on, in their order."""
    statements = part.statements
    modules = {n for s in statements if isinstance(s.node, (ast.Import, ast.ImportFrom)) for n in s.makes}
    chosen = {i for i, s in enumerate(statements) if isinstance(s.node, ast.ImportFrom) and "*" in _imported(s.node)}
    asked: set[tuple[str, int]] = set()
    open_questions = []

    def choose(i, when):
        """Statement i is needed by what runs as number `when`: so are those that make what it reads."""
        chosen.add(i)
        for name in statements[i].reads | statements[i].later:
            open_questions.append((name, i))
        for name in statements[i].later:
            open_questions.append((name, when))

    end, checks = len(statements), _Checks(part, known)
    for i, statement in enumerate(statements):
        if checks.called(statement.node):
            choose(i, i)
        elif _defined(statement.node) in known:
            choose(i, end)
    while open_questions:
        name, when = open_questions.pop()
        if (name, when) in asked:
            continue
        asked.add((name, when))
        for i in range(when - 1, -1, -1):
            statement = statements[i]
            if name in statement.makes and not (isinstance(statement.node, ast.Expr) and name in modules):
                choose(i, when)
                if statement.anew:
                    break
    return [(statements[i].label, statements[i].source) for i in sorted(chosen)]


def _defined(node) -> str | None:
    """NAME of `def my_NAME`."""
    return node.name.removeprefix("my_") if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else None


def _imported(node) -> list[str]:
    return [alias.name for alias in node.names]
