"""Submit a pushed kernel to the competition and wait for its score."""

import functools
from collections.abc import Callable
from typing import Any

from competition.core import console, files
from competition.kernel import bundles
from competition.kernel.upload import client

# Enters a score (public, private), None where Kaggle does not show it.
Record = Callable[[float | None, float | None], Any]


def run(bundle: bundles.Bundle, *, record: Record, wait: bool = True) -> dict[str, Any]:
    """Submit the pushed version, once; `record` its score when Kaggle shows it.

    Returns {"kernel", "version", "status", "public", "private"}.
    """
    state = bundle.state()
    if state.get("status") != "COMPLETE":
        raise ValueError(
            f"{bundle.record}: no version of the kernel is complete. Run `python -m "
            f"competition kernel push --experiment {bundle.experiment}`."
        )
    about = files.read_json(bundle.built / "kernel" / "kernel-metadata.json")
    (competition,) = about["competition_sources"]
    kernel, version = state["id"], state["version"]
    message = f"{bundle.name} version {version} {state['kernel']}"
    api = client.connect(kernel.partition("/")[0])
    find = functools.partial(_find, api, competition, message)
    result = {"kernel": kernel, "version": version, "status": "PENDING"}
    if find() is None:
        submission = "submission.csv", message, competition, kernel, version
        submit = functools.partial(api.competition_submit_code, *submission)
        console.note(client.call("submission", submit, again=False).message)
    if not wait:
        return result | {"public": None, "private": None}
    look = functools.partial(find, pending=False)
    scored = client.wait(f"{message} is being scored", look, hours=12)
    if scored.status.name != "COMPLETE":
        why = scored.error_description or "Kaggle does not say why"
        raise ValueError(
            f"{message}: {why}. Rehearse the kernel; if it passes there, see its page: "
            f"{state['url']}"
        )
    public, private = _number(scored.public_score), _number(scored.private_score)
    if (public, private) != (None, None):
        record(public, private)
    scores = {"public": public, "private": private}
    bundle.keep(state | {"scores": scores})
    return result | {"status": "COMPLETE", **scores}


def _find(api: Any, competition: str, message: str, *, pending: bool = True) -> Any:
    """Return the submission that carries our message, or None.

    Without `pending`, one that is not scored yet does not count.
    """
    # A month of five a day, and more.
    ask = functools.partial(api.competition_submissions, page_size=200)
    for submission in client.call("submissions", ask, competition) or []:
        if submission.description == message:
            is_pending = submission.status.name == "PENDING"
            return submission if pending or not is_pending else None
    return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
