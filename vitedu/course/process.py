"""A student's process, seen from the marker: started behind walls, asked case by case, ended in time.

What comes from there is never trusted: it is read with a deadline and limits, and compared, nothing else.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitedu_numpy import config

from . import walls
from .wire import LENGTHS, TEXT, Broken, pack, unpack

__all__ = ["Ended", "Limits", "StudentProcess", "as_error", "strongest"]

BOOT = "import json, sys; s = json.loads(sys.argv[1]); sys.path[:] = s['path']; from {room}.worker import main; main(s)"
CALLS = 200  # of checks, more than there are statements and exercises
NAMED = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts",
         "/etc/localtime")  # fmt: skip
ERRORS = {
    **{n: e for n, e in vars(builtins).items() if isinstance(e, type) and issubclass(e, Exception)},
    "LinAlgError": np.linalg.LinAlgError,
}


@dataclass(frozen=True)
class Limits:
    """What one student's process may use."""

    case: float = 10.0  # seconds for one call of an answer
    cells: float = 60.0  # seconds for all cells that are needed
    total: float = 180.0  # seconds for everything of one student, restarts included
    memory: float = 2.0  # GB, of all its processes together
    disk: float = 64.0  # MB: its files, and the largest of them
    processes: int = 64  # threads count
    message: float = 8.0  # MB that one call may return
    calls: int = 5000  # of the functions among the arguments, in one case

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise ValueError(f"{field.name}={value!r} is not allowed; it must be a positive number")


class Ended(Exception):
    """The process is gone, or was ended: `why` is "memory", "time", "message" or "itself"."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why, self.at, self.name = why, None, None


class StudentProcess:
    """Started by `with`; `load` runs the cells, `ask` one case."""

    def __init__(self, level: str, limits: Limits, seconds: float):
        self.level, self.limits, self.until = level, limits, time.monotonic() + seconds

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="vitedu-course-")
        uid = walls.FIRST_UID + os.getpid() % walls.UIDS
        if self.level == "user":
            os.chown(self.folder, uid, uid)
        if self.level == "plain":
            walls.not_to_be_read()
        self.socket, theirs = socket.socketpair()
        path, see, hide, needed = _sights()
        settings = {
            "level": self.level, "root": self.folder, "see": see, "hide": hide, "needed": needed, "path": path,
            "uid": uid, "seconds": self.limits.total, "memory": int(self.limits.memory * 1e9),
            "disk": int(self.limits.disk * 1e6), "processes": self.limits.processes, "socket": theirs.fileno(),
        }  # fmt: skip
        boot = BOOT.format(room=__package__)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "MPLBACKEND": "Agg", "VITEDU_PROGRESS": "off",
            "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0",
        }  # fmt: skip
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", boot, json.dumps(settings)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
                pass_fds=[theirs.fileno()], start_new_session=True, cwd="/",
            )  # fmt: skip
            theirs.close()
            try:
                self._receive(min(self.until, time.monotonic() + 30))
            except Ended:
                self._end()
                if time.monotonic() >= self.until:
                    raise
                raise OSError(f"isolation={self.level!r} does not work here: {self._last_words()}") from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._end()
        self.socket.close()
        if getattr(self, "process", None) is not None and self.process.stderr:
            self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def load(self, blocks, files, names, defined, without, answered) -> list:
        """Run the cells; returns what of them stopped: [label, type, message].

        names: of exercises; defined: [exercise, name of its function]; without: numbers of blocks.
        answered: called with a name when its answer is there, so that `ask` can be used.  Raises Ended; its `at` is the
        block that ran, its `name` the answer.
        """
        self._send({
            "blocks": [list(b) for b in blocks], "files": files, "names": list(names), "defined": list(defined),
            "without": sorted(without),
        })  # fmt: skip
        left, at, name = self.limits.cells, None, None
        try:
            for _ in range(2 * len(blocks) + len(names) + CALLS):
                began = time.monotonic()
                reply = self._receive(min(self.until, began + left))
                left -= time.monotonic() - began
                if isinstance(done := reply.get("done"), list):
                    return [[str(t) for t in s] for s in done if isinstance(s, list)][:50]
                if isinstance(ready := reply.get("ready"), str) and ready in names:
                    name = ready
                    answered(name)
                    self._send({"next": True})
                    name = None
                elif type(reply.get("at")) is int:
                    at = reply["at"]
                else:
                    raise Ended("message")
            raise Ended("message")
        except Ended as ended:
            ended.at, ended.name = at, name
            raise

    def ask(self, args) -> dict:
        """The reply to one case.  Raises Ended; a function among the arguments is called here, in the marker."""
        most = int(self.limits.message * 1e6)
        parts = [a for a in args if callable(a)]
        self._send({"args": args, "seconds": self.limits.case, "most": most}, parts)
        until = min(self.until, time.monotonic() + self.limits.case + 1)
        for _ in range(self.limits.calls):
            reply = self._receive(until)
            if "call" not in reply:
                return reply
            self._send(_called(parts, reply))
        raise Ended("message")

    # ---- the line ------------------------------------------------------------------------------------------------

    def _send(self, message, parts=()):
        def special(x):
            if isinstance(x, config.ViTConfig):
                return {"config": dataclasses.asdict(x)}
            for number, part in enumerate(parts):
                if x is part:
                    return {"call": number, "name": repr(part)[:80]}
            return None

        self.socket.settimeout(max(self.until - time.monotonic(), 0.01))
        try:
            self.socket.sendall(pack(message, special))
        except (OSError, TimeoutError):
            raise Ended(self._why("itself")) from None

    def _receive(self, until) -> dict:
        text, blob = LENGTHS.unpack(self._bytes(LENGTHS.size, until))
        if text > TEXT or blob > self.limits.message * 1e6:
            raise Ended("message")
        try:
            return unpack(self._bytes(text, until), self._bytes(blob, until))
        except Broken:
            raise Ended("message") from None

    def _bytes(self, count, until) -> bytes:
        got = bytearray()
        while len(got) < count:
            left = until - time.monotonic()
            if left <= 0:
                raise Ended("time")
            self.socket.settimeout(left)
            try:
                part = self.socket.recv(min(count - len(got), 1 << 20))
            except TimeoutError:
                raise Ended("time") from None
            except OSError:
                part = b""
            if not part:
                raise Ended(self._why("itself"))
            got += part
        return bytes(got)

    # ---- the end -------------------------------------------------------------------------------------------------

    def _why(self, otherwise) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return walls.REASONS.get(self.process.wait(2), otherwise)
        return otherwise

    def _end(self):
        """The launcher ends all that it started; where it cannot any more, it goes with its session."""
        process = getattr(self, "process", None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _last_words(self) -> str:
        said = self.process.stderr.read().decode(errors="replace").strip() if self.process.stderr else ""
        return said.splitlines()[-1] if said else "no reason was given"


def _called(parts, asked) -> dict:
    number, args, settings = asked.get("call"), asked.get("args"), asked.get("settings")
    if not (type(number) is int and 0 <= number < len(parts) and isinstance(args, list) and isinstance(settings, dict)):
        raise Ended("message")
    try:
        with np.errstate(all="ignore"):
            return {"result": parts[number](*args, **settings)}
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)[:500]}


class _Verbatim(str):
    """A KeyError shows its argument's repr: here that is the text itself, which was made from one already."""

    def __repr__(self):
        return str(self)


def as_error(reply) -> Exception:
    """The error that an answer raised, of the nearest type that is known here."""
    names, text = reply.get("error"), reply.get("text")
    known = [ERRORS[n] for n in names if isinstance(n, str) and n in ERRORS] if isinstance(names, list) else []
    text = "".join(c for c in str(text)[:500] if c.isprintable() or c == " ")
    try:
        error = (known or [RuntimeError])[0](_Verbatim(text))
    except Exception:  # some want more than one argument
        error = RuntimeError(text)
    error.line = "".join(c for c in str(reply.get("line", ""))[:200] if c.isprintable())
    return error


def strongest(level: str = "auto") -> str:
    """The strongest isolation that works here, or the one asked for.  Raises OSError where it does not.

    As root never "plain", unless it is asked for by name.
    """
    if level not in ("auto", *walls.LEVELS):
        raise ValueError(f"isolation={level!r} is not allowed; allowed is one of auto, {', '.join(walls.LEVELS)}")
    if walls.resource is None:
        raise OSError("marking needs limits on processes, which Windows does not have; use WSL or a container")
    is_root = os.geteuid() == 0
    tried = [level] if level != "auto" else ["walls", "user"] if is_root else ["walls", "plain"]
    for one in tried:
        try:
            with StudentProcess(one, Limits(), 30):
                return one
        except OSError as error:
            last = error
    raise last


def _sights():
    """(sys.path of the student's process, what it sees of the file system, what of that it does not, what it needs)."""
    rooms = [str(Path(config.__file__).parent), str(Path(__file__).parents[1])]
    home = str(Path(rooms[0]).parent)
    prefixes = (sys.prefix, sys.base_prefix)
    path = [home]
    for entry in sys.path:  # of the marker's own folders none: they may hold solutions
        if os.path.isabs(entry) and os.path.isdir(entry):
            installed = {"site-packages", "dist-packages"} & set(Path(entry).parts)
            if installed or any(Path(entry).is_relative_to(prefix) for prefix in prefixes):
                path.append(entry)
    stdlib = sysconfig.get_path("stdlib")
    see = [*NAMED, *prefixes, stdlib, os.path.realpath(sys.executable), *path[1:], *rooms]
    see = list(dict.fromkeys(p for p in see if p and p != home))
    return list(dict.fromkeys(path)), see, [f"{rooms[1]}/check"], [stdlib, *rooms]
