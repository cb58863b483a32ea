"""Which volumes to convert: images with their label volumes, numbered as cases."""

import dataclasses
import pathlib
from collections.abc import Collection

from competition.core import console
from competition.sources.convert import volumes


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


def find(
    images: pathlib.Path, labels: pathlib.Path, test: pathlib.Path | None
) -> list[VolumePair]:
    """Pair images with labels of the same name, then the test, cases from 1 by name.

    An image x_0000 goes with labels x: the number is that of its only channel.
    """
    labelled = volumes.find(labels)
    train = _by_name(volumes.find(images), labelled)
    missing = [name for name in train if name not in labelled]
    if missing:
        raise ValueError(
            f"{labels}: no label volume for {len(missing)} of {len(train)} images: "
            f"{', '.join(missing[:5])}. Labels are named as their image; move images "
            "without labels to another folder and give it as `test`."
        )
    if spare := len(labelled) - len(train):
        console.warn(f"{labels}: {spare} label volumes without an image; left out.")
    unlabelled = _by_name(volumes.find(test), ()) if test else {}
    if both := sorted(train.keys() & unlabelled.keys()):
        raise ValueError(
            f"{both[0]}: expected a volume under `images` or under `test`, received "
            "it under both. Remove or rename one of them."
        )
    ordered = sorted(train.items()) + sorted(unlabelled.items())
    return [
        VolumePair(case, name, image, labelled[name] if name in train else None)
        for case, (name, image) in enumerate(ordered, start=1)
    ]


def _by_name(
    paths: dict[str, pathlib.Path], labelled: Collection[str]
) -> dict[str, pathlib.Path]:
    """Return the volumes by name without the channel, which labels do not have."""
    by_name: dict[str, pathlib.Path] = {}
    for full, path in paths.items():
        name = full if full in labelled else full.removesuffix("_0000")
        if by_name.setdefault(name, path) != path:
            raise ValueError(
                f"{path} and {by_name[name].name} are both volume {name}. "
                "Remove or rename one of them."
            )
    return by_name
