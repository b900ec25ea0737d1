"""Tables of runs that took longer than a lesson: `recorded_table(NAME)` has their rows.

bit_cifar10, bit_cifar10_long, vit_cifar10, vit_cifar10_long    curves of `vitedu train`, as `vitedu runs --csv` writes
                                                                them; the cards beside the shipped weights say more
moving_digits                                                   benchmarks/moving_digits.py
noisy_student                                                   benchmarks/noisy_student.py, docs/noisy_student.md
"""

from __future__ import annotations

import csv
from pathlib import Path

from vitedu_numpy.validate import did_you_mean

__all__ = ["recorded_table", "recorded_tables"]

TABLES = Path(__file__).parent / "recorded" / "tables"


def recorded_tables() -> list[str]:
    """Names of the tables that are shipped."""
    return sorted(path.stem for path in TABLES.glob("*.csv"))


def recorded_table(name: str) -> list[dict[str, int | float | str | None]]:
    """A shipped table: a dict for each row, numbers as numbers, None where a field is empty.

    Raises ValueError where there is no table of that name.
    """
    names = recorded_tables()
    if name not in names:
        hint = did_you_mean(name, names) if isinstance(name, str) else ""
        raise ValueError(f"name={name!r} is no recorded table; {hint}there are {', '.join(names)}")
    with open(TABLES / f"{name}.csv", encoding="utf-8", newline="") as file:
        return [{column: _value(text) for column, text in row.items()} for row in csv.DictReader(file)]


def _value(text: str) -> int | float | str | None:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return text or None
