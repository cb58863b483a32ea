"""`python -m bench.gpu.correctness`: does what is trained on this card come out right?

tests               the tests of networks, losses, step, augmentation, input and resume
smoke PRECISION     phantom to submission in a precision; the score is to be 0.90
memory              a batch that the memory of the device does not hold is survived
"""

import collections
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from bench.gpu import cases, report

ROOT = pathlib.Path(__file__).parents[2]
NET = "tests/net/"
RESUMED = "test_killed_and_called_again_it_ends_as_if_it_had_not_been"
TESTS = [
    NET + "networks/test_doubling.py",
    NET + "training/test_step.py",
    NET + "augment/test_engines.py",
    NET + "training/test_losses.py",
    NET + "networks/test_networks.py",
    NET + "input",
    f"{NET}training/test_fitting.py::{RESUMED}",
]
TOY_TEST = "test_it_computes_in_half_precision"
WANTED = 0.90


def tests() -> None:
    """Run tests under JAX, on this device, and count the results of each file."""
    limit = float(os.environ.get("GPU_SECONDS", "120"))
    chosen = [f"{TESTS[0]}::{TOY_TEST}"] if cases.TOY else TESTS
    workers = ["-n", "6"] if importlib.util.find_spec("xdist") and not cases.TOY else []
    command = ["-m", "pytest", "-p", "no:cacheprovider", "-vv", "--tb=line", *workers]
    # A process that ran out of time has printed the tests so far.
    with tempfile.TemporaryFile() as output:
        try:
            subprocess.run(
                [sys.executable, *command, *chosen],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            report.say("tests", file="the rest", result="no time left")
        output.seek(0)
        _count(output.read().decode(errors="replace"))


def _count(output: str) -> None:
    """Say how many tests of each file passed and failed."""
    counts: dict[str, collections.Counter] = collections.defaultdict(
        collections.Counter
    )
    failures = collections.defaultdict(list)
    for line in output.splitlines():
        result = re.search(r"\b(PASSED|FAILED|ERROR|SKIPPED)\b", line)
        test = re.search(r"(tests/\S+\.py)(::\S+)?", line)
        # The summary at the end names those that failed once more.
        if not result or not test or "%]" not in line:
            continue
        counts[test[1]][result[1]] += 1
        if result[1] in {"FAILED", "ERROR"}:
            failures[test[1]].append(test[2])
    if not counts:
        raise ValueError(f"no test ran: {output[-500:]}")
    for file, count in counts.items():
        failed = count["FAILED"] + count["ERROR"]
        report.say(
            "tests",
            file=file,
            passed=count["PASSED"],
            failed=failed,
            skipped=count["SKIPPED"],
            failures=failures[file][:8],
        )


def smoke(precision: str) -> None:
    """Take the small phantom to a scored submission."""
    from competition import pipeline
    from competition.sources import phantom

    asked = [f"training.precision={precision}", "folds=[0]"]
    asked += ["training.fresh_process=false", "training.tensorboard=false"]
    if cases.TOY:
        asked += ["geometry.height=32", "geometry.width=32", "model.widths=[4]"]
        asked += ["training.epochs=1", "decide.thresholds=[0.5]", "decide.gates=[]"]
    root = cases.OUT / f"smoke-{precision}"
    if cases.TOY:
        phantom.write(root, cases=6, days=1, slices=6, seed=3)
    else:
        phantom.write(root, small=True)
    results = pipeline.run(
        "smoke",
        data=root / "competition",
        work=root / "work",
        overrides=tuple(asked),
        truth=root / "solution.csv",
    )
    score = results["score"]["submission"]["score_per_class"]
    # One epoch at toy size learns nothing, so it only has to end with a score.
    wanted = None if cases.TOY else WANTED
    ok = score is not None and (wanted is None or score >= wanted)
    report.say("smoke", precision=precision, score=score, wanted=wanted, ok=ok)


def memory() -> None:
    """Train with a batch that does not fit the memory: it is halved until it fits.

    On a CPU, whose memory is that of the machine, the first batch only pretends.
    """
    from bench.gpu import full_memory

    halvings, is_real = full_memory.train()
    report.say("memory", halvings=halvings, is_real=is_real, ok=halvings > 0)


if __name__ == "__main__":
    {"tests": tests, "smoke": smoke, "memory": memory}[sys.argv[1]](*sys.argv[2:])
