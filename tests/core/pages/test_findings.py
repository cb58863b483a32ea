"""What pages show of an audit."""

import os

import cv2
import numpy as np
import pytest

from competition.core import files
from competition.core.experiment import layout
from competition.core.pages import findings, html_page

LEVELS = ("0", "0.01", "0.25", "0.5", "0.75", "0.99", "1")


def fingerprint(*classes):
    """A fingerprint of two scans, of which the second is the darker one."""
    scans = {
        name: {
            "intensity": {level: bright + float(level) for level in LEVELS},
            "volume_ml": dict.fromkeys(classes, bright / 4),
        }
        for name, bright in (("case1_day0", 200.0), ("case2_day0", 100.0))
    }
    of_class = {
        "scans": 2, "slices": 9, "frequency": [0.0, 0.5],
        "area_mm2": {"0": 10.0, "0.5": 20.0, "1": 30.0},
    }  # fmt: skip
    return {
        "formats": {"5 x 16 x 20, 3.00 x 1.50 x 1.50 mm": 2},
        "classes": dict.fromkeys(classes, of_class),
        "overlaps": {},
        "scans": scans,
    }


def write(dataset, *, rows=2, classes=("bowel", "stomach"), reason="gap"):
    """Write the files of an audit with as many suspects."""
    folder = dataset.root / "audit"
    files.write_json(folder / "fingerprint.json", fingerprint(*classes))
    text = ",".join(findings.COLUMNS) + "\n"
    for rank in range(1, rows + 1):
        row = {"scan": "case1_day0", "reason": reason}
        text += (
            f"case1_day0,{rank},{rank + 1},{classes[0]},{reason},odd <i>,{9 - rank}\n"
        )
        png = cv2.imencode(".png", np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
        files.write_bytes(findings.picture(folder, rank, row), png)
    files.write_text(folder / "suspects.csv", text)
    about = {"fingerprint": files.read_json(dataset.manifest)["fingerprint"]}
    files.write_json(folder / "audit.json", about)


@pytest.fixture
def dataset(tmp_path):
    dataset = layout.DatasetFiles(tmp_path / "boxes")
    about = {"fingerprint": "f00d", "folds": 2, "classes": ["bowel", "stomach"]}
    files.write_json(dataset.manifest, about)
    return dataset


def test_without_an_audit_there_is_nothing(dataset):
    assert findings.of_data(dataset, shown=9) is None


def test_an_audit_of_the_data_as_it_was_before_is_left_out(dataset, capsys):
    write(dataset)
    assert findings.of_data(dataset, shown=9)
    manifest = files.read_json(dataset.manifest)
    files.write_json(dataset.manifest, manifest | {"fingerprint": "beef"})
    assert findings.of_data(dataset, shown=9) is None
    assert "an audit of the data as it was before" in capsys.readouterr().err


def test_the_first_suspects_have_their_pictures(dataset):
    write(dataset, rows=3)
    found = findings.of_data(dataset, shown=2)
    assert [row["weight"] for row in found["rows"]] == [8, 7, 6]
    assert len(found["strips"]) == 2
    page = html_page.render("audit.html", {"dataset": "<u>", "findings": found})
    assert page.count("data:image/jpeg;base64,") == 2
    assert "1 more have no picture here" in page


def test_the_fingerprint_is_drawn_darkest_scan_first(dataset):
    greys, _, areas, volumes = findings.draw(fingerprint("bowel"))
    median = next(s for s in greys.chart.series if s.name == "median")
    assert median.points == [(1, 100.5), (2, 200.5)]
    assert areas.chart.series[0].points == [(0, 10), (0.5, 20), (1, 30)]
    assert volumes.chart.series[0].labels == [
        "case2_day0, 25.0 ml", "case1_day0, 50.0 ml"
    ]  # fmt: skip


def test_a_class_that_is_nowhere_has_no_areas():
    data = fingerprint("bowel")
    data["classes"]["bowel"]["area_mm2"] = {}
    titles = [each.chart.title for each in findings.draw(data)]
    assert titles == ["Grey values", "Where in a scan", "Volumes"]


def test_names_are_escaped_on_the_page(dataset):
    write(dataset, classes=("<b>",))
    found = findings.of_data(dataset, shown=9)
    page = html_page.render("audit.html", {"dataset": "<u>", "findings": found})
    assert "&lt;b&gt;" in page and "odd &lt;i&gt;" in page and "&lt;u&gt;" in page
    assert not any(tag in page for tag in ("<b></", "odd <i>", "<u>"))


def test_a_table_of_another_form_is_named(dataset):
    write(dataset, reason="mood")
    with pytest.raises(ValueError, match=r"suspects\.csv: expected .* `audit` again"):
        findings.of_data(dataset, shown=9)


@pytest.mark.parametrize(
    "name",
    ["fingerprint.json", "suspects.csv", "suspects/001_case1_day0_gap.png"],
)
def test_a_file_that_is_gone_is_named_with_what_to_do(dataset, name):
    write(dataset)
    (dataset.root / "audit" / name).unlink()
    remedy = "Delete the folder .*audit and run `audit` again"
    with pytest.raises(ValueError, match=rf"{name}: not found\. {remedy}"):
        findings.of_data(dataset, shown=9)


@pytest.mark.parametrize("size", [0, 20, 60])
def test_a_cut_picture_is_named_with_what_to_do(dataset, size):
    write(dataset)
    path = dataset.root / "audit" / "suspects" / "001_case1_day0_gap.png"
    os.truncate(path, size)
    with pytest.raises(ValueError, match=r"gap\.png: a damaged .* `audit` again"):
        findings.of_data(dataset, shown=9)
