"""The launchers for SkyPilot and keras-kinetic, as far as they can be tried here.

`make check-launchers` tries them with these packages, in an environment of their own.
"""

import importlib.util
import inspect
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest
import typer.main

from competition.commands import app

CLUSTER = pathlib.Path(__file__).parents[3] / "kernels" / "cluster"
SKYPILOT = CLUSTER / "skypilot.yaml"
KINETIC = CLUSTER / "kinetic_folds.py"
VALUES = {"BUCKET": "s3://mine/uw", "FOLD": "3", "EXPERIMENT": "unet"}
# Stands in for the package: records what it is asked, and runs the first job here.
STAND_IN = """
import json, subprocess, sys

class Jobs:
    def __init__(self, done):
        self.done = done
    def results(self):
        return self.done

def run(*, accelerator, spot):
    def decorate(job):
        class Remote:
            def run_async_map(self, inputs, **asked):
                subprocess.run = lambda arguments, **more: print(
                    json.dumps([arguments[1:], str(more["cwd"])])
                )
                print(json.dumps([accelerator, spot, asked, job.__code__.co_filename]))
                return Jobs([job(*each) for each in inputs])
        return Remote()
    return decorate
"""


@pytest.fixture
def reads(monkeypatch):
    """Return a function that has the command line read a command, and not take it."""
    found = []
    group = typer.main.get_command(app.app)
    # What only a run would refuse, such as a package that is missing, is not asked.
    for command in group.commands.values():
        monkeypatch.setattr(command, "invoke", lambda ctx: found.append(ctx.params))

    def read(words):
        group.main(words, standalone_mode=False)
        return found[-1]

    return read


def commands(text):
    """Return the words of the project's commands in a text, as a shell reads them."""
    text = text.replace("\\\n", " ")
    for name, value in VALUES.items():
        text = text.replace(f"${name}", value)
    lines = [line.strip("# ") for line in text.splitlines()]
    calls = [line.partition("-m competition ")[2] for line in lines]
    return [shlex.split(call) for call in calls if call]


def test_the_commands_in_the_yaml_are_those_of_the_project(
    reads, monkeypatch, tmp_path
):
    monkeypatch.setenv("COMPETITION_CACHE", str(tmp_path))
    found = commands(SKYPILOT.read_text("utf-8"))
    assert [words[0] for words in found] == ["prepare", "run", "train"]
    for words in found:
        params = reads(words)
        assert str(params["data"]).endswith("mine/uw/data")
    assert params["fold"] == 3 and params["experiment"] == "unet"


def test_skypilot_takes_the_yaml():
    sky = pytest.importorskip("sky")
    yaml = pytest.importorskip("yaml")
    secrets = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")]
    task = sky.Task.from_yaml_config(
        yaml.safe_load(SKYPILOT.read_text("utf-8")),
        env_overrides=list(VALUES.items()),
        secrets_overrides=secrets,
    )
    assert task.envs == VALUES
    assert all(each.use_spot for each in task.resources)
    recoveries = [each.job_recovery for each in task.resources]
    assert all(each["max_restarts_on_errors"] == 2 for each in recoveries)


def test_kinetic_is_asked_for_a_job_a_fold(reads, monkeypatch, tmp_path):
    (tmp_path / "kinetic.py").write_text(STAND_IN, "utf-8")
    done = subprocess.run(
        [sys.executable, KINETIC, "gs://mine/uw", "unet", "0", "1"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *told, end = done.stdout.splitlines()
    (accelerator, spot, asked, file), *jobs = map(json.loads, told)
    assert (accelerator, spot) == ("tpu-v5e-8", True)
    assert asked == {"retries": 3, "max_concurrent": None, "name": "unet-folds"}
    assert end == "trained: 0, 1"
    folder = pathlib.Path(file).parent
    monkeypatch.setenv("COMPETITION_CACHE", str(tmp_path))
    for fold, (words, where) in enumerate(jobs):
        assert words[:2] == ["-m", "competition"] and where == str(folder)
        assert reads(words[2:])["fold"] == fold
    assert (folder / "competition" / "experiments" / "base.toml").is_file()
    needed = (folder / "requirements.txt").read_text("utf-8")
    assert "keras==" in needed and "gcsfs" in needed and "tensorflow" not in needed


def test_kinetic_sends_a_job_that_runs_elsewhere(tmp_path):
    kinetic = pytest.importorskip("kinetic")
    from kinetic.backend import execution
    from kinetic.utils import packager

    asked = inspect.signature(kinetic.collections.map)
    asked.bind(print, [("a", "b")], retries=3, max_concurrent=None, name="x")
    assert callable(
        kinetic.run(accelerator="tpu-v5e-8", spot=True)(print).run_async_map
    )
    here, there = tmp_path / "here", tmp_path / "there"
    pack = "import kinetic_folds, pathlib, sys; kinetic_folds.packed(pathlib.Path(%r))"
    subprocess.run(
        [sys.executable, "-c", pack % str(here)], cwd=KINETIC.parent, check=True
    )
    spec = importlib.util.spec_from_file_location("kinetic_folds", here / KINETIC.name)
    module = sys.modules["kinetic_folds"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert execution._resolve_working_dir(module.train_fold) == str(here)
    assert execution._find_requirements(str(here)) == str(here / "requirements.txt")
    packager.zip_working_dir(str(here), str(tmp_path / "context.zip"))
    payload = str(tmp_path / "payload.pkl")
    packager.save_payload(module.train_fold, ("gs://b", "smoke", "0"), {}, {}, payload)
    shutil.unpack_archive(tmp_path / "context.zip", there)
    # As its runner does: the folder of the job, then the function by its name.
    call = f"""
import sys, cloudpickle, subprocess
sys.path.insert(0, {str(there)!r})
subprocess.run = lambda arguments, **more: print(arguments[3], more["cwd"])
payload = cloudpickle.load(open({payload!r}, "rb"))
print(payload["func"](*payload["args"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", call], cwd="/", capture_output=True, encoding="utf-8"
    )
    assert done.stdout.split() == ["train", str(there), "0"], done.stderr
