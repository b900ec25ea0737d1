"""Answers as students write them (`students/*.txt`): are the wrong ones named, and the right ones taken?

`python tests/check/students.py first` prints every wrong answer beside what is said of it, and the shares.  A file has
for each exercise a right answer in somebody's own way of writing, then the mistakes made in it:

    === softmax                     the exercise, and the right answer below it
    --- no shift                    a mistake, in the writer's words
    < np.exp(x - m)                 what stands there
    > np.exp(x)                     what was written instead (\\n is a new line)
    +++ 0 3                         two of them together

`students/fourth.py`, `fifth.py` and `sixth.py` have whole programs instead, with the mistake written above each.
"""

from __future__ import annotations

import math
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vitedu.check import CHECKS
from vitedu_numpy.layers.attention import attention, merge_heads, softmax, split_heads
from vitedu_numpy.layers.patches import patchify, unpatchify

FOLDER = Path(__file__).with_name("students")
NAMES = {
    "np": np, "math": math, "softmax": softmax, "attention": attention, "split_heads": split_heads,
    "merge_heads": merge_heads, "patchify": patchify, "unpatchify": unpatchify,
}  # fmt: skip


class Answer(NamedTuple):
    """kind: right, single or pair."""

    exercise: str
    kind: str
    words: str
    function: object


def written(text):
    """The function that a text defines."""
    scope = dict(NAMES)
    exec(text, scope)
    return scope["f"]


def answers(name: str):
    """All answers of a file."""
    for block in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("=== ")[1:]:
        head, *marked = block.split("\n--- ")
        exercise, _, right = head.partition("\n")
        pairs = [line[4:] for line in block.splitlines() if line.startswith("+++ ")]
        edits = []
        for part in marked:
            words, old, new = part.split("\n")[:3]
            edits.append((words, *(line[2:].replace("\\n", "\n") for line in (old, new))))
        right = right.partition("\n+++ ")[0].rstrip("\n") + "\n"
        yield Answer(exercise, "right", "", written(right))
        for words, old, new in edits:
            assert old in right, (exercise, words)
            yield Answer(exercise, "single", words, written(right.replace(old, new)))
        for i, j in (map(int, pair.split()) for pair in pairs):
            both = right.replace(*edits[i][1:]).replace(*edits[j][1:])
            yield Answer(exercise, "pair", f"{edits[i][0]}, and {edits[j][0]}", written(both))


def programs(name: str):
    """All answers of a file of whole programs."""
    path = FOLDER / f"{name}.py"
    scope: dict = {}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), scope)
    kinds = {"wrong": "single", "pair": "pair", "right": "right"}
    pattern = r"^# exercise: (\w+)\n# (wrong|pair|right): (.*(?:\n#.*)*)\n+def (\w+)\("
    for exercise, kind, words, function in re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE):
        yield Answer(exercise, kinds[kind], words.replace("\n#", ""), scope[function])


def looked_at(name: str, kinds=("right", "single", "pair")):
    """(answer, verdict, seconds of this process) for all answers of a file."""
    for answer in answers(name) if (FOLDER / f"{name}.txt").exists() else programs(name):
        if answer.kind in kinds:
            began = time.process_time()
            with np.errstate(all="ignore"):
                verdict = CHECKS[answer.exercise].verdict(answer.function)
            yield answer, verdict, time.process_time() - began


def main(name: str) -> None:
    seen = {"right": [], "single": [], "pair": []}
    for answer, verdict, seconds in looked_at(name):
        fine = verdict.ok if answer.kind == "right" else verdict.mistake is not None
        seen[answer.kind].append((fine, seconds))
        if answer.kind != "right" or not fine:
            print(f"{answer.exercise}, {answer.words}: {verdict.mistake or verdict.message.splitlines()[0]}")
    for kind, found in seen.items():
        share, worst = sum(fine for fine, _ in found), max(seconds for _, seconds in found)
        print(f"{kind}: {share} of {len(found)}, at most {worst:.2f} s")


if __name__ == "__main__":
    main(sys.argv[1])
