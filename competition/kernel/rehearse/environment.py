"""A Python environment with the versions of Kaggle's image."""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys

from competition.core import console, files

# The image's Python; a machine may have another patch release of it.
PYTHON = "3.12"
_SHOWN = ("tensorflow", "keras", "numpy", "opencv-python-headless", "pydantic")
_ASK = """
import contextlib, importlib.metadata, json, platform, sys

versions = dict.fromkeys(sys.argv[1:])
for name in versions:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        versions[name] = importlib.metadata.version(name)
print(json.dumps([platform.python_version(), versions, [sys.prefix, sys.base_prefix]]))
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter, its version, some packages' versions, and folders it needs."""

    python: pathlib.Path
    version: str
    packages: dict[str, str | None]
    folders: tuple[pathlib.Path, ...]


def make(image: pathlib.Path, folder: pathlib.Path) -> Environment:
    """Make a virtual environment in `folder` with the versions that `image` lists.

    An environment of the same list and Python is used again.
    """
    wanted = requirements(image.read_text(encoding="utf-8"))
    base = find_python()
    place = folder / f"image-{files.digest(repr((wanted, base)))}"
    python = place / "bin" / "python"
    if not (place / "ready").is_file():
        console.note(f"installing Kaggle's versions into {place} (minutes)")
        shutil.rmtree(place, ignore_errors=True)
        options = ["--quiet", "--disable-pip-version-check"]
        for command in (
            [base, "-m", "venv", str(place)],
            [str(python), "-m", "pip", "install", *options, *wanted],
        ):
            done = subprocess.run(command, capture_output=True, encoding="utf-8")
            if done.returncode != 0:
                raise ValueError(
                    f"{' '.join(command[:4])} ... failed:\n{done.stderr[-2000:]}\n"
                    "Without a network, pass the `python` of an environment that has "
                    "the packages."
                )
        files.write_text(place / "ready", "")
    return look_at(python)


def look_at(python: pathlib.Path) -> Environment:
    """Ask an interpreter for its version, its packages and its folders."""
    command = [str(python), "-c", _ASK, *_SHOWN]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        raise ValueError(
            f"{python}: expected a Python interpreter. Received: "
            f"{done.stderr.strip() or done.returncode}. Check `python`."
        )
    version, packages, folders = json.loads(done.stdout)
    # Do not resolve it: an environment's python is a link to the one that made it.
    absolute = pathlib.Path(python).absolute()
    return Environment(absolute, version, packages, tuple(map(pathlib.Path, folders)))


def requirements(text: str) -> list[str]:
    """Turn the image's list into requirements for pip.

    A version without a patch number allows any: 4.13 -> 4.13.*.
    """
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    return [re.sub(r"==\d+(\.\d+)?$", r"\g<0>.*", line) for line in lines]


def find_python() -> str:
    """Return a Python of the image's version; on a machine without one, this Python."""
    name = f"python{PYTHON}"
    pyenv = pathlib.Path.home() / ".pyenv" / "versions"
    for python in (shutil.which(name), *sorted(pyenv.glob(f"{PYTHON}.*/bin/{name}"))):
        # A shim of pyenv exists also for versions that are not chosen, and fails.
        trial = [str(python), "-c", ""]
        if python and subprocess.run(trial, capture_output=True).returncode == 0:
            return str(python)
    version = sys.version.split()[0]
    console.warn(f"no Python {PYTHON} as on Kaggle; going on with {version}.")
    return sys.executable
