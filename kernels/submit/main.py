"""Writes submission.csv on Kaggle: attach the competition, the wheel and one run."""

import pathlib
import sys
import tempfile
import zipfile


def main(input_root: pathlib.Path, working: pathlib.Path) -> None:
    """Submit the run under `input_root` for the competition's data there."""
    package = tempfile.mkdtemp()
    wheel = only(input_root, "competition-*.whl", "the package's wheel")
    zipfile.ZipFile(wheel).extractall(package)
    sys.path.insert(0, package)
    from competition import pipeline

    run = only(input_root, "decision.json", "a run's folder").parent
    data = only(input_root, "sample_submission.csv", "the competition's data").parent
    pipeline.submit(run=run, data=data, out=working / "submission.csv")


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
    """Say whether a file is what its name says, by its columns or its neighbour."""
    if path.name == "decision.json":
        return (path.parent / "config.json").is_file()
    if path.suffix != ".csv":
        return True
    with path.open() as file:
        return file.readline().strip() == "id,class,predicted"


if __name__ == "__main__":
    main(pathlib.Path("/kaggle/input"), pathlib.Path("/kaggle/working"))
