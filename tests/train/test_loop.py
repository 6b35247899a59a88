"""The training loop: it learns, repeats itself, and stops before numbers go wrong."""

from copy import deepcopy

import pytest
import torch

from scbert_tools.train.config import TrainConfig
from scbert_tools.train.loop import Trainer

CONFIG = TrainConfig(n_steps=12, lr=1e-2, warmup_steps=2)


def trained(network, batches, loss_of, config=CONFIG):
    trainer = Trainer(deepcopy(network), config)
    return trainer, list(trainer.fit(batches, loss_of))


def test_loss_falls(network, batches, loss_of):
    _, steps = trained(network, batches, loss_of, TrainConfig(n_steps=150, lr=2e-2, warmup_steps=5))
    losses = [step.loss for step in steps]
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])


def test_steps_are_yielded_in_order_with_their_learning_rate(network, batches, loss_of):
    trainer, steps = trained(network, batches, loss_of)
    assert [step.index for step in steps] == list(range(12))
    assert [step.lr for step in steps] == [CONFIG.lr_at(step) for step in range(12)]
    assert trainer.step == 12


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)], ids=["same seed", "another seed"])
def test_seed_alone_decides_the_weights(network, batches, loss_of, same_weights, seed, equal):
    one, _ = trained(network, batches, loss_of)
    torch.rand(seed + 5)  # the caller's random state plays no part
    other, _ = trained(network, batches, loss_of, TrainConfig(n_steps=12, lr=1e-2, warmup_steps=2, seed=seed))
    assert same_weights(one.network, other.network) is equal
    assert same_weights(one.average, other.average) is equal


def test_random_state_of_the_caller_is_left_alone(network, batches, loss_of):
    before = torch.random.get_rng_state()
    trained(network, batches, loss_of)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_average_follows_the_weights(network, batches, loss_of, same_weights):
    trainer, _ = trained(network, batches, loss_of)
    assert not trainer.average.training
    assert not same_weights(trainer.average, trainer.network)
    start, now, average = (module.encoder.start for module in (network, trainer.network, trainer.average))
    assert (now - average).norm() < (now - start).norm()


@pytest.mark.parametrize(
    "spoil",
    [lambda loss: loss * torch.nan, lambda loss: loss / 0, lambda loss: loss + 0 * (loss - loss.detach()).sqrt()],
    ids=["NaN loss", "infinite loss", "finite loss with a NaN gradient"],
)
def test_divergence_is_an_error_that_keeps_the_average(network, batches, loss_of, spoil):
    trainer = Trainer(network, CONFIG)

    def spoiled(network, batch):
        loss = loss_of(network, batch)
        return spoil(loss) if trainer.step == 5 else loss

    with pytest.raises(FloatingPointError, match=r"diverged at step 5: the loss is .*Try a lower `lr` than"):
        list(trainer.fit(batches, spoiled))
    assert trainer.step == 5
    assert all(p.isfinite().all() for module in (trainer.average, trainer.network) for p in module.parameters())


def test_failure_of_a_batch_reaches_the_caller(network, batches, loss_of):
    def batch_of(step):
        if step == 3:
            raise OSError("disk gone")
        return batches(step)

    with pytest.raises(OSError, match="disk gone"):
        list(Trainer(network, CONFIG).fit(batch_of, loss_of))


def test_only_matrices_of_linear_layers_decay(network):
    decayed, free = Trainer(network, CONFIG).optimizer.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (CONFIG.weight_decay, 0.0)
    assert {id(p) for p in decayed["params"]} == {
        id(m.weight) for m in network.modules() if isinstance(m, torch.nn.Linear)
    }
    assert len(decayed["params"]) + len(free["params"]) == len(list(network.parameters()))
