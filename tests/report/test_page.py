"""What is on the page of a run: every table and drawing, worked out by hand."""

import dataclasses
import re
import shutil

from competition import report
from competition.core import files
from competition.core.experiment import history, layout, runs
from competition.ledger import table as ledger_table
from competition.report import page as page_values
from tests.core.pages import test_findings
from tests.report import test_trials
from tests.report.pages import NONE, Page, page_of

OOF = "Out of fold, class by class"


def test_the_scores_of_all_and_of_each_class(page):
    header, *rows = page.tables[OOF]
    assert header[:4] == ["Class", "Score", "Score, merged", "Dice"]
    assert [row[0] for row in rows] == ["all", "bowel", "stomach"]
    # Boxes of 6 rows that are 0, 1 and 3 rows off: Dice 1, 5/6 and 1/2.
    assert [row[3] for row in rows] == ["0.7778"] * 3
    # In 2 of 5 slices nothing is annotated and nothing predicted.
    assert header[4] == "Dice, papers" and "as papers do" in page.text
    assert [row[4] for row in rows] == ["0.8667"] * 3
    # IoU is 1, 5/7 and 1/3 of the same boxes.
    assert header[6:8] == ["IoU", "IoU 3D"]
    assert [row[6:8] for row in rows] == [["0.6825"] * 2] * 3


def test_the_headline_is_honest_and_says_how_far_it_spreads(whole):
    tiles = re.findall(r"<b>([\d.]+)</b><span>(.*?)</span>(.*?)</div>", whole.text)
    titles = [title for _, title, _ in tiles]
    assert titles[:2] == ["nested score, per class", "nested score, merged"]
    assert titles[2:] == ["Dice, empty pairs skipped", "Hausdorff, per class"]
    assert "over 2 folds" in tiles[0][2] and "over 3 cases" in tiles[0][2]
    assert "by rules chosen on the same scans" in tiles[1][2]
    assert tiles[2][0] == "0.7778" and "0.8667 with empty pairs as 1" in tiles[2][2]


def test_without_nested_scores_the_headline_does_not_claim_them(page):
    assert "score out of fold, per class" in page.text
    assert "nested" not in page.text.split("<h2")[0]


def test_how_far_the_score_spreads(whole):
    header, *rows = whole.tables["Spread of the score"]
    assert [row[:2] for row in rows] == [
        ["per class", "2 folds"], ["merged", "2 folds"],
        ["per class", "3 cases"], ["merged", "3 cases"],
    ]  # fmt: skip
    lowest, highest = header.index("Lowest"), header.index("Highest")
    # Case 1, alone in fold 0, is predicted exactly.
    assert [row[highest] for row in rows] == ["1.0000"] * 4
    assert all(row[lowest] < "0.9" for row in rows)


def test_folds_and_cases_have_both_scores(whole):
    header, *rows = whole.tables["Fold by fold"]
    assert header[:4] == ["Fold", "Nested", "Nested, merged", "Score"]
    assert [row[0] for row in rows] == ["0", "1"]
    # Two scans whose slices count alike: Dice 5/6 and 1/2.
    assert [row[header.index("Dice")] for row in rows] == ["1.0000", "0.6667"]
    header, *rows = whole.tables["Case by case"]
    dice = [row[header.index("Dice")] for row in rows]
    assert dice == ["1.0000", "0.8333", "0.5000"]


def test_scores_of_an_older_version_say_what_is_missing(page):
    assert "Fold by fold" in page.tables
    assert "Presence, class by class" not in page.tables


def test_an_older_score_without_counts_has_no_folds(scored):
    dataset, run = scored
    scores = files.read_json(run.files.score)
    del scores["oof"]["merged_by_scan"]
    files.write_json(run.files.score, scores)
    page = page_of(dataset, run)
    assert "Fold by fold" not in page.tables
    assert "an older version scored this run" in page.text


def test_which_slices_were_found_missed_or_drawn_for_nothing(whole):
    header, *rows = whole.tables["Presence, class by class"]
    assert header[1:5] == ["Found", "Missed", "False alarm", "Rightly empty"]
    assert rows[0] == ["bowel", "9", "0", "0", "6", "100.0 %", "100.0 %"]
    assert rows[1][1:] == rows[0][1:]


def test_dice_is_drawn_against_volume_and_place(whole):
    for title in ("Dice against the organ", "Dice against the slice", "Reliability"):
        assert title in whole.text
    # A mark for each scan and class: 6 x 6 x 3 voxels of 1.5 x 1.5 x 3 mm.
    labels = re.findall(r"<title>(case.*?)</title>", whole.text)
    assert labels.count("case1_day0, 0.7 ml, Dice 1.000") == 2
    assert len(labels) == 6


def test_the_calibration_is_drawn_where_the_score_has_it(whole, page):
    assert "Calibration" not in page.text
    header, *rows = whole.tables["Calibration, class by class"]
    assert header == ["Class", "Expected error", "of likely pixels"]
    # A third of the sure pixels of case 3 and 2 are wrong, and as many are missed.
    assert rows == [["bowel", "0.0300", "0.2222"], ["stomach", "0.0300", "0.2222"]]


def test_the_decision_rules_are_said_in_words(page):
    header, *rows = page.tables["Decision rules"]
    assert header == ["Class", "Threshold", "A slice holds it", "Then"]
    assert rows[0] == ["bowel", "0.5", "every slice", "nothing more"]
    assert "What each part of the rules brought" not in page.tables


def test_what_each_part_of_the_rules_brought(whole):
    header, first, *rows = whole.tables["What each part of the rules brought"]
    assert header == ["Part", "Score", "Gain", "Switched on for"]
    assert first[0] == "threshold 0.5 alone"
    assert {"threshold", "gate", "holes filled"} <= {row[0] for row in rows}
    assert "which flatters by" in whole.text


def test_scans_come_worst_first(page):
    rows = page.tables["Out of fold, scan by scan"][1:]
    assert [row[0] for row in rows] == ["case3_day0", "case2_day0", "case1_day0"]
    assert rows[2][1:] == ["1.0000", "1.000", "0.000", "1.000", "0.000"]


def test_how_the_training_of_each_fold_went_and_where_its_time(page):
    rows = page.tables["Training, fold by fold"][1:]
    assert [row[0] for row in rows] == ["0", "1", "all"]
    shown = [NONE, NONE, NONE, "2 min 0 s", "1 min 0 s"]
    assert rows[0][1:] == ["2", *shown, NONE, "0.5000", "0.5000", NONE]
    assert rows[1][8:] == [NONE] * 3


def test_the_time_of_steps_waits_and_scores_is_told_apart(scored):
    dataset, run = scored
    rows = history.read(run.files.history(0))
    parts = {"seconds": 60.0, "scoring": 10.0, "waiting": 5.5}
    history.write(run.files.history(0), [row | parts for row in rows])
    page = page_of(dataset, run)
    header, first, *_ = page.tables["Training, fold by fold"]
    assert header[2:6] == ["Waiting", "Steps", "Scoring", "In all"]
    assert first[2:6] == ["11.0 s", "1 min 29 s", "20.0 s", "2 min 0 s"]


def test_what_the_data_is_and_each_fold_holds_out(page):
    assert page.tables["What each fold holds out"][1:] == [
        ["0", "1", "1", "5"], ["1", "2", "2", "10"],
    ]  # fmt: skip
    (row,) = page.tables["Formats of the scans"][1:]
    size = "5 \N{MULTIPLICATION SIGN} 16 \N{MULTIPLICATION SIGN} 20"
    assert row[0] == size and row[2] == "3"
    assert "3 cases, 3 scans, 15 slices" in page.text and "0123" in page.text


def test_without_audit_search_and_benchmarks_the_page_has_two_tabs(page):
    tabs = page.text.split('<nav class="tabs"')[1].split("</nav>")[0]
    assert re.findall(r'href="#(\w+)"', tabs) == ["run", "data"]
    assert "Suspects" not in page.tables


def test_audit_search_and_benchmarks_have_tabs(scored):
    dataset, run = scored
    test_findings.write(dataset)
    files.write_text(dataset.search(run.name).table, test_trials.TABLE)
    bench = "## <u>\n\n| what | reached |\n| --- | --- |\n| `fit` <i> | 1 |\n"
    files.write_text(dataset.root.parent / "bench.md", bench)
    page = page_of(dataset, run)
    tabs = page.text.split('<nav class="tabs"')[1].split("</nav>")[0]
    assert re.findall(r'href="#(\w+)"', tabs) == ["run", "data", "search", "benchmarks"]
    assert page.tables["Classes of the data"][1] == [
        "bowel",
        "2",
        "9",
        "10",
        "20",
        "30",
    ]
    assert page.tables["Suspects"][1][:3] == ["case1_day0", f"1{NONE}2", "bowel"]
    assert page.text.count("data:image/jpeg;base64,") == 2
    # The audit has the formats too.
    assert page.text.count("Formats of the scans") == 2
    assert [row[0] for row in page.tables["Trials of the search"][1:]] == list("0123")
    assert page.tables["Benchmark <u>"][1:] == [["fit<i>", "1"]]
    assert "&lt;u&gt;" in page.text and not page.all("u")


def test_a_new_audit_makes_a_new_page(scored):
    dataset, run = scored
    report.run(dataset, run)
    test_findings.write(dataset)
    assert "Suspects" in page_of(dataset, run).tables


def test_the_config_is_there_to_the_last_key_and_its_changes_apart(page):
    for expected in ("learning_rate", "0.003", "16, 32, 64, 128", "resize"):
        assert expected in page.text
    rows = page.tables["Config, where it differs from the default"][1:]
    assert ["training.learning_rate", "0.003", "0.001"] in rows
    for raw in ("None", "False", "True", "[", "0.0, 0.3"):
        assert raw not in re.sub(
            r"<(style|script)[^>]*>.*?</\1>|<[^>]*>", "", page.text, flags=re.DOTALL
        )


def test_the_command_that_makes_it_again(page):
    command = "python -m competition run --data DIR --experiment smoke"
    assert f"<code>{command}" in page.text


def test_a_leaderboard_of_runs_on_every_case_has_no_chart(scored, tmp_path):
    dataset, run = scored
    entry = ledger_table.Entry(
        "all", "2026-01-01", "abc", "0123", "all", None, None, None, None, 0.873, "d"
    )
    ledger_table.write(tmp_path / "kept", {"all": entry})
    report.run(dataset, run, submissions=tmp_path / "kept")
    text = run.files.report.read_text("utf-8")
    (row,) = Page(text).tables["Experiments in the ledger"][1:]
    assert row[0] == "all" and row[-2:] == ["0.8730", "silver"]
    assert "Leaderboard against validation" not in text


def test_the_leaderboard_is_there_where_it_has_said_anything(scored, tmp_path):
    dataset, run = scored
    entry = ledger_table.Entry(
        "unet", "2026-01-01", "abc", "0123", "0 1", 0.9, 0.89, 0.88, None, None, "d"
    )
    submissions = tmp_path / "kept"
    ledger_table.write(submissions, {"unet": entry})
    report.run(dataset, run, submissions=submissions)
    assert "Leaderboard" not in run.files.report.read_text("utf-8")
    known = dataclasses.replace(entry, public=0.87, private=0.873)
    ledger_table.write(submissions, {"unet": known})
    report.run(dataset, run, submissions=submissions)
    page = Page(run.files.report.read_text("utf-8"))
    (row,) = page.tables["Experiments in the ledger"][1:]
    assert row == ["unet", "0.8800", "0.9000", "0.8900", "0.8700", "0.8730", "silver"]
    assert ["gold", "0.880"] in page.tables["Lines of the private leaderboard"]
    caption = "How well validation tells the leaderboard"
    assert caption not in page.tables
    three = {
        name: dataclasses.replace(
            known, experiment=name, nested=score, public=score - 0.01, private=None
        )
        for name, score in (("a", 0.8), ("b", 0.85), ("c", 0.9))
    }
    ledger_table.write(submissions, three)
    report.run(dataset, run, submissions=submissions)
    page = Page(run.files.report.read_text("utf-8"))
    rows = page.tables[caption][1:]
    assert ["nested", "public", "3", "1.000", "1.000", "-0.0100"] in rows
    assert {row[1] for row in rows} == {"public"}


def test_worst_median_and_best_scan_with_three_slices_each(page):
    shown = [attrs["alt"].split(",")[0] for attrs in page.all("img")]
    assert shown == ["case3_day0"] * 3 + ["case2_day0"] * 3 + ["case1_day0"] * 3
    words = re.findall(r"<h4>(Worst|Median|Best): (\w+)", page.text)
    assert [word for word, _ in words] == ["Worst", "Median", "Best"]


def test_a_screen_reader_and_the_keyboard_find_their_way(whole):
    ids = {attrs["id"] for _, attrs in whole.tags if "id" in attrs}
    links = {attrs["href"].removeprefix("#") for attrs in whole.all("a")}
    assert links == ids and whole.text.count("<table") == whole.text.count("<caption")
    for attrs in whole.all("div"):
        if "scroll" in attrs.get("class", "").split():
            assert attrs["tabindex"] == "0" and attrs["aria-label"]
    assert all(attrs.get("scope") for attrs in whole.all("th"))
    assert all(attrs["aria-label"] for attrs in whole.all("svg"))


def test_the_training_of_each_member_of_a_blend_is_there(scored):
    _, run = scored
    root = run.files.root.with_name("blend")
    shutil.copytree(run.files.root, root)
    about = files.read_json(root / "config.json")
    about["config"]["members"] = [run.name]
    about["config"]["gate"] = [run.name]
    files.write_json(root / "config.json", about)
    shutil.rmtree(root / "fold0", ignore_errors=True)
    shutil.rmtree(root / "fold1", ignore_errors=True)
    (found,) = page_values._training(runs.read(layout.RunFiles(root)))["trainings"]
    assert found["name"] == run.name and found["curves"] and found["times"]
