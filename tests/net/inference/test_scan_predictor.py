"""From a scan to its probabilities."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from competition.core import geometry, probabilities, stacks
from competition.core.experiment import configs
from competition.net import devices
from competition.net.inference import ensemble, forward_pass, scan_predictor
from competition.net.input import scan_batches
from competition.net.networks import build
from competition.net.training import setup, step
from competition.net.volumetric import patches
from tests.net.conftest import CLASSES, DEPTH, GRID, HEIGHT, TINY, WIDTH
from tests.net.inference import by_scan

WINDOWS = np.tile(np.float32([100, 1100]), (DEPTH, 1))


@functools.cache
def network(config: configs.Config, seed: int):
    """Build a network once for all tests that do not change it."""
    return new_network(config, seed)


def new_network(config: configs.Config, seed: int):
    setup.seed(seed)
    return build.build(config, CLASSES)


@pytest.mark.parametrize("fit", ["pad", "resize", "letterbox"])
def test_probabilities_have_the_size_of_the_scan(store, fit):
    config = configs.load("smoke", (*TINY, f"geometry.fit={fit}"))
    volume = store.scan("case0_day0")
    received = by_scan.predict([network(config, 0)], volume, WINDOWS, GRID, config)
    assert received.shape == (DEPTH, HEIGHT, WIDTH, CLASSES)
    assert received.dtype == np.float32
    assert received.min() >= 0
    assert received.max() <= 1


def test_outside_of_the_box_the_probability_is_zero(store, tiny):
    cut = configs.load("smoke", (*TINY, "geometry.box=body"))
    volume, same = store.scan("case0_day0"), network(tiny, 0)
    received = by_scan.predict([same], volume, WINDOWS, GRID, cut)
    assert (received[:, *GRID.body.slices] > 0).all()
    received[:, *GRID.body.slices] = 0
    assert not received.any()


def test_every_slice_is_seen_at_its_position_in_all_views_and_windows(store):
    crop = "geometry.crop=[16, 20]", "submit.windows=true"
    for more, size in ((), (32, 32)), (crop, (16, 20)):
        seen = "position=true", "submit.scales=[1.0, 1.25]"
        config = configs.load("smoke", (*TINY, *seen, *more))
        stack = keras.Input((*size, 4), name="stack")
        # It looks at nothing else.
        net = keras.Model(stack, keras.layers.Conv2D(CLASSES, 1)(stack))
        weights = np.zeros((1, 1, 4, CLASSES), np.float32)
        weights[0, 0, 3] = 1
        net.set_weights([weights, np.zeros(CLASSES, np.float32)])
        volume = store.scan("case0_day0")
        probability = predict(volume, member("a", config, net))["a"] / 255
        place = np.linspace(0, 1, DEPTH)[:, None, None, None]
        expected = np.broadcast_to(1 / (1 + np.exp(-place)), probability.shape)
        inside = (slice(None), slice(8, -8), slice(8, -8))
        np.testing.assert_allclose(probability[inside], expected[inside], atol=0.005)


CROP = "geometry.crop=[16, 20]", "model.presence=true"


def test_a_network_trained_on_crops_predicts_whole_slices(store):
    cropped = configs.load("smoke", (*TINY, *CROP))
    whole = configs.load("smoke", (*TINY, "model.presence=true"))
    volume, net = store.scan("case0_day0"), network(cropped, 0)
    assert net.input_shape == (None, 16, 20, 3)
    larger = network(whole, 1)
    larger.set_weights(net.get_weights())
    expected = predict(volume, member("a", whole, larger))["a"]
    seen = predict(volume, member("a", cropped, net))["a"]
    np.testing.assert_array_equal(seen, expected)


def test_crops_are_averaged_with_weights_and_cover_the_slice(store):
    cropped = configs.load("smoke", (*TINY, *CROP, "submit.windows=true"))
    volume, net = store.scan("case0_day0"), network(cropped, 0)
    seen = predict_scan_of(cropped, net, volume)
    low, high = WINDOWS[0]
    stacks_seen = [
        geometry.fit(stacks.gather(volume, i, (-1, 0, 1)), cropped.geometry, GRID)
        for i in range(DEPTH)
    ]
    grey = np.clip((np.stack(stacks_seen) - low) / (high - low), 0, 1)
    total = np.zeros((DEPTH, 32, 32, CLASSES))
    for (y, tall), (x, wide) in patches.cover((32, 32), (16, 20)):
        logits = net(grey[:, y : y + 16, x : x + 20].astype(np.float32))["logits"]
        part = 1 / (1 + np.exp(-ops.convert_to_numpy(logits)))
        total[:, y : y + 16, x : x + 20] += part * np.outer(tall, wide)[..., None]
    expected = [geometry.restore(each, cropped.geometry, GRID) for each in total]
    np.testing.assert_allclose(seen, np.stack(expected), atol=1e-5)


def predict_scan_of(config, net, volume):
    return by_scan.predict([net], volume, WINDOWS, GRID, config)


def test_what_the_geometry_crops_is_zero(store, tiny):
    # The scan is 34 wide, the network 32: a column on either side is lost.
    volume = store.scan("case0_day0")
    received = by_scan.predict([network(tiny, 0)], volume, WINDOWS, GRID, tiny)
    assert (received[:, :, [0, -1]] == 0).all()
    assert (received[:, :, 1:-1] > 0).all()


def test_networks_are_averaged(store, tiny):
    volume = store.scan("case0_day0")
    one, other = network(tiny, 0), network(tiny, 1)
    alone = [by_scan.predict([n], volume, WINDOWS, GRID, tiny) for n in (one, other)]
    both = by_scan.predict([one, other], volume, WINDOWS, GRID, tiny)
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, atol=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_the_batch_size_does_not_matter(store, tiny):
    volume, same = store.scan("case0_day0"), network(tiny, 0)
    larger = configs.load("smoke", (*TINY, "training.batch=16"))
    one = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
    other = by_scan.predict([same], volume, WINDOWS, GRID, larger)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_weights_changed_between_scans_are_used(store, tiny):
    volume, same = store.scan("case0_day0"), new_network(tiny, 0)
    before = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
    same.set_weights([weight * 2 for weight in same.get_weights()])
    after = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
    assert np.abs(before - after).max() > 1e-3


def test_windows_of_another_scan_are_refused(store, tiny):
    volume = store.scan("case0_day0")
    with pytest.raises(ValueError, match=r"Expected shape \(6, 2\), received \(5, 2\)"):
        by_scan.predict([network(tiny, 0)], volume, WINDOWS[:5], GRID, tiny)


def member(name: str, config: configs.Config, *networks):
    return scan_predictor.Member(name, config, dict(enumerate(networks)))


def predict(volume, *members, **options):
    both = {"slice": WINDOWS, "scan": WINDOWS}
    seen = scan_predictor.ScanPredictor(members).predict(volume, both, GRID, **options)
    return {name: each.probability for name, each in seen.items()}


def test_members_are_predicted_apart_in_one_pass(store, tiny, monkeypatch):
    volume = store.scan("case0_day0")
    nets = [network(tiny, seed) for seed in range(3)]
    passes = []
    original = scan_batches.stack_batches
    monkeypatch.setattr(
        scan_batches,
        "stack_batches",
        lambda *a, **k: passes.append(1) or original(*a, **k),
    )
    seen = predict(volume, member("a", tiny, *nets[:2]), member("b", tiny, nets[2]))
    assert len(passes) == 1
    for name, alone in (("a", nets[:2]), ("b", nets[2:])):
        expected = by_scan.predict(alone, volume, WINDOWS, GRID, tiny)
        np.testing.assert_array_equal(seen[name], probabilities.quantise(expected))


def test_a_member_whose_probabilities_are_not_finite_is_left_out(store, tiny):
    broken = new_network(tiny, 1)
    broken.set_weights([values * np.nan for values in broken.get_weights()])
    volume = store.scan("case0_day0")
    both = member("a", tiny, network(tiny, 0)), member("b", tiny, broken)
    assert predict(volume, *both).keys() == {"a"}


def test_members_of_other_inputs_go_together_too(store, tiny):
    volume = store.scan("case0_day0")
    other = configs.load("smoke", (*TINY, "slices=[0]", "intensity=scan"))
    seen = predict(
        volume,
        member("a", tiny, network(tiny, 0)),
        member("b", other, network(other, 1)),
    )
    assert seen["a"].shape == seen["b"].shape == (DEPTH, HEIGHT, WIDTH, CLASSES)


def test_the_flipped_view_is_averaged(store, tiny):
    volume, same = store.scan("case0_day0"), network(tiny, 0)
    flip = configs.load("smoke", (*TINY, 'submit.tta=["flip"]'))
    plain = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
    mirrored = by_scan.predict([same], volume[:, :, ::-1], WINDOWS, GRID, tiny)
    expected = (plain + mirrored[:, :, ::-1]) / 2
    seen = predict(volume, member("a", flip, same))["a"]
    assert np.abs(seen / 255 - expected).max() <= 0.5 / 255 + 1e-6
    without = predict(volume, member("a", flip, same), tta=False)["a"]
    np.testing.assert_array_equal(without, probabilities.quantise(plain))


@pytest.mark.parametrize(("axis", "order"), [("y", (1, 0, 2)), ("x", (2, 0, 1))])
def test_slices_across_another_axis_are_those_of_a_turned_scan(store, axis, order):
    scan = *TINY, "intensity=scan"
    plain = configs.load("smoke", scan)
    across = configs.load("smoke", (*scan, f"axis={axis}"))
    volume, same = store.scan("case0_day0"), network(plain, 0)
    turned = volume.transpose(order)
    windows = np.tile(WINDOWS[:1], (len(turned), 1))
    grid = geometry.Grid(turned.shape[1:])
    expected = by_scan.predict([same], turned, windows, grid, plain)
    expected = expected.transpose(*np.argsort(order), 3)
    received = by_scan.predict([same], volume, WINDOWS, GRID, across)
    np.testing.assert_array_equal(received, expected)
    members = [member("a", across, same), member("b", plain, same)]
    predictor = scan_predictor.ScanPredictor(members)
    predicted = predictor.predict(volume, {"scan": WINDOWS}, GRID)
    a, b = predicted["a"], predicted["b"]
    np.testing.assert_array_equal(a.probability, probabilities.quantise(expected))
    np.testing.assert_array_equal(a.presence, a.probability.max(axis=(1, 2)))
    assert a.probability.shape == b.probability.shape
    assert (a.probability != b.probability).any()


def test_folds_views_and_less_effort_share_one_compiled_network(
    store, tiny, monkeypatch
):
    traced, original = [], forward_pass._probabilities
    monkeypatch.setattr(
        forward_pass,
        "_probabilities",
        lambda o, **options: traced.append(o) or original(o, **options),
    )
    volume, nets = store.scan("case0_day0"), [network(tiny, seed) for seed in range(3)]
    flip = configs.load("smoke", (*TINY, 'submit.tta=["flip"]'))
    both = member("a", flip, *nets[:2]), member("b", tiny, nets[2])
    predictor = scan_predictor.ScanPredictor(both)
    windows = {"slice": WINDOWS}
    whole = predictor.predict(volume, windows, GRID)
    assert whole.keys() == {"a", "b"}
    fewer = predictor.predict(volume, windows, GRID, folds={"a": (1,)}, tta=False)
    assert fewer.keys() == {"a"}
    assert len(traced) == 1
    alone = by_scan.predict(nets[1:2], volume, WINDOWS, GRID, tiny)
    np.testing.assert_array_equal(fewer["a"].probability, probabilities.quantise(alone))


def test_a_presence_head_says_in_which_slices_a_class_is(store, tiny):
    volume, without = store.scan("case0_day0"), network(tiny, 0)
    heads = configs.load("smoke", (*TINY, "model.presence=true", 'submit.tta=["flip"]'))
    net = network(heads, 1)
    predictor = scan_predictor.ScanPredictor(
        [member("head", heads, net), member("bare", tiny, without)]
    )
    seen = predictor.predict(volume, {"slice": WINDOWS}, GRID)
    (batch,) = scan_batches.stack_batches(volume, WINDOWS, GRID, heads, batch=DEPTH)
    stack = step.normalise(batch["stack"], batch["window"])
    views = [net(each)["presence"] for each in (stack, stack[:, :, ::-1])]
    mean = np.mean([1 / (1 + np.exp(-np.array(view))) for view in views], axis=0)
    assert np.abs(seen["head"].presence / 255 - mean).max() <= 0.5 / 255 + 1e-6
    bare = seen["bare"]
    assert (bare.presence == bare.probability.max(axis=(1, 2))).all()


def test_what_an_enlarged_view_does_not_see_the_others_decide(store, tiny):
    volume, same = store.scan("case0_day0"), new_network(tiny, 0)
    # From even odds on, so that what is seen makes a difference.
    same.get_layer("logits").bias.assign([0.0] * CLASSES)
    large = configs.load("smoke", (*TINY, "submit.scales=[1.0, 2.0]"))
    plain = probabilities.quantise(by_scan.predict([same], volume, WINDOWS, GRID, tiny))
    seen = predict(volume, member("a", large, same))["a"]
    np.testing.assert_allclose(seen[:, :4], plain[:, :4], atol=1)
    assert np.abs(seen.astype(int) - plain).max() > 1


def test_what_overflows_in_half_precision_is_computed_again_in_float32(store, tiny):
    volume, same = store.scan("case0_day0"), new_network(tiny, 0)
    # Features of 1e6: more than float16 holds. The last layer makes them small again.
    arrays = same.get_weights()
    same.set_weights([arrays[0] * 1e6, *arrays[1:-2], arrays[-2] * 1e-6, arrays[-1]])
    with devices.policy("float16", devices.Device("cpu")):
        half = new_network(tiny, 0)
    half.set_weights(same.get_weights())
    raw = ensemble.predict_on_batch(
        next(scan_batches.stack_batches(volume, WINDOWS, GRID, tiny, batch=4)),
        [ensemble.Networks([half], tiny)],
        forward_pass.ForwardPasses(),
    )
    assert not np.isfinite(raw[0]["probability"]).all()
    told = []
    predictor = scan_predictor.ScanPredictor(
        [member("a", tiny, half)], warn=lambda *said: told.append(said)
    )
    for factor in (1, -1):
        arrays = same.get_weights()
        same.set_weights([*arrays[:-2], arrays[-2] * factor, arrays[-1]])
        half.set_weights(same.get_weights())
        expected = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
        seen = predictor.predict(volume, {"slice": WINDOWS}, GRID)["a"].probability
        np.testing.assert_array_equal(seen, probabilities.quantise(expected))
        scored = by_scan.predict([half], volume, WINDOWS, GRID, tiny)
        np.testing.assert_array_equal(scored, expected)
    ((what, text),) = told
    assert what == "not finite" and text.startswith("a: probabilities in half")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX is XLA")
def test_a_compiler_that_fails_is_done_without(store, tiny, monkeypatch, capsys):
    from competition.net import tensorflow_backend

    volume, same = store.scan("case0_day0"), network(tiny, 0)
    expected = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
    compiled = tensorflow_backend.WithWeights

    def without_ptxas(function, weights, *, xla):
        def fail(*_):
            raise RuntimeError("Couldn't find ptxas")

        return fail if xla else compiled(function, weights, xla=False)

    monkeypatch.setattr(tensorflow_backend, "WithWeights", without_ptxas)
    t4 = devices.Device("gpu", 1, 7.5)
    monkeypatch.setattr(devices, "find", lambda: t4)
    config = configs.load("smoke", (*TINY, 'submit.tta=["flip"]'))
    received = by_scan.predict([same], volume, WINDOWS, GRID, config)
    np.testing.assert_allclose(received, expected, atol=1e-6)
    assert "ptxas" in capsys.readouterr().err
    asked = configs.load("smoke", (*TINY, "training.xla=true"))
    with pytest.raises(RuntimeError, match="ptxas"):
        by_scan.predict([same], volume, WINDOWS, GRID, asked)


class ResourceExhaustedError(Exception):
    """As TensorFlow calls it."""


def test_out_of_memory_halves_the_batch_for_good(store, tiny, monkeypatch):
    volume, same = store.scan("case0_day0"), network(tiny, 0)
    expected = predict(volume, member("a", tiny, same))["a"]
    original = ensemble.predict_on_batch

    def small(batch, *others, **options):
        if len(batch["stack"]) > 1:
            raise ResourceExhaustedError("OOM when allocating")
        return original(batch, *others, **options)

    monkeypatch.setattr(ensemble, "predict_on_batch", small)
    warnings = []
    predictor = scan_predictor.ScanPredictor(
        [member("a", tiny, same)], warn=lambda what, text: warnings.append(text)
    )
    for _ in range(2):
        seen = predictor.predict(volume, {"slice": WINDOWS}, GRID)["a"].probability
        assert np.abs(seen.astype(int) - expected).max() <= 1
    assert [text[-9:] for text in warnings] == ["2 slices.", "1 slices."]


def test_a_score_while_training_gets_by_with_less_memory(store, tiny, monkeypatch):
    volume, same = store.scan("case0_day0"), network(tiny, 0)
    expected = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
    original = ensemble.predict_on_batch

    def small(batch, *others, **options):
        if len(batch["stack"]) > 1:
            raise ResourceExhaustedError("OOM when allocating")
        return original(batch, *others, **options)

    monkeypatch.setattr(ensemble, "predict_on_batch", small)
    received = by_scan.predict([same], volume, WINDOWS, GRID, tiny)
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_out_of_memory_for_a_single_slice_is_an_error(store, tiny, monkeypatch):
    def fail(*_, **__):
        raise ResourceExhaustedError("OOM when allocating")

    monkeypatch.setattr(ensemble, "predict_on_batch", fail)
    with pytest.raises(ValueError, match="no memory for a single slice"):
        predict(store.scan("case0_day0"), member("a", tiny, network(tiny, 0)))
