"""A training starts from fresh weights, or from a model's encoder with a head and genes of its own."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from scbert_tools.train.start import GENE_TABLE, fresh_start, start_from

TINY = {"gene_width": 8, "width": 8, "n_heads": 2, "n_layers": 1, "feed_forward": 16}


@pytest.mark.parametrize(("preset", "step"), [("mini", 0.25), ("base", 0.25), ("scbert", 1)])
def test_fresh_network_has_the_genes_classes_and_levels_asked_for(preset, step):
    start = fresh_start(preset, ["A", "B", "C"], 4, seed=0, **TINY)
    assert start.vocabulary.genes == ("A", "B", "C")
    assert start.levels.n_levels == start.config.n_levels
    assert start.levels.step == step
    genes, levels = torch.tensor([[0, 2]]), torch.tensor([[1, 2]])
    assert start.network(genes, levels, torch.ones(1, 1, 1, 2, dtype=torch.bool)).logits.shape == (1, 4)


def test_seed_decides_fresh_weights_and_leaves_the_callers_alone(same_weights):
    before = torch.get_rng_state()
    one, again, other = (fresh_start("mini", ["A", "B"], 2, seed=seed, **TINY).network for seed in (1, 1, 2))
    assert same_weights(one, again)
    assert not same_weights(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="`preset` must be one of"):
        fresh_start("huge", ["A", "B"], 2, seed=0)


@pytest.mark.parametrize("further", [[], ["NEW1", "NEW2"]], ids=["same genes", "further genes"])
def test_encoder_is_taken_and_head_is_new(annotator, further):
    before = deepcopy(annotator.network.state_dict())
    start = start_from(annotator, 5, further_genes=further, seed=0, vote_power=2.0)
    ours = start.network.state_dict()
    for name, tensor in before.items():
        if name == GENE_TABLE:
            assert torch.equal(ours[name][:12], tensor)
        elif not name.startswith("head."):
            assert torch.equal(ours[name], tensor), name
    assert start.vocabulary.genes == (*annotator.vocabulary.genes, *further)
    assert (start.config.n_genes, start.config.vote_power) == (12 + len(further), 2.0)
    assert start.network.head.votes.weight.shape == (12 + len(further), 5)
    assert start.network.head.votes.power == 2.0
    with torch.no_grad():
        start.network.encoder.apply(lambda part: [weight.zero_() for weight in part.parameters()])
    assert all(torch.equal(before[name], tensor) for name, tensor in annotator.network.state_dict().items())


def test_encoder_is_that_from_before_the_labels_where_it_was_kept(trained):
    known = trained.network.state_dict()
    untaught = {name: tensor + 1 for name, tensor in known.items() if not name.startswith("head.")}
    start = start_from(replace(trained, untaught=untaught), 3, seed=0)
    assert all(torch.equal(start.network.state_dict()[name], tensor) for name, tensor in untaught.items())
    assert start.hints is not None  # what single genes have learned stays


def test_further_genes_are_spread_like_the_known_ones(annotator):
    start = start_from(annotator, 3, further_genes=[f"NEW{i}" for i in range(2000)], seed=0)
    table = start.network.state_dict()[GENE_TABLE]
    torch.testing.assert_close(table[12:].std(dim=0), table[:12].std(dim=0), rtol=0.1, atol=0)
    torch.testing.assert_close(table[12:].mean(dim=0), table[:12].mean(dim=0), rtol=0, atol=0.1)


def test_gene_that_is_known_already_is_no_further_one(annotator):
    with pytest.raises(ValueError, match="CD3D"):
        start_from(annotator, 3, further_genes=["CD3D"], seed=0)


def test_votes_of_the_model_are_known_and_further_genes_are_silent(trained, annotator):
    known = start_from(trained, 2, further_genes=["NEW1"], seed=0).hints
    assert known.shape == (13, 3)
    assert known[:12].any(axis=1).all()
    assert not known[12].any()
    assert start_from(annotator, 2, seed=0).hints is None  # it has learned no votes
