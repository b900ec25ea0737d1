"""Settings of Sphinx for the site.  `make site` assembles the sources (assemble.py) and builds them with these."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent

project = "vitedu"
author = "The vitedu authors"
html_title = "vitedu"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
root_doc = "index"
exclude_patterns = ["downloads"]

# ---- what is read ----------------------------------------------------------------------------------------------------

nb_execution_mode = "off"  # the stored outputs are what is shown
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 6  # links to `page.md#a-heading`, as on the repository's page
myst_dmath_double_inline = True
suppress_warnings = [
    "ref.python",  # a type in a signature may be a name of both packages
]
add_module_names = True
toc_object_entries = False
highlight_language = "text"

# ---- how it looks ----------------------------------------------------------------------------------------------------

html_theme = "sphinx_book_theme"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_last_updated_fmt = None
html_show_sphinx = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "collapse_navbar": True,
    "show_navbar_depth": 1,
    "home_page_in_toc": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

# ---- formulas, from this machine alone -------------------------------------------------------------------------------

MATHJAX = "mathjax/tex-chtml.js"
mathjax_path = MATHJAX
# The program, its fonts, and the parts of TeX that it loads when a formula asks for them.
MATHJAX_PARTS = (MATHJAX, "mathjax/output/chtml/fonts/woff-v2/", "mathjax/input/tex/extensions/", "mathjax/a11y/")


def copy_mathjax(app, error) -> None:
    """Out of the installed package `sphinx-mathjax-offline`, whose own extension would copy ten times as much."""
    if error is None and app.builder.format == "html":
        for file in importlib.metadata.files("sphinx-mathjax-offline"):
            _, _, path = file.as_posix().partition("/static/")
            if path.startswith(MATHJAX_PARTS):
                target = Path(app.outdir) / "_static" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.locate().read_bytes())


def setup(app):
    app.connect("build-finished", copy_mathjax)
