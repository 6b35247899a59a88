"""Cells in, arrays out: the same answer in any chunk, batch, order and company."""

import numpy as np
import pytest
import torch
from scipy import sparse

from scbert_tools.data.batches import pad
from scbert_tools.infer import forward, latent_reader
from scbert_tools.infer.forward import CellStates, read_cells, run_network
from scbert_tools.tokens.levels import to_levels


@pytest.fixture
def counts(rng):
    """40 cells of very different length, one of them empty."""
    counts = rng.poisson(rng.gamma(0.4, 5.0, (40, 1)) * rng.gamma(1.0, 1.0, 12)).astype(np.float32)
    counts[7] = 0
    return sparse.csr_matrix(counts)


def states_of(annotator, counts):
    return read_cells(annotator, lambda cells: counts[cells], counts.shape[0], progress=False)


def close(one, other):
    np.testing.assert_allclose(one.logits, other.logits, rtol=0, atol=1e-5)
    np.testing.assert_allclose(one.embedding, other.embedding, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(one.n_tokens, other.n_tokens)


@pytest.mark.parametrize(
    "cells", [slice(3, 4), slice(None, None, -1), slice(10, 20)], ids=["alone", "reversed", "some"]
)
def test_answer_of_a_cell_does_not_depend_on_its_company(trained, counts, cells):
    whole = states_of(trained, counts)
    part = CellStates(whole.logits[cells], whole.embedding[cells], whole.n_tokens[cells])
    close(states_of(trained, counts[cells]), part)


@pytest.mark.parametrize(
    ("module", "name", "value"), [(forward, "CELLS_PER_CHUNK", 7), (latent_reader, "TOKENS_TOGETHER", 20)]
)
def test_size_of_chunks_and_batches_does_not_matter(trained, counts, monkeypatch, module, name, value):
    whole = states_of(trained, counts)
    monkeypatch.setattr(module, name, value)
    close(states_of(trained, counts), whole)


def test_answer_is_that_of_the_network(trained, counts):
    tokens = to_levels(counts, trained.levels)
    batch = pad(tokens)
    with torch.inference_mode():
        output = trained.network(batch.genes, batch.levels, batch.mask)
    logits, embedding = run_network(trained, tokens)
    np.testing.assert_allclose(logits, output.logits, atol=1e-5)
    np.testing.assert_allclose(embedding, output.embedding, atol=1e-5)


def test_depth_does_not_change_an_answer(trained, counts):
    close(states_of(trained, 3 * counts), states_of(trained, counts))


def test_cell_without_genes_is_counted_and_never_nan(trained, counts):
    states = states_of(trained, counts)
    assert states.n_tokens[7] == 0
    assert all(np.isfinite(values).all() for values in (states.logits, states.embedding, states.probabilities(1.0)))


def test_no_cells_give_empty_arrays(trained, counts):
    states = states_of(trained, counts[:0])
    assert (states.logits.shape, states.embedding.shape) == ((0, 3), (0, 8))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_probabilities_are_the_softmax_of_scaled_logits(temperature):
    logits = np.array([[2.0, 0.0, -1.0], [5e4, -5e4, 0.0]], np.float32)
    found = CellStates(logits, logits, np.ones(2)).probabilities(temperature)
    expected = np.exp(logits[0] / temperature)
    np.testing.assert_allclose(found[0], expected / expected.sum(), rtol=1e-5)
    np.testing.assert_allclose(found[1], [1, 0, 0])


def test_failure_of_reading_reaches_the_caller(trained):
    def rows(cells):
        raise OSError("file gone")

    with pytest.raises(OSError, match="file gone"):
        read_cells(trained, rows, 3, progress=False)
