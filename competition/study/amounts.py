"""Count the data that an experiment trains on, and the steps of its training."""

import dataclasses
import math
import pathlib

from competition.core.data import annotations, images, mask_csv
from competition.core.experiment import configs, runs


@dataclasses.dataclass(frozen=True, slots=True)
class Amounts:
    """The training data: `positives` are slices with an organ, `pixels` of all slices.

    `folds` is their number, as `prepare` makes them. Slices lie across z. Those across
    y are `slices_y` and `positives_y`, or 0 if they were not counted.
    """

    slices: int
    positives: int
    scans: int
    pixels: int
    classes: int = 3
    folds: int = 5
    slices_y: int = 0
    positives_y: int = 0

    @property
    def depth(self) -> int:
        """The mean number of slices of a scan."""
        return max(1, round(self.slices / self.scans))

    @property
    def bytes(self) -> int:
        """The bytes that prepared scans and masks take on the disk."""
        return self.pixels * (3 if self.classes <= 8 else 4)


# The competition's training data.
REAL = Amounts(slices=38_496, positives=16_590, scans=274, pixels=3_186_782_784)
# The hidden test has about 50 cases, taken to be as large as the 85 for training.
TEST_SLICES = round(REAL.slices * 50 / 85)


def of(data: pathlib.Path) -> Amounts:
    """Return the amounts of a competition folder, from its names and train.csv.

    Files with a fault are not counted: `prepare` names them, or leaves out their scan.
    """
    found, _ = images.find_with_problems(data, "train")
    path = data / "train.csv"
    if not found or not path.is_file():
        raise ValueError(
            f"{data}: expected a competition folder with train.csv and slices in "
            "train/. Check `data`, or leave it out to plan for the competition's data."
        )
    rows, _ = mask_csv.read_with_problems(path, "segmentation")
    return Amounts(
        slices=len(found),
        positives=len({row.id for row in rows if row.rle}),
        scans=len({image.scan for image in found}),
        pixels=sum(image.width * image.height for image in found),
        classes=len(annotations.classes(rows)),
        folds=min(5, len({image.case for image in found})),
    )


def folds(config: configs.Config, data: Amounts) -> int:
    """Return how many networks an experiment trains on the data."""
    return len(runs.present_folds(config.folds, data.folds))


def slices(config: configs.Config, data: Amounts) -> int:
    """Return about how many slices all scans have across the experiment's axis."""
    if config.axis == "z":
        return data.slices
    if config.axis == "y" and data.slices_y:
        return data.slices_y
    # Across another axis, a scan has as many slices as a slice has rows or columns.
    return round(data.scans * math.sqrt(data.pixels / data.slices))


def share(config: configs.Config, data: Amounts) -> float:
    """Return about which share of the slices across the experiment's axis has masks."""
    if config.axis == "y" and data.slices_y:
        return data.positives_y / data.slices_y
    return data.positives / data.slices


def training_slices(config: configs.Config, data: Amounts) -> int:
    """Return about how many slices a fold trains on; an epoch may take only some."""
    share = 1.0 if "all" in config.folds else 1 - 1 / data.folds
    return round(share * slices(config, data))


def test_slices(config: configs.Config) -> int:
    """Return about how many slices the hidden test has across the experiment's axis."""
    return round(TEST_SLICES * slices(config, REAL) / REAL.slices)


def steps(config: configs.Config, data: Amounts) -> int:
    """Return about how many batches an epoch of a fold has."""
    # Neither of these modules loads a framework.
    from competition.net.input import stack_samples
    from competition.net.volumetric import patch_samples

    volumetric = config.model.volumetric
    kind = patch_samples.PatchGatherer if volumetric else stack_samples.StackGatherer
    rows = training_slices(config, data)
    if config.sampling.slices != "all":
        positives = round(rows * share(config, data))
        rows = positives + round(config.sampling.empties * (rows - positives))
    return max(1, kind(config).count(rows) // config.training.batch)
