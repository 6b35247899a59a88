"""Let ``python -m scbert_tools`` do what ``scbert-tools`` does."""

from ._cli import app

app(prog_name="scbert-tools")
