"""Show the findings of an audit, on its own page and on the page of a run."""

import csv
import io
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from competition.core import console, files
from competition.core.experiment import layout, runs
from competition.core.pages import charts, html_page

COLUMNS = ("scan", "first_slice", "last_slice", "class", "reason", "words", "weight")
# The reasons with their headings, the strongest first. Where two reasons name the same
# masks, only the stronger one is listed.
REASONS = {
    "moved": "Moved by several slices",
    "copy": "Copied from another day",
    "swapped": "Classes swapped",
    "offset": "Off the slices' edges",
    "shifted": "Shifted",
    "gap": "Slice without a mask",
    "lone": "Far from the rest",
    "jump": "Jump",
    "repeat": "Repeated slice",
}
_GREYS = {
    "0.99": "99 %",
    "0.75": "75 %",
    "0.5": "median",
    "0.25": "25 %",
    "0.01": "1 %",
}


def of_data(dataset: layout.DatasetFiles, *, shown: int) -> dict[str, Any] | None:
    """Return the template's values of a finished audit, or None if there is no audit.

    An audit of data that was prepared again since then is left out.
    """
    folder = dataset.root / "audit"
    if not files.exists(folder / "audit.json"):
        return None
    record: dict[str, Any] = files.read_json(folder / "audit.json", dict)
    if record.get("fingerprint") != runs.prepared(dataset)["fingerprint"]:
        text = "of the data as it was before, or of an older version"
        console.warn(f"{folder}: an audit {text}. Run `audit` again.")
        return None
    return read(folder, shown=shown)


def read(folder: pathlib.Path, *, shown: int) -> dict[str, Any]:
    """Return the values of audit_findings.html from the folder of an audit.

    The first `shown` suspects are shown with their pictures.
    """
    table = _present(folder / "fingerprint.json", folder)
    data: dict[str, Any] = files.read_json(table, dict, remedy=_remedy(folder))
    rows = _suspects(_present(folder / "suspects.csv", folder))
    return {
        "print": data,
        "rows": rows,
        "strips": [
            _photograph(_present(picture(folder, rank, row), folder), folder)
            for rank, row in enumerate(rows[:shown], start=1)
        ],
        "drawings": draw(data),
        "reasons": REASONS,
        "dots": html_page.class_names(data["classes"]),
    }


def picture(folder: pathlib.Path, rank: int, row: Mapping[str, Any]) -> pathlib.Path:
    """Return the file with the picture of a suspect; the first has rank 1."""
    return folder / "suspects" / f"{rank:03d}_{row['scan']}_{row['reason']}.png"


def draw(data: Mapping[str, Any]) -> list[charts.Drawing]:
    """Draw the charts of a fingerprint; a chart without any point is left out."""
    scans, classes = data.get("scans", {}), data["classes"]
    dots = html_page.class_names(classes)
    drawn = [
        charts.Chart(
            "Grey values", "scans, darkest first", "grey value", _greys(scans)
        ),
        charts.Chart(
            "Where in a scan",
            "from the first slice (0) to the last (1)",
            "slices with a mask",
            [charts.Series(name, _places(classes[name]), dots[name]) for name in dots],
            (0.0, 1.0),
            (0.0,),
        ),
        charts.Chart(
            "Areas",
            "share of the masks",
            "up to, mm²",
            [charts.Series(name, _areas(classes[name]), dots[name]) for name in dots],
            (0.0, 1.0),
        ),
        charts.Chart(
            "Volumes",
            "scans, smallest first",
            "ml in a scan",
            [_volumes(scans, name, dots[name]) for name in dots],
        ),
    ]
    with_points = [each for each in drawn if any(s.points for s in each.series)]
    return [charts.draw(each) for each in with_points]


def _greys(scans: Mapping[str, Any]) -> list[charts.Series]:
    """Return a line for each level of the grey values, darkest scan first."""
    levels = sorted((each["intensity"] for each in scans.values()), key=_median)
    return [
        charts.Series(
            name, [(x, each[level]) for x, each in enumerate(levels, 1)], f"curve{i}"
        )
        for i, (level, name) in enumerate(_GREYS.items())
    ]


def _median(levels: Mapping[str, float]) -> float:
    return levels["0.5"]


def _places(of_class: Mapping[str, Any]) -> list[charts.Point]:
    shares = of_class["frequency"]
    return [((place + 0.5) / len(shares), share) for place, share in enumerate(shares)]


def _areas(of_class: Mapping[str, Any]) -> list[charts.Point]:
    return [(float(share), area) for share, area in of_class["area_mm2"].items()]


def _volumes(scans: Mapping[str, Any], name: str, css: str) -> charts.Series:
    """Return a mark for each scan; it shows the scan's name under the mouse."""
    volumes = sorted((each["volume_ml"][name], scan) for scan, each in scans.items())
    return charts.Series(
        name,
        [(place, volume) for place, (volume, _) in enumerate(volumes, start=1)],
        css,
        joined=False,
        labels=[f"{scan}, {volume:.1f} ml" for volume, scan in volumes],
    )


def _suspects(path: pathlib.Path) -> list[dict[str, Any]]:
    text = files.read_text(path, remedy=_remedy(path.parent))
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        if set(row) != set(COLUMNS) or row["reason"] not in REASONS:
            raise ValueError(
                f"{path}: expected the columns {', '.join(COLUMNS)}, with a reason out "
                f"of {', '.join(REASONS)}. Received: {row}. {_remedy(path.parent)}"
            )
    return [row | {"weight": int(row["weight"])} for row in rows]


def _present(path: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Return the path of a file of an audit in `folder`; refuse one that is missing."""
    if not files.exists(path):
        raise ValueError(f"{path}: not found. {_remedy(folder)}")
    return path


def _remedy(folder: pathlib.Path) -> str:
    return f"Delete the folder {folder} and run `audit` again."


def _photograph(path: pathlib.Path, folder: pathlib.Path) -> str:
    """Return a picture as JPEG for a page: its PNG would be four times as large."""
    import cv2

    content = files.read_bytes(path)
    # OpenCV raises an error of its own for an empty file.
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), 1) if content else None
    if pixels is None:
        raise ValueError(f"{path}: a damaged picture. {_remedy(folder)}")
    return html_page.embed(cv2.imencode(".jpg", pixels)[1].tobytes(), "jpeg")
