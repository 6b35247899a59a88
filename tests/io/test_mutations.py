"""Damaged files give the right answer, a warning, or a clear error; the file itself is never changed."""

import hashlib
import os
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scbert_tools.io import read_seurat

N_MUTATIONS = int(os.environ.get("SCBERT_MUTATIONS", "120"))
GENES = ["CD3D", "CD3E", "MS4A1", "NKG7", "LYZ", "GNLY", "CD79A", "PPBP", "CD8A", "IL7R"]


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(2.0, (40, len(GENES))).astype(np.float32) + np.eye(
        40, len(GENES), dtype=np.float32
    )


@pytest.fixture(scope="module")
def sound(counts, tmp_path_factory):
    """A small sound file: counts in `raw`, log values in `X`, factors by the codes of SeuratDisk."""
    path = tmp_path_factory.mktemp("sound") / "sound.h5ad"
    labels = pd.Categorical(np.repeat(["B", "T"], 20))
    obs = pd.DataFrame({"nCount_RNA": counts.sum(axis=1), "label": labels}, index=[f"c{i}" for i in range(40)])
    adata = ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=GENES))
    adata.raw = adata.copy()
    adata.X = sparse.csr_matrix(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4))
    adata.layers["counts"] = sparse.csr_matrix(counts)
    adata.obsm["X_pca"] = counts[:, :2].astype(float)
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        del file["obs/label"]
        file["obs/label"] = labels.codes.astype("int32")
        file["obs/__categories/label"] = np.array(["B", "T"], dtype=h5py.string_dtype())
    return path


def places(file):
    found = []
    file.visit(found.append)
    return sorted(found)


def drop(file, place, rng):
    del file[place]


def text_for_numbers(file, place, rng):
    values = np.atleast_1d(file[place][()])
    if values.dtype.kind in "iuf":
        attributes = dict(file[place].attrs)
        del file[place]
        file.create_dataset(place, data=np.array([f"x{v}" for v in values.ravel()], dtype=h5py.string_dtype()))
        file[place].attrs.update(attributes)


def cut(file, place, rng):
    values = np.atleast_1d(file[place][()])
    attributes = dict(file[place].attrs)
    del file[place]
    file[place] = values[: rng.integers(0, len(values))]
    file[place].attrs.update(attributes)


def swap_shape(file, place, rng):
    holders = [name for name in places(file) if "shape" in file[name].attrs]
    holder = holders[rng.integers(len(holders))]
    file[holder].attrs["shape"] = file[holder].attrs["shape"][::-1]


def other_type(file, place, rng):
    values = np.atleast_1d(file[place][()])
    if values.dtype.kind in "iuf":
        attributes = dict(file[place].attrs)
        del file[place]
        file[place] = values.astype(["f4", "i1", "bool", "u8", "f8"][rng.integers(5)])
        file[place].attrs.update(attributes)


def spoil(file, place, rng):
    missing_by_design = place == "obs/label"  # -1 and the smallest integer are missing values there
    if file[place].dtype.kind in "iuf" and file[place].ndim and file[place].size:
        file[place][rng.integers(len(file[place]))] = 2**30 if missing_by_design else [-1, 2**30][rng.integers(2)]


def drop_attributes(file, place, rng):
    for name in list(file[place].attrs):
        del file[place].attrs[name]


def group_for_values(file, place, rng):
    del file[place]
    file.create_group(place)


MUTATIONS = [drop, text_for_numbers, cut, swap_shape, other_type, spoil, drop_attributes, group_for_values]


def mutate(path, rng):
    """Change one thing inside a file, or cut the file itself; returns what was done."""
    if rng.random() < 0.08:
        content = path.read_bytes()
        path.write_bytes(content[: rng.integers(0, len(content))])
        return "truncated"
    with h5py.File(path, "r+") as file:
        change = MUTATIONS[rng.integers(len(MUTATIONS))]
        names = places(file)
        if change not in (drop, drop_attributes, group_for_values):
            names = [name for name in names if isinstance(file[name], h5py.Dataset)]
        place = names[rng.integers(len(names))]
        change(file, place, rng)
        return f"{change.__name__} {place}"


def is_right(adata, counts):
    """Whether genes, counts and labels are those of the sound file."""
    labels = adata.obs["label"].astype(str).tolist() if "label" in adata.obs else None
    return (
        adata.var_names.tolist() == GENES
        and adata.obs_names.tolist() == [f"c{i}" for i in range(40)]
        and np.array_equal(adata.X.toarray(), counts)
        and labels == ["B"] * 20 + ["T"] * 20
    )


@pytest.mark.parametrize("seed", range(N_MUTATIONS))
def test_a_mutated_file_never_gives_a_wrong_answer_in_silence(sound, counts, tmp_path, seed):
    path = tmp_path / "mutated.h5ad"
    path.write_bytes(sound.read_bytes())
    done = mutate(path, np.random.default_rng(seed))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    adata, told = read_or_refusal(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before, done
    assert told or is_right(adata, counts), done


def read_or_refusal(path):
    """Return what was read, and what was said about it; any error but the one promised is raised."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            return read_seurat(path), [str(warning.message) for warning in told]
        except ValueError as error:
            if "`path` is" not in str(error):
                raise
            return None, [str(error)]
