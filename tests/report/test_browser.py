"""The pages in a browser: nothing overflows, keyboard and screen reader get along."""

import itertools

import pytest

from competition import report
from competition.core import files
from tests import browser
from tests.core.pages import test_findings
from tests.report import test_trials


@pytest.fixture(params=["report.html", "against-other.html"])
def written(request, two_runs):
    dataset, run, _ = two_runs
    test_findings.write(dataset)
    files.write_text(dataset.search(run.name).table, test_trials.TABLE)
    report.run(dataset, run)
    report.compare(dataset, run, "other")
    return run.files.root / request.param


SCHEMES = "light", "dark"


def test_axe_finds_nothing_serious(written):
    with browser.opened(written) as page:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert browser.serious(page) == {}, scheme


def test_nothing_is_wider_than_a_phone(written):
    with browser.opened(written, size=browser.PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_keyboard_sorts_the_scans(written):
    with browser.opened(written) as page:
        table = page.locator("table").filter(has_text="case1_day0").first
        heading, button = table.locator("th").nth(1), table.locator("th button").nth(1)
        button.focus()
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == "ascending"
        rising = table.locator("tbody tr td:nth-child(2)").all_inner_texts()
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == "descending"
        falling = table.locator("tbody tr td:nth-child(2)").all_inner_texts()
        assert rising == sorted(rising) and falling == sorted(rising)[::-1]


@pytest.fixture
def tabbed(two_runs):
    dataset, run, _ = two_runs
    test_findings.write(dataset)
    files.write_text(dataset.search(run.name).table, test_trials.TABLE)
    report.run(dataset, run)
    return run.files.report


def shown(page):
    """The tabs' parts that are seen."""
    parts = page.locator("main > section")
    return [part.get_attribute("id") for part in parts.all() if part.is_visible()]


def test_a_click_and_arrow_keys_change_the_tab(tabbed):
    with browser.opened(tabbed) as page:
        assert shown(page) == ["run"]
        page.get_by_role("tab", name="Data").click()
        assert shown(page) == ["data"] and page.url.endswith("#data")
        page.keyboard.press("ArrowRight")
        assert shown(page) == ["search"]
        chosen = page.get_by_role("tab", selected=True)
        assert chosen.inner_text() == "Search"
        assert chosen.evaluate("tab => tab === document.activeElement")
        page.keyboard.press("ArrowRight")
        assert shown(page) == ["run"]
        page.keyboard.press("End")
        assert shown(page) == ["search"]


def test_axe_finds_nothing_serious_in_another_tab(tabbed):
    with browser.opened(tabbed, size=browser.PHONE) as page:
        for name, scheme in itertools.product(["Data", "Search"], SCHEMES):
            page.emulate_media(color_scheme=scheme)
            page.get_by_role("tab", name=name).click()
            assert browser.serious(page) == {}, (name, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_an_address_opens_the_tab_that_holds_it(tabbed):
    with browser.opened(tabbed) as page:
        page.evaluate("location.hash = 'search'")
        page.wait_for_selector("#search:visible")
        page.evaluate("location.hash = 'training'")
        page.wait_for_selector("#training:visible")
        assert shown(page) == ["run"]
        page.reload()
        assert page.locator("#training").is_visible()


def test_a_viewer_that_was_hidden_at_first_is_drawn(tabbed):
    with browser.opened(tabbed) as page:
        page.get_by_role("tab", name="Data").click()
        page.reload()
        assert shown(page) == ["data"]
        page.get_by_role("tab", name="Run").click()
        page.wait_for_selector("section.viewer[data-state=ready]")
        seen = "canvas => canvas.width > 50 && canvas.height > 50"
        assert page.locator("canvas").first.evaluate(seen)


def test_paper_has_all_parts(tabbed):
    with browser.opened(tabbed) as page:
        page.emulate_media(media="print")
        assert shown(page) == ["run", "data", "search"]


def test_without_javascript_all_parts_are_there_and_tabs_are_links(tabbed):
    path = browser.find()
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        page = chromium.new_page(java_script_enabled=False)
        page.goto(tabbed.as_uri())
        assert shown(page) == ["run", "data", "search"]
        assert page.get_by_role("link", name="Search").is_visible()
        chromium.close()
