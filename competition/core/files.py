"""Write files so that none is ever half-written, and check them when they are read.

The project reads its files with `check_regular` and, for JSON, `read_json`: a damaged
or changed file is an error that names the file, and never gives another result.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import pathlib
import platform
import shutil
import stat
from collections.abc import Iterator
from typing import Any

from competition.core import processes, storage

# This key of a JSON document holds the digest of all other keys.
SEAL = "seal"
_PASSING = {errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
REMEDY = "Delete it and run the step that writes it again."


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield a temporary path beside `path` that takes its name on success.

    If the block raises an error, the temporary file or folder is removed. Those that a
    killed process left are removed too. A device or a pipe is refused, not replaced. If
    the path mirrors a storage, the file is uploaded before it takes its name.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path}: {_kind(path)}, not a file. Choose another path.")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: NumPy and Keras decide the format by it.
    mine = f".{platform.node()}-"
    temporary = path.with_name(f"{mine}{os.getpid()}-{path.name}")
    for left in path.parent.glob(f"{glob.escape(mine)}*-{glob.escape(path.name)}"):
        number = left.name.removeprefix(mine).removesuffix(f"-{path.name}")
        if number.isdecimal() and not processes.is_alive(int(number)):
            _remove(left)
    try:
        yield temporary
        storage.upload(temporary, path)
        os.replace(temporary, path)
    except OSError as error:
        # The error of a full disk does not name the file, so it is added.
        error.filename = error.filename or str(path)
        raise
    finally:
        _remove(temporary)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def remove(path: pathlib.Path) -> None:
    """Remove a file or a folder, if it exists, also from the mirrored storage."""
    storage.remove(path)
    _remove(path)


def digest(content: bytes | str, digits: int = 16) -> str:
    """Return the first `digits` of the SHA-256 of bytes, or of a text as UTF-8.

    A text may hold file names that are not UTF-8: their bytes are hashed.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    return hashlib.sha256(content).hexdigest()[:digits]


def file_digest(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file of any size, reading it in pieces."""
    check_regular(path)
    with storage.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: pathlib.Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with Unix line ends, in one step."""
    write_bytes(path, text.encode())


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON; NaN is an error, use None."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def require(path: pathlib.Path, step: str, *, fault: str = "not found") -> None:
    """Raise an error if `path` is missing; it names the step that writes the file."""
    if not path.exists():
        raise ValueError(f"{path}: {fault}. Run `python -m competition {step}` first.")
    check_regular(path)


def write_sealed(
    path: pathlib.Path, value: dict[str, Any], *, indent: int | None = 2
) -> None:
    """Write a JSON document with a digest of its content, which reveals changes."""
    # The seal comes first, so that a user can remove its line with its comma.
    sealed = {SEAL: _seal(value)} | value
    write_text(path, json.dumps(sealed, indent=indent, allow_nan=False) + "\n")


def _seal(value: dict[str, Any]) -> str:
    return digest(json.dumps(value, sort_keys=True))


def read_json(path: pathlib.Path, form: Any = Any, *, remedy: str = REMEDY) -> Any:
    """Read a JSON file and check its `form`, such as a `TypedDict`.

    A file that is not JSON, does not have the form, or was changed after it was sealed
    is an error that names the file and the wrong key. A document without a seal passes:
    older versions wrote none, and users who edit a document remove the seal.
    """
    text = read_text(path, remedy=remedy)
    try:
        document = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}). {remedy}") from None
    if isinstance(document, dict) and SEAL in document:
        seal = document.pop(SEAL)
        if seal != _seal(document):
            raise ValueError(
                f"{path} was changed after it was written. {remedy} If the change is "
                f'yours, remove the line with "{SEAL}".'
            )
    return document if form is Any else _checked(document, form, path, remedy)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _checked(document: Any, form: Any, path: pathlib.Path, remedy: str) -> Any:
    import pydantic

    try:
        # Checked as JSON, where a list may stand for a tuple.
        return pydantic.TypeAdapter(form).validate_json(
            json.dumps(document), strict=True
        )
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "the document"
        received = str(first["input"])[:60]
        raise ValueError(
            f"{path}: {key}: {first['msg']}. Received: {received}. {remedy}"
        ) from None


def read_text(path: pathlib.Path, *, remedy: str = REMEDY) -> str:
    """Read a file as UTF-8; the error about other bytes names the file."""
    check_regular(path)
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8 ({error}). {remedy}") from None


def read_bytes(path: pathlib.Path) -> bytes:
    """Read a file; a folder, a pipe or a device instead is an error."""
    check_regular(path)
    with storage.opened(path) as file:
        return file.read()


def exists(path: pathlib.Path) -> bool:
    """Return whether a file exists; a folder or a device instead is an error."""
    if not os.path.lexists(path):
        return False
    _check_kind(path)
    return True


def is_passing(error: BaseException) -> bool:
    """Return whether reading failed by a cause that may pass, not by a damaged file."""
    is_system = isinstance(error, OSError) and error.errno in _PASSING
    return is_system or isinstance(error, MemoryError)


def check_regular(path: pathlib.Path) -> None:
    """Refuse a folder, a pipe or a device instead of a file.

    Reading a pipe that nobody writes to, or a device without an end, would never end.
    The content of a mirror is downloaded now, if it is not there yet.
    """
    _check_kind(path)
    storage.fetch(path)


def _check_kind(path: pathlib.Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(
            f"{path}: {_kind(path)}, not a file. Replace it by the file it stands for."
        )


def _kind(path: pathlib.Path) -> str:
    mode = path.stat().st_mode
    kinds = {
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
    }
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "a device")
