"""The documentation site: `make docs`. Needs no network; warnings are errors."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from extension import contents, generated  # noqa: E402

from mliap_hybrid.version import __version__  # noqa: E402

project = "mliap_hybrid"
author = "mliap_hybrid developers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples/README.md"]
html_theme = "furo"
html_title = f"mliap_hybrid {version}"
html_copy_source = False
html_show_sourcelink = False

myst_heading_anchors = 4
pygments_style = "friendly"
# Blocks without a language hold LAMMPS input, shell and formulas alike.
highlight_language = "text"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpy docstrings say types, with shapes and units
autodoc_class_signature = "separated"
napoleon_google_docstring = False
napoleon_use_rtype = False


def keep_colons(app, what, name, thing, options, lines):
    """Let the first line of an attribute's text stand: napoleon takes what is before a colon in it for a type."""
    if what in ("attribute", "property"):
        lines[:0] = ["..", ""]  # a comment without text


def setup(app):
    """Write the generated pages, and put the links of the start page into the sidebar."""
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before napoleon
    app.connect("builder-inited", generated.write_pages)
    app.connect("source-read", contents.add_sidebar)
