"""A storage that is slow, fails for a time, or refuses: nothing lost, and words."""

import subprocess
import sys
import time

import pytest

from competition.core import files, storage
from competition.core.storage import remote
from tests.core.storage import bucket as servers

BUSY, BROKEN, CUT = (503, "SlowDown"), (500, "InternalError"), "cut"


@pytest.mark.parametrize("trouble", [BUSY, BROKEN, (500, "RequestTimeout"), CUT, 0.05])
def test_what_passes_is_waited_for(bucket, trouble, monkeypatch):
    monkeypatch.setattr(remote.random, "uniform", lambda *_: 0.01)
    folder = storage.mirrored("s3://bucket/work")
    bucket.trouble = servers.first(3, trouble, "PUT")
    files.write_text(folder / "note", "one")
    bucket.trouble = servers.first(3, trouble, "HEAD")
    files.write_text(folder / "note", "two")
    (folder / "note").unlink()
    bucket.trouble = servers.first(3, trouble, "GET")
    storage.refresh(folder)
    assert files.read_text(folder / "note") == "two"


@pytest.mark.parametrize("trouble", [BUSY, BROKEN, CUT])
def test_an_upload_that_breaks_leaves_the_object_before(bucket, hasty, trouble):
    folder = storage.mirrored("s3://bucket/work")
    files.write_text(folder / "state", "before")
    bucket.trouble = servers.first(10**6, trouble, "PUT", "state")
    with pytest.raises(storage.StorageError, match=r"expected an answer .* received"):
        files.write_text(folder / "state", "after")
    assert bucket.get("work/state") == files.read_bytes(folder / "state") == b"before"
    assert [path.name for path in folder.iterdir()] == ["state"]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ((403, "InvalidAccessKeyId"), "expected credentials that the storage accepts"),
        ((403, "SignatureDoesNotMatch"), "AWS_ACCESS_KEY_ID and"),
        ((400, "ExpiredToken"), "expected credentials that the storage accepts"),
        ((403, "AccessDenied"), "expected permission to list, read and write"),
        ((403, "RequestTimeTooSkewed"), "from this machine's clock"),
        ((404, "NoSuchBucket"), "expected an existing bucket"),
        ((409, "QuotaExceeded"), "the bucket is full"),
        ((507, "XMinioStorageFull"), "the bucket is full"),
        ((400, "IllegalLocationConstraintException"), "Set AWS_REGION"),
    ],
)
def test_what_does_not_pass_is_said_at_once(bucket, trouble, message):
    folder = storage.mirrored("s3://bucket/work")
    bucket.trouble = servers.first(10**6, trouble)
    began = time.monotonic()
    for act in (
        lambda: storage.refresh(folder),
        lambda: files.write_text(folder / "note", "one"),
    ):
        with pytest.raises(storage.StorageError, match=message) as raised:
            act()
        text = str(raised.value)
        assert text.startswith("s3://bucket/work") and "hidden" not in text
    assert time.monotonic() - began < remote.PATIENCE / 5


def test_no_credentials_are_told_from_wrong_ones(bucket, anew, monkeypatch):
    for name in servers.KEYS:
        monkeypatch.delenv(name)
    with pytest.raises(storage.StorageError, match="received none or others"):
        storage.mirrored("s3://bucket/work")


def test_a_bucket_that_is_missing_is_named(bucket):
    with pytest.raises(storage.StorageError, match="s3://nowhere/work: expected an ex"):
        storage.mirrored("s3://nowhere/work")


def test_nobody_at_the_address_ends_with_words(bucket, anew, hasty, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(storage.StorageError, match="EndpointConnectionError"):
        storage.mirrored("s3://bucket/work")


def call(*arguments):
    """Call the command line; return its exit code and all that it printed."""
    command = [sys.executable, "-m", "competition", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


def test_the_command_line_names_uris_and_no_secrets(bucket):
    work = "--work", "s3://bucket/work"
    code, text = call("prepare", "--data", "s3://me:secret@bucket/data", *work)
    assert code == 2 and "Invalid value" in text and "secret" not in text
    code, text = call("prepare", "--data", "s3://bucket/data", *work)
    assert code == 1 and "error: s3://bucket/data: no such folder" in text
    code, text = call("phantom", "s3://bucket/phantom")
    assert code == 1 and "expected a path or" in text


def test_a_missing_package_is_named(bucket, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(storage.StorageError, match=r"package gcsfs.*extra `storage`"):
        storage.mirrored("gs://bucket/work")
