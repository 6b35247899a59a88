"""What is said of cells hangs together: label, reason, p-value, doublets and what refinement changed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.infer.novelty import novelty_of, p_known, signs_of_novelty
from scbert_tools.infer.refine import cluster_weights
from scbert_tools.infer.report import report_lines
from scbert_tools.infer.verdict import judge, read_all

ALL = np.ones(12, bool)


@pytest.fixture
def reading(adata, knowing):
    return read_all(knowing, lambda rows: adata.X[rows], 30, measured=ALL, progress=False)


@pytest.fixture
def plain(adata, trained):
    return read_all(trained, lambda rows: adata.X[rows], 30, measured=ALL, progress=False)


def test_reading_beside_the_network_changes_nothing(reading, plain):
    np.testing.assert_array_equal(reading.states.logits, plain.states.logits)


def test_model_without_memory_rejects_and_flags_nothing(plain, trained):
    verdict = judge(trained, plain, temperature=1.0, reject=0.5)
    assert verdict.p_known is None
    assert verdict.doublet is None
    assert 2 not in verdict.decision.reason


@pytest.mark.parametrize("reject", [0.2, 0.8])
def test_cells_below_the_level_are_rejected(reading, knowing, reject):
    verdict = judge(knowing, reading, temperature=1.0, reject=reject)
    np.testing.assert_array_equal(verdict.decision.reason == 2, verdict.p_known < reject)
    assert (verdict.decision.labels[verdict.p_known < reject] == "unassigned").all()


def test_known_cells_have_ordinary_p_values(reading, knowing):
    assert 0.2 < judge(knowing, reading, temperature=1.0).p_known.mean() < 0.8


@pytest.fixture
def before(knowing):
    """The model as it was stored before markers were looked at."""
    known = replace(knowing.known, usual=knowing.known.usual[:6], markers=None, surplus_together=None)
    return replace(knowing, known=known)


def test_model_without_markers_averages_novelty_over_company(adata, before):
    reading = read_all(before, lambda rows: adata.X[rows], 30, measured=ALL, progress=False)
    assert reading.observed is None
    weights, known = cluster_weights(np.arange(30) // 10), before.known
    signs = signs_of_novelty(reading.states.logits, reading.likeness)
    odd = novelty_of(signs, reading.states.logits.argmax(axis=1), n_genes=reading.states.n_tokens, known=known)
    p = judge(before, reading, temperature=1.0, weights=weights).p_known
    np.testing.assert_array_equal(p, p_known(odd, known, together=weights @ odd))


def test_group_with_markers_of_another_type_on_top_is_told_in_company(adata, knowing):
    x = adata.X.toarray()
    x[20:, [0, 1]] += 4  # ten monocytes with a little of two T cell markers, less than T cells have
    reading = read_all(knowing, lambda rows: sparse.csr_matrix(x[rows]), 30, measured=ALL, progress=False)
    clusters = judge(knowing, reading, temperature=1.0, weights=cluster_weights(np.arange(30) // 10)).p_known
    assert clusters[20:].max() < 0.05 < clusters[:20].min()


def test_temperature_of_the_users_own_labels_does_not_move_novelty(reading, knowing):
    own, usual = (judge(knowing, reading, temperature=t).p_known for t in (3.0, 1.0))
    np.testing.assert_array_equal(own, usual)


def test_cell_with_nothing_to_read_is_not_novel(adata, knowing):
    counts = sparse.csr_matrix(adata.X.toarray() * (np.arange(30) > 0)[:, None])
    verdict = judge(
        knowing, read_all(knowing, lambda rows: counts[rows], 30, measured=ALL), temperature=1.0, reject=0.9
    )
    assert verdict.decision.reason[0] == 1
    assert verdict.p_known[0] == 1


def test_genes_that_were_not_measured_are_not_missed(adata, knowing):
    part = np.arange(12) % 4 > 0
    counts = sparse.csr_matrix(adata.X.multiply(part))
    fair, unfair = (
        judge(knowing, read_all(knowing, lambda rows: counts[rows], 30, measured=genes), temperature=1.0).p_known
        for genes in (part, ALL)
    )
    assert fair.mean() > unfair.mean()


def test_refinement_reports_what_it_changed(reading, knowing):
    verdict = judge(knowing, reading, temperature=1.0, weights=cluster_weights(np.zeros(30, int)))
    alone = judge(knowing, reading, temperature=1.0).decision
    n_moved = (alone.code != verdict.decision.code).sum()
    assert sum(each["lost"] for each in verdict.changed.values()) == n_moved
    lines = report_lines(verdict, n_proposed=0, warnings=["Beware."])
    assert lines[0].startswith("30 cells: ")
    assert lines[-1] == "Beware."
    assert any(line.startswith(f"refinement changed {n_moved} labels") for line in lines) == (n_moved > 0)


def test_report_names_reasons_and_clusters(reading, knowing):
    verdict = judge(knowing, reading, temperature=1.0, reject=0.5)
    share = (verdict.p_known < 0.5).mean()
    text = "\n".join(report_lines(verdict, n_proposed=2, warnings=[]))
    assert f"unlike known types {share:.0%}; 2 clusters proposed" in text


def test_doublets_are_not_looked_for_with_few_genes(adata, knowing):
    few = np.arange(12) < 4
    counts = sparse.csr_matrix(adata.X.multiply(few))
    reading = read_all(knowing, lambda rows: counts[rows], 30, measured=few, progress=False)
    assert judge(knowing, reading, temperature=1.0).doublet is None
