"""A blend whose members are copies of one finished run, so that they all agree."""

import json
import shutil

from competition.core import files
from competition.core.experiment import configs, layout, starting


def blend(job, root, *, names, folds=(0, 1)):
    """Write the members and the blend of them below `root`, with `folds` of the run."""
    dataset = layout.DatasetFiles(root)
    files.write_bytes(dataset.manifest, job.dataset.manifest.read_bytes())
    for name in names:
        member = dataset.run(name)
        shutil.copytree(job.run.files.root, member.root)
        for fold in set(job.run.config.folds) - set(folds):
            shutil.rmtree(member.fold(fold))
        about = files.read_json(member.config) | {"name": name}
        files.write_json(member.config, about)
    wanted = configs.load("smoke", (f"members={json.dumps(names)}",))
    run = starting.start(dataset, "blend", wanted)
    files.write_bytes(run.files.decision, job.run.files.decision.read_bytes())
    return run
