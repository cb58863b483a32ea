"""The viewer in a browser: what it shows of arrays that are known."""

import dataclasses

import numpy as np
import pytest

from competition.core.pages import stages
from competition.core.pages.viewer import scan_view
from tests import browser
from tests.core.pages.viewer.in_browser import (
    CLASSES,
    SHAPE,
    WORST,
    ask,
    picture,
    ready,
    written,
)


def test_it_opens_at_the_worst_slice(page):
    assert ask(page, "viewer.at[0]") == WORST
    assert page.inner_text("[data-part=number]").startswith(f"slice {11 + WORST} ")


def test_values_and_labels_are_those_of_the_arrays(page, scans):
    random = np.random.default_rng(1)
    voxels = [[int(random.integers(size)) for size in SHAPE] for _ in range(100)]
    found = ask(
        page,
        "it.map(at => { viewer.at = at; return "
        "[viewer.value(), viewer.labels('truth'), viewer.labels('prediction')]; })",
        voxels,
    )
    one = scans[0]
    for at, (value, truth, predicted) in zip(map(tuple, voxels), found, strict=True):
        assert value == min(one.scan[at], np.ceil(np.percentile(one.scan, 99.9)))
        assert truth == named(one.truth[at])
        assert predicted == named(one.stages["gate"][at])


def named(bits):
    return [name for index, name in enumerate(CLASSES) if bits >> index & 1]


def test_a_click_goes_to_the_voxel_under_it_in_all_planes(page):
    canvas = page.locator("canvas[data-axis='0']")
    box = canvas.bounding_box()
    # 52 columns of 1.5 mm in the width of the canvas, or 40 rows in its height.
    scale = min(box["width"] / 52, box["height"] / 40)
    left = (box["width"] - 52 * scale) / 2
    top = (box["height"] - 40 * scale) / 2
    before = [picture(page, axis) for axis in (1, 2)]
    canvas.click(position={"x": left + 35.5 * scale, "y": top + 20.5 * scale})
    assert ask(page, "viewer.at") == [WORST, 20, 35]
    assert "row 20, column 35" in page.inner_text("[data-part=readout]")
    assert [picture(page, axis) for axis in (1, 2)] != before
    coronal = page.locator("canvas[data-axis='1']")
    box = coronal.bounding_box()
    scale = min(box["width"] / (52 * 1.5), box["height"] / (9 * 3))
    top = (box["height"] - 27 * scale) / 2
    coronal.click(position={"x": box["width"] / 2, "y": top + 2.5 * 3 * scale})
    assert ask(page, "viewer.at.slice(0, 2)") == [2, 20]
    assert page.inner_text("[data-part=number]").startswith("slice 13")


def test_arrow_keys_move_the_slice(page):
    for keys, expected in [("ArrowRight", 7), ("ArrowLeft", 6), ("ArrowRight", 7)]:
        page.keyboard.press(keys)
        assert ask(page, "viewer.at[0]") == expected
    page.focus("[data-part=slice]")
    page.keyboard.press("Home")
    assert ask(page, "viewer.at[0]") == 0
    page.keyboard.press("ArrowDown")
    assert ask(page, "viewer.at[0]") == 1
    page.keyboard.press("End")
    assert ask(page, "viewer.at[0]") == SHAPE[0] - 1


def test_the_button_and_its_key_go_back_to_the_worst_slice(page):
    for go in (
        lambda: page.click("[data-part=worst]"),
        lambda: page.keyboard.press("w"),
    ):
        ask(page, "viewer.go(0)")
        go()
        assert ask(page, "viewer.at[0]") == WORST


@pytest.mark.parametrize(
    "box", ["data-line=truth", "data-line=prediction", "data-class='0'"]
)
def test_what_is_unchecked_is_not_drawn(page, box):
    before = picture(page)
    page.uncheck(f"input[{box}]")
    assert picture(page) != before
    page.check(f"input[{box}]")
    assert picture(page) == before


def test_without_classes_and_lines_the_slice_is_grey(page):
    for box in page.query_selector_all("input[type=checkbox]"):
        box.uncheck()
    ask(page, "viewer.go(0)")
    colours = page.evaluate(
        "() => { const c = document.querySelector('canvas[data-axis=\"0\"]'); "
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; "
        "let most = 0; for (let i = 0; i < d.length; i += 4) "
        "most = Math.max(most, Math.abs(d[i] - d[i + 1]), Math.abs(d[i] - d[i + 2])); "
        "return most; }"
    )
    assert colours == 0


def test_dragging_changes_the_window(page):
    page.check("input[value=window]")
    before, at = ask(page, "viewer.window"), ask(page, "viewer.at")
    image = picture(page)
    box = page.locator("canvas[data-axis='0']").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 200, steps=3)
    page.mouse.up()
    after = ask(page, "viewer.window")
    assert after["high"] - after["low"] < before["high"] - before["low"]
    assert ask(page, "viewer.at") == at
    assert picture(page) != image
    page.click("[data-part=reset]")
    assert ask(page, "viewer.window") == before
    assert picture(page) == image


def test_zoom_and_pan_move_the_picture_alone(page):
    before, at = picture(page), ask(page, "viewer.at")
    page.click("[data-part=in]")
    zoomed = picture(page)
    page.check("input[value=pan]")
    box = page.locator("canvas[data-axis='0']").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 220)
    page.mouse.up()
    assert len({before, zoomed, picture(page)}) == 3
    assert ask(page, "viewer.at") == at
    page.click("[data-part=reset]")
    assert picture(page) == before


def test_a_part_of_the_rule_is_switched(page, scans):
    final = picture(page)
    page.select_option("[data-part=stage]", label="threshold")
    browser.until(
        page, "before => document.querySelector('canvas').toDataURL() !== before", final
    )
    at = (WORST, 20, 15)
    labels = ask(page, "(viewer.at = it, viewer.labels('prediction'))", list(at))
    assert labels == named(scans[0].stages["threshold"][at])
    page.select_option("[data-part=stage]", label="gate (final)")


def test_a_heat_map_lies_over_the_slice(page, scans):
    before = picture(page)
    page.select_option("[data-part=heat]", label="stomach")
    browser.until(
        page,
        "before => document.querySelector('canvas').toDataURL() !== before",
        before,
    )
    at = tuple(ask(page, "viewer.at"))
    expected = np.rint(int(scans[0].heats["stomach"][at]) * 31 / 255) / 31
    assert f"heat {expected:.2f}" in page.inner_text("[data-part=readout]")


def test_another_scan_is_opened_from_the_list(page):
    page.select_option("[data-part=scan]", label="case2_day0")
    ready(page)
    assert ask(page, "viewer.about.classes.length") == 3
    assert page.input_value("[data-part=scan]") == "1"


def test_the_slider_says_how_the_slice_stands(page):
    words = page.get_attribute("[data-part=slice]", "aria-valuetext")
    assert words.startswith(f"slice {11 + WORST}. large_bowel: Dice 0.")


def test_names_stay_text(page):
    assert page.inner_text("h1") == "<b>page</b>"
    assert "<script>alert(1)</script>" in page.inner_text("section.viewer")


def test_people_who_see_or_use_no_pointer_are_not_hindered(page):
    assert browser.serious(page) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(page, scans, tmp_path, scheme):
    path = written(tmp_path / "phone.html", scans)
    with page.context.browser.new_context(
        viewport=browser.PHONE, color_scheme=scheme
    ) as phone:
        one = phone.new_page()
        one.goto(path.as_uri())
        ready(one)
        assert one.evaluate("() => document.documentElement.scrollWidth") == 390
        assert browser.serious(one) == {}


@pytest.mark.parametrize("size", [browser.WIDE, browser.PHONE])
def test_the_longest_name_of_a_stage_can_be_read(page, scans, tmp_path, size):
    longest = max(stages.WORDS.values(), key=len)
    named = [
        dataclasses.replace(each, stages={"raw": each.truth, longest: each.truth})
        for each in scans
    ]
    one = page.context.browser.new_page(viewport=size)
    one.goto(written(tmp_path / "page.html", named).as_uri())
    ready(one)
    chosen = one.locator("[data-part=stage]")
    assert chosen.locator("option:checked").inner_text() == f"{longest} (final)"
    width = "list => list.getBoundingClientRect().width"
    shown = chosen.evaluate(width)
    free = "position: absolute; max-width: none"
    chosen.evaluate("(list, style) => { list.style.cssText = style; }", free)
    assert shown == chosen.evaluate(width)
    one.close()


def test_a_photograph_without_truth_has_one_plane(page, tmp_path):
    photograph = scan_view.ScanView(
        title="image_1",
        numbers=[1],
        scan=np.arange(600, dtype=np.uint16).reshape(1, 20, 30),
        spacing=(1, 1, 1),
        stages={"submission": np.ones((1, 20, 30), np.uint8)},
    )
    path = written(
        tmp_path / "one.html",
        [photograph],
        classes=["vessel"],
        lines={"prediction": "submission"},
    )
    one = page.context.browser.new_page()
    one.goto(path.as_uri())
    ready(one)
    assert one.locator("figure:visible").count() == 1
    assert not one.locator("[data-part=along]").is_visible()
    assert "vessel: there" in one.inner_text("[data-part=verdicts]")
    one.close()
