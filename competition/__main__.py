"""The command line: the only place that reads arguments."""

import errno
import os
import sys


def main() -> None:
    """Run a command; an error is a message and exit code 1, never a traceback."""
    try:
        # Ctrl-C may come while these load.
        from competition.commands.app import app
        from competition.core import console, storage
        from competition.machine import process

        if process.is_child():
            process.run_as_child(app)
            return
        try:
            app()
        except (ValueError, OSError, storage.StorageError) as error:
            console.note(f"error: {storage.shown(_told(error))}")
            sys.exit(1)
    except (Exception, KeyboardInterrupt) as error:
        # An interrupted import may end in an error of the library that was imported.
        if not _is_interrupt(error):
            raise
        sys.stderr.write("stopped\n")
        sys.exit(130)


def _told(error: Exception) -> str:
    """Return the message of an error, in words also where the system raised it."""
    text = str(error)
    if not isinstance(error, OSError) or not text.startswith("[Errno"):
        return text
    remedies = {
        errno.ENOENT: "Check the path.",
        errno.EACCES: "Change its rights, or name another path.",
        errno.EROFS: "Name another path.",
        errno.ENOSPC: "Make room on the disk.",
        errno.ENAMETOOLONG: "Choose a shorter name.",
    }
    remedy = remedies.get(error.errno or 0, "")
    path = f"{error.filename}: " if error.filename else ""
    said = error.strerror or text
    # Libraries write paths into it, whose case counts.
    if error.errno and said == os.strerror(error.errno):
        said = said.lower()
    return f"{path}{said}. {remedy}".strip()


def _is_interrupt(error: BaseException | None) -> bool:
    """Say whether an error, or one of those that led to it, is a Ctrl-C."""
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


if __name__ == "__main__":
    main()
