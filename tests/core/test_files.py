"""Atomic writing."""

import errno
import os
import pathlib
import subprocess
import sys

import pytest
import typing_extensions

from competition.core import files
from tests import conftest


def test_a_written_file_is_whole_and_leaves_nothing_beside_it(tmp_path):
    files.write_text(tmp_path / "a" / "text.csv", "ä\n")
    assert (tmp_path / "a" / "text.csv").read_bytes() == "ä\n".encode()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["text.csv"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), files.replacing(tmp_path / "f") as temporary:
        temporary.mkdir()
        (temporary / "x").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_name_keeps_the_suffix(tmp_path):
    with files.replacing(tmp_path / "a.weights.h5") as temporary:
        assert temporary.name.endswith(".weights.h5")
        temporary.write_text("")


def test_json_survives_and_refuses_nan(tmp_path):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": [1, None]})
    assert files.read_json(path) == {"a": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"a": float("nan")})


def test_broken_json_is_named(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json is not valid JSON .*Delete it"):
        files.read_json(tmp_path / "x.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": NaN}', '{"a": Infinity}'])
def test_json_that_python_alone_would_take_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is not valid JSON .*Delete it"):
        files.read_json(tmp_path / "x.json")


def test_a_sealed_document_says_that_it_was_changed(tmp_path):
    path = tmp_path / "x.json"
    files.write_sealed(path, {"classes": ["a", "b"]})
    assert files.read_json(path) == {"classes": ["a", "b"]}
    whole = path.read_text("utf-8")
    path.write_text(whole.replace('"a"', '"c"'))
    with pytest.raises(ValueError, match=r"was changed .* remove the line"):
        files.read_json(path)
    # By hand one may change a document, if one removes the seal.
    lines = whole.replace('"a"', '"c"').splitlines()
    path.write_text("\n".join(line for line in lines if files.SEAL not in line))
    assert files.read_json(path) == {"classes": ["c", "b"]}


class Form(typing_extensions.TypedDict):
    folds: list[int]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[]", r"the document: .*Received: \[\]"),
        ("{}", "folds: Field required"),
        ('{"folds": [0, "1"]}', r"folds\.1: .*valid integer. Received: 1"),
    ],
)
def test_a_document_of_another_form_names_the_key(tmp_path, text, fault):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=rf"x\.json: {fault}.*Make it again\."):
        files.read_json(tmp_path / "x.json", Form, remedy="Make it again.")


def test_other_bytes_than_utf_8_are_named(tmp_path):
    (tmp_path / "x.json").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"x\.json is not a text in UTF-8 .*Delete it"):
        files.read_json(tmp_path / "x.json")


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder"])
def test_only_files_are_read_and_replaced(tmp_path, kind):
    path = tmp_path / "x.json"
    if kind == "a pipe":
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(ValueError, match=rf"x\.json: {kind}, not a file"):
        files.read_json(path)
    with pytest.raises(ValueError, match=rf"x\.json: {kind}, not a file"):
        files.file_digest(path)
    if kind != "a folder":
        with pytest.raises(ValueError, match=rf"x\.json: {kind}.* another path"):
            files.write_json(path, {})


def test_what_is_there_but_no_file_does_not_count_as_missing(tmp_path):
    assert not files.exists(tmp_path / "nothing")
    assert files.exists(pathlib.Path(__file__))
    with pytest.raises(ValueError, match="a folder, not a file"):
        files.exists(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(OSError, match="link"):
        files.exists(link)


def test_a_file_that_a_killed_process_left_is_removed(tmp_path):
    code = (
        "import os, pathlib, signal; from competition.core import files\n"
        f"with files.replacing(pathlib.Path({str(tmp_path / 'x.txt')!r})) as path:\n"
        "    path.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=conftest.ROOT)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith("-x.txt")
    other = tmp_path / f"{left.name}.txt"
    other.write_text("another's")
    with files.replacing(tmp_path / "x.txt") as temporary:
        with files.replacing(tmp_path / "x.txt") as second:
            assert second == temporary
            second.write_text("whole")
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([other, tmp_path / "x.txt"])


def test_a_full_disk_is_reported_with_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '.*result'"):
        with files.replacing(tmp_path / "result"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_digest_is_of_bytes_a_text_or_a_whole_file(tmp_path):
    # The SHA-256 of "abc", as its standard gives it.
    whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.digest("abc") == files.digest(b"abc") == whole[:16]
    assert files.digest("abc", 64) == files.file_digest(tmp_path / "abc") == whole
