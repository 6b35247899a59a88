"""Methods of attribution by name: what they need and what they can compare with."""

import sys

import pytest

from scbert_tools.infer.explainers import BASELINES, METHODS, check_method


def test_every_method_has_a_baseline():
    assert set(BASELINES) == set(METHODS)


@pytest.mark.parametrize(("method", "expected"), [("integrated_gradients", "empty")])
def test_default_baseline(method, expected):
    assert check_method(method, None) == expected


def test_unknown_method_is_said():
    with pytest.raises(ValueError, match=r"`method` must be one of .*'shap'.*, got 'lime'"):
        check_method("lime", None)


def test_baseline_must_fit_the_method():
    with pytest.raises(ValueError, match=r"`baseline` must be one of \['empty', 'average'\] .* got 'black'"):
        check_method("integrated_gradients", "black")


@pytest.mark.parametrize(("method", "package"), [("shap", "shap"), ("gradient_shap", "captum")])
def test_missing_package_names_the_extra(method, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs `{package}`: pip install 'scbert-tools\[explain\]'"):
        check_method(method, None)
