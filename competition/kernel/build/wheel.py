"""The package as a pure-Python wheel, the same bytes whenever it is built.

No build tool is asked, since it would have to be downloaded and stamps the time.
"""

import base64
import hashlib
import pathlib
import tomllib
import zipfile
from typing import Any

# The oldest date that a zip can hold.
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


def write(root: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Build the project at `root` into a wheel in `folder`, and return its path."""
    path = root / "pyproject.toml"
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. A wheel is built from a checkout of the repository; "
            "run the command there."
        )
    about = tomllib.loads(path.read_text("utf-8"))
    project = about["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    members = _package(root, about)
    info = f"{stem}.dist-info"
    members |= {
        f"{info}/METADATA": _metadata(root, project).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: competition\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/licenses/LICENSE": (root / "LICENSE").read_bytes(),
    }
    record = [f"{name},{_digest(data)},{len(data)}" for name, data in members.items()]
    record.append(f"{info}/RECORD,,")
    members[f"{info}/RECORD"] = ("\n".join(record) + "\n").encode()
    made = folder / f"{stem}-py3-none-any.whl"
    _zip(made, members)
    return made


def _package(root: pathlib.Path, about: dict[str, Any]) -> dict[str, bytes]:
    """The modules, and the data files that pyproject.toml names, by sorted path."""
    setup = about["tool"]["setuptools"]
    patterns = {name: found for name, found in setup.get("package-data", {}).items()}
    tops = [
        top for each in setup["packages"]["find"]["include"] for top in root.glob(each)
    ]
    paths = set()
    for top in tops:
        if (top / "__init__.py").is_file():
            paths |= set(top.rglob("*.py"))
            for pattern in patterns.get(top.name, ()):
                paths |= set(top.glob(pattern))
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(paths)
    }


def _metadata(root: pathlib.Path, project: dict[str, Any]) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + "\n\n" + (root / project["readme"]).read_text("utf-8")


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + digest.rstrip(b"=").decode()


def _zip(path: pathlib.Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            about = zipfile.ZipInfo(name, _DATE)
            # Stored: how well zlib packs depends on its version.
            about.external_attr = _MODE
            archive.writestr(about, data)
