"""Training a fold: its files, and how it goes on after a fault."""

import itertools
import re

import keras
import numpy as np
import pandas as pd
import pytest

from competition.core import console
from competition.core.experiment import configs, history
from competition.machine import deadline
from competition.net import devices, weights_file
from competition.net.input import (
    resident_scans,
    training_data,
    training_samples,
)
from competition.net.networks import build
from competition.net.training import (
    callbacks,
    checkpoint,
    fitting,
    losses,
    progress,
    setup,
    step,
)
from competition.net.training import weights as variable_weights
from tests.net import training_parts
from tests.net.conftest import CLASSES, GRID, TINY
from tests.net.inference import by_scan

WANTED = (*TINY, "model.dropout=0.2", "augment.engine=none")


class Killed(Exception):
    """Stands in for a power cut."""


@pytest.fixture
def fold(table, store, tmp_path):
    """Train into a folder of tmp_path: fold(name, score, *overrides)."""

    def train(name, score, *overrides, limit=None, data=None):
        wanted = configs.load("smoke", (*WANTED, *overrides))
        setup.seed(0)
        network = build.build(wanted, CLASSES)
        history = fitting.fit(
            training_parts.fold_of(
                network,
                wanted,
                data=data or training_data.TrainingData(table, store),
                folder=tmp_path / name,
                score=score,
                limit=limit,
            )
        )
        return network, history

    return train


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Replace the U-Net by a faster network that has layers with state too."""

    def network(config, classes):
        stack = keras.Input((config.geometry.height, config.geometry.width, 3))
        width = config.model.widths[0]
        x = keras.layers.Conv2D(width, 3, padding="same", name="conv")(stack)
        x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
        x = keras.layers.SpatialDropout2D(config.model.dropout)(x)
        x = keras.layers.Conv2D(classes, 1, name="head")(x)
        return keras.Model(stack, keras.layers.Activation("linear", dtype="float32")(x))

    monkeypatch.setitem(build.ARCHITECTURES, "unet", network)


def scores(*values):
    """Return a score function that returns these values, or raises them, in turn."""
    left = list(values)

    def score(network):
        value = left.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    return score


def half(network):
    return 0.5


def state(folder) -> dict[str, np.ndarray]:
    with np.load(folder / "state.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "about"}


def timeless(history):
    return [
        row | {"seconds": 0, "scoring": 0, "memory": 0, "waiting": 0} for row in history
    ]


def equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], name)


def same(arrays, others):
    for one, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(one, other)


def weights(path, *overrides):
    weights_file.check(path / "best.weights.h5", owner=f"fold {path.name}")
    network = build.build(configs.load("smoke", (*WANTED, *overrides)), CLASSES)
    network.load_weights(path / "best.weights.h5")
    return network.get_weights()


def test_the_loss_falls_and_the_files_are_there(fold, tmp_path):
    _, history = fold("run", half, "training.epochs=6")
    assert [row["epoch"] for row in history] == list(range(6))
    assert history[-1]["loss"] < history[0]["loss"]
    kept = pd.read_csv(tmp_path / "run" / "history.csv")
    assert kept["loss"].tolist() == [row["loss"] for row in history]
    assert kept["rate"].is_monotonic_decreasing
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"best.weights.h5", "state.npz", "history.csv", "tensorboard"}


def test_crops_teach_alike_from_host_and_device_and_whole_slices_are_scored(
    fold, store
):
    crop = "geometry.crop=[16, 20]", "augment.engine=device", "training.epochs=2"
    config = configs.load("smoke", (*WANTED, *crop))
    windows, shapes = np.tile(np.float32([100, 1100]), (6, 1)), []

    def score(network):
        scan = store.scan("case0_day0")
        seen = by_scan.predict([network], scan, windows, GRID, config)
        shapes.append(seen.shape)
        return float(seen.mean())

    places = [f"input.place={place}" for place in ("host", "device")]
    ((one, first), (_, second)) = (fold(place, score, *crop, place) for place in places)
    assert one.input_shape == (None, 16, 20, 3)
    assert shapes == [(6, 30, 34, CLASSES)] * 4
    for name in ("loss", "score"):
        np.testing.assert_allclose(
            [row[name] for row in first], [row[name] for row in second], rtol=1e-3
        )


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.ema=0.8", "training.accumulate=2"),
        ("training.swa_epochs=3", "training.keep=swa", "training.optimizer=sgd"),
        ("training.keep=last", "training.schedule=one_cycle", "training.clip_norm=0.5"),
    ],
    ids=["average and accumulation", "mean and SGD", "one cycle and clipping"],
)
def test_killed_and_called_again_it_ends_as_if_it_had_not_been(
    fold, kept_states, tmp_path, overrides
):
    ends = (0.4, 0.5) if "training.swa_epochs=3" in overrides else (0.4,)
    whole, expected = fold("whole", scores(0.1, 0.2, 0.3, *ends), *overrides)
    with pytest.raises(Killed):
        fold("broken", scores(0.1, 0.2, Killed()), *overrides)
    resumed, history = fold("broken", scores(0.3, *ends), *overrides)
    for one, other in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other), one.path
        )
    equal(state(tmp_path / "whole"), state(tmp_path / "broken"))
    assert timeless(expected) == timeless(history)
    same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))


def test_the_best_weights_are_those_of_the_best_score(fold, tmp_path):
    kept = {}

    def score(network):
        kept[len(kept)] = network.get_weights()
        return [0.1, 0.7, 0.7, 0.2][len(kept) - 1]

    fold("run", score)
    same(kept[1], weights(tmp_path / "run"))


def test_averaged_weights_are_scored_but_not_trained_on(fold, tmp_path):
    plain, _ = fold("plain", half)
    seen = []

    def score(network):
        seen.append(network.get_weights())
        return float(len(seen))

    network, _ = fold("averaged", score, "training.ema=0.9")
    same(plain.get_weights(), network.get_weights())
    moved = [
        np.abs(one - other).max() > 1e-6
        for one, other in zip(seen[-1], network.get_weights(), strict=True)
    ]
    assert any(moved)
    same(seen[-1], weights(tmp_path / "averaged"))


def test_the_mean_of_the_last_epochs_is_kept_where_it_scores_better(fold, tmp_path):
    seen = []

    def score(network):
        seen.append(network.get_weights())
        return 0.1 * len(seen)

    _, history = fold("run", score, "training.swa_epochs=2", "training.ema=0.9")
    assert history[-1]["mean_score"] == pytest.approx(0.5)
    assert [row["mean_score"] for row in history[:-1]] == [None] * 3
    for third, fourth, mean, kept in zip(
        *seen[2:], weights(tmp_path / "run"), strict=True
    ):
        np.testing.assert_allclose(mean, (third + fourth) / 2, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(mean, kept)


@pytest.mark.parametrize("keep", ["last", "swa"])
def test_the_last_weights_or_their_mean_are_kept_whatever_they_score(
    fold, tmp_path, keep
):
    seen = []

    def score(network):
        seen.append(network.get_weights())
        return 1.0 / len(seen)

    wanted = f"training.keep={keep}", "training.swa_epochs=2", "training.epochs=3"
    _, history = fold("run", score, *wanted)
    assert (history[-1]["score"], history[-1]["mean_score"]) == (1 / 3, 1 / 4)
    # The mean is scored after the last epoch.
    same(seen[{"last": 2, "swa": 3}[keep]], weights(tmp_path / "run"))
    stored = checkpoint.load(tmp_path / "run", "fold run")
    assert stored.state.best == {"last": 1 / 3, "swa": 1 / 4}[keep]


def test_a_fold_that_stops_before_its_mean_keeps_the_last_weights(fold, tmp_path):
    seen = []

    def score(network):
        if len(seen) == 2:
            raise Killed
        seen.append(network.get_weights())
        return 1.0 / len(seen)

    with pytest.raises(Killed):
        fold("run", score, "training.keep=swa", "training.swa_epochs=2")
    same(seen[1], weights(tmp_path / "run"))


def test_it_stops_early_after_scores_without_a_better_one(fold):
    wanted = "training.epochs=9", "training.patience=2"
    _, history = fold("run", scores(0.1, 0.4, 0.3, 0.4), *wanted)
    assert len(history) == 4
    _, again = fold("run", scores(AssertionError("it was over")), *wanted)
    assert timeless(again) == timeless(history)


def test_without_any_score_the_last_weights_are_kept(fold, tmp_path):
    network, history = fold("run", lambda network: None, "training.epochs=2")
    assert [row["score"] for row in history] == [None, None]
    same(network.get_weights(), weights(tmp_path / "run"))


def test_a_finished_fold_called_again_does_nothing(fold, tmp_path):
    quiet = "training.tensorboard=false"
    _, history = fold("run", half, quiet)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    _, again = fold("run", scores(AssertionError("must not be scored")), quiet)
    assert again == history
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}
    (tmp_path / "run" / "best.weights.h5").unlink()
    with pytest.raises(ValueError, match=r"best\.weights\.h5: not found, though .* is"):
        fold("run", half, quiet)


def test_a_fold_that_is_over_keeps_no_variables_for_its_optimizer(
    fold, tmp_path, monkeypatch
):
    # Killed after the last epoch, and as older versions left a finished fold.
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "finish", lambda folder, stored: None)
        _, history = fold("run", half, "training.epochs=2", "training.swa_epochs=1")
    assert state(tmp_path / "run")
    _, again = fold("run", half, "training.epochs=2", "training.swa_epochs=1")
    assert again == history
    assert not state(tmp_path / "run")
    stored = checkpoint.load(tmp_path / "run", "fold run")
    assert stored.state.epochs == history and stored.state.best == 0.5


def test_a_history_that_lags_behind_the_state_is_mended(fold, tmp_path):
    fold("run", half, "training.epochs=2")
    path = tmp_path / "run" / "history.csv"
    whole = path.read_text("utf-8")
    path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    fold("run", half, "training.epochs=2")
    assert path.read_text("utf-8") == whole


def test_scans_are_scored_every_few_epochs_and_at_the_end(fold):
    epochs = "training.epochs=5", "training.score_every=2"
    _, history = fold("run", scores(0.1, 0.2, 0.3), *epochs)
    assert [row["score"] for row in history] == [None, 0.1, None, 0.2, 0.3]


def test_a_loss_that_stays_not_finite_stops_with_its_slices(fold, tmp_path, capsys):
    with pytest.raises(
        ValueError,
        match=r"The loss is (nan|inf) at step \d of epoch 1, in the slices "
        r"(case\d_day0_\d, ){3}case\d_day0_\d\. Low",
    ):
        fold("run", half, "training.learning_rate=1e36")
    assert "Trying once more from there at half the rate." in capsys.readouterr().err
    assert not (tmp_path / "run" / "state.npz").exists()


def test_weights_that_the_last_step_broke_are_not_saved(
    fold, table, store, tmp_path, monkeypatch
):
    def on_epoch_end(watch, epoch, logs=None):
        if epoch == 1:
            watch.model.network.weights[0].assign(watch.model.network.weights[0] / 0)
        look(watch, epoch, logs)

    look = callbacks.WatchSteps.on_epoch_end
    monkeypatch.setattr(callbacks.WatchSteps, "on_epoch_end", on_epoch_end)
    data = training_data.TrainingData(table, store)
    with pytest.raises(
        ValueError,
        match=r"The weights are not finite at step 3 of epoch 2, in the slices case",
    ) as raised:
        fold("run", half, data=data)
    # Three batches an epoch: the last one of the second.
    assert f"in the slices {', '.join(data.ids(5))}. Lower" in str(raised.value)
    kept = [value for value in state(tmp_path / "run").values() if value.ndim]
    assert all(np.isfinite(value).all() for value in kept)


def test_a_loss_that_is_not_finite_once_is_tried_at_half_the_rate(
    fold, monkeypatch, capsys
):
    faults = [2]

    def on_train_batch_end(watch, batch, logs=None):
        watch.loss = logs["loss"]
        if watch.epoch in faults:
            faults.clear()
            watch.step, watch.loss = batch, float("nan")
            watch.model.stop_training = True

    monkeypatch.setattr(callbacks.WatchSteps, "on_train_batch_end", on_train_batch_end)
    wanted = "training.schedule=polynomial", "training.warmup=0.0"
    _, history = fold("slowed", half, *wanted)
    assert "of epoch 3" in capsys.readouterr().err
    _, whole = fold("whole", half, *wanted)
    shares = [
        row["rate"] / other["rate"]
        for row, other in zip(history[:3], whole[:3], strict=True)
    ]
    assert shares == pytest.approx([1, 1, 0.5])


def test_without_memory_the_batch_is_halved_and_its_effect_kept(
    fold, monkeypatch, capsys
):
    sizes = []
    normalise = step.normalise

    def scarce(stack, window):
        sizes.append(stack.shape[0])
        if stack.shape[0] > 2 or stack.shape[1] > 32:
            raise RuntimeError("RESOURCE_EXHAUSTED: OOM when allocating tensor")
        return normalise(stack, window)

    monkeypatch.setattr(step, "normalise", scarce)
    _, history = fold("run", half, "training.batch=4")
    assert {4, 2} == set(sizes)
    assert len(history) == 4
    said = " ".join(capsys.readouterr().err.split())
    assert "2 slices at a time and 2 batches a step, 4 slices a step" in said
    with pytest.raises(
        ValueError, match=r"no memory for a single slice\. End other programs"
    ):
        sizes.clear()
        fold("none", half, "training.batch=4", "geometry.height=36")
    assert sizes == [4, 2, 1]


def test_a_halved_batch_still_divides_among_the_devices(fold, monkeypatch, capsys):
    two = devices.Device("cpu", 2, backend="jax")
    monkeypatch.setattr(devices, "find", lambda: two)
    normalise, sizes = step.normalise, []

    def scarce(stack, window):
        sizes.append(stack.shape[0])
        if stack.shape[0] > 4:
            raise RuntimeError("RESOURCE_EXHAUSTED: OOM when allocating tensor")
        return normalise(stack, window)

    monkeypatch.setattr(step, "normalise", scarce)
    fold("run", half, "training.batch=6", "training.epochs=1", "training.xla=false")
    assert {6, 2} == set(sizes)
    with pytest.raises(ValueError, match="multiple of the 2 devices"):
        fold("odd", half, "training.batch=1")


def test_gradients_accumulated_on_mirrored_gpus_are_refused(fold, monkeypatch):
    two = devices.Device("gpu", 2, 7.5)
    monkeypatch.setattr(devices, "find", lambda: two)
    with pytest.raises(ValueError, match="cannot accumulate gradients on mirrored"):
        fold("run", half, "training.gpus=mirror", "training.accumulate=2")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX has no choice")
def test_a_trial_of_xla_leaves_no_trace(fold, monkeypatch, capsys):
    monkeypatch.setattr(devices, "find", lambda: devices.Device("gpu", 1, 7.5))
    tried, _ = fold("tried", half)
    assert "a step takes" in capsys.readouterr().err
    plain, _ = fold("plain", half, "training.xla=false")
    for one, other in zip(tried.variables, plain.variables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_scans_on_the_device_teach_the_same(fold):
    asked = "training.epochs=2", "augment.engine=device", "augment.affine=1.0"
    ends = [
        fold(place, half, *asked, f"input.place={place}")[0].variables
        for place in ("host", "device")
    ]
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_where_memory_is_short_the_scans_leave_the_device_first(
    fold, monkeypatch, capsys
):
    monkeypatch.setattr(resident_scans, "SHARE", 1)
    free = [10**9]
    monkeypatch.setattr(devices, "free_memory", lambda: free[0])
    call = step.TrainingStep.call

    def scarce(model, inputs, training=None):
        if model.scans is not None:
            # The scans take it themselves.
            free[0] = 0
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return call(model, inputs, training=training)

    monkeypatch.setattr(step.TrainingStep, "call", scarce)
    _, rows = fold("run", half, "training.epochs=1")
    said = " ".join(capsys.readouterr().err.split())
    assert "no memory for a batch beside the scans" in said
    assert "slices at a time" not in said
    assert len(rows) == 1


def test_before_the_first_score_each_call_keeps_its_latest_weights(fold, tmp_path):
    folder, kept = tmp_path / "run", []
    for epochs in (1, 2):
        limit = deadline.Deadline(1000)
        limit.allows = lambda _, n=epochs: len(history.read(folder / "history.csv")) < n
        fold("run", half, "training.score_every=4", limit=limit)
        kept.append((folder / "best.weights.h5").read_bytes())
    assert kept[0] != kept[1]


def test_memory_that_runs_out_later_keeps_the_optimizer(
    fold, kept_states, table, store, tmp_path
):
    with pytest.raises(Killed):
        fold("run", scores(0.1, 0.2, Killed()))
    before = state(tmp_path / "run")

    class Scarce(training_data.TrainingData):
        """Has no memory for the first batches that it is asked for."""

        def batches(self, config, *, first_epoch=0):
            if config.training.batch == 4:
                raise MemoryError("RESOURCE_EXHAUSTED: out of memory")
            return super().batches(config, first_epoch=first_epoch)

    data = Scarce(table, store)
    _, history = fold("run", half, "training.epochs=4", data=data)
    after = state(tmp_path / "run")
    assert len(history) == 4
    assert int(before["optimizer00000"]) == 2 * 3
    assert int(after["optimizer00000"]) == 4 * 6
    assert len(after) > len(before)


def test_a_budget_ends_in_time_and_the_next_call_goes_on(fold, kept_states, tmp_path):
    now = [0.0]

    def score(network):
        return now[0]

    def train(limit):
        return fold("run", score, limit=limit)[1]

    whole = fold("whole", score)[1]
    # Epochs take a fraction of a second, and this clock stands still.
    limit = deadline.Deadline(1000, clock=lambda: now[0])
    limit.end = 0.001
    history = train(limit)
    assert len(history) == 1
    assert (tmp_path / "run" / "best.weights.h5").is_file()
    assert train(limit) == history
    assert timeless(train(None)) == timeless(whole)
    equal(state(tmp_path / "whole"), state(tmp_path / "run"))


def test_a_budget_that_ends_within_an_epoch_leaves_usable_weights(fold, tmp_path):
    ticks = iter(range(100))
    # It is asked once before the first epoch, then at each of its three steps.
    limit = deadline.Deadline(2.5, clock=lambda: next(ticks))
    _, history = fold("run", scores(AssertionError("no time for this")), limit=limit)
    assert history == []
    assert weights(tmp_path / "run")
    _, history = fold("run", half)
    assert len(history) == 4


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_long_epoch_prints_its_progress_on_a_terminal(
    capsys, monkeypatch, is_terminal
):
    monkeypatch.setattr(console.ERR, "_force_terminal", is_terminal)
    now = iter([0.0, 30.0, 61.0, 62.0])
    lines = progress.FoldProgress("fold 3", epochs=10)
    watch = callbacks.WatchSteps(lines, clock=lambda: next(now))
    watch.loss = 0.5
    watch.set_params({"steps": 10})
    watch.on_epoch_begin(0)
    for batch in (1, 2, 3):
        watch.on_train_batch_begin(batch)
    line = "fold 3: epoch 1  step 2/10  loss 0.5000  epoch ends in 4m04s"
    assert capsys.readouterr().err.splitlines() == [line] * is_terminal


@pytest.mark.parametrize(("seconds", "lines"), [(1.0, 1), (0.1, 0)])
def test_the_first_steps_tell_how_long_all_of_them_take(capsys, seconds, lines):
    now = [0.0]
    watch = callbacks.WatchSteps(
        progress.FoldProgress("fold 3", epochs=10), clock=lambda: now[0]
    )
    watch.set_params({"steps": 103, "epochs": 10})
    # It goes on in the third epoch, and the first three steps compile.
    for epoch in (2, 3):
        watch.on_epoch_begin(epoch)
        for batch in range(30):
            watch.on_train_batch_begin(batch)
            now[0] += 15 if epoch == 2 and batch < 3 else seconds
    said = capsys.readouterr().err.splitlines()
    expected = (
        "fold 3: a step takes 1.000 s, all steps of 8 epochs take 13m21s, "
        "without scoring"
    )
    assert [line for line in said if "a step takes" in line] == [expected] * lines


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (20, None),
        (
            10,
            r"the 10m00s that .* about 4 of 8 .* fewer folds or training.* cut to 56%",
        ),
        (1, r"the 1m00s that the budget has for this fold: .* 0 of 8 .* smaller netw"),
    ],
)
def test_a_budget_that_a_fold_does_not_fit_is_said_after_the_first_steps(
    capsys, minutes, said
):
    now = [0.0]
    watch = callbacks.WatchSteps(
        progress.FoldProgress("fold 3", epochs=10),
        # Of 984 steps of a second 961 are left after 23.
        limit=deadline.Deadline(60 * minutes + 23, lambda: now[0]),
        clock=lambda: now[0],
    )
    # A call of `fit` ends where the encoder is no longer frozen.
    watch.set_params({"steps": 123, "epochs": 4})
    watch.on_epoch_begin(2)
    for batch in range(30):
        watch.on_train_batch_begin(batch)
        now[0] += 1.0
    lines = [line for line in capsys.readouterr().err.splitlines() if "budget" in line]
    assert len(lines) == (said is not None)
    assert all(re.search(said, line) for line in lines)


def test_hosts_whose_clocks_differ_ask_for_the_time_equally_often():
    def asked(seconds):
        now, asked = [0.0], []
        limit = deadline.Deadline(1000, lambda: 0.0)
        limit.left = lambda: asked.append(1) or 1000.0
        watch = callbacks.WatchSteps(
            progress.FoldProgress("fold 3", epochs=10),
            limit=limit,
            clock=lambda: now[0],
        )
        watch.set_params({"steps": 100, "epochs": 10})
        watch.on_epoch_begin(0)
        for batch in range(30):
            watch.on_train_batch_begin(batch)
            now[0] += seconds
        return len(asked)

    # 977 steps are left: 999 s by one clock, 1001 s by the other.
    assert asked(1.0225) == asked(1.0245)


@pytest.fixture
def over_encoder(monkeypatch):
    """Replace the U-Net by a small network over an encoder; return its overrides."""

    def network(config, classes):
        stack = keras.Input((32, 32, 3))
        within = keras.Input((32, 32, 3))
        out = keras.layers.Conv2D(4, 3, padding="same")(within)
        out = keras.layers.BatchNormalization()(out)
        encoder = keras.Model(within, out, name="encoder")
        return keras.Model(stack, keras.layers.Conv2D(classes, 1)(encoder(stack)))

    monkeypatch.setitem(build.ARCHITECTURES, "unet", network)
    return "model.encoder=ResNet50", "model.widths=[4, 8, 8, 8, 8]"


def test_an_encoder_is_frozen_for_the_first_epochs(fold, over_encoder):
    seen = []

    def score(model):
        seen.append(model.get_layer("encoder").get_weights()[0])
        return 0.1 * len(seen)

    epochs = "training.freeze_epochs=2", "training.encoder_rate=0.5"
    wanted = (*over_encoder, *epochs)
    whole, _ = fold("whole", score, *wanted)
    moved = [bool((one != other).any()) for one, other in itertools.pairwise(seen)]
    assert moved == [False, True, True]
    for stop in (1, 2):
        name = f"broken{stop}"
        with pytest.raises(Killed):
            marks = [0.1] * stop
            fold(name, scores(*marks, Killed()), *wanted)
        resumed, _ = fold(name, half, *wanted)
        same(whole.get_weights(), resumed.get_weights())


def test_a_network_without_an_encoder_cannot_freeze_it():
    fault = r"freeze_epochs`.* there is no encoder\. .*set freeze_epochs = 0"
    with pytest.raises(ValueError, match=fault):
        configs.load("smoke", ("training.freeze_epochs=2",))


def test_a_fold_that_one_device_had_to_halve_goes_on_on_four(fold, monkeypatch):
    normalise = step.normalise

    def scarce(stack, window):
        if stack.shape[0] > 1:
            raise RuntimeError("RESOURCE_EXHAUSTED: OOM when allocating tensor")
        return normalise(stack, window)

    asked = "training.batch=4", "training.xla=false"
    with monkeypatch.context() as patch:
        patch.setattr(step, "normalise", scarce)
        with pytest.raises(Killed):
            fold("run", scores(0.1, Killed()), *asked)
    four = devices.Device("cpu", 4, backend="jax")
    monkeypatch.setattr(devices, "find", lambda: four)
    _, history = fold("run", half, *asked)
    assert len(history) == 4


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_trains_in_mixed_precision_and_resumes(fold, kept_states, tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    try:
        fold("whole", half)
        with pytest.raises(Killed):
            fold("broken", scores(0.1, Killed()))
        fold("broken", half)
    finally:
        keras.config.set_dtype_policy("float32")
    whole = state(tmp_path / "whole")
    equal(whole, state(tmp_path / "broken"))
    assert {value.dtype.name for value in whole.values()} <= {
        "float32", "int32", "int64", "uint32", "bool",
    }  # fmt: skip


@pytest.fixture
def broken_batches(monkeypatch):
    """Make the loss NaN at the batches of these numbers: broken_batches(*numbers)."""

    def break_at(*numbers):
        make, build_loss = training_samples.TrainingSamples.batch, losses.build

        def batch(samples, number):
            made = make(samples, number)
            full = np.full_like(made["bits"], 3)
            return made | ({"bits": full} if number in numbers else {})

        def build(config, *, softmax):
            loss = build_loss(config, softmax=softmax)

            def with_fault(truth, outputs):
                is_full = keras.ops.mean(truth) > 0.999
                return loss(truth, outputs) * keras.ops.where(is_full, np.nan, 1.0)

            return with_fault

        monkeypatch.setattr(training_samples.TrainingSamples, "batch", batch)
        monkeypatch.setattr(losses, "build", build)

    return break_at


def test_in_float16_a_loss_that_is_not_finite_is_left_to_the_loss_scale(
    fold, broken_batches
):
    # The first of two epochs has three batches.
    broken_batches(1)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network, history = fold("run", half, "training.epochs=2")
        assert len(history) == 2
        assert all(np.isfinite(row["loss"]) for row in history)
        assert all(np.isfinite(each).all() for each in network.get_weights())
        broken_batches(*range(3, 6))
        with pytest.raises(ValueError, match=r"The loss is nan at step 3 of epoch 2"):
            fold("worse", half, "training.epochs=2")
    finally:
        keras.config.set_dtype_policy("float32")


def test_sixteen_losses_in_a_row_that_are_not_finite_are_a_fault():
    watch = callbacks.WatchSteps(progress.FoldProgress("fold 0", epochs=1))
    watch.set_model(keras.Sequential())
    watch.on_epoch_begin(0)
    # They may be looked at in another order.
    for batch in (0, *range(2, 17), 18, 1):
        loss = 0.5 if batch == 0 else np.nan
        watch.on_train_batch_end(batch, {"loss": np.nan, "last_loss": loss})
        assert (watch.step is None) is (batch != 1)
        assert watch.loss == 0.5 or batch == 1
    assert watch.model.stop_training


def test_variables_get_their_own_values_back():
    held = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    held.layers[0].kernel.assign([[1.0], [2.0]])
    with variable_weights.swapped(held.variables, [np.zeros((2, 1)), np.zeros(1)]):
        assert not held.get_weights()[0].any()
    np.testing.assert_array_equal(held.get_weights()[0], [[1.0], [2.0]])


def test_an_encoder_learns_at_its_own_rate(fold, over_encoder):
    def encoder(rate):
        wanted = *over_encoder, f"training.encoder_rate={rate}"
        trained, _ = fold(f"at {rate}", half, *wanted)
        variables = trained.get_layer("encoder").trainable_variables
        return [keras.ops.convert_to_numpy(each) for each in variables]

    # At hardly any rate it stays as it began, in each of its variables.
    for still, other, moved in zip(*map(encoder, (1e-6, 1e-7, 1)), strict=True):
        assert np.abs(still - other).max() < 1e-4 < np.abs(still - moved).max()


def test_hosts_keep_the_times_of_the_first_by_which_they_all_stop(fold, monkeypatch):
    first = callbacks.hosts.first

    def told(value):
        is_row = isinstance(value, dict) and "seconds" in value
        return value | {"seconds": 123.0} if is_row else first(value)

    monkeypatch.setattr(callbacks.hosts, "first", told)
    _, epochs = fold("run", half)
    assert {row["seconds"] for row in epochs} == {123.0}
