"""Scans whose annotations are known to be wrong: kept, but not learned or scored."""

import pathlib

# Dropped by everyone, and the host's own list of scans left out of evaluation.
UWM = {"case7_day0", "case81_day30"}
HOST = UWM | {
    "case43_day18",
    "case43_day26",
    "case138_day0",
    "case124_day19",
    "case144_day15",
}


def scans(choice: str | None, present: list[str]) -> set[str]:
    """Return the faulty scans among `present`.

    `choice` is "none", "uwm", "host", a file with one scan a line, or None: "uwm"
    where the folder is the UW-Madison set, so that another set's case7 is kept.
    """
    if choice is None:
        choice = "uwm" if set(present) >= HOST else "none"
    lists = {"none": set(), "uwm": UWM, "host": HOST}
    listed = lists[choice] if choice in lists else _read(pathlib.Path(choice))
    return listed & set(present)


def _read(path: pathlib.Path) -> set[str]:
    if not path.is_file():
        raise ValueError(
            "--faulty takes none, uwm, host or a file with one scan a line. "
            f"Received: {path}, which is no file."
        )
    return set(path.read_text("utf-8").split())
