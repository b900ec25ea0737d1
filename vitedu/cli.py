"""The command line: `vitedu train RECIPE --data DATA --out FOLDER` and its helpers.

Taught in notebooks/14_pretraining.ipynb.
"""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
import codecs
import os
import sys
from dataclasses import replace
from typing import Annotated

from vitedu_numpy.extras import advice
from vitedu_numpy.validate import did_you_mean

from .commands.arguments import Usage, is_first, named, naming_splits, read, typed, writable

__all__ = ["main"]

HELP = """vitedu COMMAND ...

  train RECIPE --out FOLDER [--data DATA] [--any.field VALUE]   train, or go on; under torchrun on many processes
  finetune FROM --out FOLDER [--recipe RECIPE] [--data DATA] [--grid]   carry weights over to another data set
  probe FROM --data DATA               few-shot accuracies of a trained model's features
  recipes [RECIPE]                     a table of all recipes, or one of them in full
  runs FOLDER ... [--out PICTURE.png] [--csv FOLDER]  compare the curves of runs; --verify: are their checkpoints whole?
  export FOLDER --out FILE [--step N]  the weights of a run's last checkpoint as .safetensors or .npz
  predict FROM photo.jpg ... [--out PICTURE.png]      what photographs show, by name
  evaluate FROM --data DATA [--out FOLDER]            accuracy with a standard error; --table FOLDER: one table of many
  plan [RECIPE] ...                    memory, time and cost of a run before it is paid for
  experiment [NAME] [--fast] [--out FOLDER]           questions about inductive bias, asked of small models
  progress                             which exercises of the notebooks are done, and how long the others take
  course release|grade|gradescope ...  for instructors: notebooks without solutions, and marks
  prepare ...                          shrink a data set once, so that it is read faster ever after

RECIPE is a name, or a file of your own: mine.toml, mine.json, a run's folder or its recipe.json; or mine.py, which is
executed, whatever is in it.  `vitedu COMMAND --help` says more; `vitedu --version` says which version this is.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.  Returns 0 when it succeeded, 1 for an error, with its message on stderr, 2 for wrong usage.

    A run that was asked to stop: 75, with a checkpoint if a step was made; 130 after Ctrl-C (docs/reliability.md);
    141 where nobody reads on, as in `vitedu recipes | head`.
    """
    is_program = arguments is None
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if is_program:
        _never_lost(sys.stdout, sys.stderr)
    # Two training processes on one machine: idle threads should sleep, not burn the other's time.  Before torch comes.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    command = arguments.pop(0) if arguments else "--help"
    if command in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if command in ("-V", "--version"):
        from . import __version__

        print(f"vitedu {__version__}")
        return 0
    if command not in _COMMANDS:
        hint = did_you_mean(command, _COMMANDS)
        allowed = f"allowed is one of {', '.join(_COMMANDS)}"
        print(f"vitedu: command {command!r} is not known; {hint}{allowed}", file=sys.stderr)
        return 2
    try:
        code = _COMMANDS[command](arguments) or 0
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # after `--help`; after a run that was asked to stop
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Usage as error:
        print(f"vitedu {command}: {_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if is_first():
            print("vitedu: stopped; the same command goes on from the last checkpoint", file=sys.stderr, flush=True)
        if is_program:
            sys.stdout.flush()
            os._exit(130)  # at once: no waiting for threads that still write
        return 130
    except ModuleNotFoundError as error:
        print(f"vitedu: {advice(error) or error}", file=sys.stderr)
        return 1
    except (ValueError, TypeError, KeyError, ArithmeticError, OSError, RuntimeError) as error:
        if isinstance(error, BrokenPipeError) and _reader_has_left():
            return 141  # 128 + SIGPIPE, as of a program that the signal ends
        print(f"vitedu: {type(error).__name__}: {_line(error)}", file=sys.stderr)
        if os.environ.get("VITEDU_TRACEBACK"):
            raise
        return 1


def _never_lost(*streams) -> None:
    """What a terminal or a log cannot show, such as ± in ASCII (LC_ALL=C), becomes \\xb1: no result is lost to it."""
    codecs.register_error("vitedu.shown", _shown)
    for stream in streams:
        if hasattr(stream, "reconfigure"):  # a stream of somebody else's may lack it
            stream.reconfigure(errors="vitedu.shown")


def _shown(error):
    """What is written in place of letters that a stream lacks: the bytes of a file's name as they are, else escapes."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def _reader_has_left() -> bool:
    """Is it stdout that is broken, as in `vitedu recipes | head`?  Nothing is written to it any more then."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _line(error) -> str:
    """The message of an error in one line; a KeyError's without its quotes, the system's with the file first."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join(str(text).split("\n"))


def _train(arguments):
    import tyro

    from .recipes import Recipe, get_recipe, list_recipes

    if not arguments or arguments[0].startswith("-"):
        usage = (
            "usage: vitedu train RECIPE --out FOLDER ...; RECIPE is a file (mine.toml, mine.json, a run's folder, or "
            f"mine.py, which is executed), or one of {', '.join(list_recipes())}"
        )
        if "-h" not in arguments and "--help" not in arguments:
            raise Usage(usage)
        print(usage)
        return 0
    chosen = named(get_recipe, arguments.pop(0))
    # The length is given in steps or in epochs: naming one takes the other's place.
    given = {word.partition("=")[0] for word in arguments}
    if "--steps" in given and "--epochs" not in given:
        chosen = replace(chosen, epochs=None, steps=max(1, chosen.warmup_steps))
    elif "--epochs" in given and "--steps" not in given:
        chosen = replace(chosen, epochs=1, steps=None)

    def train(
        recipe: tyro.conf.AvoidSubcommands[Annotated[Recipe, tyro.conf.arg(name="")]] = chosen,
        *,
        out: str,
        data: str = "",
    ):
        """Carry out a recipe.  Every field may be changed.

        Args:
            recipe: what is run.
            out: the run's folder; where it holds a checkpoint of the same run, that is gone on with.
            data: hub name or folder, in place of the recipe's.
        """
        return recipe, out, data or None

    recipe, out, data = read(train, arguments, f"vitedu train {chosen.name}")
    writable(out, folder=True)
    from .engine.train import train as carry_out
    from .recipes import format_recipe

    if is_first():
        print(format_recipe(recipe), flush=True)
    with naming_splits(data__train_split=recipe.data.train_split, data__eval_split=recipe.data.eval_split):
        results = carry_out(recipe, out, data)
    if is_first():
        print(", ".join(f"{name} {value:.4f}" for name, value in results.items()) or "done")


def _finetune(arguments):
    from .commands.finetune import finetune

    return finetune(arguments)


def _progress(arguments):
    from .commands.progress import progress

    return progress(arguments)


def _probe(arguments):
    from .commands.probe import probe

    return probe(arguments)


def _recipes(arguments):
    from .commands.recipes import recipes

    return recipes(arguments)


def _runs(arguments):
    import tyro

    from .engine.runs import compare, draw, file_names, picture_endings, read_runs, verify, write_csv

    Folders = Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FOLDER")]

    def runs(folders: Folders = (), *, out: str = "", csv: str = "", verify: bool = False):
        """Compare runs: a table, and a picture of their curves.

        Args:
            folders: folders of runs.
            out: where to write the picture; its ending says the format.
            csv: a folder that gets the curves of each run as NAME.csv.
            verify: look at every file of their checkpoints instead; the exit code is 1 where one is damaged.
        """
        return folders, out, csv, verify

    folders, out, csv, only_verify = read(runs, arguments, "vitedu runs")
    if not folders:
        raise Usage("FOLDER is missing; `vitedu runs --help` says more")
    if out:
        writable(out, folder=False, endings=picture_endings())
    if csv:
        writable(csv, "csv", folder=True)
    if only_verify:
        lines, damaged = verify(folders)
        print("\n".join(lines))
        return int(damaged)
    found = read_runs(folders)
    print(compare(found))
    if out:
        draw(found, out)
        print(f"curves: {out}")
    if csv:
        os.makedirs(csv, exist_ok=True)
        for run, name in zip(found, file_names(found), strict=True):
            write_csv(run, os.path.join(csv, name))


def _export(arguments):
    import tyro

    def export(
        folder: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FOLDER")],
        *,
        out: str,
        half: bool = False,
        step: int = 0,
        allow_older: bool = False,
    ):
        """The weights of a run's last checkpoint as one file.

        Args:
            folder: the run's folder.
            out: file to write: .safetensors (our names) or .npz (the authors' layout).
            half: store float16 (.safetensors alone).
            step: take the checkpoint of this step; 0: the last.
            allow_older: where the last is damaged, take the one before.
        """
        return folder, out, half, step, allow_older

    run, out, half, step, allow_older = read(export, arguments, "vitedu export")
    writable(out, folder=False, endings=(".safetensors", ".npz"))
    if half and out.endswith(".npz"):
        raise Usage("half=True is not allowed with .npz: the authors' layout is float32")
    from .engine.export import export_run

    step = export_run(run, out, "float16" if half else "float32", step or None, allow_older)
    print(f"step {step} of {run}: {out} ({os.path.getsize(out) / 1e6:.2f} MB)")


def _plan(arguments):
    from .plan import PlanRequest, format_plan, plan

    if arguments and not arguments[0].startswith("-"):  # `vitedu plan NAME`, as `vitedu train NAME`
        for word in arguments[1:]:
            if word.partition("=")[0] == "--recipe":
                raise Usage(f"RECIPE is given twice, as {arguments[0]!r} and by --recipe; expected one of the two")
        arguments.insert(0, "--recipe")
    request = read(PlanRequest, arguments, "vitedu plan")
    try:
        found = plan(request)
    except (ValueError, TypeError) as error:  # nothing but what was typed comes in
        raise Usage(str(error)) from error
    print(format_plan(found))


def _prepare(arguments):
    def prepare(
        *, dataset: str, split: str, out: str, size: int = 256, quality: int = 90, shard_mb: int = 256,
        streaming: bool = True, threads: int | None = None, image_column: str | None = None,
        label_column: str | None = None,
    ):  # fmt: skip
        """Write a split to parquet shards, its images made smaller; stopped, the same command goes on.

        Args:
            dataset: hub name or folder.
            split: which part of it.
            out: folder for the shards.
            size: pixels that the shorter side of an image has at most.
            quality: of the JPEGs, 1 to 100.
            shard_mb: megabytes of a shard.
            streaming: read shards in order, without fetching them first.
            threads: that shrink images; None: all cores.
            image_column: of a table, where its name does not say it.
            label_column: the same.
        """
        return locals()

    found = read(prepare, arguments, "vitedu prepare")
    writable(found["out"], folder=True)
    from .data.prepare import check_numbers
    from .data.prepare import prepare as carry_out

    with typed():
        check_numbers(found["size"], found["quality"], found["shard_mb"])
    with naming_splits(split=found["split"]):
        done = carry_out(**found)
    print(f"{done.images} images in {done.shards} shards: {done.folder}; {len(done.skipped)} could not be read")
    for line in done.skipped:
        print(f"  {line}")


def _predict(arguments):
    from .commands.predict import predict

    return predict(arguments)


def _experiment(arguments):
    from .commands.experiment import experiment

    return experiment(arguments)


def _evaluate(arguments):
    from .commands.evaluate import evaluate

    return evaluate(arguments)


def _course(arguments):
    from .commands.course import course

    return course(arguments)


_COMMANDS = {
    "train": _train,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "predict": _predict,
    "probe": _probe,
    "recipes": _recipes,
    "runs": _runs,
    "export": _export,
    "plan": _plan,
    "prepare": _prepare,
    "experiment": _experiment,
    "progress": _progress,
    "course": _course,
}

if __name__ == "__main__":
    sys.exit(main())
