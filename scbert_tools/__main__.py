"""Let ``python -m scbert_tools`` do what ``scbert-tools`` does."""

from ._cli import app

if __name__ == "__main__":
    app(prog_name="scbert-tools")
