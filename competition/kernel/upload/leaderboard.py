"""Submit a pushed kernel to the competition and wait for its score."""

import functools
from typing import Any

from competition.core import console, files
from competition.kernel import bundles
from competition.kernel.upload import client, push


def run(bundle: bundles.Bundle, *, wait: bool = True) -> dict[str, Any]:
    """Submit the pushed version, once, and `wait` for its score.

    Returns {"kernel", "version", "status", "public", "private"}. A score that Kaggle
    does not show is None.
    """
    state = bundle.state()
    if state.get("status") != "COMPLETE":
        raise ValueError(
            f"{bundle.record}: no version of the kernel is complete. Run `python -m "
            f"competition kernel push --experiment {bundle.experiment}`."
        )
    sent, decision = bundle.folder / "dataset", bundle.run.decision
    rules = sent / decision.relative_to(bundle.dataset.root)
    is_built_anew = push.digest_of(sent) != state["dataset"]
    if is_built_anew or files.read_bytes(rules) != files.read_bytes(decision):
        raise ValueError(
            f"{bundle.run.root}: the run was decided or built anew since version "
            f"{state['version']} was pushed, so its score would not be the run's. Run "
            "`kernel build` and `kernel push` again."
        )
    about = bundle.metadata()
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

    def scored() -> Any:
        submission = find()
        is_pending = submission is None or submission.status.name == "PENDING"
        return None if is_pending else submission

    answer = client.wait(f"{message} is being scored", scored, hours=12)
    if answer.status.name != "COMPLETE":
        why = answer.error_description or "Kaggle does not say why"
        raise ValueError(
            f"{message}: {why}. Rehearse the kernel; if it passes there, see its page: "
            f"{state['url']}"
        )
    scores = {
        "public": _number(answer.public_score),
        "private": _number(answer.private_score),
    }
    # Another version may have been pushed meanwhile.
    if bundle.state() == state:
        bundle.keep(state | {"scores": scores})
    return result | {"status": "COMPLETE", **scores}


def _find(api: Any, competition: str, message: str) -> Any:
    """Return the submission that carries our message, or None."""
    # More than a month of five submissions a day.
    ask = functools.partial(api.competition_submissions, page_size=200)
    submissions = client.call("submissions", ask, competition) or []
    return next((each for each in submissions if each.description == message), None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
