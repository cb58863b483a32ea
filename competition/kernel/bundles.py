"""A run and its kernels: the built folders, and the record of what was pushed."""

import dataclasses
import pathlib
from typing import Any, Literal

from competition.core import files
from competition.core.experiment import layout

What = Literal["train", "submit"]


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A run of an experiment (name or path), and one of its two kernels.

    The kernel trains or submits, as `what` says. `data` is the competition folder,
    where the caller named one.
    """

    experiment: str
    name: str
    what: What
    work: pathlib.Path
    dataset: layout.DatasetFiles
    data: pathlib.Path | None

    @property
    def run(self) -> layout.RunFiles:
        """The files of the run."""
        return self.dataset.run(self.name)

    @property
    def folder(self) -> pathlib.Path:
        """The folder of the dataset and the kernel that `build` makes."""
        return self.work / "kernels" / f"{self.name}-{self.what}"

    @property
    def built(self) -> pathlib.Path:
        """The same folder; without a built kernel in it, an error."""
        if not (self.folder / "kernel" / "kernel-metadata.json").is_file():
            raise ValueError(
                f"{self.folder}: no kernel is built. Run `python -m competition kernel "
                f"build --experiment {self.experiment} --what {self.what} --user USER` "
                "first."
            )
        return self.folder

    @property
    def record(self) -> pathlib.Path:
        """The file that records what was pushed and submitted, of both kernels."""
        return self.run.root / "kernel.json"

    def state(self) -> dict[str, Any]:
        """Return the record of this kernel."""
        states = files.read_json(self.record) if self.record.is_file() else {}
        return dict(states.get(self.what, {}))

    def keep(self, state: dict[str, Any]) -> None:
        """Replace the record of this kernel."""
        states = files.read_json(self.record) if self.record.is_file() else {}
        files.write_json(self.record, states | {self.what: state})


def find(
    experiment: str,
    what: What = "submit",
    *,
    work: pathlib.Path,
    data: pathlib.Path | None = None,
    name: str | None = None,
) -> Bundle:
    """Find the run of an experiment under `work`; `data` chooses among data sets.

    Where no data set has such a run yet, the only prepared data set is taken.
    """
    name = name or pathlib.Path(experiment).stem
    if data is not None:
        candidates = [layout.dataset(data, work)]
    else:
        tables = sorted(work.glob("*/slices.csv"))
        prepared = [layout.DatasetFiles(path.parent) for path in tables]
        with_run = [each for each in prepared if each.run(name).config.is_file()]
        candidates = with_run or prepared
    if len(candidates) != 1:
        listed = ", ".join(str(dataset.root) for dataset in candidates) or "none"
        raise ValueError(
            f"{work}: expected one data set with a run {name!r}. Received: {listed}. "
            "Pass `data` to choose one, or prepare and train first."
        )
    return Bundle(experiment, name, what, work, candidates[0], data)
