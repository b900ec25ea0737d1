"""What a student handed in: notebooks or .py files, also in zips, read cell by cell and cut into statements.

Files are read here, never executed.
"""

from __future__ import annotations

import ast
import codecs
import io
import json
import os
import re
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .statements import Part, cut

__all__ = ["Submission", "left_aside", "read_submission", "read_submissions", "texts"]

LARGEST, PICTURES = 20 << 20, 50 << 20  # bytes of a file; of a notebook, which holds what it drew
CODE, STATEMENTS, FILES, FOLDERS = 1 << 20, 5000, 200, 5  # characters of code; files; depth

NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # some browsers put a name of their own behind
PYTHON = re.compile(r"\.py$", re.IGNORECASE)
ZIP = re.compile(r"\.zip$", re.IGNORECASE)
PACKED = re.compile(r"\.(zip|rar|7z|tar|tgz|gz|bz2|xz)$", re.IGNORECASE)
SPLIT = re.compile(r"^# (?:In ?\[[\d ]*\]:?|%%.*)$", re.MULTILINE)  # where an exported .py has its cells
MADE_HERE = re.compile(r"^\s*(?:async )?(?:def|class) (my_\w+)", re.MULTILINE)


@dataclass
class Submission:
    """One student: the name, the parts, small files that lie beside them, what is to be said to the instructor."""

    student: str
    parts: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


def read_submissions(folder) -> list[tuple[str, str]]:
    """(student, path) of everything in a folder that is somebody's: folders, notebooks, .py files, archives.

    Raises ValueError where there is nothing.
    """
    if not os.path.isdir(folder):
        raise ValueError(f"submissions={os.fspath(folder)!r} is not a folder; a folder with one entry for each student")
    found = []
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        ending = _ending(entry.name)
        if not entry.name.startswith((".", "__")) and (ending or entry.is_symlink() or entry.is_dir()):
            is_file = ending and not entry.is_dir()
            found.append((entry.name[: ending.start()] if is_file else entry.name, entry.path))
    if not found:
        raise ValueError(f"{os.fspath(folder)} holds no folder, notebook, .py file or zip")
    return found


def left_aside(folder) -> list[str]:
    """Names of what lies in a folder of submissions and is nobody's: a list of names, a PDF."""
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if not (e.is_symlink() or e.is_dir() or _ending(e.name))]
    return sorted(_shown(name) for name in names if not name.startswith((".", "__")))


def _ending(name):
    return NOTEBOOK.search(name) or PYTHON.search(name) or PACKED.search(name)


def read_submission(student: str, path: str) -> Submission:
    """One student's files.  Never raises for what is in them: what cannot be read is a problem, in words."""
    made = Submission(student)
    if os.path.islink(path):
        made.problems.append("handed in as a symbolic link, which is not followed")
        return made
    is_folder, room = os.path.isdir(path), LARGEST
    others, python = {}, []
    for name, content in _entries(path, made.problems):
        if NOTEBOOK.search(name):
            made.parts.append(_part(name, content))
            continue
        if PYTHON.search(name):
            python.append((name, content))
        if len(content) <= room:
            room -= len(content)
            others[name] = np.frombuffer(content, np.uint8)
    made.parts += [_part(*one) for one in python if _calls_checks(one[1])]
    if not made.parts:  # nothing calls a check: then functions are found by their names
        made.parts = [_part(*one) for one in python]
    if made.parts and (is_folder or ZIP.search(path)):  # as seen from the folder that holds all of it
        top = os.path.commonpath([os.path.dirname(n) for n in (*others, *(p.name for p in made.parts))])
        made.files = {name[len(top) :].lstrip("/"): content for name, content in others.items()}
    if not made.parts and not made.problems:
        there = f", but {', '.join(map(_shown, [*others][:5]))}" if others else ""
        made.problems.append(f"no notebook and no .py file{there}")
    return made


def texts(path) -> list[bytes]:
    """The bytes of a student's notebooks and .py files, as far as they can be read."""
    if os.path.islink(path):
        return []
    return [content for _, content in _entries(path, [], only_code=True)]


def _entries(path, problems, only_code=False):
    """(name, content) of every file of a student's, those in a zip too, as far as it can be read."""
    root, names = os.path.split(path)[0], [os.path.basename(path)]
    if os.path.isdir(path):
        root, names = path, _files(path, problems)
    for name in names:
        is_code = NOTEBOOK.search(name) or PYTHON.search(name)
        if only_code and not (is_code or ZIP.search(name)):
            continue
        content = _content(os.path.join(root, name), problems, name)
        if content is None:
            continue
        if ZIP.search(name):
            for inside, found in _unpacked(name, content, problems):
                if not only_code or NOTEBOOK.search(inside) or PYTHON.search(inside):
                    yield inside, found
        elif PACKED.search(name):
            problems.append(f"{_shown(name)} is an archive that is not read; hand in the notebook itself, or a zip")
        else:
            yield name, content


def _unpacked(name, content, problems):
    """(name/member, content) of a zip, which nothing is written of; no larger than a notebook may be, all together."""
    room, count = PICTURES, 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                steps = member.filename.replace("\\", "/").split("/")
                if member.is_dir() or any(step.startswith((".", "__")) or not step for step in steps):
                    continue
                count += 1
                if count > FILES or len(steps) > FOLDERS + 1:
                    problems.append(
                        f"{_shown(name)}: more than {FILES} files, or too many folders: the rest was left out"
                    )
                    return
                with archive.open(member) as stream:
                    read = stream.read(room + 1)
                if len(read) > room:
                    problems.append(f"{_shown(name)} holds more than {PICTURES >> 20} MB: the rest was left out")
                    return
                room -= len(read)
                if PACKED.search(steps[-1]):
                    problems.append(f"{_shown(name)}: {_shown(steps[-1])} is an archive inside it, which is not read")
                else:
                    yield "/".join((name, *steps)), read
    except Exception as error:  # a zip can be broken, or locked, in many ways
        problems.append(f"{_shown(name)} cannot be unpacked: {_shown(error)}")


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
            most = PICTURES if NOTEBOOK.search(name) else LARGEST
            content = stream.read(most + 1)
    except OSError as error:
        problems.append(f"{_shown(name)} cannot be read: {error.strerror or error}")
        return None
    if len(content) > most:
        advice = "; clear its outputs and hand it in again" if NOTEBOOK.search(name) else ""
        problems.append(f"{_shown(name)} has more than {most >> 20} MB and was left out{advice}")
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
        text = _text(content, part, name)
        cells = _cells(text, part) if NOTEBOOK.search(name) else _exported(name, text)
        size = sum(len(source) for _, source in cells)
        if size > CODE:
            raise ValueError(f"{size} characters of code; at most {CODE} are read")
    except (ValueError, TypeError, AttributeError, RecursionError, LookupError) as error:
        what = "a notebook" if NOTEBOOK.search(name) else "Python"
        part.problems.append(f"{_shown(name)} cannot be read as {what}: {_shown(error)}")
        return part
    for label, source in cells:
        if len(part.statements) > STATEMENTS:
            part.problems.append(f"{label}: more than {STATEMENTS} statements; the rest was left out")
            break
        try:
            part.statements += cut(label, _plain_python(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line, made = getattr(error, "lineno", None), MADE_HERE.findall(source)
            part.problems.append(
                f"{label}{f', line {line}' if line else ''}: {_shown(getattr(error, 'msg', error))}"
                f"{', so that nothing of it was run: it holds ' if made else ''}{', '.join(made[:5])}"
            )
    return part


def _text(content, part, name) -> str:
    """As UTF-8, or what the file says it is; else as Latin-1, in which every byte is a letter, and that is said."""
    if not content.strip():
        raise ValueError("it is empty")
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        part.problems.append(f"{_shown(name)} is not UTF-8 (byte {error.start}); read as Latin-1, letters may be wrong")
        return content.decode("latin-1")


def _exported(name, text) -> list[tuple[str, str]]:
    """A .py file in one piece; one that came from a notebook (`# In[3]:`, `# %%`), in pieces."""
    cells = SPLIT.split(text)
    if len(cells) == 1:
        return [(name, text)]
    return [(f"{name}, piece {number}", cell) for number, cell in enumerate(cells, 1)]


def _cells(text, part) -> list[tuple[str, str]]:
    """Code cells by number, without those that hold the lesson's solutions; what is left out is said in `part`."""
    try:
        notebook = json.loads(text)
    except ValueError as error:
        if re.search(r"^(<{7}|>{7}) ", text, re.MULTILINE):
            raise ValueError("it holds the marks of a merge that was not finished (<<<<<<<, >>>>>>>)") from None
        if text.lstrip().startswith("<"):
            raise ValueError("it is a page of the web, HTML or the like") from None
        line = f", line {error.lineno}" if hasattr(error, "lineno") else ""
        raise ValueError(f"it is broken or was cut off{line}: {getattr(error, 'msg', error)}") from None
    sheets = notebook.get("worksheets", [notebook]) if isinstance(notebook, dict) else []  # of format 3
    cells = [cell for sheet in sheets for cell in sheet.get("cells") or () if isinstance(cell, dict)]
    if not cells:
        raise ValueError("it has no cells")
    found, ours = [], 0
    for number, cell in enumerate(cells):
        source = cell.get("source") or cell.get("input") or ""
        source = source if isinstance(source, str) else "".join(map(str, source))
        label, made = f"cell {number + 1}", MADE_HERE.findall(source)
        kind, magic = cell.get("cell_type"), re.match(r"\s*%%(\w+)", source)
        if kind == "code" and "solution" in ((cell.get("metadata") or {}).get("tags") or ()) and not made:
            ours += 1
        elif kind == "code" and not (magic and magic[1] not in AS_PYTHON):
            found.append((label, source))
        elif made or (kind == "code" and "def " in source):
            what = f"begins with %%{magic[1]}" if kind == "code" else f"is no code ({_shown(kind)})"
            part.problems.append(f"{label} {what} and was not run{': it holds ' if made else ''}{', '.join(made[:5])}")
    if ours:
        part.problems.append(f"{ours} cells tagged `solution` are the lesson's own and were left aside")
    return found


AS_PYTHON = {"time", "timeit", "capture", "prun", "python", "python3", "debug"}  # below %%time stands Python


def _plain_python(source: str) -> str:
    """Without IPython's magic: `%...`, `!...`, `...?`, `a = !...`, the first line `%%...`.

    Only a line that Python cannot read is taken for magic: `% x` may go on with a sum, `?` may end a sentence.
    """
    lines = re.split("\r\n|\r|\n", source)  # as Python counts them; not at a form feed, or what PDFs end lines with
    if source.lstrip().startswith("%%"):
        lines[next(i for i, line in enumerate(lines) if line.strip())] = ""
    for _ in range(MAGICS):
        try:
            ast.parse("\n".join(lines))
            break
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
            if not (0 <= at < len(lines) and MAGIC.search(lines[at])):
                break
            lines[at] = lines[at][: len(lines[at]) - len(lines[at].lstrip())] + "pass"
    return "\n".join(lines)


MAGICS = 200  # lines of magic in a cell
MAGIC = re.compile(r"^\s*[%!?]|\?\s*$|^\s*[\w, ]+=\s*[%!]")
