"""The audit as one self-contained page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core.pages import html_page, pictures
from competition.study.audit import drawings

# So many suspects have a picture on the page; table and folder have them all.
SHOWN = 60
REASONS = {
    "moved": "Moved by several slices",
    "copy": "Copied from another day",
    "swapped": "Classes swapped",
    "offset": "Off the slices' edges",
    "shifted": "Shifted",
    "gap": "Slice without a mask",
    "lone": "Far from the rest",
    "jump": "Jump",
    "outside": "Outside the body",
    "repeat": "Repeated slice",
    "volume": "Absurd volume",
}


def render(
    dataset: str,
    fingerprint: Mapping[str, Any],
    *,
    rows: Sequence[Mapping[str, Any]],
    strips: Sequence[np.ndarray],
    picture: bytes,
) -> str:
    """Return the page; `strips` are the pictures of the first rows."""
    # Photographs: JPEG is a quarter of the PNG beside the page.
    embedded = [
        html_page.embed(drawings.encode(strip, ".jpg"), "jpeg") for strip in strips
    ]
    counts = {
        words: sum(row["reason"] == reason for row in rows)
        for reason, words in REASONS.items()
    }
    classes = enumerate(fingerprint["classes"])
    values = {
        "dataset": dataset,
        "print": fingerprint,
        "picture": html_page.embed(picture),
        "rows": rows,
        "strips": embedded,
        "reasons": REASONS,
        "counts": {words: count for words, count in counts.items() if count},
        "colours": {name: pictures.class_colour(c) for c, name in classes},
    }
    return html_page.render("audit.html", values)
