"""`vitedu course release`: no solution and no answer gets out, work is never overwritten, links lead somewhere."""

from __future__ import annotations

import ast
import contextlib
import html
import json
import re
from pathlib import Path

import pytest
from small_course import SEED, STUB_2, code, markdown, notebook, write_course

from vitedu import cli
from vitedu.check import CHECKS
from vitedu.check.catalogue import further
from vitedu.course.answers import answered, pieces, solution_sources
from vitedu.course.assignment import exercises, lesson_name, read_notebook, source_of, tags_of
from vitedu.course.release import release
from vitedu.course.student import student_copy, without_mention

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
each_lesson = pytest.mark.parametrize("file", LESSONS, ids=lesson_name)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small repository, which is where one is."""
    write_course(tmp_path / "course")
    monkeypatch.chdir(tmp_path / "course")
    return tmp_path / "course"


def texts(cell: dict) -> list[str]:
    """Lines of a cell, of what it printed and of what it showed."""
    found = source_of(cell).split("\n")
    for output in cell.get("outputs", []):
        shown = output.get("data", {})
        found += "".join(output.get("text", "")).split("\n") + "".join(shown.get("text/plain", "")).split("\n")
        found += html.unescape(re.sub(r"<[^>]+>", "", "".join(shown.get("text/html", "")))).split("\n")
    return found


def squeezed(line: str) -> str:
    """Without comments and spaces, so that only the code counts."""
    return re.sub(r"#.*|\s+", "", line)


# ---- the lessons themselves ----------------------------------------------------------------------------------------


def test_every_check_belongs_to_one_exercise():
    """But `linear_parameters`, with which notebook 00 shows how a check talks, and those that wait for an exam."""
    asked = [e for file in LESSONS for e in exercises(read_notebook(file))]
    assert len({e.name for e in asked}) == len(asked)
    assert set(CHECKS) - {e.name for e in asked} == {"linear_parameters", *further.PRINTED}
    assert all(e.function == f"my_{e.name}" and e.solutions and e.points == 5 * e.level for e in asked)


@each_lesson
def test_no_solution_and_no_mention_gets_out(file):
    lesson = read_notebook(file)
    student = student_copy(lesson)
    kept = [cell["id"] for cell in student["cells"]]
    assert kept == [c["id"] for c in lesson["cells"] if "solution" not in tags_of(c) and c["id"] in kept]
    for cell in student["cells"]:
        assert "solution" not in tags_of(cell)
        text = "\n".join(texts(cell))
        assert "solved_" not in text
        said = [
            s for s in re.split(r"[.\n]", text) if re.search("[Ss]olution", s) and re.search(r"\bfolded\b|The sol", s)
        ]
        assert said == []
        assert not ("exercise" in tags_of(cell) and cell["outputs"])


# Lines of solutions that students see all the same, since the lesson itself prints them; of 399 lines, these 8.
SHOWN = {
    "patchify": 1, "attention": 1, "attention_backward": 1, "stair_rate": 1, "pseudo_targets": 1, "newton_schulz": 1,
    "overlapping_patches": 1, "patch_embedding": 1,  # sizes; a program to repair: its last line is right
}  # fmt: skip


@each_lesson
def test_no_line_of_a_solution_gets_out(file):
    lesson = read_notebook(file)
    seen = {squeezed(line) for cell in student_copy(lesson)["cells"] for line in texts(cell)}
    for exercise in exercises(lesson):
        source = "\n".join(solution_sources(lesson, exercise.solutions))
        name = exercise.function.replace("my_", "solved_", 1)
        (node,) = [n for n in ast.parse(source).body if getattr(n, "name", "") == name]
        lines = [squeezed(line) for line in source.split("\n")[node.body[0].lineno - 1 : node.end_lineno]]
        leaked = [line for line in lines if line and line in seen]
        assert len(leaked) <= SHOWN.get(exercise.name, 0), f"{exercise.name}: {leaked}"


@each_lesson
def test_sources_for_graders_hold_the_right_answers(file):
    """The stub with its solution inside is right for every check, whatever a lesson defined before its exercises."""
    lesson = read_notebook(file)
    names = {}
    for cell in lesson["cells"]:
        if cell["cell_type"] != "code" or {"exercise", "solution"} & set(tags_of(cell)):
            continue
        for node in ast.parse(source_of(cell)).body:  # imports, and functions that are written by hand
            if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef)):
                with contextlib.suppress(NameError):  # a default that the lesson has computed
                    exec(compile(ast.Module([node], []), "a lesson", "exec"), names)
    for exercise in exercises(lesson):
        stub = source_of(lesson["cells"][exercise.stub])
        source = answered(stub, solution_sources(lesson, exercise.solutions), "# BEGIN", "# END")
        functions = [e.function for e in exercises(lesson) if e.stub == exercise.stub]
        parts = pieces(source, functions)
        assert sum(part.count("# BEGIN") for part in parts) == len(functions)
        for part in parts:
            without_checks = re.sub(r"^check\..*$", "", part, flags=re.MULTILINE)
            exec(without_checks, names)
        assert CHECKS[exercise.name].verdict(names[exercise.function], SEED).ok, exercise.name


# ---- reading -------------------------------------------------------------------------------------------------------


def test_an_exercise_says_what_it_asks(course):
    lesson = read_notebook("notebooks/01_small.ipynb")
    softmax, split, merge = exercises(lesson)
    assert (softmax.name, softmax.function, softmax.number, softmax.title) == ("softmax", "my_softmax", "1", "Softmax")
    assert (softmax.level, softmax.points, softmax.text, softmax.stub, softmax.solutions) == (1, 5, 3, 4, (5,))
    assert (split.number, split.title, split.stub) == (merge.number, merge.title, merge.stub) == ("2", "Heads", 7)


@pytest.mark.parametrize(
    ("stub", "says"),
    [
        ("def my_softmax(x):\n    raise NotImplementedError", "cell s is an exercise without a line check.NAME"),
        ("check.sofmax(my_softmax)", "cell s calls check.sofmax, which is no check"),
        ("def my_softmax(x:", "cell s is an exercise that is no Python"),
    ],
)
def test_a_lesson_that_is_written_wrongly(stub, says):
    with pytest.raises(ValueError, match=says):
        exercises(notebook(markdown("m", "**1. Softmax.**"), code("s", stub, "exercise")))
    with pytest.raises(ValueError, match="without a text"):
        exercises(notebook(code("s", "check.softmax(my_softmax)", "exercise")))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"cells": 3, "nbformat": 4}', '{"cells": [1], "nbformat": 4}', "[" * 99_999]
)
def test_what_is_no_notebook(tmp_path, text):
    (tmp_path / "x.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.ipynb"):
        read_notebook(tmp_path / "x.ipynb")


def test_sentences_about_solutions():
    assert without_mention("A check. Each solution is folded below. Open it.\nNext.") == "A check.\nNext."
    assert without_mention("One.\n\nSolutions are folded below.\n\nTwo.") == "One.\n\nTwo."
    kept = "Four solutions that are equal on paper.\nImages are folded into rows: `(B, T, I)`."
    assert without_mention(kept) == kept


# ---- plain folders -------------------------------------------------------------------------------------------------


def run(*words) -> int:
    return cli.main(["course", "release", *map(str, words)])


def sources(file) -> dict[str, str]:
    return {cell["id"]: source_of(cell) for cell in read_notebook(file)["cells"]}


def test_a_folder_that_stands_alone(course, capsys):
    """What a lesson links to and reads comes along; a link to what does not becomes its words."""
    assert run("--out", "../out") == 0
    out = course.parent / "out"
    assert capsys.readouterr().out.splitlines()[0] == "../out/work/01_small.ipynb: 3 exercises, 15 points"
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert files == ["NOTATION.md", "docs/p.png", "docs/runs/curve.csv", "work/01_small.ipynb", "work/02_other.ipynb"]
    cells = sources(out / "work" / "01_small.ipynb")
    assert list(cells) == ["m1", "c1", "c2", "m2", "c3", "m3", "c5", "m4"]
    assert "[the other](02_other.ipynb) and [a page](https://example.org)" in cells["m1"]
    assert "[The letters](../NOTATION.md#S), ![a picture](../docs/p.png)" in cells["m2"]
    assert "folded" not in cells["m2"]
    assert cells["m3"].startswith("**2. Heads.**")
    assert (out / "NOTATION.md").read_text(encoding="utf-8") == "# Letters\n\n`S`: elsewhere, ![p](docs/p.png)\n"
    outputs = {c["id"]: c["outputs"] for c in read_notebook(out / "work" / "01_small.ipynb")["cells"] if "outputs" in c}
    assert outputs["c2"]
    assert not outputs["c3"]


def test_one_lesson_without_the_other(course):
    """A link to a lesson that is not handed out is no link, until it is."""
    assert run("1", "--out", "../out") == 0
    assert "See the other and [a page]" in sources("../out/work/01_small.ipynb")["m1"]
    assert run("02_other", "--out", "../out") == 0
    assert run("notebooks/01_small.ipynb", "--out", "../out") == 0
    assert "[the other](02_other.ipynb)" in sources("../out/work/01_small.ipynb")["m1"]


def test_all_lessons_with_their_links(tmp_path):
    """Every link of every released lesson, and every file that it reads, is there."""
    list(release((), tmp_path, source=str(ROOT / "notebooks")))
    for file in sorted(tmp_path.rglob("*.ipynb")) + sorted(tmp_path.rglob("*.md")):
        if file.suffix == ".ipynb":
            cells = [cell for cell in read_notebook(file)["cells"] if cell["cell_type"] == "markdown"]
            text = "\n\n".join(map(source_of, cells))
        else:
            text = file.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)):
            assert re.match(r"https?:", target) or (file.parent / target).exists(), f"{file}: {target}"
    assert (tmp_path / "docs" / "noisy_student.md").is_file()


def test_a_folder_for_graders_has_its_files_beside_it(course):
    for format, place in (("nbgrader", "../out/source/01_small"), ("otter", "../out/01_small")):
        assert run("--out", "../out", "--format", format, "--seed", SEED) == 0
        cells = sources(f"{place}/01_small.ipynb")
        assert '(Path(".") / "docs" / "runs" / "curve.csv")' in cells["c2"]
        assert "[The letters](NOTATION.md#S), ![a picture](docs/p.png)" in cells["m2"]
        assert (course.parent / place[3:] / "docs" / "runs" / "curve.csv").is_file()
        assert ("[the other](../02_other/02_other.ipynb)" in cells["m1"]) == (format == "nbgrader")


# ---- a student's work ----------------------------------------------------------------------------------------------


def change(file, **texts_by_id) -> None:
    """What a student does in an editor: other text in cells, a cell more (`new`)."""
    work = read_notebook(file)
    for cell in list(work["cells"]):
        if cell["id"] in texts_by_id:
            cell["source"] = texts_by_id[cell["id"]].splitlines(keepends=True)
        if cell["id"] == "c3" and "new" in texts_by_id:
            work["cells"].insert(work["cells"].index(cell) + 1, code("mine", texts_by_id["new"]))
    Path(file).write_text(json.dumps(work), encoding="utf-8")


WORK = "../out/work/01_small.ipynb"


def test_work_is_not_overwritten(course, capsys):
    assert run("--out", "../out") == 0
    assert run("--out", "../out") == 0  # nothing was changed: written again
    change(WORK, c3="def my_softmax(x):\n    return x")
    before = Path(WORK).read_bytes()
    capsys.readouterr()
    assert run("--out", "../out") == 1
    said = capsys.readouterr().err
    assert "01_small.ipynb: changed since it was written, so it stays (1 others were written)" in said
    assert Path(WORK).read_bytes() == before


def test_running_a_notebook_is_no_change(course):
    assert run("--out", "../out") == 0
    work = read_notebook(WORK)
    work["cells"][1]["outputs"], work["cells"][1]["execution_count"] = [], 7
    work["metadata"]["kernelspec"]["display_name"] = "mine"
    Path(WORK).write_text(json.dumps(work), encoding="utf-8")
    assert run("--out", "../out") == 0


def test_a_new_edition_around_the_work(course, capsys):
    """Answers, own cells and experiments stay; what the student left alone is renewed, and nothing is lost."""
    assert run("--out", "../out") == 0
    answer = "def my_softmax(x):\n    return x\n\n\ncheck.softmax(my_softmax)"
    change(WORK, c3=answer, new="my_softmax(1)", c1="import numpy as np  # mine", m1="# My notes")
    lesson = json.loads((course / "notebooks" / "01_small.ipynb").read_text(encoding="utf-8"))
    by_id = {cell["id"]: cell for cell in lesson["cells"]}
    by_id["m1"]["source"] = "# 01 · Small, second edition"
    by_id["m4"]["source"] = "## Recap\n\nMore."
    lesson["cells"].insert(1, markdown("m9", "New in this edition."))
    lesson["cells"].remove(by_id["c2"])
    (course / "notebooks" / "01_small.ipynb").write_text(json.dumps(lesson), encoding="utf-8")
    before = Path(WORK).read_bytes()
    capsys.readouterr()
    assert run("1", "--out", "../out", "--update") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  m1: changed by you and in the new edition; yours is below the new one",
        "  c1: yours is kept",
        "  c3: yours is kept",
        "  mine: your own cell is kept",
    ]
    cells = sources(WORK)
    assert list(cells) == ["m1", "m1-mine", "m9", "c1", "m2", "c3", "mine", "m3", "c5", "m4"]
    assert cells["m1"] == "# 01 · Small, second edition"
    assert cells["m1-mine"] == "# My notes"
    assert (cells["c3"], cells["mine"], cells["c1"]) == (answer, "my_softmax(1)", "import numpy as np  # mine")
    assert "More." in cells["m4"]
    kept = read_notebook("../out/work/before-update/01_small.ipynb")
    assert kept == json.loads(before)
    assert run("1", "--out", "../out", "--update") == 0  # and once more: nothing new, nothing lost, nothing twice
    assert sources(WORK) == cells


def test_a_stub_that_changed_under_an_answer(course, capsys):
    assert run("--out", "../out") == 0
    change(WORK, c5="def my_split_heads(x, heads):\n    return x")
    text = (course / "notebooks" / "01_small.ipynb").read_text(encoding="utf-8")
    (course / "notebooks" / "01_small.ipynb").write_text(text.replace("factor = 2", "factor = 3"), encoding="utf-8")
    assert run("1", "--out", "../out", "--update") == 0
    assert "c5: yours is kept; its stub has changed in the new edition" in capsys.readouterr().out
    assert sources(WORK)["c5"] == "def my_split_heads(x, heads):\n    return x"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda work: work["metadata"].pop("vitedu"), "it does not say what was handed out"),
        (lambda work: [cell.pop("id") for cell in work["cells"]], "its cells have lost their ids"),
    ],
)
def test_what_cannot_be_merged_is_left_alone(course, capsys, spoil, says):
    assert run("--out", "../out") == 0
    work = read_notebook(WORK)
    spoil(work)
    Path(WORK).write_text(json.dumps(work), encoding="utf-8")
    assert run("--out", "../out", "--update") == 1
    assert says in capsys.readouterr().err
    assert read_notebook(WORK) == work


def test_in_the_repository_itself(course):
    """For who learns alone: work/ beside notebooks/, and the files that lessons link to are there already."""
    before = (course / "NOTATION.md").read_text(encoding="utf-8")
    assert run("--out", ".") == 0
    assert (course / "NOTATION.md").read_text(encoding="utf-8") == before
    assert (course / "work" / "01_small.ipynb").is_file()


# ---- mistakes on the command line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["7", "--out", "x"], 1, "lesson '7' is not in 'notebooks'; there are 01_small, 02_other"),
        (["03_no.ipynb", "--out", "x"], 1, "notebook '03_no.ipynb' is not there"),
        (["--out", "x", "--source", "docs"], 1, "source='docs' has no notebooks NN_name.ipynb"),
        (["--out", ""], 2, "out='' is not allowed"),
        ([], 2, "--out is missing"),
        (["--out", "x", "--format", "pdf"], 2, "--format"),
        (["--out", "x", "--format", "otter", "--seed", "-1"], 1, "seed=-1 is not allowed"),
    ],
)
def test_mistakes(course, capsys, words, status, says):
    assert run(*words) == status
    assert says in capsys.readouterr().err
    assert not Path("x").exists()


def test_a_lesson_whose_link_leads_nowhere(course, capsys):
    (course / "docs" / "p.png").unlink()
    assert run("--out", "../out") == 1
    assert "a lesson needs docs/p.png, which is not in" in capsys.readouterr().err


# ---- sources for graders -------------------------------------------------------------------------------------------


def test_a_stub_is_cut_into_its_functions():
    first, second = pieces(STUB_2, ["my_split_heads", "my_merge_heads"])
    assert first.startswith("factor = 2\n\n\ndef my_split_heads(x, heads):\n    raise NotImplementedError")
    assert first.endswith("check.split_heads(my_split_heads)")
    assert second.startswith("def my_merge_heads(x):")
    assert second.endswith("check.merge_heads(my_merge_heads)")


def test_a_solution_with_other_arguments_goes_in_whole():
    stub = "def my_f(x):\n    raise NotImplementedError"
    solved = "def solved_f(x, a=2):\n    # twice\n    return a * x\n\n\nprint(solved_f(1))"
    names = {}
    exec(answered(stub, [solved], "# BEGIN", "# END"), names)
    assert names["my_f"](3) == 6
    with pytest.raises(ValueError, match="my_f has no solution: no cell defines solved_f"):
        answered(stub, ["def solved_g(x):\n    return x"], "# BEGIN", "# END")


def test_the_seed_is_not_handed_out(course):
    """It stays the same when lessons are written again, and stands in no digest that a student could search."""
    for format, file in (
        ("nbgrader", "../out/source/01_small/01_small.ipynb"),
        ("otter", "../out/01_small/01_small.ipynb"),
    ):
        assert run("--out", "../out", "--format", format) == 0
        seed = json.loads(Path("../out/released.json").read_text())["seed"]
        assert f"seed={seed})" in Path(file).read_text(encoding="utf-8")
        assert "vitedu" not in read_notebook(file)["metadata"]
        assert run("1", "--out", "../out", "--format", format) == 0
        assert json.loads(Path("../out/released.json").read_text())["seed"] == seed
