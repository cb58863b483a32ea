"""The package as a pure-Python wheel, the same bytes whenever it is built.

A build tool is not used: it would be a download, and writes the time into the wheel.
"""

import base64
import hashlib
import pathlib
import tomllib
import zipfile

_METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: {description}
License-Expression: {license}
License-File: LICENSE
Requires-Python: {requires-python}
"""
_WHEEL = """\
Wheel-Version: 1.0
Generator: competition
Root-Is-Purelib: true
Tag: py3-none-any
"""


def write(root: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Build the project at `root` into a wheel in `folder`, and return its path."""
    path = root / "pyproject.toml"
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. A wheel is built from a checkout of the repository; "
            "run the command there."
        )
    about = tomllib.loads(path.read_text("utf-8"))
    project, setup = about["project"], about["tool"]["setuptools"]
    name = project["name"]
    patterns = "**/*.py", *setup["package-data"][name]
    found = {each for pattern in patterns for each in (root / name).glob(pattern)}
    # A folder may match a pattern as well.
    paths = {each for each in found if each.is_file()}
    members = {
        each.relative_to(root).as_posix(): each.read_bytes() for each in sorted(paths)
    }
    stem = f"{name}-{project['version']}"
    info = f"{stem}.dist-info"
    members[f"{info}/METADATA"] = _METADATA.format_map(project).encode()
    members[f"{info}/WHEEL"] = _WHEEL.encode()
    members[f"{info}/licenses/LICENSE"] = (root / "LICENSE").read_bytes()
    record = ""
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
        record += f"{name},sha256={digest.decode()},{len(data)}\n"
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in members.items():
            # The oldest date that a zip can hold. The members are not compressed: how
            # well zlib packs them depends on its version.
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o100644 << 16
            archive.writestr(member, data)
    return wheel
