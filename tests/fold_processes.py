"""The processes of this machine that train folds."""

import os
import pathlib


def of(run):
    """Return the ids of the processes that train folds of a run, by the fold.

    One that has ended, and that nobody has asked about yet, has no command.
    """
    found, root = {}, os.fsencode(run.files.root)
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().split(b"\0")
        except OSError:
            continue  # It has just ended.
        if root in command and b"--fold" in command:
            fold = int(command[command.index(b"--fold") + 1])
            found[fold] = int(path.parent.name)
    return found
