"""Being asked to stop: SIGTERM, SIGUSR1, Ctrl-C.  Described in docs/reliability.md.

A run finishes its step, writes a checkpoint and leaves, all of its processes after the same step, whichever of them was
asked.  They agree without a word more: the request travels in the sum of images that every step makes anyway.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

__all__ = ["AGAIN", "Asked", "Stop"]

AGAIN = 75  # exit code: stopped and saved; the same command goes on.  (EX_TEMPFAIL of sysexits.h.)  Ctrl-C: 130
_SYSTEM, _PERSON = 2**32, 2**46  # what a process adds to its number of images; 2^14 processes fit, and 2^32 images


class Asked(Exception):
    """Thrown into an evaluation, which is left where it is."""


class Stop:
    """`with Stop(world) as stop:` signals are requests, from the first `stop.count` on; before it nothing can be lost.

    SIGTERM (Slurm, Kubernetes, torchrun) and SIGUSR1 (Slurm's `--signal`) end with exit code 75, Ctrl-C with 130.  A
    second Ctrl-C, a second or more after the first, leaves at once.
    """

    def __init__(self, world):
        self.world = replace(world, between=self.look)  # for evaluations: they look up between batches
        self.signal = None  # the first that came to this process
        self.code = 0  # of exit; not 0: all processes know that they are to leave
        self.began = False
        self.before, self.last = {}, 0.0

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGINT", "SIGUSR1"):  # Windows has no SIGUSR1
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self.before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _heard(self, number, frame) -> None:
        now = time.monotonic()
        is_again = self.signal is not None and number == signal.SIGINT and now - self.last > 1
        self.last = now if self.signal is None else self.last
        self.signal = self.signal or number
        if is_again or not self.began:
            # Not `print`: the line that was interrupted may be printing.
            os.write(2, f"{signal.Signals(number).name}: left {'at once' if is_again else 'before a step'}\n".encode())
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise SystemExit(AGAIN)

    def count(self, images: int) -> int:
        """The sum of images over all processes; on the way all learn whether one of them was asked to stop."""
        self.began = True
        asked = 0 if self.signal is None else _PERSON if self.signal == signal.SIGINT else _SYSTEM
        total = self.world.count(images + asked)
        if total >= _SYSTEM:
            self.code = 130 if total >= _PERSON else AGAIN
        return total % _SYSTEM

    def look(self) -> None:
        """Raises Asked, on all processes, when one was asked."""
        self.count(0)
        if self.code:
            raise Asked

    def wanted(self) -> bool:
        """After this step?  One process alone need not ask the others."""
        if self.world.size == 1 and self.signal is not None:
            self.count(0)
        return self.code != 0

    def leave(self, step: int, steps: int, report) -> None:
        """Say a word, and raise SystemExit(75), or KeyboardInterrupt for Ctrl-C."""
        name = f"{signal.Signals(self.signal).name}: " if self.signal else ""
        report.say(
            f"{name}stopped after step {step} of {steps}, with a checkpoint; the same command goes on from there"
        )
        if self.code == 130:
            raise KeyboardInterrupt
        raise SystemExit(self.code)
