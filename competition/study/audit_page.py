"""The audit as one self-contained page."""

import base64
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import pictures
from competition.study import drawings

TEMPLATES = pathlib.Path(__file__).parents[1] / "templates"
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
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Photographs: JPEG is a quarter of the PNG beside the page.
    embedded = [_embed(drawings.encode(strip, ".jpg"), "jpeg") for strip in strips]
    counts = {
        words: sum(row["reason"] == reason for row in rows)
        for reason, words in REASONS.items()
    }
    return environment.get_template("audit.html").render(
        dataset=dataset,
        print=fingerprint,
        picture=_embed(picture, "png"),
        rows=rows,
        strips=embedded,
        reasons=REASONS,
        counts={words: count for words, count in counts.items() if count},
        colours={
            name: pictures.class_colour(c)
            for c, name in enumerate(fingerprint["classes"])
        },
    )


def _embed(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()
