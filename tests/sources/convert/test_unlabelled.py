"""Images without labels are converted as the training folder was."""

import json

import numpy as np
import pytest

from competition.commands import sources
from competition.core import rle
from competition.core.data import images, png
from competition.sources import convert
from competition.sources.convert import pictures, volumes
from tests.sources.convert import test_convert, test_images


def trained_on(root, dataset=None, **asked):
    """Convert volumes with the labels 3 and 700; return the competition folder."""
    label = test_convert.LABEL.astype(np.uint16)
    label[label == 1] = 3
    label[label == 2] = 700
    folders = test_convert.make(root, label=label, dataset=dataset)
    convert.write(*folders, out=root / "trained", **asked)
    return root / "trained"


def new_volume(root):
    (root / "new").mkdir()
    volumes.write(root / "new/c_0000.nii", test_convert.IMAGE, test_convert.STRAIGHT)
    return root / "new"


def test_axis_and_window_are_those_of_the_training_volumes(tmp_path):
    data = trained_on(tmp_path, axis="x", window=(0, 10))
    sources.convert_volumes(
        images=new_volume(tmp_path), data=data, out=tmp_path / "out", as_json=True
    )
    found = {part: images.find(tmp_path / "out", part) for part in ("train", "test")}
    known = images.find(data, "train")[: len(found["test"])]
    assert len(found["test"]) == 3 and not found["train"]
    for image, other in zip(found["test"], known, strict=True):
        np.testing.assert_array_equal(
            png.read(tmp_path / "out" / image.path, image.shape),
            png.read(data / other.path, image.shape),
        )
    sidecars = [
        json.loads((folder / "geometry.json").read_text("utf-8"))
        for folder in (data, tmp_path / "out")
    ]
    for key in ("axis", "window", "classes"):
        assert sidecars[0][key] == sidecars[1][key]
    # The sample submission has a row for each slice and class, and is restored.
    assert len(test_convert.texts(tmp_path / "out/sample_submission.csv")) == 6


def test_labels_have_the_values_of_the_training_labels(tmp_path):
    data = trained_on(tmp_path)
    folder = new_volume(tmp_path)
    settings = convert.settings(data, folder, ["label_3", "label_700"])
    (source,) = convert.find_unlabelled(folder, settings)
    record, _ = source.convert(tmp_path / "slices")
    # The third stored slice is the third from the feet.
    plane = np.eye(4, 3, dtype=bool)
    masks = {
        ("case1_day0_slice_0003", "label_700"): rle.encode(plane),
        ("case1_day0_slice_0003", "label_3"): rle.encode(plane & (np.arange(3) < 1)),
    }
    (tmp_path / "labels").mkdir()
    assert convert.save_labels(tmp_path / "labels", record, masks, settings) == 1
    array, geometry = volumes.read(tmp_path / "labels/c.nii.gz")
    assert geometry == test_convert.STRAIGHT
    assert array.dtype == np.uint16
    expected = np.zeros_like(array)
    expected[2][plane] = 700
    # Where classes overlap, the first by name has the voxel.
    expected[2, 0, 0] = 3
    np.testing.assert_array_equal(array, expected)


def test_without_a_conversion_the_classes_have_their_numbers(tmp_path):
    settings = convert.settings(tmp_path, new_volume(tmp_path), ["liver", "bowel"])
    assert settings.classes == {"liver": 1, "bowel": 2}
    assert settings.axis == "z"
    with pytest.raises(ValueError, match=r"geometry\.json: not found"):
        convert.settings(tmp_path, tmp_path / "new", [])


def test_a_folder_with_other_classes_than_the_runs_is_an_error(tmp_path):
    data = trained_on(tmp_path)
    with pytest.raises(
        ValueError, match=r"expected the classes of the run, label_3, l"
    ):
        convert.settings(data, tmp_path, ["label_3", "liver"])


@pytest.mark.parametrize("in_folders", [True, False])
def test_images_have_masks_as_those_of_the_training(tmp_path, in_folders):
    folders = test_images.make(tmp_path)
    if in_folders:
        (tmp_path / "masks").rename(tmp_path / "vessel")
        (tmp_path / "masks").mkdir()
        (tmp_path / "vessel").rename(tmp_path / "masks/vessel")
    convert.write(*folders, out=tmp_path / "trained", channel="green")
    test_images.write(tmp_path / "new/c.png", test_images.IMAGE)
    name = "vessel" if in_folders else "label_255"
    settings = convert.settings(tmp_path / "trained", tmp_path / "new", [name])
    (source,) = convert.find_unlabelled(tmp_path / "new", settings)
    record, _ = source.convert(tmp_path / "slices")
    (slice,) = images.find(tmp_path / "slices", "test")
    pixels = png.read(tmp_path / "slices" / slice.path, slice.shape)
    np.testing.assert_array_equal(pixels, test_images.IMAGE[..., 1])
    (tmp_path / "labels").mkdir()
    text = rle.encode(test_images.MASK)
    convert.save_labels(tmp_path / "labels", record, {(slice.id, name): text}, settings)
    place = "vessel/c.png" if in_folders else "c.png"
    mask = pictures.read_mask(tmp_path / "labels" / place)
    np.testing.assert_array_equal(mask, test_images.MASK)
