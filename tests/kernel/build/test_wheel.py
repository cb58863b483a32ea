"""The package as a wheel that pip takes."""

import pathlib
import subprocess
import sys
import zipfile

import pytest

from competition.kernel.build import wheel
from tests import conftest


def test_the_wheel_can_be_installed_and_imported(tmp_path):
    made = wheel.write(conftest.ROOT, tmp_path)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    place = tmp_path / "site"
    subprocess.run([*pip, "--target", place, made], check=True, capture_output=True)
    # Every file that the package needs is there, the experiments among them.
    code = (
        "from competition.core.experiment import configs; "
        "print(configs.load('unet').seed)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, encoding="utf-8"
    )
    assert done.stdout == "0\n", done.stderr
    record = (place / "competition-0.1.0.dist-info" / "METADATA").read_text("utf-8")
    assert "Requires-Python: >=3.11" in record


def test_the_wheel_holds_the_package_alone(tmp_path):
    with zipfile.ZipFile(wheel.write(conftest.ROOT, tmp_path)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert {each.date_time[0] for each in archive.infolist()} == {1980}
    assert all(name.startswith(("competition/", "competition-")) for name in names)
    assert {pathlib.PurePath(name).suffix for name in names} >= {
        ".py", ".toml", ".html", ".js"
    }  # fmt: skip
    assert not any("__pycache__" in name for name in names)


def test_a_wheel_needs_a_checkout(tmp_path):
    with pytest.raises(
        ValueError, match=r"pyproject.toml: not found. A wheel is built"
    ):
        wheel.write(tmp_path, tmp_path)
