"""Take the rules of another run, for a run that holds out no scans for a search."""

import json
from typing import Any

from competition.core import console, files, rules
from competition.core.experiment import runs


def write(run: runs.Run) -> dict[str, Any]:
    """Write the rules of the run that `run` names as its decision, if they are new."""
    source = runs.source_of_rules(run)
    files.require(source.files.decision, "decide")
    for key in ("members", "gate"):
        own, others = (len(getattr(each.config, key)) for each in (run, source))
        if own != others:
            raise ValueError(
                f"{run.name} cannot take the rules of {source.name}: it has {own} "
                f"`{key}`, but the rules were searched with the {others} of "
                f"{source.name}. Name as many, in the order of {source.name}."
            )
    chosen = rules.read(source.files.decision, source.classes, source.config.members)
    entries = rules.to_json(chosen, run.classes, run.config.members)
    # They are compared as JSON is read back, in which a tuple is a list.
    written = json.dumps({**entries, "taken_from": source.name})
    decision: dict[str, Any] = json.loads(written)
    console.note(f"{run.name} holds nothing out: it takes the rules of {source.name}")
    is_new = not files.exists(run.files.decision)
    if is_new or files.read_json(run.files.decision, dict) != decision:
        files.write_sealed(run.files.decision, decision)
    return decision
