"""A finished model at work: one image, a data set, a table of many models on many data sets.

`load.py` brings the model with its classes and its preparation of images; `predict.py` names what an image shows;
`cell.py` is one model on one data set, `table.py` all of them; `sets.py` knows the paper's data sets, `../data/vtab.py`
those of VTAB-1k.
"""

from vitedu_numpy.extras import naming_extras

with naming_extras():
    import torch  # noqa: F401
from ..data.vtab import TASKS, vtab_order
from .cell import evaluate_cell, standard_error
from .load import load
from .predict import Prediction, predict
from .sets import SETS, EvaluationSet
from .table import csv_table, markdown_table, points, read_cells, vtab_means, vtab_table
from .transform import Transform

__all__ = [
    "SETS", "TASKS", "EvaluationSet", "Prediction", "Transform", "csv_table", "evaluate_cell", "load", "markdown_table",
    "points", "predict", "read_cells", "standard_error", "vtab_means", "vtab_order", "vtab_table",
]  # fmt: skip
