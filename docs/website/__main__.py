"""Build the site: `make site`, or, for some notebooks only,

    PYTHONPATH=docs .venv/bin/python -m website --only 03 05 --out build/part

Every warning is an error.  Notebooks are shown with their stored outputs and never run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .assemble import add_lite, assemble
from .pages import ROOT, Site


def main() -> int:
    parser = argparse.ArgumentParser(prog="website", description="Build the site.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder (default: build/site)")
    parser.add_argument("--only", nargs="+", metavar="NUMBER", help="these notebooks, 03 05, and what they teach")
    parser.add_argument("--jobs", default="auto", help="processes (default: one for each core)")
    built = ROOT / "public" / "lite"
    parser.add_argument("--lite", type=Path, default=built, help="what `make lite` built, if it is there: %(default)s")
    arguments = parser.parse_args()
    from sphinx.cmd.build import main as sphinx

    sources, pages = arguments.out / "source", arguments.out / "html"
    lite = arguments.lite if (arguments.lite / "index.html").is_file() else None
    assemble(Site(only=arguments.only, lite=lite), sources)
    conf = str(Path(__file__).resolve().parent)
    failed = sphinx([
        "-b", "html", "-c", conf, "-d", str(arguments.out / "doctrees"), "-j", arguments.jobs, "-W", "--keep-going",
        "-q", str(sources), str(pages),
    ])  # fmt: skip
    if not failed:
        if lite:
            add_lite(lite, pages)
        print(f"{len(list(pages.rglob('*.html')))} pages; open {pages / 'index.html'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
