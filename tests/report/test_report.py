"""The page about a run: what is on it, and that nothing on it can run."""

import base64
import hashlib
import html.parser
import re

import pytest

from competition import report, score
from competition.core import files
from tests import by_hand

EVIL = (
    "<script>alert('x')</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}",
)  # fmt: skip
NONE = "\N{EN DASH}"


class Page(html.parser.HTMLParser):
    """The tags of a page with their attributes, and its tables as rows of text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.text = [], [], text
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.in_cell:
            self.tables[-1][-1][-1] += data.strip()

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def page_of(dataset, run):
    report.run(dataset, run)
    return Page(run.files.report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def drawn_once():
    """Most pages show the same pictures."""
    with pytest.MonkeyPatch.context() as patch:
        by_hand.draw_once(patch, {})
        yield


@pytest.fixture
def scored(tmp_path):
    return by_hand.scored_run(tmp_path)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(*by_hand.scored_run(tmp_path_factory.mktemp("page")))


@pytest.fixture(scope="module")
def evil_page(tmp_path_factory):
    """A page of classes whose names are code, one in each way."""
    root = tmp_path_factory.mktemp("evil")
    return page_of(*by_hand.scored_run(root, classes=("bowel", *EVIL)))


def test_the_result_says_where_the_page_is(scored):
    dataset, run = scored
    assert report.run(dataset, run) == {"report": str(run.files.report)}
    assert run.files.report.is_file()


def test_the_scores_of_all_and_of_each_class(page):
    header, *rows = page.tables[0]
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


def test_the_calibration_is_drawn_where_the_score_has_it(scored, page):
    assert "Calibration" not in page.text
    dataset, run = scored
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), b"weights")
    score.of_run(dataset, run, data=dataset.root)
    drawn = page_of(dataset, run)
    header, *rows = drawn.tables[2]
    assert header == ["Class", "Expected error", "of likely pixels"]
    # A third of the sure pixels of case 3 and 2 are wrong, and as many are missed.
    assert rows == [["bowel", "0.0300", "0.2222"], ["stomach", "0.0300", "0.2222"]]
    labels = [attrs["alt"] for attrs in drawn.all("img")]
    assert labels[0] == "Share of pixels that are of each class by their probability"


def test_the_decision_rule(page):
    header, *rows = page.tables[1]
    parts = ["threshold", "voxels", "gate", "smooth", "pixels", "largest", "holes"]
    parts.append("fallback")
    assert header == ["Class", *parts]
    off = ["0.5", "0", "None", "False", "0", "0", "False", "False"]
    assert rows == [["bowel", *off], ["stomach", *off]]


def test_scans_come_worst_first(page):
    rows = page.tables[2][1:]
    assert [row[0] for row in rows] == ["case3_day0", "case2_day0", "case1_day0"]
    assert rows[2][1:] == ["1.0000", "1.000", "0.000", "1.000", "0.000"]


def test_the_folds_and_how_their_training_went(page):
    assert page.tables[3][1:] == [
        ["0", "1", "1", "5", "2", "2.0", "0.5000", "0.5000", NONE],
        ["1", "2", "2", "10", "2", "2.0", NONE, NONE, NONE],
    ]


def test_the_config_is_there_to_the_last_key(page):
    for expected in ("learning_rate", "0.003", "16, 32, 64, 128", "resize", "0123"):
        assert expected in page.text


def test_worst_median_and_best_scan_with_three_slices_each(page):
    labels = [attrs["alt"] for attrs in page.all("img")]
    assert labels[:2] == [
        "Training loss of every fold by epoch",
        "Held-out score of every fold by epoch",
    ]
    shown = [label.split(",")[0] for label in labels[2:]]
    assert shown == ["case3_day0"] * 3 + ["case2_day0"] * 3 + ["case1_day0"] * 3
    words = re.findall(r"<h3>(Worst|Median|Best): (\w+)", page.text)
    assert [word for word, _ in words] == ["Worst", "Median", "Best"]


def test_the_page_holds_all_that_it_needs(page):
    assert not page.all("link") and not page.all("iframe") and not page.all("base")
    sources = [attrs["src"] for attrs in page.all("img")]
    sources += [attrs["srcset"] for attrs in page.all("source")]
    for source in sources:
        start, _, data = source.partition(",")
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
    assert evil_page.tables[0][3 + number][0] == EVIL[number]
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
    assert [table[0][0] for table in second.tables].count("Scan") == 2
    files.write_json(run.files.score, scores)
    assert page_of(dataset, run).text == first


def test_an_untrained_fold_has_no_curve(scored):
    dataset, run = scored
    for fold in (0, 1):
        (run.files.fold(fold) / "history.csv").unlink()
    page = page_of(dataset, run)
    assert "Training loss" not in page.text
    assert page.tables[3][1][4:] == [NONE] * 5


def test_a_scan_without_a_score_comes_last_and_is_not_shown(scored):
    dataset, run = scored
    scores = files.read_json(run.files.score)
    for values in scores["oof"]["by_scan"]["case3_day0"].values():
        values.update(dict.fromkeys(values))
    files.write_json(run.files.score, scores)
    page = page_of(dataset, run)
    assert page.tables[2][-1][:2] == ["case3_day0", NONE]
    assert re.findall(r"<h3>(\w+): (\w+)", page.text) == [
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


@pytest.mark.parametrize("step", ["decide", "run"])
def test_a_step_that_is_missing_is_named(scored, step):
    dataset, run = scored
    {"decide": run.files.decision, "run": run.files.score}[step].unlink()
    with pytest.raises(ValueError, match=rf"not found. Run `.* {step}` first"):
        report.run(dataset, run)
    assert not run.files.report.exists()
