"""Sizes of a network are checked once and can be stored."""

import json

import pytest

from scbert_tools.model.config import ModelConfig


def test_sizes_survive_json():
    config = ModelConfig(n_genes=12, width=16, n_heads=2, dropout=0.0)
    assert ModelConfig(**json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_genes": 0}, "`n_genes` must be a positive whole number, got 0"),
        ({"n_layers": 1.5}, "`n_layers` must be a positive whole number, got 1.5"),
        ({"n_latents": -1}, "`n_latents` must be a positive whole number, got -1"),
        ({"dropout": 1.0}, "`dropout` must be at least 0 and below 1, got 1.0"),
        ({"width": 10, "n_heads": 4}, "`width` must be a multiple of `n_heads`, got 10 and 4"),
    ],
    ids=["no gene", "half a layer", "negative", "everything dropped", "heads do not fit"],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**({"n_genes": 12} | sizes))
