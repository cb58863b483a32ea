"""Train one peer in this process: `-m bench.peers.worker NAME JSON`.

`JSON` holds module, volumes, out, seconds, core, scans and experiment. Exit code 3
means that a package is missing or does not load; the last line printed says which.
`bench.peers` reads the result.
"""

import importlib
import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile

# Before any framework is loaded: each reads them once.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
TF_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
MISSING = 3


def main(name: str, settings: dict) -> None:
    """Train the peer `name` until its budget ends, and write its result."""
    os.environ.update(dict.fromkeys((*THREADS, *TF_THREADS), "1"))
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="2")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {settings["core"]})
    try:
        adapter = importlib.import_module(settings["module"])
    except ModuleNotFoundError as error:
        print(error.name)
        sys.exit(MISSING)
    # Such as torchvision beside a torch that was built without CUDA.
    except (ImportError, OSError, RuntimeError) as error:
        print(f"packages that load ({error!r})")
        sys.exit(MISSING)
    from bench.peers import clock, volumes

    parts, about = volumes.read(pathlib.Path(settings["volumes"]))
    held_out, count = parts["held_out"], len(about["classes"])

    def evaluate(predict: volumes.Predict) -> list[float]:
        return volumes.mean_dice(predict, held_out, count, settings["scans"])

    with tempfile.TemporaryDirectory() as folder:
        about["experiment"] = settings["experiment"]
        task = volumes.Task(
            *parts["training"],
            classes=about["classes"],
            largest=volumes.largest(parts),
            folder=pathlib.Path(folder),
            settings=about,
        )
        its = clock.Clock(settings["seconds"], evaluate)
        predict = adapter.train(task, its)
        spent = its.spent()
        final = volumes.mean_dice(predict, held_out, count)
    result = {
        "peer": name,
        "packages": {p: importlib.metadata.version(p) for p in adapter.PACKAGES},
        "classes": about["classes"],
        "seconds": settings["seconds"],
        "spent": spent,
        "dice": final,
        "curve": its.curve,
        "curve_scans": settings["scans"],
    }
    out = pathlib.Path(settings["out"])
    # Under another name first: a killed worker leaves no half of a result.
    part = out.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1), encoding="utf-8")
    part.replace(out)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
