"""Leaks are found in every file of a bundle."""

import getpass
import json
import pathlib
import zipfile

import pytest

from competition.kernel.build import leaks


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
    wheel(tmp_path, f"HERE = '{tmp_path}'")
    with pytest.raises(ValueError, match=r"a\.whl/a/b\.py holds the path"):
        leaks.check(tmp_path, own=(tmp_path,), user="ann")


def test_kaggles_own_paths_are_no_leak(tmp_path):
    (tmp_path / "a.json").write_text('{"at": "/kaggle/input"}', encoding="utf-8")
    leaks.check(tmp_path, own=(tmp_path,), user="ann")


def test_a_path_of_one_part_stands_in_anybodys_files(tmp_path):
    wheel(tmp_path, "HERE = '/tmp/a', '</code>'")
    roots = (pathlib.Path("/tmp"), pathlib.Path("/code"))
    leaks.check(tmp_path, own=roots, user="ann")


def wheel(folder, code):
    with zipfile.ZipFile(folder / "a.whl", "w") as archive:
        archive.writestr("a/b.py", code)


def test_a_user_name_that_is_a_word_of_the_code_is_no_leak(tmp_path, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "max")
    wheel(tmp_path, "top = max(rows)")
    (tmp_path / "a.json").write_text('{"pool": "max"}', encoding="utf-8")
    leaks.check(tmp_path, own=(), user="ann")
    for text in ("max@example.org", r"C:\\Users\\max\\a.h5"):
        (tmp_path / "a.json").write_text(f'{{"by": "{text}"}}', encoding="utf-8")
        with pytest.raises(ValueError, match="holds the user name max"):
            leaks.check(tmp_path, own=(), user="ann")


def test_any_other_user_name_is_a_leak(tmp_path, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "jocasta")
    wheel(tmp_path, "top = max(rows)")
    (tmp_path / "a.json").write_text('{"by": "jocasta"}', encoding="utf-8")
    with pytest.raises(ValueError, match="holds the user name jocasta"):
        leaks.check(tmp_path, own=(), user="ann")


def test_among_the_bytes_of_weights_a_user_name_is_chance_unless_in_a_path(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(getpass, "getuser", lambda: "ben")
    wheel(tmp_path, "top = 1")
    weights = tmp_path / "best.weights.h5"
    weights.write_bytes(b"\0\x93ben!\0")
    leaks.check(tmp_path, own=(), user="ann")
    weights.write_bytes(b"\0\x93/home/ben/uwm\0")
    with pytest.raises(ValueError, match=r"weights\.h5 holds the user name ben"):
        leaks.check(tmp_path, own=(), user="ann")


def test_words_beyond_ascii_are_leaks_also_as_json_writes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "\u00f6zg\u00fcr")
    wheel(tmp_path, "top = 1")
    own = tmp_path / "caf\u00e9"
    for text in ("\u00f6zg\u00fcr", str(own)):
        for ascii in (False, True):
            written = json.dumps({"by": text}, ensure_ascii=ascii)
            (tmp_path / "a.json").write_text(written, encoding="utf-8")
            with pytest.raises(ValueError, match=r"a\.json holds the"):
                leaks.check(tmp_path, own=(own,), user="ann")


@pytest.mark.parametrize("fault", [KeyError, OSError])
def test_a_machine_whose_user_has_no_name_can_build(tmp_path, monkeypatch, fault):
    def nameless():
        raise fault("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    wheel(tmp_path, "top = max(rows)")
    leaks.check(tmp_path, own=(), user="ann")
