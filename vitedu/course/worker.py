"""Inside a student's process: run the cells, note which function answers which exercise, call it on what the marker
sends, and send back what it returns.  There is nothing here that is worth stealing: no right answer, no seed.
"""

from __future__ import annotations

import builtins
import contextlib
import linecache
import os
import signal
import socket
import sys
import tempfile
import traceback
import types
import warnings

import numpy as np

from vitedu_numpy import contract
from vitedu_numpy.config import ViTConfig

from . import walls
from .wire import LENGTHS, pack, unpack

__all__ = ["main"]

CONTRACT = contract.__file__  # stands between a layer and whoever calls it
ROOM = __package__.partition(".")[0]
PACKAGES = tuple(os.path.dirname(file) + os.sep for file in (CONTRACT, sys.modules[ROOM].__file__))


class _Stop(BaseException):
    """Raised by the timer."""


def main(settings: dict) -> None:
    """Behind walls: serve the marker on the socket that `settings` names.  Never returns."""
    walls.enclosed(settings, lambda: _serve(settings))


def _serve(settings):
    has_walls = settings["level"] == "walls"
    here = "/tmp" if has_walls else settings["root"]
    os.environ.update(HOME=here, TMPDIR=here)
    tempfile.tempdir = here
    os.chdir(here)
    line = _Line(socket.socket(fileno=settings["socket"]))
    line.send({"level": settings["level"]})
    job = line.receive()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if not has_walls:
        _no_sockets()
    for name, content in job["files"].items():
        with contextlib.suppress(OSError):
            if os.path.dirname(name):
                os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "wb") as stream:
                stream.write(content.tobytes())
    sys.path.insert(0, here)
    line.send({"done": _execute(job, line)})


class _Line:
    """The marker's end of the line is somewhere else; this one belongs to whoever runs here."""

    def __init__(self, connection):
        self.connection, self.file = connection, connection.makefile("rb")

    def send(self, message):
        self.connection.sendall(pack(message))

    def receive(self):
        head = self.file.read(LENGTHS.size)
        if len(head) < LENGTHS.size:
            os._exit(0)
        text, blob = LENGTHS.unpack(head)
        return unpack(self.file.read(text), self.file.read(blob), self.special)

    def special(self, x):
        if "config" in x:
            return ViTConfig(**x["config"])
        return _Part(self, x["call"], x["name"])


class _Part:
    """Stands for a layer or a function among the arguments: the marker computes it."""

    def __init__(self, line, number, name):
        self._line, self._number, self._name = line, number, name

    def __call__(self, *args, **settings):
        args = [a if isinstance(a, (int, float, bool, str, type(None))) else np.asarray(a) for a in args]
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # question and reply belong together
        try:
            self._line.send({"call": self._number, "args": args, "settings": settings})
            reply = self._line.receive()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        if "error" in reply:
            raise getattr(builtins, reply["error"], ValueError)(reply["text"])
        return reply["result"]

    def __repr__(self):
        return self._name


# ---- the cells -------------------------------------------------------------------------------------------------------


class _Recorder(types.ModuleType):
    """Stands for `vitedu.check`: a check hands its answer to the marker at once, and says nothing."""

    def __init__(self, offer):
        super().__init__("vitedu.check")
        self.__dict__["_offer"] = offer

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Note(name, self._offer)


class _Note:
    def __init__(self, name, offer):
        self.name, self.offer = name, offer

    def __call__(self, answer=None, *args, **settings):
        self.offer(self.name, answer)

    def verdict(self, answer=None, *args, **settings):
        self.offer(self.name, answer)
        return types.SimpleNamespace(ok=False, todo=False, message="", mistake=None, remarks=(), rungs=(), sure=False)


def _execute(job, line) -> list:
    """Blocks of the student's source, in order; one that stops does not keep the others from running."""
    names, offered, busy = set(job["names"]), set(), []

    def offer(name, answer):
        if name not in names or not callable(answer) or busy:
            return
        busy.append(name)
        offered.add(name)
        line.send({"ready": name})
        while "next" not in (asked := line.receive()):
            _reply(line, answer, asked)
        busy.clear()

    sys.modules[ROOM].check = sys.modules[f"{ROOM}.check"] = _Recorder(offer)
    main_module = sys.modules["__main__"] = types.ModuleType("__main__")
    scope, stopped = main_module.__dict__, []
    scope["get_ipython"] = scope["display"] = lambda *args, **settings: None  # what a notebook has besides Python
    warnings.simplefilter("ignore")
    for number, (label, source) in enumerate(job["blocks"]):
        if number in job["without"]:
            continue
        line.send({"at": number})
        linecache.cache[label] = (len(source), None, source.splitlines(keepends=True), label)
        try:
            exec(compile(source, label, "exec"), scope)
        except BaseException as error:
            busy.clear()
            stopped.append([label, *_said(error)])
    for name, function in job["defined"]:
        if name not in offered:
            offer(name, scope.get(function))
    return stopped[:50]


def _reply(line, answer, asked):
    reply = _answer(answer, asked["args"], asked["seconds"])
    try:
        frame = pack({"called": str(getattr(answer, "__name__", ""))[:60], **reply})
    except BaseException as error:  # objects of the student's own making
        frame = pack({"error": ["ValueError"], "text": f"what it returned cannot be sent: {_said(error)[1]}"})
    if len(frame) > asked["most"]:
        frame = pack({"error": ["ValueError"], "text": f"it returned more than {asked['most']} bytes"})
    line.connection.sendall(frame)


def _said(error) -> list[str]:
    try:
        return [type(error).__name__[:60], str(error)[:500]]
    except BaseException:
        return [type(error).__name__[:60], "an error that cannot be printed"]


# ---- one call --------------------------------------------------------------------------------------------------------


def _answer(answer, args, seconds) -> dict:
    before = [pack({"x": a}, _as_nothing) for a in args]
    used: dict[str, None] = {}

    def note(frame, event, _):
        called = frame.f_code.co_filename
        if event == "call" and len(used) < 50 and called.startswith(PACKAGES) and called != CONTRACT:
            caller = frame.f_back.f_code.co_filename if frame.f_back else ""
            if caller == CONTRACT or not caller.startswith(PACKAGES):
                used.setdefault(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"[:120])

    try:
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                signal.signal(signal.SIGALRM, _stop)
                signal.setitimer(signal.ITIMER_REAL, seconds)
                sys.setprofile(note)
                result = answer(*args)
            finally:
                sys.setprofile(None)
                signal.setitimer(signal.ITIMER_REAL, 0)
    except _Stop:
        return {"late": True}
    except NotImplementedError:
        return {"todo": True}
    except SystemExit as error:
        return {"error": ["RuntimeError"], "text": f"the answer called sys.exit({error.code!r})"[:500], "line": ""}
    except BaseException as error:
        names = [c.__name__[:60] for c in type(error).__mro__][:10]
        lines = [f.line for f in traceback.extract_tb(error.__traceback__) if f.name == getattr(answer, "__name__", "")]
        return {"error": names, "text": _said(error)[1], "line": (lines[-1] if lines else "") or ""}
    changed = [i for i, (b, a) in enumerate(zip(before, args, strict=True)) if pack({"x": a}, _as_nothing) != b]
    return {
        "result": result, "after": {str(i): args[i] for i in changed}, "used": list(used),
    }  # fmt: skip


def _stop(number, frame):
    raise _Stop


def _as_nothing(x):
    """Functions and settings among the arguments are not compared."""
    return True if isinstance(x, (_Part, ViTConfig)) else None


def _no_sockets():
    """Where there is no namespace: no connection by Python's own means.  A determined C call passes."""

    def hook(event, args):
        if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
            raise PermissionError("there is no network here")

    sys.addaudithook(hook)
