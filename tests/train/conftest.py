"""What tests of trainings share: a tiny network in training on the toy data."""

from copy import deepcopy

import pytest
import torch

from scbert_tools.data.reference import BatchMaker
from scbert_tools.train.objective import cell_type_objective


@pytest.fixture
def network(annotator):
    """Untrained network of the test's own."""
    return deepcopy(annotator.network)


@pytest.fixture
def batches(reference):
    return BatchMaker(reference=reference, batch_size=8)


@pytest.fixture
def loss_of(labels):
    return cell_type_objective(torch.from_numpy(labels.membership(labels.names)))


@pytest.fixture
def same_weights():
    """Whether two networks have the same weights, bit for bit."""

    def same(one, other):
        pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
        return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)

    return same
