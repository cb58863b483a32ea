"""Every architecture goes through the same harness."""

import keras
import numpy as np
import pytest

from competition.core.experiment import configs, layout, runs, schema
from competition.net import devices
from competition.net.inference import ensemble, forward_pass, trained_network
from competition.net.networks import build, heads, segnet, unet, upernet
from competition.net.training import losses, step
from tests.net.conftest import CLASSES, TINY

EXTRAS = "model.deep_supervision=true", "model.presence=true"


def make(architecture: str, *more: str) -> configs.Config:
    chosen = f"model.architecture={architecture}", "model.patch=[3, 32, 32]"
    return configs.load("smoke", (*TINY, *chosen, "model.widths=[4, 8, 8]", *more))


def depth(architecture: str) -> tuple[int, ...]:
    """Return the shape between width and classes: a 3D network has a depth there."""
    return (3,) if architecture in schema.VOLUMETRIC else ()


def batch(bits: int = 3, *, depth: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    stack = np.random.default_rng(0).integers(0, 500, (4, 32, 32, 3))
    masks = np.zeros((4, 32, 32, *depth), np.uint8)
    masks[:, 8:20, 8:20] = bits
    stack[masks > 0] += 400
    window = np.broadcast_to(np.float32([0, 1000]), (4, *depth, 2))
    return {"stack": stack.astype(np.uint16), "bits": masks, "window": window}


def losses_of_steps(wanted: configs.Config, batches: list[dict]) -> list[float]:
    keras.utils.set_random_seed(0)
    model = step.TrainingStep(build.build(wanted, CLASSES), losses.build(wanted.loss))
    # Without momentum a step follows its own batch, not the one before.
    xla = devices.xla("auto", devices.find())
    model.compile(optimizer=keras.optimizers.SGD(0.05), jit_compile=xla)
    values = []
    for batch in batches:
        # Without this the loss would be the mean of all steps.
        model.reset_metrics()
        values.append(float(model.train_on_batch(batch)))
    return values


@pytest.fixture(params=sorted(build.ARCHITECTURES))
def architecture(request) -> str:
    return request.param


@pytest.fixture(params=["bfloat16", "float16"])
def half(request):
    keras.config.set_dtype_policy(f"mixed_{request.param}")
    yield request.param
    keras.config.set_dtype_policy("float32")


STACK = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)


def inferred(network: keras.Model, stack: np.ndarray = STACK):
    """Return the outputs of a network, by the way that compiles least."""
    if keras.backend.backend() != "jax":
        return network(stack, training=False)
    import jax

    # Called as it is, each operation of the network would be compiled by itself.
    return jax.jit(lambda stack: network(stack, training=False))(stack)


def test_weights_saved_and_loaded_give_the_same_finite_logits(architecture, tmp_path):
    wanted = make(architecture, "model.dropout=0.5")
    network = build.build(wanted, CLASSES)
    expected = keras.ops.convert_to_numpy(inferred(network))
    assert expected.shape == (2, 32, 32, *depth(architecture), CLASSES)
    assert expected.dtype == np.float32
    assert np.isfinite(expected).all()
    network.save_weights(tmp_path / "best.weights.h5")
    loaded = build.build(wanted, CLASSES)
    loaded.load_weights(tmp_path / "best.weights.h5")
    received = keras.ops.convert_to_numpy(inferred(loaded))
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize(("height", "width"), [(33, 46), (5, 7)])
def test_odd_sizes_come_back_as_they_were(architecture, height, width):
    sizes = f"geometry.height={height}", f"geometry.width={width}"
    patch = f"model.patch=[3, {height}, {width}]"
    network = build.build(make(architecture, *sizes, patch), CLASSES)
    logits = inferred(network, np.ones((1, height, width, 3), np.float32))
    assert logits.shape == (1, height, width, *depth(architecture), CLASSES)
    assert np.isfinite(np.array(logits)).all()


def test_steps_reduce_the_loss_of_all_outputs_and_empty_masks_are_learned_too(
    architecture,
):
    organs, empty = (batch(bits, depth=depth(architecture)) for bits in (3, 0))
    wanted = make(architecture, *EXTRAS)
    values = losses_of_steps(wanted, [organs] * 3 + [empty] * 3)
    assert np.isfinite(values).all()
    assert values[2] < values[0]
    assert values[5] < values[3]


def test_without_extras_the_loss_is_that_of_the_logits_alone():
    before, _, after = losses_of_steps(make("unet"), [batch()] * 3)
    assert after < before


def test_extra_outputs_are_named(architecture):
    network = build.build(make(architecture, *EXTRAS), CLASSES)
    assert network.output.keys() == {"logits", "deep", "presence"}
    slices = depth(architecture)
    assert network.output["presence"].shape == (None, *slices, CLASSES)
    assert network.output["deep"]
    assert all(each.shape[-1] == CLASSES for each in network.output["deep"])


def test_half_precision_gives_float32_outputs(architecture, half):
    network = build.build(make(architecture, *EXTRAS), CLASSES)
    outputs = inferred(network)
    for each in (outputs["logits"], *outputs["deep"], outputs["presence"]):
        assert keras.backend.standardize_dtype(each.dtype) == "float32"
        assert np.isfinite(np.array(each)).all()
    computed = {layer.compute_dtype for layer in network.layers}
    assert half in computed


def test_deep_outputs_get_coarser_and_are_missing_without_extras():
    odd = "geometry.height=33", "model.widths=[4, 4, 8, 8]"
    network = build.build(make("unet", *EXTRAS, *odd), CLASSES)
    sizes = [tuple(each.shape[1:3]) for each in network.output["deep"]]
    assert sizes == [(17, 16), (9, 8)]
    assert build.build(make("unet"), CLASSES).output.shape == (None, 32, 32, CLASSES)


def test_classes_are_read_from_either_kind_of_output():
    assert heads.classes(build.build(make("unet"), 4)) == 4
    assert heads.classes(build.build(make("unet", *EXTRAS), 4)) == 4


@pytest.mark.parametrize(
    "architecture", sorted({*build.ARCHITECTURES} - {*schema.VOLUMETRIC})
)
def test_another_size_is_predicted_by_the_weights_of_the_same_names(architecture):
    wanted = make(architecture)
    network = build.build(wanted, CLASSES)
    # At such a size some networks crop, which moves layers in the list that Keras has.
    other = build.build(wanted, CLASSES, size=(38, 46))
    random, values = np.random.default_rng(0), {}
    for each in network.weights:
        values[each.path] = keras.ops.convert_to_numpy(each) * random.uniform(
            0.5, 1.5, each.shape
        )
        each.assign(values[each.path])
    for each in other.weights:
        each.assign(values[each.path])
    stack = random.random((2, 38, 46, 3), np.float32)
    passes = forward_pass.ForwardPasses()
    received = passes.outputs(network, keras.ops.convert_to_tensor(stack), wanted)
    logits = np.array(inferred(other, stack))
    expected = 1 / (1 + np.exp(-logits))
    assert expected.std() > 1e-4
    # Another size is summed up in another order, which on some processors shows in the
    # sixth digit; weights of another layer change the first.
    np.testing.assert_allclose(received["probability"], expected, atol=2e-5)


def test_runs_with_and_without_extras_predict_side_by_side():
    settings = make("unet"), make("unet", *EXTRAS)
    bare, more = (build.build(each, CLASSES) for each in settings)
    inputs = {name: value for name, value in batch().items() if name != "bits"}
    both = [
        ensemble.Networks([net], config)
        for net, config in zip((bare, more), settings, strict=True)
    ]
    passes = forward_pass.ForwardPasses()
    without, extra = ensemble.predict_on_batch(inputs, both, passes)
    stack = step.normalise(inputs["stack"], inputs["window"])
    for outputs, logits in ((without, bare(stack)), (extra, more(stack)["logits"])):
        expected = 1 / (1 + np.exp(-np.array(logits)))
        np.testing.assert_allclose(outputs["probability"], expected, atol=1e-5)
    assert without.keys() == {"probability"}
    said = 1 / (1 + np.exp(-np.array(more(stack)["presence"])))
    np.testing.assert_allclose(extra["presence"], said, atol=1e-5)


@pytest.mark.parametrize("architecture", ["unet", "unet_plus_plus", "segnet"])
def test_presence_is_read_from_the_position_too(architecture):
    config = make(architecture, "model.presence=true", "position=true")
    network = build.build(config, CLASSES)
    assert network.input_shape == (None, 32, 32, 3 + 1)
    # No convolution looks at the input.
    for weight in network.weights:
        if len(weight.shape) == 4 and weight.shape[2] == 3 + 1:
            weight.assign(np.zeros(weight.shape))
    stack = np.zeros((2, 32, 32, 3 + 1), np.float32)
    stack[1, ..., -1] = 1
    first, last = np.array(network(stack)["presence"])
    assert (np.abs(first - last) > 1e-3).all()


@pytest.mark.parametrize("norm", ["batch", "group", "instance"])
def test_each_normalisation_gives_channels_a_mean_of_zero(norm):
    network = build.build(make("unet", f"model.norm={norm}"), CLASSES)
    layer = network.get_layer("encoder1_1_norm")
    x = np.random.default_rng(0).normal(3, 2, (2, 6, 6, 8)).astype(np.float32)
    x[..., 1] += 5
    x[1] *= 10
    normal = np.array(layer(x, training=True))
    over = {"batch": (0, 1, 2), "group": (1, 2), "instance": (1, 2)}[norm]
    np.testing.assert_allclose(normal.mean(axis=over), 0, atol=1e-4)
    np.testing.assert_allclose(normal.std(axis=over), 1, atol=1e-2)


def test_wide_layers_are_normalised_in_groups_of_channels():
    network = build.build(
        make("unet", "model.norm=group", "model.widths=[4, 16, 8]"), CLASSES
    )
    assert network.get_layer("encoder1_1_norm").groups == 8
    assert network.get_layer("encoder0_1_norm").groups == 4


def test_the_momentum_is_that_of_the_config():
    network = build.build(make("fcn", "model.norm_momentum=0.8"), CLASSES)
    assert network.get_layer("bottom_1_norm").momentum == 0.8


def test_dropout_is_active_in_training_alone():
    network = build.build(make("unet", "model.dropout=0.5"), CLASSES)
    once, again = (np.array(network(STACK, training=True)) for _ in range(2))
    assert (once != again).any()
    once, again = (np.array(inferred(network)) for _ in range(2))
    assert (once == again).all()


def test_attention_maps_have_their_skips_sizes_and_lie_between_0_and_1():
    sizes = "geometry.height=33", "model.widths=[4, 4, 8, 8]"
    network = build.build(make("attention_unet", *sizes), CLASSES)
    maps = unet.attention_maps(network)(np.ones((1, 33, 32, 3), np.float32))
    # The finest skip has none.
    assert {name: tuple(each.shape) for name, each in maps.items()} == {
        "gate1": (1, 17, 16, 1),
        "gate2": (1, 9, 8, 1),
    }
    for each in maps.values():
        assert (np.array(each) > 0).all()
        assert (np.array(each) < 1).all()


def test_a_network_without_gates_has_no_attention_maps():
    network = build.build(make("unet"), CLASSES)
    with pytest.raises(ValueError, match=r"Attention maps need.*Received: unet"):
        unet.attention_maps(network)


def test_unpooling_puts_the_maxima_back_where_they_were():
    image = np.float32([[1, 2, 0], [4, 3, 5], [6, 0, 0]]).reshape(1, 3, 3, 1)
    largest, places = segnet.MaxPoolWithPlaces()(image)
    assert np.array(largest).ravel().tolist() == [4, 5, 6, 0]
    assert np.array(places).ravel().tolist() == [2, 2, 0, 0]
    restored = np.array(segnet.MaxUnpool()([largest, places]))[0, :3, :3, 0]
    assert restored.tolist() == [[0, 0, 0], [4, 0, 5], [6, 0, 0]]


def test_the_means_of_a_grid_are_those_of_its_fields():
    image = np.arange(15, dtype=np.float32).reshape(1, 3, 5, 1)
    means = np.array(upernet.GridMeans(2, name="grid")(image))[0, ..., 0]
    # Rows 0 to 1 and 1 to 2, columns 0 to 2 and 2 to 4.
    assert means.tolist() == [[3.5, 5.5], [8.5, 10.5]]
    # A grid that is finer than the image repeats its pixels.
    assert upernet.shares(2, 3).tolist() == [[1, 0], [0.5, 0.5], [0, 1]]


@pytest.mark.parametrize(
    ("architecture", "widths", "message"),
    [
        ("attention_unet", "[4, 8]", r"at least 3 levels.*Received: \[4, 8\]"),
        ("fcn", "[4, 8]", r"at least 3 levels.*Received: \[4, 8\]"),
        ("deeplab", "[4]", r"at least 2 levels.*Received: \[4\]"),
    ],
)
def test_too_few_widths_are_refused(architecture, widths, message):
    wanted = make(architecture, f"model.widths={widths}")
    with pytest.raises(ValueError, match=message):
        build.build(wanted, CLASSES)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    place, other = layout.RunFiles(tmp_path), make("unet", "model.widths=[4, 6]")
    run = runs.Run("other", place, other, ("a",) * CLASSES, fingerprint="0")
    place.fold(0).mkdir()
    build.build(make("unet"), CLASSES).save_weights(place.weights(0))
    with pytest.raises(ValueError, match=r"best\.weights\.h5: not weights of a unet"):
        trained_network.load(run, 0)


def test_weights_for_which_the_device_has_no_memory_are_not_called_wrong(
    tmp_path, monkeypatch
):
    def full(config, classes, size=None):
        raise RuntimeError("RESOURCE_EXHAUSTED: failed to allocate 1.2 GiB")

    place = layout.RunFiles(tmp_path)
    run = runs.Run("full", place, make("unet"), ("a",) * CLASSES, fingerprint="0")
    place.fold(0).mkdir()
    build.build(make("unet"), CLASSES).save_weights(place.weights(0))
    monkeypatch.setattr(build, "build", full)
    with pytest.raises(ValueError, match="has no memory for the network"):
        trained_network.load(run, 0)
