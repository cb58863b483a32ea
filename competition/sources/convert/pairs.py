"""Which volumes to convert: images with their label volumes, numbered as cases."""

import dataclasses
import pathlib
from collections.abc import Collection

from competition.core import console
from competition.sources.convert import volumes

_SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True)
class VolumePair:
    """A volume and, unless it is of the test, its label volume."""

    case: int
    name: str
    image: pathlib.Path
    label: pathlib.Path | None

    @property
    def scan(self) -> str:
        """The scan that it becomes: a case is one volume, its day is 0."""
        return f"case{self.case}_day0"

    @property
    def part(self) -> str:
        """The part it belongs to, "train" or "test"."""
        return "test" if self.label is None else "train"


def find(
    images: pathlib.Path, labels: pathlib.Path, test: pathlib.Path | None
) -> list[VolumePair]:
    """Pair images with labels of the same name, then the test, cases from 1 by name.

    An image x_0000 goes with labels x: the number is that of its only channel.
    """
    found, labelled = volumes.find(images), volumes.find(labels)
    named = _named(found, labelled)
    _check_labels(labels, list(named), labelled)
    unlabelled = volumes.find(test) if test else {}
    named_test = _named(unlabelled, ())
    if both := sorted(named.keys() & named_test.keys()):
        raise ValueError(
            f"{both[0]}: expected a volume under --images or under --test, received "
            "it under both. Remove or rename one of them."
        )
    ordered = sorted(named.items()) + sorted(named_test.items())
    return [
        VolumePair(case, name, image, labelled[name] if name in named else None)
        for case, (name, image) in enumerate(ordered, start=1)
    ]


def _named(
    found: dict[str, pathlib.Path], labelled: Collection[str]
) -> dict[str, pathlib.Path]:
    """The volumes by name without the channel, which labels do not have."""
    named: dict[str, pathlib.Path] = {}
    for full, path in found.items():
        name = full if full in labelled else full.removesuffix("_0000")
        if named.setdefault(name, path) != path:
            raise ValueError(
                f"{path} and {named[name].name} are both volume {name}. "
                "Remove or rename one of them."
            )
    return named


def _check_labels(
    folder: pathlib.Path, wanted: Collection[str], labelled: Collection[str]
) -> None:
    missing = [name for name in wanted if name not in labelled]
    if missing:
        raise ValueError(
            f"{folder}: no label volume for {len(missing)} of {len(wanted)} images: "
            f"{', '.join(missing[:_SHOWN])}. Labels are named as their image; move "
            "images without labels to another folder and give it as --test."
        )
    if spare := len(labelled) - len(wanted):
        console.warn(f"{folder}: {spare} label volumes without an image; left out.")
