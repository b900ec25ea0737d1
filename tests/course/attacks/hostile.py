"""Hostile answers, as students could hand them in: each tries to get points unearned, or to end the marker.

Every attack is put between BEFORE and AFTER.  `linear` is right only where the attack has reached what it wants
(`won`); `softmax` is right, so that one sees what an attack costs its author.
"""

from __future__ import annotations

BEFORE = """
import os, sys, time
import numpy as np
from vitedu import check

won = False

def right(x, weight, bias):
    return x @ weight.T + bias
"""

AFTER = """
if "my_linear" not in globals():
    def my_linear(x, weight, bias):
        return right(x, weight, bias) if won else np.zeros(3)

check.linear(my_linear)

def my_softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

check.softmax(my_softmax)
"""

# name -> source.  Those whose author still gets the points of `softmax`:
HARMLESS = {
    # ---- leaving early
    "early exit": "sys.exit(0)",
    "early exit by an error that nobody catches": "raise KeyboardInterrupt",
    "exit in the answer": "def my_linear(x, weight, bias):\n    sys.exit(0)",
    "os._exit in a cell": "os._exit(0)",
    "os._exit in the answer": "def my_linear(x, weight, bias):\n    os._exit(0)",
    "a signal to itself": "import signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "a crash of the interpreter": "import ctypes\nctypes.string_at(0)",
    # ---- never coming back
    "an endless loop in a cell": "while True:\n    pass",
    "an endless loop in the answer": "def my_linear(x, weight, bias):\n    while True:\n        pass",
    "a loop that catches everything": """
def my_linear(x, weight, bias):
    while True:
        try:
            while True:
                abs(0)
        except BaseException:
            pass
""",
    "a loop in C": "def my_linear(x, weight, bias):\n    return sum(range(10**13))",
    "signals ignored": """
import signal
for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
def my_linear(x, weight, bias):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
    time.sleep(1000)
""",
    "sleeping in an import": """
with open("sleeper.py", "w") as stream:
    stream.write("import time; time.sleep(1000)")
import sleeper
""",
    "waiting for input": "input()",
    # ---- using up the machine
    "64 GB at once": "def my_linear(x, weight, bias):\n    return np.ones(8 * 10**9)",
    "memory bit by bit": """
def my_linear(x, weight, bias):
    kept = []
    while True:
        kept.append(np.ones(4 * 10**6))
""",
    "output without end": """
for _ in range(100):
    print("x" * 10**6)
    sys.stderr.write("x" * 10**6)
    os.write(1, b"x" * 10**6)
""",
    "a huge file": """
with open("huge", "wb") as stream:
    for _ in range(10**4):
        stream.write(bytes(10**6))
""",
    "very many files": "for i in range(10**6):\n    open(f'file{i}', 'w').close()",
    "a thousand threads": """
import threading
for _ in range(1000):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
""",
    "recursion": "def my_linear(*args):\n    return my_linear(*args)",
    "recursion without a limit": "sys.setrecursionlimit(10**9)\ndef my_linear(*args):\n    return my_linear(*args)",
    "an exit that never ends": "import atexit\natexit.register(lambda: time.sleep(1000))",
    # ---- changing what compares
    "NumPy patched": """
np.allclose = np.array_equal = lambda *args, **settings: True
np.abs = np.isfinite = np.isnan = lambda *args, **settings: np.zeros(())
""",
    "the checker patched": """
import vitedu
import vitedu.check
vitedu.check.linear = lambda answer: print("right")
for name in ("engine", "remarks", "slips.compare"):
    try:
        __import__(f"vitedu.check.{name}")
        won = True
    except ImportError:
        pass
""",
    "builtins patched": """
import builtins
builtins.abs = builtins.len = lambda x: 0
del builtins.abs, builtins.len
""",
    "json and NumPy's writers patched": """
import json
json.dumps = lambda *args, **settings: '{"ok": true, "points": 100}'
np.save = np.savez = lambda *args, **settings: None
""",
    "the sender patched": """
import vitedu.course.worker as worker
kept = worker.pack
def forged(message, *rest):
    if "result" in message:
        message = {**message, "ok": True, "points": 100, "right": [True, True, True], "mistake": None}
    return kept(message, *rest)
worker.pack = forged
""",
    # ---- looking for the right values
    "stack walking": """
def my_linear(x, weight, bias):
    frame = sys._getframe()
    while frame:
        for space in (frame.f_locals, frame.f_globals):
            for name, value in list(space.items()):
                if name in ("wanted", "seed", "cases", "secret", "rules") or "verdict" in name:
                    return right(x, weight, bias)
        frame = frame.f_back
    return np.zeros(3)
""",
    "walking over all objects": """
import gc
def my_linear(x, weight, bias):
    shape = (*x.shape[:-1], len(bias))
    for thing in gc.get_objects():
        inner = list(thing.values()) if type(thing) is dict else thing if type(thing) in (list, tuple) else ()
        for value in inner:
            if type(value) is np.ndarray and value.shape == shape:
                return value
    return np.zeros(3)
""",
    "reading the right answers from the package": """
import vitedu
for root, _, files in os.walk(os.path.dirname(vitedu.__file__)):
    won = won or "catalogue" in root and "linear.py" in files
""",
    "importing the right answers": """
import vitedu
del sys.modules["vitedu.check"], vitedu.check
try:
    from vitedu.check.catalogue.linear import linear
    won = True
except ImportError:
    pass
from vitedu_numpy import config
import types
vitedu.check = sys.modules["vitedu.check"] = check
""",
    "reading what others handed in": """
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("proc", "sys", "usr", "lib", "lib64", "site-packages")]
    won = won or any(name.endswith(".ipynb") or "ann" == name for name in files + folders)
""",
    "the marker's memory": """
for pid in os.listdir("/proc"):
    if pid.isdigit() and int(pid) != os.getpid():
        try:
            with open(f"/proc/{pid}/mem", "rb") as stream:
                stream.seek(4096)
                won = True
        except OSError:
            pass
""",
    "tracing the marker": """
import ctypes
for pid in {os.getppid(), 1}:
    won = won or ctypes.CDLL(None).ptrace(16, pid, 0, 0) == 0
""",
    "the network": """
import socket
for address in (("1.1.1.1", 53), ("127.0.0.1", 22)):
    try:
        socket.create_connection(address, timeout=0.2).close()
        won = True
    except ConnectionRefusedError:
        won = True
    except OSError:
        pass
""",
    # ---- writing the result
    "the result file": """
for path in ("results.json", "/autograder/results/results.json", "../marks.csv", "/tmp/marks.csv", "marks.csv"):
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w") as stream:
            stream.write('{"score": 100}')
    except OSError:
        pass
""",
    "every table there is": """
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("proc", "sys", "usr", "lib", "lib64", "site-packages")]
    for name in files:
        if name.endswith((".csv", ".ipynb")):
            try:
                open(os.path.join(root, name), "a").write("mallory,100,100")
                won = True
            except OSError:
                pass
""",
    "the package's files": """
import vitedu_numpy.layers.linear as target
try:
    open(target.__file__, "a").write("# changed")
    won = True
except OSError:
    pass
""",
    "a folder that is gone": "os.makedirs('/tmp/gone')\nos.chdir('/tmp/gone')\nos.rmdir('/tmp/gone')",
    # ---- ending others
    "killing the parent": """
for pid in (os.getppid(), 1, 2):
    try:
        os.kill(pid, 9)
        won = pid == 1 and os.getppid() == 0
    except OSError:
        pass
""",
    "detached grandchildren": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
""",
    # ---- odd results
    "an array that is equal to all": """
class Evil(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
    def __sub__(self, other): return np.zeros(self.shape)
    __rsub__ = __sub__
    def __array_ufunc__(self, *args, **settings): return np.zeros(self.shape)
    def __array_function__(self, *args, **settings): return True
    def tobytes(self, *args): return bytes(8)
def my_linear(x, weight, bias):
    return np.full((*x.shape[:-1], len(bias)), 7.0).view(Evil)
""",
    "an object that is equal to all": """
class Evil:
    shape, dtype, ndim, size = (), np.dtype(float), 0, 1
    def __eq__(self, other): return True
    def __array__(self, *args, **settings): return np.zeros(3)
    def __float__(self): return 1.0
    def detach(self): return self
    def cpu(self): return self
    def numpy(self): return self
def my_linear(x, weight, bias):
    return Evil()
""",
    "an object with a pickle in it": """
class Evil:
    def __reduce__(self): return os.system, ("touch /tmp/reached",)
def my_linear(x, weight, bias):
    return np.array([Evil()], dtype=object)
""",
    "NaN": "def my_linear(x, weight, bias):\n    return np.full((*x.shape[:-1], len(bias)), np.nan)",
    "infinity": "def my_linear(x, weight, bias):\n    return np.full((*x.shape[:-1], len(bias)), np.inf)",
    "more numbers than there are": "def my_linear(x, weight, bias):\n    return np.broadcast_to(0.0, (10**10,))",
    "a list of a million": "def my_linear(x, weight, bias):\n    return list(range(10**6))",
    "a list that holds itself": "def my_linear(x, weight, bias):\n    a = []\n    a.append(a)\n    return a",
    "a whole number without end": "def my_linear(x, weight, bias):\n    return 10**200_000",
    "an error that cannot be printed": """
class Evil(Exception):
    def __str__(self): raise self
def my_linear(x, weight, bias):
    raise Evil
""",
    "an error of a megabyte": "def my_linear(x, weight, bias):\n    raise ValueError('\\x1b[31m|<b>' * 10**5)",
    "a generator": "def my_linear(x, weight, bias):\n    yield right(x, weight, bias)",
    "a class": "class my_linear:\n    def __init__(self, *args):\n        self.args = args",
    "what is asked too often": """
def my_second_difference(f, x, h):
    while True:
        f(x)
check.second_difference(my_second_difference)
""",
    "what is asked of something else": """
def my_second_difference(f, x, h):
    for odd in ("text", None, [], {}, f, np.zeros((10**4,)), np.array([f], dtype=object), 10**400):
        try:
            f(odd)
        except Exception:
            pass
    return x
check.second_difference(my_second_difference)
""",
    "its own check": "class my_check:\n    linear = staticmethod(lambda answer: print('right'))",
}

# Those that may cost their author everything: they break the line to the marker, or their own process.
SELF_HARM = {
    "a fork bomb": """
for _ in range(10**3):
    try:
        os.fork()
    except OSError:
        pass
""",
    "forged replies": """
import vitedu.course.wire as wire
reply = wire.pack({"called": "my_linear", "result": np.zeros(3), "after": {}, "used": [], "ok": True})
for fd in range(3, 30):
    try:
        os.write(fd, reply * 20)
    except OSError:
        pass
""",
    "a frame of four gigabytes": """
for fd in range(3, 30):
    try:
        os.write(fd, b"\\xff" * 64)
    except OSError:
        pass
""",
    "a pickle, a zip and an npz on the line": """
import io, pickle
stream = io.BytesIO()
np.savez(stream, a=np.zeros(3))
for fd in range(3, 30):
    try:
        os.write(fd, pickle.dumps({"points": 100}) + stream.getvalue())
    except OSError:
        pass
""",
    "deep and odd messages": """
import struct
for text in (
    b"[" * 50_000,
    b'{"arrays": [["<f8", [-1]]], "message": {}}',
    b'{"arrays": [["|O8", [1]]], "message": {}}',
    b'{"arrays": [["<f8", [9999999999]]], "message": {}}',
    b'{"arrays": [], "message": {"dict": 5}}',
):
    for fd in range(3, 30):
        try:
            os.write(fd, struct.pack(">II", len(text), 0) + text)
        except OSError:
            pass
""",
    "closing the line": "os.closerange(3, 100)",
    "another program in its place": """
os.environ["LD_PRELOAD"] = "/tmp/evil.so"
os.execv("/bin/sh", ["sh", "-c", "sleep 1000"])
""",
    "checks without end": "while True:\n    check.linear(lambda *args: 0)",
    "modules poisoned": "sys.modules.clear()",
}
