"""`python unpack.py WHEELS SITE`: unpack the wheels of packages that are not installed.

It needs no package and no pip, and unpacks each wheel once.
"""

import importlib.metadata
import pathlib
import sys
import zipfile


def main(wheels: pathlib.Path, site: pathlib.Path) -> None:
    """Put what is missing into `site`."""
    for wheel in sorted(wheels.glob("*.whl")):
        name, version, *_ = wheel.name.split("-")
        if (site / f"{name}-{version}.dist-info").is_dir() or _is_installed(name):
            continue
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        print(f"unpacked {name} {version}", flush=True)


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
