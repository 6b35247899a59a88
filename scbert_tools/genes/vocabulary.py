"""The ordered list of genes that a model reads."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Vocabulary:
    """Unique gene symbols; the place of a gene in the list is its number in the model.

    Parameters
    ----------
    genes
        Gene symbols in model order, each once.

    Raises
    ------
    ValueError
        If a name is empty, holds a line break, or occurs twice.

    Examples
    --------
    >>> vocabulary = Vocabulary(("CD3E", "MS4A1"))
    >>> vocabulary.index["MS4A1"]
    1
    """

    genes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "genes", tuple(str(gene) for gene in self.genes))
        odd = [gene for gene in self.genes if not gene.strip() or "\n" in gene or "\r" in gene]
        twice = [gene for gene, n in Counter(self.genes).items() if n > 1]
        if odd or twice:
            msg = (
                f"`genes` must be unique, non-empty, one-line names, got {len(twice)} repeated {twice[:5]} "
                f"and {len(odd)} odd {odd[:5]}. Remove them first, e.g. with `dict.fromkeys(genes)`."
            )
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.genes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.genes)

    def __contains__(self, gene: object) -> bool:
        return gene in self.index

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of every gene in the list."""
        return {gene: place for place, gene in enumerate(self.genes)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the names in order: equal fingerprints mean equal vocabularies."""
        return hashlib.sha256("\n".join(self.genes).encode()).hexdigest()

    def positions(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Return the place of each of ``names``, -1 where it is not a gene of this list."""
        return np.fromiter((self.index.get(name, -1) for name in names), np.int64)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read a text file with one gene a line."""
        return cls(tuple(Path(path).read_text(encoding="utf-8").splitlines()))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write one gene a line; an existing file is replaced only by a complete one."""
        path = Path(path)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        unfinished.write_text("".join(f"{gene}\n" for gene in self.genes), encoding="utf-8", newline="\n")
        unfinished.replace(path)
