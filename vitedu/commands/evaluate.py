"""`vitedu evaluate FROM --data DATA`: accuracy with a standard error, one file a cell; a table of many cells."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
import os
import sys
from typing import Annotated, Literal

from .arguments import Usage, is_first, naming_splits, read, writable

__all__ = ["evaluate"]


def evaluate(arguments) -> int:
    """Returns 0 if every cell could be computed, else 1."""
    import tyro

    def evaluate(
        models: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FROM")] = (),
        *,
        data: tuple[str, ...] = (),
        split: str = "",
        folder: str = "",
        labels: str = "",
        convention: Literal["all", "mapped"] = "all",
        by_number: bool = False,
        out: str = "",
        again: bool = False,
        table: str = "",
        streaming: bool = False,
        precision: Literal["float32", "bf16"] = "float32",
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
        batch_size: int = 256,
        workers: int = 0,
    ):
        """How often models are right on data sets, with standard errors; or, with --table, one table of many results.

        Args:
            models: runs' folders, files of weights, names such as vit_cifar10, or hub names.
            data: a name (imagenet1k, imagenet_real, imagenet_v2, objectnet, cifar10, cifar100, pets, flowers, digits),
                a hub name or a folder; several give a cell for each.  vtab/TASK:FOLDER is a task of VTAB-1k,
                vtab:FOLDER all that are there, and of a folder of models each has its task; `--data vtab` alone lists
                the nineteen.
            split: of the data; the paper's for a name, test for a task of VTAB-1k, else "validation".
            folder: where the images of a name are.
            labels: real.json for imagenet_real, the mapping to ImageNet for objectnet.
            convention: objectnet: the arg max over all 1000 classes, or over those that are mapped.
            by_number: compare class numbers, where names differ or are not known.
            out: a folder; each cell becomes a file there, and one that is there is not computed again.
            again: compute cells again that are there.
            table: a folder of cells: print them as one table, and write table.md, .csv, .png and .svg beside them.
            streaming: read shards in order, without fetching them first.
            precision: float32, or bf16 under autocast, which changes a few answers.
            device: auto: a GPU where there is one.
            batch_size: images at once.
            workers: processes that read and decode.
        """
        return locals()

    found = read(evaluate, arguments, "vitedu evaluate")
    if found["table"]:
        return _table(found["table"])
    if "vtab" in found["data"] and not found["folder"]:
        from ..data.vtab import describe

        print(describe(), file=sys.stderr if found["models"] else sys.stdout)
        return 2 if found["models"] else 0
    if not found["models"] or not found["data"]:
        raise Usage("usage: vitedu evaluate FROM ... --data DATA ... [--out FOLDER]; or --table FOLDER")
    if found["out"]:
        writable(found["out"], folder=True)
    from ..evaluation.cell import evaluate_cell
    from ..evaluation.load import load
    from ..recipes import Execution

    try:
        run = Execution(
            device=found["device"], precision=found["precision"], workers=found["workers"],
            micro_batch=found["batch_size"],
        )  # fmt: skip
    except ValueError as error:
        raise Usage(str(error).replace("micro_batch", "batch_size")) from error
    first = is_first()
    failed, sets = False, [pair for data in found["data"] for pair in _sets(data, found["folder"])]
    for source in found["models"]:
        model = loaded = None
        for data, folder in sets:
            try:
                where = _model_for(source, data)
                if where != loaded:
                    model, loaded = load(where), where
                with naming_splits(split=found["split"]):
                    cell = evaluate_cell(
                        model, data, found["split"] or None, name=_name(source), folder=folder,
                        labels=found["labels"] or None, convention=found["convention"], by_number=found["by_number"],
                        out=found["out"] or None, again=found["again"], streaming=found["streaming"], run=run,
                        batch_size=found["batch_size"],
                    )  # fmt: skip
            except (ValueError, OSError, ArithmeticError) as error:
                if len(found["models"]) * len(sets) == 1:
                    raise
                print(f"vitedu: {source}, {data}: {error}", file=sys.stderr)
                failed = True
                continue
            for line in cell.get("problems", ())[:5]:
                print(f"vitedu: not counted: {line}", file=sys.stderr)
            if first:
                print(format_cell(cell), flush=True)
    return int(failed)


def format_cell(cell) -> str:
    """One line: `vit_cifar10 on cifar10, test: top1 75.32 ± 0.43 % of 10000 images`."""
    numbers = ", ".join(
        f"{metric} {100 * found['value']:.2f} ± {100 * found['standard_error']:.2f} %"
        for metric, found in cell["metrics"].items()
    )
    data, left = cell["data"], []
    left += [f"{data['unreadable']} could not be read"] if data["unreadable"] else []
    others = data["left_out"] - data["unreadable"]
    left += [f"{others} do not count"] if others else []
    done = "" if cell["computed"] else f"; was there: {cell['path']}"
    extra = f" ({', '.join(left)})" if left else ""
    where = f"{cell['model']['name']} on {data['name']}, {data['split']}"
    return f"{where}: {numbers} of {cell['n']} images{extra}; classes {data['classes']}{done}"


def _sets(data: str, folder: str) -> list[tuple]:
    """(data, folder or None) for each cell: all of VTAB-1k is as many as there are."""
    from ..data.vtab import ALL, PREFIX, split_name, tasks_in

    if data == "vtab" or data.startswith(ALL):
        return [(PREFIX + task, where) for task, where in tasks_in(data.partition(":")[2] or folder)]
    if data.startswith(PREFIX):
        task, where = split_name(data if ":" in data or not folder else f"{data}:{folder}")
        return [(PREFIX + task, where)]
    return [(data, folder or None)]


def _model_for(source: str, data: str) -> str:
    """Of a folder of models, one for each task of VTAB-1k, that of the task."""
    from ..data.vtab import PREFIX

    own = os.path.join(source, data.removeprefix(PREFIX))
    return own if data.startswith(PREFIX) and os.path.isdir(own) else source


def _name(source: str) -> str:
    """What to call a model: the last part of its path, without the ending of a file."""
    name = os.path.basename(os.path.normpath(source))
    if name == "model.safetensors":
        name = os.path.basename(os.path.dirname(os.path.abspath(source)))
    return name.removesuffix(".safetensors").removesuffix(".npz")


def _table(folder) -> int:
    from vitedu_numpy.weights.files import replacing

    from ..evaluation.table import csv_table, markdown_table, points, read_cells, vtab_table

    cells = read_cells(folder)
    metrics = sorted({metric for cell in cells for metric in cell["metrics"]})
    parts = [*(markdown_table(cells, metric) for metric in metrics), vtab_table(cells)]
    text = "\n".join(part for part in parts if part)
    print(text, end="")
    for name, content in (("table.md", text), ("table.csv", csv_table(cells))):
        with replacing(os.path.join(folder, name)) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(content)
    try:
        from ..show import save_accuracies

        dots = points(cells)
        save_accuracies(dots, *(os.path.join(folder, f"table.{ending}") for ending in ("png", "svg")))
    except ImportError as error:
        print(f"vitedu: no picture of the table: {error}", file=sys.stderr)
    return 0
