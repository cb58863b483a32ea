"""Submit a pushed kernel to the competition and wait for its score."""

import functools
from collections.abc import Callable
from typing import Any

from competition.core import console, files
from competition.kernel import bundles
from competition.kernel.upload import client

HOURS = 12.0
# The newest submissions among which ours is searched: a month of five a day, and more.
NEWEST = 200

# Enters a score (public, private), None where Kaggle does not show it.
Record = Callable[[float | None, float | None], Any]


def run(bundle: bundles.Bundle, *, record: Record, wait: bool = True) -> dict[str, Any]:
    """Submit the version that was pushed, once; `record` its score when there is one.

    Returns {"kernel", "version", "status", "public", "private"}.
    """
    state = bundle.state()
    if state.get("status") != "COMPLETE":
        raise ValueError(
            f"{bundle.record}: no version of the kernel is complete. "
            f"Run `python -m competition kernel push --experiment {bundle.experiment}`."
        )
    built = bundle.built
    about = files.read_json(built / "kernel" / "kernel-metadata.json")
    (competition,) = about["competition_sources"]
    message = f"{bundle.name} version {state['version']} {state['kernel']}"
    api = client.connect(state["id"].partition("/")[0])
    find = functools.partial(_find, api, competition, message)
    if find() is None:
        answer = client.call(
            "submission",
            api.competition_submit_code,
            "submission.csv",
            message,
            competition,
            state["id"],
            state["version"],
            again=False,
        )
        console.note(answer.message)
    result = {"kernel": state["id"], "version": state["version"]}
    if not wait:
        return result | {"status": "PENDING", "public": None, "private": None}
    submission = client.wait(
        f"{message} is being scored",
        functools.partial(_scored, find),
        hours=HOURS,
        until="scored",
    )
    scores = {
        "public": _number(submission.public_score),
        "private": _number(submission.private_score),
    }
    if submission.status.name != "COMPLETE":
        why = submission.error_description or "Kaggle does not say why"
        raise ValueError(
            f"{message}: {why}. Rehearse the kernel; if it passes there, see its page: "
            f"{state['url']}"
        )
    if any(score is not None for score in scores.values()):
        record(scores["public"], scores["private"])
    bundle.keep(state | {"scores": scores})
    return result | {"status": "COMPLETE", **scores}


def _find(api: Any, competition: str, message: str) -> Any:
    """Return the submission that carries our message, or None."""
    ask = functools.partial(api.competition_submissions, page_size=NEWEST)
    submissions = client.call("submissions", ask, competition) or []
    return next((one for one in submissions if one.description == message), None)


def _scored(find: Callable[[], Any]) -> Any:
    submission = find()
    is_scored = submission is not None and submission.status.name != "PENDING"
    return submission if is_scored else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
