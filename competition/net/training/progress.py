"""How far a fold is: lines in the log, a heartbeat, and curves for TensorBoard."""

import pathlib
import statistics
from typing import Any

from competition.core import console
from competition.core.experiment import heartbeat, history, schema
from competition.machine import deadline
from competition.net import hosts
from competition.net.training import curves


class FoldProgress:
    """Prints a line an epoch, with the time until the last one ends.

    Each line begins with `title`, which names the fold. With a folder `board` the
    numbers of each epoch are written there for TensorBoard. The `heart` tells others
    how far the epoch is.
    """

    def __init__(
        self,
        title: str,
        epochs: int,
        board: pathlib.Path | None = None,
        heart: heartbeat.Heartbeat | None = None,
    ) -> None:
        self.title, self.total, self.heart = title, epochs, heart
        self.curves = curves.Curves(board) if board else None
        self.seconds: list[float] = []
        self.scoring: list[float] = []
        self.waiting: list[float] = []

    def epoch(self, row: history.Epoch) -> None:
        """Print the loss, score and time of an epoch, and write its curves."""
        self.seconds.append(row["seconds"])
        self.scoring.append(row.get("scoring") or 0.0)
        parts = f"scoring {self._share(self.scoring)}"
        if (waiting := row.get("waiting")) is not None:
            self.waiting.append(waiting)
            parts = f"waiting for input {self._share(self.waiting)}, {parts}"
        left = self.total - row["epoch"] - 1
        eta = deadline.show(statistics.fmean(self.seconds[-5:]) * left)
        text = f"epoch {row['epoch'] + 1}/{self.total}  loss {row['loss']:.4f}"
        for name, value in (("score", row["score"]), ("mean", row.get("mean_score"))):
            text += "" if value is None else f"  {name} {value:.4f}"
        text += f"  {row['seconds']:.1f} s ({parts})"
        self.line(text + (f"  {eta} left" if left else ""))
        if self.curves:
            values = {k: v for k, v in row.items() if k != "epoch" and v is not None}
            self.curves.add(row["epoch"] + 1, values)

    def _share(self, part: list[float]) -> str:
        """Return which part of the epochs' time that is."""
        return f"{sum(part) / max(sum(self.seconds), 1e-9):.0%}"

    @property
    def memory(self) -> int | None:
        """Return the most bytes that the training has held; None if unknown."""
        return self.heart.memory if self.heart else None

    def now(self, doing: str, **where: Any) -> None:
        """Report what the fold does now, and in which step; see `heartbeat.Beat`."""
        if self.heart:
            self.heart.now(doing, **where)

    def within(self, text: str) -> None:
        """Print a line within an epoch, on a terminal only: a log has one an epoch."""
        if console.ERR.is_terminal:
            self.line(text)

    def ended(self, rows: list[history.Epoch], training: schema.Training) -> None:
        """Print the scores of the weights that could be kept, and which are kept."""
        found = history.scores(rows)
        mean = f"average of the last {training.swa_epochs}"
        names = {"best": "best epoch", "last": "last epoch", "swa": mean}
        shown = [
            f"{names[keep]} {score:.4f}"
            for keep, score in found.items()
            if score is not None
        ]
        text = f"{', '.join(shown) or 'no epoch has a score'}; kept: {training.keep}"
        kept, last = history.kept(rows, training.keep), found["last"]
        if training.keep == "best" and kept is not None and last is not None:
            # The weights were chosen by the same scans that give the score.
            text += f", chosen by its score, which flatters by up to {kept - last:.4f}"
        self.line(text)

    def line(self, text: str) -> None:
        """Print a line about the fold."""
        if hosts.is_first():
            console.note(f"{self.title}: {text}")

    def stopped(self, done: int) -> None:
        """Print how many epochs are done when the time ended before the last one."""
        self.line(
            f"stopped in time after {done} of {self.total} epochs. Run the same again: "
            "training goes on from there."
        )


def too_long(needed: float, given: float, epochs: int) -> str:
    """Describe how many epochs a fold reaches in the seconds given, and what fits."""
    share = max(0.0, given) / needed
    # Scores take time too.
    shorter = int(90 * share)
    fits = f"training.epochs cut to {shorter}%" if shorter > 10 else "smaller networks"
    return (
        f"these steps take longer than the {deadline.show(given)} that the budget has "
        f"for this fold: it reaches about {int(share * epochs)} of {epochs} epochs. "
        f"Further calls go on from there; one call is enough with fewer folds or {fits}"
    )
