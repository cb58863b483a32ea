"""Annotations that look wrong: from rows of evidence to a list, worst first.

What counts as wrong is measured against the data's own habits wherever there are enough
scans to know them. One fault is named once, by the reason that explains most of it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from competition.study.audit import continuity, placement, swaps
from competition.study.audit.mask_features import MaskFeatures
from competition.study.audit.suspect import Suspect

if TYPE_CHECKING:
    import pandas as pd

# A reason makes those after it superfluous on the same scan, slices and class.
_EXPLAINS = (
    "moved", "copy", "swapped", "offset", "shifted", "gap", "lone", "jump", "outside",
    "repeat", "volume",
)  # fmt: skip


def find(
    found: Mapping[str, MaskFeatures], voxels_mm3: Mapping[str, float], classes: int
) -> list[Suspect]:
    """The suspects of all scans, those with the most wrong pixels first."""
    rows = table(found)
    if rows.empty:
        return []
    suspects = []
    for scan, evidence in found.items():
        of_scan = rows[rows["scan"] == scan]
        suspects += placement.moved(of_scan, evidence.by_step)
        suspects += placement.offset(of_scan, evidence.around)
    moved = {each.scan for each in suspects if each.reason == "moved"}
    suspects += swaps.find(rows, ~rows["scan"].isin(moved).to_numpy(), classes)
    suspects += continuity.find(rows)
    suspects += placement.outside(rows)
    suspects += placement.copies(rows)
    suspects += placement.repeats(rows)
    # A volume is no measure for other days where the masks are known to be wrong.
    known = {(each.scan, c) for each in suspects for c in each.classes}
    sound = [key not in known for key in zip(rows["scan"], rows["class"], strict=True)]
    suspects += placement.volumes(rows[sound], voxels_mm3)
    return sorted(explained(suspects), key=lambda each: (-each.weight, each.scan))


def table(found: Mapping[str, MaskFeatures]) -> "pd.DataFrame":
    """All scans' rows as one table, with scan and case, in the order of slices."""
    import pandas as pd

    rows = [
        {"scan": scan, "case": scan.partition("_")[0], **row}
        for scan, evidence in found.items()
        for row in evidence.rows
    ]
    return pd.DataFrame(rows)


def explained(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Leave out suspects that a stronger reason on the same masks accounts for."""
    kept: list[Suspect] = []
    for each in sorted(suspects, key=lambda one: _EXPLAINS.index(one.reason)):
        if not any(other.covers(each) for other in kept):
            kept.append(each)
    return kept
