"""What a model remembers of held-out cells: bounded in size, fair to data sets, from the right depths."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.infer.held_out import HeldOutCells, genes_per_cell, remember, scores_for_sets
from scbert_tools.infer.profiles import LabelledCells, class_profiles, log_expression


def cells(rng, n_cells, *, n_measured=12):
    counts = sparse.csr_matrix(rng.poisson(4.0, (n_cells, 12)) * (np.arange(12) < n_measured), dtype=np.float32)
    leaf = rng.integers(0, 3, n_cells)
    return LabelledCells(log_expression(counts), np.eye(3, dtype=bool)[leaf], np.arange(12) < n_measured), leaf


@pytest.fixture
def held_out(rng):
    one, leaf = cells(rng, 700)
    logits = (3 * np.eye(3)[leaf] + rng.normal(size=(700, 3))).astype(np.float32)
    return HeldOutCells(logits, leaf, np.diff(one.logs.indptr), one, class_profiles([one]))


def remembered(labels, held_out, rng):
    """Return what a model remembers that looks at the first four genes as markers."""
    names, markers = labels.leaves, np.where(np.arange(12) < 4, 5, 0).astype(np.float32)
    return remember(labels, [held_out[0].cells], held_out, names=names, markers=markers, temperature=1.0, rng=rng)


def test_shapes_fit_the_model(held_out, labels, rng):
    known = remembered(labels, [held_out], rng)
    assert known.profiles.shape == (3, 12)
    assert known.usual.shape[1:] == (3, 3)
    assert len(known.novelty) == len(known.doublet) == 250
    assert (np.diff(known.novelty) >= 0).all()
    assert known.n_genes[0] >= 1


def test_held_out_cells_are_judged_beside_the_bulk_of_their_set(held_out, labels, rng):
    quiet = replace(held_out, logits=held_out.logits - 5)
    known = remembered(labels, [held_out, quiet], rng)
    assert len(known.bulks) == 2
    assert known.bulks.max() > known.bulks.min() + 1
    assert np.median(known.novelty) == pytest.approx(0, abs=0.1)


def test_company_of_held_out_cells_is_remembered_if_there_is_a_graph(held_out, labels, rng):
    everyone = sparse.csr_matrix(np.full((len(held_out.code),) * 2, 1 / len(held_out.code)))
    apart, all_alike = (remembered(labels, [replace(held_out, weights=w)], rng) for w in (None, everyone))
    assert apart.novelty_together is apart.surplus_together is None
    assert np.ptp(all_alike.novelty_together) < 1e-3 < np.ptp(all_alike.novelty)
    assert np.ptp(all_alike.surplus_together) < 1e-3


def test_bulk_of_company_is_that_of_markers(held_out, labels, rng):
    odd = replace(held_out, profiles=held_out.profiles * 0.5)  # the set holds more of everything than was known
    itself = sparse.identity(len(held_out.code), format="csr")
    known = remembered(labels, [replace(one, weights=itself) for one in (held_out, odd)], rng)
    assert known.surplus_bulks[1] > known.surplus_bulks[0]
    assert np.median(known.surplus_together) == pytest.approx(0, abs=0.1)


def test_profiles_of_the_set_are_those_it_is_compared_with(held_out):
    empty = replace(held_out, profiles=np.zeros((3, 12), np.float32))
    assert not empty.likeness.cosines.any()
    assert held_out.likeness.cosines.any()


def test_large_set_does_not_drown_a_small_one(held_out, labels):
    small = replace(held_out, logits=-held_out.logits[:300], code=held_out.code[:300], n_genes=held_out.n_genes[:300])
    sets = scores_for_sets(labels, [held_out, small], names=labels.leaves, temperature=1.0)
    for scores in (sets.scores, sets.pooled):
        assert (scores[np.isfinite(scores)] > 0.5).mean() > 0.45


def test_panels_of_few_genes_do_not_set_the_depth(rng):
    full, panel = cells(rng, 50)[0], cells(rng, 500, n_measured=4)[0]
    assert genes_per_cell([full, panel]).min() > 4
    assert genes_per_cell([panel]).max() <= 4
