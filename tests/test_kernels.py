"""The kernels, each run as Kaggle runs it: alone, its package from a wheel."""

import json
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
KERNELS = ROOT / "kernels"
FIELDS = {
    "id", "title", "code_file", "language", "kernel_type", "is_private", "enable_gpu",
    "enable_tpu", "enable_internet", "machine_shape", "dataset_sources",
    "competition_sources", "kernel_sources", "model_sources",
}  # fmt: skip
# Stands for the package: writes down what it was called with.
RECORDER = """
import json, pathlib

def run(experiment, *, data, work):
    made = work / data.name / "runs" / experiment
    made.mkdir(parents=True)
    (made / "called.json").write_text(json.dumps([experiment, str(data)]))

def submit(*, run, data, out):
    out.write_text(json.dumps([str(run), str(data)]))
"""
NEW = ("competitions/uw-madison", "datasets/someone/package", "notebooks/someone/train")
OLD = ("uw-madison", "package", "train")


def start(kernel, folder):
    """Run a kernel's main in a process of its own, away from the repository."""
    code = (
        "import pathlib, runpy, sys; here = pathlib.Path.cwd(); "
        "main = runpy.run_path(sys.argv[1])['main']; "
        "main(here / 'input', here / 'working')"
    )
    path = str(KERNELS / kernel / "main.py")
    return subprocess.run(
        [sys.executable, "-c", code, path], cwd=folder, capture_output=True, text=True
    )


def wheel(path, contents):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in contents.items():
            archive.writestr(name, text)


def package():
    """The contents of the real package's wheel."""
    files = [*(ROOT / "competition").rglob("*")]
    kept = [path for path in files if path.suffix in {".py", ".toml", ".html"}]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in kept}


def recorder():
    layout = (ROOT / "competition/core/layout.py").read_text()
    return {
        "competition/__init__.py": "",
        "competition/pipeline.py": RECORDER,
        "competition/core/__init__.py": "",
        "competition/core/layout.py": layout,
    }


def attach(folder, mounts, contents):
    """Imitate /kaggle/input with data, wheel and run: (data, run)."""
    data, dataset, output = (folder / "input" / mount for mount in mounts)
    data.mkdir(parents=True)
    (data / "train.csv").write_text("id,class,segmentation\n")
    (data / "sample_submission.csv").write_text("id,class,predicted\n")
    wheel(dataset / "competition-0.1.0-py3-none-any.whl", contents)
    run = output / "runs" / "unet"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    (run / "decision.json").write_text("{}")
    (folder / "working").mkdir()
    return data, run


@pytest.mark.parametrize("mounts", [NEW, OLD], ids=["new mounts", "old mounts"])
def test_submit_finds_data_wheel_and_run_by_content(tmp_path, mounts):
    data, run = attach(tmp_path, mounts, recorder())
    (run.parent / "config.json").write_text("{}")
    (data.parent / "other").mkdir()
    (data.parent / "other" / "sample_submission.csv").write_text("id,label\n")
    done = start("submit", tmp_path)
    assert done.stderr == ""
    out = tmp_path / "working" / "submission.csv"
    assert json.loads(out.read_text()) == [str(run), str(data)]


@pytest.mark.parametrize("mounts", [NEW, OLD], ids=["new mounts", "old mounts"])
def test_train_keeps_the_runs_alone(tmp_path, mounts):
    data, _ = attach(tmp_path, mounts, recorder())
    done = start("train", tmp_path)
    assert done.stderr == ""
    kept = tmp_path / "working" / "runs" / "unet" / "called.json"
    assert json.loads(kept.read_text()) == ["unet", str(data)]
    assert [path.name for path in (tmp_path / "working").iterdir()] == ["runs"]


def test_the_public_data_with_a_header_only_sample_is_submitted(tmp_path):
    _, run = attach(tmp_path, NEW, package())
    trained(run)
    done = start("submit", tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "working" / "submission.csv"
    assert out.read_text() == "id,class,predicted\n"


def trained(run):
    """Make a run of the smoke experiment with weights that nobody needs to open."""
    from competition.core import config

    values = config.load("smoke").model_dump(mode="json")
    about = {"name": "unet", "classes": ["a"], "fingerprint": "0", "config": values}
    (run / "config.json").write_text(json.dumps(about))
    (run / "fold0").mkdir()
    (run / "fold0" / "best.weights.h5").write_bytes(b"weights")


@pytest.mark.parametrize(
    ("kernel", "name", "what"),
    [
        ("submit", "decision.json", "a run's folder"),
        ("submit", "sample_submission.csv", "the competition's data"),
        ("submit", "competition-0.1.0-py3-none-any.whl", "the package's wheel"),
        ("train", "train.csv", "the competition's data"),
    ],
)
def test_what_is_not_attached_is_named(tmp_path, kernel, name, what):
    attach(tmp_path, OLD, recorder())
    next((tmp_path / "input").rglob(name)).unlink()
    done = start(kernel, tmp_path)
    assert f"expected {what}, one " in done.stderr
    assert "Received: none. Attach it" in done.stderr
    assert not any((tmp_path / "working").iterdir())


def test_two_runs_are_one_too_many(tmp_path):
    _, run = attach(tmp_path, OLD, recorder())
    shutil.copytree(run, run.with_name("other"))
    done = start("submit", tmp_path)
    assert "other/decision.json" in done.stderr
    assert "and nothing else that holds one" in done.stderr


@pytest.mark.parametrize("kernel", ["train", "submit"])
def test_the_metadata_is_complete_and_offline(kernel):
    about = json.loads((KERNELS / kernel / "kernel-metadata.json").read_text())
    assert set(about) == FIELDS
    assert about["enable_internet"] is False and about["enable_gpu"] is True
    slug = about["id"].split("/")[1]
    assert re.sub(r"[^a-z0-9]+", "-", about["title"].lower()) == slug
    assert (KERNELS / kernel / about["code_file"]).is_file()


def test_the_experiment_that_kaggle_trains_exists():
    from competition.core import config

    name = runpy.run_path(str(KERNELS / "train" / "main.py"))["EXPERIMENT"]
    assert config.find(name).is_file()


def versions(path):
    lines = path.read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line and line[0] != "#"]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def test_the_pins_are_those_of_kaggles_image():
    image = versions(KERNELS / "kaggle-image.txt")
    pins = versions(ROOT / "requirements.txt")
    shared = sorted(image.keys() & pins.keys())
    assert {"tensorflow", "keras", "numpy", "opencv-python-headless"} <= set(shared)
    for name in shared:
        # Of some packages the image's version is known to the minor number only.
        assert f"{pins[name]}.".startswith(f"{image[name]}."), name
