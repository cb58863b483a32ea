"""A table that says of which case volumes are, and images slices of which scan."""

import pathlib
from collections.abc import Sequence

from competition.core.data import images, mask_csv

OF_SLICES = ("file", "case", "day", "slice")
OF_VOLUMES = OF_SLICES[:-1]
# Case, day and slice.
Place = tuple[int, int, int]


def read(
    path: pathlib.Path, names: Sequence[str], columns: Sequence[str]
) -> dict[str, Place]:
    """Return the place of every image in `names` from a CSV with one row for each.

    A table of volumes has no column for slices; theirs is then 1.
    """
    table = mask_csv.lines(path)
    _, header = next(table)
    if header != list(columns):
        raise ValueError(
            f"{path}: expected the columns {','.join(columns)}, received "
            f"{','.join(header)}. Correct the first row."
        )
    known = set(names)
    places: dict[str, Place] = {}
    rows: dict[str, int] = {}
    for number, fields in table:
        try:
            place = _place(fields, known, columns)
            numbers = zip(columns[1:], place, strict=False)
            for key in (fields[0], ", ".join(f"{name} {n}" for name, n in numbers)):
                if rows.setdefault(key, number) != number:
                    raise ValueError(
                        f"{key} stands already in row {rows[key]}. Remove one of them."
                    )
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {error}") from error
        places[fields[0]] = place
    if missing := [name for name in names if name not in places]:
        raise ValueError(
            f"{path}: no row for {len(missing)} of {len(names)} images: "
            f"{', '.join(missing[:5])}. Add the rows, or remove the images."
        )
    _check_order(path, list(places.values()))
    return places


def _place(fields: list[str], known: set[str], columns: Sequence[str]) -> Place:
    if len(fields) != len(columns):
        raise ValueError(
            f"expected {len(columns)} fields ({', '.join(columns)}), received "
            f"{len(fields)}. Correct the row."
        )
    if fields[0] not in known:
        raise ValueError(
            f"expected an image of the folders, such as {min(known)}, received "
            f"{fields[0]!r}. Correct the row."
        )
    case, day, number = [*fields[1:], "1"][:3]
    return images.parse_id(f"case{case}_day{day}_slice_{number}")


def _check_order(path: pathlib.Path, places: list[Place]) -> None:
    """Refuse a scan that leaves out a slice: the others would count as neighbours."""
    scans: dict[tuple[int, int], list[int]] = {}
    for case, day, number in sorted(places):
        scans.setdefault((case, day), []).append(number)
    for (case, day), numbers in scans.items():
        if gap := sorted(set(range(numbers[0], numbers[-1])) - set(numbers)):
            raise ValueError(
                f"{path}: case {case}, day {day}: expected slices without a gap, "
                f"received {numbers[0]} to {numbers[-1]} without {gap[0]}. Number them "
                "one after the other, or give what follows the gap a day of its own."
            )
