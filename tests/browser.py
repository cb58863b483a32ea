"""Pages in a real browser: Debian's Chromium, where it is installed."""

import contextlib
import shutil

import pytest

NAMES = "chromium", "chromium-browser", "google-chrome"
WIDE, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}


def find():
    """Return the path of Chromium; without it, or without Playwright, skip the test."""
    pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip("no Chromium is installed")
    return found


@contextlib.contextmanager
def opened(path, *, size=WIDE, scheme="light"):
    """Open a page; what its scripts or its policy complain of fails the test."""
    found = find()
    from playwright import sync_api

    complaints = []
    with sync_api.sync_playwright() as playwright:
        # A container has no user namespaces for the sandbox; the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=size, color_scheme=scheme)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(path.as_uri())
        # The page itself is the one thing that is fetched.
        complaints.remove(path.as_uri())
        yield page
        browser.close()
    assert complaints == []


def serious(page):
    """Return what axe-core finds that hinders people: rules and the elements."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    violations = axe.Axe().run(page).response["violations"]
    return {
        violation["id"]: [node["html"][:120] for node in violation["nodes"]]
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    }
