"""Find tokens, paths and user names, which must not leave this machine."""

import getpass
import json
import os
import pathlib
import re
import zipfile
from collections.abc import Iterable, Iterator

# User names that many machines have: they identify nobody.
_COMMON = {"root", "user", "admin", "ubuntu", "runner", "kaggle", "jupyter"}
_TOKENS = re.compile(rb'KGAT_[0-9a-f]{16,}|"key"\s*:\s*"[0-9a-f]{32}"')
_PATHS = re.compile(rb'["\s,=](/(?:home|root|Users|tmp|mnt|data|work|var)/[^"\s,]+)')
_TEXT = {".json", ".csv", ".toml", ".txt"}


def check(folder: pathlib.Path, *, own: Iterable[pathlib.Path], user: str) -> None:
    """Refuse a folder whose files hold a token, a path or this machine's user name.

    `own` are folders of this machine. The name of the Kaggle `user` is allowed.
    """
    code = [*_contents(folder, "*.whl"), *_contents(folder, "*.py")]
    private, names = _words(own), _user_name(user, code)
    for name, data in _contents(folder):
        # A short name occurs by chance among the random bytes of weights.
        words = private | names["binary" if b"\0" in data else "text"]
        leaks = [word for word in words if re.search(words[word], data)]
        if _TOKENS.search(data):
            leaks.append("a Kaggle token")
        if pathlib.Path(name).suffix in _TEXT and (match := _PATHS.search(data)):
            leaks.append(f"the path {match[1].decode(errors='replace')}")
        if leaks:
            raise ValueError(
                f"{name} holds {', '.join(leaks)}, which must not leave this machine. "
                "Take it out of the run or the code, and build again."
            )


def _words(own: Iterable[pathlib.Path]) -> dict[str, bytes]:
    """Return patterns of private words, by their name in a message."""
    words = {
        f"the path {path}": _written(str(path)) + rb"(?![\w-])"
        for path in {pathlib.Path.home(), *(path.resolve() for path in own)}
        # A path of one part, such as /code, occurs in anybody's files.
        if len(path.parts) > 2
    }
    for variable in ("KAGGLE_API_TOKEN", "KAGGLE_KEY"):
        secret = os.environ.get(variable, "")
        if len(secret) > 7:
            words[f"the value of {variable}"] = re.escape(secret).encode()
    return words


def _user_name(user: str, code: list[tuple[str, bytes]]) -> dict[str, dict[str, bytes]]:
    """Return patterns of this machine's user name in "text" and in "binary" files.

    A common word has none. In binary files, and if the name is also a word of the code,
    such as "max", it counts only in paths and addresses.
    """
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # The user of a container may be a number without a name.
        name = ""
    if name.lower() in {*_COMMON, user.lower()} or len(name) < 3:
        return {"text": {}, "binary": {}}
    # Not \b, which knows only the letters of ASCII.
    literal = rb"(?<![\w\x80-\xff])" + _written(name)
    pattern = literal + rb"(?![\w\x80-\xff])"
    # Comments are left out: only code can use the name as a word.
    uses = (re.sub(rb"#.*", b"", data) for path, data in code if path.endswith(".py"))
    in_paths = rb"(?:home|Users)[/\\]+" + pattern + rb"|" + literal + rb"@"
    if any(re.search(pattern, data) for data in uses):
        pattern = in_paths
    label = f"the user name {name}"
    return {"text": {label: pattern}, "binary": {label: in_paths}}


def _written(text: str) -> bytes:
    """Return the pattern of a text as UTF-8, or as JSON writes it in ASCII."""
    forms = {text.encode(), json.dumps(text)[1:-1].encode()}
    return rb"(?:" + rb"|".join(map(re.escape, sorted(forms))) + rb")"


def _contents(folder: pathlib.Path, which: str = "*") -> Iterator[tuple[str, bytes]]:
    """Yield every file under `folder` and every member of its wheels."""
    for path in sorted(folder.rglob(which)):
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    yield f"{path}/{name}", archive.read(name)
        elif path.is_file():
            yield str(path), path.read_bytes()
