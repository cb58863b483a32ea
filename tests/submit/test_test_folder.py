"""Rows and slices of test folders in every state."""

import tracemalloc

import cv2
import numpy as np
import pytest

from competition.core.data import images
from competition.submit import test_folder

CLASSES = ("bowel", "stomach")


@pytest.fixture
def folder(tmp_path):
    """A scan of three slices of 4 x 5 pixels, filled with 10, 20 and 30."""
    for number in (1, 2, 3):
        write(tmp_path, number, (4, 5), 10 * number)
    return tmp_path


def write(folder, number, shape, value):
    scans = folder / "test" / "case1" / "case1_day0" / "scans"
    scans.mkdir(parents=True, exist_ok=True)
    path = scans / f"slice_{number:04}_{shape[1]}_{shape[0]}_1.50_1.50.png"
    cv2.imwrite(str(path), np.full(shape, value, np.uint16))
    return path


def ask(folder, *pairs):
    lines = ["id,class,predicted", *(f"{id},{name}," for id, name in pairs)]
    (folder / "sample_submission.csv").write_text("\n".join(lines) + "\n")


def read(folder):
    return test_folder.read(folder, images.find_with_problems(folder, "test")[0])


def kinds(faults):
    return [fault.kind for fault in faults]


def test_without_a_sample_every_class_of_every_slice_has_a_row(folder):
    test = test_folder.find(folder, CLASSES)
    assert len(test.rows) == 6
    assert test.rows[1] == ("case1_day0_slice_0001", "stomach")
    assert list(test.scans) == ["case1_day0"]
    assert not test.faults


def test_rows_and_images_that_do_not_match_are_told(folder):
    ask(folder, ("case1_day0_slice_0002", "bowel"), ("case9_day9_slice_0001", "liver"))
    test = test_folder.find(folder, CLASSES)
    assert len(test.rows) == 2
    assert len(test.scans["case1_day0"]) == 3, "its slices are each other's neighbours"
    assert kinds(test.faults) == [
        "unknown class", "id without image", "image without id",
    ]  # fmt: skip
    assert "2 test slices have no row" in test.faults[2].text


def test_an_id_of_any_form_is_answered(folder):
    ask(folder, ("what is this", "bowel"), ("case1_day0_slice_0001", "bowel"))
    assert test_folder.find(folder, CLASSES).rows[0] == ("what is this", "bowel")


def test_a_sample_that_is_no_table_is_passed_over(folder):
    (folder / "sample_submission.csv").write_bytes(b"\xff\xfe\x00")
    test = test_folder.find(folder, CLASSES)
    assert len(test.rows) == 6
    assert "cannot be read" in test.faults[0].text


def test_an_unreadable_slice_looks_like_its_nearest_neighbour(folder):
    path = write(folder, 3, (4, 5), 30)
    path.write_bytes(b"GIF89a")
    scan, faults = read(folder)
    assert scan.volume[:, 0, 0].tolist() == [10, 20, 20]
    assert scan.sizes == [(4, 5)] * 3
    assert kinds(faults) == ["damaged slice"]


def test_a_link_that_leads_nowhere_is_a_slice_that_stays_damaged(folder):
    path = write(folder, 3, (4, 5), 30)
    path.unlink()
    path.symlink_to(folder / "nowhere.png")
    _, faults = read(folder)
    assert kinds(faults) == ["damaged slice"]


def test_a_slice_of_another_size_is_cut_and_keeps_its_own_size(folder):
    write(folder, 4, (6, 3), 40)
    scan, faults = read(folder)
    assert scan.volume.shape == (4, 4, 5)
    assert scan.volume[3].tolist() == [[0, 40, 40, 40, 0]] * 4
    assert scan.sizes[3] == (6, 3)
    assert kinds(faults) == ["odd slice"]


def test_an_unreadable_slice_of_another_size_stays_empty(folder):
    path = write(folder, 4, (6, 3), 40)
    path.write_bytes(path.read_bytes()[:-8])
    assert read(folder)[0].sizes[3] is None


def test_a_scan_without_any_readable_slice_has_no_volume(folder):
    for image in images.find_with_problems(folder, "test")[0]:
        (folder / image.path).write_bytes(b"")
    scan, faults = read(folder)
    assert scan.volume is None and not scan.sizes
    assert faults[-1].text.startswith("case1_day0: no slice can be read")


def test_a_scan_that_would_fill_the_memory_is_refused_unread(tmp_path):
    folder = tmp_path / "test" / "case1" / "case1_day0" / "scans"
    folder.mkdir(parents=True)
    for number in range(1, 130):
        (folder / f"slice_{number:04}_4096_4096_1.50_1.50.png").touch()
    tracemalloc.start()
    try:
        scan, faults = read(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert scan.volume is None and peak < 10**6
    assert kinds(faults) == ["large scan"]
    assert "received 129 slices that need 4.0 GiB" in faults[0].text


def test_the_state_changes_with_a_file_and_bears_its_loss(folder):
    test = test_folder.find(folder, CLASSES)
    before = test_folder.state(folder, test)
    (folder / test.scans["case1_day0"][1].path).unlink()
    after = test_folder.state(folder, test)
    assert before != after
    assert after[1][1][1:] == (0, 0)
