"""The mounts that a kernel on Kaggle sees, made inside namespaces of their own."""

import dataclasses
import os
import pathlib
import shlex
from collections.abc import Mapping

from competition.kernel.rehearse import environment

SCRIPT = "/kaggle/src/script.py"
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "dev", "sys")


@dataclasses.dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel's script, and the Python that runs it.

    `inputs` are folders by their path under /kaggle/input; `working` receives the
    contents of /kaggle/working. `variables` are set in its environment.
    """

    script: pathlib.Path
    inputs: Mapping[str, pathlib.Path]
    working: pathlib.Path
    python: environment.Environment
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)


def command(kernel: Kernel, *, disk_gb: float, scratch: pathlib.Path) -> list[str]:
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
    # Mount this before the interpreter, which may be under /tmp itself.
    lines += _bind(scratch / "tmp", root / "tmp", writable=True)
    for folder in sorted(set(kernel.python.folders)):
        if folder.parts[1:2] != ("usr",):
            lines += _bind(folder, root / folder.relative_to("/"))
    lines += _bind(kernel.script, root / SCRIPT[1:])
    for place, source in kernel.inputs.items():
        # Mount each entry: one may be a link, which is broken under another root.
        for entry in sorted(source.iterdir()):
            lines += _bind(entry.resolve(), root / "kaggle/input" / place / entry.name)
    lines += [
        f"mkdir -p {root}/proc {root}/kaggle/input {root}/kaggle/working",
        f"mount -t proc proc {root}/proc || mount --rbind /proc {root}/proc",
        f"mount -o remount,bind,ro {root}",
        f"mount -t tmpfs -o size={int(disk_gb * 1e9)} working {root}/kaggle/working",
        "set +e",
        f'chroot {root} sh -c \'cd /kaggle/working && exec "$0" "$@"\' '
        f"{shlex.quote(str(kernel.python.python))} {SCRIPT}",
        "status=$?",
        f"cp -r {root}/kaggle/working/. {shlex.quote(str(kernel.working))}",
        "exit $status",
    ]
    return ["sh", "-c", "\n".join(lines)]


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
        restrictions = ("", ",nosuid,nodev", ",nosuid,nodev,noexec")
        tries = (f"mount -o remount,bind,ro{more} {other}" for more in restrictions)
        lines.append(" || ".join(tries))
    return lines
