"""Sessions of a kernel at home, the data that they are given, and how they ended."""

import dataclasses
import pathlib
from collections.abc import Mapping

from competition.core import console, files
from competition.kernel.rehearse import environment, jail, mounts
from competition.sources import phantom


@dataclasses.dataclass(frozen=True, slots=True)
class Sessions:
    """How the sessions of a rehearsal are run, and the folder for what they leave.

    `variables` are set in the environment of each.
    """

    folder: pathlib.Path
    python: environment.Environment
    isolation: list[str]
    limits: jail.Limits
    variables: Mapping[str, str]

    def run(
        self,
        name: str,
        script: pathlib.Path,
        inputs: Mapping[str, pathlib.Path],
        *,
        until: str | None = None,
    ) -> tuple[jail.Outcome, pathlib.Path]:
        """Run a script; return how it ended, and the folder that was /kaggle/working.

        `inputs` are folders by their path under /kaggle/input. The script is killed if
        its log matches `until`.
        """
        console.note(f"== rehearsal: {name}")
        working = (self.folder / name / "working").resolve()
        working.mkdir(parents=True)
        kernel = mounts.Kernel(
            script.resolve(), inputs, working, self.python, self.variables
        )
        outcome = jail.run(kernel, self.limits, self.isolation, until=until)
        files.write_text(self.folder / name / "log.txt", outcome.log)
        return outcome, working


def failure(outcome: jail.Outcome) -> tuple[str, str] | None:
    """Return Kaggle's words and the reason if a session failed, else None."""
    last = "\n".join(outcome.log.splitlines()[-30:])
    if outcome.stopped == "time":
        return "Notebook Timeout", f"stopped after {outcome.seconds:.0f} s\n{last}"
    if outcome.stopped == "memory":
        memory = f"stopped at {outcome.memory_gb:.1f} GB of memory"
        return "Notebook Exceeded Allowed Compute", f"{memory}\n{last}"
    if outcome.status != 0:
        full = "No space left on device" in outcome.log
        words = "Exceeded Allowed Compute" if full else "Threw Exception"
        return f"Notebook {words}", last
    return None


def make_phantom(work: pathlib.Path) -> pathlib.Path:
    """Make a phantom for data that the caller does not have, and return its folder."""
    folder = work / "kernels" / "phantom"
    phantom.write(folder, small=True, seed=7)
    return folder


def without_test(data: pathlib.Path, view: pathlib.Path) -> pathlib.Path:
    """Return a folder of links to `data` without test and with a header-only sample."""
    view.mkdir(parents=True)
    for path in data.iterdir():
        if path.name not in ("test", "sample_submission.csv"):
            (view / path.name).symlink_to(path.resolve())
    (view / "sample_submission.csv").write_text("id,class,predicted\n", "utf-8")
    return view
