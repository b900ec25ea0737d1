"""Questions about inductive bias, asked of small models on images that never end.  Described in docs/experiments.md.

`vitedu experiment NAME` carries one out; `recorded(NAME)` reads the results that are shipped,
`recorded_table(NAME)` the tables of other runs.  A new experiment is a file with an `Experiment` in it, and a line in
the list below.
"""

from vitedu_numpy.validate import did_you_mean

from .ablations import ABLATIONS
from .cifar_size import CIFAR_SIZE, CIFAR_SIZE_RATES
from .data_size import DATA_SIZE, DATA_SIZE_RATES
from .experiment import Budget, Condition, Experiment, Measured, Panel
from .locality import LOCALITY
from .results import Results, Row, format_results, read_results, recorded, recorded_names
from .run import run_experiment
from .tables import recorded_table, recorded_tables

__all__ = [
    "Budget", "Condition", "Experiment", "Measured", "Panel", "Results", "Row", "format_results", "get_experiment",
    "list_experiments", "read_results", "recorded", "recorded_names", "recorded_table", "recorded_tables",
    "run_experiment",
]  # fmt: skip

_EXPERIMENTS = {e.name: e for e in (DATA_SIZE, DATA_SIZE_RATES, CIFAR_SIZE, CIFAR_SIZE_RATES, LOCALITY, *ABLATIONS)}


def list_experiments() -> list[str]:
    """Names of all experiments."""
    return list(_EXPERIMENTS)


def get_experiment(name: str) -> Experiment:
    """An experiment by its name.  Raises ValueError for a name that is none."""
    if not isinstance(name, str) or name not in _EXPERIMENTS:
        hint = did_you_mean(name, _EXPERIMENTS)
        raise ValueError(f"name={name!r} is not an experiment; {hint}there are {', '.join(_EXPERIMENTS)}")
    return _EXPERIMENTS[name]
