"""A run beside one that predicts case 3 exactly and misses a slice of case 2."""

import dataclasses
import json

import pytest

from competition import report
from competition.commands import output
from competition.core import files
from competition.report import against
from tests import browser
from tests.report.pages import Page


def test_scan_by_scan_the_gains_come_first(two_runs):
    dataset, run, other = two_runs
    compared = against.compare(dataset, run, other)
    scans = compared["scans"]
    assert [row["scan"] for row in scans] == ["case3_day0", "case1_day0", "case2_day0"]
    assert scans[0]["dice"]["bowel"] == [pytest.approx(0.5), 1.0]
    assert scans[1]["difference"] == 0 and scans[2]["difference"] < 0
    assert (compared["better"], compared["worse"], compared["cases"]) == (1, 1, 3)


def test_the_differences_of_all_and_of_the_nested_scores(two_runs):
    dataset, run, other = two_runs
    compared = against.compare(dataset, run, other)
    for kind in ("oof", "nested"):
        dice = compared["differences"][kind]["dice"]
        # Three slices each: 1, 5/6 and 1/2 before; 1, (1 + 1 + 0) / 3 and 1 after.
        assert dice["first"] == pytest.approx(7 / 9)
        assert dice["other"] == pytest.approx(8 / 9)
        assert dice["low"] < dice["difference"] < dice["high"]
    json.dumps(compared, allow_nan=False)


def test_slices_that_differ_are_listed_from_gain_to_loss(two_runs):
    slices = against.compare(*two_runs)["slices"]
    assert slices[0]["scan"] == "case3_day0"
    assert slices[0]["difference"] == pytest.approx(0.5)
    last = slices[-1]
    assert (last["scan"], last["slice"], last["other"]) == ("case2_day0", 3, 0)
    assert len(slices) == 2 * (3 + 3)


def test_of_many_slices_the_largest_gains_and_losses_are_listed(two_runs, monkeypatch):
    monkeypatch.setattr(against, "_SLICES", 3)
    gains = [each["difference"] for each in against.compare(*two_runs)["slices"]]
    # Ten gains and two losses: no small gain stands in for a third loss.
    assert [gain > 0 for gain in gains] == [True] * 3 + [False] * 2


def test_the_page_and_where_it_is(two_runs):
    dataset, run, _ = two_runs
    result = report.compare(dataset, run, "other")
    assert result["comparison"] == str(run.files.root / "against-other.html")
    page = Page((run.files.root / "against-other.html").read_text("utf-8"))
    assert "by-hand against other" in page.text
    rows = page.tables["Scan by scan"]
    assert rows[0][:4] == ["Scan", "by-hand", "other", "Difference"]
    assert rows[2][:4] == ["case1_day0", "1.0000", "1.0000", "0"]
    assert "Nested, difference of the scores" in page.tables
    assert not any("style" in attrs for _, attrs in page.tags)


def test_a_comparison_keeps_and_prints_the_paths_of_the_report(two_runs, capsys):
    dataset, run, _ = two_runs
    written = report.run(dataset, run, pages=True)
    compared = report.compare(dataset, run, "other")
    assert written.keys().isdisjoint(compared)
    output.compared(written | {"pictures": ["curves.png"]} | compared)
    printed = capsys.readouterr().out
    for path in (*written.values(), "curves.png", compared["comparison"]):
        assert path in printed


def test_the_viewer_shows_both_on_the_scans_that_differ_most(two_runs):
    dataset, run, _ = two_runs
    report.compare(dataset, run, "other")
    with browser.opened(run.files.root / "against-other.html") as page:
        page.wait_for_selector("section.viewer[data-state=ready]")
        scans = page.locator("[data-part=scan] option").all_inner_texts()
        lines = page.locator("label:has([data-line])").all_inner_texts()
        page.click("a[data-scan]:text('case1_day0')")
        browser.until(page, "document.querySelector('[data-part=scan]').value === '2'")
    assert [scan.split(" ")[0] for scan in scans] == [
        "case3_day0", "case2_day0", "case1_day0",
    ]  # fmt: skip
    assert lines == ["truth", "by-hand", "other"]


def test_a_folder_is_as_good_as_a_name(two_runs, tmp_path):
    _, run, other = two_runs
    moved = other.files.root.rename(tmp_path / "moved")
    assert against.find(run, str(moved)).name == "moved"


def test_configs_that_differ_are_listed(two_runs):
    dataset, run, other = two_runs
    training = other.config.training.model_copy(update={"tensorboard": False})
    changed = other.config.model_copy(update={"training": training})
    changed_run = dataclasses.replace(other, config=changed)
    path = against.write(dataset, run, changed_run, against.compare(*two_runs))
    rows = Page(path.read_text("utf-8")).tables["Config, where the two differ"]
    assert rows[1:] == [["training.tensorboard", "yes", "no"]]


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("fingerprint", "4567", "other data or folds .*4567, not 0123"),
        ("classes", ["bowel", "liver"], "other classes, bowel, liver, not bowel"),
    ],
)
def test_runs_of_other_data_are_not_compared(two_runs, key, value, fault):
    _, run, other = two_runs
    record = files.read_json(other.files.config)
    files.write_sealed(other.files.config, {**record, key: value})
    with pytest.raises(ValueError, match=f"by-hand cannot be compared.*{fault}"):
        against.find(run, "other")


def test_runs_of_other_folds_are_not_compared(two_runs):
    dataset, run, other = two_runs
    scores = files.read_json(other.files.score)
    del scores["oof"]["by_scan"]["case1_day0"]
    files.write_json(other.files.score, scores)
    with pytest.raises(ValueError, match="other scans out of fold, case2_day0, case3"):
        report.compare(dataset, run, "other")


@pytest.mark.parametrize("place", [0, 1])
def test_a_run_that_holds_nothing_out_is_not_compared(two_runs, place):
    dataset, *both = two_runs
    scores = files.read_json(both[place].files.score)
    scores["oof"]["by_scan"] = {}
    files.write_json(both[place].files.score, scores)
    with pytest.raises(ValueError, match=f"^{both[place].name} holds no scan out, so"):
        report.compare(dataset, both[0], "other")


def test_a_run_that_is_not_there_is_named(two_runs):
    with pytest.raises(ValueError, match=r"Runs beside it: by-hand, other"):
        against.find(two_runs[1], "third")
    with pytest.raises(ValueError, match=r"runs/third/config\.json: not found"):
        against.find(two_runs[1], "work/runs/third")


def test_scores_of_an_older_version_are_to_be_made_again(two_runs):
    dataset, run, other = two_runs
    scores = files.read_json(other.files.score)
    del scores["oof"]["merged_by_scan"], scores["nested"], scores["slices"]
    files.write_json(other.files.score, scores)
    with pytest.raises(ValueError, match=r"Run `.* score` for other again"):
        report.compare(dataset, run, "other")
