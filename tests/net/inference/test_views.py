"""Flips and scales of a slice, and back."""

import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net.inference import views


@pytest.mark.parametrize(
    ("tta", "scales", "expected"),
    [
        ((), (1.0,), [(False, 1.0)]),
        (("flip",), (), [(False, 1.0), (True, 1.0)]),
        ((), (1.2, 1.0), [(False, 1.0), (False, 1.2)]),
        ((), (1.0, 1.2, 1.2), [(False, 1.0), (False, 1.2)]),
        (("flip",), (0.8,), [(False, 1.0), (True, 1.0), (False, 0.8), (True, 0.8)]),
    ],
)
def test_views_are_all_flips_at_all_scales_the_plain_one_first(tta, scales, expected):
    config = configs.load(
        "unet", (f"submit.tta={[*tta]}", f"submit.scales={[*scales]}")
    )
    assert list(views.combinations(config)) == expected


@pytest.mark.parametrize("scale", [0.75, 1.0, 1.25])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_view_is_undone_where_it_did_not_leave_the_frame(scale, flipped):
    rows, columns = np.mgrid[:24, :40]
    smooth = (np.sin(rows / 6) + np.cos(columns / 7))[None, ..., None].astype("float32")
    view = views.View(flipped, scale)
    back = np.array(views.undo(views.apply(smooth, view), view))
    inner = np.s_[:, 6:-6, 8:-8]
    assert np.abs(back - smooth)[inner].max() < 0.05
