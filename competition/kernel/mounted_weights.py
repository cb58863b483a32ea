"""A kernel's encoder weights: in its bundle, or found among its other inputs.

Among the inputs any file or preset is taken that loads into the encoder.
"""

import json
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from competition.kernel import session
from competition.machine import gpus, process

# The weights of a fold, which are not those of an encoder.
_TRAINED = "best.weights.h5"
_PRESET = {"config.json", "model.weights.h5"}


def overrides(
    input_root: pathlib.Path, bundle: pathlib.Path, about: dict[str, Any]
) -> list[str]:
    """Return the overrides that set `model.encoder_weights` of each run.

    `about` is the bundle's manifest; its `weights` say where they are to be found.
    """
    lines = []
    for entry in about["weights"]:
        value = entry.get("value")
        if "file" in entry:
            value = str(bundle / entry["file"])
        elif "source" in entry:
            value = str(find(input_root, bundle, entry["encoder"], entry["source"]))
        prefix = "" if entry["run"] == about["run"] else f"{entry['run']}:"
        lines.append(f"{prefix}model.encoder_weights={json.dumps(value)}")
    return lines


def find(
    input_root: pathlib.Path, bundle: pathlib.Path, encoder: str, source: str
) -> pathlib.Path:
    """Return the file or preset under `input_root` that loads into an encoder.

    `source` is what was attached. It is an error if none loads, or more than one.
    """
    candidates = sorted(_candidates(input_root, bundle))
    faults = _try(encoder, candidates)
    fitting = {
        path.resolve(): path
        for path, fault in zip(candidates, faults, strict=True)
        if not fault
    }
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    received = "\n  ".join(map(str, fitting.values())) or "\n  ".join(faults) or "none"
    raise ValueError(
        f"{input_root}: expected one file or preset with the weights of {encoder}, of "
        f"{source}. Received:\n  {received}\nAttach {source} alone, or build again "
        "with other `weights`."
    )


def _candidates(
    input_root: pathlib.Path, bundle: pathlib.Path
) -> Iterator[pathlib.Path]:
    """Yield every preset's folder and every file of weights outside the bundle."""
    for folder, names in session.walk(input_root):
        if folder.resolve().is_relative_to(bundle.resolve()):
            continue
        is_preset = set(names) >= _PRESET
        if is_preset:
            yield folder
        for name in sorted(names):
            is_known = name == _TRAINED or (is_preset and name in _PRESET)
            if name.endswith(".h5") and not is_known:
                yield folder / name


def _try(encoder: str, paths: Sequence[pathlib.Path]) -> list[str]:
    """Return why each path does not load into an encoder, or "" if it does."""
    if not paths:
        return []
    command = ["-m", "competition.kernel.mounted_weights", encoder, *map(str, paths)]
    with tempfile.TemporaryFile() as output:
        # The process ends once its input is closed: inside the block it stays open.
        with process.start(command, gpus.ON_CPU, stdout=output) as child:
            status = child.wait()
        output.seek(0)
        lines = output.read().splitlines()
    if status:
        raise ValueError(
            f"The weights of {encoder} could not be tried: {process.reason(status)}. "
            "The last lines on standard error stand above."
        )
    faults: list[str] = json.loads(lines[-1])
    return faults


def main(encoder: str, *paths: str) -> None:
    """Print as JSON why each path does not load into an encoder."""
    from competition.net.networks import encoders

    faults = []
    for path in paths:
        try:
            encoders.check_weights(encoder, path)
        except ValueError as error:
            faults.append(str(error))
        else:
            faults.append("")
    print("\n" + json.dumps(faults))


if __name__ == "__main__":
    process.run_as_child(lambda: main(*sys.argv[1:]))
