"""The path of every file: the prepared data set and its runs under `work/`."""

import dataclasses
import pathlib
from typing import Literal

# A fold is named by its number; "all" holds nothing out and trains on every case.
Fold = int | Literal["all"]
ALL: tuple[Fold, ...] = ("all",)
WORK = pathlib.Path("work")
# `convert` writes this file into a competition folder: geometry that PNGs cannot hold.
GEOMETRY = "geometry.json"
# A fold in training keeps this file: the state before the last one.
STATE_BEFORE = "state-before.npz"


@dataclasses.dataclass
class RunFiles:
    """The files of one run, `work/<dataset>/runs/<experiment>/`."""

    root: pathlib.Path

    def __post_init__(self) -> None:
        self.config = self.root / "config.json"  # with classes and fingerprint
        self.decision = self.root / "decision.json"  # the decision rule of every class
        self.score = self.root / "score.json"  # out of fold, and of the submission
        self.slices = self.root / "oof_slices.csv"  # pixels and Dice of each slice
        self.report = self.root / "report.html"
        self.pictures = self.root / "pictures"  # the page's contents as PNG files
        self.submission = self.root / "submission.csv"
        self.kernel = self.root / "kernel.json"  # what was pushed to Kaggle

    def fold(self, fold: Fold) -> pathlib.Path:
        """Return the folder of a fold: best.weights.h5, state.npz, history.csv."""
        return self.root / f"fold{fold}"

    def history(self, fold: Fold) -> pathlib.Path:
        """Return the file with loss and score of a fold's epochs."""
        return self.fold(fold) / "history.csv"

    def heartbeat(self, fold: Fold) -> pathlib.Path:
        """Return the file that says how far a fold is, while it is trained."""
        # Not in the fold's folder, which the first epoch makes.
        return self.root / f".fold{fold}.heartbeat"

    def weights(self, fold: Fold) -> pathlib.Path:
        """Return the file with the weights of a fold, by default its best ones."""
        return self.fold(fold) / "best.weights.h5"

    def oof(self, scan: str) -> pathlib.Path:
        """Return the file with the out-of-fold probabilities of a scan."""
        return self.root / "oof" / f"{scan}.npz"


@dataclasses.dataclass
class SearchFiles:
    """The files of a search, `work/<dataset>/search/<experiment>/`."""

    root: pathlib.Path

    def __post_init__(self) -> None:
        self.study = self.root / "study.db"  # the SQLite file of all trials
        self.best = self.root / "best.toml"  # the experiment of the best trial
        self.table = self.root / "trials.csv"  # state, score and values of each trial
        self.picture = self.root / "trials.png"  # the best trials' scores by epoch

    def trial(self, name: str) -> RunFiles:
        """Return the files of the run that a trial trains."""
        return RunFiles(self.root / plain(name))


@dataclasses.dataclass
class DatasetFiles:
    """The files of one prepared data set, `work/<dataset>/`."""

    root: pathlib.Path

    def __post_init__(self) -> None:
        self.slices = self.root / "slices.csv"
        self.manifest = self.root / "manifest.json"  # the data's source and preparation
        self.automatic = self.root / "auto.toml"  # the experiment planned for the data
        self.compiled = self.root / "compiled"  # programs that JAX has compiled

    def scan(self, scan: str) -> pathlib.Path:
        """Return the file with the uint16 slices (D, H, W) of a scan."""
        return self.root / "scans" / f"{scan}.npy"

    def masks(self, scan: str) -> pathlib.Path:
        """Return the file with the mask bits (D, H, W) of a scan."""
        return self.root / "masks" / f"{scan}.npy"

    def record(self, scan: str) -> pathlib.Path:
        """Return the file that says what a scan's arrays were made of."""
        return self.root / "scans" / f"{scan}.json"

    def run(self, name: str) -> RunFiles:
        """Return the files of the run called `name`, which is a plain file name."""
        return RunFiles(self.root / "runs" / plain(name))

    def search(self, name: str) -> SearchFiles:
        """Return the files of the search called `name`, which is a plain file name."""
        return SearchFiles(self.root / "search" / plain(name))


def plain(name: str) -> str:
    """Return the name if it is a single part of a path; refuse any other name."""
    if not name or name in (".", "..") or set(name) & set("/\\\0"):
        raise ValueError(
            "A name must be one part of a path, such as 'unet'. "
            f"Received: {name!r}. Choose another `name`."
        )
    return name


def parse_fold(text: str) -> Fold:
    """Read the name of a fold: its number, or "all"."""
    if text == "all":
        return "all"
    if not text.isdecimal():
        raise ValueError(
            f'A fold is named by its number, such as 0, or "all". Received: {text!r}.'
        )
    return int(text)


def run_name(experiment: str) -> str:
    """Return the name of an experiment's run: its own name, or that of its TOML."""
    return pathlib.Path(experiment).name.removesuffix(".toml")


def find(name: str, work: pathlib.Path, data: pathlib.Path | None) -> DatasetFiles:
    """Return the data set that has the run `name`; `data` chooses among data sets.

    If no data set has such a run yet, the only prepared one is returned.
    """
    if data is not None:
        return dataset(data, work)
    prepared = [DatasetFiles(path.parent) for path in sorted(work.glob("*/slices.csv"))]
    with_run = [each for each in prepared if each.run(name).config.is_file()]
    candidates = with_run or prepared
    if len(candidates) != 1:
        listed = ", ".join(str(each.root) for each in candidates) or "none"
        raise ValueError(
            f"{work}: expected one data set with a run {name!r}. Received: {listed}. "
            "Pass `data` (`of` to `kernel rehearse`) to choose one, or prepare and "
            "train first."
        )
    return candidates[0]


def dataset_of(run: pathlib.Path) -> pathlib.Path:
    """Return the data set's folder from the folder of a run or a search's trial."""
    above = (each.parent for each in run.parents if each.name in ("runs", "search"))
    return next(above, run)


def dataset(data: pathlib.Path, work: pathlib.Path) -> DatasetFiles:
    """Return the prepared data set of a competition folder: its base name in `work`."""
    return DatasetFiles(work / data.resolve().name)
