"""Measure the page of ten scans of 144 slices: its size, and what opening it takes."""

import pathlib
import tempfile
import time

import numpy as np

from bench import chromium, clock
from competition.core import masks
from competition.core.pages import html_page, viewer
from competition.core.pages.viewer import scan_view

SHAPE, SCANS, REPEATS = (144, 266, 266), 10, 5
CLASSES = ("large_bowel", "small_bowel", "stomach")
READY = "section.viewer[data-state=ready]"


def main() -> None:
    """Print the size, the seconds until the first scan is shown, and the memory."""
    from playwright import sync_api

    path_of_chromium = chromium.find()
    if path_of_chromium is None:
        print("| the page in a browser | no Chromium is installed | |", flush=True)
        return
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "page.html"
        began = time.process_time()
        views = map(made, range(SCANS))
        filled = viewer.values(views, CLASSES, count=SCANS)
        page = html_page.render("scans.html", {"title": "page", "viewer": filled})
        path.write_text(page, encoding="utf-8")
        taken = (time.process_time() - began) / SCANS
        clock.say("writing a scan into the page", taken, "-", "s of CPU time")
        clock.say("size of the page", path.stat().st_size / 1e6, "<= 25", "MB")
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=path_of_chromium, args=["--no-sandbox"]
            )
            opened = browser.new_page()

            def load() -> None:
                opened.goto(path.as_uri())
                opened.wait_for_selector(READY)

            taken = clock.seconds(load, repeats=REPEATS)
            clock.say("until it is shown", taken, "<= 2", "s")
            for number in range(SCANS):
                opened.select_option("[data-part=scan]", str(number))
                opened.wait_for_selector(READY)
            opened.select_option("[data-part=heat]", "1")
            mib = tab_mib(opened)
            clock.say("memory of its tab, all scans seen", mib, "<= 500", "MiB")
            browser.close()


def made(seed: int) -> scan_view.ScanView:
    """Return a scan as noisy as real MR, with organs, probabilities and a rule."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    body = (grid[1] ** 2 / 0.5 + grid[2] ** 2 / 0.7) < 1
    texture = np.kron(random.normal(size=(18, 34, 34)), np.ones((8, 8, 8)))
    signal = 900 + 250 * texture[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    # Noise with as many bits a voxel as neighbours in real MR differ by.
    noise = random.normal(0, 1, SHAPE)
    scan = np.where(body, signal + 20 * noise, 30 + 4 * noise)
    heats, planes = {}, []
    for name in CLASSES:
        centre = random.uniform(-0.4, 0.4, 3)[:, None, None, None]
        distance = np.sqrt(((grid - centre) ** 2).sum(axis=0)) - 0.25
        distance += 0.02 * texture[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
        heats[name] = np.rint(255 / (1 + np.exp(60 * distance))).astype(np.uint8)
        planes.append(distance < 0)
    truth = masks.pack(np.stack(planes, axis=-1))
    return scan_view.ScanView(
        title=f"case{seed}_day0",
        numbers=range(1, SHAPE[0] + 1),
        scan=scan.clip(0, 2000).astype(np.uint16),
        spacing=(3, 1.5, 1.5),
        stages={
            "threshold": np.roll(truth, 2, axis=2),
            "gate": np.roll(truth, 1, axis=1),
        },
        truth=truth,
        heats=heats,
    )


def tab_mib(page: object) -> float:
    """Return the memory that JavaScript holds in the tab, including its arrays."""
    session = page.context.new_cdp_session(page)  # type: ignore[attr-defined]
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")
    return (used["usedSize"] + used.get("backingStorageSize", 0)) / 2**20
