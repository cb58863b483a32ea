"""Volumes to a competition folder and back, voxel by voxel."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial import transform

from competition.core import files, rle
from competition.core.data import images, limits, mask_csv, png
from competition.sources import convert
from competition.sources.convert import volumes
from tests.sources import by_slices

SIZE = (3, 4, 5)
STRAIGHT = volumes.VolumeGeometry(
    SIZE, (1.0, 1.5, 2.5), (0.0,) * 3, tuple(np.eye(3).ravel())
)
IMAGE = np.arange(60, dtype=np.int16).reshape(5, 4, 3) - 10
LABEL = (np.arange(60, dtype=np.uint8).reshape(5, 4, 3) // 7) % 3


def make(root, *, names=("a", "b"), image=IMAGE, label=LABEL, dataset=None):
    """Write images and labels in Decathlon's layout; return both folders."""
    folders = root / "imagesTr", root / "labelsTr"
    for folder, array in zip(folders, (image, label), strict=True):
        folder.mkdir(parents=True)
        for name in names:
            volumes.write(folder / f"{name}.nii.gz", array, STRAIGHT)
    if dataset:
        (root / "dataset.json").write_text(dataset)
    return folders


def texts(path):
    return {(row.id, row.class_name): row.rle for row in mask_csv.read(path, None)}


def test_a_volume_becomes_a_case_in_the_competitions_layout(tmp_path):
    made = convert.write(*make(tmp_path), out=tmp_path / "out")
    assert made == {
        "train": 2, "test": 0, "slices": 10, "classes": ["label_1", "label_2"],
    }  # fmt: skip
    found = images.find(tmp_path / "out", "train")
    assert [image.id for image in found[4:6]] == [
        "case1_day0_slice_0005",
        "case2_day0_slice_0001",
    ]
    assert found[0].path.endswith("case1_day0/scans/slice_0001_3_4_1.00_1.50.png")
    for image, expected, label in zip(found, IMAGE + 10, LABEL, strict=False):
        pixels = png.read(tmp_path / "out" / image.path, (4, 3))
        np.testing.assert_array_equal(pixels, expected)
        for value in (1, 2):
            text = texts(tmp_path / "out/train.csv")[image.id, f"label_{value}"]
            assert text == rle.encode(label == value)


def test_the_sidecar_keeps_what_slices_cannot(tmp_path):
    convert.write(*make(tmp_path), out=tmp_path / "out", axis="x")
    sidecar = json.loads((tmp_path / "out/geometry.json").read_text("utf-8"))
    assert sidecar["axis"] == "x"
    assert sidecar["classes"] == {"label_1": 1, "label_2": 2}
    scan = sidecar["scans"]["case2_day0"]
    assert scan["source"] == "b.nii.gz"
    assert scan["towards"] == "LIP"
    assert [scan[f"spacing_{axis}_mm"] for axis in "xyz"] == [1.5, 2.5, 1.0]
    assert scan["intensity"] == {"map": "shift", "shift": -10}
    assert scan["stored"]["size"] == [3, 4, 5]


def test_a_window_is_cut_out_of_every_volume(tmp_path):
    folders = make(tmp_path)
    with pytest.raises(ValueError, match=r"width above 0.* Received: 40 and 0\."):
        convert.write(*folders, out=tmp_path / "out", window=(40, 0))
    convert.write(*folders, out=tmp_path / "out", window=(0, 10))
    found = images.find(tmp_path / "out", "train")
    pixels = png.read(tmp_path / "out" / found[0].path, (4, 3))
    assert pixels.ravel()[[0, 5, 10]].tolist() == [0, 0, 32768]


def test_volumes_that_prepare_would_refuse_are_all_named_first(tmp_path):
    folders = make(tmp_path, names="abc", image=np.zeros((1, 4097, 2), np.int16))
    volumes.write(folders[0] / "a.nii.gz", IMAGE, STRAIGHT)
    pattern = (
        r"b\.nii\.gz: .* pixels a .* 2 x 4097\.[^\n]*\n.*c\.nii\.gz: .* 2 x 4097\."
    )
    with pytest.raises(ValueError, match=pattern):
        convert.write(*folders, out=tmp_path / "out")
    # Cut along y they are small, and only their labels do not fit.
    with pytest.raises(ValueError, match=r"b\.nii\.gz .* must have one geometry"):
        convert.write(*folders, out=tmp_path / "out", axis="y")
    like = convert.Settings(False, {"liver": 1})
    with pytest.raises(ValueError, match=pattern):
        convert.write_unlabelled(folders[0], out=tmp_path / "out", like=like)


def test_a_volume_that_fills_the_memory_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_LARGEST_GIB", 1e-7)
    with pytest.raises(ValueError, match=r"a\.nii\.gz: .* 5 slices that need 0\.0 GiB"):
        convert.write(*make(tmp_path), out=tmp_path / "out")


def test_the_sizes_of_a_series_are_known_before_it_is_read(tmp_path):
    array = np.zeros((5, 4, 3), np.uint16)
    by_slices.write_series(tmp_path / "a", array, STRAIGHT)
    assert volumes.read_header(tmp_path / "a").size == (3, 4, 5)


def test_too_many_names_are_refused_before_a_volume_is_read(tmp_path):
    labels = {f"part {n}": n for n in range(1, 18)}
    folders = make(tmp_path, dataset=json.dumps({"labels": labels}))
    (folders[0] / "a.nii.gz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"at most 16 labels above 0, received 17\."):
        convert.write(*folders, out=tmp_path / "out")


def test_test_volumes_follow_and_have_empty_rows(tmp_path):
    (tmp_path / "ts").mkdir()
    volumes.write(tmp_path / "ts/c_0000.nii", IMAGE, STRAIGHT)
    made = convert.write(*make(tmp_path), out=tmp_path / "out", test=tmp_path / "ts")
    assert (made["train"], made["test"]) == (2, 1)
    sample = texts(tmp_path / "out/sample_submission.csv")
    assert len(sample) == 10
    assert set(sample.values()) == {""}
    assert {image.case for image in images.find(tmp_path / "out", "test")} == {3}
    convert.restore(
        tmp_path / "out/sample_submission.csv",
        data=tmp_path / "out",
        out=tmp_path / "back",
    )
    assert not volumes.read(tmp_path / "back/c.nii.gz")[0].any()


def in_table(root, *rows):
    """Convert volumes a and b, and c of the test, by a table of these rows."""
    folders = make(root)
    (root / "ts").mkdir()
    volumes.write(root / "ts/c.nii", IMAGE, STRAIGHT)
    (root / "table.csv").write_text("\n".join(["file,case,day", *rows]) + "\n")
    table, out = root / "table.csv", root / "out"
    convert.write(*folders, out=out, test=root / "ts", table=table)
    return out


def test_a_table_says_which_volumes_are_of_one_case(tmp_path):
    out = in_table(tmp_path, "c.nii,9,0", "b.nii.gz,4,1", "a.nii.gz,4,2")
    scans = files.read_json(out / "geometry.json")["scans"]
    assert {scan: record["name"] for scan, record in scans.items()} == {
        "case4_day1": "b",
        "case4_day2": "a",
        "case9_day0": "c",
    }
    assert {image.scan for image in images.find(out, "test")} == {"case9_day0"}
    convert.restore(out / "train.csv", data=out, out=tmp_path / "back")
    for name in "ab":
        array = volumes.read(tmp_path / f"back/{name}.nii.gz")[0]
        np.testing.assert_array_equal(array, LABEL)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a.nii.gz,1,0", "b.nii.gz,1,1"], r"no row for 1 of 3 images: c\.nii\."),
        (["a.nii.gz,1,0", "b.nii.gz,1,0"], r"row 3: case 1, day 0 stands already in"),
        (
            ["a.nii.gz,1,0,1"],
            r"row 2: expected 3 fields \(file, case, day\), received 4",
        ),
    ],
    ids=["missing", "twice", "fields"],
)
def test_a_table_that_does_not_fit_the_volumes(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        in_table(tmp_path, *rows)


def test_without_a_test_the_sample_submission_is_its_header(tmp_path):
    convert.write(*make(tmp_path), out=tmp_path / "out")
    text = (tmp_path / "out/sample_submission.csv").read_text("utf-8")
    assert text == "id,class,predicted\n"


@pytest.mark.parametrize("axis", "xyz")
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), oblique=st.booleans())
def test_the_round_trip_is_exact(tmp_path_factory, axis, seed, oblique):
    rng = np.random.default_rng(seed)
    root = tmp_path_factory.mktemp("trip")
    matrix = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    if oblique:
        matrix = transform.Rotation.random(random_state=seed % 2**31).as_matrix()
        matrix[:, 2] *= rng.choice([-1, 1])
    shape = tuple(rng.integers(1, 7, 3).tolist())
    geometry = volumes.VolumeGeometry(
        shape[::-1],
        tuple(rng.uniform(0.3, 5, 3).tolist()),
        tuple(rng.uniform(-200, 200, 3).tolist()),
        tuple(matrix.ravel().tolist()),
    )
    label = rng.choice(np.array([0, 0, 1, 2, 300], np.int16), shape)
    label.flat[0] = 300
    for folder, array in (("i", rng.random(shape)), ("l", label)):
        (root / folder).mkdir()
        volumes.write(root / folder / "a.nii.gz", array, geometry)
    convert.write(root / "i", root / "l", out=root / "out", axis=axis)
    done = convert.restore(root / "out/train.csv", data=root / "out", out=root / "back")
    assert done == {"volumes": 1, "overlaps": 0, "missing": 0}
    back, lies = volumes.read(root / "back/a.nii.gz")
    np.testing.assert_array_equal(back, label)
    volumes.check_same((root, volumes.read(root / "l/a.nii.gz")[1]), (root, lies))


def test_a_dicom_series_makes_the_round_trip(tmp_path):
    turned = volumes.VolumeGeometry(
        SIZE, (1, 1.5, 2.5), (5, 6, 7), (0, 0, 1, 1, 0, 0, 0, 1, 0)
    )
    by_slices.write_series(tmp_path / "i/a", (IMAGE + 10).astype(np.uint16), turned)
    (tmp_path / "l").mkdir()
    volumes.write(tmp_path / "l/a.nii.gz", LABEL, turned)
    convert.write(tmp_path / "i", tmp_path / "l", out=tmp_path / "out")
    convert.restore(
        tmp_path / "out/train.csv", data=tmp_path / "out", out=tmp_path / "back"
    )
    back, lies = volumes.read(tmp_path / "back/a.nii.gz")
    np.testing.assert_array_equal(back, LABEL)
    volumes.check_same((tmp_path, turned), (tmp_path, lies))
    # Stored j grows to the head: four slices in z.
    assert len(images.find(tmp_path / "out", "train")) == 4


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "1": "Spleen", "2": "left kidney, upper"},
        {"background": 0, "Spleen": 1, "left kidney, upper": 2},
    ],
    ids=["Decathlon", "nnU-Net"],
)
def test_classes_are_named_by_dataset_json(tmp_path, labels):
    folders = make(tmp_path, dataset=json.dumps({"labels": labels}))
    made = convert.write(*folders, out=tmp_path / "out")
    assert made["classes"] == ["Spleen", "left kidney, upper"]
    rows = texts(tmp_path / "out/train.csv")
    upper = rows["case1_day0_slice_0002", "left kidney, upper"]
    assert upper == rle.encode(LABEL[1] == 2)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", 'expected "labels" such as'),
        ('{"labels": {"0": "background"}}', 'expected "labels" such as'),
        ('{"labels": {"1": "a", "2": "a"}}', "every number and name once"),
        ('{"labels": {"one": "a"}}', "a number and a name each, received 'one' and"),
        ('{"labels": {"1": "a\\nb"}}', "a number and a name each, received '1' and"),
        ('{"labels": {"whole": [1, 2]}}', r"received \[1, 2\] and 'whole'"),
        (
            '{"labels": {"1": "a"}}',
            r"a\.nii\.gz: .* dataset\.json, 1 \(a\), received 2\.",
        ),
    ],
)
def test_a_dataset_json_that_does_not_name_the_labels(tmp_path, dataset, message):
    folders = make(tmp_path, dataset=dataset)
    with pytest.raises(ValueError, match=message):
        convert.write(*folders, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"label": LABEL / 2}, r"a\.nii\.gz: expected whole .* received 0\.5"),
        ({"label": LABEL - np.int16(1)}, "whole numbers from 0 as labels, received -1"),
        ({"label": LABEL * np.nan}, r"labelsTr/a\.nii\.gz: expected finite numbers"),
        ({"label": LABEL * 0}, "labelsTr: expected labels above 0, received none"),
        (
            {"label": LABEL[1:]},
            r"imagesTr/a.* and .*labelsTr/a.* must have one geometry",
        ),
        (
            {"image": IMAGE + np.inf},
            r"imagesTr/a\.nii\.gz: expected finite .* in 60 vox",
        ),
    ],
    ids=["fractions", "negative", "NaN", "empty", "geometry", "infinite"],
)
def test_volumes_that_cannot_be_converted_leave_nothing(tmp_path, arrays, message):
    folders = make(tmp_path, **arrays)
    with pytest.raises(ValueError, match=message):
        convert.write(*folders, out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagesTr", "labelsTr"]


def test_whole_labels_may_be_kept_as_floats(tmp_path):
    folders = make(tmp_path, label=LABEL.astype(np.float32))
    made = convert.write(*folders, out=tmp_path / "out")
    assert made["classes"] == ["label_1", "label_2"]


def test_images_of_one_channel_go_with_labels_without_its_number(tmp_path):
    images_in, labels_in = make(tmp_path)
    for path in images_in.iterdir():
        path.rename(str(path).replace(".nii", "_0000.nii"))
    convert.write(images_in, labels_in, out=tmp_path / "out")
    scans = json.loads((tmp_path / "out/geometry.json").read_text("utf-8"))["scans"]
    assert [scan["name"] for scan in scans.values()] == ["a", "b"]


def test_an_image_without_labels_is_named_and_spare_labels_are_not(tmp_path, capsys):
    images_in, labels_in = make(tmp_path)
    (images_in / "b.nii.gz").rename(images_in / "c.nii.gz")
    with pytest.raises(ValueError, match=r"no labels for 1 of 2 images: c\. .*"):
        convert.write(images_in, labels_in, out=tmp_path / "out")
    (images_in / "c.nii.gz").unlink()
    convert.write(images_in, labels_in, out=tmp_path / "out")
    said = capsys.readouterr().err
    assert "labelsTr: 1 labels without an image; left out" in said


def test_volumes_have_no_channel(tmp_path):
    with pytest.raises(ValueError, match=r"holds volumes, which have no `channel`"):
        convert.write(*make(tmp_path), out=tmp_path / "out", channel="red")


def test_a_volume_is_in_one_part_only(tmp_path):
    images_in, labels_in = make(tmp_path)
    with pytest.raises(ValueError, match="a: expected an image under `images` or"):
        convert.write(images_in, labels_in, out=tmp_path / "out", test=images_in)
    (images_in / "a.nii.gz").rename(images_in / "b_0000.nii.gz")
    (labels_in / "b.nii.gz").rename(labels_in / "c.nii.gz")
    with pytest.raises(ValueError, match=r"gz and b\.nii\.gz are both b\.|no label"):
        convert.write(images_in, labels_in, out=tmp_path / "out")


def test_an_existing_folder_is_never_overwritten(tmp_path):
    images_in, labels_in = make(tmp_path)
    with pytest.raises(ValueError, match=r"imagesTr exists already\. Name a new"):
        convert.write(images_in, labels_in, out=images_in)
    with pytest.raises(ValueError, match="labelsTr exists already"):
        convert.restore(tmp_path / "s.csv", data=tmp_path, out=labels_in)


def test_a_folder_that_was_not_converted_is_not_restored(tmp_path):
    with pytest.raises(ValueError, match=r"geometry\.json: not found\. Labels are"):
        convert.restore(tmp_path / "s.csv", data=tmp_path, out=tmp_path / "out")


def test_a_microscopes_spacing_stays_above_zero(tmp_path):
    images_in, labels_in = make(tmp_path, names=["a"])
    fine = volumes.VolumeGeometry(SIZE, (0.002,) * 3, (0.0,) * 3, STRAIGHT.direction)
    for folder, array in ((images_in, IMAGE), (labels_in, LABEL)):
        volumes.write(folder / "a.nii.gz", array, fine)
    convert.write(images_in, labels_in, out=tmp_path / "out")
    found = images.find(tmp_path / "out", "train")
    assert found[0].spacing_x_mm == pytest.approx(0.002)


@pytest.fixture
def converted(tmp_path):
    convert.write(*make(tmp_path, names=["a"]), out=tmp_path / "out")
    return tmp_path / "out"


def restored(converted, *rows):
    """Restore rows of (id, class, runs): (what is said, the volume)."""
    table = [mask_csv.Row(0, *row) for row in rows]
    mask_csv.write(converted.parent / "s.csv", table)
    out = converted.parent / "back"
    done = convert.restore(converted.parent / "s.csv", data=converted, out=out)
    return done, volumes.read(out / "a.nii.gz")[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../../esc"}, r"geometry\.json: .*\.name: .* one part of a path"),
        ({"stored": {}}, r"geometry\.json: scans\.case1_day0\.stored\.size: Field req"),
        ({"frame": 1}, r"geometry\.json: scans\.case1_day0\.frame: .*Convert again\."),
    ],
)
def test_a_geometry_of_another_form_is_named(converted, change, message):
    path = converted / "geometry.json"
    about = files.read_json(path)
    about["scans"]["case1_day0"] |= change
    files.write_json(path, about)
    with pytest.raises(ValueError, match=message):
        restored(converted, ("case1_day0_slice_0001", "label_1", ""))


def test_scans_without_rows_are_named(tmp_path, capsys):
    converted = tmp_path / "out"
    convert.write(*make(tmp_path), out=converted)
    rows = mask_csv.read(converted / "train.csv", None)
    kept = [row for row in rows if row.id.startswith("case1_")]
    mask_csv.write(tmp_path / "part.csv", kept, column="segmentation")
    made = convert.restore(tmp_path / "part.csv", data=converted, out=tmp_path / "back")
    assert made["volumes"] == 1
    said = capsys.readouterr().err.replace("\n", " ")
    assert "1 scans have no row; nothing is written: case2_day0" in said
    mask_csv.write(tmp_path / "empty.csv", [], column="segmentation")
    with pytest.raises(ValueError, match=r"empty\.csv: expected rows of masks, receiv"):
        convert.restore(tmp_path / "empty.csv", data=converted, out=tmp_path / "none")


def test_overlaps_go_to_the_first_class_and_are_counted(converted, capsys):
    done, volume = restored(
        converted,
        ("case1_day0_slice_0001", "label_2", "2 3"),
        ("case1_day0_slice_0001", "label_1", "1 3"),
    )
    assert done == {"volumes": 1, "overlaps": 2, "missing": 4}
    assert volume.ravel()[:5].tolist() == [1, 1, 1, 2, 0]
    assert volume[1:].sum() == 0
    said = capsys.readouterr().err
    assert "2 voxels lie in several classes" in said
    assert "4 slices have no row" in said


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("case9_day0_slice_0001", "label_1", ""), r"row 2: .* received case9_day0\."),
        (("case1_day0_slice_0006", "label_1", ""), "row 2: expected slices 1 to 5"),
        (("case1_day0_slice_0001", "liver", ""), "row 2: .* label_2, received 'liver'"),
        (("case1_day0_slice_0001", "label_1", "9 9"), "row 2: the RLE is not legal"),
    ],
    ids=["scan", "slice", "class", "runs"],
)
def test_rows_of_another_folder_are_not_restored(converted, row, message):
    with pytest.raises(ValueError, match=rf"s\.csv, {message}"):
        restored(converted, row)
    assert not (converted.parent / "back").exists()
