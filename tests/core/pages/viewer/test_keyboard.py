"""The viewer by its keys alone."""

from tests import browser
from tests.core.pages.viewer.in_browser import SHAPE, WORST, ask, picture, written


def test_on_a_plane_the_arrows_change_the_slice_of_that_plane(page):
    ask(page, "(viewer.at = [4, 20, 30], viewer.draw())")
    for axis, expected in ((0, [5, 20, 30]), (1, [5, 21, 30]), (2, [5, 21, 31])):
        page.focus(f"canvas[data-axis='{axis}']")
        page.keyboard.press("ArrowDown")
        assert ask(page, "viewer.at") == expected
    page.keyboard.press("End")
    assert ask(page, "viewer.at") == [5, 21, SHAPE[2] - 1]
    assert "row 21, column 51" in page.inner_text("[data-part=readout]")


def test_keys_that_scroll_the_page_scroll_it_until_the_viewer_is_chosen(page):
    page.evaluate("document.body.style.height = '4000px'")
    before = page.evaluate("scrollY")
    page.keyboard.press("End")
    browser.until(page, "before => scrollY > before", before)
    assert ask(page, "viewer.at[0]") == WORST
    page.evaluate("(document.body.style.height = '', scrollTo(0, 0))")


def test_letters_switch_outlines_and_numbers_classes(page):
    before = picture(page)
    for key in ("t", "p", "1"):
        page.keyboard.press(key)
        assert picture(page) != before
        page.keyboard.press(key)
        assert picture(page) == before
    page.keyboard.press("o")
    assert picture(page) == before


def test_keys_and_clicks_before_a_scan_is_there_do_nothing(page, scans, tmp_path):
    one = page.context.browser.new_page()
    complaints = []
    one.on("pageerror", lambda error: complaints.append(str(error)))
    # As if unpacking took forever.
    one.add_init_script(
        "DecompressionStream = class { constructor() { halt(); } };"
        "function halt() { throw new Error('not today'); }"
    )
    one.goto(written(tmp_path / "page.html", scans).as_uri())
    one.wait_for_selector("section.viewer[data-state=failed]")
    assert len(complaints) == 1
    for key in ("ArrowRight", "w", "t", "+", "1", "p"):
        one.keyboard.press(key)
    for part in ("worst", "in", "out", "reset", "strip"):
        one.click(f"[data-part={part}]", force=True)
    for axis in range(3):
        one.click(f"canvas[data-axis='{axis}']")
    one.mouse.wheel(0, 100)
    one.set_viewport_size({"width": 500, "height": 700})
    assert complaints == complaints[:1]
    one.close()
