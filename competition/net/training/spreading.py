"""Variables of one network on the devices of several hosts, and back on one."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from competition.net import devices, hosts


@contextlib.contextmanager
def spread(variables: Iterable[keras.Variable], setting: str) -> Iterator[None]:
    """Train on the devices of all hosts inside the `with` block.

    Each device holds all variables, which must have the same values on every host.
    """
    if hosts.count() == 1:
        yield
        return
    import jax

    each = devices.sharing(setting, devices.find())
    by_host: dict[int, list[Any]] = {}
    for device in sorted(jax.devices(), key=lambda device: device.id):
        by_host.setdefault(device.process_index, []).append(device)
    # A host's part of a batch lies on its own devices.
    chosen = [device for number in sorted(by_host) for device in by_host[number][:each]]
    shared = keras.distribution.DataParallel(
        devices=[f"{each.platform}:{each.id}" for each in chosen],
        auto_shard_dataset=False,
    )
    everywhere = _replicated(chosen)
    for variable in variables:
        value = np.asarray(variable.value)
        variable.assign(
            jax.make_array_from_process_local_data(everywhere, value, value.shape)
        )
    with shared.scope():
        yield


@contextlib.contextmanager
def local(variables: Sequence[keras.Variable], setting: str) -> Iterator[None]:
    """Hold a network on the devices of this host alone inside the `with` block."""
    if hosts.count() == 1:
        yield
        return
    import jax

    number = devices.sharing(devices.to_predict(setting), devices.find())
    here = _replicated(jax.local_devices()[:number])
    values = [variable.value for variable in variables]
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(jax.device_put(value.addressable_data(0), here))
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        keras.distribution.set_distribution(shared)


def _replicated(chosen: Sequence[Any]) -> Any:
    import jax

    mesh = jax.sharding.Mesh(np.array(chosen), ("batch",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
