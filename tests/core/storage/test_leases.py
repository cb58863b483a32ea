"""Who holds a folder of the bucket: one writer, or many that share it."""

import contextlib

import pytest

from competition.core import files, locks, storage
from competition.core.storage import leases


def hold(*, shared=False, folder="work/run"):
    path = storage.path(f"s3://bucket/{folder}")
    return locks.locked(path, doing="training", shared=shared, wait_seconds=0)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [(False, False, 0), (False, True, 0), (True, False, 0), (True, True, 1)],
)
def test_two_machines_hold_a_folder_only_if_they_share_it(
    bucket, elsewhere, first, second, both
):
    with hold(shared=first):
        elsewhere(1)
        refused = pytest.raises(
            ValueError, match=r"s3://bucket/work/run: process [0-9]+ of .* is training"
        )
        with contextlib.nullcontext() if both else refused:
            with hold(shared=second):
                pass
    with hold():
        assert len(bucket.keys()) == 1
    assert not bucket.keys()


def test_who_holds_a_folder_sees_what_the_one_before_wrote(bucket, elsewhere):
    with hold():
        files.write_text(storage.path("s3://bucket/work/run/note"), "one")
        elsewhere(1)
    with hold():
        assert files.read_text(storage.path("s3://bucket/work/run/note")) == "one"


def test_the_lease_of_a_lost_machine_ends_by_the_clock_of_the_storage(
    bucket, elsewhere, monkeypatch
):
    lost = hold()
    lost.__enter__()
    elsewhere(1)
    with pytest.raises(ValueError, match="3 minutes after its last sign of life"):
        with hold():
            pass
    monkeypatch.setattr(leases, "DEAD_SECONDS", 0.0)
    with hold():
        assert len(bucket.keys()) == 1


def test_a_process_of_this_machine_that_was_killed_is_passed_over_at_once(bucket):
    folder = "s3://bucket/work/run"
    killed = leases.held(folder, doing="training", shared=False, seconds=0)
    killed.__enter__()
    with hold():
        assert len(bucket.keys()) == 1


def test_who_slept_too_long_does_not_write_over_what_another_made(
    bucket, elsewhere, monkeypatch
):
    path = storage.path("s3://bucket/work/run/note")
    with hold():
        files.write_text(path, "one")
        (lease,) = leases._held
        # As if the machine had slept: nobody came meanwhile, so it goes on.
        lease.renewed -= leases.DEAD_SECONDS
        files.write_text(path, "two")
        bucket.client.delete_object(Bucket="bucket", Key=f"work/.run.lock/{lease.name}")
        lease.renewed -= leases.DEAD_SECONDS
        with pytest.raises(storage.StorageError, match="another went on in its place"):
            files.write_text(path, "three")
    assert bucket.get("work/run/note") == files.read_bytes(path) == b"two"


def test_a_lease_is_renewed_while_its_process_lives(bucket, monkeypatch):
    with hold():
        (lease,) = leases._held
        before, bucket.requests[:] = lease.renewed, []
        lease.renew(seconds=0)
        assert lease.renewed > before and len(bucket.asked("PUT")) == 1


def test_a_lease_that_ended_while_it_is_renewed_does_not_come_back(bucket, monkeypatch):
    with hold():
        (lease,) = leases._held
        assert len(bucket.keys()) == 1
    lease.renew(seconds=0)
    assert not bucket.keys() and not lease.is_lost
