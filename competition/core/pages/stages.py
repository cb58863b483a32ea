"""Trace how the decision rule makes the masks of a scan, part by part."""

from collections.abc import Sequence

import numpy as np

from competition.core import blending, masks, rules
from competition.core.experiment import runs

Steps = dict[str, np.ndarray]
# The stages of all classes together, in their order, with their names on the page.
WORDS = {
    "raw": "probability of 0.5",
    "threshold": "threshold",
    "gate": "gate of slices",
    "pixels": "without small parts of a slice",
    "voxels": "without small parts in 3D",
    "largest": "largest parts alone",
    "holes": "holes filled",
    "exclusive": "one class a pixel",
}


def trace(
    prediction: blending.MemberPredictions, class_rules: Sequence[rules.Rule]
) -> list[Steps]:
    """Return the arrays (D, H, W) of each class: first the probability, then masks.

    A part of the rule that is off is left out. If classes exclude each other, the last
    mask is without the pixels that other classes get.
    """
    traced = []
    for index, rule in enumerate(class_rules):
        evidence = prediction.of_class(index, rule.weights)
        above = evidence.probability >= rule.threshold * 255
        probability = prediction.probability(index, rule.weights)
        steps = {"probability": probability, "threshold": above}
        mask = rules.threshold(evidence, rule)
        if rule.chooses_slices:
            steps["gate"] = mask
        for part, change in rules.CLEANING.items():
            if value := getattr(rule, part):
                mask = steps[part] = change(mask, value)
        traced.append(steps)
    if prediction.exclusive:
        decided = blending.decide(prediction, class_rules)
        for index, steps in enumerate(traced):
            steps["exclusive"] = masks.plane(decided, index)
    return traced


def out_of_fold(run: runs.Run, scan: str) -> list[Steps]:
    """Trace a held-out scan of a run that has decision rules."""
    class_rules = rules.read(run.files.decision, run.classes, run.config.members)
    return trace(blending.out_of_fold(run, scan), class_rules)


def bits(traced: Sequence[Steps]) -> dict[str, masks.Bits]:
    """Return the mask bits (D, H, W) of all classes after each part, by its words.

    A part that changes nothing in this scan is left out.
    """
    now = [steps["probability"] >= 0.5 * 255 for steps in traced]
    found = {"raw": masks.pack(np.stack(now, axis=-1))}
    for part in WORDS:
        now = [steps.get(part, mask) for steps, mask in zip(traced, now, strict=True)]
        after = masks.pack(np.stack(now, axis=-1))
        if not np.array_equal(after, [*found.values()][-1]):
            found[part] = after
    return {WORDS[part]: mask for part, mask in found.items()}
