"""The run that goes to Kaggle, its bundle on this machine, and what was pushed."""

import dataclasses
import pathlib
from typing import Any

from competition.core import files
from competition.core.experiment import layout


@dataclasses.dataclass(frozen=True, slots=True)
class RunBundle:
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
        """Return the folder of the built dataset and kernel of `what`."""
        return self.work / "kernels" / f"{self.name}-{what}"

    def state(self, what: str) -> dict[str, Any]:
        """Return the record of what was pushed and submitted, from kernel.json."""
        path = self.run.root / "kernel.json"
        known = files.read_json(path) if path.is_file() else {}
        return dict(known.get(what, {}))

    def keep(self, what: str, state: dict[str, Any]) -> None:
        """Write the record of what was pushed and submitted to kernel.json."""
        path = self.run.root / "kernel.json"
        known = files.read_json(path) if path.is_file() else {}
        files.write_json(path, known | {what: state})


def find(
    experiment: str,
    *,
    work: pathlib.Path,
    data: pathlib.Path | None = None,
    name: str | None = None,
) -> RunBundle:
    """Find the run of an experiment under `work`; `data` chooses where there are more.

    Where no run is there yet, the one prepared data set is taken.
    """
    name = name or pathlib.Path(experiment).stem
    if data is not None:
        return RunBundle(experiment, name, work, layout.dataset(data, work))
    prepared = [
        layout.DatasetFiles(path.parent) for path in sorted(work.glob("*/slices.csv"))
    ]
    with_run = [dataset for dataset in prepared if dataset.run(name).config.is_file()]
    candidates = with_run or prepared
    if len(candidates) != 1:
        listed = ", ".join(str(dataset.root) for dataset in candidates) or "none"
        raise ValueError(
            f"{work}: expected one data set with a run {name!r}. Received: {listed}. "
            "Say which by --data, or prepare and train first."
        )
    return RunBundle(experiment, name, work, candidates[0])


def built(bundle: RunBundle, what: str) -> pathlib.Path:
    """Return the folder that `build` made; without a built kernel it raises."""
    folder = bundle.built(what)
    if not (folder / "kernel" / "kernel-metadata.json").is_file():
        raise ValueError(
            f"{folder}: no kernel is built. Run `python -m competition kernel build "
            f"--experiment {bundle.experiment} --what {what} --user USER` first."
        )
    return folder
