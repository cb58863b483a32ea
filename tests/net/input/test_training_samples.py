"""The streams of batches hold the expected arrays, and repeat."""

import numpy as np
import pytest

from competition.core import axes, geometry, stacks
from competition.core.experiment import configs
from competition.net import augment, devices, hosts
from competition.net.augment import augment_params
from competition.net.input import training_data, training_samples
from tests.net import training_parts
from tests.net.conftest import BOX, DEPTH, GRID, TINY

EVERYTHING = [
    f"augment.{name}=0.9"
    for name in ("elastic", "tone", "blur", "noise", "holes", "cutmix", "mixup")
]


def batches(table, store, config, **start) -> list[dict[str, np.ndarray]]:
    data = training_data.TrainingData(table, store)
    return training_parts.read(data, config, **start)


def equal(one: list[dict], other: list[dict]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a[key], b[key]) for a, b in pairs for key in a)


def plain(*more: str) -> configs.Config:
    return configs.load("smoke", (*TINY, "augment.engine=none", *more))


def test_an_element_has_the_shapes_and_types_that_the_step_expects(table, store, tiny):
    first = batches(table, store, tiny)[0]
    assert first["stack"].shape == (4, 32, 32, 3)
    assert first["stack"].dtype == np.uint16
    assert first["bits"].shape == (4, 32, 32)
    assert first["bits"].dtype == np.uint8
    np.testing.assert_array_equal(first["window"], [[100, 1100]] * 4)
    assert first["window"].dtype == np.float32


def test_the_same_call_gives_the_same_stream(table, store, tiny):
    assert equal(batches(table, store, tiny), batches(table, store, tiny))


def test_a_stream_begun_later_is_the_rest_of_the_whole_one(table, store, tiny):
    whole = batches(table, store, tiny)
    assert len(whole) == 4 * 3
    assert equal(whole[2 * 3 :], batches(table, store, tiny, first_epoch=2))


@pytest.mark.parametrize(("axis", "place"), [("y", 1), ("x", 2)])
def test_samples_of_a_turned_scan_are_its_slices_across_the_axis(
    table, store, axis, place
):
    config = plain(f"axis={axis}", "intensity=scan", "geometry.height=8")
    turned = axes.turned(table, store, axis)
    samples = training_samples.TrainingSamples(*turned, config)
    batch = samples.batch(0)
    rows = turned[0].set_index("id").loc[samples.ids(0)]
    for scan, index, stack, bits in zip(
        rows["scan"], rows["index"], batch["stack"], batch["bits"], strict=True
    ):
        slices = np.moveaxis(store.scan(scan), place, 0)
        around = np.clip([index - 1, index, index + 1], 0, len(slices) - 1)
        seen = np.stack([slices[each] for each in around], axis=-1)
        grid = geometry.Grid(slices.shape[1:])
        np.testing.assert_array_equal(stack, geometry.fit(seen, config.geometry, grid))
        mask = np.ascontiguousarray(store.masks(scan).take(index, place))
        fitted = geometry.fit_mask(mask, config.geometry, grid)
        np.testing.assert_array_equal(bits, fitted)
    np.testing.assert_array_equal(batch["window"], [[0, 2000]] * 4)


@pytest.mark.parametrize("engine", ["device", "host"])
def test_several_hosts_draw_the_changes_that_one_draws(
    table, store, tiny, monkeypatch, engine
):
    config = configs.load("smoke", (*TINY, *EVERYTHING, f"augment.engine={engine}"))
    one = training_samples.TrainingSamples(table, store, config).batch(0)
    monkeypatch.setattr(hosts, "_now", hosts._Hosts(None, index=1, count=2))
    own = training_samples.TrainingSamples(table, store, config).batch(0)
    assert len(own["stack"]) == 2
    # The step sees the whole batch; what a host pastes itself lies in its own part.
    for name in augment_params.CARRIED[engine] & own.keys():
        np.testing.assert_array_equal(own[name], one[name][2:])
    assert {"mixup"} <= own.keys()


def test_no_tuner_holds_up_the_end_of_fit(table, store, tiny):
    with training_data.TrainingData(table, store).batches(tiny) as data:
        assert data.options().autotune.enabled is False


def test_epochs_and_seeds_differ(table, store, tiny):
    whole = batches(table, store, tiny)
    assert not equal(whole[:3], whole[3:6])
    other = configs.load("smoke", (*TINY, "seed=1"))
    assert not equal(whole, batches(table, store, other))


def test_without_augmentation_an_epoch_is_every_slice_once(table, store):
    whole = batches(table, store, plain("training.epochs=1"))
    seen = {stack.tobytes() for batch in whole for stack in batch["stack"]}
    expected = set()
    for scan, index in zip(table["scan"], table["index"], strict=True):
        stack = stacks.gather(store.scan(scan), index, (-1, 0, 1))
        expected.add(geometry.fit(stack, plain().geometry, GRID).tobytes())
    assert seen == expected


@pytest.mark.parametrize("engine", ["none", "host", "device"])
def test_shapes_and_types_are_known_before_a_batch_is_made(table, store, engine):
    chosen = f"augment.engine={engine}", *EVERYTHING
    for more in ((), ("model.architecture=unet_3d", "model.patch=[3, 16, 12]")):
        config = configs.load("smoke", (*TINY, *chosen, *more))
        with training_data.TrainingData(table, store).batches(config) as data:
            batch = next(data.as_numpy_iterator())
        known = {
            name: (tuple(spec.shape), spec.dtype.as_numpy_dtype)
            for name, spec in data.element_spec.items()
        }
        assert known == {n: (array.shape, array.dtype) for n, array in batch.items()}


def test_stacks_and_bits_begin_where_no_framework_copies_them(table, store, tiny):
    source = training_samples.TrainingSamples(table, store, tiny)
    for number in range(5):
        batch = source.batch(number)
        assert all(batch[name].ctypes.data % 64 == 0 for name in ("stack", "bits"))


def test_the_samples_name_the_slices_of_a_batch(table, store):
    config = plain()
    data = training_data.TrainingData(table, store)
    for number, batch in enumerate(training_parts.read(data, config)):
        rows = table.set_index("id").loc[data.ids(number)]
        for stack, scan, index in zip(
            batch["stack"], rows["scan"], rows["index"], strict=True
        ):
            expected = stacks.gather(store.scan(scan), index, (-1, 0, 1))
            fitted = geometry.fit(expected, config.geometry, GRID)
            np.testing.assert_array_equal(stack, fitted)


def test_augmentation_moves_what_the_plain_stream_holds(table, store, tiny):
    assert not equal(batches(table, store, tiny), batches(table, store, plain()))


def test_the_last_incomplete_batch_is_dropped(table, store):
    whole = batches(table, store, plain("training.batch=5", "training.epochs=2"))
    assert [len(batch["stack"]) for batch in whole] == [5] * 4


def test_the_window_may_be_that_of_the_scan(table, store):
    first = batches(table, store, plain("intensity=scan"))[0]
    np.testing.assert_array_equal(first["window"], [[0, 2000]] * 4)


def test_fewer_slices_than_a_batch_are_refused(table, store, tiny):
    with pytest.raises(ValueError, match=r"`training.batch` is 4.*3 slices"):
        training_samples.TrainingSamples(table.head(3), store, tiny)


def test_five_slices_can_be_shrunk(table, store):
    smaller = "geometry.height=16", "geometry.width=16", "geometry.fit=resize"
    config = plain("slices=[-2, -1, 0, 1, 2]", *smaller)
    assert batches(table, store, config)[0]["stack"].shape == (4, 16, 16, 5)


def test_the_device_engine_sends_plain_samples_and_what_is_to_be_done(table, store):
    chosen = configs.load("smoke", (*TINY, "augment.engine=device", *EVERYTHING))
    wholes = batches(table, store, chosen)
    bare = batches(table, store, plain())
    assert set(wholes[0]) - set(bare[0]) == {
        *("warp", "tone", "blur", "noise", "holes", "cutmix", "mixup")
    }
    assert wholes[0]["warp"].shape == (4, 7, 7, 2)
    for one, other in zip(wholes, bare, strict=True):
        np.testing.assert_array_equal(one["stack"], other["stack"])


def test_the_host_engine_leaves_mixup_to_the_step(table, store):
    chosen = configs.load("smoke", (*TINY, "augment.engine=host", *EVERYTHING))
    first = batches(table, store, chosen)[0]
    assert set(first) == {"stack", "bits", "window", "mixup"}
    np.testing.assert_array_equal(first["window"], [[0, 65535]] * 4)


def test_without_intensities_the_host_engine_keeps_values_and_window(table, store):
    chosen = configs.load("smoke", (*TINY, "augment.engine=host"))
    first = batches(table, store, chosen)[0]
    assert set(first) == {"stack", "bits", "window"}
    np.testing.assert_array_equal(first["window"], [[100, 1100]] * 4)


@pytest.mark.parametrize("engine", ["device", "host"])
def test_engines_repeat_and_begin_anywhere(table, store, engine):
    chosen = configs.load("smoke", (*TINY, f"augment.engine={engine}", *EVERYTHING))
    whole = batches(table, store, chosen)
    assert equal(whole[6:], batches(table, store, chosen, first_epoch=2))


def test_positives_leave_out_the_empty_slices(table, store):
    chosen = plain("sampling.slices=positives", "sampling.empties=0.0")
    whole = batches(table, store, chosen)
    assert len(whole) == 4 * (10 // 4)
    assert all(batch["bits"].any(axis=(1, 2)).all() for batch in whole)


@pytest.mark.parametrize("engine", ["none", "host", "device"])
def test_a_position_travels_with_its_slice(table, store, engine):
    config = plain("position=true", f"augment.engine={engine}")
    samples = training_samples.TrainingSamples(table, store, config)
    for number in range(samples.steps):
        rows = table.set_index("id").loc[samples.ids(number)]
        expected = (rows["index"] / (DEPTH - 1)).to_numpy("float32")
        np.testing.assert_array_equal(samples.batch(number)["position"], expected)


@pytest.mark.parametrize("centred", [0.0, 1.0])
def test_crops_are_parts_of_the_slice_centred_on_an_organ_if_asked(
    table, store, centred
):
    crop = "geometry.crop=[12, 10]", f"sampling.centred={centred}"
    chosen = plain(*crop, "sampling.slices=positives", "sampling.empties=0.0")
    whole = plain("sampling.slices=positives", "sampling.empties=0.0")
    samples = training_samples.TrainingSamples(table, store, chosen)
    slices = training_samples.TrainingSamples(table, store, whole)
    middles, places = [], set()
    for number in range(3 * samples.steps):
        parts, wholes = samples.batch(number), slices.batch(number)
        for position in range(4):
            part = parts["stack"][position]
            image = wholes["stack"][position]
            ((y, x),) = [
                (y, x)
                for y in range(32 - 12 + 1)
                for x in range(32 - 10 + 1)
                if np.array_equal(image[y : y + 12, x : x + 10], part)
            ]
            bits = wholes["bits"][position][y : y + 12, x : x + 10]
            np.testing.assert_array_equal(parts["bits"][position], bits)
            middles.append(bits[6, 5] > 0)
            places.add((y, x))
    assert len(places) > 10
    # One that is nearer to the border than half a crop cannot be in the middle.
    assert np.mean(middles) >= 0.7 if centred else np.mean(middles) < 0.6
    again = training_samples.TrainingSamples(table, store, chosen)
    assert again.batch(5)["stack"].tobytes() == samples.batch(5)["stack"].tobytes()


@pytest.mark.parametrize("fit", ["pad", "spacing"])
def test_samples_are_cut_to_the_box_of_their_scan(table, store, fit):
    # In the second case the frame is as large as the box: nothing is placed.
    for height, width in ((40, 36), geometry.Box(*BOX).shape):
        size = f"geometry.height={height}", f"geometry.width={width}"
        chosen = plain(*size, f"geometry.fit={fit}", "geometry.box=body")
        samples = training_samples.TrainingSamples(table, store, chosen)
        (scan, index), *_ = rows = [samples.rows[row] for row in samples.order(0)]
        assert len(rows) == len(table)
        batch = samples.batch(0)
        stack = stacks.gather(store.scan(scan), index, (-1, 0, 1))
        mask = store.masks(scan)[index]
        fitted = geometry.fit(stack, chosen.geometry, GRID)
        np.testing.assert_array_equal(batch["stack"][0], fitted)
        bits = geometry.fit_mask(mask, chosen.geometry, GRID)
        np.testing.assert_array_equal(batch["bits"][0], bits)


def test_what_is_larger_is_cropped_and_what_is_smaller_padded(table, store):
    chosen = plain("geometry.height=20", "geometry.width=50", "training.epochs=1")
    seen = {
        stack.tobytes() for b in batches(table, store, chosen) for stack in b["stack"]
    }
    stack = stacks.gather(store.scan("case0_day0"), 3, (-1, 0, 1))
    assert geometry.fit(stack, chosen.geometry, GRID).tobytes() in seen


def test_auto_is_the_host_where_there_is_no_accelerator(monkeypatch):
    limits = configs.load("smoke").augment
    assert limits.engine == "auto"
    for kind, engine in (("cpu", "host"), ("gpu", "device"), ("tpu", "device")):
        device = devices.Device(kind)
        monkeypatch.setattr(devices, "find", lambda device=device: device)
        assert augment.engine(limits) == engine
