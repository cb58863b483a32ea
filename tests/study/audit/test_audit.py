"""The audit on phantoms with planted faults, and each check on drawn masks.

Seeds 10 to 15 and 30 to 33 served to build the audit, others to measure it; here 22.
"""

import csv

import numpy as np
import pandas as pd
import pytest

from competition import prepare
from competition.core import files, masks
from competition.core.experiment import layout
from competition.sources import phantom
from competition.study import audit
from competition.study.audit import checks, features, looks
from tests import by_hand

HELD_OUT = 22


@pytest.fixture(scope="session")
def faulty(tmp_path_factory):
    """A prepared phantom with faults: (data set, the planted faults)."""
    out = tmp_path_factory.mktemp("faulty") / "phantom"
    phantom.write(out, small=True, public=True, faults=True, seed=HELD_OUT)
    dataset = layout.dataset(out / "competition", out / "work")
    prepare.run(out / "competition", dataset)
    with open(out / "faults.csv", encoding="utf-8", newline="") as file:
        return dataset, list(csv.DictReader(file))


@pytest.fixture(scope="session")
def audited(faulty):
    """The same after the audit: (data set, faults, summary, suspects)."""
    dataset, planted = faulty
    summary = audit.run(dataset)
    with open(
        dataset.root / "audit" / "suspects.csv", encoding="utf-8", newline=""
    ) as file:
        return dataset, planted, summary, list(csv.DictReader(file))


def same(suspect, fault):
    classes = set(suspect["class"].split()), set(fault["class"].split())
    return (
        suspect["scan"] == fault["scan"]
        and int(suspect["first_slice"]) <= int(fault["last_slice"])
        and int(fault["first_slice"]) <= int(suspect["last_slice"])
        and (not classes[0] or not classes[1] or bool(classes[0] & classes[1]))
    )


def test_planted_faults_are_found_and_hardly_other_masks(audited):
    _, planted, _, listed = audited
    hits = [any(same(suspect, fault) for suspect in listed) for fault in planted]
    right = [any(same(suspect, fault) for fault in planted) for suspect in listed]
    assert len(planted) == 10
    assert np.mean(hits) >= 0.9
    assert np.mean(right) >= 0.8


def test_suspects_come_worst_first_each_with_a_picture(audited):
    dataset, _, summary, listed = audited
    weights = [float(suspect["weight"]) for suspect in listed]
    assert weights == sorted(weights, reverse=True)
    names = sorted(path.name for path in (dataset.root / "audit/suspects").iterdir())
    wanted = [
        f"{rank:03d}_{suspect['scan']}_{suspect['reason']}.png"
        for rank, suspect in enumerate(listed, start=1)
    ]
    assert names == wanted
    assert summary["suspects"] == sum(summary["reasons"].values()) == len(listed)


def test_page_holds_its_pictures_and_fetches_nothing(audited):
    dataset, _, summary, listed = audited
    page = (dataset.root / "audit" / "audit.html").read_text("utf-8")
    assert summary["audit"] == str(dataset.root / "audit" / "audit.html")
    assert page.count("data:image/jpeg;base64,") == len(listed)
    for drawn in ("Grey values", "Where in a scan", "Areas", "Volumes"):
        assert f"<h3>{drawn}</h3>" in page
    assert "http" not in page.replace("http-equiv", "")


def test_fingerprint_counts_formats_positions_and_areas(audited):
    dataset = audited[0]
    data = files.read_json(dataset.root / "audit" / "fingerprint.json")
    assert sum(data["formats"].values()) == len(data["scans"]) == 12
    assert set(data["classes"]) == {"large_bowel", "small_bowel", "stomach"}
    for values in data["classes"].values():
        assert len(values["frequency"]) == 24
        assert 0 < max(values["frequency"]) <= 1
        assert values["area_mm2"]["0"] <= values["area_mm2"]["0.5"]
    for scan in data["scans"].values():
        levels = list(scan["intensity"].values())
        assert levels == sorted(levels)


def test_a_second_audit_of_the_same_data_writes_nothing(audited):
    dataset, _, summary, _ = audited
    page = dataset.root / "audit" / "audit.html"
    before = page.stat().st_mtime_ns
    assert audit.run(dataset) == summary
    assert page.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "name", ["fingerprint.json", "suspects.csv", "audit.html", "suspects"]
)
def test_an_audit_that_lost_a_file_is_made_anew(tmp_path, name):
    dataset, _ = by_hand.scored_run(tmp_path)
    summary = audit.run(dataset)
    assert summary["suspects"]
    lost = dataset.root / "audit" / name
    files.remove(lost)
    assert audit.run(dataset) == summary
    assert lost.exists()


def test_killed_while_it_draws_it_leaves_no_audit(tmp_path, monkeypatch):
    dataset, _ = by_hand.scored_run(tmp_path)
    record = dataset.root / "audit" / "audit.json"
    files.write_sealed(record, {"key": "of older data", "summary": {}})

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "_draw", killed)
    with pytest.raises(KeyboardInterrupt):
        audit.run(dataset)
    assert not record.exists()


def test_without_a_slice_table_the_error_says_what_to_run(tmp_path):
    with pytest.raises(ValueError, match=r"no slice table. Run .* prepare"):
        audit.run(layout.DatasetFiles(tmp_path))


def scene(depth=12):
    """A grey body with a bright and a dark organ, and their masks (D, H, W, 2)."""
    rows, columns = np.mgrid[:128, :128]
    rng = np.random.default_rng(0)
    volume = np.zeros((depth, 128, 128))
    planes = np.zeros((depth, 128, 128, 2), bool)
    volume[:, np.hypot(rows - 64, columns - 64) < 56] = 400
    for index in range(depth):
        planes[index, ..., 0] = np.hypot(rows - 50 - index, columns - 45) < 10
        planes[index, ..., 1] = (
            np.hypot(rows - 75 + index, columns - 85) < 8 + index / 4
        )
        volume[index][planes[index, ..., 0]] = 900
        volume[index][planes[index, ..., 1]] = 150
    return (volume + rng.normal(20, 5, volume.shape).clip(0)).astype("uint16"), planes


def check(planes, numbers=None):
    """Suspects of one scan: the scene's slices with these masks, numbered from 0."""
    return checks.find(measure("case1_day0", planes, numbers))


def measure(scan, planes, numbers=None):
    volume, _ = scene(len(planes))
    numbers = numbers or list(range(len(planes)))
    return pd.DataFrame(features.measure(scan, volume, masks.pack(planes), numbers, 2))


def described(suspects):
    return [(each.reason, each.first, each.last, each.classes) for each in suspects]


def test_good_masks_are_no_suspects():
    assert check(scene()[1]) == []


def test_no_masks_at_all_are_no_suspects():
    assert check(np.zeros((12, 128, 128, 2), bool)) == []


def test_an_emptied_slice_is_a_gap():
    _, planes = scene()
    planes[5, ..., 0] = False
    assert described(check(planes)) == [("gap", 5, 5, (0,))]


def test_a_missing_slice_is_no_gap():
    _, planes = scene()
    numbers = [n for n in range(1, 26) if n % 2]
    assert check(planes, numbers[:12]) == []


def test_a_stretch_that_lies_elsewhere_is_shifted():
    _, planes = scene()
    planes[4:7, ..., 1] = np.roll(planes[4:7, ..., 1], (-18, -24), axis=(1, 2))
    (suspect,) = check(planes)
    assert described([suspect]) == [("shifted", 4, 6, (1,))]
    # The organ itself goes on by a pixel from slice to slice.
    assert "about 31 pixels" in suspect.words


def test_a_class_off_its_edges_in_all_slices_is_found():
    _, planes = scene()
    planes[..., 0] = np.roll(planes[..., 0], (16, 20), axis=(1, 2))
    (suspect,) = check(planes)
    assert described([suspect]) == [("offset", 0, 11, (0,))]
    assert "-16 pixels down and -20 right" in suspect.words


def test_masks_of_other_slices_are_moved():
    _, planes = scene(24)
    planes = np.roll(planes, 4, axis=0)
    planes[:4] = False
    (suspect,) = check(planes)
    assert described([suspect]) == [("moved", 4, 23, (0, 1))]
    assert "by -4 slices" in suspect.words


def test_names_that_change_places_within_a_scan_are_swapped():
    _, planes = scene()
    planes[8:] = planes[8:, ..., ::-1]
    (suspect,) = check(planes)
    assert (suspect.reason, suspect.classes) == ("swapped", (0, 1))
    assert (suspect.first, suspect.last) in {(0, 7), (8, 11)}


def test_a_lone_mask_far_from_the_rest_is_found():
    _, planes = scene()
    planes[7:11, ..., 1] = False
    assert ("lone", 11, 11, (1,)) in described(check(planes))


def test_a_mask_repeated_in_the_next_slice_is_found():
    _, planes = scene()
    planes[6, ..., 0] = planes[5, ..., 0]
    assert described(check(planes)) == [("repeat", 6, 6, (0,))]


def test_a_mask_copied_from_another_day_of_the_case_is_found():
    _, planes = scene()
    other = np.roll(planes, 1, axis=2)
    other[2:5, ..., 1] = planes[2:5, ..., 1]
    scans = {"case1_day0": planes, "case1_day3": other, "case2_day0": planes}
    rows = pd.concat(measure(*each) for each in scans.items())
    (copy,) = checks.copied(rows.reset_index(drop=True))
    assert described([copy]) == [("copy", 2, 4, (1,))]
    assert copy.scan == "case1_day3" and "case1_day0" in copy.words


def test_the_usual_overlap_is_robust_and_bounded():
    assert checks.least_overlap(pd.Series([np.nan])) == 0.2
    assert checks.least_overlap(pd.Series([0.99, 0.98, 0.97, 0.1])) == 0.5
    assert checks.least_overlap(pd.Series([0.9, 0.5, 0.3, 0.1])) == 0.2


def swapped(favour):
    """First and last slice that look swapped: two classes in ten slices."""
    numbers, classes = np.repeat(np.arange(10), 2), np.tile([0, 1], 10)
    rows = {"number": numbers, "class": classes, "other": -1, "cross": 0, "dice": 1}
    other = np.where(classes[:, None] == [0, 1], 0.0, favour[:, None])
    part, _ = looks.swapped_part(pd.DataFrame(rows), pd.DataFrame(other))
    return sorted({*part["number"].iloc[[0, -1]]}) if len(part) else None


def test_the_stretch_with_most_evidence_of_a_swap_is_chosen():
    favour = np.where(np.repeat(np.arange(10), 2) >= 6, 3.0, -3.0)
    assert swapped(favour) == [6, 9]
    assert swapped(np.where(np.tile([0, 1], 10) == 0, favour, -3.0)) is None


def test_one_fault_is_named_once_by_its_strongest_reason():
    moved = checks.Suspect("case1_day0", 3, 9, (0, 1, 2), "moved", "", 9.0)
    jump = checks.Suspect("case1_day0", 9, 10, (1,), "jump", "", 99.0)
    other = checks.Suspect("case1_day1", 9, 10, (1,), "jump", "", 1.0)
    assert checks.explained([jump, other, moved]) == [moved, other]


@pytest.mark.parametrize("about", [[], {}, {"key": 1, "summary": {}}])
def test_a_record_of_another_form_is_named(tmp_path, about):
    dataset, _ = by_hand.scored_run(tmp_path)
    files.write_json(dataset.root / "audit" / "audit.json", about)
    with pytest.raises(ValueError, match=r"audit\.json: .*Delete it"):
        audit.run(dataset)


def test_an_audit_stays_where_no_new_one_can_be_made(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)
    record = dataset.root / "audit" / "audit.json"
    files.write_sealed(record, {"key": "of older data", "summary": {}})
    manifest = files.read_json(dataset.manifest)
    files.write_sealed(dataset.manifest, manifest | {"unfinished": True})
    with pytest.raises(ValueError, match="did not come to its end"):
        audit.run(dataset)
    assert record.exists()
