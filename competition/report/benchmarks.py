"""What benchmarks measured on this machine, read from the Markdown that they write."""

import pathlib
from typing import Any

from competition.core import files

# Below `work`: what `make bench` writes, and what `make gpu` does.
FILES = ("bench.md", "gpu/results.md")

Section = dict[str, Any]


def sections(work: pathlib.Path) -> list[Section]:
    """Return the sections of all files of results: a title, texts, and tables as rows.

    The first row of a table has its headings. Nothing else of Markdown is understood:
    it stays text.
    """
    found: list[Section] = []
    for name in FILES:
        if files.exists(work / name):
            found += parse(files.read_text(work / name))
    return [each for each in found if each["texts"] or each["rows"]]


def parse(text: str) -> list[Section]:
    """Return the sections of a text; text before the first title has no title."""
    found: list[Section] = [{"title": "", "texts": [], "rows": []}]
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            title = stripped.lstrip("#").strip()
            found.append({"title": title, "texts": [], "rows": []})
        elif stripped.startswith("|"):
            cells = [cell.strip() for cell in stripped.strip("|").split("|")]
            if not all(set(cell) <= {"-", ":"} and cell for cell in cells):
                found[-1]["rows"].append(cells)
        elif stripped:
            found[-1]["texts"].append(stripped)
    return found
