"""The part file: the masks of each finished scan, so that a killed run can resume.

Masks are stored, and sent between processes, as rows of JSON.
"""

import json
import os
import pathlib
from collections.abc import Sequence

from competition.core import files

# The RLE of each mask by (id, class).
EncodedMasks = dict[tuple[str, str], str]
# Id, class and RLE of each mask.
Rows = Sequence[Sequence[str]]


def to_rows(masks: EncodedMasks) -> Rows:
    """Return masks as rows that JSON can hold."""
    return [[*row, rle] for row, rle in masks.items()]


def from_rows(rows: Rows) -> EncodedMasks:
    """Return the masks that `to_rows` turned into these rows."""
    return {(id, name): rle for id, name, rle in rows}


class PartialSubmission:
    """The masks of the finished scans, by scan; those of another `key` are discarded.

    The file has one line of JSON for the key, and one for each scan after a digest of
    it. Reading stops at the first damaged line.
    """

    def __init__(self, path: pathlib.Path, key: str) -> None:
        self.path = path
        self.key = key
        self.scans: dict[str, EncodedMasks] = {}
        self._end = self._read()

    def add(self, scan: str, masks: EncodedMasks) -> None:
        """Store the masks of a scan by (id, class); empty masks are left out.

        On a full disk this raises an OSError, but the scan still counts as finished.
        """
        self.scans[scan] = {row: rle for row, rle in masks.items() if rle}
        text = json.dumps([scan, to_rows(self.scans[scan])]) + "\n"
        head = b"" if self._end else self._head()
        data = head + f"{files.digest(text)} {text}".encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self._end else "wb") as file:
            # Overwrite the half line that a killed or failed write left.
            file.seek(self._end)
            file.truncate()
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._end += len(data)

    def remove(self) -> None:
        """Remove the file; `scans` stays."""
        self.path.unlink(missing_ok=True)
        self._end = 0

    def _head(self) -> bytes:
        return json.dumps(self.key).encode() + b"\n"

    def _read(self) -> int:
        """Read the whole lines, and return the position where they end."""
        if not self.path.is_file():
            return 0
        end = 0
        with self.path.open("rb") as file:
            if file.readline() != self._head():
                return 0
            end = file.tell()
            for line in file:
                digest, _, text = line.partition(b" ")
                if files.digest(text).encode() != digest:
                    break
                scan, rows = json.loads(text)
                self.scans[scan] = from_rows(rows)
                end += len(line)
        return end
