"""Call the object storage: retry after passing failures, and explain lasting ones.

Only this module imports fsspec.
"""

import datetime
import errno
import os
import random
import re
import time
import zlib
from typing import Any, NamedTuple

from competition.core import console
from competition.core.storage import place

# A failed request is tried again for this many seconds.
PATIENCE = 300.0
# A request ends after this time, plus one second for each `BYTES_A_SECOND` of a file.
SECONDS, BYTES_A_SECOND = 120.0, 200_000
_OPTIONS: dict[str, dict[str, Any]] = {
    # `call` does the retries, and a listing must show what others have just written.
    "s3": {
        "use_listings_cache": False,
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    },
    "gs": {"use_listings_cache": False},
    "file": {"auto_mkdir": True},
}
_LIBRARIES = {"botocore", "aiobotocore", "aiohttp", "gcsfs", "google", "fsspec", "ssl"}
# Failures that do not pass: words in an error's kind or code, and the message.
_LASTING = [
    (
        "credential|profilenotfound|invalidaccesskey|signaturedoesnot|expiredtoken"
        "|invalidtoken|unauthorized|tokenrefresh|refresherror|notsignedup",
        "expected credentials that the storage accepts, received none or others. For "
        "s3:// set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, for "
        "gs:// run `gcloud auth application-default login`",
    ),
    (
        "nosuchbucket",
        "expected an existing bucket, received none of this name. Create it, or "
        "correct the URI",
    ),
    (
        "timetooskewed",
        "expected the time of the storage within 15 minutes, received another from "
        "this machine's clock. Set the clock (`timedatectl set-ntp true`)",
    ),
    (
        "quota|storagefull|insufficientstorage|storagecap|507",
        "expected room for a file, received that the bucket is full. Delete what is "
        "not needed or raise its quota; then the same command goes on",
    ),
    (
        "redirect|headermalformed|illegallocation|301",
        "expected the bucket's own region, received a request to another. Set "
        "AWS_REGION, and AWS_ENDPOINT_URL where it is not Amazon's",
    ),
    (
        "accessdenied|forbidden|permission|allaccessdisabled|403",
        "expected permission to list, read and write here, received a refusal. Give "
        "the credentials' owner these rights in the bucket's policy",
    ),
    (
        "invalidbucketname|paramvalidation|invaliduri|keytoolong|noregion|invalidendp",
        "expected a bucket and names that it allows, received others. Correct the URI "
        "or AWS_ENDPOINT_URL",
    ),
]


class StorageError(Exception):
    """The storage cannot be used: a step must end, since no single file is at fault."""


class Object(NamedTuple):
    """The size of an object and its version, which its mirror stores as its time.

    The version is a time in nanoseconds: the whole seconds say when the storage got the
    object, the rest is a digest of its content.
    """

    size: int
    version: int


def call(name: str, uri: str, *others: Any, size: int = 0, seconds: float = -1) -> Any:
    """Call a method of the storage's file system about an object, until it works.

    `size` is the size of the file that is sent or received. A missing object is a
    FileNotFoundError; any other lasting failure is a StorageError.
    """
    patience = PATIENCE if seconds < 0 else seconds
    end, tries = time.monotonic() + patience, 0
    while True:
        try:
            return _call(name, uri, others, SECONDS + size / BYTES_A_SECOND)
        except Exception as error:
            if not _is_of_storage(error):
                raise
            kind = _kind(error)
            text = next((t for w, t in _LASTING if re.search(w, kind.lower())), None)
            if isinstance(error, FileNotFoundError) and not text:
                if name not in ("put_file", "pipe_file"):
                    raise
                text = dict(_LASTING)["nosuchbucket"]
            if text:
                raise StorageError(f"{uri}: {text}. ({kind})") from None
            if time.monotonic() >= end:
                raise StorageError(
                    f"{uri}: expected an answer of the storage within "
                    f"{patience / 60:.0f} minutes, received {kind}. Look at the "
                    "network and the storage; then the same command goes on."
                ) from None
            tries += 1
            if tries == 3:
                console.warn(f"{uri}: {kind}; trying again for {patience / 60:.0f} min")
            left = max(0.0, end - time.monotonic())
            time.sleep(min(random.uniform(0.5, 1) * min(2**tries / 2, 15), left))


def _call(name: str, uri: str, others: tuple[Any, ...], seconds: float) -> Any:
    scheme = uri.partition("://")[0]
    try:
        import fsspec
        from fsspec import asyn

        system = fsspec.filesystem(scheme, **_OPTIONS.get(scheme, {}))
    except ImportError:
        package = place.PACKAGES[scheme]
        raise StorageError(
            f"{uri}: expected the package {package}, received none. Install it: "
            f"`pip install {package}`, or this project with its extra `storage`."
        ) from None
    arguments = [others[0], uri] if name == "put_file" else [uri, *others]
    details = {"detail": True} if name == "find" else {}
    if system.async_impl:
        method = getattr(system, f"_{name}")
        return asyn.sync(system.loop, method, *arguments, timeout=seconds, **details)
    return getattr(system, name)(*arguments, **details)


def _is_of_storage(error: Exception) -> bool:
    if isinstance(error, OSError):
        # Errors of this machine name a file, or say that its disk is full.
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return error.filename is None and not full
    return type(error).__module__.split(".")[0] in _LIBRARIES


def _kind(error: BaseException) -> str:
    """Return kinds and codes of an error and its cause; its text may hold a secret."""
    cause = error.__cause__
    response = getattr(error, "response", None)
    about = response.get("Error", {}) if isinstance(response, dict) else {}
    code = about.get("Code") or getattr(error, "code", None)
    names = [type(error).__name__, *([str(code)] if code else [])]
    if cause and cause is not error:
        names.append(_kind(cause))
    return ", ".join(dict.fromkeys(names))


def listing(uri: str) -> dict[str, Object]:
    """Return the objects below a URI, named relative to it."""
    found: dict[str, Any] = call("find", uri)
    base = uri.partition("://")[2].strip("/") + "/"
    names = {name.split("://")[-1].lstrip("/"): found[name] for name in found}
    return {
        name.removeprefix(base): _object(about)
        for name, about in names.items()
        if about["type"] == "file" and name.startswith(base)
    }


def look(uri: str) -> Object:
    """Return the size and the version of one object."""
    return _object(call("info", uri))


def exists(uri: str) -> bool:
    """Return whether an object exists."""
    try:
        call("info", uri)
    except FileNotFoundError:
        return False
    return True


def _object(about: dict[str, Any]) -> Object:
    keys = ("LastModified", "updated", "mtime", "created")
    when = next(about[key] for key in keys if about.get(key))
    if isinstance(when, str):
        when = datetime.datetime.fromisoformat(when)
    if isinstance(when, datetime.datetime):
        if when.tzinfo is None:
            when = when.replace(tzinfo=datetime.UTC)
        when = when.timestamp()
    tag = str(about.get("ETag") or about.get("etag") or when).strip('"')
    digest = zlib.crc32(tag.encode()) % 10**9
    return Object(int(about["size"]), int(when) * 10**9 + digest)


def put(uri: str, file: os.PathLike[str]) -> int:
    """Upload a file, whole or not at all, and return its version."""
    call("put_file", uri, os.fspath(file), size=os.stat(file).st_size)
    return look(uri).version
