"""Every way in which a training folder can be bad: reported, and set aside."""

import pytest

from competition import pipeline, prepare
from competition.core.data import images
from competition.core.experiment import layout
from tests import damage

FILES = [
    (damage.zero_bytes, r"slice_0001.*: expected a PNG, received 0 bytes"),
    (damage.truncated, r"slice_0001.*: the PNG is truncated or damaged"),
    (damage.flipped_byte, r"slice_0001.*: the PNG is truncated or damaged"),
    (damage.not_a_png, r"slice_0001.*: expected a PNG, received 106 bytes"),
    (damage.eight_bit, r"16-bit grey PNG, received 8 bits and colour type 0"),
    (damage.colour, r"16-bit grey PNG, received 16 bits and colour type 2"),
    (damage.palette, r"16-bit grey PNG, received 8 bits and colour type 3"),
    (damage.huge, r"at most 4096 pixels a side, received 60000 x 60000"),
    (damage.other_shape_than_name, r"expected 50 x 60 pixels .* received \d+ x"),
    (damage.other_size_than_scan, r"50 x 60 pixels in a scan of"),
    (damage.duplicate_slice, r"slice 1 of case.* is there already, as train/"),
    (damage.foreign_name, r"copy of slice\.png: a slice's name must look like"),
    (damage.other_bytes, r"slice_.*\.png: a slice's name must look like"),
    (damage.unreadable, r"slice_0001.*: a folder, not a file\. Replace it"),
    (damage.link_to_a_pipe, r"slice_0001.*: a pipe, not a file\. Replace it"),
    (damage.link_that_leaves, r"the link leaves the data folder, to .*outside\.png"),
    (damage.broken_link, r"No such file or directory: '.*slice_0001"),
    (damage.missing_row, r"train\.csv: no row for the slice train/case"),
    (damage.missing_slice, r"train\.csv, row \d+: no slice for the id 'case"),
]
ROWS = [
    (damage.mask("1 2 3"), r"row \d+ \(case.*, .*\): .*must come in pairs"),
    (damage.mask("9 1 1 1"), "runs must be sorted"),
    (damage.mask("1 5 3 5"), "runs must not overlap"),
    (damage.mask("1 99999999"), "outside the image of"),
    (damage.mask("0 5"), "start and length must be positive"),
    (damage.mask("5 0"), "start and length must be positive"),
    (damage.mask("-5 2"), "must be a whole number. Received: '-5'"),
    (damage.mask("one 2"), "must be a whole number. Received: 'one'"),
    (damage.mask("1.5 2"), "must be a whole number. Received: '1.5'"),
    (damage.mask("nan"), "must be a whole number. Received: 'nan'"),
    (damage.mask("99999999999999999999 1"), "outside the image of|must be"),
    (damage.mask("1 9223372036854775808"), "outside the image of|must be"),
    (damage.row("{id},stomch,1 1"), r"unknown class 'stomch'. Expected one of"),
    (damage.row("{id},,1 1"), r"train\.csv, row \d+: the class is empty"),
    (damage.row("{id},{name},{rle}\n{id},{name},"), "stands already in row"),
    (damage.row("{id},{name}"), "expected 3 fields .* received 2"),
]
BY_SCAN = FILES + ROWS
WHOLE = [
    (lambda f: f.rename(f.with_name("moved")), r"competition: no such folder"),
    (lambda f: (f / "train.csv").unlink(), r"train\.csv: not found\. `prepare` needs"),
    (lambda f: edit(f, b"segmentation", b"mask"), "column `segmentation` is missing"),
    (lambda f: edit(f, b"id,class", b"class"), "column `id` is missing"),
    (lambda f: (f / "train.csv").write_text(""), "received an empty file"),
    (lambda f: edit(f, b"stomach", b"st\xf6mach"), "expected UTF-8 text"),
    (
        lambda f: (f / "train.csv").write_text("id,class,segmentation\n"),
        "no rows below",
    ),
    (lambda f: edit(f, b"_slice_", b"-slice-"), "An id must look like"),
    (
        lambda f: (f / "train").rename(f / "trein"),
        "train: no slices|no slice for the id",
    ),
]
HARMLESS = {
    "a byte-order mark": lambda data: b"\xef\xbb\xbf" + data,
    "Windows line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "quoted fields": lambda data: data.replace(b"stomach", b'"stomach"'),
    "a further column": lambda data: data.replace(b"\n", b",x\n"),
    "blank lines": lambda data: data.replace(b"\n", b"\n\n"),
}


def edit(folder, old, new):
    data = (folder / "train.csv").read_bytes()
    assert old in data
    (folder / "train.csv").write_bytes(data.replace(old, new))


def prepared(folder, **options):
    return pipeline.prepare(
        folder,
        work=folder.parent / "work",
        options=prepare.PrepareOptions(folds=2, **options),
    )


@pytest.mark.parametrize(("harm", "message"), BY_SCAN + WHOLE)
def test_damage_is_reported_and_no_file_is_half_written(competition, harm, message):
    harm(competition)
    with pytest.raises(ValueError, match=message):
        prepared(competition)
    dataset = layout.dataset(competition, competition.parent / "work")
    assert not dataset.manifest.exists() and not dataset.slices.exists()
    assert not list(dataset.root.rglob(".*"))


@pytest.mark.parametrize(("harm", "message"), BY_SCAN)
def test_quarantine_sets_the_scan_aside_and_goes_on(competition, harm, message):
    scan = images.find(competition, "train")[0].scan
    count = len({image.scan for image in images.find(competition, "train")})
    harm(competition)
    manifest = prepared(competition, quarantine=True)
    assert manifest["quarantined"] == [scan]
    assert manifest["scans"] == count - 1
    assert scan not in manifest["names"]


def test_all_problems_come_at_once_and_the_way_out_with_them(competition):
    scans = list(dict.fromkeys(i.scan for i in images.find(competition, "train")))
    for scan in scans[:2]:
        for image in images.find(competition, "train"):
            if image.scan == scan:
                (competition / image.path).write_bytes(b"")
    damage.missing_row(competition)
    with pytest.raises(ValueError, match="`quarantine` sets them aside") as caught:
        prepared(competition)
    lines = str(caught.value).splitlines()
    assert sum("received 0 bytes" in line for line in lines) == 12
    assert sum("no row for the slice" in line for line in lines) == 1
    assert lines[-1].startswith("2 scans have problems")


def test_prepare_stops_when_every_scan_is_bad(competition):
    for image in images.find(competition, "train"):
        (competition / image.path).write_bytes(b"")
    with pytest.raises(ValueError, match="no scan is left to train on"):
        prepared(competition, quarantine=True)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_other_ways_to_write_the_same_table_change_nothing(competition, change):
    before = prepared(competition)
    path = competition / "train.csv"
    path.write_bytes(change(path.read_bytes()))
    assert prepared(competition)["fingerprint"] == before["fingerprint"]


def test_repaired_data_goes_on_without_reading_good_scans_again(competition):
    path = damage.first(competition)[1]
    good = path.read_bytes()
    damage.truncated(competition)
    with pytest.raises(ValueError, match="truncated"):
        prepared(competition)
    arrays = list((competition.parent / "work").rglob("scans/*.npy"))
    before = {each: each.stat().st_mtime_ns for each in arrays}
    path.write_bytes(good)
    prepared(competition)
    assert before and {each: each.stat().st_mtime_ns for each in arrays} == before
