"""The pictures of a run for where there is no browser."""

import shutil

import cv2
import numpy as np
import pytest

from competition.core import files
from competition.core.experiment import runs
from competition.core.pages import pictures, stills
from tests import by_hand


@pytest.fixture
def scored(tmp_path):
    return by_hand.scored_run(tmp_path)


def pixels(png):
    """The RGB pixels (H, W, 3) of a PNG."""
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_curves_scores_and_slices_are_written_into_the_run(scored):
    dataset, run = scored
    paths = stills.write(dataset, run)
    assert [path.name for path in paths] == ["curves.png", "scores.png", "scans.png"]
    assert {path.parent for path in paths} == {run.files.root / "pictures"}
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in stills.write(dataset, run)] == before


def test_what_is_not_there_yet_is_left_out(scored):
    dataset, run = scored
    run.files.score.unlink()
    assert [path.name for path in stills.write(dataset, run)] == ["curves.png"]
    for fold in run.config.folds:
        run.files.history(fold).unlink()
    assert stills.draw(run) == {}


def test_curves_have_a_colour_for_each_fold(scored):
    image = pixels(stills.draw(scored[1])["curves"])
    for colour in pictures.CURVE_COLOURS[:2]:
        rgb = tuple(bytes.fromhex(colour[1:]))
        assert (np.abs(image.astype(int) - rgb).max(axis=-1) < 8).sum() > 50


def test_the_members_of_a_blend_have_curves_of_their_own(scored):
    _, run = scored
    alone = pixels(stills.draw(run)["curves"])
    shutil.copytree(run.files.root, run.files.root.with_name("other"))
    record = files.read_json(run.files.config)
    record["config"]["members"] = ["by-hand", "other"]
    blend = run.files.root.with_name("blend")
    files.write_sealed(blend / "config.json", record)
    drawn = stills.draw(runs.read(type(run.files)(blend)))
    assert list(drawn) == ["curves"]
    assert pixels(drawn["curves"]).shape[0] == 2 * alone.shape[0]


@pytest.mark.parametrize("name", ["$x^", "_" * 60, "Grüße <b>"])
def test_a_class_may_have_any_name(tmp_path, name):
    _, run = by_hand.scored_run(tmp_path, classes=("bowel", name))
    table = pixels(stills.draw(run)["scores"])
    amber, blue = (pictures.class_rgb(index) for index in (0, 1))
    for colour in (amber, blue):
        assert (np.abs(table.astype(int) - colour).max(axis=-1) < 8).sum() > 20
