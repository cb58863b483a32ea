"""The files of a bundle, their contents, and builds that are refused."""

import dataclasses
import getpass
import json
import pathlib
import re
import shutil

import pytest

from competition.core import files
from competition.kernel import build, bundles, names, session
from competition.machine import kaggle_limits
from tests import conftest

WHEEL = "competition-0.1.0-py3-none-any.whl"
FIELDS = {
    "id", "title", "code_file", "language", "kernel_type", "is_private", "enable_gpu",
    "enable_tpu", "enable_internet", "machine_shape", "dataset_sources",
    "competition_sources", "kernel_sources", "model_sources",
}  # fmt: skip
EIGHT = *conftest.TINY, "training.batch=8"
OF_ENCODER = (
    *conftest.TINY, "model.encoder=EfficientNetB0", "model.widths=[4, 4, 4, 8, 8]"
)  # fmt: skip


def made(bundle, what="submit", *, user="jane-doe", **options):
    """Build the kernel that submits or trains: (folder, result)."""
    if what == "train":
        options = {"overrides": conftest.TINY} | options
    result = build.run(
        dataclasses.replace(bundle, what=what),
        user=user,
        options=build.BundleOptions(**options),
    )
    return pathlib.Path(result["built"]), result


def listed(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    )


def test_a_submitting_bundle_holds_these_files_and_no_others(bundle):
    folder, result = made(bundle)
    assert listed(folder) == [
        f"dataset/{WHEEL}",
        "dataset/dataset-metadata.json",
        "dataset/faulty.txt",
        "dataset/folds.csv",
        "dataset/manifest.json",
        "dataset/runs/smoke/config.json",
        "dataset/runs/smoke/decision.json",
        "dataset/runs/smoke/fold0/best.weights.h5",
        "dataset/runs/smoke/fold1/best.weights.h5",
        "kernel/kernel-metadata.json",
        "kernel/main.ipynb",
        "kernel/main.py",
    ]
    assert result["files"] == 7


@pytest.mark.parametrize(
    "name", ["config.json", "decision.json", "fold0/best.weights.h5"]
)
def test_a_file_of_the_run_that_changes_on_its_way_is_named(built, name):
    session.check(built.folder / "dataset")
    path = built.folder / "dataset" / "runs" / "smoke" / name
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(ValueError, match=f"{name}: expected the file of checksum"):
        session.check(built.folder / "dataset")


def test_a_training_bundle_holds_the_experiment_and_no_weights(bundle):
    folder, _ = made(bundle, "train")
    assert listed(folder / "dataset") == [
        WHEEL,
        "dataset-metadata.json",
        "faulty.txt",
        "folds.csv",
        "manifest.json",
        "smoke.toml",
    ]
    about = files.read_json(folder / "dataset" / "manifest.json")
    assert about["overrides"] == list(conftest.TINY)
    assert about["quarantine"] is False


def test_the_folds_of_home_travel(bundle):
    folder, _ = made(bundle)
    header, *rows = (folder / "dataset/folds.csv").read_text("utf-8").split()
    assert header == "case,fold"
    table = (bundle.dataset.slices).read_text("utf-8").splitlines()
    columns = table[0].split(",")
    case, fold = columns.index("case"), columns.index("fold")
    cells = [line.split(",") for line in table[1:]]
    assert set(rows) == {f"{each[case]},{each[fold]}" for each in cells}


def test_the_members_of_a_blend_travel_with_it(bundle):
    about = files.read_json(bundle.run.config)
    for name in ("one", "two"):
        other = bundle.run.root.with_name(name)
        shutil.copytree(bundle.run.root, other)
        files.write_json(other / "config.json", about | {"name": name})
    about["config"] |= {"members": ["one", "two"], "gate": ["two"]}
    files.write_json(bundle.run.config, about)
    folder, _ = made(bundle)
    assert listed(folder / "dataset" / "runs") == [
        "one/config.json",
        "one/fold0/best.weights.h5",
        "one/fold1/best.weights.h5",
        "smoke/config.json",
        "smoke/decision.json",
        "two/config.json",
        "two/fold0/best.weights.h5",
        "two/fold1/best.weights.h5",
    ]


@pytest.mark.parametrize("what", ["submit", "train"])
def test_two_builds_are_the_same_to_the_byte(bundle, tmp_path, what):
    first, _ = made(bundle, what)
    kept = shutil.copytree(first, tmp_path / "kept")
    for path in bundle.run.root.rglob("*"):
        path.touch()
    second, _ = made(bundle, what)
    assert listed(kept) == listed(second)
    for name in listed(kept):
        assert (kept / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_build_that_was_killed_leaves_nothing_to_push(bundle, monkeypatch, renamed):
    folder, _ = made(bundle)
    rename, done = pathlib.Path.rename, []

    def killed(self, target):
        if len(done) == renamed:
            raise KeyboardInterrupt
        done.append(target)
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            made(bundle)
    with pytest.raises(ValueError, match="no kernel is built"):
        _ = bundle.built
    made(bundle)
    assert bundle.built == folder


@pytest.mark.parametrize("what", ["submit", "train"])
def test_nothing_of_the_machine_is_in_a_bundle(bundle, what, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_0123456789abcdef0123456789abcdef")
    folder, _ = made(bundle, what)
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert str(bundle.work).encode() not in data
        assert str(conftest.ROOT).encode() not in data
        assert b"KGAT_0123" not in data


def test_a_name_of_the_user_in_the_run_stops_the_build(bundle, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "jocasta")
    text = bundle.run.decision.read_text("utf-8").replace('"0"', '"by jocasta"')
    bundle.run.decision.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"decision.json holds the user name jocasta"):
        made(bundle)
    assert made(bundle, user="jocasta")[0].is_dir()


def test_the_encoder_weights_of_this_machine_do_not_travel(bundle):
    about = files.read_json(bundle.run.config)
    model = {"encoder": "EfficientNetB0", "encoder_weights": "/home/ann/b0.h5"}
    about["config"]["model"] |= model
    files.write_json(bundle.run.config, about)
    folder, _ = made(bundle)
    sent = files.read_json(folder / "dataset/runs/smoke/config.json")
    assert sent["config"]["model"]["encoder_weights"] == "b0.h5"


@pytest.mark.parametrize("weights", ["/home/ann/b0.h5", "weights/b0.h5"])
def test_a_training_that_begins_with_a_file_of_home_is_refused(bundle, weights):
    bundle.run.config.unlink()
    overrides = (*OF_ENCODER, f"model.encoder_weights={weights}")
    with pytest.raises(ValueError, match=r"smoke: `model.* this machine. Set it to"):
        made(bundle, "train", overrides=overrides)


@pytest.mark.parametrize(
    "options",
    [
        {"fold": 0},
        {"overrides": ("seed=1",)},
        {"sources": ("jane-doe/uwm-smoke-train",)},
        {"weights": ("jane-doe/weights",)},
    ],
)
def test_options_of_a_training_are_refused_for_a_submission(bundle, options):
    with pytest.raises(ValueError, match="`weights` are for a training: a"):
        made(bundle, **options)


def test_a_training_says_what_it_needs_and_more_than_kaggles_disk_is_refused(
    bundle, monkeypatch, capsys
):
    made(bundle, "train")
    said = " ".join(capsys.readouterr().err.split())
    assert "kB of memory on each device, and up to " in said
    monkeypatch.setattr(kaggle_limits, "DISK", 120_000)
    with pytest.raises(
        ValueError, match=r"may take .*smoke, folds \[0, 1\]: .* a kernel"
    ):
        made(bundle, "train")
    # The folder of the kernel that was built before stays.
    assert dataclasses.replace(bundle, what="train").built.is_dir()
    made(bundle, "train", fold=0)
    made(bundle)


def gated(bundle, folder, **tomls):
    """Return the bundle of an experiment `gated` that draws behind a gate."""
    for name, text in {"gated": 'members = ["one"]\ngate = ["two"]', **tomls}.items():
        files.write_text(folder / f"{name}.toml", text)
    path = str(folder / "gated.toml")
    return dataclasses.replace(bundle, experiment=path, name="gated")


def test_members_and_gates_are_trained_with_a_blend(bundle, tmp_path, capsys):
    blend = gated(bundle, tmp_path, one="", two="seed = 2")
    folder, _ = made(blend, "train")
    assert listed(folder / "dataset")[-3:] == ["manifest.json", "one.toml", "two.toml"]
    about = files.read_json(folder / "dataset" / "manifest.json")
    assert sorted(about["runs"]) == ["gated", "one", "two"]
    assert sorted(about["trained"]) == ["one", "two"]
    both = " ".join(capsys.readouterr().err.split())
    alone = gated(bundle, tmp_path, gated="", one="", two="")
    made(alone, "train")
    disks = [re.search(r"up to ([\d.]+) .B of the", said)[1] for said in (
        both, " ".join(capsys.readouterr().err.split())
    )]  # fmt: skip
    assert float(disks[0]) == pytest.approx(2 * float(disks[1]), abs=0.11)


def test_a_gate_that_the_kernel_cannot_train_is_refused_or_attached(bundle, tmp_path):
    blend = gated(bundle, tmp_path, one="")
    with pytest.raises(ValueError, match=r"gated\.toml needs two, which is no experim"):
        made(blend, "train")
    folder, _ = made(blend, "train", sources=("jane-doe/uwm-two-train",))
    about = files.read_json(folder / "dataset" / "manifest.json")
    assert sorted(about["runs"]) == ["gated", "one", "two"]
    assert about["trained"] == ["one"]


def test_the_run_whose_rules_are_taken_may_be_attached(bundle, tmp_path):
    text = 'folds = ["all"]\nrules = "smoke"\n[training]\nkeep = "last"'
    alone = gated(bundle, tmp_path, gated=text)
    overrides = [each for each in conftest.TINY if not each.startswith("folds")]
    folder, _ = made(alone, "train", overrides=tuple(overrides))
    about = files.read_json(folder / "dataset" / "manifest.json")
    assert (about["runs"], about["trained"]) == (["gated", "smoke"], ["gated"])


def test_a_member_that_cannot_be_trained_on_kaggle_is_named(bundle, tmp_path):
    blend = gated(bundle, tmp_path, one="", two="[training]\nbatch = 12")
    with pytest.raises(ValueError, match=r"two: the 8 devices of a TPU .*batch=16"):
        made(blend, "train", machine="TpuV5E8", overrides=("training.epochs=2",))


def test_the_metadata_is_complete_and_offline(bundle):
    folder, _ = made(bundle)
    about = files.read_json(folder / "kernel" / "kernel-metadata.json")
    assert set(about) == FIELDS
    assert about["enable_internet"] is False
    assert (about["enable_gpu"], about["enable_tpu"]) == (True, False)
    assert about["id"] == "jane-doe/uwm-smoke-submit"
    assert names.slug(about["title"]) == "uwm-smoke-submit"
    assert about["dataset_sources"] == ["jane-doe/uwm-smoke-submit-bundle"]
    about = files.read_json(folder / "dataset" / "dataset-metadata.json")
    assert len(about["licenses"]) == 1 and 6 <= len(about["title"]) <= 50


@pytest.mark.parametrize("what", ["submit", "train"])
def test_a_kernel_for_a_tpu_computes_on_jax_and_pins_no_image(bundle, what):
    more = {}
    if what == "train":
        bundle.run.config.unlink()
        more = {"overrides": EIGHT}
    folder, _ = made(bundle, what, machine="TpuV5E8", **more)
    about = files.read_json(folder / "kernel" / "kernel-metadata.json")
    assert (about["enable_gpu"], about["enable_tpu"]) == (False, True)
    assert about["machine_shape"] == "TpuV5E8" and "docker_image" not in about
    code = (folder / "kernel" / "main.py").read_text("utf-8")
    assert 'BACKEND = "jax"' in code.splitlines()
    notebook = files.read_json(folder / "kernel" / "main.ipynb")
    assert "kaggle" not in notebook["metadata"]


def test_the_devices_of_a_tpu_train_one_fold_at_a_time(bundle, capsys):
    bundle.run.config.unlink()
    disks, wanted = [], (*EIGHT, "model.widths=[16, 32]")
    for machine in ("TpuV5E8", "NvidiaTeslaP100", "NvidiaTeslaT4"):
        made(bundle, "train", machine=machine, overrides=wanted)
        said = " ".join(capsys.readouterr().err.split())
        disks += re.findall(r"up to ([\d.]+ .B) of", said)
    assert disks[0] == disks[1] != disks[2]


def test_a_batch_that_a_tpu_cannot_share_is_refused(bundle):
    with pytest.raises(ValueError, match=r"multiple of 8\. Received: 4\. Set tr.*=8\."):
        made(bundle, "train", machine="TpuV5E8")


def test_a_training_goes_on_from_the_kernels_it_is_given(bundle):
    sources = ("jane-doe/uwm-smoke-train",)
    folder, _ = made(bundle, "train", fold=1, budget="2h", sources=sources)
    about = files.read_json(folder / "kernel" / "kernel-metadata.json")
    assert about["kernel_sources"] == ["jane-doe/uwm-smoke-train"]
    code = (folder / "kernel" / "main.py").read_text("utf-8").splitlines()
    assert "FOLD = 1" in code and 'BUDGET = "2h"' in code


def test_weights_of_an_encoder_travel_or_are_attached(bundle, tmp_path, monkeypatch):
    from competition.net.networks import encoders

    tried = []
    monkeypatch.setattr(encoders, "check_weights", lambda *each: tried.append(each))
    model = "keras/mit/keras/mit_b0_ade20k_512/4"
    path = tmp_path / "b0_notop.h5"
    files.write_text(path, "weights")
    one = '[model]\nencoder = "EfficientNetB0"\nwidths = [4, 4, 4, 8, 8]\n'
    blend = gated(
        bundle, tmp_path, one=f'{one}encoder_weights = "imagenet"',
        two=one.replace("EfficientNetB0", "mit_b0"),
    )  # fmt: skip
    folder, _ = made(
        blend, "train", weights=(f"one:{path}", f"two:{model}"),
        overrides=("training.epochs=2",),
    )  # fmt: skip
    assert tried == [("EfficientNetB0", str(path))]
    about = files.read_json(folder / "kernel" / "kernel-metadata.json")
    assert about["model_sources"] == [model]
    assert about["enable_internet"] is False
    manifest = files.read_json(folder / "dataset" / "manifest.json")
    assert sorted(manifest["weights"], key=lambda each: each["run"]) == [
        {"run": "one", "encoder": "EfficientNetB0", "file": "weights/0/b0_notop.h5"},
        {"run": "two", "encoder": "mit_b0", "source": model},
    ]
    assert "weights/0/b0_notop.h5" in manifest["files"]


def test_weights_of_another_encoder_are_refused_before_they_travel(bundle, tmp_path):
    bundle.run.config.unlink()
    path = tmp_path / "b0_notop.h5"
    files.write_text(path, "weights")
    with pytest.raises(ValueError, match=r"b0_notop\.h5: not weights of a Efficien"):
        made(bundle, "train", overrides=OF_ENCODER, weights=(str(path),))


def test_a_run_that_began_on_kaggle_goes_on_with_its_weights(bundle, monkeypatch):
    about = files.read_json(bundle.run.config)
    encoder = {"encoder": "mit_b0", "widths": [4, 4, 4, 8, 8]}
    about["config"]["model"] |= encoder | {"encoder_weights": "/kaggle/input/m/4"}
    files.write_json(bundle.run.config, about)
    overrides = (
        *conftest.TINY, "model.encoder=mit_b0", "model.widths=[4, 4, 4, 8, 8]"
    )  # fmt: skip
    with pytest.raises(ValueError, match="holds another config under this name"):
        made(bundle, "train", overrides=overrides)
    model = "keras/mit/keras/mit_b0_ade20k_512/4"
    folder, _ = made(bundle, "train", overrides=overrides, weights=(model,))
    about = files.read_json(folder / "kernel" / "kernel-metadata.json")
    assert about["model_sources"] == [model]


@pytest.mark.parametrize(("weights", "internet"), [("imagenet", True), ("none", False)])
def test_only_a_download_of_weights_needs_the_internet(bundle, weights, internet):
    bundle.run.config.unlink()
    overrides = (*OF_ENCODER, f"model.encoder_weights={weights}")
    folder, _ = made(bundle, "train", overrides=overrides)
    about = files.read_json(folder / "kernel" / "kernel-metadata.json")
    assert about["enable_internet"] is internet


def test_the_notebook_twin_is_valid_and_runs_the_same_code(bundle):
    nbformat = pytest.importorskip("nbformat")
    folder, _ = made(bundle)
    notebook = nbformat.read(folder / "kernel" / "main.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in cells)
    for cell in cells:
        compile(cell.source, "cell", "exec")
    code = (folder / "kernel" / "main.py").read_text("utf-8")
    assert cells[0].source in code and "def main(" in cells[0].source
    assert cells[1].source == "main(INPUT, WORKING)"
    assert "figures.show" in cells[2].source


@pytest.mark.parametrize("user", ["", "a b", "-ann", "ann/x"])
def test_a_user_name_that_kaggle_cannot_know_is_refused(bundle, user):
    with pytest.raises(ValueError, match="`user` expects the user name as in"):
        made(bundle, user=user)


def test_a_name_too_long_for_a_title_says_how_long_it_may_be(bundle):
    name = "x" * 60
    bundle.run.root.rename(bundle.run.root.with_name(name))
    with pytest.raises(ValueError, match="Give the run a `name` of at most 39"):
        made(dataclasses.replace(bundle, name=name))


def test_rules_of_other_folds_than_the_trained_ones_are_not_sent(bundle):
    files.write_json(bundle.run.decision, {"rules": {}, "key": "0", "folds": [0]})
    with pytest.raises(
        ValueError,
        match=r"decided on all trained folds, 0, 1, received those of 0\. Run the",
    ):
        made(bundle)
    # Of folds that were left out afterwards nothing needs to be decided again.
    files.write_json(bundle.run.decision, {"rules": {}, "key": "0", "folds": [0, 1, 2]})
    made(bundle)


def test_a_missing_file_is_named(bundle, tmp_path):
    bundle.run.decision.unlink()
    with pytest.raises(ValueError, match="Run `python -m competition decide --exp"):
        made(bundle)
    with pytest.raises(ValueError, match=r"one data set with a run 'smoke'. Received"):
        bundles.find("smoke", work=tmp_path / "nowhere")
    bundle.run.config.unlink()
    with pytest.raises(ValueError, match=r"config.json: not found. Run `python -m co"):
        made(bundle)
    bundle.dataset.slices.unlink()
    with pytest.raises(ValueError, match=r"no slice table. Run `python -m competit"):
        made(bundle, "train")


def test_another_config_than_the_runs_is_refused(bundle):
    with pytest.raises(ValueError, match="holds another config under this name"):
        made(bundle, "train", overrides=())


def test_a_fold_that_is_not_trained_is_refused(bundle):
    with pytest.raises(ValueError, match=r"`fold` is 4, .* not one .* smoke, \[0, 1\]"):
        made(bundle, "train", fold=4)


def test_a_budget_that_cannot_be_read_is_refused(bundle):
    with pytest.raises(ValueError, match="A budget is hours, minutes and seconds"):
        made(bundle, budget="soon")
    with pytest.raises(ValueError, match=r"9h, but Kaggle ends a submit kernel afte"):
        made(bundle, budget="9h")
    with pytest.raises(
        ValueError, match=r"11h, but Kaggle ends a train kernel after 9"
    ):
        made(bundle, "train", budget="11h", machine="TpuV5E8")


def test_a_manifest_lists_all_files_of_the_dataset(bundle):
    folder, _ = made(bundle)
    manifest = json.loads((folder / "dataset/manifest.json").read_text("utf-8"))
    beside = {"manifest.json", "dataset-metadata.json"}
    assert set(manifest["files"]) == set(listed(folder / "dataset")) - beside
    for name, about in manifest["files"].items():
        assert (folder / "dataset" / name).stat().st_size == about["bytes"]
