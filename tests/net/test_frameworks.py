"""Frameworks are loaded without garbage collection, which then leaves them alone."""

import subprocess
import sys

import pytest

# The modules of `net` that load Keras and that steps import first.
FIRST = (
    "activations",
    "devices",
    "inference.attention_maps",
    "inference.scan_predictor",
    "inference.trained_network",
    "input.training_data",
    "needs",
    "networks.build",
    "networks.encoders",
    "timing",
)
# Loading takes seconds, so it ends where it would begin.
WATCH = """
import gc, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "keras":
            raise SystemExit(f"enabled: {gc.isenabled()}")
sys.meta_path.insert(0, Finder())
import competition.net."""


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize("first", FIRST)
def test_whatever_is_imported_first_keras_is_loaded_without_collecting(first):
    assert python(WATCH + first).stderr.splitlines()[-1] == "enabled: False"


def test_collecting_goes_on_and_leaves_keras_alone():
    code = "import gc, competition.net.devices as _; "
    done = python(code + "print(gc.get_freeze_count() > 100_000, gc.isenabled())")
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_what_a_program_made_with_keras_before_is_collected_as_ever():
    code = "import gc, keras, competition.net.devices as _; "
    done = python(code + "print(gc.get_freeze_count(), gc.isenabled())")
    assert done.stdout.split() == ["0", "True"], done.stderr
