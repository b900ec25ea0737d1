"""What the site is made of: a page for each notebook, guide and file of code; indexes that say what the sources say."""

from __future__ import annotations

import json
import re
import shutil

import house
import pytest
from website import api, indexes, lessons
from website.assemble import add_lite, assemble
from website.lessons import Lesson
from website.pages import NOT_READ, ROOT, Site


@pytest.fixture(scope="module")
def site():
    return Site()


@pytest.fixture(scope="module")
def read(site):
    """The notebooks, as the site reads them."""
    return [Lesson.read(file) for file in site.notebooks]


@pytest.fixture(scope="module")
def sources(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    return folder, assemble(site, folder)


# ---- pages -----------------------------------------------------------------------------------------------------------


def test_every_notebook_guide_and_file_of_code_has_a_page(site, sources):
    folder, written = sources
    assert {f"notebooks/{file.name}" for file in (ROOT / "notebooks").glob("[0-9]*.ipynb")} <= set(written)
    for guide in ("NOTATION", "DEVIATIONS", "CONTRIBUTING", "CHANGELOG", "docs/scale", "docs/reliability"):
        assert f"{guide}.md" in written
    for file in house.python_files("vitedu", "vitedu_numpy"):
        page = site.pages[file.relative_to(ROOT).as_posix()]
        assert (folder / page).is_file(), f"{file} has no page"


def test_what_git_ignores_is_not_read():
    """`make lite` leaves a copy of NOTATION.md in public/."""
    ignored = re.findall(r"^/?([a-z]+)/$", (ROOT / ".gitignore").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {"build", "public"} <= set(ignored) <= NOT_READ


def test_twins_share_a_page(site):
    assert site.code["layers/attention"] == ["vitedu_numpy/layers/attention.py", "vitedu/layers/attention.py"]
    for name, paths in site.code.items():
        assert len(paths) <= 2, name
        assert len(paths) == 1 or paths[0].replace("vitedu_numpy/", "vitedu/") == paths[1], name


def test_every_page_stands_once_in_the_tables_of_contents(sources):
    """So each has a previous and a next one, and a line in the sidebar."""
    folder, written = sources
    entries = []
    for source in written:
        text = (folder / source).read_text(encoding="utf-8") if source.endswith((".md", ".rst")) else ""
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            entries += [line.lstrip("/") for line in block.splitlines() if line and not line.startswith(":")]
        for block in re.findall(r"^\.\. toctree::\n(?:   :.*\n)*\n((?:   .*\n)+)", text, flags=re.MULTILINE):
            entries += [line.strip().lstrip("/") for line in block.splitlines()]
    assert sorted(entries) == sorted(re.sub(r"\.(md|rst|ipynb)$", "", page) for page in written if page != "index.md")


def test_a_second_assembly_writes_nothing(site, sources):
    """So that Sphinx reads only what has changed."""
    folder, _ = sources
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    (folder / "old.md").write_text("# a page that is gone", encoding="utf-8")
    assemble(Site(), folder)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()} == before


# ---- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "target", "there"),
    [
        ("docs/scale.md", "reliability.md#exit-codes", "reliability.md#exit-codes"),
        ("docs/scale.md", "../vitedu/engine/train.py", "../api/engine/train.rst"),
        ("notebooks/03_attention.ipynb", "../NOTATION.md", "../NOTATION.md"),
        ("README.md", "notebooks/00_map.ipynb", "notebooks/00_map.ipynb"),
        ("README.md", "docs/overview.png", "docs/overview.png"),
        ("README.md", "benchmarks/", "benchmarks/README.md"),
        ("README.md", "LICENSE", "files/LICENSE.md"),
        ("README.md", "https://arxiv.org/abs/2010.11929", "https://arxiv.org/abs/2010.11929"),
    ],
)
def test_links_of_the_repository_lead_to_pages(site, here, target, there):
    assert site.link(here, target) == there


def test_a_link_to_nothing_is_an_error(site):
    with pytest.raises(ValueError, match=r"README\.md links to docs/nothing\.md, which is not there"):
        site.link("README.md", "docs/nothing.md")


def test_names_of_files_become_links_but_not_in_code_or_links(site):
    text = "See `vitedu/cli.py`, `x.py` and [`vitedu/cli.py`](NOTATION.md).\n\n```bash\ncat `vitedu/cli.py`\n```\n"
    linked = "[`vitedu/cli.py`](api/root/cli.rst)"
    expected = text.replace("`vitedu/cli.py`, ", f"{linked}, ", 1)
    assert site.linked("README.md", text) == expected


# ---- notebooks -------------------------------------------------------------------------------------------------------


def lesson(before: str) -> Lesson:
    cell = {"cell_type": "markdown", "source": f"# 05 · A\n\n## Before you start\n\n{before}", "metadata": {}}
    return Lesson(ROOT / "notebooks" / "05_a.ipynb", [cell])


@pytest.mark.parametrize(
    ("before", "needs", "helps", "minutes"),
    [
        ("Nothing comes before. 25 minutes; CPU.", [], [], (25, 0)),
        ("Read 00 first; 01 helps. 35 minutes; CPU.", ["00"], ["01"], (35, 0)),
        ("Do [01_a](01_a.ipynb) to [04_b](04_b.ipynb) first. About 60 minutes.", ["01", "02", "03", "04"], [], (60, 0)),
        ("Read notebooks 02 (linear, 2017), 03 and 04 first. 40 minutes, and 35 minutes more for the exercises.",
         ["02", "03", "04"], [], (40, 35)),
        ("Do 03 first. 50 minutes, and 80 minutes more for the exercises.", ["03"], [], (50, 80)),
        ("Do [02_a](02_a.ipynb) (standard errors, 10-shot accuracy) first. 75 minutes.", ["02"], [], (75, 0)),
    ],
)  # fmt: skip
def test_what_a_notebook_needs_is_read_from_its_text(before, needs, helps, minutes):
    found = lesson(before)
    assert (found.needs, found.helps, found.minutes) == (needs, helps, minutes)


def test_every_notebook_says_its_time_and_needs_earlier_ones(read):
    numbers = {one.number for one in read}
    for one in read:
        assert one.minutes[0] > 0, f"{one.file.name} says no minutes under Before you start"
        assert all(needed < one.number for needed in one.needs), one.file.name
        assert set(one.needs) <= numbers, one.file.name
        assert one.needs or one.number == "00", f"{one.file.name} needs nothing"


def test_solutions_are_folded_and_pictures_have_words(site, read):
    pictures = 0
    for one in read:
        for cell, written in zip(one.cells, lessons.page(site, one)["cells"], strict=True):
            if "solution" in cell["metadata"].get("tags", []):
                assert "hide-cell" in written["metadata"]["tags"]
            images = [kind for o in cell.get("outputs", []) for kind in o.get("data", {}) if kind.startswith("image/")]
            if images:
                pictures += 1
                assert written["metadata"]["mystnb"]["image"]["alt"], f"{one.file.name}: {cell['source'][:60]}"
    assert pictures > 80


def test_shown_sources_link_to_the_pages_of_their_files(site, read):
    """... and are the stored text, under those links; a docstring of twins stands once."""
    (one,) = [one for one in read if one.number == "03"]
    stored = [o for cell in one.cells for o in cell.get("outputs", []) if "text/html" in o.get("data", {})]
    assert stored
    for output in stored:
        rich = lessons.shown(site, "notebooks/03_attention.ipynb", output)["data"]["text/html"]
        assert 'href="../api/layers/' in rich
        before, after = (
            [re.sub(r"<[^>]+>|\s", "", block) for block in lessons.SHOWN.findall(text)]
            for text in ("".join(output["data"]["text/html"]), rich)
        )
        assert after[0] == before[0]
        assert "Asinthetwin." in after[1] if after[1:] else after == before


def test_an_output_that_is_no_source_stays(site):
    output = {"output_type": "display_data", "data": {"text/html": "<pre>numbers</pre>"}, "metadata": {}}
    assert lessons.shown(site, "notebooks/03_attention.ipynb", output) is output


def test_the_site_and_the_course_in_the_browser_link_to_each_other(read, tmp_path):
    """A folder of JupyterLite's layout beside the site; where none was built there is no link."""
    lite, pages = tmp_path / "built", tmp_path / "html"
    (lite / "files" / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "lite" / "index.html", lite)
    (lite / "files" / "notebooks" / "03_attention.ipynb").touch()
    (one,) = [one for one in read if one.number == "03"]
    (other,) = [one for one in read if one.number == "08"]
    address = "../browser/notebooks/index.html?path=notebooks/03_attention.ipynb"
    assert f'<a href="{address}">' in lessons.header(Site(lite=lite), one)
    assert "in the browser" not in lessons.header(Site(lite=lite), other)
    assert "in the browser" not in lessons.header(Site(), one)
    (pages / "lite").mkdir(parents=True)
    (pages / "lite" / "README.html").touch()  # the page of lite/README.md
    for _ in range(2):  # a site is built again over an old one
        add_lite(lite, pages)
    assert '<a href="../index.html">' in (pages / "browser" / "index.html").read_text(encoding="utf-8")
    assert (pages / "lite" / "README.html").is_file()


# ---- indexes ---------------------------------------------------------------------------------------------------------


def test_the_map_has_every_notebook(site, read):
    text = indexes.course_map(site, read)
    assert [int(n) for n in re.findall(r"^\{doc\}`/notebooks/(\d\d)_\w+`$", text, flags=re.MULTILINE)] == [
        int(one.number) for one in read
    ]
    assert "patchify, the projection E" in text  # the README's words for notebook 01


def test_the_index_by_symbol_has_every_letter_of_the_notation(site, read):
    text = indexes.symbols(site, read)
    notation = (ROOT / "NOTATION.md").read_text(encoding="utf-8")
    for heading in ("Sizes", "Tensors"):
        rows = indexes.rows(notation, heading)
        assert len(rows) > 15
        for name, what, *_ in rows:
            assert f"| {name} | {what} |" in text
    assert "| `q` | queries: what a token looks for |" in text  # from the recap of notebook 03


def test_the_index_by_exercise_has_every_check(site, read):
    text = indexes.exercises(site, read)
    for one in read:
        stubs = [c["source"] for c in one.cells if "exercise" in c["metadata"].get("tags", [])]
        for name in re.findall(r"\bcheck\.(\w+)\(", "\n".join(stubs)):
            assert f"`check.{name}`" in text, f"{one.file.name}: {name}"
        numbers = [exercise.number for exercise in one.exercises]
        assert numbers == list(range(1, len(numbers) + 1)), one.file.name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Eqs. 5-7 without loops", [("Equation", "5"), ("Equation", "6"), ("Equation", "7")]),
        ("Eqs. 2 and 3; Eq. 1, 5 and 8", [("Equation", n) for n in "23158"]),
        ("(Fig. 7, left) and the paper's Figure 6", [("Figure", "7"), ("Figure", "6")]),
        ("Table 4's optimiser, App. D.4, Sec. 3.1,", [("Table", "4"), ("Appendix", "D.4"), ("Section", "3.1")]),
        ("Eqs. 4 to 6 of ViViT, its Sec. 3.4, ViViT's Table 2", []),
        ("Vaswani et al. 2017, Sec. 5.4; Sec. 3.4 there", []),
        ("Table 1 of the paper", [("Table", "1")]),
        ("*Figure: three lines*, table 2", []),
    ],
)
def test_what_a_text_mentions_of_the_paper(text, found):
    assert indexes.references(text) == found


def test_the_index_of_the_paper_finds_equations_in_notebooks_and_code(site, read):
    text = indexes.paper(site, read)
    (line,) = re.findall(r"^\| 6 \| .*layers/attention.*$", text, flags=re.MULTILINE)
    assert "03 Attention, Eqs. 5-7" in line
    assert "models/video" not in line  # its Eq. 6 is another paper's


# ---- code ------------------------------------------------------------------------------------------------------------


def test_twins_are_described_once_where_they_say_the_same(site):
    text = api.page(site, "layers/attention", site.code["layers/attention"])
    one = r"py:function:: vitedu_numpy\.layers\.attention\.attention\(q, k, v, mask=None\)\n +vitedu\.layers\.attention"
    assert re.search(one, text)
    assert text.count("vitedu.layers.attention.check_mask(mask, shape)") == 1
    assert "vitedu_numpy.layers.attention.attention_backward(dy, cache)" in text
    assert "vitedu.layers.attention.attention_backward" not in text  # autograd's work


def test_every_exported_function_and_class_is_on_its_page(site, sources):
    folder, _ = sources
    for name, paths in site.code.items():
        page = (folder / f"api/{name}.rst").read_text(encoding="utf-8")
        for module in (api.read(site.root, path) for path in paths if not path.endswith("__init__.py")):
            for item in module.described:
                assert f"{module.name}.{item.name}" in page, f"{module.path}: {item.name}"


def test_fields_of_settings_come_with_their_comments(site):
    text = api.page(site, "root/config", site.code["root/config"])
    assert "* - ``patch_size: int``\n        - P, pixels" in text


@pytest.mark.parametrize(
    ("doc", "lines"),
    [
        ("y = x * W_1, z` |a|", ["y = x \\* W\\_1, z\\` \\|a\\|"]),
        ("`h` heads, `B`s", ["``h`` heads, ``B``\\ s"]),
        ("A line\nthat goes on", ["A line that goes on"]),
        ("- one\n  more\n- two", ["- one more", "- two"]),
        ("    y = x @ W", ["::", "", "      y = x @ W"]),
    ],
)
def test_docstrings_are_plain_text(site, doc, lines):
    assert api.rst(site, "vitedu/layers/linear.py", doc)[:-1] == lines


def test_the_pages_of_notebooks_are_notebooks(sources):
    folder, written = sources
    for source in written:
        if source.endswith(".ipynb"):
            json.loads((folder / source).read_text(encoding="utf-8"))
