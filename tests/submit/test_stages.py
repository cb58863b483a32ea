"""The stages of a scan."""

import types

import numpy as np
import pytest

from competition.core import geometry
from competition.core.data import images
from competition.core.experiment import configs
from competition.submit import event_log, reports, stages, test_folder

# A budget that is enough for all.
WHOLE = types.SimpleNamespace(
    limit=None,
    networks=types.SimpleNamespace(members=("unet",)),
    allows=lambda slices: True,
    finish=lambda slices: None,
    record=lambda slices, seconds: None,
)


@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("body", [None, geometry.Box(1, 3, 1, 3)])
def test_a_scan_without_a_body_is_told_where_slices_are_cut(tmp_path, cuts, body):
    image = images.Image("case1_day0_slice_0001", 1, 0, 1, "case1_day0", "", 4, 4, 1, 1)
    volume, grid = np.zeros((1, 4, 4), np.uint16), geometry.Grid((4, 4), body=body)
    scan = test_folder.TestScan([image], volume, [(4, 4)], grid)
    log = event_log.EventLog(tmp_path / "submit.log")
    source = types.SimpleNamespace(config=configs.load("unet"))
    loaded = types.SimpleNamespace(
        predict=lambda *asked: asked[1],
        not_finite=[],
        cuts_to_body=cuts,
        sources={"unet": source},
    )
    tell = reports.Reports(log.warn)
    ((_, seen),) = stages.predict([scan], loaded, WHOLE, tell)
    assert seen == grid
    assert log.counts == ({"no body": 1} if cuts and not body else {})


@pytest.mark.parametrize(
    ("fit", "axis", "said"),
    [
        ("pad", "z", "2 of 34 rows and 8 of 40 columns"),
        ("pad", "y", "0 of 3 rows and 8 of 40 columns"),
        ("letterbox", "z", None),
    ],
)
def test_what_a_network_does_not_see_is_told(tmp_path, fit, axis, said):
    overrides = [f"geometry.fit={fit}", f"axis={axis}", "intensity=scan"]
    overrides += ["geometry.height=32", "geometry.width=32"]
    config = configs.load("unet", tuple(overrides))
    slices = [
        images.Image(
            f"case1_day0_slice_{n:04}", 1, 0, n, "case1_day0", "", 40, 34, 1, 1
        )
        for n in (1, 2, 3)
    ]
    # A gate draws nothing, so that it is no matter what it sees.
    tiny = ("geometry.height=16", "geometry.width=16")
    gate = types.SimpleNamespace(config=configs.load("gate", tiny))
    volume, grid = np.zeros((3, 34, 40), np.uint16), geometry.Grid((34, 40))
    scan = test_folder.TestScan(slices, volume, [(34, 40)] * 3, grid)
    log = event_log.EventLog(tmp_path / "submit.log")
    loaded = types.SimpleNamespace(
        predict=lambda *asked: asked[1],
        not_finite=[],
        cuts_to_body=False,
        sources={"unet": types.SimpleNamespace(config=config), "gate": gate},
    )
    list(stages.predict([scan], loaded, WHOLE, reports.Reports(log.warn)))
    assert log.counts == ({"cropped": 1} if said else {})
    assert not said or said in (tmp_path / "submit.log").read_text("utf-8")
