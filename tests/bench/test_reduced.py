"""`-m bench.reduced`: its values fit the experiments; `make soak` trains `winner`."""

import os

import pytest

from bench import reduced
from competition.core.experiment import blends, configs

SHIPPED = {path.stem for path in configs.EXPERIMENTS.glob("*.toml")}


OTHERS = {
    "base", "hippocampus", "hippocampus_2d", "hippocampus_2d_y", "hippocampus_3d",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SHIPPED - OTHERS))
def test_its_values_fit_each_experiment_for_the_phantom(name):
    blends.load(name, reduced.overrides(name))


@pytest.mark.skipif(os.environ.get("SOAK") != "1", reason="SOAK=1: an hour a seed")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_winner_beats_smoke_out_of_fold(tmp_path, seed):
    smoke = reduced.score("smoke", seed, tmp_path)
    assert reduced.score("winner", seed, tmp_path) > smoke
