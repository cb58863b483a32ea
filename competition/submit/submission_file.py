"""The file of a submission, and its log beside it."""

import errno
import os
import pathlib

from competition.core import files
from competition.core.data import mask_csv
from competition.submit import partial, test_folder


def log_of(out: pathlib.Path) -> pathlib.Path:
    """Return the log of a submission: submit.log beside submission.csv."""
    known = out.name == "submission.csv"
    return out.with_name("submit.log" if known else f"{out.name}.log")


def check(data: pathlib.Path, out: pathlib.Path) -> None:
    """Refuse paths that cannot be read or written before hours of work, not after."""
    if not data.is_dir():
        raise ValueError(f"{data}: no such folder. Check `data`.")
    if out.is_dir():
        raise ValueError(
            f"{out}: expected the path of a file, received a folder. Give one in it "
            f"as `out`, such as {out / 'submission.csv'}."
        )
    if os.path.lexists(out):
        # The file would replace a pipe, a device or a broken link.
        files.check_regular(out)
    if out.suffix == ".log":
        raise ValueError(
            f"{out}: `out` names a log; the submission is a CSV. Give another name as "
            f"`out`, such as {out.with_name('submission.csv')}."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(out.parent, os.W_OK):
        raise ValueError(f"{out.parent} cannot be written to. Give another `out`.")


def digest(out: pathlib.Path) -> str:
    """Return the digest of a submission."""
    return files.file_digest(out)[:16]


def write(
    out: pathlib.Path, test: test_folder.TestFolder, part: partial.PartialSubmission
) -> None:
    """Write the rows in the order of the sample, empty where nothing was predicted."""
    masks = {row: rle for scan in part.scans.values() for row, rle in scan.items()}
    rows = [
        mask_csv.Row(line, id, name, masks.get((id, name), ""))
        for line, (id, name) in enumerate(test.rows, start=2)
    ]
    try:
        mask_csv.write(out, rows)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # A full disk has room for one of the two files, and all masks are in memory.
        part.remove()
        mask_csv.write(out, rows)
