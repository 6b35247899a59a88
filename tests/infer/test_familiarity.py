"""What a user is told about depth, genes and chemistry: nothing while all is usual."""

import numpy as np
import pytest

from scbert_tools.infer.familiarity import depth_warnings, oddness_warnings

KNOWN = np.linspace(200, 1200, 101)


@pytest.mark.parametrize(
    ("n_genes", "said"),
    [
        (np.full(100, 700), []),
        (np.r_[np.full(97, 700), [10, 10, 10]], []),
        (np.r_[np.full(86, 700), np.full(14, 100)], ["14% of cells have fewer genes than 99% of training cells"]),
        (np.r_[np.full(50, 5000), np.full(50, 9)], ["50% of cells have fewer genes", "50% of cells have more genes"]),
    ],
    ids=["usual", "few shallow", "shallow", "both"],
)
def test_depth_is_said_when_it_is_out_of_the_ordinary(n_genes, said):
    found = depth_warnings(n_genes, KNOWN, gene_coverage=0.9)
    assert len(found) == len(said)
    assert all(sentence.startswith(start) for sentence, start in zip(found, said, strict=True))


def test_small_panels_are_said_instead_of_depth():
    (sentence,) = depth_warnings(np.full(10, 5), KNOWN, gene_coverage=0.1)
    assert "Only 10% of the model's genes were measured" in sentence


@pytest.mark.parametrize(("share", "said"), [(0.05, 0), (0.2, 0), (0.6, 1)])
def test_odd_data_sets_are_said(share, said):
    p_known = np.r_[np.full(int(1000 * share), 0.01), np.full(1000 - int(1000 * share), 0.5)]
    found = oddness_warnings(p_known)
    assert len(found) == said
    assert all("60% of cells are odder than 95% of known cells" in sentence for sentence in found)
