"""The pages in a browser: nothing overflows, keyboard and screen reader get along."""

import pytest

from competition import report
from tests import browser


@pytest.fixture(params=["report.html", "against-other.html"])
def written(request, two_runs):
    dataset, run, _ = two_runs
    report.run(dataset, run)
    report.compare(dataset, run, "other")
    return run.files.root / request.param


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(written, scheme):
    with browser.opened(written, scheme=scheme) as page:
        assert browser.serious(page) == {}


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
