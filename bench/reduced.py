"""Train an experiment at a size for a CPU: `-m bench.reduced NAME [SEED]`.

The data is the phantom, and two folds are trained. An encoder is the smallest of its
kind. It learns at the rate of the decoder, because its weights are random: those that
Keras offers would have to be downloaded. All else is as shipped. The score out of fold
is printed. `winner` takes 45 to 70 minutes of one core, and the others take 2 to 25.
"""

import pathlib
import sys
import tempfile

from competition import pipeline
from competition.sources import phantom

# The smallest encoder of the kind that each experiment has.
ENCODERS = {
    "gate": "EfficientNetV2B0",
    "kaggle": "EfficientNetV2B0",
    "seg_effnet": "EfficientNetB0",
    "seg_convnext": "ConvNeXtTiny",
    "seg_mit": "mit_b0",
    "tpu": "ConvNeXtTiny",
}
MEMBERS = ("seg_effnet", "seg_convnext", "seg_mit", "volume", "gate")
# The side of slices, the side of the crops that are trained on, and the epochs.
_SIZES = {
    "unet": (112, None, 6),
    "attention_unet": (112, None, 6),
    "unet_3d": (96, None, 16),
    "kaggle": (128, None, 12),
    "gate": (96, None, 12),
    "seg_effnet": (224, 192, 14),
    "seg_convnext": (96, 64, 8),
    "seg_mit": (144, 128, 16),
    "volume": (96, None, 16),
    "tpu": (64, None, 2),
}
_VOLUMETRIC = (
    "model.patch=[16, 64, 64]",
    "model.widths=[8, 16, 32, 64]",
    "training.learning_rate=3e-3",
)
_PLAIN = ("model.widths=[16, 32, 64, 128]", "training.batch=4")
_OWN = {"unet": _PLAIN, "attention_unet": _PLAIN}
_OWN |= dict.fromkeys(("unet_3d", "volume"), _VOLUMETRIC)


def overrides(name: str) -> tuple[str, ...]:
    """Return the `--set` values that reduce an experiment, or a blend's members."""
    if name == "smoke":
        return ()
    if name == "winner":
        own = [f"{each}:{value}" for each in MEMBERS for value in _values(each)]
    else:
        own = _values(name)
    return ("folds=[0, 1]", *own)


def score(name: str, seed: int, folder: pathlib.Path) -> float:
    """Train a reduced experiment on the phantom of a seed; return its score.

    The score is out of fold, by the rules of `decide`. Files that `folder` already has,
    for instance a blend's trained members, are not made again.
    """
    data = folder / f"phantom_{seed}"
    if not data.exists():
        phantom.write(data, small=True, seed=seed)
    results = pipeline.run(
        name,
        data=data / "competition",
        work=folder / f"work_{seed}",
        overrides=overrides(name),
    )
    return float(results["score"]["oof"]["score_per_class"])


def _values(name: str) -> list[str]:
    side, crop, epochs = _SIZES[name]
    values = [
        f"geometry.height={side}",
        f"geometry.width={side}",
        f"training.epochs={epochs}",
        f"training.score_every={epochs}",
        *_OWN.get(name, ()),
    ]
    if crop:
        values.append(f"geometry.crop=[{crop}, {crop}]")
    if name in ENCODERS:
        values += [
            f"model.encoder={ENCODERS[name]}",
            "model.encoder_weights=none",
            "model.widths=[16, 24, 32, 48, 64]",
            "training.encoder_rate=1",
            "training.learning_rate=2e-3",
            "training.batch=4",
            "training.accumulate=1",
        ]
    return values


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in {"smoke", "winner", *_SIZES}:
        known = ", ".join(["smoke", "winner", *_SIZES])
        sys.exit(f"usage: python -m bench.reduced NAME [SEED]; names: {known}")
    with tempfile.TemporaryDirectory() as scratch:
        seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
        print(f"{score(sys.argv[1], seed, pathlib.Path(scratch)):.4f}")
