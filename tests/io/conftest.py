"""An HDF5 file in memory, and what converters put into one."""

import h5py
import numpy as np
import pytest
from scipy import sparse

TEXT = h5py.string_dtype()


@pytest.fixture
def file():
    """A new, empty file that never touches the disk."""
    with h5py.File("memory.h5", "w", driver="core", backing_store=False) as made:
        yield made


@pytest.fixture
def put():
    """Write a list of words, a sparse matrix, or a table as a mapping of its columns; names come first."""

    def write(node, place, content):
        if isinstance(content, dict):
            for name, values in content.items():
                write(node, f"{place}/{name}", values)
            node[place].attrs["_index"] = next(iter(content))
        elif sparse.issparse(content):
            for part in ("data", "indices", "indptr"):
                node[f"{place}/{part}"] = getattr(content, part)
            node[place].attrs["shape"] = content.shape
            node[place].attrs["encoding-type"] = f"{content.format}_matrix"
        else:
            is_text = len(content) > 0 and isinstance(content[0], str)
            node[place] = np.array(content, dtype=TEXT) if is_text else np.asarray(content)

    return write
