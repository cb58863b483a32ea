"""The folds of a run as a table that fits the width and height of the terminal."""

import math
import time
from collections.abc import Sequence
from typing import Any, Literal

from rich import console, table, text

from competition.core.experiment import history
from competition.machine import deadline, memory
from competition.study.watch import reading

STYLES = {
    "waiting": "dim",
    "starting": "cyan",
    "training": "bold cyan",
    "scoring": "bold blue",
    "stopped": "yellow",
    "done": "green",
}
# Each column's width, and the least width of a terminal that shows the column.
COLUMNS = {
    "fold": (4, 0),
    "state": (12, 0),
    "epoch": (9, 0),
    "loss": (6, 0),
    "score": (6, 0),
    "best": (6, 110),
    "rate": (7, 110),
    "an epoch": (8, 90),
    "waiting": (7, 120),
    "left": (7, 0),
    "memory": (7, 76),
}
CURVES: tuple[Literal["loss"], Literal["score"]] = ("loss", "score")
BLOCKS = {True: "▁▂▃▄▅▆▇█", False: "_.-~=+*#"}
GAP, WIDEST = 2, 24


def show(
    members: Sequence[reading.Member], *, title: str, out: console.Console
) -> console.Group:
    """Draw all folds; if they do not fit, a run that is done or waiting is one line."""
    rows = sum(len(member.folds) + 3 for member in members)
    is_high = out.is_terminal and rows + 2 > out.height
    parts: list[console.RenderableType] = [_head(members, title)]
    for member in members:
        states = {fold.state for fold in member.folds}
        if is_high and states in ({"done"}, {"waiting"}):
            (state,) = states
            parts.append(_line(member, f"all folds {state}", STYLES[state]))
        else:
            if len(members) > 1:
                parts.append(_line(member, "", ""))
            if member.folds:
                parts.append(_table(member.folds, out))
        parts += [text.Text(f"! {each}", "yellow") for each in member.faults]
    return console.Group(*parts)


def _head(members: Sequence[reading.Member], title: str) -> text.Text:
    folds = [fold for member in members for fold in member.folds]
    done = sum(fold.state == "done" for fold in folds)
    alive = sum(fold.state in reading.ALIVE for fold in folds)
    said = [f"{done} of {len(folds)} folds done"] if folds else ["not begun yet"]
    if scores := [fold.score for fold in folds if fold.score is not None]:
        said.append(f"mean score {sum(scores) / len(scores):.4f}")
    if (left := reading.left(members)) is not None:
        end = time.strftime("%a %H:%M", time.localtime(time.time() + left))
        said.append(f"about {deadline.show(left)} left, until {end}")
    elif folds and not alive and done < len(folds):
        said.append("no fold is trained just now")
    return text.Text.assemble((title, "bold"), "  ", (", ".join(said), "default"))


def _line(member: reading.Member, said: str, style: str) -> text.Text:
    return text.Text.assemble((member.name, "bold"), "  ", (said, style))


def _table(folds: Sequence[reading.Fold], out: console.Console) -> table.Table:
    shown = [name for name, (_, least) in COLUMNS.items() if out.width >= least]
    used = sum(COLUMNS[name][0] + GAP for name in shown)
    width = min(WIDEST, (out.width - used) // 2 - GAP)
    drawn = table.Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for name in shown:
        drawn.add_column(
            name,
            width=COLUMNS[name][0],
            justify="left" if name in ("fold", "state") else "right",
            no_wrap=True,
            header_style="dim",
        )
    curves = CURVES if width >= 4 else ()
    for name in curves:
        drawn.add_column(name, width=width, no_wrap=True, header_style="dim")
    is_wide = out.encoding.lower().startswith("utf")
    for fold in folds:
        style = STYLES[fold.state]
        cells = _cells(fold)
        row = [text.Text(cells[name]) for name in shown]
        row[1].stylize(style)
        for name in curves:
            values = [value for _, value in history.points(fold.rows, name)]
            line = spark(values, width, BLOCKS[is_wide], log=name == "loss")
            row.append(text.Text(line, "magenta" if name == "loss" else "green"))
        drawn.add_row(*row, style="dim" if fold.state == "waiting" else "")
    return drawn


def _cells(fold: reading.Fold) -> dict[str, str]:
    """Return the text of each column; what is unknown is a dash."""
    last = fold.rows[-1] if fold.rows else None
    beat: dict[str, Any] = {**(fold.beat or {})}
    loss = beat.get("loss") if beat.get("loss") is not None else last and last["loss"]
    scores = history.scores(fold.rows)
    held = beat.get("memory") or (last and last.get("memory"))
    rate = last and last.get("rate")
    return {
        "fold": str(fold.name),
        "state": _state(fold),
        "epoch": f"{len(fold.rows)}/{fold.epochs or '?'}",
        "loss": "-" if loss is None else f"{loss:.4f}",
        "score": _number(scores["last"]),
        "best": _number(history.best(fold.rows)),
        "rate": "-" if rate is None else f"{rate:.1e}",
        "an epoch": _time(last and last["seconds"]),
        "waiting": _share(last),
        "left": "" if fold.state == "done" else _time(fold.left),
        "memory": memory.show(held) if held else "-",
    }


def _state(fold: reading.Fold) -> str:
    beat = fold.beat
    if beat and fold.state == "training" and beat.get("steps"):
        return f"training {100 * beat['step'] // beat['steps']:2d}%"
    return fold.state


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _share(last: history.Epoch | None) -> str:
    """Return the part of an epoch in which its steps waited for batches."""
    waiting = last and last.get("waiting")
    # In a damaged file an epoch may take no time.
    if not last or waiting is None or last["seconds"] <= 0:
        return "-"
    return f"{waiting / last['seconds']:.0%}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f}s" if seconds < 10 else deadline.show(seconds)


def spark(
    values: Sequence[float], width: int, blocks: str, *, log: bool = False
) -> str:
    """Draw values as a line of `width` blocks, the lowest value lowest.

    If there are more values than blocks, each block shows the last value of its part.
    `log` draws logarithms: a loss that fell to a tenth still shows how it falls on.
    """
    if len(values) > width:
        ends = [(place + 1) * len(values) // width - 1 for place in range(width)]
        values = [values[end] for end in ends]
    if log and values and min(values) > 0:
        values = [math.log(value) for value in values]
    low, high = min(values, default=0.0), max(values, default=0.0)
    top = len(blocks) - 1
    if high <= low:
        return blocks[top // 2] * len(values)
    return "".join(blocks[round((v - low) / (high - low) * top)] for v in values)
