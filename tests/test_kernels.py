"""The kernels, each run as Kaggle runs it: alone, its package from a wheel."""

import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from competition.core import files
from competition.kernel.build import wheel

ROOT = pathlib.Path(__file__).parents[1]
KERNELS = ROOT / "kernels"
WHEEL = "competition-0.1.0-py3-none-any.whl"
# Stands for the steps: writes down what they were called with.
RECORDER = """
import json, pathlib

def run(experiment, *, data, work, **more):
    made = work / data.name / "runs" / more["name"]
    made.mkdir(parents=True, exist_ok=True)
    options = {k: str(v) for k, v in vars(more.pop("options")).items()}
    called = [experiment, str(data), more, options]
    (made / "called.json").write_text(json.dumps(called))

def submit(*, run, data, out, budget, guarded):
    out.write_text(json.dumps([str(run), str(data), budget, guarded]))
"""
PREPARE = """
class PrepareOptions:
    def __init__(self, **options):
        vars(self).update(options)
"""
REAL = (
    "__init__.py", "core/__init__.py", "core/files.py", "core/locks.py",
    "core/experiment/__init__.py", "core/experiment/layout.py",
    "core/experiment/history.py", "core/experiment/schema.py", "kernel/__init__.py",
    "kernel/session.py", "kernel/mounted_weights.py", "machine/__init__.py",
    "machine/gpus.py", "machine/process.py", "core/storage/__init__.py",
    "core/storage/cache.py", "core/storage/leases.py", "core/storage/place.py",
    "core/storage/remote.py", "core/console.py", "core/processes.py",
)  # fmt: skip
NEW = ("competitions/uw-madison", "datasets/someone/bundle", "notebooks/someone/train")
OLD = ("uw-madison", "bundle", "train")


def start(path, folder):
    """Run a kernel's main in a process of its own, away from the repository."""
    code = (
        "import pathlib, runpy, sys; here = pathlib.Path.cwd(); "
        "main = runpy.run_path(sys.argv[1])['main']; "
        "main(here / 'input', here / 'working')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )


def kernel(what):
    return KERNELS / what / "main.py"


def recorder(folder):
    """Write a wheel whose steps only write down how they were called."""
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.writestr("competition/pipeline.py", RECORDER)
        archive.writestr("competition/prepare/__init__.py", PREPARE)
        for name in REAL:
            text = (ROOT / "competition" / name).read_text(encoding="utf-8")
            archive.writestr(f"competition/{name}", text)


def bundle(folder, what, texts):
    """Make a bundle of the wheel that is there and of `texts`."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "manifest.json").unlink(missing_ok=True)
    listed = {
        path.relative_to(folder).as_posix(): {"sha256": files.file_digest(path)}
        for path in folder.rglob("*")
        if path.is_file()
    }
    about = {"bundle": what, "run": "unet", "package": WHEEL, "files": listed}
    if what == "train":
        overrides = ["seed=1"]
        about |= {"experiment": "unet.toml", "overrides": overrides, "quarantine": True}
        about |= {"runs": ["unet", "gate"], "weights": []}
        if "weights/b0.h5" in listed:
            about["weights"] = [{"run": "unet", "file": "weights/b0.h5"}]
    text = json.dumps(about, indent=2)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def attach(folder, mounts, what, *, package=recorder):
    """Imitate /kaggle/input with data and bundle: (data, bundle, earlier output)."""
    data, dataset, output = (folder / "input" / mount for mount in mounts)
    for path in (data, dataset, folder / "working"):
        path.mkdir(parents=True)
    for name, column in (("train", "segmentation"), ("sample_submission", "predicted")):
        text = f"id,class,{column}\n"
        (data / f"{name}.csv").write_text(text, encoding="utf-8")
    package(dataset)
    more = {"folds.csv": "case,fold\n", "faulty.txt": "none\n", "unet.toml": ""}
    run = {f"runs/unet/{name}.json": "{}" for name in ("config", "decision")}
    bundle(dataset, what, more if what == "train" else run)
    return data, dataset, output


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("mounts", [NEW, OLD], ids=["new mounts", "old mounts"])
def test_submit_finds_data_and_bundle_by_content(tmp_path, mounts):
    data, dataset, _ = attach(tmp_path, mounts, "submit")
    other = data.parent / "other"
    other.mkdir()
    (other / "sample_submission.csv").write_text("id,label\n", encoding="utf-8")
    (other / "manifest.json").write_text("{}", encoding="utf-8")
    done = start(kernel("submit"), tmp_path)
    assert done.stderr == ""
    called = read(tmp_path / "working" / "submission.csv")
    assert called == [str(dataset / "runs" / "unet"), str(data), "8h30m", True]


@pytest.mark.parametrize("what", ["train", "submit"])
def test_another_dataset_may_be_in_any_encoding(tmp_path, what):
    attach(tmp_path, NEW, what)
    other = tmp_path / "input" / "datasets" / "someone" / "other"
    other.mkdir()
    for name in ("manifest.json", "train.csv", "sample_submission.csv", "config.json"):
        (other / name).write_bytes('{"name": "Zoë"}'.encode("latin-1"))
    done = start(kernel(what), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mounts", [NEW, OLD], ids=["new mounts", "old mounts"])
def test_train_keeps_the_runs_alone(tmp_path, mounts):
    data, dataset, _ = attach(tmp_path, mounts, "train")
    done = start(kernel("train"), tmp_path)
    assert done.stderr == ""
    kept = tmp_path / "working" / "runs" / "unet" / "called.json"
    experiment, given, more, options = read(kept)
    assert (experiment, given) == (str(dataset / "unet.toml"), str(data))
    assert more == {
        "overrides": ["seed=1"],
        "name": "unet",
        "fold": None,
        "budget": "11h30m",
        "png": True,
    }
    assert options == {
        "fold_file": str(dataset / "folds.csv"),
        "faulty": str(dataset / "faulty.txt"),
        "quarantine": "True",
    }
    assert [path.name for path in (tmp_path / "working").iterdir()] == ["runs"]


def test_train_goes_on_from_an_earlier_output(tmp_path):
    _, _, output = attach(tmp_path, NEW, "train")
    for name in ("unet", "gate", "other"):
        run = output / "runs" / name
        (run / "fold0").mkdir(parents=True)
        about = {"name": name, "config": {}}
        (run / "config.json").write_text(json.dumps(about), encoding="utf-8")
        (run / "fold0" / "state.npz").write_bytes(b"so far")
    done = start(kernel("train"), tmp_path)
    assert done.stderr == "" and "gate: going on from ['" in done.stdout
    kept = tmp_path / "working" / "runs"
    assert sorted(path.name for path in kept.iterdir()) == ["gate", "unet"]
    for name in ("unet", "gate"):
        assert (kept / name / "fold0" / "state.npz").read_bytes() == b"so far"


def test_train_begins_with_the_encoder_weights_of_the_bundle(tmp_path):
    _, dataset, _ = attach(tmp_path, NEW, "train")
    bundle(dataset, "train", {"weights/b0.h5": "weights"})
    done = start(kernel("train"), tmp_path)
    assert done.stderr == ""
    *_, more, _ = read(tmp_path / "working" / "runs" / "unet" / "called.json")
    sent = f'model.encoder_weights="{dataset / "weights/b0.h5"}"'
    assert more["overrides"] == ["seed=1", sent]


def real(folder):
    wheel.write(ROOT, folder)


def test_the_public_data_with_a_header_only_sample_is_submitted(tmp_path):
    _, dataset, _ = attach(tmp_path, NEW, "submit", package=real)
    trained(dataset / "runs" / "unet")
    bundle(dataset, "submit", {})
    done = start(kernel("submit"), tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "working" / "submission.csv"
    assert out.read_text(encoding="utf-8") == "id,class,predicted\n"


def trained(run):
    """Make a run of the smoke experiment with weights that nobody needs to open."""
    from competition.core import rules
    from competition.core.experiment import configs

    values = configs.load("smoke").model_dump(mode="json")
    decision = rules.to_json([rules.CHEAP], ["a"])
    (run / "decision.json").write_text(json.dumps(decision), encoding="utf-8")
    about = {"name": "unet", "classes": ["a"], "fingerprint": "0", "config": values}
    (run / "config.json").write_text(json.dumps(about), encoding="utf-8")
    (run / "fold0").mkdir()
    (run / "fold0" / "best.weights.h5").write_bytes(b"weights")


@pytest.mark.parametrize(
    ("what", "name", "expected"),
    [
        ("submit", "manifest.json", "expected one bundle"),
        ("submit", "sample_submission.csv", "expected the competition's data"),
        ("submit", "decision.json", "received nothing. The upload is incomplete"),
        ("train", "manifest.json", "expected one bundle"),
        ("train", "train.csv", "expected the competition's data"),
    ],
)
def test_a_missing_input_is_named(tmp_path, what, name, expected):
    attach(tmp_path, OLD, what)
    next((tmp_path / "input").rglob(name)).unlink()
    done = start(kernel(what), tmp_path)
    assert expected in done.stderr
    assert not any((tmp_path / "working").iterdir())


def test_two_bundles_are_one_too_many(tmp_path):
    _, dataset, _ = attach(tmp_path, OLD, "submit")
    shutil.copytree(dataset, dataset.with_name("another"))
    done = start(kernel("submit"), tmp_path)
    assert "another/manifest.json" in done.stderr


@pytest.mark.parametrize("what", ["train", "submit"])
def test_a_kernel_takes_the_bundle_it_was_built_with(tmp_path, what):
    _, dataset, _ = attach(tmp_path, OLD, what)
    data = (dataset / "manifest.json").read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:16]
    code = kernel(what).read_text(encoding="utf-8")
    path = tmp_path / "main.py"
    path.write_text(code.replace("BUNDLE = None", f"BUNDLE = '{digest}'"), "utf-8")
    assert start(path, tmp_path).returncode == 0
    path.write_text(code.replace("BUNDLE = None", "BUNDLE = 'abc'"), "utf-8")
    done = start(path, tmp_path)
    assert "expected one bundle abc" in done.stderr
    assert "Attach the dataset as last pushed" in done.stderr


@pytest.mark.parametrize("what", ["train", "submit"])
def test_the_templates_of_the_metadata_are_offline(what):
    about = read(KERNELS / what / "kernel-metadata.json")
    assert about["enable_internet"] is False and about["enable_gpu"] is True
    slug = about["id"].split("/")[1]
    assert re.sub(r"[^a-z0-9]+", "-", about["title"].lower()) == slug
    assert (KERNELS / what / about["code_file"]).is_file()


def versions(path):
    lines = path.read_text(encoding="utf-8").splitlines()
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


def test_the_newest_releases_are_of_what_is_required():
    newest = versions(ROOT / "tests" / "latest.txt")
    paths = "requirements.txt", "tests/requirements.txt", "kernels/requirements.txt"
    pinned = [set(versions(ROOT / path)) for path in paths]
    # The newest keras-hub cannot be installed beside the newest client of Kaggle. Ray
    # and buckets hold commands and files, and call none of our libraries.
    left_out = {"keras-hub", "tensorflow-text", "ray[client]"}
    left_out |= {"s3fs", "moto[s3]", "flask", "flask-cors"}
    assert newest.keys() == set.union(*pinned) - left_out
    # Each package has one pin.
    assert len(newest) + len(left_out) == sum(map(len, pinned))


def test_the_client_that_is_asked_for_is_the_images():
    from competition.kernel.upload import client

    assert versions(KERNELS / "kaggle-image.txt")["kaggle"] == client.VERSION
