"""A training that is watched: the best weights win, patience ends, and a killed run comes out the same."""

from copy import deepcopy

import pytest

from scbert_tools.train.config import TrainConfig
from scbert_tools.train.loop import Trainer
from scbert_tools.train.watch import History, run_training

CONFIG = TrainConfig(n_steps=20, lr=1e-2, warmup_steps=2, check_every=4, patience=2)


@pytest.fixture
def watch(network, batches, loss_of):
    """Run a training from the same start; held-out losses come from a list, by look."""

    def run(held_out, *, folder=None, batch_of=batches, config=CONFIG):
        trainer = Trainer(deepcopy(network), config)

        def look(average):
            return held_out[trainer.step // config.check_every - 1]

        history = run_training(trainer, batch_of, loss_of, look, folder=folder, progress=False)
        return trainer, history

    return run


def test_history_tells_every_look(watch):
    _, history = watch([5.0, 4.0, 3.0, 2.0, 1.0])
    assert history.steps == [4, 8, 12, 16, 20]
    assert history.held_out == [5.0, 4.0, 3.0, 2.0, 1.0]
    assert all(loss > 0 for loss in history.loss)


@pytest.mark.parametrize(
    ("held_out", "last"),
    [([1.0, 2.0, 3.0, 0.0, 0.0], 12), ([3.0, 1.0, 2.0, 2.0, 0.0], 16), ([3.0, 4.0, 2.0, 4.0, 1.0], 20)],
    ids=["at once", "later", "never"],
)
def test_training_stops_when_patience_ends(watch, held_out, last):
    trainer, history = watch(held_out)
    assert (trainer.step, history.steps[-1]) == (last, last)


def test_weights_of_the_best_look_are_delivered(watch, same_weights):
    best_first, _ = watch([1.0, 2.0, 3.0, 4.0, 5.0])
    short = TrainConfig(n_steps=20, lr=1e-2, warmup_steps=2, check_every=4, patience=1)
    also, _ = watch([1.0, 2.0, 3.0, 4.0, 5.0], config=short)
    best_last, _ = watch([5.0, 4.0, 3.0, 2.0, 1.0])
    assert same_weights(best_first.average, also.average)
    assert not same_weights(best_first.average, best_last.average)


@pytest.mark.parametrize("killed_at", [2, 5, 11, 19])
def test_killed_training_resumes_to_the_same_weights(watch, batches, same_weights, tmp_path, killed_at):
    def batch_of(step):
        if step == killed_at:
            raise KeyboardInterrupt
        return batches(step)

    held_out = [5.0, 3.0, 4.0, 2.0, 2.5]
    whole, expected = watch(held_out)
    with pytest.raises(KeyboardInterrupt):
        watch(held_out, folder=tmp_path, batch_of=batch_of)
    resumed, history = watch(held_out, folder=tmp_path)
    assert history == expected
    assert same_weights(resumed.average, whole.average)
    assert same_weights(resumed.network, whole.network)


def test_divergence_keeps_the_last_good_checkpoint(watch, network, batches, loss_of, same_weights, tmp_path):
    def diverging(network, batch):
        return loss_of(network, batch) * (float("nan") if trainer.step == 6 else 1.0)

    trainer = Trainer(deepcopy(network), CONFIG)
    with pytest.raises(FloatingPointError, match="diverged at step 6"):
        run_training(trainer, batches, diverging, lambda _: 5.0, folder=tmp_path, progress=False)
    whole, _ = watch([5.0, 3.0, 4.0, 2.0, 2.5])
    resumed, history = watch([9.9, 3.0, 4.0, 2.0, 2.5], folder=tmp_path)
    assert history.held_out[0] == 5.0  # was not trained again
    assert same_weights(resumed.average, whole.average)


@pytest.mark.parametrize("held_out", [[1.0, 2.0, 3.0, 0.0, 0.0], [5.0, 4.0, 3.0, 2.0, 1.0]], ids=["early", "full"])
def test_finished_training_is_not_gone_on_with(watch, same_weights, tmp_path, held_out):
    finished, expected = watch(held_out, folder=tmp_path)
    again, history = watch(held_out, folder=tmp_path)
    assert history == expected
    assert same_weights(again.average, finished.average)


def test_looks_since_the_best_are_counted():
    assert History(held_out=[3.0, 1.0, 2.0, 1.0]).since_best() == 2


def test_history_without_looks_has_no_best():
    with pytest.raises(ValueError, match="empty"):
        History().since_best()
