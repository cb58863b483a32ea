"""Two steps at once on one run, for every pair of steps, and what they leave."""

import itertools
import pathlib
import random
import time
from typing import Any

from tests.soak import commands, unbroken

# The files without which a step has its work to do again.
PRODUCTS = {
    "prepare": (), "train": ("fold0",), "predict": ("oof",),
    "decide": ("decision.json",), "submit": ("submission.csv",),
    "validate": (), "score": (), "report": ("report.html",), "run": (),
}  # fmt: skip
PAIRS = [*itertools.combinations_with_replacement(PRODUCTS, 2)]


def run(whole: unbroken.Run, count: int, seed: int) -> dict[str, Any]:
    """Start `count` drawn pairs; both end well, or one is refused with words."""
    began, draw = time.monotonic(), random.Random(seed)
    faults: list[str] = []
    refused = 0
    for pair in draw.sample(PAIRS, min(count, len(PAIRS))):
        missing = dict.fromkeys(name for step in pair for name in PRODUCTS[step])
        whole.restore(whole.case / commands.WORK, *missing)
        codes, words = _at_once(whole.case, pair, draw.uniform(0, 0.5))
        refused += any(codes)
        for code, said in zip(codes, words, strict=True):
            if code not in (0, 1) or "Traceback" in said or (code and not said.strip()):
                faults.append(f"{pair}: code {code}: {said[-2000:]}")
        faults += whole.differences(f"after {pair} at once", partly=True)
        code, said = commands.call("run", whole.case)
        if code:
            faults.append(f"run after {pair}: code {code}: {said[-2000:]}")
        faults += whole.differences(f"after {pair} at once and a run")
    return {
        "seed": seed, "pairs": min(count, len(PAIRS)), "refused": refused,
        "faults": faults, "seconds": round(time.monotonic() - began),
    }  # fmt: skip


def _at_once(
    case: pathlib.Path, pair: tuple[str, str], pause: float
) -> tuple[list[int | None], list[str]]:
    said = [case.parent / f"{place}.txt" for place in ("first", "second")]
    children = []
    for name, path in zip(pair, said, strict=True):
        children.append(commands.start(commands.STEPS[name], case, path))
        time.sleep(pause if len(children) == 1 else 0)
    codes = [commands.wait(child) for child in children]
    for child, code in zip(children, codes, strict=True):
        if code is None:
            commands.stop(child)
    return codes, [unbroken.read(path) for path in said]
