"""Augmentation: one meaning, whichever engine does it."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net.training import losses, step
from tests.net.augment import engines

EVERYTHING = dict(
    flip=0.5,
    affine=1.0,
    elastic=1.0,
    tone=1.0,
    bias=1.0,
    blur=1.0,
    noise=1.0,
    holes=1.0,
    cutmix=1.0,
    mixup=1.0,
)
each_engine = pytest.mark.parametrize("engine", engines.NAMES)


def plain() -> tuple[np.ndarray, np.ndarray]:
    return engines.apply("device", engines.phantom(), {})


@each_engine
@pytest.mark.parametrize("epoch", range(3))
def test_the_mask_stays_on_what_it_marks(engine, epoch):
    wanted = engines.limits(flip=0.5, affine=1.0, elastic=1.0)
    batch = engines.phantom()
    # Where the mask says so the image is bright, and nowhere else.
    batch["stack"] = np.repeat((batch["bits"] > 0)[..., None] * np.uint16(21_000), 5, 3)
    stack, truth = engines.apply(
        engine, batch, engines.drawn(wanted, epoch=epoch), wanted
    )
    bright, marked = stack > 0.5, truth.any(axis=-1)[..., None]
    assert not np.array_equal(marked[..., 0], batch["bits"] > 0)
    overlap = (bright & marked).sum(axis=(1, 2)) / (bright | marked).sum(axis=(1, 2))
    assert overlap.shape == (4, 5)
    assert overlap.min() > 0.9


@each_engine
def test_masks_stay_binary_through_all_but_mixup(engine):
    wanted = engines.limits(**EVERYTHING | {"mixup": 0.0})
    stack, truth = engines.apply(
        engine, engines.phantom(), engines.drawn(wanted), wanted
    )
    assert set(np.unique(truth)) == {0.0, 1.0}
    assert stack.min() >= 0
    assert stack.max() <= 1


@pytest.mark.parametrize("engine", engines.NAMES[1:])
@pytest.mark.parametrize("change", EVERYTHING)
def test_engines_agree_within_interpolation(engine, change):
    wanted = engines.limits(**{change: 1.0, "blur_pixels": 2.0})
    numbers = engines.drawn(wanted)
    stack, truth = engines.apply("device", engines.phantom(), numbers)
    assert np.abs(stack - plain()[0]).max() > 0.04
    other, mask = engines.apply(engine, engines.phantom(), numbers, wanted)
    # Beyond the border tensorflow-addons repeats it where others see 0.
    inner = np.s_[:, 5:-5, 5:-5]
    np.testing.assert_allclose(other[inner], stack[inner], atol=0.004)
    assert np.abs(mask - truth).sum() / truth.sum() < 0.003


@pytest.mark.parametrize("engine", engines.NAMES[1:])
@pytest.mark.parametrize("change", ["affine", "elastic"])
def test_engines_agree_where_pixels_lie_beyond_the_window(engine, change):
    wanted = engines.limits(**{change: 1.0})
    batch = engines.phantom()
    batch["window"][:] = 3_000, 9_000
    numbers = engines.drawn(wanted)
    stack, _ = engines.apply("device", batch, numbers)
    other, _ = engines.apply(engine, batch, numbers, wanted)
    inner = np.s_[:, 5:-5, 5:-5]
    np.testing.assert_allclose(other[inner], stack[inner], atol=0.02)


@pytest.mark.parametrize("engine", engines.NAMES[1:])
def test_engines_agree_on_everything_at_once(engine):
    wanted = engines.limits(**EVERYTHING)
    numbers = engines.drawn(wanted)
    stack, truth = engines.apply("device", engines.phantom(), numbers)
    other, mask = engines.apply(engine, engines.phantom(), numbers, wanted)
    assert np.abs(other - stack).mean() < 0.004
    assert np.abs(mask - truth).sum() / truth.sum() < 0.02


@each_engine
def test_a_flip_alone_mirrors_left_and_right(engine):
    wanted = engines.limits(flip=1.0)
    stack, truth = engines.apply(
        engine, engines.phantom(), engines.drawn(wanted), wanted
    )
    before = plain()
    np.testing.assert_allclose(stack, before[0][:, :, ::-1], atol=1e-3)
    np.testing.assert_array_equal(truth, before[1][:, :, ::-1])


@each_engine
def test_limits_of_zero_change_nothing(engine):
    still = dict(shift=0.0, scale=0.0, rotate_degrees=0.0, elastic_shift=0.0)
    wanted = engines.limits(affine=1.0, elastic=1.0, **still)
    stack, truth = engines.apply(
        engine, engines.phantom(), engines.drawn(wanted), wanted
    )
    np.testing.assert_allclose(stack, plain()[0], atol=1e-4)
    np.testing.assert_array_equal(truth, plain()[1])


@each_engine
@pytest.mark.parametrize("channels", [1, 3, 9])
def test_any_number_of_slices(engine, channels):
    wanted = engines.limits(**EVERYTHING)
    batch = engines.phantom(2, channels=channels)
    stack, _ = engines.apply(engine, batch, engines.drawn(wanted, 2), wanted)
    assert stack.shape == (2, 56, 64, channels)
    assert np.isfinite(stack).all()


@each_engine
def test_each_slice_of_a_patch_is_moved_as_a_stack_and_its_mask_are(engine):
    wanted = engines.limits(**EVERYTHING)
    numbers, batch = engines.drawn(wanted), engines.phantom()
    stack, truth = engines.apply(engine, batch, numbers, wanted)
    batch["bits"] = np.repeat(batch["bits"][..., None], 5, axis=-1)
    batch["window"] = np.repeat(batch["window"][:, None], 5, axis=1)
    whole, masks = engines.apply(engine, batch, numbers, wanted)
    np.testing.assert_array_equal(whole, stack)
    of_slices = masks.reshape(*truth.shape[:3], 5, -1)
    for number in range(5):
        np.testing.assert_array_equal(of_slices[..., number, :], truth)


@each_engine
def test_high_mask_bits_survive(engine):
    wanted = engines.limits(affine=1.0)
    batch = engines.phantom()
    batch["bits"] = batch["bits"].astype(np.uint16) | ((batch["bits"] & 1) << 1)
    _, truth = engines.apply(engine, batch, engines.drawn(wanted), wanted)
    np.testing.assert_array_equal(truth[..., 0] * (1 - truth[..., 1]), 0)


@each_engine
def test_holes_are_empty_in_image_and_mask(engine):
    wanted = engines.limits(holes=1.0, holes_count=1, holes_size=0.25)
    numbers = engines.drawn(wanted)
    stack, truth = engines.apply(engine, engines.phantom(), numbers, wanted)
    assert numbers["holes"].shape == (4, 1, 4)
    for sample, box in enumerate(numbers["holes"][:, 0].astype(int)):
        top, bottom, left, right = np.maximum(box, 0)
        assert (np.diff(box)[::2] == [14, 16]).all()
        assert not stack[sample, top:bottom, left:right].any()
        assert not truth[sample, top:bottom, left:right].any()


@each_engine
def test_mixup_blends_image_and_truth_by_the_same_share(engine):
    wanted = engines.limits(mixup=1.0)
    partner, share = (engines.drawn(wanted)["mixup"]).T
    mixed = engines.apply(engine, engines.phantom(), engines.drawn(wanted), wanted)
    for each, before in zip(mixed, plain(), strict=True):
        for sample in range(4):
            other = before[int(partner[sample])]
            expected = (1 - share[sample]) * before[sample] + share[sample] * other
            np.testing.assert_allclose(each[sample], expected, atol=1e-5)


@each_engine
def test_cutmix_takes_the_box_of_the_partner(engine):
    wanted = engines.limits(cutmix=1.0)
    numbers = engines.drawn(wanted)
    mixed = engines.apply(engine, engines.phantom(), numbers, wanted)
    for each, before in zip(mixed, plain(), strict=True):
        for sample, drawn in enumerate(numbers["cutmix"].astype(int)):
            partner, top, bottom, left, right = drawn
            expected = before[sample].copy()
            expected[top:bottom, left:right] = before[partner][top:bottom, left:right]
            np.testing.assert_allclose(each[sample], expected, atol=1e-4)


def test_blur_spreads_a_point_as_a_gaussian_does():
    wanted = engines.limits(blur=1.0)
    batch = engines.phantom(1)
    batch["stack"][:] = 0
    batch["stack"][0, 20, 20] = 21_000
    stack, _ = engines.apply("device", batch, {"blur": np.float32([[1.0]])}, wanted)
    np.testing.assert_allclose(stack.sum(axis=(1, 2)), 1, atol=1e-4)
    ratio = stack[0, 20, 21, 0] / stack[0, 20, 20, 0]
    assert ratio == pytest.approx(np.exp(-0.5), abs=1e-4)


def test_the_training_step_augments_and_inference_does_not():
    stack = keras.Input((56, 64, 5))
    # A network that lets the first slices through.
    network = keras.Model(stack, stack[..., : engines.CLASSES])
    model = step.TrainingStep(network, losses.build(configs.load("smoke").loss))
    wanted = engines.limits(flip=1.0)
    batch = engines.phantom() | engines.drawn(wanted)
    trained, tested = (model(batch, training=flag) for flag in (True, False))
    for name in ("logits", "truth"):
        one, other = np.array(trained[name]), np.array(tested[name])
        np.testing.assert_allclose(one, other[:, :, ::-1], atol=1e-4)


@pytest.mark.skipif(
    not engines.INSTALLED or engines.ADDONS, reason="tensorflow-addons is not there"
)
def test_tensorflow_addons_in_a_process_of_its_own():
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", __file__, "-k", "addons", "-x"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout


@pytest.mark.skipif(engines.ADDONS, reason="tensorflow-addons is at hand")
def test_without_tensorflow_addons_the_message_says_what_to_do():
    from competition.net.augment import augment_addons

    with pytest.raises(ValueError, match=r"needs tensorflow-addons 0\.23\.0.*host"):
        augment_addons.addons()
