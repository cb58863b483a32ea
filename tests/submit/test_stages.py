"""The stages of a scan."""

import types

import numpy as np
import pytest

from competition.core import geometry
from competition.core.data import images
from competition.submit import event_log, reports, stages, test_folder


@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("body", [None, geometry.Box(1, 3, 1, 3)])
def test_a_scan_without_a_body_is_told_where_slices_are_cut(tmp_path, cuts, body):
    image = images.Image("case1_day0_slice_0001", 1, 0, 1, "case1_day0", "", 4, 4, 1, 1)
    volume, grid = np.zeros((1, 4, 4), np.uint16), geometry.Grid((4, 4), body=body)
    scan = test_folder.TestScan([image], volume, [(4, 4)], grid)
    log = event_log.EventLog(tmp_path / "submit.log")
    loaded = types.SimpleNamespace(
        predict=lambda *asked: asked[1], not_finite=[], cuts_to_body=cuts
    )
    budget = types.SimpleNamespace(
        limit=None,
        networks=None,
        allows=lambda slices: True,
        finish=lambda slices: None,
        record=lambda slices, seconds: None,
    )
    tell = reports.Reports(log.warn)
    ((_, seen),) = stages.predict([scan], loaded, budget, tell)
    assert seen == grid
    assert log.counts == ({"no body": 1} if cuts and not body else {})
