"""Length and learning rate of a training."""

import math

import pytest

from scbert_tools.train.config import TrainConfig


def test_learning_rate_rises_then_falls_along_a_cosine():
    config = TrainConfig(n_steps=100, lr=1.0, warmup_steps=10, final_lr=0.1)
    rates = [config.lr_at(step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert config.lr_at(50) == pytest.approx(0.55)


@pytest.mark.parametrize(("step", "lr"), [(0, 1.0), (100, 0.1)], ids=["first", "last"])
def test_without_warmup_it_runs_from_the_highest_to_the_last_rate(step, lr):
    assert TrainConfig(n_steps=100, lr=1.0, warmup_steps=0, final_lr=0.1).lr_at(step) == pytest.approx(lr)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_steps": 0}, "`n_steps` must be a whole number and at least 1, got 0"),
        ({"n_steps": 1.5}, "`n_steps` must be a whole number and at least 1, got 1.5"),
        ({"n_steps": True}, "`n_steps` must be a whole number and at least 1, got True"),
        ({"check_every": 0}, "`check_every` must be a whole number and at least 1, got 0"),
        ({"patience": 0}, "`patience` must be a whole number and at least 1, got 0"),
        ({"ema_decay": 1.0}, "`ema_decay` must be at least 0 and below 1, got 1.0"),
        ({"lr": 0.0}, "`lr` must be a number above 0, got 0.0"),
        ({"lr": math.inf}, "`lr` must be a number above 0, got inf"),
        ({"lr": math.nan}, "`lr` must be a number above 0, got nan"),
    ],
)
def test_impossible_trainings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**values)
