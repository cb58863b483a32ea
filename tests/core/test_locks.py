"""Locks of folders."""

import threading

import pytest

from competition.core import files, locks


def test_a_folder_is_held_by_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)
    folder = tmp_path / "fold0"
    with locks.locked(folder, doing="training"):
        with pytest.raises(ValueError, match=r"fold0: another process is training"):
            with locks.locked(folder, doing="training"):
                pass
    with locks.locked(folder, doing="deciding"):
        assert [path.name for path in tmp_path.iterdir()] == [".fold0.lock"]
        with pytest.raises(ValueError, match=r"fold0: another process is deciding"):
            with locks.locked(folder, doing="reading", shared=True):
                pass


def test_readers_hold_a_folder_together_and_keep_a_writer_out(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)
    folder = tmp_path / "run"
    (tmp_path / "link").symlink_to(folder)
    with locks.locked(folder, doing="training", shared=True):
        with locks.locked(folder, doing="predicting", shared=True):
            with pytest.raises(ValueError, match="another process is predicting here"):
                with locks.locked(tmp_path / "link", doing="deciding"):
                    pass


def test_who_has_patience_waits_for_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)
    order = []

    def second():
        with locks.locked(tmp_path / "models", doing="reading", wait_seconds=60):
            order.append("second")

    with locks.locked(tmp_path / "models", doing="downloading"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_folder_that_is_taken_away_meanwhile_is_noticed(tmp_path):
    folder = tmp_path / "work" / "run"
    with pytest.raises(ValueError, match=r"work was taken away, or replaced, while"):
        with locks.locked(folder, doing="training"):
            (tmp_path / "work").rename(tmp_path / "elsewhere")
            files.write_text(folder / "result", "made in another folder")


def test_a_file_system_without_locks_keeps_no_process_out(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError("Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with locks.locked(tmp_path, doing="training"):
        with locks.locked(tmp_path, doing="training"):
            assert tmp_path.with_name(f".{tmp_path.name}.lock").is_file()
