"""Changes are drawn within their limits and repeat; warps are worked out by hand."""

import numpy as np
import pytest

from competition.net.augment import augment_params
from tests.net.augment import engines

SHAPE = 56, 64
MANY = engines.limits(
    flip=0.5, affine=0.5, elastic=0.5, tone=0.5, holes=0.5, cutmix=0.5, mixup=0.5
)


def draw(positions: range, *, seed: int = 0, epoch: int = 0) -> augment_params.Changes:
    seeds = [(seed, epoch, position) for position in positions]
    return augment_params.draw(MANY, SHAPE, seeds)


def place_of(warp: np.ndarray, x: float, y: float) -> np.ndarray:
    """Where in the source the pixel at (x, y) comes from."""
    rows, columns = (
        augment_params.spline_matrix(size, augment_params.WARP_POINTS) for size in SHAPE
    )
    return np.einsum("i,ijc,j->c", rows[int(y)], warp, columns[int(x)])


def moved(*affine: float) -> np.ndarray:
    still = np.zeros((1, augment_params.WARP_POINTS, augment_params.WARP_POINTS, 2))
    return augment_params.warp(np.array([affine], float), still, SHAPE)[0]


def test_a_sample_depends_on_seed_epoch_and_position_alone():
    whole = draw(range(8))
    later = draw(range(4, 8))
    for name in ("warp", "tone", "holes"):
        np.testing.assert_array_equal(whole[name][4:], later[name])
    for other in (draw(range(8), seed=1), draw(range(8), epoch=1), draw(range(8, 16))):
        assert (whole["warp"] != other["warp"]).any()


def test_only_what_may_happen_is_drawn():
    seeds = [(0, 0, position) for position in range(2)]
    assert augment_params.draw(engines.limits(), SHAPE, seeds) == {}
    elastic = augment_params.draw(engines.limits(elastic=1.0), SHAPE, seeds)
    assert set(elastic) == {"elastic", "warp"}


def test_everything_stays_within_its_limits():
    changes = draw(range(400))
    flip, scale, angle, x, y = changes["affine"].T
    assert set(flip) == {0, 1}
    assert 0.8 <= scale.min() < 0.85
    assert 1.15 < scale.max() <= 1.2
    assert np.abs(np.rad2deg(angle)).max() <= 20.001
    assert np.abs(x).max() <= 6.4
    assert np.abs(y).max() <= 5.6
    assert (changes["mixup"][:, 1] <= 0.5).all()
    for name in ("mixup", "cutmix"):
        assert (changes[name][:, 0] != np.arange(400)).all()
        assert (changes[name][:, 0] < 400).all()
    for changed in (
        scale != 1,
        changes["mixup"][:, 1] > 0,
        changes["holes"].any((1, 2)),
    ):
        assert 0.4 < changed.mean() < 0.6
    _, top, bottom, left, right = changes["cutmix"].T
    assert ((bottom - top <= 28) & (right - left <= 32)).all()
    assert ((top >= 0) & (bottom <= 56) & (left >= 0) & (right <= 64)).all()


def test_a_batch_of_one_is_its_own_partner():
    assert draw(range(1))["mixup"][0, 0] == 0


@pytest.mark.parametrize(
    ("affine", "source"),
    [
        ((0, 1, 0, 0, 0), (10, 20)),
        ((1, 1, 0, 0, 0), (53, 20)),
        ((0, 1, 0, 3, -2), (7, 22)),
        # Twice as large: half as far from the centre (31.5, 27.5).
        ((0, 2, 0, 0, 0), (20.75, 23.75)),
        # A quarter turn: what lay above the centre comes to its right.
        ((0, 1, np.pi / 2, 0, 0), (24, 49)),
    ],
)
def test_the_warp_of_an_affine_by_hand(affine, source):
    np.testing.assert_allclose(place_of(moved(*affine), 10, 20), source, atol=1e-4)


def test_control_points_that_move_alike_move_all_pixels_so():
    elastic = np.tile(
        [1.5, -2.0], (1, augment_params.WARP_POINTS, augment_params.WARP_POINTS, 1)
    )
    warp = augment_params.warp(np.array([[0, 1, 0, 0, 0]]), elastic, SHAPE)[0]
    np.testing.assert_allclose(place_of(warp, 10, 20), (11.5, 18), atol=1e-4)


def test_the_strongest_elastic_does_not_fold_the_image():
    wanted = engines.limits(elastic=1.0, elastic_shift=0.08)
    elastic = np.sign(engines.drawn(wanted)["elastic"]) * 0.08 * min(SHAPE)
    affine = np.tile([0, 1, 0, 0, 0], (4, 1))
    rows, columns = (
        augment_params.spline_matrix(size, augment_params.WARP_POINTS) for size in SHAPE
    )
    warp = augment_params.warp(affine, elastic, SHAPE)
    place = np.einsum("hi,bijc,wj->bhwc", rows, warp, columns)
    assert np.diff(place[..., 0], axis=2).min() > 0
    assert np.diff(place[..., 1], axis=1).min() > 0


def test_a_spline_never_leaves_the_range_of_its_points():
    matrix = augment_params.spline_matrix(50, 7)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    assert matrix.min() >= 0
