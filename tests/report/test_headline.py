"""What the headline says beside its numbers."""

import pytest

from competition.report import headline, pooling


@pytest.mark.parametrize(
    ("groups", "expected"), [(1, ()), (2, ("0.800 to 0.900 over 2 folds",))]
)
def test_one_fold_alone_has_no_range(groups, expected):
    spread = pooling.Spread(groups, 0.0, 0.8, 0.8, 0.85, 0.9, 0.9)
    rows = [{"reading": "per class", "of": "fold", "spread": spread}]
    tile = headline.tiles({"oof": {"score_per_class": 0.85}}, None, rows)[0]
    assert tile["beside"] == expected
