"""A trained network is rebuilt from its run's folder alone."""

import numpy as np

from competition.core.experiment import configs, layout, runs
from competition.net.inference import trained_network
from competition.net.networks import build

ELSEWHERE = (
    "model.encoder=EfficientNetB0",
    "model.widths=[4, 4, 4, 8, 8]",
    "model.encoder_weights=/kaggle/input/weights/b0.h5",
)


def test_the_weights_that_its_encoder_began_with_are_not_needed(tmp_path):
    config = configs.load("smoke", ELSEWHERE)
    run = runs.Run("run", layout.RunFiles(tmp_path), config, ("x",), "0")
    trained = build.build(config, 1)
    run.files.fold(0).mkdir(parents=True)
    trained.save_weights(run.files.weights(0))
    loaded = trained_network.load(run, 0)
    for ours, theirs in zip(loaded.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs))
