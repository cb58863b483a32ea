"""Scans with wrong annotations, which are neither trained on nor scored."""

import pathlib

from competition.core import console, files

# Every published solution drops the scans of UWM; the host scores no scan of HOST.
UWM = {"case7_day0", "case81_day30"}
HOST = UWM | {
    "case43_day18",
    "case43_day26",
    "case138_day0",
    "case124_day19",
    "case144_day15",
}
LISTS: dict[str, set[str]] = {"none": set(), "uwm": UWM, "host": HOST}


def read(choice: str) -> str:
    """Return `choice` if it is the name of a list, else the contents of its file."""
    if choice in LISTS:
        return choice
    path = pathlib.Path(choice)
    if not path.is_file():
        raise ValueError(
            "`faulty` must be auto, none, uwm, host or a file with one scan a line. "
            f"Received: {path}, which is no file. Check the path."
        )
    return files.read_text(path, remedy="Correct it.")


def scans(choice: str | None, present: list[str]) -> set[str]:
    """Return the faulty scans among `present`.

    `choice` is "none", "uwm", "host", a text with one scan a line, or None. None means
    "uwm" for the UW-Madison set and "none" for others, whose case7 is kept. The set is
    known by most of the scans of HOST, since one of them may be missing.
    """
    if choice is None:
        is_uwm = len(HOST & set(present)) > len(HOST) / 2
        choice = "uwm" if is_uwm else "none"
    if choice in LISTS:
        return LISTS[choice] & set(present)
    listed = set(choice.split()) - {"none"}
    if unknown := sorted(listed - set(present)):
        console.warn(
            f"faulty: no scan is called {', '.join(unknown[:5])}; the list has "
            f"{len(unknown)} such names. Correct them; expected names like case7_day0."
        )
    return listed & set(present)
