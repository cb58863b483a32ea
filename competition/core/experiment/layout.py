"""Where every file lies: the prepared data set and its runs under `work/`."""

import dataclasses
import pathlib

# Written by `convert` into a competition folder: the geometry that PNGs cannot keep.
GEOMETRY = "geometry.json"


@dataclasses.dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of one run, `work/<dataset>/runs/<experiment>/`."""

    root: pathlib.Path

    @property
    def config(self) -> pathlib.Path:
        """The complete config, the classes and the data's fingerprint."""
        return self.root / "config.json"

    def fold(self, fold: int) -> pathlib.Path:
        """The folder of a fold: best.weights.h5, state.npz, history.csv."""
        return self.root / f"fold{fold}"

    def history(self, fold: int) -> pathlib.Path:
        """Loss and score of a fold's epochs."""
        return self.fold(fold) / "history.csv"

    def weights(self, fold: int) -> pathlib.Path:
        """The best weights of a fold."""
        return self.fold(fold) / "best.weights.h5"

    def oof(self, scan: str) -> pathlib.Path:
        """The out-of-fold probabilities of a scan."""
        return self.root / "oof" / f"{scan}.npz"

    @property
    def decision(self) -> pathlib.Path:
        """The decision rule of every class."""
        return self.root / "decision.json"

    @property
    def score(self) -> pathlib.Path:
        """The scores, out of fold and, where the truth is known, of the submission."""
        return self.root / "score.json"

    @property
    def report(self) -> pathlib.Path:
        """The page about the run."""
        return self.root / "report.html"

    @property
    def submission(self) -> pathlib.Path:
        """The file that Kaggle scores."""
        return self.root / "submission.csv"


@dataclasses.dataclass(frozen=True, slots=True)
class SearchFiles:
    """The files of a search, `work/<dataset>/search/<experiment>/`."""

    root: pathlib.Path

    @property
    def study(self) -> pathlib.Path:
        """The SQLite file of all trials."""
        return self.root / "study.db"

    @property
    def best(self) -> pathlib.Path:
        """The experiment with the values of the best trial."""
        return self.root / "best.toml"

    @property
    def table(self) -> pathlib.Path:
        """One row a trial: its state, score and values."""
        return self.root / "trials.csv"

    @property
    def picture(self) -> pathlib.Path:
        """The best trials' scores by epoch."""
        return self.root / "trials.png"

    def trial(self, name: str) -> RunFiles:
        """The run that a trial trains."""
        return RunFiles(self.root / name)


@dataclasses.dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The files of one prepared data set, `work/<dataset>/`."""

    root: pathlib.Path

    @property
    def slices(self) -> pathlib.Path:
        """The slice table."""
        return self.root / "slices.csv"

    @property
    def manifest(self) -> pathlib.Path:
        """Where the data came from and how it was prepared."""
        return self.root / "manifest.json"

    def scan(self, scan: str) -> pathlib.Path:
        """The uint16 slices (D, H, W) of a scan."""
        return self.root / "scans" / f"{scan}.npy"

    def masks(self, scan: str) -> pathlib.Path:
        """The mask bits (D, H, W) of a scan."""
        return self.root / "masks" / f"{scan}.npy"

    def record(self, scan: str) -> pathlib.Path:
        """What a scan's arrays were made of; written after them."""
        return self.root / "scans" / f"{scan}.json"

    def run(self, name: str) -> RunFiles:
        """The files of the run called `name`, which is a plain file name."""
        return RunFiles(self.root / "runs" / _plain(name))

    def search(self, name: str) -> SearchFiles:
        """The files of the search called `name`, which is a plain file name."""
        return SearchFiles(self.root / "search" / _plain(name))


def _plain(name: str) -> str:
    if not name or name in (".", "..") or set(name) & set("/\\\0"):
        raise ValueError(
            "A run's name is one part of a path, such as 'unet'. "
            f"Received: {name!r}. Choose another --name."
        )
    return name


def run_of(dataset: DatasetFiles, experiment: str) -> RunFiles:
    """The run of an experiment: by its own name, or by that of its TOML."""
    return dataset.run(pathlib.Path(experiment).name.removesuffix(".toml"))


def dataset(data: pathlib.Path, work: pathlib.Path) -> DatasetFiles:
    """Return the prepared data set of a competition folder: its base name in `work`."""
    return DatasetFiles(work / data.resolve().name)
