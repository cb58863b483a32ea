"""The viewer of scans in a page; its markup, style and script are in templates/."""

from collections.abc import Iterable, Sequence
from typing import Any

from competition.core.pages import pictures
from competition.core.pages.viewer import scan_view

# A page of this size opens within two seconds and can be sent by mail.
BYTES = 24e6
LINES = {"truth": "truth", "prediction": "prediction"}


def values(
    views: Iterable[scan_view.ScanView],
    classes: Sequence[str],
    *,
    count: int,
    lines: dict[str, str] = LINES,
) -> dict[str, Any]:
    """Return the values of the template viewer.html, for `count` scans.

    `lines` names the outlines of the scans: truth, prediction and other.
    """
    indices = range(len(classes))
    return {
        "about": {
            "classes": list(classes),
            "lines": lines,
            "colours": [*map(pictures.class_colour, indices)],
            "tints": [*map(pictures.class_tint, indices)],
        },
        "scans": [
            {"title": view.title, "data": scan_view.to_json(view, most=BYTES / count)}
            for view in views
        ],
    }
