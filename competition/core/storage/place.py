"""Map URIs to paths on this machine: below the cache, named after the URI.

So each path shows whether it mirrors an object, and child processes know it too.
"""

import functools
import os
import pathlib
import re

CACHE = "COMPETITION_CACHE"
DEFAULT = "~/.cache/competition/storage"
# The package that each kind of storage needs in addition to fsspec.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "file": "fsspec", "memory": "fsspec"}
HEARTBEAT = ".heartbeat"


def root() -> str:
    """Return the folder of the cache."""
    return _resolved(os.environ.get(CACHE) or DEFAULT)


@functools.cache
def _resolved(text: str) -> str:
    return os.path.realpath(os.path.expanduser(text))


def path(text: str | os.PathLike[str]) -> pathlib.Path:
    """Return the path of a URI's mirror below the cache, or a path as it is."""
    text = os.fspath(text)
    scheme, mark, rest = text.partition("://")
    if not mark:
        if re.match(rf"({'|'.join(PACKAGES)}):", text):
            raise ValueError(
                f"{text}: expected a path or, as `data`, `work` and `run`, a URI such "
                "as s3://bucket/folder, with two slashes. Correct it."
            )
        return pathlib.Path(text)
    if scheme not in PACKAGES:
        raise ValueError(
            f"{scheme}://: expected a URI of s3:// or gs://, or a path. For another "
            "storage mount it, and give the path."
        )
    name, _, secret = rest.partition("?")
    if secret or "@" in name.split("/")[0] or "#" in rest:
        # The message leaves out the URI: it may hold a password or a token.
        raise ValueError(
            f"A URI of {scheme}:// must hold nothing but bucket and folder: no name or "
            "password before an @, no ?, no #. Give credentials as the storage's own "
            "client reads them, such as AWS_ACCESS_KEY_ID or ~/.aws/credentials."
        )
    parts = rest.strip("/").split("/")
    if set(parts) & {"", ".", ".."} or any(map(_is_local, parts)):
        raise ValueError(
            f"{text}: expected a URI such as s3://bucket/folder, whose parts are not "
            "empty and do not begin with a dot. Correct it."
        )
    return pathlib.Path(root(), scheme, *parts)


def uri(path: os.PathLike[str]) -> str | None:
    """Return the URI that a path mirrors, or None for a file of this machine alone.

    Files whose names begin with a dot stay here: locks, and unfinished files.
    """
    text, base = os.path.abspath(path), root() + os.sep
    if not text.startswith(base):
        return None
    scheme, *parts = text[len(base) :].split(os.sep)
    if not parts or scheme not in PACKAGES or any(map(_is_local, parts)):
        return None
    return f"{scheme}://{'/' * (scheme == 'file')}{'/'.join(parts)}"


def name(path: os.PathLike[str]) -> str:
    """Return the name of a path on every machine: its URI, or the absolute path."""
    return uri(path) or os.path.abspath(path)


def shown(text: str) -> str:
    """Return a message in which the paths of mirrors are replaced by their URIs."""
    for scheme in PACKAGES:
        slashes = "///" if scheme == "file" else "//"
        text = text.replace(f"{root()}{os.sep}{scheme}{os.sep}", f"{scheme}:{slashes}")
    return text


def is_plain(name: str) -> bool:
    """Return whether an object's name below a folder can be mirrored as a file."""
    parts = name.split("/")
    return not (set(parts) & {"", ".", ".."} or any(map(_is_local, parts)))


def _is_local(part: str) -> bool:
    return part.startswith(".") and not part.endswith(HEARTBEAT)
