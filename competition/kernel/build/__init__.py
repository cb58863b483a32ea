"""Everything that a kernel on Kaggle needs: a dataset's folder and a kernel's folder.

The same run gives the same bytes, whenever and wherever it is built.
"""

import json
import pathlib
import re
import shutil
from typing import Any

from competition.core import console, files
from competition.core.experiment import configs
from competition.kernel import bundles, names
from competition.kernel.build import (
    contents,
    encoder_weights,
    leaks,
    notebook,
    space,
    wheel,
)
from competition.machine import deadline, kaggle_limits

ROOT = pathlib.Path(__file__).parents[3]
COMPETITION = "uw-madison-gi-tract-image-segmentation"
BundleOptions = contents.BundleOptions


def run(
    bundle: bundles.Bundle, *, user: str, options: BundleOptions | None = None
) -> dict[str, Any]:
    """Write dataset/ and kernel/ into the bundle's folder; return ids and size."""
    options = options or BundleOptions()
    names.check_user(user)
    is_tpu = bundles.is_tpu(options.machine)
    session = kaggle_limits.SESSION[bundle.what]
    budget, most = options.budget, kaggle_limits.TPU_SESSION if is_tpu else session
    if budget and deadline.parse(budget) >= deadline.parse(most):
        raise ValueError(
            f"`budget` is {budget}, but Kaggle ends a {bundle.what} kernel after "
            f"{most}. Pass a shorter one, so that the kernel ends by itself."
        )
    new = bundle.folder / "new"
    shutil.rmtree(new, ignore_errors=True)
    with files.replacing(new) as folder:
        dataset, kernel = folder / "dataset", folder / "kernel"
        count = _write_dataset(dataset, bundle, options)
        if bundle.what == "train":
            _check_weights(bundle, options)
            console.note(space.check(bundle, options))
        ids = _write_kernel(kernel, dataset, bundle, user, options)
        total = names.check_sizes(dataset, kernel / "main.py")
        own = [path for path in (bundle.work, ROOT, bundle.data) if path]
        leaks.check(folder, own=own, user=user)
    # The kernel is removed first and renamed last: a build that is killed in between
    # leaves no kernel, and `push` then refuses the folder.
    for part in ("kernel", "dataset"):
        shutil.rmtree(bundle.folder / part, ignore_errors=True)
    for part in ("dataset", "kernel"):
        (new / part).rename(bundle.folder / part)
    new.rmdir()
    return {**ids, "built": str(bundle.folder), "files": count, "bytes": total}


def _write_dataset(
    folder: pathlib.Path, bundle: bundles.Bundle, options: BundleOptions
) -> int:
    """Write the dataset and the manifest of its files; return their number."""
    by_name = contents.collect(bundle, options)
    for name, content in by_name.items():
        data = (
            files.read_bytes(content) if isinstance(content, pathlib.Path) else content
        )
        files.write_bytes(folder / name, data)
    package = wheel.write(ROOT, folder).name
    listed = {}
    for name in sorted([*by_name, package]):
        path = folder / name
        digest = files.file_digest(path)
        listed[name] = {"bytes": path.stat().st_size, "sha256": digest}
    manifest: dict[str, Any] = {
        "bundle": bundle.what,
        "run": bundle.name,
        "package": package,
        "files": listed,
    }
    if bundle.what == "train":
        prepared = files.read_json(bundle.dataset.manifest)
        manifest |= {
            "experiment": configs.find(bundle.experiment).name,
            "overrides": list(options.overrides),
            "quarantine": bool(prepared.get("quarantined")),
            "runs": contents.resumed(bundle, options),
            "trained": list(trained := contents.trained(bundle, options)),
            "weights": encoder_weights.listed(
                bundle, contents.weights(bundle, options), trained
            ),
        }
    files.write_json(folder / "manifest.json", manifest)
    return len(listed)


def _write_kernel(
    folder: pathlib.Path,
    dataset: pathlib.Path,
    bundle: bundles.Bundle,
    user: str,
    options: BundleOptions,
) -> dict[str, str]:
    """Write the kernel, and the metadata of kernel and dataset; return both ids."""
    title = names.title(bundle.name, ending=bundle.what)
    dataset_title = names.title(bundle.name, ending=f"{bundle.what} bundle")
    kernel_id = f"{user}/{names.slug(title)}"
    dataset_id = f"{user}/{names.slug(dataset_title)}"
    template = ROOT / "kernels" / bundle.what
    constants = _constants(dataset, options)
    code = set_constants((template / "main.py").read_text("utf-8"), constants)
    files.write_text(folder / "main.py", code)
    files.write_text(folder / "main.ipynb", notebook.make(code, title=title))
    about = files.read_json(template / "kernel-metadata.json") | {
        "id": kernel_id,
        "title": title,
        **_metadata(bundle, dataset_id, options),
    }
    files.write_json(folder / "kernel-metadata.json", about)
    licences = [{"name": "other"}]
    about = {"title": dataset_title, "id": dataset_id, "licenses": licences}
    files.write_json(dataset / "dataset-metadata.json", about)
    return {"dataset_id": dataset_id, "kernel_id": kernel_id}


def _constants(dataset: pathlib.Path, options: BundleOptions) -> dict[str, Any]:
    """Return the constants to replace at the top of the kernel's main.py."""
    is_tpu = bundles.is_tpu(options.machine)
    constants: dict[str, Any] = {
        "BUNDLE": files.file_digest(dataset / "manifest.json")[:16],
        "BACKEND": "jax" if is_tpu else None,
    }
    # Without these options the kernel keeps its own budget and trains all folds.
    budget = options.budget or (kaggle_limits.TPU_BUDGET if is_tpu else None)
    for name, value in ("BUDGET", budget), ("FOLD", options.fold):
        if value is not None:
            constants[name] = value
    return constants


def _metadata(
    bundle: bundles.Bundle, dataset_id: str, options: BundleOptions
) -> dict[str, Any]:
    """Return the metadata that names the machine and what the kernel attaches."""
    is_tpu = bundles.is_tpu(options.machine)
    datasets: list[str] = []
    models: list[str] = []
    needs_internet = False
    if bundle.what == "train":
        by_run = contents.weights(bundle, options)
        datasets, models = encoder_weights.sources(by_run)
        # Only a training downloads weights.
        needs_internet = any(
            config.model.encoder_weights != "none" and name not in by_run
            for name, config in contents.trained(bundle, options).items()
        )
    return {
        "code_file": "main.ipynb" if options.as_notebook else "main.py",
        "kernel_type": "notebook" if options.as_notebook else "script",
        "enable_gpu": not is_tpu,
        "enable_tpu": is_tpu,
        "enable_internet": needs_internet,
        "machine_shape": options.machine,
        "dataset_sources": [dataset_id, *datasets],
        "model_sources": models,
        "competition_sources": [COMPETITION],
        "kernel_sources": [names.check_source(each) for each in options.sources],
    }


def _check_weights(bundle: bundles.Bundle, options: BundleOptions) -> None:
    """Raise an error if a file of weights does not load into its run's encoder."""
    trained = contents.trained(bundle, options)
    by_run = contents.weights(bundle, options)
    here = {
        name: value for name, value in by_run.items() if pathlib.Path(value).exists()
    }
    if here:
        # Imported late: loading the framework takes seconds.
        from competition.net.networks import encoders

        for name, value in here.items():
            encoders.check_weights(trained[name].model.encoder, value)


def set_constants(code: str, constants: dict[str, Any]) -> str:
    """Replace the constants at the top of a main.py."""
    for name, value in constants.items():
        line = f"{name} = {'None' if value is None else json.dumps(value)}"
        code, count = re.subn(rf"(?m)^{name} = .*$", line, code, count=1)
        if count != 1:
            raise ValueError(f"main.py: expected one line `{name} = ...`. Add it.")
    return code
