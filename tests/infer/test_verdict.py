"""What is said of cells hangs together: label, reason, p-value, doublets and what refinement changed."""

import numpy as np
import pytest
from scipy import sparse

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
