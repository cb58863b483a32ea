"""Images with masks to a competition folder and back, pixel by pixel."""

import json
import shutil

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from competition import prepare
from competition.core import rle
from competition.core.data import images, mask_csv, png, slice_table
from competition.core.experiment import layout
from competition.sources import convert
from competition.sources.convert import pictures
from tests.sources import by_slices
from tests.sources.convert import test_volumes

IMAGE = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)[..., :3]
MASK = np.array([[0, 0, 255, 255]] * 3, np.uint8)


def write(path, pixels):
    """Write grey or RGB pixels as the suffix of `path` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gif":
        # OpenCV reads GIF exactly, but writes it with other colours.
        PIL.Image.fromarray(pixels).save(path)
        return
    stored = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    assert cv2.imwrite(str(path), np.ascontiguousarray(stored))


def make(root, *, names=("a", "b"), image=IMAGE, mask=MASK, ending="", suffix=".png"):
    """Write images and masks of the same names; return both folders."""
    for name in names:
        write(root / "images" / f"{name}.png", image)
        write(root / "masks" / f"{name}{ending}{suffix}", mask)
    return root / "images", root / "masks"


def back(out):
    """Restore the masks of train.csv; return the folder that holds them."""
    folder = out.with_name("back")
    convert.restore(out / "train.csv", data=out, out=folder)
    return folder


def slices(out, part="train"):
    """Return the pixels of a converted folder by the slices' ids."""
    found = images.find(out, part)
    return {each.id: png.read(out / each.path, each.shape) for each in found}


def test_an_image_is_a_case_of_one_slice(tmp_path):
    made = convert.write(*make(tmp_path), out=tmp_path / "out", channel="green")
    assert made == {"train": 2, "test": 0, "slices": 2, "classes": ["label_255"]}
    pixels = slices(tmp_path / "out")
    assert list(pixels) == ["case1_day0_slice_0001", "case2_day0_slice_0001"]
    np.testing.assert_array_equal(pixels["case1_day0_slice_0001"], IMAGE[..., 1])
    rows = mask_csv.read(tmp_path / "out/train.csv", None)
    assert [row.rle for row in rows] == [rle.encode(MASK)] * 2


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("red", 200), ("green", 100), ("blue", 50), ("grey", 124)],
)
def test_one_channel_of_colours_is_kept(channel, expected):
    pixels = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    assert (pictures.grey(pixels, channel) == expected).all()
    assert (pictures.grey(pixels[..., 0], channel) == 200).all()


def test_grey_stored_as_colour_stays_as_it_is():
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    kept = pictures.grey(np.stack([grey] * 3, axis=-1), "grey")
    np.testing.assert_array_equal(kept, grey)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".gif", ".bmp"])
def test_masks_of_every_lossless_format_come_back(tmp_path, suffix):
    convert.write(*make(tmp_path, suffix=suffix), out=tmp_path / "out")
    made = pictures.read(back(tmp_path / "out") / "a.png")
    np.testing.assert_array_equal(made, MASK)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    form=st.sampled_from(["values", "colours", "folders"]),
    in_colour=st.booleans(),
)
def test_the_round_trip_is_exact(tmp_path_factory, seed, form, in_colour):
    rng = np.random.default_rng(seed)
    root = tmp_path_factory.mktemp("trip")
    tints = np.array([[0] * 3, [255, 0, 0], [0, 0, 9], [9, 9, 9]], np.uint8)
    masks = {}
    for name in ("a", "b"):
        shape = tuple(rng.integers(1, 9, 2).tolist())
        image = rng.integers(0, 256, (*shape, 3), np.uint8)
        write(root / "images" / f"{name}.png", image if in_colour else image[..., 0])
        labels = rng.integers(0, 4, shape)
        labels.flat[0] = 1
        if form == "folders":
            # Masks of several classes overlap, and may be empty.
            for place, value in enumerate((1, 200, 255)):
                drawn = np.where(rng.random(shape) < place / 2, value, 0)
                masks[f"class{place}/{name}.png"] = drawn.astype(np.uint8)
        else:
            values = np.array([0, 3, 255, 700], np.uint16)
            masks[f"{name}.png"] = (tints if form == "colours" else values)[labels]
    for name, mask in masks.items():
        write(root / "masks" / name, mask)
    convert.write(root / "images", root / "masks", out=root / "out", channel="red")
    restored = back(root / "out")
    found = [p.relative_to(restored).as_posix() for p in restored.rglob("*.png")]
    assert sorted(found) == sorted(masks)
    for name, mask in masks.items():
        np.testing.assert_array_equal(pictures.read(restored / name), mask)


def test_a_folder_a_class_may_overlap(tmp_path):
    make(tmp_path, names=["a"])
    (tmp_path / "masks/a.png").unlink()
    for name, mask in (("cup", MASK), ("disc", np.full_like(MASK, 1))):
        write(tmp_path / "masks" / name / "a.png", mask)
    folders = tmp_path / "images", tmp_path / "masks"
    made = convert.write(*folders, out=tmp_path / "out")
    assert made["classes"] == ["cup", "disc"]
    restored = back(tmp_path / "out")
    np.testing.assert_array_equal(pictures.read(restored / "cup/a.png"), MASK)
    assert (pictures.read(restored / "disc/a.png") == 1).all()


@pytest.mark.parametrize(
    "labels", [{"vessel": "#ff0000", "disc": 255}, {"#FF0000": "vessel", "255": "disc"}]
)
def test_colours_are_named_by_dataset_json(tmp_path, labels):
    mask = np.array([[[255, 0, 0], [255, 255, 255], [0, 0, 0], [0, 0, 0]]] * 3)
    folders = make(tmp_path, mask=mask.astype(np.uint8))
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    made = convert.write(*folders, out=tmp_path / "out")
    assert made["classes"] == ["disc", "vessel"]
    np.testing.assert_array_equal(pictures.read(back(tmp_path / "out") / "a.png"), mask)


def test_a_value_that_is_no_class_is_named(tmp_path):
    folders = make(tmp_path, mask=np.array([[0, 0, 128, 255]] * 3, np.uint8))
    (tmp_path / "dataset.json").write_text('{"labels": {"vessel": 255}}')
    with pytest.raises(ValueError, match=r"a\.png: .* 255 \(vessel\), received 128\."):
        convert.write(*folders, out=tmp_path / "out")


def test_masks_with_smoothed_edges_are_refused(tmp_path):
    ramp = np.arange(100, dtype=np.uint8).reshape(10, 10)
    folders = make(tmp_path, names=["a"], image=ramp, mask=ramp)
    with pytest.raises(
        ValueError, match=r"at most 16 other values, .* received 99\. J"
    ):
        convert.write(*folders, out=tmp_path / "out")
    (tmp_path / "masks/vessel").mkdir()
    (tmp_path / "masks/a.png").rename(tmp_path / "masks/vessel/a.png")
    with pytest.raises(ValueError, match=r"at most 1 other value, received 99\. JPEG"):
        convert.write(*folders, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_masks_that_number_objects_are_told_what_to_do(tmp_path):
    objects = np.arange(20, dtype=np.uint8).reshape(4, 5)
    folders = make(tmp_path, names=["a"], image=objects, mask=objects)
    with pytest.raises(
        ValueError, match=r"received 19\. .* all objects of a class one"
    ):
        convert.write(*folders, out=tmp_path / "out")


def test_a_jpeg_is_a_mask_only_where_its_values_are_known(tmp_path):
    # Blocks of eight pixels, which JPEG keeps as they are.
    mask = np.zeros((16, 16), np.uint8)
    mask[:8, 8:] = 255
    folders = make(tmp_path, image=mask, mask=mask, suffix=".JPG")
    with pytest.raises(ValueError, match=r"masks/a\.JPG: expected .* received a JPEG"):
        convert.write(*folders, out=tmp_path / "out")
    (tmp_path / "dataset.json").write_text('{"labels": {"vessel": 255}}')
    convert.write(*folders, out=tmp_path / "out")
    np.testing.assert_array_equal(pictures.read(back(tmp_path / "out") / "a.png"), mask)


def test_names_may_end_otherwise(tmp_path):
    write(tmp_path / "images/21_training.tif", IMAGE)
    write(tmp_path / "images/22_training.tif", IMAGE)
    write(tmp_path / "masks/21_manual1.gif", MASK)
    write(tmp_path / "masks/22_manual1.gif", MASK[:, ::-1])
    folders = tmp_path / "images", tmp_path / "masks"
    convert.write(*folders, out=tmp_path / "out")
    made = pictures.read(back(tmp_path / "out") / "22_manual1.png")
    np.testing.assert_array_equal(made, MASK[:, ::-1])


def test_the_longest_beginning_has_the_mask(tmp_path):
    folders = make(tmp_path, names=["1", "1_2"], ending="_mask")
    convert.write(*folders, out=tmp_path / "out")
    assert {path.name for path in back(tmp_path / "out").iterdir()} == {
        "1_mask.png",
        "1_2_mask.png",
    }


@pytest.mark.parametrize(
    ("names", "masks", "expected"),
    [
        # Spare masks do not share an ending with the images.
        (["1_1", "2_1"], ["1_1_m", "2_1_m", "1_2_m"], ["1_1_m", "2_1_m"]),
        (["f_0000", "f_0001"], ["f_0000_m", "f_0001_m"], ["f_0000_m", "f_0001_m"]),
        (["f_0000"], ["f"], ["f"]),
        (["f_0000", "f_2021"], ["f", "f_2021"], ["f", "f_2021"]),
    ],
)
def test_the_whole_name_comes_before_a_part_of_it(tmp_path, names, masks, expected):
    folders = make(tmp_path, names=names)
    for path in folders[1].iterdir():
        path.unlink()
    for name in masks:
        write(tmp_path / "masks" / f"{name}.png", MASK)
    convert.write(*folders, out=tmp_path / "out")
    assert sorted(path.stem for path in back(tmp_path / "out").iterdir()) == expected


@pytest.mark.parametrize(
    ("names", "masks"),
    [
        (["frame_0000", "frame_0005"], ["frame_0005_m", "frame_0007_m"]),
        # The second visit's masks are not those of the first.
        (["anna_01", "bert_01"], ["anna_02", "bert_02"]),
        (["anna_v01", "bert_v01"], ["anna_v02", "bert_v02"]),
        (["anna_visit_01", "bert_visit_01"], ["anna_visit_02_m", "bert_visit_02_m"]),
    ],
)
def test_a_number_is_part_of_the_name(tmp_path, names, masks):
    folders = make(tmp_path, names=names)
    for path in folders[1].iterdir():
        path.unlink()
    for name in masks:
        write(tmp_path / "masks" / f"{name}.png", MASK)
    with pytest.raises(ValueError, match="no labels for"):
        convert.write(*folders, out=tmp_path / "out")


def test_masks_of_class_folders_go_by_the_name_of_their_image(tmp_path):
    make(tmp_path, names=["a_0000", "a-b"])
    shutil.rmtree(tmp_path / "masks")
    drawn = {"a_0000": MASK, "a-b": MASK[:, ::-1]}
    for name, mask in drawn.items():
        write(tmp_path / "masks" / "one" / f"{name}.png", mask)
        write(tmp_path / "masks" / "two" / f"{name}_m.png", mask)
    convert.write(tmp_path / "images", tmp_path / "masks", out=tmp_path / "out")
    rows = mask_csv.read(tmp_path / "out/train.csv", None)
    by_slice = {}
    for row in rows:
        by_slice.setdefault(row.id, set()).add(row.rle)
    assert [len(masks) for masks in by_slice.values()] == [1, 1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_viewers_show_it(tmp_path, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    ramp = np.arange(48 * 32, dtype=np.uint16).reshape(48, 32) // 8
    path = tmp_path / "a.jpg"
    PIL.Image.fromarray(ramp.astype(np.uint8)).save(path, exif=exif, quality=95)
    with PIL.Image.open(path) as stored:
        shown = np.asarray(PIL.ImageOps.exif_transpose(stored))
    received = pictures.read(path)
    assert received.shape == shown.shape
    assert np.abs(received.astype(int) - shown).max() <= 2


def test_two_masks_of_an_image_are_named(tmp_path):
    folders = make(tmp_path, ending="_first")
    write(tmp_path / "masks/a_second.png", MASK)
    with pytest.raises(ValueError, match=r"a_second\.png and a_first\.png are both la"):
        convert.write(*folders, out=tmp_path / "out")
    (tmp_path / "masks/a_second.png").rename(tmp_path / "masks/a_first.gif")
    with pytest.raises(ValueError, match=r"a_first\.gif have one name|one name"):
        convert.write(*folders, out=tmp_path / "out")


def test_an_image_without_a_mask_is_named(tmp_path):
    folders = make(tmp_path)
    (tmp_path / "masks/b.png").rename(tmp_path / "masks/c.png")
    with pytest.raises(ValueError, match=r"masks: no labels for 1 of 2 images: b\. La"):
        convert.write(*folders, out=tmp_path / "out")


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-20], "empty": b"", "text": b"no image"}[how])


@pytest.mark.parametrize("folder", ["images", "masks"])
@pytest.mark.parametrize("how", ["cut", "empty", "text"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif"])
def test_a_damaged_file_is_named(tmp_path, folder, how, suffix):
    make(tmp_path, names=["a"])
    (tmp_path / folder / "a.png").unlink()
    write(tmp_path / folder / f"a{suffix}", MASK)
    damage(tmp_path / folder / f"a{suffix}", how)
    with pytest.raises(
        ValueError, match=rf"{folder}/a\{suffix}: expected an image, rec"
    ):
        convert.write(tmp_path / "images", tmp_path / "masks", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pages_and_transparency_are_refused(tmp_path):
    cv2.imwritemulti(str(tmp_path / "a.tif"), [MASK, MASK])
    with pytest.raises(ValueError, match=r"a\.tif: expected one image .* 2 pages"):
        pictures.read(tmp_path / "a.tif")
    pixels = np.full((3, 4, 4), 255, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert pictures.read(tmp_path / "a.png").shape == (3, 4, 3)
    pixels[0, 0, 3] = 0
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    with pytest.raises(
        ValueError, match=r"a\.png: .* received 4 channels\. Save it wi"
    ):
        pictures.read(tmp_path / "a.png")


def test_deep_colours_are_no_mask(tmp_path):
    write(tmp_path / "a.png", IMAGE.astype(np.uint16) * 256)
    with pytest.raises(ValueError, match=r"colours of uint16\. Is it the image"):
        pictures.read_mask(tmp_path / "a.png")


def test_a_mask_of_numbers_that_cannot_be_restored_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tiff"), np.full((3, 4), 70000, np.int32))
    with pytest.raises(ValueError, match=r"a\.tiff: .* up to 65535, .* received 70000"):
        pictures.read_mask(tmp_path / "a.tiff")


def test_a_mask_of_another_size_is_named(tmp_path):
    folders = make(tmp_path, mask=MASK[1:])
    with pytest.raises(
        ValueError, match=r"a\.png and .*masks/a\.png must .* 4 x 3 and 4 x 2 pixels"
    ):
        convert.write(*folders, out=tmp_path / "out")


def test_an_image_that_prepare_would_refuse_is_named(tmp_path):
    folders = make(tmp_path, image=np.zeros((2, 4097), np.uint8))
    with pytest.raises(ValueError, match=r"a\.png: .* 4096 pixels a .* 4097 x 2\."):
        convert.write(*folders, out=tmp_path / "out")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_all_images_that_are_too_large_are_named_before_any_is_read(tmp_path, suffix):
    folders = make(tmp_path, names="abc")
    for name in "bc":
        (folders[0] / f"{name}.png").unlink()
        write(folders[0] / f"{name}{suffix}", np.zeros((2, 4097), np.uint8))
    damage(folders[0] / "a.png", "cut")
    pattern = rf"b\{suffix}: .* 4096 .*received 4097 x 2\.[^\n]*\n.*c\{suffix}: .* 4097"
    with pytest.raises(ValueError, match=pattern):
        convert.write(*folders, out=tmp_path / "out")
    like = convert.Settings(True, {"vessel": 1})
    with pytest.raises(ValueError, match=pattern):
        convert.write_unlabelled(folders[0], out=tmp_path / "out", like=like)


def test_images_have_no_axis(tmp_path):
    with pytest.raises(ValueError, match=r"holds images, which have no `axis`.*'y'"):
        convert.write(*make(tmp_path), out=tmp_path / "out", axis="y")


def test_a_channel_must_be_one_of_colours(tmp_path):
    folders = make(tmp_path)
    with pytest.raises(ValueError, match=r"one of red, green, .* Received: 'alpha'"):
        convert.write(*folders, out=tmp_path / "out", channel="alpha")


def test_images_and_masks_are_of_one_kind(tmp_path):
    folders = make(tmp_path)
    lies = test_volumes.GEOMETRY
    by_slices.write_series(tmp_path / "volumes/a", test_volumes.STORED[:1], lies)
    for images_in, labels_in in (
        (tmp_path / "volumes", folders[1]),
        (folders[0], tmp_path / "volumes"),
        (tmp_path / "volumes", tmp_path / "classes"),
    ):
        write(tmp_path / "classes/vessel/a.png", MASK)
        with pytest.raises(
            ValueError, match=r"volumes.* holds .* both of one kind\. C"
        ):
            convert.write(images_in, labels_in, out=tmp_path / "out")
    # A picture beside the volumes is left out, and changes nothing.
    write(tmp_path / "volumes/preview.png", MASK)
    with pytest.raises(ValueError, match="expected both of one kind"):
        convert.write(tmp_path / "volumes", folders[1], out=tmp_path / "out")


def in_table(tmp_path, *rows, header="file,case,day,slice", test=None):
    """Convert images a, b and c by a table of these rows; return the folder."""
    folders = make(tmp_path, names="abc")
    for number, name in enumerate("abc"):
        write(tmp_path / f"images/{name}.png", np.full((3, 4), number, np.uint8))
    table = tmp_path / "table.csv"
    table.write_text("\n".join([header, *rows]) + "\n")
    out = tmp_path / "out"
    convert.write(*folders, out=out, table=table, test=test)
    return out


def test_a_table_says_which_images_are_one_scan(tmp_path):
    out = in_table(tmp_path, "b.png,7,2,0", "a.png,7,2,1", "c.png,3,0,5")
    pixels = slices(out)
    assert {id: int(array[0, 0]) for id, array in pixels.items()} == {
        "case3_day0_slice_0001": 2,
        "case7_day2_slice_0001": 1,
        "case7_day2_slice_0002": 0,
    }
    assert {path.name for path in back(out).iterdir()} == {"a.png", "b.png", "c.png"}


def test_tiles_of_a_case_have_days_of_their_own(tmp_path):
    out = in_table(tmp_path, "a.png,1,1,1", "b.png,1,2,1", "c.png,2,1,1")
    dataset = layout.DatasetFiles(tmp_path / "work")
    prepare.run(out, dataset, options=prepare.PrepareOptions(folds=2))
    table = slice_table.read(dataset)
    assert list(table["scan"]) == ["case1_day1", "case1_day2", "case2_day1"]
    first, second, third = table["fold"]
    assert first == second != third


ROWS = ["a.png,1,0,1", "b.png,1,0,2", "c.png,1,0,3"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:2], r"table\.csv: no row for 1 of 3 images: c\.png\."),
        ([*ROWS, "d.png,1,0,4"], r"row 5: expected an image .* received 'd\.png'"),
        ([*ROWS, "a.png,2,0,1"], r"row 5: a\.png stands already in row 2"),
        ([*ROWS[:2], "c.png,1,0,2"], r"row 4: case 1, day 0, slice 2 stands already"),
        ([*ROWS[:2], "c.png,one,0,2"], r"row 4: .* Received: 'caseone_day0_slice_2'"),
        ([*ROWS[:2], "c.png,1,0"], r"row 4: expected 4 fields .* received 3"),
        ([*ROWS[:2], "c.png,1,0,4"], r"without a gap, received 1 to 4 without 3\."),
    ],
    ids=["missing", "foreign", "twice", "place", "number", "fields", "gap"],
)
def test_a_table_that_does_not_fit_the_images(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        in_table(tmp_path, *rows)


def test_a_table_has_its_columns(tmp_path):
    with pytest.raises(
        ValueError, match="expected the columns file,case,day,slice, re"
    ):
        in_table(tmp_path, *ROWS, header="file,case,day")


def test_slices_of_a_scan_have_one_part_and_size(tmp_path):
    write(tmp_path / "test/t.png", np.zeros((5, 4), np.uint8))
    with pytest.raises(ValueError, match=r"case 1, day 0 in the training or all in"):
        in_table(tmp_path, *ROWS, "t.png,1,0,4", test=tmp_path / "test")
    (tmp_path / "table.csv").write_text("\n".join(["file,case,day,slice", *ROWS]))
    folders = make(tmp_path, names="abc")
    write(folders[0] / "b.png", np.zeros((5, 4), np.uint8))
    with pytest.raises(ValueError, match=r"a\.png and .*b\.png must have one size"):
        convert.write(*folders, out=tmp_path / "out", table=tmp_path / "table.csv")


def test_images_of_the_test_have_masks_of_their_names(tmp_path):
    write(tmp_path / "test/t.jpg", IMAGE)
    out = tmp_path / "out"
    made = convert.write(*make(tmp_path), out=out, test=tmp_path / "test")
    assert (made["train"], made["test"]) == (2, 1)
    sample = out / "sample_submission.csv"
    convert.restore(sample, data=out, out=tmp_path / "back")
    assert not pictures.read(tmp_path / "back/t.png").any()


def test_a_name_in_geometry_json_cannot_lead_away(tmp_path):
    out = tmp_path / "out"
    convert.write(*make(tmp_path, names=["a"]), out=out)
    path = out / "geometry.json"
    about = json.loads(path.read_text("utf-8"))
    del about["seal"]
    about["scans"]["case1_day0"]["masks"][0][0]["name"] = "../x"
    path.write_text(json.dumps(about))
    with pytest.raises(ValueError, match=r"geometry\.json: .*\.name: .* one part of a"):
        back(out)


def test_real_images_come_back_and_are_prepared(real, tmp_path):
    table = tmp_path / "stack.csv"
    rows = [f"{number}.png,{number // 6 + 1},0,{number}" for number in range(30)]
    table.write_text("\n".join(["file,case,day,slice", *rows]) + "\n")
    for name, cases, asked in (
        ("retina", 15, {"channel": "green"}),
        ("membrane", 5, {"table": table}),
    ):
        folder, out = real / name, tmp_path / name / "out"
        if not folder.is_dir():
            pytest.skip(f"no {name} beside the checkout")
        convert.write(folder / "images", folder / "masks", out=out, **asked)
        dataset = layout.DatasetFiles(tmp_path / name / "work")
        summary = prepare.run(out, dataset, options=prepare.PrepareOptions(folds=5))
        assert (summary["cases"], summary["quarantined"]) == (cases, [])
        restored = back(out)
        masks = sorted((folder / "masks").iterdir())
        assert len(masks) == len(list(restored.iterdir()))
        for path in masks:
            made = pictures.read_mask(restored / f"{path.stem}.png")
            np.testing.assert_array_equal(made, pictures.read_mask(path))
