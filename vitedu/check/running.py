"""Run a student's function: on copies, with its prints kept, for a limited time, and look whether it changed anything.

Enough for somebody who studies alone; it is no wall against somebody who wants to get past it.
"""

from __future__ import annotations

import contextlib
import copy
import io
import signal
import threading
import time
import warnings

import numpy as np

__all__ = ["SECONDS", "TookTooLong", "changed_arguments", "guarded"]

SECONDS = 20.0  # for one case


class TookTooLong(Exception):
    """The answer did not come to an end."""


class _Stop(BaseException):
    """Raised by the timer: no `except Exception` of the answer may catch it."""


@contextlib.contextmanager
def _limited(seconds):
    """A timer where the platform has one, and this is the main thread; otherwise no limit."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        raise _Stop

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, stop)
    left = signal.setitimer(signal.ITIMER_REAL, seconds)[0]
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # somebody else's timer goes on
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 1e-3))


def guarded(answer, args, seconds=SECONDS):
    """(result or the error raised, the arguments as they are afterwards, what was printed).

    sys.exit becomes an error, np.seterr and warning filters are put back.  NotImplementedError is raised on.
    """
    given, printed = copy.deepcopy(args), io.StringIO()
    try:
        with (
            np.errstate(), warnings.catch_warnings(), contextlib.redirect_stdout(printed), _limited(seconds)
        ):  # fmt: skip
            result = answer(*given)
    except NotImplementedError:
        raise
    except _Stop:
        result = TookTooLong(f"it was still running after {seconds:g} seconds; is there a loop without an end?")
    except SystemExit as error:
        result = RuntimeError(f"the answer called sys.exit({error.code!r})")
        result.__traceback__ = error.__traceback__
    except Exception as error:
        result = error
    return result, given, printed.getvalue()


def changed_arguments(names, before, after) -> list[str]:
    """Names of the arguments whose arrays, lists or dictionaries are no longer what they were."""
    return [n for n, b, a in zip(names, before, after, strict=False) if not _equal(b, a)]


def _equal(a, b) -> bool:
    if hasattr(a, "detach") and hasattr(b, "detach"):
        a, b = a.detach().numpy(), b.detach().numpy()
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, (str, int, float)) and isinstance(b, (str, int, float)):
        return a == b or (a != a and b != b)  # NaN stays NaN
    return True
