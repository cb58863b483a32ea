"""The pictures of README and docs, which `make pictures` makes."""

import functools
import re

import cv2
import numpy as np
import pytest

from competition.core import files
from submissions.pictures import make
from tests import browser, conftest

PAGES = [conftest.ROOT / "README.md", *conftest.ROOT.glob("docs/*.md")]


def test_every_picture_is_made_and_shown():
    shown = {
        name
        for page in PAGES
        for name in re.findall(
            r"!\[[^]]+\]\([./]*submissions/pictures/([^)]+)\)", page.read_text("utf-8")
        )
    }
    there = {path.name for path in make.HERE.glob("*.*")} - {"make.py"}
    assert shown == there == set(make.PICTURES)


@pytest.fixture
def on_tiny_run(finished, monkeypatch):
    """Draw the tiny run of the tests instead of `smoke`."""
    job, _ = finished
    monkeypatch.setattr(make, "smoke", lambda work: (job.dataset, job.run))


def _pixels(png):
    data = np.frombuffer(png, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR).astype(int)


@pytest.mark.parametrize("draw", [make.prediction, make.curves])
def test_a_run_is_drawn(on_tiny_run, tmp_path, draw):
    png = draw(tmp_path)
    whole, reduced = (_pixels(each) for each in (png, make.small(png)))
    assert len(make.small(png)) < len(png) / 2
    assert np.abs(whole - reduced).max() < 32
    white = (whole == 255).all(axis=-1)
    assert (reduced[white] == 255).all()


def test_the_report_is_drawn_in_a_browser(on_tiny_run, tmp_path):
    browser.find()
    phone = _pixels(make.report_phone(tmp_path))
    assert phone.shape == (900, 390, 3)
    # The slice on its black ground, with outlines in the colours of classes.
    assert (phone[:400] == 0).all(axis=-1).mean() > 0.05
    assert np.ptp(phone, axis=-1).max() > 100


def test_the_terminal_is_drawn_without_a_font_from_the_net(on_tiny_run, tmp_path):
    drawn = make.watch(tmp_path).decode()
    assert all(word in drawn for word in ("training", "done", "0/2", "2/2", "</svg>"))
    assert "@font-face" not in drawn


def test_a_volume_is_drawn_as_stored_and_converted(monkeypatch, tmp_path):
    few = functools.partial(make.phantom.write, slices=12)
    monkeypatch.setattr(make.phantom, "write", few)
    assert make.converted(tmp_path).startswith(b"\x89PNG")


def test_one_picture_can_be_made_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(
        make, "PICTURES", {"a.svg": lambda work: bytes(work.name, "ascii")}
    )
    make.main("w", "a.svg")
    assert files.read_text(tmp_path / "a.svg") == "w"
    assert capsys.readouterr().out == f"{tmp_path / 'a.svg'}\n"
