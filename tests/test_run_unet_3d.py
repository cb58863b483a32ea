"""A run of a 3D U-Net: every step takes it, and a blend with networks of slices."""

import shutil

import pytest

from competition import pipeline
from competition.core import blending, rle, rules
from competition.core.data import mask_csv, slice_table
from tests import conftest
from tests.submit import test_submit

VOLUMES = (
    *conftest.TINY,
    "model.architecture=unet_3d",
    "model.patch=[4, 16, 24]",
    "model.widths=[4, 8, 8]",
    "sampling.slices=positives",
    "training.epochs=8",
    "training.score_every=8",
    "training.learning_rate=2e-2",
    'submit.tta=["flip"]',
)


@pytest.fixture(scope="module")
def volumes(finished, tmp_path_factory):
    """A finished run of a tiny 3D network beside that of the 2D one: (job, results)."""
    flat, _ = finished
    work = tmp_path_factory.mktemp("volumes")
    shutil.copytree(flat.dataset.root, work / flat.dataset.root.name)
    asked = dict(data=flat.data, work=work, overrides=VOLUMES, name="deep")
    results = pipeline.run("smoke", **asked, truth=flat.truth)
    return conftest.open_job("smoke", **asked), results


def test_it_learns_something_and_every_step_takes_it(volumes):
    job, results = volumes
    assert results["validate"]["ok"] is True
    folds = results["train"]["folds"].values()
    assert all(fold["finished"] for fold in folds)
    # Empty masks would have 0.
    assert results["score"]["oof"]["score_per_class"] > 0.1
    assert results["score"]["submission"]["score_per_class"] > 0.1
    assert job.run.files.report.is_file()


def test_out_of_fold_and_submit_give_the_same_masks(volumes, competition, tmp_path):
    job, _ = volumes
    table = test_submit.as_test(job, competition)
    run = test_submit.only_fold_0(job, tmp_path)
    out = tmp_path / "submission.csv"
    pipeline.submit(run.files.root, data=competition, out=out, budget="1h")
    decided = rules.read(run.files.decision, run.classes)
    received = {(row.id, row.class_name): row.rle for row in mask_csv.read(out, None)}
    assert any(received.values())
    for scan in slice_table.scans(table):
        ids = table[table["scan"] == scan]["id"]
        bits = blending.decide(blending.out_of_fold(job.run, scan), decided)
        for id, each in zip(ids, bits, strict=True):
            for index, name in enumerate(run.classes):
                expected = rle.encode((each >> index & 1).astype(bool))
                assert received[id, name] == expected, (id, name)


ACROSS = (
    *conftest.TINY,
    "axis=y",
    "intensity=scan",
    "geometry.fit=letterbox",
    "model.widths=[4]",
    "training.epochs=1",
)


def test_it_blends_with_2d_networks_of_two_axes(volumes):
    job, _ = volumes
    asked = dict(data=job.data, work=job.dataset.root.parent)
    alone = pipeline.run("smoke", **asked, overrides=ACROSS, name="across")
    assert alone["score"]["oof"]["score_per_class"] is not None
    # `smoke` is an experiment: it is asked for as it was trained.
    as_trained = tuple(f"smoke:{override}" for override in conftest.TINY)
    overrides = 'members=["smoke", "deep", "across"]', *as_trained
    asked |= dict(truth=job.truth, overrides=overrides, name="all")
    results = pipeline.run("smoke", **asked)
    assert results["validate"]["ok"] is True
    assert results["submit"]["folds"] == [0, 1]
    weights = results["decide"]["weights"].values()
    assert all(list(each) == ["smoke", "deep", "across"] for each in weights)
    assert results["score"]["submission"]["score_per_class"] is not None
