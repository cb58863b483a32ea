"""The simple methods, on features that are easy to tell apart and on a tiny phantom."""

import numpy as np
import pytest

from competition import prepare
from competition.core import files, geometry
from competition.core.experiment import configs, layout, schema
from competition.study import baseline
from competition.study.baseline import classifiers, features


def easy(count=4000):
    """Two blobs of features; one is class 0, and half of it class 1 as well."""
    random = np.random.default_rng(0)
    kind = random.integers(0, 3, count)
    centres = np.array([[0, 0, 0], [6, 0, 0], [6, 6, 0]])
    values = centres[kind] + random.normal(0, 0.5, (count, 3))
    return values.astype(np.float32), np.stack([kind > 0, kind == 2], axis=-1)


@pytest.mark.parametrize("method", classifiers.METHODS)
def test_separate_blobs_are_learned_where_classes_overlap(method):
    inputs, truth = easy()
    predicted = classifiers.fit(method, inputs, truth, 0)(inputs)
    assert predicted.shape == truth.shape
    assert (predicted == truth).mean() > 0.97


@pytest.mark.parametrize("method", ["kmeans", "em", "hierarchical"])
def test_a_class_without_pixels_gets_no_cluster(method):
    inputs, truth = easy()
    truth[:, 1] = False
    assert not classifiers.fit(method, inputs, truth, 0)(inputs)[:, 1].any()


def test_a_support_vector_machine_needs_both_sides():
    inputs, truth = easy(500)
    truth[:, 1] = False
    with pytest.raises(ValueError, match="inside and outside of every class"):
        classifiers.fit("svm", inputs, truth, 0)


def test_superpixels_follow_the_grey_values_and_average_their_pixels():
    pixels = np.zeros((96, 80, 11), np.float32)
    pixels[:, 40:, 3:6] = 1
    parts = features.find_superpixels(pixels)
    assert parts.shape == (96 * 80,)
    assert len(np.unique(parts)) == features.SUPERPIXELS
    averages = features.mean_by_superpixel(pixels.reshape(-1, 11), parts)
    assert averages.shape == (features.SUPERPIXELS, 11)
    assert set(averages[:, 3].round(2)) == {0, 1}


def test_features_are_of_the_slice_its_neighbours_and_its_place():
    volume = np.zeros((3, 8, 8), np.uint16)
    volume[0], volume[1], volume[2] = 10, 20, 30
    shape = schema.Geometry(fit="pad", height=8, width=8)
    pixels = features.of_slice(volume, 1, (0.0, 40.0), shape, geometry.Grid((8, 8)))
    assert pixels.shape == (8, 8, 11)
    assert pixels[4, 4, :3].tolist() == [0.5, 0.25, 0.75]
    assert pixels[4, 4, 5:8].tolist() == [0, 0, 0], "nothing varies within the slice"
    assert pixels[7, 0, 8:].tolist() == [1, 0, 0.5]


def test_a_baseline_is_scored_like_a_run_and_better_than_empty_masks(
    tiny_phantom, tmp_path
):
    data = tiny_phantom / "competition"
    dataset = layout.dataset(data, tmp_path)
    prepare.run(data, dataset)
    overrides = ("geometry.height=32", "geometry.width=32", "folds=[0, 1]")
    experiment = configs.load("smoke", overrides)
    result = baseline.run(dataset, "svm", experiment=experiment)
    assert set(result) >= {"method", "score_per_class", "dice", "by_class", "by_scan"}
    assert 0 < result["dice"] < 1
    assert files.read_json(dataset.root / "baselines" / "svm.json") == result


@pytest.mark.parametrize(
    "overrides",
    [
        ('folds=["all"]', "training.keep=last"),
        ("axis=y", "intensity=scan", "model.presence=false"),
    ],
)
def test_what_holds_nothing_out_or_turns_slices_is_refused(tmp_path, overrides):
    experiment = configs.load("smoke", overrides)
    with pytest.raises(ValueError, match="A baseline needs an experiment whose folds"):
        baseline.run(layout.DatasetFiles(tmp_path), "kmeans", experiment=experiment)


def test_an_unknown_method_names_the_nearest(tmp_path):
    dataset = layout.DatasetFiles(tmp_path)
    with pytest.raises(ValueError, match=r"baseline 'kmean'\. Did you mean 'kmeans'"):
        baseline.run(dataset, "kmean", experiment=configs.load("smoke"))
