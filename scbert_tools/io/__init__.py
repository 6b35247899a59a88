"""Reading files."""

from ._read_seurat import read_seurat

__all__ = ["read_seurat"]
