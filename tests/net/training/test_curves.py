"""The curves that TensorBoard shows."""

import pytest
from tensorboard.backend.event_processing import event_accumulator

from competition.core.experiment import history
from competition.net.training import curves, progress


def test_tensorboard_reads_the_numbers_of_each_epoch(tmp_path):
    lines = progress.FoldProgress("fold 0", 2, tmp_path / "board")
    late = {"score": 0.25, "mean_score": 0.75}
    for epoch, scores in enumerate(({"score": None, "mean_score": None}, late)):
        lines.epoch(
            history.Epoch(
                epoch=epoch, loss=0.5 - epoch / 4, seconds=2.0, rate=0.125,
                scoring=0.5, **scores,
            )
        )  # fmt: skip
    events = event_accumulator.EventAccumulator(str(tmp_path / "board")).Reload()
    points = {
        name: [(point.step, point.value) for point in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    assert points == {
        "loss": [(1, 0.5), (2, 0.25)],
        "score": [(2, 0.25)],
        "mean_score": [(2, 0.75)],
        "rate": [(1, 0.125), (2, 0.125)],
        "seconds": [(1, 2.0), (2, 2.0)],
        "scoring": [(1, 0.5), (2, 0.5)],
    }


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    written = curves.Curves(tmp_path)
    # A training that fails before its first epoch leaves no file.
    assert not list(tmp_path.iterdir())
    written.path.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left.*events\.out\.tfevents"):
        written.add(1, {"loss": 0.5})
