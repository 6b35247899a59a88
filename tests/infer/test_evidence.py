"""Evidence is a direction times logits, and directions compare labels with what they should."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import pad
from scbert_tools.infer.direction import directions
from scbert_tools.infer.evidence import average_baseline, empty_baseline, evidence_of, frozen_network, inputs_of
from scbert_tools.model.annotator import Calibration
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.network import build_network
from scbert_tools.tokens.levels import to_levels


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
@torch.no_grad()
def test_evidence_is_direction_times_logits(trained, adata, power):
    network = frozen_network(trained)
    network.head.votes.power = power
    batch = pad(to_levels(adata.X, trained.levels))
    direction = torch.from_numpy(directions(trained, adata.obs["cell_type"].tolist()))
    logits = network(batch.genes, batch.levels, batch.mask).logits
    found = evidence_of(network, batch, inputs_of(network, batch), direction=direction)
    torch.testing.assert_close(found, (logits * direction).sum(1))


def test_network_is_frozen_as_a_copy(trained):
    assert not any(weight.requires_grad for weight in frozen_network(trained).parameters())
    assert all(weight.requires_grad for weight in trained.network.parameters())


def test_empty_baseline_reads_and_votes_nothing(trained):
    assert empty_baseline(frozen_network(trained)).is_empty


def test_average_baseline_is_the_mean_over_cells(trained, adata):
    network = frozen_network(trained)
    found = average_baseline(trained, network, adata.X)
    batch = pad(to_levels(adata.X, trained.levels))
    inputs, here = inputs_of(network, batch), (batch.genes == 4) & batch.mask[:, 0, 0]
    torch.testing.assert_close(found.loudness[4], inputs.loudness[here].sum() / 30)
    torch.testing.assert_close(found.tokens[4], inputs.tokens[here].sum(0) / 30)
    assert not found.is_empty


def test_published_architecture_cannot_be_taken_apart(trained):
    config = ModelConfig.of("scbert", n_genes=12, gene_width=8, width=8, n_heads=2, n_layers=1, head_width=4)
    published = replace(trained, config=config, network=build_network(config, 3))
    with pytest.raises(ValueError, match=r'architecture "scbert".*"mini" or "base"'):
        frozen_network(published)


@pytest.mark.parametrize(
    ("label", "against", "expected"),
    [
        ("T cell", None, [1, -0.5, -0.5]),
        ("lymphocyte", None, [0.5, 0.5, -1]),
        ("T cell", "B cell", [1, -1, 0]),
        ("monocyte", "lymphocyte", [-0.5, -0.5, 1]),
    ],
    ids=["class", "inner node", "two classes", "class and inner node"],
)
def test_directions_compare_means(trained, label, against, expected):
    warm = replace(trained, calibration=Calibration(temperature=2.0))
    np.testing.assert_allclose(directions(warm, [label], against), [np.array(expected) / 2])


def test_label_that_is_not_in_the_tree_is_said(trained):
    with pytest.raises(KeyError, match=r"no label \['neuron'\]; it knows .*'monocyte'"):
        directions(trained, ["neuron"])


@pytest.mark.parametrize("against", ["lymphocyte", "T cell"])
def test_labels_on_one_branch_cannot_be_compared(trained, against):
    with pytest.raises(ValueError, match=r"must not share classes"):
        directions(trained, ["T cell"], against)
