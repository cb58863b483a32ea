"""Lets one of two mirrored devices overflow: `-m tests.net.mirrored_overflow`.

Prints the weights and the scale of the loss of both devices, after a step in which the
gradients of the second are infinite, as JSON.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from competition.net.training import loss_scale


def main() -> None:
    """Take one step on both devices."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, halves)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        weight = keras.Variable([1.0, 2.0])
        optimizer = loss_scale.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        optimizer.build([weight])

    def step() -> None:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        is_second = tf.equal(tf.cast(replica, tf.int32), 1)
        optimizer.apply([tf.where(is_second, [np.inf] * 2, [1.0] * 2)], [weight])

    tf.function(lambda: strategy.run(step))()
    found = [
        [value.numpy().tolist() for value in strategy.experimental_local_results(each)]
        for each in (weight.value, optimizer.dynamic_scale.value)
    ]
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
