"""Pictures: which slices are taken, and that what is drawn is there."""

import cv2
import numpy as np
import pytest

from competition.core import masks, probabilities
from competition.core.pages import pictures
from tests import by_hand

AMBER = (255, 176, 0)


@pytest.fixture
def scored(tmp_path):
    return by_hand.scored_run(tmp_path)


def decoded(png):
    """The RGB pixels (H, W, 3) of a PNG."""
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def box(value):
    bits = np.zeros((16, 20), np.uint8)
    bits[4:10, 2:8] = value
    return bits


def shown(truth, predicted):
    grey = np.full((16, 20), 0.5)
    return pictures.SlicePicture("case1_day0", 1, grey, truth, predicted, 1.0)


def near(image, colour):
    """How many pixels are close to a colour."""
    return (np.abs(image.astype(int) - colour).max(axis=-1) < 24).sum()


def test_slices_are_chosen_among_those_with_a_mask(scored):
    chosen = pictures.choose(*scored, "case2_day0")
    assert [one.number for one in chosen] == [2, 3, 4]
    assert chosen[0].grey.tolist() == np.full((16, 20), 0.5).tolist()
    assert masks.plane(chosen[0].truth, 1).sum() == 36
    assert (np.roll(chosen[0].truth, 1, axis=0) == chosen[0].predicted).all()


def test_without_any_mask_slices_are_chosen_among_all(scored):
    dataset, run = scored
    np.save(dataset.masks("case1_day0"), np.zeros(by_hand.SHAPE, np.uint8))
    nothing = probabilities.prediction(np.zeros((*by_hand.SHAPE, 2), np.uint8))
    probabilities.write(run.files.oof("case1_day0"), nothing, digest="hand")
    chosen = pictures.choose(dataset, run, "case1_day0")
    assert [one.number for one in chosen] == [2, 3, 4]


def test_more_slices_than_there_are_gives_each_once(scored):
    chosen = pictures.choose(*scored, "case1_day0", count=9)
    assert [one.number for one in chosen] == [2, 3, 4]


def test_without_any_mask_slices_are_taken_evenly():
    assert pictures.spread(np.zeros(9, bool), 3) == [2, 4, 6]


def test_the_truth_is_outlined_in_the_colour_of_its_class():
    image = decoded(pictures.slice(shown(box(1), box(0)), classes=2))
    rows, columns = np.nonzero(np.abs(image.astype(int) - AMBER).max(axis=-1) < 24)
    pixel = image.shape[1] / 20
    assert image.shape[0] / 16 == pytest.approx(pixel, rel=0.01)
    edges = rows.min() / pixel, rows.max() / pixel, columns.min() / pixel
    # The outline runs half a pixel outside the centres of the box's own pixels.
    assert edges == pytest.approx((4, 10, 2), abs=0.35)


def test_a_dashed_outline_is_shorter_than_a_solid_one():
    solid = decoded(pictures.slice(shown(box(1), box(0)), classes=1))
    dashed = decoded(pictures.slice(shown(box(0), box(1)), classes=1))
    tint = [round(255 * part) for part in (1.0, 0.892, 0.65)]
    assert 0 < near(dashed, tint) < 0.9 * near(solid, AMBER)


def test_the_outline_of_what_touches_the_edge_keeps_the_picture_whole():
    everything = np.ones((16, 20), np.uint8)
    image = decoded(pictures.slice(shown(everything, box(0)), classes=1))
    inner = image[30:-30, 30:-30].astype(int)
    assert np.abs(inner - 128).max() < 8
    assert np.abs(image[200, 4:8].astype(int) - 128).max() < 8
    assert near(image, AMBER) > 0


def test_nothing_to_outline_draws_the_slice_alone():
    image = decoded(pictures.slice(shown(box(0), box(0)), classes=1))
    assert np.ptp(image) == 0


def test_a_contact_sheet_has_a_row_a_scan(scored):
    one = decoded(pictures.contact_sheet(*scored, ["case1_day0"]))
    two = decoded(pictures.contact_sheet(*scored, ["case1_day0", "case3_day0"]))
    assert one.shape[1] == two.shape[1]
    assert two.shape[0] > 1.7 * one.shape[0]
    assert near(two, AMBER) > near(one, AMBER) > 0


def test_scans_of_one_slice_share_a_row(scored, monkeypatch):
    one_row = decoded(pictures.contact_sheet(*scored, ["case1_day0"]))
    choose = pictures.choose
    monkeypatch.setattr(pictures, "choose", lambda *a, **k: choose(*a, **k)[:1])
    names = ["case1_day0", "case2_day0", "case3_day0"]
    assert decoded(pictures.contact_sheet(*scored, names)).shape == one_row.shape


def test_a_contact_sheet_with_too_few_slices_is_black_there(scored):
    image = decoded(pictures.contact_sheet(*scored, ["case1_day0"], count=4))
    assert image[: image.shape[0] * 3 // 4, -image.shape[1] // 5 :].max() == 0


def test_the_same_run_gives_the_same_bytes(scored):
    sheets = [pictures.contact_sheet(*scored, ["case1_day0"]) for _ in range(2)]
    assert sheets[0] == sheets[1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["$\\frac$", "_hidden", "a$b", "<i>"])
def test_a_class_name_is_no_formula(tmp_path, name):
    scored = by_hand.scored_run(tmp_path, classes=("bowel", name))
    assert pictures.contact_sheet(*scored, ["case1_day0"], count=1)
