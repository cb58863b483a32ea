"""Damage one file of a run, call a command that reads it, and judge what came of it.

`python -m tests.soak.fuzz FOLDER CASES SEED` makes a run in FOLDER, and prints each
failure with the seed of its case: `FOLDER 1 SEED` repeats that case alone.

A case passes if the command ends within a minute, either with code 0 and the result of
an undamaged run, or another result and a warning that names the file, or with code 1
and a message that names the file. A traceback, another code and a lost file fail.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import traceback

import numpy as np

from competition import __main__, pipeline, train
from competition.core import probabilities  # noqa: F401  loaded before a fork
from competition.core.experiment import configs, history
from competition.net.inference import scan_predictor  # noqa: F401
from competition.net.training import fitting, setup  # noqa: F401
from competition.sources import phantom
from tests import conftest
from tests.soak import harm

SECONDS = 60.0
DATA, WORK, RUN = "data/competition", "work", "work/competition/runs/tiny"
HALF = "work/competition/runs/half"
EXPERIMENT = ("--experiment", "tiny.toml")
PATHS = ("--data", DATA, "--work", WORK)


@dataclasses.dataclass(frozen=True)
class Job:
    """A command line, what it must make anew, and the results that are compared."""

    command: tuple[str, ...]
    anew: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    prints_result: bool = False


JOBS = {
    "prepare": Job(
        ("prepare", *PATHS, "--verify"),
        results=("work/competition/slices.csv", "work/competition/scans/*.npy",
                 "work/competition/masks/*.npy"),
    ),
    "train": Job(
        ("train", *PATHS, *EXPERIMENT), results=(f"{RUN}/fold*/best.weights.h5",)
    ),
    "resume": Job(
        ("train", "--run", HALF), results=(f"{HALF}/fold0/best.weights.h5",)
    ),
    "predict": Job(
        ("predict", *PATHS, *EXPERIMENT), anew=(f"{RUN}/oof",),
        results=(f"{RUN}/oof/*.npz",),
    ),
    "heal": Job(("predict", *PATHS, *EXPERIMENT), results=(f"{RUN}/oof/*.npz",)),
    "decide": Job(
        ("decide", *PATHS, *EXPERIMENT), anew=(f"{RUN}/decision.json",),
        results=(f"{RUN}/decision.json",),
    ),
    "submit": Job(
        ("submit", "--run", RUN, "--data", DATA, "--out", "out/submission.csv"),
        results=("out/submission.csv",),
    ),
    "again": Job(
        ("submit", "--run", RUN, "--data", DATA), results=(f"{RUN}/submission.csv",)
    ),
    "validate": Job(
        ("validate", "--submission", f"{RUN}/submission.csv", "--data", DATA, "--json"),
        prints_result=True,
    ),
    "score": Job(
        ("score", "--submission", f"{RUN}/submission.csv", "--data", DATA, "--truth",
         "data/solution.csv", "--json"),
        prints_result=True,
    ),
    "report": Job(("report", *PATHS, *EXPERIMENT), anew=(f"{RUN}/report.html",)),
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
# What a person may have changed: that another result follows is no fault.
SOURCES = ("data/", "tiny.toml")


class Fuzz:
    """A finished run in `root/case`, and a copy of it to return to."""

    def __init__(self, root: pathlib.Path) -> None:
        self.case, self.whole = root / "case", root / "whole"
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
        pattern, kind, names = draw.choice(TARGETS)
        name = draw.choice(names)
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
        said, printed = self.case.parent / "stderr", self.case.parent / "stdout"
        child = os.fork()
        if not child:
            _become(job.command, self.case, printed=printed, said=said)
        code = _wait(child)
        log = [path.read_text("utf-8", "replace") for path in self._logs()]
        return code, said.read_text("utf-8", "replace") + "".join(log)

    def _logs(self) -> list[pathlib.Path]:
        log = self.case / "out" / "submit.log"
        return [log] if log.is_file() else []

    def _results(self, job: Job) -> dict[str, str]:
        results = {}
        for pattern in job.results:
            for path in sorted(self.case.glob(pattern)):
                results[str(path.relative_to(self.case))] = _content(path)
        if job.prints_result:
            results["stdout"] = _content(self.case.parent / "stdout")
        return results


def _content(path: pathlib.Path) -> str:
    """Return a digest of what a file means: the times in an archive do not count."""
    if path.suffix != ".npz":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path) as stored:
        arrays = [(name, stored[name].tobytes()) for name in sorted(stored.files)]
    return hashlib.sha256(repr(arrays).encode()).hexdigest()


def _become(
    command: tuple[str, ...],
    folder: pathlib.Path,
    *,
    printed: pathlib.Path,
    said: pathlib.Path,
) -> None:
    """Run a command as if this process had been started with it, and end."""
    os.setsid()
    os.chdir(folder)
    for path, stream in ((printed, 1), (said, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.argv = ["competition", *command]
    code = 0
    try:
        __main__.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _wait(child: int) -> int | None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _make(folder: pathlib.Path) -> None:
    """Make a competition, a finished run and a killed one of a tiny network."""
    phantom.write(
        folder / "data", cases=6, days=1, slices=6, small=False, public=False, seed=3
    )
    config = configs.load("smoke", conftest.TINY).model_dump(mode="json")
    lines = [f"folds = {config['folds']}"]
    for section in ("geometry", "model", "training"):
        lines.append(f"[{section}]")
        lines += [
            f"{key} = {json.dumps(value)}" for key, value in config[section].items()
        ]
    (folder / "tiny.toml").write_text("\n".join(lines) + "\n", "utf-8")
    here = os.getcwd()
    os.chdir(folder)
    try:
        child = os.fork()
        if not child:
            pipeline.run("tiny.toml", data=DATA, work=WORK)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        _train_half()
    finally:
        os.chdir(here)


def _train_half() -> None:
    """Train the fold of a run of its own, and kill it after an epoch or two."""
    overrides = ("training.epochs=6", "folds=[0]", "training.score_every=1")
    dataset, run = pipeline.open_experiment(
        "tiny.toml", data=pathlib.Path(DATA), work=pathlib.Path(WORK),
        overrides=overrides, name="half",
    )  # fmt: skip
    child = os.fork()
    if not child:
        train.run(dataset, run)
        os._exit(0)
    while not history.read(run.files.history(0)):
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main(folder: str, cases: str, seed: str) -> None:
    """Try so many cases, print those that fail, and end with 1 if any did."""
    fuzz = Fuzz(pathlib.Path(folder).absolute())
    failed = 0
    for number in range(int(seed), int(seed) + int(cases)):
        case, fault = fuzz.try_one(number)
        if fault:
            failed += 1
            sys.stdout.write(f"{case}\n    {fault}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{cases} cases from seed {seed}: {failed} failed\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main(*sys.argv[1:])
