"""The backend that Keras would compute on, checked before it is loaded."""

import importlib.util
import json
import subprocess
import sys

import pytest

from competition import pipeline
from competition.machine import backend


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    """Choose a backend, and say which ones are installed: chosen(name, *installed)."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def choose(name, *installed):
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        if name is not None:
            monkeypatch.setenv("KERAS_BACKEND", name)
        found = {each: object() for each in installed}
        monkeypatch.setattr(importlib.util, "find_spec", found.get)

    return choose


@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_tensorflow_and_jax_are_taken_where_they_are_installed(chosen, name):
    chosen(name, name)
    backend.check()


@pytest.mark.parametrize("name", ["torch", "numpy", "openvino", "jaxx"])
def test_another_backend_is_named_with_those_to_use(chosen, name):
    chosen(name, "torch", "numpy", "jax")
    with pytest.raises(
        ValueError,
        match=rf"compute on {name}, by KERAS_BACKEND\. Expected one of tensorflow, jax"
        r"\. Set KERAS_BACKEND to one of them\.",
    ):
        backend.check()


def test_the_default_without_tensorflow_says_how_to_choose_jax(chosen):
    chosen(None, "jax")
    with pytest.raises(
        ValueError,
        match=r"on tensorflow, by default, and tensorflow is not installed\. Installed"
        r": jax\. Install tensorflow, or set KERAS_BACKEND=jax\.",
    ):
        backend.check()
    chosen("jax", "tensorflow")
    with pytest.raises(ValueError, match=r"jax is not .* or set KERAS_BACKEND=tensorf"):
        backend.check()
    chosen("jax")
    with pytest.raises(ValueError, match=r"Installed: no backend\. Install jax\."):
        backend.check()


def test_the_choice_of_keras_json_counts_where_the_variable_is_not_set(
    chosen, tmp_path
):
    path = tmp_path / "keras.json"
    path.write_text(json.dumps({"backend": "torch"}), encoding="utf-8")
    chosen(None, "tensorflow")
    with pytest.raises(ValueError, match=r"on torch, by .*keras\.json\. Expected"):
        backend.check()
    chosen("tensorflow", "tensorflow")
    backend.check()
    for damaged in ("{", "[]", "{}"):
        path.write_text(damaged, encoding="utf-8")
        chosen(None, "tensorflow")
        backend.check()


def test_a_run_is_refused_before_it_prepares(chosen, tiny_phantom, tmp_path):
    chosen("torch", "torch")
    with pytest.raises(ValueError, match="compute on torch"):
        pipeline.run("smoke", data=tiny_phantom / "competition", work=tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_the_networks_cannot_be_imported_on_another_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    done = subprocess.run(
        [sys.executable, "-c", "import competition.net.devices"],
        capture_output=True,
        encoding="utf-8",
    )
    assert "ValueError: Keras is set to compute on numpy" in done.stderr
