"""Writes the recorded results into docs/experiments.md, between `<!-- results: NAME -->` and `<!-- end -->`, and draws
them beside it, docs/experiments/NAME.png.

    python docs/fill_experiments.py

tests/repo/test_experiments_doc.py sees that what stands there is what is recorded.
"""

from __future__ import annotations

import re
from pathlib import Path

from vitedu.experiments import format_results, get_experiment, recorded, recorded_names
from vitedu.show.experiments import save_experiment

PAGE = Path(__file__).with_name("experiments.md")
PLACE = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def filled(text: str) -> str:
    """The page with all results that there are."""

    def fill(found):
        begin, name, end = found.groups()
        if name not in recorded_names():
            return f"{begin}\nNot run yet.\n\n{end}"
        results = recorded(name)
        about, machine = results.about, results.about["machine"]
        where = f"{machine['processor']}, torch {machine['torch']}"
        how = f"`{about['command']}`: {about['hours']:.2f} hours of one core ({where})."
        picture = f"![{name}](experiments/{name}.png)"
        return f"{begin}\n{how}\n\n{picture}\n\n{format_results(results)}\n{end}"

    return PLACE.sub(fill, text)


def draw(name: str) -> None:
    """The picture of a recorded experiment, with all seeds as faint dots."""
    results = recorded(name)
    folder = PAGE.with_name("experiments")
    folder.mkdir(exist_ok=True)
    title = f"{name}: {results.about['finished']} of {results.about['cells']} cells"
    save_experiment(results.rows, get_experiment(name).panels, folder / f"{name}.png", title)


if __name__ == "__main__":
    for name in recorded_names():
        draw(name)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
