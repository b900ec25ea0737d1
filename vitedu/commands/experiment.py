"""`vitedu experiment NAME`: questions asked of small models.  Described in docs/experiments.md."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
import shlex
from typing import Annotated

from .arguments import named, read

__all__ = ["experiment"]


def experiment(arguments) -> int:
    """Returns 0 when all cells are finished, else 1; without a name it lists what there is."""
    import tyro

    def experiment(
        name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")] = "",
        *,
        out: str = "",
        fast: bool = False,
        seeds: tuple[int, ...] | None = None,
        conditions: tuple[str, ...] | None = None,
        steps: int | None = None,
        minutes: float | None = None,
        workers: int = 1,
        device: str = "cpu",
    ):
        """Carry out an experiment, or go on with it; without a name: list all, with question and cost.

        Args:
            name: of the experiment.
            out: folder for parts, table and picture; by default runs/experiments/NAME.
            fast: the same code in seconds; it shows that everything runs, and no result.
            seeds: in place of the experiment's.
            conditions: some of its conditions, by name.
            steps: updates of each model, in place of the experiment's.
            minutes: begin no cell after so many.
            workers: processes, each with one thread.
            device: cpu, or cuda, where all seeds run side by side.
        """
        return locals()

    found = read(experiment, arguments, "vitedu experiment")
    from ..experiments import format_results, get_experiment, list_experiments, run_experiment

    name, out = found.pop("name"), found.pop("out")
    if not name:
        for name in list_experiments():
            chosen = get_experiment(name)
            cells = len(chosen.cells(chosen.full))
            print(f"{name}: {chosen.question}")
            print(f"    {cells} cells, about {chosen.full.minutes:.0f} minutes of one core; --fast: under a minute")
        return 0
    chosen = named(get_experiment, name)
    out = out or f"runs/experiments/{name}"
    command = shlex.join(["vitedu", "experiment", *arguments])
    results = run_experiment(chosen, out, command=command, **found)
    if results.rows:
        print(f"\n{format_results(results)}")
    print(f"table: {out}/{name}{'-fast' * found['fast']}.csv")
    return int(results.about["finished"] < results.about["cells"])
