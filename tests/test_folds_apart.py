"""Folds that were trained on machines without a common folder."""

import shutil

from competition import pipeline
from competition.core.experiment import layout
from tests import conftest


def test_folds_are_brought_together_by_copying_them(tiny_phantom, tmp_path, capsys):
    data = tiny_phantom / "competition"
    overrides = (*conftest.TINY, "training.epochs=1")
    asked = dict(data=data, overrides=overrides)
    here, there = tmp_path / "here", tmp_path / "there"
    pipeline.run("smoke", work=here, fold=0, **asked)
    pipeline.run("smoke", work=there, fold=1, **asked)
    runs = [layout.dataset(data, work).run("smoke") for work in (here, there)]
    shutil.copytree(runs[1].fold(1), runs[0].fold(1))
    before = runs[0].weights(1).read_bytes()
    results = pipeline.run("smoke", work=here, **asked)
    assert results["validate"]["ok"]
    assert results["submit"]["folds"] == [0, 1]
    assert runs[0].weights(1).read_bytes() == before
