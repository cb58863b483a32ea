"""Train an experiment on Kaggle: attach the competition and the bundle.

`python -m competition kernel build --what train` makes the bundle and this kernel, and
sets the constants. The output is the folder of the run, and those of its members and
gates, which are trained with it. Attach an earlier output to continue its training.
"""

import hashlib
import json
import os
import pathlib
import sys
import tempfile
import zipfile

INPUT, WORKING = pathlib.Path("/kaggle/input"), pathlib.Path("/kaggle/working")
# The start of the checksum of the bundle's manifest; None takes any bundle.
BUNDLE = None
# One fold, or None for all; and the time after which to stop, so that Kaggle keeps the
# state.
FOLD = None
BUDGET = "11h30m"
# "jax" on a TPU; None leaves the choice to Keras.
BACKEND = None


def main(input_root: pathlib.Path, working: pathlib.Path) -> None:
    """Run all steps on the competition under `input_root`; runs go to `working`."""
    # Set this before anything imports Keras.
    if BACKEND:
        os.environ["KERAS_BACKEND"] = BACKEND
    bundle, about = find(input_root)
    scratch = pathlib.Path(tempfile.mkdtemp())
    zipfile.ZipFile(bundle / about["package"]).extractall(scratch / "package")
    sys.path.insert(0, str(scratch / "package"))
    from competition import pipeline, prepare
    from competition.core.experiment import layout
    from competition.kernel import mounted_weights, session

    session.check(bundle)
    if BACKEND:
        session.check_tpu()
    data = session.competition(input_root, "train.csv")
    # These are the run, and its members and gates.
    for name in about["runs"]:
        earlier = session.resume(input_root, working / "runs" / name, name=name)
        print(f"{name}: going on from", earlier or "nothing", flush=True)
    weights = mounted_weights.overrides(input_root, bundle, about)
    # The prepared arrays are too large for what Kaggle keeps of a kernel.
    dataset = layout.dataset(data, scratch / "work")
    session.share(dataset.root, working / "runs")
    pipeline.run(
        str(bundle / about["experiment"]),
        data=data,
        work=scratch / "work",
        options=prepare.PrepareOptions(
            fold_file=bundle / "folds.csv",
            faulty=str(bundle / "faulty.txt"),
            quarantine=about["quarantine"],
        ),
        overrides=(*about["overrides"], *weights),
        name=about["run"],
        fold=FOLD,
        budget=BUDGET,
        # The notebook version of this kernel shows these pictures.
        png=True,
    )


def find(input_root: pathlib.Path) -> tuple[pathlib.Path, dict]:
    """Find the bundle anywhere under `input_root`; return it and its manifest."""
    matching, others = {}, []
    for folder, subfolders, names in os.walk(input_root, followlinks=True):
        if {"train.csv", "sample_submission.csv"} & {*names}:
            # Walking the competition's images would take minutes.
            subfolders.clear()
        path = pathlib.Path(folder, "manifest.json")
        # Read bytes: another dataset's manifest.json may be text of any encoding.
        content = path.read_bytes() if path.name in names else b""
        if b'"bundle": "train"' not in content:
            continue
        if hashlib.sha256(content).hexdigest().startswith(BUNDLE or ""):
            matching[path.resolve()] = path
        else:
            others.append(str(path))
    if len(matching) != 1:
        raise ValueError(
            f"{input_root}: expected one bundle {BUNDLE or ''} (manifest.json). "
            f"Received: {[str(path) for path in matching.values()] or 'none'}, and of "
            f"another build {others or 'none'}. Attach the dataset as last pushed."
        )
    path = next(iter(matching.values()))
    return path.parent, json.loads(path.read_text("utf-8"))


if __name__ == "__main__":
    main(INPUT, WORKING)
