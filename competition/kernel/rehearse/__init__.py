"""Run a built kernel at home as Kaggle would, so that it fails here, not there.

It runs twice: a submission on two tests, a training in two sessions.
"""

import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from competition.core import console
from competition.kernel import build, bundles
from competition.kernel.rehearse import (
    environment,
    jail,
    sessions,
    submission,
    training,
)
from competition.machine import deadline, kaggle_limits

Limits = jail.Limits
IMAGE = build.ROOT / "kernels" / "kaggle-image.txt"
# A rehearsal asks whether a kernel runs, not how fast: at level 1 XLA compiles in a
# fraction of the time. At level 0 training steps have given NaN.
_AS_TPU = {
    "XLA_FLAGS": f"--xla_force_host_platform_device_count={bundles.TPU_DEVICES} "
    "--xla_backend_optimization_level=1"
}


def run(
    bundle: bundles.Bundle,
    *,
    data: pathlib.Path | None = None,
    truth: pathlib.Path | None = None,
    python: pathlib.Path | None = None,
    weights: Mapping[str, pathlib.Path] | None = None,
    limits: jail.Limits | None = None,
) -> dict[str, Any]:
    """Rehearse a kernel of a run: {"ok", "python", "rehearsals", ...}.

    Without `data` a phantom is made. `python` is that of an environment to use instead
    of making one with the versions of Kaggle's image. `weights` are folders to use in
    place of the datasets and models that a training attaches.
    """
    folder = bundle.built / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    if python:
        used = environment.look_at(python)
    else:
        used = environment.make(IMAGE, bundle.work / "kernels")
    if not used.packages.get("tensorflow"):
        console.warn(f"{used.python} has no TensorFlow: rehearsing on JAX.")
    isolation, open_ends = jail.command()
    for each in open_ends:
        console.warn(f"not isolated: {each}.")
    is_tpu = bundles.is_tpu(bundle.metadata()["machine_shape"])
    kaggle = sessions.Sessions(
        folder,
        used,
        isolation,
        limits or jail.Limits(hours(bundle)),
        _AS_TPU if is_tpu else {},
    )
    if bundle.what == "train":
        results = training.rehearse(bundle, data, kaggle, weights or {})
    else:
        results = submission.rehearse(bundle, data, truth, kaggle)
    return {
        "ok": not any(each["why"] for each in results.values()),
        "python": used.version,
        "packages": used.packages,
        "not_isolated": open_ends,
        "rehearsals": results,
    }


def hours(bundle: bundles.Bundle) -> float:
    """Return the hours after which Kaggle ends a kernel."""
    is_tpu = bundles.is_tpu(bundle.metadata()["machine_shape"])
    most = kaggle_limits.TPU_SESSION if is_tpu else kaggle_limits.SESSION[bundle.what]
    return deadline.parse(most) / 3600
