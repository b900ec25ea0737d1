"""Named intermediates: what flows through a model, written into one dict.  Taught in notebooks/00_map.ipynb.

Every `forward(..., record=None)` of both packages takes an optional dict and, if it gets one, writes its
intermediate arrays into it under the same keys (`tokens`, `block00/attention/A`, `logits`, ...).  Figures and
tests read intermediates from there, so no hooks are needed.  Each value is written when it is made, so the keys stand
in order of computation: of two records, the first key that differs names the step that differs.
"""

from __future__ import annotations

from collections.abc import MutableMapping

import numpy as np

__all__ = ["note", "noted", "scope"]


class _Scope:
    """A view of `record` in which every key starts with `name/`."""

    def __init__(self, record, name: str):
        self.record, self.name = record, name

    def __setitem__(self, key: str, value) -> None:
        self.record[f"{self.name}/{key}"] = value

    def update(self, **values) -> None:
        for key, value in values.items():
            self[key] = value


def scope(record, name: str):
    """The part of `record` under `name/`; None (nobody is recording) stays None."""
    return None if record is None else _Scope(record, name)


def note(record, **values) -> None:
    """Write values that were just made into `record`, in this order; nothing if it is None."""
    if record is None:
        return
    if not isinstance(record, (MutableMapping, _Scope)):
        raise TypeError(f"record is a {type(record).__name__}; expected a dict that is filled, or None")
    record.update(**values)


def noted(record, **value):
    """`note` one value and hand it on: as a copy where it was recorded, so that a later step may write over it."""
    note(record, **value)
    (value,) = value.values()
    if record is None:
        return value
    return value.copy() if isinstance(value, np.ndarray) else value.clone()
