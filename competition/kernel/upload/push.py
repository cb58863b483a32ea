"""Push a built bundle to Kaggle, follow its kernel there, and fetch its output.

The run's kernel.json records each step, so a second call continues.
"""

import contextlib
import functools
import json
import pathlib
import shutil
from typing import Any

from competition.core import console, files
from competition.kernel import bundles, session
from competition.kernel.upload import client

READY_HOURS = 1.0
_BROKEN = ("failed", "deleted")
_ENDED = ("COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED", "CANCEL_REQUESTED")


def run(bundle: bundles.Bundle) -> dict[str, Any]:
    """Push a built kernel, follow it to its end, fetch its output.

    Returns {"kernel", "version", "status", "output"}. Trained folds are copied into
    the run, and into the runs that are trained with it. A kernel that fails on Kaggle
    raises an error with the end of its log.
    """
    built = bundle.built
    about = bundle.metadata()
    kernel, (dataset, *_) = about["id"], about["dataset_sources"]
    api = client.connect(kernel.partition("/")[0])
    state = _push_dataset(api, bundle, dataset)
    state = _push_kernel(api, bundle, kernel, state)
    version = f"{kernel}, version {state['version']}"
    poll = functools.partial(_ended, api, kernel, [])
    status, message = client.wait(version, poll, hours=13)
    output = built.with_name(f"{built.name}-output")
    log = _fetch(api, kernel, output)
    # Another version may have been pushed meanwhile.
    if bundle.state().get("version") == state["version"]:
        # A kernel may fail because the run of another data set, whose bundle has the
        # same name on Kaggle, was uploaded since: the next push uploads this one again.
        failed = {} if status == "COMPLETE" else {"dataset": None}
        bundle.keep(state | {"status": status} | failed)
    trained: list[str] = []
    if bundle.what == "train":
        manifest = files.read_json(built / "dataset" / "manifest.json")
        try:
            for name in manifest["runs"]:
                root = bundle.dataset.run(name).root
                trained += session.resume(output, root, name=name)
        except (ValueError, OSError) as error:
            if status == "COMPLETE":
                raise
            message += f"\nIts trained folds cannot be copied into the run: {error}"
    if status != "COMPLETE":
        last = "\n".join(log[-30:])
        raise ValueError(
            f"{version}, ended as {status}: {message}\n{last}\nAll of the log is in "
            f"{output}. Correct it, build, and push again."
        )
    if bundle.what == "train" and not trained:
        raise ValueError(
            f"{version}: expected the run {bundle.name} in its output, {output}. "
            "Received none. See its log there."
        )
    result = {"kernel": kernel, "version": state["version"], "status": status}
    return result | {"output": str(output)}


def _push_dataset(api: Any, bundle: bundles.Bundle, dataset: str) -> dict[str, Any]:
    """Upload the dataset, unless Kaggle has it as built; wait until it is processed."""
    state, folder = bundle.state(), bundle.folder / "dataset"
    digest = digest_of(folder)
    status = client.call("dataset status", _dataset_status, api, dataset)
    if state.get("dataset") != digest or status in (None, *_BROKEN):
        console.note(f"{dataset}: uploading")
        answer = client.call("dataset upload", _upload, api, dataset, folder, digest)
        if answer.error or (answer.status or "").lower() == "error":
            raise ValueError(client.explain("dataset upload", answer.error))
        # The kernel has to run again on another dataset.
        state = {"dataset": digest}
        bundle.keep(state)
    poll = functools.partial(_ready, api, dataset)
    client.wait(f"{dataset} is being processed", poll, hours=READY_HOURS)
    return state


def _dataset_status(api: Any, dataset: str) -> str | None:
    """Return the status of a dataset; None if it does not exist or is not ours."""
    import requests

    try:
        return str(api.dataset_status(dataset))
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code in (403, 404):
            return None
        raise


def _upload(api: Any, dataset: str, folder: pathlib.Path, digest: str) -> Any:
    # Ask at each try: an upload whose answer was lost may have made the dataset.
    if _dataset_status(api, dataset) in (None, "deleted"):
        return api.dataset_create_new(str(folder), quiet=True, dir_mode="zip")
    return api.dataset_create_version(str(folder), digest, quiet=True, dir_mode="zip")


def _ready(api: Any, dataset: str) -> bool | None:
    status = client.call("dataset status", _dataset_status, api, dataset)
    if status in _BROKEN:
        raise ValueError(
            f"{dataset}: Kaggle could not process the upload ({status}). See "
            f"https://www.kaggle.com/datasets/{dataset}, then push again."
        )
    return True if status == "ready" else None


def _push_kernel(
    api: Any, bundle: bundles.Bundle, kernel: str, state: dict[str, Any]
) -> dict[str, Any]:
    """Push the kernel, which starts it, unless this version was pushed already.

    A kernel that continues its own output starts again once it has ended.
    """
    folder, about = bundle.folder / "kernel", bundle.metadata()
    digest, status = digest_of(folder), state.get("status")
    is_done = status == "COMPLETE" and kernel not in about["kernel_sources"]
    if state.get("kernel") == digest and (status is None or is_done):
        console.note(f"{kernel}: pushed already, as version {state['version']}")
        return state
    if bundles.is_tpu(about["machine_shape"]):
        console.warn(
            "Kaggle may start a kernel that was pushed for a TPU without one "
            "(kaggle-cli issue 1197). A training then ends at once, and a submission "
            f"computes on the CPU. Then: {session.NO_TPU}"
        )
    answer = client.call("kernel push", api.kernels_push, str(folder))
    if answer.error:
        raise ValueError(client.explain("kernel push", answer.error))
    refused = [
        *answer.invalid_dataset_sources,
        *answer.invalid_competition_sources,
        *answer.invalid_kernel_sources,
        *answer.invalid_model_sources,
    ]
    if refused:
        raise ValueError(
            f"kernel push: Kaggle does not attach {', '.join(refused)}. Accept the "
            "competition's rules, check the names, then push again."
        )
    # A submission needs this number, and Kaggle lists it nowhere later.
    if not answer.version_number:
        raise ValueError(
            f"kernel push: Kaggle's answer names no version of {kernel}. See "
            f"https://www.kaggle.com/code/{kernel}, then push again."
        )
    version = {"version": answer.version_number, "url": answer.url}
    state = {"dataset": state["dataset"], "kernel": digest, "id": kernel, **version}
    bundle.keep(state)
    console.note(f"{kernel}: version {answer.version_number} at {answer.url}")
    return state


def _ended(api: Any, kernel: str, printed: list[str]) -> tuple[str, str] | None:
    """Print new lines of the log; return (status, message) once the kernel ends."""
    answer = client.call("kernel status", api.kernels_status, kernel)
    # There is no log before the kernel starts.
    with contextlib.suppress(ValueError):
        log = client.call("kernel log", api.kernels_logs, kernel, again=False)
        for line in readable(log)[len(printed) :]:
            console.note(f"  {line}")
            printed.append(line)
    if answer.status.name not in _ENDED:
        return None
    return answer.status.name, answer.failure_message or ""


def _fetch(api: Any, kernel: str, folder: pathlib.Path) -> list[str]:
    """Fetch a kernel's output and log into `folder`; return the lines of the log."""
    shutil.rmtree(folder, ignore_errors=True)
    urls, log = client.call("kernel output", api.outputs, kernel)
    # The output stays on this machine, also below a mirrored storage.
    with files.replacing(folder) as temporary:
        temporary.mkdir()
        for name, url in urls.items():
            path = temporary / name
            if temporary.resolve() not in path.resolve().parents:
                text = f"the name {name!r} leads out of {folder}."
                raise ValueError(f"kernel output: {text}")
            client.call(f"kernel output {name}", client.download, url, path)
        files.write_text(temporary / "log.txt", "\n".join(readable(log)))
    return readable(log)


def readable(log: str) -> list[str]:
    """Return the lines that a kernel printed, from a log with a JSON entry for each."""
    try:
        entries = json.loads(log)
        return "".join(str(entry["data"]) for entry in entries).splitlines()
    except (ValueError, KeyError, TypeError):
        return log.splitlines()


def digest_of(folder: pathlib.Path) -> str:
    """Return a digest of the names and contents of all files in a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [
        (path.relative_to(folder).as_posix(), files.file_digest(path)) for path in paths
    ]
    return files.digest(repr(parts))
