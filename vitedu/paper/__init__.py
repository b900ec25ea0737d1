"""The paper as data: Tables 1 to 9 of Dosovitskiy et al. (arXiv:2010.11929), and where it disagrees with itself.

The paper's numbers and nothing of ours; no other file repeats one.  `settings.py` has what was built and how it was
trained (Tables 1, 3, 4), `results.py` what came out (Tables 2, 5 to 9), `contradictions.py` the traps.

Each table is a tuple of rows that also knows its caption in our words, its units, and its mark, which says how well the
numbers are known: "V3" and "V2", the same in three or more, or in two, transcriptions made by different people;
"V1", in one; "calc", computed from others; "U", from memory.
"""

from .contradictions import CONTRADICTIONS, Contradiction
from .results import (
    JFT_IMAGES,
    JFT_SUBSETS,
    TABLE_2,
    TABLE_5,
    TABLE_6,
    TABLE_7,
    TABLE_8,
    TABLE_9,
    TASKS,
    TPU_CORE_DAYS,
    VTAB_GROUPS,
    Comparison,
    Optimizer,
    Position,
    Scaling,
    Transfer,
    Vtab,
)
from .settings import TABLE_1, TABLE_3, TABLE_4, FineTuning, PreTraining, Variant
from .table import Measured, Table

__all__ = [
    "CONTRADICTIONS", "JFT_IMAGES", "JFT_SUBSETS", "TABLES", "TABLE_1", "TABLE_2", "TABLE_3", "TABLE_4", "TABLE_5",
    "TABLE_6", "TABLE_7", "TABLE_8", "TABLE_9", "TASKS", "TPU_CORE_DAYS", "VTAB_GROUPS", "Comparison", "Contradiction",
    "FineTuning", "Measured", "Optimizer", "Position", "PreTraining", "Scaling", "Table", "Transfer", "Variant", "Vtab",
]  # fmt: skip

TABLES = (TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7, TABLE_8, TABLE_9)
