"""From a competition folder to arrays, table and folds."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from competition import pipeline, prepare
from competition.core import files, geometry, masks, rle
from competition.core.data import (
    arrays,
    body,
    faulty,
    images,
    mask_csv,
    png,
    slice_table,
)
from competition.core.experiment import layout, runs
from tests.damage import drop_slice


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


def prepared(competition, work, **options):
    verify = options.pop("verify", False)
    options = prepare.PrepareOptions(**{"folds": 2, **options})
    manifest = pipeline.prepare(competition, work=work, options=options, verify=verify)
    return layout.dataset(competition, work), manifest


def times(dataset):
    return {path: path.stat().st_mtime_ns for path in dataset.root.rglob("*.npy")}


def test_arrays_hold_the_pixels_and_masks_of_the_folder(competition, work):
    dataset, manifest = prepared(competition, work)
    store = arrays.Arrays(dataset)
    found = {image.id: image for image in images.find(competition, "train")}
    table = slice_table.read(dataset)
    assert set(table["id"]) == set(found)
    position = table.set_index("id")
    for row in mask_csv.read(competition / "train.csv", "segmentation"):
        image, place = found[row.id], position.loc[row.id]
        bits = store.masks(image.scan)[place["index"]]
        mask = masks.plane(bits, manifest["classes"].index(row.class_name))
        np.testing.assert_array_equal(mask, rle.decode(row.rle, image.shape))
    for image in found.values():
        np.testing.assert_array_equal(
            store.scan(image.scan)[position.loc[image.id]["index"]],
            png.read(competition / image.path, image.shape),
        )


def test_the_table_has_all_columns_and_one_fold_a_case(competition, work):
    table = slice_table.read(prepared(competition, work)[0])
    assert list(table.columns) == list(slice_table.COLUMNS)
    assert (table["high"] > table["low"]).all()
    assert (table.groupby("scan")["scan_high"].nunique() == 1).all()
    assert (table.groupby("case")["fold"].nunique() == 1).all()
    assert set(table["fold"]) == {0, 1}
    for _, rows in table.groupby("scan"):
        assert rows["index"].tolist() == list(range(len(rows)))


def test_the_box_of_a_scan_holds_its_organs_and_saves_pixels(competition, work):
    dataset, manifest = prepared(competition, work)
    store, table = arrays.Arrays(dataset), slice_table.read(dataset)
    for scan, grid in slice_table.grids(table).items():
        assert grid.shape == store.scan(scan).shape[1:]
        assert grid.body == body.box(store.scan(scan))
        organs = store.masks(scan).any(axis=0)
        organs[grid.body.slices] = False
        assert not organs.any()
    assert 0.2 < manifest["body_saving"] < 0.7


def test_it_is_found_out_whether_classes_exclude_each_other(competition, work):
    assert prepared(competition, work)[1]["exclusive"] is False
    table = competition / "train.csv"
    rows = table.read_text().splitlines()
    # Of every slice one class alone.
    kept = [
        row if row.split(",")[1] == "stomach" else f"{row.rsplit(',', 1)[0]},"
        for row in rows[1:]
    ]
    table.write_text("\n".join([rows[0], *kept, ""]))
    assert prepared(competition, work)[1]["exclusive"] is True


def test_data_of_a_version_that_did_not_look_for_overlaps_is_prepared_anew(
    competition, work
):
    dataset, manifest = prepared(competition, work)
    older = {key: value for key, value in manifest.items() if key != "exclusive"}
    files.write_sealed(dataset.manifest, older | {"version": 3})
    for scan in manifest["names"]:
        record = files.read_json(dataset.record(scan))
        del record["overlaps"]
        files.write_sealed(dataset.record(scan), record, indent=None)
    # The fingerprint is the same: runs on it go on.
    assert prepared(competition, work)[1] == manifest


def test_an_empty_scan_keeps_its_whole_slices_with_a_warning(competition, work, capsys):
    found = images.find(competition, "train")
    empty = [image for image in found if image.scan == found[0].scan]
    for image in empty:
        cv2.imwrite(str(competition / image.path), np.zeros(image.shape, np.uint16))
    dataset, _ = prepared(competition, work)
    assert f"{empty[0].scan}: no body is seen" in capsys.readouterr().err
    grid = slice_table.grids(slice_table.read(dataset))[empty[0].scan]
    assert grid.body == (0, grid.shape[0], 0, grid.shape[1])


def test_the_fingerprint_is_that_of_tables_without_boxes(competition, work):
    dataset, manifest = prepared(competition, work)
    table = slice_table.read(dataset).drop(columns=slice_table.BOX)
    crcs = {
        scan: files.read_json(dataset.record(scan))["arrays"]
        for scan in sorted(table["scan"].unique())
    }
    parts = repr((manifest["classes"], list(crcs.values())))
    expected = files.digest(parts + table.to_csv(index=False))
    assert manifest["fingerprint"] == expected


def test_prepared_again_nothing_is_written(competition, work):
    dataset, manifest = prepared(competition, work)
    before = times(dataset)
    assert prepared(competition, work)[1] == manifest
    assert times(dataset) == before


def test_killed_it_goes_on_at_the_next_scan(competition, work, monkeypatch):
    write, written = arrays.write, []

    def killed(path, planes):
        written.append(path)
        if len(written) == 5:
            raise KeyboardInterrupt
        return write(path, planes)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(arrays, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        prepared(competition, work)
    assert not layout.dataset(competition, work).manifest.exists()
    done = written[:4]
    _, manifest = prepared(competition, work)
    assert len(written[5:]) == 2 * manifest["scans"] - len(done)
    assert not set(done) & set(written[5:])


def test_one_changed_slice_reads_one_scan_again(competition, work):
    dataset, _ = prepared(competition, work)
    before = times(dataset)
    image, other = images.find(competition, "train")[:2]
    (competition / image.path).write_bytes((competition / other.path).read_bytes())
    prepared(competition, work)
    made_again = {path.name for path, _ in times(dataset).items() - before.items()}
    assert made_again == {f"{image.scan}.npy"}


def test_too_few_cases_lower_the_folds_with_a_warning(competition, work, capsys):
    _, manifest = prepared(competition, work, folds=50)
    assert manifest["folds"] == manifest["cases"] < 50
    assert "cannot be split into 50 folds" in capsys.readouterr().err


def test_a_fold_file_decides(competition, work, tmp_path):
    cases = sorted({image.case for image in images.find(competition, "train")})
    lines = [f"{case},{int(case == cases[0])}" for case in cases]
    (tmp_path / "f.csv").write_text("\n".join(["case,fold", *lines]))
    dataset, _ = prepared(competition, work, fold_file=tmp_path / "f.csv")
    table = slice_table.read(dataset)
    assert set(table["case"][table["fold"] == 1]) == {cases[0]}


def test_a_fold_file_that_is_wrong_is_named_by_its_path(competition, work, tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("case,part\n1,0\n")
    with pytest.raises(ValueError, match=f"{path}: expected the columns case, fold"):
        prepared(competition, work, fold_file=path)


def test_scans_made_anew_are_not_taken_until_prepare_has_ended(
    competition, work, tmp_path
):
    dataset, before = prepared(competition, work)
    one, other = (image.path for image in images.find(competition, "train")[:12:11])
    kept = (competition / other).read_bytes()
    changed = cv2.imread(str(competition / one), cv2.IMREAD_UNCHANGED) + np.uint16(1)
    cv2.imwrite(str(competition / one), changed)
    (competition / other).write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="expected a PNG"):
        prepared(competition, work)
    # The arrays of the first scan are new by now.
    with pytest.raises(ValueError, match=r"did not come to its end, and some"):
        runs.prepared(dataset)
    (competition / other).write_bytes(kept)
    _, after = prepared(competition, work)
    assert runs.prepared(dataset)["fingerprint"] == after["fingerprint"]
    assert after["fingerprint"] != before["fingerprint"]
    assert after["options"] == before["options"]


def test_faulty_scans_are_listed_and_kept_out(competition, work, tmp_path, capsys):
    scan = images.find(competition, "train")[0].scan
    (tmp_path / "faulty.txt").write_text(f"{scan}\ncase9999_day0\n")
    dataset, manifest = prepared(competition, work, faulty=str(tmp_path / "faulty.txt"))
    table = slice_table.read(dataset)
    assert manifest["faulty"] == [scan]
    assert "no scan is called case9999_day0" in " ".join(
        capsys.readouterr().err.split()
    )
    assert dataset.scan(scan).is_file()
    for fold in (0, 1):
        assert scan not in set(slice_table.training(table, fold)["scan"])
        assert scan not in set(slice_table.held_out(table, fold)["scan"])


@pytest.mark.parametrize("option", ["faulty", "fold_file"])
def test_a_list_in_another_encoding_is_named(competition, work, tmp_path, option):
    path = tmp_path / "list.csv"
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"list\.csv is not a text in UTF-8 .*Correct"):
        prepared(competition, work, **{option: path})


def test_another_folder_of_the_same_name_is_an_error(competition, work, tmp_path):
    prepared(competition, work)
    other = tmp_path / "elsewhere" / "competition"
    other.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"was prepared from .*/competition, not from"):
        prepared(other, work)


def test_verify_finds_changes_that_keep_size_and_time(competition, work, capsys):
    dataset, manifest = prepared(competition, work)
    scan = manifest["names"][0]
    whole = dataset.masks(scan).read_bytes()
    dataset.masks(scan).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert prepared(competition, work)[1] == manifest
    assert dataset.masks(scan).read_bytes() != whole
    assert prepared(competition, work, verify=True)[1] == manifest
    assert dataset.masks(scan).read_bytes() == whole
    assert f"{scan}: checksums differ" in capsys.readouterr().err


def test_verify_finds_a_header_that_names_other_values(competition, work, capsys):
    dataset, manifest = prepared(competition, work)
    path = dataset.scan(manifest["names"][0])
    whole = path.read_bytes()
    depth, height, width = arrays.load(path).shape
    # The values' bytes stay as they are, and so does their checksum.
    for old, new in (
        ("<u2", ">u2"),
        (f"({depth}, {height}, {width})", f"({height}, {depth}, {width})"),
    ):
        path.write_bytes(whole.replace(old.encode(), new.encode(), 1))
        assert path.read_bytes() != whole
        assert prepared(competition, work, verify=True)[1] == manifest
        assert path.read_bytes() == whole
        assert f"{path.stem}: checksums differ" in capsys.readouterr().err


def test_a_missing_array_is_made_again(competition, work):
    dataset, manifest = prepared(competition, work)
    dataset.scan(manifest["names"][0]).unlink()
    prepared(competition, work)
    assert dataset.scan(manifest["names"][0]).is_file()


def test_other_options_make_other_folds_but_no_new_arrays(competition, work):
    dataset, one = prepared(competition, work)
    before = times(dataset)
    _, other = prepared(competition, work, fold_seed=1, folds=3)
    assert (one["folds"], other["folds"]) == (2, 3)
    assert one["fingerprint"] != other["fingerprint"]
    assert times(dataset) == before


def test_the_fold_table_adds_up(competition, work):
    _, manifest = prepared(competition, work)
    rows = manifest["fold_table"]
    for key in ("cases", "scans", "slices"):
        assert sum(row[key] for row in rows) == manifest[key]
    decoded = [
        rle.decode(row.rle, (10**3, 10**3)).sum()
        for row in mask_csv.read(competition / "train.csv", "segmentation")
        if row.class_name == "stomach"
    ]
    assert sum(row["voxels"]["stomach"] for row in rows) == sum(decoded) > 0


def test_leading_zeros_in_a_scan_lose_nothing(competition, work):
    before = prepared(competition, work / "one")[1]
    image = images.find(competition, "train")[0]
    folder = (competition / image.path).parents[1]
    padded = f"case{image.case}_day0{image.day}"
    folder.rename(folder.with_name(padded))
    text = (competition / "train.csv").read_text("utf-8")
    (competition / "train.csv").write_text(
        text.replace(f"{image.scan}_slice", f"{padded}_slice"), encoding="utf-8"
    )
    after = prepared(competition, work / "two")[1]
    assert after["fold_table"] == before["fold_table"]
    assert after["names"] == before["names"]


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[:100]])
def test_a_cut_off_array_is_made_again(competition, work, harm):
    dataset, manifest = prepared(competition, work)
    path = dataset.scan(manifest["names"][0])
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    prepared(competition, work, verify=True)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["{}", "[]", '{"rows": 1}', "{"])
def test_a_damaged_record_is_made_again(competition, work, text):
    dataset, manifest = prepared(competition, work)
    path = dataset.record(manifest["names"][0])
    whole = path.read_bytes()
    path.write_text(text, encoding="utf-8")
    prepared(competition, work, verify=True)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("key", ["checksums", "arrays", "ranges", "voxels", "overlaps"])
def test_a_record_that_lacks_a_key_is_made_again(competition, work, key):
    dataset, manifest = prepared(competition, work)
    path = dataset.record(manifest["names"][0])
    whole = path.read_bytes()
    about = files.read_json(path)
    del about[key]
    files.write_json(path, about)
    assert prepared(competition, work, verify=True)[1] == manifest
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["fold", "case", "slices", "scans", "index", "scan"])
def test_a_class_may_be_called_like_a_column(competition, work, name):
    before = prepared(competition, work / "one")[1]
    text = (competition / "train.csv").read_text("utf-8")
    (competition / "train.csv").write_text(
        text.replace(",stomach,", f",{name},"), encoding="utf-8"
    )
    after = prepared(competition, work / "two")[1]
    assert after["slices"] == before["slices"]
    for row, was in zip(after["fold_table"], before["fold_table"], strict=True):
        assert row["voxels"][name] == was["voxels"]["stomach"]


def test_one_case_is_too_few(competition, work):
    scan = images.find(competition, "train")[0]
    for folder in (competition / "train").iterdir():
        if folder.name != f"case{scan.case}":
            shutil.rmtree(folder)
    lines = (competition / "train.csv").read_text("utf-8").splitlines()
    kept = [line for line in lines if line.startswith(("id", f"case{scan.case}_"))]
    (competition / "train.csv").write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"at least 2 cases\. Received: case \d+ alone"
    ):
        prepared(competition, work)


def test_a_gap_in_the_slices_is_kept_in_the_manifest(competition, work):
    image = images.find(competition, "train")[2]
    drop_slice(competition, image)
    _, manifest = prepared(competition, work)
    assert manifest["gaps"] == {image.scan: [image.slice]}


def test_a_full_disk_leaves_nothing_half_written(competition, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(OSError, match="No space left on device"):
            prepared(competition, small / "work")
        hidden = [path.name for path in small.rglob(".*")]
        assert all(name.endswith(".lock") for name in hidden), "nothing half-written"
        assert not list(small.rglob("manifest.json"))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_mle_bench_folders_are_taken_as_they_are(competition, work):
    sample = competition / "sample_submission.csv"
    rows = mask_csv.read(sample, "predicted")
    filled = [dataclasses.replace(row, rle="1 1 5 2") for row in rows]
    mask_csv.write(sample, filled)
    pairs = "".join(f"{row.id},{row.class_name}\n" for row in rows)
    (competition / "test.csv").write_text("id,class\n" + pairs)
    assert prepared(competition, work)[1]["scans"] > 0
    assert mask_csv.read(sample, "predicted")[0].rle == "1 1 5 2"


def test_real_slices_go_through(real, work):
    for name, slices_there in [("original_16bit", 19), ("scans_8bit", 432)]:
        data = real / "uw_madison" / name
        _, manifest = prepared(data, work, faulty="none")
        assert manifest["slices"] == slices_there
        assert manifest["classes"] == ["large_bowel", "small_bowel", "stomach"]


def test_a_manifest_of_another_form_is_made_again(competition, work):
    dataset, manifest = prepared(competition, work)
    dataset.manifest.write_text("[]", "utf-8")
    assert prepared(competition, work)[1] == manifest


def test_a_manifest_whose_classes_were_reversed_is_an_error(competition, work):
    dataset, manifest = prepared(competition, work)
    about = json.loads(dataset.manifest.read_text("utf-8"))
    about["classes"].reverse()
    dataset.manifest.write_text(json.dumps(about), "utf-8")
    with pytest.raises(ValueError, match=r"manifest\.json was changed .* Delete it"):
        prepared(competition, work)
    dataset.manifest.unlink()
    assert prepared(competition, work)[1] == manifest


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"scans": {"case1_day0": {}}}',
        '{"scans": {"case1_day0": {"spacing_z_mm": 0}}}',
        '{"scans": {"case1_day0": {"spacing_z_mm": "nan"}}}',
    ],
)
def test_another_geometry_json_is_named(competition, work, text):
    (competition / "geometry.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"geometry\.json: expected a `spacing_z_mm`"):
        prepared(competition, work)


@pytest.mark.parametrize("name", ["slices.csv", "scans", "masks"])
def test_a_cut_off_file_of_the_data_set_is_made_again(competition, work, name):
    manifest = pipeline.prepare(competition, work=work)
    path = layout.DatasetFiles(work / competition.name).root / name
    if path.is_dir():
        path = sorted(path.glob("*.npy"))[0]
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    assert pipeline.prepare(competition, work=work) == manifest
    assert path.read_bytes() == before


def test_a_scan_that_does_not_fit_into_memory_is_refused_unread(tmp_path, work):
    folder = tmp_path / "data" / "train" / "case1" / "case1_day0" / "scans"
    folder.mkdir(parents=True)
    rows = ["id,class,segmentation"]
    for number in range(1, 130):
        # Only the header, which claims the size in the name.
        path = folder / f"slice_{number:04}_4096_4096_1.50_1.50.png"
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x10\0\0\0\x10\0\x10\0\0\0\0\0\0\0\0"
        )
        assert png.shape(path) == (4096, 4096)
        rows.append(f"case1_day0_slice_{number:04},stomach,")
    (tmp_path / "data" / "train.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(ValueError, match=r"at most 4 GiB a scan, at two bytes"):
        prepared(tmp_path / "data", work)


def test_options_that_are_not_given_are_those_of_before(competition, work, tmp_path):
    cases = sorted({image.case for image in images.find(competition, "train")})
    rows = [f"{case},{index % 2}\n" for index, case in enumerate(cases)]
    path = tmp_path / "folds.csv"
    path.write_text("case,fold\n" + "".join(rows), encoding="utf-8")
    options = prepare.PrepareOptions(fold_file=path, faulty="none")
    before = pipeline.prepare(competition, work=work, options=options)
    dataset = layout.dataset(competition, work)
    # What the file said holds, wherever it is now.
    path.unlink()
    assert pipeline.prepare(competition, work=work) == before
    # A change of the data is taken up, in the same folds; so is another option.
    drop_slice(competition, images.find(competition, "train")[-1])
    for options in (None, prepare.PrepareOptions(quarantine=True)):
        anew = pipeline.prepare(competition, work=work, options=options)
        assert anew["fingerprint"] != before["fingerprint"]
        folds = slice_table.read(dataset).groupby("case")["fold"].first()
        assert folds.to_dict() == {case: index % 2 for index, case in enumerate(cases)}
    options = prepare.PrepareOptions(folds=2, fold_seed=3)
    anew = pipeline.prepare(competition, work=work, options=options)
    assert anew["options"] == {
        "folds": 2, "fold_seed": 3, "fold_file": "None", "faulty": "none",
        "quarantine": True,
    }  # fmt: skip


@pytest.mark.parametrize("damage", [{}, [], "text", {"folds": "many"}])
def test_options_of_another_form_are_not_remembered(competition, work, damage):
    dataset, before = prepared(competition, work)
    manifest = files.read_json(dataset.manifest)
    files.write_sealed(dataset.manifest, manifest | {"options": damage})
    options = prepare.PrepareOptions(folds=2)
    assert pipeline.prepare(competition, work=work, options=options) == before


def test_options_can_be_taken_back(competition, work):
    first = prepare.PrepareOptions(faulty="host", quarantine=True)
    pipeline.prepare(competition, work=work, options=first)
    back = prepare.PrepareOptions(faulty="auto", quarantine=False)
    options = pipeline.prepare(competition, work=work, options=back)["options"]
    assert (options["faulty"], options["quarantine"]) == (None, False)


def test_a_damaged_new_scan_leaves_the_data_set_in_use(competition, work):
    dataset, _ = prepared(competition, work)
    folder = competition / "train/case1/case1_day9/scans"
    folder.mkdir(parents=True)
    old = images.find(competition, "train")[0]
    (folder / pathlib.Path(old.path).name).write_bytes(b"half copied")
    with pytest.raises(ValueError, match="case1_day9"):
        pipeline.prepare(competition, work=work)
    assert runs.prepared(dataset)["fingerprint"]


def test_a_scan_that_is_made_again_leaves_no_data_set_until_the_end(competition, work):
    dataset, _ = prepared(competition, work)
    damaged = competition / images.find(competition, "train")[0].path
    damaged.write_bytes(b"")
    with pytest.raises(ValueError, match="0 bytes"):
        pipeline.prepare(competition, work=work)
    with pytest.raises(ValueError, match="`prepare` did not come to its end"):
        runs.prepared(dataset)


def test_masks_outside_of_the_body_are_told(competition, work, capsys, monkeypatch):
    monkeypatch.setattr(body, "box", lambda volume: geometry.Box(0, 2, 0, 2))
    prepared(competition, work)
    said = " ".join(capsys.readouterr().err.split())
    assert "have masks outside of the box around the body: case" in said


def test_a_part_of_the_competition_still_leaves_its_faulty_scans_out(capsys):
    whole = [*faulty.HOST, "case2_day1"]
    assert faulty.scans(None, whole) == faulty.UWM
    part = [scan for scan in whole if scan != "case138_day0"]
    assert faulty.scans(None, part) == faulty.UWM
    assert faulty.scans(None, ["case7_day0", "case2_day1"]) == set()
    assert faulty.scans("none\n", whole) == set()
    assert "no scan is called" not in capsys.readouterr().err
