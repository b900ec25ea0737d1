"""A table of the paper: its rows, and what is said around them.  Taught in notebooks/17_state_of_the_art.ipynb."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Measured", "Table"]


class Measured(NamedTuple):
    """Mean and standard deviation over three fine-tunings, or a number of others without one."""

    mean: float
    sd: float | None = None


class Table(tuple):
    """Rows (frozen dataclasses, all of one kind) with what holds for all of them.

    number: as the paper counts; caption: what the table shows, in our words; units: of its numbers; mark: how well they
    are known (see `vitedu.paper`); common: {name: value} that the caption or the text says of all rows; notes: what to
    know before one uses it.
    """

    def __new__(cls, rows, *, number, caption, units, mark, common=None, notes=()):
        table = super().__new__(cls, rows)
        table.number, table.caption, table.units, table.mark = number, caption, units, mark
        table.common, table.notes = dict(common or {}), tuple(notes)
        return table

    def __repr__(self):
        return f"Table {self.number}: {self.caption} ({len(self)} rows; {self.units}; {self.mark})"

    def column(self, field, part="mean") -> np.ndarray:
        """One field of all rows; where a number is missing it is nan.  part: of a `Measured` number, "mean" or "sd".

        Raises KeyError for an unknown field.
        """
        if not hasattr(self[0], field):
            raise KeyError(f"Table {self.number} has no column {field!r}")
        values = [getattr(row, field) for row in self]
        values = [getattr(value, part) if isinstance(value, Measured) else value for value in values]
        if any(isinstance(value, tuple) for value in values):  # of unequal lengths
            return np.array([None, *values], dtype=object)[1:]
        return np.array([np.nan if value is None else value for value in values])

    def row(self, **wanted):
        """The one row with these values: `TABLE_6.row(name="ViT-L/16", epochs=14)`.

        Raises KeyError where there is none, or more than one.
        """
        found = [row for row in self if all(getattr(row, field) == value for field, value in wanted.items())]
        if len(found) != 1:
            raise KeyError(f"Table {self.number} has {len(found)} rows with {wanted}; expected one")
        return found[0]
