"""Damage one file of a run, call a command that reads it, and judge what came of it.

`python -m tests.soak.fuzz FOLDER CASES SEED` makes a run in FOLDER, and prints each
failure with the seed of its case: `FOLDER 1 SEED` repeats that case alone. With "each"
as CASES every kind of file is damaged once for every command that reads it.

A case passes if the command ends within a minute, either with code 0 and the result of
an undamaged run, or another result and a warning that names the file, or with code 1
and a message that names the file. A traceback, another code and a lost file fail.
"""

import dataclasses
import hashlib
import itertools
import os
import pathlib
import random
import shutil
import signal
import sys

import numpy as np

from competition.core.experiment import history
from competition.net import weights_file
from tests.soak import commands, forks, harm
from tests.soak.commands import DATA, RUN, STEPS

SECONDS = 60.0
# Most of the time is tracing the network, so it has a single level.
OVERRIDES = (
    "model.widths=[4]",
    "augment.engine=none",
    "training.tensorboard=false",
)
HALF = "work/competition/runs/half"


@dataclasses.dataclass(frozen=True)
class Job:
    """A command line, what it must make anew, and the results that are compared."""

    command: tuple[str, ...]
    anew: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    prints_result: bool = False


JOBS = {
    "prepare": Job(
        STEPS["prepare"],
        results=("work/competition/slices.csv", "work/competition/scans/*.npy",
                 "work/competition/masks/*.npy"),
    ),
    "train": Job(
        STEPS["train"], results=(f"{RUN}/fold*/best.weights.h5",)
    ),
    "resume": Job(
        ("train", "--run", HALF), results=(f"{HALF}/fold0/best.weights.h5",)
    ),
    "predict": Job(
        STEPS["predict"], anew=(f"{RUN}/oof",),
        results=(f"{RUN}/oof/*.npz",),
    ),
    "heal": Job(STEPS["predict"], results=(f"{RUN}/oof/*.npz",)),
    "decide": Job(
        STEPS["decide"], anew=(f"{RUN}/decision.json",),
        results=(f"{RUN}/decision.json",),
    ),
    "submit": Job(
        (*STEPS["submit"], "--out", "out/submission.csv"),
        results=("out/submission.csv",),
    ),
    "again": Job(
        STEPS["submit"], results=(f"{RUN}/submission.csv",)
    ),
    "validate": Job(
        (*STEPS["validate"], "--json"), prints_result=True,
    ),
    "score": Job(
        (*STEPS["score"], "--json"), prints_result=True,
    ),
    "report": Job(STEPS["report"], anew=(f"{RUN}/report.html",)),
}  # fmt: skip
# Which files there are to damage, of what kind they are, and who reads them.
TARGETS = [
    ("work/competition/slices.csv", "csv", ("predict", "decide", "train", "report")),
    ("work/competition/manifest.json", "json", ("prepare", "predict", "train")),
    ("work/competition/scans/*.json", "json", ("prepare",)),
    ("work/competition/scans/*.npy", "npy", ("prepare", "predict")),
    ("work/competition/masks/*.npy", "npy", ("prepare", "decide", "report")),
    (f"{RUN}/config.json", "json", ("submit", "again", "predict", "report")),
    (f"{RUN}/decision.json", "json", ("submit", "again", "report")),
    (f"{RUN}/score.json", "json", ("report",)),
    (f"{RUN}/oof_slices.csv", "csv", ("report",)),
    (f"{RUN}/fold*/history.csv", "csv", ("train", "report")),
    (f"{RUN}/fold*/best.weights.h5", "h5", ("submit", "predict", "again")),
    (f"{HALF}/fold0/state.npz", "npz", ("resume",)),
    (f"{HALF}/fold0/history.csv", "csv", ("resume",)),
    (f"{HALF}/fold0/best.weights.h5", "h5", ("resume",)),
    (f"{RUN}/oof/*.npz", "npz", ("decide", "report", "heal")),
    (f"{RUN}/submit.log", "bytes", ("again", "report")),
    (f"{RUN}/submission.csv", "csv", ("validate", "score", "again")),
    (f"{DATA}/train.csv", "csv", ("prepare",)),
    (f"{DATA}/sample_submission.csv", "csv", ("submit", "validate")),
    (f"{DATA}/test/*/*/scans/*.png", "bytes", ("submit",)),
    (f"{DATA}/train/*/*/scans/*.png", "bytes", ("prepare",)),
    ("data/solution.csv", "csv", ("score",)),
    ("tiny.toml", "toml", ("train", "predict")),
]
PAIRS = {(pattern, name) for pattern, _, names in TARGETS for name in names}
# What a person may have changed: that another result follows is no fault.
SOURCES = ("data/", "tiny.toml")


class Fuzz:
    """A finished run in `root/case`, and a copy of it to return to."""

    def __init__(self, root: pathlib.Path) -> None:
        self.case, self.whole = root / "case", root / "whole"
        self.said = root / "said.txt"
        if not self.whole.is_dir():
            _make(self.case)
            shutil.copytree(self.case, self.whole, symlinks=True)
        self.expected = {name: self._reference(job) for name, job in JOBS.items()}

    def _reference(self, job: Job) -> dict[str, str]:
        self._restore(job)
        code, said = self._call(job)
        assert code == 0, said
        return self._results(job)

    def try_one(self, seed: int) -> tuple[str, str | None]:
        """Return the case of a seed in words, and what is wrong with its end, if so."""
        draw = random.Random(seed)
        pattern, kind, name = _chosen(draw)
        job = JOBS[name]
        self._restore(job)
        path = draw.choice(sorted(self.case.glob(pattern)))
        inside = path.relative_to(self.case)
        done = draw.choice(harm.HARMS[kind])(path, draw)
        before = set(self._files())
        code, said = self._call(job)
        case = f"seed {seed}: {inside} {done}; {name}"
        return case, self._judge(job, name, inside, code=code, said=said, before=before)

    def _judge(
        self,
        job: Job,
        name: str,
        path: pathlib.Path,
        *,
        code: int | None,
        said: str,
        before: set[str],
    ) -> str | None:
        if code is None:
            return f"it ran for more than {SECONDS} s"
        if "Traceback" in said:
            return said[-3000:]
        if code not in (0, 1):
            return f"code {code}: {said[-500:]}"
        if lost := before - set(self._files()) - {str(path)}:
            return f"lost: {sorted(lost)[:3]}"
        # A scan, a fold or a part of it names its files too.
        marks = {path.name, path.stem, path.parent.name}
        if "scans" in path.parts:
            marks |= set(path.parts)
        named = any(mark in said for mark in marks if len(mark) > 3)
        if code == 1:
            # `validate` prints what is wrong with the file that it was given.
            told = named or job.prints_result
            return None if told else f"the message names no file: {said[-500:]}"
        if str(path).startswith(SOURCES) or named:
            return None
        if self._results(job) != self.expected[name]:
            return f"another result without a word: {said[-300:]}"
        return None

    def _restore(self, job: Job) -> None:
        shutil.rmtree(self.case, ignore_errors=True)
        shutil.copytree(self.whole, self.case, symlinks=True)
        for each in job.anew:
            path = self.case / each
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _files(self) -> list[str]:
        return [
            str(path.relative_to(self.case))
            for path in self.case.rglob("*")
            if not path.name.startswith(".") and not path.is_dir()
        ]

    def _call(self, job: Job) -> tuple[int | None, str]:
        """Run the command in a child; return its code, None for none, and its words."""
        child = commands.start(job.command, self.case, self.said, before=forks.install)
        code = commands.wait(child, seconds=SECONDS)
        if code is None:
            # With the processes that it has started.
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        log = self.case / "out" / "submit.log"
        paths = [self.said, *([log] if log.is_file() else [])]
        return code, "".join(path.read_text("utf-8", "replace") for path in paths)

    def _results(self, job: Job) -> dict[str, str]:
        results = {}
        for pattern in job.results:
            for path in sorted(self.case.glob(pattern)):
                results[str(path.relative_to(self.case))] = _content(path)
        if job.prints_result:
            results["printed"] = self.said.read_text("utf-8").splitlines()[-1]
        return results


def _chosen(draw: random.Random) -> tuple[str, str, str]:
    """Draw which files are damaged, their kind, and who reads them."""
    pattern, kind, names = draw.choice(TARGETS)
    return pattern, kind, draw.choice(names)


def _seeds(cases: str, first: int) -> list[int]:
    """Return the seeds of so many cases, or of one for each of PAIRS."""
    if cases != "each":
        return [*range(first, first + int(cases))]
    seeds: dict[tuple[str, str], int] = {}
    for seed in itertools.count(first):
        pattern, _, name = _chosen(random.Random(seed))
        seeds.setdefault((pattern, name), seed)
        if len(seeds) == len(PAIRS):
            return [*seeds.values()]


def _content(path: pathlib.Path) -> str:
    """Return a digest of what a file means, not of times or bytes without meaning."""
    if path.suffix == ".h5":
        return weights_file.check(path)
    if path.suffix != ".npz":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path) as stored:
        names = sorted({"probability", "presence"} & set(stored.files))
        arrays = [(name, stored[name].tobytes()) for name in names]
    return hashlib.sha256(repr(arrays).encode()).hexdigest()


def _make(folder: pathlib.Path) -> None:
    """Make a competition, a finished run and a killed one of a tiny network."""
    commands.write_case(folder, OVERRIDES)
    code, said = commands.call("run", folder)
    assert code == 0, said
    half = ("--name", "half", "--set", "training.epochs=3", "--set", "folds=[0]")
    child = commands.start((*STEPS["train"], *half), folder, folder.parent / "half.txt")
    path = folder / HALF / "fold0" / "history.csv"
    assert commands.wait(child, lambda: bool(history.read(path))) is None
    commands.stop(child)


def main(folder: str, cases: str, seed: str) -> None:
    """Try so many cases, print those that fail, and end with 1 if any did."""
    fuzz = Fuzz(pathlib.Path(folder).absolute())
    failed = 0
    seeds = _seeds(cases, int(seed))
    for number in seeds:
        case, fault = fuzz.try_one(number)
        if fault:
            failed += 1
            sys.stdout.write(f"{case}\n    {fault}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(seeds)} cases from seed {seed}: {failed} failed\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main(*sys.argv[1:])
