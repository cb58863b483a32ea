"""From a competition folder to arrays, table and folds."""

import numpy as np
import pytest

from competition import pipeline, prepare
from competition.core import arrays, images, layout, masks, rle, slices, submission


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


def prepared(competition, work, **options):
    options = prepare.Options(**{"folds": 2, **options})
    manifest = pipeline.prepare(competition, work=work, options=options)
    return layout.dataset(competition, work), manifest


def test_arrays_hold_the_pixels_and_masks_of_the_folder(competition, work):
    dataset, manifest = prepared(competition, work)
    store = arrays.Arrays(dataset)
    found = {image.id: image for image in images.find(competition, "train")}
    table = slices.read(dataset.slices)
    assert set(table["id"]) == set(found)
    position = table.set_index("id")
    for row in submission.read(competition / "train.csv", "segmentation"):
        image, place = found[row.id], position.loc[row.id]
        bits = store.masks(image.scan)[place["index"]]
        mask = masks.plane(bits, manifest["classes"].index(row.class_name))
        np.testing.assert_array_equal(mask, rle.decode(row.rle, image.shape))
    for image in found.values():
        np.testing.assert_array_equal(
            store.scan(image.scan)[position.loc[image.id]["index"]],
            images.read(competition / image.path, image.shape),
        )


def test_the_table_says_what_the_design_promises(competition, work):
    table = slices.read(prepared(competition, work)[0].slices)
    assert list(table.columns) == list(slices.COLUMNS)
    assert (table["high"] > table["low"]).all()
    assert (table.groupby("scan")["scan_high"].nunique() == 1).all()
    assert (table.groupby("case")["fold"].nunique() == 1).all()
    assert set(table["fold"]) == {0, 1}
    for _, rows in table.groupby("scan"):
        assert rows["index"].tolist() == list(range(len(rows)))


def test_prepared_again_nothing_is_written(competition, work):
    dataset, manifest = prepared(competition, work)
    before = {p: p.stat().st_mtime_ns for p in dataset.root.rglob("*.npy")}
    assert prepared(competition, work)[1] == manifest
    assert {p: p.stat().st_mtime_ns for p in dataset.root.rglob("*.npy")} == before


def test_killed_it_goes_on_at_the_next_scan(competition, work, monkeypatch):
    read, calls = images.read_scan, []

    def killed(data, found):
        calls.append(found[0].scan)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(data, found)

    monkeypatch.setattr(prepare.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(images, "read_scan", killed)
    with pytest.raises(KeyboardInterrupt):
        prepared(competition, work)
    assert not layout.dataset(competition, work).manifest.exists()
    done = calls[:2]
    _, manifest = prepared(competition, work)
    assert not set(done) & set(calls[3:])
    assert len(calls[3:]) == manifest["scans"] - len(done)


def test_one_changed_slice_reads_one_scan_again(competition, work, monkeypatch):
    prepared(competition, work)
    image = images.find(competition, "train")[0]
    other = images.find(competition, "train")[1]
    (competition / image.path).write_bytes((competition / other.path).read_bytes())
    read, calls = images.read_scan, []
    monkeypatch.setattr(
        images, "read_scan", lambda data, found: calls.append(1) or read(data, found)
    )
    prepared(competition, work)
    assert len(calls) == 1


def test_too_few_cases_lower_the_folds_with_a_warning(competition, work, capsys):
    _, manifest = prepared(competition, work, folds=50)
    assert manifest["folds"] == manifest["cases"] < 50
    assert "cannot be split into 50 folds" in capsys.readouterr().err


def test_a_fold_file_decides(competition, work, tmp_path):
    cases = sorted({image.case for image in images.find(competition, "train")})
    lines = [f"{case},{int(case == cases[0])}" for case in cases]
    (tmp_path / "f.csv").write_text("\n".join(["case,fold", *lines]))
    dataset, _ = prepared(competition, work, fold_file=tmp_path / "f.csv")
    table = slices.read(dataset.slices)
    assert set(table["case"][table["fold"] == 1]) == {cases[0]}


def test_faulty_scans_are_listed_and_kept_out(competition, work, tmp_path):
    scan = images.find(competition, "train")[0].scan
    (tmp_path / "faulty.txt").write_text(f"{scan}\ncase9999_day0\n")
    dataset, manifest = prepared(competition, work, faulty=str(tmp_path / "faulty.txt"))
    table = slices.read(dataset.slices)
    assert manifest["faulty"] == [scan]
    assert dataset.scan(scan).is_file()
    for fold in (0, 1):
        assert scan not in set(slices.training(table, fold)["scan"])
        assert scan not in set(slices.held_out(table, fold)["scan"])


def test_another_folder_of_the_same_name_is_an_error(competition, work, tmp_path):
    prepared(competition, work)
    other = tmp_path / "elsewhere" / "competition"
    other.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"was prepared from .*/competition, not from"):
        prepared(other, work)


def damage_missing_folder(folder):
    return folder.rename(folder.with_name("moved"))


def damage_missing_csv(folder):
    (folder / "train.csv").unlink()


def damage_column(folder):
    edit(folder, "segmentation", "mask")


def damage_id(folder):
    text = (folder / "train.csv").read_text()
    id = text.splitlines()[1].split(",")[0]
    edit(folder, f"{id},", "case999_day9_slice_0001,")


def damage_row(folder):
    lines = (folder / "train.csv").read_text().splitlines()
    id = lines[1].split(",")[0]
    kept = [line for line in lines if not line.startswith(f"{id},")]
    (folder / "train.csv").write_text("\n".join(kept) + "\n")


def damage_rle(text):
    def damage(folder):
        lines = (folder / "train.csv").read_text().splitlines()
        id, name, _ = lines[1].split(",")
        lines[1] = f"{id},{name},{text}"
        (folder / "train.csv").write_text("\n".join(lines) + "\n")

    return damage


def damage_png(folder):
    path = folder / images.find(folder, "train")[0].path
    path.write_bytes(path.read_bytes()[:1000])


def damage_name(folder):
    path = folder / images.find(folder, "train")[0].path
    path.rename(path.with_name("slice_0001_50_60_1.50_1.50.png"))


def edit(folder, old, new):
    text = (folder / "train.csv").read_text()
    assert old in text
    (folder / "train.csv").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_missing_folder, r"competition: no such folder\. --data expects"),
        (damage_missing_csv, r"train\.csv: not found\. `prepare` needs"),
        (
            damage_column,
            r"train\.csv: column `segmentation` is missing\. Received: id, class, mask",
        ),
        (
            damage_id,
            r"train\.csv, row 2: no slice for the id 'case999_day9_slice_0001'",
        ),
        (damage_row, r"train\.csv: no row for the slice train/case"),
        (damage_rle("1 2 3"), r"train\.csv, row 2 \(case.*\): "),
        (damage_rle("9 1 1 1"), r"train\.csv, row 2 \(case.*\): "),
        (damage_rle("1 5 3 5"), r"train\.csv, row 2 \(case.*\): "),
        (damage_rle("1 99999999"), r"train\.csv, row 2 \(case.*\): "),
        (damage_rle("one 2"), r"train\.csv, row 2 \(case.*\): "),
        (damage_png, r"slice_0001.*\.png: the PNG is truncated"),
        (damage_name, r"slice_0001_50_60.*: expected 50 x 60 .* received \d+ x"),
    ],
)
def test_bad_input_is_a_message_and_nothing_half_written(
    competition, work, damage, message
):
    damage(competition)
    with pytest.raises(ValueError, match=message):
        prepared(competition, work)
    dataset = layout.dataset(competition, work)
    assert not dataset.manifest.exists() and not dataset.slices.exists()
    assert not [path for path in work.rglob(".*")]


def test_real_slices_go_through(real, work):
    for name, slices_there in [("original_16bit", 19), ("scans_8bit", 432)]:
        data = real / "uw_madison" / name
        _, manifest = prepared(data, work, faulty="none")
        assert manifest["slices"] == slices_there
        assert manifest["classes"] == ["large_bowel", "small_bowel", "stomach"]
