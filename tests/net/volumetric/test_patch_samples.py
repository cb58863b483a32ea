"""The patches that a 3D network is trained on."""

import numpy as np
import pytest

from competition.core import geometry
from competition.core.experiment import configs
from competition.net.input import training_data, training_samples
from competition.net.volumetric import patch_samples
from tests.net import training_parts
from tests.net.conftest import DEPTH, GRID, TINY

PATCH = ("model.architecture=unet_3d", "model.patch=[4, 16, 12]", "training.batch=2")
EVERYTHING = [
    f"augment.{name}=0.9"
    for name in ("elastic", "tone", "bias", "blur", "noise", "holes", "cutmix", "mixup")
]


def wanted(*more: str, engine: str = "none") -> configs.Config:
    return configs.load("smoke", (*TINY, *PATCH, f"augment.engine={engine}", *more))


def batches(table, store, config, **start) -> list[dict[str, np.ndarray]]:
    data = training_data.TrainingData(table, store)
    return training_parts.read(data, config, **start)


def gather(store, config, *, index, position=0):
    """A patch around a slice of the first scan: image and bits."""
    gatherer = patch_samples.PatchGatherer(config)
    shape = gatherer.stack_shape
    image, bits = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    gatherer.gather(
        store.scan("case0_day0"), store.masks("case0_day0"), index, GRID,
        stack=image, bits=bits, seed=(0, 0, position),
    )  # fmt: skip
    return image, bits


def test_an_element_has_a_mask_and_a_window_for_each_slice(table, store):
    first = batches(table, store, wanted())[0]
    assert first["stack"].shape == first["bits"].shape == (2, 16, 12, 4)
    assert first["stack"].dtype == np.uint16
    assert first["bits"].dtype == np.uint8
    np.testing.assert_array_equal(first["window"], [[[100, 1100]] * 4] * 2)
    scan = batches(table, store, wanted("intensity=scan"))[0]
    np.testing.assert_array_equal(scan["window"], [[[0, 2000]] * 4] * 2)


def test_an_epoch_has_as_many_voxels_as_its_slices(table, store):
    # 12 slices of 32 x 32 are 16 patches of 4 x 16 x 12, but one a slice at most.
    assert training_samples.TrainingSamples(table, store, wanted()).steps == 6
    large = wanted("model.patch=[4, 32, 32]")
    assert training_samples.TrainingSamples(table, store, large).steps == 1
    with pytest.raises(ValueError, match=r"`training.batch` is 4.* 3 patches to train"):
        four = wanted("model.patch=[4, 32, 32]", "training.batch=4")
        training_samples.TrainingSamples(table, store, four)


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_image_and_mask_are_cut_at_the_same_place_of_the_same_slices(store, fit):
    config = wanted(f"geometry.fit={fit}")
    volume, masks = store.scan("case0_day0"), store.masks("case0_day0")
    image, bits = gather(store, config, index=3)
    found = []
    for y in range(17):
        for x in range(21):
            box = np.s_[y : y + 16, x : x + 12]
            fitted = geometry.fit(volume[1], config.geometry, GRID)[box]
            if np.array_equal(fitted, image[..., 0]):
                found.append(box)
    (box,) = found
    for number, index in enumerate((1, 2, 3, 4)):
        fitted = geometry.fit(volume[index], config.geometry, GRID)
        mask = geometry.fit_mask(masks[index], config.geometry, GRID)
        np.testing.assert_array_equal(image[..., number], fitted[box])
        np.testing.assert_array_equal(bits[..., number], mask[box])


def test_a_patch_deeper_than_the_scan_repeats_its_last_slice(store):
    config = wanted(f"model.patch=[{DEPTH + 2}, 32, 32]")
    for each in gather(store, config, index=DEPTH - 1):
        assert (each[..., 0] != each[..., DEPTH - 1]).any()
        for number in (DEPTH, DEPTH + 1):
            np.testing.assert_array_equal(each[..., number], each[..., DEPTH - 1])


def test_each_slice_keeps_its_own_window(table, store):
    table["low"] = range(len(table))
    source = training_samples.TrainingSamples(table, store, wanted("training.batch=1"))
    row = table["id"][DEPTH + 3]
    (number,) = (n for n in range(source.steps) if source.ids(n) == [row])
    (window,) = source.batch(number)["window"]
    assert window[:, 0].tolist() == [DEPTH + 1, DEPTH + 2, DEPTH + 3, DEPTH + 4]


def test_centred_patches_have_an_organ_in_the_middle(store):
    always, never = wanted("sampling.centred=1.0"), wanted("sampling.centred=0.0")
    middles = [
        gather(store, always, index=3, position=position)[1][8, 6].any()
        for position in range(20)
    ]
    # One that is nearer to the border than half a patch cannot be.
    assert sum(middles) >= 12
    missed = [
        gather(store, never, index=3, position=position)[1][8, 6].any()
        for position in range(20)
    ]
    assert sum(missed) < sum(middles)


def test_where_there_is_no_organ_a_centred_patch_lies_anywhere(store, monkeypatch):
    masks = np.zeros_like(store.masks("case0_day0"))
    monkeypatch.setattr(store, "masks", lambda scan: masks)
    always = wanted("sampling.centred=1.0")
    pairs = [gather(store, always, index=3, position=p) for p in range(4)]
    assert len({image.tobytes() for image, _ in pairs}) == 4


@pytest.mark.parametrize("engine", ["none", "device", "host"])
def test_batches_repeat_and_begin_anywhere(table, store, engine):
    chosen = wanted(*EVERYTHING, engine=engine)
    whole = batches(table, store, chosen)
    rest = batches(table, store, chosen, first_epoch=2)
    assert len(whole) == 4 * 6
    for one, other in zip(whole[12:], rest, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
    assert not np.array_equal(whole[0]["stack"], whole[6]["stack"])


def test_host_warp_moves_all_slices_alike(table, store):
    plain = batches(table, store, wanted())
    flip = "augment.flip=1.0", "augment.affine=0.0"
    moved = batches(table, store, wanted(*flip, engine="host"))
    for one, other in zip(plain, moved, strict=True):
        low, high = np.moveaxis(one["window"], -1, 0)[:, :, None, None]
        seen = np.clip(one["stack"], low, high)
        np.testing.assert_array_equal(seen[:, :, ::-1], other["stack"])
        np.testing.assert_array_equal(one["bits"][:, :, ::-1], other["bits"])
