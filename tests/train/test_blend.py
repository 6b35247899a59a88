"""The blend trusts the Transformer only where held-out cells gain, and the head then says the blend."""

import numpy as np
import pytest

from scbert_tools.data.batches import pad
from scbert_tools.tokens.levels import Levels, to_levels
from scbert_tools.train.blend import USUAL_SHARE, Blend, cooled, fit_blend, surprise
from scbert_tools.train.votes import Votes

TRUTH = np.tile([[True, False], [False, True]], (50, 1))


def logits(strength, rng):
    return (strength * (2 * TRUTH - 1.0) + rng.normal(size=TRUTH.shape)).astype(np.float32)


def test_transformer_that_knows_nothing_says_nothing(rng):
    votes, nothing = logits(1.0, rng), 5 * logits(0.0, rng)
    blend = fit_blend(votes, nothing, TRUTH)
    changed = blend(votes, nothing).argmax(axis=1) != votes.argmax(axis=1)
    assert changed.mean() < 0.05


def test_transformer_that_misleads_is_shut_out(rng):
    assert fit_blend(logits(1.0, rng), logits(-1.0, rng), TRUTH).share == 0


def test_transformer_that_knows_more_is_trusted(rng):
    votes, transformer = logits(0.1, rng), logits(2.0, rng)
    said = fit_blend(votes, transformer, TRUTH)(votes, transformer)
    assert (said.argmax(axis=1) == transformer.argmax(axis=1)).mean() > 0.95


def test_few_judges_rarely_move_the_share_of_opinions_that_know_the_same(rng):
    few = TRUTH[:20]
    blends = [fit_blend(logits(0.5, rng)[:20], logits(0.5, rng)[:20], few) for _ in range(100)]
    assert np.mean([not 0.2 <= blend.share <= USUAL_SHARE for blend in blends]) <= 0.1


def test_transformer_that_is_more_surprised_is_heard_less(rng):
    few = TRUTH[:20]

    def usual(known):
        return np.mean([fit_blend(logits(1.0, rng)[:20], logits(known, rng)[:20], few).share for _ in range(50)])

    assert usual(0.2) < 0.7 * usual(1.0)


def test_opinions_that_err_apart_are_better_together(rng):
    votes, transformer = logits(0.5, rng), logits(0.5, rng)
    together = fit_blend(votes, transformer, TRUTH)(votes, transformer)
    assert 0 < fit_blend(votes, transformer, TRUTH).share < 1
    losses = [
        surprise(said, TRUTH, several=False).mean() for said in (together, cooled_by(votes), cooled_by(transformer))
    ]
    assert losses[0] < min(losses[1:])


def cooled_by(said):
    return said / cooled(said, TRUTH, several=False)[1]


def test_temperature_undoes_overconfidence(rng):
    said = logits(0.7, rng)
    once, tenfold = (cooled(factor * said, TRUTH, several=False)[1] for factor in (1, 10))
    assert tenfold == pytest.approx(10 * once, rel=0.02)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_head_says_the_blend(annotator, network, reference, rng, share):
    tokens = to_levels(reference.counts, Levels())
    votes = Votes(rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32))
    batch = pad(tokens)
    cell = network.encoder(network.embedding(batch.genes, batch.levels), batch.mask, n_kept=1)[:, 0]
    alone = network.head.alone(cell).detach().numpy()
    blend = Blend(share, 1.7, 2.5)
    temperature = blend.put_into(network.head, votes)
    from scbert_tools.train.votes import loudness_of

    expected = blend(votes(loudness_of(tokens, 12, network.head.votes.power)), alone)
    said = network(batch.genes, batch.levels, batch.mask).logits.detach().numpy() / temperature
    np.testing.assert_allclose(said, expected, rtol=1e-3, atol=1e-3)


def test_surprise_is_minus_the_log_probability():
    said = np.log(np.array([[0.2, 0.3, 0.5]], np.float32))
    assert surprise(said, np.array([[True, True, False]]), several=False) == pytest.approx(-np.log(0.5))
    assert surprise(np.zeros((1, 2), np.float32), np.array([[True, False]]), several=True) == pytest.approx(
        2 * np.log(2)
    )
