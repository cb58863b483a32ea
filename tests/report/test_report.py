"""The page about a run as a whole: when it is written; that nothing on it can run."""

import base64
import hashlib
import re

import pytest

from competition import report
from competition.core import files
from tests import by_hand
from tests.report.pages import NONE, page_of

OOF = "Out of fold, class by class"
EVIL = (
    "<script>alert('x')</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}",
)  # fmt: skip


@pytest.fixture(scope="module")
def evil_page(tmp_path_factory):
    """A page of classes whose names are code, one in each way."""
    root = tmp_path_factory.mktemp("evil")
    return page_of(*by_hand.scored_run(root, classes=("bowel", *EVIL)))


def test_the_result_says_where_the_page_is(scored):
    dataset, run = scored
    assert report.run(dataset, run) == {"report": str(run.files.report)}
    assert run.files.report.is_file()


def test_the_page_holds_all_that_it_needs(page):
    assert not page.all("link") and not page.all("iframe") and not page.all("base")
    for attrs in page.all("img"):
        start, _, data = attrs["src"].partition(",")
        assert start == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    assert "url(" not in page.text and "@import" not in page.text


def test_styles_and_scripts_of_the_page_alone_have_an_effect(page):
    policy = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    allowed = dict(part.split(" ", 1) for part in policy[0].split("; "))
    assert allowed["default-src"] == "'none'" and "unsafe" not in policy[0]
    for tag in ("style", "script"):
        inline = rf"<{tag}(?: type=\"module\")?>(.*?)</{tag}>"
        digests = [
            base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            for content in re.findall(inline, page.text, re.DOTALL)
        ]
        assert digests
        assert allowed[f"{tag}-src"] == " ".join(f"'sha256-{d}'" for d in digests)
    # Such attributes would have none.
    assert not any("style" in attrs for _, attrs in page.tags)


def test_light_dark_and_narrow_are_provided_for(page):
    assert "prefers-color-scheme: dark" in page.text
    viewport = [m for m in page.all("meta") if m.get("name") == "viewport"]
    assert viewport[0]["content"] == "width=device-width, initial-scale=1"


@pytest.mark.parametrize("number", range(len(EVIL)))
def test_a_class_name_stays_text(evil_page, number):
    kinds = {script["type"] for script in evil_page.all("script")}
    assert kinds == {"module", "application/json"}
    assert evil_page.text.count("<script") == len(evil_page.all("script"))
    assert not any("onerror" in attrs for _, attrs in evil_page.tags)
    assert evil_page.tables[OOF][3 + number][0] == EVIL[number]
    policy = [m["content"] for m in evil_page.all("meta") if "http-equiv" in m]
    assert policy[0].startswith("default-src 'none'")


def test_the_name_of_data_set_stays_text(tmp_path):
    dataset, run = by_hand.scored_run(tmp_path)
    renamed = dataset.root.rename(tmp_path / "<b>boxes")
    page = page_of(type(dataset)(renamed), type(run)(
        run.name, type(run.files)(renamed / "runs" / "by-hand"), run.config,
        run.classes, run.fingerprint,
    ))  # fmt: skip
    assert "on &lt;b&gt;boxes" in page.text


def test_the_page_of_the_same_results_is_kept(scored):
    dataset, run = scored
    report.run(dataset, run)
    before = run.files.report.stat().st_mtime_ns
    report.run(dataset, run)
    assert run.files.report.stat().st_mtime_ns == before


def test_new_scores_make_a_new_page_and_the_same_ones_the_same(scored):
    dataset, run = scored
    first = page_of(dataset, run).text
    scores = files.read_json(run.files.score)
    files.write_json(run.files.score, {**scores, "submission": scores["oof"]})
    second = page_of(dataset, run)
    assert "Submission, scan by scan" in second.tables
    files.write_json(run.files.score, scores)
    assert page_of(dataset, run).text == first


def test_an_untrained_fold_has_no_curve(scored):
    dataset, run = scored
    for fold in (0, 1):
        (run.files.fold(fold) / "history.csv").unlink()
    page = page_of(dataset, run)
    assert "Training loss" not in page.text
    assert "No fold has a history of its training" in page.text


def test_a_scan_without_a_score_comes_last_and_is_not_shown(scored):
    dataset, run = scored
    scores = files.read_json(run.files.score)
    for values in scores["oof"]["by_scan"]["case3_day0"].values():
        values.update(dict.fromkeys(values))
    files.write_json(run.files.score, scores)
    page = page_of(dataset, run)
    assert page.tables["Out of fold, scan by scan"][-1][:2] == ["case3_day0", NONE]
    assert re.findall(r"<h4>(\w+): (\w+)", page.text) == [
        ("Worst", "case2_day0"),
        ("Best", "case1_day0"),
    ]


def test_without_any_score_the_page_has_no_slices(scored):
    dataset, run = scored
    scores = files.read_json(run.files.score)
    nothing = {"by_class": {}, "by_scan": {}, "merged_by_scan": {}}
    scores["oof"] = {**dict.fromkeys(scores["oof"]), **nothing}
    files.write_json(run.files.score, scores)
    assert "Truth and prediction" not in page_of(dataset, run).text


def without(*keys):
    """A change of a document by which it lacks the value at nested `keys`."""

    def change(document):
        inside = document
        for key in keys[:-1]:
            inside = inside[key]
        del inside[keys[-1]]
        return document

    return change


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("score", lambda document: [], "the document: .*object"),
        ("score", without("oof"), "oof: Field required.*competition run` again"),
        ("score", without("oof", "by_scan"), r"oof\.by_scan: Field required"),
        (
            "score",
            without("oof", "by_scan", "case1_day0", "bowel", "score_per_class"),
            r"oof\.by_scan\.case1_day0\.bowel\.score_per_class: Field required",
        ),
        (
            "score",
            lambda document: {**document, "submission": 1},
            "submission: .*object",
        ),
        ("decision", lambda document: [], "the document: .*object"),
        ("decision", without("rules"), "rules: Field required.*decide` again"),
        ("decision", without("rules", "bowel"), "Missing: bowel"),
        ("decision", lambda _: {"rules": {"bowel": 1}}, r"rules\.bowel: .*Received: 1"),
    ],
)
def test_a_document_of_another_form_is_named(scored, name, change, fault):
    dataset, run = scored
    path = run.files.root / f"{name}.json"
    files.write_json(path, change(files.read_json(path)))
    with pytest.raises(ValueError, match=rf"{name}\.json: .*{fault}"):
        report.run(dataset, run)


def test_a_page_that_was_damaged_is_written_again(scored):
    dataset, run = scored
    report.run(dataset, run)
    whole = run.files.report.read_bytes()
    run.files.report.write_bytes(b"\xff\xfe" + whole[:100])
    report.run(dataset, run)
    assert run.files.report.read_bytes() == whole


@pytest.mark.parametrize("step", ["decide", "score"])
def test_a_step_that_is_missing_is_named(scored, step):
    dataset, run = scored
    {"decide": run.files.decision, "score": run.files.score}[step].unlink()
    with pytest.raises(ValueError, match=rf"not found. Run `.* {step}` first"):
        report.run(dataset, run)
    assert not run.files.report.exists()
