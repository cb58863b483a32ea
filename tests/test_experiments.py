"""The shipped experiments, each at a reduced size from training to a rehearsal.

Sizes and epochs are reduced, and nothing is downloaded. Of the members of `winner`, all
but one leave their encoders to `make soak`, and that one AdamW and the average of its
weights.
"""

import os
import pathlib
import re
import sys

import pytest

from bench import reduced
from competition import pipeline
from competition.core import files
from competition.core.experiment import configs
from competition.kernel import build, bundles, rehearse
from tests.kernel import stand_in

NAMES = sorted(path.stem for path in configs.EXPERIMENTS.glob("*.toml"))
# Networks that a test trains as members of one blend.
ALONE = sorted({*NAMES} - {"base", "smoke", "winner", "hippocampus", *reduced.MEMBERS})
SOAK = os.environ.get("SOAK") == "1"
# Tracing a network over an encoder takes longest, and what each variable adds to it.
FEW_OPERATIONS = () if SOAK else ("optimizer=sgd", "ema=0")
PLAIN = () if SOAK else sorted(reduced.ENCODERS.keys() - {"seg_effnet"})
ENCODERS = {name: of for name, of in reduced.ENCODERS.items() if name not in PLAIN}
DECODER = "model.widths=[4, 4, 8, 8, 8]"
TINY = (
    "geometry.height=32",
    "geometry.width=32",
    "training.epochs=1",
    "training.batch=12",
    "training.accumulate=1",
    "training.score_every=1",
    "training.fresh_process=false",
    "folds=[0]",
)
OF_MEMBERS = (
    *(f"{name}:model.encoder={encoder}" for name, encoder in ENCODERS.items()),
    *(f"{name}:model.encoder_weights=none" for name in reduced.ENCODERS),
    *(f"{name}:{DECODER}" for name in ENCODERS),
    *(f"{name}:model.encoder=none" for name in PLAIN),
    *(f"{name}:model.widths=[4, 8]" for name in PLAIN),
    *(f"{name}:training.encoder_rate=1" for name in PLAIN),
    *(f"seg_effnet:training.{value}" for value in FEW_OPERATIONS),
    *(f"seg_{name}:geometry.crop=[32, 32]" for name in ("effnet", "convnext", "mit")),
    "seg_effnet:geometry.height=64",
    "volume:training.batch=1",
    "volume:model.widths=[4, 8]",
    "volume:model.patch=[4, 32, 32]",
    "unet:model.widths=[4, 8]",
    "attention_unet:model.widths=[4, 8, 8]",
    "hippocampus_2d:model.widths=[4, 8]",
    "hippocampus_2d_y:model.widths=[4, 8]",
    "hippocampus_3d:training.batch=1",
    "hippocampus_3d:model.widths=[4, 8]",
    "hippocampus_3d:model.patch=[4, 32, 32]",
    "unet_3d:training.batch=1",
    "unet_3d:model.widths=[4, 8]",
    "unet_3d:model.patch=[4, 32, 32]",
)
AT_LENGTH = pytest.mark.skipif(
    not SOAK, reason="SOAK=1: other tests train networks like theirs"
)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"base"}))
def test_its_file_says_what_it_is_how_to_start_it_and_how_long_it_takes(name):
    text = (configs.EXPERIMENTS / f"{name}.toml").read_text("utf-8")
    heading = re.match(r"(#.*\n)+", text).group()
    assert "make run" in heading or "competition" in heading
    assert re.search(r"minutes|hours", heading), heading
    configs.load(name)


@pytest.mark.parametrize(
    "members",
    [reduced.MEMBERS, pytest.param(ALONE, marks=AT_LENGTH)],
    ids=["winner", "every other one"],
)
def test_it_is_trained_and_its_submission_rehearsed(tiny_phantom, tmp_path, members):
    experiment = "winner"
    if members != reduced.MEMBERS:
        experiment = tmp_path / "all.toml"
        files.write_text(experiment, f"members = {[*members]}".replace("'", '"'))
    overrides = (*TINY, *(o for o in OF_MEMBERS if o.partition(":")[0] in members))
    data, truth = tiny_phantom / "competition", tiny_phantom / "solution.csv"
    work = tmp_path / "work"
    asked = dict(data=data, work=work, overrides=overrides)
    results = pipeline.run(str(experiment), **asked, truth=truth)
    assert results["validate"]["ok"]
    bundle = bundles.find(str(experiment), work=work)
    build.run(bundle, user=stand_in.USER)
    python = pathlib.Path(sys.executable)
    rehearsed = rehearse.run(bundle, data=data, truth=truth, python=python)
    assert rehearsed["ok"], rehearsed
    at_home = results["score"]["submission"]
    assert rehearsed["rehearsals"]["hidden"]["score"] == at_home
