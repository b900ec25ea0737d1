"""Peak memory of a step, for the other scripts here (Linux)."""

from __future__ import annotations

import ctypes
import gc

__all__ = ["growth"]


def growth(step, times: int = 3) -> float:
    """By how many MiB the peak of `times` calls of step() lies above what is resident now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what building left behind must not serve the steps
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")  # the peak starts anew
    before = _peak_mib()
    for _ in range(times):
        step()
    return _peak_mib() - before


def _peak_mib() -> float:
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024
