import logging

import pytest

from scbert_tools._settings import Settings, logger, settings


@pytest.mark.parametrize(
    ("value", "name"),
    [("info", "info"), (0, "silent"), (1, "warning"), (2, "info"), (3, "debug")],
)
def test_verbosity_takes_names_and_scanpys_numbers(value: str | int, name: str) -> None:
    settings.verbosity = value
    assert settings.verbosity == name


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("verbosity", "loud", "`verbosity` must be one of .*'silent'.*got 'loud'"),
        ("verbosity", 9, "number from 0 to 3, got 9"),
        ("verbosity", -1, "got -1"),
        ("device", "", "`device` must be"),
        ("device", None, "got None"),
        ("batch_size", 0, "at least 1 cell, got 0"),
        ("batch_size", True, "got True"),
        ("batch_size", 2.5, r"got 2\.5"),
    ],
)
def test_impossible_value_is_refused_and_leaves_the_old_one(field: str, value: object, message: str) -> None:
    before = getattr(settings, field)
    with pytest.raises(ValueError, match=message):
        setattr(settings, field, value)
    assert getattr(settings, field) == before


def test_package_is_silent_by_default(capfd: pytest.CaptureFixture[str]) -> None:
    logger.error("not to be seen")
    assert capfd.readouterr().err == ""


def test_messages_are_told_once_however_often_verbosity_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    settings.verbosity = "debug"
    settings.verbosity = "info"
    logger.info("seen")
    logger.debug("not seen")
    assert capsys.readouterr().err == "scbert_tools: seen\n"


def test_silence_leaves_an_applications_handlers_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logger.info("for the application")
    assert caplog.messages == ["for the application"]


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_named_device_is_used_as_it_is(device: str) -> None:
    settings.device = device
    assert settings.torch_device() == device


@pytest.mark.parametrize(("available", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_device_is_a_gpu_if_there_is_one(available: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: available)
    assert settings.torch_device() == device


def test_reset_returns_to_the_defaults() -> None:
    settings.verbosity, settings.device, settings.batch_size = "info", "cpu", 8
    settings.reset()
    assert repr(settings) == repr(Settings()) == "Settings(verbosity='silent', device='auto', batch_size=256)"
