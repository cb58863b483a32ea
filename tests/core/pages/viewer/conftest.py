"""A page with the viewer in a browser."""

import pytest

from tests import browser
from tests.core.pages.viewer import in_browser


@pytest.fixture(scope="module")
def scans():
    return in_browser.made()


@pytest.fixture(scope="module")
def opened(scans, tmp_path_factory):
    path = tmp_path_factory.mktemp("viewer") / "page.html"
    with browser.opened(in_browser.written(path, scans)) as page:
        in_browser.ready(page)
        yield page


@pytest.fixture
def page(opened):
    """The page as it opened."""
    for box in opened.query_selector_all("input[type=checkbox]"):
        box.check()
    opened.check("input[value=point]")
    opened.evaluate("() => document.activeElement.blur()")
    in_browser.ask(opened, "viewer.reset()")
    in_browser.ask(opened, "viewer.open(0)")
    in_browser.ready(opened)
    return opened
