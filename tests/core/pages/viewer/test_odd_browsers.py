"""The viewer where something is missing, and where people are quick."""

import pytest

from tests import browser
from tests.core.pages.viewer.in_browser import WORST, ask, ready, written


@pytest.fixture
def fresh(page):
    """Open a page in a context of its own: (path, **options) to the page."""
    made = []

    def open_(path, script="", **options):
        made.append(page.context.browser.new_context(**options))
        one = made[-1].new_page()
        if script:
            one.add_init_script(script)
        one.goto(path.as_uri())
        return one

    yield open_
    for context in made:
        context.close()


def test_without_scripts_a_sentence_stands_for_the_viewer(fresh, scans, tmp_path):
    one = fresh(written(tmp_path / "page.html", scans), java_script_enabled=False)
    shown = one.locator("section.viewer")
    assert shown.inner_text().strip() == (
        "To look through the scans, allow JavaScript on this page; it fetches nothing."
    )
    assert one.locator("canvas:visible").count() == 0


def test_an_old_browser_is_told_what_it_lacks(fresh, scans, tmp_path):
    path = written(tmp_path / "page.html", scans)
    one = fresh(path, "delete window.DecompressionStream")
    one.wait_for_selector("section.viewer[data-state=failed]")
    said = one.inner_text("[data-part=failure]")
    assert said == (
        "This browser cannot show the scan: DecompressionStream is not defined. "
        "Use one of the last three years."
    )


def test_the_scan_that_was_asked_for_last_is_shown(page):
    for number in (1, 0, 1, 0, 1):
        page.select_option("[data-part=scan]", str(number))
    ready(page)
    page.wait_for_timeout(200)
    assert page.input_value("[data-part=scan]") == "1"
    texts = "[...viewer.root.querySelectorAll('script.scan')].map(s => s.textContent)"
    assert (
        ask(
            page,
            f"{texts}.findIndex(t => JSON.parse(t).image.data === "
            "viewer.scan.image.data)",
        )
        == 1
    )


def test_the_heat_map_that_was_asked_for_last_is_shown(page):
    # The first one takes longer to unpack than the second.
    slow = (
        "const through = ReadableStream.prototype.pipeThrough; let first = true;"
        "ReadableStream.prototype.pipeThrough = function (...a) {"
        "  if (!first) return through.apply(this, a);"
        "  first = false;"
        "  const wait = () => new Promise(done => setTimeout(done, 150));"
        "  const slow = new TransformStream({ flush: wait });"
        "  return through.apply(through.apply(this, a), [slow]); };"
    )
    page.evaluate(f"() => {{ {slow} }}")
    page.select_option("[data-part=heat]", label="stomach")
    page.select_option("[data-part=heat]", label="none")
    page.wait_for_timeout(300)
    assert ask(page, "viewer.heat") is None


def test_the_cross_hair_points_at_what_is_wrong(page):
    assert ask(page, "viewer.at[0]") == WORST
    assert ask(page, "viewer.labels('truth')") != ask(
        page, "viewer.labels('prediction')"
    )


def test_printing_keeps_the_shape_of_the_picture(page):
    page.emulate_media(media="print")
    fit = "getComputedStyle(viewer.views[0].canvas).objectFit"
    assert ask(page, fit) == "contain"
    page.emulate_media(media="screen")


def test_a_window_of_another_size_shows_the_same_place(page):
    page.click("[data-part=in]")
    page.click("[data-part=in]")
    at, moved = ask(page, "[viewer.at, viewer.views[0].moved]")
    page.set_viewport_size({"width": 700, "height": 500})
    browser.until(page, "document.querySelector('canvas').width < 600")
    assert ask(page, "[viewer.at, viewer.views[0].moved]") == [at, moved]
    page.set_viewport_size({"width": 1200, "height": 900})
