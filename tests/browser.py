"""Pages in a real browser: Debian's Chromium, where it is installed."""

import contextlib
import pathlib
import time

import pytest

from bench import chromium

WIDE, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}


def find():
    """Return the path of Chromium; without it, or without Playwright, skip the test."""
    pytest.importorskip("playwright.sync_api")
    found = chromium.find()
    if not found:
        pytest.skip("no Chromium is installed")
    return found


@contextlib.contextmanager
def opened(path, *, size=WIDE):
    """Open a page; what its scripts or its policy complain of fails the test."""
    found = find()
    from playwright import sync_api

    complaints, fetched = [], set()
    with sync_api.sync_playwright() as playwright:
        # A container has no user namespaces for the sandbox; the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=size)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.add(request.url.partition("#")[0]))
        page.goto(path.as_uri())
        yield page
        browser.close()
    assert complaints == []
    # The page itself is the one thing that is fetched.
    assert fetched == {path.as_uri()}


def until(page, expression, value=None, *, seconds=20):
    """Wait until JavaScript is true of a value; Playwright's own way needs eval."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, value):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(20)


def serious(page):
    """Return what axe-core finds that hinders people: rules and the elements."""
    axe = pytest.importorskip("axe_playwright_python")
    # Not by the package, which reads its script as the locale says: libraries set that.
    script = pathlib.Path(axe.__file__).with_name("axe.min.js")
    page.evaluate(script.read_text(encoding="utf-8"))
    return {
        violation["id"]: [node["html"][:120] for node in violation["nodes"]]
        for violation in page.evaluate("axe.run()")["violations"]
        if violation["impact"] in ("serious", "critical")
    }
