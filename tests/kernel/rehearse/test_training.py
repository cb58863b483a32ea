"""Trainings rehearsed in two sessions, the first of which is killed."""

import importlib.util
import pathlib
import sys

import pytest

from competition.core import files
from competition.kernel import build, bundles, rehearse
from competition.kernel.rehearse import jail
from tests import conftest
from tests.kernel import stand_in

# Compiling takes longest.
SMALL = (*conftest.TINY, "model.widths=[4]", "training.batch=8", "augment.engine=none")
PYTHON = pathlib.Path(sys.executable)


@pytest.mark.parametrize(
    ("machine", "isolation", "device"),
    [
        ("NvidiaTeslaT4", ([], ["all"]), "1 CPU (tensorflow)"),
        ("TpuV5E8", jail.command(), "8 CPU (jax)"),
    ],
    ids=["GPU, in folders", "TPU, as isolated as allowed"],
)
def test_a_killed_training_goes_on_from_its_output(
    bundle, tiny_phantom, monkeypatch, machine, isolation, device
):
    if not importlib.util.find_spec("jax" if "jax" in device else "tensorflow"):
        pytest.skip("the backend is not installed")
    monkeypatch.setattr(jail, "command", lambda: isolation)
    # A TPU rehearses a run of its own, the GPU a member behind a gate.
    trained = ["one", "two"]
    experiment = bundle.work / "gated.toml"
    files.write_text(experiment, 'members = ["one"]\ngate = ["two"]')
    for name in trained:
        files.write_text(bundle.work / f"{name}.toml", "")
    if machine == "TpuV5E8":
        experiment, trained = "smoke", ["rehearsed"]
    training = bundles.find(
        str(experiment), "train", work=bundle.work, name="rehearsed"
    )
    # It is cut to two epochs, of which the last one is averaged.
    overrides = *SMALL, "training.epochs=9", "training.swa_epochs=3"
    options = build.BundleOptions(overrides=overrides, machine=machine, fold=1)
    build.run(training, user=stand_in.USER, options=options)
    result = rehearse.run(training, data=tiny_phantom / "competition", python=PYTHON)
    assert result["ok"], result
    killed, resumed = result["rehearsals"]["killed"], result["rehearsals"]["resumed"]
    assert killed["verdict"] == "Killed After An Epoch"
    assert any(epochs[0] for epochs in killed["epochs"].values())
    every = {name: {0: 2, 1: 2} for name in trained}
    assert killed["epochs"] != every == resumed["epochs"]
    log = training.folder / "rehearsal" / "resumed" / "log.txt"
    said = log.read_text("utf-8")
    assert "going on from ['" in said and f"fold 1: {device}, float32" in said
    assert "submission is its header alone" in said
    # The notebook shows them.
    pictures = log.parent.rglob("runs/rehearsed/pictures/*.png")
    assert {path.stem for path in pictures} == {"curves", "scores", "scans"}


KERNEL = """
import json, pathlib, sys, time
INPUT, WORKING = pathlib.Path("/kaggle/input"), pathlib.Path("/kaggle/working")
BUNDLE = None
FOLD = 1

def epochs(run, fold, seconds):
    rows = [f"{number},0.5,0.5,{each}\\n" for number, each in enumerate(seconds)]
    (run / f"fold{fold}").mkdir(parents=True, exist_ok=True)
    text = "epoch,loss,score,seconds\\n" + "".join(rows)
    (run / f"fold{fold}/history.csv").write_text(text)
    (run / f"fold{fold}/best.weights.h5").touch()
    print(f"fold {fold}: epoch {len(seconds)}/2", flush=True)

def main(input_root, working):
    run = working / "runs" / "smoke"
    if not list(input_root.rglob("notebooks")):
        FIRST
    else:
        SECOND

if __name__ == "__main__":
    main(INPUT, WORKING)
"""
FIRST = "epochs(run, 0, [1.0]); time.sleep(60)"
BOTH = "[epochs(run, fold, [1.0, 2.0]) for fold in (0, 1)]"
ANEW = "[epochs(run, fold, [3.0, 2.0]) for fold in (0, 1)]"


@pytest.mark.parametrize(
    ("first", "second", "stage", "verdict", "why"),
    [
        (FIRST, f"{BOTH}; (run / 'report.html').touch()", "resumed", "Complete", None),
        (FIRST, BOTH, "resumed", "Not Finished", "no report was written"),
        (FIRST, ANEW, "resumed", "Began Anew", "fold 0 did not go on from its state"),
        (FIRST, "epochs(run, 0, [1.0])", "resumed", "Not Finished", "0 has 1 epochs"),
        (FIRST, "raise KeyError('oh')", "resumed", "Notebook Threw Exception", "oh"),
        ("raise KeyError('oh')", "", "killed", "Notebook Threw Exception", "oh"),
        ("pass", "", "killed", "Complete", "it ended before an epoch was over"),
        (
            "print('fold 0: epoch 1/2', flush=True); time.sleep(60)", "pass", "killed",
            "Killed After An Epoch", "its output holds no epoch",
        ),
    ],
)  # fmt: skip
def test_the_verdict_on_a_training(
    training, tiny_phantom, first, second, stage, verdict, why
):
    code = KERNEL.replace("FIRST", first).replace("SECOND", second or "pass")
    files.write_text(training.folder / "kernel" / "main.py", code)
    result = rehearse.run(training, data=tiny_phantom / "competition", python=PYTHON)
    received = result["rehearsals"][stage]
    assert received["verdict"] == verdict
    assert why in received["why"] if why else received["why"] is None
    assert result["ok"] is (why is None)
    assert list(result["rehearsals"])[-1] == stage


def test_cases_that_the_bundle_does_not_know_get_folds_in_turn(training, tiny_phantom):
    files.write_text(training.folder / "dataset" / "folds.csv", "case,fold\n1,0\n2,1\n")
    code = KERNEL.replace("FIRST", "pass").replace("SECOND", "pass")
    files.write_text(training.folder / "kernel" / "main.py", code)
    rehearse.run(training, data=tiny_phantom / "competition", python=PYTHON)
    sent = training.folder / "rehearsal" / "dataset"
    folds = (sent / "folds.csv").read_text("utf-8").splitlines()
    assert [row.partition(",")[2] for row in folds] == ["fold", "0", "1", "0", "1"]
    manifest = files.read_json(sent / "manifest.json")
    digest = files.file_digest(sent / "folds.csv")
    assert manifest["files"]["folds.csv"]["sha256"] == digest


def test_attached_weights_are_mounted_where_a_folder_stands_for_them(
    training, tiny_phantom, tmp_path, capsys
):
    files.write_text(tmp_path / "mit" / "config.json", "{}")
    model, dataset = "keras/mit/keras/mit_b0/4", "ann/weights"
    path = training.folder / "dataset" / "manifest.json"
    asked = [
        {"run": "smoke", "encoder": "mit_b0", "source": model},
        {"run": "other", "encoder": "mit_b1", "source": dataset},
    ]
    files.write_json(path, files.read_json(path) | {"weights": asked})
    look = (
        "print([str(p.parent.relative_to(input_root)) for p in "
        "input_root.rglob('config.json') if 'runs' not in p.parts])"
    )
    code = KERNEL.replace("FIRST", f"{look}; {FIRST}").replace("SECOND", look)
    files.write_text(training.folder / "kernel" / "main.py", code)
    given = {model: tmp_path / "mit"}
    data = tiny_phantom / "competition"
    rehearse.run(training, data=data, python=PYTHON, weights=given)
    folder = training.folder / "rehearsal"
    logs = [(folder / n / "log.txt").read_text("utf-8") for n in ("killed", "resumed")]
    assert "['mit/keras/mit_b0/4']" in logs[0]
    assert "['models/keras/mit/keras/mit_b0/4']" in logs[1]
    sent = files.read_json(folder / "dataset" / "manifest.json")["weights"]
    assert sent == [asked[0], {"run": "other", "value": "none"}]
    said = " ".join(capsys.readouterr().err.split())
    assert "other: the rehearsal trains without the weights of ann/weights" in said
