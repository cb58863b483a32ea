"""Pair the volumes or pictures to convert with their labels, and number the cases."""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Callable, Collection

from competition.core import console

# Images by their names, from a folder.
Find = Callable[[pathlib.Path], dict[str, pathlib.Path]]
_SEPARATOR = r"[^A-Za-z0-9]"


@dataclasses.dataclass(frozen=True, slots=True)
class Folders:
    """The folders of the images, of their labels, and of the test's images."""

    images: pathlib.Path
    labels: pathlib.Path
    test: pathlib.Path | None


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """An image and, unless it is of the test, its labels."""

    case: int
    name: str
    image: pathlib.Path
    label: pathlib.Path | None
    day: int = 0

    @property
    def scan(self) -> str:
        """The scan that it becomes."""
        return f"case{self.case}_day{self.day}"

    @property
    def part(self) -> str:
        """The part of the competition folder that it belongs to."""
        return "train" if self.label else "test"


def find(folders: Folders, find: Find) -> list[Pair]:
    """Pair images with labels of the same name, and add the test; number cases from 1.

    An image x_0000 goes with labels x: the number is that of its only channel, unless
    another image is x_0001. If names differ, 21_training goes with 21_manual1, see
    `_by_beginning`.
    """
    labels, test = folders.labels, folders.test
    images, labelled = find(folders.images), find(labels)
    train = _by_name(images, labelled)
    if train.keys() - labelled.keys():
        labelled = _by_beginning(train, labelled)
    missing = [name for name in train if name not in labelled]
    if missing:
        raise ValueError(
            f"{labels}: no labels for {len(missing)} of {len(train)} images: "
            f"{', '.join(missing[:5])}. Labels are named as their image, or begin with "
            "its name; move images without labels to another folder, and give it as "
            "`test`."
        )
    if spare := len(labelled) - len(train):
        console.warn(f"{labels}: {spare} labels without an image; left out.")
    pairs = [
        Pair(case, name, image, labelled[name])
        for case, (name, image) in enumerate(sorted(train.items()), start=1)
    ]
    if not test:
        return pairs
    unlabelled = find_unlabelled(test, find, first=len(pairs) + 1)
    if both := sorted(train.keys() & {pair.name for pair in unlabelled}):
        raise ValueError(
            f"{both[0]}: expected an image under `images` or under `test`, received "
            "it under both. Remove or rename one of them."
        )
    return pairs + unlabelled


def find_unlabelled(folder: pathlib.Path, find: Find, *, first: int = 1) -> list[Pair]:
    """Return the images of a folder without labels; number cases from `first` on."""
    ordered = sorted(_by_name(find(folder), ()).items())
    return [
        Pair(case, name, image, None)
        for case, (name, image) in enumerate(ordered, start=first)
    ]


def _by_name(
    paths: dict[str, pathlib.Path], labelled: Collection[str]
) -> dict[str, pathlib.Path]:
    """Return the images by name without the channel, which labels do not have."""
    others = (name for name in paths if name not in labelled)
    matches = (re.fullmatch(r"(.+)_[0-9]{4}", name) for name in others)
    numbered = collections.Counter(match[1] for match in matches if match)
    by_name: dict[str, pathlib.Path] = {}
    for full, path in paths.items():
        short = full.removesuffix("_0000")
        name = short if full not in labelled and numbered[short] == 1 else full
        if by_name.setdefault(name, path) != path:
            raise ValueError(
                f"{path} and {by_name[name].name} are both {name}. "
                "Remove or rename one of them."
            )
    return by_name


def _by_beginning(
    images: Collection[str], labelled: dict[str, pathlib.Path]
) -> dict[str, pathlib.Path]:
    """Return labels by the name of the image with which their name begins.

    If images are left without labels, the ending that all images share is ignored for
    them: 21_training and 22_training go with 21_manual1 and 22_manual1. An ending with
    a number is not ignored, since it may tell visits apart. Labels of no image keep
    their name.
    """
    by_image = _beginning({name: name for name in images}, labelled)
    without = [name for name in images if name not in by_image]
    ending = _common_ending(images)
    if not (without and ending):
        return by_image
    spare = {own: path for own, path in by_image.items() if own not in images}
    found = {name: path for name, path in by_image.items() if name in images}
    return found | _beginning({n.removesuffix(ending): n for n in without}, spare)


def _beginning(
    images: dict[str, str], labelled: dict[str, pathlib.Path]
) -> dict[str, pathlib.Path]:
    """Return labels by their image: their name begins as the name of the image does.

    `images` has the images by these beginnings. Labels of no image keep their name.
    """
    by_image: dict[str, pathlib.Path] = {}
    for own, path in labelled.items():
        # Take the longest name: 1_2_mask belongs to 1_2, not to 1.
        lengths = [m.start() for m in re.finditer(f"{_SEPARATOR}|$", own)]
        name = next(
            (images[own[:n]] for n in reversed(lengths) if own[:n] in images), own
        )
        if by_image.setdefault(name, path) != path:
            raise ValueError(
                f"{path} and {by_image[name].name} are both labels of {name}. Keep one "
                "in the folder."
            )
    return by_image


def _common_ending(images: Collection[str]) -> str:
    """Return the longest ending that all names share, if it holds no number."""
    first = next(iter(images))
    endings = [first[m.start() :] for m in re.finditer(_SEPARATOR, first)]
    shared = [each for each in endings if all(name.endswith(each) for name in images)]
    if not shared or len(images) == 1 or re.search(r"\d", shared[0]):
        return ""
    return shared[0]
