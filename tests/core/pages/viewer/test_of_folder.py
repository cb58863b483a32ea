"""The viewer's scans of a folder: what is truth, and what is shown without it."""

import numpy as np
import pytest

from competition.core import masks
from competition.core.data import mask_csv
from competition.core.pages.viewer import of_folder
from competition.sources import phantom


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom") / "made"
    phantom.write(out, cases=4, days=1, slices=6, small=True, public=False, seed=5)
    return out


def scan_of(folder, part):
    return next((folder / "competition" / part).glob("case*/*")).name


def test_annotations_are_shown_alone(made):
    view, classes, lines = of_folder.view(
        made / "competition", scan_of(made, "train"), None
    )
    (shown,) = view.stages.values()
    assert classes == sorted(classes) and len(classes) == 3
    assert lines == {"prediction": "annotations"} and view.truth is None
    assert shown.any() and shown.shape == view.scan.shape


def test_a_submission_of_the_test_has_no_truth(made):
    data = made / "competition"
    view, _, lines = of_folder.view(data, scan_of(made, "test"), made / "solution.csv")
    assert lines == {"prediction": "submission"} and view.truth is None
    assert view.stages["submission"].any()


def test_a_submission_of_a_training_scan_has_truth(made):
    data, scan = made / "competition", scan_of(made, "train")
    rows = mask_csv.read(data / "train.csv", None)
    first = [row for row in rows if row.class_name == "stomach"]
    others = [
        mask_csv.Row(r.number, r.id, r.class_name, "") for r in rows if r not in first
    ]
    mask_csv.write(made / "part.csv", [*first, *others])
    view, classes, lines = of_folder.view(data, scan, made / "part.csv")
    stomach = classes.index("stomach")
    shown = view.stages["submission"]
    assert lines == {"truth": "truth", "prediction": "submission"}
    np.testing.assert_array_equal(
        masks.plane(shown, stomach), masks.plane(view.truth, stomach)
    )
    assert not masks.plane(shown, 1 - stomach // 2).any()


def test_an_unknown_scan_names_some(made):
    with pytest.raises(ValueError, match=r"no scan 'case999_day0'.*such as case\d"):
        of_folder.view(made / "competition", "case999_day0", None)


def test_nothing_to_show_is_an_error(made, tmp_path):
    data = tmp_path / "bare"
    (data / "test").parent.mkdir()
    (data / "test").symlink_to(made / "competition" / "test")
    with pytest.raises(ValueError, match=r"no train.csv.*--submission"):
        of_folder.view(data, scan_of(made, "test"), None)


def test_a_submission_of_other_scans_is_an_error(made):
    data, scan = made / "competition", scan_of(made, "train")
    with pytest.raises(ValueError, match=rf"solution\.csv has no row of {scan}"):
        of_folder.view(data, scan, made / "solution.csv")
