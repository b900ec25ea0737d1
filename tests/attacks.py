"""Files that were made to do harm, each given to the public door that would read it; what is said, in a table.

    python tests/attacks.py            # plays all of them, each in a process of its own; a minute
    python tests/attacks.py --write    # ... and writes the table into docs/attacks.md

Each attack is a generator: what stands before its `yield` makes the file in a folder, what stands after opens it, and
only that is measured.  What it returns, or the error that it meets, is the row; `tests/repo/test_attacks_doc.py` sees
that the page says the same.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import logging
import multiprocessing
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / part) for part in ("data", "engine", "weights")]

import numpy as np
import test_hostile_checkpoints as checkpoints
from files_at_hand import add, picture, put, write_table
from small_runs import SMALL
from test_sizes import VIT, claiming, npz
from test_untrusted import POSTSCRIPT, png, repeated

from vitedu import from_pretrained
from vitedu.data import open_source
from vitedu.data.decode import decode
from vitedu.data.transforms import CentralCrop
from vitedu.engine.storage import read_metadata
from vitedu.engine.train import train

PAGE = Path(__file__).resolve().parents[1] / "docs" / "attacks.md"
BEGIN, END = "<!-- written by tests/attacks.py: begin -->\n", "<!-- written by tests/attacks.py: end -->\n"


class Runs:
    """Pickled, it makes whoever unpickles it write a file."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def read_all(folder, streaming=False):
    source = open_source(str(folder), "train", streaming=streaming, in_memory=False)
    return [sample.data for sample in source.read(np.arange(len(source)))]


# ---- images ----------------------------------------------------------------------------------------------------------


def postscript(folder):
    put(folder / "train" / "a" / "1.jpg", POSTSCRIPT)
    yield
    decode(read_all(folder)[0])


def pixels(folder):
    image = png(11585, 11585)
    yield
    decode(image)


def thin(width, height):
    def attack(folder):
        image = picture(size=(width, height))
        yield
        return f"read: {CentralCrop((3, 224, 224), 256)(image, None).shape}"

    return attack


# ---- tables ----------------------------------------------------------------------------------------------------------


def names(path, streaming):
    def attack(folder):
        write_table(folder / "train-0.parquet", [{"bytes": None, "path": path}, picture()], [0, 1])
        yield
        read_all(folder, streaming)

    return attack


def one_image_for_all_rows(streaming):
    def attack(folder):
        repeated(folder / "train-0.parquet", np.random.default_rng(0).bytes(10_000_000), 1_000_000, "snappy")
        yield
        read_all(folder, streaming)

    return attack


def csv_of_files(folder):
    put(folder / "images" / "1.png")
    (folder / "train.csv").write_text("path,label\n/etc/passwd,a\nimages/1.png,b\n")
    yield
    read_all(folder)


# ---- archives --------------------------------------------------------------------------------------------------------


def tar_of(folder, *members):
    with tarfile.open(folder / "train-0.tar", "w") as tar:
        for k in range(2):
            add(tar, f"{k}.png", picture(k))
            add(tar, f"{k}.cls", b"%d" % k)
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            tar.addfile(member)
    yield
    return f"read: {len(read_all(folder))} images, {said.last('left out')}"


def tar_links(folder):
    return (yield from tar_of(folder, ("3.png", tarfile.SYMTYPE, "/etc/passwd"), ("4.png", tarfile.LNKTYPE, "../../x")))


def tar_devices(folder):
    return (yield from tar_of(folder, ("5.png", tarfile.CHRTYPE, ""), ("6.png", tarfile.FIFOTYPE, "")))


def tar_upwards(folder):
    with tarfile.open(folder / "train-0.tar", "w") as tar:
        for k, up in enumerate(("../../../tmp/", "/tmp/")):
            add(tar, f"{up}{k}.png", picture(k))
            add(tar, f"{up}{k}.cls", b"%d" % k)
    yield
    return f"read: {len(read_all(folder))} images; nothing is unpacked"


def tar_packed(folder):
    (folder / "train-0.tar.gz").write_bytes(gzip.compress(bytes(400_000_000), 1))
    yield
    read_all(folder)


def zip_upwards(folder):
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr("../../etc/a/0.png", picture(0))
        archive.writestr("/etc/b/1.png", picture(1))
    yield
    return f"read: {len(read_all(folder / 'x.zip'))} images; nothing is unpacked"


def zip_bomb(folder):
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/0.png", bytes(300_000_000))
    yield
    read_all(folder / "x.zip")


# ---- weights ---------------------------------------------------------------------------------------------------------


def npz_bomb(folder):
    path = npz(folder / "x.npz", shape=(300_000_000,), content=bytes(1_200_000_000))
    yield
    from_pretrained(path)


def npz_header(folder):
    path = npz(folder / "x.npz", shape=(10**12,))
    yield
    from_pretrained(path)


def npz_objects(folder):
    np.savez(folder / "x.npz", cls=np.array([Runs(folder / "ran")], object))
    yield
    from_pretrained(folder / "x.npz")


def npz_upwards(folder):
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("../../../tmp/cls.npy", b"\x93NUMPY")
    yield
    from_pretrained(folder / "x.npz")


def npz_members(folder):
    path = npz(folder / "x.npz", count=100_000)
    yield
    from_pretrained(path)


def a_pickle(name):
    def attack(folder):
        (folder / name).write_bytes(pickle.dumps(Runs(folder / "ran")))
        yield
        from_pretrained(folder / name)

    return attack


def settings(**changes):
    def attack(folder):
        path = claiming(folder / "x.safetensors", VIT, **changes)
        yield
        from_pretrained(path)

    return attack


def safetensors_header(folder):
    (folder / "x.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    yield
    from_pretrained(folder / "x.safetensors")


def safetensors_places(folder):
    header = json.dumps({"cls": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    (folder / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    yield
    from_pretrained(folder / "x.safetensors")


def auto_map(folder):
    claiming(folder / "model.safetensors", VIT)
    (folder / "config.json").write_text('{"model_type": "vit", "auto_map": {"AutoModel": "evil.Model"}}')
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    yield
    return f"read: {type(from_pretrained(folder)).__name__}; no program of the folder is run"


def index_elsewhere(folder):
    index = {"metadata": {}, "weight_map": {"cls": "../../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text('{"model_type": "vit"}')
    yield
    from_pretrained(folder)


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def a_run(folder):
    """A run's folder with one checkpoint and no manifest, as anybody can make one."""
    shutil.copytree(_trained().name, folder / "run", dirs_exist_ok=True)
    for name in ("manifest.json", "recipe.json"):
        (folder / "run" / checkpoints.LAST / name).unlink()
    for other in (folder / "run" / checkpoints.BEFORE).iterdir():
        other.unlink()
    (folder / "run" / checkpoints.BEFORE).rmdir()
    return folder / "run" / checkpoints.LAST


@functools.cache
def _trained():
    """A folder with a finished run; it goes with this process."""
    folder = tempfile.TemporaryDirectory()
    train(SMALL, folder.name)
    return folder


def metadata_that_runs(folder):
    place = a_run(folder)
    (place / ".metadata").write_bytes(pickle.dumps(Runs(folder / "ran")))
    yield
    resume(folder)


def value_that_runs(name):
    def attack(folder):
        checkpoints.put_in_place_of(name, Runs(folder / "ran"), a_run(folder))
        yield
        resume(folder)

    return attack


def place_outside(folder):
    place = a_run(folder)
    metadata = checkpoints.metadata_of(place)
    index = next(iter(metadata.storage_data))
    metadata.storage_data[index] = checkpoints.replace(metadata.storage_data[index], relative_path="/etc/passwd")
    (place / ".metadata").write_bytes(pickle.dumps(metadata))
    yield
    read_metadata(place)


def resume(folder):
    """Go on with the run; what is printed names the checkpoint's fault, the error only says that none is left."""
    printed, before = io.StringIO(), sys.stdout
    sys.stdout = printed
    try:
        train(SMALL, folder / "run")
    except Exception as error:
        lines = [line for line in printed.getvalue().splitlines() if "asks for" in line]
        raise type(error)(lines[0] if lines else str(error)) from error
    finally:
        sys.stdout = before


ATTACKS = {
    "an image file that is PostScript, by the name `1.jpg`": postscript,
    "a PNG of 134 million pixels in 130 kB": pixels,
    "an image of 2000 x 20 pixels, in evaluation": thin(2000, 20),
    "an image of 60000 x 1 pixels, in evaluation": thin(60_000, 1),
    "a row `{bytes: null, path: /etc/passwd}` of a parquet file": names("/etc/passwd", False),
    "the same, streamed": names("/etc/passwd", True),
    "a row that names `../secret.png`": names("../secret.png", False),
    "a row of a `.csv` beside images that names `/etc/passwd`": csv_of_files,
    "a parquet file of 10 MB in which one image stands for a million rows": one_image_for_all_rows(False),
    "the same, streamed (refused when its rows are read)": one_image_for_all_rows(True),
    "a tar file with links that lead out": tar_links,
    "a tar file with devices and pipes": tar_devices,
    "a tar file with names that lead out": tar_upwards,
    "a `.tar.gz` of 2 MB that unpacks to 400 MB": tar_packed,
    "a `.zip` with names that lead out": zip_upwards,
    "a `.zip` of 300 kB whose image unpacks to 300 MB": zip_bomb,
    "an `.npz` of 1.2 MB that unpacks to 1.2 GB": npz_bomb,
    "an `.npz` whose header claims 4 TB": npz_header,
    "an `.npz` that holds objects, one of which runs a command": npz_objects,
    "an `.npz` with names that lead out": npz_upwards,
    "an `.npz` with 100,000 members": npz_members,
    "a pickle called `x.npz`": a_pickle("x.npz"),
    "a pickle called `x.pth`": a_pickle("x.pth"),
    "a `.safetensors` whose settings say `depth=10**7`": settings(depth=10**7),
    "a `.safetensors` whose settings say `width=3 * 2**20`": settings(width=3 * 2**20),
    "a `.safetensors` whose header would have 2**62 bytes": safetensors_header,
    "a `.safetensors` whose array would lie behind its end": safetensors_places,
    "a folder of `transformers` whose `auto_map` names a program": auto_map,
    "an index of weights that names a file elsewhere": index_elsewhere,
    "a checkpoint whose `.metadata` runs a command, resumed": metadata_that_runs,
    "a checkpoint whose step, a value in `.distcp`, runs a command": value_that_runs("step"),
    "a checkpoint with such a value in place of a tensor": value_that_runs("model.head.weight"),
    "a checkpoint whose places lead to `/etc/passwd`": place_outside,
}

# Seconds to make; the suite has smaller ones of the same kind.
LARGE = [name for name in ATTACKS if "10 MB" in name or "rows are read" in name or "400 MB" in name]
LARGE += [name for name in ATTACKS if "1.2 GB" in name or "100,000" in name or "300 MB" in name]


class Said(logging.Handler):
    """What the log says."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    def last(self, word) -> str:
        return next((line.partition(": ")[2] for line in reversed(self.lines) if word in line), f"nothing {word}")


said = Said()


def play(name, folder, begun=lambda: None) -> str:
    """What is said of one attack; paths are written as FOLDER.  Raises AssertionError where a command was run.

    begun: called when the file is made, before it is opened.
    """
    folder, logger = Path(folder), logging.getLogger("vitedu")
    attack = ATTACKS[name](folder)
    next(attack)
    begun()
    logger.addHandler(said)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            next(attack)
    except StopIteration as end:
        text = end.value or "ACCEPTED"
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    finally:
        logger.removeHandler(said)
    assert not (folder / "ran").exists(), f"{name}: a command was run"
    text = " ".join(text.replace(str(folder.resolve()), "FOLDER").replace(str(folder), "FOLDER").split())
    return text.replace(f"{os.system.__module__}.system", "os.system")


def _memory() -> float:
    """The most memory that this process had, in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def _measured(name, pipe) -> None:
    begun = []

    def begin():
        with open("/proc/self/clear_refs", "w") as most:  # what the making of the file took does not count
            most.write("5")
        begun.extend((time.process_time(), _memory()))

    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        for number in (1, 2):
            os.dup2(nowhere.fileno(), number)
        text = play(name, folder, begin)
        pipe.send((text, time.process_time() - begun[0], _memory() - begun[1]))


def measured(name) -> tuple[str, float, float]:
    """(what is said, seconds of CPU time, MB more than before) of one attack, in a process of its own."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(False)
    process = context.Process(target=_measured, args=(name, theirs))
    process.start()
    found = ours.recv()
    process.join()
    return found


def table(rows) -> str:
    """rows: (attack, what is said, seconds, MB)"""
    lines = [f"| {name} | {cell(text)} | {s:.1f} | {mb:.0f} |\n" for name, text, s, mb in rows]
    return "| attack | what is said | s | MB |\n|---|---|---|---|\n" + "".join(lines)


def cell(text) -> str:
    return "`" + text.replace("|", "/").replace("`", "'") + "`"


def main() -> None:
    rows = []
    for name in ATTACKS:
        rows.append((name, *measured(name)))
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(before + BEGIN + table(rows) + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
