"""A run and its kernels: the built folders, and the record of what was pushed."""

import dataclasses
import pathlib
from typing import Annotated, Any, Literal

import annotated_types
import typing_extensions

from competition.core import files
from competition.core.experiment import layout

What = Literal["train", "submit"]


class Metadata(typing_extensions.TypedDict):
    """The entries of kernel-metadata.json that are read back."""

    id: str
    competition_sources: Annotated[tuple[str, ...], annotated_types.Len(1, 1)]
    dataset_sources: Annotated[tuple[str, ...], annotated_types.Len(1)]
    kernel_sources: tuple[str, ...]
    machine_shape: str


# All of Kaggle's TPUs have as many.
TPU_DEVICES = 8


def is_tpu(machine: str) -> bool:
    """Return whether a machine_shape of Kaggle's, such as "TpuV5E8", is a TPU."""
    return machine.lower().startswith("tpu")


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A run of an experiment (name or path), and one of its two kernels.

    The kernel trains or submits, as `what` says. `data` is the competition folder, if
    the caller named one.
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
        return self.dataset.root / "kernels" / f"{self.name}-{self.what}"

    @property
    def built(self) -> pathlib.Path:
        """The same folder; an error if no kernel is built in it."""
        if not (self.folder / "kernel" / "kernel-metadata.json").is_file():
            raise ValueError(
                f"{self.folder}: no kernel is built. Run `python -m competition kernel "
                f"build --experiment {self.experiment} --what {self.what} --user USER` "
                "first."
            )
        return self.folder

    def metadata(self) -> Metadata:
        """Return what `build` wrote for Kaggle about the kernel."""
        metadata: Metadata = files.read_json(
            self.built / "kernel" / "kernel-metadata.json",
            Metadata,
            remedy="Build the kernel again.",
        )
        return metadata

    @property
    def record(self) -> pathlib.Path:
        """The file that records what was pushed and submitted of both kernels."""
        return self.run.kernel

    def state(self) -> dict[str, Any]:
        """Return the record of this kernel."""
        return self._states().get(self.what, {})

    def keep(self, state: dict[str, Any]) -> None:
        """Replace the record of this kernel."""
        files.write_json(self.record, self._states() | {self.what: state})

    def _states(self) -> dict[str, dict[str, Any]]:
        if not self.record.is_file():
            return {}
        states: dict[str, dict[str, Any]] = files.read_json(
            self.record,
            dict[str, dict[str, Any]],
            remedy="Delete it and push the kernel again.",
        )
        return states


def find(
    experiment: str,
    what: What = "submit",
    *,
    work: pathlib.Path,
    data: pathlib.Path | None = None,
    name: str | None = None,
) -> Bundle:
    """Return the bundle of an experiment's run under `work`; see `layout.find`.

    The experiment "auto" is trained as it was planned for the data.
    """
    name = layout.run_name(experiment) if name is None else name
    dataset = layout.find(name, work, data)
    if what == "train":
        # Imported late: the command line must be fast to show its help.
        from competition.study import auto

        experiment = auto.planned(experiment, dataset)
    return Bundle(experiment, name, what, work, dataset, data)
