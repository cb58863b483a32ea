"""The growth of the steps, on folders of a few scans."""

import os

import pytest

from bench import bench_scale, one_scaled_step


def test_every_step_is_measured_on_every_size_and_drawn(tmp_path):
    times = (1, 2, 4)
    took = bench_scale.measure(
        tmp_path,
        times,
        scans=4,
        take=lambda step, root, cores: one_scaled_step.measure(step, root),
    )
    assert list(took) == ["prepare", "input", "decide", "score", "submit"]
    # The largest size was measured by two workers as well.
    assert {len(each) for each in took.values()} == {4}
    assert all(one["cpu"] > 0 for each in took.values() for one in each)
    rows = bench_scale.lines(took, times)
    assert [row.split(":")[0] for row in rows] == [f"| {step}" for step in took]
    bench_scale.draw(took, times, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").stat().st_size > 1000


def test_the_exponent_is_that_of_the_larger_sizes():
    # The first size is left out: there constant costs count most.
    assert bench_scale.exponent([5.0, 4.0, 16.0, 64.0], (1, 4, 16, 64)) == (
        pytest.approx(1.0)
    )
    assert bench_scale.exponent([1.0, 1.0, 4.0], (1, 2, 4)) == pytest.approx(2.0)


def test_a_step_that_fails_is_named_with_its_error(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)decide of .* failed:.*prepare"):
        bench_scale.in_process("decide", tmp_path, [max(os.sched_getaffinity(0))])
