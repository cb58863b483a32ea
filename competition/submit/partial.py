"""The part file: the masks of each finished scan, so that a killed run goes on."""

import json
import os
import pathlib

Encoded = dict[tuple[str, str], str]


class PartialSubmission:
    """The scans that are done, by name; what another `key` made is thrown away."""

    def __init__(self, path: pathlib.Path, key: str) -> None:
        self.path = path
        self.key = key
        self.done: dict[str, Encoded] = {}
        self._end = self._read()

    def add(self, scan: str, rows: Encoded) -> None:
        """Keep the masks of a scan by (id, class); empty ones need not be kept.

        On a full disk it raises, and the scan counts as done all the same.
        """
        self.done[scan] = {pair: rle for pair, rle in rows.items() if rle}
        line = json.dumps([scan, [[*pair, rle] for pair, rle in rows.items() if rle]])
        head = b"" if self._end else json.dumps(self.key).encode() + b"\n"
        data = head + line.encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self._end else "wb") as file:
            # Over what a killed or failed write left.
            file.seek(self._end)
            file.truncate()
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._end += len(data)

    def remove(self) -> None:
        """Remove the file; what is done stays known here."""
        self.path.unlink(missing_ok=True)
        self._end = 0

    def _read(self) -> int:
        """Read what is whole, and return where it ends."""
        if not self.path.is_file():
            return 0
        end = 0
        with self.path.open("rb") as file:
            if file.readline() != json.dumps(self.key).encode() + b"\n":
                return 0
            end = file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    scan, rows = json.loads(line)
                    masks = {(id, name): rle for id, name, rle in rows}
                except (ValueError, TypeError):
                    break
                self.done[scan] = masks
                end += len(line)
        return end
