"""`python -m bench.gpu.bundle FOLDER`: copy what `make gpu` needs on another machine.

The folder holds the sources, and wheels for Python 3.12 on Linux x86-64 of what a
machine with JAX and the usual libraries lacks. `sh run` in it needs no network.
"""

import importlib.metadata
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = "competition", "bench", "tests", "pyproject.toml", "Makefile", "LICENSE"
# The bundle has them in the versions of this environment; together they are small.
PACKAGES = (
    "keras", "namex", "optree", "h5py", "absl-py", "pydantic", "pydantic-core",
    "annotated-types", "typing-inspection", "albumentations", "albucore", "simsimd",
    "stringzilla", "jinja2", "markupsafe", "hypothesis", "sortedcontainers",
    "tensorboard", "protobuf", "pytest-xdist", "execnet",
)  # fmt: skip
# pip takes a wheel for one of these only, whatever newer systems could run.
PLATFORMS = "2_28", "2_27", "2_24", "2_17", "2_12", "2_5"
MOST_BYTES = 64 * 2**20
RUN = """#!/bin/sh
# Proves the card of this machine in 8 minutes at most: see docs/performance.md.
cd "$(dirname "$0")" || exit 1
python3 bench/gpu/unpack.py wheels site || exit 1
PYTHONPATH="$PWD/site:$PWD${PYTHONPATH:+:$PYTHONPATH}" exec python3 -m bench.gpu "$@"
"""


def main(folder: pathlib.Path) -> None:
    """Make the folder anew."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = pathlib.Path(name) / "bundle"
        write(made)
        _download(made / "wheels")
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        if size > MOST_BYTES:
            raise ValueError(
                f"The bundle has {size / 2**20:.0f} MiB, expected at most "
                f"{MOST_BYTES / 2**20:.0f}. Take names out of PACKAGES in {__file__}."
            )
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    print(f"{folder}: {size / 2**20:.0f} MiB. There: sh run")


def write(folder: pathlib.Path) -> None:
    """Copy the sources, and the script that runs them."""
    folder.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    (folder / "run").write_text(RUN, encoding="utf-8")


def _download(folder: pathlib.Path) -> None:
    pinned = [f"{name}=={importlib.metadata.version(name)}" for name in PACKAGES]
    platforms = [f"--platform=manylinux_{each}_x86_64" for each in PLATFORMS]
    platforms += [f"--platform=manylinux{each}_x86_64" for each in (2014, 2010, 1)]
    options = ["--no-deps", "--only-binary=:all:", "--python-version=3.12", "--quiet"]
    command = ["-m", "pip", "download", *options, *platforms, f"--dest={folder}"]
    subprocess.run([sys.executable, *command, *pinned], check=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
