"""The score of files: ids, classes and shapes from the truth and the PNGs."""

import struct

import numpy as np
import pytest

from competition import score
from competition.core import files, metric, probabilities, rle
from competition.core.data import mask_csv, slice_table
from tests import by_hand

HEADER = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
CLASSES = ("large_bowel", "stomach")
SCANS = {"case1_day0": ("train", (5, 8), 3), "case2_day3": ("test", (6, 4), 2)}


def id_of(scan, number):
    return f"{scan}_slice_{number:04d}"


@pytest.fixture
def data(tmp_path):
    """Scans whose PNGs are headers alone: the score reads no more of them."""
    for scan, (part, (height, width), count) in SCANS.items():
        folder = tmp_path / "data" / part / scan.split("_")[0] / scan / "scans"
        folder.mkdir(parents=True)
        size = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
        for number in range(1, count + 1):
            name = f"slice_{number:04d}_{width}_{height}_1.50_1.50.png"
            (folder / name).write_bytes(HEADER + size + bytes(4))
    return tmp_path / "data"


def draw(seed):
    """Random masks {scan: (D, H, W, C)}."""
    rng = np.random.default_rng(seed)
    return {
        scan: rng.random((count, *shape, len(CLASSES))) < 0.3
        for scan, (_, shape, count) in SCANS.items()
    }


@pytest.fixture
def table(tmp_path):
    def write(name, volumes, column="predicted", keep=lambda row: True):
        texts = {
            (id_of(scan, number), class_name): rle.encode(planes[..., c])
            for scan, volume in volumes.items()
            for number, planes in enumerate(volume, start=1)
            for c, class_name in enumerate(CLASSES)
        }
        rows = [mask_csv.Row(0, *key, text) for key, text in texts.items()]
        path = tmp_path / name
        mask_csv.write(path, filter(keep, rows), column=column)
        return path

    return write


def test_a_perfect_submission_scores_one_from_either_column(table, data):
    truth = table("train.csv", draw(1), "segmentation")
    result = score.of_submission(truth, table("submission.csv", draw(1)), data=data)
    assert result["score_per_class"] == result["score_merged"] == 1
    assert result["dice"] == result["iou"] == result["iou_3d"] == 1
    assert set(result["by_scan"]) == set(SCANS)
    assert set(result["by_class"]) == set(CLASSES)


def test_files_score_as_their_masks_do(table, data):
    truth, predicted = draw(1), draw(2)
    paths = table("truth.csv", truth), table("submission.csv", predicted)
    weights = np.array([1, 2])
    expected = metric.summarise(
        {
            scan: metric.measure(
                (truth[scan] @ weights).astype(np.uint8),
                (predicted[scan] @ weights).astype(np.uint8),
                classes=2,
                spacing_mm=(3.0, 1.5, 1.5),
            )
            for scan in SCANS
        },
        CLASSES,
    )
    assert score.of_submission(*paths, data=data) == expected


def test_a_missing_row_is_empty(table, data):
    truth = table("truth.csv", draw(1))
    volumes = draw(1)
    volumes["case1_day0"][1, ..., 0] = False
    empty = table("empty.csv", volumes)
    missing = table("missing.csv", volumes, keep=lambda row: row.rle)
    expected = score.of_submission(truth, empty, data=data)
    assert expected["dice"] == pytest.approx(9 / 10)
    assert score.of_submission(truth, missing, data=data) == expected


def test_depth_is_the_number_of_slices_in_the_truth(table, data):
    def two_slices(row):
        return row.id in (id_of("case1_day0", 1), id_of("case1_day0", 3))

    volumes = draw(1)
    volumes["case1_day0"][:] = False
    volumes["case1_day0"][0, 0, 0, 0] = True
    truth = table("truth.csv", volumes, keep=two_slices)
    volumes["case1_day0"][:, 0, 0, 0] = False, False, True
    predicted = table("submission.csv", volumes, keep=two_slices)
    distance = score.of_submission(truth, predicted, data=data)["hausdorff_per_class"]
    assert distance == pytest.approx(1 / np.sqrt(2**2 + 5**2 + 8**2))


def test_a_truth_without_rows_has_no_score(table, data):
    empty = table("empty.csv", {})
    result = score.of_submission(empty, empty, data=data)
    assert result["score_per_class"] is None and result["by_scan"] == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "case9_day0_slice_0001,stomach,",
            r"row 2: the id case9_day0_slice_0001 is not",
        ),
        ("case1_day0_slice_0001,liver,", r"expected one of the classes.*'liver'"),
        ("case1_day0_slice_0001,stomach,5 x", r"row 2 \(.*, stomach\): the RLE is not"),
        ("case1_day0_slice_0001,stomach,40 2", "outside the image of 40 pixels"),
    ],
)
def test_a_faulty_prediction_names_file_and_row(table, data, tmp_path, row, message):
    path = tmp_path / "submission.csv"
    path.write_text(f"id,class,predicted\n{row}\n")
    with pytest.raises(ValueError, match=message) as error:
        score.of_submission(table("truth.csv", draw(1)), path, data=data)
    assert str(error.value).startswith(f"{path}, row 2")


def test_an_id_without_an_image_is_an_error(table, data):
    truth = table("truth.csv", draw(1))
    next(data.glob("test/*/*/scans/slice_0002*")).unlink()
    message = r"truth\.csv, row 10: no image of case2_day3_slice_0002 under"
    with pytest.raises(ValueError, match=message):
        score.of_submission(truth, truth, data=data)


def test_a_slice_of_another_size_is_an_error(table, data):
    truth = table("truth.csv", draw(1))
    path = next(data.glob("train/*/*/scans/slice_0002*"))
    size = struct.pack(">IIBBBBB", 9, 5, 16, 0, 0, 0, 0)
    path.write_bytes(HEADER + size + bytes(4))
    message = r"slice_0002_8_5.*expected 8 x 5 pixels.*received 9 x 5\."
    with pytest.raises(ValueError, match=message):
        score.of_submission(truth, truth, data=data)


def test_out_of_fold_surfaces_are_as_far_apart_as_the_slice_table_says(tmp_path):
    dataset, run = by_hand.scored_run(tmp_path)
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), b"weights")

    def surfaces():
        by_scan = score.of_run(dataset, run, data=dataset.root)["oof"]["by_scan"]
        return [by_scan[scan]["bowel"]["surface_mm"] for scan in by_hand.OFF]

    same, one_row, three_rows = surfaces()
    # By a row of 1.5 mm, and by three, but surfaces lie upon each other in places.
    assert same == 0 and 0 < one_row < 1.5 and one_row < three_rows < 4.5
    table = slice_table.read(dataset)
    spacings = ["spacing_z_mm", "spacing_y_mm", "spacing_x_mm"]
    table[spacings] *= 2
    slice_table.write(dataset.slices, table)
    assert surfaces() == pytest.approx([0, 2 * one_row, 2 * three_rows])


def test_probabilities_of_exclusive_classes_are_calibrated_as_they_are(tmp_path):
    dataset, run = by_hand.scored_run(tmp_path)
    run = by_hand.exclusive(run)
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), b"weights")
    # Shares 0.2 and 0.4 of every pixel: against no class alone they are 0 and 0.5.
    volume = np.full((*by_hand.SHAPE, 2), [51, 102], np.uint8)
    for scan in by_hand.OFF:
        seen = probabilities.prediction(volume)
        probabilities.write(run.files.oof(scan), seen, digest=by_hand.MADE_BY)
    scores = score.of_run(dataset, run, data=dataset.root)["oof"]["calibration"]
    for name, expected in (("bowel", 0.2), ("stomach", 0.4)):
        (point,) = scores[name]["curve"]
        assert point["probability"] == pytest.approx(expected)


def test_a_truth_that_cannot_be_read_leaves_the_scores_as_they_were(tmp_path):
    dataset, run = by_hand.scored_run(tmp_path)
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), by_hand.WEIGHTS)
    files.write_text(run.files.submission, "id,class,predicted\n")
    kept = run.files.score.read_bytes()
    with pytest.raises(ValueError, match="no_truth"):
        score.of_run(dataset, run, data=dataset.root, truth=tmp_path / "no_truth.csv")
    assert run.files.score.read_bytes() == kept and not run.files.slices.exists()
