"""Scans by hand in the viewer, and what it says of them."""

import numpy as np

from competition.core import masks
from competition.core.pages import html_page, viewer
from competition.core.pages.viewer import scan_view

SHAPE = 9, 40, 52
CLASSES = "large_bowel", "<script>alert(1)</script>", "stomach"
WORST = 6


def ball(centre, radius):
    grid = np.stack(np.indices(SHAPE), axis=-1)
    distance = (grid - np.array(centre)) / np.array([0.25, 1, 1])
    return (distance**2).sum(axis=-1) <= radius**2


def made():
    """Two scans whose slice WORST is predicted 7 rows too low."""
    random = np.random.default_rng(0)
    scans = []
    for name in ("case1_day0", "case2_day0"):
        truth = np.stack([ball((4, 15, 15), 9), ball((4, 20, 35), 6)] * 2, axis=-1)
        truth = truth[..., : len(CLASSES)]
        predicted = truth.copy()
        predicted[WORST] = np.roll(truth[WORST], 7, axis=0)
        raw = np.roll(predicted, 1, axis=1)
        scans.append(
            scan_view.ScanView(
                title=name,
                numbers=range(11, 11 + SHAPE[0]),
                scan=random.integers(0, 250, SHAPE).astype(np.uint16),
                spacing=(3, 1.5, 1.5),
                stages={"threshold": masks.pack(raw), "gate": masks.pack(predicted)},
                truth=masks.pack(truth),
                heats={"stomach": random.integers(0, 256, SHAPE).astype(np.uint8)},
                presence=random.integers(0, 256, (SHAPE[0], 3)).astype(np.uint8),
            )
        )
    return scans


def written(path, scans, *, classes=CLASSES, lines=viewer.LINES):
    filled = viewer.values(scans, classes, count=len(scans), lines=lines)
    page = html_page.render("scans.html", {"title": "<b>page</b>", "viewer": filled})
    path.write_text(page, encoding="utf-8")
    return path


def ready(page):
    page.wait_for_selector("section.viewer[data-state=ready]")


def ask(page, expression, value=None):
    """Evaluate JavaScript with the viewer as `viewer` and a value as `it`."""
    found = "const viewer = document.querySelector('section.viewer').viewer"
    return page.evaluate(f"it => {{ {found}; return {expression}; }}", value)


def picture(page, axis=0):
    return page.evaluate(
        f"() => document.querySelector('canvas[data-axis=\"{axis}\"]').toDataURL()"
    )
