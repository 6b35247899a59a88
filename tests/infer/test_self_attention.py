"""Exact attention followed row by row is that of whole tables multiplied."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from scbert_tools.infer import self_attention
from scbert_tools.infer.self_attention import ExactAttention
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.network import build_network


@pytest.fixture
def network():
    torch.manual_seed(0)
    config = ModelConfig.of("base", n_genes=12, width=16, n_heads=2, n_layers=3, feed_forward=8)
    return build_network(config, 3).eval()


def whole_tables(network, cell):
    """Return the attention of every layer in one cell as torch computes it: what tokens read of a diagonal."""
    held, tables = torch.cat([network.encoder.start[None], network.embedding(cell.genes, cell.levels)[0]])[None], []
    for layer in network.encoder.layers:
        heads = layer.attention.project(layer.attention_norm(held)).chunk(3, dim=-1)
        query, key = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in heads[:2])
        diagonal = torch.eye(held.shape[1]).expand(1, 2, -1, -1)
        tables.append(functional.scaled_dot_product_attention(query, key, diagonal).mean(1)[0])
        held = layer(held)
    return tables


def rolled_out(tables):
    product = torch.eye(len(tables[0]))
    for table in tables:
        product = (table + torch.eye(len(table))) / 2 @ product
    return product


@torch.no_grad()
@pytest.mark.parametrize("rows_at_once", [1, 5, 256])
def test_rollout_is_the_product_of_whole_tables(network, batch, rows_at_once, monkeypatch):
    monkeypatch.setattr(self_attention, "ROWS_AT_ONCE", rows_at_once)
    shares, total = ExactAttention(network)(batch, np.arange(len(batch)))
    for row in range(3):
        genes = rolled_out(whole_tables(network, batch.alone(row)))[0, 1:]
        torch.testing.assert_close(shares[row, : len(genes)], genes / genes.sum())
    torch.testing.assert_close(shares.sum(1), total)
    assert (shares[~batch.mask[:, 0, 0]] == 0).all()


@torch.no_grad()
def test_one_layer_is_its_own_table(network, batch):
    shares, _ = ExactAttention(network, 1)(batch, np.arange(len(batch)))
    genes = whole_tables(network, batch.alone(0))[1][0, 1:]
    torch.testing.assert_close(shares[0, : len(genes)], genes / genes.sum())


@torch.no_grad()
def test_genes_look_where_the_product_says(network, batch):
    chosen = torch.tensor([2, 9])
    column = (batch.genes[..., None] == chosen).int()
    column = torch.where(column.any(-1) & batch.mask[:, 0, 0], column.argmax(-1), -1)
    square = ExactAttention(network).between(batch, column, n_genes=2)
    cell = batch.alone(5)
    genes = rolled_out(whole_tables(network, cell))[1:, 1:]
    place = [cell.genes[0].tolist().index(gene) for gene in chosen.tolist()]
    expected = (genes / genes.sum(1, keepdim=True))[place][:, place]
    torch.testing.assert_close(square[5], expected)
    absent = [gene not in batch.alone(0).genes for gene in chosen]
    assert any(absent)
    assert (square[0][absent] == 0).all()
