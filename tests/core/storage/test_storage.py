"""The mirror of a bucket: what is seen, when it comes, and in which order it goes."""

import os
import pathlib
import time

import pytest

from competition.core import files, storage
from competition.core.experiment import heartbeat
from competition.core.storage import place, remote
from competition.kernel import session


def test_what_is_written_is_in_the_bucket_and_comes_elsewhere_when_it_is_read(
    bucket, elsewhere
):
    folder = storage.mirrored("s3://bucket/work")
    files.write_text(folder / "runs" / "note.txt", "one")
    assert bucket.get("work/runs/note.txt") == b"one"
    elsewhere(1)
    path = storage.mirrored("s3://bucket/work") / "runs" / "note.txt"
    assert path.is_file() and path.stat().st_size == 3
    assert not bucket.asked("GET", "note")
    assert files.read_text(path) == files.read_text(path) == "one"
    assert len(bucket.asked("GET", "note")) == 1


def test_a_refresh_shows_what_others_wrote_and_removed(bucket, elsewhere):
    for name in ("kept", "changed", "gone"):
        bucket.put(f"work/{name}", b"one")
    folder = storage.mirrored("s3://bucket/work")
    assert [files.read_text(folder / name) for name in os.listdir(folder)] == [
        "one"
    ] * 3
    (folder / "of-this-machine").write_text("log")
    bucket.put("work/changed", b"two")
    bucket.client.delete_object(Bucket="bucket", Key="work/gone")
    bucket.requests.clear()
    storage.refresh(folder)
    assert sorted(os.listdir(folder)) == ["changed", "kept", "of-this-machine"]
    assert files.read_text(folder / "changed") == "two"
    assert files.read_text(folder / "kept") == "one"
    assert not bucket.asked("GET", "kept")


def test_names_that_lead_out_of_the_folder_are_left_out(bucket, tmp_path):
    for key in ("work/../../../escaped", "work//twice", "work/.hidden", "work/plain"):
        bucket.put(key, b"x")
    folder = storage.mirrored("s3://bucket/work")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["plain"]
    assert folder.is_dir()


def test_a_removed_file_and_folder_are_gone_in_the_bucket(bucket):
    folder = storage.mirrored("s3://bucket/work")
    for name in ("one", "two/a", "two/b", "three"):
        files.write_text(folder / name, name)
    files.remove(folder / "one")
    files.remove(folder / "two")
    files.remove(folder / "never")
    assert bucket.keys() == ["work/three"]


def test_a_file_set_aside_has_both_names_until_the_new_one_is_there(bucket, elsewhere):
    folder = storage.mirrored("s3://bucket/work")
    files.write_text(folder / "state", "one")
    elsewhere(1)
    folder = storage.mirrored("s3://bucket/work")
    # Its content has not even come to this machine.
    storage.set_aside(folder / "state", folder / "before")
    assert bucket.content() == {"work/state": b"one", "work/before": b"one"}
    assert files.read_text(folder / "before") == "one"
    assert not (folder / "state").exists()


def test_other_kinds_of_storage_are_mirrored_as_well(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setenv(place.CACHE, str(tmp_path / "cache"))
    for root in (f"file://{tmp_path}/far", "memory://far"):
        folder = storage.mirrored(root)
        files.write_text(folder / "a" / "b", "one")
        assert files.read_text(folder / "a" / "b") == "one"
        (folder / "a" / "b").unlink()
        storage.refresh(folder)
        assert files.read_text(folder / "a" / "b") == "one"
    assert (tmp_path / "far" / "a" / "b").read_text() == "one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3:/bucket/work", "with two slashes"),
        ("ftp://host/work", "a URI of s3:// or gs://"),
        ("s3://", "whose parts are not empty"),
        ("s3://bucket//work", "whose parts are not empty"),
        ("s3://bucket/../work", "whose parts are not empty"),
        ("s3://bucket/.work", "do not begin with a dot"),
        ("s3://me:secret@bucket/work", "no name or password before an @"),
        ("s3://bucket/work?token=secret", r"no \?"),
    ],
)
def test_a_uri_that_cannot_be_is_refused_without_its_secrets(text, message):
    with pytest.raises(ValueError, match=message) as raised:
        storage.path(text)
    assert "secret" not in str(raised.value)


def test_a_path_and_its_uri_name_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv(place.CACHE, str(tmp_path))
    assert storage.path("work/a") == pathlib.Path("work/a")
    for uri in ("s3://bucket/a/b c", "gs://bucket/a", "file:///a/b"):
        assert storage.uri(storage.path(uri)) == uri
    for path in ("work", tmp_path, tmp_path / "s3", tmp_path / "s3" / "b" / ".x.lock"):
        assert storage.uri(path) is None


def test_a_heartbeat_is_shown_and_taken_away(bucket):
    folder = storage.mirrored("s3://bucket/work")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".fold0.heartbeat"
    with heartbeat.Heartbeat(path, lambda: None, every=0.01):
        end = time.monotonic() + 10
        while not bucket.keys() and time.monotonic() < end:
            time.sleep(0.02)
        assert b'"doing": "starting"' in bucket.get("work/.fold0.heartbeat")
    assert not bucket.keys()


def test_a_listing_that_is_older_than_what_was_written_changes_nothing(
    bucket, monkeypatch
):
    folder = storage.mirrored("s3://bucket/work")
    files.write_text(folder / "note", "one")
    note = remote.look("s3://bucket/work/note")
    older = {"note": note._replace(version=note.version - 2 * 10**9)}
    monkeypatch.setattr(remote, "listing", lambda uri: older)
    storage.refresh(folder)
    assert (folder / "note").stat().st_mtime_ns == note.version


def test_folds_that_kaggle_trained_reach_the_bucket(bucket, tmp_path):
    source = tmp_path / "output" / "runs" / "unet"
    files.write_json(source / "config.json", {"name": "unet", "config": {}})
    files.write_text(source / "fold0" / "history.csv", "epoch,loss,score,seconds\n")
    files.write_text(source / "fold0" / "best.weights.h5", "weights")
    run = storage.path("s3://bucket/work/runs/unet")
    session.resume(tmp_path / "output", run, name="unet")
    assert bucket.get("work/runs/unet/fold0/best.weights.h5") == b"weights"
    assert any(key.endswith("fold0/history.csv") for key in bucket.keys())
