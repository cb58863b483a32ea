"""Train folds as jobs on TPUs or GPUs of Google Cloud, with keras-kinetic.

Use an environment of its own, for it needs other versions than the project:

    pip install keras-kinetic==0.0.4 && kinetic up
    python kernels/cluster/kinetic_folds.py gs://mine/uw unet 0 1 2 3 4

The bucket's folder holds data/, the competition folder, and work/, into which it was
prepared. A job that fails or is preempted is tried three times more, and goes on from
the fold's last epoch. At the end, on any machine, with the project's Python:

    python -m competition run --data gs://mine/uw/data --work gs://mine/uw/work \
      --experiment unet
"""

import argparse
import importlib
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[2]


def command(bucket: str, experiment: str, fold: str) -> list[str]:
    """Return the project's command that trains a fold."""
    places = ["--data", f"{bucket}/data", "--work", f"{bucket}/work"]
    return ["train", *places, "--experiment", experiment, "--fold", fold]


def train_fold(bucket: str, experiment: str, fold: str) -> str:
    """Train a fold where this file and the project lie; runs on the accelerator."""
    arguments = [
        sys.executable,
        "-m",
        "competition",
        *command(bucket, experiment, fold),
    ]
    subprocess.run(arguments, check=True, cwd=HERE.parent)
    return fold


def packed(folder: pathlib.Path) -> pathlib.Path:
    """Put into a folder what a job needs: kinetic sends the folder of the function."""
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "competition", folder / "competition", ignore=ignored)
    shutil.copy(HERE, folder)
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    # kinetic adds JAX for the accelerator.
    needed = [line for line in lines if not line.startswith("tensorflow=")]
    text = "\n".join([*needed, "fsspec==2026.9.0", "gcsfs==2026.9.0", ""])
    (folder / "requirements.txt").write_text(text, "utf-8")
    return folder


def main() -> None:
    """Submit a job for each fold, and wait for all."""
    import kinetic

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bucket")
    parser.add_argument("experiment")
    parser.add_argument("folds", nargs="+")
    parser.add_argument("--accelerator", default="tpu-v5e-8")
    asked = parser.parse_args()
    sys.path.insert(0, str(packed(ROOT / "build" / "kinetic")))
    job = importlib.import_module(HERE.stem).train_fold
    train = kinetic.run(accelerator=asked.accelerator, spot=True)(job)
    inputs = [(asked.bucket, asked.experiment, fold) for fold in asked.folds]
    name = f"{asked.experiment}-folds"
    jobs = train.run_async_map(inputs, retries=3, max_concurrent=None, name=name)
    print(f"trained: {', '.join(jobs.results())}")


if __name__ == "__main__":
    main()
