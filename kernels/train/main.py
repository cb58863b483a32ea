"""Trains an experiment on Kaggle: attach the competition and the package's wheel.

The run's folder, to be attached to the submitting kernel, is this kernel's output.
"""

import pathlib
import shutil
import sys
import tempfile
import zipfile

EXPERIMENT = "unet"


def main(input_root: pathlib.Path, working: pathlib.Path) -> None:
    """Run all steps on the competition under `input_root`; runs go to `working`."""
    scratch = pathlib.Path(tempfile.mkdtemp())
    wheel = only(input_root, "competition-*.whl", "the package's wheel")
    zipfile.ZipFile(wheel).extractall(scratch / "package")
    sys.path.insert(0, str(scratch / "package"))
    from competition import pipeline
    from competition.core import layout

    data = only(input_root, "train.csv", "the competition's data").parent
    # The prepared arrays are too large for what Kaggle keeps of a kernel.
    pipeline.run(EXPERIMENT, data=data, work=scratch / "work")
    runs = layout.dataset(data, scratch / "work").root / "runs"
    shutil.copytree(runs, working / "runs", dirs_exist_ok=True)


def only(root: pathlib.Path, name: str, what: str) -> pathlib.Path:
    """Return the one file called so anywhere under `root`: mounts have moved."""
    found = sorted(path for path in root.rglob(name) if is_ours(path))
    if len(found) != 1:
        raise ValueError(
            f"{root}: expected {what}, one {name}. Received: {found or 'none'}. "
            "Attach it, and nothing else that holds one."
        )
    return found[0]


def is_ours(path: pathlib.Path) -> bool:
    """Say whether a CSV has the competition's columns; other files are taken as is."""
    if path.suffix != ".csv":
        return True
    with path.open() as file:
        return file.readline().strip() == "id,class,segmentation"


if __name__ == "__main__":
    main(pathlib.Path("/kaggle/input"), pathlib.Path("/kaggle/working"))
