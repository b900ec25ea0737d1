"""Everything that only a GPU can answer, on one card, in minutes: right? fast? does the engine train?

    python benchmarks/gpu.py [--minutes 12] [--out FOLDER] [--part NAME ...] [--data FOLDER] [--small]

Any machine with one NVIDIA GPU, no network, Python >= 3.10, PyTorch >= 2.6; see gpu.md.  Every part runs in a process
of its own with a time limit, and writes FOLDER/<part>.json after each of its rows: a crash, a hang or a stop loses
nothing of what was measured.  At the end, and after each part, FOLDER/summary.md holds all tables.  Without a GPU
everything runs in small on the CPU, to see that it runs.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from gpu_parts import ORDER  # noqa: E402

# Seconds of 12 minutes.  A part that needs less leaves the rest to those after it.
SHARES = {"right": 75, "fast": 190, "engine": 100, "feed": 15, "cifar10": 300, "many": 40}
CPU_MINUTES = 3.0
TAIL = 4000  # characters of a failed part's stderr


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, help="for all parts together (12; in small on a CPU 3)")
    parser.add_argument("--out", type=Path, help="folder of the results (docs/gpu/<card>-<date>)")
    parser.add_argument("--part", nargs="+", choices=ORDER, metavar="NAME", help=f"of {', '.join(ORDER)}: only these")
    parser.add_argument("--data", help="a folder of CIFAR-10 as parquet files, for the parts that train on it")
    parser.add_argument("--small", action="store_true", help="tiny sizes, on whatever there is")
    parser.add_argument("--seconds-of", nargs="+", default=[], metavar="NAME=NUMBER", help="in place of a part's share")
    parser.add_argument("--peak", type=float, help="bfloat16 1e12 FLOP/s of a card that `vitedu plan` does not know")
    parser.add_argument("--one-part", choices=ORDER, help=argparse.SUPPRESS)
    parser.add_argument("--device", choices=("cuda", "cpu"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.minutes is not None and not args.minutes > 0:
        parser.error(f"--minutes {args.minutes} is not allowed; it must be positive")
    if args.peak is not None and not args.peak > 0:
        parser.error(f"--peak {args.peak} is not allowed; it must be positive")
    seconds = {}
    for item in args.seconds_of:
        name, _, number = item.partition("=")
        try:
            seconds[name] = float(number)
        except ValueError:
            seconds[name] = 0.0
        if name not in ORDER or not 0 < seconds[name] < float("inf"):
            parser.error(f"--seconds-of {item} is not allowed; expected NAME=NUMBER, NAME one of {', '.join(ORDER)}")
    args.seconds_of = seconds
    return args


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    if args.one_part:
        return run_here(args, argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the part at work is stopped too
    start = time.monotonic()
    if args.peak:
        os.environ["VITEDU_GPU_PEAK"] = str(args.peak)  # read by the parts that need it
    device, name = find_device()
    if device == "cpu":
        print("No NVIDIA GPU that PyTorch can use: everything runs in small on the CPU; its numbers say nothing.")
    small = args.small or device == "cpu"
    out = args.out or ROOT / "docs" / "gpu" / f"{slug(name)}-{datetime.now():%Y-%m-%d}"
    out.mkdir(parents=True, exist_ok=True)
    minutes = args.minutes or (CPU_MINUTES if small else 12.0)
    print(f"{name}; {minutes:g} minutes; results in {out}", flush=True)
    parts = [part for part in ORDER if part in (args.part or ORDER)]
    failed = []
    for i, part in enumerate(parts):
        left = 60 * minutes - (time.monotonic() - start)
        seconds = args.seconds_of.get(part) or share(left, parts[i:], args.seconds_of)
        if seconds < 1:
            print(f"\n## {part}: no time left", flush=True)
            failed.append(part)
            continue
        print(f"\n## {part}: {seconds:.0f} s", flush=True)
        error = run_part(part, out, seconds, device, small, args.data)
        if error:
            failed.append(part)
            print(f"{part} failed: {error.strip().splitlines()[-1]}", flush=True)
        write_text(out / "summary.md", summary(out))
    print("\n" + summary(out))
    print(f"{time.monotonic() - start:.0f} s; {out / 'summary.md'}" + (f"; failed: {', '.join(failed)}" * bool(failed)))
    return 1 if failed else 0


def share(left: float, parts, given) -> float:
    """Seconds of the first of `parts`: its part of what is left, when those with a given time have theirs."""
    left -= sum(given.get(part, 0.0) for part in parts)
    return left * SHARES[parts[0]] / sum(SHARES[part] for part in parts if part not in given)


def find_device() -> tuple[str, str]:
    """("cuda", the card's name) or ("cpu", "cpu")"""
    import torch

    if torch.cuda.is_available() and torch.version.cuda is not None:
        return "cuda", torch.cuda.get_device_name(0)
    return "cpu", "cpu"


def slug(name: str) -> str:
    """NVIDIA H100 80GB HBM3 -> nvidia-h100-80gb-hbm3"""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


# ---- one part, in a process of its own -----------------------------------------------------------------------------


def run_part(part, out, seconds, device, small, data) -> str | None:
    """Start the part, stop it some time after its seconds; None, or what went wrong, which is also in its JSON."""
    file = out / f"{part}.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, str(Path(__file__).resolve()), "--one-part", part, "--device", device]
    command += ["--seconds-of", f"{part}={seconds:.1f}", "--out", str(out)]
    command += ["--small"] * small + (["--data", data] if data else [])
    paths = [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    limit, start = hard_limit(seconds), time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stderr=errors, env=environment, start_new_session=True)
        try:
            code = process.wait(timeout=limit)
            error = None if code == 0 else f"exit status {code}"
        except subprocess.TimeoutExpired:
            error = f"stopped after {limit:.0f} s; its own time was {seconds:.0f} s"
        finally:
            stop(process)
        errors.seek(0)
        tail = errors.read().decode(errors="replace")[-TAIL:]
    if error is None:
        error = read(file).get("error")  # a part may say itself why it could not run
        if error is None and not file.exists():
            error = "it wrote no results"
        if error is None:
            return None
    else:
        error = f"{tail.strip()}\n{error}" if tail.strip() else error
    result = read(file)
    result.setdefault("about", {"part": part, "seconds": round(time.monotonic() - start, 1)})
    write_text(file, json.dumps(result | {"error": error}, indent=1))
    return error


def hard_limit(seconds: float) -> float:
    """When a part that does not end by itself is stopped: it may take time to start, and to finish its last row."""
    return 1.1 * seconds + 20


def stop(process) -> None:
    """End the part and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_here(args, argv) -> int:
    """Inside that process."""
    part, file = args.one_part, args.out / f"{args.one_part}.json"
    start, facts = time.monotonic(), about(args, argv)

    def write(result: dict) -> None:
        facts["seconds"] = round(time.monotonic() - start, 1)
        write_text(file, json.dumps({"about": facts} | result, indent=1))

    module = importlib.import_module(f"gpu_parts.{part}")
    missing = [name for name in module.NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        write({"error": f"{part} needs {', '.join(missing)}, which is not installed here"})
        return 0
    seconds = args.seconds_of[part]
    module.run(device=args.device, seconds=seconds, small=args.small, data=args.data, write=write)
    result = read(file)
    if result:  # the time that all of it took
        write({key: value for key, value in result.items() if key != "about"})
    return 0


def about(args, argv) -> dict:
    """What the numbers were measured with."""
    import platform

    import numpy
    import torch

    commit = first_line("git", "-C", str(ROOT), "rev-parse", "HEAD")
    changed = first_line("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    facts = {
        "part": args.one_part,
        "device": torch.cuda.get_device_name(0) if args.device == "cuda" else "cpu",
        "memory_gib": None,
        "driver": first_line("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "cuda": torch.version.cuda,
        "cudnn": None,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "commit": commit and commit + (" with changes" if changed else ""),
        "date": f"{datetime.now().astimezone():%Y-%m-%d %H:%M %z}",
        "argv": list(argv),
        "small": args.small,
    }
    if args.device == "cuda":
        facts["memory_gib"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
        facts["cudnn"] = torch.backends.cudnn.version()
    return facts


def first_line(*command) -> str | None:
    """What a command prints first; None where there is no such command, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.strip().splitlines()), None)


# ---- files ---------------------------------------------------------------------------------------------------------


def write_text(file: Path, text: str) -> None:
    """Whole or not at all: a temporary name first."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, file)


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def summary(out: Path) -> str:
    """All tables of the results that lie in the folder, in Markdown."""
    lines, facts = [], {}
    for part in ORDER:
        result = read(out / f"{part}.json")
        if not result:
            continue
        facts = facts or result.get("about", {})
        lines += [f"## {part}", "", part_table(part, result).strip(), ""]
        if result.get("error"):
            lines += [f"It did not end well: {result['error'].strip().splitlines()[-1]}", ""]
    with_what = {name: facts.get(name) for name in ("device", "driver", "torch", "cuda", "date", "commit")}
    head = ", ".join(f"{name} {value}" for name, value in with_what.items() if value)
    if facts.get("small"):
        head += "; in small: these numbers only show that everything runs"
    title = f"# {facts.get('device', 'No result')}, {str(facts.get('date', ''))[:10]}"
    return "\n".join([title, "", head, "", *lines])


def part_table(part: str, result: dict) -> str:
    """The part's own table; what it cannot make of a broken result is said in its place."""
    try:
        return importlib.import_module(f"gpu_parts.{part}").table(result)
    except Exception as error:  # whatever is wrong with one part, the others' tables are wanted
        return f"(no table: {type(error).__name__}: {error})"


if __name__ == "__main__":
    sys.exit(main())
