"""The data that a run was trained on: its fingerprint, formats, folds and classes."""

from typing import TYPE_CHECKING, Any

from competition.report import words

if TYPE_CHECKING:
    import pandas as pd


def facts(
    manifest: dict[str, Any], table: "pd.DataFrame", fingerprint: str
) -> dict[str, str]:
    """Return what is known of the data, by its name, in words."""
    by_scan = table.drop_duplicates("scan")
    faulty = sorted(by_scan[by_scan["faulty"]]["scan"])
    amounts = [
        words.count(table["case"].nunique(), "case"),
        words.count(len(by_scan), "scan"),
        words.count(len(table), "slice"),
    ]
    found = {"amount": ", ".join(amounts)}
    if manifest.get("source"):
        found["folder"] = str(manifest["source"])
    if "exclusive" in manifest:
        excludes = manifest["exclusive"]
        found["classes"] = "no pixel has two" if excludes else "a pixel may have two"
    found["left out as faulty"] = ", ".join(faulty) or "no scan"
    if quarantined := manifest.get("quarantined"):
        found["set aside"] = ", ".join(map(str, quarantined))
    if saving := manifest.get("body_saving"):
        found["outside of the body"] = f"{saving:.0%} of the pixels"
    return found | {"fingerprint of data and folds": fingerprint}


def formats(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the sizes and spacings that scans have, the most frequent first."""
    columns = [
        "slices", "height", "width", "spacing_z_mm", "spacing_y_mm", "spacing_x_mm",
    ]  # fmt: skip
    sizes = table.groupby("scan")["id"].transform("size")
    by_scan = table.assign(slices=sizes).drop_duplicates("scan")
    counted = by_scan.value_counts(columns).reset_index().to_numpy().tolist()
    return [
        {
            "size": words.TIMES.join(f"{side:.0f}" for side in row[:3]),
            "spacing": words.TIMES.join(f"{length:.2f}" for length in row[3:6]),
            "scans": int(row[-1]),
        }
        for row in counted
    ]
