"""Disturb a tiny run: `-m tests.soak.disturb FOLDER SEED KILLS PAIRS STEPS`.

Kills, pairs of steps at once, and troubles of the disk in STEPS steps each. Prints one
line of JSON.
"""

import json
import pathlib
import sys

from tests.soak import kills, pairs, troubles, unbroken


def main(folder: str, seed: str, killed: str, paired: str, troubled: str) -> None:
    """Print what was done, and the faults."""
    root = pathlib.Path(folder).absolute()
    whole = unbroken.Run(root)
    result = {
        "kills": kills.kill(whole, int(killed), int(seed)),
        "pairs": pairs.run(whole, int(paired), int(seed)),
        "clock": {"faults": troubles.clock(whole)},
    }
    if troubles.can_mount(root / "trial"):
        result["troubles"] = troubles.run(whole, int(troubled), int(seed))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
