"""The walls round a student's process, put up from inside before any line of the student runs.

Three strengths, the best that the system allows:

    walls   namespaces of its own: no network, no other process in sight, and a file system that holds Python, its
            packages and the two packages of this course without `check/`, read-only, and a small /tmp that nobody else
            sees; as root also another user.  Works for root, and for others where user namespaces are allowed.
    user    root without namespaces (most containers): another user, whom the permissions of files keep out.
    plain   neither: the same user.  Limits hold, and what was started is ended; files and network are not kept away.

Only the standard library; Linux for the first two.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None

__all__ = ["FIRST_UID", "LEVELS", "REASONS", "UIDS", "Unreadable", "enclosed", "not_to_be_read"]

LEVELS = ("walls", "user", "plain")
REASONS = {40: "memory", 41: "time"}  # exit codes of the launcher; anything else: the process ended by itself
FIRST_UID, UIDS = 61184, 4096  # users that nobody is: systemd keeps this range for users that come and go

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_KEPT = {1: 1, 2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}  # flags of statvfs -> of mount
_DETACH = 2
_DEATHSIG, _DUMPABLE, _SUBREAPER, _NO_NEW_PRIVS = 1, 4, 36, 38


class Unreadable(OSError):
    """Another user could not read Python or the packages."""


def _call(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    args = [a.encode() if isinstance(a, str) else a for a in args]
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(*args):
    with contextlib.suppress(OSError, AttributeError):
        _call("prctl", *args, *[0] * (5 - len(args)))


def enclosed(settings: dict, run) -> None:
    """Run `run()` behind walls, in a child of this process; never returns.

    settings: level, root (an empty folder to mount on), see (paths that are shown), hide (of these, not), needed (what
    another user must be able to read), uid, seconds, memory and disk (bytes, of all processes together), processes.
    Exit code: a key of REASONS where a limit ended it, 3 where the walls could not be put up; stderr says why.
    """
    _prctl(_DEATHSIG, signal.SIGTERM)  # if the marker dies, so does all this
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    began = time.monotonic()
    is_root, level = os.geteuid() == 0, settings["level"]
    if level == "walls":
        _apart(is_root)
        first = os.fork()
        if first:
            os._exit(_until_it_ends(first))
        _prctl(_DEATHSIG, signal.SIGKILL)
        code = 3
        try:
            _new_root(settings, is_root)
            child = os.fork()
            if not child:
                _begin(settings, is_root, run)
            code = _watch(child, settings, began, _all_here)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)  # the first process of a namespace takes all others with it
    _prctl(_SUBREAPER, 1)
    launcher = os.getpid()
    child = os.fork()
    if not child:
        os.setsid()
        _begin(settings, level == "user", run)
    code = _watch(child, settings, began, lambda: _descendants(launcher))
    _end_all(launcher, child, settings["uid"] if level == "user" else None)
    os._exit(code)


def not_to_be_read() -> None:
    """No process of the same user may look into this one's memory, or trace it, from here on."""
    _prctl(_DUMPABLE, 0)


# ---- the first strength ----------------------------------------------------------------------------------------------


def _apart(is_root):
    """New namespaces.  Raises OSError where the system refuses."""
    parts = _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", parts if is_root else _NEWUSER | parts)
    if not is_root:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as stream:
                stream.write(text)


def _new_root(settings, is_root):
    """A file system of chosen parts: everything that is not named is not there."""
    root = settings["root"]
    _call("mount", None, "/", None, _REC | _PRIVATE, None)
    size = f"size={settings['disk']},nr_inodes=8192,mode=755"
    _call("mount", "tmpfs", root, "tmpfs", _NOSUID | _NODEV, size)
    done: list[str] = []
    for path in sorted(settings["see"], key=lambda p: p.count("/")):
        if any(path == d or path.startswith(d.rstrip("/") + "/") for d in done) or not os.path.lexists(path):
            continue
        done.append(path)
        _show(path, root + path)
    for path in settings["hide"]:
        if os.path.isdir(root + path):
            _call("mount", "tmpfs", root + path, "tmpfs", _RDONLY | _NOSUID | _NODEV, "size=4096,mode=755")
    for name in ("null", "zero", "full", "random", "urandom"):
        _show(f"/dev/{name}", f"{root}/dev/{name}", read_only=False)
    for name in ("tmp", "dev/shm"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
        os.chmod(f"{root}/{name}", 0o1777)
    os.makedirs(f"{root}/proc", exist_ok=True)
    with contextlib.suppress(OSError):  # some containers do not allow it; it is only missed by the watch on memory
        _call("mount", "proc", f"{root}/proc", "proc", _NOSUID | _NODEV | _NOEXEC, None)
    os.chdir(root)
    _call("pivot_root", ".", ".")
    _call("umount2", ".", _DETACH)
    os.chdir("/tmp")


def _show(path, target, read_only=True):
    if os.path.islink(path):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    _call("mount", path, target, None, _BIND | _REC, None)
    if read_only:
        have = os.statvfs(target).f_flag
        kept = sum(mount for flag, mount in _KEPT.items() if have & flag)
        _call("mount", None, target, None, _BIND | _REMOUNT | _RDONLY | _NOSUID | kept, None)


# ---- limits, and another user ----------------------------------------------------------------------------------------


def _begin(settings, change_user, run):
    """In the student's process: limits, no rights, then the work.  Never returns."""
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        memory = settings["memory"]
        limits = {
            "RLIMIT_AS": 2 * memory + (4 << 30),  # what is reserved; what is used is watched
            "RLIMIT_CPU": int(settings["seconds"]) + 5,
            "RLIMIT_FSIZE": settings["disk"],
            "RLIMIT_NOFILE": 256,
            "RLIMIT_NPROC": settings["processes"] + (0 if change_user else _mine()),  # it counts all of a user's
            "RLIMIT_CORE": 0,
            "RLIMIT_MSGQUEUE": 0,
        }
        for name, value in limits.items():
            kind = getattr(resource, name, None)
            if kind is not None:
                hard = resource.getrlimit(kind)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(kind, (value, value))
        if change_user:
            os.setgroups([])
            os.setresgid(settings["uid"], settings["uid"], settings["uid"])
            os.setresuid(settings["uid"], settings["uid"], settings["uid"])
            _prctl(_DUMPABLE, 1)
        _prctl(_NO_NEW_PRIVS, 1)
        if settings["level"] == "walls" and not change_user:
            _no_capabilities()
        if settings["level"] == "user":
            _readable(settings["needed"])
        run()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(3)
    os._exit(0)


def _mine() -> int:
    """Threads that this user has already; without /proc nobody knows, and many are assumed."""
    count, uid = (0 if os.path.isdir("/proc/self") else 2000), os.getuid()
    for pid in _numbers():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == uid:
                count += len(os.listdir(f"/proc/{pid}/task"))
    return count


def _no_capabilities():
    """Those that a user namespace gave."""
    head = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", head, (ctypes.c_uint32 * 6)())


def _readable(paths):
    for path in paths:
        if not os.access(path, os.R_OK | os.X_OK):
            raise Unreadable(f"{path} cannot be read by another user, so that nothing would run")


# ---- the watch -------------------------------------------------------------------------------------------------------


def _until_it_ends(first) -> int:
    """The exit code of the namespace's first process, which is killed when this one is asked to stop."""
    while True:
        if signal.sigwait({signal.SIGCHLD, signal.SIGTERM}) == signal.SIGTERM:
            os.kill(first, signal.SIGKILL)
        pid, status = os.waitpid(first, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) % 256


def _watch(child, settings, began, pids) -> int:
    """Until the child ends, time is over, memory is used up, or this process is asked to stop: an exit code."""
    page = os.sysconf("SC_PAGE_SIZE")
    while True:
        came = _wait(0.1)
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == child:
                return 0
            if not pid:
                break
        if came == signal.SIGTERM:
            return 0
        if time.monotonic() - began > settings["seconds"]:
            return 41
        used = 0
        for pid in pids():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{pid}/statm") as stream:
                    used += int(stream.read().split()[1]) * page
        if used > settings["memory"]:
            return 40


def _wait(seconds):
    """The signal that came in this time, if one did."""
    if hasattr(signal, "sigtimedwait"):
        came = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, seconds)
        return came and came.si_signo
    time.sleep(seconds)  # macOS
    return signal.SIGTERM if signal.SIGTERM in signal.sigpending() else None


def _numbers() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _all_here() -> list[int]:
    return [pid for pid in _numbers() if pid != 1]


def _descendants(ancestor) -> list[int]:
    parents = {}
    for pid in _numbers():
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/stat") as stream:
                parents[pid] = int(stream.read().rpartition(")")[2].split()[1])
    found, last = {ancestor}, 0
    while len(found) > last:
        last = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return sorted(found - {ancestor})


def _end_all(launcher, child, uid):
    """Kill what is left, whatever session it went to: on Linux, orphans become children of this process."""
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    if uid is not None:
        killer = os.fork()
        if not killer:
            with contextlib.suppress(OSError):
                os.setresuid(uid, uid, uid)
                os.kill(-1, signal.SIGKILL)  # all of this user
            os._exit(0)
        os.waitpid(killer, 0)
    for _ in range(50):
        left = _descendants(launcher)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
