"""Importing the package is cheap, complete and says what is missing."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median

import pytest

import scbert_tools as sbt

SECONDS_BEYOND_SCANPY = 0.4


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_leaves_torch_alone() -> None:
    assert run("import sys, scbert_tools; sys.stdout.write(str('torch' in sys.modules))") == "False"


def test_import_costs_little_beyond_scanpy() -> None:
    code = """
import sys, time, scanpy
start = time.perf_counter()
import scbert_tools
sys.stdout.write(str(time.perf_counter() - start))
"""
    assert median(float(run(code)) for _ in range(3)) <= SECONDS_BEYOND_SCANPY


def test_import_configures_no_logging() -> None:
    code = "import logging, sys, scbert_tools; sys.stdout.write(str(logging.getLogger().handlers))"
    assert run(code) == "[]"


@pytest.mark.parametrize("name", sbt.__all__)
def test_public_name_can_be_reached(name: str) -> None:
    assert getattr(sbt, name) is not None
    assert name in dir(sbt)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'annotates'"):
        _ = sbt.annotates


def test_version_is_that_of_the_distribution() -> None:
    assert sbt.__version__ == version("scbert-tools")


def test_package_is_marked_as_typed() -> None:
    assert Path(sbt.__file__).with_name("py.typed").is_file()
