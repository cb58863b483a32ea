"""Pointers of the viewer in a browser: fingers, a mouse that leaves, the wheel."""

import pytest

from tests import browser
from tests.core.pages.viewer.in_browser import SHAPE, WORST, ask, ready, written


@pytest.fixture(scope="module")
def touched(opened, scans, tmp_path_factory):
    """The same page on a telephone, with fingers: (page, touch)."""
    path = tmp_path_factory.mktemp("touch") / "page.html"
    written(path, scans)
    complaints = []
    with opened.context.browser.new_context(
        viewport=browser.PHONE, has_touch=True, is_mobile=True
    ) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        ready(page)
        session = context.new_cdp_session(page)

        def touch(kind, *points):
            places = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
            session.send(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": places}
            )

        yield page, touch
    assert complaints == []


@pytest.fixture
def phone(touched):
    page, touch = touched
    ask(page, "viewer.reset()")
    page.check("input[value=point]")
    ask(page, "viewer.open(0)")
    ready(page)
    page.evaluate("window.scrollTo(0, 0)")
    page.locator("canvas[data-axis='0']").scroll_into_view_if_needed()
    box = page.locator("canvas[data-axis='0']").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return page, touch, middle


def pinch(touch, middle, apart, *, to):
    """Put two fingers `apart` beside the middle and draw them to another distance."""
    x, y = middle
    touch("touchStart", (x - apart, y))
    touch("touchStart", (x - apart, y), (x + apart, y))
    for step in range(1, 6):
        now = apart + (to - apart) * step / 5
        touch("touchMove", (x - now, y), (x + now, y))
    touch("touchEnd", (x - to, y))
    touch("touchMove", (x - to + 30, y + 30))
    touch("touchEnd")


def test_two_fingers_zoom_about_what_lies_between_them(phone):
    page, touch, (x, y) = phone
    beside = {"clientX": x + 20, "clientY": y - 10}
    here = "viewer.views[0].voxelAt(it, viewer.scan, viewer.at)"
    before, at, window = (
        ask(page, here, beside),
        *ask(page, "[viewer.at, viewer.window]"),
    )
    pinch(touch, (x + 20, y - 10), 20, to=60)
    assert ask(page, "viewer.views.map(v => v.zoom)") == pytest.approx([3, 3, 3])
    assert ask(page, here, beside) == before
    # Neither finger moved the cross-hair, and the page itself was not zoomed.
    assert ask(page, "[viewer.at, viewer.window]") == [at, window]
    assert page.evaluate("visualViewport.scale") == 1
    pinch(touch, (x, y), 60, to=5)
    assert ask(page, "viewer.views.map(v => [v.zoom, v.moved])") == [[1, [0, 0]]] * 3


def test_two_fingers_move_the_picture(phone):
    page, touch, (x, y) = phone
    pinch(touch, (x, y), 20, to=60)
    before = ask(page, "viewer.views[0].moved")
    touch("touchStart", (x - 30, y))
    touch("touchStart", (x - 30, y), (x + 30, y))
    touch("touchMove", (x - 10, y + 20), (x + 50, y + 20))
    touch("touchEnd")
    after = ask(page, "viewer.views[0].moved")
    assert after[0] > before[0] and after[1] > before[1]
    assert ask(page, "viewer.views[0].zoom") == pytest.approx(3)


def test_a_tap_points_and_a_finger_across_drags_the_cross_hair(phone):
    page, touch, (x, y) = phone
    touch("touchStart", (x, y))
    touch("touchEnd")
    tapped = ask(page, "viewer.at")
    assert tapped == [WORST, 20, 26]
    touch("touchStart", (x, y))
    for step in range(1, 6):
        touch("touchMove", (x + 12 * step, y))
    touch("touchEnd")
    assert ask(page, "viewer.at[2]") > tapped[2]


def test_a_finger_that_scrolls_the_page_leaves_the_cross_hair(phone):
    page, touch, (x, y) = phone
    at, before = ask(page, "viewer.at"), page.evaluate("scrollY")
    page.evaluate("document.body.style.height = '3000px'")
    touch("touchStart", (x, y))
    for step in range(1, 11):
        touch("touchMove", (x, y - 12 * step))
    touch("touchEnd")
    browser.until(page, "before => scrollY > before", before)
    assert ask(page, "viewer.at") == at


def test_a_drag_that_leaves_the_canvas_stays_in_the_scan(page):
    box = page.locator("canvas[data-axis='0']").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(-500, -500)
    assert ask(page, "viewer.at") == [WORST, 0, 0]
    page.mouse.move(5000, 5000)
    page.mouse.up()
    assert ask(page, "viewer.at") == [WORST, SHAPE[1] - 1, SHAPE[2] - 1]
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    assert ask(page, "viewer.at") == [WORST, SHAPE[1] - 1, SHAPE[2] - 1]


def test_a_picture_can_be_lost_by_no_drag_and_no_zoom(page):
    page.check("input[value=pan]")
    box = page.locator("canvas[data-axis='0']").bounding_box()
    for _ in range(12):
        page.click("[data-part=in]")
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(9000, 9000)
    page.mouse.up()
    assert ask(page, "viewer.views[0].zoom") == 16
    middle = {
        "clientX": box["x"] + box["width"] / 2,
        "clientY": box["y"] + box["height"] / 2,
    }
    place = ask(page, "viewer.views[0].place(viewer.scan.shape, viewer.scan.spacing)")
    canvas = ask(page, "[viewer.views[0].canvas.width, viewer.views[0].canvas.height]")
    assert place["left"] <= canvas[0] / 2 and place["top"] <= canvas[1] / 2
    found = ask(page, "viewer.views[0].voxelAt(it, viewer.scan, viewer.at)", middle)
    assert found == [WORST, 0, 0]


def test_zoom_keeps_the_cross_hair_where_it_is(page):
    ask(page, "(viewer.at = [2, 5, 45], viewer.draw())")
    cross = (
        "(p => [p.left + 45.5 * p.scaleX, p.top + 5.5 * p.scaleY])"
        "(viewer.views[0].place(viewer.scan.shape, viewer.scan.spacing))"
    )
    before = ask(page, cross)
    page.click("[data-part=in]")
    assert ask(page, cross) == pytest.approx(before)


def test_the_wheel_scrolls_slices_and_at_the_last_one_the_page(page):
    page.evaluate("document.body.style.height = '4000px'")
    page.locator("canvas[data-axis='0']").hover()
    before = page.evaluate("scrollY")
    for expected in (WORST + 1, WORST + 2):
        page.mouse.wheel(0, 100)
        browser.until(
            page, "z => document.querySelector('.viewer').viewer.at[0] === z", expected
        )
    assert page.evaluate("scrollY") == before
    page.mouse.wheel(0, 100)
    browser.until(page, "before => scrollY > before", before)
    assert ask(page, "viewer.at[0]") == SHAPE[0] - 1
    page.evaluate("(document.body.style.height = '', scrollTo(0, 0))")


def test_a_smooth_wheel_takes_a_slice_for_several_small_steps(page):
    page.locator("canvas[data-axis='0']").hover()
    for _ in range(9):
        page.mouse.wheel(0, -5)
    browser.until(page, "document.querySelector('.viewer').viewer.at[0] === 5")
