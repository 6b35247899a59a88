"""Attention in the open is that of the forward pass, and rolls out to shares of one."""

import numpy as np
import pytest
import torch

from scbert_tools.infer.latent_attention import LatentAttention, Reading, read_openly, roll_out, share_out


@pytest.fixture
def tokens(trained, batch):
    return trained.network.embedding(batch.genes, batch.levels).detach()


@torch.no_grad()
def test_open_reading_is_the_forward_pass(trained, batch, tokens):
    cell, readings = read_openly(trained.network.encoder, tokens, mask=batch.mask)
    torch.testing.assert_close(cell, trained.network(batch.genes, batch.levels, batch.mask).embedding)
    assert all((reading.genes.masked_select(~batch.mask[:, 0]) == 0).all() for reading in readings)


@torch.no_grad()
@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_gain_makes_token_vectors_shorter(trained, batch, tokens, gain):
    gains = torch.full(batch.genes.shape, gain)
    cell, _ = read_openly(trained.network.encoder, tokens, mask=batch.mask, gain=gains)
    expected = trained.network.encoder(gain * tokens, batch.mask, n_kept=1)[:, 0]
    torch.testing.assert_close(cell, expected)


def test_rollout_by_hand():
    genes = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # each of two latents reads its own gene
    only_cls = Reading(genes, torch.tensor([[[0.25, 0.75]]]))
    # after reading, a latent holds half of its gene; CLS keeps half and takes a quarter and three of them by halves
    torch.testing.assert_close(roll_out([only_cls]), torch.tensor([[[0.625, 0.375]]]))


@torch.no_grad()
def test_shares_of_latents_add_up_to_the_rollout(trained, batch, tokens):
    readings = read_openly(trained.network.encoder, tokens, mask=batch.mask)[1]
    torch.testing.assert_close(share_out(readings).sum(1), roll_out(readings)[:, 0])


@pytest.mark.parametrize("of", ["rollout", 0, 1])
def test_attention_of_a_cell_sums_to_one(trained, batch, of):
    shares, total = LatentAttention(trained.network.eval(), of)(batch, np.arange(len(batch)))
    torch.testing.assert_close(shares.sum(1), total)
    assert (shares[~batch.mask[:, 0, 0]] == 0).all()
