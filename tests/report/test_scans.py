"""The scans in the report, and a page for each."""

import json
import re

import pytest

from competition import report
from competition.report import scans
from tests import browser, by_hand


@pytest.fixture
def scored(tmp_path):
    return by_hand.scored_run(tmp_path)


def shown(path):
    text = path.read_text(encoding="utf-8")
    return [
        json.loads(found)
        for found in re.findall(
            r'<script type="application/json" class="scan">(.*?)</script>', text
        )
    ]


def test_the_report_holds_all_scans_of_a_small_run(scored):
    dataset, run = scored
    report.run(dataset, run)
    assert len(shown(run.files.report)) == len(
        [*run.files.oof("x").parent.glob("*.npz")]
    )


def test_a_page_holds_no_more_scans_than_it_can(scored, monkeypatch):
    dataset, run = scored
    monkeypatch.setattr(scans, "VOXELS", 1)
    report.run(dataset, run)
    assert len(shown(run.files.report)) == 1


def test_every_scan_gets_a_page_and_the_index_leads_there(scored):
    dataset, run = scored
    index = report.run(dataset, run, pages=True)["pages"]
    with browser.opened(run.files.root / "scans" / "index.html") as page:
        assert page.locator("tbody a").count() == len(shown(run.files.report))
        names = page.locator("tbody a").all_inner_texts()
    assert index.endswith("index.html")
    for name in names:
        (one,) = shown(run.files.root / "scans" / f"{name}.html")
        assert one["shape"] == list(by_hand.SHAPE)


def test_a_link_of_the_table_opens_the_scan(scored):
    dataset, run = scored
    report.run(dataset, run)
    with browser.opened(run.files.report) as page:
        page.wait_for_selector("section.viewer[data-state=ready]")
        page.click("a[data-scan='1']")
        page.wait_for_selector("section.viewer[data-state=ready]")
        assert page.input_value("[data-part=scan]") == "1"
