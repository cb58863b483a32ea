"""What must not leave the machine is found in every file of a bundle."""

import zipfile

import pytest

from competition.kernel import leaks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"at": "/home/ann/data"}', "the path /home/ann/data"),
        ('{"token": "KGAT_0123456789abcdef0123"}', "a Kaggle token"),
        ('{"username":"a","key":"0123456789abcdef0123456789abcdef"}', "a Kaggle token"),
        ('{"x": "s3cret-value"}', "the value of KAGGLE_KEY"),
    ],
)
def test_leaks_are_named(tmp_path, monkeypatch, text, found):
    monkeypatch.setenv("KAGGLE_KEY", "s3cret-value")
    (tmp_path / "about.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"about.json holds {found}, which must not"):
        leaks.check(tmp_path, own=(), user="ann")


def test_a_leak_inside_a_wheel_is_found(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("a/b.py", f"HERE = '{tmp_path}'")
    with pytest.raises(ValueError, match=r"a\.whl/a/b\.py holds the path"):
        leaks.check(tmp_path, own=(tmp_path,), user="ann")


def test_kaggles_own_paths_are_no_leak(tmp_path):
    (tmp_path / "a.json").write_text('{"at": "/kaggle/input"}', encoding="utf-8")
    leaks.check(tmp_path, own=(tmp_path,), user="ann")
