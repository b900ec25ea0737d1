"""A zip for Gradescope: the same marks, one submission at a time, and a result that is always there and in time.

    setup.sh           installs Python packages, once, when Gradescope builds the image
    run_autograder     writes a result first, then marks, with a time limit of its own
    settings.json      points and limits
    package/           both packages, as they are here

Gradescope puts the zip at /autograder/source, the work at /autograder/submission, and reads
/autograder/results/results.json.  Only the marker writes that file, by renaming a whole one into its place.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from vitedu_numpy import config
from vitedu_numpy.weights.files import replacing

from .grade import mark_all, points_of
from .marking import Rules, StudentMarks
from .process import Limits, strongest

__all__ = ["main", "results", "write_autograder"]

NEEDS = ("numpy>=2.0,<3", "matplotlib>=3.9", "pillow>=10", "scikit-learn>=1.6")
TORCH = ("torch>=2.6,<2.14", "safetensors>=0.4.5", "tqdm>=4.60")
LEFT_OUT = {"__pycache__", "shipped", "recorded"}  # weights and results that no exercise reads

SETUP = """#!/usr/bin/env bash
set -e
apt-get update -y
apt-get install -y python3 python3-venv
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install --no-cache-dir {needs}
"""

RUN = """#!/usr/bin/env bash
# There is a result before anything of the student runs; the marker puts a better one in its place.
root="${{AUTOGRADER_ROOT:-/autograder}}"
mkdir -p "$root/results"
cat > "$root/results/results.json" <<'END'
{fallback}
END
# What another user shall not read: the right answers, what others handed in, how it is marked.
chmod -R go-rwx "$root/submission" "$root/results" "$root/source/settings.json" "$root/source/package/vitedu/check"
cd /
PYTHONPATH="$root/source/package" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 VITEDU_PROGRESS=off \\
  timeout -k 5 {limit} "$root/venv/bin/python" -m vitedu.course.gradescope "$root"
exit 0
"""


def write_autograder(out, wanted, own: str = "flag", seconds: float = 480, torch: bool = False) -> Iterator[str]:
    """Write the zip; yields a line that says what is in it.  wanted: lessons, by name or number."""
    points = points_of(wanted)
    if not points:
        raise ValueError("wanted=() is not allowed; name at least one lesson")
    if not seconds >= 30:
        raise ValueError(f"seconds={seconds!r} is not allowed; it must be 30 or more")
    rules = Rules(points, 0, "plain", Limits(total=seconds - 20), own)
    settings = {"points": points, "own": own, "seconds": seconds, "limits": asdict(rules.limits)}
    needs = " ".join(f"'{n}'" for n in (*NEEDS, *(TORCH if torch else ())))
    full = sum(points.values())
    nothing = {
        "score": 0, "output": "The marking did not come to its end. Your instructor can run it again.",
        "tests": [{"name": "marking", "score": 0, "max_score": full, "output": "no result"}],
    }  # fmt: skip
    members = {
        "setup.sh": SETUP.format(needs=needs),
        "run_autograder": RUN.format(fallback=json.dumps(nothing, indent=1), limit=int(seconds) + 10),
        "settings.json": json.dumps(settings, indent=1),
    }
    root = Path(config.__file__).parents[1]
    with replacing(os.fspath(out)) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
        for room in ("vitedu", "vitedu_numpy"):
            for path in sorted((root / room).rglob("*")):
                inside = path.relative_to(root)
                if path.is_file() and not LEFT_OUT & set(inside.parts):
                    archive.write(path, f"package/{inside.as_posix()}")
    yield f"{out}: {len(points)} exercises, {full} points, at most {seconds:g} seconds for a submission"


def results(marks: StudentMarks, seconds: float) -> dict:
    """What Gradescope reads: a test for each exercise; the instructor alone sees what is flagged."""
    tests = [
        {
            "name": a.name, "score": a.points, "max_score": a.full, "status": "passed" if a.ok else "failed",
            "output": "\n".join([a.message, *(r for r in a.rungs if r not in a.message)]), "output_format": "text",
            "visibility": "visible",
        }
        for a in marks.answers
    ]  # fmt: skip
    if marks.flags:
        tests.append({"name": "for the instructor", "output": "\n".join(marks.flags), "visibility": "hidden"})
    return {
        "score": marks.points, "execution_time": round(seconds), "output": "\n".join(marks.notes),
        "output_format": "text", "visibility": "visible", "stdout_visibility": "hidden", "tests": tests,
    }  # fmt: skip


def main(root: str) -> int:
    """Mark ROOT/submission by ROOT/source/settings.json, and write ROOT/results/results.json."""
    began = time.monotonic()
    with open(os.path.join(root, "source", "settings.json"), encoding="utf-8") as stream:
        settings = json.load(stream)
    rules = Rules(settings["points"], secrets.randbits(48), "plain", Limits(**settings["limits"]), settings["own"])
    rules = replace(rules, level=strongest())
    students = [("submission", os.path.join(root, "submission"))]
    (marks,) = mark_all(students, rules, 1, settings["seconds"] - (time.monotonic() - began))
    marks.flags.append(f"isolation: {rules.level}")
    made = json.dumps(results(marks, time.monotonic() - began), indent=1)
    with replacing(os.path.join(root, "results", "results.json")) as temporary:
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
