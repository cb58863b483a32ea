"""Find Chromium, in which the page's benchmark, pictures and tests open pages."""

import shutil

NAMES = "chromium", "chromium-browser", "google-chrome"


def find() -> str | None:
    """Return its path, or None if none of its names is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)
