"""How long does it take to mark a course?  Generated students, the whole way of `vitedu course grade`.

    python benchmarks/grade.py [--lessons 03 05] [--students 100] [--jobs 2] [--seed 0] [--keep FOLDER]

Each student hands in the lessons' notebooks.  Of every exercise: half are our solution; a sixth are left to do; a third
are wrong, with one or two changes in the solution's lines (a sign, a transpose, an axis, a factor, a line left out), so
that some have names and others do not, which takes the engine longest.  One student in ten hands in an endless loop or
an exit besides.  Prints the time, and what was named of what was wrong.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import tempfile
import time
from pathlib import Path

from vitedu.course.assignment import exercises, read_notebook, source_of
from vitedu.course.grade import grade
from vitedu.course.release import find_lessons
from vitedu.course.student import student_copy

CHANGES = [
    (r" \+ ", " - "), (r" - ", " + "), (r" / ", " * "), (r" \* ", " / "), (r"\.T\b", ""), (r"axis=-1", "axis=0"),
    (r"axis=1\b", "axis=0"), (r"keepdims=True", "keepdims=False"), (r" @ ", " * "), (r"\bsum\(", "mean("),
    (r"\bmean\(", "sum("), (r"np\.sqrt\(", "("), (r"2 \* ", ""), (r"1 - ", ""), (r"swapaxes\(-1, -2\)", "copy()"),
    (r", 0, 2", ", 2, 0"), (r"np\.maximum", "np.minimum"), (r"\blen\((\w+)\)", r"\1.size"), (r" // ", " / "),
]  # fmt: skip
HARM = ["\n    while True: pass", "\n    import os; os._exit(0)", "\n    return [0] * 10**9"]


def wrong(source: str, rng: random.Random) -> str:
    """One or two changes to the lines of a function."""
    head, _, body = source.partition(":\n")
    for _ in range(rng.choice((1, 1, 2))):
        places = [(m, new) for old, new in CHANGES for m in re.finditer(old, body)]
        if places:
            match, new = rng.choice(places)
            body = body[: match.start()] + match.expand(new) + body[match.end() :]
    return f"{head}:\n{body}"


def handed_in(notebook: dict, rng: random.Random, is_hostile: bool) -> dict:
    """A student's notebook: the stubs filled as above."""
    made, cells = student_copy(notebook), notebook["cells"]
    for asked in exercises(notebook):
        kind = rng.choice(["right"] * 3 + ["wrong"] * 2 + ["to do"])
        stub = next(c for c in made["cells"] if f"def {asked.function}(" in source_of(c))
        solution = "\n\n".join(source_of(cells[i]) for i in asked.solutions)
        found = re.search(rf"def solved_{asked.name}\(.*?(?=\n\n\n|\n\ncheck|\Z)", solution, flags=re.DOTALL)
        if kind == "to do" or found is None:
            continue
        text = found[0].replace("solved_", "my_")
        text = wrong(text, rng) if kind == "wrong" else text
        if is_hostile:
            text, is_hostile = text.partition(":\n")[0] + ":" + rng.choice(HARM), False
        old = re.search(rf"def {asked.function}\(.*?raise NotImplementedError", source_of(stub), flags=re.DOTALL)
        stub["source"] = source_of(stub).replace(old[0], text)
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lessons", nargs="+", default=["03"])
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--source", default=str(Path(__file__).resolve().parents[1] / "notebooks"))
    parser.add_argument("--keep", default="", help="where to leave what was handed in, and the marks")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(given.keep or folder)
        lessons = {name: read_notebook(path) for name, path in find_lessons(given.lessons, given.source).items()}
        for i in range(given.students):
            place = folder / "work" / f"student{i:03}"
            place.mkdir(parents=True, exist_ok=True)
            for name, notebook in lessons.items():
                made = handed_in(notebook, rng, is_hostile=i % 10 == 9)
                (place / f"{name}.ipynb").write_text(json.dumps(made), encoding="utf-8")
        began, cpu = time.perf_counter(), os.times()
        for line in grade(folder / "work", folder / "marks.csv", given.lessons, given.jobs, seed=given.seed):
            if not line.startswith("student"):
                print(line)
        wall, after = time.perf_counter() - began, os.times()
        used = sum(after[:4]) - sum(cpu[:4])
        with open(folder / "marks.csv", newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
        texts = [p.read_text(encoding="utf-8") for p in (folder / "marks-feedback").iterdir()]
        named = sum(len(re.findall(r"This (?:looks like|could be)", t)) for t in texts)
        nameless = sum(len(re.findall(r"not a mistake I know|it stopped", t)) for t in texts)
    print(f"{len(lines)} lines in {wall:.0f} s with {given.jobs} jobs, {used:.0f} s of CPU time")
    print(f"mean {sum(float(line['points']) for line in lines) / len(lines):.1f} of {lines[0]['of']} points")
    print(f"wrong answers: {named} with a name, {nameless} without")


if __name__ == "__main__":
    main()
