"""Chromium, which the page's benchmark, the pictures and the tests open pages in."""

import shutil

NAMES = "chromium", "chromium-browser", "google-chrome"


def find() -> str | None:
    """Return its path, or None where none of its names is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)
