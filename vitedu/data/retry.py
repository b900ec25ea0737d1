"""Try again, with longer and longer waits, where something outside failed.  Taught in notebooks/14_pretraining.ipynb.

A run of a week sees a lost connection, a file server that restarts, a disk that is mounted a minute late.  None of
these should end it; a file that is really gone should, with a message that says which.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from vitedu_numpy.validate import check_counts, check_not_negative

__all__ = ["Retry", "ShardError"]

# Libraries whose errors are a matter of the connection, even where they are no OSError.
_NETWORK = frozenset("aiohttp botocore fsspec http httpcore httpx httpx2 huggingface_hub requests urllib3".split())


class ShardError(OSError):
    """A file of the data set could not be read, however often it was tried; the message names it."""


@dataclass(frozen=True)
class Retry:
    """retry(read, what) is read(), tried up to `tries` times; the waits are first_wait * 2^k, at most longest_wait.

    With a generator as `rng`, every wait is multiplied by a number from 1/2 to 1: many processes that lost the same
    server do not all come back at the same instant.  Raises ShardError at the end; an error that says that the content
    is wrong (not the way to it) passes at once.
    """

    tries: int = 6
    first_wait: float = 1.0  # seconds; 1 + 2 + 4 + 8 + 16 = half a minute in all
    longest_wait: float = 60.0
    rng: object = None
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self):
        check_counts(self, "tries")
        check_not_negative(first_wait=self.first_wait, longest_wait=self.longest_wait)

    def __call__(self, read: Callable[[], object], what: str):
        waited = 0.0
        for attempt in range(1, self.tries + 1):
            try:
                return read()
            except Exception as error:
                if not is_passing(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
                if attempt == self.tries:
                    raise ShardError(
                        f"{what} could not be read: {self.tries} tries in {waited:.0f} s failed, the last with {reason}"
                    ) from error
                wait = min(self.first_wait * 2 ** (attempt - 1), self.longest_wait)
                wait *= 1 if self.rng is None else self.rng.uniform(0.5, 1)
                log = logging.getLogger(__name__)
                log.warning("%s: %s; try %d of %d in %.0f s", what, reason, attempt + 1, self.tries, wait)
                self.sleep(wait)
                waited += wait


def is_passing(error: Exception) -> bool:
    """Could the same call succeed later?  Files, disks and connections: yes; wrong content: no."""
    if isinstance(error, ShardError | PermissionError) or type(error).__name__ == "GatedRepoError":
        return False
    return isinstance(error, OSError) or any(c.__module__.split(".")[0] in _NETWORK for c in type(error).__mro__)
