"""Submissions for every kind of test folder."""

import shutil

import pytest

from competition import pipeline
from competition.core import images, submission


def submit(finished, data, tmp_path):
    job, _ = finished
    out = tmp_path / "submission.csv"
    summary = pipeline.submit(job.run.files.root, data=data, out=out)
    return summary, submission.read(out, "predicted"), out


def sample_rows(data):
    rows = submission.read(data / "sample_submission.csv", "predicted")
    return [(row.id, row.class_name) for row in rows]


def test_without_a_test_the_submission_is_its_header(finished, competition, tmp_path):
    shutil.rmtree(competition / "test")
    (competition / "sample_submission.csv").write_text("id,class,predicted\n")
    _, rows, out = submit(finished, competition, tmp_path)
    assert rows == []
    assert out.read_text("utf-8") == "id,class,predicted\n"


def test_without_test_and_sample_too(finished, competition, tmp_path):
    shutil.rmtree(competition / "test")
    (competition / "sample_submission.csv").unlink()
    assert submit(finished, competition, tmp_path)[1] == []


def test_a_sample_without_images_gives_empty_rows(
    finished, competition, tmp_path, capsys
):
    shutil.rmtree(competition / "test")
    _, rows, _ = submit(finished, competition, tmp_path)
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)
    assert {row.rle for row in rows} == {""}
    assert "they stay empty" in capsys.readouterr().err


def test_the_samples_order_is_kept(finished, competition, tmp_path):
    path = competition / "sample_submission.csv"
    header, *lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    _, rows, _ = submit(finished, competition, tmp_path)
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)


def test_without_a_sample_every_slice_has_its_rows(finished, competition, tmp_path):
    (competition / "sample_submission.csv").unlink()
    summary, rows, _ = submit(finished, competition, tmp_path)
    assert len(rows) == 3 * len(images.find(competition, "test")) == summary["rows"]


def test_neither_images_nor_training_data_are_needed(finished, competition, tmp_path):
    shutil.rmtree(competition / "train")
    (competition / "train.csv").unlink()
    _, rows, out = submit(finished, competition, tmp_path)
    assert rows and out.read_bytes() == finished[0].run.files.submission.read_bytes()


def test_a_missing_folder_is_an_error(finished, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: no such folder\. Check --data"):
        submit(finished, tmp_path / "nowhere", tmp_path)
