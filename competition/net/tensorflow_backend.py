"""What only TensorFlow can do; of other modules only one engine imports TensorFlow.

It is imported late, and only if Keras computes on TensorFlow: JAX works without it.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from competition.machine import gpus as cards
from competition.net.input import training_samples, waiting

PREFETCH = 4


def stream(
    samples: training_samples.TrainingSamples, numbers: range, *, parallel: int
) -> tf.data.Dataset:
    """Return the batches of these numbers, `parallel` of them made at once."""
    # The numbers of batches flow through tf.data, which makes them in parallel.
    batches = tf.data.Dataset.range(numbers.start, numbers.stop)
    batches = _map(batches, _batch_of_number(samples), parallel)
    if samples.engine == "addons":
        from competition.net.augment import augment_addons

        # Checked here: an error while the graph is traced would be buried in a trace.
        augment_addons.addons()
        limits = samples.config.augment
        batches = _map(
            batches, lambda b: augment_addons.apply(b, limits=limits), parallel
        )
    # There is nothing left to tune, and the thread that tunes would delay the end of
    # `fit` until its next turn: 2.5 s of the first 10, later up to a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(PREFETCH).with_options(options)


def timed(train: Callable, waiting: waiting.Waiting) -> Callable:
    """Return Keras' step function, with the wait for its batch timed in `waiting`.

    Keras itself takes the batch inside the graph, where the wait cannot be timed. For
    mirrored GPUs it still does so.
    """

    def step(batches: Any) -> Any:
        if isinstance(batches, tf.data.Iterator):
            return train(waiting.timed(batches))
        return train(batches)

    return step


def _map(data: tf.data.Dataset, function: Callable, parallel: int) -> tf.data.Dataset:
    return data.map(function, num_parallel_calls=parallel, deterministic=True)


def _batch_of_number(
    samples: training_samples.TrainingSamples,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Return the function of tf.data from the number of a batch to the batch."""
    # NumPy's arrays come out without static shapes, which networks need.
    example = samples.batch(0)
    types = [array.dtype for array in example.values()]

    def batch(number: tf.Tensor) -> dict[str, tf.Tensor]:
        # A stateful function would run one at a time under op determinism.
        arrays = tf.numpy_function(
            lambda number: tuple(samples.batch(int(number)).values()),
            [number],
            types,
            stateful=False,
        )
        return {
            name: tf.ensure_shape(array, example[name].shape)
            for name, array in zip(example, arrays, strict=True)
        }

    return batch


def make_deterministic() -> None:
    """Make the results of all operations repeat to the bit."""
    tf.config.experimental.enable_op_determinism()


def gpus() -> tuple[int, float]:
    """Return the number of GPUs, and the compute capability of the first."""
    found = tf.config.list_physical_devices("GPU")
    if not found:
        return 0, 0.0
    details = tf.config.experimental.get_device_details(found[0])
    major, minor = details.get("compute_capability", (0, 0))
    return len(found), major + minor / 10


def free_memory() -> int | None:
    """Return the bytes that are free on the first GPU; None if unknown.

    TensorFlow takes nine tenths of the memory at its start, so what the driver calls
    free says nothing.
    """
    total = cards.memory()
    used = tf.config.experimental.get_memory_info("GPU:0")["current"] if total else 0
    return int(0.9 * total) - used if total else None


def used_memory() -> int:
    """Return the most bytes that tensors have taken of the first GPU so far."""
    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def cpus() -> int:
    """Return the number of devices into which the CPU is divided, mostly 1."""
    return len(tf.config.list_logical_devices("CPU"))


def mirrored() -> contextlib.AbstractContextManager:
    """Return the scope in which to build a network that all GPUs train at once."""
    scope: contextlib.AbstractContextManager = tf.distribute.MirroredStrategy().scope()
    return scope


def on_every_replica(true: tf.Tensor) -> tf.Tensor:
    """Return whether a value is true on each of the devices that share a batch."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return true
    false = tf.cast(tf.logical_not(true), tf.int32)
    return tf.equal(context.all_reduce(tf.distribute.ReduceOp.SUM, false), 0)


def dividing() -> int:
    """Return how many devices Keras divides a loss among."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def batch_normalise(
    x: tf.Tensor,
    scale: tf.Tensor,
    offset: tf.Tensor,
    *,
    epsilon: float,
    moving: tuple[tf.Tensor, tf.Tensor] | None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return `x` with each channel normalised, and the mean and variance used for it.

    Mean and variance are those of the batch, or `moving`, which training collected.
    """
    mean, variance = moving or (tf.zeros([0]), tf.zeros([0]))
    # The operation takes images; for its statistics a volume is a long image.
    is_volume = len(x.shape) == 5
    image = tf.reshape(x, (tf.shape(x)[0], 1, -1, x.shape[-1])) if is_volume else x
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=image,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=moving is None,
    )
    if moving is None:
        # It divides a variance by the number of values less one, Keras by their number.
        sizes = tf.shape(image, out_type=tf.int64)
        number = tf.cast(tf.reduce_prod(sizes[:-1]), tf.float32)
        variance *= tf.maximum(number - 1, 1) / number
    # Images are not reshaped: TensorFlow fuses a ReLU that follows directly.
    return (tf.reshape(y, tf.shape(x)) if is_volume else y), mean, variance


class WithWeights:
    """Compiles a function that reads `weights`, and runs it with others in their place.

    It is compiled once for each shape of its argument.
    """

    def __init__(
        self,
        function: Callable[[tf.Tensor], Any],
        weights: Sequence[keras.Variable],
        *,
        xla: bool,
    ) -> None:
        self._function = tf.function(function, autograph=False, jit_compile=xla)
        self._numbers = {id(_handle(each)): i for i, each in enumerate(weights)}
        self._compiled: dict[tuple, tuple[Any, list[int | tf.Tensor]]] = {}

    def __call__(self, weights: Sequence[keras.Variable], argument: tf.Tensor) -> Any:
        """Return what the function returns with these weights."""
        compiled, captured = self._for_shape(argument)
        # As arguments, hundreds of weights would cost TensorFlow 10 ms a call.
        compiled.set_external_captures(
            [
                _handle(weights[each]) if isinstance(each, int) else each
                for each in captured
            ]
        )
        return compiled(argument)

    def _for_shape(self, argument: tf.Tensor) -> tuple[Any, list[int | tf.Tensor]]:
        """Return the compiled function, and what it reads: weights, by their number."""
        shape = tuple(argument.shape)
        if shape not in self._compiled:
            compiled = self._function.get_concrete_function(argument)
            captured = compiled.captured_inputs
            numbers = [self._numbers.get(id(each), each) for each in captured]
            self._compiled[shape] = compiled, numbers
        return self._compiled[shape]


def _handle(weight: keras.Variable) -> tf.Tensor:
    """Return where a variable's value lies; of a mirrored one, on the first device."""
    variable = weight.value
    return getattr(variable, "values", (variable,))[0].handle
