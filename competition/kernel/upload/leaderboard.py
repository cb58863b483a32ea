"""A pushed kernel is submitted, and its score awaited."""

import functools
from collections.abc import Callable
from typing import Any

from competition.core import console, files
from competition.kernel import places
from competition.kernel.upload import client

HOURS = 12.0
# Among so many submissions ours is looked for: those of a month, five a day, and more.
NEWEST = 200

# Enters a score (public, private), None where Kaggle does not show it.
Record = Callable[[float | None, float | None], Any]


def run(
    place: places.BundlePlace, *, record: Record, wait: bool = True
) -> dict[str, Any]:
    """Submit the version that was pushed, once; `record` its score when there is one.

    Returns {"kernel", "version", "status", "public", "private"}.
    """
    state = place.state("submit")
    if state.get("status") != "COMPLETE":
        raise ValueError(
            f"{place.run.root / 'kernel.json'}: no version of the kernel is complete. "
            f"Run `python -m competition kernel push --experiment {place.experiment}`."
        )
    built = places.built(place, "submit")
    about = files.read_json(built / "kernel" / "kernel-metadata.json")
    (competition,) = about["competition_sources"]
    message = f"{place.name} version {state['version']} {state['kernel']}"
    api = client.connect(state["id"].partition("/")[0])
    look = functools.partial(_find, api, competition, message)
    if look() is None:
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
    found = client.wait(
        f"{message} is being scored",
        functools.partial(_scored, look),
        hours=HOURS,
        until="scored",
    )
    scores = {
        "public": _number(found.public_score),
        "private": _number(found.private_score),
    }
    if found.status.name != "COMPLETE":
        why = found.error_description or "Kaggle does not say why"
        raise ValueError(
            f"{message}: {why}. Rehearse the kernel; if it passes there, see its page: "
            f"{state['url']}"
        )
    if any(score is not None for score in scores.values()):
        record(scores["public"], scores["private"])
    place.keep("submit", state | {"scores": scores})
    return result | {"status": "COMPLETE", **scores}


def _find(api: Any, competition: str, message: str) -> Any:
    """The submission that carries our message, None where there is none."""
    ask = functools.partial(api.competition_submissions, page_size=NEWEST)
    found = client.call("submissions", ask, competition)
    return next((each for each in found or [] if each.description == message), None)


def _scored(look: Callable[[], Any]) -> Any:
    found = look()
    return None if found is None or found.status.name == "PENDING" else found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
