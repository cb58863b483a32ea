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
from competition.kernel import names, places, session
from competition.kernel.build import contents, leaks, notebook, wheel
from competition.machine import deadline

ROOT = pathlib.Path(__file__).parents[3]
COMPETITION = "uw-madison-gi-tract-image-segmentation"
# After which Kaggle ends a kernel.
SESSION = {"train": "12h", "submit": "9h"}


def run(
    experiment: str,
    *,
    user: str,
    work: pathlib.Path,
    data: pathlib.Path | None = None,
    name: str | None = None,
    options: contents.BundleOptions | None = None,
) -> dict[str, Any]:
    """Write `work`/kernels/<run>-<what>/{dataset,kernel}/ and say what is in them."""
    options = options or contents.BundleOptions()
    names.check_user(user)
    if options.budget is not None:
        _check_budget(options)
    place = places.find(experiment, work=work, data=data, name=name)
    new = place.built(options.what) / "new"
    shutil.rmtree(new, ignore_errors=True)
    with files.replacing(new) as folder:
        parts = contents.collect(experiment, place, options)
        about = _write_dataset(folder / "dataset", parts, place, options)
        ids = _write_kernel(folder / "kernel", folder / "dataset", place, user, options)
        total = names.check_sizes(folder / "dataset", folder / "kernel" / "main.py")
        leaks.check(folder, own=(work, ROOT, *((data,) if data else ())), user=user)
    built = _put(place.built(options.what))
    return {**ids, "built": str(built), "files": len(about["files"]), "bytes": total}


def _check_budget(options: contents.BundleOptions) -> None:
    seconds, most = deadline.parse(options.budget or ""), SESSION[options.what]
    if seconds >= deadline.parse(most):
        raise ValueError(
            f"--budget {options.budget}: Kaggle ends a {options.what} kernel after "
            f"{most}. Give it less, so that it ends by itself."
        )


def _put(built: pathlib.Path) -> pathlib.Path:
    """Replace the dataset and the kernel built before by the new ones."""
    # Killed in between, there must be no kernel, so that nothing is taken for built.
    for part in ("kernel", "dataset"):
        shutil.rmtree(built / part, ignore_errors=True)
    for part in ("dataset", "kernel"):
        (built / "new" / part).rename(built / part)
    (built / "new").rmdir()
    return built


def _write_dataset(
    folder: pathlib.Path,
    parts: dict[str, bytes | pathlib.Path],
    place: places.BundlePlace,
    options: contents.BundleOptions,
) -> dict[str, Any]:
    folder.mkdir(parents=True)
    package = wheel.write(ROOT, folder)
    for name, content in parts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.read_bytes() if isinstance(content, pathlib.Path) else content
        path.write_bytes(data)
    listed = {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": session.digest(folder / name),
        }
        for name in sorted([*parts, package.name])
    }
    about: dict[str, Any] = {
        "bundle": options.what,
        "run": place.name,
        "package": package.name,
        "files": listed,
    }
    if options.what == "train":
        (toml,) = (name for name in parts if name.endswith(".toml"))
        quarantined = files.read_json(place.dataset.manifest).get("quarantined")
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
    place: places.BundlePlace,
    user: str,
    options: contents.BundleOptions,
) -> dict[str, str]:
    title = names.title(place.name, ending=options.what)
    data_title = names.title(place.name, ending=f"{options.what} bundle")
    ids = {
        "dataset_id": f"{user}/{names.slug(data_title)}",
        "kernel_id": f"{user}/{names.slug(title)}",
    }
    constants: dict[str, Any] = {
        "BUNDLE": session.digest(dataset / "manifest.json")[:16]
    }
    if options.budget is not None:
        constants["BUDGET"] = options.budget
    if options.what == "train":
        constants["FOLD"] = options.fold
    template = ROOT / "kernels" / options.what
    code = _set((template / "main.py").read_text("utf-8"), constants)
    files.write_text(folder / "main.py", code)
    files.write_text(folder / "main.ipynb", notebook.make(code, title=title))
    about = files.read_json(template / "kernel-metadata.json") | {
        "id": ids["kernel_id"],
        "title": title,
        "code_file": "main.ipynb" if options.as_notebook else "main.py",
        "kernel_type": "notebook" if options.as_notebook else "script",
        "enable_internet": _needs_internet(place, options),
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


def _needs_internet(place: places.BundlePlace, options: contents.BundleOptions) -> bool:
    """Only a training that begins with weights to be downloaded does."""
    if options.what == "submit":
        return False
    wanted = configs.load(place.experiment, options.overrides)
    return wanted.model.encoder_weights == "imagenet"


def _set(code: str, constants: dict[str, Any]) -> str:
    """Give the constants at the top of a main.py other values."""
    for name, value in constants.items():
        text = json.dumps(value) if isinstance(value, str) else repr(value)
        line = f"{name} = {text}"
        code, count = re.subn(rf"(?m)^{name} = .*$", line, code, count=1)
        if count != 1:
            raise ValueError(f"main.py: expected one line `{name} = ...`. Add it.")
    return code
