"""New volumes and images get labels, the same as through a competition folder."""

import os
import pathlib
import shutil

import cv2
import numpy as np
import pytest
import typer

from competition import new_volumes, pipeline, submit
from competition.commands import steps
from competition.core import files, rle, rules
from competition.core.data import images, mask_csv, png
from competition.core.experiment import layout, runs
from competition.sources import convert
from competition.sources.convert import pictures, volumes
from tests.sources import by_slices
from tests.submit.conftest import shared_networks  # noqa: F401

STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# Stored from right to left and from the head down, and no spacing of two decimals.
TURNED = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def scans(job):
    """The pixels (D, H, W) of the phantom's test by scan."""
    found = {}
    for image in images.find(job.data, "test"):
        pixels = png.read(job.data / image.path, image.shape)
        found.setdefault(image.scan, []).append(pixels)
    return {scan: np.stack(planes) for scan, planes in found.items()}


def write(path, volume, *, spacing=(1.5, 1.5, 3.0), direction=STRAIGHT):
    """Write a volume whose origin is not zero."""
    path.parent.mkdir(exist_ok=True)
    geometry = volumes.VolumeGeometry(
        volume.shape[::-1], spacing, (-7.0, 5.0, 90.0), direction
    )
    volumes.write(path, volume, geometry)


@pytest.fixture(scope="module")
def trained(finished, tmp_path_factory):
    """A copy of the finished run whose rules draw a lot: so masks can differ."""
    job, _ = finished
    dataset = layout.dataset(job.data, tmp_path_factory.mktemp("work"))
    place = dataset.run("smoke")
    shutil.copytree(job.run.files.root, place.root)
    generous = [rules.Rule(threshold=each) for each in (0.1, 0.15, 0.1)]
    files.write_json(place.decision, rules.to_json(generous, job.run.classes))
    return job._replace(dataset=dataset, run=runs.read(place))


@pytest.fixture
def new(trained, tmp_path):
    """The test scans of the phantom as volumes: as they are, and otherwise stored."""
    first, second = scans(trained).values()
    write(tmp_path / "new/as_it_is.nii.gz", first)
    write(
        tmp_path / "new/turned_0000.nii",
        second.astype(np.int16)[::-1, :, ::-1] - 5,
        spacing=(1.504, 1.496, 2.5),
        direction=TURNED,
    )
    return tmp_path / "new"


def predict(job, folder, out):
    return new_volumes.run(job.run, data=job.data, images=folder, out=out)


def through_a_folder(job, folder, root):
    """Convert, submit and restore; return the folder of the labels."""
    settings = convert.settings(job.data, folder, job.run.classes)
    convert.write_unlabelled(folder, out=root / "converted", like=settings)
    submitted(job, root / "converted", root / "submission.csv")
    convert.restore(
        root / "submission.csv", data=root / "converted", out=root / "restored"
    )
    return root / "restored"


def submitted(job, data, out):
    pipeline.submit(job.run.files.root, data=data, out=out)
    return mask_csv.read(out, "predicted")


def labels(folder):
    return sorted(path.name for path in folder.iterdir() if ".nii" in path.suffixes)


def test_labels_are_those_that_a_competition_folder_leads_to(
    trained, new, tmp_path, capsys
):
    first = next(iter(scans(trained).values()))
    lies = volumes.VolumeGeometry(
        first.shape[::-1], (1.5, 1.5, 3.0), (5.0, 6.0, 7.0), STRAIGHT
    )
    by_slices.write_series(new / "series", first, lies)
    out = tmp_path / "out"
    made = predict(trained, new, out)
    assert made == {"labels": str(out), "predicted": 3, "kept": 0, "failed": []}
    names = ["as_it_is.nii.gz", "series.nii.gz", "turned.nii.gz"]
    assert labels(out) == names
    expected = through_a_folder(trained, new, tmp_path)
    for name, source in zip(names, sorted(new.iterdir()), strict=True):
        array, geometry = volumes.read(out / name)
        other, other_geometry = volumes.read(expected / name)
        assert array.any() and array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)
        assert geometry == other_geometry == volumes.read(source)[1]
    left = {path.name for path in out.iterdir()}
    assert left == {*names, new_volumes.RECORD}
    # The competition's own test, of which the volume was made, has the same masks.
    array, _ = volumes.read(out / names[0])
    scan = next(iter(scans(trained)))
    rows = submitted(trained, trained.data, tmp_path / "own.csv")
    for row in (row for row in rows if images.scan_of(row.id) == scan):
        plane = array[images.parse_id(row.id)[2] - 1]
        mask = rle.decode(row.rle, plane.shape)
        value = trained.run.classes.index(row.class_name) + 1
        # Where classes overlap, the first one has the voxel.
        assert (mask[plane == value]).all()
        assert ((plane[mask] >= 1) & (plane[mask] <= value)).all()
    # Only labels that are gone, or whose source has changed, are made again.
    assert predict(trained, new, out)["kept"] == 3
    (out / names[0]).unlink()
    os.utime(new / "turned_0000.nii", (1, 1))
    assert predict(trained, new, out)["predicted"] == 2
    assert labels(out) == names


def test_a_damaged_volume_costs_its_own_labels_and_the_exit_code(
    trained, new, tmp_path, capsys
):
    content = (new / "as_it_is.nii.gz").read_bytes()
    (new / "as_it_is.nii.gz").write_bytes(content[: len(content) // 2])
    asked = dict(
        data=trained.data, experiment="smoke", work=trained.dataset.root.parent
    )
    with pytest.raises(typer.Exit) as raised:
        steps.predict(**asked, images=new, out=tmp_path / "out")
    assert raised.value.exit_code == 1
    said = capsys.readouterr()
    assert "as_it_is.nii.gz: the file is cut off or damaged" in said.err
    assert "Restore it." in said.err
    assert f"predicted: 1\nkept: 0\nfailed: {new}/as_it_is.nii.gz\n" in said.out
    assert labels(tmp_path / "out") == ["turned.nii.gz"]
    (new / "as_it_is.nii.gz").write_bytes(content)
    steps.predict(**asked, images=new, out=tmp_path / "out")
    assert "predicted: 1\nkept: 1\n" in capsys.readouterr().out


def test_a_call_that_was_stopped_is_continued(trained, new, tmp_path, monkeypatch):
    called = []

    def empty(run, scans):
        """Predict nothing in any scan, and be stopped after the first."""
        for folder, slices in scans:
            assert pathlib.Path(folder, slices[0].path).is_file()
            called.append(slices[0].scan)
            yield slices[0].scan, {}
            if len(called) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(submit, "predict_attended", empty)
    with pytest.raises(KeyboardInterrupt):
        predict(trained, new, tmp_path / "out")
    assert labels(tmp_path / "out") == ["as_it_is.nii.gz"]
    # What a killed process leaves of its work.
    (tmp_path / "out/.converted/case1_day0").mkdir(parents=True)
    assert predict(trained, new, tmp_path / "out")["predicted"] == 1
    assert called == ["case1_day0", "case2_day0"]
    with pytest.raises(ValueError, match=r"out holds labels of another run"):
        monkeypatch.setattr(submit, "made_by", lambda run: "other weights")
        predict(trained, new, tmp_path / "out")


def test_a_scan_without_a_prediction_gets_no_labels(
    trained, new, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        submit,
        "predict_attended",
        lambda run, scans: ((s[0].scan, None) for _, s in scans),
    )
    made = predict(trained, new, tmp_path / "out")
    assert [pathlib.Path(path).name for path in made["failed"]] == labels(new)
    assert labels(tmp_path / "out") == []
    assert (
        "as_it_is.nii.gz could not be predicted: see the warning about case1_day0."
        in capsys.readouterr().err
    )


def test_labels_of_somebody_else_are_not_mixed_with_ours(trained, new, tmp_path):
    with pytest.raises(ValueError, match=r"new exists already, and its labels were n"):
        predict(trained, new, new)


def test_weights_that_cannot_be_loaded_are_an_error(trained, new, tmp_path, capsys):
    root = tmp_path / "runs/smoke"
    shutil.copytree(trained.run.files.root, root)
    (root / "fold1/best.weights.h5").write_bytes(b"no weights")
    run = runs.read(layout.RunFiles(root))
    with pytest.raises(ValueError, match=r"fold1/best.weights.h5: these weights canno"):
        new_volumes.run(run, data=trained.data, images=new, out=tmp_path / "out")


def test_an_image_gets_a_mask_image(trained, tmp_path):
    pixels = next(iter(scans(trained).values()))[3]
    (tmp_path / "new").mkdir()
    assert cv2.imwrite(str(tmp_path / "new/slice.png"), pixels)
    out = tmp_path / "out"
    assert predict(trained, tmp_path / "new", out)["predicted"] == 1
    expected = through_a_folder(trained, tmp_path / "new", tmp_path)
    mask = pictures.read_mask(out / "slice.png")
    np.testing.assert_array_equal(mask, pictures.read_mask(expected / "slice.png"))
    assert mask.shape == pixels.shape
