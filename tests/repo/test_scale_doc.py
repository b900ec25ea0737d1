"""docs/scale.md: its commands parse, its plan is what `vitedu plan` prints, what it quotes stands in the code.

Nothing is trained here: `vitedu ...` is stopped when its arguments have been understood.
"""

from __future__ import annotations

import functools
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import tyro
from quotes import stands_in_the_code
from torch.distributed.run import get_args_parser

from vitedu import cli
from vitedu.models import list_models
from vitedu.plan import PlanRequest, format_plan, plan
from vitedu.plan.memory import Counted
from vitedu.recipes import FineTuning, flatten, get_recipe, list_finetunings, list_recipes

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "scale.md"
TEXT = PAGE.read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
# What the commands of the page may begin with.  Of these only vitedu and torchrun are ours to check.
OTHERS = {"pip", "hf", "export", "tensorboard", "nvidia-smi", "first=$(scontrol"}


def commands() -> list[list[str]]:
    """The commands of all bash blocks as lists of words; a line that ends in a backslash goes on."""
    found = []
    for language, block in FENCE.findall(TEXT):
        if language == "bash":
            lines = block.replace("\\\n", " ").splitlines()
            found += [words for line in lines if (words := shlex.split(line, comments=True))]
    return found


def vitedu_arguments(words: list[str]) -> list[str] | None:
    """What is left for `vitedu`, or None when the command is another program's.  Checks torchrun's own arguments."""
    if words[0] == "srun":
        words = words[1:]
    if words[0] == "vitedu":
        return words[1:]
    if words[0] != "torchrun":
        return None
    launch = get_args_parser().parse_args(words[1:])  # ends the program for an argument that torchrun does not have
    assert (launch.module, launch.training_script) == (True, "vitedu.cli"), words
    # Without either, all runs of a machine would meet at port 29500.
    assert launch.standalone or launch.nnodes != "1:1", words
    return launch.training_script_args


def ours() -> list:
    found = [arguments for words in commands() if (arguments := vitedu_arguments(words)) is not None]
    return [pytest.param(arguments, id=" ".join(arguments)[:90]) for arguments in found]


class Understood(BaseException):
    """Thrown when the arguments are understood: what would come next is the run."""


@pytest.fixture
def understand(monkeypatch):
    """understand(arguments) is what `vitedu` makes of them; it carries nothing out."""
    parse = tyro.cli

    def parse_only(f, **keywords):
        target = f if isinstance(f, type) else functools.wraps(f)(lambda *a, **k: (a, k))
        raise Understood(parse(target, **keywords))

    def understand(arguments):
        monkeypatch.setattr(tyro, "cli", parse_only)
        try:
            return cli.main(arguments)  # `vitedu recipes` has nothing to parse: an exit code
        except Understood as understood:
            return understood.args[0]

    return understand


@pytest.mark.parametrize("arguments", ours())
def test_commands_are_understood(arguments, understand, capsys):
    found = understand(arguments)
    assert found == 0 or not isinstance(found, int), capsys.readouterr().err
    if arguments[0] == "train":
        assert arguments[1] in list_recipes()
    if arguments[0] == "finetune":
        assert found[1]["recipe"].name in list_finetunings()


def test_a_wrong_command_would_be_noticed(understand, capsys):
    assert understand(["train", "vit_digits", "--out", "x", "--run.worker", "3"]) == 2
    assert understand(["train", "vit_digit", "--out", "x"]) == 2
    assert understand(["prepare", "--data", "x"]) == 2
    capsys.readouterr()


def test_overrides_arrive(understand):
    """`understand` returns the arguments that the command's own function was given."""
    _, found = understand(["train", "vit_digits", "--out", "x", "--run.micro-batch", "7"])
    assert (found["recipe"].run.micro_batch, found["out"], found["data"]) == (7, "x", "")


def test_every_command_is_known():
    unknown = {words[0] for words in commands()} - OTHERS - {"vitedu", "torchrun", "srun"}
    assert unknown == set()
    assert len(ours()) > 20


def test_plans_in_the_page_can_be_made(understand, monkeypatch):
    """A wrong recipe, or a model without --epochs, is refused only when the plan is made."""
    # Memory is not counted: that takes seconds for each.
    monkeypatch.setattr("vitedu.plan.planner.count_step", lambda *a, **k: Counted(1, 1, 1, 1, 1))
    for parameter in ours():
        (arguments,) = parameter.values
        if arguments[0] == "plan":
            assert plan(understand(arguments)).days > 0


def test_the_plan_shown_is_what_is_printed():
    """After a change of the planner: paste what `vitedu plan` prints."""
    (shown,) = [block for language, block in FENCE.findall(TEXT) if language == "text" and "memory per GPU" in block]
    assert shown == format_plan(plan(PlanRequest())) + "\n"


# ---- names in the prose ----------------------------------------------------------------------------------------------


def spans() -> list[str]:
    """Everything in `backticks` outside of blocks."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", TEXT))


def test_fields_exist():
    known = {name.replace("_", "-") for kind in ("vit_digits", "bit_cifar10") for name in flatten(get_recipe(kind))}
    known |= {"top", "again", "by-number", "convention", "table"}  # of predict and evaluate
    known |= {"verify", "step", "allow-older"}  # of runs and export
    known |= {"data", "out", "half", "csv", "grid"} | {f.name.replace("_", "-") for f in fields(FineTuning)}
    known |= {f.name.replace("_", "-") for f in fields(PlanRequest)}
    known |= {"data.no-streaming"}
    torchrun = {option for action in get_args_parser()._actions for option in action.option_strings}
    for span in spans():
        for option in re.findall(r"--[a-z][\w.-]*", span):
            if span.startswith("torchrun"):
                assert option in torchrun, span
            elif option not in ("--run.", "--shm-size"):  # all of a kind; docker's
                assert option.removeprefix("--") in known, span


def test_recipes_exist():
    names = [span for span in spans() if re.fullmatch(r"(vit|bit|r50|r101|r152)_\w+(-[\w-]+)?", span)]
    assert set(names) <= {*list_recipes(), *list_models()}


def messages() -> list[str]:
    """What stands first in the table of section 8, and wherever else a message is quoted: long, or with an ellipsis."""
    section = re.search(r"^## 8\..*?(?=^## )", TEXT, flags=re.MULTILINE | re.DOTALL)[0]
    rows = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in section.splitlines() if line.startswith("|")]
    quoted = {span for row in rows for span in row} | {
        span for span in spans() if ("…" in span and span != "…") or len(span.split()) > 6
    }
    return sorted(quoted - {"CUDA out of memory"})  # PyTorch's


@pytest.mark.parametrize("message", messages())
def test_messages_are_those_of_the_code(message):
    assert stands_in_the_code(message)


def test_lines_that_only_a_gpu_runs_are_in_the_files():
    section = TEXT[TEXT.index("The lines that only a GPU executes") :]
    rows = re.findall(r"^\| \[[\w.]+\]\(\.\./([\w/.]+)\) \| `([^`]+)` \|", section, flags=re.MULTILINE)
    assert len(rows) >= 10
    for file, code in rows:
        assert code in (ROOT / file).read_text(encoding="utf-8"), f"{file}: {code}"
    assert not [path for path, _ in rows if path.startswith("tests/")]


def test_every_mention_of_cuda_is_in_the_table():
    """A new line that asks for a GPU has to be named on the page."""
    table = set(re.findall(r"\(\.\./(vitedu/[\w/.]+)\)", TEXT[TEXT.index("The lines that only a GPU executes") :]))
    places = [
        *(ROOT / "vitedu").glob("*.py"),
        *(ROOT / "vitedu/engine").glob("*.py"),
        *(ROOT / "vitedu/data").glob("*.py"),
    ]
    with_cuda = {str(path.relative_to(ROOT)) for path in places if '"cuda"' in path.read_text(encoding="utf-8")}
    assert with_cuda <= table
