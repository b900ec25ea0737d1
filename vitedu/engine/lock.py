"""One run, one folder: a lock that names who has it.  Described in docs/reliability.md.

`run.lock` is made with O_EXCL, which every file system knows, and tells host, process and time.  Who has it touches it
every quarter of a minute.  It is stale, and taken over, when its process is gone from this machine, or, on another
machine, when it has not been touched for two minutes by the clock of the file system, which all machines share.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from datetime import datetime
from pathlib import Path

__all__ = ["FolderLock", "LockedError"]

BEAT, STALE = 15.0, 120.0  # seconds
_MINE: dict[
    str, FolderLock
] = {}  # what this process holds: a search over rates locks its folder around a run's own lock


class LockedError(RuntimeError):
    """Another process has the folder, or has taken it over; the message names it."""


class FolderLock:
    """`with FolderLock(folder, world) as lock: ... lock.take()`: from there to the end of the block, it is ours.

    The first process takes it, for all.
    """

    def __init__(self, folder, world):
        self.folder, self.world, self.path = Path(folder), world, Path(folder) / "run.lock"
        self.token = self.lost = None
        self.ended = threading.Event()

    def __enter__(self):
        return self

    def take(self) -> None:
        """Raises LockedError, naming host and process, where another has it; OSError where it cannot be written."""
        error = None
        if self.world.is_first and os.path.realpath(self.path) not in _MINE:
            try:
                self._take()
            except (LockedError, OSError) as caught:
                error = caught
        if self.world.count(int(error is not None)):
            raise error or LockedError(f"out={str(self.folder)!r} is in use, see what the first process says")

    def check(self) -> None:
        """Raises LockedError where somebody has taken the folder over: this process was still for too long."""
        owner = _MINE.get(os.path.realpath(self.path), self)
        if owner.lost:
            raise LockedError(f"out={str(self.folder)!r} was taken over by {owner.lost}; nothing more is written to it")

    def __exit__(self, *error):
        self.ended.set()
        if self.token is not None:
            _MINE.pop(os.path.realpath(self.path), None)
            if _read(self.path)[0].get("token") == self.token:
                self.path.unlink(missing_ok=True)

    # ---- the first process ---------------------------------------------------------------------------------------

    def _take(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        token, begun, seen = uuid.uuid4().hex, time.monotonic(), None
        while not _create(self.path, {**_this_process(), "token": token}):
            found, touched = _read(self.path)
            if touched is None:  # let go just now
                continue
            if is_stale(found, self._now() - touched):
                self._remove(found)
                continue
            seen = touched if seen is None else seen
            # On another machine only time can tell a process that lives from one that was ended a moment ago.
            if _is_here(found) or touched != seen or time.monotonic() - begun > 2 * STALE:
                raise LockedError(
                    f"out={str(self.folder)!r} is in use by {_name(found)}; two runs would spoil each other: wait for "
                    f"its end, or give another folder"
                )
            if time.monotonic() - begun < 1:
                print(f"{self.path} is of {_name(found)}; waiting to see whether it is still at work", flush=True)
            time.sleep(1)
        self.token = token
        _MINE[os.path.realpath(self.path)] = self
        threading.Thread(target=self._beat, name="vitedu-lock", daemon=True).start()

    def _beat(self) -> None:
        while not self.ended.wait(BEAT):
            try:
                found, touched = _read(self.path)
                if touched is not None and found.get("token") != self.token:
                    self.lost = _name(found)
                    return
                os.utime(self.path)
            except OSError:  # a server that is away for a while
                continue

    def _now(self) -> float:
        """The time by the clock of the file system."""
        probe = self.path.with_name(f"run.lock.{uuid.uuid4().hex}")
        try:
            with open(probe, "xb") as file:
                return os.fstat(file.fileno()).st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _remove(self, stale) -> None:
        """Take a stale lock away: one process alone, and only if it is still that one."""
        guard = self.path.with_name("run.lock.taking")
        if not _create(guard, _this_process()):
            _, touched = _read(guard)
            if touched is not None and self._now() - touched > STALE:  # its owner was killed in these few lines
                guard.unlink(missing_ok=True)
            time.sleep(0.1)
            return
        try:
            found, _ = _read(self.path)
            if found.get("token") == stale.get("token"):
                print(f"{self.path} was left by {_name(found)}, which is gone; it is taken over", flush=True)
                self.path.unlink(missing_ok=True)
        finally:
            guard.unlink(missing_ok=True)


def is_stale(found: dict, age: float) -> bool:
    """Is nobody there any more?  found: what stands in a lock; age: seconds since it was last touched."""
    if not _is_here(found):
        return age > STALE
    return not _is_alive(found)


def _create(path, record) -> bool:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(record, file)
    return True


def _read(path) -> tuple[dict, float | None]:
    """(what stands in a lock, {} while it is being written; when it was touched, None: there is none)"""
    try:
        with open(path, encoding="utf-8") as file:  # to open it makes a network's file system ask its server
            touched, text = os.fstat(file.fileno()).st_mtime, file.read()
    except FileNotFoundError:
        return {}, None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}, touched
    return (found if isinstance(found, dict) else {}), touched


def _this_process() -> dict:
    pid = os.getpid()
    began = datetime.now().astimezone().isoformat(timespec="seconds")
    return {**_machine(), "process": pid, "since": began, "ticks": _ticks(pid)}


def _machine() -> dict:
    """Where process numbers mean the same: this machine, since it was started, in this container."""
    boot = namespace = ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        pass
    return {"host": socket.gethostname(), "boot": boot, "namespace": namespace}


def _is_here(found) -> bool:
    return os.name == "posix" and all(found.get(key) == value for key, value in _machine().items())


def _is_alive(found) -> bool:
    pid = found.get("process")
    if type(pid) is not int or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return not found.get("ticks") or _ticks(pid) == found["ticks"]  # else its number went to another process


def _ticks(pid: int) -> str:
    """When a process was started, as the kernel counts; "" for one that has ended, or where nobody tells."""
    try:
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except (OSError, ValueError):
        return ""
    return "" if state in "ZX" else fields[18]


def _name(found) -> str:
    return f"process {found.get('process', '?')} on {found.get('host', '?')}, since {found.get('since', '?')}"
