"""The mounts that a kernel on Kaggle sees, made inside namespaces of their own."""

import os
import pathlib
import shlex
from collections.abc import Mapping

from competition.kernel.rehearse import environment

_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "dev", "sys")


def command(
    script: pathlib.Path,
    inputs: Mapping[str, pathlib.Path],
    *,
    working: pathlib.Path,
    python: environment.Environment,
    disk_gb: float,
    scratch: pathlib.Path,
) -> list[str]:
    """Return the command that makes mounts, runs the script, copies its output."""
    root = scratch / "root"
    root.mkdir()
    lines = ["set -e", f"mount -t tmpfs -o mode=755 rehearsal {root}"]
    for name in _SYSTEM:
        path = pathlib.Path("/", name)
        if path.is_symlink():
            lines.append(f"ln -s {shlex.quote(os.readlink(path))} {root}/{name}")
        elif path.is_dir():
            lines += _bind(path, root / name, recursive=True)
    # Before the interpreter, which may lie under /tmp itself.
    lines += _bind(scratch / "tmp", root / "tmp", writable=True)
    needed = {folder for folder in python.folders if folder.parts[1:2] != ("usr",)}
    for folder in sorted(needed):
        lines += _bind(folder, root / folder.relative_to("/"))
    lines += _bind(script, root / "kaggle/src/script.py")
    for place, source in inputs.items():
        if not source.is_symlink() and _is_view(source):
            for each in sorted(source.iterdir()):
                target = root / "kaggle/input" / place / each.name
                lines += _bind(each.resolve(), target)
        else:
            lines += _bind(source.resolve(), root / "kaggle/input" / place)
    size = int(disk_gb * 2**20)
    lines += [
        f"mkdir -p {root}/proc {root}/kaggle/input {root}/kaggle/working",
        f"mount -t proc proc {root}/proc || mount --rbind /proc {root}/proc",
        f"mount -o remount,bind,ro {root}",
        f"mount -t tmpfs -o size={size}k working {root}/kaggle/working",
        "set +e",
        f'chroot {root} sh -c \'cd /kaggle/working && exec "$0" "$@"\' '
        f"{shlex.quote(str(python.python))} /kaggle/src/script.py",
        "status=$?",
        f"cp -r {root}/kaggle/working/. {shlex.quote(str(working))}",
        "exit $status",
    ]
    return ["sh", "-c", "\n".join(lines)]


def _is_view(folder: pathlib.Path) -> bool:
    """Return whether a folder holds links, which lead nowhere under another root."""
    return any(each.is_symlink() for each in folder.iterdir())


def _bind(
    source: pathlib.Path,
    target: pathlib.Path,
    *,
    recursive: bool = False,
    writable: bool = False,
) -> list[str]:
    """Return the commands that mount `source` at `target`, read-only by default."""
    one, other = shlex.quote(str(source)), shlex.quote(str(target))
    make = f"mkdir -p {other}"
    if source.is_file():
        make = f"mkdir -p {shlex.quote(str(target.parent))} && touch {other}"
    lines = [make, f"mount --{'rbind' if recursive else 'bind'} {one} {other}"]
    if not writable and source != pathlib.Path("/dev"):
        # A mount that came with more restrictions keeps them only if they are named.
        lines.append(
            " || ".join(
                f"mount -o remount,bind,ro{more} {other}"
                for more in ("", ",nosuid,nodev", ",nosuid,nodev,noexec")
            )
        )
    return lines
