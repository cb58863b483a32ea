"""The cache: never more than its bound, never what is in use, the oldest first."""

import contextlib
import fcntl
import io
import os
import threading

import numpy as np
import pytest

from competition.core import files, storage
from competition.core.data import arrays
from competition.core.experiment import layout
from competition.core.storage import cache, place

SIZE = 100_000


def held():
    """The bytes on disk below the cache, without the marks of what may come.

    While its counter is locked nothing comes or goes, but what has come takes its name.
    """
    by_file = {}
    with open(os.path.join(place.root(), ".bytes"), "a+b") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        for folder, _, names in os.walk(place.root()):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    about = os.stat(os.path.join(folder, name))
                    by_file[about.st_ino] = (
                        0 if cache.is_empty(about) else about.st_size
                    )
    return sum(by_file.values())


@pytest.fixture
def scans(bucket, monkeypatch):
    """Eight scans of 100 kB in the bucket, and a cache with room for three."""
    monkeypatch.setenv(cache.SIZE, "0.33MB")
    for index in range(8):
        bucket.put(f"work/set/scans/{index}.npy", array(index))
    return layout.DatasetFiles(storage.mirrored("s3://bucket/work/set"))


def array(index):
    file = io.BytesIO()
    np.save(file, np.full((2, 100, (SIZE - 128) // 400), index, np.uint16))
    return file.getvalue()


def read(dataset, index):
    return arrays.load(dataset.scan(str(index)))[0, 0, 0]


def test_the_least_recently_used_goes_and_the_bound_holds(bucket, scans):
    for index in (0, 1, 2, 0, 3, 0, 4):
        assert read(scans, index) == index
        assert held() < 330_000
    asked = bucket.asked("GET", "npy")
    assert len(asked) == 5
    assert read(scans, 0) == 0
    assert len(bucket.asked("GET", "npy")) == 5
    assert read(scans, 1) == 1
    assert bucket.asked("GET", "npy")[5:] == ["/bucket/work/set/scans/1.npy"]
    # To steps the ones that went look as before.
    assert {path.stat().st_size for path in scans.root.glob("scans/*")} == {
        len(array(0))
    }


def test_what_is_in_use_stays_also_where_only_a_map_of_it_is_left(
    bucket, scans, monkeypatch
):
    monkeypatch.setattr(cache, "_WAIT_SECONDS", 0.1)
    first = arrays.load(scans.scan("0"))[0]
    for index in range(1, 8):
        assert read(scans, index) == index
    assert first.max() == 0 and not cache.is_empty(scans.scan("0").stat())
    others = [arrays.load(scans.scan(name)) for name in "12"]
    with pytest.raises(storage.StorageError, match=r"0.1 MB .* received 0.3 MB"):
        arrays.load(scans.scan("3"))
    del others
    assert read(scans, 3) == 3


def test_a_checkpoint_is_written_whatever_is_in_use(bucket, scans):
    kept = [arrays.load(scans.scan(name)) for name in "012"]
    files.write_bytes(scans.root / "state.npz", bytes(SIZE))
    assert len(bucket.get("work/set/state.npz")) == SIZE and len(kept) == 3


def test_arrays_keep_open_what_fits_and_say_that_more_is_read(bucket, scans, capsys):
    store = arrays.Arrays(scans)
    for index in (*range(8), *range(8)):
        assert store.scan(str(index))[0, 0, 0] == index
        assert held() < 330_000
    assert capsys.readouterr().err.count("the cache is too small") == 1


def test_many_threads_share_a_small_cache(bucket, scans):
    faults = []

    def work(offset):
        try:
            for index in range(8):
                assert read(scans, (index + offset) % 8) == (index + offset) % 8
                assert held() < 330_000
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(3 * k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_a_file_larger_than_the_cache_is_named(bucket, monkeypatch):
    monkeypatch.setenv(cache.SIZE, "50kB")
    bucket.put("work/large", bytes(SIZE))
    folder = storage.mirrored("s3://bucket/work")
    with pytest.raises(storage.StorageError, match=f"room for 0.1 MB.*{cache.SIZE}"):
        files.read_bytes(folder / "large")


def test_a_download_that_was_killed_is_cleared_away(bucket, scans):
    left = scans.scan("0").with_name(f".{2**22 - 1}-1-300000.part")
    left.write_bytes(b"half")
    for index in range(4):
        assert read(scans, index) == index
    assert not left.exists()


def test_with_a_slice_comes_the_rest_of_its_scan(bucket):
    for index in range(4):
        bucket.put(f"data/train/scans/slice_{index}.png", b"%d" % index)
    bucket.put("data/train/other/slice_9.png", b"9")
    folder = storage.mirrored("s3://bucket/data/train")
    assert files.read_bytes(folder / "scans" / "slice_2.png") == b"2"
    assert len(bucket.asked("GET", "png")) == 4
    assert files.read_bytes(folder / "scans" / "slice_3.png") == b"3"
    assert len(bucket.asked("GET", "png")) == 4


@pytest.mark.parametrize("text", ["much", "-1GB", "50 gallons"])
def test_a_size_that_is_none_is_named(monkeypatch, text):
    monkeypatch.setenv(cache.SIZE, text)
    with pytest.raises(ValueError, match="such as 50GB. Received: '" + text):
        storage.limit()


def test_sizes_are_read():
    assert storage.limit() == 50_000_000_000
