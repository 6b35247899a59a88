"""Steps of large networks are made from pieces; those of small ones are not."""

import pytest

from scbert_tools.model.config import ModelConfig
from scbert_tools.train.memory import pieces_for


@pytest.mark.parametrize(
    ("preset", "n_genes", "n_cells", "n_tokens", "pieces"),
    [
        ("mini", 16_906, 64, 700, 1),
        ("base", 16_906, 64, 700, 16),
        ("base", 16_906, 8, 700, 2),
        ("scbert", 60, 64, 61, 1),
        ("scbert", 16_906, 64, 16_907, 64),
        ("scbert", 16_906, 1, 16_907, 1),
    ],
)
def test_pieces_fit_the_size_of_network_and_cells(preset, n_genes, n_cells, n_tokens, pieces):
    assert pieces_for(ModelConfig.of(preset, n_genes=n_genes), n_cells=n_cells, n_tokens=n_tokens) == pieces
