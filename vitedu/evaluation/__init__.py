"""A finished model at work: one image, a data set, a table of many models on many data sets.

`load.py` brings the model with its classes and its preparation of images; `predict.py` names what an image shows;
`cell.py` is one model on one data set, `table.py` all of them; `sets.py` knows the paper's data sets, `vtab.py` those
of VTAB-1k.
"""

from .cell import evaluate_cell, standard_error
from .load import load
from .predict import Prediction, predict
from .sets import SETS, EvaluationSet
from .table import csv_table, markdown_table, read_cells
from .transform import Transform
from .vtab import TASKS, vtab_order

__all__ = [
    "SETS", "TASKS", "EvaluationSet", "Prediction", "Transform", "csv_table", "evaluate_cell", "load", "markdown_table",
    "predict", "read_cells", "standard_error", "vtab_order",
]  # fmt: skip
