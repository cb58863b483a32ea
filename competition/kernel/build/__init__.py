"""Everything that a kernel on Kaggle needs: a dataset's folder and a kernel's folder.

The same run gives the same bytes, whenever and wherever it is built.
"""

import json
import pathlib
import re
import shutil
from typing import Any

from competition.core import files
from competition.core.experiment import configs
from competition.kernel import bundles, names
from competition.kernel.build import contents, leaks, notebook, wheel
from competition.machine import deadline

ROOT = pathlib.Path(__file__).parents[3]
COMPETITION = "uw-madison-gi-tract-image-segmentation"
# The time after which Kaggle ends a kernel.
SESSION = {"train": "12h", "submit": "9h"}
BundleOptions = contents.BundleOptions


def run(
    experiment: str,
    *,
    user: str,
    work: pathlib.Path,
    data: pathlib.Path | None = None,
    name: str | None = None,
    options: BundleOptions | None = None,
) -> dict[str, Any]:
    """Write `work`/kernels/<run>-<what>/{dataset,kernel}/; return ids and size."""
    options = options or BundleOptions()
    names.check_user(user)
    if options.budget is not None:
        _check_budget(options)
    bundle = bundles.find(experiment, work=work, data=data, name=name)
    new = bundle.built(options.what) / "new"
    shutil.rmtree(new, ignore_errors=True)
    with files.replacing(new) as folder:
        collected = contents.collect(experiment, bundle, options)
        about = _write_dataset(folder / "dataset", collected, bundle, options)
        ids = _write_kernel(
            folder / "kernel", folder / "dataset", bundle, user, options
        )
        total = names.check_sizes(folder / "dataset", folder / "kernel" / "main.py")
        leaks.check(folder, own=(work, ROOT, *((data,) if data else ())), user=user)
    built = _replace_built(bundle.built(options.what))
    return {**ids, "built": str(built), "files": len(about["files"]), "bytes": total}


def _check_budget(options: BundleOptions) -> None:
    seconds, most = deadline.parse(options.budget or ""), SESSION[options.what]
    if seconds >= deadline.parse(most):
        raise ValueError(
            f"--budget {options.budget}: Kaggle ends a {options.what} kernel after "
            f"{most}. Give it less, so that it ends by itself."
        )


def _replace_built(built: pathlib.Path) -> pathlib.Path:
    """Replace the dataset and the kernel of an earlier build by the new ones."""
    # The kernel goes first and comes last: a build that is killed in between leaves no
    # kernel, and `push` then refuses the folder.
    for part in ("kernel", "dataset"):
        shutil.rmtree(built / part, ignore_errors=True)
    for part in ("dataset", "kernel"):
        (built / "new" / part).rename(built / part)
    (built / "new").rmdir()
    return built


def _write_dataset(
    folder: pathlib.Path,
    contents_by_name: dict[str, bytes | pathlib.Path],
    bundle: bundles.RunBundle,
    options: BundleOptions,
) -> dict[str, Any]:
    folder.mkdir(parents=True)
    package = wheel.write(ROOT, folder)
    for name, content in contents_by_name.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.read_bytes() if isinstance(content, pathlib.Path) else content
        path.write_bytes(data)
    listed = {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": files.file_digest(folder / name),
        }
        for name in sorted([*contents_by_name, package.name])
    }
    about: dict[str, Any] = {
        "bundle": options.what,
        "run": bundle.name,
        "package": package.name,
        "files": listed,
    }
    if options.what == "train":
        (toml,) = (name for name in contents_by_name if name.endswith(".toml"))
        quarantined = files.read_json(bundle.dataset.manifest).get("quarantined")
        about |= {
            "experiment": toml,
            "overrides": list(options.overrides),
            "quarantine": bool(quarantined),
        }
    files.write_json(folder / "manifest.json", about)
    return about


def _write_kernel(
    folder: pathlib.Path,
    dataset: pathlib.Path,
    bundle: bundles.RunBundle,
    user: str,
    options: BundleOptions,
) -> dict[str, str]:
    title = names.title(bundle.name, ending=options.what)
    data_title = names.title(bundle.name, ending=f"{options.what} bundle")
    ids = {
        "dataset_id": f"{user}/{names.slug(data_title)}",
        "kernel_id": f"{user}/{names.slug(title)}",
    }
    constants: dict[str, Any] = {
        "BUNDLE": files.file_digest(dataset / "manifest.json")[:16]
    }
    if options.budget is not None:
        constants["BUDGET"] = options.budget
    if options.what == "train":
        constants["FOLD"] = options.fold
    template = ROOT / "kernels" / options.what
    code = _set_constants((template / "main.py").read_text("utf-8"), constants)
    files.write_text(folder / "main.py", code)
    files.write_text(folder / "main.ipynb", notebook.make(code, title=title))
    about = files.read_json(template / "kernel-metadata.json") | {
        "id": ids["kernel_id"],
        "title": title,
        "code_file": "main.ipynb" if options.as_notebook else "main.py",
        "kernel_type": "notebook" if options.as_notebook else "script",
        "enable_internet": _needs_internet(bundle, options),
        "machine_shape": options.machine,
        "dataset_sources": [ids["dataset_id"]],
        "competition_sources": [COMPETITION],
        "kernel_sources": [
            names.check_id(source, what="--from") for source in options.sources
        ],
    }
    files.write_json(folder / "kernel-metadata.json", about)
    licence = [{"name": "other"}]
    dataset_about = {"title": data_title, "id": ids["dataset_id"], "licenses": licence}
    files.write_json(dataset / "dataset-metadata.json", dataset_about)
    return ids


def _needs_internet(bundle: bundles.RunBundle, options: BundleOptions) -> bool:
    """Return whether the kernel downloads weights, as only a training may."""
    if options.what == "submit":
        return False
    config = configs.load(bundle.experiment, options.overrides)
    return config.model.encoder_weights == "imagenet"


def _set_constants(code: str, constants: dict[str, Any]) -> str:
    """Return the code of a main.py with other values of the constants at its top."""
    for name, value in constants.items():
        text = json.dumps(value) if isinstance(value, str) else repr(value)
        line = f"{name} = {text}"
        code, count = re.subn(rf"(?m)^{name} = .*$", line, code, count=1)
        if count != 1:
            raise ValueError(f"main.py: expected one line `{name} = ...`. Add it.")
    return code
