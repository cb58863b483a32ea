"""Frameworks are loaded without garbage collection, which then leaves them alone."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("first", ["devices", "inference.scan_predictor"])
def test_whatever_is_imported_first_garbage_collection_leaves_keras_alone(first):
    code = (
        "import gc; assert not gc.get_freeze_count(); "
        f"import competition.net.{first}; "
        "print(gc.get_freeze_count() > 100_000, gc.isenabled())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split() == ["True", "True"]
