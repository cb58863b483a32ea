"""The pictures of one scan."""

import dataclasses
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from competition.core import files, masks, probabilities, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, layout, runs, starting
from competition.core.pages import stages
from competition.net.networks import build
from competition.study import show
from tests import by_hand, conftest


@pytest.fixture
def scored(tmp_path):
    return by_hand.scored_run(tmp_path)


def decide(run, rule):
    decided = rules.to_json([rule] * len(run.classes), run.classes)
    files.write_json(run.files.decision, {**decided, "key": "k"})


def test_a_rule_without_parts_has_the_threshold_alone(scored):
    _, run = scored
    (first, _) = stages.out_of_fold(run, "case1_day0")
    assert list(first) == ["probability", "threshold"]
    assert first["threshold"].sum() == 3 * 6 * 6


def test_every_part_that_is_on_is_a_stage_and_the_last_is_the_mask(scored):
    dataset, run = scored
    decide(run, rules.Rule(gate=(12, 0.6, 0.5), pixels=10, largest=1, holes=True))
    (first, _) = stages.out_of_fold(run, "case1_day0")
    assert list(first) == [
        "probability", "threshold", "gate", "pixels", "largest", "holes",
    ]  # fmt: skip
    truth = masks.plane(arrays.Arrays(dataset).masks("case1_day0"), 0)
    np.testing.assert_array_equal(first["holes"], truth)


def test_the_last_stage_of_exclusive_classes_is_what_the_others_leave(scored):
    _, run = scored
    run = by_hand.exclusive(run)
    volume = np.zeros((*by_hand.SHAPE, 2), np.uint8)
    volume[:, 2:9, 2:9, 0] = 255
    volume[:, 4:7, 4:7] = [51, 153]
    seen = probabilities.prediction(volume)
    probabilities.write(run.files.oof("case1_day0"), seen, digest="hand")
    decide(run, rules.Rule(holes=True))
    first, second = stages.out_of_fold(run, "case1_day0")
    assert list(first) == ["probability", "threshold", "holes", "exclusive"]
    assert first["probability"][0, 5, 5] == 51
    counts = [int(first[part][0].sum()) for part in list(first)[1:]]
    assert counts == [7 * 7 - 3 * 3, 7 * 7, 7 * 7 - 3 * 3]
    assert second["exclusive"][0].sum() == 3 * 3


def test_a_part_that_removes_all_pixels_counts_none(scored):
    dataset, run = scored
    decide(run, rules.Rule(voxels=1000))
    result = show.run(dataset, run, scan="case1_day0")
    assert result["voxels"]["bowel"] == {"threshold": 108, "voxels": 0}


def test_the_picture_lies_in_the_run_and_shows_slices_with_masks(scored):
    dataset, run = scored
    result = show.run(dataset, run, scan="case2_day0", count=2)
    path = run.files.root / "show" / "case2_day0.png"
    assert result["picture"] == str(path)
    assert set(result["slices"]) <= {2, 3, 4}
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["case3.html", "case3"])
def test_a_picture_is_not_written_by_the_name_of_a_page(scored, tmp_path, name):
    dataset, run = scored
    with pytest.raises(
        ValueError, match=rf"in \.png, received .*{name}\. Use .*3\.png"
    ):
        show.run(dataset, run, scan="case3_day0", out=tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_page_is_not_written_by_the_name_of_a_picture(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.html, received .*\.png"):
        show.folder(tmp_path, scan="case3_day0", out=tmp_path / "case3.png")


def test_an_unknown_scan_names_known_scans(scored):
    dataset, run = scored
    with pytest.raises(ValueError, match=r"no scan 'case9_day9'\. .* case1_day0"):
        show.run(dataset, run, scan="case9_day9")


def test_a_scan_that_no_trained_fold_held_out_is_an_error(finished):
    job, _ = finished
    table = slice_table.read(job.dataset)
    scan = slice_table.scans(table[table["fold"] > 1])[0]
    with pytest.raises(ValueError, match=r"held out by no fold of smoke\. Expected"):
        show.run(job.dataset, job.run, scan=scan)


def test_a_run_on_every_case_has_no_scan_to_show(scored):
    dataset, run = scored
    run = dataclasses.replace(
        run, config=run.config.model_copy(update={"folds": layout.ALL})
    )
    with pytest.raises(ValueError, match="by-hand is trained on every case and holds"):
        show.run(dataset, run, scan="case1_day0")


@pytest.fixture
def gated(finished, tmp_path):
    """An Attention U-Net on the tiny phantom, untrained, with another run's masks."""
    job, _ = finished
    dataset = layout.DatasetFiles(
        pathlib.Path(shutil.copytree(job.dataset.root, tmp_path / "set"))
    )
    settings = (*conftest.TINY, "model.widths=[4, 8, 8, 8]")
    run = starting.start(dataset, "gated", configs.load("attention_unet", settings))
    network = build.build(run.config, len(run.classes))
    for fold in run.config.folds:
        run.files.fold(fold).mkdir()
        network.save_weights(run.files.weights(fold))
    shutil.copytree(job.run.files.root / "oof", run.files.root / "oof")
    shutil.copyfile(job.run.files.decision, run.files.decision)
    return dataset, run


def held_out(dataset, fold):
    return slice_table.scans(slice_table.held_out(slice_table.read(dataset), fold))[0]


def test_attention_maps_are_drawn_over_the_slices_that_show_chooses(gated):
    dataset, run = gated
    scan = held_out(dataset, 1)
    result = show.attention(dataset, run, scan=scan)
    path = run.files.root / "show" / f"{scan}_attention.png"
    assert (result["picture"], result["fold"]) == (str(path), 1)
    assert result["slices"] == show.run(dataset, run, scan=scan)["slices"]
    assert list(result["attention"]) == ["gate2", "gate1"]
    for values in result["attention"].values():
        assert 0 < values["low"] < values["high"] < 1
    page = pathlib.Path(result["page"]).read_text(encoding="utf-8")
    finest = result["attention"]["gate1"]
    low, high = (f"{finest[end]:.3f}" for end in ("low", "high"))
    assert f"gate1, {low} to {high}" in page
    picture = cv2.imread(str(path))
    # A row a slice; the grey slice and the two gates side by side, in colours.
    assert picture.shape[0] > 250 * len(result["slices"]) and picture.shape[1] > 900
    assert np.ptp(picture[:, 350:].astype(int), axis=-1).max() > 100


def test_the_fold_that_held_the_scan_out_must_be_trained(gated):
    dataset, run = gated
    run.files.weights(0).unlink()
    with pytest.raises(ValueError, match=r"fold0.best\.weights\.h5: not found.*train"):
        show.attention(dataset, run, scan=held_out(dataset, 0))


def test_a_run_without_gates_names_those_that_have_some(gated, finished):
    dataset, _ = gated
    smoke = runs.read(dataset.run("smoke"))
    message = r"smoke is a unet, which has no gates.* have gates: gated\."
    with pytest.raises(ValueError, match=message):
        show.attention(dataset, smoke, scan=held_out(dataset, 0))
    job, _ = finished
    with pytest.raises(ValueError, match=r"have gates: none, train one first\."):
        show.attention(job.dataset, job.run, scan=held_out(dataset, 0))


@pytest.mark.parametrize(
    ("out", "advice"), [("a.txt", "a.png"), ("a", "a.png"), (".", "slices.png")]
)
def test_the_name_of_a_picture_ends_in_its_kind(out, advice):
    with pytest.raises(ValueError, match=rf"ends in \.png, received .*Use {advice}\."):
        show._check_name(pathlib.Path(out), ".png")
