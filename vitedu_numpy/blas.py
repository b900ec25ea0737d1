"""How many threads NumPy's matrix products use.  Taught in notebooks/08_vit_torch.ipynb.

Python threads that each call NumPy are only quick if every product inside runs on one thread; otherwise the
threads of both kinds queue for the same cores.  NumPy has no call for this, but the OpenBLAS or MKL that it was
built with has; it is found through the dynamic linker.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

import numpy as np

__all__ = ["cpu_count", "single_threaded_blas"]

# (get, set) as exported by NumPy's own wheels (64- and 32-bit integers), by distributions' OpenBLAS, and by MKL.
_NAMES = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)


def _find():
    """(get, set) of the library behind `@`, or None where it offers neither (Apple's Accelerate, Windows)."""
    try:
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # its dependencies are searched too
    except OSError:
        return None
    for get, set_ in _NAMES:
        with contextlib.suppress(AttributeError):
            return getattr(library, get), getattr(library, set_)
    return None


_CALLS = _find()


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def single_threaded_blas():
    """Inside the `with`, matrix products use one thread.  Yields False where the number cannot be set."""
    if _CALLS is None:
        yield False
        return
    get, set_ = _CALLS
    before = get()
    set_(1)
    try:
        yield True
    finally:
        set_(before)
