"""The copy that `ledger add` keeps of a run, and the leaderboard's scores in it."""

import dataclasses
import os
import pathlib
import shutil
import subprocess

import cv2
import numpy as np
import pandas as pd
import pytest

from competition import ledger
from competition.core import files
from competition.core.data import slice_table
from competition.core.experiment import layout, runs
from competition.core.pages import examples, pictures
from competition.ledger import archive, table
from competition.prepare import folds
from tests import by_hand


@pytest.fixture(scope="module", autouse=True)
def drawn_once():
    """The runs of all tests look the same: each choice of scans is drawn once."""
    draw, sheets = pictures.contact_sheet, {}

    def contact_sheet(dataset, run, scans):
        if tuple(scans) not in sheets:
            sheets[tuple(scans)] = draw(dataset, run, scans)
        return sheets[tuple(scans)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "contact_sheet", contact_sheet)
        yield


@pytest.fixture
def scored(tmp_path):
    """A scored run with trained folds and a submission: (dataset, run)."""
    dataset, run = by_hand.scored_run(tmp_path / "work")
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), b"weights")
    files.write_text(run.files.submission, "id,class,predicted\n")
    return dataset, run


@pytest.fixture
def add(scored, tmp_path):
    submissions = tmp_path / "submissions"
    return lambda: ledger.add(
        "by-hand", work=tmp_path / "work", submissions=submissions
    )


def listed(folder):
    """The names in a folder, without locks."""
    return sorted(n for n in os.listdir(folder) if not n.endswith(".lock"))


def test_the_folds_and_the_scores_of_each_are_kept(scored, add, tmp_path):
    folder = pathlib.Path(add()["folder"])
    assert (folder / "folds.csv").read_text() == "case,fold\n1,0\n2,1\n3,1\n"
    means = pd.read_csv(folder / "by_fold.csv").set_index(["fold", "class"])
    assert means["scans"].to_dict() == {
        (fold, name): fold + 1 for fold in (0, 1) for name in ("bowel", "stomach")
    }
    by_scan = files.read_json(scored[1].files.score)["oof"]["by_scan"]
    for key in ("dice", "dice_3d", "score_per_class"):
        first, *others = (each["stomach"][key] for each in by_scan.values())
        assert means.loc[(0, "stomach"), key] == pytest.approx(first, abs=1e-4)
        mean = np.mean(others)
        assert means.loc[(1, "stomach"), key] == pytest.approx(mean, abs=1e-4)
    # No spacing was given to measure by.
    assert means["surface_mm"].isna().all()
    table_again = slice_table.read(scored[0])
    text = (folder / "folds.csv").read_text("utf-8")
    again = folds.parse(text, table_again, name="folds.csv")
    assert list(again) == list(table_again["fold"])


def test_config_rules_scores_and_submission_are_copied(scored, add, tmp_path):
    run = scored[1]
    added = add()
    folder = tmp_path / "submissions" / "by-hand"
    assert added["folder"] == str(folder)
    names = ["config.json", "decision.json", "score.json", "submission.csv"]
    for name in names:
        assert (folder / name).read_bytes() == (run.files.root / name).read_bytes()
    sheet = cv2.imread(str(folder / "contact_sheet.png"))
    # The worst, median and best scan, a row of three slices each.
    assert sheet.shape[0] > 900
    assert sheet.shape[1] > 900
    assert sorted(os.listdir(folder)) == [
        "by_fold.csv",
        "config.json",
        "contact_sheet.png",
        "decision.json",
        "folds.csv",
        *names[2:],
    ]
    assert listed(folder.parent) == ["by-hand", "ledger.csv"]


def test_scores_of_other_folds_than_the_trained_ones_are_refused(scored, add):
    scored[1].files.weights(1).unlink()
    with pytest.raises(
        ValueError,
        match=r"score\.json: expected scores of the 1 scans that the folds 0 hold out, "
        r"received those of 3\. Run the steps `predict`, `decide` and `score` again",
    ):
        add()


def test_a_score_of_the_leaderboard_needs_the_entry_of_the_present_rules(
    scored, add, tmp_path
):
    run, submissions = scored[1], tmp_path / "submissions"
    with pytest.raises(ValueError, match=r"received none\. Run `ledger add by-hand`"):
        ledger.check_added(run, submissions)
    add()
    ledger.check_added(run, submissions)
    decision = files.read_json(run.files.decision)
    files.write_sealed(run.files.decision, decision | {"key": "another"})
    with pytest.raises(ValueError, match=r"received an earlier one\. Run `ledger add"):
        ledger.check_added(run, submissions)


def test_scores_by_earlier_rules_are_refused(scored, add):
    run = scored[1]
    score = files.read_json(run.files.score)
    digest = files.file_digest(run.files.decision)
    files.write_sealed(run.files.score, score | {"decision": digest})
    add()
    files.write_sealed(run.files.score, score | {"decision": "of earlier rules"})
    with pytest.raises(
        ValueError, match=r"by earlier ones\. Run the step `score` again"
    ):
        add()


def test_a_score_of_another_submission_is_not_entered(scored, add, tmp_path):
    add()
    asked = {"submissions": tmp_path / "submissions", "public": 0.5}
    with pytest.raises(ValueError, match=r"another submission by now than the one"):
        ledger.set_scores("by-hand", submission="of earlier rules", **asked)
    own = ledger.check_added(scored[1], tmp_path / "submissions")
    assert ledger.set_scores("by-hand", submission=own, **asked)["public"] == 0.5


def test_the_entry_holds_the_scores_of_the_run(scored, add, tmp_path):
    add()
    entry = table.read(tmp_path / "submissions")["by-hand"]
    score = files.read_json(scored[1].files.score)["oof"]
    assert entry.score_per_class == pytest.approx(score["score_per_class"], abs=1e-6)
    assert entry.score_merged == pytest.approx(score["score_merged"], abs=1e-6)
    assert (entry.fingerprint, entry.folds) == ("0123", "0 1")
    assert (entry.nested, entry.public, entry.private) == (None, None, None)
    assert len(entry.date) == 10


def test_the_nested_score_is_the_decision_s(scored, add):
    path = scored[1].files.decision
    files.write_json(path, files.read_json(path) | {"nested": {"score": 0.75}})
    assert add()["nested"] == 0.75


@pytest.mark.parametrize(
    ("name", "document", "fault"),
    [
        ("score", {"oof": {}, "submission": None}, r"oof\.dice: Field required"),
        ("score", [], "the document: .*an object"),
        ("decision", {"nested": 0.5}, "nested: .*an object"),
    ],
)
def test_a_document_of_another_form_is_named(scored, add, name, document, fault):
    path = scored[1].files.root / f"{name}.json"
    files.write_json(path, document)
    with pytest.raises(ValueError, match=rf"{name}\.json: {fault}.*Delete it"):
        add()


def test_a_scan_without_any_score_is_not_an_example(scored):
    path = scored[1].files.score
    score = files.read_json(path)
    for scan in ("case1_day0", "case3_day0"):
        for values in score["oof"]["by_scan"][scan].values():
            values["score_per_class"] = None
    files.write_json(path, score)
    assert examples.scans(score["oof"]) == ["case2_day0"]


def test_added_again_the_same_submission_keeps_its_scores(scored, add, tmp_path):
    submissions = tmp_path / "submissions"
    add()
    ledger.set_scores("by-hand", submissions=submissions, public=0.8)
    (submissions / "by-hand" / "left-over").touch()
    assert add()["public"] == 0.8
    assert not (submissions / "by-hand" / "left-over").exists()
    files.write_text(scored[1].files.submission, "id,class,predicted\na,b,1 1\n")
    assert add()["public"] is None
    assert len(table.read(submissions)) == 1


def test_another_decision_is_another_submission(scored, add, tmp_path):
    # On Kaggle a submission without a test is its header alone, whatever the run.
    add()
    ledger.set_scores("by-hand", submissions=tmp_path / "submissions", private=0.8)
    path = scored[1].files.decision
    files.write_json(path, files.read_json(path) | {"key": "other"})
    assert add()["private"] is None


def test_a_run_is_kept_under_the_name_of_its_folder(scored, add, tmp_path):
    path = scored[1].files.config
    files.write_json(path, files.read_json(path) | {"name": "../../elsewhere"})
    folder = tmp_path / "submissions"
    assert add()["folder"] == str(folder / "by-hand")
    assert list(table.read(folder)) == ["by-hand"]
    assert not list(tmp_path.rglob("elsewhere"))
    assert not (tmp_path.parent / "elsewhere").exists()


def test_a_run_without_a_score_is_not_kept(scored, add, tmp_path):
    scored[1].files.score.unlink()
    with pytest.raises(ValueError, match=r"score\.json: not found, the run is not sc"):
        add()
    assert not (tmp_path / "submissions").exists()


def test_a_folder_of_something_else_is_not_replaced(add, tmp_path):
    (tmp_path / "submissions" / "by-hand").mkdir(parents=True)
    with pytest.raises(ValueError, match="is not the folder of an experiment"):
        add()
    assert os.listdir(tmp_path / "submissions") == ["by-hand"]


def test_a_failure_half_way_leaves_the_last_copy(scored, add, tmp_path, monkeypatch):
    add()
    before = (tmp_path / "submissions" / "ledger.csv").read_text("utf-8")

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        add()
    assert listed(tmp_path / "submissions") == ["by-hand", "ledger.csv"]
    assert (tmp_path / "submissions" / "by-hand" / "submission.csv").is_file()
    assert (tmp_path / "submissions" / "ledger.csv").read_text("utf-8") == before


def test_a_folder_that_cannot_be_replaced_comes_back(
    scored, add, tmp_path, monkeypatch
):
    add()
    rename = pathlib.Path.rename

    def broken(self, target):
        if self.name == "new":
            raise OSError("Input/output error")
        return rename(self, target)

    monkeypatch.setattr(pathlib.Path, "rename", broken)
    with pytest.raises(OSError, match="Input/output"):
        add()
    assert (tmp_path / "submissions" / "by-hand" / "submission.csv").is_file()


def test_a_score_that_is_entered_meanwhile_stays(scored, add, tmp_path, monkeypatch):
    submissions, keep = tmp_path / "submissions", archive.keep
    add()
    entries = table.read(submissions)
    other = dataclasses.replace(entries["by-hand"], experiment="other")
    table.write(submissions, entries | {"other": other})

    def scored_meanwhile(*arguments):
        ledger.set_scores("other", submissions=submissions, public=0.8)
        return keep(*arguments)

    monkeypatch.setattr(archive, "keep", scored_meanwhile)
    add()
    assert table.read(submissions)["other"].public == 0.8


def test_a_run_is_found_by_its_name(scored, add, tmp_path):
    work = tmp_path / "work"
    assert layout.find("by-hand", work, None) == scored[0]
    with pytest.raises(ValueError, match=r"config.json: not found.* it: by-hand"):
        runs.read(scored[0].run("*"))
    shutil.copytree(work / "boxes", work / "other")
    with pytest.raises(ValueError, match=r"Received: .*boxes, .*other\. Pass `data`"):
        add()


@pytest.fixture
def git(tmp_path, monkeypatch):
    """A call of git in an empty repository, whatever hook the tests run in."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    if not shutil.which("git"):
        pytest.skip("git is not installed")

    def run(*arguments):
        named = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        command = ["git", "-C", str(tmp_path), *named, *arguments]
        done = subprocess.run(
            command, check=True, capture_output=True, encoding="utf-8"
        )
        return done.stdout.strip()

    run("init")
    return run


def test_the_revision_is_that_of_the_code(git, tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    assert archive.revision(package) == "unknown"
    git("add", ".")
    git("commit", "-m", "first")
    head = git("rev-parse", "--short=12", "HEAD")
    (tmp_path / "ledger.csv").touch()
    assert archive.revision(package) == head
    (package / "new.py").touch()
    assert archive.revision(package) == f"{head}-dirty"


def test_without_git_the_revision_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert archive.revision(tmp_path) == "unknown"
