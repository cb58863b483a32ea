"""A kernel finds its inputs by their contents, and continues earlier work."""

import os
import shutil
import sys
import types

import pytest

from competition.core import files
from competition.core.pages import stills
from competition.kernel import figures, session
from competition.sources import phantom
from tests import by_hand

ROW = "0,1.0,,1.0\n"


def output(root, name="unet", *, fold=0, epochs=1, seed=0):
    """An earlier kernel's output with one fold of the run `name`."""
    run = root / "runs" / name
    files.write_json(run / "config.json", {"name": name, "config": {"seed": seed}})
    text = "epoch,loss,score,seconds\n" + ROW * epochs
    files.write_text(run / f"fold{fold}" / "history.csv", text)
    files.write_text(run / f"fold{fold}" / "state.npz", f"{epochs} epochs")
    return run


def test_without_an_earlier_output_there_is_nothing_to_go_on_from(tmp_path):
    assert session.resume(tmp_path, tmp_path / "out", name="unet") == []
    assert not (tmp_path / "out").exists()


def test_an_earlier_output_is_copied_and_can_be_written(tmp_path):
    run = output(tmp_path / "input" / "train")
    # What a killed session left would travel from session to session.
    (run / "fold0" / ".other-7-state.npz").write_bytes(b"half")
    for path in run.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    target = tmp_path / "working" / "runs" / "unet"
    assert session.resume(tmp_path / "input", target, name="unet") == [str(run)]
    assert os.access(target / "fold0" / "state.npz", os.W_OK)
    assert (target / "fold0" / "state.npz").read_text("utf-8") == "1 epochs"
    assert sorted(os.listdir(target / "fold0")) == ["history.csv", "state.npz"]


def test_each_fold_comes_from_where_it_got_furthest(tmp_path):
    output(tmp_path / "input" / "a", fold=0, epochs=5)
    output(tmp_path / "input" / "a", fold=1, epochs=1)
    output(tmp_path / "input" / "b", fold=0, epochs=2)
    output(tmp_path / "input" / "b", fold=1, epochs=3)
    session.resume(tmp_path / "input", tmp_path / "out", name="unet")
    assert (tmp_path / "out/fold0/state.npz").read_text("utf-8") == "5 epochs"
    assert (tmp_path / "out/fold1/state.npz").read_text("utf-8") == "3 epochs"


def test_a_fold_that_got_as_far_here_stays_as_it_is(tmp_path):
    output(tmp_path / "input", epochs=2)
    run = output(tmp_path / "home", epochs=2)
    files.write_text(run / "fold0" / "state.npz", "its own")
    session.resume(tmp_path / "input", run, name="unet")
    assert (run / "fold0" / "state.npz").read_text("utf-8") == "its own"


def test_a_copy_that_is_killed_leaves_the_fold_as_it_was(tmp_path, monkeypatch):
    output(tmp_path / "input", epochs=5)
    run = output(tmp_path / "home", epochs=2)
    copyfile, copies = shutil.copyfile, []

    def killed(source, target):
        if copies:
            raise KeyboardInterrupt
        copies.append(copyfile(source, target))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            session.resume(tmp_path / "input", run, name="unet")
    assert (run / "fold0" / "state.npz").read_text("utf-8") == "2 epochs"
    session.resume(tmp_path / "input", run, name="unet")
    assert (run / "fold0" / "state.npz").read_text("utf-8") == "5 epochs"


def test_other_runs_are_left_alone(tmp_path):
    output(tmp_path / "input" / "a", name="other")
    files.write_text(tmp_path / "input" / "b" / "config.json", "not json")
    files.write_text(tmp_path / "input" / "c" / "config.json", "[]")
    assert session.resume(tmp_path / "input", tmp_path / "out", name="unet") == []


def test_encoder_weights_may_have_been_mounted_elsewhere(tmp_path):
    for name, folder in (("a", "/kaggle/input/w"), ("b", "/kaggle/input/datasets/w")):
        run = output(tmp_path / "input" / name, fold=int(name == "b"))
        model = {"encoder_weights": f"{folder}/b5_notop.h5"}
        config = {"name": "unet", "config": {"model": model}}
        files.write_json(run / "config.json", config)
    target = tmp_path / "out"
    assert len(session.resume(tmp_path / "input", target, name="unet")) == 2
    assert sorted(path.name for path in target.glob("fold*")) == ["fold0", "fold1"]


def test_other_decisions_are_of_the_same_training(tmp_path):
    for name, holes in (("a", True), ("b", False)):
        run = output(tmp_path / "input" / name, fold=int(name == "b"))
        config = {"name": "unet", "config": {"decide": {"holes": holes}}}
        files.write_json(run / "config.json", config)
    assert len(session.resume(tmp_path / "input", tmp_path / "out", name="unet")) == 2


def test_two_trainings_of_one_name_are_not_mixed(tmp_path):
    output(tmp_path / "input" / "a", seed=0)
    output(tmp_path / "input" / "b", seed=1)
    with pytest.raises(
        ValueError, match=r"differ in config or data. Attach the outputs"
    ):
        session.resume(tmp_path / "input", tmp_path / "out", name="unet")


def test_runs_are_written_to_where_kaggle_keeps_them(tmp_path):
    session.share(tmp_path / "scratch" / "data", tmp_path / "working" / "runs")
    files.write_text(tmp_path / "scratch/data/runs/unet/fold0/history.csv", "x")
    assert (tmp_path / "working/runs/unet/fold0/history.csv").is_file()


@pytest.fixture
def mounted(tmp_path):
    data = tmp_path / "input" / "competitions" / "uwm"
    files.write_text(data / "train.csv", "id,class,segmentation\n")
    files.write_text(data / "sample_submission.csv", "id,class,predicted\n")
    files.write_text(tmp_path / "input/datasets/other/train.csv", "id,label\n")
    return data


def test_the_competition_is_found_by_its_columns(mounted):
    root = mounted.parents[1]
    assert session.competition(root, "train.csv") == mounted
    assert session.competition(root, "sample_submission.csv") == mounted


def test_the_same_data_under_two_mounts_is_one(mounted):
    (mounted.parents[1] / "uwm").symlink_to(mounted)
    assert session.competition(mounted.parents[1], "train.csv").samefile(mounted)


def test_data_that_is_not_attached_or_attached_twice_is_named(mounted):
    root = mounted.parents[1]
    files.write_text(root / "again" / "train.csv", "id,class,segmentation\n")
    with pytest.raises(
        ValueError, match=r"one train.csv. Received: .*again.*Attach the"
    ):
        session.competition(root, "train.csv")
    (mounted / "sample_submission.csv").unlink()
    with pytest.raises(ValueError, match=r"Received: none. Attach the competition"):
        session.competition(root, "sample_submission.csv")


def bundle(folder):
    files.write_text(folder / "a.txt", "a")
    listed = {"a.txt": {"bytes": 1, "sha256": files.file_digest(folder / "a.txt")}}
    files.write_json(folder / "manifest.json", {"files": listed})
    return folder


def test_an_incomplete_upload_is_found_by_its_checksums(tmp_path):
    session.check(bundle(tmp_path))
    (tmp_path / "a.txt").write_text("b", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.txt: expected the file of checksum"):
        session.check(tmp_path)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(ValueError, match=r"received nothing. The upload is incomplete"):
        session.check(tmp_path)


@pytest.mark.parametrize("about", [[], {}, {"files": ["a.txt"]}, {"files": {"a": {}}}])
def test_a_bundles_manifest_of_another_form_is_named(tmp_path, about):
    files.write_json(tmp_path / "manifest.json", about)
    with pytest.raises(ValueError, match=r"manifest\.json: .*Push the bundle again\."):
        session.check(tmp_path)


def test_a_session_without_the_tpu_it_was_built_for_ends_at_once(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    devices = "--xla_force_host_platform_device_count="
    monkeypatch.setenv("XLA_FLAGS", f"{devices}8")
    session.check_tpu()
    monkeypatch.setenv("XLA_FLAGS", f"{devices}1")
    with pytest.raises(ValueError, match=r"JAX finds: TFRT_CPU_0\. Open the kernel in"):
        session.check_tpu()


def test_pictures_of_runs_are_curves_scores_and_the_slices_that_are_kept(tmp_path):
    dataset, run = by_hand.scored_run(tmp_path)
    assert len(figures.of_run(run.files.root)) == 2
    (*_, scans) = stills.write(dataset, run)
    # The notebook has no data.
    shutil.rmtree(dataset.root / "scans")
    assert figures.of_run(run.files.root)[2] == scans.read_bytes()


def test_a_notebook_shows_what_its_kernel_has_made(tmp_path, monkeypatch):
    display = types.SimpleNamespace(
        Image=types.SimpleNamespace, Markdown=lambda text: text
    )
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=display))
    dataset, _ = by_hand.scored_run(tmp_path)
    assert figures.show(tmp_path, tmp_path / "none") == []
    heading, *images = figures.show(tmp_path, dataset.root)
    assert heading == "## by-hand"
    assert [image.data[:4] for image in images] == [b"\x89PNG"] * 2


def test_pictures_are_of_slices_with_masks(tmp_path):
    phantom.write(tmp_path, cases=6, days=1, slices=6, seed=3)
    drawn = figures.draw(tmp_path / "competition", tmp_path / "solution.csv")
    assert 1 <= len(drawn) <= 3
    assert all(png.startswith(b"\x89PNG") for png in drawn)
    sample = tmp_path / "competition" / "sample_submission.csv"
    assert figures.draw(tmp_path / "competition", sample) == []
