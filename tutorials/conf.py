"""Pages of the tutorials and of the reference: `sphinx-build -W tutorials .docs`.

The tutorials are shown with the outputs they are stored with; `.ci/run_tutorials.py` keeps those fresh.
"""

from importlib.metadata import version as version_of

from sphinx.application import Sphinx
from sphinx.ext.napoleon import NumpyDocstring

project = "scbert_tools"
author = copyright = "scbert_tools developers"
version = release = version_of("scbert-tools")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
root_doc = "index"
exclude_patterns = ["recipes"]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 2
nb_execution_mode = "off"
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "sphinx_book_theme"
html_title = "scbert_tools"
html_theme_options = {"show_toc_level": 2, "use_download_button": True}


def returns_as_written(self: NumpyDocstring, _section: str) -> list[str]:
    """Show `Returns` as it stands, a list of the fields written, where napoleon expects names and types."""
    return self._format_block(":returns: ", self._dedent(self._consume_to_next_section()))


def attribute_as_written(self: NumpyDocstring) -> list[str]:
    """Show the text of an attribute as it stands, where napoleon takes words before a colon for a type."""
    return self._consume_to_end()


def setup(_app: Sphinx) -> None:
    """Let napoleon read docstrings in the way of scanpy."""
    NumpyDocstring._parse_returns_section = returns_as_written
    NumpyDocstring._parse_attribute_docstring = attribute_as_written
