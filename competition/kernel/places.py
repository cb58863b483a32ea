"""Where a run and its bundle lie on this machine."""

import dataclasses
import pathlib
from typing import Any

from competition.core import files
from competition.core.experiment import layout


@dataclasses.dataclass(frozen=True, slots=True)
class BundlePlace:
    """A run called `name` of an `experiment` (name or path), and its data set."""

    experiment: str
    name: str
    work: pathlib.Path
    dataset: layout.DatasetFiles

    @property
    def run(self) -> layout.RunFiles:
        """The files of the run."""
        return self.dataset.run(self.name)

    def built(self, what: str) -> pathlib.Path:
        """The folder of the built dataset and kernel; `what` is train or submit."""
        return self.work / "kernels" / f"{self.name}-{what}"

    def state(self, what: str) -> dict[str, Any]:
        """What was pushed and submitted of the run so far, from its kernel.json."""
        path = self.run.root / "kernel.json"
        known = files.read_json(path) if path.is_file() else {}
        return dict(known.get(what, {}))

    def keep(self, what: str, state: dict[str, Any]) -> None:
        """Keep what was pushed and submitted in the run's kernel.json."""
        path = self.run.root / "kernel.json"
        known = files.read_json(path) if path.is_file() else {}
        files.write_json(path, known | {what: state})


def find(
    experiment: str,
    *,
    work: pathlib.Path,
    data: pathlib.Path | None = None,
    name: str | None = None,
) -> BundlePlace:
    """Find the run of an experiment under `work`; `data` chooses where there are more.

    Where no run is there yet, the one prepared data set is taken.
    """
    name = name or pathlib.Path(experiment).stem
    if data is not None:
        return BundlePlace(experiment, name, work, layout.dataset(data, work))
    prepared = [
        layout.DatasetFiles(path.parent) for path in sorted(work.glob("*/slices.csv"))
    ]
    found = [each for each in prepared if each.run(name).config.is_file()] or prepared
    if len(found) != 1:
        listed = ", ".join(str(each.root) for each in found) or "none"
        raise ValueError(
            f"{work}: expected one data set with a run {name!r}. Received: {listed}. "
            "Say which by --data, or prepare and train first."
        )
    return BundlePlace(experiment, name, work, found[0])


def built(place: BundlePlace, what: str) -> pathlib.Path:
    """The folder that `build` made, or an error where it has not."""
    folder = place.built(what)
    if not (folder / "kernel" / "kernel-metadata.json").is_file():
        raise ValueError(
            f"{folder}: no kernel is built. Run `python -m competition kernel build "
            f"--experiment {place.experiment} --what {what} --user USER` first."
        )
    return folder
