"""Take two full-size training steps of an experiment: `-m bench.one_full_step NAME`.

A step takes one sample, since memory grows with the batch, and random weights, since
these need no network. It prints what the steps took as JSON.
"""

import json
import sys
import time

from bench import clock
from competition.core.experiment import configs
from competition.net import devices, timing
from competition.net.input import training_data
from competition.net.networks import build
from competition.net.training import fitting, setup

CLASSES = 3
ALONE = (
    "training.batch=1",
    "training.accumulate=1",
    "model.encoder_weights=none",
)


def main(name: str) -> None:
    """Build the network of an experiment, train it, and print seconds and memory."""
    config = configs.load(name, ALONE)
    setup.seed(config.seed, deterministic=False)
    random = timing.RandomScans(config, CLASSES)
    data = training_data.TrainingData(random.table, random)
    with devices.policy(config.training.precision, devices.find()):
        began = time.perf_counter()
        network = build.build(config, CLASSES)
        build_seconds = time.perf_counter() - began
        with data.batches(config) as batches:
            model = fitting.compiled(network, config, data, 0, False)
            seconds = []
            for _ in range(2):
                began = time.perf_counter()
                model.fit(batches, steps_per_epoch=1, verbose=0)
                seconds.append(time.perf_counter() - began)
    took = {
        "millions": network.count_params() / 1e6,
        "input": " x ".join(str(each) for each in _shape(config)),
        "build": build_seconds,
        "first": seconds[0],
        "second": seconds[1],
        "mib": clock.own_mib(),
    }
    print(json.dumps(took))


def _shape(config: configs.Config) -> tuple[int, ...]:
    """Return the slices, height and width of a sample as the step sees it."""
    if config.model.volumetric:
        return config.model.patch
    return len(config.slices), *config.geometry.trained_size


if __name__ == "__main__":
    main(sys.argv[1])
