"""Kernels run at home as Kaggle would: their files, limits and failures."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from competition.core import files
from competition.kernel import build, rehearse
from competition.kernel.rehearse import environment, jail, mounts
from competition.sources import phantom

HERE = environment.look_at(pathlib.Path(sys.executable))
FULL, OPEN_ENDS = jail.command()
full = pytest.mark.skipif(bool(OPEN_ENDS), reason="namespaces are not allowed here")
HEAD = """
import os, pathlib, socket, sys, time
INPUT, WORKING = pathlib.Path("/kaggle/input"), pathlib.Path("/kaggle/working")

def main(input_root, working):
    out = working / "submission.csv"
"""
TAIL = """
if __name__ == "__main__":
    main(INPUT, WORKING)
"""


def kernel(folder, *lines):
    path = folder / "main.py"
    body = "\n".join(f"    {line}" for line in lines)
    path.write_text(HEAD + body + TAIL, encoding="utf-8")
    return path


def start(
    folder, *lines, isolation=FULL, limits=None, inputs=None, python=HERE, until=None
):
    """Run a kernel of these lines: (outcome, its working folder)."""
    working = folder / "working"
    working.mkdir()
    job = mounts.Kernel(kernel(folder, *lines), inputs or {}, working, python)
    limits = limits or jail.Limits()
    return jail.run(job, limits, isolation, until=until), working


def test_an_environment_without_tensorflow_rehearses_on_jax(tmp_path):
    write = "out.write_text(os.environ.get('KERAS_BACKEND', 'none'))"
    for version, expected in (("2.20.0", "none"), (None, "jax")):
        packages = HERE.packages | {"tensorflow": version}
        folder = tmp_path / expected
        folder.mkdir()
        python = dataclasses.replace(HERE, packages=packages)
        _, working = start(folder, write, python=python)
        assert (working / "submission.csv").read_text("utf-8") == expected


@pytest.mark.parametrize("isolation", [FULL, []], ids=["as allowed", "open"])
def test_inputs_lie_where_they_are_mounted(tmp_path, isolation):
    files.write_text(tmp_path / "data" / "train.csv", "id\n")
    view = tmp_path / "view"
    view.mkdir()
    (view / "linked").symlink_to(tmp_path / "data")
    outcome, working = start(
        tmp_path,
        "data = input_root / 'competitions/uwm/train.csv'",
        "linked = input_root / 'old/linked/train.csv'",
        "out.write_text(data.read_text() + linked.read_text())",
        isolation=isolation,
        inputs={"competitions/uwm": tmp_path / "data", "old": view},
    )
    assert outcome.status == 0, outcome.log
    assert (working / "submission.csv").read_text("utf-8") == "id\nid\n"


@full
def test_nothing_but_the_working_folder_can_be_written(tmp_path):
    files.write_text(tmp_path / "data" / "a", "a")
    outcome, working = start(
        tmp_path,
        "inputs = input_root / 'd/a', input_root / 'new'",
        "for path in (*inputs, '/kaggle/new', '/usr/new'):",
        "    try:",
        "        open(path, 'w')",
        "        print('wrote', path)",
        "    except OSError:",
        "        pass",
        "out.write_text(os.getcwd())",
        inputs={"d": tmp_path / "data"},
    )
    assert outcome.status == 0 and outcome.log == ""
    assert (working / "submission.csv").read_text("utf-8") == "/kaggle/working"


@full
def test_the_network_and_the_project_are_out_of_sight(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    outcome, _ = start(
        tmp_path,
        "try:",
        "    socket.create_connection(('127.0.0.1', 22), 1)",
        "except OSError as error:",
        "    print(error.strerror)",
        f"print(os.path.exists({str(build.ROOT / 'pyproject.toml')!r}))",
        f"print(os.path.exists({str(tmp_path)!r}), 'KAGGLE_KEY' in os.environ)",
        "print('competition' in sys.modules, sorted(os.listdir('/kaggle')))",
    )
    assert outcome.log.splitlines() == [
        "Network is unreachable",
        "False",
        "False False",
        "False ['input', 'src', 'working']",
    ]


@pytest.mark.parametrize("isolation", [FULL, []], ids=["as allowed", "open"])
def test_a_kernel_that_takes_too_long_is_stopped(tmp_path, isolation):
    limits = jail.Limits(hours=1 / 3600)
    outcome, _ = start(tmp_path, "time.sleep(60)", isolation=isolation, limits=limits)
    assert outcome.stopped == "time" and outcome.seconds < 30


@pytest.mark.parametrize("isolation", [FULL, []], ids=["as allowed", "open"])
def test_a_kernel_that_takes_too_much_memory_is_stopped(tmp_path, isolation):
    limits = jail.Limits(memory_gb=0.1)
    lines = ("held = bytearray(300_000_000)", "held[::4096] = b'x' * len(held[::4096])")
    outcome, _ = start(
        tmp_path, *lines, "time.sleep(60)", isolation=isolation, limits=limits
    )
    assert outcome.stopped == "memory" and outcome.memory_gb > 0.1


@pytest.mark.parametrize("isolation", [FULL, []], ids=["as allowed", "open"])
def test_a_kernel_is_killed_when_its_log_says_so_and_its_output_stays(
    tmp_path, isolation
):
    outcome, working = start(
        tmp_path,
        "out.write_text('so far')",
        "print('epoch 1', flush=True)",
        "time.sleep(60)",
        "out.write_text('to the end')",
        isolation=isolation,
        until="epoch [0-9]",
    )
    assert outcome.stopped == "told" and outcome.seconds < 30
    assert (working / "submission.csv").read_text("utf-8") == "so far"


def test_missing_isolation_is_reported(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    isolation, open_ends = jail.command()
    assert isolation == []
    assert [each.partition(":")[0] for each in open_ends] == [
        "the files",
        "the network",
    ]
    monkeypatch.setattr(shutil, "which", lambda name: name)

    def without_mounts(trial, **options):
        return subprocess.CompletedProcess(trial, int("--mount" in trial))

    monkeypatch.setattr(subprocess, "run", without_mounts)
    isolation, open_ends = jail.command()
    assert "--net" in isolation and len(open_ends) == 1


def rehearsed(built, tiny_phantom, *lines, limits=None):
    """Both rehearsals of the run with another main.py, which these lines make."""
    kernel(built.folder / "kernel", *lines)
    return rehearse.run(
        built,
        data=tiny_phantom / "competition",
        truth=tiny_phantom / "solution.csv",
        python=HERE.python,
        limits=limits,
    )


SAMPLE = "sample = next(input_root.rglob('sample_submission.csv')).read_text()"


def test_both_layouts_and_both_tests_are_rehearsed(built, tiny_phantom):
    result = rehearsed(
        built,
        tiny_phantom,
        SAMPLE,
        "out.write_text(sample)",
        "print(sorted(str(p.parent) for p in input_root.rglob('manifest.json')))",
    )
    public, hidden = (result["rehearsals"][name] for name in ("public", "hidden"))
    assert result["ok"] and public["verdict"] == hidden["verdict"] == "Complete"
    assert public["rows"] == 0 and public["score"] is None
    assert hidden["rows"] > 0 and hidden["score"]["dice"] == 0
    folder = built.folder / "rehearsal"
    logs = [(folder / n / "log.txt").read_text("utf-8") for n in ("public", "hidden")]
    assert "input/uwm-smoke-submit-bundle" in logs[0]
    assert "input/datasets/jane-doe/uwm-smoke-submit-bundle" in logs[1]


@pytest.mark.parametrize(
    ("lines", "verdict", "why"),
    [
        (["raise KeyError('oh')"], "Notebook Threw Exception", "KeyError: 'oh'"),
        (["pass"], "Submission CSV Not Found", "no submission.csv in /kaggle/working"),
        (["out.write_text('id,class\\n')"], "Submission Scoring Error", "predicted is"),
        (
            [SAMPLE, "out.write_text(sample.partition('\\n')[0] + '\\n')"],
            "Submission Scoring Error",
            "is missing; it belongs in this row",
        ),
        (
            ["raise OSError(28, 'No space left on device')"],
            "Notebook Exceeded Allowed Compute",
            "No space left",
        ),
    ],
)
def test_a_failure_reads_as_on_kaggle(built, tiny_phantom, lines, verdict, why):
    result = rehearsed(built, tiny_phantom, *lines)
    assert not result["ok"]
    hidden = result["rehearsals"]["hidden"]
    assert hidden["verdict"] == verdict and why in hidden["why"]


SLEEP = "time.sleep(60)"
WRITE = "(working / 'large').write_bytes(bytes(2**21))"


@pytest.mark.parametrize(
    ("limit", "line", "verdict"),
    [
        ({"hours": 1 / 3600}, SLEEP, "Notebook Timeout"),
        ({"memory_gb": 0.001}, SLEEP, "Notebook Exceeded Allowed Compute"),
        pytest.param(
            {"disk_gb": 0.001}, WRITE, "Notebook Exceeded Allowed Compute", marks=full
        ),
    ],
)
def test_a_limit_reads_as_on_kaggle(built, tiny_phantom, limit, line, verdict):
    result = rehearsed(built, tiny_phantom, line, limits=jail.Limits(**limit))
    assert result["rehearsals"]["public"]["verdict"] == verdict


def test_without_a_test_of_its_own_the_data_gets_a_phantoms(
    built, tiny_phantom, monkeypatch
):
    def write(out, **options):
        shutil.copytree(tiny_phantom, out)

    monkeypatch.setattr(phantom, "write", write)
    kernel(built.folder / "kernel", SAMPLE, "out.write_text(sample)")
    public = built.work / "public"
    public.mkdir()
    (public / "train.csv").symlink_to(tiny_phantom / "competition" / "train.csv")
    result = rehearse.run(built, data=public, python=HERE.python)
    hidden = result["rehearsals"]["hidden"]
    assert result["ok"] and hidden["rows"] > 0 and hidden["score"] is not None


def test_a_kernel_that_is_not_built_cannot_be_rehearsed(bundle):
    with pytest.raises(ValueError, match=r"no kernel is built. Run `python -m compet"):
        rehearse.run(bundle, python=HERE.python)


def test_kaggles_list_becomes_requirements():
    text = "# about\nnumpy==2.0.2\nplotly==5.24\n\nmatplotlib\n"
    wanted = ["numpy==2.0.2", "plotly==5.24.*", "matplotlib"]
    assert environment.requirements(text) == wanted


@pytest.fixture
def image(tmp_path):
    """A list of versions, as Kaggle's image has one."""
    path = tmp_path / "image.txt"
    path.write_text("numpy==2.0\n", encoding="utf-8")
    return path


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Commands that are run; with a file `offline`, those of pip fail."""
    asked = []

    def run(command, **options):
        asked.append(command)
        failed = "install" in command and (tmp_path / "offline").is_file()
        answer = json.dumps(["3.12.1", {}, []])
        return subprocess.CompletedProcess(command, int(failed), answer, "no network")

    monkeypatch.setattr(environment, "find_python", lambda: sys.executable)
    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_an_environment_is_made_once(tmp_path, image, commands):
    used = environment.make(image, tmp_path)
    assert used == environment.make(image, tmp_path)
    made, installed, *asked = commands
    assert made[1:3] == ["-m", "venv"] and installed[-1] == "numpy==2.0.*"
    assert installed[0] == asked[0][0] == asked[1][0] == str(used.python)
    assert len(asked) == 2


def test_an_environment_that_cannot_be_made_is_an_error(tmp_path, image, commands):
    (tmp_path / "offline").touch()
    with pytest.raises(ValueError, match=r"no network\nWithout a network, pass the `p"):
        environment.make(image, tmp_path)
    (tmp_path / "offline").unlink()
    environment.make(image, tmp_path)
    assert sum("venv" in command for command in commands) == 2


def test_a_file_that_is_no_python_is_an_error(tmp_path):
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho no >&2; exit 3\n", encoding="utf-8")
    path.chmod(0o755)
    with pytest.raises(
        ValueError, match=r"expected a Python interpreter. Received: no"
    ):
        environment.look_at(path)
