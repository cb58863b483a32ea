"""The learning rate of every step."""

import keras
import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net.training import schedules


def rates(*overrides, steps=5):
    wanted = configs.load(
        "smoke",
        ("training.epochs=4", "training.learning_rate=0.1", *overrides),
    )
    schedule = schedules.build_schedule(wanted.training, steps=steps)
    return [float(schedule(step)) for step in range(21)]


def test_a_cosine_rises_evenly_and_falls_to_nothing():
    values = rates("training.warmup=0.2")
    assert values[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert values[4:] == sorted(values[4:], reverse=True)
    # 4 of 20 steps rise: the middle of the rest is step 12.
    assert values[12] == pytest.approx(0.05)
    assert values[20] == pytest.approx(0, abs=1e-6)


def test_a_polynomial_of_power_1_falls_evenly():
    values = rates("training.warmup=0.0", "training.schedule=polynomial")
    assert values[0] == pytest.approx(0.1)
    assert values[6] - values[11] == pytest.approx(values[11] - values[16])
    squared = rates(
        "training.warmup=0.0", "training.schedule=polynomial", "training.power=2.0"
    )
    assert squared[11] == pytest.approx(0.1 * (9 / 19) ** 2)


def test_one_cycle_begins_at_a_25th_and_ends_at_a_10_000th():
    values = rates("training.warmup=0.5", "training.schedule=one_cycle")
    assert values[0] < 0.1 * 0.08
    assert values[9] == pytest.approx(0.1)
    assert values[20] == pytest.approx(0.1 / 10_000)
    assert max(values) == pytest.approx(0.1)


def test_a_later_optimizer_takes_the_rate_up_where_it_is():
    training = configs.load("smoke").training
    whole = schedules.build_schedule(training, steps=10)
    later = schedules.build_schedule(training, steps=10, first=30)
    assert float(later(4)) == pytest.approx(float(whole(34)))


@pytest.mark.parametrize("kind", ["cosine", "polynomial", "one_cycle"])
def test_a_schedule_survives_being_saved_by_keras(kind):
    wanted = f"training.schedule={kind}", "training.warmup=0.3", "training.power=2.0"
    training = configs.load("smoke", wanted).training
    schedule = schedules.build_schedule(training, steps=10, first=30)
    saved = keras.saving.serialize_keras_object(schedule)
    restored = keras.saving.deserialize_keras_object(saved)
    assert restored.get_config() == schedule.get_config()
    for step in (0, 5, 100, 1000):
        assert float(restored(step)) == float(schedule(step))
    optimizer = schedules.build_optimizer(training, steps=10, first=30)
    rebuilt = type(optimizer).from_config(optimizer.get_config())
    assert float(rebuilt.learning_rate) == float(optimizer.learning_rate)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_each_optimizer_can_average_clip_and_accumulate(name):
    wanted = configs.load(
        "smoke",
        (
            f"training.optimizer={name}",
            "training.ema=0.81",
            "training.clip_norm=1.0",
            "training.accumulate=2",
        ),
    )
    optimizer = schedules.build_optimizer(wanted.training, steps=3)
    assert name in type(optimizer).__name__.lower()
    assert optimizer.ema_momentum == pytest.approx(0.9)
    assert optimizer.global_clipnorm == 1.0
    assert optimizer.gradient_accumulation_steps == 2


def apply(optimizer, gradients, variables):
    """Take a step as `fit` does; on JAX it assigns no variable within a step."""
    if keras.backend.backend() != "jax":
        optimizer.apply(gradients)
        return
    state = [each.value for each in optimizer.variables]
    values = [each.value for each in variables]
    values, state = optimizer.stateless_apply(state, gradients, values)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    for variable, value in zip(optimizer.variables, state, strict=True):
        variable.assign(value)


def test_an_average_forgets_the_first_weights_soon_and_then_keeps_its_share():
    settings = configs.load("smoke", ("training.optimizer=sgd", "training.ema=0.9"))
    optimizer = schedules.build_optimizer(settings.training, steps=60)
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    average = optimizer._model_variables_moving_average[0]
    expected = 0.0
    for done in range(120):
        apply(optimizer, [keras.ops.ones((1,))], [variable])
        kept = min(done / (done + 10), 0.9)
        expected = kept * expected + (1 - kept) * float(variable.value[0])
        assert float(average.value[0]) == pytest.approx(expected, rel=1e-5)


def moved(name, *overrides, share=None, scaled=False, steps=4):
    """Return how far steps move two equal variables, the first slowed to `share`."""
    settings = configs.load("smoke", (f"training.optimizer={name}", *overrides))
    optimizer = schedules.build_optimizer(settings.training, steps=2)
    pair = [keras.Variable([2.0, -1.0], name=each) for each in ("one", "kernel")]
    if share:
        schedules.slow_down(optimizer, pair[:1], share)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(pair)
    for step in range(steps):
        gradient = keras.ops.convert_to_tensor([0.5 + step, -0.1])
        gradient *= optimizer.initial_scale if scaled else 1
        apply(optimizer, [gradient, gradient], pair)
    return [keras.ops.convert_to_numpy(each) - [2.0, -1.0] for each in pair]


@pytest.mark.parametrize(
    ("name", "overrides", "steps"),
    [
        ("adam", (), 4),
        ("sgd", ("training.clip_norm=0.5",), 4),
        # The decay of later steps depends on how far the earlier ones went.
        ("adamw", ("training.weight_decay=0.5",), 1),
        ("adam", ("training.accumulate=2", "training.ema=0.9"), 4),
    ],
)
def test_slowed_variables_move_by_their_share_and_the_others_as_before(
    name, overrides, steps
):
    slow, other = moved(name, *overrides, share=0.1, steps=steps)
    plain, _ = moved(name, *overrides, steps=steps)
    np.testing.assert_array_equal(other, plain)
    assert np.abs(plain).min() > 1e-4
    np.testing.assert_allclose(slow, 0.1 * plain, rtol=1e-3)


def test_slowed_variables_move_by_their_share_where_the_loss_is_scaled():
    slow, other = moved("adam", share=0.1, scaled=True)
    np.testing.assert_allclose(slow, 0.1 * other, rtol=1e-3)


def test_a_network_without_an_encoder_has_no_rate_for_it():
    with pytest.raises(
        ValueError, match=r"there is no encoder\. Name a `model\.encoder`"
    ):
        configs.load("smoke", ("training.encoder_rate=0.1",))
