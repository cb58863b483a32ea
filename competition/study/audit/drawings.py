"""Pictures of an audit: strips of slices around a suspect, and the fingerprint."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import masks
from competition.core.pages import pictures
from competition.study.audit.suspect import Suspect

_PANEL = 224
_MARGIN = 30
_SMALLEST = 120
_PANELS = 5
_INK = "#4a5160"


def strip(
    volume: np.ndarray, bits: masks.Bits, suspect: Suspect, numbers: Sequence[int]
) -> np.ndarray:
    """Draw slices from before a suspect to after it, BGR (h, w, 3).

    The suspect's masks are outlined, other classes thinly, in slices of the suspect
    itself with a bright bar below; `numbers` (D,) are the slices' own numbers.
    """
    import cv2

    shown = _shown(suspect, len(volume))
    box = _box(bits[shown], suspect.classes)
    grey = volume[:, box[0], box[1]][shown]
    low, high = np.percentile(grey, (1, 99.5))
    panels = []
    for index, image in zip(shown, grey, strict=True):
        scaled = (image.astype(np.float32) - low) / max(high - low, 1) * 255
        panel = cv2.resize(
            np.clip(scaled, 0, 255).astype(np.uint8),
            (_PANEL, _PANEL),
            interpolation=cv2.INTER_CUBIC,
        )
        panel = cv2.cvtColor(panel, cv2.COLOR_GRAY2BGR)
        _outline(panel, bits[index][box[0], box[1]], suspect.classes)
        if suspect.first <= index <= suspect.last:
            panel[-4:] = (80, 200, 255)
        _write(panel, str(numbers[index]))
        panels += [panel, np.zeros((_PANEL, 4, 3), np.uint8)]
    return np.hstack(panels[:-1])


def encode(picture: np.ndarray, kind: str) -> bytes:
    """Encode a picture BGR as ".png" or ".jpg"."""
    import cv2

    done, data = cv2.imencode(kind, picture)
    if not done:
        raise ValueError(f"A picture of shape {picture.shape} is no {kind}.")
    return data.tobytes()


def fingerprint(print_: Mapping[str, Any]) -> bytes:
    """Draw what `fingerprint.summarise` found as PNG: a panel a question."""
    from matplotlib import figure

    picture = figure.Figure((10.5, 6.2), layout="constrained", facecolor="white")
    ((grey, place), (area, volume)) = picture.subplots(2, 2)
    _intensities(grey, print_["scans"])
    for c, (name, values) in enumerate(print_["classes"].items()):
        colour = pictures.class_colour(c)
        position = np.array(values["frequency"])
        middle = (np.arange(len(position)) + 0.5) / len(position)
        place.plot(middle, position, color=colour, label=_plain(name), linewidth=2)
        levels = [float(level) for level in values["area_mm2"]]
        area.plot(levels, list(values["area_mm2"].values()), "o-", color=colour)
        _volumes(volume, c, [s["volume_ml"][name] for s in print_["scans"].values()])
    _label(place, "position in the scan, first to last slice", "slices with a mask")
    _label(area, "quantile of the masks", "area of a mask, mm²")
    _label(volume, "class", "volume in a scan, ml")
    volume.set_xticks(range(len(print_["classes"])), map(_plain, print_["classes"]))
    place.legend(frameon=False, fontsize=8)
    return pictures.png(picture, dpi=110)


def _shown(suspect: Suspect, depth: int) -> list[int]:
    """Up to five slices: the one before, first, middle and last, and the one after."""
    first, last = suspect.first, suspect.last
    wanted = {first - 1, first, (first + last) // 2, last, last + 1}
    if last - first >= _PANELS:
        wanted = set(np.linspace(first, last, _PANELS).round().astype(int).tolist())
    return sorted(index for index in wanted if 0 <= index < depth)


def _box(bits: masks.Bits, classes: Sequence[int]) -> tuple[slice, slice]:
    """A square that holds the masks of the suspect's classes, and some more."""
    wanted = bits & bits.dtype.type(sum(1 << c for c in classes))
    height, width = bits.shape[1:]
    rows, columns = np.nonzero(wanted.any(axis=0))
    if not rows.size:
        rows, columns = np.array([0, height - 1]), np.array([0, width - 1])
    covers = max(int(np.ptp(rows)), int(np.ptp(columns)))
    side = min(max(covers + 2 * _MARGIN, _SMALLEST), height, width)
    corner = []
    for covered, size in ((rows, height), (columns, width)):
        middle = (int(covered.min()) + int(covered.max())) // 2
        corner.append(int(np.clip(middle - side // 2, 0, size - side)))
    return slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side)


def _outline(panel: np.ndarray, bits: masks.Bits, classes: Sequence[int]) -> None:
    import cv2

    for c in range(8 * bits.dtype.itemsize):
        plane = masks.plane(bits, c).astype(np.uint8)
        if not plane.any():
            continue
        large = cv2.resize(
            plane, panel.shape[1::-1], interpolation=cv2.INTER_LINEAR_EXACT
        )
        found, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        blue_green_red = pictures.class_rgb(c)[::-1]
        thickness = 2 if c in classes else 1
        cv2.drawContours(panel, found, -1, blue_green_red, thickness, cv2.LINE_AA)


def _write(panel: np.ndarray, text: str) -> None:
    import cv2

    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            panel, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, thickness,
            cv2.LINE_AA,
        )  # fmt: skip


def _intensities(axes: Any, scans: Mapping[str, Any]) -> None:
    """Grey values of all scans, darkest first: the middle half, and nearly all."""
    values = [list(scan["intensity"].values()) for scan in scans.values()]
    levels = np.array(sorted(values, key=lambda each: each[len(each) // 2])).T
    place = np.arange(levels.shape[1])
    axes.fill_between(
        place, levels[1], levels[-2], color="#2a6fd6", alpha=0.18, step="mid"
    )
    axes.fill_between(
        place, levels[2], levels[-3], color="#2a6fd6", alpha=0.35, step="mid"
    )
    axes.plot(place, levels[len(levels) // 2], color="#2a6fd6", drawstyle="steps-mid")
    axes.set_yscale("symlog", linthresh=10)
    axes.set_xticks([])
    _label(axes, "scans, darkest first", "grey value")


def _volumes(axes: Any, place: int, values: Sequence[float]) -> None:
    spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(values))
    colour = pictures.class_colour(place)
    axes.scatter(place + spread, values, s=10, color=colour, alpha=0.7)


def _label(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x, color=_INK, fontsize=9)
    axes.set_ylabel(y, color=_INK, fontsize=9)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _plain(name: str) -> str:
    # Matplotlib hides labels that begin with "_" and reads "$" as a formula.
    return " " + name.replace("$", r"\$")
